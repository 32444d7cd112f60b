//! Hard checks of an answer that cost nothing and need no second model: empty, refused, cut off,
//! unknown tools, arguments or output that break their schema.

mod refusal;
mod schema;

use gw_core::chat::{ChatRequest, Part, ResponseFormat, Tool};
use serde_json::Value;

pub use refusal::is_refusal;
pub use schema::breach;

/// Why an answer cannot stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It says nothing and calls nothing.
    Empty,
    /// It ended at the limit of tokens.
    CutOff,
    /// The model declines.
    Refused,
    /// It calls a tool that was not offered.
    UnknownTool(String),
    /// Arguments of a tool are no JSON or break the tool's schema.
    BadArguments {
        /// The tool.
        tool: String,
        /// What is wrong and where.
        why: String,
    },
    /// The output is no JSON or breaks the schema that was asked for.
    BadOutput(String),
}

impl Fault {
    /// What a person reads, and the next model where the answer is handed on.
    pub fn describe(&self) -> String {
        match self {
            Self::Empty => "the answer is empty".to_owned(),
            Self::CutOff => "the answer was cut off at the limit of tokens".to_owned(),
            Self::Refused => "the model declined to answer".to_owned(),
            Self::UnknownTool(tool) => format!("it calls `{tool}`, which was not offered"),
            Self::BadArguments { tool, why } => {
                format!("the arguments of `{tool}` are wrong: {why}")
            }
            Self::BadOutput(why) => format!("the output breaks its schema: {why}"),
        }
    }
}

/// The first fault of an answer to a request; `None` where every hard check passes. `is_cut_off` is
/// the provider's word that the limit of tokens ended it.
pub fn fault(request: &ChatRequest, answer: &[Part], is_cut_off: bool) -> Option<Fault> {
    if is_cut_off {
        return Some(Fault::CutOff);
    }
    let texts: Vec<&str> = answer.iter().filter_map(Part::as_text).collect();
    let text = texts.join("\n");
    let has_call = answer.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    if answer.iter().any(|part| matches!(part, Part::Refusal { .. })) {
        return Some(Fault::Refused);
    }
    if text.trim().is_empty() && !has_call {
        return Some(Fault::Empty);
    }
    for part in answer {
        if let Part::ToolCall { name, arguments, .. } = part
            && let Some(fault) = call_fault(request, name, arguments)
        {
            return Some(fault);
        }
    }
    if has_call {
        return None;
    }
    output_fault(request.response_format.as_ref(), &text)
        .or_else(|| is_refusal(&text).then_some(Fault::Refused))
}

fn call_fault(request: &ChatRequest, called: &str, arguments: &str) -> Option<Fault> {
    let mut has_hosted = false;
    for tool in &request.tools {
        match tool {
            Tool::Function { name, parameters, .. } if name == called => {
                let bad = |why| Fault::BadArguments { tool: called.to_owned(), why };
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                return match serde_json::from_str::<Value>(arguments) {
                    Err(error) => Some(bad(format!("no JSON: {error}"))),
                    Ok(value) => {
                        parameters.as_ref().and_then(|schema| breach(schema, &value)).map(bad)
                    }
                };
            }
            Tool::Function { .. } => {}
            // A provider's own tool may call itself as it likes.
            Tool::Hosted { .. } => has_hosted = true,
        }
    }
    (!has_hosted).then(|| Fault::UnknownTool(called.to_owned()))
}

fn output_fault(format: Option<&ResponseFormat>, text: &str) -> Option<Fault> {
    let schema = match format {
        None | Some(ResponseFormat::Text) => return None,
        Some(ResponseFormat::JsonObject) => None,
        Some(ResponseFormat::JsonSchema { schema, .. }) => Some(schema),
    };
    match serde_json::from_str::<Value>(text.trim()) {
        Err(error) => Some(Fault::BadOutput(format!("no JSON: {error}"))),
        Ok(value) => match schema {
            Some(schema) => breach(schema, &value).map(Fault::BadOutput),
            None if value.is_object() => None,
            None => Some(Fault::BadOutput("no JSON object".to_owned())),
        },
    }
}

#[cfg(test)]
mod tests;
