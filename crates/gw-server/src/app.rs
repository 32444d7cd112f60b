//! What the binary hands to the edge, and the state that every handler shares.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use gw_core::Layer;
use gw_core::limits::REQUEST_BODY_BYTES_MAX;
use gw_core::seam::{
    Authenticator, Batches, Dialect, DialectId, Governance, Outcomes, PersonalData, Responses,
    UsageReports,
};
use gw_engine::Engine;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::auth::Keys;
use crate::batches::Desk;
use crate::http::Route;
use crate::traffic::Traffic;

/// Everything the doors need.
#[derive(Clone)]
pub struct App {
    /// Runs the calls.
    pub engine: Arc<Engine>,
    /// Finds the caller behind a key that is not among the configured ones.
    pub authenticator: Arc<dyn Authenticator>,
    /// Sums over calls, for usage reports.
    pub reports: Arc<dyn UsageReports>,
    /// What is said of answers.
    pub outcomes: Arc<dyn Outcomes>,
    /// Keys, accounts, budgets and limits, for the admin doors.
    pub governance: Arc<dyn Governance>,
    /// What needs a look about money now, in words.
    pub alerts: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
    /// Every wire format that clients may speak.
    pub dialects: Vec<Arc<dyn Dialect>>,
    /// Responses that clients continue by their id.
    pub responses: Arc<dyn Responses>,
    /// Uploaded files and batches; `None` for a store that keeps none.
    pub batches: Option<Arc<dyn Batches>>,
    /// A conversation's or a user's data, to be shown or removed.
    pub personal: Arc<dyn PersonalData>,
    /// The edge's own options.
    pub options: ServerOptions,
    /// The program's version, for `/health` and `/openapi.json`.
    pub version: String,
    /// When the process began, on the engine's monotonic clock, in milliseconds.
    pub started_at_ms: u64,
    /// True while simulated models answer because nothing is configured.
    pub is_demo: bool,
    /// Which durable store is in use: `sqlite`, `postgres`.
    pub store_name: String,
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
    /// Whether the process is about to stop.
    pub lifecycle: Lifecycle,
    /// The MCP side; `None` where it is not served.
    pub mcp: Option<Arc<gw_mcp::Hub>>,
}

/// The edge's own options.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Origins that browsers may call from; `*` for every one; empty: none but loopback pages.
    pub cors_origins: Vec<String>,
    /// Largest request body, in bytes; at most [`REQUEST_BODY_BYTES_MAX`].
    pub body_bytes_max: usize,
    /// How long a request body may take to arrive, in milliseconds.
    pub body_timeout_ms: u64,
    /// Keys that callers may present.
    pub keys: Vec<CallerKey>,
    /// True where a caller without a key is served.
    pub allow_anonymous: bool,
    /// True where the listener is bound to loopback only, so that a foreign `Host` is an attack by
    /// DNS rebinding and is refused.
    pub is_loopback: bool,
    /// Host names, besides loopback names and addresses, under which this gateway is known.
    pub host_names: Vec<String>,
    /// How long a stream may be silent before a sign of life is sent, in milliseconds.
    pub keep_alive_ms: u64,
    /// Whose tokens are accepted, where any are; told to MCP clients.
    pub login: Option<Login>,
    /// What `/health` shows of the configuration.
    pub health_view: HealthView,
}

/// An identity provider whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its issuer.
    pub issuer: String,
    /// The address of `/mcp` as clients know it; the one they call where not given.
    pub resource: Option<String>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            cors_origins: Vec::new(),
            body_bytes_max: REQUEST_BODY_BYTES_MAX,
            body_timeout_ms: 60_000,
            keys: Vec::new(),
            allow_anonymous: true,
            is_loopback: true,
            host_names: Vec::new(),
            keep_alive_ms: 15_000,
            login: None,
            health_view: HealthView::default(),
        }
    }
}

/// A key that a caller may present.
#[derive(Clone, Debug)]
pub struct CallerKey {
    /// Its public id, for records.
    pub id: String,
    /// For people.
    pub name: String,
    /// The key.
    pub secret: SecretString,
    /// True where it opens the admin doors.
    pub is_admin: bool,
}

/// The `configuration` block of `/health` (CONTRACT section 1.4).
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthView {
    /// `LOG_LEVEL`
    pub log_level: String,
    /// `DEFAULT_LAYER`
    #[schema(value_type = Option<String>)]
    pub default_layer: Option<Layer>,
    /// `ENABLE_CROSS_CHECK`
    pub enable_cross_check: bool,
    /// `ENABLE_AUTO_ESCALATE`
    pub enable_auto_escalate: bool,
    /// `MAX_ESCALATION_LAYER`
    #[schema(value_type = Option<String>)]
    pub max_escalation_layer: Option<Layer>,
    /// `ENABLE_COST_TRACKING`
    pub enable_cost_tracking: bool,
    /// `COST_ALERT_THRESHOLD`, in dollars.
    pub cost_alert_threshold: f64,
    /// Which layers are switched on.
    pub layer_control: LayerControl,
    /// Model lists by task.
    pub task_specific_models: TaskModels,
}

/// Which layers are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LayerControl {
    /// `LAYER_L0_ENABLED`
    #[serde(rename = "L0")]
    pub l0: bool,
    /// `LAYER_L1_ENABLED`
    #[serde(rename = "L1")]
    pub l1: bool,
    /// `LAYER_L2_ENABLED`
    #[serde(rename = "L2")]
    pub l2: bool,
    /// `LAYER_L3_ENABLED`
    #[serde(rename = "L3")]
    pub l3: bool,
}

impl LayerControl {
    /// True where the layer is switched on.
    pub fn is_on(self, layer: Layer) -> bool {
        match layer {
            Layer::L0 => self.l0,
            Layer::L1 => self.l1,
            Layer::L2 => self.l2,
            Layer::L3 => self.l3,
        }
    }
}

impl Default for LayerControl {
    fn default() -> Self {
        Self { l0: true, l1: true, l2: true, l3: true }
    }
}

/// Model lists by task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskModels {
    /// `CHAT_MODELS`
    pub chat: ModelChoice,
    /// `CODE_MODELS`
    pub code: ModelChoice,
    /// `ANALYZE_MODELS`
    pub analyze: ModelChoice,
    /// `CREATE_PROJECT_MODELS`
    pub create_project: ModelChoice,
}

/// A list of models, or the word `default` where none is configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ModelChoice {
    /// The layers decide.
    Default(String),
    /// These models, in order.
    List(Vec<String>),
}

impl Default for ModelChoice {
    fn default() -> Self {
        Self::Default("default".to_owned())
    }
}

impl From<Vec<String>> for ModelChoice {
    fn from(models: Vec<String>) -> Self {
        if models.is_empty() { Self::default() } else { Self::List(models) }
    }
}

/// Whether the process is about to stop; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    is_stopping: Arc<AtomicBool>,
}

impl Lifecycle {
    /// Says that no new work shall begin: `/readyz` answers 503 from now on.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    /// True once [`Lifecycle::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

/// What handlers share: the application, and what was computed from it once.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) keys: Keys,
    pub(crate) traffic: Traffic,
    pub(crate) openapi: Bytes,
    /// Batches under way.
    pub(crate) batches: Desk,
    /// Places for WebSockets.
    pub(crate) sockets: Arc<Semaphore>,
    /// Routes by the pattern under which axum matched them, aliases included.
    pub(crate) table: HashMap<&'static str, Arc<Route>>,
}

impl Server {
    /// The implementation of a wire format.
    pub(crate) fn dialect(&self, id: DialectId) -> Option<&Arc<dyn Dialect>> {
        self.app.dialects.iter().find(|dialect| dialect.id() == id)
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.app.engine.resources().clock.unix_ms()
    }

    /// Milliseconds on the clock that never goes back.
    pub(crate) fn monotonic_ms(&self) -> u64 {
        self.app.engine.resources().clock.monotonic_ms()
    }
}

/// An instant as system A writes it: `2026-11-20T12:00:00.000Z`.
pub(crate) fn iso_instant(unix_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(unix_ms) {
        Ok(instant) => format!("{instant:.3}"),
        Err(_) => "1970-01-01T00:00:00.000Z".to_owned(),
    }
}
