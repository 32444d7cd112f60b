//! Who may come in.

use super::fixture::{Gateway, gateway_with, question, request};
use crate::app::CallerKey;
use crate::auth::Scope;
use crate::http::routes;

fn locked() -> Gateway {
    gateway_with(|options| {
        options.allow_anonymous = false;
        options.keys = vec![CallerKey {
            id: "k1".to_owned(),
            name: "first".to_owned(),
            secret: "the-secret".to_owned().into(),
            is_admin: false,
        }];
    })
}

#[tokio::test]
async fn every_route_is_closed_unless_its_row_says_public() {
    let gateway = locked();
    for route in routes() {
        let method = route.allow.split(", ").next().expect("a method");
        for path in std::iter::once(&route.path).chain(route.aliases) {
            let path = path.replace("{*id}", "auto").replace("{*scope}", "team:a");
            let path =
                path.replace("{conversationId}", "a").replace("{id}", "a").replace("{callId}", "a");
            let seen = gateway.ask(request(method, &path, &[], "{}")).await;
            let is_closed = seen.status == 401;
            assert_eq!(is_closed, route.scope != Scope::Public, "{path}: {}", seen.status);
        }
    }
}

#[tokio::test]
async fn public_routes_are_few_and_known() {
    let public: Vec<&str> = routes()
        .iter()
        .filter(|route| route.scope == Scope::Public)
        .map(|route| route.path)
        .collect();
    let login = "/.well-known/oauth-protected-resource";
    assert_eq!(public, [login, "/health", "/livez", "/readyz", "/openapi.json", "/"]);
}

#[tokio::test]
async fn a_refusal_speaks_the_callers_dialect_and_stops_retries() {
    let gateway = locked();
    let seen = gateway.post("/v1/messages", &question("auto")).await;
    assert_eq!(seen.status, 401);
    assert_eq!(seen.json()["error"]["type"], "authentication_error");
    assert_eq!(seen.header("x-should-retry"), "false");
    let seen = gateway.post("/v1/chat/completions", &question("auto")).await;
    assert_eq!(seen.json()["error"]["code"], "invalid_api_key");
    let seen = gateway.get("/v1/stats").await;
    assert_eq!(seen.json()["code"], "invalid_api_key");
    assert!(seen.json()["hint"].as_str().is_some_and(|hint| hint.contains("x-api-key")));
}

#[tokio::test]
async fn a_key_opens_the_door_and_stands_in_the_record() {
    let gateway = locked();
    let body = question("acme/tiny").to_string();
    for header in [("authorization", "Bearer the-secret"), ("x-api-key", "the-secret")] {
        let seen = gateway.ask(request("POST", "/v1/chat/completions", &[header], &body)).await;
        assert_eq!(seen.status, 200, "{}", seen.text());
    }
    let calls = gateway.store.calls.lock();
    assert!(calls.iter().all(|call| call.key_id.as_deref() == Some("k1")) && calls.len() == 2);
}

#[tokio::test]
async fn strangers_see_only_that_the_gateway_lives() {
    let gateway = locked();
    let seen = gateway.get("/health").await.json();
    assert_eq!(seen["status"], "ok");
    assert!(seen.get("providers").is_none() && seen.get("configuration").is_none());
    let known =
        gateway.ask(request("GET", "/health", &[("x-api-key", "the-secret")], "")).await.json();
    assert!(known.get("providers").is_some());
}
