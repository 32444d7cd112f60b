//! `[alerts]`: who is told when spending passes a threshold, beside the log and `/health`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Who is told when spending passes a threshold, beside the log and `/health`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// A web address that every alert is posted to as JSON, signed, and again until it is taken.
    pub webhook: Webhook,
}

/// A web address that every alert is posted to as JSON, signed, and again until it is taken.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// The address; none unless set.
    #[schemars(extend("x-example" = "{env:ALERT_URL}"))]
    pub url: Option<Secret>,
    /// The key of the signature: `x-gateway-signature` is `v1=` and the hexadecimal HMAC-SHA256 of
    /// `x-gateway-timestamp`, a dot and the body.
    #[schemars(extend("x-example" = "{env:ALERT_SECRET}"))]
    pub secret: Option<Secret>,
}
