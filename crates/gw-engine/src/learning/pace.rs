//! The value of a good answer under a budget: spending faster than allowed lowers it, slower raises
//! it, never above what configuration says an answer is worth.

use gw_core::Money;
use gw_routing::choose::ValueOfBudget;
use parking_lot::Mutex;

/// How long spending is summed before the value moves, in milliseconds.
const LOOK_MS: u64 = 20_000;
/// Largest change of one look, in parts per million of the value.
const STEP_PPM: u32 = 200_000;
const HOUR_MS: i128 = 3_600_000;

/// What was spent since the last look, and the value in force.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    value: Option<Money>,
    spent: Money,
    since_ms: Option<u64>,
}

impl Pace {
    /// The value in force; `most` until something was spent.
    pub(crate) fn value(&self, most: Money) -> Money {
        self.state.lock().value.map_or(most, |value| value.min(most))
    }

    /// Takes in what a call cost. `per_hour` is what may be spent an hour.
    pub(crate) fn spent(&self, most: Money, per_hour: Money, spent: Money, now_ms: u64) {
        let mut state = self.state.lock();
        let since_ms = *state.since_ms.get_or_insert(now_ms);
        state.spent = state.spent.saturating_add(spent);
        let passed_ms = now_ms.saturating_sub(since_ms);
        let allowed = |ms: u64| {
            let pico = i128::from(per_hour.pico()) * i128::from(ms) / HOUR_MS;
            Money::from_pico(i64::try_from(pico).unwrap_or(i64::MAX))
        };
        // A look comes early where a whole look's money is gone already.
        if passed_ms < LOOK_MS && state.spent <= allowed(LOOK_MS) {
            return;
        }
        let value = state.value.unwrap_or(most).min(most);
        let mut held = ValueOfBudget { value, step_ppm: STEP_PPM };
        held.observe(state.spent, allowed(passed_ms.max(LOOK_MS)));
        *state =
            State { value: Some(held.value.min(most)), spent: Money::ZERO, since_ms: Some(now_ms) };
    }
}

#[cfg(test)]
mod tests {
    use gw_core::Money;

    use super::{LOOK_MS, Pace};

    #[test]
    fn spending_faster_than_allowed_lowers_the_value_and_thrift_raises_it_up_to_its_cap() {
        let pace = Pace::default();
        let (most, hour) = (Money::from_pico(1_000_000), Money::from_pico(3_600_000));
        let cheap = Money::from_pico(10);
        assert_eq!(pace.value(most), most);
        let mut now_ms = 5;
        for _ in 0..20 {
            now_ms += LOOK_MS;
            pace.spent(most, hour, Money::from_pico(100_000), now_ms);
        }
        let low = pace.value(most);
        assert!(low < Money::from_pico(50_000), "{low:?}");
        for _ in 0..60 {
            now_ms += LOOK_MS;
            pace.spent(most, hour, cheap, now_ms);
        }
        assert_eq!(pace.value(most), most);
    }

    #[test]
    fn a_burst_is_felt_before_the_look_is_over() {
        let pace = Pace::default();
        let (most, hour) = (Money::from_pico(1_000_000), Money::from_pico(3_600_000));
        // Each is more than twice what a look allows: the value falls by a fifth with each.
        for _ in 0..30 {
            pace.spent(most, hour, Money::from_pico(45_000), 7);
        }
        assert!(pace.value(most) < Money::from_pico(10_000));
    }
}
