//! Why a call may not spend, in words: which account, what is spent, what the cap is, when to come
//! back. Whoever may spend from an account may know how it stands.

use gw_core::budget::{Amount, BudgetStatus, Limit, LimitKind, Window};
use gw_core::{Error, Kind, Money};

use crate::window::to_utc_text;

/// Why a reservation was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A hard budget cannot pay.
    Budget {
        /// How it stands in the window of the call.
        status: BudgetStatus,
        /// What the call may cost.
        asked: Amount,
    },
    /// A limit is reached.
    Limit {
        /// The limit.
        limit: Limit,
        /// What counts towards it now.
        used: u64,
        /// What the call asks for.
        asked: u64,
        /// When it would fit, if nothing else comes; `None`: never.
        retry_after_ms: Option<u64>,
    },
    /// The reservation to be extended lived past its lease.
    LeaseEnded,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Budget { status, asked } => budget(&status, asked),
            Refusal::Limit { limit, used, asked, retry_after_ms } => {
                self::limit(&limit, used, asked, retry_after_ms)
            }
            Refusal::LeaseEnded => {
                Self::new(Kind::BudgetExhausted, "the call ran longer than its money was held")
                    .with_hint("send the request again")
            }
        }
    }
}

fn budget(status: &BudgetStatus, asked: Amount) -> Error {
    let budget = &status.budget;
    let window = match budget.window {
        Window::Lifetime => "in all".to_owned(),
        Window::Day => "a day".to_owned(),
        Window::Week => "a week".to_owned(),
        Window::Month => "a month".to_owned(),
        Window::Sliding(length_ms) => format!("in {} minutes", length_ms / 60_000),
    };
    let message = format!(
        "budget `{}` of {} cannot pay for this call: {} of {} {window} spent, {} held for calls \
         that run, this one may cost {asked}",
        budget.id, budget.scope, status.spent, budget.cap, status.reserved
    );
    let hint = match (status.resets_at_ms, budget.window) {
        (Some(resets_at_ms), _) => format!(
            "It starts afresh at {}; a free model can be used now.",
            to_utc_text(resets_at_ms)
        ),
        (None, Window::Sliding(_)) => {
            "Room comes back bit by bit; a free model can be used now.".to_owned()
        }
        (None, _) => "Ask the operator to raise it; a free model can be used now.".to_owned(),
    };
    Error::new(Kind::BudgetExhausted, message).with_hint(hint)
}

fn limit(limit: &Limit, used: u64, asked: u64, retry_after_ms: Option<u64>) -> Error {
    let amount = |number: u64| match limit.kind {
        LimitKind::DollarsPerMinute => {
            Money::from_pico(i64::try_from(number).unwrap_or(i64::MAX)).to_string()
        }
        LimitKind::TokensPerMinute => format!("{number} tokens"),
        LimitKind::RequestsPerMinute => format!("{number} requests"),
        LimitKind::Concurrent => format!("{number} calls at one time"),
    };
    let per = if limit.kind == LimitKind::Concurrent { "" } else { " a minute" };
    let message = format!(
        "limit `{}` of {}: {} of {}{per} used, this call asks for {}",
        limit.id,
        limit.scope,
        amount(used),
        amount(limit.max),
        amount(asked)
    );
    let error = Error::new(Kind::RateLimited, message);
    match retry_after_ms {
        Some(retry_after_ms) => error
            .with_retry_after_ms(retry_after_ms)
            .with_hint(format!("Try again in {} seconds.", retry_after_ms.div_ceil(1_000))),
        None => error.with_hint(
            "It can never fit: send less, lower the output limit, or ask the operator to raise it.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use gw_core::budget::{Amount, Budget, BudgetStatus, Limit, LimitKind, Window};
    use gw_core::{Error, Kind, Money, Scope, ScopeKind};

    use super::Refusal;

    #[test]
    fn the_words_say_who_how_much_and_when() {
        let usd = |text| Amount::Dollars(Money::from_usd_decimal(text).expect("an amount"));
        let budget = Budget {
            id: "b1".into(),
            scope: Scope::new(ScopeKind::Team, "search"),
            cap: usd("10"),
            window: Window::Day,
            is_hard: true,
            max_layer: None,
            alerts: Vec::new(),
            when_away: None,
        };
        let status = BudgetStatus {
            budget,
            spent: usd("9.75"),
            reserved: usd("0.2"),
            resets_at_ms: Some(86_400_000),
        };
        let error = Error::from(Refusal::Budget { status, asked: usd("0.1") });
        assert_eq!(error.kind(), Kind::BudgetExhausted);
        assert_eq!(
            error.to_string(),
            "budget `b1` of team:search cannot pay for this call: $9.75 of $10 a day spent, $0.2 \
             held for calls that run, this one may cost $0.1. It starts afresh at \
             1970-01-02T00:00:00Z; a free model can be used now."
        );
        let limit = Limit {
            id: "l1".into(),
            scope: Scope::new(ScopeKind::Key, "key_1"),
            kind: LimitKind::TokensPerMinute,
            max: 100,
            when_away: None,
            wait_ms: None,
        };
        let refuse = |retry_after_ms| {
            let limit = limit.clone();
            Error::from(Refusal::Limit { limit, used: 90, asked: 20, retry_after_ms })
        };
        let error = refuse(Some(1_500));
        assert_eq!((error.kind(), error.retry_after_ms()), (Kind::RateLimited, Some(1_500)));
        assert_eq!(
            error.to_string(),
            "limit `l1` of key:key_1: 90 tokens of 100 tokens a minute used, this call asks for \
             20 tokens. Try again in 2 seconds."
        );
        assert_eq!(refuse(None).retry_after_ms(), None);
    }
}
