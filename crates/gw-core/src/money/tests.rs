use proptest::prelude::{any, proptest};

use super::{Money, Rate};

#[test]
fn decimals_are_read_exactly() {
    let check = |text: &str, pico: Option<i64>| {
        assert_eq!(Money::from_usd_decimal(text).map(Money::pico), pico, "{text}");
    };
    check("0", Some(0));
    check("1", Some(1_000_000_000_000));
    check("0.000000000001", Some(1));
    check("0.0000000000004", Some(0));
    check("0.0000000000005", Some(1));
    check("1.5e-7", Some(150_000));
    check("2E2", Some(200_000_000_000_000));
    check("-0.25", Some(-250_000_000_000));
    check(".5", Some(500_000_000_000));
    check("9300000", None);
    check("", None);
    check(".", None);
    check("1.2.3", None);
    check("NaN", None);
}

#[test]
fn rates_come_from_both_published_forms() {
    assert_eq!(Rate::from_usd_per_million("0.0375"), Some(Rate::from_pico_per_unit(37_500)));
    assert_eq!(Rate::from_usd_per_unit("0.0000000375"), Some(Rate::from_pico_per_unit(37_500)));
    assert_eq!(Rate::from_usd_per_unit("-1"), None);
}

#[test]
fn the_golden_price_of_system_a() {
    let input = Rate::from_usd_per_million("0.15").map(|rate| rate.times(1000));
    let output = Rate::from_usd_per_million("0.6").map(|rate| rate.times(1000));
    assert_eq!(input.zip(output).map(|(i, o)| (i + o).to_usd_string()), Some("0.00075".into()));
}

proptest! {
    #[test]
    fn text_and_amount_agree(pico in any::<i64>()) {
        let money = Money::from_pico(pico);
        assert_eq!(Money::from_usd_decimal(&money.to_usd_string()), Some(money));
    }

    #[test]
    fn prices_never_wrap(rate in any::<u64>(), units in any::<u64>()) {
        assert!(Rate::from_pico_per_unit(rate).times(units) >= Money::ZERO);
    }
}
