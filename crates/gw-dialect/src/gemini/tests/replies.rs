use gw_core::Kind;
use gw_core::chat::Part;
use gw_core::reply::{ChatReply, StopReason};
use gw_core::seam::{Dialect as _, DialectId};
use serde_json::{Value, json};

use super::{Gemini, client};
use crate::dialect;

fn decode(body: &Value) -> gw_core::Result<ChatReply> {
    Gemini.decode_reply(body.to_string().as_bytes())
}

fn rich() -> Value {
    json!({
        "candidates": [{
            "content": {"role": "model", "parts": [
                {"text": "Let me see.", "thought": true},
                {"text": "Schöne Stadt ", "thoughtSignature": "c2lnbmVk"},
                {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "CiQBEU0y"},
                {"functionCall": {"id": "own", "name": "g", "args": {}}},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
            ]},
            "finishReason": "STOP",
            "index": 0,
            "safetyRatings": [{"category": "X"}],
            "groundingMetadata": {
                "webSearchQueries": ["a", "b"],
                "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
                "groundingSupports": [{"segment": {"startIndex": 4, "endIndex": 8},
                    "groundingChunkIndices": [0, 7]}],
            },
        }],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 4,
            "totalTokenCount": 19, "thoughtsTokenCount": 5,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}]},
        "modelVersion": "gemini-3-flash",
        "responseId": "r-1",
    })
}

#[test]
fn everything_in_an_answer_is_read() {
    let reply = decode(&rich()).expect("decodes");
    let choice = &reply.choices[0];
    assert_eq!(choice.stop, Some(StopReason::ToolUse.into()));
    assert_eq!(reply.text(), "Schöne Stadt ");
    let [thought, text, seal, call, own, code, rest] = &choice.parts[..] else {
        panic!("seven parts, not {:?}", choice.parts);
    };
    assert!(matches!(thought, Part::Thinking { signature: None, .. }));
    let Part::Text { citations, .. } = text else { panic!("a text, not {text:?}") };
    assert_eq!(
        citations,
        &[json!({"type": "url_citation", "url_citation": {
        "url": "https://a.example", "title": "A", "start_index": 3, "end_index": 7}})]
    );
    assert_eq!(seal, &Part::RedactedThinking { data: "gemini:text:c2lnbmVk".into() });
    assert!(matches!(call, Part::ToolCall { id, .. } if id == "gcall_r-1_0__gsig_CiQBEU0y"));
    assert!(matches!(own, Part::ToolCall { id, .. } if id == "own"));
    assert!(matches!(code, Part::Opaque { dialect: DialectId::Gemini, .. }));
    assert!(matches!(rest, Part::Opaque { dialect: DialectId::Gemini, .. }));
    let usage = reply.usage.usage;
    assert_eq!((usage.input, usage.output, usage.reasoning, usage.web_search), (10, 4, 5, 2));
}

#[test]
fn an_answer_comes_back_as_it_was() {
    let reply = decode(&rich()).expect("decodes");
    let written: Value =
        serde_json::from_slice(&Gemini.encode_reply(&reply, &client())).expect("JSON");
    assert_eq!(written, rich());
}

/// Issue 4: a signature that a client of another format does not return makes Google refuse the turn.
#[test]
fn signatures_survive_a_round_trip_through_clients_of_other_formats() {
    for id in [
        DialectId::OpenAiChat,
        DialectId::AnthropicMessages,
        DialectId::OpenAiResponses,
        DialectId::Ollama,
    ] {
        let door = dialect(id);
        let reply = decode(&rich()).expect("decodes");
        let shown = door.encode_reply(&reply, &client());
        let again = door.decode_reply(&shown).expect("decodes");
        let call = again.choices[0].parts.iter().find_map(|part| match part {
            Part::ToolCall { id, name, .. } if name == "f" => Some(id.clone()),
            _ => None,
        });
        let id = call.expect("the call");
        let (bare, signature) = crate::seal::split_call_id(&id);
        assert_eq!((bare, signature.as_deref()), ("gcall_r-1_0", Some("CiQBEU0y")), "{id}");
    }
}

#[test]
fn seals_of_other_providers_survive_a_round_trip_through_a_gemini_client() {
    let mut reply = decode(&rich()).expect("decodes");
    let foreign = vec![
        Part::Thinking { text: "hm".into(), signature: Some("EqQBCgIYAh=".into()) },
        Part::RedactedThinking { data: "openai-responses:{}".into() },
        Part::Thinking { text: String::new(), signature: Some("bare".into()) },
    ];
    reply.choices[0].parts = foreign.clone();
    let shown: Value =
        serde_json::from_slice(&Gemini.encode_reply(&reply, &client())).expect("JSON");
    let content = shown["candidates"][0]["content"].clone();
    let request = super::decode(&json!({"contents": [content]}));
    assert_eq!(request.messages[0].parts, foreign);
}

#[test]
fn reasons_are_told_apart() {
    let reply = |word: &str| json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": word}]});
    let reason = |body: &Value| {
        decode(body).expect("decodes").choices[0].stop.clone().expect("a stop").reason
    };
    for (word, wanted) in [
        ("STOP", StopReason::EndTurn),
        ("MAX_TOKENS", StopReason::MaxTokens),
        ("SAFETY", StopReason::Refusal),
        ("RECITATION", StopReason::Refusal),
        ("PROHIBITED_CONTENT", StopReason::Refusal),
        ("MALFORMED_FUNCTION_CALL", StopReason::Other("MALFORMED_FUNCTION_CALL".into())),
    ] {
        assert_eq!(reason(&reply(word)), wanted);
        // The exact word comes back to a client of this format.
        let written = Gemini.encode_reply(&decode(&reply(word)).expect("decodes"), &client());
        let written: Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(written["candidates"][0]["finishReason"], word);
    }
}

#[test]
fn a_refused_prompt_is_a_refusal() {
    let body = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}, "responseId": "r", "modelVersion": "m"});
    let reply = decode(&body).expect("decodes");
    assert_eq!(reply.choices[0].stop, Some(StopReason::Refusal.into()));
    assert!(
        matches!(&reply.choices[0].parts[0], Part::Refusal { text } if text.contains("PROHIBITED"))
    );
    assert_eq!(reply.usage.usage.input, 4);
    let written: Value =
        serde_json::from_slice(&Gemini.encode_reply(&reply, &client())).expect("JSON");
    assert_eq!(written["promptFeedback"], body["promptFeedback"]);
    assert_eq!(written.get("candidates"), None);
}

#[test]
fn what_is_no_answer_is_an_error() {
    for (body, kind) in [
        ("", Kind::ProviderMalformed),
        ("<html>", Kind::ProviderMalformed),
        ("[]", Kind::ProviderMalformed),
        ("{}", Kind::ProviderMalformed),
        ("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":1}]}}]}", Kind::ProviderMalformed),
        (
            "{\"error\":{\"code\":429,\"message\":\"m\",\"status\":\"RESOURCE_EXHAUSTED\"}}",
            Kind::ProviderRateLimited,
        ),
    ] {
        assert_eq!(
            Gemini.decode_reply(body.as_bytes()).expect_err("no answer").kind(),
            kind,
            "{body}"
        );
    }
}

#[test]
fn log_probabilities_take_the_form_that_clients_know() {
    let body = json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP",
        "logprobsResult": {
            "topCandidates": [{"candidates": [{"token": "x", "logProbability": -0.5}]}],
            "chosenCandidates": [{"token": "x", "logProbability": -0.5}]}}]});
    let reply = decode(&body).expect("decodes");
    let logprobs = reply.choices[0].logprobs.clone().expect("log probabilities");
    assert_eq!(logprobs["content"][0]["logprob"], -0.5);
    assert_eq!(logprobs["content"][0]["top_logprobs"][0]["token"], "x");
    let written: Value =
        serde_json::from_slice(&Gemini.encode_reply(&reply, &client())).expect("JSON");
    assert_eq!(written["candidates"][0]["logprobsResult"], body["candidates"][0]["logprobsResult"]);
}

#[test]
fn pictures_of_answers_reach_clients_of_chat_completions_and_come_back() {
    let parts = json!([{"text": "Here:"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thoughtSignature": "CiQBEU0y"}]);
    let body = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]});
    let reply = decode(&body).expect("decodes");
    let shown: Value =
        serde_json::from_slice(&dialect(DialectId::OpenAiChat).encode_reply(&reply, &client()))
            .expect("JSON");
    let image = &shown["choices"][0]["message"]["images"][0]["image_url"]["url"];
    assert_eq!(image, "data:image/png;base64,AAAA");
    let written: Value =
        serde_json::from_slice(&Gemini.encode_reply(&reply, &client())).expect("JSON");
    assert_eq!(written["candidates"][0]["content"]["parts"], parts);
    let chunk = format!("data: {body}\n\n");
    let (streamed, events, _) = super::read_stream(&[chunk.as_bytes()]).expect("reads");
    assert_eq!(streamed.choices[0].parts, reply.choices[0].parts);
    assert!(super::write_stream(&Gemini, &events).contains("\"inlineData\""));
}
