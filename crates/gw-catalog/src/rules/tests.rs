use super::{Clause, Rule, RuleBook};

fn rule(id: &str, clauses: &[&str]) -> Rule {
    Rule {
        id: id.to_owned(),
        clauses: clauses.iter().map(|clause| Clause::parse(clause).unwrap()).collect(),
        prices: Vec::new(),
        context_window: None,
        is_deprecated: false,
    }
}

#[test]
fn clauses_match_as_they_say() {
    let check = |clause: &str, name: &str, wanted: bool| {
        let parsed = Clause::parse(clause).unwrap();
        assert_eq!(parsed.matches(name), wanted, "{clause} {name}");
        assert_eq!(parsed.to_text(), clause);
    };
    check("=gpt-4o", "gpt-4o", true);
    check("=gpt-4o", "gpt-4o-mini", false);
    check("^gpt-4o", "gpt-4o-mini", true);
    check("$flash", "gemini-flash", true);
    check("*nova", "us.amazon.nova-pro", true);
    check("##grok-4.3-########", "grok-4.3-20260417", true);
    check("##grok-4.3-########", "grok-4.3-202604170", false);
    check("##grok-4.3-########", "grok-4.3-2026041x", false);
    check("#gemini-3.5-flash-#", "gemini-3.5-flash-001", true);
    check("#gemini-3.5-flash-#", "gemini-3.5-flash-lite", false);
    assert_eq!(Clause::parse("plain"), None);
}

#[test]
fn the_first_rule_wins_then_the_fallbacks() {
    let mut book = RuleBook::default();
    book.push("azure", rule("prefix", &["^gpt-4", "=exact"]));
    book.push("azure", rule("literal", &["=gpt-4o"]));
    book.push("openai", rule("elsewhere", &["=o3"]));
    book.set_fallbacks("azure", vec!["nobody".to_owned(), "openai".to_owned()]);
    let find = |provider: &str, name: &str| book.find(provider, name).map(|rule| rule.id.as_str());
    assert_eq!(find("azure", "gpt-4o"), Some("prefix"));
    assert_eq!(find("azure", "exact"), Some("prefix"));
    assert_eq!(find("azure", "o3"), Some("elsewhere"));
    assert_eq!(find("azure", "o9"), None);
    assert_eq!(find("nobody", "o3"), None);
}
