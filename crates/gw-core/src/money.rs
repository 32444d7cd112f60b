//! Money in integer pico-dollars. No floating point takes part in any amount.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Pico-dollars in one dollar.
pub const PICO_PER_USD: i64 = 1_000_000_000_000;

/// An amount of US dollars in pico-dollars (10⁻¹² USD).
///
/// The range is about ±9.2 million dollars; sums saturate at its ends rather than wrap, so that an
/// overflow can never turn a debt into a credit.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount; stands for "no limit" where a limit is wanted as a number.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount given in pico-dollars.
    pub const fn from_pico(pico_usd: i64) -> Self {
        Self(pico_usd)
    }

    /// The amount in pico-dollars.
    pub const fn pico(self) -> i64 {
        self.0
    }

    /// Reads a decimal number of dollars exactly, such as `0.000123` or `1.5e-7`.
    ///
    /// Digits beyond a pico-dollar are rounded half up. `None` for anything that is not a number or
    /// does not fit.
    pub fn from_usd_decimal(text: &str) -> Option<Self> {
        decimal_scaled(text, 12).and_then(|pico| i64::try_from(pico).ok()).map(Self)
    }

    /// The sum, held at the ends of the range.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, held at the ends of the range.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// True for exactly nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Dollars as a float, for display, JSON fields that are defined as numbers, and metrics only.
    #[expect(clippy::cast_precision_loss, reason = "display only; amounts stay integers")]
    pub fn as_usd_f64(self) -> f64 {
        self.0 as f64 / PICO_PER_USD as f64
    }

    /// Dollars as an exact decimal without trailing zeros, such as `0.00075`.
    pub fn to_usd_string(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let pico = self.0.unsigned_abs();
        let (whole, part) =
            (pico / PICO_PER_USD.unsigned_abs(), pico % PICO_PER_USD.unsigned_abs());
        let digits = format!("{part:012}");
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{digits}") }
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = self.saturating_add(other);
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.to_usd_string())
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A price in pico-dollars for one unit (a token, a request, a search).
///
/// One dollar per million tokens is 1,000,000 pico-dollars a token, so every published price is an
/// integer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Rate(u64);

impl Rate {
    /// Nothing per unit.
    pub const FREE: Self = Self(0);

    /// A rate given in pico-dollars per unit.
    pub const fn from_pico_per_unit(pico_usd: u64) -> Self {
        Self(pico_usd)
    }

    /// A rate from a decimal price per million units, such as `0.075`.
    pub fn from_usd_per_million(text: &str) -> Option<Self> {
        decimal_scaled(text, 6).and_then(|pico| u64::try_from(pico).ok()).map(Self)
    }

    /// A rate from a decimal price for one unit, such as OpenRouter's `0.0000000375`.
    pub fn from_usd_per_unit(text: &str) -> Option<Self> {
        decimal_scaled(text, 12).and_then(|pico| u64::try_from(pico).ok()).map(Self)
    }

    /// Pico-dollars for one unit.
    pub const fn pico_per_unit(self) -> u64 {
        self.0
    }

    /// The price of `units`, held at the end of the range.
    pub fn times(self, units: u64) -> Money {
        let pico = u128::from(self.0) * u128::from(units);
        Money(i64::try_from(pico).unwrap_or(i64::MAX))
    }
}

/// What a call cost, when that is known.
///
/// *Unpriced* is a state of its own: it is never the same as free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Cost {
    /// The amount is known.
    Priced {
        /// What the provider charges.
        amount: Money,
        /// Where the figure comes from.
        source: CostSource,
    },
    /// The amount is not known, and why.
    Unpriced {
        /// The part that could not be priced, in words.
        reason: String,
    },
}

/// Where a cost comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostSource {
    /// The provider said what it charged.
    Reported,
    /// Usage times the catalogue's dated price.
    Catalogue,
    /// Usage was estimated because the provider gave none (a stream cut before its end).
    Estimated,
}

impl Cost {
    /// The amount, with an unpriced call counting as nothing; for sums that say so beside them.
    pub fn amount_or_zero(&self) -> Money {
        match self {
            Self::Priced { amount, .. } => *amount,
            Self::Unpriced { .. } => Money::ZERO,
        }
    }

    /// The amount if it is known.
    pub fn amount(&self) -> Option<Money> {
        match self {
            Self::Priced { amount, .. } => Some(*amount),
            Self::Unpriced { .. } => None,
        }
    }

    /// The cost of both: priced only if both are.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Priced { amount: a, source: s }, Self::Priced { amount: b, source: t }) => {
                let source = match (s, t) {
                    (CostSource::Estimated, _) | (_, CostSource::Estimated) => {
                        CostSource::Estimated
                    }
                    (CostSource::Catalogue, _) | (_, CostSource::Catalogue) => {
                        CostSource::Catalogue
                    }
                    (CostSource::Reported, CostSource::Reported) => CostSource::Reported,
                };
                Self::Priced { amount: a + b, source }
            }
            (unpriced @ Self::Unpriced { .. }, _) | (_, unpriced @ Self::Unpriced { .. }) => {
                unpriced
            }
        }
    }
}

/// Reads a decimal number and multiplies it by ten to the `scale`, rounding half away from zero.
fn decimal_scaled(text: &str, scale: i32) -> Option<i128> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && part.is_empty() || whole.len() + part.len() > 60 {
        return None;
    }
    let shift = exponent.checked_add(scale)?.checked_sub(i32::try_from(part.len()).ok()?)?;
    let mut digits: i128 = 0;
    for digit in whole.chars().chain(part.chars()) {
        digits = digits.checked_mul(10)?.checked_add(i128::from(digit.to_digit(10)?))?;
    }
    let scaled = if shift >= 0 {
        digits.checked_mul(10_i128.checked_pow(shift.unsigned_abs())?)?
    } else {
        match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(divisor) => (digits + divisor / 2) / divisor,
            None => 0,
        }
    };
    Some(if negative { -scaled } else { scaled })
}

#[cfg(test)]
mod tests;
