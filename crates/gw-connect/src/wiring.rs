//! What is written into a client's settings so that it uses the gateway.

use serde_json::{Map, Value, json};

use crate::client::{Client, Target};
use crate::document::Edit;

/// The name under which the gateway stands in clients' settings.
pub const NAME: &str = "ai-mcp-gateway";

/// The gateway as clients reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Its address, without a path: `http://127.0.0.1:3000`.
    pub url: String,
    /// How its key is given.
    pub key: KeyUse,
    /// The program and its arguments that speak MCP on standard input.
    pub command: Vec<String>,
    /// How MCP is spoken with it.
    pub door: Door,
    /// The models that clients with a list of their own are told of; the first is the usual one.
    pub models: Vec<String>,
}

/// How clients give the gateway's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Not at all: the gateway is open.
    None,
    /// It stands in the settings.
    Literal(String),
    /// It is in this variable of the environment.
    Variable(String),
}

/// How MCP is spoken with the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Over HTTP, with clients that can.
    Http,
    /// On standard input: the client starts a gateway of its own.
    Stdio,
}

/// What is to be written for one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Wired {
    /// What the file holds.
    pub target: Target,
    /// The edits.
    pub edits: Vec<Edit>,
    /// What the user must know besides.
    pub notes: Vec<String>,
}

/// Everything that is to be written for a client.
///
/// # Errors
/// In words, where the client cannot be given the key in this way.
pub fn wiring(client: Client, targets: &[Target], gateway: &Gateway) -> Result<Vec<Wired>, String> {
    let mut all = Vec::new();
    for target in targets {
        let wired = match target {
            Target::Servers => Some(servers(client, gateway)?),
            Target::Models => models(client, gateway),
        };
        all.extend(wired);
    }
    Ok(all)
}

fn servers(client: Client, gateway: &Gateway) -> Result<Wired, String> {
    let mut notes = Vec::new();
    let is_http = gateway.door == Door::Http && client != Client::ClaudeDesktop;
    let entry = if is_http { remote(client, gateway)? } else { local(client, gateway) };
    if !is_http && gateway.door == Door::Http {
        notes.push(format!(
            "{} starts local programs only, so it is given `{}`, which reads the same configuration",
            client.title(),
            gateway.command.join(" ")
        ));
    }
    let edits = vec![Edit::put(&[client.servers_key(), NAME], entry)];
    Ok(Wired { target: Target::Servers, edits, notes })
}

fn local(client: Client, gateway: &Gateway) -> Value {
    let (program, arguments) = match gateway.command.split_first() {
        Some((program, arguments)) => (program.as_str(), arguments),
        None => ("", &[][..]),
    };
    match client {
        Client::OpenCode => json!({"type": "local", "command": gateway.command, "enabled": true}),
        Client::ClaudeCode | Client::VsCode => {
            json!({"type": "stdio", "command": program, "args": arguments})
        }
        _ => json!({"command": program, "args": arguments}),
    }
}

fn remote(client: Client, gateway: &Gateway) -> Result<Value, String> {
    let url = format!("{}/mcp", gateway.url.trim_end_matches('/'));
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| {
        entry.insert(key.to_owned(), value);
    };
    match client {
        Client::ClaudeCode | Client::VsCode => put("type", json!("http")),
        Client::OpenCode => {
            put("type", json!("remote"));
            put("enabled", json!(true));
        }
        _ => {}
    }
    let address = match client {
        Client::GeminiCli => "httpUrl",
        Client::Windsurf => "serverUrl",
        _ => "url",
    };
    put(address, json!(url));
    let bearer = match &gateway.key {
        KeyUse::None => None,
        KeyUse::Literal(key) => Some(format!("Bearer {key}")),
        KeyUse::Variable(name) => match client {
            Client::Codex => {
                put("bearer_token_env_var", json!(name));
                None
            }
            _ => Some(format!("Bearer {}", reference(client, name)?)),
        },
    };
    if let Some(bearer) = bearer {
        let headers = if client == Client::Codex { "http_headers" } else { "headers" };
        put(headers, json!({"Authorization": bearer}));
    }
    Ok(Value::Object(entry))
}

/// A variable of the environment in the client's own words.
fn reference(client: Client, name: &str) -> Result<String, String> {
    match client {
        Client::ClaudeCode | Client::GeminiCli => Ok(format!("${{{name}}}")),
        Client::Cursor | Client::VsCode | Client::Windsurf => Ok(format!("${{env:{name}}}")),
        Client::OpenCode => Ok(format!("{{env:{name}}}")),
        Client::ClaudeDesktop | Client::Codex | Client::Zed => Err(format!(
            "{} cannot read a key from the environment in its settings; give the key itself with \
             --api-key, or speak on standard input with --stdio",
            client.title()
        )),
    }
}

fn models(client: Client, gateway: &Gateway) -> Option<Wired> {
    let base = gateway.url.trim_end_matches('/');
    let model = gateway.models.first().map_or("auto", String::as_str);
    let mut notes = Vec::new();
    let edits = match client {
        Client::ClaudeCode => {
            notes.push(
                "a login of Claude Code itself goes before these: /logout, then /status".to_owned(),
            );
            let mut edits = vec![
                Edit::put(&["env", "ANTHROPIC_BASE_URL"], json!(base)),
                // One from the shell would go before the token.
                Edit::put(&["env", "ANTHROPIC_API_KEY"], json!("")),
                Edit::put(&["env", "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY"], json!("1")),
            ];
            match &gateway.key {
                // Claude Code asks for a login where it has no token at all.
                KeyUse::None => {
                    edits.push(Edit::put(&["env", "ANTHROPIC_AUTH_TOKEN"], json!("none")));
                }
                KeyUse::Literal(key) => {
                    edits.push(Edit::put(&["env", "ANTHROPIC_AUTH_TOKEN"], json!(key)));
                }
                KeyUse::Variable(name) => {
                    edits.push(Edit::put(&["apiKeyHelper"], json!(format!("printenv {name}"))));
                }
            }
            edits
        }
        Client::Codex => {
            let mut provider = json!({
                "name": "AI MCP Gateway",
                "base_url": format!("{base}/v1"),
                "wire_api": "responses",
                "supports_websockets": true,
            });
            match &gateway.key {
                KeyUse::None => {}
                KeyUse::Variable(name) => provider["env_key"] = json!(name),
                KeyUse::Literal(key) => {
                    provider["http_headers"] = json!({"Authorization": format!("Bearer {key}")});
                }
            }
            vec![
                Edit::put(&["model_provider"], json!(NAME)),
                Edit::put(&["model"], json!(model)),
                Edit::put(&["model_providers", NAME], provider),
            ]
        }
        Client::OpenCode => {
            let names: Map<String, Value> =
                gateway.models.iter().map(|it| (it.clone(), json!({"name": it}))).collect();
            let mut options = json!({"baseURL": format!("{base}/v1")});
            match &gateway.key {
                KeyUse::None => {}
                KeyUse::Literal(key) => options["apiKey"] = json!(key),
                KeyUse::Variable(name) => options["apiKey"] = json!(format!("{{env:{name}}}")),
            }
            let provider = json!({
                "npm": "@ai-sdk/openai-compatible",
                "name": "AI MCP Gateway",
                "options": options,
                "models": names,
            });
            vec![
                Edit::put(&["provider", NAME], provider),
                Edit::put(&["model"], json!(format!("{NAME}/{model}"))),
            ]
        }
        Client::Zed => {
            notes.push(
                "Zed asks for the key once, in its agent panel, or reads AI_MCP_GATEWAY_API_KEY"
                    .to_owned(),
            );
            let models = gateway.models.iter().map(|name| {
                json!({
                    "name": name,
                    "display_name": name,
                    "max_tokens": 200_000,
                    "capabilities": {"tools": true, "images": true, "parallel_tool_calls": true,
                        "prompt_cache_key": false},
                })
            });
            let provider = json!({
                "api_url": format!("{base}/v1"),
                "available_models": models.collect::<Vec<_>>(),
            });
            vec![Edit::put(&["language_models", "openai_compatible", NAME], provider)]
        }
        Client::ClaudeDesktop
        | Client::Cursor
        | Client::VsCode
        | Client::GeminiCli
        | Client::Windsurf => return None,
    };
    Some(Wired { target: Target::Models, edits, notes })
}

#[cfg(test)]
mod tests {
    use super::{Door, Gateway, KeyUse, NAME, wiring};
    use crate::client::{Client, Target};
    use crate::document::Document;
    use crate::found::found;

    fn gateway(key: KeyUse, door: Door) -> Gateway {
        Gateway {
            url: "http://127.0.0.1:3000/".to_owned(),
            key,
            command: vec!["ai-mcp-gateway".to_owned(), "stdio".to_owned()],
            door,
            models: vec!["auto".to_owned()],
        }
    }

    /// What is written for a client is read back by the same client's reader as what was meant.
    #[test]
    fn what_is_written_is_found_again() {
        for client in Client::ALL {
            for door in [Door::Http, Door::Stdio] {
                let gateway = gateway(KeyUse::Literal("k".to_owned()), door);
                let wired = wiring(client, &[Target::Servers], &gateway).unwrap();
                let empty = Document::read(client.format(), "").unwrap();
                let after = empty.with(&wired[0].edits).unwrap();
                let found = found(client, &after).unwrap();
                assert_eq!(found.len(), 1, "{client:?}");
                assert_eq!(found[0].name, NAME);
                if door == Door::Stdio || client == Client::ClaudeDesktop {
                    assert_eq!(found[0].command, gateway.command, "{client:?}");
                } else {
                    assert_eq!(found[0].url.as_deref(), Some("http://127.0.0.1:3000/mcp"));
                    assert_eq!(found[0].headers["Authorization"], "Bearer k");
                }
            }
        }
    }

    #[test]
    fn a_key_in_the_environment_is_named_in_the_clients_words_or_refused() {
        let gateway = gateway(KeyUse::Variable("K".to_owned()), Door::Http);
        for client in Client::ALL {
            match (client, wiring(client, &[Target::Servers], &gateway)) {
                (Client::Zed, wired) => assert!(wired.is_err()),
                (Client::ClaudeDesktop, wired) => assert!(wired.is_ok()),
                (_, wired) => {
                    let edits = format!("{:?}", wired.unwrap());
                    assert!(edits.contains('K'), "{edits}");
                }
            }
        }
    }
}
