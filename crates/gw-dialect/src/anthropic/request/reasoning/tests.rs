#![expect(clippy::needless_pass_by_value, reason = "literals read better by value")]

use gw_core::chat::{ChatRequest, Message, Part, Reasoning, Role, Tool, ToolChoice};
use serde_json::{Value, json};

use super::{choose, generation};

const OLD: &str = "claude-sonnet-4-5-20250929";
const NEW: &str = "claude-opus-4-6";

fn effort(word: &str) -> ChatRequest {
    let reasoning = Reasoning { effort: Some(word.to_owned()), ..Reasoning::default() };
    ChatRequest { reasoning: Some(reasoning), ..ChatRequest::default() }
}

#[track_caller]
fn check(request: &ChatRequest, model: &str, max_tokens: u64, expected: (Value, Option<&str>)) {
    let chosen = choose(request, model, max_tokens, &mut Vec::new());
    let seen = (chosen.thinking.unwrap_or_default(), chosen.effort.as_deref());
    assert_eq!(seen, expected);
}

#[test]
fn names_tell_the_generation() {
    assert_eq!(generation("claude-opus-4-6"), (4, 6));
    assert_eq!(generation("claude-sonnet-4-20250514"), (4, 0));
    assert_eq!(generation("claude-3-7-sonnet-latest"), (3, 7));
    assert_eq!(generation("anthropic/claude-sonnet-4.5"), (4, 5));
    assert_eq!(generation("us.anthropic.claude-sonnet-5-v1:0"), (5, 0));
    assert_eq!(generation("kimi-k2"), (0, 0));
}

#[test]
fn effort_becomes_a_budget_or_adaptive_thinking() {
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    check(&effort("low"), OLD, 32_000, (budget(4_096), None));
    check(&effort("high"), OLD, 8_000, (budget(7_999), None));
    check(&effort("high"), OLD, 1_000, (Value::Null, None));
    check(&effort("none"), OLD, 8_000, (json!({"type": "disabled"}), None));
    check(&effort("minimal"), NEW, 8_000, (json!({"type": "adaptive"}), Some("low")));
    check(&effort("xhigh"), NEW, 8_000, (json!({"type": "adaptive"}), Some("high")));
}

#[test]
fn thinking_yields_to_what_it_cannot_stand_beside() {
    let mut request = effort("high");
    request.tools = vec![Tool::Function {
        name: "f".to_owned(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        extra: gw_core::chat::Extra::default(),
    }];
    request.tool_choice = Some(ToolChoice::Required);
    check(&request, OLD, 32_000, (Value::Null, None));
    request.tool_choice = None;
    let call = Part::ToolCall {
        id: "a".to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        cache: None,
    };
    let extra = gw_core::chat::Extra::default();
    request.messages =
        vec![Message { role: Role::Assistant, parts: vec![call], name: None, extra }];
    check(&request, OLD, 32_000, (Value::Null, None));
    check(&request, NEW, 32_000, (json!({"type": "adaptive"}), Some("high")));
}
