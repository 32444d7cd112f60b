//! Round trips of random answers and requests, and bytes that are anything at all.

use gw_core::chat::{CacheMark, ChatRequest, Message, Part, Role, Sampling, Source};
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::reply::{ChatReply, Choice, Stop, StopReason};
use gw_core::seam::Dialect as _;
use gw_core::{Usage, UsageReport};
use http::HeaderMap;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use serde_json::json;

use super::super::ID;
use super::{
    AnthropicMessages, client, encode_request, encode_stream, events_of, fold, read_stream,
};

fn words() -> impl Strategy<Value = String> {
    "[a-zé😀\"\\\\\n ]{0,8}x"
}

fn cache() -> impl Strategy<Value = Option<CacheMark>> {
    prop_oneof![
        Just(None),
        Just(Some(CacheMark { ttl: None })),
        Just(Some(CacheMark { ttl: Some("1h".to_owned()) })),
    ]
}

fn call() -> impl Strategy<Value = Part> {
    let arguments = prop_oneof![
        Just("{}".to_owned()),
        Just("{\"a\":[1,\"é\"]}".to_owned()),
        Just("not json".to_owned())
    ];
    ("[a-zA-Z0-9_-]{1,6}", "[a-z]{1,4}", arguments)
        .prop_map(|(id, name, arguments)| Part::ToolCall { id, name, arguments, cache: None })
}

fn answer_part() -> impl Strategy<Value = Part> {
    let citations = prop_oneof![Just(vec![]), Just(vec![json!({"type": "char_location"})])];
    prop_oneof![
        (words(), citations).prop_map(|(text, citations)| Part::Text {
            text,
            citations,
            cache: None
        }),
        (words(), proptest::option::of("[a-z]{1,5}"))
            .prop_map(|(text, signature)| Part::Thinking { text, signature }),
        words().prop_map(|data| Part::RedactedThinking { data }),
        call(),
        words().prop_map(|text| Part::Opaque {
            dialect: ID,
            value: json!({"type": "server_tool_use", "id": "s", "input": {"q": text}}),
        }),
    ]
}

fn reply() -> impl Strategy<Value = ChatReply> {
    let reason = prop_oneof![
        Just(StopReason::EndTurn),
        Just(StopReason::ToolUse),
        Just(StopReason::MaxTokens),
        Just(StopReason::PauseTurn),
        Just(StopReason::Refusal),
        words().prop_map(StopReason::Other)
    ];
    let parts = proptest::collection::vec(answer_part(), 0..6);
    let counts = proptest::array::uniform7(0_u64..1_000_000);
    (parts, reason, proptest::option::of(words()), counts).prop_map(
        |(parts, reason, sequence, n)| {
            let usage = Usage {
                input: n[0],
                cache_read: n[1],
                cache_write: n[2],
                cache_write_long: n[3],
                output: n[4],
                reasoning: n[5],
                web_search: n[6],
                ..Usage::default()
            };
            let stop = Some(Stop { reason, sequence });
            ChatReply {
                id: "msg_1".to_owned(),
                model: "m".to_owned(),
                created_s: None,
                choices: vec![Choice { index: 0, parts, stop, logprobs: None }],
                usage: UsageReport { usage, ..UsageReport::default() },
            }
        },
    )
}

fn request_part() -> impl Strategy<Value = Part> {
    let source = prop_oneof![
        Just(Source::Url { url: "https://a/b".to_owned() }),
        Just(Source::File { id: "f".to_owned() }),
        Just(Source::Base64 { media_type: "image/png".to_owned(), data: "AA".to_owned() }),
    ];
    prop_oneof![
        (words(), cache()).prop_map(|(text, cache)| Part::Text {
            text,
            citations: Vec::new(),
            cache
        }),
        (source, cache()).prop_map(|(source, cache)| Part::Image { source, detail: None, cache }),
        (words(), cache(), any::<bool>()).prop_map(|(text, cache, citations)| Part::Document {
            source: Source::Text { text },
            title: Some("t".to_owned()),
            context: None,
            citations,
            cache,
        }),
    ]
}

/// Turns that alternate, as turns of one speaker are merged.
fn request() -> impl Strategy<Value = ChatRequest> {
    let user = proptest::collection::vec(request_part(), 1..4);
    let assistant = proptest::collection::vec(call(), 1..3);
    let turns = proptest::collection::vec((user, assistant), 1..4);
    let options = (proptest::option::of(0.0..1.0_f64), proptest::option::of(1_u64..8_000));
    (turns, options).prop_map(|(turns, (temperature, max_output_tokens))| {
        let turn = |role, parts| Message { role, parts, name: None, extra: Default::default() };
        let messages = turns.into_iter().enumerate().flat_map(|(index, (user, assistant))| {
            // The same id in two turns is one call; make them differ.
            let calls = assistant.into_iter().enumerate().map(move |(place, part)| match part {
                Part::ToolCall { name, arguments, cache, .. } => {
                    Part::ToolCall { id: format!("c{index}_{place}"), name, arguments, cache }
                }
                part => part,
            });
            [turn(Role::User, user), turn(Role::Assistant, calls.collect())]
        });
        ChatRequest {
            model: "claude-haiku-4-5".to_owned(),
            messages: messages.collect(),
            max_output_tokens: Some(max_output_tokens.unwrap_or(8_000)),
            sampling: Sampling { temperature, ..Sampling::default() },
            include_usage: true,
            ..ChatRequest::default()
        }
    })
}

/// The events that a whole answer amounts to.
fn taken_apart(reply: &ChatReply) -> Vec<StreamEvent> {
    let (id, model) = (reply.id.clone(), reply.model.clone());
    let mut events = vec![StreamEvent::Start { id, model, created_s: None }];
    for (part, place) in reply.choices[0].parts.iter().zip(0_u32..) {
        let (head, deltas) = head_and_deltas(part);
        events.push(StreamEvent::PartStart { choice: 0, part: place, head });
        for delta in deltas {
            events.push(StreamEvent::PartDelta { choice: 0, part: place, delta });
        }
        events.push(StreamEvent::PartStop { choice: 0, part: place });
    }
    if let Some(stop) = &reply.choices[0].stop {
        events.push(StreamEvent::Stop { choice: 0, stop: stop.clone() });
    }
    events.push(StreamEvent::Usage(reply.usage.clone()));
    events.push(StreamEvent::End);
    events
}

fn head_and_deltas(part: &Part) -> (PartHead, Vec<PartDelta>) {
    match part.clone() {
        Part::Text { text, citations, .. } => {
            let citations = citations.into_iter().map(PartDelta::Citation);
            (PartHead::Text, citations.chain([PartDelta::Text(text)]).collect())
        }
        Part::Thinking { text, signature } => {
            let signature = signature.map(PartDelta::Signature);
            let deltas = [PartDelta::Thinking(text)].into_iter().chain(signature);
            (PartHead::Thinking, deltas.collect())
        }
        Part::RedactedThinking { data } => (PartHead::RedactedThinking { data }, Vec::new()),
        Part::ToolCall { id, name, arguments, .. } => {
            (PartHead::ToolCall { id, name }, vec![PartDelta::Arguments(arguments)])
        }
        Part::Opaque { dialect, value } => (PartHead::Opaque { dialect, value }, Vec::new()),
        part => panic!("not in an answer: {part:?}"),
    }
}

proptest! {
    #[test]
    fn answers_survive_being_written_and_read(reply in reply()) {
        let written = AnthropicMessages.encode_reply(&reply, &client());
        prop_assert_eq!(AnthropicMessages.decode_reply(&written).expect("a reply"), reply);
    }

    #[test]
    fn streams_survive_being_written_and_read(reply in reply(), cut in any::<usize>()) {
        let written = encode_stream(&taken_apart(&reply));
        let (before, after) = written.as_bytes().split_at(cut % (written.len() + 1));
        let (frames, outcome) = read_stream(&[before, after]);
        outcome.expect("whole");
        prop_assert_eq!(fold(&events_of(&frames)), reply);
    }

    #[test]
    fn requests_survive_being_written_and_read(request in request()) {
        let (written, notices) = encode_request(&request).expect("written");
        prop_assert_eq!(notices, []);
        let again = AnthropicMessages.decode_request(written.to_string().as_bytes());
        prop_assert_eq!(again.expect("a request"), request);
    }

    #[test]
    fn no_bytes_panic(
        request in request(),
        reply in reply(),
        at in any::<usize>(),
        byte in any::<u8>(),
        length in 0..3_usize,
    ) {
        let mutate = |mut bytes: Vec<u8>| {
            let at = at % bytes.len();
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, [byte]);
            bytes
        };
        let (body, _) = encode_request(&request).expect("written");
        let body = bytes::Bytes::from(mutate(body.to_string().into_bytes()));
        if let Ok(request) = AnthropicMessages.decode_request(&body) {
            let _ = encode_request(&request);
        }
        let body = mutate(AnthropicMessages.encode_reply(&reply, &client()).to_vec());
        if let Ok(reply) = AnthropicMessages.decode_reply(&body) {
            AnthropicMessages.encode_reply(&reply, &client());
        }
        let error = AnthropicMessages.decode_error(500, &HeaderMap::new(), &body.into());
        AnthropicMessages.encode_error(&error);
        let body = mutate(encode_stream(&taken_apart(&reply)).into_bytes());
        let (frames, _) = read_stream(&[&body]);
        encode_stream(&events_of(&frames));
    }
}
