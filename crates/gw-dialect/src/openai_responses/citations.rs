//! Annotations of a text. Web citations have the shape of chat completions in canonical form, so that
//! one shape serves both of OpenAI's formats; files and containers keep their own.

use serde_json::{Map, Value, json};

/// Types of annotations that clients of this format know besides `url_citation`; they refuse others.
const OWN: [&str; 3] = ["file_citation", "container_file_citation", "file_path"];

/// An annotation of this format in canonical form.
pub(super) fn decode(annotation: &Value) -> Option<Value> {
    let object = annotation.as_object()?;
    if annotation["type"] != "url_citation" || object.contains_key("url_citation") {
        return Some(annotation.clone());
    }
    let mut inner = object.clone();
    inner.shift_remove("type");
    Some(json!({ "type": "url_citation", "url_citation": inner }))
}

/// A citation in this format's shape; `None` for one that only another format has.
pub(super) fn encode(citation: &Value) -> Option<Value> {
    let web = crate::citations::web(citation);
    let kind = citation["type"].as_str().unwrap_or_default();
    if OWN.contains(&kind) {
        return Some(citation.clone());
    }
    let source = match kind {
        "url_citation" if citation["url_citation"].is_object() => &citation["url_citation"],
        "url_citation" | "web_search_result_location" => citation,
        _ => web.as_ref().filter(|it| it["url"] != citation["url"])?,
    };
    let url = source["url"].as_str()?;
    let mut out = Map::new();
    out.insert("type".to_owned(), json!("url_citation"));
    out.insert("start_index".to_owned(), json!(source["start_index"].as_u64().unwrap_or(0)));
    out.insert("end_index".to_owned(), json!(source["end_index"].as_u64().unwrap_or(0)));
    out.insert("url".to_owned(), json!(url));
    out.insert("title".to_owned(), json!(source["title"].as_str().unwrap_or_default()));
    Some(Value::Object(out))
}
