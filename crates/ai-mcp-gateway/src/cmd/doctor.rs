//! `doctor`: looks at everything that can be wrong before a call is made, and says what to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use gw_config::{Purpose, Settings};
use gw_core::{Error, Kind, Layer};
use gw_engine::Provider;
use http::Method;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::assemble::{self, Gateway};
use crate::discovery;
use crate::output::Output;
use crate::remote::Remote;
use crate::setup::Setup;
use crate::store::Use;

/// Longest a provider is waited for.
const PROBE: Duration = Duration::from_secs(15);

/// How one look turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

/// One look.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Ok, found: found.into(), fix: None }
    }

    fn of(verdict: Verdict, what: impl Into<String>, found: impl Into<String>, fix: &str) -> Self {
        let fix = (!fix.is_empty()).then(|| fix.to_owned());
        Self { what: what.into(), verdict, found: found.into(), fix }
    }

    fn failed(what: impl Into<String>, error: &Error) -> Self {
        Self::of(Verdict::Failed, what, error.message(), error.hint().unwrap_or_default())
    }
}

/// Runs the command. Ends with the code for "not configured" where something must be mended.
pub(crate) async fn run(setup: &Setup, output: Output) -> Result<()> {
    let findings = look(setup).await;
    let has_failed = findings.iter().any(|finding| finding.verdict == Verdict::Failed);
    if output.is_json() {
        output.json(&json!({ "ok": !has_failed, "findings": findings }))?;
    } else {
        output.write(&table(&findings))?;
    }
    if has_failed {
        let error =
            Error::new(Kind::NotConfigured, "something must be mended before calls can work");
        return Err(error.into());
    }
    Ok(())
}

async fn look(setup: &Setup) -> Vec<Finding> {
    let loaded = match setup.load_to_answer(Purpose::Serve, &[]).await {
        Ok(loaded) => loaded,
        Err(error) => {
            let fix =
                "Mend what the message names; `ai-mcp-gateway config init` writes an example.";
            return vec![Finding::of(Verdict::Failed, "configuration", format!("{error:#}"), fix)];
        }
    };
    let files: Vec<String> = loaded.files.iter().map(|file| file.display().to_string()).collect();
    let files = if files.is_empty() {
        "no file; defaults and environment".to_owned()
    } else {
        files.join(", ")
    };
    let mut findings = vec![Finding::ok("configuration", files)];
    findings.extend(
        loaded
            .warnings
            .iter()
            .map(|warning| Finding::of(Verdict::Warning, "configuration", warning.to_string(), "")),
    );
    if let Some(endpoint) = setup.endpoint() {
        findings.push(running(setup, &loaded.settings, endpoint).await);
    }
    findings.push(port(&loaded.settings).await);
    match assemble::gateway(&loaded, Use::Command).await {
        Ok(gateway) => inside(&gateway, &loaded.settings, &mut findings).await,
        Err(error) => findings.push(Finding::failed("start", &error)),
    }
    findings
}

async fn inside(gateway: &Gateway, settings: &Settings, findings: &mut Vec<Finding>) {
    let store = &gateway.store;
    let place = match store.name {
        "sqlite" => format!("SQLite, {}", store.place),
        _ => store.place.clone(),
    };
    findings.push(match store.health.check().await {
        Ok(()) => Finding::ok("store", place),
        Err(error) => Finding::failed("store", &error),
    });
    let snapshot = gateway.engine.snapshot();
    if gateway.is_demo {
        findings.push(Finding::of(
            Verdict::Warning,
            "providers",
            "none is configured; simulated models would answer",
            "Set OPENAI_API_KEY, ANTHROPIC_API_KEY or OPENROUTER_API_KEY, or OSS_MODEL_ENABLED=true \
             for a local Ollama.",
        ));
    }
    let providers: BTreeMap<String, Arc<Provider>> = snapshot
        .providers
        .values()
        .filter(|provider| !provider.is_demo)
        .map(|provider| (provider.id.to_string(), Arc::clone(provider)))
        .collect();
    for (id, provider) in providers {
        findings.push(reach(&id, &provider).await);
    }
    for layer in Layer::ALL {
        let what = format!("layer {layer}");
        let models = snapshot.catalog.layer(layer, &snapshot.provider_ids);
        findings.push(match (settings.layers.of(layer).enabled, models.first()) {
            (false, _) => Finding::of(Verdict::Warning, what, "switched off", ""),
            (true, Some(first)) => {
                Finding::ok(what, format!("{} models, first {}", models.len(), first.id()))
            }
            (true, None) => Finding::of(
                Verdict::Warning,
                what,
                "no model of a configured provider stands in it",
                "Questions for it go to the next layer; see `ai-mcp-gateway models list --all`.",
            ),
        });
    }
}

/// Asks a provider for its model list: that tells a bad key from a bad address.
async fn reach(id: &str, provider: &Provider) -> Finding {
    let what = format!("provider {id}");
    if provider.models_url.is_none() {
        return Finding::of(
            Verdict::Warning,
            what,
            "has no list of models to ask for; not checked",
            "",
        );
    }
    let key = match provider.credentials.first() {
        Some(_) => "key accepted",
        None => "no key needed",
    };
    match tokio::time::timeout(PROBE, discovery::fetch(provider)).await {
        Ok(Ok(_)) => Finding::ok(what, format!("reachable, {key}")),
        Ok(Err(error)) => {
            let fix = match error.kind() {
                Kind::ProviderAuth => format!("The key of provider `{id}` was refused: check it."),
                Kind::ProviderUnreachable if provider.is_local => {
                    "Start it, or switch the provider off (OSS_MODEL_ENABLED=false for Ollama)."
                        .to_owned()
                }
                Kind::ProviderUnreachable => {
                    "Check the address and the network; behind a proxy set HTTPS_PROXY.".to_owned()
                }
                _ => error.hint().unwrap_or_default().to_owned(),
            };
            Finding::of(Verdict::Failed, what, error.message(), &fix)
        }
        Err(_) => Finding::of(
            Verdict::Failed,
            what,
            format!("no answer within {} s", PROBE.as_secs()),
            "Check the network; behind a proxy set HTTPS_PROXY.",
        ),
    }
}

async fn port(settings: &Settings) -> Finding {
    let server = &settings.server;
    let address = format!("{}:{}", server.host, server.port);
    match TcpListener::bind((server.host.as_str(), server.port)).await {
        Ok(_) => Finding::ok("port", format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::of(
            Verdict::Warning,
            "port",
            format!("{address} is in use: a gateway may be running already"),
            "Choose another with --port or API_PORT.",
        ),
        Err(error) => Finding::of(
            Verdict::Failed,
            "port",
            format!("cannot listen on {address}: {error}"),
            "Check server.host and server.port.",
        ),
    }
}

async fn running(setup: &Setup, settings: &Settings, endpoint: &str) -> Finding {
    let what = format!("gateway at {endpoint}");
    let client = match assemble::client(settings) {
        Ok(client) => client,
        Err(error) => return Finding::failed(what, &error),
    };
    match Remote::new(client, endpoint, setup.api_key())
        .admin(Method::GET, "/v1/server-stats", None)
        .await
    {
        Ok(_) => Finding::ok(what, "answers, and takes the key"),
        Err(error) => Finding::failed(what, &error),
    }
}

fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or_default();
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warning => "warn",
            Verdict::Failed => "FAIL",
        };
        text.push_str(&format!("{mark}  {:width$}  {}\n", finding.what, finding.found));
        if let Some(fix) = &finding.fix {
            text.push_str(&format!("      {:width$}  -> {fix}\n", ""));
        }
    }
    text
}
