//! Tells a caller in headers how its limits and budgets stand, in the words of its dialect.

use gw_core::budget::{LimitKind, LimitStatus};
use gw_core::principal::Principal;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::app::{Server, iso_instant};
use crate::respond::ascii_value;
use crate::surface::Surface;

/// The kinds that both dialects have words for.
const KINDS: [(LimitKind, &str); 2] =
    [(LimitKind::RequestsPerMinute, "requests"), (LimitKind::TokensPerMinute, "tokens")];

/// Adds `x-ratelimit-*` or `anthropic-ratelimit-*`, and `x-gateway-budget-remaining-usd`: of several
/// limits or budgets the one that has least left. A caller without any gets none.
pub(crate) fn write(
    server: &Server,
    principal: &Principal,
    surface: Surface,
    headers: &mut HeaderMap,
) {
    let scopes = principal.scopes(None);
    if scopes.is_empty() {
        return;
    }
    let budgets = &server.app.engine.resources().budgets;
    let now_ms = server.now_ms();
    let limits = budgets.limits(&scopes);
    for (kind, word) in KINDS {
        let tightest = limits
            .iter()
            .filter(|status| status.limit.kind == kind)
            .min_by_key(|status| status.remaining);
        if let Some(status) = tightest {
            write_limit(status, word, surface, now_ms, headers);
        }
    }
    if let Some(left) = budgets.room(&scopes, now_ms).dollars {
        headers.insert("x-gateway-budget-remaining-usd", ascii_value(&left.to_usd_string()));
    }
}

fn write_limit(
    status: &LimitStatus,
    word: &str,
    surface: Surface,
    now_ms: i64,
    headers: &mut HeaderMap,
) {
    let (limit, remaining) = (status.limit.max.to_string(), status.remaining.to_string());
    let reset_ms = i64::try_from(status.reset_ms).unwrap_or(i64::MAX);
    let parts = match surface {
        Surface::Anthropic => [
            (format!("anthropic-ratelimit-{word}-limit"), limit),
            (format!("anthropic-ratelimit-{word}-remaining"), remaining),
            (
                format!("anthropic-ratelimit-{word}-reset"),
                iso_instant(now_ms.saturating_add(reset_ms)),
            ),
        ],
        _ => [
            (format!("x-ratelimit-limit-{word}"), limit),
            (format!("x-ratelimit-remaining-{word}"), remaining),
            (format!("x-ratelimit-reset-{word}"), span_text(status.reset_ms)),
        ],
    };
    for (name, value) in parts {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// A span as OpenAI writes it: `120ms`, `7.5s`, `1m30s`.
fn span_text(ms: u64) -> String {
    let (minutes, rest) = (ms / 60_000, ms % 60_000);
    let seconds = |ms: u64| match (ms / 1_000, ms % 1_000) {
        (whole, 0) => format!("{whole}s"),
        (whole, part) => {
            format!("{whole}.{}s", format!("{part:03}").trim_end_matches('0'))
        }
    };
    match minutes {
        0 if ms < 1_000 => format!("{ms}ms"),
        0 => seconds(rest),
        _ => format!("{minutes}m{}", seconds(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::span_text;

    #[test]
    fn spans_read_as_openai_writes_them() {
        let all = [
            (0, "0ms"),
            (120, "120ms"),
            (1_000, "1s"),
            (7_500, "7.5s"),
            (7_050, "7.05s"),
            (60_000, "1m0s"),
            (90_000, "1m30s"),
        ];
        for (ms, expected) in all {
            assert_eq!(span_text(ms), expected);
        }
    }
}
