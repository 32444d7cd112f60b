//! The reserved keys of `_meta`, which belong to one hop only.

use serde::Serialize;

use crate::raw::Fields;
use crate::version::Version;

/// What every reserved key begins with.
pub(crate) const RESERVED: &str = "io.modelcontextprotocol/";
pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
const PROGRESS_TOKEN: &str = "progressToken";

/// Who a side says it is.
#[derive(Clone, Debug, Serialize)]
pub struct Identity {
    /// Its name, for programs.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// `_meta` of a message, empty where there is none.
pub(crate) fn of(params: &Fields) -> Fields {
    params.object("_meta").unwrap_or_default()
}

/// Writes `_meta` back; an empty one is left out.
pub(crate) fn store(fields: &mut Fields, meta: &Fields) {
    if meta.is_empty() {
        fields.remove("_meta");
    } else {
        fields.put("_meta", meta);
    }
}

/// Takes away what was meant for the hop before: reserved keys and the progress token. Vendors' keys
/// and trace context stay.
pub(crate) fn strip_hop(meta: &mut Fields) {
    let tasks = "io.modelcontextprotocol/related-task";
    meta.retain(|name| (!name.starts_with(RESERVED) || name == tasks) && name != PROGRESS_TOKEN);
}

/// What a modern request must say of its client.
pub(crate) fn introduce(
    meta: &mut Fields,
    us: &Identity,
    capabilities: &Fields,
    log_level: Option<&str>,
) {
    meta.put(PROTOCOL_VERSION, Version::MODERN.as_str());
    meta.put(CLIENT_INFO, us);
    meta.put(CLIENT_CAPABILITIES, capabilities);
    if let Some(level) = log_level {
        meta.put(LOG_LEVEL, level);
    }
}
