use std::sync::Arc;

use gw_core::Kind;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Keys, Scope};
use crate::app::{CallerKey, ServerOptions};
use crate::tests::fixture::NoKeys;

fn keys(allow_anonymous: bool) -> Keys {
    let key = |id: &str, secret: &str, is_admin| CallerKey {
        id: id.to_owned(),
        name: id.to_owned(),
        secret: secret.to_owned().into(),
        is_admin,
    };
    let options = ServerOptions {
        keys: vec![key("k1", "secret-one", false), key("k2", "secret-two", true)],
        allow_anonymous,
        ..ServerOptions::default()
    };
    Keys::new(&options, Arc::new(NoKeys))
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

#[tokio::test]
async fn a_key_is_known_in_every_header_that_clients_use() {
    let check = async |pairs: &[(&str, &str)], expected: Option<&str>| {
        let found = keys(false).caller(&headers(pairs), Scope::Caller).await;
        assert_eq!(
            found.ok().and_then(|caller| caller.principal.key_id).as_deref(),
            expected,
            "{pairs:?}"
        );
    };
    check(&[("authorization", "Bearer secret-one")], Some("k1")).await;
    check(&[("authorization", "bearer  secret-one ")], Some("k1")).await;
    check(&[("x-api-key", "secret-two")], Some("k2")).await;
    check(&[("x-goog-api-key", "secret-two")], Some("k2")).await;
    check(&[("authorization", "Bearer wrong"), ("x-api-key", "secret-one")], Some("k1")).await;
    check(&[("authorization", "Basic secret-one")], None).await;
    check(&[("authorization", "Bearer secret-on")], None).await;
    check(&[("authorization", "Bearer ")], None).await;
    check(&[("authorization", "secret-one")], None).await;
    check(&[], None).await;
}

#[tokio::test]
async fn without_a_key_only_public_routes_open() {
    let error = keys(false).caller(&HeaderMap::new(), Scope::Caller).await.expect_err("closed");
    assert_eq!(error.kind(), Kind::Unauthenticated);
    assert!(error.hint().is_some_and(|hint| hint.contains("Authorization")));
    let public = keys(false).caller(&HeaderMap::new(), Scope::Public).await.expect("open");
    assert!(!public.is_trusted);
}

#[tokio::test]
async fn where_anonymous_callers_are_served_a_dummy_key_does_no_harm() {
    let caller = keys(true)
        .caller(&headers(&[("x-api-key", "sk-dummy")]), Scope::Caller)
        .await
        .expect("open");
    assert!(caller.is_trusted && caller.principal.key_id.is_none() && !caller.principal.is_admin);
    let known = keys(true)
        .caller(&headers(&[("x-api-key", "secret-two")]), Scope::Caller)
        .await
        .expect("open");
    assert!(known.principal.is_admin);
}

#[tokio::test]
async fn an_error_never_repeats_the_key() {
    let error = keys(false)
        .caller(&headers(&[("x-api-key", "tried-key")]), Scope::Caller)
        .await
        .expect_err("closed");
    assert!(!error.full_message().contains("tried-key"));
}

#[tokio::test]
async fn an_open_door_still_refuses_a_key_of_this_gateway_that_is_not_good() {
    let refused = [("x-api-key", "gw-revoked")];
    let error = keys(true).caller(&headers(&refused), Scope::Caller).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::Unauthenticated);
    let public = keys(true).caller(&headers(&refused), Scope::Public).await.expect("open");
    assert!(!public.is_trusted);
}
