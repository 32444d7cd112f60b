//! `[providers.ID]` and `[timeouts]`: who answers, where, with which key, and how long to wait.

use std::collections::BTreeMap;

use gw_core::seam::DialectId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::units;

/// A provider. Well-known ones need only a key.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawProvider {
    /// Switches it on or off. Follows from whether it has a key (or, run by yourself, an address)
    /// unless set.
    #[schemars(extend("x-example" = true))]
    pub enabled: Option<bool>,
    /// What it speaks. Needed for ids that are not well known.
    #[schemars(schema_with = "units::dialect_schema", extend("x-example" = "openai-chat"))]
    pub dialect: Option<DialectId>,
    /// Its address, with or without the dialect's own path.
    #[schemars(extend("x-example" = "https://llm.example/v1"))]
    pub base_url: Option<String>,
    /// Its key. `{env:NAME}` and `{file:PATH}` keep it out of this file.
    #[schemars(extend("x-example" = "{env:MY_PROVIDER_KEY}"))]
    pub api_key: Option<Secret>,
    /// Further keys, tried when one is refused or limited.
    pub api_keys: Vec<Secret>,
    /// Headers for every call, besides those of the dialect.
    #[schemars(extend("x-example" = { "x-team": "search" }))]
    pub headers: BTreeMap<String, Secret>,
    /// Only these models may be used; `*` at either end stands for anything. Empty allows all.
    #[schemars(extend("x-example" = ["llama-*"]))]
    pub models_allow: Vec<String>,
    /// These models may not be used; `*` at either end stands for anything.
    #[schemars(extend("x-example" = ["*-preview"]))]
    pub models_deny: Vec<String>,
    /// The model to use when this provider is asked without naming one.
    #[schemars(extend("x-example" = "llama3:8b"))]
    pub default_model: Option<String>,
    /// How long to wait, where it differs from `[timeouts]`.
    pub timeouts: TimeoutOverrides,
    /// Organization to bill, for providers that know the word.
    #[schemars(extend("x-example" = "org-123"))]
    pub organization: Option<String>,
    /// The cloud's region or location, which its address names: `eu-west-1`, `europe-west1`.
    #[schemars(extend("x-example" = "eu-west-1"))]
    pub region: Option<String>,
    /// The Google Cloud project, where it is not that of the service account.
    #[schemars(extend("x-example" = "my-project"))]
    pub project: Option<String>,
    /// The id of an AWS access key; requests are signed with it (Signature Version 4).
    #[schemars(extend("x-example" = "AKIAIOSFODNN7EXAMPLE"))]
    pub aws_access_key_id: Option<Secret>,
    /// The secret of the AWS access key.
    #[schemars(extend("x-example" = "secret"))]
    pub aws_secret_access_key: Option<Secret>,
    /// The token of temporary AWS credentials.
    #[schemars(extend("x-example" = "token"))]
    pub aws_session_token: Option<Secret>,
    /// Where the JSON key file of a Google service account is.
    #[schemars(extend("x-example" = "/run/secrets/google.json"))]
    pub service_account_file: Option<String>,
    /// The provider whose catalogue rows and prices apply, where it is not its own id.
    #[schemars(extend("x-example" = "openai"))]
    pub catalog: Option<String>,
    /// Its tokens cost nothing. True by default for well-known programs that you run yourself.
    #[schemars(extend("x-example" = false))]
    pub is_free: Option<bool>,
    /// Where it departs from its dialect, for example `max_tokens_field = "max_tokens"`.
    #[schemars(extend("x-example" = { "max_tokens_field": "max_tokens" }))]
    pub quirks: serde_json::Map<String, serde_json::Value>,
}

/// How long to wait for a provider, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Until the connection stands, in milliseconds.
    #[schemars(range(min = 1))]
    pub connect_ms: u64,
    /// Until the answer begins, in milliseconds.
    #[schemars(range(min = 1))]
    pub first_byte_ms: u64,
    /// Between two pieces of an answer, in milliseconds.
    #[schemars(range(min = 1))]
    pub idle_ms: u64,
    /// For the whole exchange, in milliseconds; 0 for no limit.
    pub total_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        let core = gw_core::seam::Timeouts::default();
        Self {
            connect_ms: core.connect_ms,
            first_byte_ms: core.first_byte_ms,
            idle_ms: core.idle_ms,
            total_ms: core.total_ms,
        }
    }
}

impl From<Timeouts> for gw_core::seam::Timeouts {
    fn from(timeouts: Timeouts) -> Self {
        Self {
            connect_ms: timeouts.connect_ms,
            first_byte_ms: timeouts.first_byte_ms,
            idle_ms: timeouts.idle_ms,
            total_ms: timeouts.total_ms,
        }
    }
}

/// Waits that differ from `[timeouts]`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutOverrides {
    /// Until the connection stands, in milliseconds.
    #[schemars(range(min = 1), extend("x-example" = 10_000))]
    pub connect_ms: Option<u64>,
    /// Until the answer begins, in milliseconds.
    #[schemars(range(min = 1), extend("x-example" = 120_000))]
    pub first_byte_ms: Option<u64>,
    /// Between two pieces of an answer, in milliseconds.
    #[schemars(range(min = 1), extend("x-example" = 60_000))]
    pub idle_ms: Option<u64>,
    /// For the whole exchange, in milliseconds; 0 for no limit.
    #[schemars(extend("x-example" = 0))]
    pub total_ms: Option<u64>,
}

impl TimeoutOverrides {
    pub(crate) fn over(self, base: Timeouts) -> Timeouts {
        Timeouts {
            connect_ms: self.connect_ms.unwrap_or(base.connect_ms),
            first_byte_ms: self.first_byte_ms.unwrap_or(base.first_byte_ms),
            idle_ms: self.idle_ms.unwrap_or(base.idle_ms),
            total_ms: self.total_ms.unwrap_or(base.total_ms),
        }
    }
}

/// `[providers.ID]`, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Provider {
    /// False for providers that are named somewhere and yet are off.
    pub enabled: bool,
    /// What it speaks.
    pub dialect: DialectId,
    /// Its address as given (scheme may be missing for programs run by the user); `None`: the
    /// provider table's own.
    pub base_url: Option<String>,
    /// Its keys in the order to try.
    pub api_keys: Vec<Secret>,
    /// Headers for every call; names are valid header names.
    pub headers: BTreeMap<String, Secret>,
    /// Only these models; empty for all.
    pub models_allow: Vec<String>,
    /// Not these models.
    pub models_deny: Vec<String>,
    /// The model to use where none is named.
    pub default_model: Option<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Organization to bill.
    pub organization: Option<String>,
    /// The cloud's region or location.
    pub region: Option<String>,
    /// The Google Cloud project.
    pub project: Option<String>,
    /// The id of an AWS access key.
    pub aws_access_key_id: Option<Secret>,
    /// The secret of the AWS access key.
    pub aws_secret_access_key: Option<Secret>,
    /// The token of temporary AWS credentials.
    pub aws_session_token: Option<Secret>,
    /// Where the JSON key file of a Google service account is.
    pub service_account_file: Option<String>,
    /// The provider whose catalogue rows apply; `None`: those of its own id.
    pub catalog: Option<String>,
    /// True where its tokens cost nothing.
    pub is_free: bool,
    /// Where it departs from its dialect, to be read as `gw_core::seam::Quirks`.
    pub quirks: serde_json::Map<String, serde_json::Value>,
}

impl Provider {
    /// Whether the lists allow this model.
    pub fn allows_model(&self, name: &str) -> bool {
        let listed = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        (self.models_allow.is_empty() || listed(&self.models_allow)) && !listed(&self.models_deny)
    }
}

/// `*` stands for anything, once, at either end.
fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (_, Some("")) => true,
        (None, Some(start)) => name.starts_with(start),
        (Some(end), None) => name.ends_with(end),
        (Some(_), Some(_)) => name.contains(pattern.trim_matches('*')),
        (None, None) => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything_at_either_end() {
        for (pattern, name, expected) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5-mini", false),
            ("gpt-*", "gpt-5-mini", true),
            ("*:free", "x/y:free", true),
            ("*:free", "x/y", false),
            ("*mini*", "gpt-5-mini-2", true),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
