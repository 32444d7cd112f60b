//! Tools and tool choice of a request, current and legacy.

use gw_core::Result;
use gw_core::chat::{Tool, ToolChoice};
use gw_core::limits::TOOLS_MAX;
use gw_core::seam::DialectId;
use serde_json::Value;

use super::content::cache_mark;
use super::decode::{not_one_of, own_extra};
use crate::json::Node;

const FUNCTION_FIELDS: &[&str] = &["name", "description", "parameters", "strict"];

/// `tools`, or else the legacy `functions`.
pub(super) fn decode_tools(root: &Node<'_>) -> Result<Vec<Tool>> {
    let (list, is_legacy) = match (root.get("tools"), root.get("functions")) {
        (Some(tools), _) => (tools, false),
        (None, Some(functions)) => (functions, true),
        (None, None) => return Ok(Vec::new()),
    };
    let mut tools = Vec::new();
    for tool in list.items()? {
        if tools.len() >= TOOLS_MAX {
            return Err(list.invalid(&format!("holds more than {TOOLS_MAX} tools")));
        }
        tool.object()?;
        tools.push(if is_legacy { decode_function(&tool, &tool)? } else { decode_tool(&tool)? });
    }
    Ok(tools)
}

fn decode_tool(tool: &Node<'_>) -> Result<Tool> {
    let kind = tool.require("type")?;
    if kind.text()? != "function" {
        return Ok(Tool::Hosted { dialect: DialectId::OpenAiChat, value: tool.value().clone() });
    }
    let function = tool.require("function")?;
    function.object()?;
    decode_function(tool, &function)
}

fn decode_function(tool: &Node<'_>, function: &Node<'_>) -> Result<Tool> {
    let name = function.require("name")?;
    if name.text()?.is_empty() {
        return Err(name.invalid("must not be empty"));
    }
    let parameters = match function.get("parameters") {
        Some(parameters) => Some(Value::Object(parameters.object()?.clone())),
        None => None,
    };
    let mut extra = tool.others(&["type", "function", "cache_control"]);
    extra.retain(|key, _| !FUNCTION_FIELDS.contains(&key.as_str()));
    let inner = function.others(FUNCTION_FIELDS);
    if !inner.is_empty() && tool.get("function").is_some() {
        extra.insert("function".to_owned(), Value::Object(inner));
    }
    Ok(Tool::Function {
        name: name.text()?.to_owned(),
        description: function.opt_text("description")?,
        parameters,
        strict: function.opt_boolean("strict")?,
        cache: cache_mark(tool)?,
        extra: own_extra(extra),
    })
}

/// `tool_choice`, or else the legacy `function_call`.
pub(super) fn decode_choice(root: &Node<'_>) -> Result<Option<ToolChoice>> {
    if let Some(choice) = root.get("tool_choice") {
        return decode_current(&choice).map(Some);
    }
    let Some(choice) = root.get("function_call") else { return Ok(None) };
    Ok(Some(match choice.value().as_str() {
        Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some(other) => return Err(not_one_of(&choice, other, "`auto`, `none` or an object")),
        None => {
            choice.object()?;
            ToolChoice::Function { name: choice.require_text("name")? }
        }
    }))
}

fn decode_current(choice: &Node<'_>) -> Result<ToolChoice> {
    if let Some(word) = choice.value().as_str() {
        return Ok(match word {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            // `any` is Mistral's word.
            "required" | "any" => ToolChoice::Required,
            other => {
                let allowed = "`auto`, `none`, `required` or an object that names a function";
                return Err(not_one_of(choice, other, allowed));
            }
        });
    }
    if !choice.value().is_object() {
        return Err(choice.must_be("a string or an object"));
    }
    if choice.require("type")?.text()? != "function" {
        let value = choice.value().clone();
        return Ok(ToolChoice::Opaque { dialect: DialectId::OpenAiChat, value });
    }
    let function = choice.require("function")?;
    function.object()?;
    Ok(ToolChoice::Function { name: function.require_text("name")? })
}
