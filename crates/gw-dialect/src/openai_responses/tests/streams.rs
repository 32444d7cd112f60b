//! Streams: the exact sequence for clients, and leniency towards providers.

use gw_core::Kind;
use gw_core::chat::Part;
use gw_core::event::StreamEvent;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::FrameKind;
use gw_core::unfold::unfold;
use gw_core::usage::{Usage, UsageReport};
use serde_json::{Value, json};

use super::{client, data, encoded, events_of, stream, sum, written};

fn answer() -> ChatReply {
    let note = json!({"type": "url_citation", "url_citation": {"url": "https://x", "title": "X", "start_index": 0, "end_index": 2}});
    ChatReply {
        id: "resp_1".to_owned(),
        model: "m".to_owned(),
        created_s: Some(7),
        choices: vec![Choice {
            parts: vec![
                Part::Thinking { text: "hm".to_owned(), signature: Some("sig".to_owned()) },
                Part::Text { text: "hi".to_owned(), citations: vec![note], cache: None },
                Part::ToolCall {
                    id: "c1".into(),
                    name: "f".into(),
                    arguments: "{\"a\":1}".into(),
                    cache: None,
                },
            ],
            stop: Some(StopReason::ToolUse.into()),
            ..Choice::default()
        }],
        usage: UsageReport {
            usage: Usage { input: 3, output: 5, ..Usage::default() },
            ..UsageReport::default()
        },
    }
}

#[test]
fn a_client_gets_the_sequence_that_openai_has() {
    let bytes = encoded(&unfold(&answer()), client());
    let events = data(&bytes);
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.annotation.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    // Each event stands under its name.
    let text = String::from_utf8(bytes.clone()).expect("UTF-8");
    assert!(text.starts_with("event: response.created\ndata: {\"type\":\"response.created\""));
    assert_eq!(
        (&events[0]["response"]["status"], &events[0]["response"]["id"]),
        (&json!("in_progress"), &json!("resp_1"))
    );
    assert_eq!(
        events[10],
        json!({"type": "response.output_text.delta", "sequence_number": 10, "item_id": "msg_1_1",
        "output_index": 1, "content_index": 0, "delta": "hi", "logprobs": []})
    );
    assert_eq!(
        events[11]["annotation"],
        json!({"type": "url_citation", "start_index": 0, "end_index": 2, "url": "https://x", "title": "X"})
    );
    assert_eq!(events[17]["arguments"], "{\"a\":1}");
    // The last event holds the answer as it would be without a stream.
    assert_eq!(events[19]["response"], written(&answer(), &client()));
    assert_eq!(events[19]["response"]["usage"]["total_tokens"], 8);
    let (frames, outcome) = stream(&bytes, bytes.len());
    outcome.expect("ended");
    assert_eq!(sum(&frames), answer());
    assert_eq!(frames.last().map(|frame| frame.kind), Some(FrameKind::End));
}

#[test]
fn texts_side_by_side_are_one_message_and_log_probabilities_find_their_text() {
    let mut reply = answer();
    let weight = json!({"token": "a", "logprob": -1.0, "bytes": null, "top_logprobs": []});
    reply.choices[0].parts =
        vec![Part::text("a"), Part::Refusal { text: "b".to_owned() }, Part::text("c")];
    reply.choices[0].stop = Some(StopReason::MaxTokens.into());
    reply.choices[0].logprobs = Some(json!({"content": [weight], "refusal": null}));
    let whole = written(&reply, &client());
    assert_eq!(whole["output"].as_array().map(Vec::len), Some(1));
    assert_eq!(whole["output"][0]["content"][2]["logprobs"], json!([weight]));
    assert_eq!(
        (&whole["status"], &whole["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
    let bytes = encoded(&unfold(&reply), client());
    assert_eq!(
        data(&bytes).last().map(|event| event["type"].clone()),
        Some(json!("response.incomplete"))
    );
    assert_eq!(sum(&stream(&bytes, 5).0), reply);
}

#[test]
fn an_error_ends_the_stream_as_a_failed_response() {
    let start = StreamEvent::Start { id: "resp_1".into(), model: "m".into(), created_s: None };
    let cause = gw_core::Error::new(Kind::ProviderOverloaded, "busy");
    let events = [start, StreamEvent::Ping, StreamEvent::Error(Box::new(cause)), StreamEvent::End];
    let bytes = encoded(&events, client());
    assert!(String::from_utf8_lossy(&bytes).contains("\n\n: keep-alive\n\n"));
    let written = data(&bytes);
    let last = written.last().expect("an event");
    assert_eq!(
        (&last["type"], &last["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    assert_eq!(
        last["response"]["error"],
        json!({"code": "server_is_overloaded", "message": "busy"})
    );
    let (frames, outcome) = stream(&bytes, 3);
    outcome.expect("an error is an end");
    let error = events_of(&frames).find_map(|event| match event {
        StreamEvent::Error(error) => Some(error.kind()),
        _ => None,
    });
    assert_eq!(error, Some(Kind::ProviderOverloaded));
}

fn wire(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn texts(reply: &ChatReply) -> Vec<String> {
    let parts = reply.choices[0].parts.iter();
    parts
        .map(|part| match part {
            Part::Thinking { text, .. } => format!("({text})"),
            Part::Text { text, .. } => text.clone(),
            Part::ToolCall { name, arguments, .. } => format!("{name}{arguments}"),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn whatever_a_provider_leaves_out_is_found_later() {
    let thought = json!({"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]});
    let message = json!({"type": "message", "id": "msg", "content": [{"type": "output_text", "text": "hello"}]});
    let call = json!({"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}"});
    let output = json!([thought, message, call]);
    let end = json!({"type": "response.completed", "response": {"id": "r", "model": "m", "status": "completed", "output": output}});
    let wanted = ["(hm)", "hello", "f{}"];
    let delta = |kind: &str, index: u64, delta: &str| json!({"type": kind, "output_index": index, "delta": delta});
    let (hm, hel, args) = (
        delta("response.reasoning_summary_text.delta", 0, "h"),
        delta("response.output_text.delta", 1, "hel"),
        delta("response.function_call_arguments.delta", 2, "{"),
    );
    let done = |index: usize| json!({"type": "response.output_item.done", "output_index": index, "item": output[index]});
    let added = json!({"type": "response.output_item.added", "output_index": 2, "item": {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": ""}});
    let cases = [
        vec![end.clone()],
        vec![hel.clone(), end.clone()],
        vec![hm.clone(), hel.clone(), args.clone(), end.clone()],
        vec![done(0), done(1), done(2), end.clone()],
        vec![hm.clone(), done(0), hel.clone(), done(1), added.clone(), args.clone(), end.clone()],
        // Side by side.
        vec![hm, hel, added, args, done(2), done(1), done(0), end],
    ];
    for (number, events) in cases.into_iter().enumerate() {
        let (frames, outcome) = stream(wire(&events).as_bytes(), 11);
        outcome.expect("ended");
        let reply = sum(&frames);
        let mut found = texts(&reply);
        // What was said first cannot be moved behind what came later.
        if number == 1 {
            found.sort_by_key(|text| wanted.iter().position(|it| it == text));
        }
        assert_eq!(found, wanted, "case {number}");
        assert_eq!(reply.choices[0].stop, Some(StopReason::ToolUse.into()), "case {number}");
    }
}

#[test]
fn parts_come_one_after_the_other() {
    let events = [
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}),
        json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "b"}),
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 1, "delta": "c"}),
        json!({"type": "keepalive", "sequence_number": 4}),
        json!({"type": "response.web_search_call.searching", "output_index": 2}),
        json!({"type": "response.completed", "response": {"output": []}}),
    ];
    let (frames, outcome) = stream(wire(&events).as_bytes(), 1_000);
    outcome.expect("ended");
    assert_eq!(texts(&sum(&frames)), ["a", "c", "b"]);
    let mut open = None;
    for event in events_of(&frames) {
        match event {
            StreamEvent::PartStart { part, .. } => assert_eq!(open.replace(*part), None),
            StreamEvent::PartStop { part, .. } => assert_eq!(open.take(), Some(*part)),
            StreamEvent::PartDelta { part, .. } => assert_eq!(open, Some(*part)),
            _ => {}
        }
    }
    assert_eq!(frames[3].kind, FrameKind::KeepAlive);
}

#[test]
fn broken_streams() {
    let kind = |text: &str| {
        let (frames, outcome) = stream(text.as_bytes(), 9);
        let inner = events_of(&frames).find_map(|event| match event {
            StreamEvent::Error(error) => Some(error.kind()),
            _ => None,
        });
        inner.or_else(|| outcome.err().map(|error| error.kind()))
    };
    let begun = "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n";
    assert_eq!(kind(begun), Some(Kind::ProviderUnreachable));
    assert_eq!(kind("data: nonsense\n\n"), Some(Kind::ProviderMalformed));
    assert_eq!(kind("<html></html>\n\n"), Some(Kind::ProviderMalformed));
    assert_eq!(
        kind(&format!(
            "{begun}data: {{\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"slow\",\"param\":null}}\n\n"
        )),
        Some(Kind::ProviderRateLimited)
    );
    assert_eq!(
        kind("data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n"),
        Some(Kind::ProviderFailed)
    );
    assert_eq!(
        kind(
            "data: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"x\"}}}\n\n"
        ),
        Some(Kind::ContextTooLong)
    );
    assert_eq!(
        kind("{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\"}}"),
        Some(Kind::ProviderRejected)
    );
}
