//! What a call saved: against the reference model of the top layer, and through the provider's prompt
//! cache. Reckoned by the catalogue at the prices of the call's own time.

use std::sync::Arc;

use gw_catalog::{Catalog, Offering};
use gw_core::record::Savings;
use gw_core::{Layer, ProviderId, TokenClass, Usage, UsageReport};

use crate::cost::catalogue_cost;

/// The model that "always the top layer" means: the first choice of the highest of these layers that
/// has a model which is sold for a price. Costs a look at every offering.
pub fn reference(
    catalog: &Catalog,
    providers: &[ProviderId],
    layers: &[Layer],
) -> Option<Arc<Offering>> {
    let is_sold = |offering: &Arc<Offering>| {
        let prices = |class| offering.prices.iter().all(|it| it.table.rate(class, 0).is_some());
        !offering.is_free
            && !offering.is_demo
            && !offering.prices.is_empty()
            && prices(TokenClass::Input)
            && prices(TokenClass::Output)
    };
    let mut layers = layers.to_vec();
    layers.sort_unstable();
    let mut from_the_top = layers.into_iter().rev();
    from_the_top.find_map(|layer| catalog.layer(layer, providers).into_iter().find(is_sold))
}

/// What usage of an answer saved; `at_ms` is when its call began, in milliseconds since 1970.
pub fn savings(
    reference: Option<&Offering>,
    answered: Option<&Offering>,
    usage: &Usage,
    at_ms: i64,
) -> Savings {
    let price = |offering: &Offering, usage: Usage| {
        catalogue_cost(offering, &UsageReport { usage, ..UsageReport::default() }, at_ms).amount()
    };
    let whole = at_full_price(usage);
    // The same fees are charged at either model, where the reference model has them.
    let mut no_fees = whole;
    no_fees.leave_out_fees();
    let baseline = reference.and_then(|it| price(it, whole).or_else(|| price(it, no_fees)));
    let prompt_cache = answered.filter(|_| touches_cache(usage)).and_then(|answered| {
        Some(price(answered, whole)?.saturating_sub(price(answered, *usage)?))
    });
    Savings { baseline, prompt_cache, response_cache: None }
}

/// True where the provider's prompt cache was read or written.
pub fn touches_cache(usage: &Usage) -> bool {
    usage.total_cache_read() > 0 || usage.cache_write > 0 || usage.cache_write_long > 0
}

/// The same tokens without any cache.
fn at_full_price(usage: &Usage) -> Usage {
    let mut whole = *usage;
    for (cached, class) in [
        (std::mem::take(&mut whole.cache_read), TokenClass::Input),
        (std::mem::take(&mut whole.cache_write), TokenClass::Input),
        (std::mem::take(&mut whole.cache_write_long), TokenClass::Input),
        (std::mem::take(&mut whole.cache_read_audio), TokenClass::InputAudio),
        (std::mem::take(&mut whole.cache_read_image), TokenClass::InputImage),
    ] {
        whole.add(class, cached);
    }
    whole
}

#[cfg(test)]
mod tests {
    use gw_catalog::embedded::Data;
    use gw_catalog::price_text::parse;
    use gw_catalog::{Catalog, Offering};
    use gw_core::{Layer, Money, Usage};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{reference, savings};

    fn offering(name: &str, prices: &str) -> Offering {
        let mut offering = Data::embedded().unlisted(&"p".into(), "p", name);
        offering.prices = parse(prices).expect("prices");
        offering
    }

    #[test]
    fn cached_tokens_cost_the_baseline_their_full_price() {
        let (top, small) =
            (offering("top", "in=10 out=50"), offering("small", "in=1 cr=0.1 cw=1.25 out=5"));
        let usage = Usage {
            input: 100,
            cache_read: 1_000,
            cache_write: 200,
            output: 10,
            web_search: 1,
            ..Usage::default()
        };
        let saved = savings(Some(&top), Some(&small), &usage, 0);
        assert_eq!(saved.baseline, Some(Money::from_pico(1_300 * 10_000_000 + 10 * 50_000_000)));
        // The small model prices no search, so its own bill is not known.
        assert_eq!(saved.prompt_cache, None);
        let usage = Usage { web_search: 0, ..usage };
        let saved = savings(Some(&top), Some(&small), &usage, 0);
        let wanted = 1_000 * 900_000 - 200 * 250_000;
        assert_eq!(saved.prompt_cache, Some(Money::from_pico(wanted)));
        assert_eq!(savings(None, None, &usage, 0), Default::default());
        let unpriced = offering("x", "");
        assert_eq!(savings(Some(&unpriced), Some(&unpriced), &usage, 0), Default::default());
    }

    #[test]
    fn the_reference_is_the_best_sold_model_of_the_highest_open_layer() {
        let at = |name: &str, layer, rank, prices: &str| Offering {
            layer: Some(layer),
            rank,
            ..offering(name, prices)
        };
        let catalog = Catalog::from_offerings(vec![
            at("mid", Layer::L2, 0, "in=3 out=15"),
            at("dear", Layer::L3, 1, "in=10 out=50"),
            at("unknown", Layer::L3, 0, ""),
            Offering { is_free: true, ..at("gift", Layer::L3, 0, "in=0 out=0") },
        ]);
        let name = |layers: &[Layer]| {
            reference(&catalog, &["p".into()], layers).map(|found| found.name.to_string())
        };
        assert_eq!(name(&Layer::ALL).as_deref(), Some("dear"));
        assert_eq!(name(&[Layer::L2, Layer::L0]).as_deref(), Some("mid"));
        assert_eq!(name(&[Layer::L0]), None);
        assert_eq!(reference(&catalog, &["q".into()], &Layer::ALL), None);
    }

    proptest! {
        /// Against itself and without a cache, a model saves nothing.
        #[test]
        fn a_model_saves_nothing_against_itself(counts in any::<[u32; 3]>()) {
            let model = offering("m", "in=3 out=15 think=20");
            let [input, output, reasoning] = counts.map(u64::from);
            let usage = Usage { input, output, reasoning, ..Usage::default() };
            let saved = savings(Some(&model), Some(&model), &usage, 0);
            let report = gw_core::UsageReport { usage, ..Default::default() };
            prop_assert_eq!(saved.baseline, crate::cost(&model, &report, 0).amount());
            prop_assert_eq!(saved.prompt_cache, None);
        }
    }
}
