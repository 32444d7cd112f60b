//! JSON objects read one level deep: names in order, values as the bytes that came.
//!
//! What the gateway does not change keeps its bytes, so unknown fields, number spellings and key
//! order survive the hop.

use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON value as text.
pub(crate) type Raw = Box<RawValue>;

/// The fields of one JSON object. A name that comes twice is refused: two readers could otherwise
/// see two different messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, Raw)>);

impl Fields {
    /// Reads an object; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Reads an object value; `None` for anything else.
    pub(crate) fn of(raw: &RawValue) -> Option<Self> {
        Self::parse(raw.get())
    }

    /// The value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    /// A field that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        Self::of(self.get(name)?)
    }

    /// A field that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.read(name)
    }

    /// A field as another type.
    pub(crate) fn read<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// True where the field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets a field, in its old place where it had one.
    pub(crate) fn set(&mut self, name: &str, value: Raw) {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Sets a field to anything that can be written as JSON.
    pub(crate) fn put(&mut self, name: &str, value: impl Serialize) {
        self.set(name, to_raw(&value));
    }

    /// Takes a field away.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Raw> {
        let at = self.0.iter().position(|(own, _)| own == name)?;
        Some(self.0.remove(at).1)
    }

    /// Keeps the fields that pass.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keeps(name));
    }

    /// Every field in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), &**value))
    }

    /// True without fields.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As one JSON value.
    pub(crate) fn to_raw(&self) -> Raw {
        to_raw(self)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without repeated names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                let mut seen = HashSet::new();
                while let Some((name, value)) = map.next_entry::<String, Raw>()? {
                    if !seen.insert(name.clone()) {
                        return Err(serde::de::Error::custom("a name comes twice"));
                    }
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Writes a value; what cannot be written as JSON becomes null.
pub(crate) fn to_raw(value: &(impl Serialize + ?Sized)) -> Raw {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| null())
}

/// The JSON null.
pub(crate) fn null() -> Raw {
    RawValue::NULL.to_owned()
}

/// The empty object.
pub(crate) fn empty() -> Raw {
    Fields::default().to_raw()
}

/// The items of an array; `None` for anything else.
pub(crate) fn items(raw: &RawValue) -> Option<Vec<Raw>> {
    serde_json::from_str(raw.get()).ok()
}

/// The text without blanks between its tokens, so that it fits one line. Valid JSON has line breaks
/// nowhere else.
pub(crate) fn one_line(text: &str) -> String {
    if !text.bytes().any(|byte| byte == b'\n' || byte == b'\r') {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in text.chars() {
        if is_quoted {
            line.push(c);
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => is_quoted = false,
                _ => {}
            }
        } else if !c.is_ascii_whitespace() {
            is_quoted = c == '"';
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{Fields, one_line};

    #[test]
    fn what_is_not_touched_keeps_its_bytes() {
        let text = r#"{"z":1.0,"a":{"b": 12345678901234567890123},"é":"\u00e9","n":null}"#;
        let mut fields = Fields::parse(text).unwrap();
        assert_eq!(fields.to_raw().get(), text);
        fields.put("a", 2);
        assert_eq!(fields.to_raw().get(), r#"{"z":1.0,"a":2,"é":"\u00e9","n":null}"#);
    }

    #[test]
    fn a_name_that_comes_twice_is_refused() {
        assert!(Fields::parse(r#"{"name":"a","name":"b"}"#).is_none());
    }

    #[test]
    fn one_line_changes_blanks_between_tokens_only() {
        let text = "{\n \"a b\": [1,\r\n 2], \"q\\\"\\\\\": \" \\n \"}";
        let line = one_line(text);
        assert_eq!(line, r#"{"a b":[1,2],"q\"\\":" \n "}"#);
        let same: (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(text).unwrap(), serde_json::from_str(&line).unwrap());
        assert_eq!(same.0, same.1);
    }
}
