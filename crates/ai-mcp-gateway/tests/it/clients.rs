//! Requests of real clients: each is answered over both kinds of provider.
//!
//! They lie beside the checkout; where they are absent the test says so and passes.

use std::path::Path;

use serde_json::Value;

use crate::gateway::{Gateway, Launch};
use crate::upstream::{both_dialects, simulator};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/clients");

/// What cannot be said in the other dialect, so that a refusal is the honest answer: part of the
/// file's name, the provider, and what the refusal must speak of.
const REFUSED: &[(&str, &str, &str)] = &[];

struct Recorded {
    name: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Value,
}

fn recorded(path: &Path) -> Option<Recorded> {
    let name = path.file_name()?.to_str()?.to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let mut exchange: Value = serde_json::from_str(&text).ok()?;
    if exchange["method"] != "POST" || !exchange["body"].is_object() {
        return None;
    }
    let path = exchange["path"].as_str()?.to_owned();
    let bare = path.split('?').next()?;
    if !bare.ends_with("/chat/completions") && !bare.ends_with("/messages") {
        return None;
    }
    let mut body = exchange["body"].take();
    inflate(&mut body);
    let kept = ["content-type", "anthropic-version", "anthropic-beta", "accept", "user-agent"];
    let headers = exchange["headers"].as_array()?.iter().filter_map(|pair| {
        let (name, value) = (pair[0].as_str()?.to_lowercase(), pair[1].as_str()?.to_owned());
        kept.contains(&name.as_str()).then_some((name, value))
    });
    Some(Recorded { name, path, headers: headers.collect(), body })
}

/// `<text:N>` becomes a text of N characters.
fn inflate(value: &mut Value) {
    match value {
        Value::String(text) => {
            let length = text.strip_prefix("<text:").and_then(|rest| rest.strip_suffix('>'));
            if let Some(length) = length.and_then(|length| length.parse::<usize>().ok()) {
                *text = "lorem ipsum ".chars().cycle().take(length).collect();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(inflate),
        Value::Object(fields) => fields.values_mut().for_each(inflate),
        _ => {}
    }
}

async fn problem(gateway: &Gateway, recorded: &Recorded, upstream: &str) -> Option<String> {
    let mut body = recorded.body.clone();
    body["model"] = format!("{upstream}/sim-small").into();
    // Some clients put the whole address or a prefix of their own before the path.
    let at = recorded.path.find("/v1/").unwrap_or_default();
    let headers: Vec<(&str, &str)> =
        recorded.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let path = &recorded.path[at..];
    let reply = gateway.post_bytes(path, &headers, body.to_string().into()).await;
    let text = reply.text();
    let known = REFUSED
        .iter()
        .find(|(name, provider, _)| recorded.name.contains(name) && *provider == upstream);
    match (reply.status, known) {
        (200, None) if reply.header("content-type").starts_with("text/event-stream") => {
            let events = crate::sse::events(&reply.body);
            let error = crate::sse::error(&events);
            error.map(|error| format!("{} over {upstream}: {error}", recorded.name))
        }
        (200, None) => {
            reply.json();
            None
        }
        (400, Some((_, _, say))) if text.contains(say) => None,
        (status, _) => Some(format!("{} over {upstream}: {status} {text:.300}", recorded.name)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_real_clients_are_answered() {
    let Ok(folder) = std::fs::read_dir(FOLDER) else {
        println!("skipped: the clients' requests are not beside this checkout");
        return;
    };
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let all: Vec<Recorded> = files.iter().filter_map(|path| recorded(path)).collect();
    assert!(all.len() > 50, "only {} requests were found", all.len());
    let mut problems = Vec::new();
    for request in &all {
        for upstream in ["o", "a"] {
            problems.extend(problem(&gateway, request, upstream).await);
        }
    }
    assert!(
        problems.is_empty(),
        "{} of {}:\n{}",
        problems.len(),
        2 * all.len(),
        problems.join("\n")
    );
}
