//! How an answer tells its client that it was checked, and that a higher layer is offered: as members
//! of system A's answers, and as one member `gateway` and headers on the doors of dialects.

use bytes::Bytes;
use gw_core::Layer;
use gw_engine::{CheckReport, Escalation, Head};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use utoipa::ToSchema;

use crate::respond::ascii_value;

/// The offer of a higher layer, in system A's words: at the top of an answer and as `escalation`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Offered {
    /// True: a yes is waited for.
    requires_escalation_confirm: bool,
    /// The layer that is offered.
    #[schema(value_type = String, example = "L1")]
    suggested_layer: Layer,
    /// Why the answer may not stand.
    escalation_reason: String,
    /// The request with what is known so far, for asking by hand.
    optimized_prompt: String,
    /// How much likelier a good answer is there, 0 to 1.
    expected_gain: f64,
    /// What it will probably cost, in dollars; null where no price is known.
    #[schema(required = true)]
    expected_cost_usd: Option<f64>,
    /// The token of a yes: send it as `escalationToken`. Good once.
    escalation_token: String,
    escalation: OfferedBlock,
}

/// The offer of a higher layer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfferedBlock {
    /// True: a yes is waited for.
    required: bool,
    /// True: a yes is waited for.
    requires_escalation_confirm: bool,
    /// The layer of the answer so far.
    #[schema(value_type = String, example = "L0")]
    current_layer: Layer,
    /// The layer that is offered.
    #[schema(value_type = String, example = "L1")]
    suggested_layer: Layer,
    /// Why the answer may not stand.
    reason: String,
    /// The same.
    escalation_reason: String,
    /// What a person is asked.
    message: String,
    /// The request with what is known so far.
    optimized_prompt: String,
    /// How much likelier a good answer is there, 0 to 1.
    expected_gain: f64,
    /// What it will probably cost, in dollars; null where no price is known.
    #[schema(required = true)]
    expected_cost_usd: Option<f64>,
    /// The same in pico-dollars.
    #[schema(required = true)]
    expected_cost_pico_usd: Option<i64>,
    /// The token of a yes.
    token: String,
    /// When it ends to be good, in milliseconds since 1970.
    expires_at_ms: i64,
}

/// How an answer was checked.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checked {
    /// True where another model had a say.
    performed: bool,
    /// `agreement`, `judge` or `validators`.
    method: String,
    /// Why the answer was checked, or was not.
    reason: String,
    /// Catalogue ids of the models whose answers and verdicts counted.
    models: Vec<String>,
    /// Whether the answer was confirmed; null where nobody could say.
    #[schema(required = true)]
    agreed: Option<bool>,
    /// What was found wrong, at any layer.
    conflicts: Vec<String>,
    /// True where a third model decided.
    arbitrated: bool,
    /// The layer that the call began in, where the answer is of a higher one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "L0")]
    escalated_from: Option<Layer>,
}

impl Offered {
    /// The offer of an answer, where it makes one.
    pub(crate) fn of(head: &Head) -> Option<Self> {
        let offer = head.escalation.as_deref()?;
        let expected_gain = f64::from(offer.expected_gain_ppm) / 1e6;
        let expected_cost_usd = offer.expected_cost.map(|cost| cost.as_usd_f64());
        Some(Self {
            requires_escalation_confirm: true,
            suggested_layer: offer.suggested_layer,
            escalation_reason: offer.reason.clone(),
            optimized_prompt: offer.optimized_prompt.clone(),
            expected_gain,
            expected_cost_usd,
            escalation_token: offer.token.clone(),
            escalation: OfferedBlock {
                required: true,
                requires_escalation_confirm: true,
                current_layer: offer.current_layer,
                suggested_layer: offer.suggested_layer,
                reason: offer.reason.clone(),
                escalation_reason: offer.reason.clone(),
                message: question(offer),
                optimized_prompt: offer.optimized_prompt.clone(),
                expected_gain,
                expected_cost_usd,
                expected_cost_pico_usd: offer.expected_cost.map(|cost| cost.pico()),
                token: offer.token.clone(),
                expires_at_ms: offer.expires_at_ms,
            },
        })
    }
}

impl Checked {
    /// How an answer was checked, where it was.
    pub(crate) fn of(head: &Head) -> Option<Self> {
        let report: &CheckReport = head.check.as_deref()?;
        Some(Self {
            performed: report.performed,
            method: report.method.to_owned(),
            reason: report.reason.clone(),
            models: report.models.clone(),
            agreed: report.agreed,
            conflicts: report.conflicts.clone(),
            arbitrated: report.arbitrated,
            escalated_from: report.escalated_from,
        })
    }
}

/// What a person is asked.
pub(crate) fn question(offer: &Escalation) -> String {
    let (from, to, reason) = (offer.current_layer, offer.suggested_layer, &offer.reason);
    let price = match offer.expected_cost {
        Some(cost) if cost.is_zero() => "for nothing".to_owned(),
        Some(cost) => format!("for about ${}", cost.to_usd_string()),
        None => "at a price nobody knows".to_owned(),
    };
    format!("The answer of {from} may not stand ({reason}). Ask {to} {price}?")
}

/// Writes the offer and the check as headers.
pub(crate) fn write_headers(head: &Head, headers: &mut HeaderMap) {
    if let Some(report) = &head.check {
        let word = match (report.performed, report.agreed) {
            (false, _) => "not-performed",
            (true, Some(true)) => "agreed",
            (true, Some(false)) => "disputed",
            (true, None) => "unconfirmed",
        };
        headers.insert("x-gateway-cross-check", HeaderValue::from_static(word));
    }
    let Some(offer) = &head.escalation else { return };
    headers.insert("x-gateway-escalation", HeaderValue::from_static("required"));
    let layer = HeaderValue::from_static(offer.suggested_layer.as_str());
    headers.insert("x-gateway-escalation-layer", layer);
    headers.insert("x-gateway-escalation-reason", ascii_value(&offer.reason));
    headers.insert("x-gateway-escalation-token", ascii_value(&offer.token));
    let gain = format!("{:.3}", f64::from(offer.expected_gain_ppm) / 1e6);
    headers.insert("x-gateway-escalation-gain", ascii_value(&gain));
    let cost = offer.expected_cost.map_or_else(|| "unpriced".to_owned(), |it| it.to_usd_string());
    headers.insert("x-gateway-escalation-cost-usd", ascii_value(&cost));
}

/// Puts the offer as the member `gateway` before the other members of a JSON object; those keep their
/// bytes. A body that is no object stays as it is.
pub(crate) fn with_member(body: Bytes, head: &Head) -> Bytes {
    let Some(offered) = Offered::of(head) else { return body };
    let text = body.trim_ascii_start();
    let Some(rest) = text.strip_prefix(b"{") else { return body };
    let Ok(member) = serde_json::to_vec(&offered) else { return body };
    let is_empty = rest.trim_ascii_start().starts_with(b"}");
    let mut whole = Vec::with_capacity(body.len() + member.len() + 16);
    whole.extend_from_slice(b"{\"gateway\":");
    whole.extend_from_slice(&member);
    if !is_empty {
        whole.push(b',');
    }
    whole.extend_from_slice(rest);
    Bytes::from(whole)
}

/// The offer as a comment of a stream that began before anything was known: SSE parsers pass it over,
/// and who looks finds it.
pub(crate) fn comment(head: &Head) -> Option<Bytes> {
    let offered = Offered::of(head)?;
    let json = serde_json::to_string(&offered).ok()?;
    Some(Bytes::from(format!(": gateway {json}\n\n")))
}
