use gw_core::record::{Stats, StatsRow};
use gw_core::{Kind, Layer, Money};

use super::{answer, end_instant, instant, share};

#[test]
fn dates_are_days_local_instants_or_full_ones() {
    let check = |text: &str, expected: i64| {
        assert_eq!(instant("startDate", text).ok(), Some(expected), "{text}");
    };
    check("1970-01-02", 86_400_000);
    check("1970-01-02T00:00:01", 86_401_000);
    check("1970-01-02T00:00:01Z", 86_401_000);
    check("1970-01-02T01:00:00+01:00", 86_400_000);
    check(" 1970-01-02 ", 86_400_000);
}

#[test]
fn a_day_ends_when_the_next_begins() {
    assert_eq!(end_instant("1970-01-01").ok(), Some(86_400_000));
    assert_eq!(end_instant("1970-01-01T00:00:01Z").ok(), Some(1_000));
}

#[test]
fn what_is_no_date_is_refused_by_name() {
    for text in ["", "yesterday", "2026-13-01", "2026-02-30", "1e9", "\u{0}"] {
        let error = instant("endDate", text).expect_err(text);
        assert_eq!(error.kind(), Kind::InvalidRequest, "{text}");
        assert_eq!(error.field(), Some("endDate"), "{text}");
    }
}

#[test]
fn a_share_of_nothing_is_zero() {
    assert!(share(0, 0).abs() < f64::EPSILON);
    assert!((share(1, 4) - 0.25).abs() < f64::EPSILON);
}

#[test]
fn groups_come_only_when_asked_for() {
    let row = StatsRow { calls: 2, cost: Money::from_pico(5), ..StatsRow::default() };
    let stats = Stats {
        total: row.clone(),
        by_model: vec![("a/b".to_owned(), row.clone())],
        by_layer: vec![(Layer::L1, row)],
    };
    let shown = |group| serde_json::to_value(answer(&stats, group)).expect("writes");
    assert!(shown(None).get("byModel").is_none() && shown(None).get("byLayer").is_none());
    assert_eq!(shown(Some("model"))["byModel"]["a/b"]["calls"], 2);
    assert_eq!(shown(Some("layer"))["byLayer"]["L1"]["calls"], 2);
    assert_eq!(shown(None)["totalCostPicoUsd"], 5);
}
