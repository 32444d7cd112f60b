//! A request being written: its body, and what could not be said.

use bytes::Bytes;
use gw_core::chat::{Notice, NoticeAction};
use gw_core::{Error, Kind};
use serde_json::{Map, Value};

/// Collects the body and the notices.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The members written so far.
    pub(crate) body: Map<String, Value>,
    /// What could not be said so far.
    pub(crate) notices: Vec<Notice>,
    /// The format for people: `Cohere`.
    format: &'static str,
}

impl Draft {
    /// An empty body of a format.
    pub(crate) fn new(format: &'static str) -> Self {
        Self { body: Map::new(), notices: Vec::new(), format }
    }

    /// Sets a member.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.body.insert(key.to_owned(), value.into());
    }

    /// Sets a member where there is a value.
    pub(crate) fn put_some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Says that a field was left out, and why.
    pub(crate) fn dropped(&mut self, feature: impl Into<String>, detail: &str) {
        self.note(feature.into(), NoticeAction::Dropped, detail);
    }

    /// Says that a field was left out because the format has nothing like it.
    pub(crate) fn absent(&mut self, feature: impl Into<String>) {
        let detail = format!("the {} format has no such field", self.format);
        self.note(feature.into(), NoticeAction::Dropped, &detail);
    }

    /// Says that a field was reached by other means.
    pub(crate) fn emulated(&mut self, feature: impl Into<String>, detail: &str) {
        self.note(feature.into(), NoticeAction::Emulated, detail);
    }

    fn note(&mut self, feature: String, action: NoticeAction, detail: &str) {
        let is_known = self.notices.iter().any(|it| it.feature == feature && it.detail == detail);
        if !is_known {
            self.notices.push(Notice { feature, action, detail: detail.to_owned() });
        }
    }

    /// The error for what cannot be left out and cannot be said.
    pub(crate) fn unsupported(&self, field: &str, text: &str) -> Error {
        let format = self.format;
        Error::new(
            Kind::UnsupportedFeature,
            format!("{text}, which the {format} format cannot express"),
        )
        .with_field(field)
    }

    /// Takes out what a provider refuses.
    pub(crate) fn refuse(&mut self, fields: &[String]) {
        for field in fields {
            if self.body.shift_remove(field).is_some() {
                self.dropped(field.as_str(), "this provider refuses the field");
            }
        }
    }

    /// The body as bytes, and the notices.
    pub(crate) fn finish(self) -> (Bytes, Vec<Notice>) {
        (Bytes::from(Value::Object(self.body).to_string()), self.notices)
    }
}
