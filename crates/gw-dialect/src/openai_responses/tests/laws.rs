//! Laws over random values.

use bytes::Bytes;
use gw_core::chat::{ChatRequest, Extra, Message, Part, Role, Source, Tool};
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::{ClientStream, Dialect, Edits, Quirks, Target};
use gw_core::unfold::unfold;
use gw_core::usage::{Usage, UsageReport};
use http::HeaderMap;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use serde_json::{Map, json};

use super::{client, encoded, stream, sum};
use crate::openai_responses::{ID, OpenAiResponses};
use crate::seal;

fn quirks() -> Quirks {
    Quirks { reasoning_details: true, ..Quirks::default() }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-zäß \"\\\\\n{}]{1,12}", 1 => Just("日本\u{1F600}".to_owned())]
}

fn thought() -> impl Strategy<Value = Part> {
    let own = ("rs_[a-z]{4}", "[A-Za-z]{6}").prop_map(|(id, sealed)| {
        let mut kept = Map::new();
        kept.insert("id".to_owned(), json!(id));
        kept.insert("encrypted_content".to_owned(), json!(sealed));
        Part::RedactedThinking { data: seal::mark(ID, &json!(kept).to_string()) }
    });
    prop_oneof![
        (word(), option::of("[A-Za-z]{4}"))
            .prop_map(|(text, signature)| Part::Thinking { text, signature }),
        "[A-Za-z]{6}".prop_map(|data| Part::RedactedThinking { data }),
        own,
    ]
}

fn call() -> impl Strategy<Value = Part> {
    ("[a-z]{8}", "[a-z_]{1,8}", word()).prop_map(|(id, name, value)| Part::ToolCall {
        id,
        name,
        arguments: json!({ "x": value }).to_string(),
        cache: None,
    })
}

/// A turn of the assistant that calls, and the user turn that answers.
fn exchange() -> impl Strategy<Value = Vec<Message>> {
    (vec(thought(), 0..3), option::of(word()), vec(call(), 1..3), word()).prop_map(
        |(thoughts, text, calls, answer)| {
            let results = calls.iter().filter_map(|call| match call {
                Part::ToolCall { id, .. } => Some(Part::ToolResult {
                    call_id: id.clone(),
                    parts: vec![Part::text(answer.clone())],
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

fn user() -> impl Strategy<Value = Message> {
    let image = prop_oneof![
        Just(Source::Url { url: "https://x/y.png".to_owned() }),
        Just(Source::File { id: "file-1".to_owned() }),
        Just(Source::Base64 { media_type: "image/png".to_owned(), data: "iVBO".to_owned() }),
    ];
    let image = image.prop_map(|source| Part::Image { source, detail: None, cache: None });
    let part = prop_oneof![3 => word().prop_map(Part::text), 1 => image];
    vec(part, 1..4).prop_map(|parts| Message {
        role: Role::User,
        parts,
        name: None,
        extra: Extra::default(),
    })
}

fn request() -> impl Strategy<Value = ChatRequest> {
    let tool =
        ("[a-z]{4}", option::of(word()), any::<bool>()).prop_map(|(name, description, strict)| {
            Tool::Function {
                name,
                description,
                parameters: Some(json!({ "type": "object", "properties": {} })),
                strict: Some(strict),
                cache: None,
                extra: Extra::default(),
            }
        });
    (
        user(),
        option::of(exchange()),
        any::<bool>(),
        vec(tool, 0..3),
        option::of(20_u64..99),
        any::<bool>(),
    )
        .prop_map(|(user, exchange, has_system, tools, limit, stream)| {
            let system = has_system.then(|| Message::text(Role::System, "be brief"));
            let turns = exchange.into_iter().flatten();
            ChatRequest {
                model: "m".to_owned(),
                messages: system.into_iter().chain([user]).chain(turns).collect(),
                tools,
                max_output_tokens: limit,
                stream,
                include_usage: stream,
                extra: Extra {
                    dialect: Some(ID),
                    fields: Map::from_iter([("store".to_owned(), json!(true))]),
                },
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
    let parts = (vec(thought(), 0..4), option::of(word()), option::of(word()), vec(call(), 0..3));
    (parts, stop, any::<[u16; 5]>()).prop_map(|((thoughts, text, refusal, calls), stop, counts)| {
        let stop = if calls.is_empty() { stop } else { StopReason::ToolUse };
        let refusal = refusal.map(|text| Part::Refusal { text });
        let parts = thoughts.into_iter().chain(text.map(Part::text)).chain(refusal).chain(calls);
        let [input, cache_read, output, reasoning, web_search] = counts.map(u64::from);
        let usage = Usage { input, cache_read, output, reasoning, web_search, ..Usage::default() };
        ChatReply {
            id: "resp_1".to_owned(),
            model: "m".to_owned(),
            created_s: Some(7),
            choices: vec![Choice {
                index: 0,
                parts: parts.collect(),
                stop: Some(stop.into()),
                logprobs: None,
            }],
            usage: UsageReport { usage, ..UsageReport::default() },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn requests_round_trip(request in request()) {
        let quirks = quirks();
        let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
        let wire = OpenAiResponses.encode_request(&request, &target).expect("can be said");
        assert_eq!(wire.notices, []);
        assert_eq!(OpenAiResponses.decode_request(&wire.body).expect("its own words"), request);
    }

    #[test]
    fn replies_round_trip(reply in reply()) {
        let wire = OpenAiResponses.encode_reply(&reply, &ClientStream::default());
        assert_eq!(OpenAiResponses.decode_reply(&wire).expect("its own words"), reply);
    }

    #[test]
    fn streams_add_up_to_their_reply_however_they_are_cut(reply in reply(), piece in 1_usize..200) {
        let wire = encoded(&unfold(&reply), client());
        let (frames, outcome) = stream(&wire, piece);
        outcome.expect("ended");
        assert_eq!(sum(&frames), reply);
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.raw.to_vec()).collect();
        assert_eq!(bytes, wire);
    }

    #[test]
    fn a_pass_changes_only_the_model(request in request()) {
        let quirks = quirks();
        let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
        let body = OpenAiResponses.encode_request(&request, &target).expect("can be said").body;
        let edits = Edits { target: Target { model: "other", ..target }, wants_usage: true, is_stream: request.stream };
        let passed = OpenAiResponses.pass_request(&body, &edits).expect("passes").body;
        let wanted = ChatRequest { model: "other".to_owned(), ..request };
        assert_eq!(OpenAiResponses.decode_request(&passed).expect("its own words"), wanted);
    }

    #[test]
    fn broken_bytes_never_panic(
        request in request(), reply in reply(), at in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let quirks = quirks();
        let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
        let body = OpenAiResponses.encode_request(&request, &target).expect("can be said").body;
        let whole = OpenAiResponses.encode_reply(&reply, &ClientStream::default());
        let wire = encoded(&unfold(&reply), client());
        for bytes in [body.to_vec(), whole.to_vec(), wire] {
            let mut bytes = bytes;
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = OpenAiResponses.decode_request(&bytes);
            let _ = OpenAiResponses.decode_reply(&bytes);
            let _ = OpenAiResponses.decode_error(400, &HeaderMap::new(), &Bytes::from(bytes.clone()));
            let _ = stream(&bytes, 13);
            bytes.truncate(at);
            let _ = stream(&bytes, 17);
        }
    }
}
