//! The book against a model that keeps every call and adds up from scratch, and its promises one by
//! one.

mod model;
mod race;

use gw_core::budget::{Amount, Budget, Limit, LimitKind, Spending, Window};
use gw_core::{Layer, Money, Scope, ScopeKind};

use super::{Ask, Book};
use crate::refusal::Refusal;

fn scope(id: &str) -> Scope {
    Scope::new(ScopeKind::Team, id)
}

fn budget(id: &str, team: &str, cap: i64) -> Budget {
    Budget {
        id: id.into(),
        scope: scope(team),
        cap: Amount::Dollars(Money::from_pico(cap)),
        window: Window::Lifetime,
        is_hard: true,
        max_layer: None,
        alerts: Vec::new(),
        when_away: None,
    }
}

fn limit(id: &str, team: &str, kind: LimitKind, max: u64) -> Limit {
    Limit { id: id.into(), scope: scope(team), kind, max, when_away: None, wait_ms: None }
}

fn put(book: &mut Book, budget: &Budget) {
    book.put_budget(budget, &[], &Spending::default());
}

fn ask(scopes: &[Scope], pico: i64) -> Ask<'_> {
    Ask {
        scopes,
        at_ms: 0,
        worst_case: Some(Money::from_pico(pico)),
        worst_tokens: 10,
        requests: 1,
    }
}

fn stands(book: &mut Book, id: &str) -> (i128, i128) {
    let all = book.budgets(None, 0);
    let found = all.iter().find(|status| status.budget.id == id).expect("defined");
    (found.spent.number(), found.reserved.number())
}

fn settle(book: &mut Book, ticket: u64, scopes: &[Scope], pico: i64) -> bool {
    book.settle(ticket, scopes, Money::from_pico(pico), 3, &mut Vec::new())
}

#[test]
fn all_accounts_or_none() {
    let mut book = Book::default();
    put(&mut book, &budget("wide", "a", 100));
    put(&mut book, &budget("narrow", "b", 10));
    book.put_limit(&limit("calls", "a", LimitKind::RequestsPerMinute, 5));
    let scopes = [scope("a"), scope("b"), scope("unknown")];
    let refusal = book.reserve(&ask(&scopes, 11), 0).expect_err("too much for b");
    assert!(matches!(*refusal, Refusal::Budget { ref status, .. } if status.budget.id == "narrow"));
    assert_eq!(stands(&mut book, "wide"), (0, 0));
    assert_eq!(book.limits(None, 0)[0].remaining, 5, "a refused call consumes nothing");
    let ticket = book.reserve(&ask(&scopes, 10), 0).expect("fits exactly");
    assert_eq!((stands(&mut book, "wide"), stands(&mut book, "narrow")), ((0, 10), (0, 10)));
    assert!(book.reserve(&ask(&scopes, 1), 0).is_err());
    assert!(settle(&mut book, ticket, &scopes, 4));
    assert_eq!((stands(&mut book, "wide"), stands(&mut book, "narrow")), ((4, 0), (4, 0)));
    assert!(book.reserve(&ask(&scopes, 6), 0).is_ok());
}

#[test]
fn a_scope_named_twice_counts_once() {
    let mut book = Book::default();
    put(&mut book, &budget("one", "a", 10));
    let scopes = [scope("a"), scope("a")];
    let ticket = book.reserve(&ask(&scopes, 10), 0).expect("fits");
    assert_eq!(stands(&mut book, "one"), (0, 10));
    settle(&mut book, ticket, &scopes, 10);
    assert_eq!(stands(&mut book, "one"), (10, 0));
}

#[test]
fn a_ticket_counts_once() {
    let mut book = Book::default();
    put(&mut book, &budget("one", "a", 10));
    let scopes = [scope("a")];
    let first = book.reserve(&ask(&scopes, 5), 0).expect("fits");
    assert!(settle(&mut book, first, &scopes, 3));
    assert!(!settle(&mut book, first, &scopes, 3));
    assert!(!book.release(first));
    let second = book.reserve(&ask(&scopes, 5), 0).expect("fits");
    assert_ne!(first, second, "the place is used again, the ticket is not");
    assert!(!settle(&mut book, first, &scopes, 3));
    assert!(book.release(second));
    assert!(!book.release(second) && !book.release(u64::MAX));
    assert_eq!(stands(&mut book, "one"), (3, 0));
    let totals = book.totals();
    assert_eq!((totals.settled, totals.released, totals.open), (1, 1, 0));
}

#[test]
fn a_released_call_leaves_no_trace_and_a_settled_one_stays_a_request() {
    let mut book = Book::default();
    for kind in LimitKind::ALL {
        book.put_limit(&limit(kind.as_str(), "a", kind, 100));
    }
    let remaining = |book: &mut Book| -> Vec<u64> {
        book.limits(Some(&[scope("a")]), 0).iter().map(|status| status.remaining).collect()
    };
    let scopes = [scope("a")];
    let ticket = book.reserve(&ask(&scopes, 20), 0).expect("fits");
    // By id: concurrent, dollars, requests, tokens.
    assert_eq!(remaining(&mut book), [99, 80, 99, 90]);
    book.release(ticket);
    assert_eq!(remaining(&mut book), [100; 4]);
    let ticket = book.reserve(&ask(&scopes, 20), 0).expect("fits");
    settle(&mut book, ticket, &scopes, 7);
    assert_eq!(remaining(&mut book), [100, 93, 99, 97]);
}

#[test]
fn a_lease_that_ran_out_gives_back_and_a_late_bill_is_still_paid() {
    let mut book = Book::new(1_000);
    put(&mut book, &budget("one", "a", 10));
    book.put_limit(&limit("two", "a", LimitKind::Concurrent, 1));
    let scopes = [scope("a")];
    let lost = book.reserve(&ask(&scopes, 10), 0).expect("fits");
    assert!(book.reserve(&ask(&scopes, 10), 999).is_err());
    let next = book.reserve(&ask(&scopes, 10), 1_000).expect("the lease ran out");
    assert!(book.extend(lost, &scopes, Some(Money::ZERO), 0, 1_000).is_err());
    assert!(settle(&mut book, lost, &scopes, 8));
    assert!(!settle(&mut book, lost, &scopes, 8));
    assert_eq!(stands(&mut book, "one"), (8, 10), "the truth, even beyond the cap");
    book.release(next);
    assert_eq!((stands(&mut book, "one"), book.open_tickets()), ((8, 0), 0));
    let forgotten = book.reserve(&ask(&scopes, 1), 1_000).expect("fits");
    assert_eq!(book.expire(5_000), 1);
    assert!(book.release(forgotten), "known, with nothing left to give");
    assert_eq!(book.totals().open, 0);
}

#[test]
fn leases_end_in_order_whatever_ended_between() {
    let mut book = Book::new(100);
    let tickets: Vec<u64> =
        (0..6).map(|at| book.reserve(&ask(&[], 1), at * 10).expect("no budget")).collect();
    for gone in [0, 3, 5] {
        assert!(book.release(tickets[gone]));
    }
    assert_eq!(book.expire(115), 1);
    assert_eq!(book.expire(139), 1);
    assert_eq!(book.expire(140), 1);
    assert_eq!((book.expire(u64::MAX), book.open_tickets()), (0, 0));
}

#[test]
fn a_reservation_can_grow_or_stay_as_it_is() {
    let mut book = Book::default();
    put(&mut book, &budget("one", "a", 10));
    book.put_limit(&limit("tokens", "a", LimitKind::TokensPerMinute, 25));
    let scopes = [scope("a")];
    let ticket = book.reserve(&ask(&scopes, 4), 0).expect("fits");
    let more = |pico| Some(Money::from_pico(pico));
    assert!(book.extend(ticket, &scopes, more(7), 0, 0).is_err());
    assert!(book.extend(ticket, &scopes, more(6), 16, 0).is_err());
    assert_eq!(stands(&mut book, "one"), (0, 4));
    book.extend(ticket, &scopes, more(6), 15, 0).expect("fits exactly");
    assert_eq!(stands(&mut book, "one"), (0, 10));
    assert_eq!(book.limits(None, 0)[0].remaining, 0);
    settle(&mut book, ticket, &scopes, 9);
    assert_eq!(stands(&mut book, "one"), (9, 0));
    assert_eq!(book.limits(None, 0)[0].remaining, 22);
    assert_eq!(book.totals().reserved, Money::ZERO);
}

#[test]
fn a_budget_made_while_a_call_runs_pays_for_it() {
    let mut book = Book::default();
    let scopes = [scope("a")];
    let ticket = book.reserve(&ask(&scopes, 4), 0).expect("no budget");
    put(&mut book, &budget("one", "a", 10));
    settle(&mut book, ticket, &scopes, 4);
    assert_eq!(stands(&mut book, "one"), (4, 0));
}

#[test]
fn a_new_cap_keeps_the_sums_and_another_window_starts_from_history() {
    let mut book = Book::default();
    put(&mut book, &budget("one", "a", 10));
    let scopes = [scope("a")];
    let open = book.reserve(&ask(&scopes, 4), 0).expect("fits");
    put(&mut book, &budget("one", "a", 3));
    assert_eq!(stands(&mut book, "one"), (0, 4));
    assert!(book.reserve(&ask(&scopes, 1), 0).is_err());
    assert!(book.reserve(&ask(&scopes, 0), 0).is_ok(), "free is free");
    let spent = Spending { slot_ms: 0, spent: Money::from_pico(2), tokens: 9, calls: 1 };
    let daily = Budget { window: Window::Day, ..budget("one", "a", 10) };
    book.put_budget(&daily, &[spent], &Spending::default());
    assert_eq!(stands(&mut book, "one"), (2, 0));
    settle(&mut book, open, &scopes, 4);
    assert_eq!(stands(&mut book, "one"), (6, 0));
    assert!(book.remove_budget("one") && !book.remove_budget("one"));
    assert!(book.reserve(&ask(&scopes, 1_000), 0).is_ok());
}

#[test]
fn tokens_are_capped_like_dollars() {
    let mut book = Book::default();
    put(&mut book, &Budget { cap: Amount::Tokens(25), ..budget("one", "a", 0) });
    let scopes = [scope("a")];
    let unpriced = Ask { worst_case: None, ..ask(&scopes, 0) };
    book.reserve(&unpriced, 0).expect("10 tokens");
    let second = book.reserve(&unpriced, 0).expect("20 tokens");
    assert!(book.reserve(&unpriced, 0).is_err());
    settle(&mut book, second, &scopes, 0);
    assert_eq!(stands(&mut book, "one"), (3, 10));
    assert!(book.reserve(&unpriced, 0).is_ok());
}

#[test]
fn room_is_the_least_of_all_that_apply() {
    let mut book = Book::default();
    assert_eq!(book.room(&[scope("a")], 0), Default::default());
    put(&mut book, &Budget { max_layer: Some(Layer::L2), ..budget("one", "a", 10) });
    put(&mut book, &budget("two", "b", 7));
    put(
        &mut book,
        &Budget { is_hard: false, max_layer: Some(Layer::L1), ..budget("three", "b", 1) },
    );
    let scopes = [scope("a"), scope("b")];
    book.reserve(&ask(&scopes, 5), 0).expect("fits");
    let room = book.room(&scopes, 0);
    assert_eq!(room.dollars, Some(Money::from_pico(2)));
    assert_eq!((room.tokens, room.max_layer), (None, Some(Layer::L1)));
}

#[test]
fn alerts_tell_what_was_reached() {
    let mut book = Book::default();
    put(&mut book, &Budget { alerts: vec![50, 80], ..budget("one", "a", 10) });
    let scopes = [scope("a")];
    let mut alerts = Vec::new();
    for spent in [4, 2, 1, 3] {
        let ticket = book.reserve(&ask(&scopes, 0), 0).expect("free");
        book.settle(ticket, &scopes, Money::from_pico(spent), 0, &mut alerts);
    }
    let told: Vec<(u16, i128)> =
        alerts.iter().map(|alert| (alert.percent, alert.status.spent.number())).collect();
    assert_eq!(told, [(50, 6), (80, 10)]);
}
