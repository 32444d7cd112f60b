//! What all of them share: reading a body so that every fault names its field, pages, money, instants.

use gw_core::budget::WhenAway;
use gw_core::limits::ADMIN_PAGE_MAX;
use gw_core::{Error, Kind, Layer, Money, Result, Scope, duration};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};

/// How alike an unknown field and a known one must be, 0 to 1, for the known one to be proposed.
const LIKENESS_MIN: f64 = 0.8;

/// Entries of a page where the caller names no number.
const PAGE_DEFAULT: usize = 100;

/// A body whose fields are all optional to the reader; what must be there is checked afterwards.
pub trait Body: DeserializeOwned {
    /// The names of its fields.
    const FIELDS: &'static [&'static str];
}

/// Reads a body. A null counts as absent.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming the first field that is not known, with the nearest that is, or
/// that holds what it cannot.
pub fn decode<T: Body>(mut object: Map<String, Value>) -> Result<T> {
    if let Some(unknown) = object.keys().find(|name| !T::FIELDS.contains(&name.as_str())) {
        let shown: String = unknown.chars().take(64).collect();
        let error = Error::bad_field(&*shown, format!("`{shown}` is no field of this request"));
        return Err(error.with_hint(proposal(unknown, T::FIELDS)));
    }
    object.retain(|_, value| !value.is_null());
    object.values_mut().for_each(make_whole);
    let whole = serde_json::from_value(Value::Object(object.clone()));
    whole.map_err(|fault: serde_json::Error| {
        // Alone, the field at fault is the one that fails.
        for (name, value) in object {
            let alone = Map::from_iter([(name.clone(), value)]);
            if let Err(fault) = serde_json::from_value::<T>(Value::Object(alone)) {
                return Error::bad_field(&*name, format!("`{name}` cannot be this: {fault}"));
            }
        }
        Error::new(Kind::InvalidRequest, format!("the body cannot be this: {fault}"))
    })
}

/// JSON knows one kind of number: `7.0` is whole too.
fn make_whole(value: &mut Value) {
    if let Value::Array(list) = value {
        list.iter_mut().for_each(make_whole);
        return;
    }
    let is_whole = |number: &f64| number.fract() == 0.0 && (0.0..=9e18).contains(number);
    if let Some(number) = value.as_f64().filter(is_whole).filter(|_| value.is_f64()) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let whole = number as u64;
        *value = whole.into();
    }
}

fn proposal(unknown: &str, known: &[&str]) -> String {
    let likeness = |known: &str| strsim::jaro_winkler(&unknown.to_ascii_lowercase(), known);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest {
        Some(near) if likeness(near) >= LIKENESS_MIN => format!("did you mean `{near}`?"),
        _ => format!("the fields are {}", known.join(", ")),
    }
}

/// An amount of dollars: written as an exact decimal in a string, read from a number as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usd(pub Money);

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_usd_string())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(serde_json::Number),
            Text(String),
        }
        let wrong = || serde::de::Error::custom("dollars are a decimal number such as \"12.50\"");
        let text = match Written::deserialize(deserializer).map_err(|_| wrong())? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        dollars(&text).map(Self).ok_or_else(wrong)
    }
}

/// Dollars from text; less than nothing, or more than can be counted, is none.
pub fn dollars(text: &str) -> Option<Money> {
    Money::from_usd_decimal(text.trim()).filter(|amount| *amount >= Money::ZERO)
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub data: Vec<T>,
    /// True where there are more behind them.
    pub has_more: bool,
    /// What to send as `after` for those; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// All there is.
    pub fn whole(data: Vec<T>) -> Self {
        Self { data, has_more: false, next: None }
    }
}

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PageQuery {
    /// Entries at most, 1 to [`ADMIN_PAGE_MAX`].
    pub limit: Option<usize>,
    /// The page before ended here.
    pub after: Option<String>,
    /// Only what belongs to this scope, where the list is of something that has one.
    pub scope: Option<String>,
}

impl PageQuery {
    /// Entries at most.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`].
    pub fn limit(&self) -> Result<usize> {
        match self.limit {
            None => Ok(PAGE_DEFAULT),
            Some(limit) if (1..=ADMIN_PAGE_MAX).contains(&limit) => Ok(limit),
            Some(_) => Err(Error::bad_field("limit", format!("`limit` is 1 to {ADMIN_PAGE_MAX}"))),
        }
    }

    /// The scope that is asked for.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`].
    pub fn scope(&self) -> Result<Option<Scope>> {
        self.scope.as_deref().map(|text| scope("scope", text)).transpose()
    }

    /// The page of a list that is sorted by what `id` gives.
    pub(crate) fn cut<T>(&self, mut list: Vec<T>, id: impl Fn(&T) -> String) -> Result<Page<T>> {
        if let Some(after) = &self.after {
            list.retain(|entry| id(entry) > *after);
        }
        self.first_of(list, id)
    }

    /// The beginning of what is left of a list.
    pub(crate) fn first_of<T>(
        &self,
        mut list: Vec<T>,
        id: impl Fn(&T) -> String,
    ) -> Result<Page<T>> {
        let limit = self.limit()?;
        let has_more = list.len() > limit;
        list.truncate(limit);
        let next = list.last().filter(|_| has_more).map(id);
        Ok(Page { data: list, has_more, next })
    }
}

/// Reads a scope.
///
/// # Errors
/// [`Kind::InvalidRequest`] for the field.
pub fn scope(field: &str, text: &str) -> Result<Scope> {
    text.parse().map_err(|error: gw_core::scope::NotAScope| {
        let mut shown = error.to_string();
        if text.len() > gw_core::limits::CLIENT_ID_BYTES_MAX {
            shown = "this is not a scope, it is too long".to_owned();
        }
        Error::bad_field(field, shown).with_hint("write it as team:research")
    })
}

/// An instant as RFC 3339 writes it.
pub fn instant(unix_ms: i64) -> String {
    crate::app::iso_instant(unix_ms)
}

/// When something ends: an instant, a day (its beginning, UTC), or a length of time from now.
///
/// # Errors
/// [`Kind::InvalidRequest`] for the field.
pub fn end_instant(field: &str, text: &str, now_ms: i64) -> Result<i64> {
    let wrong = || {
        Error::bad_field(field, format!("`{field}` is neither a date nor a length of time"))
            .with_hint(format!("write 2027-01-31, 2027-01-31T12:00:00Z, or {}", duration::FORMS))
    };
    let text = text.trim();
    if let Some(length_ms) = duration::parse_ms(text) {
        let length_ms = i64::try_from(length_ms).map_err(|_| wrong())?;
        let end_ms = now_ms.checked_add(length_ms).ok_or_else(wrong)?;
        return Timestamp::from_millisecond(end_ms).map(|_| end_ms).map_err(|_| wrong());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let day: Date = text.parse().map_err(|_| wrong())?;
    let begin = day.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(begin.timestamp().as_millisecond())
}

/// The error of a room, in the words of the body: `words` gives the body's name of the room's field.
pub(crate) fn in_words(error: Error, words: &[(&str, &str)]) -> Error {
    let named = error.field().and_then(|field| {
        words.iter().find(|(room, _)| *room == field).map(|(_, word)| (*word).to_owned())
    });
    match named {
        Some(word) => error.with_field(word),
        None => error,
    }
}

/// Reads what happens while shared counters are away.
pub(crate) fn when_away(text: Option<&str>) -> Result<Option<WhenAway>> {
    let read = |text: &str| {
        text.parse()
            .map_err(|_| Error::bad_field("redis_loss", "`redis_loss` is `open` or `closed`"))
    };
    text.map(read).transpose()
}

/// What must be there.
pub(crate) fn required<T>(field: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::bad_field(field, format!("missing required field: {field}")))
}

/// The schema of a list of names.
pub(crate) fn texts() -> Schema {
    let item = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[A-Za-z0-9*/:._-]+$"))
        .max_length(Some(100));
    ArrayBuilder::new().items(item).max_items(Some(32)).into()
}

/// The schema of a list of layers.
pub(crate) fn layers() -> Schema {
    ArrayBuilder::new().items(RefOr::T(layer())).into()
}

/// The schema of a layer.
pub(crate) fn layer() -> Schema {
    let words = Layer::ALL.map(|layer| layer.as_str());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
}

/// The schema of thresholds.
pub(crate) fn percents() -> Schema {
    let percent =
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(1_000));
    ArrayBuilder::new().items(percent).max_items(Some(8)).into()
}
