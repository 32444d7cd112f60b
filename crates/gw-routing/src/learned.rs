//! What was learned, ready for live requests: which catalogue models it speaks of, and what it expects
//! of them for one request.
//!
//! Names of training data and of catalogues differ; both are brought to one identity
//! ([`gw_catalog::identity`]). A model that nobody learned about has no expectation and is never
//! guessed at.

use std::collections::HashMap;

use gw_catalog::Offering;
use gw_catalog::identity::identity;
use gw_core::chat::{ChatRequest, Role};
use gw_core::{Money, TokenClass};

use crate::choose::ppm;
use crate::estimate::{Estimates, Estimator};
use crate::signal::{Signals, hash_bytes, hash_words, tag_of};

/// Bytes of what a user says that are read and kept at most; signals read less of it.
pub const SAID_BYTES_MAX: usize = 32 * 1024;

/// An estimator, and which of its models a catalogue's are.
#[derive(Clone, Debug)]
pub struct Learned {
    estimator: Estimator,
    places: HashMap<String, usize>,
    origin: String,
}

/// What is expected of a model for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Probability of a good answer, in parts per million.
    pub success_ppm: u32,
    /// The same without the text: over the requests of this application. Decides which models are
    /// worth choosing from.
    pub usual_ppm: u32,
    /// What the answer will probably cost, waiting and quota priced in.
    pub cost: Money,
}

/// What is read of a live request: the same that training reads of a prompt.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The words of the last user turn.
    pub said: String,
    /// What estimates read of them.
    pub signals: Signals,
    /// What the estimator found.
    pub found: Estimates,
}

impl Learned {
    /// For live use. `origin` says for people where it comes from.
    pub fn new(estimator: Estimator, origin: impl Into<String>) -> Self {
        let mut places = HashMap::new();
        for (place, name) in estimator.models.iter().enumerate() {
            // The exact name goes before what several names may mean.
            places.entry(model_identity(name)).or_insert(place);
        }
        for (place, name) in estimator.models.iter().enumerate() {
            places.insert(name.to_lowercase(), place);
        }
        Self { estimator, places, origin: origin.into() }
    }

    /// The estimator.
    pub fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    /// Where it comes from, for people.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The place of an offering among the estimator's models: by its id, its name, or the model it is.
    pub fn place(&self, offering: &Offering) -> Option<usize> {
        let find = |name: &str| self.places.get(&name.to_lowercase()).copied();
        find(&offering.id())
            .or_else(|| find(offering.name.as_str()))
            .or_else(|| find(offering.model.as_str()))
    }

    /// Reads a request: tag, class and pieces as in training, then what is expected of every model.
    /// `caller` is the key's public id.
    pub fn hear(&self, request: &ChatRequest, caller: &str) -> Heard {
        let said = said(request);
        let signals = Signals::of(&said, tag_of(request, caller));
        let mut found = Estimates::default();
        self.estimator.estimate(&signals, &mut found);
        Heard { said, signals, found }
    }

    /// What is expected of an offering; `None` for one that nobody learned about, or without a price.
    /// `warm_tokens` of the prompt are in its prompt cache already.
    pub fn expected(
        &self,
        heard: &Heard,
        offering: &Offering,
        input_tokens: u64,
        output_tokens_max: Option<u64>,
        warm_tokens: u64,
        at_ms: i64,
    ) -> Option<Expected> {
        let place = self.place(offering)?;
        let success = *heard.found.success.get(place)?;
        let usual = *heard.found.usual.get(place)?;
        let written = whole(*heard.found.tokens.get(place)?);
        let written = output_tokens_max.map_or(written, |most| written.min(most));
        let cost = likely_cost(offering, input_tokens, written, warm_tokens, at_ms)?;
        Some(Expected { success_ppm: ppm(success), usual_ppm: ppm(usual), cost })
    }
}

/// The one name of a model, however outcome data or a provider spells it.
pub fn model_identity(name: &str) -> String {
    let plain = name.split('@').next().unwrap_or(name);
    identity("", plain).to_lowercase()
}

/// What a call will probably cost; `None` where it has no price.
pub fn likely_cost(
    offering: &Offering,
    input_tokens: u64,
    output_tokens: u64,
    warm_tokens: u64,
    at_ms: i64,
) -> Option<Money> {
    if offering.is_free {
        return Some(Money::ZERO);
    }
    let table = offering.price_at(at_ms)?;
    let warm = warm_tokens.min(input_tokens);
    let of = |class, tokens: u64| {
        let rate = table.rate(class, input_tokens)?;
        Some(u128::from(rate.pico_per_unit()) * u128::from(tokens))
    };
    let read = of(TokenClass::Input, input_tokens - warm)?;
    let cached = of(TokenClass::CacheRead, warm)?;
    let written = of(TokenClass::Output, output_tokens)?;
    let call = table.per_request.map_or(0, |rate| u128::from(rate.pico_per_unit()));
    let sum = read.saturating_add(cached).saturating_add(written).saturating_add(call);
    Some(Money::from_pico(i64::try_from(sum).unwrap_or(i64::MAX)))
}

/// The words of the last user turn that has any: what training data calls the prompt.
pub fn said(request: &ChatRequest) -> String {
    let turns = request.messages.iter().rev().filter(|message| message.role == Role::User);
    let mut text =
        turns.map(gw_core::chat::Message::joined_text).find(|text| !text.trim().is_empty());
    let text = text.get_or_insert_default();
    text.truncate(text.floor_char_boundary(SAID_BYTES_MAX));
    std::mem::take(text)
}

/// One number for a conversation, whoever keeps it: the application and the first thing said.
/// `None` for a request that begins one.
pub fn thread_of(request: &ChatRequest, caller: &str) -> Option<u64> {
    let has_answer = request.messages.iter().any(|message| message.role == Role::Assistant);
    has_answer.then(|| opening_of(request, caller))
}

/// The number that [`thread_of`] gives for every later request of the conversation that this one
/// belongs to or begins.
pub fn opening_of(request: &ChatRequest, caller: &str) -> u64 {
    let first = request.messages.iter().find(|message| message.role == Role::User);
    let text = first.map(gw_core::chat::Message::joined_text).unwrap_or_default();
    let tag = tag_of(request, caller).map_or(0, |tag| tag.0);
    hash_words(&[tag, hash_bytes(text.as_bytes())])
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held in range")]
fn whole(tokens: f32) -> u64 {
    if tokens.is_finite() { tokens.clamp(0.0, 1e7).round() as u64 } else { 0 }
}

#[cfg(test)]
mod tests;
