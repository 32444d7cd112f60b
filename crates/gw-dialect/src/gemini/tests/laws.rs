use bytes::Bytes;
use gw_core::chat::{ChatRequest, Extra, Message, Part, Role};
use gw_core::fold::Fold;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::seam::Dialect as _;
use gw_core::unfold::unfold;
use gw_core::{Usage, UsageReport};
use http::HeaderMap;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Gemini, client, encode, read_stream};

/// Parts of an answer that this format says exactly.
fn part() -> impl Strategy<Value = Part> {
    let word = "[a-z \u{e9}\u{1F600}\"\\\\]{1,12}";
    prop_oneof![
        word.prop_map(Part::text),
        (word, proptest::option::of("[A-Za-z0-9]{4}")).prop_map(|(text, signature)| {
            Part::Thinking { text, signature: signature.map(|it| format!("gemini:{it}")) }
        }),
        ("[a-z0-9]{1,8}", "[a-z]{1,8}", any::<i32>()).prop_map(|(id, name, number)| {
            Part::ToolCall { id, name, arguments: format!("{{\"n\":{number}}}"), cache: None }
        }),
        Just(Part::Thinking { text: "x".into(), signature: Some("a claude's own".into()) }),
        Just(Part::RedactedThinking { data: "sealed elsewhere".into() }),
    ]
}

/// Neighbours that the format cannot tell apart are one.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::new();
    for part in parts {
        match (out.last_mut(), part) {
            (Some(Part::Text { text, .. }), Part::Text { text: more, .. }) => text.push_str(&more),
            (
                Some(Part::Thinking { text, signature: signed @ None }),
                Part::Thinking { text: more, signature },
            ) => {
                text.push_str(&more);
                *signed = signature;
            }
            (_, part) => out.push(part),
        }
    }
    out
}

fn reply() -> impl Strategy<Value = ChatReply> {
    (vec(part(), 1..8), any::<[u16; 4]>()).prop_map(|(parts, counts)| {
        let parts = joined(parts);
        let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
        let reason = if has_calls { StopReason::ToolUse } else { StopReason::EndTurn };
        let [input, cache_read, output, reasoning] = counts.map(u64::from);
        ChatReply {
            id: "r".into(),
            model: "gemini-3-flash".into(),
            created_s: None,
            choices: vec![Choice { index: 0, parts, stop: Some(reason.into()), logprobs: None }],
            usage: UsageReport {
                usage: Usage { input, cache_read, output, reasoning, ..Usage::default() },
                ..UsageReport::default()
            },
        }
    })
}

proptest! {
    #[test]
    fn an_answer_reads_back(reply in reply()) {
        let written = Gemini.encode_reply(&reply, &client());
        prop_assert_eq!(Gemini.decode_reply(&written).expect("decodes"), reply);
    }

    #[test]
    fn a_stream_reads_back_whatever_the_cuts(reply in reply(), size in 1_usize..40) {
        let mut encoder = Gemini.stream_encoder(client());
        let mut bytes = Vec::new();
        unfold(&reply).iter().for_each(|event| encoder.push(event, &mut bytes));
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        let (again, events, raw) = read_stream(&pieces).expect("reads");
        prop_assert_eq!(&again, &reply);
        prop_assert_eq!(raw, bytes);
        let mut fold = Fold::default();
        events.iter().for_each(|event| fold.push(event));
        prop_assert!(fold.has_ended());
    }

    #[test]
    fn a_conversation_reads_back(turns in vec(vec(part(), 1..5), 1..4)) {
        let own = |part: &Part| match part {
            Part::Thinking { signature: Some(signature), .. } => signature.starts_with("gemini:"),
            Part::RedactedThinking { .. } => false,
            _ => true,
        };
        let mut messages = Vec::new();
        for parts in turns {
            let parts: Vec<Part> = parts.into_iter().filter(own).collect();
            messages.push(Message::text(Role::User, "go"));
            if !parts.is_empty() {
                messages.push(Message { role: Role::Assistant, parts, name: None, extra: Extra::default() });
            }
        }
        let request = ChatRequest { messages, ..ChatRequest::default() };
        let (_, body, notices) = encode(&request, "gemini-3-flash").expect("encodes");
        prop_assert_eq!(notices, vec![]);
        let again = Gemini.decode_request(body.to_string().as_bytes()).expect("decodes");
        let said = |request: &ChatRequest| request.messages.iter().flat_map(|it| it.parts.clone()).collect::<Vec<Part>>();
        prop_assert_eq!(said(&again), said(&request));
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), status in 400_u16..600) {
        let _ = Gemini.decode_request(&bytes);
        let _ = Gemini.decode_reply(&bytes);
        let _ = Gemini.decode_error(status, &HeaderMap::new(), &Bytes::from(bytes.clone()));
        let mut decoder = Gemini.stream_decoder();
        let mut frames = Vec::new();
        let _ = decoder.push(&bytes, &mut frames);
        let _ = decoder.finish(&mut frames);
    }

    #[test]
    fn no_json_panics(
        key in "(candidates|contents|tools|generationConfig|toolConfig|systemInstruction|usageMetadata|promptFeedback|error)",
        inner in "(parts|content|functionCall|functionDeclarations|details|thinkingConfig|groundingMetadata|finishReason)",
        value in prop_oneof![Just("null"), Just("5"), Just("\"x\""), Just("[]"), Just("{}"), Just("[{}]"), Just("[[1]]"), Just("-1.5e300")],
    ) {
        for body in [
            format!("{{\"{key}\":{value}}}"),
            format!("{{\"contents\":\"x\",\"{key}\":{{\"{inner}\":{value}}}}}"),
            format!("{{\"{key}\":[{{\"{inner}\":{value}}}]}}"),
            format!("{{\"candidates\":[{{\"{inner}\":{value},\"content\":{{\"parts\":{value}}}}}]}}"),
        ] {
            if let Ok(request) = Gemini.decode_request(body.as_bytes()) {
                let _ = encode(&request, "m");
            }
            if let Ok(reply) = Gemini.decode_reply(body.as_bytes()) {
                let _ = Gemini.encode_reply(&reply, &client());
            }
            let _ = read_stream(&[format!("data: {body}\n\n").as_bytes()]);
            let _ = Gemini.decode_error(400, &HeaderMap::new(), &Bytes::from(body));
        }
    }
}
