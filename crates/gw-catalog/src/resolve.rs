//! Which offering a name means. The first of these that finds something decides:
//!
//! 1. an alias of configuration, which stands for another name;
//! 2. `provider/model` where the provider is configured and sells the model under that name or as
//!    that identity (`openai/gpt-4o`; with only OpenRouter configured the same text is OpenRouter's
//!    own name, see 3);
//! 3. the exact name at any configured provider, the maker's own first;
//! 4. `provider/model` of a configured provider that does not list it: passed on as it is;
//! 5. a dated snapshot the catalogue does not list, at the maker, as it is;
//! 6. the identity of the model, at any configured provider (`claude-sonnet-4-5` at OpenRouter);
//! 7. a name of a known family (`claude-`, `gpt-`), at its maker, as it is: newer than the catalogue.
//!
//! Otherwise nothing is found, and the nearest names are told.

use std::sync::Arc;

use gw_core::ProviderId;

use crate::catalog::Catalog;
use crate::identity::{has_snapshot_date, identity, maker};
use crate::offering::Offering;

/// Longest name that similar names are looked for, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Least likeness of a name worth suggesting, from 0 to 1.
const LIKENESS_MIN: f64 = 0.5;

/// By what a name was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedBy {
    /// Provider and model, both named.
    ProviderAndModel,
    /// The provider's own name.
    Name,
    /// The model's identity.
    Identity,
    /// Nothing but the provider or the family: the catalogue does not list it.
    Unlisted,
}

/// What a name means.
#[derive(Clone, Debug)]
pub enum Resolution {
    /// These offerings, best first; never empty.
    Found {
        /// All of one model.
        candidates: Vec<Arc<Offering>>,
        /// How it was found.
        by: MatchedBy,
    },
    /// Nothing.
    NotFound {
        /// Names like it, at most three, the most alike first.
        nearest: Vec<String>,
    },
}

impl Resolution {
    /// The best offering.
    pub fn best(&self) -> Option<&Arc<Offering>> {
        match self {
            Self::Found { candidates, .. } => candidates.first(),
            Self::NotFound { .. } => None,
        }
    }
}

impl Catalog {
    /// What `name` means when these providers are configured; see the module for the rules.
    pub fn resolve(&self, name: &str, providers: &[ProviderId]) -> Resolution {
        let name = self.alias(name).unwrap_or(name).trim();
        let found = |candidates: Vec<Arc<Offering>>, by| {
            (!candidates.is_empty()).then_some(Resolution::Found { candidates, by })
        };
        let split = name.split_once('/').and_then(|(provider, model)| {
            let provider = providers.iter().find(|known| known.as_str() == provider)?;
            (!model.is_empty()).then_some((provider, model))
        });
        let unlisted = || {
            let (provider, model) = split?;
            let is_off = self.offering(provider, model).is_some_and(|known| !known.is_enabled);
            let offering = (!is_off).then(|| self.or_unlisted(provider, model))?;
            found(vec![offering], MatchedBy::Unlisted)
        };
        split
            .and_then(|(provider, model)| {
                found(self.sold_as(provider, model), MatchedBy::ProviderAndModel)
            })
            .or_else(|| found(self.named(name, providers), MatchedBy::Name))
            .or_else(unlisted)
            .or_else(|| found(self.snapshot(name, providers), MatchedBy::Unlisted))
            .or_else(|| found(self.identified(name, providers), MatchedBy::Identity))
            .or_else(|| found(self.of_family(name, providers), MatchedBy::Unlisted))
            .unwrap_or_else(|| Resolution::NotFound { nearest: self.nearest(name, providers) })
    }

    /// What a provider sells under this name, or as this identity.
    fn sold_as(&self, provider: &ProviderId, name: &str) -> Vec<Arc<Offering>> {
        if let Some(exact) = self.offering(provider, name) {
            return if exact.is_enabled { vec![Arc::clone(exact)] } else { Vec::new() };
        }
        if name.contains(':') || has_snapshot_date(name) {
            return Vec::new();
        }
        self.by_identity(name, std::slice::from_ref(provider)).into_iter().take(1).collect()
    }

    /// Everyone who sells a model under this name. A bare name also finds those who sell the same
    /// model under another one, after them.
    fn named(&self, name: &str, providers: &[ProviderId]) -> Vec<Arc<Offering>> {
        let mut exact: Vec<Arc<Offering>> = providers
            .iter()
            .filter_map(|provider| self.offering(provider, name))
            .filter(|offering| offering.is_enabled)
            .cloned()
            .collect();
        self.sort_by_maker(&mut exact);
        let Some(first) = exact.first() else { return exact };
        if !name.contains(['/', ':']) && !has_snapshot_date(name) {
            let model = first.model.clone();
            for other in self.by_identity(model.as_str(), providers) {
                if exact.iter().all(|known| known.provider != other.provider) {
                    exact.push(other);
                }
            }
        }
        exact
    }

    fn snapshot(&self, name: &str, providers: &[ProviderId]) -> Vec<Arc<Offering>> {
        if has_snapshot_date(name) { self.of_family(name, providers) } else { Vec::new() }
    }

    fn identified(&self, name: &str, providers: &[ProviderId]) -> Vec<Arc<Offering>> {
        if name.contains(':') {
            return Vec::new();
        }
        // `bedrock/claude-…` without Bedrock configured must not reach somebody else; a vendor's path
        // (`anthropic/claude-…`) only says who made the model.
        let model = match name.split_once('/') {
            Some((vendor, model)) => {
                let made_by = maker(&identity("", model));
                let is_vendor = made_by.is_some_and(|maker| {
                    maker == vendor || (maker == "gemini" && vendor == "google")
                });
                if !is_vendor {
                    return Vec::new();
                }
                model
            }
            None => name,
        };
        self.by_identity(model, providers)
    }

    /// A model of a known family, at its maker, under the name that was asked for.
    fn of_family(&self, name: &str, providers: &[ProviderId]) -> Vec<Arc<Offering>> {
        if name.contains('/') {
            return Vec::new();
        }
        let Some(maker) = maker(&identity("", name)) else { return Vec::new() };
        providers
            .iter()
            .filter(|provider| self.sources.catalog_of(provider) == maker)
            .filter(|provider| self.offering(provider, name).is_none_or(|known| known.is_enabled))
            .take(1)
            .map(|provider| self.or_unlisted(provider, name))
            .collect()
    }

    /// The plain offering of a model at each of these providers that sells it: no `:free`, no
    /// `:batch`.
    pub fn by_identity(&self, name: &str, providers: &[ProviderId]) -> Vec<Arc<Offering>> {
        let model = identity("", name);
        let mut all: Vec<Arc<Offering>> = self
            .of_model(&model)
            .filter(|offering| offering.is_enabled && providers.contains(&offering.provider))
            .filter(|offering| !is_sale_variant(offering))
            .cloned()
            .collect();
        // The undated name first, then the newest snapshot, then the shortest name.
        all.sort_by(|a, b| {
            let key = |offering: &Offering| {
                let name = offering.name.as_str();
                (has_snapshot_date(name), name.starts_with('~'))
            };
            key(a).cmp(&key(b)).then_with(|| b.released.cmp(&a.released)).then_with(|| {
                (a.name.as_str().len(), &a.name).cmp(&(b.name.as_str().len(), &b.name))
            })
        });
        let mut one_each: Vec<Arc<Offering>> = Vec::new();
        // A model that is switched off by its name is not served as a snapshot of itself.
        let is_off = |provider: &&ProviderId| {
            self.offering(provider, name).is_some_and(|known| !known.is_enabled)
        };
        for provider in providers.iter().filter(|provider| !is_off(provider)) {
            one_each.extend(all.iter().find(|offering| offering.provider == *provider).cloned());
        }
        self.sort_by_maker(&mut one_each);
        one_each
    }

    /// Puts the maker's own offering first; the order of providers stays otherwise.
    fn sort_by_maker(&self, offerings: &mut [Arc<Offering>]) {
        offerings.sort_by_key(|offering| {
            maker(offering.model.as_str()) != Some(self.sources.catalog_of(&offering.provider))
        });
    }

    fn nearest(&self, name: &str, providers: &[ProviderId]) -> Vec<String> {
        let names = self
            .offerings()
            .iter()
            .filter(|offering| offering.is_enabled && providers.contains(&offering.provider))
            .map(|offering| offering.name.as_str())
            .chain(self.aliases.keys().map(String::as_str));
        nearest(name, names)
    }
}

fn is_sale_variant(offering: &Offering) -> bool {
    matches!(
        offering.variant(),
        Some("free" | "batch" | "beta" | "nitro" | "floor" | "extended" | "exacto")
    )
}

/// The names most like this one, at most three, the most alike first.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    if name.len() > NAME_BYTES_MAX {
        return Vec::new();
    }
    let wanted = name.to_ascii_lowercase();
    let mut alike: Vec<(f64, &str)> = names
        .map(|known| {
            let last = known.rsplit('/').next().unwrap_or(known);
            let likeness = |text: &str| {
                strsim::normalized_damerau_levenshtein(&wanted, &text.to_ascii_lowercase())
            };
            (likeness(known).max(likeness(last)), known)
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    alike.dedup_by(|a, b| a.1 == b.1);
    alike.into_iter().take(3).map(|(_, known)| known.to_owned()).collect()
}

#[cfg(test)]
mod tests;
