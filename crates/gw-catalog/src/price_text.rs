//! Prices as one line of text that people can review: how the data files hold them.
//!
//! `in=3 cr=0.3 cw=3.75 out=15 >200000 in=6 out=22.5; from=2026-03-13 in=3 out=15`: dollars per
//! million tokens, tiers after `>` (the whole prompt is longer than that many tokens), dated entries
//! after `;` (`from=` a day, `daily=` hours, both UTC). `search=`, `rerank=`, `page=`, `image=`,
//! `char=`, `second=` and `req=` are dollars for one. `@batch=1/2` is the share of the token prices that a service tier costs.

use std::fmt::Write as _;
use std::str::FromStr as _;

use gw_core::usage::Side;
use gw_core::{Rate, TokenClass};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::price::{DatedPrice, PriceTable, Share};

const WORDS: [(TokenClass, &str); 18] = [
    (TokenClass::Input, "in"),
    (TokenClass::CacheRead, "cr"),
    (TokenClass::CacheWrite, "cw"),
    (TokenClass::CacheWriteLong, "cw1h"),
    (TokenClass::InputAudio, "ain"),
    (TokenClass::CacheReadAudio, "acr"),
    (TokenClass::InputImage, "iin"),
    (TokenClass::CacheReadImage, "icr"),
    (TokenClass::Output, "out"),
    (TokenClass::Reasoning, "think"),
    (TokenClass::OutputAudio, "aout"),
    (TokenClass::OutputImage, "iout"),
    (TokenClass::WebSearch, "search"),
    (TokenClass::RerankSearch, "rerank"),
    (TokenClass::Page, "page"),
    (TokenClass::Image, "image"),
    (TokenClass::Character, "char"),
    (TokenClass::Second, "second"),
];

/// Reads prices. Empty text is no prices.
///
/// # Errors
/// The word that is not understood.
pub fn parse(text: &str) -> Result<Vec<DatedPrice>, String> {
    text.split(';').filter(|entry| !entry.trim().is_empty()).map(parse_entry).collect()
}

fn parse_entry(entry: &str) -> Result<DatedPrice, String> {
    let mut price = DatedPrice::always(PriceTable::default());
    for word in entry.split_ascii_whitespace() {
        let bad = || format!("`{word}` is not a price");
        if let Some(above) = word.strip_prefix('>') {
            let above = above.parse::<u64>().map_err(|_| bad())?;
            price.table.tiers.push((above, Vec::new()));
            continue;
        }
        let (key, value) = word.split_once('=').ok_or_else(bad)?;
        if let Some(tier) = key.strip_prefix('@').filter(|tier| !tier.is_empty()) {
            let share = Share::parse(value).ok_or_else(bad)?;
            price.table.services.push((tier.to_owned(), share));
            continue;
        }
        match key {
            "from" => price.from_ms = Some(day_to_ms(value).ok_or_else(bad)?),
            "daily" => {
                let (from, until) = value.split_once('-').ok_or_else(bad)?;
                let hours = clock_to_s(from).zip(clock_to_s(until));
                price.daily = Some(hours.ok_or_else(bad)?);
            }
            "req" => {
                price.table.per_request = Some(Rate::from_usd_per_unit(value).ok_or_else(bad)?);
            }
            _ => {
                let class = WORDS.iter().find(|(_, known)| *known == key);
                let class = class.map(|(class, _)| *class).ok_or_else(bad)?;
                let rate = match class.side() {
                    Side::Fee => Rate::from_usd_per_unit(value),
                    Side::Read | Side::Written => Rate::from_usd_per_million(value),
                };
                let rate = rate.ok_or_else(bad)?;
                match price.table.tiers.last_mut() {
                    Some((_, rates)) => rates.push((class, rate)),
                    None => price.table.rates.push((class, rate)),
                }
            }
        }
    }
    Ok(price)
}

/// Writes prices; [`parse`] reads them back equal.
pub fn format(prices: &[DatedPrice]) -> String {
    let mut text = String::new();
    for price in prices {
        if !text.is_empty() {
            text.push(';');
        }
        if let Some(from_ms) = price.from_ms {
            push_word(&mut text, &format!("from={}", ms_to_day(from_ms)));
        }
        if let Some((from, until)) = price.daily {
            push_word(&mut text, &format!("daily={}-{}", s_to_clock(from), s_to_clock(until)));
        }
        push_rates(&mut text, &price.table.rates);
        if let Some(rate) = price.table.per_request {
            push_word(&mut text, &format!("req={}", decimal(rate, 12)));
        }
        for (tier, share) in &price.table.services {
            push_word(&mut text, &format!("@{tier}={share}"));
        }
        for (above, rates) in &price.table.tiers {
            push_word(&mut text, &format!(">{above}"));
            push_rates(&mut text, rates);
        }
    }
    text
}

/// Midnight UTC of a day such as `2026-03-13`, in milliseconds since 1970.
pub fn day_to_ms(day: &str) -> Option<i64> {
    let midnight = Date::from_str(day).ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_millisecond())
}

/// An instant such as `2026-03-13`, `2026-03-13T18:30` (both UTC) or `2026-03-13T18:30:00+02:00`, in
/// milliseconds since 1970.
pub fn instant_to_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant.as_millisecond());
    }
    let local: DateTime = text.parse().ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// An instant in milliseconds since 1970 as RFC 3339 writes it; `None` beyond the year 9999.
pub fn ms_to_instant(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|instant| instant.to_string())
}

/// Dollars per million units of a rate, as an exact decimal.
pub fn usd_per_million(rate: Rate) -> String {
    decimal(rate, 6)
}

fn push_word(text: &mut String, word: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
}

fn push_rates(text: &mut String, rates: &[(TokenClass, Rate)]) {
    for (class, word) in WORDS {
        if let Some((_, rate)) = rates.iter().find(|(listed, _)| *listed == class) {
            let scale = if class.side() == Side::Fee { 12 } else { 6 };
            push_word(text, &format!("{word}={}", decimal(*rate, scale)));
        }
    }
}

fn decimal(rate: Rate, scale: usize) -> String {
    let digits = format!("{:0width$}", rate.pico_per_unit(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let part = part.trim_end_matches('0');
    let mut text = whole.to_owned();
    if !part.is_empty() {
        let _ = write!(text, ".{part}");
    }
    text
}

/// The day (UTC) of an instant in milliseconds since 1970, such as `2026-03-13`.
pub fn ms_to_day(ms: i64) -> String {
    let instant = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    Zoned::new(instant, TimeZone::UTC).date().to_string()
}

fn clock_to_s(clock: &str) -> Option<u32> {
    let (hours, minutes) = clock.split_once(':')?;
    let (hours, minutes) = (hours.parse::<u32>().ok()?, minutes.parse::<u32>().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)
}

fn s_to_clock(seconds: u32) -> String {
    format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60)
}

#[cfg(test)]
mod tests;
