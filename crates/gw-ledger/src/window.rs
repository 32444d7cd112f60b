//! Windows of budgets: which stretch of time an instant belongs to. Calendar windows are in UTC, in
//! the Gregorian calendar without leap seconds, and a function of the instant alone: a clock that
//! goes back finds the window it left, with all that was spent in it.

use gw_core::budget::{Window, slot_of};

const DAY_MS: i64 = 86_400_000;

/// A stretch of time, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first instant.
    pub from_ms: i64,
    /// The first instant after it; `i64::MAX`: none.
    pub until_ms: i64,
}

impl Span {
    /// True where the instant lies in it.
    pub fn contains(&self, at_ms: i64) -> bool {
        self.from_ms <= at_ms && (at_ms < self.until_ms || self.until_ms == i64::MAX)
    }
}

/// The calendar window of an instant. For a sliding one, the slots that count at that instant: they
/// reach as far ahead as back, so that a clock that goes back by less frees nothing.
pub fn span(window: Window, at_ms: i64) -> Span {
    let day = at_ms.div_euclid(DAY_MS);
    let days = |from: i64, until: i64| Span {
        from_ms: from.saturating_mul(DAY_MS),
        until_ms: until.saturating_mul(DAY_MS),
    };
    match window {
        Window::Lifetime => Span { from_ms: i64::MIN, until_ms: i64::MAX },
        Window::Day => days(day, day + 1),
        Window::Week => {
            // 1970 began on a Thursday.
            let monday = day - (day + 3).rem_euclid(7);
            days(monday, monday + 7)
        }
        Window::Month => {
            let (year, month, _) = civil(day);
            let (next_year, next_month) =
                if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            days(day_number(year, month, 1), day_number(next_year, next_month, 1))
        }
        Window::Sliding(length_ms) => Span {
            from_ms: slot_of(at_ms.saturating_sub(length_ms)),
            until_ms: slot_of(at_ms.saturating_add(length_ms)).saturating_add(1),
        },
    }
}

/// When what is spent in the window of this instant no longer counts; `None`: never, or bit by bit.
pub fn resets_at_ms(window: Window, at_ms: i64) -> Option<i64> {
    match window {
        Window::Lifetime | Window::Sliding(_) => None,
        Window::Day | Window::Week | Window::Month => Some(span(window, at_ms).until_ms),
    }
}

/// An instant as `2026-08-31T13:05:00Z`.
pub fn to_utc_text(at_ms: i64) -> String {
    let (year, month, day) = civil(at_ms.div_euclid(DAY_MS));
    let second = at_ms.rem_euclid(DAY_MS) / 1_000;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01. Years begin in March here, so that the leap
/// day comes last (the method of Howard Hinnant's `civil_from_days`).
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests;
