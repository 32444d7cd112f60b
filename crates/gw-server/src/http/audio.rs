//! `POST /v1/audio/speech`, `/v1/audio/transcriptions` and `/v1/audio/translations`: sound in OpenAI's
//! dialect. Speech is passed on while it arrives.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use gw_core::operation::OperationKind;
use gw_dialect::operation::openai;
use gw_engine::Door;
use serde_json::json;

use crate::app::Server;
use crate::auth::Scope;
use crate::errors::Refusal;
use crate::http::Route;
use crate::openapi::{BODY_ERRORS, CALL_ERRORS, DOOR_ERRORS, Operation};
use crate::operate;
use crate::surface::Surface;

pub(super) fn speech_door() -> Route {
    Route {
        path: "/v1/audio/speech",
        aliases: &["/audio/speech"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(speak) },
        operations: speech_operations,
    }
}

pub(super) fn transcriptions_door() -> Route {
    Route {
        path: "/v1/audio/transcriptions",
        aliases: &["/audio/transcriptions"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(transcribe) },
        operations: transcription_operations,
    }
}

pub(super) fn translations_door() -> Route {
    Route {
        path: "/v1/audio/translations",
        aliases: &["/audio/translations"],
        allow: "POST, OPTIONS",
        scope: Scope::Caller,
        mount: || -> MethodRouter<Arc<Server>> { post(translate) },
        operations: translation_operations,
    }
}

async fn speak(State(server): State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    let taken = operate::take(&server, request).await?;
    let operation = openai::read_speech(&taken.bytes)?;
    let (door, surface) = (Door::Audio, Surface::OpenAi);
    operate::answer(&server, door, surface, taken, operation, operate::only_raw).await
}

async fn transcribe(server: State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    listen(server, request, OperationKind::Transcriptions).await
}

async fn translate(server: State<Arc<Server>>, request: Request) -> Result<Response, Refusal> {
    listen(server, request, OperationKind::Translations).await
}

async fn listen(
    State(server): State<Arc<Server>>,
    request: Request,
    kind: OperationKind,
) -> Result<Response, Refusal> {
    let taken = operate::take_form(&server, request).await?;
    let content_type = operate::content_type(&taken.headers);
    let operation = openai::read_form(kind, content_type, &taken.bytes)?;
    let (door, surface) = (Door::Audio, Surface::OpenAi);
    operate::answer(&server, door, surface, taken, operation, operate::only_raw).await
}

fn speech_operations() -> Vec<Operation> {
    let request = json!({"model": "gpt-4o-mini-tts", "input": "Hello.", "voice": "alloy"});
    let sound = json!({"type": "string", "format": "binary"});
    let post = Operation::new("post", "createSpeech", "OpenAI", "Sound from a text.")
        .call_headers()
        .dialect_body("SpeechRequest", request)
        .answers_as(200, "The sound, as it arrives.", "audio/mpeg", sound, json!("ID3"))
        .with_call_answer_headers();
    vec![with_errors(post)]
}

fn transcription_operations() -> Vec<Operation> {
    heard("createTranscription", "Text from sound.")
}

fn translation_operations() -> Vec<Operation> {
    heard("createTranslation", "English text from sound.")
}

fn heard(id: &str, about: &str) -> Vec<Operation> {
    let text = json!({"type": "string", "minLength": 1});
    let parts = json!({
        "model": text, "file": {"type": "string", "format": "binary"},
        "language": {"type": "string"}, "prompt": {"type": "string"},
        "response_format": {"type": "string", "example": "json"},
    });
    let answer = json!({"text": "Hello.", "usage": {"type": "duration", "seconds": 1}});
    let post = Operation::new("post", id, "OpenAI", about)
        .call_headers()
        .form_body(&["model", "file"], &parts)
        .dialect_answer("Transcription", "The text, in the form that was asked for.", answer)
        .with_call_answer_headers();
    vec![with_errors(post)]
}

fn with_errors(operation: Operation) -> Operation {
    operation
        .errors(Surface::OpenAi, &BODY_ERRORS)
        .errors(Surface::OpenAi, &DOOR_ERRORS)
        .errors(Surface::OpenAi, &CALL_ERRORS)
}
