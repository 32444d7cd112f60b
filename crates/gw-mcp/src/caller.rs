//! The client's side of one request, as an upstream's answers need it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::message::Outcome;
use crate::raw::Fields;

/// Whose request it is: a session, or everything one principal sends without one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClientKey(pub(crate) Arc<str>);

/// Which questions of a server a client answers. Few values, so that upstream connections can be kept
/// apart by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Profile(u8);

impl Profile {
    const SAMPLING: u8 = 1;
    const SAMPLING_TOOLS: u8 = 2;
    const FORM: u8 = 4;
    const URL: u8 = 8;
    const ROOTS: u8 = 16;
    const SAMPLING_CONTEXT: u8 = 32;

    /// Reads a client's declared capabilities.
    pub(crate) fn of(capabilities: &Fields) -> Self {
        let mut bits = 0;
        if let Some(sampling) = capabilities.object("sampling") {
            bits |= Self::SAMPLING;
            bits |= if sampling.has("tools") { Self::SAMPLING_TOOLS } else { 0 };
            bits |= if sampling.has("context") { Self::SAMPLING_CONTEXT } else { 0 };
        }
        if let Some(elicitation) = capabilities.object("elicitation") {
            let (form, url) = (elicitation.has("form"), elicitation.has("url"));
            // An empty object means forms, as in 2025-06-18.
            bits |= if form || !url { Self::FORM } else { 0 };
            bits |= if url { Self::URL } else { 0 };
        }
        if capabilities.has("roots") {
            bits |= Self::ROOTS;
        }
        Self(bits)
    }

    /// The capabilities to declare upstream: exactly these.
    pub(crate) fn capabilities(self) -> Fields {
        let has = |bit: u8| self.0 & bit != 0;
        let flags = |pairs: &[(&str, bool)]| {
            let mut fields = Fields::default();
            for (name, _) in pairs.iter().filter(|(_, is_on)| *is_on) {
                fields.put(name, Fields::default());
            }
            fields
        };
        let mut fields = Fields::default();
        if has(Self::SAMPLING) {
            let tools = ("tools", has(Self::SAMPLING_TOOLS));
            fields.put("sampling", flags(&[tools, ("context", has(Self::SAMPLING_CONTEXT))]));
        }
        if has(Self::FORM) || has(Self::URL) {
            fields.put("elicitation", flags(&[("form", has(Self::FORM)), ("url", has(Self::URL))]));
        }
        if has(Self::ROOTS) {
            fields.put("roots", flags(&[]));
        }
        fields
    }

    /// True where a client of this profile answers the method.
    pub(crate) fn answers(self, method: &str) -> bool {
        match method {
            "sampling/createMessage" => self.0 & Self::SAMPLING != 0,
            "elicitation/create" => self.0 & (Self::FORM | Self::URL) != 0,
            "roots/list" => self.0 & Self::ROOTS != 0,
            _ => false,
        }
    }

    /// True where a client of this profile has a person fill in forms.
    pub(crate) fn fills_forms(self) -> bool {
        self.0 & Self::FORM != 0
    }

    /// True where answers differ from client to client even without a call under way.
    pub(crate) fn has_roots(self) -> bool {
        self.0 & Self::ROOTS != 0
    }
}

/// How verbose a client wants logs, from RFC 5424; the least verbose last.
pub(crate) const LOG_LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// The place of a log level in [`LOG_LEVELS`].
pub(crate) fn log_rank(level: &str) -> Option<usize> {
    LOG_LEVELS.iter().position(|known| *known == level)
}

/// The client's side of one request.
#[async_trait]
pub(crate) trait Caller: Send + Sync + 'static {
    /// Whose request it is.
    fn key(&self) -> &ClientKey;

    /// Which questions it answers.
    fn profile(&self) -> Profile;

    /// The capabilities it declared, for upstreams that are told them with every request.
    fn capabilities(&self) -> Fields;

    /// The least severe log message that it wants; `None` for no messages.
    fn log_level(&self) -> Option<&str>;

    /// True where nothing but the caller's id is known of it: a job of an earlier process.
    fn is_orphan(&self) -> bool {
        false
    }

    /// Tells the client something that belongs to the request. Lost where it no longer listens.
    fn notify(&self, method: &str, params: Fields);

    /// Asks the client and waits for its answer. Dropping the future withdraws the question.
    async fn ask(&self, method: &str, params: Fields) -> Outcome;
}

/// The gateway itself as a caller: it reads lists, answers no questions and wants no messages.
pub(crate) struct Nobody(pub(crate) ClientKey);

impl Nobody {
    pub(crate) fn caller() -> Arc<dyn Caller> {
        Arc::new(Self(ClientKey("gateway".into())))
    }
}

#[async_trait]
impl Caller for Nobody {
    fn key(&self) -> &ClientKey {
        &self.0
    }

    fn profile(&self) -> Profile {
        Profile::default()
    }

    fn capabilities(&self) -> Fields {
        Fields::default()
    }

    fn log_level(&self) -> Option<&str> {
        None
    }

    fn notify(&self, _: &str, _: Fields) {}

    async fn ask(&self, method: &str, _: Fields) -> Outcome {
        Err(crate::message::RpcError::method(method))
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;
    use crate::raw::Fields;

    #[test]
    fn capabilities_are_mirrored_exactly() {
        for (declared, upstream) in [
            ("{}", "{}"),
            (r#"{"elicitation":{}}"#, r#"{"elicitation":{"form":{}}}"#),
            (r#"{"elicitation":{"url":{}}}"#, r#"{"elicitation":{"url":{}}}"#),
            (r#"{"sampling":{"tools":{}},"x":1}"#, r#"{"sampling":{"tools":{}}}"#),
            (r#"{"roots":{"listChanged":true}}"#, r#"{"roots":{}}"#),
        ] {
            let profile = Profile::of(&Fields::parse(declared).unwrap());
            assert_eq!(profile.capabilities().to_raw().get(), upstream);
        }
    }
}
