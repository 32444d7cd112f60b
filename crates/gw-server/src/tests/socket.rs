//! The WebSocket of responses, over a real connection.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::fixture::{Gateway, STREAM, Script, gateway};
use crate::serve::{ServeOptions, serve};

struct Client {
    socket: WebSocketStream<TcpStream>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn connect(gateway: &Gateway) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("is bound");
    let options = ServeOptions { lifecycle: gateway.lifecycle.clone(), ..ServeOptions::default() };
    let router = gateway.router.clone();
    let served = tokio::spawn(serve(listener, router, std::future::pending(), options));
    let stream = TcpStream::connect(address).await.expect("connects");
    let url = format!("ws://localhost:{}/v1/responses", address.port());
    let (socket, response) = tokio_tungstenite::client_async(url, stream).await.expect("upgrades");
    assert_eq!(response.status().as_u16(), 101);
    Client { socket, served }
}

impl Client {
    async fn say(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).await.expect("sent");
    }

    /// Events up to the one that ends a response.
    async fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(message) = self.socket.next().await {
            let Message::Text(text) = message.expect("no fault") else { continue };
            let event: Value = serde_json::from_str(&text).expect("is JSON");
            let kind = event["type"].as_str().expect("has a type").to_owned();
            events.push(event);
            let is_last = ["response.completed", "response.failed", "error"];
            if is_last.contains(&kind.as_str()) {
                return events;
            }
        }
        panic_any(&events)
    }
}

fn panic_any(events: &[Value]) -> ! {
    std::panic::panic_any(format!("the connection ended after {events:?}"))
}

fn create(more: &Value) -> Value {
    let mut message = json!({"type": "response.create", "model": "acme/tiny", "store": false,
        "stream": true, "input": []});
    for (key, value) in more.as_object().expect("an object") {
        message[key] = value.clone();
    }
    message
}

fn user(text: &str) -> Value {
    json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}])
}

#[tokio::test]
async fn a_connection_remembers_what_was_said_on_it() {
    let gateway = gateway();
    let mut client = connect(&gateway).await;
    client.say(&create(&json!({"generate": false, "input": user("Be brief.")}))).await;
    let warm = client.events().await;
    let id = warm.last().expect("an event")["response"]["id"].clone();
    assert_eq!(warm[0]["type"], "response.created");
    assert!(gateway.upstream.seen.lock().is_empty(), "no model is called to warm up");

    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    client.say(&create(&json!({"previous_response_id": id, "input": user("Hi")}))).await;
    let events = client.events().await;
    let deltas: String = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(deltas, "Hello.");
    let id = events.last().expect("an event")["response"]["id"].clone();

    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    client.say(&create(&json!({"previous_response_id": id, "input": user("Again")}))).await;
    client.events().await;
    let sent = gateway.upstream.last_body();
    let said: Vec<&Value> =
        sent["messages"].as_array().expect("messages").iter().map(|it| &it["content"]).collect();
    assert_eq!(said, ["Be brief.", "Hi", "Hello.", "Again"]);
    assert!(gateway.store.responses.lock().is_empty(), "`store: false` is honoured");
}

#[tokio::test]
async fn faults_are_events_and_the_connection_lives_on() {
    let gateway = gateway();
    let mut client = connect(&gateway).await;
    let unknown = create(&json!({"previous_response_id": "resp_9", "input": user("Hi")}));
    let cases = [
        (json!({"type": "session.update"}), 400, "invalid_request"),
        (unknown, 400, "previous_response_not_found"),
        (create(&json!({"model": "nobody/nothing", "input": user("Hi")})), 404, "model_not_found"),
    ];
    for (message, status, code) in cases {
        client.say(&message).await;
        let event = client.events().await.pop().expect("an event");
        assert_eq!(
            (&event["type"], &event["status"]),
            (&json!("error"), &json!(status)),
            "{event}"
        );
        assert_eq!(event["error"]["code"], code, "{event}");
    }
    gateway.upstream.then(Script::Stream(STREAM.to_vec()));
    client.say(&create(&json!({"input": user("Hi")}))).await;
    assert_eq!(client.events().await.pop().expect("an event")["type"], "response.completed");
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_model() {
    let gateway = gateway();
    let mut client = connect(&gateway).await;
    gateway.upstream.then(Script::Stall(STREAM[1]));
    client.say(&create(&json!({"input": user("Hi")}))).await;
    gateway.upstream.open_becomes(1).await;
    client.socket.close(None).await.expect("closed");
    gateway.upstream.open_becomes(0).await;
}
