//! The part of JSON Schema that tools and structured output use: types, required and closed
//! properties, items, enumerations, constants, bounds, `anyOf`/`oneOf`/`allOf`, local references.
//!
//! What it does not know it lets pass: a hard check must never fault a right answer.

use serde_json::Value;

/// Deepest nesting that is checked.
const DEPTH_MAX: usize = 48;

/// What of a value breaks a schema, with its place; `None` where nothing does.
pub fn breach(schema: &Value, value: &Value) -> Option<String> {
    check(schema, schema, value, "$", DEPTH_MAX)
}

fn check(root: &Value, schema: &Value, value: &Value, place: &str, depth: usize) -> Option<String> {
    let Value::Object(rules) = schema else {
        return (schema == &Value::Bool(false))
            .then(|| format!("{place}: nothing is allowed here"));
    };
    if depth == 0 {
        return None;
    }
    if let Some(target) = rules.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.and_then(|schema| check(root, schema, value, place, depth - 1));
    }
    kind(rules, value, place)
        .or_else(|| listed(rules, value, place))
        .or_else(|| bounds(rules, value, place))
        .or_else(|| object(root, rules, value, place, depth))
        .or_else(|| list(root, rules, value, place, depth))
        .or_else(|| combined(root, rules, value, place, depth))
}

type Rules = serde_json::Map<String, Value>;

fn kind(rules: &Rules, value: &Value, place: &str) -> Option<String> {
    let is = |wanted: &str| match wanted {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64()
                || value.is_u64()
                || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => true,
    };
    let is_nullable =
        value.is_null() && rules.get("nullable").and_then(Value::as_bool).unwrap_or(false);
    let fits = match rules.get("type") {
        Some(Value::String(wanted)) => is(wanted),
        Some(Value::Array(wanted)) => wanted.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    (!fits && !is_nullable)
        .then(|| format!("{place}: not of type {}", rules.get("type").unwrap_or(&Value::Null)))
}

fn listed(rules: &Rules, value: &Value, place: &str) -> Option<String> {
    let same = |one: &Value| {
        one == value || (one.is_number() && one.as_f64() == value.as_f64() && value.is_number())
    };
    if let Some(Value::Array(values)) = rules.get("enum")
        && !values.iter().any(same)
    {
        return Some(format!("{place}: not one of the listed values"));
    }
    rules
        .get("const")
        .filter(|wanted| !same(wanted))
        .map(|wanted| format!("{place}: must be {wanted}"))
}

#[expect(clippy::cast_precision_loss, reason = "lengths")]
fn bounds(rules: &Rules, value: &Value, place: &str) -> Option<String> {
    let bound = |name: &str| rules.get(name).and_then(Value::as_f64);
    let outside = |size: f64, low: &str, high: &str| {
        if bound(low).is_some_and(|low| size < low) {
            return Some(format!("{place}: below its {low}"));
        }
        bound(high).is_some_and(|high| size > high).then(|| format!("{place}: above its {high}"))
    };
    match value {
        Value::Number(number) => outside(number.as_f64()?, "minimum", "maximum"),
        Value::String(text) => outside(text.chars().count() as f64, "minLength", "maxLength"),
        Value::Array(values) => outside(values.len() as f64, "minItems", "maxItems"),
        _ => None,
    }
}

fn object(root: &Value, rules: &Rules, value: &Value, place: &str, depth: usize) -> Option<String> {
    let Value::Object(fields) = value else { return None };
    if let Some(Value::Array(required)) = rules.get("required") {
        let missing =
            required.iter().filter_map(Value::as_str).find(|name| !fields.contains_key(*name));
        if let Some(name) = missing {
            return Some(format!("{place}: `{name}` is missing"));
        }
    }
    let known = rules.get("properties").and_then(Value::as_object);
    let has_patterns = rules.contains_key("patternProperties");
    for (name, field) in fields {
        let inner = format!("{place}.{name}");
        if let Some(schema) = known.and_then(|known| known.get(name)) {
            if let Some(why) = check(root, schema, field, &inner, depth - 1) {
                return Some(why);
            }
        } else if !has_patterns {
            let rest = rules.get("additionalProperties");
            if rest == Some(&Value::Bool(false)) {
                return Some(format!("{place}: `{name}` is not allowed"));
            }
            let why = rest.and_then(|schema| check(root, schema, field, &inner, depth - 1));
            if why.is_some() {
                return why;
            }
        }
    }
    None
}

fn list(root: &Value, rules: &Rules, value: &Value, place: &str, depth: usize) -> Option<String> {
    let Value::Array(values) = value else { return None };
    let first = rules.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
    let items = rules.get("items")?;
    values
        .iter()
        .enumerate()
        .skip(first)
        .find_map(|(at, value)| check(root, items, value, &format!("{place}[{at}]"), depth - 1))
}

fn combined(
    root: &Value,
    rules: &Rules,
    value: &Value,
    place: &str,
    depth: usize,
) -> Option<String> {
    let passes = |schema: &Value| check(root, schema, value, place, depth - 1).is_none();
    let parts = |name: &str| rules.get(name).and_then(Value::as_array);
    if let Some(why) = parts("allOf")
        .and_then(|all| all.iter().find_map(|schema| check(root, schema, value, place, depth - 1)))
    {
        return Some(why);
    }
    for name in ["anyOf", "oneOf"] {
        if parts(name).is_some_and(|any| !any.iter().any(passes)) {
            return Some(format!("{place}: fits none of its {name}"));
        }
    }
    None
}
