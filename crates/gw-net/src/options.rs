//! What the client can be told, as plain values; where they come from is not known here.

use std::fmt;

/// How the outgoing client behaves. Durations are in milliseconds.
#[derive(Clone)]
pub struct NetOptions {
    /// Proxy for `http://` targets, e.g. `http://user:secret@proxy:3128`; empty for none.
    pub http_proxy: String,
    /// Proxy for `https://` targets; empty for none.
    pub https_proxy: String,
    /// Hosts reached without a proxy: names (with their subdomains), `*`, addresses, CIDR blocks,
    /// each with an optional `:port`, separated by commas or blanks. As with curl, only this list
    /// decides: loopback goes through a proxy unless it stands here.
    pub no_proxy: String,
    /// Upper bound of every attempt to connect, shared between a name's addresses; a request may
    /// set a lower one.
    pub connect_timeout_ms: u64,
    /// Idle time after which the kernel probes a connection; 0 for never.
    pub tcp_keepalive_ms: u64,
    /// How long an unused connection stays in the pool.
    pub pool_idle_ms: u64,
    /// Unused connections kept for one host.
    pub pool_idle_per_host_max: usize,
    /// `User-Agent` of requests that bring none; empty for none.
    pub user_agent: String,
    /// Certificates (PEM) trusted besides the system's; empty for none.
    pub extra_roots_pem: Vec<u8>,
}

impl Default for NetOptions {
    fn default() -> Self {
        Self {
            http_proxy: String::new(),
            https_proxy: String::new(),
            no_proxy: String::new(),
            connect_timeout_ms: 10_000,
            tcp_keepalive_ms: 60_000,
            pool_idle_ms: 90_000,
            pool_idle_per_host_max: 64,
            user_agent: concat!("ai-mcp-gateway/", env!("CARGO_PKG_VERSION")).to_owned(),
            extra_roots_pem: Vec::new(),
        }
    }
}

// Proxy addresses may hold a password, so they are not shown.
impl fmt::Debug for NetOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetOptions")
            .field("has_http_proxy", &!self.http_proxy.is_empty())
            .field("has_https_proxy", &!self.https_proxy.is_empty())
            .field("no_proxy", &self.no_proxy)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("pool_idle_ms", &self.pool_idle_ms)
            .field("pool_idle_per_host_max", &self.pool_idle_per_host_max)
            .finish_non_exhaustive()
    }
}
