//! Citations of web pages, whichever format wrote them, in one shape: that of OpenAI's `url_citation`.

use serde_json::{Value, json};

/// The members of a `url_citation` (`url`, `title`, and where known `start_index`, `end_index`);
/// `None` for a citation of something that has no address.
pub(crate) fn web(citation: &Value) -> Option<Value> {
    if citation["url_citation"]["url"].is_string() {
        return Some(citation["url_citation"].clone());
    }
    if citation["url"].is_string() {
        return Some(citation.clone());
    }
    of_cohere(citation).or_else(|| of_bedrock(citation))
}

/// `{"start", "end", "sources": [{"document" | "tool_output": {"url", "title"}}]}`.
fn of_cohere(citation: &Value) -> Option<Value> {
    let sources = citation["sources"].as_array()?;
    let found = sources
        .iter()
        .flat_map(|source| [&source["document"], &source["tool_output"]])
        .find(|holder| holder["url"].is_string())?;
    Some(json!({
        "url": found["url"],
        "title": found["title"].as_str().unwrap_or_default(),
        "start_index": citation["start"],
        "end_index": citation["end"],
    }))
}

/// `{"title", "location": {"web": {"url"}}}`.
fn of_bedrock(citation: &Value) -> Option<Value> {
    let web = &citation["location"]["web"];
    let title = [&citation["title"], &web["domain"]].into_iter().find_map(Value::as_str);
    Some(json!({"url": web["url"].as_str()?, "title": title.unwrap_or_default()}))
}
