use gw_core::Kind;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Keys, Scope};
use crate::app::{CallerKey, ServerOptions};

fn keys(allow_anonymous: bool) -> Keys {
    let key = |id: &str, secret: &str, is_admin| CallerKey {
        id: id.to_owned(),
        name: id.to_owned(),
        secret: secret.to_owned().into(),
        is_admin,
    };
    Keys::new(&ServerOptions {
        keys: vec![key("k1", "secret-one", false), key("k2", "secret-two", true)],
        allow_anonymous,
        ..ServerOptions::default()
    })
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        })
        .collect()
}

#[test]
fn a_key_is_known_in_every_header_that_clients_use() {
    let check = |pairs: &[(&str, &str)], expected: Option<&str>| {
        let found = keys(false).caller(&headers(pairs), Scope::Caller);
        assert_eq!(
            found.ok().and_then(|caller| caller.principal.key_id).as_deref(),
            expected,
            "{pairs:?}"
        );
    };
    check(&[("authorization", "Bearer secret-one")], Some("k1"));
    check(&[("authorization", "bearer  secret-one ")], Some("k1"));
    check(&[("x-api-key", "secret-two")], Some("k2"));
    check(&[("x-goog-api-key", "secret-two")], Some("k2"));
    check(&[("authorization", "Bearer wrong"), ("x-api-key", "secret-one")], Some("k1"));
    check(&[("authorization", "Basic secret-one")], None);
    check(&[("authorization", "Bearer secret-on")], None);
    check(&[("authorization", "Bearer ")], None);
    check(&[("authorization", "secret-one")], None);
    check(&[], None);
}

#[test]
fn without_a_key_only_public_routes_open() {
    let error = keys(false).caller(&HeaderMap::new(), Scope::Caller).expect_err("closed");
    assert_eq!(error.kind(), Kind::Unauthenticated);
    assert!(error.hint().is_some_and(|hint| hint.contains("Authorization")));
    let public = keys(false).caller(&HeaderMap::new(), Scope::Public).expect("open");
    assert!(!public.is_trusted);
}

#[test]
fn where_anonymous_callers_are_served_a_dummy_key_does_no_harm() {
    let caller =
        keys(true).caller(&headers(&[("x-api-key", "sk-dummy")]), Scope::Caller).expect("open");
    assert!(caller.is_trusted && caller.principal.key_id.is_none() && !caller.principal.is_admin);
    let known =
        keys(true).caller(&headers(&[("x-api-key", "secret-two")]), Scope::Caller).expect("open");
    assert!(known.principal.is_admin);
}

#[test]
fn an_error_never_repeats_the_key() {
    let error = keys(false)
        .caller(&headers(&[("x-api-key", "tried-key")]), Scope::Caller)
        .expect_err("closed");
    assert!(!error.full_message().contains("tried-key"));
}
