use gw_core::chat::Part;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::reply::StopReason;
use gw_core::seam::FrameKind;
use gw_core::{Error, Kind, Usage, UsageReport};
use serde_json::{Value, json};

use super::{encode_stream, events_of, fold, read_stream};

const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":6,"cache_creation":{"ephemeral_1h_input_tokens":4},"output_tokens":1,"service_tier":"standard"}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"query\": "}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"é\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"char_location"}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"yes 😀"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: of_the_future
data: {"type":"of_the_future"}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":15,"output_tokens_details":{"thinking_tokens":5}}}

event: message_stop
data: {"type":"message_stop"}

"#;

#[test]
fn a_stream_adds_up() {
    let (frames, outcome) = read_stream(&[STREAM.as_bytes()]);
    outcome.expect("whole");
    let raw: Vec<u8> = frames.iter().flat_map(|frame| frame.raw.to_vec()).collect();
    assert_eq!(raw, STREAM.as_bytes());
    let kinds: Vec<FrameKind> = frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds[2], FrameKind::KeepAlive);
    assert_eq!(kinds.last(), Some(&FrameKind::End));
    let reply = fold(&events_of(&frames));
    let value = json!({"type": "server_tool_use", "id": "s", "name": "web_search",
        "input": {"query": "é"}});
    let parts = vec![
        Part::Thinking { text: "hm".to_owned(), signature: Some("sig".to_owned()) },
        Part::Opaque { dialect: super::super::ID, value },
        Part::Text {
            text: "yes 😀".to_owned(),
            citations: vec![json!({"type": "char_location"})],
            cache: None,
        },
        Part::ToolCall {
            id: "t".to_owned(),
            name: "f".to_owned(),
            arguments: "{}".to_owned(),
            cache: None,
        },
    ];
    assert_eq!(reply.choices[0].parts, parts);
    assert_eq!(reply.choices[0].stop, Some(StopReason::ToolUse.into()));
    let usage = Usage {
        input: 9,
        cache_write: 2,
        cache_write_long: 4,
        output: 10,
        reasoning: 5,
        ..Usage::default()
    };
    assert_eq!(reply.usage.usage, usage);
}

#[test]
fn a_stream_adds_up_however_it_is_cut() {
    let body = STREAM.as_bytes();
    let sum = |pieces: &[&[u8]]| {
        let (frames, outcome) = read_stream(pieces);
        outcome.expect("whole");
        fold(&events_of(&frames))
    };
    let whole = sum(&[body]);
    for at in 0..=body.len() {
        assert_eq!(sum(&[&body[..at], &body[at..]]), whole, "cut at {at}");
    }
    for size in 1..=64 {
        let pieces: Vec<&[u8]> = body.chunks(size).collect();
        assert_eq!(sum(&pieces), whole, "pieces of {size}");
    }
}

#[test]
fn a_stream_that_breaks_off_says_so_wherever() {
    let end = STREAM.find("event: message_stop").expect("there");
    for at in 0..end {
        let (_, outcome) = read_stream(&[&STREAM.as_bytes()[..at]]);
        let kind = outcome.expect_err("cut").kind();
        // A last line that is cut may be no JSON any more.
        assert!(matches!(kind, Kind::ProviderUnreachable | Kind::ProviderMalformed), "{at}");
    }
}

#[test]
fn what_is_no_stream_is_told_apart() {
    #[track_caller]
    fn check(body: &str, expected: Kind) {
        let (_, outcome) = read_stream(&[body.as_bytes()]);
        assert_eq!(outcome.expect_err("no stream").kind(), expected, "{body}");
    }
    check("", Kind::ProviderUnreachable);
    check(": only a comment\n\n", Kind::ProviderUnreachable);
    check("<html>\n\n</html>", Kind::ProviderMalformed);
    check("data: nonsense\n\n", Kind::ProviderMalformed);
    check("data: {\"type\":\"message_start\"}\n\n", Kind::ProviderMalformed);
    let error = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}";
    check(error, Kind::ProviderOverloaded);
}

#[test]
fn an_error_event_ends_the_stream() {
    let body = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\
                \"message\":\"busy\"}}\n\n";
    let (frames, outcome) = read_stream(&[body.as_bytes()]);
    outcome.expect("said properly");
    let [StreamEvent::Error(error)] = &frames[0].events[..] else { panic!("an error") };
    assert_eq!((error.kind(), error.message()), (Kind::ProviderOverloaded, "busy"));
    assert_eq!(encode_stream(&frames[0].events), body);
}

fn start() -> StreamEvent {
    StreamEvent::Start { id: "chatcmpl-1".to_owned(), model: "m".to_owned(), created_s: None }
}

fn part(place: u32, head: PartHead) -> StreamEvent {
    StreamEvent::PartStart { choice: 0, part: place, head }
}

fn delta(place: u32, delta: PartDelta) -> StreamEvent {
    StreamEvent::PartDelta { choice: 0, part: place, delta }
}

fn stop(place: u32) -> StreamEvent {
    StreamEvent::PartStop { choice: 0, part: place }
}

fn tool(id: &str) -> PartHead {
    PartHead::ToolCall { id: id.to_owned(), name: "f".to_owned() }
}

/// The events as `[name, shortened data]`.
fn written(events: &[StreamEvent]) -> Vec<Value> {
    let text = encode_stream(events);
    let blocks = text.split_terminator("\n\n").map(|block| {
        let (event, data) = block.split_once("\ndata: ").expect("two lines");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(event.strip_prefix("event: "), data["type"].as_str());
        data
    });
    blocks.collect()
}

#[test]
fn the_sequence_of_events_is_exact() {
    let usage = UsageReport {
        usage: Usage { input: 4, output: 2, ..Usage::default() },
        ..Default::default()
    };
    let events = [
        StreamEvent::Ping,
        start(),
        part(0, PartHead::Text),
        delta(0, PartDelta::Text("a".to_owned())),
        stop(0),
        StreamEvent::Stop { choice: 0, stop: StopReason::EndTurn.into() },
        StreamEvent::Usage(usage),
        StreamEvent::End,
        StreamEvent::Ping,
    ];
    let counts = |input: u64, output: u64| {
        json!({"input_tokens": input, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0, "output_tokens": output})
    };
    let message = json!({"id": "msg_chatcmpl-1", "type": "message", "role": "assistant",
        "model": "m", "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": counts(7, 0)});
    let expected = [
        json!({"type": "ping"}),
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": "a"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn",
            "stop_sequence": null}, "usage": counts(4, 2)}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(written(&events), expected);
}

#[test]
fn parts_that_come_mixed_are_written_one_after_the_other() {
    let arguments = |text: &str| PartDelta::Arguments(text.to_owned());
    let events = [
        start(),
        part(0, tool("a")),
        part(1, tool("b")),
        delta(1, arguments("{\"x\":")),
        delta(0, arguments("{}")),
        delta(1, arguments("1}")),
        stop(1),
        part(2, PartHead::Text),
        stop(0),
        delta(2, PartDelta::Text("t".to_owned())),
        StreamEvent::End,
    ];
    let seen: Vec<String> = written(&events)
        .iter()
        .map(|event| {
            let index = event["index"].as_u64().map(|index| index.to_string());
            let text = event["delta"]["partial_json"].as_str().unwrap_or_default();
            let kind = event["type"].as_str().unwrap_or_default();
            format!("{kind} {} {text}", index.unwrap_or_default()).trim().to_owned()
        })
        .collect();
    let expected = [
        "message_start",
        "content_block_start 0",
        "content_block_delta 0 {}",
        "content_block_stop 0",
        "content_block_start 1",
        "content_block_delta 1 {\"x\":",
        "content_block_delta 1 1}",
        "content_block_stop 1",
        "content_block_start 2",
        "content_block_delta 2",
        "content_block_stop 2",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn an_error_of_the_gateway_is_an_event_and_the_last_word() {
    let error = Error::new(Kind::ProviderUnreachable, "the connection broke");
    let events =
        [start(), part(0, PartHead::Text), StreamEvent::Error(Box::new(error)), StreamEvent::End];
    let written = written(&events);
    let last = json!({"type": "error", "error": {"type": "api_error",
        "message": "the connection broke"}});
    assert_eq!(written.last(), Some(&last));
    assert_eq!(written.len(), 3);
}
