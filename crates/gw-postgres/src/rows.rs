//! Between Rust values and columns: any text, JSON as text, unsigned numbers in signed ones.

use gw_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use crate::fault::Fault;
use crate::text;

/// The number as a column holds it; what is beyond the range stands at its end.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The value as JSON text.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal("a value has no JSON form").with_source(error))
}

/// A column that was written with [`int`].
pub(crate) fn unsigned(row: &Row, column: &'static str) -> Result<u64, Fault> {
    Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0))
}

/// A column of any text.
pub(crate) fn text(row: &Row, column: &'static str) -> Result<String, Fault> {
    Ok(text::read(row.try_get(column)?))
}

/// A column of any text or none.
pub(crate) fn text_or_none(row: &Row, column: &'static str) -> Result<Option<String>, Fault> {
    Ok(row.try_get::<_, Option<String>>(column)?.map(text::read))
}

/// A JSON column that must be readable.
pub(crate) fn json<T: DeserializeOwned>(row: &Row, column: &'static str) -> Result<T, Fault> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text)
        .map_err(|error| Fault::Unreadable { column, source: Box::new(error) })
}

/// A JSON column that may be left out of the answer: one that was nested deeper than the parser
/// goes must not make a whole conversation unreadable.
pub(crate) fn json_or_default<T>(row: &Row, column: &'static str) -> Result<T, Fault>
where
    T: DeserializeOwned + Default,
{
    let Some(text) = row.try_get::<_, Option<&str>>(column)? else {
        return Ok(T::default());
    };
    Ok(serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(column, %error, "a stored value is not readable and is left out");
        T::default()
    }))
}

/// A column of one of a few words.
pub(crate) fn word<T>(
    row: &Row,
    column: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Fault> {
    let text: &str = row.try_get(column)?;
    parse(text).ok_or_else(|| Fault::Unreadable {
        column,
        source: "not a word that this version knows".into(),
    })
}

/// A sum that was made as `numeric` and read as text, so that it cannot overflow.
pub(crate) fn wide(row: &Row, column: usize) -> Result<i128, Fault> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error: std::num::ParseIntError| Fault::Unreadable {
        column: "a sum",
        source: Box::new(error),
    })
}

/// A wide sum within the range of counts.
pub(crate) fn count(sum: i128) -> u64 {
    u64::try_from(sum.max(0)).unwrap_or(u64::MAX)
}

/// A wide sum within the range of pico-dollars.
pub(crate) fn pico(sum: i128) -> i64 {
    let end = if sum < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(sum).unwrap_or(end)
}
