//! Budgets and limits as they are defined and as they stand. The rules are in `gw-ledger`, the rows
//! in `gw-store`; both and every surface speak these.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::duration;
use crate::layer::Layer;
use crate::money::Money;
use crate::scope::Scope;

/// Width of the slots in which spending is kept, in milliseconds. Calendar windows begin on a slot;
/// sliding windows move by one slot.
pub const SPEND_SLOT_MS: i64 = 300_000;

/// Over which time a budget counts. Calendar windows are in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// For ever.
    Lifetime,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
    /// The last so many milliseconds, in steps of [`SPEND_SLOT_MS`]: a slot counts until the whole
    /// of it is older than this.
    Sliding(i64),
}

/// The text is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no period; write lifetime, day, week, month or sliding:24h")]
pub struct NotAWindow(pub String);

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lifetime => f.write_str("lifetime"),
            Self::Day => f.write_str("day"),
            Self::Week => f.write_str("week"),
            Self::Month => f.write_str("month"),
            Self::Sliding(length_ms) => {
                let length_ms = u64::try_from(*length_ms).unwrap_or(0);
                write!(f, "sliding:{}", duration::format_ms(length_ms))
            }
        }
    }
}

impl FromStr for Window {
    type Err = NotAWindow;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sliding = |text: &str| {
            let length_ms = duration::parse_ms(text.strip_prefix("sliding:")?)?;
            i64::try_from(length_ms).ok().map(Self::Sliding)
        };
        match text {
            "lifetime" => Ok(Self::Lifetime),
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => sliding(text).ok_or_else(|| NotAWindow(text.to_owned())),
        }
    }
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// Money, in pico-dollars.
    Dollars(Money),
    /// Tokens read and written.
    Tokens(u64),
}

impl Amount {
    /// Pico-dollars or tokens, as a plain number.
    pub fn number(self) -> i128 {
        match self {
            Self::Dollars(amount) => i128::from(amount.pico()),
            Self::Tokens(tokens) => i128::from(tokens),
        }
    }

    /// The same unit with another number, held at the ends of its range.
    #[must_use]
    pub fn with_number(self, number: i128) -> Self {
        match self {
            Self::Dollars(_) => {
                let end = if number < 0 { i64::MIN } else { i64::MAX };
                Self::Dollars(Money::from_pico(i64::try_from(number).unwrap_or(end)))
            }
            Self::Tokens(_) => Self::Tokens(u64::try_from(number.max(0)).unwrap_or(u64::MAX)),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dollars(amount) => write!(f, "{amount}"),
            Self::Tokens(tokens) => write!(f, "{tokens} tokens"),
        }
    }
}

/// What happens to an account's calls while the counters that replicas share are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenAway {
    /// Calls go on, out of an equal part of what was left when the counters were last heard.
    Open,
    /// Calls beyond what this replica has leased are refused.
    Closed,
}

impl WhenAway {
    /// The word in bodies, on the command line and in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// The text is neither `open` nor `closed`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write `open` or `closed`")]
pub struct NotWhenAway;

impl FromStr for WhenAway {
    type Err = NotWhenAway;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err(NotWhenAway),
        }
    }
}

/// What one account may spend over a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Its own id.
    pub id: String,
    /// Whose.
    pub scope: Scope,
    /// How much.
    pub cap: Amount,
    /// Over which time.
    pub window: Window,
    /// True: a call that does not fit is refused. False: it is let through, and alerts tell.
    pub is_hard: bool,
    /// The highest layer that calls of this account may use.
    #[serde(default)]
    pub max_layer: Option<Layer>,
    /// Per cent of the cap at which an alert goes out, once a window.
    #[serde(default)]
    pub alerts: Vec<u16>,
    /// What happens while shared counters are away; `None`: what configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_away: Option<WhenAway>,
}

/// What a budget allows, whoever it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetTerms {
    /// How much.
    pub cap: Amount,
    /// Over which time.
    pub window: Window,
    /// See [`Budget::is_hard`].
    pub is_hard: bool,
    /// See [`Budget::max_layer`].
    pub max_layer: Option<Layer>,
    /// See [`Budget::alerts`].
    pub alerts: Vec<u16>,
    /// See [`Budget::when_away`].
    pub when_away: Option<WhenAway>,
}

impl BudgetTerms {
    /// The budget of an account on these terms.
    pub fn budget(self, id: String, scope: Scope) -> Budget {
        let Self { cap, window, is_hard, max_layer, alerts, when_away } = self;
        Budget { id, scope, cap, window, is_hard, max_layer, alerts, when_away }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Calls begun within a minute.
    RequestsPerMinute,
    /// Tokens read and written by calls begun within a minute.
    TokensPerMinute,
    /// Pico-dollars spent by calls begun within a minute.
    DollarsPerMinute,
    /// Calls that run at one time.
    Concurrent,
}

impl LimitKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::RequestsPerMinute, Self::TokensPerMinute, Self::DollarsPerMinute, Self::Concurrent];

    /// The word in configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerMinute => "requests_per_minute",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::DollarsPerMinute => "dollars_per_minute",
            Self::Concurrent => "concurrent",
        }
    }
}

/// How fast one account may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Its own id.
    pub id: String,
    /// Whose.
    pub scope: Scope,
    /// What is counted.
    pub kind: LimitKind,
    /// How many of it at most: calls, tokens or pico-dollars.
    pub max: u64,
    /// What happens while shared counters are away; `None`: what configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_away: Option<WhenAway>,
    /// How long a call that does not fit waits for room, in milliseconds, before it is refused;
    /// `None`: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// What a limit allows, whoever it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitTerms {
    /// What is counted.
    pub kind: LimitKind,
    /// See [`Limit::max`].
    pub max: u64,
    /// See [`Limit::when_away`].
    pub when_away: Option<WhenAway>,
    /// See [`Limit::wait_ms`].
    pub wait_ms: Option<u64>,
}

impl LimitTerms {
    /// The limit of an account on these terms.
    pub fn limit(self, id: String, scope: Scope) -> Limit {
        let Self { kind, max, when_away, wait_ms } = self;
        Limit { id, scope, kind, max, when_away, wait_ms }
    }
}

/// How a budget stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// The budget.
    pub budget: Budget,
    /// Spent in the window that holds now; dollars or tokens like the cap.
    pub spent: Amount,
    /// Held back for calls that run.
    pub reserved: Amount,
    /// When the window ends, in milliseconds since 1970; `None`: never, or bit by bit.
    pub resets_at_ms: Option<i64>,
}

impl BudgetStatus {
    /// What can still be reserved; nothing where more is spent than the cap.
    pub fn remaining(&self) -> Amount {
        let used = self.spent.number() + self.reserved.number();
        self.budget.cap.with_number((self.budget.cap.number() - used).max(0))
    }
}

/// How a limit stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitStatus {
    /// The limit.
    pub limit: Limit,
    /// How many more fit now.
    pub remaining: u64,
    /// Until all of it is free again if nothing is asked for, in milliseconds.
    pub reset_ms: u64,
}

/// What is left for a call before it is planned. The reservation alone decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// The least that a hard budget in dollars has left; `None`: no such budget.
    pub dollars: Option<Money>,
    /// The least that a hard budget in tokens has left.
    pub tokens: Option<u64>,
    /// The highest layer that every budget allows.
    pub max_layer: Option<Layer>,
}

/// What an account spent in one slot, or in all its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Start of the slot of [`SPEND_SLOT_MS`], in milliseconds since 1970. It is the slot in which
    /// the calls began.
    pub slot_ms: i64,
    /// What was spent; unpriced calls add nothing.
    pub spent: Money,
    /// Tokens read and written.
    pub tokens: u64,
    /// Calls made.
    pub calls: u64,
}

/// The slot of an instant, in milliseconds since 1970.
pub const fn slot_of(at_ms: i64) -> i64 {
    at_ms.saturating_sub(at_ms.rem_euclid(SPEND_SLOT_MS))
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn windows_read_back() {
        let all = [
            (Window::Lifetime, "lifetime"),
            (Window::Day, "day"),
            (Window::Week, "week"),
            (Window::Month, "month"),
            (Window::Sliding(5_400_000), "sliding:90m"),
            (Window::Sliding(86_400_000), "sliding:1d"),
        ];
        for (window, text) in all {
            assert_eq!(window.to_string(), text);
            assert_eq!(text.parse(), Ok(window));
        }
        for wrong in ["", "Day", "year", "sliding", "sliding:", "sliding:1", "sliding:-1h"] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
    }
}
