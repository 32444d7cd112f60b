//! Turns what an attempt consumed into what it cost.

use gw_catalog::Offering;
use gw_core::money::CostSource;
use gw_core::{Cost, UsageReport};

/// The cost of one attempt at the catalogue's price of `at_ms`, or what the provider reports.
pub(crate) fn settle(offering: &Offering, report: &UsageReport, at_ms: i64) -> Cost {
    let cost = gw_ledger::cost(offering, report, at_ms);
    match cost {
        Cost::Priced { amount, source: CostSource::Catalogue } if report.is_estimate => {
            Cost::Priced { amount, source: CostSource::Estimated }
        }
        cost => cost,
    }
}
