//! Schemas. The format has two: JSON Schema as it is (`parametersJsonSchema`, `responseJsonSchema`),
//! which is what is written, and its older `Schema`, a subset of OpenAPI 3.0 with types in capitals,
//! `nullable` and numbers in quotes, which is read as JSON Schema.

use serde_json::{Map, Value, json};

/// Members of a `Schema` that are whole numbers and, as 64-bit integers of protocol buffers, written
/// in quotes.
const COUNTS: [&str; 6] =
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// Reads a `Schema` as JSON Schema. What the two share stays as it is; `propertyOrdering` stays too,
/// for readers of JSON Schema pass over what they do not know.
pub(super) fn from_openapi(schema: &Value) -> Value {
    let Some(object) = schema.as_object() else { return schema.clone() };
    let mut out = Map::new();
    let is_nullable = object.get("nullable") == Some(&Value::Bool(true));
    for (key, value) in object {
        let value = match key.as_str() {
            "nullable" => continue,
            "type" => read_type(value, is_nullable),
            "properties" | "$defs" | "defs" => match value.as_object() {
                Some(properties) => properties
                    .iter()
                    .map(|(name, schema)| (name.clone(), from_openapi(schema)))
                    .collect(),
                None => value.clone(),
            },
            "items" | "additionalProperties" => from_openapi(value),
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => match value.as_array() {
                Some(items) => items.iter().map(from_openapi).collect(),
                None => value.clone(),
            },
            "example" => {
                out.insert("examples".to_owned(), json!([value]));
                continue;
            }
            key if COUNTS.contains(&key) => {
                let number = value.as_str().and_then(|text| text.parse::<u64>().ok());
                number.map_or_else(|| value.clone(), Value::from)
            }
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    if is_nullable {
        allow_null(&mut out);
    }
    Value::Object(out)
}

/// `"STRING"` as `"string"`; an unspecified type is none.
fn read_type(kind: &Value, is_nullable: bool) -> Value {
    let lower = |kind: &Value| match kind.as_str() {
        Some(kind) => Value::from(kind.to_ascii_lowercase()),
        None => kind.clone(),
    };
    match kind {
        Value::Array(kinds) => kinds.iter().map(lower).collect(),
        kind if is_nullable && kind.is_string() => json!([lower(kind), "null"]),
        kind => lower(kind),
    }
}

/// What `nullable` means beside `enum` and `anyOf`.
fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    let has_type = schema.contains_key("type");
    if let Some(Value::Array(options)) = schema.get_mut("anyOf")
        && !has_type
    {
        options.push(json!({"type": "null"}));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::from_openapi;

    #[test]
    fn an_openapi_schema_reads_as_json_schema() {
        let schema = json!({
            "type": "OBJECT",
            "properties": {
                "type": {"type": "STRING", "nullable": true, "enum": ["a", "b"], "format": "enum"},
                "list": {"type": "ARRAY", "minItems": "2", "items": {"type": "INTEGER"}},
                "any": {"anyOf": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": true},
            },
            "required": ["type"],
            "propertyOrdering": ["type", "list"],
        });
        let wanted = json!({
            "type": "object",
            "properties": {
                "type": {"type": ["string", "null"], "enum": ["a", "b", null], "format": "enum"},
                "list": {"type": "array", "minItems": 2, "items": {"type": "integer"}},
                "any": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
            },
            "required": ["type"],
            "propertyOrdering": ["type", "list"],
        });
        assert_eq!(from_openapi(&schema), wanted);
    }
}
