//! Servers of a client as `[mcp.servers]` of the gateway.

use gw_config::Settings;
use gw_config::section::mcp::McpServer;
use gw_connect::{Edit, Found};
use serde_json::{Map, Value, json};

/// Longest name of a server, as the configuration allows it.
const NAME_CHARS_MAX: usize = 48;

/// Names that mean something else.
const RESERVED: [&str; 3] = ["all", "search", "gateway"];

/// What is taken over.
#[derive(Debug, Default)]
pub(super) struct Imported {
    pub(super) edits: Vec<Edit>,
    /// New names, each with the client's.
    pub(super) names: Vec<(String, String)>,
    /// Servers that refer to a variable which is not set here, each with the variable.
    pub(super) unset: Vec<(String, String)>,
    /// Servers of the client that the gateway has already.
    pub(super) known: Vec<String>,
}

impl Imported {
    /// Names at the client of all that stand behind the gateway then.
    pub(super) fn taken(&self) -> Vec<String> {
        let new = self.names.iter().map(|(_, from)| from);
        new.chain(&self.known).cloned().collect()
    }
}

/// Which servers are new to the gateway, and under which names.
pub(super) fn plan(
    found: &[Found],
    settings: &Settings,
    is_set: impl Fn(&str) -> bool,
) -> Imported {
    let mut imported = Imported::default();
    let mut taken: Vec<String> = settings.mcp.servers.keys().cloned().collect();
    for server in found {
        if settings.mcp.servers.values().any(|known| is_same(known, server)) {
            imported.known.push(server.name.clone());
            continue;
        }
        if let Some(variable) = variables(server).into_iter().find(|name| !is_set(name)) {
            imported.unset.push((server.name.clone(), variable));
            continue;
        }
        let name = free_name(&server.name, &taken);
        taken.push(name.clone());
        imported.edits.push(Edit::put(&["mcp", "servers", &name], entry(server)));
        imported.names.push((name, server.name.clone()));
    }
    imported
}

/// The variables that a server refers to.
fn variables(server: &Found) -> Vec<String> {
    let texts = server.environment.values().chain(server.headers.values());
    let texts = texts.chain(&server.command).chain(&server.url).chain(&server.cwd);
    let named = texts.flat_map(|text| text.split("{env:").skip(1));
    named.filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect()
}

fn is_same(known: &McpServer, found: &Found) -> bool {
    match &found.url {
        Some(url) => known.url.as_ref() == Some(url),
        None => known.url.is_none() && known.command == found.command,
    }
}

/// A name that the configuration allows and nobody has.
pub(super) fn free_name(wanted: &str, taken: &[String]) -> String {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut name: String = wanted.chars().map(|c| if is_good(c) { c } else { '-' }).collect();
    while name.contains("__") {
        name = name.replace("__", "_");
    }
    name.truncate(NAME_CHARS_MAX - 4);
    if name.is_empty() {
        "server".clone_into(&mut name);
    }
    let is_free = |name: &String| !taken.contains(name) && !RESERVED.contains(&name.as_str());
    if is_free(&name) {
        return name;
    }
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    numbered.take(taken.len() + 2).find(is_free).unwrap_or(name)
}

fn entry(server: &Found) -> Value {
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| {
        entry.insert(key.to_owned(), value);
    };
    if let Some(url) = &server.url {
        put("url", json!(url));
    } else {
        put("command", json!(server.command));
    }
    if server.is_sse {
        put("transport", json!("sse"));
    }
    if !server.headers.is_empty() {
        put("headers", json!(server.headers));
    }
    if !server.environment.is_empty() {
        put("environment", json!(server.environment));
    }
    if let Some(cwd) = &server.cwd {
        put("cwd", json!(cwd));
    }
    if server.is_disabled {
        put("enabled", json!(false));
    }
    Value::Object(entry)
}

#[cfg(test)]
mod tests {
    use super::free_name;

    #[test]
    fn every_name_becomes_one_that_is_allowed_and_free() {
        let taken = ["files".to_owned(), "files-2".to_owned()];
        assert_eq!(free_name("files", &taken), "files-3");
        assert_eq!(free_name("my files__x", &taken), "my-files_x");
        assert_eq!(free_name("all", &taken), "all-2");
        assert_eq!(free_name("", &taken), "server");
        assert!(free_name(&"x".repeat(300), &taken).len() <= 48);
    }
}
