//! What a recorded refusal must mean: its kind by status and words, told here independently of the
//! dialects, and whether it may be tried again.

use gw_core::{Error, Kind, Retry};

use super::Findings;

/// Phrases by which providers say that a prompt is too long.
const TOO_LONG: [&str; 9] = [
    "too_many_tokens",
    "too long",
    "context length",
    "context_length",
    "context window",
    "maximum prompt length",
    "input tokens exceeded",
    "input token count",
    "exceeds the model's maximum",
];

/// Phrases by which providers say that there is no money left.
const NO_MONEY: [&str; 4] =
    ["insufficient_quota", "credit balance", "billing details", "prepayment"];

/// The kinds that a status and a body may mean.
fn allowed(status: u16, body: &str) -> Vec<Kind> {
    let lower = body.to_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    match status {
        400 | 413 | 422 if has(&TOO_LONG) => vec![Kind::ContextTooLong],
        400 if has(&["api key not valid", "api_key_invalid", "incorrect api key"]) => {
            vec![Kind::ProviderAuth]
        }
        400 | 422 => vec![Kind::ProviderRejected, Kind::ContentFiltered],
        401 | 403 => vec![Kind::ProviderAuth],
        402 => vec![Kind::ProviderBilling],
        404 => vec![Kind::ModelNotFound],
        408 | 504 => vec![Kind::ProviderTimeout],
        429 if has(&NO_MONEY) => vec![Kind::ProviderBilling, Kind::ProviderRateLimited],
        429 => vec![Kind::ProviderRateLimited],
        503 | 529 => vec![Kind::ProviderOverloaded],
        500.. => vec![Kind::ProviderFailed, Kind::ProviderOverloaded],
        _ => vec![Kind::ProviderRejected],
    }
}

/// Checks a refusal and counts it.
pub(super) fn check(status: u16, body: &str, error: &Error, out: &mut Findings) {
    let (kind, retry) = (error.kind(), error.retry());
    let allowed = allowed(status, body);
    if !allowed.contains(&kind) {
        out.fail(format!("status {status} reads as {kind:?} and should be one of {allowed:?}"));
    }
    // A request that one provider cannot take is not sent to the same one again.
    let is_transient = matches!(
        kind,
        Kind::ProviderRateLimited
            | Kind::ProviderOverloaded
            | Kind::ProviderFailed
            | Kind::ProviderTimeout
    );
    if matches!(retry, Retry::Same { .. }) != is_transient {
        out.fail(format!("status {status}, {kind:?}: the verdict on trying again is {retry:?}"));
    }
    let word = match retry {
        Retry::No => "no",
        Retry::Same { .. } => "same again",
        Retry::Next => "next candidate",
    };
    let row = kind.row();
    let words = format!(
        "{status} -> {} ({}, {} for Anthropic's clients), retry: {word}",
        row.code, row.status, row.anthropic_status
    );
    out.refusals.push(words);
}
