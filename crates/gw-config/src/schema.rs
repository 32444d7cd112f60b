//! The JSON Schema of `gateway.toml`, and what the rest of the room reads from it: the kind of every
//! key. It is the one description of the file; checks, reference and example follow it.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::settings::Raw;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Raw>().to_value();
    without_null(&mut schema);
    schema
});

/// The JSON Schema of `gateway.toml`, for editors.
pub fn schema() -> Value {
    SCHEMA.clone()
}

pub(crate) fn root() -> &'static Value {
    &SCHEMA
}

/// What a key takes.
#[derive(Clone, Debug)]
pub(crate) enum Kind<'a> {
    Bool,
    Integer {
        min: i128,
        max: i128,
    },
    Number {
        min: f64,
        max: f64,
    },
    /// A decimal that becomes money: it stays text on its way.
    Decimal {
        unit: &'static str,
        may_be_negative: bool,
    },
    Word(Vec<&'a str>),
    Text {
        is_secret: bool,
        may_be_empty: bool,
    },
    List(&'a Value),
    /// A table of known keys.
    Struct {
        fields: &'a Map<String, Value>,
        required: Vec<&'a str>,
    },
    /// A table of free keys.
    Map(&'a Value),
    /// A table of free keys and values.
    FreeTable,
    Any,
}

/// Reads the kind of a key from its schema.
pub(crate) fn kind(schema: &Value) -> Kind<'_> {
    if let Some(unit) = schema.get("x-kind").and_then(Value::as_str) {
        let (unit, may_be_negative) = match unit {
            "usd" => ("US dollars", schema.get("x-not-negative").is_none()),
            _ => ("US dollars for a million tokens", false),
        };
        return Kind::Decimal { unit, may_be_negative };
    }
    if let Some(words) = words(schema) {
        return Kind::Word(words);
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => Kind::Bool,
        Some("integer") => Kind::Integer {
            min: bound(schema, "minimum").map_or(i128::from(i64::MIN), whole),
            max: bound(schema, "maximum").map_or(i128::from(i64::MAX), whole),
        },
        Some("number") => Kind::Number {
            min: bound(schema, "minimum").unwrap_or(f64::MIN),
            max: bound(schema, "maximum").unwrap_or(f64::MAX),
        },
        Some("string") => Kind::Text {
            is_secret: is_secret(schema),
            may_be_empty: schema.get("minLength").is_none(),
        },
        Some("array") => schema.get("items").map_or(Kind::Any, Kind::List),
        Some("object") => table(schema),
        _ => Kind::Any,
    }
}

/// Whether this very value is secret.
pub(crate) fn is_secret(schema: &Value) -> bool {
    schema.get("x-secret").is_some()
}

/// Whether a secret stands somewhere in this value.
pub(crate) fn holds_secret(schema: &Value) -> bool {
    is_secret(schema)
        || match kind(schema) {
            Kind::List(inner) | Kind::Map(inner) => holds_secret(inner),
            Kind::Struct { fields, .. } => fields.values().any(holds_secret),
            // Free-form values are treated with the same care.
            Kind::FreeTable | Kind::Any => true,
            _ => false,
        }
}

/// Whether the key is known and yet cannot be used in this version.
pub(crate) fn is_unavailable(schema: &Value) -> bool {
    schema.get("x-unavailable").is_some()
}

/// The description on one line.
pub(crate) fn doc(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Kind<'_> {
    /// What is expected, to complete "expected …".
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Integer { min, max } if *max >= i128::from(i64::MAX) => {
                format!("a whole number of at least {min}")
            }
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Decimal { unit, .. } => format!("a decimal number of {unit}"),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Text { may_be_empty: true, .. } => "text".to_owned(),
            Self::Text { may_be_empty: false, .. } => "text that is not empty".to_owned(),
            Self::List(items) => match kind(items) {
                Kind::Struct { .. } => "a list of tables".to_owned(),
                Kind::Word(words) => format!("a list of {}", words.join(", ")),
                _ => "a list of texts".to_owned(),
            },
            Self::Struct { .. } | Self::Map(_) | Self::FreeTable => "a table".to_owned(),
            Self::Any => "a value".to_owned(),
        }
    }

    /// The type in one or two words, for tables.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Bool => "boolean".to_owned(),
            Self::Integer { .. } => "integer".to_owned(),
            Self::Number { .. } => "number".to_owned(),
            Self::Decimal { .. } => "decimal".to_owned(),
            Self::Word(words) => words.join(" \\| "),
            Self::Text { is_secret: true, .. } => "secret".to_owned(),
            Self::Text { .. } => "text".to_owned(),
            Self::List(items) => format!("list of {}", kind(items).word()),
            Self::Struct { .. } | Self::Map(_) | Self::FreeTable => "table".to_owned(),
            Self::Any => "value".to_owned(),
        }
    }
}

fn table(schema: &Value) -> Kind<'_> {
    if let Some(Value::Object(fields)) = schema.get("properties") {
        let required = schema.get("required").and_then(Value::as_array);
        let required = required.into_iter().flatten().filter_map(Value::as_str).collect();
        return Kind::Struct { fields, required };
    }
    match schema.get("additionalProperties") {
        Some(inner @ Value::Object(_)) => Kind::Map(inner),
        _ => Kind::FreeTable,
    }
}

fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(Value::Array(words)) = schema.get("enum") {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    let choices = schema.get("oneOf")?.as_array()?;
    choices.iter().map(|choice| choice.get("const")?.as_str()).collect()
}

fn bound(schema: &Value, name: &str) -> Option<f64> {
    schema.get(name).and_then(Value::as_f64)
}

#[expect(clippy::cast_possible_truncation, reason = "bounds in the schema are small whole numbers")]
fn whole(number: f64) -> i128 {
    number as i128
}

/// TOML has no null: an optional key is one that may be absent.
fn without_null(schema: &mut Value) {
    let Value::Object(map) = schema else {
        if let Value::Array(items) = schema {
            items.iter_mut().for_each(without_null);
        }
        return;
    };
    // A section's default repeats those of its keys.
    let is_section = map.contains_key("properties");
    if map.get("default").is_some_and(|default| default.is_null() || is_section) {
        map.remove("default");
    }
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            map.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = map.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            map.remove("anyOf");
            for (key, value) in only {
                map.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(words)) = map.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    map.values_mut().for_each(without_null);
}

#[cfg(test)]
mod tests;
