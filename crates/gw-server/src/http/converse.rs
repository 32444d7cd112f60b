//! A turn of a conversation in system A's words: what `/v1/route` and `/v1/chat` share.

use std::sync::Arc;

use axum::extract::Request;
use gw_core::chat::{ChatRequest, Message, Part, Role, Sampling};
use gw_core::limits::REQUEST_FILES_MAX;
use gw_core::record::ConversationRef;
use gw_core::reply::ChatReply;
use gw_core::task::Quality;
use gw_core::{ConversationId, Cost, Error, Kind, Layer};
use gw_engine::{AnswerBody, CallContext, Confirmation, Door, Head, Inbound, Recall, Receipt};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::Server;
use crate::auth::Caller;
use crate::errors::Refusal;
use crate::{body, call_context, fields::Fields};

/// A question in a conversation.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body; Fields reads it, to name every fault")]
pub(super) struct TurnRequest {
    /// The conversation; the answer sees its earlier turns.
    #[schema(min_length = 1, max_length = 256, pattern = "^[ -~]+$")]
    conversation_id: String,
    /// What is asked; not needed, and not read, with a yes to an offered escalation.
    #[schema(min_length = 1)]
    message: String,
    /// The user, for records.
    #[schema(max_length = 256, pattern = "^[ -~]*$")]
    user_id: Option<String>,
    /// The project, for records.
    #[schema(max_length = 256, pattern = "^[ -~]*$")]
    project_id: Option<String>,
    /// How good the answer has to be; `normal` where absent.
    #[schema(value_type = Option<QualityWord>)]
    quality_level: Option<String>,
    /// A model, a layer or `auto`; the configured default, else `auto`, where absent or empty.
    #[schema(example = "auto", max_length = 256, pattern = "^[ -~]*$")]
    model: Option<String>,
    /// The layer asked for.
    #[schema(value_type = Option<LayerWord>)]
    preferred_layer: Option<String>,
    /// The highest layer allowed.
    #[schema(value_type = Option<LayerWord>)]
    max_layer: Option<String>,
    /// Dollars; 0 answers with free models only, any other amount leaves the choice open.
    #[schema(minimum = 0)]
    budget: Option<f64>,
    /// Whether the answer is checked by other models; the configuration decides where absent.
    cross_check: Option<bool>,
    /// Whether a higher layer is asked without a question; the configuration decides where absent.
    auto_escalate: Option<bool>,
    /// The token of an offered escalation: runs it.
    #[schema(max_length = 256, pattern = "^[ -~]*$")]
    escalation_token: Option<String>,
    /// True says yes to the newest escalation that was offered in this conversation.
    confirm_escalation: Option<bool>,
    /// Files that the request is about; policies may decide by them.
    #[schema(max_items = 256)]
    files: Option<Vec<String>>,
    /// Instructions put before the conversation.
    system_prompt: Option<String>,
    /// Most tokens to write.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    max_tokens: Option<u64>,
    /// Randomness.
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
}

/// How good an answer has to be.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a word of the body")]
enum QualityWord {
    Normal,
    High,
    Critical,
}

/// A layer of models.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a word of the body")]
enum LayerWord {
    L0,
    L1,
    L2,
    L3,
}

/// How a turn was performed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Performance {
    /// From request to answer, in milliseconds.
    duration_ms: u64,
    /// Tokens over all attempts.
    tokens: Tokens,
    /// Dollars; null where no price is known.
    #[schema(required = true)]
    cost: Option<f64>,
    /// The exact cost in dollars, as text; null where no price is known.
    #[schema(required = true)]
    cost_usd: Option<String>,
    /// The exact cost in pico-dollars; null where no price is known.
    #[schema(required = true)]
    cost_pico_usd: Option<i64>,
    /// `priced` or `unpriced`.
    cost_state: &'static str,
}

/// Tokens read and written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tokens {
    /// Read.
    pub(super) input: u64,
    /// Written, thinking included.
    pub(super) output: u64,
}

impl Performance {
    fn of(receipt: &Receipt) -> Self {
        let amount = receipt.cost.amount();
        Self {
            duration_ms: receipt.duration_ms,
            tokens: Tokens {
                input: receipt.usage.total_input(),
                output: receipt.usage.total_output(),
            },
            cost: amount.map(|amount| amount.as_usd_f64()),
            cost_usd: amount.map(|amount| amount.to_usd_string()),
            cost_pico_usd: amount.map(|amount| amount.pico()),
            cost_state: match receipt.cost {
                Cost::Priced { .. } => "priced",
                Cost::Unpriced { .. } => "unpriced",
            },
        }
    }
}

/// An answered turn.
pub(super) struct Turn {
    pub(super) conversation_id: String,
    pub(super) head: Head,
    pub(super) response: String,
    pub(super) receipt: Receipt,
    pub(super) performance: Performance,
}

/// Runs one turn.
///
/// # Errors
/// Whatever keeps it from an answer; an answer without words is an error too.
pub(super) async fn converse(
    server: &Arc<Server>,
    door: Door,
    request: Request,
) -> Result<Turn, Refusal> {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let cache = call_context::cache(request.headers())?;
    let bytes = body::read(&server.app.options, request).await?;
    let fields = Fields::parse(&bytes)?;
    let confirmation = confirmation(&fields)?;
    match confirmation {
        Some(_) => fields.require(&["conversationId"])?,
        None => fields.require(&["conversationId", "message"])?,
    }
    let conversation_id = fields.id("conversationId")?.unwrap_or_default().to_owned();
    let mut inbound = inbound(&fields, door, &conversation_id, caller, confirmation)?;
    inbound.context.cache = cache;
    let answer = server.app.engine.run(inbound).await?;
    let AnswerBody::Whole(whole) = answer.body else {
        return Err(Error::internal("a whole answer was asked for and a stream came").into());
    };
    // Nothing is an answer so far where a better one is offered.
    let nothing = || answer.head.escalation.is_some().then(String::new);
    let Some(response) = words(&whole.reply).or_else(nothing) else {
        let error = Error::new(Kind::ProviderMalformed, "the model answered without a word")
            .with_hint("ask again, or choose another model or layer");
        return Err(gw_engine::Failure { call_id: answer.head.call_id, error }.into());
    };
    let performance = Performance::of(&whole.receipt);
    Ok(Turn { conversation_id, head: answer.head, response, receipt: whole.receipt, performance })
}

/// The yes to an offered escalation, where the body holds one.
fn confirmation(fields: &Fields) -> Result<Option<Confirmation>, Error> {
    if let Some(token) = fields.id("escalationToken")? {
        return Ok(Some(Confirmation::Token(token.to_owned())));
    }
    let is_yes = fields.truth("confirmEscalation")? == Some(true);
    Ok(is_yes.then_some(Confirmation::Conversation))
}

fn inbound(
    fields: &Fields,
    door: Door,
    conversation_id: &str,
    caller: Caller,
    confirmation: Option<Confirmation>,
) -> Result<Inbound, Error> {
    let principal = caller.principal;
    let user_id = fields.id("userId")?.map(str::to_owned).or_else(|| principal.user_id.clone());
    let project_id =
        fields.id("projectId")?.map(str::to_owned).or_else(|| principal.project_id.clone());
    let context = CallContext {
        conversation: Some(ConversationRef {
            id: ConversationId::from(conversation_id),
            user_id,
            project_id,
            owner: principal.key_id.clone(),
        }),
        recall: Recall::History,
        quality: fields.word::<Quality>("qualityLevel")?,
        preferred_layer: fields.word::<Layer>("preferredLayer")?,
        max_layer: fields.word::<Layer>("maxLayer")?,
        is_free_only: fields.number("budget", 0.0, f64::MAX)? == Some(0.0),
        cross_check: fields.truth("crossCheck")?,
        auto_escalate: fields.truth("autoEscalate")?,
        files: fields.texts("files", REQUEST_FILES_MAX)?,
        metadata: Map::new(),
        confirmation,
        ..CallContext::default()
    };
    let mut messages = Vec::new();
    if let Some(system) = fields.text("systemPrompt")?.filter(|text| !text.is_empty()) {
        messages.push(Message::text(Role::System, system));
    }
    // A yes stands for the request that the offer was made for.
    if context.confirmation.is_none() {
        messages.push(Message::text(Role::User, fields.text("message")?.unwrap_or_default()));
    }
    let request = ChatRequest {
        model: fields.id("model")?.unwrap_or_default().to_owned(),
        messages,
        max_output_tokens: fields.count("maxTokens")?,
        sampling: Sampling {
            temperature: fields.number("temperature", 0.0, 2.0)?,
            ..Sampling::default()
        },
        ..ChatRequest::default()
    };
    Ok(Inbound { door, request, raw: None, principal, context })
}

/// What the model said: its text, else its refusal, else its thoughts. Never words of our own.
pub(crate) fn words(reply: &ChatReply) -> Option<String> {
    let text = reply.text();
    if !text.trim().is_empty() {
        return Some(text);
    }
    let parts = reply.choices.first().map_or(&[][..], |choice| &choice.parts);
    let said = |pick: fn(&Part) -> Option<&str>| -> Option<String> {
        let said: String = parts.iter().filter_map(pick).collect();
        (!said.trim().is_empty()).then_some(said)
    };
    said(|part| match part {
        Part::Refusal { text } => Some(text),
        _ => None,
    })
    .or_else(|| {
        said(|part| match part {
            Part::Thinking { text, .. } => Some(text),
            _ => None,
        })
    })
}

/// The request that the API document shows.
pub(super) fn example() -> Value {
    serde_json::json!({"conversationId": "demo-1", "message": "Say hello in one word."})
}
