//! The MCP side put together: from settings to a hub, and from a changed file to changed servers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gw_config::section::mcp::{Era, McpServer, ModelTools, Names, Shown, ToolNames, Transport};
use gw_config::{Loaded, Purpose, Settings};
use gw_core::Result;
use gw_core::seam::{Clock, DialectId, Entropy, Jobs};
use gw_engine::Engine;
use gw_mcp::{
    EraChoice, Exposure, Hub, Identity, McpOptions, NameMode, OwnTools, ServerOptions,
    TransportOptions,
};
use gw_server::ToolOptions;

use crate::assemble;
use crate::setup::Setup;

/// How often the configuration files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The hidden command that makes a child die with the gateway; see `cmd/child.rs`.
pub(crate) const CHILD_COMMAND: &str = "__child";

/// What the hub is told of the settings.
pub(crate) fn options(settings: &Settings, environment: &BTreeMap<String, String>) -> McpOptions {
    let mcp = &settings.mcp;
    let own = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_owned));
    McpOptions {
        identity: Identity { name: mcp.server_name.clone(), version: mcp.server_version.clone() },
        instructions: mcp.instructions.clone(),
        names: match mcp.names {
            Names::Always => NameMode::Always,
            Names::Collision => NameMode::OnCollision,
            Names::Never => NameMode::Never,
            Names::Priority => NameMode::Priority,
        },
        exposure: match mcp.exposure {
            Shown::Auto => Exposure::Auto,
            Shown::All => Exposure::All,
            Shown::Search => Exposure::Search,
        },
        favourites: mcp.favourites.clone(),
        groups: mcp.groups.clone(),
        tool_names: match mcp.tool_names {
            ToolNames::Dots => gw_mcp::ToolNames::Dots,
            ToolNames::Underscores => gw_mcp::ToolNames::Underscores,
        },
        servers: mcp.servers.iter().map(|(name, it)| (name.clone(), server(it))).collect(),
        startup_wait_ms: mcp.startup_wait_ms,
        list_ttl_ms: mcp.list_ttl_ms,
        state_key: mcp.state_key.clone().map(gw_config::Secret::into_inner),
        jobs_max: usize::try_from(mcp.jobs_max).unwrap_or(usize::MAX),
        environment: environment.clone(),
        launcher: own.map_or_else(Vec::new, |own| vec![own, CHILD_COMMAND.to_owned()]),
    }
}

fn server(server: &McpServer) -> ServerOptions {
    let inner = |map: &BTreeMap<String, gw_config::Secret>| {
        map.iter().map(|(name, secret)| (name.clone(), secret.clone().into_inner())).collect()
    };
    let transport = match (&server.url, server.transport) {
        (Some(url), Transport::Http) => {
            TransportOptions::Http { url: url.clone(), headers: inner(&server.headers) }
        }
        (Some(url), Transport::Sse) => {
            TransportOptions::Sse { url: url.clone(), headers: inner(&server.headers) }
        }
        (None, _) => TransportOptions::Stdio {
            command: server.command.clone(),
            environment: inner(&server.environment),
            cwd: server.cwd.clone(),
        },
    };
    ServerOptions {
        transport,
        is_enabled: server.enabled,
        era: match server.era {
            Era::Auto => EraChoice::Auto,
            Era::Modern => EraChoice::Modern,
            Era::Legacy => EraChoice::Legacy,
        },
        timeout_ms: server.timeout_ms,
        start_timeout_ms: server.start_timeout_ms,
        concurrency_max: usize::try_from(server.concurrency_max).unwrap_or(usize::MAX),
        idle_ms: server.idle_ms,
        priority: server.priority,
        tools_allow: server.tools_allow.clone(),
        tools_deny: server.tools_deny.clone(),
        is_per_client: server.per_client,
    }
}

/// Puts the hub together and lets it connect.
///
/// # Errors
/// [`gw_core::Kind::NotConfigured`] for a proxy that cannot be used.
pub(crate) fn hub(
    loaded: &Loaded,
    setup: &Setup,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    jobs: Option<Arc<dyn Jobs>>,
    own: Option<Arc<dyn OwnTools>>,
) -> Result<Arc<Hub>> {
    let client = assemble::client(&loaded.settings)?;
    let options = options(&loaded.settings, setup.env());
    Ok(Hub::begin(options, client, clock, entropy, jobs, own))
}

/// The gateway's models as tools, where configuration offers them. A gateway on standard input has them
/// where somebody configured a provider: its client asked for tools, not for a demo.
pub(crate) fn own_tools(
    loaded: &Loaded,
    engine: &Arc<Engine>,
    is_demo: bool,
) -> Option<Arc<dyn OwnTools>> {
    let settings = &*loaded.settings;
    match settings.mcp.model_tools {
        ModelTools::Off => return None,
        ModelTools::Auto if is_demo => return None,
        ModelTools::Auto | ModelTools::On => {}
    }
    // Who comes from system B with Anthropic's key reads Anthropic's answers.
    let is_of_b = *loaded.source("endpoint.api_key") != gw_config::Source::Default;
    let first = settings.defaults.provider.as_ref().and_then(|id| settings.providers.get(id));
    let speaks_anthropic = first.is_some_and(|it| it.dialect == DialectId::AnthropicMessages);
    let options = ToolOptions {
        description: settings.mcp.tool_description.clone(),
        answers_in: match is_of_b && speaks_anthropic {
            true => DialectId::AnthropicMessages,
            false => DialectId::OpenAiChat,
        },
        default_model: settings.defaults.model.clone(),
        confirms_paid: settings.mcp.confirm_paid,
    };
    let dialects = gw_dialect::all().to_vec();
    Some(Arc::new(gw_server::ModelTools::new(Arc::clone(engine), dialects, options)))
}

/// Applies the MCP part of the configuration whenever a file of it changes. Looks at times and sizes,
/// so that editors which replace the file are seen too; a file that cannot be read changes nothing.
pub(crate) async fn follow(hub: Arc<Hub>, setup: Setup, files: Vec<PathBuf>) {
    let mut files = files;
    let mut known = stamps(&files);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = stamps(&files);
        if now == known {
            continue;
        }
        known = now;
        match setup.load(Purpose::Other, &[]) {
            Ok(loaded) => {
                hub.reload(options(&loaded.settings, setup.env()));
                tracing::info!("the MCP servers of the configuration were applied");
                let new_files = watched(&setup, &loaded);
                if new_files != files {
                    known = stamps(&new_files);
                    files = new_files;
                }
            }
            Err(error) => tracing::warn!(%error, "the changed configuration is not applied"),
        }
    }
}

/// The files to look at: those that were read, and those that would be if they were there.
pub(crate) fn watched(setup: &Setup, loaded: &Loaded) -> Vec<PathBuf> {
    let mut files = loaded.files.clone();
    for name in ["gateway.toml", ".env"] {
        files.push(setup.cwd().join(name));
    }
    files.extend(loaded.settings.mcp.config_file.as_ref().map(|path| setup.cwd().join(path)));
    files.sort();
    files.dedup();
    files
}

fn stamps(files: &[PathBuf]) -> Vec<Option<(SystemTime, u64)>> {
    let stamp = |path: &PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files.iter().map(stamp).collect()
}
