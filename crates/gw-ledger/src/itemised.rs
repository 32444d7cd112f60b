//! A cost in parts: what was read, what was written, what is charged beside tokens. For `models
//! price`, reports and reconciliation; the parts always add up to what [`crate::cost`] says.

use gw_catalog::{Catalog, Offering};
use gw_core::{Cost, Money, ProviderId, Rate, TokenClass, UsageReport};

use crate::cost::catalogue_cost;

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
        /// Fees: for the request, for searches.
        fees: Money,
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
    let table = offering.price_at(at_ms).filter(|_| !offering.is_free);
    let prompt_tokens = report.usage.total_input();
    for class in TokenClass::ALL {
        let units = report.usage.of(class);
        if units == 0 {
            continue;
        }
        let rate = table.and_then(|table| table.rate(class, prompt_tokens)).unwrap_or(Rate::FREE);
        let amount = rate.times(units);
        items.push(Item { class, units, rate, amount });
        match class {
            TokenClass::Output | TokenClass::Reasoning | TokenClass::OutputAudio => {
                output += amount;
            }
            TokenClass::WebSearch => {
                fees += amount;
            }
            TokenClass::Input
            | TokenClass::CacheRead
            | TokenClass::CacheWrite
            | TokenClass::CacheWriteLong
            | TokenClass::InputAudio
            | TokenClass::CacheReadAudio => {
                input += amount;
            }
        }
    }
    fees += table.and_then(|table| table.per_request).map_or(Money::ZERO, |rate| rate.times(1));
    Itemised::Priced { input, output, fees, total, items, reported: report.reported_cost }
}

#[cfg(test)]
mod tests {
    use gw_catalog::embedded::Data;
    use gw_catalog::price_text::parse;
    use gw_core::{Money, Usage, UsageReport};
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
        fn parts_add_up(parts in any::<[u32; 10]>(), is_free in any::<bool>()) {
            let mut offering = Data::embedded().unlisted(&"p".into(), "p", "m");
            offering.prices = parse(
                "in=3 cr=0.3 cw=3.75 cw1h=6 ain=10 acr=1 out=15 think=20 aout=30 search=0.01 \
                 req=0.005 >200000 in=6 out=22.5",
            ).expect("prices");
            offering.is_free = is_free;
            let [input, cache_read, cache_write, cache_write_long, input_audio, ..] =
                parts.map(u64::from);
            let [.., cache_read_audio, output, reasoning, output_audio, web_search] =
                parts.map(u64::from);
            let usage = Usage {
                input, cache_read, cache_write, cache_write_long, input_audio, cache_read_audio,
                output, reasoning, output_audio, web_search,
            };
            let report = UsageReport { usage, ..UsageReport::default() };
            let Itemised::Priced { input, output, fees, total, items, .. } =
                itemise(&offering, &report, 0) else { panic!("all is priced") };
            prop_assert_eq!(input + output + fees, total);
            let tokens: u64 = items.iter().map(|item| item.units).sum();
            let wanted = usage.total_input() + usage.total_output() + usage.web_search;
            prop_assert_eq!(tokens, wanted);
            prop_assert!(!is_free || total == Money::ZERO);
        }
    }
}
