//! What may be defined: bounds of budgets and limits, checked before anything is kept.

use gw_core::budget::{Budget, Limit, SPEND_SLOT_MS, Window};
use gw_core::{Error, Result, Scope, limits};

/// Highest threshold of an alert, in per cent: soft budgets are passed.
const ALERT_PERCENT_MAX: u16 = 1_000;

/// Says whether a budget makes sense by itself.
///
/// # Errors
/// [`gw_core::Kind::InvalidRequest`], naming the field.
pub fn check_budget(budget: &Budget) -> Result<()> {
    check_id("id", &budget.id)?;
    check_scope(&budget.scope)?;
    if budget.cap.number() < 0 {
        return Err(Error::bad_field("cap", "is less than nothing"));
    }
    if let Window::Sliding(length_ms) = budget.window
        && !(SPEND_SLOT_MS..=limits::SLIDING_WINDOW_MS_MAX).contains(&length_ms)
    {
        return Err(Error::bad_field("window", "a sliding window has 5 minutes to 90 days"));
    }
    if budget.alerts.iter().any(|percent| !(1..=ALERT_PERCENT_MAX).contains(percent)) {
        let message = format!("a threshold has 1 to {ALERT_PERCENT_MAX} per cent");
        return Err(Error::bad_field("alerts", message));
    }
    Ok(())
}

/// Says whether a limit makes sense by itself. A limit of nothing stops everything, which may be
/// meant.
///
/// # Errors
/// [`gw_core::Kind::InvalidRequest`], naming the field.
pub fn check_limit(limit: &Limit) -> Result<()> {
    check_id("id", &limit.id)?;
    if limit.wait_ms.is_some_and(|wait_ms| wait_ms > limits::LIMIT_WAIT_MS_MAX) {
        let message = format!("a call waits {} ms at most", limits::LIMIT_WAIT_MS_MAX);
        return Err(Error::bad_field("wait_ms", message));
    }
    check_scope(&limit.scope)
}

fn check_scope(scope: &Scope) -> Result<()> {
    check_id("scope", &scope.id)
}

fn check_id(field: &str, id: &str) -> Result<()> {
    if id.is_empty() || id.len() > limits::CLIENT_ID_BYTES_MAX {
        let message = format!("an id has 1 to {} bytes", limits::CLIENT_ID_BYTES_MAX);
        return Err(Error::bad_field(field, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gw_core::budget::{Amount, Budget, Limit, LimitKind, Window};
    use gw_core::{Money, Scope, ScopeKind};

    use super::{check_budget, check_limit};

    #[test]
    fn senseless_definitions_are_refused_by_field() {
        let good = Budget {
            id: "b".into(),
            scope: Scope::new(ScopeKind::Team, "t"),
            cap: Amount::Dollars(Money::ZERO),
            window: Window::Sliding(300_000),
            is_hard: true,
            max_layer: None,
            alerts: vec![1, 1_000],
            when_away: None,
        };
        assert!(check_budget(&good).is_ok());
        let field =
            |budget: Budget| check_budget(&budget).expect_err("refused").field().map(str::to_owned);
        let minus = Amount::Dollars(Money::from_pico(-1));
        assert_eq!(field(Budget { cap: minus, ..good.clone() }).as_deref(), Some("cap"));
        for length_ms in [i64::MIN, 0, 299_999, i64::MAX] {
            let window = Window::Sliding(length_ms);
            assert_eq!(field(Budget { window, ..good.clone() }).as_deref(), Some("window"));
        }
        assert_eq!(field(Budget { alerts: vec![0], ..good.clone() }).as_deref(), Some("alerts"));
        let scope = Scope::new(ScopeKind::Team, "x".repeat(257));
        assert_eq!(
            field(Budget { scope: scope.clone(), ..good.clone() }).as_deref(),
            Some("scope")
        );
        assert_eq!(field(Budget { id: String::new(), ..good }).as_deref(), Some("id"));
        let kind = LimitKind::Concurrent;
        assert!(
            check_limit(&Limit {
                id: "l".into(),
                scope,
                kind,
                max: 0,
                when_away: None,
                wait_ms: None
            })
            .is_err()
        );
    }
}
