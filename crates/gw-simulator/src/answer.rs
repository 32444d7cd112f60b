//! An answer before it is delivered: status, headers and the body in frames.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// A whole answer. The frames of a stream are its events, delimiter included; any other body is one
/// frame.
#[derive(Clone, Debug)]
pub struct WireAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers, without those of the transfer.
    pub headers: HeaderMap,
    /// The body.
    pub frames: Vec<Bytes>,
}

impl WireAnswer {
    /// A body in one piece.
    pub fn whole(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status, headers, frames: vec![body.into()] }
    }

    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::whole(status, "application/json", body.to_string())
    }

    /// A stream of server-sent events.
    pub fn events(frames: Vec<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        Self { status: 200, headers, frames }
    }

    /// Says whether the body is a stream of events.
    pub fn is_stream(&self) -> bool {
        self.headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
    }

    /// The body joined.
    pub fn body(&self) -> Bytes {
        match self.frames.as_slice() {
            [only] => only.clone(),
            frames => frames.concat().into(),
        }
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// Cuts a body of server-sent events into its events; every byte stays.
pub(crate) fn split_events(body: &Bytes) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        let length = [b"\r\n\r\n".as_slice(), b"\n\n", b"\r\r"]
            .into_iter()
            .find(|end| rest.starts_with(end))
            .map_or(0, <[u8]>::len);
        if length == 0 {
            at += 1;
        } else {
            at += length;
            frames.push(body.slice(start..at));
            start = at;
        }
    }
    if start < body.len() {
        frames.push(body.slice(start..));
    }
    frames
}

/// How errors are said: by the path that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    OpenAi,
    Anthropic,
    Cohere,
    Bedrock,
}

impl Speech {
    pub(crate) fn of_path(path: &str) -> Self {
        let is_anthropic = path.ends_with("/messages") || path.ends_with("/messages/count_tokens");
        match path {
            _ if is_anthropic || path.ends_with("awPredict") => Self::Anthropic,
            _ if path.ends_with("/v2/chat") => Self::Cohere,
            _ if path.ends_with("/converse") || path.ends_with("/converse-stream") => Self::Bedrock,
            _ => Self::OpenAi,
        }
    }

    /// An error answer as this provider's API words it.
    pub(crate) fn error(self, status: u16, message: &str) -> WireAnswer {
        let (openai_type, code, anthropic_type) = match status {
            401 => ("invalid_request_error", Some("invalid_api_key"), "authentication_error"),
            402 => ("insufficient_quota", Some("insufficient_quota"), "billing_error"),
            403 => ("invalid_request_error", Some("forbidden"), "permission_error"),
            404 => ("invalid_request_error", Some("model_not_found"), "not_found_error"),
            413 => ("invalid_request_error", None, "request_too_large"),
            429 => ("rate_limit_error", Some("rate_limit_exceeded"), "rate_limit_error"),
            503 | 529 => ("server_error", Some("overloaded"), "overloaded_error"),
            504 => ("server_error", None, "timeout_error"),
            500.. => ("server_error", None, "api_error"),
            _ => ("invalid_request_error", None, "invalid_request_error"),
        };
        let body = match self {
            Self::OpenAi => openai_error(message, openai_type, code),
            Self::Anthropic => anthropic_error(message, anthropic_type),
            Self::Cohere | Self::Bedrock => serde_json::json!({ "message": message }),
        };
        WireAnswer::json(status, &body)
    }
}

pub(crate) fn openai_error(message: &str, kind: &str, code: Option<&str>) -> Value {
    serde_json::json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

pub(crate) fn anthropic_error(message: &str, kind: &str) -> Value {
    serde_json::json!({
        "type": "error",
        "error": { "type": kind, "message": message },
        "request_id": "req_simulated",
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::split_events;

    #[test]
    fn events_are_split_after_every_kind_of_blank_line() {
        let body = Bytes::from_static(b"data: 1\n\n: ping\r\n\r\ndata: 2\ndata: 3\r\rdata: [DONE]");
        let frames = split_events(&body);
        let expected = ["data: 1\n\n", ": ping\r\n\r\n", "data: 2\ndata: 3\r\r", "data: [DONE]"]
            .map(Bytes::from);
        assert_eq!(frames, expected);
        assert!(split_events(&Bytes::new()).is_empty());
    }
}
