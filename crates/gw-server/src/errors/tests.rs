use bytes::Bytes;
use gw_core::error::UpstreamAnswer;
use gw_core::seam::DialectId;
use gw_core::{Error, Kind};
use http::HeaderMap;
use serde_json::Value;

use super::{Inner, Refusal, general_body, status};
use crate::surface::Surface;

fn upstream(status: u16) -> UpstreamAnswer {
    UpstreamAnswer { status, dialect: DialectId::OpenAiChat, body: Bytes::new() }
}

#[test]
fn every_kind_has_its_tables_status_on_every_surface() {
    for kind in Kind::ALL {
        let error = Error::new(*kind, "x");
        let row = kind.row();
        assert_eq!(status(&error, Surface::OpenAi).as_u16(), row.status, "{kind:?}");
        assert_eq!(status(&error, Surface::General).as_u16(), row.status, "{kind:?}");
        assert_eq!(status(&error, Surface::Anthropic).as_u16(), row.anthropic_status, "{kind:?}");
    }
}

#[test]
fn only_a_fault_found_in_the_request_keeps_the_providers_status() {
    let check = |kind: Kind, given: u16, expected: u16| {
        let error = Error::new(kind, "x").with_upstream(upstream(given));
        assert_eq!(status(&error, Surface::OpenAi).as_u16(), expected, "{kind:?} {given}");
    };
    check(Kind::ProviderRejected, 422, 422);
    check(Kind::ProviderRejected, 400, 400);
    check(Kind::ContextTooLong, 413, 413);
    check(Kind::ProviderRejected, 418, 400);
    check(Kind::ProviderRejected, 0, 400);
    check(Kind::ProviderAuth, 401, 502);
    check(Kind::ProviderFailed, 500, 502);
}

#[test]
fn headers_tell_whether_and_when_to_come_back() {
    let head = |error: Error| {
        let mut headers = HeaderMap::new();
        Refusal::from(error).head(&mut headers);
        headers
    };
    let waiting = head(Error::new(Kind::RateLimited, "x").with_retry_after_ms(1_001));
    assert_eq!(waiting["retry-after"], "2");
    assert_eq!(waiting["retry-after-ms"], "1001");
    assert!(!waiting.contains_key("x-should-retry"));
    let hopeless = head(Error::new(Kind::Unauthenticated, "x"));
    assert_eq!(hopeless["x-should-retry"], "false");
    assert_eq!(hopeless["www-authenticate"], "Bearer");
    assert!(!hopeless.contains_key("retry-after"));
    assert_eq!(head(Error::new(Kind::BudgetExhausted, "x"))["x-should-retry"], "false");
}

#[test]
fn system_a_sees_its_own_words() {
    let body =
        |made: Inner| -> Value { serde_json::from_slice(&general_body(&made)).expect("is JSON") };
    let fault = body(Refusal::made(Error::internal("the cause")));
    assert_eq!(fault["error"], "Internal server error");
    assert_eq!(fault["message"], "the cause");
    let unknown = Refusal::unknown_path("/nope");
    let unknown: Value = serde_json::from_slice(&general_body(&unknown.inner)).expect("is JSON");
    assert_eq!(unknown["error"], "Not found");
    assert_eq!(unknown["path"], "/nope");
    let field = body(Refusal::made(Error::bad_field("message", "missing required field: message")));
    assert_eq!(field["error"], "missing required field: message");
    assert_eq!(field["field"], "message");
    assert_eq!(field["code"], "invalid_request");
    assert!(field.get("path").is_none() && field.get("callId").is_none());
}
