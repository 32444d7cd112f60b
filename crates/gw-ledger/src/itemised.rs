//! A cost in parts: what was read, what was written, what is charged beside tokens. For `models
//! price`, reports and reconciliation; the parts always add up to what [`crate::cost`] says.

use gw_catalog::{Catalog, Offering};
use gw_core::usage::Side;
use gw_core::{Cost, Money, ProviderId, Rate, TokenClass, UsageReport};

use crate::cost::{catalogue_cost, table_for};

/// One class of units and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The class.
    pub class: TokenClass,
    /// Units of it.
    pub units: u64,
    /// The rate charged for each.
    pub rate: Rate,
    /// What they cost together.
    pub amount: Money,
}

/// What usage costs by the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Itemised {
    /// All of it has a price.
    Priced {
        /// Tokens read, cached or not.
        input: Money,
        /// Tokens written, thinking included.
        output: Money,
        /// Fees: for the request, for searches and pages.
        fees: Money,
        /// The part of the fees that every request costs, whatever its size.
        request_fee: Money,
        /// The whole.
        total: Money,
        /// Class by class, those that were used.
        items: Vec<Item>,
        /// What the provider says it charged, where it does. The total is ours all the same.
        reported: Option<Money>,
    },
    /// Part of it has none.
    Unpriced {
        /// Which part, in words.
        reason: String,
    },
}

/// What usage costs at an instant (milliseconds since 1970) at a provider's model, listed or not.
pub fn price_usage(
    catalog: &Catalog,
    provider: &ProviderId,
    model: &str,
    report: &UsageReport,
    at_ms: i64,
) -> Itemised {
    itemise(&catalog.or_unlisted(provider, model), report, at_ms)
}

/// As [`price_usage`], for an offering at hand.
pub fn itemise(offering: &Offering, report: &UsageReport, at_ms: i64) -> Itemised {
    let total = match catalogue_cost(offering, report, at_ms) {
        Cost::Priced { amount, .. } => amount,
        Cost::Unpriced { reason } => return Itemised::Unpriced { reason },
    };
    let mut items = Vec::new();
    let (mut input, mut output, mut fees) = (Money::ZERO, Money::ZERO, Money::ZERO);
    let table = table_for(offering, report, at_ms).ok().filter(|_| !offering.is_free);
    let table = table.as_deref();
    let prompt_tokens = report.usage.total_input();
    for class in TokenClass::ALL {
        let units = report.usage.of(class);
        if units == 0 {
            continue;
        }
        let rate = table.and_then(|table| table.rate(class, prompt_tokens)).unwrap_or(Rate::FREE);
        let amount = rate.times(units);
        items.push(Item { class, units, rate, amount });
        match class.side() {
            Side::Read => input += amount,
            Side::Written => output += amount,
            Side::Fee => fees += amount,
        }
    }
    let request_fee =
        table.and_then(|table| table.per_request).map_or(Money::ZERO, |rate| rate.times(1));
    fees += request_fee;
    let reported = report.reported_cost;
    Itemised::Priced { input, output, fees, request_fee, total, items, reported }
}

#[cfg(test)]
mod tests {
    use gw_catalog::embedded::Data;
    use gw_catalog::price_text::parse;
    use gw_core::{Money, TokenClass, Usage, UsageReport};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{Itemised, itemise};

    #[test]
    fn the_reason_is_kept() {
        let offering = Data::embedded().unlisted(&"p".into(), "p", "m");
        let report =
            UsageReport { usage: Usage { input: 1, ..Usage::default() }, ..Default::default() };
        let Itemised::Unpriced { reason } = itemise(&offering, &report, 0) else {
            panic!("no price is listed")
        };
        assert_eq!(reason, "no price is known for p/m");
    }

    proptest! {
        /// The parts are the whole, and the units are the usage.
        #[test]
        fn parts_add_up(
            parts in any::<[u32; 18]>(),
            is_free in any::<bool>(),
            tier in 0_usize..4,
        ) {
            let mut offering = Data::embedded().unlisted(&"p".into(), "p", "m");
            offering.prices = parse(
                "in=3 cr=0.3 cw=3.75 cw1h=6 ain=10 acr=1 iin=8 icr=2 out=15 think=20 aout=30 \
                 iout=32 search=0.01 rerank=0.002 page=0.001 image=0.04 char=0.000015 second=0.0001 req=0.005 @batch=1/2 @priority=5/3 \
                 >200000 in=6 out=22.5",
            ).expect("prices");
            offering.is_free = is_free;
            let mut usage = Usage::default();
            for (class, units) in TokenClass::ALL.into_iter().zip(parts) {
                usage.add(class, u64::from(units));
            }
            let service_tier = [None, Some("default"), Some("batch"), Some("priority")][tier];
            let service_tier = service_tier.map(str::to_owned);
            let report = UsageReport { usage, service_tier, ..UsageReport::default() };
            let Itemised::Priced { input, output, fees, request_fee, total, items, .. } =
                itemise(&offering, &report, 0) else { panic!("all is priced") };
            prop_assert_eq!(input + output + fees, total);
            prop_assert!(request_fee <= fees);
            let units: u64 = items.iter().map(|item| item.units).sum();
            let pieces = usage.web_search + usage.rerank_search + usage.page + usage.image
                + usage.character + usage.second;
            prop_assert_eq!(units, usage.total_input() + usage.total_output() + pieces);
            prop_assert!(!is_free || total == Money::ZERO);
        }
    }
}
