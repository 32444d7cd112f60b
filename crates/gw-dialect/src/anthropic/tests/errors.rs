use bytes::Bytes;
use gw_core::error::UpstreamAnswer;
use gw_core::seam::{Dialect as _, DialectId};
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::{Value, json};

use super::AnthropicMessages;

fn decode(status: u16, kind: &str, message: &str) -> Error {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    let body = Bytes::from(body.to_string());
    AnthropicMessages.decode_error(status, &HeaderMap::new(), &body)
}

#[test]
fn refusals_have_kinds() {
    #[track_caller]
    fn check(status: u16, kind: &str, message: &str, expected: Kind) {
        assert_eq!(decode(status, kind, message).kind(), expected);
    }
    let invalid = "invalid_request_error";
    check(400, invalid, "messages: at least one message is required", Kind::ProviderRejected);
    check(400, invalid, "prompt is too long: 9 tokens > 8 maximum", Kind::ContextTooLong);
    check(
        400,
        invalid,
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        Kind::ContextTooLong,
    );
    check(400, invalid, "Your credit balance is too low to access", Kind::ProviderBilling);
    check(400, invalid, "Output blocked by content filtering policy", Kind::ContentFiltered);
    check(401, "authentication_error", "invalid x-api-key", Kind::ProviderAuth);
    check(403, "permission_error", "no", Kind::ProviderAuth);
    check(402, "billing_error", "no", Kind::ProviderBilling);
    check(404, "not_found_error", "model: x", Kind::ModelNotFound);
    check(413, "request_too_large", "no", Kind::PayloadTooLarge);
    check(429, "rate_limit_error", "slow down", Kind::ProviderRateLimited);
    check(500, "api_error", "oops", Kind::ProviderFailed);
    check(529, "overloaded_error", "busy", Kind::ProviderOverloaded);
    check(503, "no such type", "busy", Kind::ProviderOverloaded);
}

#[test]
fn bodies_of_other_forms_are_judged_by_status() {
    for body in ["", "<html>", "[1]", "null", "{\"error\":\"plain\"}", "{\"detail\":\"x\"}"] {
        let body = Bytes::from_static(body.as_bytes());
        let error = AnthropicMessages.decode_error(502, &HeaderMap::new(), &body);
        assert_eq!(error.kind(), Kind::ProviderFailed);
        assert!(!error.message().is_empty());
    }
}

fn written(error: &Error) -> Value {
    serde_json::from_slice(&AnthropicMessages.encode_error(error)).expect("JSON")
}

#[test]
fn errors_are_written_in_the_table_s_words() {
    let error = Error::bad_field("model", "`model` is required");
    let expected = json!({
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "`model` is required"},
    });
    assert_eq!(written(&error), expected);
    let error = Error::new(Kind::BudgetExhausted, "the budget is spent");
    assert_eq!(written(&error)["error"]["type"], "billing_error");
}

#[test]
fn a_provider_s_own_body_is_kept() {
    let error = decode(400, "invalid_request_error", "max_tokens: 9 > 8");
    let body = AnthropicMessages.encode_error(&error);
    assert_eq!(body, error.upstream().expect("kept").body);
    let foreign = UpstreamAnswer {
        status: 400,
        dialect: DialectId::OpenAiChat,
        body: Bytes::from_static(b"{\"error\":{\"message\":\"m\"}}"),
    };
    let error = Error::new(Kind::ProviderRejected, "m").with_upstream(foreign);
    assert_eq!(written(&error)["type"], "error");
}

#[test]
fn overflow_is_said_in_the_phrase_that_clients_know() {
    #[track_caller]
    fn check(message: &str, expected: &str) {
        let error = Error::new(Kind::ContextTooLong, message);
        assert_eq!(written(&error)["error"]["message"], expected);
    }
    let phrase = "prompt is too long: 9000 tokens > 8192 maximum";
    check(phrase, phrase);
    check(
        "This model's maximum context length is 8192 tokens. However, your messages resulted in \
         9000 tokens.",
        phrase,
    );
    check("the prompt has 9,000 tokens, over the limit of 8,192", phrase);
    check("too many tokens", "prompt is too long: too many tokens");
}
