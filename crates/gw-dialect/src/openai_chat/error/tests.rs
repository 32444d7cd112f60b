use bytes::Bytes;
use gw_core::{Error, Kind, Retry};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{decode, encode, encode_line};

fn refuse(status: u16, body: &str) -> Error {
    decode(status, &HeaderMap::new(), &Bytes::copy_from_slice(body.as_bytes()))
}

#[track_caller]
fn check(status: u16, body: &str, kind: Kind, message: &str) {
    let error = refuse(status, body);
    assert_eq!(error.kind(), kind, "{body}");
    assert!(error.message().contains(message), "`{}` lacks `{message}`", error.message());
}

#[test]
fn kinds_from_labels_words_and_statuses() {
    check(
        400,
        r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#,
        Kind::ContextTooLong,
        "too long",
    );
    check(
        400,
        r#"{"error":{"message":"This endpoint's maximum context length is 200000 tokens.","code":400}}"#,
        Kind::ContextTooLong,
        "200000",
    );
    check(
        400,
        r#"{"error":{"message":"prompt too long; exceeded max context length by 1119046 tokens","type":"invalid_request_error"}}"#,
        Kind::ContextTooLong,
        "1119046",
    );
    check(
        400,
        r#"{"error":{"message":"The total length of all messages is too long.","type":"too_many_prompt_tokens","code":400}}"#,
        Kind::ContextTooLong,
        "total length",
    );
    check(
        429,
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
        Kind::ProviderBilling,
        "credit",
    );
    check(402, r#"{"error":{"message":"Insufficient Balance"}}"#, Kind::ProviderBilling, "credit");
    check(
        404,
        r#"{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}"#,
        Kind::ModelNotFound,
        "does not exist",
    );
    check(
        400,
        r#"{"error":{"message":"x/y is not a valid model ID","code":400}}"#,
        Kind::ModelNotFound,
        "x/y",
    );
    check(
        400,
        r#"{"error":{"message":"filtered","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        Kind::ContentFiltered,
        "filtered",
    );
    check(
        403,
        r#"{"error":{"message":"flagged","code":403,"metadata":{"reasons":["violence"]}}}"#,
        Kind::ContentFiltered,
        "flagged",
    );
    check(
        422,
        r#"{"detail":[{"loc":["body","messages",0,"role"],"msg":"bad role"}]}"#,
        Kind::ProviderRejected,
        "body.messages.0.role: bad role",
    );
    check(
        422,
        r#"{"object":"error","message":{"detail":[{"loc":["body"],"msg":"extra"}]},"type":"invalid_request_error"}"#,
        Kind::ProviderRejected,
        "extra",
    );
    check(400, r#"{"error":"model is loading"}"#, Kind::ProviderRejected, "model is loading");
    check(
        429,
        r#"{"error":{"code":"RateLimitReached","message":"slow down"}}"#,
        Kind::ProviderRateLimited,
        "slow down",
    );
    check(503, "", Kind::ProviderOverloaded, "503");
    check(529, "<html>busy</html>", Kind::ProviderOverloaded, "529");
    check(500, "<html><body>Oops</body></html>", Kind::ProviderFailed, "no reason");
    check(500, "plain words", Kind::ProviderFailed, "plain words");
    check(502, r#"[{"error":{"message":"in an array"}}]"#, Kind::ProviderFailed, "in an array");
    check(
        400,
        r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"really this\"}}","provider_name":"X"}}}"#,
        Kind::ProviderRejected,
        "really this",
    );
}

#[test]
fn the_gateways_own_key_is_never_quoted() {
    let error = refuse(401, r#"{"error":{"message":"Incorrect API key provided: sk-ab***yz"}}"#);
    assert_eq!(error.kind(), Kind::ProviderAuth);
    let told = String::from_utf8(encode(&error).to_vec()).expect("text");
    assert!(!told.contains("sk-ab"), "{told}");
    assert_eq!(refuse(401, r#"{"detail":"Invalid API Key"}"#).kind(), Kind::ProviderAuth);
}

#[test]
fn too_large_tries_the_next_candidate() {
    let error = refuse(413, "{}");
    assert_eq!((error.kind(), error.retry()), (Kind::PayloadTooLarge, Retry::Next));
}

#[test]
fn retry_after_is_kept() {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", "7".parse().expect("a header"));
    let error = decode(429, &headers, &Bytes::from_static(b"{}"));
    assert_eq!(error.retry_after_ms(), Some(7_000));
    assert_eq!(error.retry(), Retry::Same { after_ms: Some(7_000) });
}

#[test]
fn own_words_of_the_same_dialect_are_kept() {
    let body = r#"{"error":{"message":"bad temperature","type":"invalid_request_error","param":"temperature","code":null}}"#;
    let error = refuse(400, body);
    assert_eq!(error.field(), Some("temperature"));
    assert_eq!(encode(&error), body);
    // The account at the provider is not the client's business.
    let error = refuse(400, r#"{"error":{"message":"no","code":400},"user_id":"user_1"}"#);
    assert_eq!(encode(&error), r#"{"error":{"message":"no","code":400}}"#);
}

#[test]
fn gateway_errors_have_openais_shape() {
    let error = Error::bad_field("messages[0].role", "`messages[0].role` is not known")
        .with_hint("Use `user`");
    let wire: Value = serde_json::from_slice(&encode(&error)).expect("JSON");
    let wanted = json!({"error": {
        "message": "`messages[0].role` is not known. Use `user`",
        "type": "invalid_request_error",
        "param": "messages[0].role",
        "code": "invalid_request",
    }});
    assert_eq!(wire, wanted);
    assert!(!encode_line(&error).contains('\n'));
}

#[test]
fn every_kind_is_written() {
    for kind in Kind::ALL {
        let wire: Value = serde_json::from_slice(&encode(&Error::new(*kind, "x"))).expect("JSON");
        assert_eq!(wire["error"]["code"], kind.row().code);
        assert_eq!(wire["error"]["type"], kind.row().openai_type);
    }
}
