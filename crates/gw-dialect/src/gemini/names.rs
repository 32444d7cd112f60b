//! Names of fields. The format's JSON is that of protocol buffers: every field may be written
//! `likeThis` or `like_this`, and SDKs write both. Everything here reads the first only, so a body is
//! brought to it beforehand, except where names are the caller's own.

use serde_json::{Map, Value};

/// Fields whose inside belongs to the caller and is left alone.
const FREE: [&str; 7] = [
    "args",
    "response",
    "parametersJsonSchema",
    "responseJsonSchema",
    "labels",
    "partialArgs",
    "metadata",
];

/// Fields that hold a schema: its members are the format's, the names of its properties are not.
const SCHEMAS: [&str; 2] = ["parameters", "responseSchema"];

/// Brings all field names of a message to `likeThis`.
pub(super) fn normalize(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut out = Map::new();
            for (key, value) in object {
                let key = camel(&key);
                let value = if FREE.contains(&key.as_str()) {
                    value
                } else if SCHEMAS.contains(&key.as_str()) {
                    normalize_schema(value)
                } else {
                    normalize(value)
                };
                // Written both ways, the first one counts.
                out.entry(key).or_insert(value);
            }
            Value::Object(out)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(normalize).collect()),
        value => value,
    }
}

fn normalize_schema(schema: Value) -> Value {
    let Value::Object(object) = schema else { return schema };
    let mut out = Map::new();
    for (key, value) in object {
        let key = camel(&key);
        let value = match (key.as_str(), value) {
            ("properties" | "$defs" | "defs", Value::Object(properties)) => {
                let named = properties.into_iter();
                named.map(|(name, schema)| (name, normalize_schema(schema))).collect()
            }
            ("items" | "additionalProperties", value) => normalize_schema(value),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(items)) => {
                items.into_iter().map(normalize_schema).collect()
            }
            (_, value) => value,
        };
        out.entry(key).or_insert(value);
    }
    Value::Object(out)
}

/// `like_this` as `likeThis`; a leading underscore stays (`_responseJsonSchema` of older SDKs).
fn camel(name: &str) -> String {
    let start = name.len() - name.trim_start_matches('_').len();
    let mut out = name[..start].to_owned();
    let mut is_after_underscore = false;
    for c in name[start..].chars() {
        if c == '_' {
            is_after_underscore = true;
        } else if is_after_underscore {
            out.extend(c.to_uppercase());
            is_after_underscore = false;
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::normalize;

    #[test]
    fn names_of_the_format_change_and_names_of_the_caller_do_not() {
        let body = json!({
            "generation_config": {"max_output_tokens": 5, "response_schema": {
                "type": "OBJECT", "any_of": [], "properties": {"user_name": {"min_items": "1"}}}},
            "contents": [{"parts": [
                {"function_call": {"name": "get_it", "args": {"user_name": 1}}},
                {"inline_data": {"mime_type": "a/b"}}]}],
        });
        let wanted = json!({
            "generationConfig": {"maxOutputTokens": 5, "responseSchema": {
                "type": "OBJECT", "anyOf": [], "properties": {"user_name": {"minItems": "1"}}}},
            "contents": [{"parts": [
                {"functionCall": {"name": "get_it", "args": {"user_name": 1}}},
                {"inlineData": {"mimeType": "a/b"}}]}],
        });
        assert_eq!(normalize(body), wanted);
    }
}
