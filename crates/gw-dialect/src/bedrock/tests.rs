//! What other files do not test: the recordings check reads and writes every recorded exchange.

use gw_core::chat::{Part, Reasoning};
use gw_core::event::StreamEvent;
use gw_core::fold::Fold;
use gw_core::seam::{ClientStream, Dialect, DialectId, FrameKind, Quirks, Target};
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::{Value, json};

use super::BedrockConverse;

fn encode(model: &str, body: &Value) -> (String, Value, Vec<String>) {
    let chat = crate::dialect(DialectId::OpenAiChat);
    let request = chat.decode_request(body.to_string().as_bytes()).expect("a request");
    let quirks = Quirks::default();
    let target = Target { model, quirks: &quirks, max_output_tokens: Some(64_000) };
    let wire = BedrockConverse.encode_request(&request, &target).expect("is written");
    let notices = wire.notices.into_iter().map(|notice| notice.feature).collect();
    (wire.path.into_owned(), serde_json::from_slice(&wire.body).expect("JSON"), notices)
}

#[test]
fn a_request_takes_the_words_of_the_format() {
    let (path, body, notices) = encode(
        "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-haiku-4-5",
        &json!({"model": "x", "stream": true, "max_tokens": 20_000, "stop": ["END"], "seed": 1,
            "reasoning_effort": "low", "metadata": {"team": "a"},
            "response_format": {"type": "json_schema", "json_schema":
                {"name": "n", "schema": {"type": "object"}}},
            "tool_choice": "auto",
            "tools": [{"type": "function", "function": {"name": "b"}}],
            "messages": [{"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}}]},
                {"role": "user", "content": "closely"}]}),
    );
    let model = "arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.anthropic.\
                 claude-haiku-4-5";
    assert_eq!(path, format!("/model/{model}/converse-stream"));
    assert_eq!(
        body,
        json!({"system": [{"text": "Be brief."}],
            "messages": [{"role": "user", "content": [{"text": "Look"},
                {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
                {"text": "closely"}]}],
            "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema":
                {"schema": "{\"type\":\"object\"}", "name": "n"}}}},
            "toolConfig": {"tools": [{"toolSpec": {"name": "b",
                "inputSchema": {"json": {"properties": {}, "type": "object"}}}}],
                "toolChoice": {"auto": {}}},
            "inferenceConfig": {"maxTokens": 20_000, "stopSequences": ["END"]},
            "requestMetadata": {"team": "a"},
            "additionalModelRequestFields": {
                "thinking": {"type": "enabled", "budget_tokens": 4_096}}})
    );
    assert_eq!(notices, ["reasoning.effort", "seed"]);
}

#[test]
fn thinking_is_asked_for_in_the_makers_own_words() {
    let ask = json!({"model": "x", "reasoning_effort": "minimal",
        "messages": [{"role": "user", "content": "Hi"}]});
    let fields = |model: &str| encode(model, &ask).1["additionalModelRequestFields"].clone();
    let nova = json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}});
    assert_eq!(fields("us.amazon.nova-2-lite-v1:0"), nova);
    assert_eq!(fields("openai.gpt-oss-120b-1:0"), json!({"reasoning_effort": "minimal"}));
}

#[test]
fn what_only_other_formats_have_is_refused_or_named() {
    let chat = crate::dialect(DialectId::OpenAiChat);
    let quirks = Quirks::default();
    let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
    let picture = json!({"model": "x", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]}]});
    let request = chat.decode_request(picture.to_string().as_bytes()).expect("a request");
    let error = BedrockConverse.encode_request(&request, &target).expect_err("is refused");
    assert_eq!(error.kind(), Kind::UnsupportedFeature);
    assert_eq!(error.field(), Some("messages[0].parts[0]"));
}

#[test]
fn a_client_of_the_format_is_understood() {
    let body = json!({
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "additionalModelRequestFields": {"reasoning_config": {"type": "enabled",
            "budget_tokens": 2_000}, "inferenceConfig": {"topK": 4}, "other": 1},
        "messages": [{"role": "user", "content": [{"document": {"format": "pdf", "name": "d",
            "source": {"bytes": "AAAA"}}}]}]});
    let request = BedrockConverse.decode_request(body.to_string().as_bytes()).expect("a request");
    let Part::Text { cache, .. } = &request.messages[0].parts[0] else { panic!("a text") };
    assert_eq!(cache.as_ref().and_then(|mark| mark.ttl.as_deref()), Some("1h"));
    let wish =
        Reasoning { is_enabled: Some(true), budget_tokens: Some(2_000), ..Reasoning::default() };
    assert_eq!(request.reasoning, Some(wish));
    assert_eq!(request.sampling.top_k, Some(4));
    assert_eq!(request.extra.fields["additionalModelRequestFields"], json!({"other": 1}));
}

fn events_of(bytes: &[u8]) -> (Vec<StreamEvent>, Option<FrameKind>) {
    let mut decoder = BedrockConverse.stream_decoder();
    let mut frames = Vec::new();
    decoder.push(bytes, &mut frames).expect("is well-formed");
    decoder.finish(&mut frames).expect("is whole");
    let last = frames.last().map(|frame| frame.kind);
    (frames.into_iter().flat_map(|frame| frame.events).collect(), last)
}

#[test]
fn a_stream_is_the_answer_in_pieces() {
    let event = |name: &str, body: Value, out: &mut Vec<u8>| {
        let headers = [(":message-type", "event"), (":event-type", name)];
        super::frames::write(&headers, body.to_string().as_bytes(), out);
    };
    let mut bytes = Vec::new();
    event("messageStart", json!({"role": "assistant", "p": "abc"}), &mut bytes);
    let delta = |index: u64, delta: Value| json!({"contentBlockIndex": index, "delta": delta});
    event("contentBlockDelta", delta(0, json!({"reasoningContent": {"text": "hm"}})), &mut bytes);
    event(
        "contentBlockDelta",
        delta(0, json!({"reasoningContent": {"signature": "sig"}})),
        &mut bytes,
    );
    event("contentBlockStop", json!({"contentBlockIndex": 0}), &mut bytes);
    event("contentBlockDelta", delta(1, json!({"text": "I look."})), &mut bytes);
    event("contentBlockStop", json!({"contentBlockIndex": 1}), &mut bytes);
    let start = json!({"contentBlockIndex": 2,
        "start": {"toolUse": {"toolUseId": "t", "name": "look"}}});
    event("contentBlockStart", start, &mut bytes);
    event("contentBlockDelta", delta(2, json!({"toolUse": {"input": "{\"a\":"}})), &mut bytes);
    event("contentBlockDelta", delta(2, json!({"toolUse": {"input": "1}"}})), &mut bytes);
    event("contentBlockStop", json!({"contentBlockIndex": 2}), &mut bytes);
    event("messageStop", json!({"stopReason": "tool_use"}), &mut bytes);
    let usage = json!({"inputTokens": 5, "outputTokens": 7, "totalTokens": 12,
        "cacheReadInputTokens": 3});
    event("metadata", json!({"usage": usage, "metrics": {"latencyMs": 1}}), &mut bytes);

    let (events, last) = events_of(&bytes);
    assert_eq!(last, Some(FrameKind::End));
    let mut fold = Fold::default();
    events.iter().for_each(|event| fold.push(event));
    let whole = json!({"output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"text": "I look."},
        {"toolUse": {"toolUseId": "t", "name": "look", "input": {"a": 1}}}]}},
        "stopReason": "tool_use", "usage": usage});
    let reply = BedrockConverse.decode_reply(whole.to_string().as_bytes()).expect("a reply");
    assert_eq!(fold.reply(), &reply);

    // Written by the encoder and read again it says the same.
    let mut encoder = BedrockConverse.stream_encoder(ClientStream::default());
    let mut again = Vec::new();
    events.iter().for_each(|event| encoder.push(event, &mut again));
    let mut second = Fold::default();
    events_of(&again).0.iter().for_each(|event| second.push(event));
    assert_eq!(second.reply(), &reply);
}

#[test]
fn exceptions_in_a_stream_have_kinds() {
    for (name, kind) in [
        ("throttlingException", Kind::ProviderRateLimited),
        ("modelStreamErrorException", Kind::ProviderFailed),
        ("serviceUnavailableException", Kind::ProviderOverloaded),
        ("validationException", Kind::ProviderRejected),
        ("newException", Kind::ProviderFailed),
    ] {
        let mut bytes = Vec::new();
        let headers = [(":message-type", "exception"), (":exception-type", name)];
        super::frames::write(&headers, b"{\"message\":\"no\"}", &mut bytes);
        let (events, _) = events_of(&bytes);
        let Some(StreamEvent::Error(error)) = events.first() else { panic!("an error") };
        assert_eq!(error.kind(), kind, "{name}");
    }
    let mut out = Vec::new();
    let mut encoder = BedrockConverse.stream_encoder(ClientStream::default());
    let error = Error::new(Kind::ProviderRateLimited, "slow down");
    encoder.push(&StreamEvent::Error(Box::new(error)), &mut out);
    let (events, _) = events_of(&out);
    let Some(StreamEvent::Error(error)) = events.first() else { panic!("an error") };
    assert_eq!((error.kind(), error.message()), (Kind::ProviderRateLimited, "slow down"));
}

#[test]
fn refusals_have_kinds() {
    let refusal = |status: u16, name: &'static str, message: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-errortype", http::HeaderValue::from_static(name));
        let body = json!({ "message": message }).to_string();
        BedrockConverse.decode_error(status, &headers, &body.into()).kind()
    };
    let too_long = "Input Tokens Exceeded: Number of input tokens exceeds maximum length.";
    assert_eq!(refusal(400, "ValidationException:http://x/", too_long), Kind::ContextTooLong);
    assert_eq!(refusal(403, "UnrecognizedClientException", "bad"), Kind::ProviderAuth);
    let closed = "You don't have access to the model with the specified model ID.";
    assert_eq!(refusal(403, "AccessDeniedException", closed), Kind::ModelNotFound);
    assert_eq!(refusal(429, "ModelNotReadyException", "wait"), Kind::ProviderOverloaded);
    assert_eq!(refusal(424, "ModelErrorException", "x"), Kind::ProviderFailed);
}
