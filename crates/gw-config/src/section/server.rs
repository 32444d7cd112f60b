//! `[server]`: where the gateway listens and who may call it.

use gw_core::limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::section::oidc::Oidc;

/// Where the gateway listens and who may call it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawServer {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes any free one.
    pub port: u16,
    /// Web origins that may call from a browser; `*` allows every one. None by default.
    #[schemars(extend("x-example" = ["https://app.example"]))]
    pub cors_origins: Vec<String>,
    /// Largest request body, in bytes.
    #[schemars(range(min = 1024, max = 268_435_456))]
    pub body_bytes_max: usize,
    /// How long a client may take to send its headers and body, in milliseconds.
    #[schemars(range(min = 1))]
    pub request_timeout_ms: u64,
    /// How long running requests may take to finish when the gateway stops, in milliseconds.
    pub shutdown_grace_ms: u64,
    /// One key that callers may send, beside those made with `keys create`; the short form of
    /// `keys`. It may do everything.
    #[schemars(extend("x-example" = "{env:MY_GATEWAY_KEY}"))]
    pub key: Option<Secret>,
    /// Keys that callers may send, each with a name. They may do everything.
    pub keys: Vec<CallerKey>,
    /// Refuses callers without a key. True unless set here or opened by `allow_open`; false alone
    /// serves callers without a key on this machine only.
    pub require_key: Option<bool>,
    /// Serves callers without a key, on any address. Whoever reaches it spends your money.
    pub allow_open: bool,
    /// Tokens of an identity provider, in place of keys.
    pub oidc: Oidc,
}

impl Default for RawServer {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 3000,
            cors_origins: Vec::new(),
            body_bytes_max: limits::REQUEST_BODY_BYTES_MAX,
            request_timeout_ms: 60_000,
            shutdown_grace_ms: 30_000,
            key: None,
            keys: Vec::new(),
            require_key: None,
            allow_open: false,
            oidc: Oidc::default(),
        }
    }
}

/// A key that a caller may send.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallerKey {
    /// Name of the key in records.
    #[schemars(length(min = 1), extend("x-example" = "laptop"))]
    pub id: String,
    /// Name for people.
    #[serde(default)]
    #[schemars(extend("x-example" = "My laptop"))]
    pub name: String,
    /// The key itself: 8 or more visible characters.
    #[schemars(extend("x-example" = "{env:LAPTOP_KEY}"))]
    pub key: Secret,
}

/// `[server]`, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Address to listen on: an IP address or a host name, without brackets.
    pub host: String,
    /// Port to listen on; 0 takes any free one.
    pub port: u16,
    /// Origins for `Access-Control-Allow-Origin`; `*` stands alone.
    pub cors_origins: Vec<String>,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Time for a client's headers and body, in milliseconds.
    pub request_timeout_ms: u64,
    /// Time for running requests at the end, in milliseconds.
    pub shutdown_grace_ms: u64,
    /// True where a caller without a key is refused.
    pub require_key: bool,
    /// True where being open to others was asked for.
    pub allow_open: bool,
    /// Tokens of an identity provider; off without an issuer.
    pub oidc: Oidc,
    /// All keys; ids and keys are unique.
    pub keys: Vec<CallerKey>,
}
