//! The log: standard error or a file, text or JSON. Never prompts, answers or keys.

use std::fs::OpenOptions;

use anyhow::{Context, Result};
use gw_config::Settings;
use gw_config::section::log::{LogFormat, LogLevel};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Starts the log for the rest of the process.
pub(crate) fn start(settings: &Settings) -> Result<()> {
    let level = match settings.log.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    // Other crates log their own insides at debug; they are not what LOG_LEVEL asks for.
    let filter = EnvFilter::new(format!(
        "warn,ai_mcp_gateway={level},gw_engine={level},gw_server={level},gw_store={level},\
         gw_postgres={level},gw_net={level},gw_ledger={level},\
         gw_mcp={level}"
    ));
    let writer = match &settings.log.file {
        None => BoxMakeWriter::new(std::io::stderr),
        Some(path) => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).with_context(|| {
                    format!("the folder of log.file {} cannot be made", path.display())
                })?;
            }
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("log.file {} cannot be opened", path.display()))?;
            // A file opened for appending takes each line whole.
            BoxMakeWriter::new(std::sync::Arc::new(file))
        }
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match settings.log.format {
        LogFormat::Text => builder.with_ansi(false).with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
