//! The API document: complete, and true of what is served.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fixture::gateway;
use crate::http::routes;

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
                responses.contains_key("200") && responses.contains_key("405"),
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
    let gateway = gateway();
    let document = gateway.get("/openapi.json").await.json();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let example = &item["post"]["requestBody"]["content"]["application/json"]["example"];
        if example.is_null() {
            continue;
        }
        tried += 1;
        let path = path.replace("{conversationId}", "demo-1");
        let seen = gateway.post(&path, example).await;
        assert_eq!(seen.status, 200, "{path}: {}", seen.text());
    }
    assert_eq!(tried, 7);
}
