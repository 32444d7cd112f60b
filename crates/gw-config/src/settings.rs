//! The whole configuration: as the file has it ([`Raw`]) and checked ([`Settings`]).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::alerts::Alerts;
use crate::section::cache::Cache;
use crate::section::context::Context;
use crate::section::cost::Cost;
use crate::section::defaults::Defaults;
use crate::section::demo::Demo;
use crate::section::doors::{Client, Mode};
use crate::section::endpoint::Endpoint;
use crate::section::layers::Layers;
use crate::section::log::Log;
use crate::section::mcp::Mcp;
use crate::section::models::Model;
use crate::section::policy::Project;
use crate::section::provider::{Provider, RawProvider, Timeouts};
use crate::section::proxy::Proxy;
use crate::section::routing::Routing;
use crate::section::server::{RawServer, Server};
use crate::section::store::{RawStore, Store};

/// `gateway.toml` as it is written.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "gateway.toml")]
pub(crate) struct Raw {
    /// What starting without a command means.
    pub(crate) mode: Mode,
    pub(crate) server: RawServer,
    pub(crate) log: Log,
    pub(crate) store: RawStore,
    /// Providers by id. `openai`, `anthropic`, `openrouter`, `ollama` and others are well known.
    pub(crate) providers: BTreeMap<String, RawProvider>,
    /// How long to wait for providers, in milliseconds.
    pub(crate) timeouts: Timeouts,
    pub(crate) defaults: Defaults,
    /// Models that the catalogue does not know, or whose entry is changed.
    pub(crate) models: Vec<Model>,
    /// Names that stand for a model (`provider/name`), a layer or another alias.
    #[schemars(extend("x-example" = { "fast": "L1" }))]
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) layers: Layers,
    pub(crate) routing: Routing,
    /// Policies of projects, by name: what holds for calls of a project.
    pub(crate) projects: BTreeMap<String, Project>,
    pub(crate) cost: Cost,
    pub(crate) alerts: Alerts,
    pub(crate) context: Context,
    pub(crate) cache: Cache,
    pub(crate) proxy: Proxy,
    pub(crate) demo: Demo,
    pub(crate) mcp: Mcp,
    pub(crate) client: Client,
    pub(crate) endpoint: Endpoint,
}

/// The checked configuration: immutable, and safe to print, for secrets serialise as `***`.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// What starting without a command means.
    pub mode: Mode,
    /// Where the gateway listens and who may call it.
    pub server: Server,
    /// What is logged, and where.
    pub log: Log,
    /// Where conversations, calls and costs are kept.
    pub store: Store,
    /// Providers by id, those that are off included.
    pub providers: BTreeMap<String, Provider>,
    /// Waits for providers; each provider's own are in its entry.
    pub timeouts: Timeouts,
    /// What fills fields that a request leaves out.
    pub defaults: Defaults,
    /// Changes of the catalogue.
    pub models: Vec<Model>,
    /// Names that stand for a model; targets are final, never another alias.
    pub aliases: BTreeMap<String, String>,
    /// Bands of price.
    pub layers: Layers,
    /// Who should answer.
    pub routing: Routing,
    /// Policies of projects, by name.
    pub projects: BTreeMap<String, Project>,
    /// What is counted.
    pub cost: Cost,
    /// Who is told when spending passes a threshold.
    pub alerts: Alerts,
    /// How much of a conversation is sent along.
    pub context: Context,
    /// Answers that are kept and given again.
    pub cache: Cache,
    /// The way out.
    pub proxy: Proxy,
    /// Simulated models.
    pub demo: Demo,
    /// The MCP servers behind the gateway, and how it presents them.
    pub mcp: Mcp,
    /// Where the command line finds a running gateway.
    pub client: Client,
}

impl Settings {
    /// Providers that are on.
    pub fn enabled_providers(&self) -> impl Iterator<Item = (&str, &Provider)> {
        self.providers
            .iter()
            .filter(|(_, provider)| provider.enabled)
            .map(|(id, provider)| (id.as_str(), provider))
    }
}
