//! Names of models, layers and aliases: what may stand for what.

use std::collections::BTreeMap;

use gw_core::Layer;

use super::Resolver;
use crate::check::join;
use crate::section::defaults::Defaults;
use crate::section::layers::Layers;
use crate::section::models::Model;
use crate::section::provider::Provider;
use crate::section::routing::Routing;
use crate::suggest;
use crate::well_known::{WELL_KNOWN, well_known};

impl Resolver {
    pub(super) fn check_models(
        &mut self,
        models: &[Model],
        providers: &BTreeMap<String, Provider>,
    ) {
        for (at, model) in models.iter().enumerate() {
            let key = format!("models[{at}].id");
            let Some((provider, name)) = model.id.split_once('/') else {
                self.problem(
                    &key,
                    format!("{key} {:?} does not name its provider", model.id),
                    "write provider/name, for example \"ollama/llama3:8b\"",
                );
                continue;
            };
            if name.is_empty() || !(providers.contains_key(provider) || is_known(provider)) {
                let ids = providers.keys().map(String::as_str);
                let ids = ids.chain(WELL_KNOWN.iter().map(|known| known.id));
                let fix = match suggest::nearest(provider, ids) {
                    Some(near) => format!("did you mean \"{near}/{name}\"?"),
                    None => format!("add [providers.{provider}], or name another provider"),
                };
                let message = format!("{key} {:?} is of no configured provider", model.id);
                self.problem(&key, message, &fix);
            }
            if models[..at].iter().any(|other| other.id == model.id) {
                let message = format!("{key} {:?} is there twice", model.id);
                self.problem(&key, message, "merge the two entries");
            }
        }
    }

    pub(super) fn check_default_provider(
        &mut self,
        defaults: &Defaults,
        providers: &BTreeMap<String, Provider>,
    ) {
        let Some(id) = &defaults.provider else { return };
        if !providers.contains_key(id) && !is_known(id) {
            let ids = providers.keys().map(String::as_str);
            let ids = ids.chain(WELL_KNOWN.iter().map(|known| known.id));
            let fix = match suggest::nearest(id, ids) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "name one of [providers]".to_owned(),
            };
            let message = format!("defaults.provider {id:?} is not a configured provider");
            self.problem("defaults.provider", message, &fix);
        }
    }

    /// Follows aliases of aliases to their end.
    pub(super) fn aliases(
        &mut self,
        aliases: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let mut ends = BTreeMap::new();
        for (name, target) in aliases {
            let key = join("aliases", name);
            if is_reserved(name) {
                let message = format!("{key} has a meaning of its own");
                self.problem(&key, message, "choose another name");
                continue;
            }
            if target.trim().is_empty() {
                self.problem(
                    &key,
                    format!("{key} is empty"),
                    "name a model, such as openai/gpt-4o",
                );
                continue;
            }
            let mut end = target;
            let mut steps = 0;
            while let Some(next) = aliases.get(end) {
                end = next;
                steps += 1;
                if steps > aliases.len() {
                    break;
                }
            }
            if steps > aliases.len() {
                self.problem(&key, format!("{key} leads back to itself"), "let it name a model");
                continue;
            }
            ends.insert(name.clone(), end.clone());
        }
        ends
    }

    pub(super) fn check_layers(&mut self, layers: &Layers, routing: &Routing) {
        let bands = &layers.bands;
        if let (Some(l1), Some(l2)) =
            (bands.l1_below_usd_per_million, bands.l2_below_usd_per_million)
            && l1 >= l2
        {
            self.problem(
                "layers.bands.l1_below_usd_per_million",
                "layers.bands.l1_below_usd_per_million is not below l2_below_usd_per_million"
                    .to_owned(),
                "let the prices rise from L1 to L2",
            );
        }
        if Layer::ALL.iter().all(|layer| !layers.of(*layer).enabled) {
            self.problem(
                "layers",
                "layers are all switched off, so nothing could answer".to_owned(),
                "enable at least one of L0 to L3",
            );
        } else if !layers.of(routing.default_layer).enabled {
            let layer = routing.default_layer;
            self.warning(
                "routing.default_layer",
                format!("routing.default_layer is {layer}, which is switched off; the next one up is used"),
            );
        }
    }
}

fn is_known(provider: &str) -> bool {
    well_known(provider).is_some()
}

/// Words that choose a model in ways of their own.
fn is_reserved(name: &str) -> bool {
    name.parse::<Layer>().is_ok()
        || name.eq_ignore_ascii_case("auto")
        || name.to_ascii_lowercase().starts_with("auto:")
        || name.is_empty()
}
