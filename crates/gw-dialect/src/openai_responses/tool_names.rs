//! Tools that only this format has in that form, as plain functions and back.
//!
//! Codex offers the tools of an MCP server as a *namespace* of functions, and wants each call back
//! with that namespace. Other formats know plain functions, so a function within a namespace is
//! called `{namespace}__{name}` there. A *custom* tool takes free text: there it is a function whose
//! one argument is `input`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::openai_chat::value::{items, text};

/// Longest name of a function that all providers take.
const NAME_CHARS_MAX: usize = 64;

/// The one argument of a custom tool as a function.
pub(super) const INPUT: &str = "input";

/// How the client knows a tool.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    /// A function within a namespace.
    Within {
        /// The namespace.
        namespace: String,
        /// Its name there.
        name: String,
    },
    /// A custom tool.
    Custom,
}

/// The tools of a request that are not plain functions, by the name a model calls them.
#[derive(Clone, Debug, Default)]
pub(super) struct ToolNames(HashMap<String, Known>);

impl ToolNames {
    /// Reads a `tools` array of this format.
    pub(super) fn read(tools: &[Value]) -> Self {
        let mut names = HashMap::new();
        for tool in tools.iter().filter_map(Value::as_object) {
            let Some(name) = text(tool, "name") else { continue };
            match text(tool, "type") {
                Some("custom") => {
                    names.insert(name.to_owned(), Known::Custom);
                }
                Some("namespace") => {
                    for inner in items(tool, "tools").iter().filter_map(|it| it["name"].as_str()) {
                        let known =
                            Known::Within { namespace: name.to_owned(), name: inner.to_owned() };
                        names.insert(flat(name, inner), known);
                    }
                }
                _ => {}
            }
        }
        Self(names)
    }

    /// How the client knows the tool of this name; `None` for a plain function.
    pub(super) fn get(&self, name: &str) -> Option<&Known> {
        self.0.get(name)
    }

    /// Puts name and namespace of a call into its item.
    pub(super) fn put(&self, name: &str, item: &mut Map<String, Value>) {
        let (name, namespace) = match self.get(name) {
            Some(Known::Within { namespace, name }) => (name.as_str(), Some(namespace.as_str())),
            _ => (name, None),
        };
        item.insert("name".to_owned(), json!(name));
        if let Some(namespace) = namespace {
            item.insert("namespace".to_owned(), json!(namespace));
        }
    }

    /// True for a custom tool.
    pub(super) fn is_custom(&self, name: &str) -> bool {
        self.get(name) == Some(&Known::Custom)
    }
}

/// The name of a function within a namespace where there are no namespaces: of letters, digits, `_`
/// and `-`, at most 64, and always the same.
pub(super) fn flat(namespace: &str, name: &str) -> String {
    let joint = if namespace.ends_with("__") { "" } else { "__" };
    let whole = format!("{namespace}{joint}{name}");
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let plain: String = whole.chars().map(plain).collect();
    if plain == whole && plain.len() <= NAME_CHARS_MAX {
        return plain;
    }
    // Two long names must not become one: FNV-1a of the whole (any stable hash would do).
    let hash = whole
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let kept = plain.len().min(NAME_CHARS_MAX - 9);
    format!("{}_{hash:08x}", &plain[..kept])
}

/// The name a model knows a called function by.
pub(super) fn of_call(item: &Map<String, Value>) -> String {
    let name = text(item, "name").unwrap_or_default();
    match text(item, "namespace").filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => flat(namespace, name),
        None => name.to_owned(),
    }
}

/// The input of a custom tool as arguments of a function.
pub(super) fn arguments_of_input(input: &str) -> String {
    json!({ INPUT: input }).to_string()
}

/// The input of a custom tool out of a function's arguments; what a model wrote otherwise is taken
/// as the input itself.
pub(super) fn input_of_arguments(arguments: &str) -> String {
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::Object(object)) => match object.get(INPUT) {
            Some(Value::String(input)) => input.clone(),
            _ => arguments.to_owned(),
        },
        _ => arguments.to_owned(),
    }
}
