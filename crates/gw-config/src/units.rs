//! How values of `gw-core` are written in the file: dollars as decimals, layers and dialects as
//! words. Amounts travel as decimal text, never as floats, from the file to the integer.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gw_core::seam::DialectId;
use gw_core::usage::Side;
use gw_core::{Layer, Money, Rate, TokenClass};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Pico-dollars a token for one dollar a million tokens.
const PICO_PER_USD_PER_MILLION: i64 = 1_000_000;

/// The schema of a layer.
pub(crate) fn layer_schema(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = Layer::ALL.iter().map(|layer| layer.as_str()).collect();
    json_schema!({ "type": "string", "enum": words })
}

/// The schema of a dialect.
pub(crate) fn dialect_schema(_: &mut SchemaGenerator) -> Schema {
    let words = DialectId::ALL.map(DialectId::as_str);
    json_schema!({ "type": "string", "enum": words })
}

/// An amount of dollars in the file: a number, or a decimal in quotes.
pub(crate) mod usd {
    use super::{
        Deserialize, Deserializer, Money, Schema, SchemaGenerator, Serializer, json_schema,
    };
    use serde::de::Error as _;

    pub(crate) fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "x-kind": "usd" })
    }

    pub(crate) fn serialize<S: Serializer>(
        amount: &Money,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(amount.as_usd_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Money, D::Error> {
        let text = String::deserialize(deserializer)?;
        Money::from_usd_decimal(&text).ok_or_else(|| D::Error::custom("not an amount of dollars"))
    }
}

/// An amount of dollars in the file that is not below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub Money);

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        usd::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        usd::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Usd {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Usd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "x-kind": "usd", "x-not-negative": true })
    }
}

/// A price in the file: dollars for a million tokens, as a number or a decimal in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsdPerMillion(pub Rate);

impl Serialize for UsdPerMillion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pico = i64::try_from(self.0.pico_per_unit()).unwrap_or(i64::MAX);
        let usd = Money::from_pico(pico.saturating_mul(PICO_PER_USD_PER_MILLION)).as_usd_f64();
        serializer.serialize_f64(usd)
    }
}

impl<'de> Deserialize<'de> for UsdPerMillion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Rate::from_usd_per_million(&text).map(Self).ok_or_else(|| D::Error::custom("not a price"))
    }
}

impl JsonSchema for UsdPerMillion {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "UsdPerMillion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "x-kind": "usd_per_million" })
    }
}

/// A price in the file: dollars for a thousand units that are counted one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsdPerThousand(pub Rate);

impl Serialize for UsdPerThousand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.times(1000).as_usd_f64())
    }
}

impl<'de> Deserialize<'de> for UsdPerThousand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Money::from_usd_decimal(&text)
            .and_then(|amount| u64::try_from(amount.pico()).ok())
            .map(|pico| Self(Rate::from_pico_per_unit(pico / 1000)))
            .ok_or_else(|| D::Error::custom("not a price"))
    }
}

impl JsonSchema for UsdPerThousand {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "UsdPerThousand".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "x-kind": "usd", "x-not-negative": true })
    }
}

/// Prices of a model by token class, in dollars for a million tokens. A class that is absent keeps
/// the catalogue's price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prices(pub BTreeMap<TokenClass, UsdPerMillion>);

impl JsonSchema for Prices {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Prices".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut classes = serde_json::Map::new();
        for class in TokenClass::ALL {
            // Searches are counted, not measured in tokens; they have a key of their own.
            if class.side() != Side::Fee
                && let Ok(serde_json::Value::String(name)) = serde_json::to_value(class)
            {
                let mut price = UsdPerMillion::json_schema(generator);
                price.insert(
                    "description".into(),
                    format!("Price of `{name}` tokens, in US dollars for a million.").into(),
                );
                price.insert("x-example".into(), 0.15.into());
                classes.insert(name, price.to_value());
            }
        }
        json_schema!({ "type": "object", "properties": classes, "additionalProperties": false })
    }
}
