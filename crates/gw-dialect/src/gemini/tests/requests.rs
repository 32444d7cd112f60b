use bytes::Bytes;
use gw_core::Kind;
use gw_core::chat::{
    ChatRequest, Message, Part, Reasoning, ResponseFormat, Role, Sampling, Source, Tool, ToolChoice,
};
use gw_core::seam::{Dialect as _, DialectId, Edits, Quirks, Target};
use serde_json::{Value, json};

use super::{Gemini, decode, encode};

#[test]
fn a_full_request_is_read() {
    let body = json!({
        "system_instruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [
                {"text": "Look"},
                {"inline_data": {"mime_type": "image/png", "data": "AAAA"}},
                {"inlineData": {"mimeType": "audio/mpeg", "data": "BBBB"}},
                {"inlineData": {"mimeType": "application/pdf", "data": "CCCC"}},
                {"inlineData": {"mimeType": "video/mp4", "data": "DDDD"}},
                {"fileData": {"mimeType": "image/png", "fileUri": "https://a.example/x.png"}},
                {"fileData": {"mimeType": "image/png", "fileUri":
                    "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
            ]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "look_up", "args": {"user_name": 1}},
                    "thoughtSignature": "CiQBEU0y"},
                {"functionCall": {"name": "look_up", "args": {}}},
            ]},
            {"role": "function", "parts": [
                {"functionResponse": {"name": "look_up", "response": {"output": "one"}}},
                {"functionResponse": {"name": "look_up", "response": {"error": "no"}}},
            ]},
        ],
        "tools": [
            {"functionDeclarations": [{"name": "look_up", "description": "d", "parameters": {
                "type": "OBJECT", "properties": {"user_name": {"type": "INTEGER"}}}}]},
            {"google_search": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "any", "allowedFunctionNames": ["look_up"]},
            "retrievalConfig": {"languageCode": "de"}},
        "generationConfig": {"temperature": 0.5, "topP": 0.9, "topK": 40.0, "maxOutputTokens": 100,
            "stopSequences": ["x"], "candidateCount": 1, "seed": -5, "responseMimeType":
            "application/json", "responseSchema": {"type": "STRING"}, "responseLogprobs": true,
            "logprobs": 3, "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true},
            "responseModalities": ["TEXT"]},
        "safetySettings": [{"category": "A", "threshold": "B"}],
        "labels": {"my_label": "x"},
    });
    let request = decode(&body);
    assert_eq!(request.model, "");
    let roles: Vec<Role> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);
    let user = &request.messages[1].parts;
    assert!(matches!(&user[1], Part::Image { source: Source::Base64 { media_type, .. }, .. }
        if media_type == "image/png"));
    assert!(matches!(&user[2], Part::Audio { format, .. } if format == "mp3"));
    assert!(matches!(&user[3], Part::Document { .. }));
    assert!(matches!(&user[4], Part::Opaque { dialect: DialectId::Gemini, .. }));
    assert!(matches!(&user[5], Part::Image { source: Source::Url { .. }, .. }));
    assert!(matches!(&user[6], Part::Opaque { dialect: DialectId::Gemini, .. }));
    let model = &request.messages[2].parts;
    assert!(matches!(&model[0], Part::Thinking { signature: Some(signature), .. }
        if signature == "gemini:c2ln"));
    let (Part::ToolCall { id: first, .. }, Part::ToolCall { id: second, .. }) =
        (&model[1], &model[2])
    else {
        panic!("two calls, not {model:?}");
    };
    assert_eq!((first.as_str(), second.as_str()), ("gcall_0__gsig_CiQBEU0y", "gcall_1"));
    let results = &request.messages[3].parts;
    assert!(
        matches!(&results[0], Part::ToolResult { call_id, is_error: false, .. } if call_id == first)
    );
    assert!(
        matches!(&results[1], Part::ToolResult { call_id, is_error: true, .. } if call_id == second)
    );
    assert_eq!(request.tool_choice, Some(ToolChoice::Function { name: "look_up".into() }));
    let wanted = json!({"type": "object", "properties": {"user_name": {"type": "integer"}}});
    assert!(matches!(&request.tools[0], Tool::Function { parameters: Some(schema), .. }
        if *schema == wanted));
    assert_eq!(
        request.tools[1],
        Tool::Hosted { dialect: DialectId::Gemini, value: json!({"googleSearch": {}}) }
    );
    let sampling = Sampling {
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        seed: Some(-5),
        stop: vec!["x".into()],
        n: Some(1),
        logprobs: Some(true),
        top_logprobs: Some(3),
        ..Sampling::default()
    };
    assert_eq!(request.sampling, sampling);
    assert_eq!(
        request.reasoning,
        Some(Reasoning {
            effort: Some("low".into()),
            display: Some("summarized".into()),
            ..Reasoning::default()
        })
    );
    assert!(matches!(&request.response_format, Some(ResponseFormat::JsonSchema { schema, .. })
        if *schema == json!({"type": "string"})));
    assert_eq!(
        Value::Object(request.extra.fields),
        json!({
            "safetySettings": [{"category": "A", "threshold": "B"}],
            "labels": {"my_label": "x"},
            "generationConfig": {"responseModalities": ["TEXT"]},
            "toolConfig": {"retrievalConfig": {"languageCode": "de"}},
        })
    );
}

#[test]
fn what_is_read_is_written_again() {
    let body = json!({
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "fc1", "name": "f", "args": {"a": 1}},
                    "thoughtSignature": "CiQBEU0y"},
                {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "AAAA"},
            ]},
            {"role": "user", "parts": [{"functionResponse":
                {"name": "f", "response": {"content": [1, 2]}, "id": "fc1",
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "AA"}}]}}]},
            {"role": "model", "parts": [{"text": "done", "thoughtSignature": "BBBB"}]},
        ],
        "systemInstruction": {"parts": [{"text": "sys"}]},
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d",
            "parametersJsonSchema": {"type": "object", "properties": {}}, "behavior": "BLOCKING"}]},
            {"googleSearch": {"timeRangeFilter": {}}}],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}},
        "generationConfig": {"temperature": 0.0, "maxOutputTokens": 5, "responseMimeType":
            "application/json", "responseJsonSchema": {"$ref": "#/$defs/x"},
            "thinkingConfig": {"thinkingBudget": 0}, "mediaResolution": "MEDIA_RESOLUTION_LOW"},
        "serviceTier": "flex",
        "cachedContent": "cachedContents/x",
    });
    let (path, written, notices) = encode(&decode(&body), "gemini-3-flash").expect("encodes");
    assert_eq!(path, "/models/gemini-3-flash:generateContent");
    assert_eq!(notices, []);
    assert_eq!(written, body);
}

#[test]
fn calls_of_other_models_bear_the_word_that_stands_for_a_signature() {
    let call = |id: &str| Part::ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: String::new(),
        cache: None,
    };
    let result = |id: &str| Part::ToolResult {
        call_id: id.into(),
        parts: vec![Part::text("{\"a\": 1}")],
        is_error: false,
        cache: None,
    };
    let message = |role, parts| Message { role, parts, name: None, extra: Default::default() };
    let request = ChatRequest {
        messages: vec![
            Message::text(Role::User, "go"),
            message(
                Role::Assistant,
                vec![
                    Part::Thinking { text: "hm".into(), signature: Some("anthropic's".into()) },
                    Part::RedactedThinking { data: "sealed".into() },
                    call("toolu_1"),
                    call("toolu_2"),
                ],
            ),
            message(Role::User, vec![result("toolu_1"), result("toolu_2"), Part::text("and?")]),
        ],
        stream: true,
        ..ChatRequest::default()
    };
    let (path, body, notices) = encode(&request, "gemini-3-pro-preview").expect("encodes");
    assert_eq!(path, "/models/gemini-3-pro-preview:streamGenerateContent?alt=sse");
    assert_eq!(
        body["contents"][1]["parts"],
        json!([
            {"functionCall": {"id": "toolu_1", "name": "f", "args": {}},
                "thoughtSignature": "skip_thought_signature_validator"},
            {"functionCall": {"id": "toolu_2", "name": "f", "args": {}}},
        ])
    );
    assert_eq!(
        body["contents"][2]["parts"][0]["functionResponse"],
        json!({"name": "f", "response": {"output": "{\"a\": 1}"}, "id": "toolu_1"})
    );
    assert_eq!(body["contents"][2]["parts"][2], json!({"text": "and?"}));
    let features: Vec<&str> = notices.iter().map(|notice| notice.feature.as_str()).collect();
    assert_eq!(features, ["messages[1].parts[0]", "messages[1].parts[1]"]);
    let (_, body, _) = encode(&request, "gemini-2.5-flash").expect("encodes");
    assert_eq!(body["contents"][1]["parts"][0]["thoughtSignature"], Value::Null);
}

#[test]
fn older_models_get_pictures_beside_the_result_and_an_instruction_for_json() {
    let image = Part::Image {
        source: Source::Url { url: "data:image/png;base64,AA".into() },
        detail: None,
        cache: None,
    };
    let call =
        Part::ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into(), cache: None };
    let result = Part::ToolResult {
        call_id: "c".into(),
        parts: vec![Part::text("ok"), image],
        is_error: true,
        cache: None,
    };
    let message =
        |role, part| Message { role, parts: vec![part], name: None, extra: Default::default() };
    let request = ChatRequest {
        messages: vec![message(Role::Assistant, call), message(Role::User, result)],
        tools: vec![Tool::Function {
            name: "f".into(),
            description: None,
            parameters: None,
            strict: Some(true),
            cache: None,
            extra: Default::default(),
        }],
        response_format: Some(ResponseFormat::JsonObject),
        ..ChatRequest::default()
    };
    let (_, body, notices) = encode(&request, "gemini-2.5-flash").expect("encodes");
    assert_eq!(body["contents"][0], json!({"role": "user", "parts": [{"text": "."}]}));
    let parts = body["contents"][2]["parts"].as_array().expect("parts");
    assert_eq!(parts[0]["functionResponse"]["response"], json!({"error": "ok"}));
    assert_eq!(parts[2], json!({"inlineData": {"mimeType": "image/png", "data": "AA"}}));
    assert!(body["systemInstruction"]["parts"][0]["text"].as_str().expect("text").contains("JSON"));
    assert_eq!(body.get("generationConfig"), None);
    assert_eq!(notices.len(), 3, "{notices:?}");
    let (_, body, _) = encode(&request, "gemini-3-flash").expect("encodes");
    assert_eq!(
        body["contents"][2]["parts"][0]["functionResponse"]["parts"][0]["inlineData"]["data"],
        "AA"
    );
    assert_eq!(body["generationConfig"], json!({"responseMimeType": "application/json"}));
}

#[test]
fn what_cannot_be_said_is_told() {
    let file =
        Part::Image { source: Source::File { id: "file-1".into() }, detail: None, cache: None };
    let message =
        Message { role: Role::User, parts: vec![file], name: None, extra: Default::default() };
    let request = ChatRequest { messages: vec![message], ..ChatRequest::default() };
    let error = encode(&request, "gemini-3-flash").expect_err("a file of another provider");
    assert_eq!(
        (error.kind(), error.field()),
        (Kind::UnsupportedFeature, Some("messages[0].parts[0]"))
    );

    let hosted = |kind: &str| Tool::Hosted {
        dialect: DialectId::OpenAiResponses,
        value: json!({"type": kind}),
    };
    let request = |tools| ChatRequest {
        messages: vec![Message::text(Role::User, "hi")],
        tools,
        user: Some("u".into()),
        sampling: Sampling { logit_bias: Some(json!({})), ..Sampling::default() },
        parallel_tool_calls: Some(false),
        ..ChatRequest::default()
    };
    let error = encode(&request(vec![hosted("code_interpreter")]), "m").expect_err("not Google's");
    assert_eq!(error.field(), Some("tools[0]"));
    let (_, body, notices) =
        encode(&request(vec![hosted("web_search_preview")]), "m").expect("Google searches");
    assert_eq!(body["tools"], json!([{"googleSearch": {}}]));
    let features: Vec<&str> = notices.iter().map(|notice| notice.feature.as_str()).collect();
    assert_eq!(features, ["tools[0]", "logit_bias", "user"]);
}

#[test]
fn broken_requests_name_the_field() {
    let check = |body: Value, kind: Kind, field: Option<&str>| {
        let error = Gemini.decode_request(body.to_string().as_bytes()).expect_err("broken");
        assert_eq!((error.kind(), error.field()), (kind, field), "{body}");
    };
    check(json!({}), Kind::InvalidRequest, Some("contents"));
    check(json!({"contents": []}), Kind::InvalidRequest, Some("contents"));
    check(
        json!({"contents": [{"role": "robot", "parts": []}]}),
        Kind::InvalidRequest,
        Some("contents[0].role"),
    );
    check(
        json!({"contents": [{"parts": [{"text": 5}]}]}),
        Kind::InvalidRequest,
        Some("contents[0].parts[0].text"),
    );
    check(
        json!({"contents": "hi", "generationConfig": {"topP": "x"}}),
        Kind::InvalidRequest,
        Some("generationConfig.topP"),
    );
    check(
        json!({"contents": "hi", "generationConfig": {"candidateCount": -1}}),
        Kind::InvalidRequest,
        Some("generationConfig.candidateCount"),
    );
    assert_eq!(Gemini.decode_request(b"{").expect_err("broken").kind(), Kind::InvalidJson);
}

#[test]
fn passing_on_keeps_every_byte_but_the_models_name() {
    let quirks = Quirks::default();
    let pass = |body: &'static str, model, is_stream| {
        let target = Target { model, quirks: &quirks, max_output_tokens: None };
        let edits = Edits { target, wants_usage: is_stream, is_stream };
        Gemini.pass_request(&Bytes::from_static(body.as_bytes()), &edits).expect("passes")
    };
    let body = "{ \"contents\":[],\n  \"new_field\": 1.0 }";
    let wire = pass(body, "gemini-3-flash", true);
    assert_eq!(wire.body, body);
    assert_eq!(wire.path, "/models/gemini-3-flash:streamGenerateContent?alt=sse");
    let wire = pass("{\"model\": \"models/a\"}", "b", false);
    assert_eq!(
        (&wire.body[..], &*wire.path),
        (&b"{\"model\": \"models/b\"}"[..], "/models/b:generateContent")
    );
    assert_eq!(pass("{}", "tunedModels/my-x", false).path, "/tunedModels/my-x:generateContent");
    assert_eq!(pass("{}", "a?b/../c d", false).path, "/models/a%3Fb%2F..%2Fc%20d:generateContent");
}
