//! System C's own configuration file (CONTRACT 3.2): JSON with servers by name, in which comments and
//! trailing commas are tolerated because that project's own samples have them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::secret::Secret;
use crate::section::mcp::McpServer;

/// An entry as system C writes it; fields that it typed and never used are taken and ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    r#type: Option<String>,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
    cwd: Option<std::path::PathBuf>,
    url: Option<String>,
    headers: BTreeMap<String, String>,
    transport: Option<String>,
    enabled: Option<bool>,
}

/// Reads the file's text. A variable that is not set is empty, as in system C.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn parse(
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, McpServer>, String> {
    let plain = plain_json(text);
    if plain.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    let entries: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&plain).map_err(|error| format!("is not JSON: {error}"))?;
    let mut servers = BTreeMap::new();
    for (name, value) in entries {
        // `$schema` and the like.
        if !value.is_object() {
            continue;
        }
        let entry: Entry =
            serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))?;
        servers.insert(name.clone(), server(&name, entry, variables)?);
    }
    Ok(servers)
}

fn server(
    name: &str,
    entry: Entry,
    variables: &BTreeMap<String, String>,
) -> Result<McpServer, String> {
    let filled = |map: BTreeMap<String, String>| -> BTreeMap<String, Secret> {
        map.into_iter().map(|(key, text)| (key, Secret::new(fill(&text, variables)))).collect()
    };
    let is_local = entry.r#type.as_deref() == Some("local");
    if entry.transport.as_deref() == Some("websocket")
        || entry.url.as_deref().is_some_and(|url| url.starts_with("ws"))
    {
        return Err(format!("{name}: WebSocket servers are not in this version"));
    }
    let mut environment = filled(entry.environment);
    environment.extend(filled(entry.env));
    Ok(McpServer {
        enabled: entry.enabled != Some(false),
        command: if is_local || entry.url.is_none() { entry.command } else { Vec::new() },
        environment,
        cwd: entry.cwd,
        url: entry.url.filter(|_| !is_local).map(|url| fill(&url, variables)),
        headers: filled(entry.headers),
        ..McpServer::default()
    })
}

/// Puts values in the place of `{env:NAME}`.
fn fill(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{env:") {
        filled.push_str(before);
        let Some((name, after_name)) = after.split_once('}') else {
            filled.push_str("{env:");
            rest = after;
            continue;
        };
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if is_name {
            filled.push_str(variables.get(name).map_or("", String::as_str));
        } else {
            filled.push_str(&format!("{{env:{name}}}"));
        }
        rest = after_name;
    }
    filled.push_str(rest);
    filled
}

/// The text without comments and without commas before a closing bracket.
fn plain_json(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        if is_quoted {
            plain.push(c);
            if c == '\\' {
                plain.extend(chars.next());
            } else if c == '"' {
                is_quoted = false;
            }
            continue;
        }
        match (c, chars.peek()) {
            ('/', Some('/')) => while chars.next_if(|c| *c != '\n').is_some() {},
            ('/', Some('*')) => {
                chars.next();
                let mut before = ' ';
                for c in chars.by_ref() {
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
            }
            (']' | '}', _) => {
                let kept = plain.trim_end().len();
                if plain[..kept].ends_with(',') {
                    plain.truncate(kept - 1);
                }
                plain.push(c);
            }
            _ => {
                is_quoted = c == '"';
                plain.push(c);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::ExposeSecret as _;

    use super::parse;

    #[test]
    fn the_readmes_own_samples_parse() {
        let text = r#"{
            // a local one
            "files": {
                "type": "local",
                "command": ["npx", "-y", "server", "//not a comment",],
                "environment": { "A": "{env:A}-{env:NOT_SET}", },
            },
            /* a remote one */
            "far": { "type": "remote", "url": "https://x.example/mcp", "enabled": false },
        }"#;
        let variables = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        let servers = parse(text, &variables).unwrap();
        let files = &servers["files"];
        assert_eq!(files.command[3], "//not a comment");
        assert_eq!(files.environment["A"].expose_secret(), "1-");
        assert!(!servers["far"].enabled && servers["far"].url.is_some());
        assert!(parse("", &variables).unwrap().is_empty());
        assert!(parse("{", &variables).is_err());
    }
}
