//! How much to think: effort words, token budgets and adaptive thinking turned into each other.
//!
//! Older models take a budget only, newer ones adaptive thinking with an effort; which is which is
//! read from the model's name, as no other field says so.

use gw_core::chat::{
    ChatRequest, Message, Notice, NoticeAction, Part, Reasoning, Role, ToolChoice,
};
use serde_json::{Value, json};

use super::super::ID;
use crate::seal::is_foreign;

/// The least budget that the API accepts.
const BUDGET_MIN: u64 = 1_024;

/// What is written of it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Thinking {
    /// The `thinking` object.
    pub(crate) thinking: Option<Value>,
    /// `output_config.effort`.
    pub(crate) effort: Option<String>,
}

impl Thinking {
    /// True where thinking is switched on.
    pub(crate) fn is_on(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| thinking["type"] != "disabled")
    }
}

/// Chooses what to write for the request's wish.
pub(crate) fn choose(
    request: &ChatRequest,
    model: &str,
    max_tokens: u64,
    notices: &mut Vec<Notice>,
) -> Thinking {
    let Some(wish) = &request.reasoning else { return Thinking::default() };
    let effort = wish.effort.as_deref();
    if wish.is_enabled == Some(false) || effort == Some("none") {
        return Thinking { thinking: Some(json!({"type": "disabled"})), effort: None };
    }
    let generation = generation(model);
    let effort = effort.map(|word| known_effort(word, generation, notices));
    let is_effort_only = wish.is_enabled.is_none() && wish.budget_tokens.is_none();
    if effort.is_none() && is_effort_only {
        return Thinking::default();
    }
    let is_adaptive = wish.is_adaptive || (wish.budget_tokens.is_none() && generation >= (4, 6));
    let chosen = if is_adaptive {
        let thinking = with_display(json!({"type": "adaptive"}), wish);
        Thinking { thinking: Some(thinking), effort }
    } else {
        budgeted(wish, effort, max_tokens, notices)
    };
    match obstacle(request, &chosen) {
        Some(detail) => {
            notices.push(notice("reasoning", NoticeAction::Dropped, detail));
            Thinking { thinking: None, effort: chosen.effort }
        }
        None => chosen,
    }
}

fn notice(feature: &str, action: NoticeAction, detail: &str) -> Notice {
    Notice { feature: feature.to_owned(), action, detail: detail.to_owned() }
}

fn with_display(mut thinking: Value, wish: &Reasoning) -> Value {
    if let Some(display) = &wish.display {
        thinking["display"] = Value::from(display.as_str());
    }
    thinking
}

/// Thinking with a budget of its own. Effort goes along only where the client gave both.
fn budgeted(
    wish: &Reasoning,
    effort: Option<String>,
    max_tokens: u64,
    notices: &mut Vec<Notice>,
) -> Thinking {
    let asked = wish.budget_tokens.unwrap_or_else(|| budget_of(effort.as_deref()));
    let budget = asked.max(BUDGET_MIN).min(max_tokens.saturating_sub(1));
    if budget < BUDGET_MIN {
        let detail = "max_tokens leaves no room for the least thinking budget of 1024 tokens";
        notices.push(notice("reasoning", NoticeAction::Dropped, detail));
        return Thinking::default();
    }
    if budget != asked && wish.budget_tokens.is_some() {
        let detail = "the thinking budget was brought between 1024 and max_tokens";
        notices.push(notice("reasoning.budget_tokens", NoticeAction::Emulated, detail));
    }
    if wish.budget_tokens.is_none() && effort.is_some() {
        let detail = "the effort became a thinking budget";
        notices.push(notice("reasoning.effort", NoticeAction::Emulated, detail));
    }
    let thinking = with_display(json!({"type": "enabled", "budget_tokens": budget}), wish);
    Thinking { thinking: Some(thinking), effort: effort.filter(|_| wish.budget_tokens.is_some()) }
}

fn budget_of(effort: Option<&str>) -> u64 {
    match effort {
        Some("low") => 4_096,
        Some("high") => 16_384,
        Some("xhigh" | "max") => 32_768,
        _ => 8_192,
    }
}

/// An effort word that the model's generation knows.
fn known_effort(word: &str, generation: (u64, u64), notices: &mut Vec<Notice>) -> String {
    let known = match word {
        "minimal" => "low",
        "xhigh" if generation != (0, 0) && generation < (4, 7) => "high",
        word => word,
    };
    if known != word {
        let detail = format!("effort `{word}` was sent as `{known}`");
        notices.push(notice("reasoning.effort", NoticeAction::Emulated, &detail));
    }
    known.to_owned()
}

/// What forbids thinking in this request.
fn obstacle(request: &ChatRequest, chosen: &Thinking) -> Option<&'static str> {
    if !chosen.is_on() {
        return None;
    }
    let is_forced =
        matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function { .. }));
    if is_forced && !request.tools.is_empty() {
        return Some("thinking cannot be combined with a forced tool call");
    }
    let wants_proof = chosen.thinking.as_ref().is_some_and(|it| it["type"] == "enabled");
    if wants_proof && lacks_thoughts(&request.messages) {
        return Some("the tool calls being answered came without the signed thoughts before them");
    }
    None
}

/// True where the conversation ends in tool results whose calls no signed thought precedes: with a
/// thinking budget the API refuses such a turn.
fn lacks_thoughts(messages: &[Message]) -> bool {
    let Some(last) = messages.iter().rposition(|message| message.role == Role::Assistant) else {
        return false;
    };
    let parts = &messages[last].parts;
    let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let starts_with_thought = match parts.first() {
        Some(Part::Thinking { signature, .. }) => {
            signature.as_ref().is_some_and(|it| !is_foreign(ID, it))
        }
        Some(Part::RedactedThinking { data }) => !is_foreign(ID, data),
        Some(Part::Opaque { dialect, .. }) => *dialect == ID,
        _ => false,
    };
    has_calls && !starts_with_thought
}

/// The generation in a Claude model's name: `claude-opus-4-6` is (4, 6), `claude-3-7-sonnet` is
/// (3, 7); (0, 0) for anything else.
fn generation(model: &str) -> (u64, u64) {
    let Some(at) = model.find("claude") else { return (0, 0) };
    let words = model[at..].split(['-', '.', '@', ':', '_']);
    // Dates (`20250514`) and revisions (`v1`) are no generations.
    let mut numbers = words
        .skip_while(|word| word.parse::<u64>().is_err())
        .map_while(|word| word.parse::<u64>().ok().filter(|number| *number < 1_000));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests;
