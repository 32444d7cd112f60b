//! The simulated model, as a client sees it.

use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::SimulatedModel;
use crate::answer::WireAnswer;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/anthropic/v1/messages";

fn model() -> SimulatedModel {
    SimulatedModel::new(7, &["sim-small"])
}

fn ask(path: &str, body: &Value) -> WireAnswer {
    model().answer(&Method::POST, path, &HeaderMap::new(), body.to_string().as_bytes(), 1)
}

fn whole(path: &str, body: &Value) -> Value {
    let answer = ask(path, body);
    assert_eq!(answer.status, 200, "{:?}", answer.body());
    serde_json::from_slice(&answer.body()).unwrap()
}

/// The data of all events of a stream but `[DONE]`.
fn events(path: &str, body: &Value) -> Vec<Value> {
    let mut body = body.clone();
    body["stream"] = json!(true);
    let answer = ask(path, &body);
    assert!(answer.is_stream());
    answer
        .frames
        .iter()
        .filter_map(|frame| {
            let text = std::str::from_utf8(frame).unwrap();
            let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            (data != "[DONE]").then(|| serde_json::from_str(data).unwrap())
        })
        .collect()
}

fn joined(events: &[Value], pointer: &str) -> String {
    events.iter().filter_map(|event| event.pointer(pointer)?.as_str()).collect()
}

fn chat(text: &str) -> Value {
    json!({"model": "sim-small", "messages": [{"role": "user", "content": text}]})
}

fn message(text: &str) -> Value {
    json!({"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": text}]})
}

fn weather_tool() -> Value {
    json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "kelvin"]}},
        "required": ["city", "unit"],
    })
}

fn chat_tools() -> Value {
    json!([
        {"type": "function", "function": {"name": "get_weather", "parameters": weather_tool()}},
        {"type": "function", "function": {"name": "list_files", "parameters": {"type": "object"}}},
    ])
}

#[test]
fn a_chat_is_answered_counted_and_the_same_every_time() {
    let body = chat("What is a monad?");
    let reply = whole(CHAT, &body);
    let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("[simulated] You asked: \"What is a monad?\"."), "{text}");
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
    assert_eq!(reply["model"], "sim-small");
    let usage = &reply["usage"];
    assert_eq!(usage["completion_tokens"], text.chars().count().div_ceil(4));
    assert_eq!(usage["prompt_tokens"], 4 + 3);
    let sum =
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert_eq!(ask(CHAT, &body).body(), ask(CHAT, &body).body());
    assert_ne!(reply["id"], whole(CHAT, &chat("What is a functor?"))["id"]);
}

#[test]
fn a_streamed_chat_says_the_same() {
    let mut body = chat("Tell me something, please, at some length.");
    body["stream_options"] = json!({"include_usage": true});
    let reply = whole(CHAT, &body);
    let chunks = events(CHAT, &body);
    let text = joined(&chunks, "/choices/0/delta/content");
    assert_eq!(text, reply["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(joined(&chunks, "/choices/0/finish_reason"), "stop");
    assert_eq!(chunks.last().unwrap()["choices"], json!([]));
    assert_eq!(chunks.last().unwrap()["usage"], reply["usage"]);
    assert!(chunks.len() > 5);
    body["stream"] = json!(true);
    assert_eq!(ask(CHAT, &body).frames.last().unwrap(), "data: [DONE]\n\n");
    body["stream_options"] = json!({});
    assert!(events(CHAT, &body).iter().all(|chunk| chunk.get("usage").is_none()));
}

#[test]
fn tools_are_called_when_forced_or_spoken_of() {
    let names = |body: &Value| -> Vec<String> {
        whole(CHAT, body)["choices"][0]["message"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|call| call["function"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut body = chat("hello");
    body["tools"] = chat_tools();
    assert!(names(&body).is_empty());
    body["tool_choice"] = json!("required");
    assert_eq!(names(&body), ["get_weather"]);
    body["tool_choice"] = json!({"type": "function", "function": {"name": "list_files"}});
    assert_eq!(names(&body), ["list_files"]);
    body["tool_choice"] = json!("auto");
    body["messages"][0]["content"] = json!("What is the weather, and which files are there?");
    assert_eq!(names(&body), ["get_weather", "list_files"]);
    body["parallel_tool_calls"] = json!(false);
    assert_eq!(names(&body), ["get_weather"]);
    body["tool_choice"] = json!("none");
    assert!(names(&body).is_empty());
}

#[test]
fn a_call_fits_its_schema_streamed_or_not_and_its_result_is_used() {
    let mut body = chat("weather?");
    body["tools"] = chat_tools();
    body["tool_choice"] = json!("required");
    let reply = whole(CHAT, &body);
    let choice = &reply["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], json!(null));
    let call = &choice["message"]["tool_calls"][0];
    let arguments = call["function"]["arguments"].as_str().unwrap();
    assert_eq!(arguments, r#"{"city":"sample","unit":"celsius"}"#);
    let chunks = events(CHAT, &body);
    assert_eq!(joined(&chunks, "/choices/0/delta/tool_calls/0/function/arguments"), arguments);
    assert_eq!(joined(&chunks, "/choices/0/delta/tool_calls/0/function/name"), "get_weather");
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(choice["message"].clone());
    messages
        .push(json!({"role": "tool", "tool_call_id": call["id"], "content": "rain, 9 degrees"}));
    let text = whole(CHAT, &body)["choices"][0]["message"]["content"].to_string();
    assert!(text.contains("The tool answered: \\\"rain, 9 degrees\\\""), "{text}");
}

#[test]
fn structured_output_is_an_instance_of_the_schema() {
    let mut body = chat("weather?");
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "w", "schema": weather_tool()}});
    let reply = whole(CHAT, &body);
    let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
    let made: Value = serde_json::from_str(text).unwrap();
    assert_eq!(made, json!({"city": "sample", "unit": "celsius"}));
    let mut body = message("weather?");
    body["output_config"] = json!({"format": {"type": "json_schema", "schema": weather_tool()}});
    let text = whole(MESSAGES, &body)["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), made);
}

#[test]
fn limits_stops_images_and_thinking() {
    let mut body = chat("hello");
    body["max_tokens"] = json!(3);
    let choice = whole(CHAT, &body)["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(choice["message"]["content"].as_str().unwrap().chars().count(), 12);
    let mut body = chat("hello");
    body["stop"] = json!("asked");
    assert_eq!(whole(CHAT, &body)["choices"][0]["message"]["content"], "[simulated] You ");
    let body = json!({"model": "m", "reasoning_effort": "low", "n": 2, "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]},
    ]});
    let reply = whole(CHAT, &body);
    assert_eq!(reply["choices"].as_array().unwrap().len(), 2);
    let message = &reply["choices"][1]["message"];
    assert!(message["content"].as_str().unwrap().contains("I see 1 image"));
    assert!(message["reasoning_content"].as_str().unwrap().contains("What is it?"));
    let details = &reply["usage"]["completion_tokens_details"];
    assert!(details["reasoning_tokens"].as_u64().unwrap() > 0);
}

#[test]
fn messages_are_answered_whole_and_streamed_alike() {
    let mut body = message("Why is the sky blue?");
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    let reply = whole(MESSAGES, &body);
    let [thought, text] = reply["content"].as_array().unwrap().as_slice() else {
        panic!("{reply}")
    };
    assert_eq!(thought["type"], "thinking");
    assert!(!thought["signature"].as_str().unwrap().is_empty());
    assert_eq!(reply["stop_reason"], "end_turn");
    let events = events(MESSAGES, &body);
    assert_eq!(events[0]["type"], "message_start");
    assert_eq!(events[0]["message"]["stop_reason"], json!(null));
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    assert_eq!(joined(&events, "/delta/thinking"), thought["thinking"].as_str().unwrap());
    assert_eq!(joined(&events, "/delta/signature"), thought["signature"].as_str().unwrap());
    assert_eq!(joined(&events, "/delta/text"), text["text"].as_str().unwrap());
    let delta = events.iter().find(|event| event["type"] == "message_delta").unwrap();
    assert_eq!(delta["usage"]["output_tokens"], reply["usage"]["output_tokens"]);
}

#[test]
fn messages_call_tools_and_take_their_results() {
    let mut body = message("hello");
    body["tools"] = json!([{"name": "get_weather", "input_schema": weather_tool()}]);
    body["tool_choice"] = json!({"type": "tool", "name": "get_weather"});
    let reply = whole(MESSAGES, &body);
    assert_eq!(reply["stop_reason"], "tool_use");
    let call = &reply["content"][0];
    assert_eq!(call["input"], json!({"city": "sample", "unit": "celsius"}));
    let streamed = joined(&events(MESSAGES, &body), "/delta/partial_json");
    assert_eq!(serde_json::from_str::<Value>(&streamed).unwrap(), call["input"]);
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": reply["content"]}));
    messages.push(json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "sunny"}]},
    ]}));
    let text = whole(MESSAGES, &body)["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("The tool answered: \"sunny\""), "{text}");
}

#[test]
fn message_limits_stops_and_counts() {
    let mut body = message("hello");
    body["stop_sequences"] = json!(["asked"]);
    let reply = whole(MESSAGES, &body);
    assert_eq!(
        (&reply["stop_reason"], &reply["stop_sequence"]),
        (&json!("stop_sequence"), &json!("asked"))
    );
    body["max_tokens"] = json!(1);
    assert_eq!(whole(MESSAGES, &body)["stop_reason"], "max_tokens");
    let count = whole("/v1/messages/count_tokens", &message("hello"))["input_tokens"].clone();
    assert_eq!(count, whole(MESSAGES, &message("hello"))["usage"]["input_tokens"]);
}

#[test]
fn models_are_listed_in_three_ways() {
    let get = |path: &str, headers: &HeaderMap| -> Value {
        let answer = model().answer(&Method::GET, path, headers, b"", 1);
        serde_json::from_slice(&answer.body()).unwrap()
    };
    let none = HeaderMap::new();
    assert_eq!(get("/v1/models", &none)["data"][0]["id"], "sim-small");
    assert_eq!(get("/api/tags", &none)["models"][0]["name"], "sim-small");
    let anthropic = HeaderMap::from_iter([(
        "anthropic-version".parse().unwrap(),
        HeaderValue::from_static("x"),
    )]);
    assert_eq!(get("/v1/models?limit=1", &anthropic)["data"][0]["type"], "model");
}

#[test]
fn bad_requests_get_an_error_of_their_dialect() {
    let check = |path: &str, body: &str, status: u16, pointer: &str, expected: &str| {
        let answer = model().answer(&Method::POST, path, &HeaderMap::new(), body.as_bytes(), 1);
        let error: Value = serde_json::from_slice(&answer.body()).unwrap();
        assert_eq!(answer.status, status, "{error}");
        assert_eq!(error.pointer(pointer).unwrap(), expected, "{error}");
    };
    check(CHAT, "{", 400, "/error/type", "invalid_request_error");
    check(CHAT, "{}", 400, "/error/type", "invalid_request_error");
    check(CHAT, r#"{"model":"m","messages":[]}"#, 400, "/error/type", "invalid_request_error");
    check(
        MESSAGES,
        r#"{"model":"m","messages":[]}"#,
        400,
        "/error/message",
        "max_tokens: Field required",
    );
    check("/v1/nothing", "{}", 404, "/error/code", "model_not_found");
    let demo = SimulatedModel::demo(&["demo-free"]);
    let body = chat("hi").to_string();
    let answer = demo.answer(&Method::POST, CHAT, &HeaderMap::new(), body.as_bytes(), 1);
    assert_eq!(answer.status, 404);
}

proptest! {
    #[test]
    fn no_body_makes_it_fail(
        path in prop_oneof![Just(CHAT), Just(MESSAGES)], text in ".{0,40}",
        content in prop_oneof![Just(json!(null)), Just(json!(7)), Just(json!([{"type": 3}])), Just(json!({"text": "a"}))],
        stop in ".{0,3}", most in any::<u64>(), streams in any::<bool>(),
    ) {
        let body = json!({
            "model": "m", "max_tokens": most, "stop": stop, "stop_sequences": [stop], "stream": streams,
            "tools": content, "tool_choice": content, "response_format": content,
            "messages": [{"role": "user", "content": text}, {"role": content}, content,
                {"role": "user", "content": content}, {"role": "user", "content": text}],
        });
        let answer = ask(path, &body);
        prop_assert!(answer.status == 200 || answer.status == 400);
        let garbage = model().answer(&Method::POST, path, &HeaderMap::new(), text.as_bytes(), 1);
        prop_assert_eq!(garbage.status, 400);
    }
}
