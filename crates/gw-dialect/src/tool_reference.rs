//! Blocks of one provider's that another can be told in its own way: references to tools that were
//! found, and search results inside tool results.
//!
//! Anthropic's `tool_reference` names tools that the model may call from then on. Elsewhere all tools
//! stand in the request, so saying which ones were found is enough. Anthropic and Bedrock both have
//! search results with a source and a title; everybody else is told them as text.

use std::borrow::Cow;

use gw_core::Result;
use gw_core::chat::{ChatRequest, Message, Notice, NoticeAction, Part};
use gw_core::seam::{DialectId, WireRequest};
use serde_json::{Value, json};

/// The feature of the notice about tools.
const REFERENCE: &str = "messages[].tool_reference";

/// The feature of the notice about search results.
const SEARCH: &str = "messages[].search_result";

/// Encodes a request with blocks of other formats said in a way the target has, and says so.
///
/// # Errors
/// Those of `encode`.
pub(crate) fn encode_said(
    target: DialectId,
    request: &ChatRequest,
    encode: impl FnOnce(&ChatRequest) -> Result<WireRequest>,
) -> Result<WireRequest> {
    let (request, features) = said(target, request);
    let mut wire = encode(&request)?;
    for (feature, detail) in features {
        wire.notices.push(Notice {
            feature: feature.to_owned(),
            action: NoticeAction::Emulated,
            detail: detail.to_owned(),
        });
    }
    Ok(wire)
}

type Features = Vec<(&'static str, &'static str)>;

/// The request as the target can be told it; borrowed where it holds no such block.
fn said(target: DialectId, request: &ChatRequest) -> (Cow<'_, ChatRequest>, Features) {
    let any = |test: fn(&Part) -> bool| {
        let holds = |message: &Message| message.parts.iter().any(|part| within(part, test));
        request.messages.iter().any(holds)
    };
    let mut features = Features::new();
    if target != DialectId::AnthropicMessages && any(|part| name_of(part).is_some()) {
        features.push((REFERENCE, "references to tools were written as text"));
    }
    let is_foreign_search = match target {
        DialectId::AnthropicMessages => any(|part| of_bedrock(part).is_some()),
        DialectId::BedrockConverse => any(|part| of_anthropic(part).is_some()),
        _ => any(|part| Search::of(part).is_some()),
    };
    if is_foreign_search {
        features.push((SEARCH, "search results were written in the form the provider has"));
    }
    if features.is_empty() {
        return (Cow::Borrowed(request), features);
    }
    let mut request = request.clone();
    for message in &mut request.messages {
        message.parts.iter_mut().for_each(|part| say(target, part));
    }
    (Cow::Owned(request), features)
}

fn within(part: &Part, test: fn(&Part) -> bool) -> bool {
    match part {
        Part::ToolResult { parts, .. } => parts.iter().any(|part| within(part, test)),
        part => test(part),
    }
}

fn say(target: DialectId, part: &mut Part) {
    if let Part::ToolResult { parts, .. } = part {
        return parts.iter_mut().for_each(|part| say(target, part));
    }
    let is_own = matches!(part, Part::Opaque { dialect, .. } if *dialect == target);
    if is_own {
        return;
    }
    if let Some(name) = name_of(part) {
        *part = Part::text(format!("Found the tool `{name}`: it can be called now."));
    } else if let Some(found) = Search::of(part) {
        *part = found.into_part(target);
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

/// A search result.
struct Search {
    source: String,
    title: String,
    texts: Vec<String>,
    is_cited: bool,
}

fn of_anthropic(part: &Part) -> Option<&Value> {
    match part {
        Part::Opaque { dialect: DialectId::AnthropicMessages, value } => {
            (value["type"] == "search_result").then_some(value)
        }
        _ => None,
    }
}

fn of_bedrock(part: &Part) -> Option<&Value> {
    match part {
        Part::Opaque { dialect: DialectId::BedrockConverse, value } => {
            value.get("searchResult").filter(|it| it.is_object())
        }
        _ => None,
    }
}

impl Search {
    fn of(part: &Part) -> Option<Self> {
        let value = of_anthropic(part).or_else(|| of_bedrock(part))?;
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let pieces = value["content"].as_array().into_iter().flatten();
        Some(Self {
            source: text("source"),
            title: text("title"),
            texts: pieces.filter_map(|it| it["text"].as_str()).map(str::to_owned).collect(),
            is_cited: value["citations"]["enabled"] == true,
        })
    }

    fn into_part(self, target: DialectId) -> Part {
        let Self { source, title, texts, is_cited } = self;
        let value = match target {
            DialectId::AnthropicMessages => {
                let texts = texts.iter().map(|text| json!({"type": "text", "text": text}));
                json!({"type": "search_result", "source": source, "title": title,
                    "content": texts.collect::<Vec<Value>>(), "citations": {"enabled": is_cited}})
            }
            DialectId::BedrockConverse => {
                let texts = texts.iter().map(|text| json!({ "text": text }));
                json!({"searchResult": {"source": source, "title": title,
                    "content": texts.collect::<Vec<Value>>(), "citations": {"enabled": is_cited}}})
            }
            _ => {
                let head = [title, source].into_iter().filter(|it| !it.is_empty());
                let lines: Vec<String> = head.chain(texts).collect();
                return Part::text(lines.join("\n"));
            }
        };
        Part::Opaque { dialect: target, value }
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
            let is_told = wire.notices.iter().any(|notice| notice.feature == super::REFERENCE);
            assert_eq!(is_told, !is_own, "{:?}", wire.notices);
        }
    }

    #[test]
    fn search_results_reach_every_provider() {
        let body = json!({"model": "m", "max_tokens": 9,
            "tools": [{"name": "find", "input_schema": {"type": "object"}}],
            "messages": [
            {"role": "user", "content": "Who?"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "t1", "name": "find", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
                {"type": "search_result", "source": "https://a.example", "title": "Facts",
                 "content": [{"type": "text", "text": "Matz did."}],
                 "citations": {"enabled": true}}]}]}]});
        let client = crate::dialect(DialectId::AnthropicMessages);
        let request = client.decode_request(body.to_string().as_bytes()).expect("a request");
        let quirks = Quirks::default();
        let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
        for dialect in crate::all() {
            let wire = dialect.encode_request(&request, &target).expect("is written");
            let text = String::from_utf8_lossy(&wire.body).into_owned();
            assert!(text.contains("Matz did.") && text.contains("https://a.example"), "{text}");
            let is_own = dialect.id() == DialectId::AnthropicMessages;
            let is_told = wire.notices.iter().any(|notice| notice.feature == super::SEARCH);
            assert_eq!(is_told, !is_own, "{:?}", wire.notices);
        }
        let bedrock = crate::dialect(DialectId::BedrockConverse);
        let wire = bedrock.encode_request(&request, &target).expect("is written");
        let again = bedrock.decode_request(&wire.body).expect("a request");
        let back = client.encode_request(&again, &target).expect("is written");
        let sent: serde_json::Value = serde_json::from_slice(&back.body).expect("JSON");
        assert_eq!(sent["messages"][2], body["messages"][2]);
    }
}
