//! Why nobody may answer, said so that the reader knows what to change.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_catalog::identity::maker;
use gw_core::{Error, Kind, Layer};

use crate::features::Need;
use crate::plan::draft::Draft;
use crate::plan::scope::{Mode, Scope};
use crate::plan::screen::{Screen, Verdict, can, standing};
use crate::plan::{Bar, Question, Snapshot};

/// A name that means nothing here: misspelt, switched off, or at a provider without a key.
pub(super) fn unknown_model(name: &str, nearest: &[String], snapshot: &Snapshot<'_>) -> Error {
    if snapshot.providers.is_empty() {
        return no_provider();
    }
    let is_named = |offering: &&Arc<Offering>| {
        offering.name.as_str() == name || offering.model.as_str() == name || offering.id() == name
    };
    let known: Vec<&Arc<Offering>> = snapshot.catalog.offerings().iter().filter(is_named).collect();
    let is_off = |offering: &&&Arc<Offering>| {
        !offering.is_enabled && snapshot.providers.contains(&offering.provider)
    };
    if let Some(offering) = known.iter().find(is_off) {
        let message = format!("model `{name}` (layer {}) is switched off", standing(offering));
        return Error::new(Kind::Forbidden, message)
            .with_field("model")
            .with_hint("Enable it in the configuration, or ask for another model.");
    }
    let error = Error::new(Kind::ModelNotFound, format!("no configured provider offers `{name}`"))
        .with_field("model");
    let makers_own = known
        .iter()
        .find(|offering| maker(offering.model.as_str()) == Some(offering.provider.as_str()));
    if let Some(offering) = makers_own.or(known.first()) {
        return error.with_hint(format!(
            "`{}` offers it, but is not configured here: give it a key.",
            offering.provider
        ));
    }
    match nearest {
        [] => error.with_hint("Ask for `auto`, a layer (L0 to L3), or a model of /v1/models."),
        _ => error.with_hint(format!("Did you mean `{}`?", nearest.join("`, `"))),
    }
}

/// A named model that is known and may not answer.
pub(super) fn named_model(draft: &Draft<'_>, question: &Question<'_>) -> Error {
    let Some(first) = draft.first_passed() else { return nothing_left(draft.screen.snapshot) };
    let id = &first.id;
    let layer = first.layer.unwrap_or(Layer::L3);
    let (kind, message, hint) = match &first.verdict {
        Verdict::AboveCap(cap) => (
            Kind::Forbidden,
            format!(
                "model `{id}` is of layer {layer}, above {cap}, the highest layer this caller may use"
            ),
            format!("Ask for a model of {cap} or lower, or for `auto`."),
        ),
        Verdict::Barred(bar) => return barred(&format!("model `{id}`"), *bar),
        Verdict::LayerDisabled => (
            Kind::Forbidden,
            format!("model `{id}` is of layer {layer}, which is switched off"),
            format!("Set LAYER_{layer}_ENABLED=true, or ask for another model."),
        ),
        Verdict::NotFree => (
            Kind::BudgetExhausted,
            format!("model `{id}` is not free, and nothing may be spent"),
            "Ask for `auto`, or give the call a budget.".to_owned(),
        ),
        Verdict::Failed => (
            Kind::NoCandidate,
            format!("model `{}` has failed everywhere it is offered", question.model),
            "Try again later, or ask for `auto`.".to_owned(),
        ),
        other => {
            (Kind::Forbidden, format!("model `{id}`: {other}"), "Ask for another model.".to_owned())
        }
    };
    Error::new(kind, message).with_field("model").with_hint(hint)
}

fn barred(what: &str, bar: Bar) -> Error {
    let (whom, hint) = match bar {
        Bar::Configuration => {
            ("at its provider", "See models_allow and models_deny of the provider in gateway.toml.")
        }
        Bar::Key => (
            "to this key",
            "Ask for `auto` or a model of /v1/models that the key may use, or use another key.",
        ),
    };
    Error::new(Kind::Forbidden, format!("{what} is not allowed {whom}"))
        .with_field("model")
        .with_hint(hint)
}

/// No model of any allowed layer may and can answer.
pub(super) fn no_model(screen: &Screen<'_>, scope: &Scope) -> Error {
    let snapshot = screen.snapshot;
    if snapshot.providers.is_empty() {
        return no_provider();
    }
    let is_usable = |offering: &&Arc<Offering>| {
        offering.is_enabled
            && offering.layer.is_some()
            && snapshot.providers.contains(&offering.provider)
            && (scope.mode != Mode::Free || offering.is_free)
    };
    let all: Vec<&Offering> =
        snapshot.catalog.offerings().iter().filter(is_usable).map(AsRef::as_ref).collect();
    let is_in_scope = |offering: &&&Offering| {
        let layer = standing(offering);
        scope.allowed.hold(layer) && snapshot.options.is_enabled(layer)
    };
    let in_scope: Vec<&Offering> = all.iter().filter(is_in_scope).copied().collect();
    if in_scope.is_empty() {
        return empty_layers(screen, scope, &all);
    }
    let bars = in_scope.iter().map(|offering| (snapshot.bar)(offering, standing(offering)));
    if let Some(bar) = bars.min_by_key(Option::is_some).flatten() {
        return barred(&format!("every model of layer {}", layers_text(scope)), bar);
    }
    let left: Vec<&Offering> =
        in_scope.into_iter().filter(|offering| !screen.has_failed(offering)).collect();
    if left.is_empty() {
        return nothing_left(snapshot);
    }
    incapable(screen, scope, &left)
}

/// Every model that may answer has failed.
pub(super) fn nothing_left(snapshot: &Snapshot<'_>) -> Error {
    if snapshot.providers.is_empty() {
        return no_provider();
    }
    Error::new(Kind::NoCandidate, "every model that may answer has failed already")
        .with_hint("Try again later, or configure another provider.")
}

fn no_provider() -> Error {
    Error::new(Kind::NoCandidate, "no provider is configured").with_hint(
        "Set a key such as OPENAI_API_KEY, ANTHROPIC_API_KEY or OPENROUTER_API_KEY, or \
         OSS_MODEL_ENABLED=true for a local model.",
    )
}

/// The allowed layers have no models: says which setting stands in the way.
fn empty_layers(screen: &Screen<'_>, scope: &Scope, all: &[&Offering]) -> Error {
    let options = screen.snapshot.options;
    let has_models = |layer: &Layer| all.iter().any(|offering| standing(offering) == *layer);
    let filled: Vec<Layer> = Layer::ALL.into_iter().filter(has_models).collect();
    let message = format!("No model available for layer {}", layers_text(scope));
    if scope.mode == Mode::Free {
        return Error::new(Kind::BudgetExhausted, message).with_hint(
            "Nothing may be spent and no free model is configured: set OSS_MODEL_ENABLED=true for a \
             local model, or OPENROUTER_API_KEY for its free ones.",
        );
    }
    let error = Error::new(Kind::NoCandidate, &*message);
    let Some(first) = filled.first() else {
        return error
            .with_hint("Configure a provider that offers chat models, or list models by layer.");
    };
    let off = filled.iter().find(|layer| scope.allowed.hold(**layer));
    if let Some(layer) = off {
        return error.with_hint(format!("Set LAYER_{layer}_ENABLED=true: that layer has models."));
    }
    let within =
        filled.iter().find(|layer| options.is_enabled(**layer) && **layer > scope.allowed.ceiling);
    match (scope.mode, within) {
        (Mode::Auto, Some(layer)) if *layer > screen.question.max_layer => {
            let cap = screen.question.max_layer;
            let message = format!(
                "{message}: models stand in {layer}, above {cap}, the highest layer this caller may use"
            );
            Error::new(Kind::Forbidden, message).with_hint("Use a key that may use a higher layer.")
        }
        (Mode::Auto, Some(layer)) => error.with_hint(format!(
            "Set MAX_ESCALATION_LAYER={layer}, or configure a provider with cheaper models."
        )),
        (Mode::Auto, None) => error.with_hint(format!(
            "Set LAYER_{first}_ENABLED=true and MAX_ESCALATION_LAYER={first}: that layer has models."
        )),
        _ => error.with_hint(format!("Ask for {first}, which has models, or for `auto`.")),
    }
}

/// There are models, and none can do what the request needs.
fn incapable(screen: &Screen<'_>, scope: &Scope, left: &[&Offering]) -> Error {
    let needs: Vec<Need> = screen.question.features.needs.list().collect();
    let is_able = |offering: &&&Offering| needs.iter().all(|need| can(offering, *need));
    let able: Vec<&Offering> = left.iter().filter(is_able).copied().collect();
    let layers = layers_text(scope);
    if able.is_empty() {
        let missing: Vec<Need> = needs
            .iter()
            .copied()
            .filter(|need| !left.iter().any(|offering| can(offering, *need)))
            .collect();
        let named = if missing.is_empty() { &needs } else { &missing };
        let words: Vec<String> = named.iter().map(ToString::to_string).collect();
        let message = format!("no model of layer {layers} offers {}", words.join(" and "));
        return Error::new(Kind::UnsupportedFeature, message).with_hint(
            "Name a model that does, raise MAX_ESCALATION_LAYER, or configure a provider with one.",
        );
    }
    let window = able.iter().filter_map(|offering| offering.context_window).max().unwrap_or(0);
    let features = screen.question.features;
    let answer = features.max_output_tokens.unwrap_or(0);
    let message = format!(
        "about {} tokens of prompt and {answer} of answer fit no model of layer {layers}; the \
         largest context window is {window}",
        features.likely_input_tokens
    );
    Error::new(Kind::ContextTooLong, message)
        .with_hint("Shorten the conversation or max_tokens, or name a model with a larger window.")
}

fn layers_text(scope: &Scope) -> String {
    let (floor, ceiling) = (scope.allowed.floor, scope.allowed.ceiling);
    if floor == ceiling { floor.to_string() } else { format!("{floor} to {ceiling}") }
}
