//! `[context]`: how much of a conversation is sent along.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of a conversation is sent along.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// Last messages of a conversation that go to the model and into `/v1/context`.
    #[schemars(range(min = 1, max = 1000))]
    pub recent_messages: usize,
}

impl Default for Context {
    fn default() -> Self {
        Self { recent_messages: 10 }
    }
}
