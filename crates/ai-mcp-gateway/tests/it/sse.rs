//! Reads server-sent events strictly: whatever a client's parser would stumble over is a failure.

use serde_json::Value;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// Its `event:` line; empty for none.
    pub(crate) name: String,
    /// Its data; null for `[DONE]`.
    pub(crate) data: Value,
}

/// Reads a whole body.
///
/// # Panics
/// For an event that is cut off, a field that does not exist, or data that is not JSON.
pub(crate) fn events(body: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(body).expect("a stream is UTF-8").replace("\r\n", "\n");
    assert!(text.is_empty() || text.ends_with("\n\n"), "cut off in an event: {text}");
    text.split("\n\n").filter(|block| !block.trim().is_empty()).filter_map(event).collect()
}

fn event(block: &str) -> Option<Event> {
    let (mut name, mut data) = (String::new(), None::<String>);
    for line in block.lines() {
        match line.split_once(':') {
            Some(("", _)) => {}
            Some(("event", value)) => name = value.trim().to_owned(),
            Some(("data", value)) => data.get_or_insert_default().push_str(value.trim_start()),
            Some(("id" | "retry", _)) => {}
            _ => panic!("no field of an event: {line:?}"),
        }
    }
    let data = data?;
    if data == "[DONE]" {
        return Some(Event { name, data: Value::Null });
    }
    let data = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
    Some(Event { name, data })
}

/// The text that a stream of either dialect says.
pub(crate) fn text(events: &[Event]) -> String {
    events
        .iter()
        .filter_map(|event| {
            let openai = event.data["choices"][0]["delta"]["content"].as_str();
            openai.or_else(|| event.data["delta"]["text"].as_str())
        })
        .collect()
}

/// The error inside a stream of either dialect.
pub(crate) fn error(events: &[Event]) -> Option<&Value> {
    events.iter().map(|event| &event.data["error"]).find(|error| error.is_object())
}
