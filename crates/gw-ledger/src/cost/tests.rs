use gw_catalog::embedded::Data;
use gw_catalog::price_text::{day_to_ms, parse};
use gw_catalog::{Catalog, CatalogOptions, Offering};
use gw_core::money::CostSource;
use gw_core::{Cost, Money, Usage, UsageReport};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{cost, price, worst_case, worst_case_in};

fn offering(prices: &str) -> Offering {
    let mut offering = Data::embedded().unlisted(&"p".into(), "p", "m");
    offering.prices = parse(prices).unwrap();
    offering
}

fn report(usage: Usage) -> UsageReport {
    UsageReport { usage, ..UsageReport::default() }
}

fn usd(text: &str) -> Option<Money> {
    Money::from_usd_decimal(text)
}

const ALL: &str = "in=3 cr=0.3 cw=3.75 cw1h=6 ain=10 acr=1 iin=8 icr=2 out=15 think=20 aout=30 iout=32 \
     search=0.01 rerank=0.002 page=0.001 image=0.04 char=0.000015 second=0.0001 req=0.005";

#[test]
fn each_class_is_charged_once_at_its_rate() {
    let usage = Usage {
        input: 1,
        cache_read: 10,
        cache_write: 100,
        cache_write_long: 1_000,
        input_audio: 10_000,
        cache_read_audio: 100_000,
        output: 7,
        reasoning: 70,
        output_audio: 700,
        input_image: 11,
        cache_read_image: 13,
        output_image: 17,
        web_search: 2,
        rerank_search: 3,
        page: 5,
        image: 6,
        character: 8,
        second: 9,
    };
    let micro = 3_000_000
        + 10 * 300_000
        + 100 * 3_750_000
        + 1_000 * 6_000_000
        + 10_000 * 10_000_000
        + 100_000 * 1_000_000
        + 7 * 15_000_000
        + 70 * 20_000_000
        + 700 * 30_000_000
        + 11 * 8_000_000
        + 13 * 2_000_000
        + 17 * 32_000_000
        + 2 * 10_000_000_000
        + 3 * 2_000_000_000
        + 5 * 1_000_000_000
        + 6 * 40_000_000_000
        + 8 * 15_000_000
        + 9 * 100_000_000
        + 5_000_000_000_i64;
    assert_eq!(cost(&offering(ALL), &report(usage), 0).amount(), Some(Money::from_pico(micro)));
}

#[test]
fn the_golden_price_of_system_a() {
    let usage = Usage { input: 1000, output: 1000, ..Usage::default() };
    let catalog = Catalog::build(&CatalogOptions::default()).unwrap();
    let found = price(&catalog, &"openai".into(), "gpt-4o-mini", &report(usage), 0);
    assert_eq!(
        found,
        Cost::Priced { amount: usd("0.00075").unwrap(), source: CostSource::Catalogue }
    );
}

#[test]
fn what_the_provider_charged_comes_first() {
    let mut said = report(Usage { input: 1000, ..Usage::default() });
    said.reported_cost = usd("0.5");
    let expected = Cost::Priced { amount: usd("0.5").unwrap(), source: CostSource::Reported };
    assert_eq!(cost(&offering(ALL), &said, 0), expected);
    assert_eq!(cost(&offering(""), &said, 0), expected, "even where the catalogue knows no price");
    said.reported_cost = usd("-1");
    assert_eq!(cost(&offering(ALL), &said, 0).amount(), usd("0.008"), "no call pays us");
}

#[test]
fn unpriced_is_a_state_with_a_reason() {
    let reason = |prices: &str, usage: Usage| match cost(&offering(prices), &report(usage), 0) {
        Cost::Unpriced { reason } => reason,
        Cost::Priced { amount, .. } => format!("{amount}"),
    };
    let output = Usage { input: 1, output: 1, ..Usage::default() };
    assert_eq!(reason("", output), "no price is known for p/m");
    assert_eq!(reason("in=3", output), "p/m has no price for output tokens");
    assert_eq!(reason("in=3", Usage { input: 1, ..Usage::default() }), "$0.000003");
    let search = Usage { web_search: 1, ..Usage::default() };
    assert_eq!(reason("in=3 out=4", search), "p/m has no price for web searches");
    let half_free = Usage { output: 1_000_000, ..Usage::default() };
    assert_eq!(reason("in=0 out=2", half_free), "$2", "free input does not make output free");
}

#[test]
fn free_costs_nothing_and_estimates_say_so() {
    let mut free = offering("");
    free.is_free = true;
    let usage = report(Usage { input: 5, ..Usage::default() });
    assert_eq!(
        cost(&free, &usage, 0),
        Cost::Priced { amount: Money::ZERO, source: CostSource::Catalogue }
    );
    assert_eq!(worst_case(&free, 10, 10, 0), Some(Money::ZERO));
    let guess = UsageReport { is_estimate: true, ..usage };
    assert!(matches!(
        cost(&offering("in=1"), &guess, 0),
        Cost::Priced { source: CostSource::Estimated, .. }
    ));
}

#[test]
fn days_hours_and_tiers_decide() {
    let dated = offering("in=1 out=1; from=2026-09-01 in=2 out=2");
    let one = report(Usage { input: 1_000_000, ..Usage::default() });
    let day = day_to_ms("2026-09-01").unwrap();
    assert_eq!(cost(&dated, &one, day - 1).amount(), usd("1"));
    assert_eq!(cost(&dated, &one, day).amount(), usd("2"));
    assert_eq!(worst_case(&dated, 1_000_000, 0, day - 1), usd("1"));
    let nightly = offering("in=1 out=1; daily=00:30-16:30 in=3 out=3");
    assert_eq!(cost(&nightly, &one, day).amount(), usd("1"));
    assert_eq!(
        worst_case(&nightly, 1_000_000, 0, day),
        usd("3"),
        "the hour may turn while it runs"
    );
    let tiered = offering("in=3 cr=0.3 out=15 >200000 in=6 cr=0.6 out=22.5");
    let at = |input, cache_read| {
        let usage = Usage { input, cache_read, output: 10, ..Usage::default() };
        cost(&tiered, &report(usage), 0).amount().map(|amount| amount.pico())
    };
    assert_eq!(at(100_000, 100_000), Some(100_000 * 3_300_000 + 150_000_000));
    assert_eq!(at(100_000, 100_001), Some(100_000 * 6_000_000 + 100_001 * 600_000 + 225_000_000));
}

#[test]
fn the_worst_case_needs_prices_for_what_may_happen() {
    assert_eq!(worst_case(&offering("in=3"), 10, 10, 0), None);
    assert_eq!(worst_case(&offering("in=3"), 10, 0, 0), usd("0.00003"));
    assert_eq!(worst_case(&offering(""), 0, 0, 0), None);
    assert_eq!(worst_case(&offering("in=1 out=1"), u64::MAX, u64::MAX, 0), Some(Money::MAX));
}

fn tokens(parts: [u32; 6]) -> Usage {
    let [input, cache_read, cache_write, cache_write_long, output, reasoning] =
        parts.map(u64::from);
    Usage {
        input,
        cache_read,
        cache_write,
        cache_write_long,
        output,
        reasoning,
        ..Usage::default()
    }
}

proptest! {
    #[test]
    fn more_usage_never_costs_less(a in any::<[u32; 6]>(), b in any::<[u32; 6]>()) {
        let tiered = offering("in=3 cr=0.3 cw=3.75 cw1h=6 out=15 >200000 in=6 cr=0.6 cw=7.5 cw1h=12 out=22.5");
        let (a, b) = (tokens(a), tokens(b));
        let less = cost(&tiered, &report(a), 0).amount().unwrap();
        let more = cost(&tiered, &report(a.plus(&b)), 0).amount().unwrap();
        prop_assert!(more >= less);
    }

    #[test]
    fn without_tiers_and_fees_cost_is_a_sum(a in any::<[u32; 6]>(), b in any::<[u32; 6]>()) {
        let flat = offering("in=3 cr=0.3 cw=3.75 cw1h=6 out=15 think=20");
        let (a, b) = (tokens(a), tokens(b));
        let of = |usage: Usage| cost(&flat, &report(usage), 0).amount().unwrap();
        prop_assert_eq!(of(a.plus(&b)), of(a) + of(b));
    }

    #[test]
    fn classes_are_disjoint(parts in any::<[u32; 6]>()) {
        let flat = offering("in=3 cr=0.3 cw=3.75 cw1h=6 out=15 think=20");
        let of = |usage: Usage| cost(&flat, &report(usage), 0).amount().unwrap();
        let whole = of(tokens(parts));
        let alone = (0..6).map(|at| {
            let mut one = [0; 6];
            one[at] = parts[at];
            of(tokens(one))
        });
        prop_assert_eq!(alone.sum::<Money>(), whole);
    }

    #[test]
    fn no_call_costs_more_than_its_worst_case(parts in any::<[u16; 6]>(), at_ms in any::<i32>()) {
        let usage = tokens(parts.map(u32::from));
        for prices in [
            "in=3 cr=0.3 cw=3.75 cw1h=6 out=15 req=0.01",
            "in=3 cw=3.75 out=15 think=40 >20000 in=6 out=22.5 >90000 in=1 out=1",
            "in=1 out=1; daily=00:30-16:30 in=3 out=3; from=1970-01-10 in=5 out=1",
        ] {
            let offering = offering(prices);
            let at_ms = i64::from(at_ms);
            let worst = worst_case(&offering, usage.total_input(), usage.total_output(), at_ms).unwrap();
            prop_assert!(cost(&offering, &report(usage), at_ms).amount().unwrap() <= worst, "{}", prices);
        }
    }
}

#[test]
fn a_service_tier_costs_its_share_of_tokens_and_not_of_pieces() {
    let usage = Usage { input: 1_000_000, output: 100, web_search: 1, ..Usage::default() };
    let offering = offering("in=3 out=15 search=0.01 req=0.005 @flex=1/2 @priority=5/3");
    let in_tier = |tier: Option<&str>| {
        let service_tier = tier.map(str::to_owned);
        cost(&offering, &UsageReport { service_tier, ..report(usage) }, 0)
    };
    for standard in [None, Some("default"), Some("auto"), Some("STANDARD"), Some("ON_DEMAND")] {
        assert_eq!(in_tier(standard).amount(), usd("3.0165"), "{standard:?}");
    }
    assert_eq!(in_tier(Some("flex")).amount(), usd("1.51575"));
    assert_eq!(in_tier(Some("priority")).amount(), usd("5.0175"));
    let Cost::Unpriced { reason } = in_tier(Some("scale")) else { panic!("nobody knows") };
    assert_eq!(reason, "no price is known for p/m in service tier `scale`");
}

#[test]
fn a_dearer_tier_is_held_at_its_price_and_a_cheaper_one_at_the_standard_price() {
    let offering = offering("in=3 out=15 req=0.005 @flex=1/2 @priority=2");
    let worst = |tier| worst_case_in(tier, &offering, 1_000_000, 1_000_000, 0);
    assert_eq!(worst(None), usd("18.005"));
    assert_eq!((worst(Some("auto")), worst(Some("flex"))), (usd("18.005"), usd("18.005")));
    assert_eq!(worst(Some("priority")), usd("36.005"));
    assert_eq!(worst(Some("scale")), None);
}

#[test]
fn an_operation_is_paid_by_what_its_model_has_a_price_for() {
    let of = |prices: &str, usage: Usage| {
        let mut offering = Data::embedded().unlisted(&"p".into(), "p", "m");
        offering.prices = parse(prices).expect("prices");
        (super::billable(&offering, &usage, 0), super::worst_case_of(&offering, &usage, 0))
    };
    let spoken = Usage { input: 10, output_audio: 30, character: 40, ..Usage::default() };
    let (usage, worst) = of("in=15 out=15 char=0.000015", spoken);
    assert_eq!((usage.input, usage.character), (0, 40));
    assert_eq!(worst, usd("0.0006"));
    let (usage, worst) = of("in=1 out=2", spoken);
    assert_eq!((usage.input, usage.output_audio, usage.character), (10, 30, 0));
    assert_eq!(worst, usd("0.00007"));
    // What nobody prices is unpriced, not free.
    assert_eq!(of("", spoken), (spoken, None));
    let searched = Usage { rerank_search: 2, ..Usage::default() };
    assert_eq!(of("in=1", searched), (searched, None));
    assert_eq!(of("rerank=0.002", searched).1, usd("0.004"));
}
