use gw_core::budget::{Amount, Budget, SPEND_SLOT_MS, Spending, Window};
use gw_core::{Money, Scope, ScopeKind};
use proptest::prelude::{prop, prop_assert_eq, proptest};

use super::Purse;
use crate::window::span;

fn purse(window: Window, cap: i64) -> Purse {
    let budget = Budget {
        id: "b".into(),
        scope: Scope::new(ScopeKind::Team, "t"),
        cap: Amount::Dollars(Money::from_pico(cap)),
        window,
        is_hard: true,
        max_layer: None,
        alerts: vec![50, 100],
        when_away: None,
    };
    Purse::new(1, budget, &[], &Spending::default())
}

const DAY: i64 = 86_400_000;

#[test]
fn a_clock_set_back_finds_the_window_as_it_left_it() {
    let mut purse = purse(Window::Day, 10);
    purse.book(DAY + 5, 9);
    assert!(!purse.fits(DAY + 6, 2));
    assert!(purse.fits(2 * DAY, 10), "a new day");
    purse.book(2 * DAY, 4);
    assert!(!purse.fits(DAY + 7, 2), "back to yesterday");
    assert!(purse.fits(DAY + 7, 1));
    assert!(purse.fits(50_000 * DAY, 10), "far ahead");
    assert!(!purse.fits(2 * DAY, 7), "and back");
}

#[test]
fn what_a_call_held_and_what_it_spent_meet_in_the_window_it_began_in() {
    let mut purse = purse(Window::Day, 10);
    purse.hold(DAY - 1, 6);
    assert!(purse.fits(DAY, 10), "tomorrow owes nothing to a call of today");
    purse.give_back(DAY - 1, 6);
    purse.book(DAY - 1, 3);
    assert_eq!(purse.used(DAY - 1), (3, 0));
    assert_eq!(purse.used(DAY), (0, 0));
}

#[test]
fn nothing_fits_always_and_soft_budgets_refuse_nothing() {
    let mut spent = purse(Window::Lifetime, 0);
    assert!(spent.fits(0, 0));
    assert!(!spent.fits(0, 1));
    spent.book(0, 5);
    assert!(spent.fits(0, 0));
    spent.budget.is_hard = false;
    assert!(spent.fits(0, i128::from(i64::MAX)));
}

#[test]
fn thresholds_are_crossed_once() {
    let purse = purse(Window::Lifetime, 10);
    let cross = |before, after| purse.crossed(before, after);
    assert_eq!(cross(0, 4), None);
    assert_eq!(cross(4, 5), Some(50));
    assert_eq!(cross(5, 9), None);
    assert_eq!(cross(9, 12), Some(100));
    assert_eq!(cross(0, 12), Some(100), "the highest speaks for all");
    assert_eq!(cross(12, 13), None);
}

#[test]
fn spending_before_the_start_is_remembered() {
    let slot =
        |slot_ms, pico| Spending { slot_ms, spent: Money::from_pico(pico), tokens: 1, calls: 1 };
    let slots = [slot(DAY - SPEND_SLOT_MS, 1), slot(DAY, 2), slot(DAY + SPEND_SLOT_MS, 3)];
    let made = |window| {
        Purse::new(1, Budget { window, ..purse(window, 10).budget }, &slots, &slot(0, 100))
    };
    assert_eq!(made(Window::Lifetime).used(0), (100, 0));
    assert_eq!(made(Window::Day).used(DAY + 1), (5, 0));
    assert_eq!(made(Window::Day).used(DAY - 1), (1, 0));
    assert_eq!(made(Window::Sliding(SPEND_SLOT_MS)).used(DAY + 3 * SPEND_SLOT_MS), (0, 0));
    assert_eq!(made(Window::Sliding(SPEND_SLOT_MS)).used(DAY + 2 * SPEND_SLOT_MS), (3, 0));
    assert_eq!(made(Window::Sliding(SPEND_SLOT_MS)).used(DAY + SPEND_SLOT_MS), (5, 0));
}

proptest! {
    /// The carried sum is the sum of the slots that count, wherever the clock goes.
    #[test]
    fn sliding_sums_are_what_lies_in_the_window(
        length in 1..5_000_000_i64,
        steps in prop::collection::vec((0..20_000_000_i64, 0..100_i64), 1..60),
    ) {
        let window = Window::Sliding(length);
        let mut purse = purse(window, 1_000_000);
        let mut booked: Vec<(i64, i128)> = Vec::new();
        for (at, spent) in steps {
            // Nothing is kept that is older than four lengths; do not go back further.
            let newest = booked.iter().map(|(at, _)| *at).max().unwrap_or(0);
            let at = at.max(newest - 2 * length);
            let now = span(window, at);
            let sum = |booked: &[(i64, i128)]| -> i128 {
                let counts = |at: i64| {
                    now.contains(gw_core::budget::slot_of(at))
                };
                booked.iter().filter(|(at, _)| counts(*at)).map(|(_, n)| n).sum()
            };
            prop_assert_eq!(purse.used(at), (sum(&booked), 0));
            purse.book(at, i128::from(spent));
            booked.push((at, i128::from(spent)));
            prop_assert_eq!(purse.used(at), (sum(&booked), 0));
        }
    }
}
