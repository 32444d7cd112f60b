//! Providers whose names need no explanation: what `<ID>_API_KEY` and `<ID>_BASE_URL` mean.
//!
//! The list is `gw-dialect/providers.toml`. An id that is not there works just as well, with its
//! dialect and address written out.

use std::sync::LazyLock;

use gw_core::seam::DialectId;
use gw_dialect::providers::{ProviderSpec, specs};

/// A provider known by name.
#[derive(Clone, Debug)]
pub struct WellKnown {
    /// The id in configuration and records.
    pub id: &'static str,
    /// The name for people.
    pub name: &'static str,
    /// What it speaks.
    pub dialect: DialectId,
    /// True where every customer has an address of their own, so that one must be given.
    pub needs_base_url: bool,
    /// True where nothing works without a key.
    pub needs_key: bool,
    /// True where it runs on the user's own machines, so that a token costs nothing.
    pub is_free: bool,
    /// Names of environment variables for the key, besides `<ID>_API_KEY`.
    pub key_env: Vec<&'static str>,
    /// Names of environment variables for the address, besides `<ID>_BASE_URL`.
    pub base_url_env: Vec<&'static str>,
}

/// All of them.
pub static WELL_KNOWN: LazyLock<Vec<WellKnown>> =
    LazyLock::new(|| specs().iter().map(WellKnown::from).collect());

impl From<&'static ProviderSpec> for WellKnown {
    fn from(spec: &'static ProviderSpec) -> Self {
        let besides = |names: &'static [String], usual: &str| {
            let usual = format!("{}{usual}", env_word(&spec.id));
            names.iter().map(String::as_str).filter(|name| **name != usual).collect()
        };
        Self {
            id: &spec.id,
            name: &spec.display_name,
            dialect: spec.dialect,
            needs_base_url: spec.default_base_url.is_empty(),
            needs_key: !spec.key_is_optional,
            is_free: spec.is_local,
            key_env: besides(&spec.key_env, "_API_KEY"),
            base_url_env: besides(&spec.base_url_env, "_BASE_URL"),
        }
    }
}

/// The provider of that id.
pub fn well_known(id: &str) -> Option<&'static WellKnown> {
    WELL_KNOWN.iter().find(|provider| provider.id == id)
}

/// The middle of a provider's environment names: `my-vllm` is `MY_VLLM`.
pub(crate) fn env_word(id: &str) -> String {
    id.to_ascii_uppercase().replace(['-', '.'], "_")
}
