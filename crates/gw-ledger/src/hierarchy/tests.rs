use gw_core::budget::{Amount, Budget, Window};
use gw_core::key::{KeyRecord, Policy, ScopeNode};
use gw_core::{Layer, Money, Scope, ScopeKind};

use super::Tree;

fn scope(text: &str) -> Scope {
    text.parse().expect("a scope")
}

fn node(of: &str, parent: Option<&str>, max_layer: Option<Layer>) -> ScopeNode {
    ScopeNode {
        scope: scope(of),
        parent: parent.map(scope),
        name: String::new(),
        policy: Policy { max_layer, ..Policy::default() },
    }
}

fn tree() -> Tree {
    Tree::new([
        node("organisation:acme", None, Some(Layer::L2)),
        node("team:search", Some("organisation:acme"), Some(Layer::L1)),
        node("user:ada", Some("team:search"), Some(Layer::L1)),
        node("project:x", Some("organisation:acme"), Some(Layer::L2)),
    ])
}

#[test]
fn a_node_stays_within_what_is_above_and_above_what_is_below() {
    let tree = tree();
    let check =
        |node: &ScopeNode| tree.check_node(node).map_err(|error| error.message().to_owned());
    let l = |layer| Some(layer);
    assert_eq!(check(&node("user:bob", Some("team:search"), l(Layer::L0))), Ok(()));
    assert_eq!(check(&node("user:bob", Some("team:search"), None)), Ok(()), "it takes over");
    for bad in [
        node("user:bob", Some("team:search"), l(Layer::L2)),
        node("user:bob", Some("team:nobody"), l(Layer::L0)),
        node("user:bob", Some("project:x"), l(Layer::L0)),
        node("team:t", Some("user:ada"), l(Layer::L0)),
        node("organisation:o", Some("organisation:acme"), l(Layer::L0)),
        node("tag:t", None, None),
        node("team:search", Some("organisation:acme"), l(Layer::L0)),
        ScopeNode { scope: Scope::new(ScopeKind::Team, ""), ..node("team:t", None, None) },
    ] {
        assert!(check(&bad).is_err(), "{bad:?}");
    }
    assert!(tree.check_removal(&scope("team:search")).is_err());
    assert!(tree.check_removal(&scope("user:ada")).is_ok());
}

#[test]
fn a_key_gets_the_accounts_above_it_and_their_bounds() {
    let tree = tree();
    let made = |user: Option<&str>, project: Option<&str>, max_layer| {
        let mut key = KeyRecord {
            id: "k".into(),
            user_id: user.map(str::to_owned),
            project_id: project.map(str::to_owned),
            policy: Policy { max_layer, ..Policy::default() },
            ..KeyRecord::default()
        };
        tree.place_key(&mut key).map(|()| key)
    };
    let key = made(Some("ada"), Some("x"), Some(Layer::L1)).expect("placed");
    assert_eq!((key.team.as_deref(), key.organisation.as_deref()), (Some("search"), Some("acme")));
    assert_eq!(tree.principal(&key).max_layer(), Some(Layer::L1));
    assert!(made(Some("ada"), None, Some(Layer::L2)).is_err(), "more than the team");
    assert!(made(None, Some("x"), Some(Layer::L2)).is_ok());
    assert!(made(Some("unlisted"), None, None).is_ok(), "who is not defined is not bound");
    let mut key = KeyRecord {
        id: "k".into(),
        user_id: Some("ada".into()),
        organisation: Some("other".into()),
        policy: Policy { max_layer: Some(Layer::L0), ..Policy::default() },
        ..KeyRecord::default()
    };
    assert_eq!(tree.place_key(&mut key).expect_err("contradiction").field(), Some("organisation"));
    // A parent that is narrowed later narrows the key at once.
    let narrowed = Tree::new([node("user:ada", None, Some(Layer::L0))]);
    let key = made(Some("ada"), None, Some(Layer::L1)).expect("placed");
    assert_eq!(narrowed.principal(&key).max_layer(), Some(Layer::L0));
}

#[test]
fn circles_end() {
    let tree =
        Tree::new([node("team:a", Some("team:b"), None), node("team:b", Some("team:a"), None)]);
    assert_eq!(tree.chain(&scope("team:a")).len(), 2);
}

#[test]
fn a_budget_is_not_larger_than_the_one_above() {
    let budget = |of: &str, usd: &str, window| Budget {
        id: of.into(),
        scope: scope(of),
        cap: Amount::Dollars(Money::from_usd_decimal(usd).expect("an amount")),
        window,
        is_hard: true,
        max_layer: None,
        alerts: Vec::new(),
        when_away: None,
    };
    let others = [budget("organisation:acme", "10", Window::Day)];
    let check = |budget: &Budget| tree().check_budget(budget, &others).is_ok();
    assert!(check(&budget("user:ada", "10", Window::Day)));
    assert!(!check(&budget("user:ada", "10.01", Window::Day)));
    assert!(check(&budget("user:ada", "11", Window::Month)));
    assert!(check(&Budget {
        cap: Amount::Tokens(u64::MAX),
        ..budget("user:ada", "0", Window::Day)
    }));
    assert!(check(&budget("organisation:acme", "11", Window::Day)), "its own new cap");
}
