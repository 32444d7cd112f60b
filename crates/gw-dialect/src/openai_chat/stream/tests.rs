use gw_core::Kind;
use gw_core::chat::Part;
use gw_core::event::StreamEvent;
use gw_core::fold::Fold;
use gw_core::reply::{ChatReply, StopReason};
use gw_core::seam::{ClientStream, DialectId, Frame, FrameKind, StreamDecoder, StreamEncoder};
use gw_core::{Error, UsageReport};
use serde_json::{Value, json};

use super::{Decoder, Encoder};

fn read(body: &str) -> (Vec<Frame>, gw_core::Result<()>) {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    let outcome = decoder.push(body.as_bytes(), &mut frames);
    let outcome = outcome.and_then(|()| decoder.finish(&mut frames));
    (frames, outcome)
}

fn fold(frames: &[Frame]) -> ChatReply {
    let mut sum = Fold::default();
    let mut open = None;
    for event in frames.iter().flat_map(|frame| &frame.events) {
        // The order that the contract promises: one part at a time.
        match event {
            StreamEvent::PartStart { choice: 0, part, .. } => {
                assert_eq!(open.replace(*part), None, "two parts at once");
            }
            StreamEvent::PartDelta { choice: 0, part, .. } => assert_eq!(open, Some(*part)),
            StreamEvent::PartStop { choice: 0, part } => assert_eq!(open.take(), Some(*part)),
            _ => {}
        }
        sum.push(event);
    }
    sum.into_reply()
}

/// A stream of deltas of one answer, ended as OpenAI does.
fn wire(deltas: &[Value], reason: &str) -> String {
    let chunk = |choice: Value| {
        let chunk = json!({"id": "i", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    let mut body: String = deltas
        .iter()
        .map(|delta| chunk(json!({"index": 0, "delta": delta, "finish_reason": null})))
        .collect();
    body += &chunk(json!({"index": 0, "delta": {}, "finish_reason": reason}));
    body + "data: [DONE]\n\n"
}

#[track_caller]
fn check(deltas: &[Value], wanted: &[Part]) {
    let (frames, outcome) = read(&wire(deltas, "stop"));
    outcome.expect("a whole stream");
    assert_eq!(fold(&frames).choices[0].parts, wanted);
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
    Part::ToolCall { id, name, arguments, cache: None }
}

fn piece(index: Option<u32>, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"type": "function", "function": {"arguments": arguments}});
    if let Some(index) = index {
        call["index"] = json!(index);
    }
    if !id.is_empty() {
        call["id"] = json!(id);
    }
    if !name.is_empty() {
        call["function"]["name"] = json!(name);
    }
    call
}

fn calls(pieces: &[Value]) -> Value {
    json!({ "tool_calls": pieces })
}

#[test]
fn words_thoughts_and_refusals() {
    check(
        &[
            json!({"role": "assistant", "content": ""}),
            json!({"content": "a"}),
            json!({"content": "b"}),
        ],
        &[Part::text("ab")],
    );
    let thought = |text: &str| Part::Thinking { text: text.to_owned(), signature: None };
    for field in ["reasoning_content", "reasoning"] {
        check(
            &[json!({field: "h"}), json!({field: "m", "content": ""}), json!({"content": "a"})],
            &[thought("hm"), Part::text("a")],
        );
    }
    check(
        &[json!({"refusal": "n"}), json!({"refusal": "o"})],
        &[Part::Refusal { text: "no".to_owned() }],
    );
    let mistral = |text: &str| json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}], "closed": true}]});
    check(
        &[
            mistral("h"),
            mistral("m"),
            json!({"content": [{"type": "text", "text": "a"}]}),
            json!({"content": "b"}),
        ],
        &[thought("hm"), Part::text("ab")],
    );
}

#[test]
fn details_with_signature_and_seal() {
    let detail =
        |value: Value| json!({"content": "", "reasoning": "x", "reasoning_details": [value]});
    check(
        &[
            detail(json!({"type": "reasoning.text", "text": "h", "index": 0})),
            detail(json!({"type": "reasoning.text", "text": "m", "index": 0})),
            detail(json!({"type": "reasoning.text", "signature": "S", "index": 0})),
            json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "index": 1}]}),
            json!({"content": "a"}),
        ],
        &[
            Part::Thinking { text: "hm".to_owned(), signature: Some("S".to_owned()) },
            Part::RedactedThinking { data: "D".to_owned() },
            Part::text("a"),
        ],
    );
}

#[test]
fn calls_as_openai_streams_them() {
    check(
        &[
            calls(&[piece(Some(0), "a", "f", "")]),
            calls(&[piece(Some(0), "", "", "{\"x\"")]),
            calls(&[piece(Some(0), "", "", ":1}")]),
            calls(&[piece(Some(1), "b", "g", "")]),
            calls(&[piece(Some(1), "", "", "{}")]),
        ],
        &[call("a", "f", "{\"x\":1}"), call("b", "g", "{}")],
    );
}

#[test]
fn calls_side_by_side_come_out_one_after_the_other() {
    check(
        &[
            calls(&[piece(Some(0), "a", "f", ""), piece(Some(1), "b", "g", "")]),
            calls(&[piece(Some(1), "", "", "{\"y\"")]),
            calls(&[piece(Some(0), "", "", "{\"x\"")]),
            calls(&[piece(Some(1), "", "", ":\"}\"}")]),
            json!({"content": "and"}),
            calls(&[piece(Some(0), "", "", ":1}")]),
        ],
        &[call("a", "f", "{\"x\":1}"), call("b", "g", "{\"y\":\"}\"}"), Part::text("and")],
    );
}

#[test]
fn calls_without_index_or_id_and_with_everything_repeated() {
    let wanted = [call("a", "f", "{}"), call("b", "f", "{}")];
    check(&[calls(&[piece(None, "a", "f", "{}"), piece(None, "b", "f", "{}")])], &wanted);
    // Gemini's compatible endpoint: index 0 for all.
    check(
        &[calls(&[piece(Some(0), "a", "f", "{}")]), calls(&[piece(Some(0), "b", "f", "{}")])],
        &wanted,
    );
    let made = [call("call_0_0", "f", "{}"), call("call_0_1", "f", "{}")];
    check(&[calls(&[piece(None, "", "f", "{}"), piece(None, "", "f", "{}")])], &made);
    check(
        &[calls(&[piece(None, "", "f", "{\"a\"")]), calls(&[piece(None, "", "", ":1}")])],
        &[call("call_0_0", "f", "{\"a\":1}")],
    );
    check(
        &[
            calls(&[piece(Some(0), "a", "f", "{\"a\"")]),
            calls(&[piece(Some(0), "a", "f", ":1}")]),
            calls(&[piece(Some(0), "a", "f", "{\"a\":1}")]),
        ],
        &[call("a", "f", "{\"a\":1}")],
    );
    check(
        &[calls(&[
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": {"a": 1}}}),
        ])],
        &[call("a", "f", "{\"a\":1}")],
    );
    check(
        &[
            json!({"function_call": {"name": "f", "arguments": "{"}}),
            json!({"function_call": {"arguments": "}"}}),
        ],
        &[call("call_0_0", "f", "{}")],
    );
    check(
        &[calls(&[piece(Some(0), "a", "f", "")]), calls(&[piece(Some(1), "b", "g", "")])],
        &[call("a", "f", ""), call("b", "g", "")],
    );
}

#[test]
fn custom_calls_images_audio_and_citations() {
    let own = |value: Value| Part::Opaque { dialect: DialectId::OpenAiChat, value };
    check(
        &[
            calls(&[
                json!({"index": 0, "id": "a", "type": "custom", "custom": {"name": "sql", "input": "sel"}}),
            ]),
            calls(&[json!({"index": 0, "custom": {"input": "ect"}})]),
        ],
        &[own(json!({"id": "a", "type": "custom", "custom": {"name": "sql", "input": "select"}}))],
    );
    let image = json!({"type": "image_url", "image_url": {"url": "u"}});
    check(&[json!({"images": [image]})], &[own(image)]);
    check(
        &[
            json!({"audio": {"id": "x"}}),
            json!({"audio": {"transcript": "hi", "data": "A"}}),
            json!({"audio": {"data": "B"}}),
        ],
        &[
            Part::text("hi"),
            own(json!({"type": "audio", "audio": {"id": "x", "transcript": "hi", "data": "AB"}})),
        ],
    );
    let note = json!({"type": "url_citation", "url_citation": {"url": "u"}});
    check(
        &[json!({"content": "a"}), json!({"content": "", "annotations": [note]})],
        &[Part::Text { text: "a".to_owned(), citations: vec![note], cache: None }],
    );
}

#[test]
fn frames_tell_a_relay_what_to_do() {
    let body = concat!(
        ": OPENROUTER PROCESSING\n\n",
        "data: {\"choices\":[],\"id\":\"\",\"model\":\"\",\"prompt_filter_results\":[]}\n\n",
        "data: {\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n",
        "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"id\":\"i\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );
    let (frames, outcome) = read(body);
    outcome.expect("a whole stream");
    let kinds: Vec<FrameKind> = frames.iter().map(|frame| frame.kind).collect();
    use FrameKind::{Data, End, KeepAlive, UsageOnly};
    assert_eq!(kinds, [KeepAlive, Data, Data, Data, UsageOnly, End]);
    let raw: Vec<u8> = frames.iter().flat_map(|frame| frame.raw.to_vec()).collect();
    assert_eq!(raw, body.as_bytes());
    let reply = fold(&frames);
    assert_eq!((reply.id.as_str(), reply.model.as_str()), ("i", "m"));
    assert_eq!(reply.usage.usage.output, 2);
}

#[test]
fn usage_on_the_last_choice_is_data() {
    let body = "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
    let (frames, outcome) = read(body);
    outcome.expect("ended by its finish reason");
    let kinds: Vec<FrameKind> = frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [FrameKind::Data, FrameKind::End]);
    assert_eq!(fold(&frames).usage.usage.input, 3);
    assert_eq!(&frames[1].raw[..], b"data: [DONE]\n\n");
}

#[test]
fn several_answers() {
    let body = concat!(
        "data: {\"id\":\"i\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\n",
        "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}]}\n\n",
        "data: {\"id\":\"i\",\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    );
    let (frames, outcome) = read(body);
    outcome.expect("a whole stream");
    let reply = fold(&frames);
    let texts: Vec<_> = reply.choices.iter().map(|choice| choice.parts.clone()).collect();
    assert_eq!(texts, [vec![Part::text("a")], vec![Part::text("b")]]);
    assert_eq!(reply.choices[0].stop, Some(StopReason::MaxTokens.into()));
}

#[test]
fn a_stream_that_breaks_off_is_an_error() {
    for body in [
        "",
        ": ping\n\n",
        "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n",
    ] {
        let (_, outcome) = read(body);
        assert_eq!(outcome.expect_err("cut").kind(), Kind::ProviderUnreachable, "{body}");
    }
    let (_, outcome) = read("data: {\"id\":\n\n");
    assert_eq!(outcome.expect_err("not JSON").kind(), Kind::ProviderMalformed);
}

#[track_caller]
fn fails(body: &str, kind: Kind, message: &str) {
    let (frames, outcome) = read(body);
    outcome.expect("the error is an event");
    let events: Vec<&StreamEvent> = frames.iter().flat_map(|frame| &frame.events).collect();
    let Some(StreamEvent::Error(error)) = events.last() else { panic!("{events:?}") };
    assert_eq!((error.kind(), error.message()), (kind, message));
}

#[test]
fn errors_inside_a_stream() {
    fails(
        "data: {\"error\":{\"message\":\"slow\",\"code\":429}}\n\ndata: [DONE]\n\n",
        Kind::ProviderRateLimited,
        "slow",
    );
    fails(
        "data: {\"id\":\"i\",\"error\":{\"message\":\"gone\",\"code\":\"server_error\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
        Kind::ProviderFailed,
        "gone",
    );
    fails("event: error\ndata: {\"message\":\"odd\"}\n\n", Kind::ProviderFailed, "odd");
    fails(
        "data: {\"object\":\"error\",\"message\":\"vllm\",\"code\":400}\n\n",
        Kind::ProviderRejected,
        "vllm",
    );
    fails(
        "{\"error\": {\"message\": \"undressed\", \"code\": 503}}",
        Kind::ProviderOverloaded,
        "undressed",
    );
    fails("{\n \"error\": {\n  \"message\": \"lines\"\n }\n}\n", Kind::ProviderFailed, "lines");
}

#[test]
fn a_whole_answer_in_place_of_a_stream_is_read() {
    let body = json!({"id": "i", "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "a"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    let (frames, outcome) = read(&body.to_string());
    outcome.expect("a whole answer");
    assert_eq!(fold(&frames).text(), "a");
}

fn write(events: &[StreamEvent], client: ClientStream) -> Vec<String> {
    let mut encoder = Encoder::new(client);
    let mut out = Vec::new();
    for event in events {
        encoder.push(event, &mut out);
    }
    let text = String::from_utf8(out).expect("text");
    text.split_terminator("\n\n").map(str::to_owned).collect()
}

#[test]
fn the_client_gets_openais_order() {
    let start =
        StreamEvent::Start { id: "i".to_owned(), model: "m".to_owned(), created_s: Some(4) };
    let stop = StreamEvent::Stop { choice: 0, stop: StopReason::EndTurn.into() };
    let usage = StreamEvent::Usage(UsageReport::default());
    let events = [start, StreamEvent::Ping, stop, usage, StreamEvent::End, StreamEvent::Ping];
    let client =
        ClientStream { model: "alias".to_owned(), include_usage: true, ..ClientStream::default() };
    let frames = write(&events, client);
    assert_eq!(frames.len(), 5, "{frames:?}");
    let chunk = |at: usize| -> Value {
        serde_json::from_str(frames[at].strip_prefix("data: ").expect("data")).expect("JSON")
    };
    assert_eq!(chunk(0)["choices"][0]["delta"]["role"], "assistant");
    assert_eq!((&chunk(0)["model"], &chunk(0)["usage"]), (&json!("alias"), &Value::Null));
    assert_eq!(frames[1], ": keep-alive");
    assert_eq!(chunk(2)["choices"][0]["finish_reason"], "stop");
    assert_eq!((&chunk(3)["choices"], &chunk(3)["usage"]["total_tokens"]), (&json!([]), &json!(0)));
    for at in [0, 2, 3] {
        assert_eq!((&chunk(at)["id"], &chunk(at)["created"]), (&json!("i"), &json!(4)));
    }
    assert_eq!(frames[4], "data: [DONE]");
    let quiet = write(&events, ClientStream::default());
    assert_eq!(quiet.len(), 4, "no usage for a client that did not ask");
    assert!(!quiet[0].contains("usage"));
}

#[test]
fn nothing_follows_an_error() {
    let error = Error::new(Kind::ProviderTimeout, "silent for too long");
    let events = [StreamEvent::Error(Box::new(error)), StreamEvent::End];
    let frames = write(&events, ClientStream::default());
    assert_eq!(frames.len(), 1);
    let body: Value =
        serde_json::from_str(frames[0].strip_prefix("data: ").expect("data")).expect("JSON");
    assert_eq!(body["error"]["code"], "provider_timeout");
}

#[test]
fn a_stream_that_ends_after_its_usage_without_done_is_whole() {
    let usage = json!({"id": "i", "model": "m", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}});
    let body = wire(&[json!({"content": "hi"})], "stop")
        .replace("data: [DONE]\n\n", &format!("data: {usage}\n\n"));
    let (frames, outcome) = read(&body);
    outcome.unwrap();
    assert_eq!(frames.last().map(|frame| frame.kind), Some(FrameKind::End));
    assert_eq!(fold(&frames).usage.usage.input, 3);
}
