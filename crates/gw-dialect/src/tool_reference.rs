//! Anthropic's `tool_reference` blocks for providers that have none: the result of a search for tools,
//! naming tools that the model may call from then on. Elsewhere all tools stand in the request, so
//! saying which ones were found is enough.

use std::borrow::Cow;

use gw_core::Result;
use gw_core::chat::{ChatRequest, Message, Notice, NoticeAction, Part};
use gw_core::seam::{DialectId, WireRequest};

/// The feature of the notice.
const FEATURE: &str = "messages[].tool_reference";

/// Encodes a request with its references as texts, and says so.
///
/// # Errors
/// Those of `encode`.
pub(crate) fn encode_said(
    request: &ChatRequest,
    encode: impl FnOnce(&ChatRequest) -> Result<WireRequest>,
) -> Result<WireRequest> {
    let request = said(request);
    let mut wire = encode(&request)?;
    if matches!(request, Cow::Owned(_)) {
        wire.notices.push(Notice {
            feature: FEATURE.to_owned(),
            action: NoticeAction::Emulated,
            detail: "references to tools were written as text".to_owned(),
        });
    }
    Ok(wire)
}

/// The request with its references as texts; borrowed where it holds none.
fn said(request: &ChatRequest) -> Cow<'_, ChatRequest> {
    let holds = |message: &Message| message.parts.iter().any(refers);
    if !request.messages.iter().any(holds) {
        return Cow::Borrowed(request);
    }
    let mut request = request.clone();
    for message in &mut request.messages {
        message.parts.iter_mut().for_each(say);
    }
    Cow::Owned(request)
}

fn refers(part: &Part) -> bool {
    match part {
        Part::ToolResult { parts, .. } => parts.iter().any(refers),
        _ => name_of(part).is_some(),
    }
}

fn say(part: &mut Part) {
    if let Part::ToolResult { parts, .. } = part {
        parts.iter_mut().for_each(say);
    } else if let Some(name) = name_of(part) {
        *part = Part::text(format!("Found the tool `{name}`: it can be called now."));
    }
}

fn name_of(part: &Part) -> Option<&str> {
    match part {
        Part::Opaque { dialect: DialectId::AnthropicMessages, value }
            if value["type"] == "tool_reference" =>
        {
            value["tool_name"].as_str()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use gw_core::seam::{DialectId, Quirks, Target};
    use serde_json::json;

    #[test]
    fn found_tools_are_named_to_every_provider() {
        let body = json!({"model": "m", "max_tokens": 9, "tools": [
            {"name": "ToolSearch", "input_schema": {"type": "object"}},
            {"name": "weather", "input_schema": {"type": "object"}, "defer_loading": true}],
            "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {"q": "w"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
                {"type": "tool_reference", "tool_name": "weather"}]}]}]});
        let client = crate::dialect(DialectId::AnthropicMessages);
        let request = client.decode_request(body.to_string().as_bytes()).expect("a request");
        let quirks = Quirks::default();
        let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
        for dialect in crate::all() {
            let wire = dialect.encode_request(&request, &target).expect("is written");
            let text = String::from_utf8_lossy(&wire.body).into_owned();
            let is_own = dialect.id() == DialectId::AnthropicMessages;
            assert_eq!(text.contains("tool_reference"), is_own, "{text}");
            assert_eq!(text.contains("Found the tool `weather`"), !is_own, "{text}");
            let is_told = wire.notices.iter().any(|notice| notice.feature == super::FEATURE);
            assert_eq!(is_told, !is_own, "{:?}", wire.notices);
        }
    }
}
