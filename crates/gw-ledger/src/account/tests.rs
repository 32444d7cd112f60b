use gw_core::Money;
use proptest::prelude::{any, prop, proptest};

use super::Account;

proptest! {
    /// However calls end, what was held is given back and what was spent is booked.
    #[test]
    fn no_amount_is_lost(calls in prop::collection::vec((any::<Option<u32>>(), any::<Option<u32>>()), 0..200)) {
        let mut account = Account::default();
        let amount = |pico: u32| Money::from_pico(i64::from(pico));
        for (worst, _) in &calls {
            account.reserve(worst.map(amount));
        }
        let held: Money = calls.iter().filter_map(|(worst, _)| worst.map(amount)).sum();
        assert_eq!(account.totals().reserved, held);
        for (worst, spent) in &calls {
            match spent {
                Some(spent) => account.settle(worst.map(amount), amount(*spent), 1),
                None => account.release(worst.map(amount)),
            }
        }
        let totals = account.totals();
        let spent: Money = calls.iter().filter_map(|(_, spent)| spent.map(amount)).sum();
        assert_eq!((totals.reserved, totals.spent, totals.open), (Money::ZERO, spent, 0));
        assert_eq!(totals.committed(), spent);
        assert_eq!(totals.settled + totals.released, calls.len() as u64);
    }
}
