//! Paths and methods: what exists, and how it is said that something does not.

use super::fixture::{gateway, request};

#[tokio::test]
async fn unknown_paths_are_404_in_the_words_of_their_neighbours() {
    let gateway = gateway();
    let seen = gateway.get("/v1/nothing?x=1").await;
    assert_eq!(seen.status, 404);
    assert_eq!(seen.json()["error"], "Not found");
    assert_eq!(seen.json()["path"], "/v1/nothing");
    let seen = gateway.get("/v1/chat/completions/more").await;
    assert_eq!((seen.status, &seen.json()["error"]["code"]), (404, &"not_found".into()));
    let seen = gateway.get("/v1/messages/batches").await;
    assert_eq!((seen.status, &seen.json()["error"]["type"]), (404, &"not_found_error".into()));
    for path in ["//", "/%00", "/%ff", "/v1/route/", "/../etc/passwd", "/V1/ROUTE"] {
        let seen = gateway.get(path).await;
        assert_eq!(seen.status, 404, "{path}");
        assert_eq!(seen.header("content-type"), "application/json", "{path}");
    }
}

#[tokio::test]
async fn wrong_methods_are_405_and_name_the_right_ones() {
    let gateway = gateway();
    for (method, path, allow) in [
        ("GET", "/v1/route", "POST, OPTIONS"),
        ("DELETE", "/v1/context/a", "GET, HEAD, POST, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("TRACE", "/v1/models", "GET, HEAD, OPTIONS"),
        ("QUERY", "/v1/stats", "GET, HEAD, OPTIONS"),
        ("GET", "/chat/completions", "POST, OPTIONS"),
        ("HEAD", "/v1/messages", "POST, OPTIONS"),
    ] {
        let seen = gateway.ask(request(method, path, &[], "")).await;
        assert_eq!(seen.status, 405, "{method} {path}");
        assert_eq!(seen.header("allow"), allow, "{method} {path}");
        assert_eq!(seen.header("x-should-retry"), "false");
    }
    let seen = gateway.ask(request("GET", "/v1/messages", &[], "")).await;
    assert_eq!(seen.json()["type"], "error");
}

#[tokio::test]
async fn options_and_head_are_answered() {
    let gateway = gateway();
    let seen = gateway.ask(request("OPTIONS", "/v1/route", &[], "")).await;
    assert_eq!((seen.status, seen.header("allow")), (200, "POST, OPTIONS"));
    assert_eq!(gateway.ask(request("OPTIONS", "/nowhere", &[], "")).await.status, 404);
    for path in ["/", "/api/hello", "/health", "/v1/models", "/livez"] {
        let seen = gateway.ask(request("HEAD", path, &[], "")).await;
        assert_eq!(seen.status, 200, "{path}");
        assert!(seen.body.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn doors_also_stand_without_v1() {
    let gateway = gateway();
    assert_eq!(gateway.get("/models").await.status, 200);
    assert_eq!(gateway.get("/models/auto").await.status, 200);
    let question = super::fixture::question("acme/tiny");
    assert_eq!(gateway.post("/chat/completions", &question).await.status, 200);
    assert_eq!(gateway.post("/messages", &question).await.status, 200);
}
