use gw_core::chat::Part;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

use super::{
    Agreement, Committed, call, canonical, committed, compare, compare_texts, field_share,
    same_answer, same_code, same_json,
};

fn tool(name: &str, arguments: &str) -> Part {
    Part::ToolCall { id: "x".into(), name: name.into(), arguments: arguments.into(), cache: None }
}

#[test]
fn tool_calls_are_the_same_whatever_their_order_and_spelling() {
    let one = [tool("fs.read", r#"{"path":" A.txt","lines":[1,2.0]}"#), tool("now", "")];
    let other = [tool("now", "{}"), tool("fs_read", r#"{"lines":[1.0,2],"path":"a.txt"}"#)];
    assert_eq!(compare(&one, &other), Agreement::Same);
    assert_eq!(compare(&one, &other[..1]), Agreement::Different);
    assert_eq!(compare(&one, &[Part::text("I would read the file")]), Agreement::Different);
    assert_eq!(call("x", "{broken"), "x({broken)");
}

#[test]
fn structured_output_is_compared_field_by_field() {
    let one = json!({"name": "Ada ", "age": 36, "tags": ["x"]});
    let other = json!({"age": 36.0, "tags": ["X"], "name": "ada"});
    assert!(same_json(&one, &other));
    assert!(!same_json(&one, &json!({"name": "ada", "age": 37, "tags": ["x"]})));
    let share = field_share(&one, &json!({"name": "ada", "age": 37, "more": 1}));
    assert!((share - 0.25).abs() < 1e-9, "{share}");
    let fenced = "```json\n{\"a\": 1}\n```";
    assert_eq!(compare_texts(fenced, "{\"a\":1.0}"), Agreement::Same);
}

#[test]
fn large_whole_numbers_are_not_rounded_together() {
    assert!(!same_json(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64)));
}

#[test]
fn short_answers_are_compared_by_what_they_commit_to() {
    for (one, other) in [
        ("So 3 + 15 = 18.\n#### 18", "The answer is $18.00."),
        ("\\boxed{1,000}", "The final answer is 1000"),
        ("The correct answer is (B).", "B"),
        ("Paris.", "paris"),
        ("**C**", "Answer: C) because it floats"),
        ("-0.0", "0"),
    ] {
        assert_eq!(compare_texts(one, other), Agreement::Same, "{one:?} {other:?}");
    }
    for (one, other) in
        [("#### 18", "#### 19"), ("A", "B"), ("12 apples", "13 apples"), ("Paris", "Rome")]
    {
        assert_eq!(compare_texts(one, other), Agreement::Different, "{one:?} {other:?}");
    }
    assert_eq!(committed("\\boxed{\\frac{1}{2}}"), Some(Committed::Words("\\frac{1}{2}".into())));
    assert!(same_answer("18.0", "18"));
    assert!(!same_answer("1.5", "15"));
}

#[test]
fn long_prose_is_not_compared() {
    let long = "It depends on many things. ".repeat(20);
    assert_eq!(compare_texts(&long, &long), Agreement::Unknown);
}

#[test]
fn code_is_the_same_without_comments_and_white_space() {
    let one = "def f(x):\n    # doubles\n    return x * 2\n";
    let other = "def f( x ):\n\treturn x*2  # twice\n";
    assert!(same_code(one, other));
    assert!(!same_code(one, "def f(x):\nreturn x * 2\n"));
    assert!(!same_code("url = 'http://a'", "url = 'http://b'"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_and_agreement_is_mutual(one in ".{0,80}", other in ".{0,80}") {
        prop_assert_eq!(compare_texts(&one, &other), compare_texts(&other, &one));
        prop_assert!(same_code(&one, &one));
    }

    #[test]
    fn canonical_json_is_stable(keys in proptest::collection::vec(("[a-z]{1,4}", -1000_i64..1000), 0..8)) {
        let forward: serde_json::Map<String, Value> =
            keys.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let backward: serde_json::Map<String, Value> =
            forward.clone().into_iter().rev().collect();
        prop_assert_eq!(canonical(&Value::Object(forward)), canonical(&Value::Object(backward)));
    }
}
