//! Tools that a provider runs itself, offered to a provider that has none like them: one rule for all
//! formats.
//!
//! Agents offer them in every request beside tools of their own (Codex: `web_search`), so one that
//! nobody insists on is left out, with a notice. One that is the only tool, or that must be called, is
//! what the request is about: it is refused.

use gw_core::chat::{ChatRequest, Tool, ToolChoice};
use gw_core::{Error, Kind, Result};
use serde_json::Value;

/// Judges the tool at a place, which the format cannot write; `is_written` says which it can. Gives
/// the words of the notice.
///
/// # Errors
/// [`Kind::UnsupportedFeature`] naming the tool, where it may not be left out.
pub(crate) fn leave_out(
    request: &ChatRequest,
    place: usize,
    is_written: impl Fn(&Tool) -> bool,
) -> Result<String> {
    let kind = match &request.tools[place] {
        Tool::Hosted { value, .. } => kind_of(value),
        Tool::Function { name, .. } => name,
    };
    let text =
        format!("`tools[{place}]` ({kind}) is a tool that this model's provider does not run");
    if request.tools.iter().any(is_written) && !is_forced(request, place) {
        return Ok(format!("{text}; it was left out"));
    }
    Err(Error::new(Kind::UnsupportedFeature, text)
        .with_field(format!("tools[{place}]"))
        .with_hint("Leave the tool out or choose a model of the provider that runs it"))
}

/// The type of a hosted tool; Google's are named by their one member.
fn kind_of(value: &Value) -> &str {
    let first = || value.as_object().and_then(|tool| tool.keys().next()).map(String::as_str);
    value["type"].as_str().or_else(first).unwrap_or("hosted")
}

fn is_forced(request: &ChatRequest, place: usize) -> bool {
    let Tool::Hosted { value, .. } = &request.tools[place] else { return false };
    let is_named = |name: &str| value["name"] == name || value["type"] == name;
    match &request.tool_choice {
        Some(ToolChoice::Function { name }) => is_named(name),
        Some(ToolChoice::Opaque { value: choice, .. }) => {
            let words = ["type", "name"].into_iter().filter_map(|key| choice[key].as_str());
            words.into_iter().any(is_named)
        }
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use gw_core::chat::{ChatRequest, Extra, Tool, ToolChoice};
    use gw_core::seam::DialectId;
    use serde_json::json;

    use super::leave_out;

    #[test]
    fn a_tool_is_left_out_unless_it_is_insisted_on() {
        let search = Tool::Hosted {
            dialect: DialectId::OpenAiResponses,
            value: json!({"type": "web_search"}),
        };
        let function = Tool::Function {
            name: "look".to_owned(),
            description: None,
            parameters: None,
            strict: None,
            cache: None,
            extra: Extra::default(),
        };
        let check = |tools: &[&Tool], choice: Option<ToolChoice>, is_left_out: bool| {
            let tools = tools.iter().map(|tool| (*tool).clone()).collect();
            let request = ChatRequest { tools, tool_choice: choice, ..ChatRequest::default() };
            let judged = leave_out(&request, 0, |tool| matches!(tool, Tool::Function { .. }));
            assert_eq!(judged.is_ok(), is_left_out, "{judged:?}");
        };
        let of = |name: &str| Some(ToolChoice::Function { name: name.to_owned() });
        let dialect = DialectId::OpenAiResponses;
        let opaque = Some(ToolChoice::Opaque { dialect, value: json!({"type": "web_search"}) });
        check(&[&search, &function], None, true);
        check(&[&search, &function], Some(ToolChoice::Required), true);
        check(&[&search, &function], of("look"), true);
        check(&[&search], None, false);
        check(&[&search, &function], of("web_search"), false);
        check(&[&search, &function], opaque, false);
    }
}
