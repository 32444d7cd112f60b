//! Schemas and their least instances.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::least_instance;

#[expect(clippy::needless_pass_by_value, reason = "the cases read better as values")]
fn check(schema: Value, expected: Value) {
    assert_eq!(least_instance(&schema), expected, "{schema}");
}

#[test]
fn plain_types() {
    check(json!({"type": "string"}), json!("sample"));
    check(json!({"type": "string", "minLength": 8}), json!("samplexx"));
    check(json!({"type": "string", "maxLength": 3}), json!("sam"));
    check(json!({"type": "string", "format": "date"}), json!("2026-01-01"));
    check(json!({"type": "integer"}), json!(1));
    check(json!({"type": "integer", "minimum": 18, "maximum": 99}), json!(18));
    check(json!({"type": "integer", "exclusiveMinimum": 5, "multipleOf": 4}), json!(12));
    check(json!({"type": "number", "maximum": 0.25}), json!(0.25));
    check(json!({"type": "integer", "exclusiveMaximum": 0}), json!(-1));
    check(json!({"type": "boolean"}), json!(true));
    check(json!({"type": ["null", "string"]}), json!("sample"));
    check(json!({"type": "null"}), json!(null));
    check(json!({"enum": ["b", "a"]}), json!("b"));
    check(json!({"const": 7}), json!(7));
    check(json!({}), json!({}));
    check(json!(true), json!({}));
}

#[test]
fn objects_hold_what_is_required_in_order() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"}, "age": {"type": "integer", "minimum": 3},
            "note": {"type": "string"},
            "tags": {"type": "array", "items": {"enum": ["x"]}, "minItems": 2},
        },
        "required": ["age", "name", "tags"],
        "additionalProperties": false,
    });
    check(schema, json!({"age": 3, "name": "sample", "tags": ["x", "x"]}));
}

#[test]
fn references_branches_and_recursion() {
    let schema = json!({
        "type": "object",
        "properties": {"node": {"$ref": "#/$defs/Node"}},
        "required": ["node"],
        "$defs": {"Node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
        }},
    });
    check(schema, json!({"node": {"value": 1, "next": null}}));
    check(
        json!({"allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"const": 2}}, "required": ["b"]},
        ]}),
        json!({"a": "sample", "b": 2}),
    );
    check(
        json!({"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": true}),
        json!(["sample", "sample1"]),
    );
    // A schema that can only recurse ends all the same.
    let endless = json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]});
    assert!(least_instance(&endless).is_object());
    let bushy: serde_json::Map<String, Value> =
        (0..12).map(|at| (format!("p{at}"), json!({"$ref": "#"}))).collect();
    let names: Vec<String> = bushy.keys().cloned().collect();
    let bushy = json!({"type": "object", "properties": bushy, "required": names});
    assert!(least_instance(&bushy).is_object());
    check(json!({"$ref": "#/nowhere"}), json!(null));
}

fn any_json() -> impl Strategy<Value = Value> {
    let keyword = prop_oneof![
        Just("type"),
        Just("properties"),
        Just("items"),
        Just("required"),
        Just("$ref"),
        Just("anyOf"),
        Just("allOf"),
        Just("minimum"),
        Just("minItems"),
        Just("enum"),
    ]
    .prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(json!("object")),
        Just(json!("array")),
        Just(json!("integer")),
        Just(json!("#")),
        any::<i32>().prop_map(|n| json!(n)),
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec((keyword.clone(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_makes_it_fail(schema in any_json()) {
        let _ = least_instance(&schema);
    }
}
