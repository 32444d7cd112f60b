//! Who sees which usage, and in which form.

use super::fixture::{Gateway, gateway_with, question, request};
use crate::app::CallerKey;

fn key(id: &str, is_admin: bool) -> CallerKey {
    CallerKey {
        id: id.to_owned(),
        name: id.to_owned(),
        secret: format!("secret-{id}").into(),
        is_admin,
    }
}

async fn two_callers() -> Gateway {
    let gateway = gateway_with(|options| {
        options.allow_anonymous = false;
        options.keys = vec![key("a", false), key("b", false), key("root", true)];
    });
    for who in ["a", "a", "b"] {
        let headers = [("x-api-key", format!("secret-{who}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = question("acme/tiny");
        let path = "/v1/chat/completions";
        let seen = gateway.ask(request("POST", path, &headers, &body.to_string())).await;
        assert_eq!(seen.status, 200);
    }
    gateway
}

#[tokio::test]
async fn administrators_see_all_and_keys_their_own() {
    let gateway = two_callers().await;
    let ask = async |who: &str, path: &str| {
        gateway.ask(request("GET", path, &[("x-api-key", who)], "")).await
    };
    let all = ask("secret-root", "/admin/v1/usage?by=model").await.json();
    assert_eq!((&all["total"]["calls"], &all["groups"][0]["calls"]), (&3.into(), &3.into()));
    assert_eq!(all["groups"][0]["model"], "acme/tiny");
    let refused = ask("secret-a", "/admin/v1/usage").await;
    assert_eq!((refused.status, &refused.json()["code"]), (403, &"forbidden".into()));
    assert_eq!(ask("secret-a", "/v1/usage").await.json()["total"]["calls"], 2);
    // Nobody asks for another key's.
    assert_eq!(ask("secret-b", "/v1/usage?key=a").await.json()["total"]["calls"], 1);
    let id = gateway.store.calls.lock()[0].id.to_string();
    let call = ask("secret-root", &format!("/admin/v1/usage/calls/{id}")).await.json();
    assert_eq!((&call["id"], call["attempts"].as_array().map(Vec::len)), (&id.into(), Some(1)));
    assert_eq!(ask("secret-root", "/admin/v1/usage/calls/x").await.status, 404);
}

#[tokio::test]
async fn a_table_comes_by_word_and_by_header() {
    let gateway = two_callers().await;
    let ask = async |path: &str, accept: &str| {
        let headers = [("x-api-key", "secret-root"), ("accept", accept)];
        gateway.ask(request("GET", path, &headers, "")).await
    };
    for (path, accept) in
        [("/admin/v1/usage?by=model&format=csv", "*/*"), ("/admin/v1/usage?by=model", "text/csv")]
    {
        let seen = ask(path, accept).await;
        assert!(seen.header("content-type").starts_with("text/csv"));
        assert!(seen.text().starts_with("model,calls,failed_calls,"), "{}", seen.text());
    }
    for (path, field) in [
        ("/admin/v1/usage?by=colour", "by"),
        ("/admin/v1/usage?from=tomorrow", "from"),
        ("/admin/v1/usage?format=xml", "format"),
        ("/admin/v1/usage?layer=L9", "layer"),
    ] {
        let seen = ask(path, "*/*").await;
        assert_eq!((seen.status, &seen.json()["field"]), (400, &field.into()), "{path}");
    }
}
