use gw_core::Money;
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

use super::{Choice, ValueOfBudget, choose, choose_warm, on_hull, ppm};

fn choice(success_ppm: u32, pico: i64) -> Choice {
    Choice::new(success_ppm, Money::from_pico(pico))
}

#[test]
fn worthless_answers_go_to_the_cheapest_and_priceless_ones_to_the_best() {
    let choices = [choice(900_000, 500), choice(600_000, 100), choice(700_000, 100)];
    assert_eq!(choose(Money::ZERO, &choices), Some(1));
    assert_eq!(choose(Money::from_pico(400), &choices), Some(2));
    assert_eq!(choose(Money::MAX, &choices), Some(0));
    assert_eq!(choose(Money::MAX, &[]), None);
}

#[test]
fn a_conversation_leaves_a_warm_model_only_for_a_clear_gain() {
    let choices = [choice(800_000, 100), choice(820_000, 100)];
    let value = Money::from_pico(10_000);
    assert_eq!(choose_warm(value, &choices, Some(0), Money::from_pico(300)), Some(0));
    assert_eq!(choose_warm(value, &choices, Some(0), Money::from_pico(100)), Some(1));
    assert_eq!(choose_warm(value, &choices, Some(9), Money::from_pico(300)), Some(1));
}

#[test]
fn what_mixing_two_others_beats_is_off_the_hull() {
    let choices = [choice(500_000, 100), choice(600_000, 200), choice(900_000, 300)];
    assert_eq!(on_hull(&choices), [true, false, true]);
    assert_eq!(on_hull(&[choice(500_000, 100), choice(500_000, 100)]), [true, false]);
}

#[test]
fn spending_above_the_budget_lowers_the_value_of_an_answer() {
    let mut held = ValueOfBudget { value: Money::from_pico(1_000_000), step_ppm: 100_000 };
    held.observe(Money::from_pico(2_000), Money::from_pico(1_000));
    assert_eq!(held.value, Money::from_pico(900_000));
    held.observe(Money::ZERO, Money::from_pico(1_000));
    assert_eq!(held.value, Money::from_pico(990_000));
}

#[test]
fn a_probability_that_is_no_number_counts_as_none() {
    assert_eq!([ppm(f32::NAN), ppm(-1.0), ppm(0.5), ppm(7.0)], [0, 0, 500_000, 1_000_000]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A higher value of a good answer never buys a worse one, nor a cheaper one.
    #[test]
    fn more_value_never_buys_less(
        raw in proptest::collection::vec((0_u32..=1_000_000, 0_i64..1_000_000_000_000), 1..12),
        low in 0_i64..1_000_000_000_000_000,
        more in 0_i64..1_000_000_000_000_000,
    ) {
        let choices: Vec<Choice> = raw.iter().map(|(p, pico)| choice(*p, *pico)).collect();
        let first = choose(Money::from_pico(low), &choices).expect("not empty");
        let second = choose(Money::from_pico(low + more), &choices).expect("not empty");
        prop_assert!(choices[second].success_ppm >= choices[first].success_ppm);
        prop_assert!(more > 0 || first == second);
    }

    /// Whatever is chosen for some value lies on the hull, and none is worth more.
    #[test]
    fn every_choice_is_on_the_hull(
        raw in proptest::collection::vec((0_u32..=1_000, 0_i64..1_000), 1..10),
        value in any::<u32>(),
    ) {
        let choices: Vec<Choice> =
            raw.iter().map(|(p, pico)| choice(p * 1_000, pico * 1_000_000)).collect();
        let hull = on_hull(&choices);
        let at = choose(Money::from_pico(i64::from(value)), &choices).expect("not empty");
        let best_of_hull = (0..choices.len())
            .filter(|at| hull[*at])
            .map(|at| choices[at].worth(Money::from_pico(i64::from(value))))
            .max()
            .expect("a hull is never empty");
        prop_assert!(best_of_hull >= choices[at].worth(Money::from_pico(i64::from(value))));
    }
}
