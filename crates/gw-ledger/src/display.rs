//! How amounts are shown to people: system A's form.

use gw_core::Money;
use gw_core::money::PICO_PER_USD;

/// An amount as system A shows it: `Free`, then six decimals below a tenth of a cent, four below a
/// cent, two from there on; rounded half up.
pub fn format_cost(amount: Money) -> String {
    let pico = amount.pico().unsigned_abs();
    let dollar = PICO_PER_USD.unsigned_abs();
    let decimals = match pico {
        0 => return "Free".to_owned(),
        _ if pico < dollar / 1000 => 6,
        _ if pico < dollar / 100 => 4,
        _ => 2,
    };
    let parts_per_dollar = 10_u64.pow(decimals);
    let pico_per_part = dollar / parts_per_dollar;
    let parts = (pico + pico_per_part / 2) / pico_per_part;
    let sign = if amount < Money::ZERO { "-" } else { "" };
    let (whole, part) = (parts / parts_per_dollar, parts % parts_per_dollar);
    format!("{sign}${whole}.{part:0width$}", width = decimals as usize)
}

#[cfg(test)]
mod tests;
