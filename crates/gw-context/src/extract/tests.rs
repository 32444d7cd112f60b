use gw_core::chat::{Message, Role};
use proptest::prelude::{ProptestConfig, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::{Bounds, absorb};
use crate::summary::Summary;

const ROOMY: Bounds = Bounds { tokens_max: 1_500, share_percent: 100, tokens_min: 1_500 };

fn summed(turns: &[(Role, &str)]) -> Summary {
    let messages: Vec<Message> =
        turns.iter().map(|(role, text)| Message::text(*role, *text)).collect();
    let mut summary = Summary::default();
    absorb(&mut summary, &messages, ROOMY);
    summary
}

#[test]
fn what_must_not_be_lost_is_kept() {
    let summary = summed(&[
        (Role::User, "My name is Caroline and I work at Acme in New York."),
        (Role::Assistant, "Nice to meet you! The server listens on port 8443."),
        (Role::User, "We decided to use PostgreSQL 16.2 because of the JSON support."),
        (
            Role::User,
            "The bug is in src/net/pool.rs, see https://example.org/issue/77 on March 5th.",
        ),
        (
            Role::Assistant,
            "```rust\nfn drain_pool(limit: usize) {}\n```\nTypeError: x is not a function",
        ),
    ]);
    let text = summary.to_text();
    for kept in [
        "Caroline",
        "Acme",
        "New York",
        "8443",
        "PostgreSQL 16.2",
        "src/net/pool.rs",
        "https://example.org/issue/77",
        "March 5th",
        "drain_pool",
        "TypeError",
    ] {
        assert!(text.contains(kept), "{kept} is missing:\n{text}");
    }
    assert_eq!(summary.decisions.len(), 1);
    assert!(summary.stack.contains(&"PostgreSQL".to_owned()));
    assert_eq!(summary.main_files, ["src/net/pool.rs"]);
}

#[test]
fn small_talk_is_not_kept() {
    let summary = summed(&[
        (Role::User, "Hello there!"),
        (Role::Assistant, "Hello! How are you? That is great to hear. Well, what can we do?"),
    ]);
    assert!(summary.facts.is_empty() && summary.mentions.is_empty(), "{summary:?}");
}

#[test]
fn a_question_is_open_until_it_is_answered() {
    let open = summed(&[(Role::User, "Which port is it?")]);
    assert_eq!(open.open_questions, ["Which port is it?"]);
    let answered = summed(&[(Role::User, "Which port is it?"), (Role::Assistant, "It is 80.")]);
    assert!(answered.open_questions.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_summary_stays_within_its_bounds(
        texts in prop::collection::vec(any::<String>(), 1..20),
        tokens_max in 100_u64..600,
    ) {
        let bounds = Bounds { tokens_max, share_percent: 20, tokens_min: 60 };
        let mut summary = Summary::default();
        for text in texts {
            absorb(&mut summary, &[Message::text(Role::User, text)], bounds);
            prop_assert!(summary.tokens() <= tokens_max);
        }
    }

    #[test]
    fn the_same_turns_say_nothing_new(text in "([A-Z][a-z]{2,8} [0-9]{1,4} [a-z]{1,9}\\. ){1,6}") {
        let turn = [Message::text(Role::User, text)];
        let mut once = Summary::default();
        absorb(&mut once, &turn, ROOMY);
        let mut twice = once.clone();
        absorb(&mut twice, &turn, ROOMY);
        prop_assert_eq!(once.to_text(), twice.to_text());
    }
}
