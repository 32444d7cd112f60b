//! `[log]`: what is logged, and where.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is logged, and where. Standard error unless `file` is set; never standard output.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Least important level that is still written.
    pub level: LogLevel,
    /// File to write to, instead of standard error.
    #[schemars(extend("x-example" = "logs/ai-mcp-gateway.log"))]
    pub file: Option<PathBuf>,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

/// Importance of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// One request at a time.
    Debug,
    /// The life of the process.
    #[default]
    Info,
    /// Trends to look at.
    Warn,
    /// Someone must act.
    Error,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
