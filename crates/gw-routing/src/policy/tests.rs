//! Which rules fit, and what they decide together.

use gw_core::task::{Complexity, Quality, TaskType};
use gw_core::{Layer, Money};
use proptest::prelude::*;

use super::{Facts, Hours, Rule, Ruling, Then, When, matches_path, paths_in};

fn facts(files: &[String]) -> Facts<'_> {
    Facts {
        task: TaskType::Code,
        complexity: Complexity::Low,
        files,
        key: Some("key_1"),
        team: None,
        user: Some("u"),
        project: Some("shop"),
        door: "chat",
        minute_of_day: 20 * 60,
        budget_left: Some(Money::from_pico(500)),
        input_tokens: 100,
    }
}

fn rule(name: &str, when: When, then: Then) -> Rule {
    Rule { name: name.to_owned(), when, then }
}

#[test]
fn patterns_of_paths_stay_within_names_unless_they_pass_folders() {
    let check = |pattern: &str, path: &str, wanted: bool| {
        assert_eq!(matches_path(pattern, path), wanted, "{pattern} {path}");
    };
    check("**/auth/**", "src/auth/login.rs", true);
    check("**/auth/**", "auth/login.rs", true);
    check("**/auth/**", "src/authority/login.rs", false);
    check("src/*.rs", "src/main.rs", true);
    check("src/*.rs", "src/http/main.rs", false);
    check("src/**/*.rs", "src/main.rs", true);
    check("*.test.ts", "web/app/cart.test.ts", true);
    check("*.test.ts", "web/app/cart.ts", false);
    check("*auth*", "src/oauth2.rs", true);
    check("./src/a?.rs", "/src/ab.rs", true);
    check("src/*.rs", "src\\main.rs", true);
    check("**", "any/thing", true);
    check("", "a", false);
}

#[test]
fn words_that_look_like_files_are_found() {
    let text = "Fix `src/auth/login.rs`, (web/cart.test.ts) and README.md. See https://a.example/b.html, \
        version 1.2 and e.g. this; also /etc/app/conf.d";
    let wanted = ["src/auth/login.rs", "web/cart.test.ts", "README.md", "/etc/app/conf.d"];
    let found = paths_in(text);
    assert!(wanted.iter().all(|path| found.iter().any(|it| it == path)), "{found:?}");
    assert!(!found.iter().any(|path| path.contains("example") || path == "1.2"), "{found:?}");
}

#[test]
fn everything_that_is_set_must_be_so() {
    let files = ["src/auth/a.rs".to_owned()];
    let fits = |when: When| when.fits(&facts(&files));
    let words = |text: &str| vec![text.to_owned()];
    assert!(fits(When::default()));
    assert!(fits(When { tasks: vec![TaskType::Code], keys: words("key_1"), ..When::default() }));
    assert!(!fits(When { tasks: vec![TaskType::Code], keys: words("key_2"), ..When::default() }));
    assert!(!fits(When { teams: words("t"), ..When::default() }));
    assert!(fits(When { files: words("**/auth/**"), ..When::default() }));
    assert!(!fits(When { files: words("*.md"), ..When::default() }));
    assert!(fits(When { budget_below: Some(Money::from_pico(501)), ..When::default() }));
    assert!(!fits(When { budget_below: Some(Money::from_pico(500)), ..When::default() }));
    let night = Some(Hours { from: 18 * 60, until: 8 * 60 });
    assert!(fits(When { hours: night, ..When::default() }));
    assert!(!fits(When { hours: Some(Hours { from: 0, until: 20 * 60 }), ..When::default() }));
    assert!(fits(When { input_tokens_from: Some(100), ..When::default() }));
    assert!(!fits(When { input_tokens_from: Some(101), ..When::default() }));
}

#[test]
fn the_first_word_counts_and_the_lowest_cap() {
    let then = |max_layer, quality| Then {
        max_layer: Some(max_layer),
        quality: Some(quality),
        ..Then::default()
    };
    let rules = [
        rule("a", When::default(), then(Layer::L2, Quality::High)),
        rule(
            "b",
            When { doors: vec!["route".into()], ..When::default() },
            then(Layer::L0, Quality::Normal),
        ),
        rule("c", When::default(), then(Layer::L1, Quality::Critical)),
    ];
    let ruling = Ruling::of(&rules, &facts(&[]));
    assert_eq!(ruling.rules, ["a", "c"]);
    assert_eq!((ruling.max_layer, ruling.quality), (Some(Layer::L1), Some(Quality::High)));
}

proptest! {
    #[test]
    fn more_rules_never_raise_the_cap(layers in prop::collection::vec(0_usize..4, 1..8)) {
        let rules: Vec<Rule> = layers.iter().map(|at| {
            let then = Then { max_layer: Some(Layer::ALL[*at]), ..Then::default() };
            rule("r", When::default(), then)
        }).collect();
        let ruling = Ruling::of(&rules, &facts(&[]));
        let lowest = layers.iter().min().map(|at| Layer::ALL[*at]);
        prop_assert_eq!(ruling.max_layer, lowest);
    }

    #[test]
    fn matching_ends_whatever_the_pattern(pattern in "[a*?/]{0,24}", path in "[a/]{0,40}") {
        let _ = matches_path(&pattern, &path);
    }

    #[test]
    fn a_path_matches_itself_and_any(path in "[a-z]{1,5}(/[a-z]{1,5}){0,4}") {
        prop_assert!(matches_path(&path, &path));
        prop_assert!(matches_path("**", &path) || !path.contains('/'));
    }
}
