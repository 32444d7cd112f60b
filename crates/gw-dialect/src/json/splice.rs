//! Sets and removes top-level members of a JSON object body; every other byte stays as it came.

use std::fmt;

use bytes::Bytes;
use gw_core::{Error, Kind, Result};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// One member: its name, and its value as it is written.
struct Member<'a> {
    key: String,
    value: &'a str,
    key_start: usize,
    value_start: usize,
}

impl Member<'_> {
    fn value_end(&self) -> usize {
        self.value_start + self.value.len()
    }
}

/// The JSON text of a top-level member; of the last one where the name stands more than once, as
/// every reader here takes it.
///
/// # Errors
/// [`Kind::InvalidJson`] for anything but a JSON object; so for [`splice`].
pub(crate) fn member<'a>(body: &'a [u8], key: &str) -> Result<Option<&'a str>> {
    let members = read_members(body)?;
    Ok(members.into_iter().rev().find(|member| member.key == key).map(|member| member.value))
}

/// Sets members (`Some`) and removes members (`None`).
///
/// A name that stands more than once is set or removed at every place, so that no reader, whichever
/// it takes, sees the old value. A new name goes to the end. A member that already has the wanted
/// value is left alone, and a body that needs no change is given back itself.
pub(crate) fn splice(body: &Bytes, edits: &[(&str, Option<Value>)]) -> Result<Bytes> {
    let members = read_members(body)?;
    let is_needed = |(key, wanted): &(&str, Option<Value>)| {
        let mut found = members.iter().filter(|member| member.key == *key).peekable();
        match wanted {
            None => found.peek().is_some(),
            Some(wanted) => found.peek().is_none() || found.any(|member| !is_same(member, wanted)),
        }
    };
    let edits: Vec<&(&str, Option<Value>)> = edits.iter().filter(|edit| is_needed(edit)).collect();
    if edits.is_empty() {
        return Ok(body.clone());
    }
    Ok(Bytes::from(rewrite(body, &members, &edits)))
}

fn rewrite(body: &[u8], members: &[Member<'_>], edits: &[&(&str, Option<Value>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 64);
    // Everything up to the first name: the brace and the white space around it.
    let open_end = members.first().map_or_else(|| open_brace_end(body), |member| member.key_start);
    out.extend_from_slice(&body[..open_end]);
    let mut is_first = true;
    let mut previous_end = open_end;
    for member in members {
        let edit = edits.iter().find(|(key, _)| member.key == *key);
        if !matches!(edit, Some((_, None))) {
            if !is_first {
                out.extend_from_slice(&body[previous_end..member.key_start]);
            }
            out.extend_from_slice(&body[member.key_start..member.value_start]);
            match edit {
                Some((_, Some(wanted))) => out.extend_from_slice(wanted.to_string().as_bytes()),
                _ => out.extend_from_slice(member.value.as_bytes()),
            }
            is_first = false;
        }
        previous_end = member.value_end();
    }
    for (key, wanted) in edits {
        let is_new = members.iter().all(|member| member.key != *key);
        if let (true, Some(wanted)) = (is_new, wanted) {
            if !is_first {
                out.push(b',');
            }
            let key = Value::from(*key);
            out.extend_from_slice(format!("{key}:{wanted}").as_bytes());
            is_first = false;
        }
    }
    out.extend_from_slice(&body[previous_end..]);
    out
}

fn open_brace_end(body: &[u8]) -> usize {
    body.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1)
}

fn is_same(member: &Member<'_>, wanted: &Value) -> bool {
    serde_json::from_str::<Value>(member.value).is_ok_and(|value| value == *wanted)
}

fn read_members(body: &[u8]) -> Result<Vec<Member<'_>>> {
    let invalid = || Error::new(Kind::InvalidJson, "the body is not a JSON object");
    let text = std::str::from_utf8(body).map_err(|_| invalid())?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let pairs = reader.deserialize_map(Pairs).map_err(|_| invalid())?;
    reader.end().map_err(|_| invalid())?;
    let mut members = Vec::with_capacity(pairs.len());
    let mut previous_end = open_brace_end(body);
    for (key, raw) in pairs {
        let value = raw.get();
        // A borrowed raw value lies within the text it was read from.
        let value_start = value.as_ptr().addr() - text.as_ptr().addr();
        let between = &body[previous_end..value_start];
        let quote = between.iter().position(|byte| *byte == b'"').ok_or_else(invalid)?;
        let member = Member { key, value, key_start: previous_end + quote, value_start };
        previous_end = member.value_end();
        members.push(member);
    }
    Ok(members)
}

/// Reads an object as pairs in order, duplicates included.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            pairs.push((key, map.next_value::<&RawValue>()?));
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests;
