//! Verdicts are values of the schema.

use proptest::prelude::*;

use super::{Grade, Review, optimized_prompt, question, schema};
use crate::verify::breach;

#[test]
fn only_the_grade_makes_a_conflict() {
    let conflict = |text: &str| Review::read(text).map(|review| review.is_conflict());
    let good = r#"{"grade":"good","issues":["no critical bugs, nothing wrong"],"suggestions":[]}"#;
    assert_eq!(conflict(good), Some(false));
    let poor = r#"{"grade":"needs-improvement","issues":["wrong sum"],"suggestions":[]}"#;
    assert_eq!(conflict(poor), Some(true));
    let fenced = format!("Here you are:\n```json\n{poor}\n```");
    assert_eq!(conflict(&fenced), Some(true));
    assert_eq!(conflict(r#"{"grade":"Needs Improvement","issues":[]}"#), Some(true));
}

#[test]
fn prose_is_no_verdict_whatever_words_it_holds() {
    for text in [
        "",
        "This is incorrect, it fails and has a major bug",
        "no critical bugs, nothing wrong",
        "{\"grade\":\"terrible\"}",
        "{\"grade\":3}",
        "}{",
        "{\"issues\":[\"wrong\"]}",
    ] {
        assert_eq!(Review::read(text), None, "{text}");
    }
}

#[test]
fn what_the_schema_allows_is_read() {
    for grade in [Grade::Good, Grade::Acceptable, Grade::NeedsImprovement] {
        let value = serde_json::json!({
            "grade": grade.as_str(), "issues": ["a"], "suggestions": ["b"],
        });
        assert_eq!(breach(&schema(), &value), None);
        let read = Review::read(&value.to_string()).expect("is a verdict");
        assert_eq!(
            (read.grade, read.issues, read.suggestions),
            (grade, vec!["a".into()], vec!["b".into()])
        );
    }
}

#[test]
fn the_prompt_for_a_higher_layer_holds_its_sections_in_order() {
    let text = optimized_prompt("L0", "L1", "Add 2 and 2.", "5", &["wrong sum".to_owned()]);
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
    let parts =
        ["[ESCALATED-FROM L0 TO L1]", "Add 2 and 2.", "\n5\n", "- wrong sum", "[WHAT-I-WANT]"];
    assert!(parts.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{text}");
}

proptest! {
    #[test]
    fn reading_and_asking_never_panic(text in ".{0,200}") {
        let _ = Review::read(&text);
        let _ = Review::read(&format!("{{{text}}}"));
        let asked = question(&text, &text, true);
        prop_assert_eq!(asked.messages.len(), 2);
    }
}
