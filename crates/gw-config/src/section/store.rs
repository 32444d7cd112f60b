//! `[store]`: where conversations, calls and costs are kept.

use std::path::{Path, PathBuf};

use gw_core::limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::secret::Secret;

/// The path that keeps everything in memory.
pub const MEMORY: &str = ":memory:";

/// Where conversations, calls and costs are kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawStore {
    /// SQLite file; `:memory:` forgets everything at the end. By default
    /// `ai-mcp-gateway/gateway.sqlite` in the user's data folder.
    #[schemars(extend("x-example" = "/var/lib/ai-mcp-gateway/gateway.sqlite"))]
    pub path: Option<PathBuf>,
    /// PostgreSQL address. Not available in this version.
    #[schemars(extend("x-unavailable" = true))]
    pub url: Option<Secret>,
    /// Redis address. Not available in this version.
    #[schemars(extend("x-unavailable" = true))]
    pub redis_url: Option<Secret>,
    /// What a finished write survives.
    pub durability: Durability,
    /// Reads that run at one time.
    #[schemars(range(min = 1, max = 4))]
    pub readers: usize,
    /// How long to wait for another program that holds the file, in milliseconds.
    pub busy_timeout_ms: u64,
    /// Days for which calls are kept one by one; without end unless set. Sums of usage and
    /// spending stay.
    #[schemars(range(min = 1, max = 36_500))]
    pub calls_kept_days: Option<u32>,
    /// Megabytes that all kept calls may take together, about; the oldest go first. Without end
    /// unless set.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub calls_megabytes_max: Option<u64>,
}

impl Default for RawStore {
    fn default() -> Self {
        Self {
            path: None,
            url: None,
            redis_url: None,
            durability: Durability::Os,
            readers: limits::STORE_READERS_MAX,
            busy_timeout_ms: 5_000,
            calls_kept_days: None,
            calls_megabytes_max: None,
        }
    }
}

/// What a finished write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The death of the process.
    Os,
    /// Loss of power as well; slower.
    Fsync,
}

/// `[store]`, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Store {
    /// The SQLite file; `None` keeps everything in memory.
    #[serde(serialize_with = "path_or_memory")]
    pub path: Option<PathBuf>,
    /// What a finished write survives.
    pub durability: Durability,
    /// Reads that run at one time.
    pub readers: usize,
    /// Wait for another program that holds the file, in milliseconds.
    pub busy_timeout_ms: u64,
    /// Days for which calls are kept one by one; `None`: without end.
    pub calls_kept_days: Option<u32>,
    /// Megabytes that kept calls may take; `None`: without end.
    pub calls_megabytes_max: Option<u64>,
}

fn path_or_memory<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_deref().unwrap_or(Path::new(MEMORY)).serialize(serializer)
}
