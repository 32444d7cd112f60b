//! Who is asked when a provider fails: system A's failover, by settings.
//!
//! OpenRouter stands in for OpenAI and Anthropic with one model each and for everybody else with a
//! list, then the local model. System A's built-in names count for routed questions only: a model that
//! was asked for by name is replaced by nothing that the operator did not write down.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::ProviderId;

use crate::plan::draft::{Draft, Why};
use crate::plan::screen::{Bounds, Verdict};

/// System A's defaults.
const REPLACE_OPENAI: &str = "openai/gpt-4o-mini";
const REPLACE_CLAUDE: &str = "anthropic/claude-3.5-sonnet";
const FALLBACK_MODELS: [&str; 3] =
    ["x-ai/grok-beta", "qwen/qwen-2.5-coder-32b-instruct", "meta-llama/llama-3.1-8b-instruct:free"];

/// A stand-in that is known here.
pub(super) struct StandIn {
    offering: Arc<Offering>,
    why: Why,
}

/// Those who stand in for a provider when routing chose it.
pub(super) fn for_routed(draft: &mut Draft<'_>, failing: &ProviderId) -> Vec<StandIn> {
    let options = draft.screen.snapshot.options;
    let (setting, names) = explicit(draft, failing);
    let names = names.unwrap_or_else(|| match failing.as_str() {
        "openai" => vec![REPLACE_OPENAI.to_owned()],
        "anthropic" => vec![REPLACE_CLAUDE.to_owned()],
        _ => FALLBACK_MODELS.map(str::to_owned).to_vec(),
    });
    let mut found = at_openrouter(draft, failing, setting, &names);
    if let Some(name) = &options.oss_local {
        let snapshot = draft.screen.snapshot;
        match snapshot.catalog.resolve(name, snapshot.providers).best() {
            Some(offering) => {
                found.push(StandIn { offering: Arc::clone(offering), why: Why::Local });
            }
            None => draft.pass(name.clone(), None, Verdict::Unknown),
        }
    }
    found
}

/// Those who stand in for a provider when the caller named the model.
pub(super) fn for_named(draft: &mut Draft<'_>, failing: &ProviderId) -> Vec<StandIn> {
    let (setting, names) = explicit(draft, failing);
    at_openrouter(draft, failing, setting, &names.unwrap_or_default())
}

/// Adds them as candidates.
pub(super) fn offer(draft: &mut Draft<'_>, stand_ins: Vec<StandIn>, bounds: Bounds) {
    for stand_in in stand_ins {
        draft.offer(&stand_in.offering, stand_in.why, bounds);
    }
}

/// The setting that decides for a provider, and what the operator wrote there.
fn explicit(draft: &Draft<'_>, failing: &ProviderId) -> (&'static str, Option<Vec<String>>) {
    let options = draft.screen.snapshot.options;
    let one = |name: &Option<String>| name.clone().map(|name| vec![name]);
    match failing.as_str() {
        "openai" => ("OPENROUTER_REPLACE_OPENAI", one(&options.openrouter_replace_openai)),
        "anthropic" => ("OPENROUTER_REPLACE_CLAUDE", one(&options.openrouter_replace_claude)),
        _ => ("OPENROUTER_FALLBACK_MODELS", options.openrouter_fallback_models.clone()),
    }
}

fn at_openrouter(
    draft: &mut Draft<'_>,
    failing: &ProviderId,
    setting: &'static str,
    names: &[String],
) -> Vec<StandIn> {
    let snapshot = draft.screen.snapshot;
    let Some(openrouter) = snapshot.providers.iter().find(|known| known.as_str() == "openrouter")
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for name in names {
        let bare = name.strip_prefix("openrouter/").unwrap_or(name);
        // Only what the catalogue knows: a retired name would cost a failed attempt every time.
        match snapshot.catalog.offering(openrouter, bare) {
            Some(offering) => found.push(StandIn {
                offering: Arc::clone(offering),
                why: Why::StandsIn { setting, provider: failing.as_str().to_owned() },
            }),
            None => draft.pass(format!("openrouter/{bare}"), None, Verdict::Unknown),
        }
    }
    found
}
