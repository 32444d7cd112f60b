//! The gateway's own log: saying how good an answer was, giving the judged calls away, and looking for
//! drift.

use std::path::Path;

use anyhow::Result;
use gw_catalog::price_text;
use gw_config::Purpose;
use gw_core::limits::OUTCOMES_MAX;
use gw_core::outcome::{Judged, Outcome, OutcomeSource};
use gw_core::seam::{Clock, Outcomes};
use gw_core::{CallId, Error, Kind, ProviderId, TokenClass};
use gw_learn::journal::{self, Exported};
use http::Method;
use serde_json::{Value, json};

use crate::assemble;
use crate::cli::{RouteExportArgs, RouteFeedbackArgs};
use crate::output::Output;
use crate::real::SystemClock;
use crate::setup::Setup;

/// Judged calls read at a time.
const PAGE: usize = 1_000;

/// Says how good an answer was.
pub(super) async fn feedback(
    args: &RouteFeedbackArgs,
    setup: &Setup,
    output: Output,
) -> Result<()> {
    let score = match (args.said.good, args.said.bad, args.said.score) {
        (true, ..) => 1.0,
        (_, true, _) => 0.0,
        (.., Some(score)) if (0.0..=1.0).contains(&score) => score,
        _ => return Err(Error::bad_field("--score", "must be 0 to 1").into()),
    };
    let unknown = || {
        Error::new(Kind::NotFound, format!("no call `{}` is kept", args.call))
            .with_hint("The id stands in the x-gateway-call-id header of the answer.")
    };
    let call_id = CallId::parse(&args.call).ok_or_else(unknown)?;
    let kept = if let Some(remote) = setup.remote()? {
        let body = json!({"call_id": call_id.to_string(), "score": score});
        remote.admin(Method::POST, "/v1/feedback", Some(body.to_string().into())).await?
    } else {
        let loaded = setup.load(Purpose::Other, &[])?;
        let store = assemble::store(&loaded.settings).await?;
        let call = store.reports.call(call_id).await?.ok_or_else(unknown)?;
        if call.model_id.is_empty() {
            return Err(Error::bad_field("call", "no model answered that call").into());
        }
        let source = OutcomeSource::Feedback;
        let (model, at_ms) = (call.model_id, SystemClock::new().unix_ms());
        let outcome = Outcome { call_id, model: model.clone(), source, score, at_ms };
        store.outcomes.keep_outcome(outcome).await?;
        json!({"call_id": call_id.to_string(), "model": model, "score": score,
            "source": source.as_str()})
    };
    if output.is_json() {
        return output.json(&kept);
    }
    let model = kept["model"].as_str().unwrap_or_default();
    output.write(&format!("kept: the answer of {model} counts {score}\n"))
}

/// Writes the judged calls as outcome data.
pub(super) async fn export(args: &RouteExportArgs, setup: &Setup, output: Output) -> Result<()> {
    let exported = export_to(&args.out, setup).await?;
    if output.is_json() {
        return output.json(&serde_json::to_value(exported)?);
    }
    output.write(&format!(
        "{} judged calls of {} models written to {} ({} without their words, {} others were not routed \
         by learning)\n",
        exported.calls,
        exported.models,
        args.out.display(),
        exported.without_words,
        exported.without_decision,
    ))
}

/// Writes the judged calls of the configured store to a folder.
pub(super) async fn export_to(folder: &Path, setup: &Setup) -> Result<Exported> {
    let loaded = setup.load(Purpose::Other, &[])?;
    let store = assemble::store(&loaded.settings).await?;
    let judged = all(&*store.outcomes).await?;
    let providers: Vec<ProviderId> =
        loaded.settings.enabled_providers().map(|(id, _)| ProviderId::from(id)).collect();
    let catalog = assemble::catalog(&loaded.settings, &providers)?;
    let now_ms = SystemClock::new().unix_ms();
    let price = |model: &str| {
        let (provider, name) = model.split_once('/')?;
        let offering = catalog.or_unlisted(&provider.into(), name);
        if offering.is_free {
            return Some(("0".to_owned(), "0".to_owned()));
        }
        let table = offering.price_at(now_ms)?;
        let of = |class| table.rate(class, 0).map(price_text::usd_per_million);
        Some((of(TokenClass::Input)?, of(TokenClass::Output)?))
    };
    Ok(journal::write(folder, &judged, &price)?)
}

/// Compares what was promised with what was delivered.
pub(super) async fn drift(setup: &Setup, output: Output) -> Result<()> {
    let loaded = setup.load(Purpose::Other, &[])?;
    let store = assemble::store(&loaded.settings).await?;
    let Some(drift) = journal::drift(&all(&*store.outcomes).await?) else {
        let error = Error::new(Kind::InvalidRequest, "fewer than thirty judged calls are kept");
        return Err(error.with_hint("Say how good answers were: POST /v1/feedback.").into());
    };
    if output.is_json() {
        let value: Value = serde_json::to_value(drift)?;
        output.json(&value)?;
    } else {
        output.write(&format!(
            "{} newest judged calls: promised {:.3}, delivered {:.3} ({:+.1} standard errors){}\n",
            drift.calls,
            drift.promised,
            drift.delivered,
            drift.deviation,
            if drift.is_alarming { ": no chance any more" } else { "" },
        ))?;
    }
    if drift.is_alarming {
        let error = Error::new(Kind::InvalidRequest, "what was learned does not hold any more");
        return Err(error.with_hint("Learn again: ai-mcp-gateway route learn --from-store").into());
    }
    Ok(())
}

async fn all(outcomes: &dyn Outcomes) -> Result<Vec<Judged>> {
    let mut judged: Vec<Judged> = Vec::new();
    loop {
        let after = judged.last().map(|judged| judged.call.id);
        let page = outcomes.judged_calls(after, PAGE).await?;
        let is_last = page.len() < PAGE;
        judged.extend(page);
        if is_last || judged.len() >= OUTCOMES_MAX {
            return Ok(judged);
        }
    }
}
