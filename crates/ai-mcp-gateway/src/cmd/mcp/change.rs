//! `mcp add`, `mcp remove`, `mcp list`: the servers of the configuration file.

use anyhow::Result;
use gw_config::Purpose;
use gw_connect::Edit;
use gw_core::Error;
use serde_json::{Map, Value, json};

use crate::cli::McpAddArgs;
use crate::connect::own_file::OwnFile;
use crate::output::Output;
use crate::setup::Setup;

pub(super) fn add(args: &McpAddArgs, setup: &Setup, output: Output) -> Result<()> {
    let file = OwnFile::read(setup)?;
    let place = ["mcp", "servers", args.name.as_str()];
    if file.has(&place)? && !args.force {
        let text = format!("a server `{}` is in {} already", args.name, file.path.display());
        return Err(Error::conflict("name", text).with_hint("Use --force to replace it.").into());
    }
    file.change(setup, &[Edit::put(&place, entry(args)?)])?;
    done(output, &args.name, &file, "added to")
}

fn entry(args: &McpAddArgs) -> Result<Value> {
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| {
        entry.insert(key.to_owned(), value);
    };
    match &args.address {
        Some(url) => put("url", json!(url)),
        None => put("command", json!(args.command)),
    }
    if args.sse {
        put("transport", json!("sse"));
    }
    if !args.header.is_empty() {
        put("headers", pairs("header", &args.header)?);
    }
    if !args.env.is_empty() {
        put("environment", pairs("env", &args.env)?);
    }
    if let Some(cwd) = &args.cwd {
        put("cwd", json!(cwd));
    }
    Ok(Value::Object(entry))
}

fn pairs(flag: &str, given: &[String]) -> Result<Value> {
    let mut pairs = Map::new();
    for pair in given {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Error::bad_field(flag, format!("`{pair}` is not NAME=VALUE")).into());
        };
        pairs.insert(name.trim().to_owned(), json!(value.trim()));
    }
    Ok(Value::Object(pairs))
}

pub(super) fn remove(name: &str, setup: &Setup, output: Output) -> Result<()> {
    let file = OwnFile::read(setup)?;
    if !file.has(&["mcp", "servers", name])? {
        let text = format!("no server `{name}` is in {}", file.path.display());
        return Err(Error::bad_field("name", text).into());
    }
    let place = ["mcp", "servers", name].map(str::to_owned).to_vec();
    file.change(setup, &[Edit { path: place, value: None }])?;
    done(output, name, &file, "taken out of")
}

fn done(output: Output, name: &str, file: &OwnFile, what: &str) -> Result<()> {
    if output.is_json() {
        return output.json(&json!({"server": name, "file": file.path}));
    }
    output.note(&format!("{name} was {what} {}", file.path.display()));
    Ok(())
}

pub(super) fn list(setup: &Setup, output: Output) -> Result<()> {
    let loaded = setup.load(Purpose::Other, &[])?;
    let mut text = String::new();
    let mut rows = Vec::new();
    for (name, server) in &loaded.settings.mcp.servers {
        let how = server.url.clone().unwrap_or_else(|| server.command.join(" "));
        let state = if server.enabled { "on" } else { "off" };
        text.push_str(&format!("{name:<24} {state:<4} {how}\n"));
        rows.push(json!({"name": name, "enabled": server.enabled, "url": server.url,
            "command": server.command}));
    }
    if output.is_json() { output.json(&Value::Array(rows)) } else { output.write(&text) }
}
