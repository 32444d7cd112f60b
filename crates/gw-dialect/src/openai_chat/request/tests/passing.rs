use bytes::Bytes;
use gw_core::seam::{Edits, Quirks, Target};

use crate::openai_chat::request::pass;

#[track_caller]
fn check(body: &'static str, quirks: &Quirks, wants_usage: bool, wanted: &str) {
    let target = Target { model: "up", quirks, max_output_tokens: None };
    let wire = pass(
        &Bytes::from_static(body.as_bytes()),
        &Edits { target, wants_usage, is_stream: wants_usage },
    );
    assert_eq!(wire.expect("passes").body, wanted);
}

fn limit(field: &str) -> Quirks {
    Quirks { max_tokens_field: field.to_owned(), ..Quirks::default() }
}

#[test]
fn every_other_byte_stays() {
    let plain = Quirks::default();
    check(
        r#"{ "model" : "m", "x":1.50,"messages":[ ] }"#,
        &plain,
        false,
        r#"{ "model" : "up", "x":1.50,"messages":[ ] }"#,
    );
    check(
        r#"{"model":"m","stream":true}"#,
        &plain,
        true,
        r#"{"model":"up","stream":true,"stream_options":{"include_usage":true}}"#,
    );
    check(
        r#"{"model":"m","stream_options":{"include_obfuscation":false}}"#,
        &plain,
        true,
        r#"{"model":"up","stream_options":{"include_obfuscation":false,"include_usage":true}}"#,
    );
    let refuses = Quirks { refuses_stream_options: true, ..Quirks::default() };
    check(
        r#"{"model":"m","stream_options":{"include_usage":true},"z":1}"#,
        &refuses,
        true,
        r#"{"model":"up","z":1}"#,
    );
}

#[test]
fn limits_take_the_providers_word() {
    check(
        r#"{"model":"m","max_tokens":5}"#,
        &limit("max_completion_tokens"),
        false,
        r#"{"model":"up","max_completion_tokens":5}"#,
    );
    check(
        r#"{"model":"m","max_completion_tokens":5}"#,
        &limit("max_tokens"),
        false,
        r#"{"model":"up","max_tokens":5}"#,
    );
    check(
        r#"{"model":"m","max_tokens":5,"max_completion_tokens":7}"#,
        &limit("max_tokens"),
        false,
        r#"{"model":"up","max_tokens":7}"#,
    );
    check(
        r#"{"model":"m","max_tokens":5,"max_completion_tokens":7}"#,
        &limit("max_completion_tokens"),
        false,
        r#"{"model":"up","max_completion_tokens":7}"#,
    );
    check(
        r#"{"model":"m","max_tokens":null}"#,
        &limit("max_completion_tokens"),
        false,
        r#"{"model":"up"}"#,
    );
    check(r#"{"model":"m","max_tokens":5}"#, &limit(""), false, r#"{"model":"up","max_tokens":5}"#);
}

#[test]
fn roles_and_refused_fields() {
    let quirks = Quirks {
        developer_as_system: true,
        refused_fields: vec!["logit_bias".to_owned()],
        ..Quirks::default()
    };
    check(
        r#"{"model":"m","messages":[{"role":"developer","content":"d","v":1}],"logit_bias":{}}"#,
        &quirks,
        false,
        r#"{"model":"up","messages":[{"role":"system","content":"d","v":1}]}"#,
    );
    check(
        r#"{"model":"m","messages":[ {"role":"user"} ]}"#,
        &quirks,
        false,
        r#"{"model":"up","messages":[ {"role":"user"} ]}"#,
    );
}
