//! Lenient looks into a provider's JSON: what is missing, null or of another type reads as absent.
//!
//! For answers only. Requests are read strictly, with paths, by [`crate::json`].

use serde_json::{Map, Value};

/// A text field.
pub(crate) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}

/// A text field that is not empty.
pub(crate) fn words<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    text(map, key).filter(|text| !text.is_empty())
}

/// An object field.
pub(crate) fn object<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    map.get(key).and_then(Value::as_object)
}

/// The items of an array field; none where it is absent.
pub(crate) fn items<'a>(map: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    map.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A count: a whole number, also where a provider writes it as a float; negative reads as zero.
pub(crate) fn count(map: Option<&Map<String, Value>>, key: &str) -> u64 {
    let Some(value) = map.and_then(|map| map.get(key)) else { return 0 };
    value.as_u64().or_else(|| value.as_f64().map(whole)).unwrap_or(0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and below zero reads as zero on purpose"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// An index field, where there is one that fits.
pub(crate) fn index(map: &Map<String, Value>, key: &str) -> Option<u32> {
    map.get(key).and_then(Value::as_u64).and_then(|index| u32::try_from(index).ok())
}
