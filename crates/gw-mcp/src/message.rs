//! JSON-RPC 2.0 messages as MCP frames them, and the codes of its errors.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::raw::{self, Fields, Raw};

/// JSON-RPC 2.0, section 5.1.
pub(crate) const PARSE_ERROR: i64 = -32700;
/// JSON-RPC 2.0, section 5.1.
pub(crate) const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC 2.0, section 5.1.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC 2.0, section 5.1.
pub(crate) const INVALID_PARAMS: i64 = -32602;
/// JSON-RPC 2.0, section 5.1.
pub(crate) const INTERNAL_ERROR: i64 = -32603;
/// Resource not found, in revisions before 2026-07-28.
pub(crate) const RESOURCE_NOT_FOUND: i64 = -32002;
/// Revision 2026-07-28: a mirrored header and the body differ.
pub(crate) const HEADER_MISMATCH: i64 = -32020;
/// Revision 2026-07-28: the request needs a capability that the client did not declare.
pub(crate) const MISSING_CAPABILITY: i64 = -32021;
/// Revision 2026-07-28: the version is not spoken here.
pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;

/// A request's id: a string or a number, as its JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(Arc<str>);

impl Id {
    /// An id of our own.
    pub(crate) fn number(number: u64) -> Self {
        Self(number.to_string().into())
    }

    /// Reads an id; `None` for what no revision allows.
    pub(crate) fn of(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let is_good = matches!(text.as_bytes().first()?, b'"' | b'-' | b'0'..=b'9');
        is_good.then(|| Self(text.into()))
    }

    /// True for a string or a whole number.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.starts_with('"') || !self.0.contains(['.', 'e', 'E'])
    }

    /// The JSON text.
    pub(crate) fn json(&self) -> &str {
        &self.0
    }

    /// The id as a JSON value.
    pub(crate) fn raw(&self) -> Raw {
        RawValue::from_string(self.0.to_string()).unwrap_or_else(|_| raw::null())
    }
}

/// An error of JSON-RPC.
#[derive(Clone, Debug)]
pub(crate) struct RpcError {
    /// The code.
    pub(crate) code: i64,
    /// For people and models.
    pub(crate) message: String,
    /// More, for programs.
    pub(crate) data: Option<Raw>,
    /// The error as another side wrote it, passed on unchanged.
    as_sent: Option<Raw>,
}

impl RpcError {
    /// An error of our own.
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None, as_sent: None }
    }

    /// Bad parameters.
    pub(crate) fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// No such method.
    pub(crate) fn method(method: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, format!("Method not found: {method}"))
    }

    /// Something broke, here or upstream.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL_ERROR, message)
    }

    /// Adds data.
    #[must_use]
    pub(crate) fn with_data(mut self, data: impl Serialize) -> Self {
        self.data = Some(raw::to_raw(&data));
        self
    }

    fn of(raw: &RawValue) -> Self {
        let fields = Fields::of(raw).unwrap_or_default();
        Self {
            code: fields.read("code").unwrap_or(INTERNAL_ERROR),
            message: fields.text("message").unwrap_or_default(),
            data: fields.get("data").map(ToOwned::to_owned),
            as_sent: Some(raw.to_owned()),
        }
    }

    /// The error object.
    pub(crate) fn to_raw(&self) -> Raw {
        if let Some(raw) = &self.as_sent {
            return raw.clone();
        }
        let mut fields = Fields::default();
        fields.put("code", self.code);
        fields.put("message", &self.message);
        if let Some(data) = &self.data {
            fields.set("data", data.clone());
        }
        fields.to_raw()
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

/// What a request came to.
pub(crate) type Outcome = Result<Raw, RpcError>;

/// One message.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// Wants an answer.
    Request {
        /// Its id.
        id: Id,
        /// What is asked.
        method: String,
        /// With what; an empty object where there was nothing.
        params: Fields,
    },
    /// Wants none.
    Notification {
        /// What is told.
        method: String,
        /// With what.
        params: Fields,
    },
    /// An answer. Errors about unreadable messages have no id.
    Response {
        /// The id of what it answers.
        id: Option<Id>,
        /// The answer.
        outcome: Outcome,
    },
}

/// Why text is no message, and the id it had, if that could be read.
#[derive(Debug)]
pub(crate) struct Malformed {
    /// The id, for the answer.
    pub(crate) id: Option<Id>,
    /// What is wrong.
    pub(crate) error: RpcError,
}

impl Message {
    /// Reads one message.
    ///
    /// # Errors
    /// [`Malformed`] with [`PARSE_ERROR`], [`INVALID_REQUEST`] or [`INVALID_PARAMS`].
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        if serde_json::from_str::<&RawValue>(text).is_err() {
            let error = RpcError::new(PARSE_ERROR, "Parse error: the message is not JSON");
            return Err(Malformed { id: None, error });
        }
        let Some(fields) = Fields::parse(text) else {
            return Err(invalid(None, "a message is an object without repeated names"));
        };
        Self::read(fields)
    }

    fn read(mut fields: Fields) -> Result<Self, Malformed> {
        let id = fields.get("id").map(Id::of);
        let known = id.clone().flatten();
        if fields.get("jsonrpc").is_none_or(|version| version.get() != "\"2.0\"") {
            return Err(invalid(known, "`jsonrpc` must be \"2.0\""));
        }
        if fields.has("method") {
            let Some(method) = fields.text("method") else {
                return Err(invalid(known, "`method` must be a string"));
            };
            let params = match fields.remove("params") {
                None => Fields::default(),
                Some(params) => match Fields::of(&params) {
                    Some(params) => params,
                    None => {
                        let error =
                            RpcError::params("`params` must be an object without repeated names");
                        return Err(Malformed { id: known, error });
                    }
                },
            };
            return match id {
                None => Ok(Self::Notification { method, params }),
                Some(Some(id)) => Ok(Self::Request { id, method, params }),
                Some(None) => Err(invalid(None, "`id` must be a string or a number")),
            };
        }
        let outcome = match (fields.remove("result"), fields.remove("error")) {
            (Some(result), None) => Ok(result),
            (None, Some(error)) => Err(RpcError::of(&error)),
            _ => return Err(invalid(known, "a message has a method, a result or an error")),
        };
        Ok(Self::Response { id: known, outcome })
    }

    /// The message as one line of JSON.
    #[cfg(test)]
    pub(crate) fn to_line(&self) -> String {
        match self {
            Self::Request { id, method, params } => request(id, method, params),
            Self::Notification { method, params } => notification(method, params),
            Self::Response { id, outcome } => response(id.as_ref(), outcome),
        }
    }
}

fn invalid(id: Option<Id>, why: &str) -> Malformed {
    Malformed { id, error: RpcError::new(INVALID_REQUEST, format!("Invalid request: {why}")) }
}

fn begun() -> Fields {
    let mut fields = Fields::default();
    fields.put("jsonrpc", "2.0");
    fields
}

/// A request as one line.
pub(crate) fn request(id: &Id, method: &str, params: &Fields) -> String {
    let mut fields = begun();
    fields.set("id", id.raw());
    fields.put("method", method);
    if !params.is_empty() {
        fields.put("params", params);
    }
    raw::one_line(fields.to_raw().get())
}

/// A notification as one line.
pub(crate) fn notification(method: &str, params: &Fields) -> String {
    let mut fields = begun();
    fields.put("method", method);
    if !params.is_empty() {
        fields.put("params", params);
    }
    raw::one_line(fields.to_raw().get())
}

/// A response as one line.
pub(crate) fn response(id: Option<&Id>, outcome: &Outcome) -> String {
    let mut fields = begun();
    match id {
        Some(id) => fields.set("id", id.raw()),
        None if outcome.is_err() => fields.set("id", raw::null()),
        None => {}
    }
    match outcome {
        Ok(result) => fields.set("result", result.clone()),
        Err(error) => fields.set("error", error.to_raw()),
    }
    raw::one_line(fields.to_raw().get())
}

#[cfg(test)]
mod tests {
    use super::{INVALID_PARAMS, INVALID_REQUEST, Message, PARSE_ERROR};

    #[test]
    fn messages_come_back_as_they_went_in() {
        for line in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","new":[1.50]}}"#,
            r#"{"jsonrpc":"2.0","id":"a\u00e9","method":"ping"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"a":null}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"structuredContent":null,"x":1e3}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"m","more":true}}"#,
        ] {
            assert_eq!(Message::parse(line).unwrap().to_line(), line);
        }
    }

    #[test]
    fn what_is_no_message_is_named() {
        for (text, code) in [
            ("{", PARSE_ERROR),
            ("[]", INVALID_REQUEST),
            (r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#, INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#, INVALID_PARAMS),
        ] {
            assert_eq!(Message::parse(text).unwrap_err().error.code, code, "{text}");
        }
    }
}
