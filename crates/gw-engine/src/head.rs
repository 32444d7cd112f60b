//! What is known of an answer before its first byte.

use std::sync::Arc;

use gw_core::chat::Notice;
use http::HeaderMap;

use crate::answer::Head;
use crate::attempt::Chosen;
use crate::call::Call;

/// The head of an answer that has begun.
pub(crate) fn head(
    call: &Call,
    chosen: &Chosen<'_>,
    notices: Vec<Notice>,
    headers: &HeaderMap,
) -> Head {
    let (candidate, provider, planned) = (chosen.candidate, &chosen.provider, chosen.planned);
    let model_id = candidate.offering.id();
    let is_first = Arc::ptr_eq(&planned.first, &candidate.offering);
    // Summary and reason name the model that answered, not the one that was to be tried first.
    let (summary, reason) = if is_first {
        (planned.plan.summary.clone(), planned.plan.reason.clone())
    } else {
        let why = &candidate.why;
        (
            format!("Fallback: {model_id} (layer {})", candidate.layer),
            format!("fallback to {model_id} ({why}); {}", planned.plan.reason),
        )
    };
    Head {
        call_id: call.id,
        model_id,
        model: candidate.offering.name.as_str().to_owned(),
        provider: provider.id.as_str().to_owned(),
        layer: candidate.layer,
        summary,
        reason,
        task: call.task(),
        complexity: call.complexity(),
        is_pass_through: chosen.is_pass_through,
        is_demo: provider.is_demo,
        cache: call.course.state,
        check: None,
        escalation: None,
        notices,
        upstream_headers: kept_headers(headers),
    }
}

/// Notes for the record who answers.
pub(crate) fn adopt(call: &mut Call, head: &Head) {
    call.route.model.clone_from(&head.model);
    call.route.model_id.clone_from(&head.model_id);
    call.route.provider.clone_from(&head.provider);
    call.route.layer = Some(head.layer);
    call.route.summary.clone_from(&head.summary);
    call.route.is_demo = head.is_demo;
}

/// Headers of the provider that clients read: request ids and rate limits.
fn kept_headers(headers: &HeaderMap) -> HeaderMap {
    let is_kept = |name: &str| {
        matches!(name, "request-id" | "x-request-id")
            || name.starts_with("x-ratelimit-")
            || name.starts_with("anthropic-ratelimit-")
    };
    headers
        .iter()
        .filter(|(name, _)| is_kept(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
