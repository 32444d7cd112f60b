//! Bodies as providers write them.

use bytes::Bytes;
use gw_core::{Error, Kind};
use serde_json::{Value, json};

use crate::script::{Act, Step};

/// A JSON answer.
pub(crate) fn answer(status: u16, body: &Value) -> Act {
    text(status, "application/json", &body.to_string())
}

/// An answer of some type.
pub(crate) fn text(status: u16, content_type: &str, body: &str) -> Act {
    Act::Answer {
        status,
        headers: vec![("content-type", content_type.to_owned())],
        body: vec![Step::Bytes(Bytes::copy_from_slice(body.as_bytes()))],
    }
}

/// An error in OpenAI's words.
pub(crate) fn refusal(status: u16, message: &str) -> Act {
    answer(status, &json!({"error": {"message": message, "type": "x", "code": null}}))
}

/// A whole answer of OpenAI's: 100 tokens read, 10 written.
pub(crate) fn whole(text: &str) -> Act {
    answer(200, &completion(text))
}

pub(crate) fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-as-served",
        "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        "kept": {"unknown": [1, 2]},
    })
}

/// A chunk of OpenAI's.
pub(crate) fn chunk(text: &str) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-as-served",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}],
    });
    format!("data: {chunk}\n\n")
}

/// The first chunk, which says nothing yet.
pub(crate) fn role() -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-as-served",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}],
    });
    format!("data: {chunk}\n\n")
}

pub(crate) fn finish() -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-as-served",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    });
    format!("data: {chunk}\n\n")
}

pub(crate) fn usage(input: u64, output: u64) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-as-served",
        "choices": [],
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output},
    });
    format!("data: {chunk}\n\n")
}

pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A stream of pieces, one a read.
pub(crate) fn stream<T: AsRef<str>>(pieces: &[T]) -> Act {
    let body = pieces.iter().map(|piece| bytes(piece.as_ref())).collect();
    let headers = vec![("content-type", "text/event-stream; charset=utf-8".to_owned())];
    Act::Answer { status: 200, headers, body }
}

/// A proper stream of OpenAI's: 100 tokens read, 10 written.
pub(crate) fn good_stream(texts: &[&str]) -> Act {
    let mut pieces = vec![role()];
    pieces.extend(texts.iter().map(|text| chunk(text)));
    pieces.extend([finish(), usage(100, 10), DONE.to_owned()]);
    stream(&pieces)
}

pub(crate) fn bytes(text: &str) -> Step {
    Step::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

/// An event of Anthropic's.
pub(crate) fn event(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().expect("has a type"))
}

/// Events of Anthropic's up to the first text block, which is empty.
pub(crate) fn anthropic_start() -> String {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 33, "output_tokens": 1},
    });
    event(&json!({"type": "message_start", "message": message}))
        + &event(&json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}))
}

pub(crate) fn anthropic_text(text: &str) -> String {
    event(&json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "text_delta", "text": text}}))
}

pub(crate) fn anthropic_end() -> String {
    event(&json!({"type": "content_block_stop", "index": 0}))
        + &event(&json!({"type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": 12}}))
        + &event(&json!({"type": "message_stop"}))
}

/// A whole answer of Anthropic's: 33 tokens read, 12 written.
pub(crate) fn anthropic_whole(text: &str) -> Act {
    answer(
        200,
        &json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 33, "output_tokens": 12},
        }),
    )
}

pub(crate) fn unreachable() -> Act {
    Act::Fail(Error::new(Kind::ProviderUnreachable, "no connection"))
}

pub(crate) fn timeout() -> Error {
    Error::new(Kind::ProviderTimeout, "silent for too long")
}

pub(crate) fn reset() -> Error {
    Error::new(Kind::ProviderUnreachable, "connection reset")
}
