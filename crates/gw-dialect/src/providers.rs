//! The providers known by name: where they live, how they want their key, and where they depart
//! from their dialect. All of it is data in `providers.toml`; a compatible provider needs a block
//! there and nothing else. Knows nothing of keys or configuration files.

mod address;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gw_core::seam::{DialectId, Quirks};
use serde::{Deserialize, Serialize};

pub use address::{endpoint, operations_endpoint};

use crate::operation::Operations;

/// How a provider wants its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// `Authorization: Bearer KEY`.
    #[default]
    Bearer,
    /// `x-api-key: KEY` (Anthropic).
    XApiKey,
    /// `api-key: KEY` (Azure).
    ApiKey,
    /// `x-goog-api-key: KEY` (Google AI).
    XGoogApiKey,
    /// Amazon's Signature Version 4 by an access key; a key given instead is a bearer token.
    AwsSigV4,
    /// A token that a Google service account signs; a key given instead is a bearer token.
    GoogleServiceAccount,
    /// No key.
    None,
}

impl Auth {
    /// The header that carries the key, and what stands before the key in it.
    pub const fn header(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Bearer | Self::AwsSigV4 | Self::GoogleServiceAccount => {
                Some(("authorization", "Bearer "))
            }
            Self::XApiKey => Some(("x-api-key", "")),
            Self::ApiKey => Some(("api-key", "")),
            Self::XGoogApiKey => Some(("x-goog-api-key", "")),
            Self::None => None,
        }
    }
}

/// A provider as the gateway ships it; configuration may override every part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// Its name in configuration and in `provider/model`.
    pub id: String,
    /// Its name for people.
    pub display_name: String,
    /// The format it speaks.
    pub dialect: DialectId,
    /// Its address, with `{region}` and `{project}` where it names them; empty where every customer has their own (Azure, self-hosted servers).
    #[serde(default)]
    pub default_base_url: String,
    /// What `{region}` stands for where nothing is configured.
    #[serde(default)]
    pub default_region: String,
    /// Environment names that override the address, the first set one wins.
    #[serde(default)]
    pub base_url_env: Vec<String>,
    /// Environment names that hold the key, the first set one wins.
    #[serde(default)]
    pub key_env: Vec<String>,
    /// How it wants its key.
    #[serde(default)]
    pub auth: Auth,
    /// True where calls work without a key although one may be given (local servers).
    #[serde(default)]
    pub key_is_optional: bool,
    /// Headers of every call.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Headers that name the application, by the setting that fills them (`url`, `title`); left out
    /// where the setting is empty.
    #[serde(default)]
    pub app_headers: BTreeMap<String, String>,
    /// Where it departs from its dialect.
    #[serde(default)]
    pub quirks: Quirks,
    /// Path of its model list below the base address; `None` where it has none.
    #[serde(default)]
    pub models_path: Option<String>,
    /// Its calls that are no chats, where they are not those usual for its dialect.
    #[serde(default)]
    pub operations: Option<Operations>,
    /// True where it runs on the user's own machine or network: free, and private.
    #[serde(default)]
    pub is_local: bool,
    /// The provider whose catalogue rows apply; empty: those of its own id.
    #[serde(default)]
    pub catalog_provider: String,
    /// Where to get a key, or how to install it.
    #[serde(default)]
    pub help_url: String,
}

impl ProviderSpec {
    /// Any endpoint that speaks a dialect without departures.
    pub fn custom(id: impl Into<String>, dialect: DialectId) -> Self {
        let id = id.into();
        let (auth, models_path) = match dialect {
            DialectId::OpenAiChat | DialectId::OpenAiResponses => (Auth::Bearer, "/models"),
            DialectId::AnthropicMessages => (Auth::XApiKey, "/v1/models"),
            DialectId::Gemini => (Auth::XGoogApiKey, "/models"),
            DialectId::Ollama => (Auth::Bearer, "/api/tags"),
            DialectId::CohereChat => (Auth::Bearer, "/v1/models"),
            DialectId::BedrockConverse => (Auth::Bearer, ""),
        };
        Self {
            display_name: id.clone(),
            id,
            dialect,
            default_base_url: String::new(),
            default_region: String::new(),
            base_url_env: Vec::new(),
            key_env: Vec::new(),
            auth,
            key_is_optional: true,
            headers: BTreeMap::new(),
            app_headers: BTreeMap::new(),
            quirks: Quirks::default(),
            models_path: (!models_path.is_empty()).then(|| models_path.to_owned()),
            operations: None,
            is_local: false,
            catalog_provider: String::new(),
            help_url: String::new(),
        }
    }

    /// The provider whose catalogue rows apply.
    pub fn catalog_id(&self) -> &str {
        if self.catalog_provider.is_empty() { &self.id } else { &self.catalog_provider }
    }

    /// The address with region and project filled in. Vertex AI's `global` has no prefix of its own.
    pub fn fill(base_url: &str, region: &str, project: &str) -> String {
        let base_url = match region {
            "global" => base_url.replace("{region}-", ""),
            _ => base_url.to_owned(),
        };
        base_url.replace("{region}", region).replace("{project}", project)
    }

    /// Its calls that are no chats.
    pub fn operations(&self) -> Operations {
        self.operations.unwrap_or_else(|| crate::operation::usual(self.dialect))
    }

    /// An address as a user may write it, made whole: a missing scheme and port are taken from the
    /// default address (`OLLAMA_HOST=0.0.0.0` and `OLLAMA_HOST=box:11434` are both usual).
    pub fn complete_base_url(&self, given: &str) -> String {
        address::complete(given, &self.default_base_url)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    provider: Vec<ProviderSpec>,
}

static SPECS: LazyLock<Vec<ProviderSpec>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../providers.toml"))
        .expect("a test reads the same embedded file");
    file.provider
});

/// Every provider known by name, in the order of `providers.toml`.
pub fn specs() -> &'static [ProviderSpec] {
    &SPECS
}

/// The provider of this id.
pub fn spec(id: &str) -> Option<&'static ProviderSpec> {
    specs().iter().find(|spec| spec.id == id)
}

#[cfg(test)]
mod tests;
