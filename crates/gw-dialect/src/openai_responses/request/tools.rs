//! Tools and tool choice of a request.

use gw_core::chat::{Extra, Tool, ToolChoice};
use gw_core::limits::TOOLS_MAX;
use gw_core::{Error, Result};
use serde_json::{Map, Value, json};

use super::decode::own_extra;
use crate::json::Node;
use crate::openai_responses::ID;
use crate::openai_responses::tool_names::{self, INPUT};

const FUNCTION_FIELDS: &[&str] = &["type", "name", "description", "parameters", "strict"];

/// Where a tool keeps the namespace it came from: `{name, description, function}`.
pub(super) const NAMESPACE: &str = "namespace";

/// Where a custom tool keeps itself as it came.
pub(super) const CUSTOM: &str = "custom";

/// Reads `tools`; a namespace becomes its functions.
pub(super) fn decode_tools(root: &Node<'_>) -> Result<Vec<Tool>> {
    let Some(list) = root.get("tools") else { return Ok(Vec::new()) };
    let mut tools = Vec::new();
    for tool in list.items()? {
        tool.object()?;
        match tool.require("type")?.text()? {
            "function" => tools.push(decode_function(&tool)?),
            "custom" => tools.push(decode_custom(&tool)?),
            "namespace" => decode_namespace(&tool, &mut tools)?,
            _ => tools.push(Tool::Hosted { dialect: ID, value: tool.value().clone() }),
        }
        if tools.len() > TOOLS_MAX {
            return Err(list.invalid(&format!("holds more than {TOOLS_MAX} tools")));
        }
    }
    Ok(tools)
}

fn name_of(tool: &Node<'_>) -> Result<String> {
    let name = tool.require("name")?;
    if name.text()?.is_empty() {
        return Err(name.invalid("must not be empty"));
    }
    Ok(name.text()?.to_owned())
}

fn decode_function(tool: &Node<'_>) -> Result<Tool> {
    // Some agents write tools in the shape of chat completions.
    if let Some(function) = tool.get("function").filter(|function| function.value().is_object()) {
        return decode_function(&function);
    }
    let parameters = match tool.get("parameters") {
        Some(parameters) => Some(Value::Object(parameters.object()?.clone())),
        None => None,
    };
    let mut others = tool.others(FUNCTION_FIELDS);
    others.retain(|_, value| !value.is_null());
    Ok(Tool::Function {
        name: name_of(tool)?,
        description: tool.opt_text("description")?,
        parameters,
        strict: tool.opt_boolean("strict")?,
        cache: None,
        extra: own_extra(others),
    })
}

/// A tool that takes free text, as a function of one argument.
fn decode_custom(tool: &Node<'_>) -> Result<Tool> {
    let mut description = tool.opt_text("description")?.unwrap_or_default();
    let format = &tool.value()["format"];
    let mut about = "The input of the tool, as plain text.".to_owned();
    if let (Some(syntax), Some(grammar)) =
        (format["syntax"].as_str(), format["definition"].as_str())
    {
        "The input of the tool, as plain text that follows its grammar.".clone_into(&mut about);
        description
            .push_str(&format!("\n\nThe input must follow this {syntax} grammar:\n{grammar}"));
    }
    let parameters = json!({
        "type": "object",
        "properties": { INPUT: { "type": "string", "description": about } },
        "required": [INPUT],
        "additionalProperties": false,
    });
    let extra = Map::from_iter([(CUSTOM.to_owned(), tool.value().clone())]);
    Ok(Tool::Function {
        name: name_of(tool)?,
        description: Some(description).filter(|text| !text.is_empty()),
        parameters: Some(parameters),
        strict: None,
        cache: None,
        extra: own_extra(extra),
    })
}

fn decode_namespace(space: &Node<'_>, tools: &mut Vec<Tool>) -> Result<()> {
    let namespace = name_of(space)?;
    let about = space.others(&["type", "tools"]);
    for inner in space.require("tools")?.items()? {
        inner.object()?;
        let kind = inner.get("type").and_then(|kind| kind.value().as_str().map(str::to_owned));
        if kind.is_some_and(|kind| kind != "function") {
            // No other format has what stands there: it keeps its namespace around it.
            let mut value = Value::Object(space.object()?.clone());
            value["tools"] = json!([inner.value()]);
            tools.push(Tool::Hosted { dialect: ID, value });
            continue;
        }
        let Tool::Function { name, description, parameters, strict, cache, extra } =
            decode_function(&inner)?
        else {
            continue;
        };
        let mut fields = extra.fields;
        let mut place = about.clone();
        place.insert("function".to_owned(), json!(name));
        fields.insert(NAMESPACE.to_owned(), Value::Object(place));
        let name = tool_names::flat(&namespace, &name);
        let extra = own_extra(fields);
        tools.push(Tool::Function { name, description, parameters, strict, cache, extra });
    }
    Ok(())
}

/// Reads `tool_choice`.
pub(super) fn decode_choice(root: &Node<'_>) -> Result<Option<ToolChoice>> {
    let Some(choice) = root.get("tool_choice") else { return Ok(None) };
    if let Some(word) = choice.value().as_str() {
        return Ok(Some(match word {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            other => return Err(unknown_choice(&choice, other)),
        }));
    }
    if !choice.value().is_object() {
        return Err(choice.must_be("a string or an object"));
    }
    Ok(Some(match choice.require("type")?.text()? {
        "function" | "custom" => {
            if let Some(function) = choice.get("function").filter(|it| it.value().is_object()) {
                return Ok(Some(ToolChoice::Function { name: function.require_text("name")? }));
            }
            choice.require("name")?.text()?;
            ToolChoice::Function { name: tool_names::of_call(choice.object()?) }
        }
        _ => ToolChoice::Opaque { dialect: ID, value: choice.value().clone() },
    }))
}

fn unknown_choice(choice: &Node<'_>, found: &str) -> Error {
    let found: String = found.chars().take(60).collect();
    let error = choice.invalid(&format!("is `{found}`, which is not known"));
    error.with_hint("Use `auto`, `none`, `required` or an object that names a tool")
}

/// Tools for a provider of this format, or as a client of it knows them: functions of one namespace
/// stand together again, where its first one stood.
pub(super) fn encode_tools(tools: &[Tool], is_own: bool, notes: &mut dyn FnMut(&str)) -> ToolsOut {
    let mut out = ToolsOut::default();
    for (place, tool) in tools.iter().enumerate() {
        match tool {
            Tool::Hosted { dialect, value } if *dialect == ID => out.list.push(value.clone()),
            Tool::Hosted { value, .. } => match counterpart(value) {
                Some(own) => {
                    out.replaced.push((place, own["type"].as_str().unwrap_or_default().to_owned()));
                    out.list.push(own);
                }
                None => out.foreign.push(place),
            },
            Tool::Function { name, description, parameters, strict, extra, .. } => {
                let own = extra.for_dialect(ID);
                if let Some(custom) = own.and_then(|own| own.get(CUSTOM)) {
                    out.list.push(custom.clone());
                    continue;
                }
                let place = own.and_then(|own| own.get(NAMESPACE));
                let shown = place.and_then(|place| place["function"].as_str()).unwrap_or(name);
                let mut wire = Map::new();
                wire.insert("type".to_owned(), json!("function"));
                wire.insert("name".to_owned(), json!(shown));
                if let Some(description) = description {
                    wire.insert("description".to_owned(), json!(description));
                }
                let none = || json!({ "type": "object", "properties": {} });
                wire.insert("parameters".to_owned(), parameters.clone().unwrap_or_else(none));
                // Unlike elsewhere, functions are strict here unless it is said that they are not.
                if let Some(strict) = strict.or((!is_own).then_some(false)) {
                    wire.insert("strict".to_owned(), json!(strict));
                }
                put_others(extra, own, &mut wire, notes);
                match place {
                    Some(place) => out.push_within(place, Value::Object(wire)),
                    None => out.list.push(Value::Object(wire)),
                }
            }
        }
    }
    out
}

/// The tool of this format that does what another provider's does: searching the web, and running
/// code (Anthropic's types carry dates, Google's tools are named by their one member).
pub(super) fn counterpart(tool: &Value) -> Option<Value> {
    let kind = tool["type"].as_str().unwrap_or_default();
    let has = |names: [&str; 2]| names.iter().any(|name| tool.get(name).is_some());
    if kind.starts_with("web_search") || has(["google_search", "googleSearch"]) {
        Some(json!({ "type": "web_search" }))
    } else if kind.starts_with("code_execution") || has(["code_execution", "codeExecution"]) {
        Some(json!({ "type": "code_interpreter", "container": { "type": "auto" } }))
    } else {
        None
    }
}

fn put_others(
    extra: &Extra,
    own: Option<&Map<String, Value>>,
    wire: &mut Map<String, Value>,
    notes: &mut dyn FnMut(&str),
) {
    match own {
        Some(own) => {
            for (key, value) in own.iter().filter(|(key, _)| *key != NAMESPACE) {
                wire.insert(key.clone(), value.clone());
            }
        }
        None => extra.fields.keys().for_each(|key| notes(key)),
    }
}

/// Tools as they are written.
#[derive(Default)]
pub(super) struct ToolsOut {
    /// The `tools` array.
    pub(super) list: Vec<Value>,
    /// Places of tools that only a provider of another format runs.
    pub(super) foreign: Vec<usize>,
    /// Tools of another format whose counterpart was written: place, and the counterpart's type.
    pub(super) replaced: Vec<(usize, String)>,
}

impl ToolsOut {
    fn push_within(&mut self, place: &Value, function: Value) {
        let name = &place["name"];
        let home = self.list.iter_mut().find(|tool| {
            tool["type"] == NAMESPACE && tool["name"] == *name && tool["tools"].is_array()
        });
        if let Some(Value::Array(list)) = home.and_then(|home| home.get_mut("tools")) {
            list.push(function);
            return;
        }
        let mut space = Map::new();
        space.insert("type".to_owned(), json!(NAMESPACE));
        let about = place.as_object().into_iter().flatten();
        for (key, value) in about.filter(|(key, _)| *key != "function") {
            space.insert(key.clone(), value.clone());
        }
        space.insert("tools".to_owned(), json!([function]));
        self.list.push(Value::Object(space));
    }
}
