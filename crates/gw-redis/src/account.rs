//! Which counter a budget or a limit has in Redis: one for each window, with a name that says all.

use gw_core::budget::{
    Amount, Budget, Limit, LimitKind, SPEND_SLOT_MS, Spending, WhenAway, Window, slot_of,
};
use gw_core::scope::Scope;
use gw_ledger::window::{Span, span};
use serde::Serialize;

/// Time to live of a counter after its last use, beyond the end of its window, in milliseconds.
const KEPT_MS: i64 = 2 * 86_400_000;

/// Time to live of a minute's counter after its last use, in milliseconds.
const MINUTE_KEPT_MS: i64 = 180_000;

/// How a counter forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Never: it is for one window of the calendar, or for ever.
    Fixed,
    /// Slot by slot, over so many milliseconds.
    Sliding(i64),
    /// Second by second.
    Minute,
    /// Holds only what runs now.
    Running,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Pico,
    Tokens,
    Requests,
}

/// What a definition asks of its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    Budget(Budget),
    Limit(Limit),
}

/// A call's size, in every unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) pico: i128,
    pub(crate) tokens: u64,
    pub(crate) requests: u64,
}

#[derive(Serialize)]
struct Name<'a> {
    id: &'a str,
    unit: &'static str,
    window: Option<(&'static str, i64)>,
    scope: &'a Scope,
}

impl Definition {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Budget(budget) => &budget.id,
            Self::Limit(limit) => &limit.id,
        }
    }

    pub(crate) fn scope(&self) -> &Scope {
        match self {
            Self::Budget(budget) => &budget.scope,
            Self::Limit(limit) => &limit.scope,
        }
    }

    /// The most that may be spent and held; `None`: it only counts.
    pub(crate) fn cap(&self) -> Option<i128> {
        match self {
            Self::Budget(budget) => budget.is_hard.then(|| budget.cap.number()),
            Self::Limit(limit) => Some(i128::from(limit.max)),
        }
    }

    /// Its own word on what happens while Redis is away.
    pub(crate) fn when_away(&self) -> Option<WhenAway> {
        match self {
            Self::Budget(budget) => budget.when_away,
            Self::Limit(limit) => limit.when_away,
        }
    }

    pub(crate) fn unit(&self) -> Unit {
        match self {
            Self::Budget(Budget { cap: Amount::Dollars(_), .. }) => Unit::Pico,
            Self::Budget(Budget { cap: Amount::Tokens(_), .. }) => Unit::Tokens,
            Self::Limit(limit) => match limit.kind {
                LimitKind::RequestsPerMinute | LimitKind::Concurrent => Unit::Requests,
                LimitKind::TokensPerMinute => Unit::Tokens,
                LimitKind::DollarsPerMinute => Unit::Pico,
            },
        }
    }

    pub(crate) fn course(&self) -> Course {
        match self {
            Self::Budget(budget) => match budget.window {
                Window::Sliding(length_ms) => Course::Sliding(length_ms),
                _ => Course::Fixed,
            },
            Self::Limit(limit) if limit.kind == LimitKind::Concurrent => Course::Running,
            Self::Limit(_) => Course::Minute,
        }
    }

    /// What a call of this size takes from it.
    pub(crate) fn asked(&self, size: Size) -> i128 {
        match self.unit() {
            Unit::Pico => size.pico,
            Unit::Tokens => i128::from(size.tokens),
            Unit::Requests => i128::from(size.requests),
        }
    }

    pub(crate) fn spent_of(&self, spending: &Spending) -> i128 {
        self.asked(Size {
            pico: i128::from(spending.spent.pico()),
            tokens: spending.tokens,
            requests: spending.calls,
        })
    }

    /// True where the other definition counts the same things in the same counters.
    pub(crate) fn counts_as(&self, other: &Self) -> bool {
        let shape = |definition: &Self| match definition {
            Self::Budget(budget) => (Some(budget.window), None),
            Self::Limit(limit) => (None, Some(limit.kind)),
        };
        self.id() == other.id()
            && self.scope() == other.scope()
            && self.unit() == other.unit()
            && shape(self) == shape(other)
    }

    /// The stretch of time that one counter is for, at an instant (milliseconds since 1970).
    pub(crate) fn stretch(&self, at_ms: i64) -> Span {
        match self {
            Self::Budget(budget) if !matches!(budget.window, Window::Sliding(_)) => {
                span(budget.window, at_ms)
            }
            _ => Span { from_ms: i64::MIN, until_ms: i64::MAX },
        }
    }

    /// The counter's name for a stretch.
    pub(crate) fn key(&self, stretch: Span) -> String {
        let unit = match (self, self.unit()) {
            (Self::Limit(limit), _) => limit.kind.as_str(),
            (_, Unit::Pico) => "pico",
            (_, Unit::Tokens) => "tokens",
            (_, Unit::Requests) => "requests",
        };
        let window = match self {
            Self::Limit(_) => None,
            Self::Budget(budget) => Some(match budget.window {
                Window::Lifetime => ("lifetime", 0),
                Window::Day => ("day", stretch.from_ms),
                Window::Week => ("week", stretch.from_ms),
                Window::Month => ("month", stretch.from_ms),
                Window::Sliding(length_ms) => ("sliding", length_ms),
            }),
        };
        let name = Name { id: self.id(), unit, window, scope: self.scope() };
        serde_json::to_string(&name).expect("text and numbers are always JSON")
    }

    /// The first slot that counts at an instant, where slots leave one by one.
    pub(crate) fn first_slot(&self, at_ms: i64) -> Option<i64> {
        match self.course() {
            Course::Sliding(length_ms) => Some(slot_of(at_ms.saturating_sub(length_ms))),
            _ => None,
        }
    }

    /// How long Redis keeps the counter when nobody uses it, in milliseconds; `None`: for ever.
    pub(crate) fn kept_ms(&self, stretch: Span, at_ms: i64) -> Option<i64> {
        match self.course() {
            Course::Minute | Course::Running => Some(MINUTE_KEPT_MS),
            Course::Sliding(length_ms) => Some(length_ms.saturating_add(KEPT_MS)),
            Course::Fixed if stretch.until_ms == i64::MAX => None,
            Course::Fixed => {
                Some(stretch.until_ms.saturating_sub(at_ms).max(0).saturating_add(KEPT_MS))
            }
        }
    }
}

/// True where the slot is old enough to be in the durable store for certain.
pub(crate) fn is_old_slot(slot_ms: i64, at_ms: i64) -> bool {
    slot_ms.saturating_add(86_400_000 + SPEND_SLOT_MS) < at_ms
}
