//! How conversations are made short: the options, and what composing needs to know of a call.

use gw_catalog::Offering;
use gw_context::Prices;
use gw_core::TokenClass;
use gw_routing::{ModelField, parse_model_field};

use crate::call::Call;

/// How conversations are made short and told apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContextOptions {
    /// What of a conversation that the gateway keeps is put before a new turn.
    pub compression: gw_context::Options,
    /// Who makes summaries.
    pub summariser: Summariser,
    /// What happens to the history that a client sends itself.
    pub stateless: Stateless,
    /// True tells the conversations of clients apart that name none, by what was said.
    pub groups_stateless: bool,
    /// True keeps the turns of clients that send their history themselves.
    pub keeps_stateless: bool,
}

/// Who makes summaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Summariser {
    /// No model: what was said is picked out by rules.
    #[default]
    Extractive,
    /// A free model, with the rules for what it leaves out or where it fails.
    Free,
    /// The cheapest model that can do it, up to L1, likewise.
    Cheapest,
}

/// What happens to the history that a client sends itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stateless {
    /// It is sent as it came; one that fits no window is refused.
    Off,
    /// It is made short where no window that may be used holds it.
    #[default]
    Overflow,
    /// It is made short like a conversation that the gateway keeps.
    Always,
}

/// What the tokens of the model cost that a call names, where it names one with a price.
pub(crate) fn prices(call: &Call) -> Option<Prices> {
    let name = call.inbound.request.model.trim();
    let catalog = &call.snapshot.catalog;
    let meant = catalog.alias(name).unwrap_or(name);
    let ModelField::Named(_) = parse_model_field(meant) else { return None };
    let found = catalog.resolve(meant, &call.snapshot.provider_ids);
    found.best().and_then(|offering| prices_of(offering, call.started_at_ms()))
}

fn prices_of(offering: &Offering, at_ms: i64) -> Option<Prices> {
    if offering.is_free {
        return Some(Prices::default());
    }
    let table = offering.price_at(at_ms)?;
    let rate = |class| table.rate(class, 0).map(|rate| rate.pico_per_unit());
    let input = rate(TokenClass::Input)?;
    Some(Prices {
        input,
        cache_read: rate(TokenClass::CacheRead).unwrap_or(input),
        cache_write: rate(TokenClass::CacheWrite).unwrap_or(input),
    })
}
