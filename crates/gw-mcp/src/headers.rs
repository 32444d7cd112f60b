//! The headers that mirror a modern request's body, so that what stands between can route without
//! reading it. Whoever reads the body compares them; policy never trusts them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::message::{HEADER_MISMATCH, RpcError};
use crate::raw::Fields;

pub(crate) const METHOD: &str = "mcp-method";
pub(crate) const NAME: &str = "mcp-name";
pub(crate) const VERSION: &str = "mcp-protocol-version";
const PARAM: &str = "mcp-param-";

/// Deepest `properties` chain that is searched for annotated parameters.
const SCHEMA_DEPTH_MAX: usize = 16;

/// A parameter of a tool that is mirrored, by its header's last part and its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirrored {
    pub(crate) header: String,
    path: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Text,
    Boolean,
}

/// The value that `Mcp-Name` mirrors for a method.
pub(crate) fn name_of(method: &str, params: &Fields) -> Option<String> {
    match method {
        "tools/call" | "prompts/get" => params.text("name"),
        "resources/read" => params.text("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => params.text("taskId"),
        _ => None,
    }
}

/// A value as a header: as it is where it may stand so, else in base64.
pub(crate) fn encode(value: &str) -> Option<HeaderValue> {
    let is_plain = value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && value.trim() == value
        && !(value.starts_with("=?base64?") && value.ends_with("?="));
    let text = if is_plain {
        value.to_owned()
    } else {
        format!("=?base64?{}?=", STANDARD.encode(value.as_bytes()))
    };
    HeaderValue::from_str(&text).ok()
}

fn decode(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?.trim_matches([' ', '\t']);
    let coded = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(coded) = coded else { return Some(text.to_owned()) };
    String::from_utf8(STANDARD.decode(coded).ok()?).ok()
}

/// The one value of a header.
fn single(headers: &HeaderMap, name: &str) -> Result<Option<String>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(mismatch(&format!("the header {name} comes twice")));
    }
    decode(first).map(Some).ok_or_else(|| mismatch(&format!("the header {name} cannot be read")))
}

fn mismatch(why: &str) -> RpcError {
    RpcError::new(HEADER_MISMATCH, format!("Header mismatch: {why}"))
}

/// Compares the standard headers with the body of a modern request.
///
/// # Errors
/// [`HEADER_MISMATCH`] where one is missing, doubled, unreadable or different.
pub(crate) fn check(
    headers: &HeaderMap,
    version: &str,
    method: &str,
    params: &Fields,
) -> Result<(), RpcError> {
    let name = name_of(method, params);
    let wanted = [(VERSION, Some(version)), (METHOD, Some(method)), (NAME, name.as_deref())];
    for (header, value) in wanted {
        let given = single(headers, header)?;
        match (given, value) {
            (Some(given), Some(value)) if given == value => {}
            (None, None) => {}
            // A name where the method has none says nothing that could be believed.
            (Some(_), None) => {}
            (None, Some(_)) => return Err(mismatch(&format!("the header {header} is missing"))),
            (Some(_), Some(_)) => {
                return Err(mismatch(&format!("the header {header} differs from the body")));
            }
        }
    }
    Ok(())
}

/// Compares the parameter headers of a tool call with its arguments.
///
/// # Errors
/// [`HEADER_MISMATCH`].
pub(crate) fn check_params(
    headers: &HeaderMap,
    mirrored: &[Mirrored],
    arguments: Option<&RawValue>,
) -> Result<(), RpcError> {
    let arguments = arguments.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    for parameter in mirrored {
        let header = format!("{PARAM}{}", parameter.header.to_ascii_lowercase());
        let given = single(headers, &header)?;
        let wanted = arguments.as_ref().and_then(|arguments| parameter.text_in(arguments));
        let is_same = match (&given, &wanted) {
            (None, None) => true,
            (Some(given), Some(wanted)) => parameter.is_same(given, wanted),
            _ => false,
        };
        if !is_same {
            return Err(mismatch(&format!("the header {header} differs from the arguments")));
        }
    }
    Ok(())
}

/// The headers of a modern request to an upstream, from its body.
pub(crate) fn mirror(
    headers: &mut HeaderMap,
    version: &str,
    method: &str,
    params: &Fields,
    mirrored: &[Mirrored],
) {
    let mut set = |name: &str, value: &str| {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Some(value)) = (name, encode(value)) {
            headers.insert(name, value);
        }
    };
    set(VERSION, version);
    set(METHOD, method);
    if let Some(name) = name_of(method, params) {
        set(NAME, &name);
    }
    if mirrored.is_empty() {
        return;
    }
    let arguments: Option<Value> = params.read("arguments");
    for parameter in mirrored {
        let text = arguments.as_ref().and_then(|arguments| parameter.text_in(arguments));
        if let Some(text) = text {
            set(&format!("{PARAM}{}", parameter.header), &text);
        }
    }
}

impl Mirrored {
    fn text_in(&self, arguments: &Value) -> Option<String> {
        let mut at = arguments;
        for name in &self.path {
            at = at.get(name)?;
        }
        match at {
            Value::String(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn is_same(&self, given: &str, wanted: &str) -> bool {
        if self.kind != Kind::Integer {
            return given == wanted;
        }
        // 42 and 42.0 are one integer.
        match (whole(given), whole(wanted)) {
            (Some(given), Some(wanted)) => given == wanted,
            _ => given == wanted,
        }
    }
}

fn whole(text: &str) -> Option<i128> {
    let digits = match text.split_once('.') {
        Some((digits, zeros)) if zeros.bytes().all(|byte| byte == b'0') => digits,
        Some(_) => return None,
        None => text,
    };
    digits.parse().ok()
}

/// The mirrored parameters of an input schema; `None` where its annotations break the rules, and the
/// tool must not be used.
pub(crate) fn mirrored(schema: &RawValue) -> Option<Vec<Mirrored>> {
    if !schema.get().contains("x-mcp-header") {
        return Some(Vec::new());
    }
    let schema: Value = serde_json::from_str(schema.get()).ok()?;
    let mut found: Vec<Mirrored> = Vec::new();
    walk(&schema, &mut Vec::new(), &mut found)?;
    // Anything that is annotated elsewhere cannot be reached through properties.
    (annotations(&schema, 0) == found.len()).then_some(found)
}

fn walk(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Mirrored>) -> Option<()> {
    if path.len() > SCHEMA_DEPTH_MAX {
        return None;
    }
    if let Some(header) = schema.get("x-mcp-header") {
        let header = header.as_str()?;
        let kind = match schema.get("type").and_then(Value::as_str)? {
            "integer" => Kind::Integer,
            "string" => Kind::Text,
            "boolean" => Kind::Boolean,
            _ => return None,
        };
        let is_token = !header.is_empty()
            && header.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        let is_new = !found.iter().any(|other| other.header.eq_ignore_ascii_case(header));
        if !is_token || !is_new || path.is_empty() {
            return None;
        }
        found.push(Mirrored { header: header.to_owned(), path: path.clone(), kind });
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, inner) in properties {
            path.push(name.clone());
            walk(inner, path, found)?;
            path.pop();
        }
    }
    Some(())
}

fn annotations(schema: &Value, depth: usize) -> usize {
    if depth > 4 * SCHEMA_DEPTH_MAX {
        return usize::MAX / 2;
    }
    match schema {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, inner)| {
                let own = usize::from(name == "x-mcp-header" && inner.is_string());
                own.saturating_add(annotations(inner, depth + 1))
            })
            .fold(0, usize::saturating_add),
        Value::Array(items) => {
            items.iter().map(|item| annotations(item, depth + 1)).fold(0, usize::saturating_add)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{check, check_params, mirror, mirrored};
    use crate::raw::{Fields, to_raw};

    fn schema(text: &str) -> Box<serde_json::value::RawValue> {
        to_raw(&serde_json::from_str::<serde_json::Value>(text).unwrap())
    }

    #[test]
    fn what_is_mirrored_is_accepted_and_a_change_is_not() {
        let schema = schema(
            r#"{"properties":{"region":{"type":"string","x-mcp-header":"Region"},
                "in":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}}"#,
        );
        let mirrored = mirrored(&schema).unwrap();
        let params =
            Fields::parse(r#"{"name":"grüße","arguments":{"region":" west","in":{"n":42}}}"#)
                .unwrap();
        let mut headers = HeaderMap::new();
        mirror(&mut headers, "2026-07-28", "tools/call", &params, &mirrored);
        assert_eq!(headers["mcp-param-region"], "=?base64?IHdlc3Q=?=");
        check(&headers, "2026-07-28", "tools/call", &params).unwrap();
        check_params(&headers, &mirrored, params.get("arguments")).unwrap();
        headers.insert("mcp-param-n", HeaderValue::from_static("42.0"));
        check_params(&headers, &mirrored, params.get("arguments")).unwrap();
        headers.insert("mcp-param-n", HeaderValue::from_static("43"));
        assert!(check_params(&headers, &mirrored, params.get("arguments")).is_err());
        headers.append("mcp-method", HeaderValue::from_static("tools/call"));
        assert!(check(&headers, "2026-07-28", "tools/call", &params).is_err());
    }

    #[test]
    fn annotations_that_break_the_rules_make_a_tool_unusable() {
        for text in [
            r#"{"properties":{"a":{"type":"object","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A B"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},
                "b":{"type":"string","x-mcp-header":"a"}}}"#,
            r#"{"properties":{"a":{"items":{"type":"string","x-mcp-header":"A"}}}}"#,
        ] {
            assert!(mirrored(&schema(text)).is_none(), "{text}");
        }
    }
}
