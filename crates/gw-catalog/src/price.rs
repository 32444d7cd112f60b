//! Prices: pico-dollars per unit, by token class, by date and by size of the prompt.

use gw_core::{Rate, TokenClass};
use serde::{Deserialize, Serialize};

/// The prices that hold from a day on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatedPrice {
    /// First instant they hold, in milliseconds since 1970; `None`: always.
    pub from_ms: Option<i64>,
    /// Time of day (UTC) they hold, in seconds since midnight, from and until (until may be
    /// smaller: past midnight); `None`: all day.
    pub daily: Option<(u32, u32)>,
    /// The prices.
    pub table: PriceTable,
}

/// What each class of units costs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceTable {
    /// Rates by class, for a prompt of any size. A class that is missing has no price of its own:
    /// see [`PriceTable::rate`].
    pub rates: Vec<(TokenClass, Rate)>,
    /// Rates that replace them once the whole prompt (cached tokens included) is longer than this
    /// many tokens; ascending.
    pub tiers: Vec<(u64, Vec<(TokenClass, Rate)>)>,
    /// For each request, whatever its size.
    pub per_request: Option<Rate>,
}

/// The prices in force at an instant, in milliseconds since 1970.
///
/// Of the entries whose day has come and whose hours it is, the last one listed holds; where none
/// does, the first one listed. `None` for an empty list only.
pub fn in_force(prices: &[DatedPrice], at_ms: i64) -> Option<&PriceTable> {
    prices
        .iter()
        .rev()
        .find(|price| price.is_in_force(at_ms))
        .or_else(|| prices.first())
        .map(|price| &price.table)
}

impl DatedPrice {
    /// Prices that always hold.
    pub fn always(table: PriceTable) -> Self {
        Self { from_ms: None, daily: None, table }
    }

    /// True where its day has come and its hours are now.
    pub fn is_in_force(&self, at_ms: i64) -> bool {
        let has_come = self.from_ms.is_none_or(|from_ms| at_ms >= from_ms);
        let is_hour = self.daily.is_none_or(|(from, until)| {
            let now = at_ms.div_euclid(1000).rem_euclid(86_400);
            let (from, until) = (i64::from(from), i64::from(until));
            if from <= until { (from..until).contains(&now) } else { now >= from || now < until }
        });
        has_come && is_hour
    }
}

impl PriceTable {
    /// True where every listed rate is nothing, and there is at least one.
    pub fn is_zero(&self) -> bool {
        let rates = || self.rates.iter().chain(self.tiers.iter().flat_map(|(_, rates)| rates));
        rates().next().is_some()
            && rates().all(|(_, rate)| *rate == Rate::FREE)
            && self.per_request.is_none_or(|rate| rate == Rate::FREE)
    }

    /// Sets the base rate of a class, in place of an earlier one.
    pub fn set(&mut self, class: TokenClass, rate: Rate) {
        match self.rates.iter_mut().find(|(listed, _)| *listed == class) {
            Some(slot) => slot.1 = rate,
            None => self.rates.push((class, rate)),
        }
    }

    /// The rate of a class for a prompt of `prompt_tokens`, as listed; `None` where not listed.
    pub fn listed(&self, class: TokenClass, prompt_tokens: u64) -> Option<Rate> {
        let find = |rates: &[(TokenClass, Rate)]| {
            rates.iter().find(|(listed, _)| *listed == class).map(|(_, rate)| *rate)
        };
        self.tiers
            .iter()
            .rev()
            .filter(|(above, _)| prompt_tokens > *above)
            .find_map(|(_, rates)| find(rates))
            .or_else(|| find(&self.rates))
    }

    /// The rate that is charged: classes without a rate of their own fall back to the class they
    /// are a kind of (thinking to output, cache reads and writes to input). `None`: unpriced.
    pub fn rate(&self, class: TokenClass, prompt_tokens: u64) -> Option<Rate> {
        self.listed(class, prompt_tokens).or_else(|| {
            let parent = match class {
                TokenClass::CacheWriteLong => TokenClass::CacheWrite,
                TokenClass::CacheReadAudio => TokenClass::InputAudio,
                TokenClass::CacheRead | TokenClass::CacheWrite | TokenClass::InputAudio => {
                    TokenClass::Input
                }
                TokenClass::Reasoning | TokenClass::OutputAudio => TokenClass::Output,
                TokenClass::Input | TokenClass::Output | TokenClass::WebSearch => return None,
            };
            self.rate(parent, prompt_tokens)
        })
    }
}

#[cfg(test)]
mod tests;
