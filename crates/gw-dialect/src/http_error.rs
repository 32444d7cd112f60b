//! What a provider's refusal means before its dialect is asked: statuses, `Retry-After`, and which
//! of a provider's words a caller may see. Shared by the dialects, which add what their bodies say.

use bytes::Bytes;
use gw_core::error::UpstreamAnswer;
use gw_core::limits::ERROR_BODY_BYTES_MAX;
use gw_core::seam::DialectId;
use gw_core::{Error, Kind};
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// What a dialect read from the body of a refusal.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The provider's message; empty where it gave none.
    pub(crate) message: String,
    /// The kind that type, code or message tell; `None` leaves it to the status.
    pub(crate) kind: Option<Kind>,
}

/// The error that a refusal amounts to. `status` is 0 for an error inside a stream or a 200 body.
///
/// Words about the gateway's own key or account are not for the caller (they quote parts of the
/// key), so they are replaced and the body is not kept.
pub(crate) fn refusal(
    dialect: DialectId,
    status: u16,
    headers: &HeaderMap,
    body: &Bytes,
    words: Words,
) -> Error {
    let kind = words.kind.unwrap_or_else(|| kind_of_status(status));
    let said = match status {
        0 => String::new(),
        status => format!(" (status {status})"),
    };
    let error = match kind {
        Kind::ProviderAuth => {
            Error::new(kind, format!("the provider refused the gateway's own key{said}"))
                .with_hint("Check the key configured for this provider")
        }
        Kind::ProviderBilling => {
            let text = format!("the gateway's account at the provider is out of credit{said}");
            Error::new(kind, text).with_hint("Add credit at the provider or route to another one")
        }
        _ => {
            let body = body.slice(..body.len().min(ERROR_BODY_BYTES_MAX));
            let mut message = words.message;
            if message.trim().is_empty() {
                message = format!("the provider gave no reason{said}");
            }
            Error::new(kind, message).with_upstream(UpstreamAnswer { status, dialect, body })
        }
    };
    match retry_after_ms(headers) {
        Some(wait_ms) => error.with_retry_after_ms(wait_ms),
        None => error,
    }
}

/// What a status means where the body says nothing better.
pub(crate) fn kind_of_status(status: u16) -> Kind {
    match status {
        401 | 403 => Kind::ProviderAuth,
        402 => Kind::ProviderBilling,
        404 => Kind::ModelNotFound,
        408 | 504 => Kind::ProviderTimeout,
        413 => Kind::PayloadTooLarge,
        429 => Kind::ProviderRateLimited,
        503 | 529 => Kind::ProviderOverloaded,
        // A conflict passes; official SDKs retry it.
        409 => Kind::ProviderFailed,
        400..=499 => Kind::ProviderRejected,
        _ => Kind::ProviderFailed,
    }
}

/// The wait a provider asks for, in milliseconds: `retry-after-ms`, else `Retry-After` in seconds or
/// as a date, which is read against the provider's own `Date`.
pub(crate) fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(wait_ms) = text("retry-after-ms").and_then(whole_ms) {
        return Some(wait_ms);
    }
    let wait = text(RETRY_AFTER.as_str())?;
    if let Some(wait_ms) = whole_ms(&format!("{wait}e3")) {
        return Some(wait_ms);
    }
    let (then_s, now_s) = (http_date_s(wait)?, http_date_s(text(DATE.as_str())?)?);
    Some(then_s.saturating_sub(now_s).saturating_mul(1000))
}

/// A decimal number, rounded up to a whole one; `None` below zero or beyond a year.
fn whole_ms(text: &str) -> Option<u64> {
    const YEAR_MS: f64 = 366.0 * 86_400_000.0;
    let number: f64 = text.parse().ok()?;
    let is_sane = (0.0..=YEAR_MS).contains(&number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    is_sane.then_some(number.ceil() as u64)
}

/// Seconds since 1970 of an IMF-fixdate (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date_s(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, text) = text.split_once(", ")?;
    let mut words = text.split(' ');
    let day: u64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month_name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == month_name)?;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    if words.next()? != "GMT" || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970, counting years from March so that a leap day comes last.
    let month = month as u64 + 1;
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = shifted_year * 365 + shifted_year / 4 - shifted_year / 100
        + shifted_year / 400
        + day_of_year;
    Some((days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests;
