//! Namespaces and custom tools: plain functions for everybody else, and back.

use gw_core::chat::{Part, Tool, ToolChoice};
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::{ClientStream, Dialect, Quirks, Target};
use gw_core::unfold::unfold;
use serde_json::{Value, json};

use super::{client, data, encoded, read, reply_of, stream, sum, write, written};
use crate::openai_chat::OpenAiChat;
use crate::openai_responses::OpenAiResponses;
use crate::openai_responses::tool_names::flat;

fn request() -> Value {
    json!({
        "model": "m",
        "input": [
            {"role": "user", "content": "Add 1 2"},
            {"type": "function_call", "call_id": "c1", "name": "add", "namespace": "mcp__gw", "arguments": "{\"a\":1}"},
            {"type": "function_call_output", "call_id": "c1", "output": "3"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** \"Begin\"\n"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
        ],
        "tools": [
            {"type": "function", "name": "plain", "description": "p", "parameters": {"type": "object", "properties": {}}, "strict": false},
            {"type": "namespace", "name": "mcp__gw", "description": "Tools of gw.", "tools": [
                {"type": "function", "name": "add", "parameters": {"type": "object", "properties": {}}, "strict": false},
                {"type": "function", "name": "sub", "parameters": {"type": "object", "properties": {}}, "strict": false},
            ]},
            {"type": "custom", "name": "patch", "description": "Edits.", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        ],
        "tool_choice": {"type": "function", "name": "add", "namespace": "mcp__gw"},
        "store": false,
    })
}

#[test]
fn other_formats_see_plain_functions() {
    let request = read(&request());
    let names: Vec<&str> = request
        .tools
        .iter()
        .map(|tool| match tool {
            Tool::Function { name, .. } => name.as_str(),
            Tool::Hosted { .. } => "hosted",
        })
        .collect();
    assert_eq!(names, ["plain", "mcp__gw__add", "mcp__gw__sub", "patch"]);
    assert_eq!(request.tool_choice, Some(ToolChoice::Function { name: "mcp__gw__add".to_owned() }));
    let quirks = Quirks::default();
    let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
    let wire = OpenAiChat.encode_request(&request, &target).expect("can be said");
    let body: Value = serde_json::from_slice(&wire.body).expect("JSON");
    assert_eq!(body["tools"][1]["function"]["name"], "mcp__gw__add");
    assert_eq!(body["messages"][1]["tool_calls"][0]["function"]["name"], "mcp__gw__add");
    let patch = &body["tools"][3]["function"];
    assert_eq!(patch["parameters"]["required"], json!(["input"]));
    assert!(patch["description"].as_str().expect("text").ends_with("start: x"));
    let call = &body["messages"][3]["tool_calls"][0]["function"];
    assert_eq!(call["arguments"], "{\"input\":\"*** \\\"Begin\\\"\\n\"}");
}

#[test]
fn its_own_format_gets_them_back_whole() {
    let wanted = request();
    let (body, notices) = write(&read(&wanted), &Quirks::default());
    assert_eq!(notices, Vec::<String>::new());
    for key in ["tools", "tool_choice"] {
        assert_eq!(body[key], wanted[key]);
    }
    for place in 1..5 {
        assert_eq!(body["input"][place], wanted["input"][place]);
    }
}

fn answer() -> ChatReply {
    let call = |id: &str, name: &str, arguments: &str| Part::ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        cache: None,
    };
    ChatReply {
        id: "chatcmpl-1".to_owned(),
        choices: vec![Choice {
            parts: vec![
                call("c1", "mcp__gw__add", "{\"a\":1}"),
                call("c2", "patch", "{\"input\":\"x\\ny\"}"),
                call("c3", "plain", ""),
            ],
            stop: Some(StopReason::ToolUse.into()),
            ..Choice::default()
        }],
        ..ChatReply::default()
    }
}

#[test]
fn a_client_gets_calls_as_it_knows_the_tools() {
    let echo = OpenAiResponses.echo(&read(&request()));
    assert_eq!(echo["tools"], request()["tools"]);
    let client = ClientStream { echo, ..client() };
    let whole = written(&answer(), &client);
    let output = &whole["output"];
    assert_eq!((&output[0]["name"], &output[0]["namespace"]), (&json!("add"), &json!("mcp__gw")));
    assert_eq!(
        (&output[1]["type"], &output[1]["input"]),
        (&json!("custom_tool_call"), &json!("x\ny"))
    );
    assert_eq!(output[1]["id"].as_str().map(|id| &id[..4]), Some("ctc_"));
    assert_eq!((&output[2]["name"], &output[2]["arguments"]), (&json!("plain"), &json!("{}")));
    assert!(output[2].get("namespace").is_none());

    let bytes = encoded(&unfold(&answer()), client);
    let events = data(&bytes);
    let done: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "response.output_item.done").collect();
    for (place, event) in done.iter().enumerate() {
        assert_eq!(event["item"], output[place]);
    }
    let added = events.iter().find(|event| event["type"] == "response.output_item.added");
    assert_eq!(added.expect("an item")["item"]["namespace"], "mcp__gw");
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert!(kinds.contains(&"response.custom_tool_call_input.delta"));
    assert!(kinds.contains(&"response.custom_tool_call_input.done"));
}

#[test]
fn a_providers_own_calls_are_read_the_same_whole_and_streamed() {
    let items = json!([
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "add", "namespace": "mcp__gw", "arguments": "{}"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "patch", "input": "a\"\u{e9}\nb"},
    ]);
    let whole = json!({"id": "r", "model": "m", "status": "completed", "output": items});
    let reply = reply_of(&whole);
    assert!(
        matches!(&reply.choices[0].parts[0], Part::ToolCall { name, .. } if name == "mcp__gw__add")
    );
    let Part::ToolCall { arguments, .. } = &reply.choices[0].parts[1] else { panic!("a call") };
    assert_eq!(arguments, "{\"input\":\"a\\\"\u{e9}\\nb\"}");
    let events = [
        json!({"type": "response.created", "response": {"id": "r", "model": "m"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "add", "namespace": "mcp__gw", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc_1", "delta": "{}"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": items[0]}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "patch", "input": ""}}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 1, "item_id": "ctc_1", "delta": "a\""}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 1, "item_id": "ctc_1", "delta": "\u{e9}\nb"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": items[1]}),
        json!({"type": "response.completed", "response": whole}),
    ];
    let bytes: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let (frames, outcome) = stream(bytes.as_bytes(), 7);
    outcome.expect("ended");
    assert_eq!(sum(&frames), reply);
}

#[test]
fn long_and_odd_names_stay_apart() {
    let long = "n".repeat(70);
    let names =
        [flat("a", &long), flat("b", &long), flat(&long, "x"), flat("a.b", "c"), flat("a_b", "c")];
    for (place, name) in names.iter().enumerate() {
        assert!(name.len() <= 64 && !names[..place].contains(name), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    }
    assert_eq!(flat("mcp__x__", "y"), "mcp__x__y");
}
