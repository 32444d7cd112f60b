use gw_core::Layer::{L0, L1, L2, L3};
use gw_core::task::{Complexity, Quality};

use super::{can_escalate, next_layer, search_order, select_initial_layer};

#[test]
fn the_initial_layer_follows_system_a_for_every_quality_complexity_and_preference() {
    let table = [
        (Quality::Normal, [L0, L0, L0]),
        (Quality::High, [L0, L0, L1]),
        (Quality::Critical, [L2, L2, L2]),
    ];
    for (quality, row) in table {
        for (complexity, expected) in Complexity::ALL.iter().zip(row) {
            assert_eq!(select_initial_layer(None, quality, *complexity, L0), expected);
            for preferred in [L0, L1, L2, L3] {
                let selected = select_initial_layer(Some(preferred), quality, *complexity, L0);
                assert_eq!(selected, preferred);
            }
        }
    }
    assert_eq!(select_initial_layer(None, Quality::Normal, Complexity::High, L3), L3);
}

#[test]
fn the_next_layer_skips_switched_off_ones_and_stays_below_the_highest() {
    let all = [true; 4];
    let table = [
        (L0, all, L3, Some(L1)),
        (L0, all, L1, Some(L1)),
        (L0, all, L0, None),
        (L2, all, L3, Some(L3)),
        (L2, all, L2, None),
        (L3, all, L3, None),
        (L0, [true, false, true, true], L3, Some(L2)),
        (L0, [true, false, true, true], L1, None),
        (L1, [true, true, false, true], L3, Some(L3)),
        // System A steps over a switched-off L2 to L3, though L2 is the highest layer.
        (L1, [true, true, false, true], L2, None),
        (L1, [true, true, false, false], L3, None),
        (L1, [true, false, true, true], L3, None),
        (L3, all, L0, None),
    ];
    for (layer, enabled, max, expected) in table {
        assert_eq!(next_layer(layer, &enabled, max), expected, "{layer} {enabled:?} {max}");
        assert_eq!(can_escalate(layer, &enabled, max, false), expected.is_some());
        assert!(!can_escalate(layer, &enabled, max, true), "budget 0 never escalates");
    }
}

#[test]
fn layers_are_searched_upwards_first_and_then_down() {
    let all = [true; 4];
    assert_eq!(search_order(L1, L0, L2, &all), [L1, L2, L0]);
    assert_eq!(search_order(L2, L2, L2, &all), [L2]);
    assert_eq!(search_order(L2, L0, L3, &[true, true, false, true]), [L3, L1, L0]);
    assert_eq!(search_order(L0, L0, L0, &[false; 4]), []);
}
