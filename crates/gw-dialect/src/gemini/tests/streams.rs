use gw_core::Kind;
use gw_core::chat::Part;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::reply::StopReason;
use gw_core::seam::{Dialect as _, DialectId};
use serde_json::{Value, json};

use super::super::GeminiArray;
use super::{Gemini, client, read_stream, write_stream};

/// A stream of everything, in either form.
fn chunks() -> Vec<Value> {
    let chunk = |parts: Value| {
        json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7}, "modelVersion": "gemini-3-flash", "responseId": "r"})
    };
    let mut last = chunk(json!([{"text": "", "thoughtSignature": "c2lnbmVk"}]));
    last["candidates"][0]["finishReason"] = json!("STOP");
    last["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}]});
    last["usageMetadata"] = json!({"promptTokenCount": 7, "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2, "totalTokenCount": 14});
    vec![
        chunk(json!([{"text": "think", "thought": true}])),
        chunk(json!([{"text": "ing é", "thought": true, "thoughtSignature": "dGg="}])),
        chunk(
            json!([{"functionCall": {"name": "f", "args": {"a": "\u{1F600} \"}]"}}, "thoughtSignature": "CiQBEU0y"},
            {"functionCall": {"name": "g", "args": {}}}]),
        ),
        chunk(
            json!([{"functionCall": {"name": "h", "willContinue": true}, "thoughtSignature": "AAAA"}]),
        ),
        chunk(
            json!([{"functionCall": {"partialArgs": [{"jsonPath": "$.c", "stringValue": "Ber"}], "willContinue": true}}]),
        ),
        chunk(
            json!([{"functionCall": {"partialArgs": [{"jsonPath": "$.c", "stringValue": "lin"}]}}]),
        ),
        chunk(json!([{"text": "Hel"}])),
        chunk(json!([{"text": "lo"}])),
        last,
    ]
}

fn as_events() -> String {
    chunks().iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

fn as_array() -> String {
    let chunks: Vec<String> = chunks().iter().map(|chunk| format!("{chunk:#}")).collect();
    format!("[{}\n]\n", chunks.join("\n,\r\n"))
}

#[test]
fn a_stream_adds_up() {
    let (reply, events, raw) = read_stream(&[as_events().as_bytes()]).expect("reads");
    assert_eq!(raw, as_events().as_bytes());
    let choice = &reply.choices[0];
    assert_eq!(choice.stop, Some(StopReason::ToolUse.into()));
    assert_eq!(
        choice.parts[0],
        Part::Thinking { text: "thinking é".into(), signature: Some("gemini:dGg=".into()) }
    );
    let call = |at: usize| match &choice.parts[at] {
        Part::ToolCall { id, name, arguments, .. } => {
            (id.as_str(), name.as_str(), arguments.as_str())
        }
        part => panic!("a call, not {part:?}"),
    };
    assert_eq!(call(1), ("gcall_r_0__gsig_CiQBEU0y", "f", "{\"a\":\"\u{1F600} \\\"}]\"}"));
    assert_eq!(call(2), ("gcall_r_1", "g", "{}"));
    assert_eq!(call(3), ("gcall_r_2__gsig_AAAA", "h", "{\"c\":\"Berlin\"}"));
    assert_eq!(reply.text(), "Hello");
    let usage = reply.usage.usage;
    assert_eq!((usage.input, usage.output, usage.reasoning, usage.web_search), (7, 5, 2, 1));
    assert!(matches!(events.last(), Some(StreamEvent::End)));
    let cites = choice
        .parts
        .iter()
        .any(|part| matches!(part, Part::Text { citations, .. } if !citations.is_empty()));
    assert!(cites);
}

#[test]
fn both_forms_amount_to_the_same_at_every_cut() {
    let (wanted, _, _) = read_stream(&[as_events().as_bytes()]).expect("reads");
    for body in [as_events(), as_array()] {
        let bytes = body.as_bytes();
        for at in 0..=bytes.len() {
            let (first, rest) = bytes.split_at(at);
            let (reply, _, raw) = read_stream(&[first, rest]).expect("reads");
            assert_eq!(reply, wanted, "cut at {at}");
            assert_eq!(raw, bytes, "cut at {at}");
        }
        for size in 1..=16 {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(read_stream(&pieces).expect("reads").0, wanted, "pieces of {size}");
        }
    }
}

#[test]
fn what_is_written_reads_back_in_both_forms() {
    let (wanted, events, _) = read_stream(&[as_events().as_bytes()]).expect("reads");
    for dialect in [&Gemini as &dyn gw_core::seam::Dialect, &GeminiArray] {
        let written = write_stream(dialect, &events);
        let (again, _, _) = read_stream(&[written.as_bytes()]).expect("reads");
        let shape = |reply: &gw_core::reply::ChatReply| {
            (
                reply.id.clone(),
                reply.model.clone(),
                reply.usage.clone(),
                reply.choices[0].stop.clone(),
                reply.text(),
            )
        };
        assert_eq!(shape(&again), shape(&wanted));
        assert_eq!(again.choices[0].parts[..4], wanted.choices[0].parts[..4]);
    }
    let array = write_stream(&GeminiArray, &events);
    let items: Value = serde_json::from_str(&array).expect("one JSON array");
    assert!(items.as_array().is_some_and(|items| items.len() > 5));
    assert_eq!(GeminiArray.stream_content_type(), "application/json");
}

/// CLIENTS.md 1.3: a comment line crashes both Google SDKs.
#[test]
fn nothing_but_answers_is_written() {
    let mut encoder = Gemini.stream_encoder(client());
    let mut out = Vec::new();
    encoder.push(&StreamEvent::Ping, &mut out);
    encoder
        .push(&StreamEvent::Start { id: "x".into(), model: "m".into(), created_s: None }, &mut out);
    encoder.push(&StreamEvent::Ping, &mut out);
    assert_eq!(out, b"");
    let call = PartHead::ToolCall { id: "call_1".into(), name: "f".into() };
    for event in [
        StreamEvent::PartStart { choice: 0, part: 0, head: PartHead::Text },
        StreamEvent::PartDelta { choice: 0, part: 0, delta: PartDelta::Text("hi".into()) },
        StreamEvent::PartStop { choice: 0, part: 0 },
        StreamEvent::PartStart { choice: 0, part: 1, head: call },
        StreamEvent::PartDelta {
            choice: 0,
            part: 1,
            delta: PartDelta::Arguments("{\"a\":".into()),
        },
        StreamEvent::Ping,
        StreamEvent::PartDelta { choice: 0, part: 1, delta: PartDelta::Arguments("1}".into()) },
        StreamEvent::PartStop { choice: 0, part: 1 },
        StreamEvent::PartStart {
            choice: 0,
            part: 2,
            head: PartHead::Opaque {
                dialect: DialectId::AnthropicMessages,
                value: json!({"type": "server_tool_use"}),
            },
        },
        StreamEvent::PartStop { choice: 0, part: 2 },
        StreamEvent::Stop { choice: 0, stop: StopReason::ToolUse.into() },
        StreamEvent::Usage(gw_core::UsageReport::default()),
        StreamEvent::End,
        StreamEvent::End,
    ] {
        encoder.push(&event, &mut out);
    }
    let text = String::from_utf8(out).expect("text");
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    let chunks: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line.strip_prefix("data: ").expect("data")).expect("JSON"))
        .collect();
    assert_eq!(
        chunks[1]["candidates"][0]["content"]["parts"],
        json!([{"functionCall": {"id": "call_1", "name": "f", "args": {"a": 1}}}])
    );
    assert_eq!(chunks[2]["candidates"][0]["finishReason"], "STOP");
    assert_eq!(chunks[2]["usageMetadata"]["totalTokenCount"], 0);
}

#[test]
fn an_error_ends_a_stream_in_both_forms() {
    let error = gw_core::Error::new(Kind::ProviderOverloaded, "busy");
    for dialect in [&Gemini as &dyn gw_core::seam::Dialect, &GeminiArray] {
        let events = [StreamEvent::Error(Box::new(error.clone())), StreamEvent::End];
        let written = write_stream(dialect, &events);
        let (_, events, _) = read_stream(&[written.as_bytes()]).expect("an error event");
        assert!(
            matches!(&events[..], [StreamEvent::Error(error)] if error.kind() == Kind::ProviderOverloaded)
        );
    }
}

#[test]
fn broken_streams_are_told() {
    let kind = |body: &str| read_stream(&[body.as_bytes()]).expect_err("broken").kind();
    let whole = as_events();
    let cut = whole.rfind("data:").expect("a last chunk");
    assert_eq!(kind(&whole[..cut]), Kind::ProviderUnreachable);
    assert_eq!(kind(""), Kind::ProviderUnreachable);
    assert_eq!(kind("[]"), Kind::ProviderUnreachable);
    assert_eq!(kind("data: {\n\n"), Kind::ProviderMalformed);
    assert_eq!(kind("data: 5\n\n"), Kind::ProviderMalformed);
    assert_eq!(kind("<html>\n\n"), Kind::ProviderMalformed);
    // A whole answer where a stream was asked for.
    let one =
        json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]})
            .to_string();
    assert_eq!(read_stream(&[one.as_bytes()]).expect("reads").0.text(), "x");
}

#[test]
fn a_refused_prompt_ends_the_stream_properly() {
    let body = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"responseId\":\"r\"}\n\n";
    let (reply, events, _) = read_stream(&[body.as_bytes()]).expect("reads");
    assert_eq!(reply.choices[0].stop, Some(StopReason::Refusal.into()));
    assert!(matches!(events.last(), Some(StreamEvent::End)));
    let written = write_stream(&Gemini, &events);
    assert!(written.contains("\"promptFeedback\":{\"blockReason\":\"SAFETY\"}"), "{written}");
}
