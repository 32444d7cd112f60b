use gw_catalog::price_text::day_to_ms;
use gw_core::budget::{SPEND_SLOT_MS, Window, slot_of};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{Span, resets_at_ms, span, to_utc_text};

fn day(text: &str) -> i64 {
    day_to_ms(text).expect("a day")
}

fn check(window: Window, at_ms: i64, from: &str, until: &str) {
    let wanted = Span { from_ms: day(from), until_ms: day(until) };
    assert_eq!(span(window, at_ms), wanted, "{}", to_utc_text(at_ms));
    assert_eq!(resets_at_ms(window, at_ms), Some(wanted.until_ms));
}

#[test]
fn months_end_where_the_calendar_says() {
    for (first, next) in [
        ("2026-01-01", "2026-02-01"),
        ("2026-02-01", "2026-03-01"),
        ("2024-02-01", "2024-03-01"),
        ("2000-02-01", "2000-03-01"),
        ("2100-02-01", "2100-03-01"),
        ("2026-04-01", "2026-05-01"),
        ("2026-12-01", "2027-01-01"),
        ("1969-12-01", "1970-01-01"),
    ] {
        check(Window::Month, day(first), first, next);
        check(Window::Month, day(next) - 1, first, next);
    }
    check(Window::Month, day("2024-02-29"), "2024-02-01", "2024-03-01");
}

#[test]
fn days_and_weeks_begin_at_midnight_utc() {
    check(Window::Day, day("2026-03-29") + 1, "2026-03-29", "2026-03-30");
    check(Window::Day, day("2026-03-29") - 1, "2026-03-28", "2026-03-29");
    check(Window::Day, -1, "1969-12-31", "1970-01-01");
    for weekday in ["2026-08-31", "2026-09-01", "2026-09-03", "2026-09-06"] {
        check(Window::Week, day(weekday), "2026-08-31", "2026-09-07");
    }
    check(Window::Week, day("2026-08-31") - 1, "2026-08-24", "2026-08-31");
    check(Window::Week, 0, "1969-12-29", "1970-01-05");
}

#[test]
fn sliding_windows_reach_back_and_as_far_ahead() {
    let hour = 3_600_000;
    let at = day("2026-08-31") + 123_456;
    let found = span(Window::Sliding(hour), at);
    assert_eq!(found.from_ms, day("2026-08-31") - hour);
    assert!(found.contains(slot_of(at)) && found.contains(found.from_ms));
    assert!(!found.contains(found.from_ms - SPEND_SLOT_MS));
    assert_eq!(resets_at_ms(Window::Sliding(hour), at), None);
    assert_eq!(resets_at_ms(Window::Lifetime, at), None);
}

#[test]
fn instants_read_well() {
    assert_eq!(to_utc_text(0), "1970-01-01T00:00:00Z");
    assert_eq!(to_utc_text(day("2024-02-29") + 86_399_999), "2024-02-29T23:59:59Z");
}

proptest! {
    /// Windows lie side by side without gap or overlap, and every slot lies in exactly one.
    #[test]
    fn every_instant_has_one_window(at_ms in any::<i64>()) {
        for window in [Window::Day, Window::Week, Window::Month] {
            let here = span(window, at_ms);
            prop_assert!(here.contains(at_ms));
            if here.until_ms < i64::MAX - 40 * 86_400_000 && here.from_ms > i64::MIN + 40 * 86_400_000 {
                prop_assert_eq!(span(window, here.until_ms).from_ms, here.until_ms);
                prop_assert_eq!(span(window, here.from_ms - 1).until_ms, here.from_ms);
                prop_assert_eq!(here.from_ms.rem_euclid(SPEND_SLOT_MS), 0);
            }
        }
        for length in [1, SPEND_SLOT_MS, i64::MAX] {
            let slot = slot_of(at_ms);
            prop_assert!(span(Window::Sliding(length), at_ms).contains(slot));
        }
        let _ = to_utc_text(at_ms);
    }
}
