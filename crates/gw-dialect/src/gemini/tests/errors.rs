use bytes::Bytes;
use gw_core::error::Retry;
use gw_core::seam::Dialect as _;
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::{Value, json};

use super::Gemini;

fn decode(status: u16, body: &Value) -> Error {
    Gemini.decode_error(status, &HeaderMap::new(), &Bytes::from(body.to_string()))
}

#[test]
fn kinds_follow_words_reasons_and_statuses() {
    let error = |code: u16, message: &str, status: &str, details: Value| json!({"error": {"code": code, "message": message, "status": status, "details": details}});
    let info = |reason: &str| json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
    let none = || json!([]);
    for (body, kind) in [
        (
            error(400, "API key not valid.", "INVALID_ARGUMENT", info("API_KEY_INVALID")),
            Kind::ProviderAuth,
        ),
        (
            error(400, "API key expired. Please renew.", "INVALID_ARGUMENT", none()),
            Kind::ProviderAuth,
        ),
        (error(401, "x", "UNAUTHENTICATED", none()), Kind::ProviderAuth),
        (
            error(403, "API disabled", "PERMISSION_DENIED", info("SERVICE_DISABLED")),
            Kind::ProviderAuth,
        ),
        (
            error(
                403,
                "You do not have permission to access the File abc",
                "PERMISSION_DENIED",
                none(),
            ),
            Kind::ProviderRejected,
        ),
        (
            error(
                400,
                "The input token count (5) exceeds the maximum number of tokens allowed (3).",
                "INVALID_ARGUMENT",
                none(),
            ),
            Kind::ContextTooLong,
        ),
        (error(400, "x", "INVALID_ARGUMENT", none()), Kind::ProviderRejected),
        (error(400, "Please enable billing", "FAILED_PRECONDITION", none()), Kind::ProviderBilling),
        (
            error(404, "models/x is not found for API version v1beta", "NOT_FOUND", none()),
            Kind::ModelNotFound,
        ),
        (
            error(
                429,
                "Quota exceeded for generate_content_paid_tier_input_token_count",
                "RESOURCE_EXHAUSTED",
                none(),
            ),
            Kind::ProviderRateLimited,
        ),
        (
            error(429, "Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED", none()),
            Kind::ProviderBilling,
        ),
        (error(500, "x", "INTERNAL", none()), Kind::ProviderFailed),
        (error(503, "The model is overloaded.", "UNAVAILABLE", none()), Kind::ProviderOverloaded),
        (error(504, "x", "DEADLINE_EXCEEDED", none()), Kind::ProviderTimeout),
    ] {
        let status = u16::try_from(body["error"]["code"].as_u64().expect("code")).expect("small");
        assert_eq!(decode(status, &body).kind(), kind, "{body}");
        // Inside a stream, and as the only item of an array.
        assert_eq!(decode(0, &body).kind(), kind, "{body}");
        assert_eq!(decode(status, &json!([body])).kind(), kind, "[{body}]");
    }
    let abroad = error(
        400,
        "User location is not supported for the API use.",
        "FAILED_PRECONDITION",
        none(),
    );
    assert_eq!(decode(400, &abroad).retry(), Retry::Next);
}

#[test]
fn waits_and_fields_stand_in_the_details() {
    let body = json!({"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48.5s"}]}});
    let error = decode(429, &body);
    assert_eq!(error.retry_after_ms(), Some(48_500));
    assert_eq!(error.retry(), Retry::Same { after_ms: Some(48_500) });
    let told = json!({"error": {"code": 429, "message": "Please retry in 1.2s.", "status": "RESOURCE_EXHAUSTED"}});
    assert_eq!(decode(429, &told).retry_after_ms(), Some(1_200));
    let field = json!({"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT", "details": [
        {"fieldViolations": [{"field": "contents[0]", "description": "d"}]}]}});
    assert_eq!(decode(400, &field).field(), Some("contents[0]"));
}

#[test]
fn the_gateways_project_is_not_shown() {
    let body = json!({"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT", "details": [
        {"@type": "t", "reason": "R", "metadata": {"consumer": "projects/123"}}]}});
    let written = Gemini.encode_error(&decode(400, &body));
    let text = String::from_utf8_lossy(&written);
    assert!(text.contains("bad") && !text.contains("123"), "{text}");
    let key = json!({"error": {"code": 400, "message": "API key not valid: AIza", "status": "INVALID_ARGUMENT"}});
    assert!(!String::from_utf8_lossy(&Gemini.encode_error(&decode(400, &key))).contains("AIza"));
}

#[test]
fn every_kind_is_written_and_read_with_its_status() {
    for kind in Kind::ALL {
        let error = Error::new(*kind, "because").with_retry_after_ms(2_000);
        let written: Value = serde_json::from_slice(&Gemini.encode_error(&error)).expect("JSON");
        let row = kind.row();
        assert_eq!(written["error"]["code"], row.status, "{kind:?}");
        assert_eq!(written["error"]["status"], row.gemini_status);
        let has_wait = written["error"]["details"].to_string().contains("2.000s");
        assert_eq!(has_wait, row.client_may_retry, "{kind:?}");
        if row.origin != gw_core::error::Origin::Provider {
            continue;
        }
        let again = decode(row.status, &written);
        assert_eq!(again.kind().row().status, row.status, "{kind:?} became {:?}", again.kind());
    }
}

#[test]
fn a_body_of_no_format_is_judged_by_its_status() {
    for body in ["", "<html>", "{}", "[]", "{\"error\":\"x\"}", "\u{0}"] {
        let error =
            Gemini.decode_error(503, &HeaderMap::new(), &Bytes::from_static(body.as_bytes()));
        assert_eq!(error.kind(), Kind::ProviderOverloaded, "{body}");
    }
}
