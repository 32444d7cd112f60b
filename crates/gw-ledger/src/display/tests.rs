use gw_core::Money;

use super::format_cost;

#[test]
fn system_a_showed_it_so() {
    let check = |usd: &str, wanted: &str| {
        assert_eq!(format_cost(Money::from_usd_decimal(usd).unwrap()), wanted, "{usd}");
    };
    check("0", "Free");
    check("0.0001", "$0.000100");
    check("0.00075", "$0.000750");
    check("0.005", "$0.0050");
    check("0.001", "$0.0010");
    check("0.01", "$0.01");
    check("1.5", "$1.50");
    check("0.999", "$1.00");
    check("1234.5678", "$1234.57");
    check("-0.25", "-$0.25");
    check("0.0000001", "$0.000000");
}

proptest::proptest! {
    #[test]
    fn any_amount_has_a_form(pico in proptest::prelude::any::<i64>()) {
        let text = format_cost(Money::from_pico(pico));
        proptest::prop_assert!(text == "Free" || text.trim_start_matches('-').starts_with('$'));
    }
}
