//! Reads the MCP servers that stand in a client's settings.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::client::Client;
use crate::document::{Document, DocumentError};

/// A server of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its name there.
    pub name: String,
    /// Program and arguments of one that runs here.
    pub command: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Where it runs.
    pub cwd: Option<String>,
    /// Address of one that runs elsewhere.
    pub url: Option<String>,
    /// Headers of requests to it.
    pub headers: BTreeMap<String, String>,
    /// True for HTTP+SSE of 2024-11-05.
    pub is_sse: bool,
    /// True where the client has it switched off.
    pub is_disabled: bool,
}

/// The servers of a client's settings. References to the environment are written as the gateway reads
/// them: `{env:NAME}`.
///
/// # Errors
/// [`DocumentError::Unreadable`].
pub fn found(client: Client, document: &Document) -> Result<Vec<Found>, DocumentError> {
    let values = document.values()?;
    let Some(servers) = values.get(client.servers_key()).and_then(Value::as_object) else {
        return Ok(Vec::new());
    };
    let servers = servers.iter().filter_map(|(name, value)| server(name, value.as_object()?));
    Ok(servers.collect())
}

fn server(name: &str, entry: &Map<String, Value>) -> Option<Found> {
    let text = |keys: &[&str]| keys.iter().find_map(|key| entry.get(*key)?.as_str());
    let url = text(&["url", "httpUrl", "serverUrl"]).map(referring);
    let kind = text(&["type", "transport"]).unwrap_or_default();
    let mut headers = texts(entry, &["headers", "http_headers"]);
    if let Some(variable) = text(&["bearer_token_env_var"]) {
        headers.insert("authorization".to_owned(), format!("Bearer {{env:{variable}}}"));
    }
    if let Some(by_variable) = entry.get("env_http_headers").and_then(Value::as_object) {
        let by_variable = by_variable.iter().filter_map(|(key, it)| Some((key, it.as_str()?)));
        headers.extend(by_variable.map(|(key, it)| (key.clone(), format!("{{env:{it}}}"))));
    }
    let command = if url.is_some() { Vec::new() } else { command(entry) };
    let found = Found {
        name: name.to_owned(),
        command,
        environment: texts(entry, &["env", "environment"]),
        cwd: text(&["cwd"]).map(referring),
        is_sse: kind == "sse",
        is_disabled: entry.get("enabled") == Some(&Value::Bool(false))
            || entry.get("disabled") == Some(&Value::Bool(true)),
        url,
        headers,
    };
    // Zed lists servers of its extensions without either.
    (found.url.is_some() || !found.command.is_empty()).then_some(found)
}

/// `command` and `args`, a list (OpenCode), or an object (older Zed).
fn command(entry: &Map<String, Value>) -> Vec<String> {
    let list = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(referring).collect()
    };
    match entry.get("command") {
        Some(Value::String(program)) => {
            let mut command = vec![referring(program)];
            command.extend(list(entry.get("args")));
            command
        }
        Some(whole @ Value::Array(_)) => list(Some(whole)),
        Some(Value::Object(inner)) => {
            let program = inner.get("path").and_then(Value::as_str).map(referring);
            program.into_iter().chain(list(inner.get("args"))).collect()
        }
        _ => Vec::new(),
    }
}

fn texts(entry: &Map<String, Value>, keys: &[&str]) -> BTreeMap<String, String> {
    let maps = keys.iter().filter_map(|key| entry.get(*key)?.as_object());
    let texts = maps.flatten().filter_map(|(name, value)| {
        let text = match value {
            Value::String(text) => referring(text),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        Some((name.clone(), text))
    });
    texts.collect()
}

/// `${NAME}` and `${env:NAME}` as `{env:NAME}`. Defaults (`${NAME:-x}`) and inputs (`${input:x}`) have
/// no such form and stay.
fn referring(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inner, after)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let name = inner.strip_prefix("env:").unwrap_or(inner);
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_name {
            out.push_str(&format!("{{env:{name}}}"));
        } else {
            out.push_str(&format!("${{{inner}}}"));
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::{found, referring};
    use crate::client::{Client, Format};
    use crate::document::Document;

    fn only(client: Client, text: &str) -> super::Found {
        let document = Document::read(client.format(), text).unwrap();
        let mut all = found(client, &document).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn every_clients_own_form_is_read() {
        let command = ["npx", "-y", "files"].map(str::to_owned);
        for (client, text) in [
            (
                Client::ClaudeDesktop,
                r#"{"mcpServers":{"f":{"command":"npx","args":["-y","files"],"env":{"A":"${B}"}}}}"#,
            ),
            (
                Client::ClaudeCode,
                r#"{"mcpServers":{"f":{"type":"stdio","command":"npx","args":["-y","files"],"env":{"A":"${B}"}}}}"#,
            ),
            (
                Client::VsCode,
                r#"{"servers":{"f":{"type":"stdio","command":"npx","args":["-y","files"],"env":{"A":"${env:B}"}}},"inputs":[]}"#,
            ),
            (
                Client::OpenCode,
                r#"{"mcp":{"f":{"type":"local","command":["npx","-y","files"],"environment":{"A":"{env:B}"}}}}"#,
            ),
            (
                Client::Zed,
                r#"{"context_servers":{"f":{"source":"custom","command":"npx","args":["-y","files"],"env":{"A":"{env:B}"}},"ext":{"settings":{}}}}"#,
            ),
            (
                Client::Zed,
                r#"{"context_servers":{"f":{"command":{"path":"npx","args":["-y","files"]},"env":{"A":"{env:B}"}}}}"#,
            ),
            (
                Client::Codex,
                "[mcp_servers.f]\ncommand = \"npx\"\nargs = [\"-y\", \"files\"]\n[mcp_servers.f.env]\nA = \"{env:B}\"\n",
            ),
        ] {
            let found = only(client, text);
            assert_eq!((found.name.as_str(), &found.command[..]), ("f", &command[..]), "{text}");
            assert_eq!(found.environment["A"], "{env:B}", "{text}");
        }
        for (client, text) in [
            (
                Client::Cursor,
                r#"{"mcpServers":{"f":{"url":"https://x/mcp","headers":{"authorization":"Bearer ${env:K}"}}}}"#,
            ),
            (
                Client::GeminiCli,
                r#"{"mcpServers":{"f":{"httpUrl":"https://x/mcp","headers":{"authorization":"Bearer ${K}"}}}}"#,
            ),
            (
                Client::Windsurf,
                r#"{"mcpServers":{"f":{"serverUrl":"https://x/mcp","headers":{"authorization":"Bearer ${env:K}"}}}}"#,
            ),
            (
                Client::Codex,
                "[mcp_servers.f]\nurl = \"https://x/mcp\"\nbearer_token_env_var = \"K\"\n",
            ),
        ] {
            let found = only(client, text);
            assert_eq!(found.url.as_deref(), Some("https://x/mcp"), "{text}");
            assert_eq!(found.headers["authorization"], "Bearer {env:K}", "{text}");
        }
        let off = only(
            Client::OpenCode,
            r#"{"mcp":{"f":{"type":"remote","url":"https://x","enabled":false}}}"#,
        );
        assert!(off.is_disabled);
        assert!(
            only(Client::ClaudeCode, r#"{"mcpServers":{"f":{"type":"sse","url":"https://x"}}}"#)
                .is_sse
        );
        let empty = Document::read(Format::Json, "{}").unwrap();
        assert!(found(Client::Cursor, &empty).unwrap().is_empty());
    }

    #[test]
    fn references_that_have_no_other_form_stay() {
        for (text, wanted) in [
            ("a${B}c", "a{env:B}c"),
            ("${B:-x}", "${B:-x}"),
            ("${input:key}", "${input:key}"),
            ("${", "${"),
            ("$B", "$B"),
        ] {
            assert_eq!(referring(text), wanted);
        }
    }
}
