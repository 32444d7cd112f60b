use bytes::Bytes;
use gw_core::seam::DialectId;
use gw_core::{Kind, Retry};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Words, http_date_s, refusal, retry_after_ms};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    pairs.collect()
}

#[test]
fn waits() {
    #[track_caller]
    fn check(pairs: &[(&'static str, &'static str)], expected: Option<u64>) {
        assert_eq!(retry_after_ms(&headers(pairs)), expected, "{pairs:?}");
    }
    check(&[], None);
    check(&[("retry-after", "2")], Some(2_000));
    check(&[("retry-after", "0.25")], Some(250));
    check(&[("retry-after", "2"), ("retry-after-ms", "1500")], Some(1_500));
    check(&[("retry-after", "-2")], None);
    check(&[("retry-after", "soon")], None);
    check(&[("retry-after", "99999999999")], None);
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    check(&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30_000));
    check(&[date, ("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], Some(0));
    check(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], None);
}

#[test]
fn dates() {
    assert_eq!(http_date_s("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    assert_eq!(http_date_s("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(http_date_s("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
    for text in ["", "Sun, 06 Nov", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Xxx 1994 1:1:1 GMT"] {
        assert_eq!(http_date_s(text), None, "{text}");
    }
}

#[test]
fn statuses() {
    #[track_caller]
    fn check(status: u16, expected: Kind) {
        let words = Words::default();
        let dialect = DialectId::AnthropicMessages;
        let error = refusal(dialect, status, &HeaderMap::new(), &Bytes::new(), words);
        assert_eq!(error.kind(), expected, "{status}");
    }
    check(400, Kind::ProviderRejected);
    check(401, Kind::ProviderAuth);
    check(402, Kind::ProviderBilling);
    check(404, Kind::ModelNotFound);
    check(413, Kind::PayloadTooLarge);
    check(418, Kind::ProviderRejected);
    check(429, Kind::ProviderRateLimited);
    check(500, Kind::ProviderFailed);
    check(503, Kind::ProviderOverloaded);
    check(529, Kind::ProviderOverloaded);
    check(302, Kind::ProviderFailed);
}

#[test]
fn words_about_the_gateways_key_are_not_shown() {
    let body = Bytes::from_static(b"{\"error\":{\"message\":\"wrong key sk-abc\"}}");
    let words = || Words { message: "wrong key sk-abc".to_owned(), kind: None };
    let error = refusal(DialectId::OpenAiChat, 401, &HeaderMap::new(), &body, words());
    assert!(!error.full_message().contains("sk-abc"));
    assert!(error.upstream().is_none());
    let error = refusal(DialectId::OpenAiChat, 400, &HeaderMap::new(), &body, words());
    assert_eq!(error.message(), "wrong key sk-abc");
    assert_eq!(error.upstream().map(|answer| answer.body.clone()), Some(body));
}

#[test]
fn a_wait_reaches_the_retry_verdict() {
    let headers = headers(&[("retry-after", "3")]);
    let words = Words::default();
    let error = refusal(DialectId::OpenAiChat, 429, &headers, &Bytes::new(), words);
    assert_eq!(error.retry_after_ms(), Some(3_000));
    assert_eq!(error.retry(), Retry::Same { after_ms: Some(3_000) });
}
