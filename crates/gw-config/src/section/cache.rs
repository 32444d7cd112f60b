//! `[cache]`: answers that are kept and given again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answers that are kept and given again: in Redis where `store.redis_url` names one, else in memory.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// When answers are kept and given again: never, for every request, or for requests whose body
    /// says `"cache": {"use-cache": true}`.
    pub mode: Mode,
    /// Who gets an answer that another caller paid for.
    pub share: Share,
    /// How long an answer is kept, in seconds; a request may say otherwise.
    #[schemars(range(min = 1, max = 2_592_000))]
    pub ttl_seconds: u64,
    /// The highest temperature at which answers are kept; above it a client wants variety.
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature_max: f64,
    /// Lets equal requests that are under way at once wait for one answer.
    pub single_flight: bool,
    /// Megabytes of memory for what is kept; what was used longest ago goes first.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub memory_megabytes_max: u64,
    /// Keeps answers in the SQLite file as well, so that they outlive a restart.
    pub persist: bool,
    /// Megabytes of that file for answers; the oldest go first.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub file_megabytes_max: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            mode: Mode::Off,
            share: Share::Key,
            ttl_seconds: 3_600,
            temperature_max: 1.0,
            single_flight: true,
            memory_megabytes_max: 64,
            persist: false,
            file_megabytes_max: 256,
        }
    }
}

/// When answers are kept and given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Never.
    Off,
    /// For every request that may be answered twice alike, unless it says otherwise.
    On,
    /// For requests that ask for it.
    OptIn,
}

/// Who gets an answer that another caller paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// Nobody: each key has answers of its own.
    Key,
    /// The keys of one organisation.
    Organisation,
    /// Every caller.
    All,
}
