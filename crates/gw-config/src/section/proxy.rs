//! `[proxy]`: the way out, where there is only one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// The way out to providers, where the network has only one. Addresses may carry a password, so
/// they are never shown.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// Proxy for `http://` providers.
    #[schemars(extend("x-example" = "http://proxy.example:3128"))]
    pub http: Option<Secret>,
    /// Proxy for `https://` providers.
    #[schemars(extend("x-example" = "http://proxy.example:3128"))]
    pub https: Option<Secret>,
    /// Hosts to reach directly: names, suffixes, addresses; `*` for all.
    #[schemars(extend("x-example" = ["localhost", "127.0.0.1", ".internal.example"]))]
    pub no_proxy: Vec<String>,
}
