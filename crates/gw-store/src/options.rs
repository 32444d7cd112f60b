//! What a store can be told. Values are checked where they are used; reading them from files and
//! the environment is the configuration's work.

use std::path::PathBuf;

use gw_core::limits;
use serde::{Deserialize, Serialize};

/// How a store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// The database file; folders on the way are made. `None` (and `:memory:`) keeps everything in
    /// memory, and loses it with the process.
    pub path: Option<PathBuf>,
    /// What a finished write survives.
    pub durability: Durability,
    /// Reads that run at one time, 1 to [`limits::STORE_READERS_MAX`].
    pub readers: usize,
    /// How long to wait for another program that holds the database, in milliseconds.
    pub busy_timeout_ms: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            path: None,
            durability: Durability::Os,
            readers: limits::STORE_READERS_MAX,
            busy_timeout_ms: 5_000,
        }
    }
}

impl StoreOptions {
    /// The defaults, in this file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// The defaults, in memory.
    pub fn memory() -> Self {
        Self::default()
    }
}

/// What a write survives once it has returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The death of the process (kill -9): the operating system holds the data.
    #[default]
    Os,
    /// Loss of power as well: the disk confirmed the data. Writes at one time share one sync.
    Fsync,
}
