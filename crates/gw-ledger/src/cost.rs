//! From usage to money.
//!
//! What the provider says it charged comes first; then the catalogue's price of the day, class by
//! class. A class that was used and has no price makes the whole call unpriced, never cheaper; a class
//! that was not used needs no price. All amounts are integers.

use std::borrow::Cow;

use gw_catalog::{Catalog, Offering, PriceTable};
use gw_core::money::CostSource;
use gw_core::{Cost, Money, ProviderId, Rate, TokenClass, Usage, UsageReport};

/// What a call cost: `at_ms` is when it began, in milliseconds since 1970.
pub fn cost(offering: &Offering, report: &UsageReport, at_ms: i64) -> Cost {
    if let Some(amount) = report.reported_cost.filter(|amount| *amount >= Money::ZERO) {
        return Cost::Priced { amount, source: CostSource::Reported };
    }
    catalogue_cost(offering, report, at_ms)
}

/// What a call costs by the catalogue, whatever the provider says it charged.
pub fn catalogue_cost(offering: &Offering, report: &UsageReport, at_ms: i64) -> Cost {
    if offering.is_free {
        return Cost::Priced { amount: Money::ZERO, source: CostSource::Catalogue };
    }
    let table = match table_for(offering, report, at_ms) {
        Ok(table) => table,
        Err(reason) => return Cost::Unpriced { reason },
    };
    match charge(&table, &report.usage) {
        Ok(amount) => {
            let source =
                if report.is_estimate { CostSource::Estimated } else { CostSource::Catalogue };
            Cost::Priced { amount, source }
        }
        Err(class) => Cost::Unpriced {
            reason: format!("{} has no price for {}", offering.id(), class_words(class)),
        },
    }
}

/// The prices that hold at an instant in the service tier that served the call.
///
/// # Errors
/// Why there are none, in words.
pub(crate) fn table_for<'a>(
    offering: &'a Offering,
    report: &UsageReport,
    at_ms: i64,
) -> Result<Cow<'a, PriceTable>, String> {
    let Some(table) = offering.price_at(at_ms) else {
        return Err(format!("no price is known for {}", offering.id()));
    };
    let tier = report.service_tier.as_deref();
    table.in_service(tier).ok_or_else(|| {
        let tier = tier.unwrap_or_default();
        format!("no price is known for {} in service tier `{tier}`", offering.id())
    })
}

/// What a model of a provider costs for this usage, by name, listed or not.
pub fn price(
    catalog: &Catalog,
    provider: &ProviderId,
    model: &str,
    report: &UsageReport,
    at_ms: i64,
) -> Cost {
    cost(&catalog.or_unlisted(provider, model), report, at_ms)
}

/// The most a call can cost: every token of prompt and answer in its dearest class, at the dearest of
/// the prices that may hold while it runs. `None` where any of it is unpriced.
pub fn worst_case(
    offering: &Offering,
    input_tokens_upper: u64,
    max_output: u64,
    at_ms: i64,
) -> Option<Money> {
    worst_case_in(None, offering, input_tokens_upper, max_output, at_ms)
}

/// As [`worst_case`], for a call that asks for a service tier. Whether it gets it shows in the answer
/// only: the dearer of that tier and the standard one counts.
pub fn worst_case_in(
    service_tier: Option<&str>,
    offering: &Offering,
    input_tokens_upper: u64,
    max_output: u64,
    at_ms: i64,
) -> Option<Money> {
    if offering.is_free {
        return Some(Money::ZERO);
    }
    offering
        .prices
        .iter()
        .filter(|price| price.daily.is_some() || price.is_in_force(at_ms))
        .map(|price| &price.table)
        .chain(offering.price_at(at_ms))
        .map(|table| {
            let asked = table.in_service(service_tier)?;
            let asked = worst_of_table(&asked, input_tokens_upper, max_output)?;
            Some(asked.max(worst_of_table(table, input_tokens_upper, max_output)?))
        })
        .collect::<Option<Vec<Money>>>()?
        .into_iter()
        .max()
}

/// The part of what an operation uses that its model is paid by. What is counted by the piece
/// (pictures, characters, seconds) counts where the model has a price for it, and then alone; tokens
/// count otherwise, those that the model has a price for. Where nothing has one, all of it stays, so
/// that the whole is unpriced.
pub fn billable(offering: &Offering, usage: &Usage, at_ms: i64) -> Usage {
    const PIECES: [TokenClass; 4] =
        [TokenClass::Image, TokenClass::Character, TokenClass::Second, TokenClass::RerankSearch];
    let Some(table) = offering.price_at(at_ms) else { return *usage };
    let keep = |is_kept: &dyn Fn(TokenClass) -> bool| {
        let mut kept = Usage::default();
        for class in TokenClass::ALL.into_iter().filter(|class| is_kept(*class)) {
            kept.add(class, usage.of(class));
        }
        kept
    };
    let is_listed = |class: TokenClass| table.listed(class, 0).is_some();
    let pieces = keep(&|class| PIECES.contains(&class) && is_listed(class));
    if pieces != Usage::default() {
        return pieces;
    }
    let size = usage.total_input();
    let tokens = keep(&|class| !PIECES.contains(&class) && table.rate(class, size).is_some());
    if tokens == Usage::default() { *usage } else { tokens }
}

/// The most that an operation can cost, given the most it can use: the dearest of the prices that may
/// hold while it runs. `None` where it is unpriced.
pub fn worst_case_of(offering: &Offering, most: &Usage, at_ms: i64) -> Option<Money> {
    if offering.is_free {
        return Some(Money::ZERO);
    }
    let usage = billable(offering, most, at_ms);
    let may_hold = offering
        .prices
        .iter()
        .filter(|price| price.daily.is_some() || price.is_in_force(at_ms))
        .map(|price| &price.table)
        .chain(offering.price_at(at_ms));
    may_hold
        .map(|table| charge(table, &usage).ok())
        .collect::<Option<Vec<Money>>>()?
        .into_iter()
        .max()
}

fn worst_of_table(table: &PriceTable, input: u64, output: u64) -> Option<Money> {
    const READ: [TokenClass; 5] = [
        TokenClass::Input,
        TokenClass::CacheRead,
        TokenClass::CacheWrite,
        TokenClass::CacheWriteLong,
        TokenClass::InputImage,
    ];
    const WRITTEN: [TokenClass; 3] =
        [TokenClass::Output, TokenClass::Reasoning, TokenClass::OutputImage];
    // Tiers need not be dearer than what is below them: each one that can be reached counts.
    let sizes = || {
        let reached = table.tiers.iter().map(|(above, _)| above.saturating_add(1));
        std::iter::once(0).chain(reached.filter(move |size| *size <= input))
    };
    let dearest = |classes: &[TokenClass]| -> Option<Rate> {
        table.rate(classes[0], 0)?;
        classes.iter().flat_map(|class| sizes().filter_map(|size| table.rate(*class, size))).max()
    };
    let read = if input == 0 { Money::ZERO } else { dearest(&READ)?.times(input) };
    let written = if output == 0 { Money::ZERO } else { dearest(&WRITTEN)?.times(output) };
    Some(read + written + request_fee(table))
}

/// The sum over the classes used; the class that has no price otherwise.
fn charge(table: &PriceTable, usage: &Usage) -> Result<Money, TokenClass> {
    let prompt_tokens = usage.total_input();
    let mut amount = request_fee(table);
    for class in TokenClass::ALL {
        let units = usage.of(class);
        if units > 0 {
            amount += table.rate(class, prompt_tokens).ok_or(class)?.times(units);
        }
    }
    Ok(amount)
}

fn request_fee(table: &PriceTable) -> Money {
    table.per_request.map_or(Money::ZERO, |rate| rate.times(1))
}

fn class_words(class: TokenClass) -> &'static str {
    match class {
        TokenClass::Input => "input tokens",
        TokenClass::CacheRead => "cached input tokens",
        TokenClass::CacheWrite => "cache writes",
        TokenClass::CacheWriteLong => "one-hour cache writes",
        TokenClass::InputAudio => "audio input",
        TokenClass::CacheReadAudio => "cached audio input",
        TokenClass::InputImage => "image input",
        TokenClass::CacheReadImage => "cached image input",
        TokenClass::Output => "output tokens",
        TokenClass::Reasoning => "reasoning tokens",
        TokenClass::OutputAudio => "audio output",
        TokenClass::OutputImage => "image output",
        TokenClass::WebSearch => "web searches",
        TokenClass::RerankSearch => "rerank searches",
        TokenClass::Page => "pages",
        TokenClass::Image => "pictures",
        TokenClass::Character => "characters",
        TokenClass::Second => "seconds",
    }
}

#[cfg(test)]
mod tests;
