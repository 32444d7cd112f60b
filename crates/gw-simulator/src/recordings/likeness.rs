//! How alike two requests are, judged by what makes their answers of one kind.

use serde_json::Value;

/// The traits of a request that its answer depends on, for any chat format.
#[derive(Debug, PartialEq)]
pub(super) struct Likeness<'a> {
    model: &'a str,
    is_streaming: bool,
    last_role: &'a str,
    last_text: String,
    tools: Vec<&'a str>,
    is_structured: bool,
    thinks: bool,
    messages: usize,
}

impl<'a> Likeness<'a> {
    pub(super) fn of(body: &'a Value) -> Self {
        let messages = ["messages", "input", "contents"]
            .iter()
            .find_map(|name| body.get(*name).and_then(Value::as_array));
        let last = messages.and_then(|messages| messages.last());
        let last_text = match last {
            Some(last) => texts_of(last),
            None => ["input", "prompt", "query"]
                .iter()
                .find_map(|name| body.get(*name).and_then(Value::as_str))
                .unwrap_or_default()
                .to_owned(),
        };
        Self {
            model: body.get("model").and_then(Value::as_str).unwrap_or_default(),
            is_streaming: body.get("stream") == Some(&Value::Bool(true)),
            last_role: last.map_or("", role_of),
            last_text,
            tools: tools_of(body),
            is_structured: [
                "/response_format",
                "/output_config/format",
                "/output_format",
                "/text/format/schema",
                "/generationConfig/responseSchema",
                "/responseFormat",
            ]
            .iter()
            .any(|at| body.pointer(at).is_some()),
            thinks: ["thinking", "reasoning", "reasoning_effort"]
                .iter()
                .any(|name| body.get(*name).is_some()),
            messages: messages.map_or(0, Vec::len),
        }
    }

    /// How alike, or `None` where the other's answer would be of another kind: streamed or not,
    /// with tools or not, after a tool's result or not, structured or not.
    pub(super) fn score(&self, other: &Likeness<'_>) -> Option<u32> {
        let is_same_kind = self.is_streaming == other.is_streaming
            && self.last_role == other.last_role
            && self.tools.is_empty() == other.tools.is_empty()
            && self.is_structured == other.is_structured;
        if !is_same_kind {
            return None;
        }
        let mut score = 0;
        score += if self.last_text == other.last_text { 64 } else { 0 };
        score += if self.tools == other.tools { 32 } else { 0 };
        score += if self.model == other.model { 16 } else { 0 };
        score += if self.thinks == other.thinks { 8 } else { 0 };
        let apart = u32::try_from(self.messages.abs_diff(other.messages)).unwrap_or(u32::MAX);
        Some(score + 4_u32.saturating_sub(apart))
    }
}

/// The role of a message, a message of tool results being one of its own in every format.
fn role_of(message: &Value) -> &str {
    let parts = message.get("content").or_else(|| message.get("parts")).and_then(Value::as_array);
    let is_result = parts.into_iter().flatten().any(|part| {
        part.get("type").and_then(Value::as_str) == Some("tool_result")
            || part.get("functionResponse").is_some()
            || part.get("toolResult").is_some()
    });
    if is_result {
        return "tool";
    }
    let role = message.get("role").or_else(|| message.get("type"));
    role.and_then(Value::as_str).unwrap_or_default()
}

fn texts_of(message: &Value) -> String {
    fn gather(value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
            Value::Object(fields) => {
                for name in ["content", "parts", "text", "output"] {
                    match fields.get(name) {
                        Some(Value::String(text)) => texts.push(text.clone()),
                        Some(inner) => gather(inner, texts),
                        None => {}
                    }
                }
            }
            _ => {}
        }
    }
    let mut texts = Vec::new();
    gather(message, &mut texts);
    texts.join("\n")
}

fn tools_of(body: &Value) -> Vec<&str> {
    let tools = body.get("tools").or_else(|| body.pointer("/toolConfig/tools"));
    let mut names: Vec<&str> = tools
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|tool| {
            ["/function/name", "/name", "/toolSpec/name", "/type"]
                .iter()
                .find_map(|at| tool.pointer(at).and_then(Value::as_str))
        })
        .collect();
    names.sort_unstable();
    names
}
