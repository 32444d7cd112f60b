//! `chat_completion`: system B's tool over every provider. Its arguments are those of OpenAI's chat
//! completions and a few of the gateway's own; its result is the answer's JSON in one text.

use bytes::Bytes;
use gw_core::Error;
use gw_core::chat::ChatRequest;
use gw_core::record::ConversationRef;
use gw_core::seam::{ClientStream, DialectId};
use gw_core::task::Quality;
use gw_core::{ConversationId, Layer};
use gw_engine::{CallContext, Door, Inbound, Recall};
use gw_mcp::OwnCall;
use serde_json::{Map, Value, json};

use super::run::{self, Answered, Failed};
use super::{ModelTools, ToolOptions, told};
use crate::ask::fallback_id;
use crate::fields::Fields;

/// Arguments that are the gateway's own and no part of a chat completion.
const OWN: [&str; 6] = ["provider", "layer", "max_layer", "quality", "conversation_id", "budget"];

/// The tool's description: what it gives, and what the operator says of it.
pub(super) fn description(options: &ToolOptions) -> String {
    let format = match options.answers_in {
        DialectId::AnthropicMessages => "ANTHROPIC",
        _ => "OPENAI",
    };
    let mut text = format!(
        "Ask a language model through the gateway. Messages go in as OpenAI chat completions; the \
         raw response is returned in {format} format. `model` is a model's name, `auto`, or a layer \
         from L0 (free) to L3 (best)."
    );
    if let Some(more) = &options.description {
        text.push_str("\n\n");
        text.push_str(more);
    }
    text
}

/// The tool's input schema (CONTRACT 2.3), with what the gateway adds.
pub(super) fn schema(options: &ToolOptions) -> Value {
    let default = options.default_model.as_deref().unwrap_or("auto");
    let content = json!({
        "oneOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "object"}},
        ],
        "description": "text, or parts as in chat completions (text, image_url, ...)",
    });
    json!({
        "type": "object",
        "properties": {
            "messages": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {
                        "role": {
                            "type": "string",
                            "enum": ["system", "developer", "user", "assistant", "tool"],
                        },
                        "content": content,
                    },
                    "required": ["role"],
                },
                "description": "the conversation, oldest first",
            },
            "model": {"type": "string", "description": format!("{default} by default")},
            "provider": {
                "type": "string",
                "description": "only this provider's offer of `model`",
            },
            "temperature": {"type": "number", "minimum": 0, "maximum": 2},
            "max_tokens": {"type": "integer", "minimum": 1},
            "stream": {
                "type": "boolean",
                "default": false,
                "description": "tells progress as the answer comes; the result is whole either way",
            },
            "top_p": {"type": "number", "minimum": 0, "maximum": 1},
            "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
            "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
            "stop": {
                "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            },
            "response_format": {
                "type": "object",
                "properties": {
                    "type": {"type": "string", "enum": ["text", "json_object", "json_schema"]},
                    "json_schema": {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string"},
                            "schema": {"type": "object"},
                            "strict": {"type": "boolean"},
                        },
                        "required": ["name", "schema"],
                    },
                },
                "required": ["type"],
            },
            "tools": {"type": "array", "items": {"type": "object"}},
            "tool_choice": {},
            "reasoning_effort": {"type": "string"},
            "layer": {"type": "string", "enum": ["L0", "L1", "L2", "L3"]},
            "max_layer": {"type": "string", "enum": ["L0", "L1", "L2", "L3"]},
            "quality": {"type": "string", "enum": ["normal", "high", "critical"]},
            "conversation_id": {
                "type": "string",
                "description": "the gateway remembers the conversation and puts it before `messages`",
            },
            "budget": {"type": "number", "minimum": 0, "description": "0: free models only"},
        },
        "required": ["messages"],
    })
}

/// Performs a call.
pub(super) async fn call(tools: &ModelTools, call: &OwnCall) -> Value {
    let (request, context, raw) = match read(tools, call) {
        Ok(read) => read,
        Err(error) => return refusal(tools, &error.into()),
    };
    let created_s = tools.engine.resources().clock.unix_ms().div_euclid(1_000);
    let echo = match tools.dialect(DialectId::OpenAiChat) {
        Ok(dialect) => dialect.echo(&request),
        Err(error) => return refusal(tools, &error.into()),
    };
    let inbound =
        Inbound { door: Door::Mcp, request, raw, principal: (*call.principal).clone(), context };
    match run::run(tools, call, inbound).await {
        Ok(answered) => answer(tools, &answered, created_s, echo),
        Err(failed) => refusal(tools, &failed),
    }
}

type Read = (ChatRequest, CallContext, Option<(DialectId, Bytes)>);

fn read(tools: &ModelTools, call: &OwnCall) -> Result<Read, Error> {
    let fields = Fields::parse(call.arguments.get().as_bytes())?;
    let messages = fields.value("messages").and_then(Value::as_array);
    if messages.is_none_or(Vec::is_empty) {
        return Err(Error::bad_field("messages", "`messages` must be a list with something in it"));
    }
    let provider = fields.id("provider")?.map(str::to_owned);
    let context = context(&fields, call)?;
    let mut body = fields.into_object();
    body.retain(|name, _| !OWN.contains(&name.as_str()));
    if let Some(provider) = provider {
        let model = body.get("model").and_then(Value::as_str).filter(|model| !model.is_empty());
        let Some(model) = model else {
            let text = "`provider` says whose `model` is meant, so name a model too";
            return Err(Error::bad_field("model", text));
        };
        let whole = format!("{provider}/{model}");
        body.insert("model".to_owned(), Value::String(whole));
    }
    // Progress is told as the answer comes; without anybody who listens it may as well come whole.
    body.insert("stream".to_owned(), Value::Bool(call.wants_progress()));
    body.remove("stream_options");
    let bytes = serde_json::to_vec(&body)
        .map(Bytes::from)
        .map_err(|error| Error::internal("a request could not be written").with_source(error))?;
    let request = tools.dialect(DialectId::OpenAiChat)?.decode_request(&bytes)?;
    Ok((request, context, Some((DialectId::OpenAiChat, bytes))))
}

fn context(fields: &Fields, call: &OwnCall) -> Result<CallContext, Error> {
    let conversation = fields.id("conversation_id")?.map(|id| ConversationRef {
        id: ConversationId::from(id),
        owner: call.principal.key_id.clone(),
        user_id: call.principal.user_id.clone(),
        project_id: call.principal.project_id.clone(),
    });
    let recall = if conversation.is_some() { Recall::History } else { Recall::Nothing };
    Ok(CallContext {
        conversation,
        recall,
        quality: fields.word::<Quality>("quality")?,
        preferred_layer: fields.word::<Layer>("layer")?,
        max_layer: fields.word::<Layer>("max_layer")?,
        is_free_only: fields.number("budget", 0.0, f64::MAX)? == Some(0.0),
        ..CallContext::default()
    })
}

fn answer(
    tools: &ModelTools,
    answered: &Answered,
    created_s: i64,
    echo: Map<String, Value>,
) -> Value {
    let format = tools.options.answers_in;
    let dialect = match tools.dialect(format) {
        Ok(dialect) => dialect,
        Err(error) => return refusal(tools, &error.into()),
    };
    let own = answered.raw.as_ref().filter(|_| format == DialectId::OpenAiChat);
    let bytes = match own {
        Some(raw) => raw.clone(),
        None => {
            let client = ClientStream {
                created_s,
                fallback_id: fallback_id(format, &answered.head),
                echo,
                ..ClientStream::default()
            };
            dialect.encode_reply(&answered.reply, &client)
        }
    };
    let mut result = match serde_json::from_slice::<Value>(&bytes) {
        Ok(body) => told(&body),
        Err(_) => json!({"content": [{"type": "text", "text": String::from_utf8_lossy(&bytes)}]}),
    };
    result["_meta"] =
        json!({"ai-mcp-gateway/call": run::about(&answered.head, answered.receipt.as_ref())});
    result
}

/// The error in the words of the answers' format, and its code beside it.
fn refusal(tools: &ModelTools, failed: &Failed) -> Value {
    let body = tools.dialect(tools.options.answers_in).ok();
    let body = body.and_then(|dialect| {
        serde_json::from_slice::<Value>(&dialect.encode_error(&failed.error)).ok()
    });
    let mut result = body.map_or_else(|| super::refused(&failed.error), |body| told(&body));
    result["isError"] = json!(true);
    result["_meta"] = json!({"ai-mcp-gateway/error": {
        "code": failed.error.kind().row().code,
        "callId": failed.call_id.map(|id| id.to_string()),
    }});
    result
}
