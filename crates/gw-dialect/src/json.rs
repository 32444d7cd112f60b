//! Reads JSON with the path in hand, so that an error names the field; and edits top-level members
//! of a body without touching any other byte. Knows no dialect.

mod splice;

use std::fmt::Write as _;

use gw_core::{Error, Kind, Result};
use serde_json::{Map, Value};

pub(crate) use splice::{member, splice};

/// Reads a client's body as a JSON object.
///
/// # Errors
/// [`Kind::InvalidJson`] with line and column, or [`Kind::InvalidRequest`] for another JSON type.
pub(crate) fn parse_object(body: &[u8]) -> Result<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::new(Kind::InvalidJson, "the body is empty; a JSON object is wanted"));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| not_json(&error, body))?;
    if value.is_object() {
        return Ok(value);
    }
    let kind = type_name(&value);
    Err(Error::new(Kind::InvalidRequest, format!("the body must be a JSON object, not {kind}")))
}

/// serde_json's message without what it quotes of the body: the place is enough.
fn not_json(error: &serde_json::Error, body: &[u8]) -> Error {
    let what = if error.is_eof() {
        "ends too early"
    } else if error.to_string().starts_with("invalid unicode") && std::str::from_utf8(body).is_err()
    {
        "is not UTF-8 text"
    } else {
        "is not valid JSON"
    };
    let place = format!("at line {} column {}", error.line(), error.column());
    let detail = if error.to_string().starts_with("recursion limit") {
        format!("the body is nested too deeply {place}")
    } else {
        format!("the body {what} {place}")
    };
    Error::new(Kind::InvalidJson, detail)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

/// A JSON value and the way to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    parent: Option<&'a Node<'a>>,
    step: Step<'a>,
}

impl<'a> Node<'a> {
    /// The top of a body.
    pub(crate) fn root(value: &'a Value) -> Self {
        Self { value, parent: None, step: Step::Root }
    }

    /// The value as it stands.
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// `messages[2].content`; empty for the root.
    pub(crate) fn path(&self) -> String {
        let mut path = self.parent.map(Node::path).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Index(index) => {
                // Writing to a string cannot fail.
                let _ = write!(path, "[{index}]");
            }
        }
        path
    }

    /// An error at this field: "`path` must be {expected}".
    pub(crate) fn must_be(&self, expected: &str) -> Error {
        let path = self.path();
        let found = type_name(self.value);
        if path.is_empty() {
            return Error::new(Kind::InvalidRequest, format!("the body must be {expected}"));
        }
        Error::bad_field(path.as_str(), format!("`{path}` must be {expected}, not {found}"))
    }

    /// An error at this field that completes "`path` …".
    pub(crate) fn invalid(&self, text: &str) -> Error {
        let path = self.path();
        Error::bad_field(path.as_str(), format!("`{path}` {text}"))
    }

    /// The member, where it is there and not null.
    pub(crate) fn get(&'a self, key: &'a str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Self { value, parent: Some(self), step: Step::Key(key) })
    }

    /// The member.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] naming the member where it is absent or null.
    pub(crate) fn require(&'a self, key: &'a str) -> Result<Self> {
        self.get(key).ok_or_else(|| {
            let missing = Self { value: &Value::Null, parent: Some(self), step: Step::Key(key) };
            missing.invalid("is required")
        })
    }

    /// As an object.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] naming the field for another type; so for all that follow.
    pub(crate) fn object(&self) -> Result<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.must_be("an object"))
    }

    /// The items of an array.
    pub(crate) fn items(&'a self) -> Result<impl Iterator<Item = Self> + 'a> {
        let items = self.value.as_array().ok_or_else(|| self.must_be("an array"))?;
        Ok(items.iter().enumerate().map(move |(index, value)| Self {
            value,
            parent: Some(self),
            step: Step::Index(index),
        }))
    }

    /// As text.
    pub(crate) fn text(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.must_be("a string"))
    }

    /// As a boolean.
    pub(crate) fn boolean(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.must_be("a boolean"))
    }

    /// As a number.
    pub(crate) fn number(&self) -> Result<f64> {
        self.value.as_f64().ok_or_else(|| self.must_be("a number"))
    }

    /// As a whole number from 0; `5.0` counts as one.
    pub(crate) fn natural(&self) -> Result<u64> {
        natural(self.value).ok_or_else(|| self.must_be("a whole number from 0"))
    }

    /// The member as text, where it is there and not null.
    pub(crate) fn opt_text(&self, key: &str) -> Result<Option<String>> {
        self.get(key).map(|node| node.text().map(str::to_owned)).transpose()
    }

    /// The member as a boolean, where it is there and not null.
    pub(crate) fn opt_boolean(&self, key: &str) -> Result<Option<bool>> {
        self.get(key).map(|node| node.boolean()).transpose()
    }

    /// The member as a number, where it is there and not null.
    pub(crate) fn opt_number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key).map(|node| node.number()).transpose()
    }

    /// The member as a whole number, where it is there and not null.
    pub(crate) fn opt_natural(&self, key: &str) -> Result<Option<u64>> {
        self.get(key).map(|node| node.natural()).transpose()
    }

    /// The member as text.
    pub(crate) fn require_text(&self, key: &str) -> Result<String> {
        self.require(key)?.text().map(str::to_owned)
    }

    /// Every member whose name is not among `known`, as it came.
    pub(crate) fn others(&self, known: &[&str]) -> Map<String, Value> {
        let Some(object) = self.value.as_object() else { return Map::new() };
        let others = object.iter().filter(|(key, _)| !known.contains(&key.as_str()));
        others.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// A whole number from 0, also where it is written as `5.0`.
pub(crate) fn natural(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        // 2^53: up to here every whole f64 is exact.
        let is_whole = (0.0..=9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        is_whole.then_some(number as u64)
    })
}

#[cfg(test)]
mod tests;
