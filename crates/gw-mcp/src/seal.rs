//! States that travel through clients and come back: signed, bound to the caller and the request, and
//! good for a while. A client can read them and change nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::limits::STATE_MS;
use crate::message::RpcError;
use crate::raw::{Fields, Raw};

/// The key that signs.
pub(crate) struct Sealer([u8; 32]);

/// What is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sealed {
    /// A call that waits in this process.
    #[serde(rename = "p")]
    Parked {
        /// Which call.
        id: String,
    },
    /// A state of an upstream server.
    #[serde(rename = "r")]
    Relayed {
        /// The server.
        server: String,
        /// The state, as it was given.
        state: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    s: Sealed,
    /// When it ends to be good, in milliseconds since 1970.
    x: i64,
}

/// What a state is bound to.
pub(crate) struct Bound<'a> {
    pub(crate) principal: &'a str,
    pub(crate) method: &'a str,
    pub(crate) params: &'a Fields,
}

impl Bound<'_> {
    /// The same for a request and its repetition: everything but what a repetition adds.
    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(self.principal);
        add(self.method);
        for name in ["name", "uri"] {
            add(&self.params.text(name).unwrap_or_default());
        }
        // Clients may write the same arguments with other blanks.
        let arguments: Option<serde_json::Value> = self.params.read("arguments");
        add(&arguments.filter(|it| *it != serde_json::json!({})).unwrap_or_default().to_string());
        *hasher.finalize().as_bytes()
    }
}

impl Sealer {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Seals a state.
    pub(crate) fn seal(&self, sealed: Sealed, bound: &Bound<'_>, now_ms: i64) -> String {
        let envelope = Envelope { s: sealed, x: now_ms.saturating_add(STATE_MS) };
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        let tag = self.tag(&body, bound);
        format!(
            "gw1.{}.{}",
            URL_SAFE_NO_PAD.encode(&body),
            URL_SAFE_NO_PAD.encode(&tag.as_bytes()[..16])
        )
    }

    /// Opens a state.
    ///
    /// # Errors
    /// Bad parameters for what was not sealed here, for another caller or request, or too long ago.
    pub(crate) fn open(
        &self,
        text: &str,
        bound: &Bound<'_>,
        now_ms: i64,
    ) -> Result<Sealed, RpcError> {
        let refused =
            || RpcError::params("requestState is not one that was given for this request");
        let rest = text.strip_prefix("gw1.").ok_or_else(refused)?;
        let (body, tag) = rest.split_once('.').ok_or_else(refused)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| refused())?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| refused())?;
        // Hashed once more, so that the comparison's time says nothing of where they differ.
        let wanted = self.tag(&body, bound);
        if blake3::hash(&wanted.as_bytes()[..16]) != blake3::hash(&tag) {
            return Err(refused());
        }
        let envelope: Envelope = serde_json::from_slice(&body).map_err(|_| refused())?;
        if envelope.x < now_ms {
            return Err(RpcError::params("requestState is too old; send the request anew"));
        }
        Ok(envelope.s)
    }

    fn tag(&self, body: &[u8], bound: &Bound<'_>) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&bound.digest());
        hasher.update(body);
        hasher.finalize()
    }
}

/// Puts a sealed state in the place of a server's own.
pub(crate) fn seal_result(
    sealer: &Sealer,
    server: &str,
    result: &mut Fields,
    bound: &Bound<'_>,
    now_ms: i64,
) {
    if let Some(state) = result.text("requestState") {
        let sealed = Sealed::Relayed { server: server.to_owned(), state };
        result.put("requestState", sealer.seal(sealed, bound, now_ms));
    }
}

/// The parameters of a request without what a repetition adds.
pub(crate) fn without_retry(params: &Fields) -> (Fields, Option<Raw>, Option<Raw>) {
    let mut plain = params.clone();
    let state = plain.remove("requestState");
    let responses = plain.remove("inputResponses");
    (plain, state, responses)
}

#[cfg(test)]
mod tests {
    use super::{Bound, Sealed, Sealer};
    use crate::raw::Fields;

    #[test]
    fn a_state_is_good_for_its_caller_and_request_only() {
        let sealer = Sealer::new([7; 32]);
        let params = Fields::parse(r#"{"name":"t","arguments":{"a": 1}}"#).unwrap();
        let same = Fields::parse(r#"{"name":"t","arguments":{"a":1},"_meta":{}}"#).unwrap();
        let other = Fields::parse(r#"{"name":"t","arguments":{"a":2}}"#).unwrap();
        let bound = |principal, params| Bound { principal, method: "tools/call", params };
        let sealed = Sealed::Relayed { server: "s".into(), state: "é".into() };
        let text = sealer.seal(sealed.clone(), &bound("p", &params), 0);
        assert_eq!(sealer.open(&text, &bound("p", &same), 1).unwrap(), sealed);
        assert!(sealer.open(&text, &bound("q", &same), 1).is_err());
        assert!(sealer.open(&text, &bound("p", &other), 1).is_err());
        assert!(sealer.open(&text, &bound("p", &same), i64::MAX).is_err());
        assert!(sealer.open(&format!("{text}x"), &bound("p", &same), 1).is_err());
        assert!(Sealer::new([8; 32]).open(&text, &bound("p", &same), 1).is_err());
    }
}
