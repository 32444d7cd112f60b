//! Prices: pico-dollars per unit, by token class, by date and by size of the prompt.

use std::borrow::Cow;

use gw_core::usage::Side;
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
    /// What tokens cost in service tiers other than the standard one, as a share of these rates.
    pub services: Vec<(String, Share)>,
}

/// A share of a rate, such as the half that a batch costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Above the line.
    pub numerator: u32,
    /// Below it; not zero.
    pub denominator: u32,
}

impl Share {
    /// Reads `1/2`, `7/4` or `2`.
    pub fn parse(text: &str) -> Option<Self> {
        let (above, below) = text.split_once('/').unwrap_or((text, "1"));
        let share = Self { numerator: above.parse().ok()?, denominator: below.parse().ok()? };
        (share.denominator > 0).then_some(share)
    }

    /// The rate's share; a part of a pico-dollar counts as a whole one.
    pub fn of(self, rate: Rate) -> Rate {
        let whole = u128::from(rate.pico_per_unit()) * u128::from(self.numerator);
        let share = whole.div_ceil(u128::from(self.denominator.max(1)));
        Rate::from_pico_per_unit(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

/// True for the words by which providers call the tier that list prices are made for.
pub fn is_standard_service(tier: &str) -> bool {
    const STANDARD: [&str; 7] =
        ["standard", "default", "auto", "on_demand", "standard_only", "unspecified", ""];
    STANDARD.iter().any(|known| tier.eq_ignore_ascii_case(known))
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

    /// These prices as they are in a service tier; `None` where nobody says what it costs there.
    pub fn in_service(&self, tier: Option<&str>) -> Option<Cow<'_, Self>> {
        let Some(tier) = tier.filter(|tier| !is_standard_service(tier)) else {
            return Some(Cow::Borrowed(self));
        };
        let found = self.services.iter().find(|(known, _)| known.eq_ignore_ascii_case(tier));
        let share = found.map(|(_, share)| *share)?;
        let mut table = self.clone();
        let lists =
            std::iter::once(&mut table.rates).chain(table.tiers.iter_mut().map(|(_, rates)| rates));
        for (class, rate) in lists.flatten() {
            // What is counted by the piece costs the same in every tier.
            if class.side() != Side::Fee {
                *rate = share.of(*rate);
            }
        }
        Some(Cow::Owned(table))
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
                TokenClass::CacheReadImage
                    if self.listed(TokenClass::InputImage, prompt_tokens).is_some() =>
                {
                    TokenClass::InputImage
                }
                TokenClass::CacheReadImage => TokenClass::CacheRead,
                TokenClass::CacheRead
                | TokenClass::CacheWrite
                | TokenClass::InputAudio
                | TokenClass::InputImage => TokenClass::Input,
                TokenClass::Reasoning | TokenClass::OutputAudio | TokenClass::OutputImage => {
                    TokenClass::Output
                }
                TokenClass::Input
                | TokenClass::Output
                | TokenClass::WebSearch
                | TokenClass::RerankSearch
                | TokenClass::Page
                | TokenClass::Image
                | TokenClass::Character
                | TokenClass::Second => return None,
            };
            self.rate(parent, prompt_tokens)
        })
    }
}

#[cfg(test)]
mod tests;
