//! Laws over random values.

use bytes::Bytes;
use gw_core::chat::Extra;
use gw_core::chat::{
    CacheMark, ChatRequest, Message, Part, Reasoning, ResponseFormat, Role, Sampling, Source, Tool,
    ToolChoice,
};
use gw_core::fold::Fold;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::{ClientStream, Dialect, Edits, Frame, Quirks, Target};
use gw_core::{Usage, UsageReport};
use http::HeaderMap;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use serde_json::json;

use crate::openai_chat::OpenAiChat;

fn quirks() -> Quirks {
    Quirks {
        reasoning_details: true,
        reasoning_object: true,
        cache_control: true,
        ..Quirks::default()
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-zäß \"\\\\\n{}]{1,12}", 1 => Just("日本\u{1F600}".to_owned())]
}

fn mark() -> impl Strategy<Value = Option<CacheMark>> {
    option::weighted(0.2, option::of(Just("1h".to_owned())).prop_map(|ttl| CacheMark { ttl }))
}

fn text_part() -> impl Strategy<Value = Part> {
    (word(), mark()).prop_map(|(text, cache)| Part::Text { text, citations: Vec::new(), cache })
}

fn image() -> impl Strategy<Value = Part> {
    let source = prop_oneof![
        Just(Source::Url { url: "https://x/y.png".to_owned() }),
        Just(Source::Base64 { media_type: "image/png".to_owned(), data: "iVBO".to_owned() }),
    ];
    (source, option::of(Just("high".to_owned())), mark())
        .prop_map(|(source, detail, cache)| Part::Image { source, detail, cache })
}

fn document() -> impl Strategy<Value = Part> {
    let source = prop_oneof![
        Just(Source::Base64 { media_type: "application/pdf".to_owned(), data: "JVBE".to_owned() }),
        Just(Source::Url { url: "https://x/y.pdf".to_owned() }),
    ];
    (source, mark()).prop_map(|(source, cache)| Part::Document {
        source,
        title: Some("a.pdf".to_owned()),
        context: None,
        citations: false,
        cache,
    })
}

fn thought() -> impl Strategy<Value = Part> {
    prop_oneof![
        (word(), option::of("[A-Za-z]{4}"))
            .prop_map(|(text, signature)| Part::Thinking { text, signature }),
        "[A-Za-z]{6}".prop_map(|data| Part::RedactedThinking { data }),
    ]
}

fn call() -> impl Strategy<Value = Part> {
    ("[a-z]{8}", "[a-z_]{1,8}", word()).prop_map(|(id, name, value)| Part::ToolCall {
        id,
        name,
        arguments: json!({ "x": value, "y": [1, { "z": "}" }] }).to_string(),
        cache: None,
    })
}

fn user() -> impl Strategy<Value = Message> {
    let part = prop_oneof![3 => text_part(), 1 => image(), 1 => document()];
    (vec(part, 1..4), option::weighted(0.2, "[a-z]{3}")).prop_map(|(parts, name)| Message {
        role: Role::User,
        parts,
        name,
        extra: Extra::default(),
    })
}

/// A turn of the assistant that calls, and the user turn that answers.
fn exchange() -> impl Strategy<Value = Vec<Message>> {
    (vec(thought(), 0..3), option::of(word()), vec(call(), 1..3)).prop_map(
        |(thoughts, text, calls)| {
            let results = calls.iter().filter_map(|call| match call {
                Part::ToolCall { id, .. } => Some(Part::ToolResult {
                    call_id: id.clone(),
                    parts: vec![Part::text("done")],
                    is_error: false,
                    cache: None,
                }),
                _ => None,
            });
            let results = results.collect();
            let parts = thoughts.into_iter().chain(text.map(Part::text)).chain(calls).collect();
            let turn = |role, parts| Message { role, parts, name: None, extra: Extra::default() };
            vec![turn(Role::Assistant, parts), turn(Role::User, results)]
        },
    )
}

fn sampling() -> impl Strategy<Value = Sampling> {
    (
        option::of(prop_oneof![Just(0.0), Just(0.7)]),
        option::of(any::<i64>()),
        vec(word(), 0..3),
        option::of(1_u32..4),
        option::of(any::<bool>()),
    )
        .prop_map(|(temperature, seed, stop, n, logprobs)| Sampling {
            temperature,
            seed,
            stop,
            n,
            logprobs,
            ..Sampling::default()
        })
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>)> {
    let tool = ("[a-z]{4}", option::of(word()), option::of(any::<bool>()), mark()).prop_map(
        |(name, description, strict, cache)| Tool::Function {
            name,
            description,
            parameters: Some(
                json!({ "type": "object", "properties": { "q": { "type": "string" } } }),
            ),
            strict,
            cache,
            extra: Extra::default(),
        },
    );
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::None),
        Just(ToolChoice::Required),
        Just(ToolChoice::Function { name: "f".to_owned() }),
    ];
    prop_oneof![Just((Vec::new(), None)), (vec(tool, 1..3), option::of(choice)),]
}

fn request() -> impl Strategy<Value = ChatRequest> {
    let format = prop_oneof![
        Just(ResponseFormat::Text),
        Just(ResponseFormat::JsonObject),
        Just(ResponseFormat::JsonSchema {
            name: Some("n".to_owned()),
            description: None,
            schema: json!({ "type": "object" }),
            strict: Some(true),
        }),
    ];
    let reasoning = prop_oneof![
        Just(Reasoning { effort: Some("high".to_owned()), ..Reasoning::default() }),
        Just(Reasoning { budget_tokens: Some(4_000), ..Reasoning::default() }),
        Just(Reasoning { is_enabled: Some(false), ..Reasoning::default() }),
    ];
    (
        (user(), option::of(exchange()), any::<bool>()),
        sampling(),
        tools(),
        (option::of(format), option::of(reasoning), option::of(1_u64..9_999)),
        any::<bool>(),
    )
        .prop_map(|((user, exchange, has_system), sampling, tools, rest, stream)| {
            let system = has_system.then(|| Message::text(Role::System, "be brief"));
            let turns = exchange.into_iter().flatten();
            ChatRequest {
                model: "m".to_owned(),
                messages: system.into_iter().chain([user]).chain(turns).collect(),
                sampling,
                tools: tools.0,
                tool_choice: tools.1,
                response_format: rest.0,
                reasoning: rest.1,
                max_output_tokens: rest.2,
                stream,
                include_usage: stream,
                ..ChatRequest::default()
            }
        })
}

fn reply() -> impl Strategy<Value = ChatReply> {
    let stop = prop_oneof![
        Just(StopReason::EndTurn),
        Just(StopReason::MaxTokens),
        Just(StopReason::Refusal),
    ];
    let choice =
        (vec(thought(), 0..3), option::of(word()), option::of(word()), vec(call(), 0..3), stop)
            .prop_map(|(thoughts, text, refusal, calls, stop)| {
                let stop = if calls.is_empty() { stop } else { StopReason::ToolUse };
                let refusal = refusal.map(|text| Part::Refusal { text });
                let parts =
                    thoughts.into_iter().chain(text.map(Part::text)).chain(refusal).chain(calls);
                Choice { index: 0, parts: parts.collect(), stop: Some(stop.into()), logprobs: None }
            });
    (vec(choice, 1..3), any::<[u16; 4]>()).prop_map(|(mut choices, counts)| {
        for (index, choice) in (0..).zip(&mut choices) {
            choice.index = index;
        }
        let [input, cache_read, output, reasoning] = counts.map(u64::from);
        let usage = Usage { input, cache_read, output, reasoning, ..Usage::default() };
        ChatReply {
            id: "id".to_owned(),
            model: "m".to_owned(),
            created_s: Some(7),
            choices,
            usage: UsageReport { usage, ..UsageReport::default() },
        }
    })
}

/// The events that a provider's stream of this answer amounts to.
fn stream_of(reply: &ChatReply) -> Vec<u8> {
    use gw_core::event::{PartDelta, PartHead, StreamEvent};
    let client = ClientStream { include_usage: true, ..ClientStream::default() };
    let mut encoder = OpenAiChat.stream_encoder(client);
    let mut out = Vec::new();
    let mut push = |event: StreamEvent| encoder.push(&event, &mut out);
    let (id, model, created_s) = (reply.id.clone(), reply.model.clone(), reply.created_s);
    push(StreamEvent::Start { id, model, created_s });
    for choice in &reply.choices {
        for (part, value) in (0..).zip(&choice.parts) {
            let (head, deltas) = match value.clone() {
                Part::Text { text, .. } => (PartHead::Text, vec![PartDelta::Text(text)]),
                Part::Refusal { text } => (PartHead::Refusal, vec![PartDelta::Text(text)]),
                Part::Thinking { text, signature } => (
                    PartHead::Thinking,
                    [PartDelta::Thinking(text)]
                        .into_iter()
                        .chain(signature.map(PartDelta::Signature))
                        .collect(),
                ),
                Part::RedactedThinking { data } => {
                    (PartHead::RedactedThinking { data }, Vec::new())
                }
                Part::ToolCall { id, name, arguments, .. } => {
                    let half = arguments.len() / 2;
                    let half = (0..=half).rev().find(|at| arguments.is_char_boundary(*at));
                    let (a, b) = arguments.split_at(half.unwrap_or(0));
                    let pieces = [a, b].map(|piece| PartDelta::Arguments(piece.to_owned()));
                    (PartHead::ToolCall { id, name }, pieces.to_vec())
                }
                other => panic!("not made here: {other:?}"),
            };
            let choice = choice.index;
            push(StreamEvent::PartStart { choice, part, head });
            for delta in deltas {
                push(StreamEvent::PartDelta { choice, part, delta });
            }
            push(StreamEvent::PartStop { choice, part });
        }
        let stop = choice.stop.clone().expect("made with one");
        push(StreamEvent::Stop { choice: choice.index, stop });
    }
    push(StreamEvent::Usage(reply.usage.clone()));
    push(StreamEvent::End);
    out
}

fn read(pieces: &[&[u8]]) -> (ChatReply, bool) {
    let mut decoder = OpenAiChat.stream_decoder();
    let mut frames: Vec<Frame> = Vec::new();
    let mut is_well = true;
    for piece in pieces {
        is_well &= decoder.push(piece, &mut frames).is_ok();
    }
    is_well &= decoder.finish(&mut frames).is_ok();
    let mut sum = Fold::default();
    for event in frames.iter().flat_map(|frame| &frame.events) {
        sum.push(event);
    }
    (sum.into_reply(), is_well)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn requests_round_trip(request in request()) {
        let quirks = quirks();
        let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
        let wire = OpenAiChat.encode_request(&request, &target).expect("can be said");
        assert_eq!(wire.notices, []);
        assert_eq!(OpenAiChat.decode_request(&wire.body).expect("its own words"), request);
    }

    #[test]
    fn replies_round_trip(reply in reply()) {
        let wire = OpenAiChat.encode_reply(&reply, &ClientStream::default());
        assert_eq!(OpenAiChat.decode_reply(&wire).expect("its own words"), reply);
    }

    #[test]
    fn streams_add_up_to_their_reply(reply in reply()) {
        let wire = stream_of(&reply);
        let (sum, is_well) = read(&[&wire]);
        assert!(is_well);
        assert_eq!(sum, reply);
    }

    #[test]
    fn a_pass_changes_only_what_it_must(request in request(), wants_usage in any::<bool>()) {
        let quirks = quirks();
        let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
        let body = OpenAiChat.encode_request(&request, &target).expect("can be said").body;
        let target = Target { model: "other", ..target };
        let edits = Edits { target, wants_usage: wants_usage && request.stream, is_stream: request.stream };
        let passed = OpenAiChat.pass_request(&body, &edits).expect("passes").body;
        let wanted = ChatRequest { model: "other".to_owned(), ..request };
        assert_eq!(OpenAiChat.decode_request(&passed).expect("its own words"), wanted);
    }

    #[test]
    fn broken_bytes_never_panic(
        request in request(),
        reply in reply(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let quirks = Quirks { developer_as_system: true, ..quirks() };
        let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
        let spoil = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            Bytes::from(bytes)
        };
        let body = spoil(&OpenAiChat.encode_request(&request, &target).expect("can be said").body);
        if let Ok(request) = OpenAiChat.decode_request(&body) {
            let _ = OpenAiChat.encode_request(&request, &target);
            let _ = OpenAiChat.pass_request(&body, &Edits { target, wants_usage: true, is_stream: true });
        }
        let body = spoil(&OpenAiChat.encode_reply(&reply, &ClientStream::default()));
        let _ = OpenAiChat.decode_reply(&body);
        let _ = OpenAiChat.decode_error(400, &HeaderMap::new(), &body);
        let stream = spoil(&stream_of(&reply));
        let _ = read(&[&stream]);
        let _ = OpenAiChat.decode_reply(&stream);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn no_cut_changes_a_stream(reply in reply()) {
        let wire = stream_of(&reply);
        for at in 0..=wire.len() {
            let (sum, is_well) = read(&[&wire[..at], &wire[at..]]);
            assert!(is_well && sum == reply, "cut at {at}");
        }
    }
}
