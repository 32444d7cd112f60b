use std::collections::VecDeque;

use gw_core::budget::{Limit, LimitKind};
use gw_core::{Scope, ScopeKind};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::{Meter, Units};

fn meter(kind: LimitKind, max: u64) -> Meter {
    Meter::new(
        1,
        Limit {
            id: "l".into(),
            scope: Scope::new(ScopeKind::Key, "k"),
            kind,
            max,
            when_away: None,
            wait_ms: None,
        },
    )
}

fn requests(requests: u64) -> Units {
    Units { requests, ..Units::default() }
}

#[test]
fn room_comes_back_when_the_caller_is_told() {
    let mut meter = meter(LimitKind::RequestsPerMinute, 3);
    for at in [500, 20_000, 40_000] {
        assert_eq!(meter.check(requests(1), at), Ok(()));
        meter.hold(requests(1), at);
    }
    let full = meter.check(requests(1), 45_000).expect_err("full");
    assert_eq!((full.used, full.asked, full.retry_after_ms), (3, 1, Some(16_000)));
    assert!(meter.check(requests(1), 60_999).is_err());
    assert_eq!(meter.check(requests(1), 61_000), Ok(()));
    assert_eq!(meter.check(requests(4), 61_000).expect_err("never").retry_after_ms, None);
    assert_eq!(meter.check(requests(0), 45_000), Ok(()), "nothing always fits");
    let status = meter.status(61_000);
    assert_eq!((status.remaining, status.reset_ms), (1, 40_000));
}

#[test]
fn calls_at_one_time_come_and_go() {
    let mut meter = meter(LimitKind::Concurrent, 2);
    meter.hold(requests(1), 0);
    let second = meter.hold(requests(1), 0);
    assert_eq!(meter.check(requests(1), 99_000).expect_err("full").retry_after_ms, Some(1_000));
    meter.settle(second, requests(1), requests(1));
    assert_eq!(meter.check(requests(1), 99_000), Ok(()));
}

#[test]
fn what_was_not_used_is_free_at_once() {
    let mut meter = meter(LimitKind::TokensPerMinute, 1_000);
    let tokens = |tokens| Units { requests: 1, tokens, pico: 0 };
    let second = meter.hold(tokens(900), 5_000);
    assert!(meter.check(tokens(200), 6_000).is_err());
    meter.settle(second, tokens(900), tokens(50));
    assert_eq!(meter.check(tokens(950), 6_000), Ok(()));
    assert!(meter.check(tokens(951), 6_000).is_err());
    meter.settle(second, tokens(50), tokens(u64::MAX));
    assert!(meter.check(tokens(1), 6_000).is_err());
    meter.settle(second, tokens(u64::MAX), tokens(0));
    assert_eq!(meter.check(tokens(1_000), 6_000), Ok(()));
}

proptest! {
    /// Against a list of what was accepted: no sixty seconds hold more than the limit, and whatever
    /// fits into the last sixty-one is accepted.
    #[test]
    fn no_minute_holds_more(
        max in 1..50_u64,
        steps in prop::collection::vec((0..20_000_u64, 0..20_u64, any::<bool>()), 1..200),
    ) {
        let mut meter = meter(LimitKind::TokensPerMinute, max);
        let mut accepted: VecDeque<(u64, u64)> = VecDeque::new();
        let mut now = 1_000_000;
        for (pause, tokens, is_released) in steps {
            now += pause;
            let units = Units { requests: 1, tokens, pico: 0 };
            let within = |span: u64| {
                accepted.iter().filter(|(at, _)| at + span > now).map(|(_, n)| n).sum::<u64>()
            };
            let counted = accepted
                .iter()
                .filter(|(at, _)| at / 1_000 + 60 >= now / 1_000)
                .map(|(_, n)| n)
                .sum::<u64>();
            prop_assert!(within(60_000) <= max);
            let fits = tokens == 0 || counted + tokens <= max;
            match meter.check(units, now) {
                Ok(()) => {
                    prop_assert!(fits);
                    let second = meter.hold(units, now);
                    if is_released {
                        meter.settle(second, units, Units::default());
                    } else {
                        accepted.push_back((now, tokens));
                    }
                }
                Err(full) => {
                    prop_assert!(!fits);
                    prop_assert_eq!(full.used, counted);
                    if let Some(wait) = full.retry_after_ms {
                        prop_assert_eq!(meter.clone().check(units, now + wait), Ok(()));
                        prop_assert!(wait <= 61_000);
                    }
                }
            }
        }
    }
}
