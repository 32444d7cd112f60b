//! `config`: write, check, show and describe the configuration.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use gw_config::Purpose;
use gw_core::seam::{Clock, Upstream};
use gw_core::{Error, Kind};
use serde_json::json;

use crate::cli::ConfigCommand;
use crate::output::Output;
use crate::real::SystemClock;
use crate::setup::Setup;

/// Runs the command.
pub(crate) fn run(command: &ConfigCommand, setup: &Setup, output: Output) -> Result<()> {
    match command {
        ConfigCommand::Init { path, force } => {
            let path = path.as_deref().unwrap_or(Path::new("gateway.toml"));
            init(&setup.cwd().join(path), *force, output)
        }
        ConfigCommand::Check => check(setup, output),
        ConfigCommand::Show => {
            let loaded = setup.load(Purpose::Other, &[])?;
            if output.is_json() {
                output.json(&serde_json::to_value(&*loaded.settings)?)
            } else {
                output.write(&gw_config::show(&loaded))
            }
        }
        ConfigCommand::Schema => output.json(&gw_config::schema()),
    }
}

fn init(path: &Path, force: bool, output: Output) -> Result<()> {
    if path.exists() && !force {
        let error =
            Error::new(Kind::InvalidRequest, format!("{} is there already", path.display()));
        return Err(error.with_hint("Use --force to replace it.").into());
    }
    std::fs::write(path, gw_config::example())
        .with_context(|| format!("{} cannot be written", path.display()))?;
    if output.is_json() {
        return output.json(&json!({"path": path.display().to_string()}));
    }
    output.note(&format!("wrote {}", path.display()));
    Ok(())
}

fn check(setup: &Setup, output: Output) -> Result<()> {
    let loaded = setup.load(Purpose::Serve, &[])?;
    // What only the rooms can judge: addresses, quirks, models, aliases.
    let client = crate::assemble::client(&loaded.settings)?;
    let upstream: Arc<dyn Upstream> = Arc::new(client);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let snapshot = crate::assemble::snapshot(&loaded, &upstream, &clock)?;
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    if output.is_json() {
        return output.json(&json!({
            "ok": true,
            "files": loaded.files,
            "warnings": warnings,
            "providers": snapshot.provider_ids,
        }));
    }
    for warning in &warnings {
        output.warning(warning);
    }
    let providers: Vec<&str> = snapshot.provider_ids.iter().map(|id| id.as_str()).collect();
    output.note(&format!("the configuration is sound; providers: {}", providers.join(", ")));
    Ok(())
}
