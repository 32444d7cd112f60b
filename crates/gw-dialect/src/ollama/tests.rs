use std::path::Path;

use bytes::Bytes;
use gw_core::chat::{
    ChatRequest, Message, Part, Reasoning, ResponseFormat, Role, Source, Tool, ToolChoice,
};
use gw_core::event::StreamEvent;
use gw_core::fold::Fold;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::{ClientStream, Dialect, DialectId, Edits, FrameKind, Quirks, Target};
use gw_core::unfold::unfold;
use gw_core::{Error, Kind, Usage, UsageReport};
use http::HeaderMap;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

use super::{Ollama, OllamaGenerate};

fn decode(body: &Value) -> ChatRequest {
    Ollama.decode_request(body.to_string().as_bytes()).expect("decodes")
}

fn encode(request: &ChatRequest) -> gw_core::Result<(Value, Vec<String>)> {
    let quirks = Quirks::default();
    let target = Target { model: "llama3.2", quirks: &quirks, max_output_tokens: None };
    let wire = Ollama.encode_request(request, &target)?;
    assert_eq!(wire.path, "/api/chat");
    let features = wire.notices.into_iter().map(|notice| notice.feature).collect();
    Ok((serde_json::from_slice(&wire.body).expect("JSON"), features))
}

fn client() -> ClientStream {
    ClientStream { created_s: 1_709_200_800, ..ClientStream::default() }
}

fn read_stream(pieces: &[&[u8]]) -> gw_core::Result<(ChatReply, Vec<StreamEvent>, Vec<u8>)> {
    let mut decoder = Ollama.stream_decoder();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut frames)?;
    }
    decoder.finish(&mut frames)?;
    let mut fold = Fold::default();
    let (mut events, mut raw) = (Vec::new(), Vec::new());
    for frame in frames {
        raw.extend_from_slice(&frame.raw);
        events.extend(frame.events);
    }
    events.iter().for_each(|event| fold.push(event));
    Ok((fold.into_reply(), events, raw))
}

fn write_stream(dialect: &dyn Dialect, events: &[StreamEvent]) -> String {
    let mut encoder = dialect.stream_encoder(client());
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut out));
    String::from_utf8(out).expect("text")
}

#[test]
fn a_chat_request_is_read_and_written_again() {
    let body = json!({
        "model": "llama3.2",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look", "images": ["iVBORw0KGgoAAAANSUhEUg=="]},
            {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]},
            {"role": "tool", "content": "one", "tool_name": "f", "tool_call_id": "call_a"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d",
            "parameters": {"type": "object", "properties": {}}}}],
        "format": {"type": "object"},
        "think": "high",
        "options": {"temperature": 0.0, "top_p": 0.5, "top_k": 5, "seed": 1, "stop": ["x"],
            "frequency_penalty": 0.5, "presence_penalty": 0.25, "num_predict": 9, "num_ctx": 4096},
        "logprobs": true,
        "top_logprobs": 2,
        "stream": false,
        "keep_alive": "5m",
    });
    let request = decode(&body);
    assert!(matches!(&request.messages[1].parts[1], Part::Image {
        source: Source::Base64 { media_type, .. }, .. } if media_type == "image/png"));
    assert!(
        matches!(&request.messages[2].parts[1], Part::ToolCall { arguments, .. } if arguments == "{\"a\":1}")
    );
    assert!(
        matches!(&request.messages[3].parts[0], Part::ToolResult { call_id, .. } if call_id == "call_a")
    );
    assert_eq!(request.max_output_tokens, Some(9));
    assert_eq!(
        request.reasoning,
        Some(Reasoning { effort: Some("high".into()), ..Reasoning::default() })
    );
    assert_eq!(
        Value::Object(request.extra.fields.clone()),
        json!({"keep_alive": "5m", "options": {"num_ctx": 4096}})
    );
    let (written, notices) = encode(&request).expect("encodes");
    assert_eq!(notices, Vec::<String>::new());
    assert_eq!(written, body);
}

#[test]
fn a_stream_is_the_default_and_results_find_their_calls_by_name() {
    let request = decode(
        &json!({"model": "m", "format": "json", "think": false, "options": {"num_predict": -1},
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}},
                {"function": {"name": "g", "arguments": "{\"x\":1}"}}]},
            {"role": "tool", "tool_name": "g", "content": "G"},
            {"role": "tool", "content": "F"},
        ]}),
    );
    assert!(request.stream);
    assert_eq!(request.response_format, Some(ResponseFormat::JsonObject));
    assert_eq!(request.reasoning.as_ref().and_then(|it| it.is_enabled), Some(false));
    assert_eq!(request.max_output_tokens, None);
    let answered = |at: usize| match &request.messages[at].parts[0] {
        Part::ToolResult { call_id, .. } => call_id.as_str(),
        part => panic!("a result, not {part:?}"),
    };
    assert_eq!((answered(2), answered(3)), ("call_1", "call_0"));
}

#[test]
fn a_generate_request_is_a_conversation() {
    let request =
        decode(&json!({"model": "m", "prompt": "hi", "system": "Be brief.", "stream": false,
        "images": ["/9j/4AAQ"], "suffix": "x", "keep_alive": 0}));
    assert_eq!(request.messages[0], Message::text(Role::System, "Be brief."));
    assert_eq!(request.messages[1].parts[0], Part::text("hi"));
    assert!(matches!(&request.messages[1].parts[1], Part::Image { .. }));
    let (body, notices) = encode(&request).expect("encodes");
    assert_eq!((notices, &body["keep_alive"]), (vec!["suffix".to_owned()], &json!(0)));
    // A request that only loads the model.
    assert_eq!(decode(&json!({"model": "m"})).messages, []);
}

#[test]
fn what_cannot_be_said_is_told() {
    let image = Part::Image {
        source: Source::Url { url: "https://a.example/x".into() },
        detail: None,
        cache: None,
    };
    let audio = Part::Audio { data: "AA".into(), format: "wav".into() };
    for part in [image, audio] {
        let message =
            Message { role: Role::User, parts: vec![part], name: None, extra: Default::default() };
        let request = ChatRequest { messages: vec![message], ..ChatRequest::default() };
        let error = encode(&request).expect_err("cannot be said");
        assert_eq!(
            (error.kind(), error.field()),
            (Kind::UnsupportedFeature, Some("messages[0].parts[0]"))
        );
    }
    let tool = Tool::Function {
        name: "f".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
        extra: Default::default(),
    };
    let request = |choice| ChatRequest {
        messages: vec![Message::text(Role::User, "hi")],
        tools: vec![tool.clone()],
        tool_choice: Some(choice),
        user: Some("u".into()),
        ..ChatRequest::default()
    };
    let (body, notices) = encode(&request(ToolChoice::None)).expect("encodes");
    assert_eq!(
        (body.get("tools"), notices),
        (None, vec!["tools".into(), "tool_choice".into(), "user".into()])
    );
    let (_, notices) = encode(&request(ToolChoice::Required)).expect("encodes");
    assert_eq!(notices, ["tool_choice", "user"]);
    let hosted = Tool::Hosted { dialect: DialectId::AnthropicMessages, value: json!({}) };
    let request = ChatRequest { tools: vec![hosted], ..ChatRequest::default() };
    assert_eq!(encode(&request).expect_err("not Ollama's").field(), Some("tools[0]"));
}

#[test]
fn passing_on_keeps_every_byte_but_the_models_name() {
    let quirks = Quirks::default();
    let target = Target { model: "up", quirks: &quirks, max_output_tokens: None };
    let pass = |body: &'static str| {
        let edits = Edits { target, wants_usage: true, is_stream: true };
        Ollama.pass_request(&Bytes::from_static(body.as_bytes()), &edits).expect("passes")
    };
    let wire = pass("{\"model\":\"m\", \"messages\" : [], \"new\":1.0}");
    assert_eq!(
        (&wire.body[..], &*wire.path),
        (&b"{\"model\":\"up\", \"messages\" : [], \"new\":1.0}"[..], "/api/chat")
    );
    assert_eq!(pass("{\"model\":\"m\",\"prompt\":\"x\"}").path, "/api/generate");
}

#[test]
fn broken_requests_name_the_field() {
    let check = |body: Value, field: &str| {
        let error = Ollama.decode_request(body.to_string().as_bytes()).expect_err("broken");
        assert_eq!((error.kind(), error.field()), (Kind::InvalidRequest, Some(field)), "{body}");
    };
    check(json!({"messages": []}), "model");
    check(json!({"model": ""}), "model");
    check(json!({"model": "m", "messages": [{"role": "robot"}]}), "messages[0].role");
    check(
        json!({"model": "m", "messages": [{"role": "user", "content": []}]}),
        "messages[0].content",
    );
    check(json!({"model": "m", "options": {"top_p": "x"}}), "options.top_p");
    check(json!({"model": "m", "format": 5}), "format");
    check(json!({"model": "m", "think": 5}), "think");
}

const ANSWER: &str = r#"{"model":"llama3.2","created_at":"2024-02-29T10:00:00.123Z","message":{"role":"assistant","content":"Hello","thinking":"hm","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"id":"call_b","function":{"name":"g","arguments":{}}}]},"done":true,"done_reason":"stop","total_duration":5,"prompt_eval_count":7,"eval_count":9}"#;

#[test]
fn an_answer_is_read() {
    let reply = Ollama.decode_reply(ANSWER.as_bytes()).expect("decodes");
    let choice = &reply.choices[0];
    let call = |id: &str, name: &str, arguments: &str| Part::ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        cache: None,
    };
    assert_eq!(
        choice.parts,
        [
            Part::Thinking { text: "hm".into(), signature: None },
            Part::text("Hello"),
            call("call_20240229100000123_0", "f", "{\"a\":1}"),
            call("call_b", "g", "{}"),
        ]
    );
    assert_eq!(choice.stop, Some(StopReason::ToolUse.into()));
    assert_eq!(reply.created_s, Some(1_709_200_800));
    assert_eq!(reply.usage.usage, Usage { input: 7, output: 9, ..Usage::default() });
    let again = Ollama.decode_reply(&Ollama.encode_reply(&reply, &client())).expect("decodes");
    assert_eq!(again, reply);
    // A client of the other endpoint.
    let written: Value =
        serde_json::from_slice(&OllamaGenerate.encode_reply(&reply, &client())).expect("JSON");
    assert_eq!((&written["response"], &written["thinking"]), (&json!("Hello"), &json!("hm")));
    assert_eq!(
        OllamaGenerate.decode_reply(written.to_string().as_bytes()).expect("decodes"),
        reply
    );
}

#[test]
fn an_answer_of_generate_is_read() {
    let body = json!({"model": "m", "response": "Hi", "thinking": "hm", "done": true, "done_reason": "length", "context": [1]});
    let reply = Ollama.decode_reply(body.to_string().as_bytes()).expect("decodes");
    assert_eq!(
        (reply.text().as_str(), &reply.choices[0].stop),
        ("Hi", &Some(StopReason::MaxTokens.into()))
    );
}

const LINES: &str = concat!(
    "{\"model\":\"m\",\"created_at\":\"2024-02-29T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"h\\n\u{e9}\"},\"done\":false}\n",
    "{\"model\":\"m\",\"created_at\":\"2024-02-29T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"m\"},\"done\":false}\r\n",
    "\n",
    "{\"model\":\"m\",\"created_at\":\"2024-02-29T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"done\":false}\n",
    "{\"model\":\"m\",\"created_at\":\"2024-02-29T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"lo\"},\"done\":false}\n",
    "{\"model\":\"m\",\"created_at\":\"2024-02-29T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]},\"done\":false}\n",
    "{\"model\":\"m\",\"created_at\":\"2024-02-29T10:00:00Z\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":3,\"eval_count\":4}\n",
);

#[test]
fn a_stream_adds_up_at_every_cut() {
    let (wanted, events, raw) = read_stream(&[LINES.as_bytes()]).expect("reads");
    assert_eq!(raw, LINES.as_bytes());
    assert_eq!(wanted.text(), "Hello");
    assert_eq!(wanted.choices[0].parts.len(), 3);
    assert_eq!(wanted.choices[0].stop, Some(StopReason::ToolUse.into()));
    assert_eq!(wanted.usage.usage, Usage { input: 3, output: 4, ..Usage::default() });
    for at in 0..=LINES.len() {
        let (first, rest) = LINES.as_bytes().split_at(at);
        let (reply, _, raw) = read_stream(&[first, rest]).expect("reads");
        assert_eq!((reply, raw.as_slice()), (wanted.clone(), LINES.as_bytes()), "cut at {at}");
    }
    // The last line break may be missing.
    assert_eq!(read_stream(&[LINES.trim_end().as_bytes()]).expect("reads").0, wanted);
    for dialect in [&Ollama as &dyn Dialect, &OllamaGenerate] {
        let written = write_stream(dialect, &events);
        assert_eq!(read_stream(&[written.as_bytes()]).expect("reads").0, wanted);
        assert_eq!(dialect.stream_content_type(), "application/x-ndjson");
    }
    assert!(write_stream(&OllamaGenerate, &events).starts_with(
        "{\"model\":\"m\",\"created_at\":\"2024-02-29T10:00:00Z\",\"response\":\"\",\"thinking\":\"h\\n\u{e9}\""));
}

#[test]
fn broken_streams_are_told() {
    let kind = |body: &str| read_stream(&[body.as_bytes()]).expect_err("broken").kind();
    let cut = LINES.rfind("{\"model\"").expect("a last line");
    assert_eq!(kind(&LINES[..cut]), Kind::ProviderUnreachable);
    assert_eq!(kind(""), Kind::ProviderUnreachable);
    assert_eq!(kind("data: x\n"), Kind::ProviderMalformed);
    let (_, events, _) =
        read_stream(&[b"{\"error\":\"model runner has crashed\"}\n"]).expect("an error event");
    assert!(
        matches!(&events[..], [StreamEvent::Error(error)] if error.kind() == Kind::ProviderFailed)
    );
    let events = [
        StreamEvent::Ping,
        StreamEvent::Error(Box::new(Error::new(Kind::ProviderOverloaded, "busy"))),
        StreamEvent::End,
    ];
    assert_eq!(write_stream(&Ollama, &events), "{\"error\":\"busy\"}\n");
}

#[test]
fn errors_are_a_text() {
    let decode = |status, body: &'static str| {
        Ollama.decode_error(status, &HeaderMap::new(), &Bytes::from_static(body.as_bytes()))
    };
    let missing = decode(404, "{\"error\":\"model 'x' not found\"}");
    assert_eq!((missing.kind(), missing.message()), (Kind::ModelNotFound, "model 'x' not found"));
    assert_eq!(&Ollama.encode_error(&missing)[..], b"{\"error\":\"model 'x' not found\"}");
    assert_eq!(
        decode(400, "{\"error\":\"input exceeds the context length\"}").kind(),
        Kind::ContextTooLong
    );
    assert_eq!(
        decode(503, "{\"error\":\"server busy, please try again\"}").kind(),
        Kind::ProviderOverloaded
    );
    assert_eq!(decode(502, "<html>").kind(), Kind::ProviderFailed);
    for kind in Kind::ALL {
        let written = Ollama.encode_error(&Error::new(*kind, "because"));
        let value: Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(value["error"], "because");
    }
}

/// Requests that real clients of this format sent.
#[test]
fn requests_of_real_clients_are_read_and_written() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/clients"));
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    };
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        let recorded: Value = serde_json::from_str(&text).expect("JSON");
        if !matches!(recorded["path"].as_str(), Some("/api/chat" | "/api/generate")) {
            continue;
        }
        count += 1;
        let request = decode(&recorded["body"]);
        let (body, notices) = encode(&request).expect("encodes");
        assert_eq!(notices, Vec::<String>::new(), "{}", path.display());
        assert_eq!(decode(&body).messages, request.messages, "{}", path.display());
    }
    assert!(count > 0, "no request of an Ollama client in {}", folder.display());
}

fn reply() -> impl Strategy<Value = ChatReply> {
    let word = "[a-z \u{e9}\u{1F600}\"\\\\\n]{1,12}";
    let calls = vec(("[a-z0-9]{1,8}", "[a-z]{1,8}", any::<i32>()), 0..3);
    let thought = proptest::option::of(word);
    (thought, proptest::option::of(word), calls, any::<[u32; 2]>()).prop_map(
        |(thought, text, calls, counts)| {
            let mut parts: Vec<Part> = Vec::new();
            parts.extend(thought.map(|text| Part::Thinking { text, signature: None }));
            parts.extend(text.map(Part::text));
            let reason = if calls.is_empty() { StopReason::EndTurn } else { StopReason::ToolUse };
            parts.extend(calls.into_iter().map(|(id, name, number)| Part::ToolCall {
                id,
                name,
                arguments: format!("{{\"n\":{number}}}"),
                cache: None,
            }));
            let usage =
                Usage { input: counts[0].into(), output: counts[1].into(), ..Usage::default() };
            ChatReply {
                id: String::new(),
                model: "m".into(),
                created_s: Some(1_709_200_800),
                choices: vec![Choice {
                    index: 0,
                    parts,
                    stop: Some(reason.into()),
                    logprobs: None,
                }],
                usage: UsageReport { usage, ..UsageReport::default() },
            }
        },
    )
}

proptest! {
    #[test]
    fn answers_and_streams_read_back(reply in reply(), size in 1_usize..40) {
        for dialect in [&Ollama as &dyn Dialect, &OllamaGenerate] {
            let written = dialect.encode_reply(&reply, &client());
            prop_assert_eq!(&dialect.decode_reply(&written).expect("decodes"), &reply);
            let written = write_stream(dialect, &unfold(&reply));
            let pieces: Vec<&[u8]> = written.as_bytes().chunks(size).collect();
            prop_assert_eq!(&read_stream(&pieces).expect("reads").0, &reply);
        }
    }

    #[test]
    fn no_bytes_panic(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..200),
            "\\{\"(message|response|error|model|messages|tools|options|think|format)\":(null|5|\"x\"|\\[\\]|\\{\\}|\\[\\{\\}\\])\\}".prop_map(String::into_bytes),
            Just(b"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}".to_vec()),
        ],
    ) {
        if let Ok(request) = Ollama.decode_request(&bytes) {
            let _ = encode(&request);
        }
        let _ = Ollama.decode_reply(&bytes);
        let _ = Ollama.decode_error(500, &HeaderMap::new(), &Bytes::from(bytes.clone()));
        let mut decoder = Ollama.stream_decoder();
        let mut frames = Vec::new();
        let _ = decoder.push(&bytes, &mut frames);
        let _ = decoder.finish(&mut frames);
        for frame in frames {
            prop_assert_eq!(frame.events.is_empty() && frame.kind == FrameKind::End, false);
        }
    }
}
