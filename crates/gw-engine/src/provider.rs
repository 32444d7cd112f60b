//! A configured provider, ready to be called.

use std::collections::HashMap;
use std::sync::Arc;

use gw_core::ProviderId;
use gw_core::operation::OperationKind;
use gw_core::seam::{Dialect, OperationFormat, Quirks, Timeouts, Upstream};
use http::{HeaderMap, HeaderName};
use secrecy::SecretString;

/// A provider with everything needed to call it.
pub struct Provider {
    /// Its id in configuration.
    pub id: ProviderId,
    /// For people.
    pub display_name: String,
    /// How it speaks.
    pub dialect: Arc<dyn Dialect>,
    /// Where calls of its dialect go: the whole address. `{path}` in it stands for the path that the
    /// dialect writes for each call (Gemini names the model there).
    pub url: String,
    /// Its calls that are no chats.
    pub operations: Operations,
    /// Where it lists its models, if it does.
    pub models_url: Option<String>,
    /// Its keys; empty for a provider that wants none.
    pub credentials: Vec<Credential>,
    /// Headers sent with every call.
    pub headers: HeaderMap,
    /// Where it departs from its dialect.
    pub quirks: Quirks,
    /// How long to wait for it.
    pub timeouts: Timeouts,
    /// The way there.
    pub upstream: Arc<dyn Upstream>,
    /// True where it runs on this machine and charges nothing.
    pub is_local: bool,
    /// True where it is the simulated provider of the demo.
    pub is_demo: bool,
    /// Which of its models may be used; `None`: all.
    pub model_filter: Option<ModelFilter>,
}

/// Says whether a model, by its provider's name, may be used.
pub type ModelFilter = Box<dyn Fn(&str) -> bool + Send + Sync>;

impl Provider {
    /// The address of a call whose dialect wrote this path.
    pub fn address(&self, path: &str) -> String {
        if !self.url.contains("{path}") {
            return self.url.clone();
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut url = self.url.replace("{path}", path.trim_start_matches('/'));
        if !query.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(query);
        }
        url
    }

    /// True where configuration allows this model.
    pub fn allows(&self, model: &str) -> bool {
        self.model_filter.as_ref().is_none_or(|allows| allows(model))
    }
}

/// A provider's calls that are no chats.
#[derive(Clone, Default)]
pub struct Operations {
    /// Where they go: an address with `{path}` for the path that the format writes.
    pub url: String,
    /// How each kind is said; a kind that is not there is not offered.
    pub formats: HashMap<OperationKind, Arc<dyn OperationFormat>>,
}

impl Operations {
    /// How this kind is said.
    pub fn format(&self, kind: OperationKind) -> Option<&Arc<dyn OperationFormat>> {
        self.formats.get(&kind)
    }

    /// The address of a call whose format wrote this path.
    pub fn address(&self, path: &str) -> String {
        self.url.replace("{path}", path)
    }
}

/// One key of a provider.
pub struct Credential {
    /// A name that may be shown: `OPENAI_API_KEY`, `openai#2`.
    pub name: String,
    /// The header that carries it.
    pub header: HeaderName,
    /// What stands before the key in the header (`Bearer `).
    pub prefix: &'static str,
    /// The key.
    pub secret: SecretString,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("id", &self.id)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
