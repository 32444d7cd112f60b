use gw_core::{Kind, Result};
use serde_json::json;

use super::{Node, natural, parse_object};

#[test]
fn errors_name_the_path() {
    let body = json!({"messages": [{}, {"content": 5}]});
    let root = Node::root(&body);
    let read = || -> Result<()> {
        let messages = root.require("messages")?;
        for message in messages.items()? {
            if let Some(content) = message.get("content") {
                return Err(content.must_be("a string or an array of parts"));
            }
        }
        Ok(())
    };
    let error = read().expect_err("a number");
    assert_eq!(error.kind(), Kind::InvalidRequest);
    assert_eq!(error.field(), Some("messages[1].content"));
    let text = "`messages[1].content` must be a string or an array of parts, not a number";
    assert_eq!(error.message(), text);
    let error = root.require("model").expect_err("absent");
    assert_eq!(error.full_message(), "`model` is required");
}

#[test]
fn bodies_that_are_not_objects() {
    #[track_caller]
    fn check(body: &[u8], kind: Kind, text: &str) {
        let error = parse_object(body).expect_err("refused");
        assert_eq!((error.kind(), error.message()), (kind, text));
    }
    check(b" ", Kind::InvalidJson, "the body is empty; a JSON object is wanted");
    check(b"[1]", Kind::InvalidRequest, "the body must be a JSON object, not an array");
    check(b"{\"a\":", Kind::InvalidJson, "the body ends too early at line 1 column 5");
    check(b"{\"a\":x}", Kind::InvalidJson, "the body is not valid JSON at line 1 column 6");
    let deep = "[".repeat(200);
    let text = "the body is nested too deeply at line 1 column 132";
    check(format!("{{\"a\":{deep}").as_bytes(), Kind::InvalidJson, text);
    check(b"{\"a\":\"\xff\"}", Kind::InvalidJson, "the body is not UTF-8 text at line 1 column 7");
}

#[test]
fn whole_numbers() {
    assert_eq!(natural(&json!(5)), Some(5));
    assert_eq!(natural(&json!(5.0)), Some(5));
    for value in [json!(-1), json!(0.5), json!("5"), json!(1e300)] {
        assert_eq!(natural(&value), None, "{value}");
    }
}
