//! What pages in a browser may do.

use super::fixture::{gateway, gateway_with, question, request};

#[tokio::test]
async fn a_foreign_name_for_this_machine_is_refused() {
    let gateway = gateway();
    for path in ["/v1/route", "/health", "/nowhere"] {
        let seen = gateway.ask(request("GET", path, &[("host", "evil.example")], "")).await;
        assert_eq!(seen.status, 403, "{path}");
        assert_eq!(seen.json()["field"], "Host");
    }
}

#[tokio::test]
async fn a_foreign_page_cannot_spend_money() {
    let gateway = gateway();
    let body = question("acme/tiny").to_string();
    let headers = [("origin", "https://evil.example"), ("content-type", "text/plain")];
    let seen = gateway.ask(request("POST", "/v1/chat/completions", &headers, &body)).await;
    assert_eq!(seen.status, 403);
    assert!(gateway.upstream.seen.lock().is_empty());
}

#[tokio::test]
async fn a_configured_page_may_call_and_read() {
    let gateway =
        gateway_with(|options| options.cors_origins = vec!["https://ui.example".to_owned()]);
    let body = question("acme/tiny").to_string();
    let headers = [("origin", "https://ui.example")];
    let seen = gateway.ask(request("POST", "/v1/chat/completions", &headers, &body)).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.header("access-control-allow-origin"), "https://ui.example");
    let headers = [("origin", "https://ui.example"), ("access-control-request-method", "POST")];
    let seen = gateway.ask(request("OPTIONS", "/v1/chat/completions", &headers, "")).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.header("access-control-allow-methods"), "GET, POST, PUT, DELETE, OPTIONS");
    let seen = gateway.ask(request("GET", "/nowhere", &headers, "")).await;
    assert_eq!(seen.header("access-control-allow-origin"), "https://ui.example");
}
