//! What other files do not test: the recordings check reads and writes every recorded exchange.

use gw_core::chat::{Part, Role, ToolChoice};
use gw_core::seam::{ClientStream, Dialect, Quirks, Target};
use gw_core::{Kind, fold::Fold};
use http::HeaderMap;
use serde_json::{Value, json};

use super::CohereChat;

fn encode(body: &Value) -> (Value, Vec<String>) {
    let chat = crate::dialect(gw_core::seam::DialectId::OpenAiChat);
    let request = chat.decode_request(body.to_string().as_bytes()).expect("a request");
    let quirks = Quirks::default();
    let target = Target { model: "command-a", quirks: &quirks, max_output_tokens: None };
    let wire = CohereChat.encode_request(&request, &target).expect("is written");
    assert_eq!(wire.path, "/v2/chat");
    let notices = wire.notices.into_iter().map(|notice| notice.feature).collect();
    (serde_json::from_slice(&wire.body).expect("JSON"), notices)
}

#[test]
fn a_request_takes_the_words_of_the_format() {
    let (body, notices) = encode(&json!({"model": "x", "top_p": 1.0, "max_tokens": 7,
        "parallel_tool_calls": false, "user": "u",
        "tool_choice": {"type": "function", "function": {"name": "b"}},
        "tools": [{"type": "function", "function": {"name": "a"}},
                  {"type": "function", "function": {"name": "b", "strict": true}}],
        "messages": [{"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "I look.", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "b", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "1", "content": "found"}]}));
    assert_eq!(
        body,
        json!({"model": "command-a",
            "tools": [{"type": "function", "function":
                {"name": "b", "parameters": {"type": "object", "properties": {}}}}],
            "strict_tools": true, "tool_choice": "REQUIRED",
            "messages": [{"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "tool_plan": "I look.", "tool_calls": [
                    {"id": "1", "type": "function",
                     "function": {"name": "b", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "1", "content": "found"}],
            "max_tokens": 7, "p": 0.99, "stream": false})
    );
    assert_eq!(notices, ["tools", "tool_choice", "parallel_tool_calls", "top_p", "user"]);
}

#[test]
fn json_beside_tools_is_asked_for_in_words() {
    let (body, notices) = encode(&json!({"model": "x",
        "response_format": {"type": "json_object"},
        "tools": [{"type": "function", "function": {"name": "a"}}],
        "messages": [{"role": "user", "content": "Hi"}]}));
    assert!(body.get("response_format").is_none());
    assert!(body["messages"][0]["content"].as_str().is_some_and(|it| it.contains("JSON object")));
    assert_eq!(notices, ["response_format", "messages"]);
}

#[test]
fn a_client_of_the_format_is_understood() {
    let body = json!({"model": "m", "tool_choice": "NONE", "k": 3,
        "documents": [{"id": "x", "data": {"title": "T", "text": "words"}}],
        "messages": [{"role": "user", "content": "Hi"},
            {"role": "assistant", "tool_plan": "plan", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "b", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "1", "content": [
                {"type": "document", "document": {"data": {"roll": 4}}}]}]});
    let request = CohereChat.decode_request(body.to_string().as_bytes()).expect("a request");
    assert_eq!(request.tool_choice, Some(ToolChoice::None));
    assert_eq!(request.sampling.top_k, Some(3));
    assert!(matches!(&request.messages[0].parts[0], Part::Document { citations: true, .. }));
    assert_eq!(request.messages[1].parts[0], Part::text("plan"));
    assert_eq!(request.messages[2].role, Role::User);
    let Part::ToolResult { parts, .. } = &request.messages[2].parts[0] else { panic!("a result") };
    assert_eq!(parts[0], Part::text(r#"{"roll":4}"#));
}

#[test]
fn errors_have_kinds() {
    for (status, body, kind) in [
        (400, r#"{"error_type":"TOO_MANY_TOKENS","message":"too many"}"#, Kind::ContextTooLong),
        (404, r#"{"message":"model 'x' not found"}"#, Kind::ModelNotFound),
        (401, r#"{"message":"no"}"#, Kind::ProviderAuth),
        (498, r#"{"message":"no"}"#, Kind::ProviderAuth),
        (429, r#"{"message":"You are using a Trial key"}"#, Kind::ProviderRateLimited),
        (500, "", Kind::ProviderFailed),
        (422, r#"{"message":"bad"}"#, Kind::ProviderRejected),
    ] {
        let error = CohereChat.decode_error(status, &HeaderMap::new(), &body.into());
        assert_eq!(error.kind(), kind, "{status} {body}");
    }
}

#[test]
fn a_stream_without_its_mark_gets_one_and_a_broken_one_is_an_error() {
    let body = "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\
                \"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":1}}}}\n\n";
    let mut decoder = CohereChat.stream_decoder();
    let mut frames = Vec::new();
    decoder.push(body.as_bytes(), &mut frames).expect("is read");
    decoder.finish(&mut frames).expect("is whole");
    let mut fold = Fold::default();
    frames.iter().flat_map(|frame| &frame.events).for_each(|event| fold.push(event));
    assert!(fold.has_ended());
    assert_eq!(fold.reply().usage.usage.input, 1);
    assert_eq!(frames.last().map(|it| &it.raw[..]), Some(&b"data: [DONE]\n\n"[..]));
    let broken = CohereChat.stream_decoder().finish(&mut Vec::new());
    assert_eq!(broken.map_err(|error| error.kind()), Err(Kind::ProviderUnreachable));
}

#[test]
fn an_error_in_the_middle_is_told_in_the_format() {
    let mut encoder = CohereChat.stream_encoder(ClientStream::default());
    let mut out = Vec::new();
    let error = gw_core::Error::new(Kind::ProviderOverloaded, "busy");
    encoder.push(&gw_core::event::StreamEvent::Error(Box::new(error)), &mut out);
    let text = String::from_utf8(out).expect("text");
    assert!(text.contains(r#""finish_reason":"ERROR","error":"busy""#), "{text}");
    let mut frames = Vec::new();
    CohereChat.stream_decoder().push(text.as_bytes(), &mut frames).expect("is read");
    let is_error = |event: &gw_core::event::StreamEvent| {
        matches!(event, gw_core::event::StreamEvent::Error(_))
    };
    assert!(frames.iter().flat_map(|frame| &frame.events).any(is_error));
}
