//! `code_agent`: a task for a model that writes code, as system A has it, with the judgement of the
//! answer that its README promises.

use gw_core::Error;
use gw_core::chat::{ChatRequest, Message, Role, Sampling};
use gw_core::task::{Complexity, Quality, TaskType};
use gw_engine::{CallContext, Door, Inbound};
use gw_mcp::OwnCall;
use serde_json::{Value, json};

use super::run::{self, Answered, Failed};
use super::{ModelTools, told};
use crate::fields::Fields;
use crate::http::converse::words;

pub(super) const DESCRIPTION: &str = "Give a coding task to a model chosen for it. Answers with the \
    work, an assessment of its quality, and which model did it for how much.";

/// System A's length and randomness of the answer.
const TOKENS_MAX: u64 = 8_000;
const TEMPERATURE: f64 = 0.7;

/// Requirements taken at most.
const REQUIREMENTS_MAX: usize = 100;

const SYSTEM: &str = "You are a senior software engineer. Begin with a short checklist of what is to \
    be done. Then understand the task, design, write the code, test it in your mind and document it, \
    in this order. Give whole files or functions in fenced blocks, no placeholders. Say which \
    assumptions you made. End with one fenced block tagged `assessment` that holds JSON: \
    {\"grade\": \"good\"|\"fair\"|\"poor\", \"issues\": [..], \"suggestions\": [..]}, your honest \
    judgement of your own answer.";

/// The tool's input schema (CONTRACT 1.14.1).
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "task": {"type": "string", "description": "what is to be done"},
            "context": {
                "type": "object",
                "properties": {
                    "language": {"type": "string"},
                    "framework": {"type": "string"},
                    "existingCode": {"type": "string"},
                    "requirements": {"type": "array", "items": {"type": "string"}},
                },
            },
            "quality": {"type": "string", "enum": ["normal", "high", "critical"], "default": "normal"},
        },
        "required": ["task"],
    })
}

/// Performs a call.
pub(super) async fn call(tools: &ModelTools, call: &OwnCall) -> Value {
    let inbound = match inbound(call) {
        Ok(inbound) => inbound,
        Err(error) => return refusal(&error.into()),
    };
    match run::run(tools, call, inbound).await {
        Ok(answered) => answer(&answered),
        Err(failed) => refusal(&failed),
    }
}

fn inbound(call: &OwnCall) -> Result<Inbound, Error> {
    let fields = Fields::parse(call.arguments.get().as_bytes())?;
    fields.require(&["task"])?;
    let quality = fields.word::<Quality>("quality")?.unwrap_or(Quality::Normal);
    let request = ChatRequest {
        messages: vec![
            Message::text(Role::System, SYSTEM),
            Message::text(Role::User, prompt(&fields)?),
        ],
        max_output_tokens: Some(TOKENS_MAX),
        sampling: Sampling { temperature: Some(TEMPERATURE), ..Sampling::default() },
        stream: call.wants_progress(),
        ..ChatRequest::default()
    };
    let context = CallContext {
        quality: Some(quality),
        task: Some(TaskType::Code),
        complexity: Some(Complexity::High),
        ..CallContext::default()
    };
    let principal = (*call.principal).clone();
    Ok(Inbound { door: Door::Mcp, request, raw: None, principal, context })
}

fn prompt(fields: &Fields) -> Result<String, Error> {
    let mut prompt = format!("Task: {}", fields.text("task")?.unwrap_or_default());
    let Some(context) = fields.object("context")? else { return Ok(prompt) };
    let text = |name: &str| -> Result<Option<&str>, Error> {
        match context.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => {
                let field = format!("context.{name}");
                let message = format!("`{field}` must be a string");
                Err(Error::bad_field(field, message))
            }
        }
    };
    let language = text("language")?;
    if let Some(language) = language {
        prompt.push_str(&format!("\nLanguage: {language}"));
    }
    if let Some(framework) = text("framework")? {
        prompt.push_str(&format!("\nFramework: {framework}"));
    }
    if let Some(code) = text("existingCode")? {
        prompt.push_str(&format!("\n\nExisting code:\n```{}\n{code}\n```", language.unwrap_or("")));
    }
    let wrong = || {
        let message = "`context.requirements` must be a list of at most 100 strings";
        Error::bad_field("context.requirements", message)
    };
    let requirements = match context.get("requirements") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(list)) if list.len() <= REQUIREMENTS_MAX => list,
        Some(_) => return Err(wrong()),
    };
    if !requirements.is_empty() {
        prompt.push_str("\n\nRequirements:");
    }
    for (place, requirement) in requirements.iter().enumerate() {
        let requirement = requirement.as_str().ok_or_else(wrong)?;
        prompt.push_str(&format!("\n{}. {requirement}", place + 1));
    }
    Ok(prompt)
}

fn answer(answered: &Answered) -> Value {
    let said = words(&answered.reply).unwrap_or_default();
    let (result, assessment) = judged(&said);
    let head = &answered.head;
    let usage = answered.receipt.as_ref().map(|receipt| receipt.usage).unwrap_or_default();
    let (input, output) = (usage.total_input(), usage.total_output());
    let cost = answered.receipt.as_ref().and_then(|receipt| receipt.cost.amount());
    let mut told = told(&json!({
        "success": true,
        "data": {
            "result": result,
            "assessment": assessment,
            "routing": {
                "summary": head.summary,
                "modelId": head.model_id,
                "provider": head.provider,
                "tokens": {"input": input, "output": output, "total": input.saturating_add(output)},
                "cost": cost.map(|cost| cost.as_usd_f64()),
                "costUsd": cost.map(|cost| cost.to_usd_string()),
            },
        },
    }));
    told["_meta"] = json!({"ai-mcp-gateway/call": run::about(head, answered.receipt.as_ref())});
    told
}

/// The answer without the block in which the model judges it, and the judgement where it is JSON.
fn judged(said: &str) -> (&str, Option<Value>) {
    const OPEN: &str = "```assessment";
    let Some((before, block)) = said.rsplit_once(OPEN) else { return (said, None) };
    let (block, after) = block.split_once("```").unwrap_or((block, ""));
    match serde_json::from_str(block.trim()) {
        Ok(assessment) if after.trim().is_empty() => (before.trim_end(), Some(assessment)),
        _ => (said, None),
    }
}

fn refusal(failed: &Failed) -> Value {
    let row = failed.error.kind().row();
    let mut result = told(&json!({
        "success": false,
        "error": failed.error.full_message(),
        "code": row.code,
    }));
    result["isError"] = json!(true);
    result["_meta"] = json!({"ai-mcp-gateway/error": {
        "code": row.code,
        "callId": failed.call_id.map(|id| id.to_string()),
    }});
    result
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::judged;

    #[test]
    fn the_judgement_is_taken_off_where_it_is_one() {
        let said = "done\n```rust\nfn a() {}\n```\n```assessment\n{\"grade\": \"good\"}\n```\n";
        let (result, judgement) = judged(said);
        assert_eq!(result, "done\n```rust\nfn a() {}\n```");
        assert_eq!(judgement, Some(json!({"grade": "good"})));
        for unlike in ["plain", "```assessment\nnot JSON\n```", "```assessment\n{}\n``` and more"] {
            assert_eq!(judged(unlike), (unlike, None));
        }
    }
}
