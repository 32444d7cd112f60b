use gw_core::task::Quality;
use gw_core::{Kind, Layer};

use super::{Fields, client_id};

fn fields(json: &str) -> Fields {
    Fields::parse(json.as_bytes()).expect(json)
}

#[test]
fn only_an_object_is_a_body() {
    for (body, kind) in [
        ("", Kind::InvalidJson),
        ("   ", Kind::InvalidJson),
        ("{", Kind::InvalidJson),
        ("{\"a\":1}x", Kind::InvalidJson),
        ("[]", Kind::InvalidRequest),
        ("null", Kind::InvalidRequest),
        ("\"text\"", Kind::InvalidRequest),
    ] {
        assert_eq!(Fields::parse(body.as_bytes()).expect_err(body).kind(), kind, "{body}");
    }
    assert_eq!(Fields::parse(b"{\"a\":\"\xff\"}").expect_err("utf-8").kind(), Kind::InvalidJson);
    let deep = "[".repeat(100_000);
    assert_eq!(Fields::parse(deep.as_bytes()).expect_err("deep").kind(), Kind::InvalidJson);
}

#[test]
fn every_missing_field_is_named() {
    let error = fields("{}").require(&["conversationId", "message"]).expect_err("both");
    assert_eq!(error.message(), "missing required fields: conversationId, message");
    let error = fields(r#"{"conversationId":"a","message":null}"#)
        .require(&["conversationId", "message"])
        .expect_err("one");
    assert_eq!(error.message(), "missing required field: message");
    assert_eq!(error.field(), Some("message"));
    let error = fields(r#"{"conversationId":"","message":"x"}"#)
        .require(&["conversationId"])
        .expect_err("empty");
    assert_eq!(error.field(), Some("conversationId"));
}

#[test]
fn wrong_types_name_their_field() {
    let body = fields(r#"{"a":1,"b":"x","c":-1,"d":1.5,"e":[],"f":"L9","g":"superb"}"#);
    let names = [
        body.text("a").err(),
        body.id("a").err(),
        body.number("b", 0.0, 1.0).err(),
        body.number("c", 0.0, 1.0).err(),
        body.count("c").err(),
        body.count("d").err(),
        body.object("e").err(),
        body.word::<Layer>("f").err(),
        body.word::<Quality>("g").err(),
    ]
    .map(|error| error.and_then(|error| error.field().map(str::to_owned)));
    let expected = ["a", "a", "b", "c", "c", "d", "e", "f", "g"].map(|name| Some(name.to_owned()));
    assert_eq!(names, expected);
}

#[test]
fn counts_are_whole_however_they_are_written() {
    let check = |json: &str, expected: Option<u64>| {
        assert_eq!(
            fields(&format!("{{\"a\":{json}}}")).count("a").ok().flatten(),
            expected,
            "{json}"
        );
    };
    check("7", Some(7));
    check("7.0", Some(7));
    check("1e3", Some(1_000));
    check("7.5", None);
    check("0", None);
    check("1e10", None);
    check("1e300", None);
    check("\"7\"", None);
}

#[test]
fn absent_and_null_are_the_same() {
    let body = fields(r#"{"a":null}"#);
    assert!(matches!(body.text("a"), Ok(None)));
    assert!(matches!(body.number("b", 0.0, 1.0), Ok(None)));
    assert!(matches!(body.word::<Layer>("a"), Ok(None)));
}

#[test]
fn identifiers_are_short_and_printable() {
    let check =
        |id: &str, expected: bool| assert_eq!(client_id("x", id).is_ok(), expected, "{id:?}");
    check("a", true);
    check("größe/1", true);
    check(&"x".repeat(256), true);
    check(&"x".repeat(257), false);
    check("", false);
    check("a\u{0}", false);
    check("a\nb", false);
}
