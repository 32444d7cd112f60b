//! The list of models in its four shapes.

use super::fixture::{gateway, request};

#[tokio::test]
async fn openai_clients_see_router_layers_and_models() {
    let seen = gateway().get("/v1/models").await.json();
    assert_eq!(seen["object"], "list");
    let ids: Vec<&str> =
        seen["data"].as_array().expect("a list").iter().filter_map(|m| m["id"].as_str()).collect();
    assert_eq!(ids, ["auto", "L0", "L2", "acme/mystery", "acme/tiny", "acme/vendor/large"]);
    for entry in seen["data"].as_array().expect("a list") {
        assert_eq!(entry["object"], "model");
        assert!(
            entry["created"].is_i64() && entry["owned_by"].is_string() && entry["type"].is_string()
        );
    }
}

#[tokio::test]
async fn anthropic_clients_page_through_their_own_shape() {
    let gateway = gateway();
    let page = async |query: &str| {
        let path = format!("/v1/models{query}");
        gateway.ask(request("GET", &path, &[("anthropic-version", "2023-06-01")], "")).await
    };
    let first = page("?limit=4").await.json();
    assert_eq!(first["has_more"], true);
    assert_eq!(first["first_id"], "anthropic/auto");
    assert_eq!(first["data"][4], serde_json::Value::Null);
    assert_eq!(first["data"][3]["type"], "model");
    let last = first["last_id"].as_str().expect("an id");
    let rest = page(&format!("?limit=4&after_id={last}")).await.json();
    assert_eq!(rest["has_more"], false);
    assert_eq!(rest["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(rest["data"][0]["created_at"], "2026-01-02T00:00:00.000Z");
    let before = page("?limit=2&before_id=anthropic/acme/tiny").await.json();
    assert_eq!((&before["first_id"], &before["has_more"]), (&"anthropic/L2".into(), &true.into()));
    for wrong in ["?limit=0", "?limit=1001", "?limit=x", "?after_id=nobody", "?before_id=nobody"] {
        let seen = page(wrong).await;
        assert_eq!(seen.status, 400, "{wrong}");
        assert_eq!(seen.json()["type"], "error", "{wrong}");
    }
}

#[tokio::test]
async fn google_and_codex_clients_see_theirs() {
    let gateway = gateway();
    let google =
        gateway.ask(request("GET", "/v1/models", &[("x-goog-api-client", "x")], "")).await.json();
    assert_eq!(google["models"][0]["name"], "models/auto");
    let codex = gateway.get("/v1/models?client_version=0.169.0").await.json();
    let entry = &codex["models"][0];
    for field in [
        "slug",
        "display_name",
        "description",
        "supported_reasoning_levels",
        "shell_type",
        "visibility",
        "supported_in_api",
        "priority",
        "base_instructions",
        "supports_reasoning_summaries",
        "support_verbosity",
        "truncation_policy",
        "supports_parallel_tool_calls",
        "context_window",
        "experimental_supported_tools",
        "default_reasoning_level",
    ] {
        assert!(entry.get(field).is_some(), "{field}");
    }
}

#[tokio::test]
async fn one_model_is_found_by_any_of_its_names() {
    let gateway = gateway();
    for (asked, id) in [
        ("auto", "auto"),
        ("L0", "L0"),
        ("acme/tiny", "acme/tiny"),
        ("tiny", "acme/tiny"),
        ("acme/vendor/large", "acme/vendor/large"),
        ("vendor/large", "acme/vendor/large"),
        ("acme%2Fvendor%2Flarge", "acme/vendor/large"),
    ] {
        let seen = gateway.get(&format!("/v1/models/{asked}")).await;
        assert_eq!(seen.status, 200, "{asked}");
        assert_eq!(seen.json()["id"], id, "{asked}");
    }
    for unknown in ["other/elsewhere", "gpt-99", "%20", "L1"] {
        let seen = gateway.get(&format!("/v1/models/{unknown}")).await;
        assert_eq!(seen.status, 404, "{unknown}");
        assert_eq!(seen.json()["error"]["code"], "model_not_found", "{unknown}");
    }
    assert_eq!(gateway.get("/v1/models/%ff").await.status, 400);
    let headers = [("anthropic-version", "2023-06-01")];
    let seen = gateway.ask(request("GET", "/v1/models/acme/tiny", &headers, "")).await.json();
    assert_eq!(seen["display_name"], "The tiny");
}

#[tokio::test]
async fn clients_of_anthropics_dialect_reach_other_makers_models_by_alias() {
    let gateway = gateway();
    let headers = [("anthropic-version", "2023-06-01")];
    let list = gateway.ask(request("GET", "/v1/models?limit=1000", &headers, "")).await.json();
    for entry in list["data"].as_array().expect("a list") {
        let id = entry["id"].as_str().expect("an id");
        assert!(id.starts_with("anthropic/"), "{id}");
        let seen = gateway.ask(request("GET", &format!("/v1/models/{id}"), &headers, "")).await;
        assert_eq!((seen.status, &seen.json()["id"]), (200, &id.into()));
        let body = serde_json::json!({"model": id, "max_tokens": 9,
            "messages": [{"role": "user", "content": "Say hello."}]});
        let seen = gateway.post("/v1/messages", &body).await;
        assert_eq!(seen.status, 200, "{id}: {}", seen.text());
    }
    let body = serde_json::json!({"model": "anthropic/nothing", "max_tokens": 9,
        "messages": [{"role": "user", "content": "Say hello."}]});
    assert_eq!(gateway.post("/v1/messages", &body).await.status, 404);
}
