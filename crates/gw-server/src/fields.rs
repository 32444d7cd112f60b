//! Reads the bodies of system A's doors field by field, so that every fault names its field.

use std::str::FromStr;

use gw_core::limits::CLIENT_ID_BYTES_MAX;
use gw_core::{Error, Kind};
use serde_json::{Map, Value};

/// Largest count that a field may hold.
const COUNT_MAX: u64 = 1_000_000_000;

/// A JSON object of which some fields are understood. A null counts as absent.
#[derive(Debug)]
pub(crate) struct Fields {
    object: Map<String, Value>,
}

impl Fields {
    /// Reads the object.
    ///
    /// # Errors
    /// [`Kind::InvalidJson`], or [`Kind::InvalidRequest`] for JSON that is no object.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(object)) => Ok(Self { object }),
            Ok(_) => Err(Error::new(Kind::InvalidRequest, "the body must be a JSON object")),
            Err(_) if body.iter().all(u8::is_ascii_whitespace) => {
                Err(Error::new(Kind::InvalidJson, "the body is empty where JSON is expected"))
            }
            Err(_) if std::str::from_utf8(body).is_err() => {
                Err(Error::new(Kind::InvalidJson, "the body is not JSON: it is not UTF-8 text"))
            }
            Err(error) if error.to_string().starts_with("recursion limit") => {
                Err(Error::new(Kind::InvalidJson, "the body is nested too deeply"))
            }
            Err(error) => {
                Err(Error::new(Kind::InvalidJson, format!("the body is not JSON: {error}")))
            }
        }
    }

    /// The object itself, for a reader of its own.
    pub(crate) fn into_object(self) -> Map<String, Value> {
        self.object
    }

    /// Refuses an object that lacks one of these, naming every one it lacks.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`].
    pub(crate) fn require(&self, names: &[&str]) -> Result<(), Error> {
        let is_absent = |name: &&&str| match self.value(name) {
            None => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(_) => false,
        };
        let missing: Vec<&str> = names.iter().filter(is_absent).copied().collect();
        let Some(first) = missing.first() else { return Ok(()) };
        let plural = if missing.len() == 1 { "" } else { "s" };
        Err(Error::bad_field(
            *first,
            format!("missing required field{plural}: {}", missing.join(", ")),
        ))
    }

    /// A field as it stands.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A field that must be an object.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`].
    pub(crate) fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>, Error> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(wrong_type(name, "an object")),
        }
    }

    /// A text of any length.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`].
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    /// An identifier that the client chose.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] for one that is too long or holds control characters.
    pub(crate) fn id(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.text(name)? {
            None | Some("") => Ok(None),
            Some(id) => client_id(name, id).map(Some),
        }
    }

    /// One of a few words.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`], listing the words.
    pub(crate) fn word<T>(&self, name: &str) -> Result<Option<T>, Error>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error: T::Err| Error::bad_field(name, error.to_string()))
    }

    /// A number.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] for one outside the range.
    pub(crate) fn number(&self, name: &str, least: f64, most: f64) -> Result<Option<f64>, Error> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| wrong_type(name, "a number"))?;
        if (least..=most).contains(&number) {
            return Ok(Some(number));
        }
        Err(Error::bad_field(name, format!("`{name}` must be between {least} and {most}")))
    }

    /// True or false.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`].
    pub(crate) fn truth(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(wrong_type(name, "true or false")),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`].
    pub(crate) fn texts(&self, name: &str, most: usize) -> Result<Vec<String>, Error> {
        let Some(value) = self.value(name) else { return Ok(Vec::new()) };
        let wrong = || wrong_type(name, &format!("a list of at most {most} strings"));
        let list = value.as_array().filter(|list| list.len() <= most).ok_or_else(wrong)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
        list.iter().map(text).collect()
    }

    /// A whole number from one to [`COUNT_MAX`].
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`].
    pub(crate) fn count(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => match whole(value) {
                Some(count) if (1..=COUNT_MAX).contains(&count) => Ok(Some(count)),
                _ => Err(wrong_type(name, "a whole number from 1 to 1000000000")),
            },
        }
    }
}

/// Checks an identifier that the client chose.
///
/// # Errors
/// [`Kind::InvalidRequest`] for one that is empty, too long or holds control characters.
pub(crate) fn client_id<'a>(name: &str, id: &'a str) -> Result<&'a str, Error> {
    if id.is_empty() {
        return Err(Error::bad_field(name, format!("`{name}` is empty")));
    }
    if id.len() > CLIENT_ID_BYTES_MAX {
        let message = format!("`{name}` is longer than {CLIENT_ID_BYTES_MAX} bytes");
        return Err(Error::bad_field(name, message));
    }
    if id.chars().any(char::is_control) {
        return Err(Error::bad_field(name, format!("`{name}` holds control characters")));
    }
    Ok(id)
}

/// JSON knows one kind of number: `7.0` is whole too.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
pub(crate) fn whole(value: &Value) -> Option<u64> {
    let is_whole = |number: &f64| number.fract() == 0.0 && (0.0..=1e15).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(is_whole).map(|number| number as u64))
}

fn wrong_type(name: &str, wanted: &str) -> Error {
    Error::bad_field(name, format!("`{name}` must be {wanted}"))
}

#[cfg(test)]
mod tests;
