//! The least instance of a JSON schema.
//!
//! It knows what tools and structured outputs use (draft 2020-12 core and validation without
//! `pattern`, `not` and `if`); for anything else it gives its best guess. Never fails.

use std::cell::Cell;

use serde_json::{Map, Value, json};

/// Nesting at which a recursive schema is cut off.
const DEPTH_MAX: usize = 24;

/// Values in one instance; a schema that branches while it recurses would otherwise never end.
const VALUES_MAX: usize = 10_000;

/// The document that references point into, and how many values may still be made.
struct Whole<'a> {
    root: &'a Value,
    values_left: Cell<usize>,
}

/// An instance with just what the schema requires.
pub(crate) fn least_instance(schema: &Value) -> Value {
    let whole = Whole { root: schema, values_left: Cell::new(VALUES_MAX) };
    instance(schema, &whole, 0)
}

fn instance(schema: &Value, root: &Whole<'_>, depth: usize) -> Value {
    let Some(fields) = schema.as_object() else {
        // `true` takes anything.
        return json!({});
    };
    let values_left = root.values_left.get();
    if depth > DEPTH_MAX || values_left == 0 {
        return Value::Null;
    }
    root.values_left.set(values_left - 1);
    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
        return match resolve(reference, root.root) {
            Some(target) => instance(target, root, depth + 1),
            None => Value::Null,
        };
    }
    if let Some(fixed) = fields.get("const") {
        return fixed.clone();
    }
    if let Some(first) = first_of(fields, "enum") {
        return first.clone();
    }
    if let Some(value) = fields.get("default").filter(|value| !value.is_null()) {
        return value.clone();
    }
    if let Some(first) = first_of(fields, "examples") {
        return first.clone();
    }
    if let Some(all) = fields.get("allOf").and_then(Value::as_array) {
        return instance(&merged(fields, all, root.root), root, depth + 1);
    }
    for name in ["anyOf", "oneOf"] {
        if let Some(branches) = fields.get(name).and_then(Value::as_array) {
            return instance(&with_branch(fields, name, shallowest(branches)), root, depth + 1);
        }
    }
    match type_of(fields) {
        "object" => object(fields, root, depth),
        "array" => array(fields, root, depth),
        "string" => string(fields),
        "integer" => number(fields, true),
        "number" => number(fields, false),
        "boolean" => Value::Bool(true),
        _ => Value::Null,
    }
}

fn first_of<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).and_then(Value::as_array).and_then(|values| values.first())
}

/// Follows a pointer within the document: `#`, `#/$defs/Name`.
fn resolve<'a>(reference: &str, root: &'a Value) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// The branch that ends recursion soonest: one without references, where there is one.
fn shallowest(branches: &[Value]) -> Option<&Value> {
    let is_plain = |branch: &&Value| branch.get("$ref").is_none();
    branches.iter().find(is_plain).or_else(|| branches.first())
}

fn with_branch(fields: &Map<String, Value>, name: &str, branch: Option<&Value>) -> Value {
    let mut whole = fields.clone();
    whole.remove(name);
    match branch {
        Some(branch) => {
            absorb(&mut whole, branch);
            Value::Object(whole)
        }
        None => Value::Object(whole),
    }
}

fn merged(fields: &Map<String, Value>, all: &[Value], root: &Value) -> Value {
    let mut whole = fields.clone();
    whole.remove("allOf");
    for part in all {
        let target = part.get("$ref").and_then(Value::as_str).and_then(|at| resolve(at, root));
        absorb(&mut whole, target.unwrap_or(part));
    }
    Value::Object(whole)
}

fn absorb(whole: &mut Map<String, Value>, part: &Value) {
    for (name, value) in part.as_object().into_iter().flatten() {
        match (whole.get_mut(name), value) {
            (Some(Value::Object(have)), Value::Object(more)) => {
                have.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            (Some(Value::Array(have)), Value::Array(more)) if name == "required" => {
                have.extend(more.iter().cloned());
            }
            _ => {
                whole.insert(name.clone(), value.clone());
            }
        }
    }
}

fn type_of(fields: &Map<String, Value>) -> &str {
    match fields.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("null")
        }
        _ if fields.contains_key("items") || fields.contains_key("prefixItems") => "array",
        _ if fields.contains_key("minLength") || fields.contains_key("format") => "string",
        _ if fields.contains_key("minimum") || fields.contains_key("maximum") => "number",
        _ => "object",
    }
}

fn object(fields: &Map<String, Value>, root: &Whole<'_>, depth: usize) -> Value {
    let properties = fields.get("properties").and_then(Value::as_object);
    let mut made = Map::new();
    let required = fields.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        let schema = properties.and_then(|properties| properties.get(name));
        let value = schema.map_or_else(|| json!("sample"), |it| instance(it, root, depth + 1));
        made.insert(name.to_owned(), value);
    }
    Value::Object(made)
}

fn array(fields: &Map<String, Value>, root: &Whole<'_>, depth: usize) -> Value {
    let count = |name: &str| fields.get(name).and_then(Value::as_u64);
    let prefix = fields.get("prefixItems").and_then(Value::as_array);
    let mut made: Vec<Value> =
        prefix.into_iter().flatten().map(|schema| instance(schema, root, depth + 1)).collect();
    // One item shows the shape, unless that would recurse or break a bound.
    let wanted = count("minItems").unwrap_or(u64::from(depth < 8)).min(64);
    let wanted = wanted.min(count("maxItems").unwrap_or(u64::MAX));
    let items = fields.get("items").filter(|items| items.is_object());
    while (made.len() as u64) < wanted {
        let item = items.map_or_else(|| json!("sample"), |it| instance(it, root, depth + 1));
        made.push(unlike(&made, item, fields.get("uniqueItems") == Some(&Value::Bool(true))));
    }
    Value::Array(made)
}

/// Makes a further item differ from the ones before, where they must.
fn unlike(before: &[Value], item: Value, must_differ: bool) -> Value {
    if !must_differ || !before.contains(&item) {
        return item;
    }
    match item {
        Value::String(text) => json!(format!("{text}{}", before.len())),
        Value::Number(number) => match number.as_i64() {
            Some(number) => json!(number.saturating_add_unsigned(before.len() as u64)),
            None => Value::Number(number),
        },
        other => other,
    }
}

fn string(fields: &Map<String, Value>) -> Value {
    let text = match fields.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("time") => "00:00:00Z",
        Some("duration") => "P1D",
        Some("email") => "user@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("hostname") => "example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        _ => "sample",
    };
    let length = |name: &str| {
        fields.get(name).and_then(Value::as_u64).map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    };
    let most = length("maxLength").unwrap_or(usize::MAX);
    let least = length("minLength").unwrap_or(0).min(4_096);
    let mut made: String = text.chars().take(most).collect();
    while made.chars().count() < least {
        made.push('x');
    }
    Value::String(made)
}

fn number(fields: &Map<String, Value>, is_whole: bool) -> Value {
    let bound = |name: &str| fields.get(name).and_then(Value::as_f64);
    let step = bound("multipleOf").filter(|step| *step > 0.0).or(is_whole.then_some(1.0));
    let mut value = 1.0_f64;
    if let Some(least) = bound("minimum") {
        value = least;
    }
    if let Some(below) = bound("exclusiveMinimum") {
        value = value.max(below + step.unwrap_or(0.5));
    }
    if let Some(step) = step {
        value = (value / step).ceil() * step;
    }
    if let Some(most) = bound("maximum") {
        value = value.min(most);
    }
    if let Some(above) = bound("exclusiveMaximum")
        && value >= above
    {
        value = above - step.unwrap_or(0.5);
    }
    if let Some(step) = step
        && (bound("maximum").is_some() || bound("exclusiveMaximum").is_some())
    {
        value = (value / step).floor() * step;
    }
    let is_exact = value.fract() == 0.0 && value.abs() < 9e15;
    if is_exact {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        return json!(value as i64);
    }
    json!(value)
}

#[cfg(test)]
mod tests;
