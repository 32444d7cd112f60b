use gw_core::{Rate, TokenClass};
use proptest::prelude::{any, prop, proptest};

use super::{day_to_ms, format, instant_to_ms, parse};
use crate::price::{DatedPrice, PriceTable, Share};

#[test]
fn a_line_reads_as_it_says() {
    let text = "in=3 cr=0.3 cw=3.75 cw1h=6 out=15 >200000 in=6 out=22.5; from=2026-03-13 daily=00:30-16:30 in=3 out=15 search=0.01 rerank=0.002 page=0.001 req=0.012 @batch=1/2 @priority=5/3; iin=8 icr=2 out=10 iout=32";
    let prices = parse(text).unwrap();
    assert_eq!(prices.len(), 3);
    assert_eq!(
        prices[0].table.listed(TokenClass::Output, 200_000),
        Rate::from_usd_per_million("15")
    );
    assert_eq!(
        prices[0].table.listed(TokenClass::Output, 200_001),
        Rate::from_usd_per_million("22.5")
    );
    assert_eq!(prices[1].from_ms, Some(1_773_360_000_000));
    assert_eq!(prices[1].daily, Some((1_800, 59_400)));
    assert_eq!(prices[1].table.per_request, Rate::from_usd_per_unit("0.012"));
    assert_eq!(prices[1].table.listed(TokenClass::WebSearch, 0), Rate::from_usd_per_unit("0.01"));
    assert_eq!(format(&prices), text);
}

#[test]
fn nonsense_is_refused_by_word() {
    for (text, word) in [
        ("in=3 out=x", "out=x"),
        ("in=-1", "in=-1"),
        ("cost=3", "cost=3"),
        ("in", "in"),
        (">many in=3", ">many"),
        ("from=2026-02-30 in=1", "from=2026-02-30"),
        ("daily=25:00-01:00 in=1", "daily=25:00-01:00"),
        ("in=1 @batch=1/0", "@batch=1/0"),
        ("in=1 @=1/2", "@=1/2"),
    ] {
        assert_eq!(parse(text).unwrap_err(), format!("`{word}` is not a price"));
    }
    assert_eq!(parse(" "), Ok(Vec::new()));
    assert_eq!(day_to_ms("2026-09-01"), Some(1_788_220_800_000));
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        rates in prop::collection::vec(any::<u64>(), 10),
        above in any::<u64>(),
        request in any::<Option<u64>>(),
    ) {
        let classes = TokenClass::ALL.into_iter().zip(rates.into_iter().map(Rate::from_pico_per_unit));
        let mut listed: Vec<_> = classes.collect();
        let tier = listed.split_off(5);
        let mut table = PriceTable { rates: listed, tiers: vec![(above, tier)], per_request: request.map(Rate::from_pico_per_unit), services: vec![("batch".to_owned(), Share { numerator: 1, denominator: 2 })] };
        let mut dated = DatedPrice::always(table.clone());
        dated.from_ms = day_to_ms("2026-01-02");
        let prices = vec![DatedPrice::always(table.clone()), dated];
        let mut back = parse(&format(&prices)).unwrap();
        for price in &mut back {
            price.table.rates.sort_by_key(|(class, _)| *class);
            price.table.tiers[0].1.sort_by_key(|(class, _)| *class);
        }
        table.rates.sort_by_key(|(class, _)| *class);
        assert_eq!(back, prices);
    }
}

#[test]
fn instants_are_read_with_and_without_a_zone() {
    let day = day_to_ms("2026-03-13").unwrap();
    assert_eq!(instant_to_ms("2026-03-13"), Some(day));
    assert_eq!(instant_to_ms("2026-03-13T01:00"), Some(day + 3_600_000));
    assert_eq!(instant_to_ms("2026-03-13T01:00:00+01:00"), Some(day));
    assert_eq!(instant_to_ms("yesterday"), None);
}
