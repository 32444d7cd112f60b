//! The API document: complete, and true of what is served.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fixture::{ADMIN, admin_key, gateway, gateway_with, request};
use crate::http::routes;

/// Calls that are no chats, and batches.
const OPERATIONS: [&str; 9] = [
    "/v1/embeddings",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/audio/speech",
    "/v2/rerank",
    "/v2/embed",
    "/api/embed",
    "/api/embeddings",
    "/v1/batches",
];

#[tokio::test]
async fn every_route_and_method_is_described() {
    let document = gateway().get("/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    let described: Vec<String> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .into_iter()
                .flatten()
                .map(move |(method, _)| format!("{method} {path}"))
        })
        .collect();
    insta::assert_snapshot!(described.join("\n"));
    for route in routes() {
        let item = &paths[&route.described_path()];
        for method in
            route.allow.split(", ").filter(|method| !matches!(*method, "HEAD" | "OPTIONS"))
        {
            assert!(item.get(method.to_ascii_lowercase()).is_some(), "{method} {}", route.path);
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_answer_has_an_example() {
    let document = gateway().get("/openapi.json").await.json();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some_and(|schema| !schema.is_null()), "{reference}");
    }
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let responses = operation["responses"].as_object().expect("responses");
            assert!(
                ["200", "101", "400"].iter().any(|status| responses.contains_key(*status))
                    && responses.contains_key("405"),
                "{method} {path}"
            );
            for (status, response) in responses {
                for (content_type, content) in response["content"].as_object().expect("content") {
                    let has_example = !content["example"].is_null();
                    assert!(has_example, "{method} {path} {status} {content_type}");
                }
            }
        }
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                references.insert(reference.clone());
            }
            object.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

/// The examples are what a reader pastes first, so they must work.
#[tokio::test]
async fn every_example_of_a_body_is_accepted() {
    let gateway = gateway_with(admin_key);
    let document = gateway.get("/openapi.json").await.json();
    let made = gateway
        .ask(request("POST", "/admin/v1/keys", &[("x-api-key", ADMIN)], r#"{"name": "first"}"#))
        .await
        .json();
    let key_id = made["id"].as_str().expect("an id");
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in ["post", "put"] {
            let example = &item[method]["requestBody"]["content"]["application/json"]["example"];
            if example.is_null() {
                continue;
            }
            // These need a provider that has such calls, or a call that was made: the program's own
            // tests send them.
            if OPERATIONS.contains(&path.as_str()) || path == "/v1/feedback" {
                continue;
            }
            tried += 1;
            let example_id =
                if path.starts_with("/admin") { key_id } else { "auto:generateContent" };
            let path = path
                .replace("{conversationId}", "demo-1")
                .replace("{call}", "auto:generateContent")
                .replace("{id}", example_id);
            let key: &[(&str, &str)] =
                if path.starts_with("/admin") { &[("x-api-key", ADMIN)] } else { &[] };
            let method = method.to_ascii_uppercase();
            let seen = gateway.ask(request(&method, &path, key, &example.to_string())).await;
            assert_eq!(seen.status, 200, "{method} {path}: {}", seen.text());
        }
    }
    assert_eq!(tried, 24);
}
