//! OpenAI's responses on a provider that speaks another dialect: translated, kept, continued.

use serde_json::{Value, json};

use super::fixture::{Gateway, STREAM, Script, Seen, gateway, gateway_with, hello, request};
use crate::app::CallerKey;

async fn first(gateway: &Gateway) -> String {
    gateway.upstream.then(hello(14, 2));
    let body = json!({"model": "acme/tiny", "input": "My name is Ada."});
    let seen = gateway.post("/v1/responses", &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    seen.json()["id"].as_str().expect("an id").to_owned()
}

async fn next(gateway: &Gateway, id: &str) -> Seen {
    gateway.upstream.then(hello(30, 2));
    let body = json!({"model": "acme/tiny", "input": "Who am I?", "previous_response_id": id});
    gateway.post("/v1/responses", &body).await
}

fn said(body: &Value) -> Vec<(String, String)> {
    let messages = body["messages"].as_array().expect("messages").iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    messages.map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

#[tokio::test]
async fn an_answer_is_written_in_items() {
    let gateway = gateway();
    gateway.upstream.then(hello(14, 2));
    for path in ["/v1/responses", "/responses"] {
        let seen = gateway.post(path, &json!({"model": "acme/tiny", "input": "Hi"})).await;
        assert_eq!(seen.status, 200, "{}", seen.text());
        let answer = seen.json();
        assert_eq!(answer["object"], "response");
        assert_eq!(answer["store"], true);
        assert_eq!(answer["output"][0]["content"][0]["text"], "Hello.");
        assert!(answer["id"].as_str().is_some_and(|id| id.starts_with("resp_")), "{answer}");
    }
}

#[tokio::test]
async fn a_turn_goes_on_after_the_one_before_on_any_provider() {
    let gateway = gateway();
    let id = first(&gateway).await;
    let seen = next(&gateway, &id).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(seen.json()["previous_response_id"], id.as_str());
    let sent = gateway.upstream.last_body();
    let pair = |role: &str, text: &str| (role.to_owned(), text.to_owned());
    let expected =
        [pair("user", "My name is Ada."), pair("assistant", "Hello."), pair("user", "Who am I?")];
    assert_eq!(said(&sent), expected);
    assert_eq!(sent.get("previous_response_id"), None);
    let second = seen.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(next(&gateway, &second).await.status, 200);
    assert_eq!(said(&gateway.upstream.last_body()).len(), 5);
}

#[tokio::test]
async fn a_streamed_answer_is_kept_before_its_end() {
    let gateway = gateway();
    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    let body = json!({"model": "acme/tiny", "input": "Hi", "stream": true});
    let seen = gateway.post("/v1/responses", &body).await;
    assert!(seen.text().contains("event: response.completed"), "{}", seen.text());
    let kept = gateway.store.responses.lock()[0].clone();
    assert!(seen.text().contains(&kept.id));
    assert_eq!(kept.response["output"][0]["content"][0]["text"], "Hello.");
    assert_eq!(next(&gateway, &kept.id).await.status, 200);
}

#[tokio::test]
async fn what_is_not_kept_cannot_be_continued() {
    let gateway = gateway();
    gateway.upstream.then(hello(14, 2));
    let body = json!({"model": "acme/tiny", "input": "Hi", "store": false});
    let seen = gateway.post("/v1/responses", &body).await;
    assert_eq!(seen.json()["store"], false);
    assert!(gateway.store.responses.lock().is_empty());
    let seen = next(&gateway, seen.json()["id"].as_str().expect("an id")).await;
    assert_eq!(
        (seen.status, &seen.json()["error"]["param"]),
        (400, &"previous_response_id".into())
    );
    assert_eq!(seen.header("x-should-retry"), "false");
}

#[tokio::test]
async fn kept_responses_are_read_listed_and_forgotten() {
    let gateway = gateway();
    let id = first(&gateway).await;
    let second = next(&gateway, &id).await.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/responses/{second}");
    assert_eq!(gateway.get(&path).await.json()["output"][0]["content"][0]["text"], "Hello.");
    let streamed = gateway.get(&format!("{path}?stream=true")).await;
    assert!(streamed.text().contains("event: response.completed"), "{}", streamed.text());
    assert!(streamed.text().contains(&second));
    let items = gateway.get(&format!("{path}/input_items?order=asc")).await.json();
    let texts: Vec<&Value> = items["data"]
        .as_array()
        .expect("items")
        .iter()
        .map(|it| &it["content"][0]["text"])
        .collect();
    assert_eq!(texts, ["My name is Ada.", "Hello.", "Who am I?"]);
    let cancel = gateway.post(&format!("{path}/cancel"), &json!({})).await;
    assert_eq!(cancel.status, 400, "{}", cancel.text());
    let gone = gateway.ask(request("DELETE", &format!("/v1/responses/{id}"), &[], "")).await;
    assert_eq!(gone.json()["deleted"], true);
    assert_eq!(gateway.get(&format!("/v1/responses/{id}")).await.status, 404);
    // Its end is still there, but not what it goes on after.
    assert_eq!(gateway.get(&path).await.status, 200);
    assert_eq!(next(&gateway, &second).await.status, 400);
}

#[tokio::test]
async fn references_to_items_become_the_items() {
    let gateway = gateway();
    first(&gateway).await;
    let item = gateway.store.responses.lock()[0].response["output"][0]["id"].clone();
    gateway.upstream.then(hello(14, 2));
    let body = json!({"model": "acme/tiny", "input": [
        {"role": "user", "content": "My name is Ada."},
        {"type": "item_reference", "id": item},
        {"role": "user", "content": "Who am I?"}]});
    let seen = gateway.post("/v1/responses", &body).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(said(&gateway.upstream.last_body())[1].1, "Hello.");
}

#[tokio::test]
async fn what_one_caller_keeps_another_does_not_find() {
    let key = |id: &str| CallerKey {
        id: id.to_owned(),
        name: id.to_owned(),
        secret: format!("secret-{id}").into(),
        is_admin: false,
    };
    let gateway = gateway_with(|options| options.keys = vec![key("a"), key("b")]);
    let body = json!({"model": "acme/tiny", "input": "Hi"}).to_string();
    let of = |name: &str| format!("Bearer secret-{name}");
    let (a, b) = (of("a"), of("b"));
    let made =
        gateway.ask(request("POST", "/v1/responses", &[("authorization", &a)], &body)).await.json();
    let path = format!("/v1/responses/{}", made["id"].as_str().expect("an id"));
    let get = async |key: &str| {
        gateway.ask(request("GET", &path, &[("authorization", key)], "")).await.status
    };
    assert_eq!((get(&a).await, get(&b).await, gateway.get(&path).await.status), (200, 404, 404));
}

#[tokio::test]
async fn a_store_that_is_down_takes_no_answer_from_its_client() {
    use std::sync::atomic::Ordering;
    let gateway = gateway();
    gateway.store.is_down.store(true, Ordering::SeqCst);
    let seen = gateway.post("/v1/responses", &json!({"model": "acme/tiny", "input": "Hi"})).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let seen = next(&gateway, "resp_1").await;
    assert_eq!(seen.status, 503, "{}", seen.text());
}

#[tokio::test]
async fn probes_and_what_is_not_offered_are_answered() {
    let gateway = gateway();
    let head = gateway.ask(request("HEAD", "/v1/responses", &[], "")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let plain = gateway.get("/v1/responses").await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, "websocket"));
    let body = json!({"model": "acme/tiny", "input": "Hi", "background": true});
    let seen = gateway.post("/v1/responses", &body).await;
    assert_eq!((seen.status, &seen.json()["error"]["param"]), (400, &"background".into()));
    for wrong in ["{", "[]", "{}", r#"{"model":"acme/tiny","input":7}"#] {
        let seen = gateway.ask(request("POST", "/v1/responses", &[], wrong)).await;
        assert_eq!(seen.status, 400, "{wrong}");
        assert!(seen.json()["error"]["message"].is_string(), "{wrong}");
    }
}
