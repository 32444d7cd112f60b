use gw_core::chat::{ChatRequest, Part, ResponseFormat, Tool};
use serde_json::{Value, json};

use super::{Fault, breach, fault, is_refusal};

fn offering(parameters: Option<Value>) -> ChatRequest {
    let tool = Tool::Function {
        name: "search".into(),
        description: None,
        parameters,
        strict: None,
        cache: None,
        extra: gw_core::chat::Extra::default(),
    };
    ChatRequest { tools: vec![tool], ..ChatRequest::default() }
}

fn calling(name: &str, arguments: &str) -> [Part; 1] {
    [Part::ToolCall { id: "1".into(), name: name.into(), arguments: arguments.into(), cache: None }]
}

#[test]
fn an_answer_that_says_nothing_is_cut_off_or_declines_cannot_stand() {
    let request = ChatRequest::default();
    assert_eq!(fault(&request, &[], false), Some(Fault::Empty));
    assert_eq!(fault(&request, &[Part::text(" \n")], false), Some(Fault::Empty));
    assert_eq!(fault(&request, &[Part::text("Half a sen")], true), Some(Fault::CutOff));
    let refusal = Part::Refusal { text: "no".into() };
    assert_eq!(fault(&request, &[refusal], false), Some(Fault::Refused));
    assert_eq!(fault(&request, &[Part::text("Paris.")], false), None);
}

#[test]
fn tools_must_be_offered_and_called_as_their_schema_says() {
    let schema = json!({"type": "object", "required": ["q"], "additionalProperties": false,
        "properties": {"q": {"type": "string", "minLength": 1}, "n": {"type": "integer", "maximum": 5}}});
    let request = offering(Some(schema));
    let unknown = fault(&request, &calling("delete", "{}"), false);
    assert_eq!(unknown, Some(Fault::UnknownTool("delete".into())));
    assert_eq!(fault(&request, &calling("search", r#"{"q":"x","n":3.0}"#), false), None);
    for (arguments, wanted) in [
        ("{", "no JSON"),
        ("", "`q` is missing"),
        (r#"{"q":""}"#, "minLength"),
        (r#"{"q":"x","n":6}"#, "maximum"),
        (r#"{"q":"x","z":1}"#, "`z` is not allowed"),
        (r#"{"q":7}"#, "not of type"),
    ] {
        let Some(Fault::BadArguments { why, .. }) =
            fault(&request, &calling("search", arguments), false)
        else {
            panic!("{arguments} passed");
        };
        assert!(why.contains(wanted), "{arguments}: {why}");
    }
}

#[test]
fn output_must_follow_the_schema_that_was_asked_for() {
    let schema = json!({"$defs": {"n": {"type": ["number", "null"]}}, "type": "object",
        "properties": {"list": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                       "kind": {"enum": ["a", "b"]}},
        "anyOf": [{"required": ["list"]}, {"required": ["kind"]}]});
    let format = ResponseFormat::JsonSchema { name: None, description: None, schema, strict: None };
    let request = ChatRequest { response_format: Some(format), ..ChatRequest::default() };
    let of = |text: &str| fault(&request, &[Part::text(text)], false);
    assert_eq!(of(r#"{"list":[1,null]}"#), None);
    for broken in ["Sure! {}", r#"{"list":["x"]}"#, r#"{"kind":"c"}"#, "{}"] {
        assert!(matches!(of(broken), Some(Fault::BadOutput(_))), "{broken}");
    }
}

#[test]
fn what_the_checker_does_not_know_passes() {
    assert_eq!(
        breach(&json!({"type": "strange", "format": "email", "$ref": "x"}), &json!(1)),
        None
    );
    assert_eq!(breach(&json!(true), &json!(1)), None);
    // A schema that refers to itself ends.
    let endless = json!({"$ref": "#"});
    assert_eq!(breach(&endless, &json!(1)), None);
}

#[test]
fn declining_is_told_from_answering() {
    for text in ["I'm sorry, but I can't help with that.", "I cannot assist with this request."] {
        assert!(is_refusal(text), "{text}");
    }
    for text in [
        "I can help: use a map.",
        "Sorry, I can see the mistake in line 3.",
        "You cannot divide by zero, so the answer is undefined.",
    ] {
        assert!(!is_refusal(text), "{text}");
    }
}
