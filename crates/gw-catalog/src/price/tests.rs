use gw_core::{Rate, TokenClass};

use super::in_force;
use crate::price_text::{day_to_ms, parse};

const MINUTE_MS: i64 = 60_000;

#[test]
fn the_newest_price_whose_day_has_come_holds() {
    let prices = parse("in=2; from=2026-09-01 in=3").unwrap();
    let day = day_to_ms("2026-09-01").unwrap();
    let input =
        |at_ms| in_force(&prices, at_ms).and_then(|table| table.listed(TokenClass::Input, 0));
    assert_eq!(input(day - 1), Rate::from_usd_per_million("2"));
    assert_eq!(input(day), Rate::from_usd_per_million("3"));
    let future = parse("from=2026-09-01 in=3").unwrap();
    assert!(in_force(&future, 0).is_some(), "a price is better than none");
    assert!(in_force(&[], 0).is_none());
}

#[test]
fn hours_of_the_day_count_in_utc() {
    let prices = parse("in=0.135; daily=00:30-16:30 in=0.27").unwrap();
    let day = day_to_ms("2026-08-10").unwrap();
    let is_dear = |minutes: i64| {
        let table = in_force(&prices, day + minutes * MINUTE_MS).unwrap();
        table.listed(TokenClass::Input, 0) == Rate::from_usd_per_million("0.27")
    };
    assert!(!is_dear(29) && is_dear(30) && is_dear(16 * 60 + 29) && !is_dear(16 * 60 + 30));
    let night = parse("in=1; daily=22:00-02:00 in=2").unwrap();
    let price = |minutes: i64| {
        in_force(&night, day + minutes * MINUTE_MS).unwrap().rate(TokenClass::Input, 0)
    };
    assert_eq!(price(23 * 60), Rate::from_usd_per_million("2"));
    assert_eq!(price(60), Rate::from_usd_per_million("2"));
    assert_eq!(price(12 * 60), Rate::from_usd_per_million("1"));
}

#[test]
fn a_class_without_a_price_is_charged_as_its_kind() {
    let table = &parse("in=1 cw=1.25 out=4 >1000 out=6").unwrap()[0].table;
    let check = |class, tokens, usd: Option<&str>| {
        assert_eq!(
            table.rate(class, tokens),
            usd.and_then(Rate::from_usd_per_million),
            "{class:?}"
        );
    };
    check(TokenClass::CacheRead, 0, Some("1"));
    check(TokenClass::CacheWriteLong, 0, Some("1.25"));
    check(TokenClass::Reasoning, 0, Some("4"));
    check(TokenClass::Reasoning, 1001, Some("6"));
    check(TokenClass::Input, 1001, Some("1"));
    check(TokenClass::WebSearch, 0, None);
}
