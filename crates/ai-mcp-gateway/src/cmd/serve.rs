//! `serve`: the HTTP gateway until a signal ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use gw_config::section::server::Server;
use gw_config::{Purpose, Settings};
use gw_core::Layer;
use gw_ledger::NewKey;
use gw_server::{
    App, CallerKey, HealthView, LayerControl, Lifecycle, Login, ServeOptions, ServerOptions,
    TaskModels,
};
use tokio::net::TcpListener;

use crate::assemble::{self, Gateway};
use crate::cli::ServeArgs;
use crate::oidc::Callers;
use crate::output::Output;
use crate::setup::Setup;
use crate::store::Use;
use crate::{alerts, discovery, logging, mcp, money};

/// Longest that the end waits for alerts to be posted.
const POSTS_GRACE: Duration = Duration::from_secs(10);

/// Runs the command.
pub(crate) async fn run(args: &ServeArgs, setup: &Setup, output: Output) -> Result<()> {
    let mut flags = Vec::new();
    if let Some(host) = &args.host {
        flags.push(("server.host", host.clone()));
    }
    if let Some(port) = args.port {
        flags.push(("server.port", port.to_string()));
    }
    if args.open {
        flags.push(("server.allow_open", "true".to_owned()));
    }
    let loaded = setup.load_to_answer(Purpose::Serve, &flags).await?;
    let settings = Arc::clone(&loaded.settings);
    logging::start(&settings)?;
    for warning in &loaded.warnings {
        output.warning(&warning.to_string());
    }
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new()
        .install_recorder()
        .context("metrics cannot be collected")?;
    let mut gateway = assemble::gateway(&loaded, Use::Replica).await?;
    let stopped = signals()?;
    let listener = bind(&settings.server).await?;
    let address = listener.local_addr().context("the listener has no address")?;
    let lifecycle = Lifecycle::default();
    let resources = gateway.engine.resources();
    let (clock, entropy) = (Arc::clone(&resources.clock), Arc::clone(&resources.entropy));
    // Simulated models are announced at the start, so a demo shows its tools too.
    let own = mcp::own_tools(&loaded, &gateway.engine, false);
    let hub = mcp::hub(&loaded, setup, clock, entropy, gateway.store.jobs.clone(), own)?;
    let files = mcp::watched(setup, &loaded);
    let following = tokio::spawn(mcp::follow(Arc::clone(&hub), setup.clone(), files));
    let callers = Arc::new(Callers::new(
        &settings.server.oidc,
        Arc::clone(&gateway.governance.keyring),
        assemble::client(&settings)?,
        Arc::clone(&gateway.engine.resources().clock),
    )?);
    tokio::spawn(callers.warm_up());
    let budgets = gateway.governance.budgets.clone();
    let threshold = money::threshold(&settings);
    let app = App {
        alerts: Arc::new(move || alerts::lines(&budgets, threshold)),
        engine: Arc::clone(&gateway.engine),
        authenticator: callers,
        reports: Arc::clone(&gateway.store.reports),
        outcomes: Arc::clone(&gateway.store.outcomes),
        governance: Arc::new(gateway.office()),
        dialects: gw_dialect::all().to_vec(),
        responses: Arc::clone(&gateway.store.responses),
        batches: gateway.store.batches.clone(),
        personal: Arc::clone(&gateway.store.personal),
        options: server_options(&settings, address),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at_ms: gateway.engine.resources().clock.monotonic_ms(),
        is_demo: gateway.is_demo,
        store_name: gateway.store.name.to_owned(),
        metrics,
        lifecycle: lifecycle.clone(),
        mcp: Some(Arc::clone(&hub)),
    };
    banner(&gateway, &settings, address, output);
    let first_key = gateway.governance.first_key(&settings).await?;
    if let Some(first_key) = first_key {
        show_first_key(&first_key, output);
    }
    let in_step = gateway.governance.clone().keep_in_step(gateway.store.clone());
    let in_step = tokio::spawn(in_step);
    let (posts, stop_posting) = tokio::sync::oneshot::channel();
    let posting = gateway.messenger.take().map(|it| tokio::spawn(it.run(stop_posting)));
    let backlog = gateway.store.backlog.clone();
    let handing_over = tokio::spawn(async move {
        if let Some(backlog) = backlog {
            backlog.keep_handing_over().await;
        }
    });
    let looking =
        tokio::spawn(discovery::until_found(Arc::clone(&gateway.engine), Arc::clone(&settings)));
    let options = ServeOptions {
        grace_ms: settings.server.shutdown_grace_ms,
        lifecycle,
        ..ServeOptions::default()
    };
    let ending = Arc::clone(&hub);
    let stopped = async move {
        stopped.await;
        // Streams that clients hold open would outlast the grace.
        ending.stop().await;
    };
    let served = gw_server::serve(listener, gw_server::router(app), stopped, options).await;
    looking.abort();
    following.abort();
    in_step.abort();
    // Streams that outlived their connection are settled and recorded before the store closes.
    let grace = Duration::from_millis(settings.server.shutdown_grace_ms);
    if tokio::time::timeout(grace, gateway.engine.drain()).await.is_err() {
        output.warning("some calls did not end within server.shutdown_grace_ms");
    }
    handing_over.abort();
    if let Some(backlog) = &gateway.store.backlog
        && let Err(error) = backlog.hand_over().await
    {
        let left = backlog.len().await;
        output.warning(&format!(
            "{left} call records wait beside the store for the next start: {error}"
        ));
    }
    gateway.governance.budgets.stop().await;
    gateway.governance.keyring.write_last_uses().await;
    // The last calls may have reached a threshold.
    drop(posts);
    if let Some(posting) = posting
        && tokio::time::timeout(grace.min(POSTS_GRACE), posting).await.is_err()
    {
        output.warning("some alerts did not reach alerts.webhook.url before the end");
    }
    gateway.store.health.flush().await?;
    served.context("serving failed")
}

async fn bind(server: &Server) -> Result<TcpListener> {
    let address = format!("{}:{}", bracketed(&server.host), server.port);
    TcpListener::bind(&address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("Another program listens there; choose a port with --port, or end it (port {}).", server.port)
            }
            std::io::ErrorKind::PermissionDenied => "Ports below 1024 need more rights; choose a higher one.".to_owned(),
            _ => "Check server.host and server.port.".to_owned(),
        };
        let message = format!("cannot listen on {address}: {error}");
        gw_core::Error::new(gw_core::Kind::NotConfigured, message).with_hint(hint).into()
    })
}

fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

fn server_options(settings: &Settings, address: SocketAddr) -> ServerOptions {
    let server = &settings.server;
    let routing = &settings.routing;
    let is_on = |layer: Layer| settings.layers.of(layer).enabled;
    ServerOptions {
        cors_origins: server.cors_origins.clone(),
        body_bytes_max: server.body_bytes_max,
        body_timeout_ms: server.request_timeout_ms,
        keys: server
            .keys
            .iter()
            .map(|key| CallerKey {
                id: key.id.clone(),
                name: key.name.clone(),
                secret: key.key.clone().into_inner(),
                is_admin: true,
            })
            .collect(),
        allow_anonymous: !server.require_key,
        is_loopback: address.ip().is_loopback(),
        login: server
            .oidc
            .issuer
            .clone()
            .map(|issuer| Login { issuer, resource: server.oidc.resource.clone() }),
        health_view: HealthView {
            log_level: word(&settings.log.level),
            default_layer: Some(routing.default_layer),
            enable_cross_check: routing.enable_cross_check,
            enable_auto_escalate: routing.enable_auto_escalate,
            max_escalation_layer: Some(routing.max_escalation_layer),
            enable_cost_tracking: settings.cost.enable_cost_tracking,
            cost_alert_threshold: settings.cost.alert_threshold_usd.as_usd_f64(),
            layer_control: LayerControl {
                l0: is_on(Layer::L0),
                l1: is_on(Layer::L1),
                l2: is_on(Layer::L2),
                l3: is_on(Layer::L3),
            },
            task_specific_models: TaskModels {
                chat: routing.task_models.chat.clone().into(),
                code: routing.task_models.code.clone().into(),
                analyze: routing.task_models.analyze.clone().into(),
                create_project: routing.task_models.create_project.clone().into(),
            },
        },
        ..ServerOptions::default()
    }
}

/// A configuration word as the file writes it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn banner(gateway: &Gateway, settings: &Settings, address: SocketAddr, output: Output) {
    let snapshot = gateway.engine.snapshot();
    output.note(&format!("ai-mcp-gateway {} on http://{address}", env!("CARGO_PKG_VERSION")));
    if gateway.is_demo {
        output.warning(
            "DEMO: no key is set and no local model was found, so answers are simulated and no \
             model is called. Set OPENAI_API_KEY, \
             ANTHROPIC_API_KEY or OPENROUTER_API_KEY, or OSS_MODEL_ENABLED=true for a local Ollama, \
             and start again. --no-demo refuses to start instead.",
        );
    }
    if !settings.server.require_key {
        output.warning(&format!(
            "OPEN: callers need no key. Whoever reaches http://{address} spends your money; leave \
             out --open (server.allow_open) to ask for keys."
        ));
    }
    for layer in Layer::ALL {
        let models = snapshot.catalog.layer(layer, &snapshot.provider_ids);
        let state = match (settings.layers.of(layer).enabled, models.first()) {
            (false, _) => "off".to_owned(),
            (true, None) => "no model".to_owned(),
            (true, Some(first)) => format!("{} and {} more", first.id(), models.len() - 1),
        };
        output.note(&format!("  {layer}  {state}"));
    }
    output.note(&format!("  store  {}", gateway.store.place));
}

/// The only time the first key's secret is seen. It goes to the terminal and to no log.
fn show_first_key(first: &NewKey, output: Output) {
    output.note(&format!("  key    {}", first.key));
    output.note(
        "         This is the admin key. It is shown once: keep it. Clients send it as \
         `Authorization: Bearer <key>` or `x-api-key: <key>`.",
    );
}

/// Catches SIGINT and SIGTERM from now on, whether or not the wait has begun, and ends with the
/// first one.
#[cfg(unix)]
pub(crate) fn signals() -> Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends with Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn signals() -> Result<impl Future<Output = ()> + Send> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
