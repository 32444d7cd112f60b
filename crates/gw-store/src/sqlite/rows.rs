//! Between Rust values and columns: JSON as text, unsigned numbers in SQLite's signed ones.

use gw_core::{Error, Result};
use rusqlite::types::Type;
use rusqlite::{Row, RowIndex};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The number as SQLite holds it; what is beyond its range stands at its end.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column that was written with [`int`].
pub(super) fn unsigned(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0))
}

/// The value as JSON text.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal("a value has no JSON form").with_source(error))
}

/// A JSON column that must be readable.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| unreadable(row, column, error))
}

/// A JSON column that may be left out of the answer: one that was nested deeper than the parser
/// goes must not make a whole conversation unreadable.
pub(super) fn json_or_default<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: DeserializeOwned + Default,
{
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else {
        return Ok(T::default());
    };
    Ok(serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(column, %error, "a stored value is not readable and is left out");
        T::default()
    }))
}

/// A column of one of a few words.
pub(super) fn word<T>(
    row: &Row<'_>,
    column: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| unreadable(row, column, UnknownWord))
}

#[derive(Debug)]
struct UnknownWord;

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a word that this version knows")
    }
}

impl std::error::Error for UnknownWord {}

fn unreadable(
    row: &Row<'_>,
    column: &str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or(0);
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}
