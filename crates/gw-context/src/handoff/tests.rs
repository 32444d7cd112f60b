use gw_core::chat::{Message, Role};
use proptest::prelude::{ProptestConfig, any, prop};
use proptest::{prop_assert, proptest};

use super::{Attempt, Handoff, TestResult};
use crate::summary::Summary;
use crate::tokens;

fn package() -> Handoff {
    let summary = Summary {
        stack: vec!["Rust".to_owned(), "PostgreSQL".to_owned()],
        main_files: vec!["src/main.rs".to_owned()],
        decisions: vec!["We use PostgreSQL 16.".to_owned()],
        ..Summary::default()
    };
    Handoff::of_task("Mend the login")
        .with_context_summary(summary)
        .with_current_task(vec!["src/login.rs".to_owned()], vec!["login()".to_owned()])
        .with_attempt(Attempt {
            layer: "L0".to_owned(),
            model: "ollama/llama3".to_owned(),
            approach: "direct".to_owned(),
            result: "x".repeat(700),
            success: false,
        })
        .with_test_results([TestResult {
            test_type: "unit".to_owned(),
            passed: 3,
            failed: 1,
            error_log: Some("e".repeat(300)),
        }])
        .with_known_issues(["The token expires too early.".to_owned()])
        .with_open_questions(["Which clock is used?".to_owned()])
        .with_request("A working login.")
}

#[test]
fn sections_stand_in_the_order_of_the_contract() {
    let text = package().to_text();
    let marks = [
        "[CONTEXT-SUMMARY]",
        "[CURRENT-TASK]",
        "[ATTEMPTS-SO-FAR]",
        "[TEST-RESULTS]",
        "[KNOWN-ISSUES-AND-OPEN-QUESTIONS]",
        "[WHAT-I-WANT-FROM-HIGHER-LAYER]",
    ];
    let places: Vec<usize> = marks.iter().map(|mark| text.find(mark).expect("is there")).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains("**Key Decisions:** We use PostgreSQL 16."), "{text}");
}

#[test]
fn results_and_logs_are_cut_as_in_system_a() {
    let package = package();
    assert_eq!(package.attempts_so_far[0].result.len(), 500);
    let text = package.to_text();
    assert!(text.contains(&format!("{}...", "x".repeat(300))) && !text.contains(&"x".repeat(301)));
    assert!(text.contains(&format!("{}...", "e".repeat(200))) && !text.contains(&"e".repeat(201)));
}

#[test]
fn json_has_the_names_of_the_contract_and_comes_back() {
    let json = package().to_json();
    for name in [
        "contextSummary",
        "currentTask",
        "attemptsSoFar",
        "knownIssues",
        "openQuestions",
        "requestToHigherLayer",
        "testResults",
    ] {
        assert!(json.get(name).is_some(), "{name} in {json}");
    }
    assert_eq!(json["testResults"][0]["testType"], "unit");
    assert_eq!(serde_json::from_value::<Handoff>(json).expect("reads back"), package());
}

#[test]
fn a_package_of_messages_asks_what_the_user_asked_last() {
    let messages = [
        Message::text(Role::User, "We decided to use Redis 7.2 on port 6380 in src/cache.rs."),
        Message::text(Role::Assistant, "Good."),
        Message::text(Role::User, "Now write `flush_all()` in src/cache.rs"),
    ];
    let package = Handoff::of_messages(&messages, None);
    assert!(package.current_task.task.starts_with("Now write"));
    assert!(package.to_text().contains("6380"), "{}", package.to_text());
    assert_eq!(package.current_task.files, ["src/cache.rs"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_package_fits_its_budget(
        facts in prop::collection::vec(any::<String>(), 0..40),
        task in any::<String>(),
        budget in 120_u64..2_000,
    ) {
        let mut package = package();
        package.context_summary.facts = facts;
        package.current_task.task = task;
        let fitted = package.within(budget);
        prop_assert!(tokens::of_text(&fitted.to_text()) <= budget);
    }
}
