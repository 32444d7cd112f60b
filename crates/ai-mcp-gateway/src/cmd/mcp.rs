//! `mcp`: the servers behind the gateway and their tools, from the command line. Connects by itself,
//! through the same door that clients use.

use std::sync::Arc;

use anyhow::{Result, bail};
use gw_config::Purpose;
use gw_core::seam::{Clock, Entropy};
use gw_mcp::{Exposure, Hub, State};
use serde_json::{Value, json};

use crate::cli::McpCommand;
use crate::mcp;
use crate::output::Output;
use crate::real::{SystemClock, SystemEntropy};
use crate::setup::Setup;

mod change;

/// Runs the command.
pub(crate) async fn run(command: &McpCommand, setup: &Setup, output: Output) -> Result<()> {
    match command {
        McpCommand::Add(args) => return change::add(args, setup, output),
        McpCommand::Remove { name } => return change::remove(name, setup, output),
        McpCommand::List => return change::list(setup, output),
        _ => {}
    }
    let mut loaded = setup.load(Purpose::Other, &[])?;
    if loaded.settings.mcp.servers.is_empty() {
        let error =
            gw_core::Error::new(gw_core::Kind::NotConfigured, "no MCP server is configured")
                .with_hint("Add one to gateway.toml: [mcp.servers.NAME] with a command or a url.");
        return Err(error.into());
    }
    if let McpCommand::Test { name: Some(name) } = command {
        let mut settings = (*loaded.settings).clone();
        settings.mcp.servers.retain(|known, _| known == name);
        if settings.mcp.servers.is_empty() {
            let text = format!("no server is called `{name}`");
            return Err(gw_core::Error::bad_field("name", text).into());
        }
        loaded.settings = Arc::new(settings);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let hub = mcp::hub(&loaded, setup, clock, entropy, None, None)?;
    hub.settled().await;
    let done = match command {
        McpCommand::Servers => servers(&hub, output),
        McpCommand::Test { .. } => servers(&hub, output).and_then(|()| answering(&hub)),
        // Answered above: they need no connection.
        McpCommand::Add(_) | McpCommand::Remove { .. } | McpCommand::List => Ok(()),
        McpCommand::Tools { query } if query.is_empty() => tools(&hub, output),
        McpCommand::Tools { query } => {
            let arguments = json!({"query": query.join(" "), "limit": 20});
            tell(five(&hub, "gateway.search", &arguments).await, output)
        }
        McpCommand::Call { id, args, timeout_ms } => {
            let args: Value = serde_json::from_str(args)
                .map_err(|error| anyhow::anyhow!("the arguments are not JSON: {error}"))?;
            let arguments = json!({"id": id, "args": args, "timeoutMs": timeout_ms});
            tell(five(&hub, "gateway.invoke", &arguments).await, output)
        }
    };
    hub.stop().await;
    done
}

fn servers(hub: &Hub, output: Output) -> Result<()> {
    let servers = hub.servers();
    if output.is_json() {
        return output.write(&format!("{}\n", serde_json::to_string_pretty(&servers)?));
    }
    let mut text = String::new();
    for server in servers {
        let state = match server.state {
            State::Ready => "ready",
            State::Starting => "starting",
            State::Idle => "idle",
            State::Failing => "failing",
            State::Disabled => "off",
        };
        text.push_str(&format!(
            "{:<24} {state:<9} {:<11} {:>4} tools {:>4} resources {:>4} prompts\n",
            server.name,
            server.version.unwrap_or("-"),
            server.tools,
            server.resources,
            server.prompts
        ));
        if let Some(error) = server.last_error.filter(|_| server.state != State::Ready) {
            text.push_str(&format!("    {error}\n"));
        }
    }
    output.write(&text)
}

/// Fails where a server that is switched on does not answer.
fn answering(hub: &Hub) -> Result<()> {
    let silent: Vec<String> = hub
        .servers()
        .into_iter()
        .filter(|server| !matches!(server.state, State::Ready | State::Idle | State::Disabled))
        .map(|server| server.name)
        .collect();
    if silent.is_empty() {
        return Ok(());
    }
    let text = format!("no answer from {}", silent.join(", "));
    Err(gw_core::Error::new(gw_core::Kind::ProviderUnreachable, text).into())
}

fn tools(hub: &Hub, output: Output) -> Result<()> {
    let tools = hub.tools();
    if output.is_json() {
        return output.write(&format!("{}\n", serde_json::to_string_pretty(&tools)?));
    }
    let mut text = String::new();
    for tool in tools {
        let line = tool.description.as_deref().and_then(|it| it.lines().next()).unwrap_or_default();
        let short: String = line.chars().take(90).collect();
        text.push_str(&format!("{:<40} {short}\n", tool.id));
    }
    output.write(&text)
}

/// Calls one of the five tools as a client on standard input would.
async fn five(hub: &Arc<Hub>, name: &str, arguments: &Value) -> Result<Value> {
    let lines = [
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "ai-mcp-gateway-cli", "version": env!("CARGO_PKG_VERSION")}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": name, "arguments": arguments}}),
    ];
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (_, write) = tokio::io::split(far);
    let hub = Arc::clone(hub);
    // The input ends only once the answer was read, so that a long call is not cut.
    let (input_end, rest) = tokio::io::duplex(64);
    let input = tokio::io::AsyncReadExt::chain(std::io::Cursor::new(input.into_bytes()), rest);
    let serving = tokio::spawn(async move {
        hub.stdio(tokio::io::BufReader::new(input), write, Exposure::Search).await
    });
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(near));
    let mut answer = None;
    while let Some(line) = lines.next_line().await? {
        let message: Value = serde_json::from_str(&line)?;
        if message["id"] == 1 {
            answer = Some(message);
            break;
        }
    }
    drop(input_end);
    serving.abort();
    match answer {
        Some(answer) if answer["error"].is_object() => {
            bail!("{}", answer["error"]["message"].as_str().unwrap_or("the call failed"))
        }
        Some(mut answer) => Ok(answer["result"].take()),
        None => bail!("the gateway gave no answer"),
    }
}

fn tell(result: Result<Value>, output: Output) -> Result<()> {
    let result = result?;
    let texts = result["content"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let texts: Vec<&str> = texts.filter_map(|block| block["text"].as_str()).collect();
    let is_error = result["isError"] == true;
    if is_error {
        bail!("{}", texts.join("\n"));
    }
    let shown = match output.is_json() || texts.is_empty() {
        true => serde_json::to_string_pretty(&result)?,
        false => texts.join("\n"),
    };
    output.write(&format!("{shown}\n"))
}
