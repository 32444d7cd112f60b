//! Admission: policy and limits, before any work is done.

use gw_core::chat::ChatRequest;
use gw_core::{Error, Kind, Result};

use crate::call::Call;
use crate::options::RequestDefaults;

/// Proof that a call may go on.
pub(crate) struct Admitted(());

/// Fields that the client left out and configuration filled in. Unlike the client's own, they give
/// way where a model does not take them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filled {
    pub(crate) temperature: bool,
    pub(crate) max_output_tokens: bool,
}

/// Checks what can be checked without a plan, and fills in configured defaults.
pub(crate) fn admit(call: &mut Call) -> Result<Admitted> {
    open(call)?;
    fill_in(call)
}

/// Whether the gateway takes calls at all.
pub(crate) fn open(call: &Call) -> Result<()> {
    if call.engine.tasks.is_closed() {
        return Err(Error::new(Kind::ShuttingDown, "the gateway is stopping"));
    }
    if !call.engine.resources.calls.has_room() {
        let message = "the store has taken no records for so long that no more can wait for it";
        return Err(Error::new(Kind::StoreUnavailable, message).with_hint(
            "See /health and the log; calls go on when the store takes records again.",
        ));
    }
    Ok(())
}

fn fill_in(call: &mut Call) -> Result<Admitted> {
    call.filled = fill_defaults(&mut call.inbound.request, &call.snapshot.engine.defaults);
    let is_unnamed = call.inbound.request.model.trim().is_empty();
    // On the doors of a dialect a model is a duty; elsewhere the router decides without one.
    if is_unnamed && call.inbound.door.is_of_dialect() {
        return Err(Error::bad_field("model", "`model` is required").with_hint(
            "Name a model, a layer (L0 to L3) or `auto`; DEFAULT_MODEL says what is meant without one.",
        ));
    }
    call.is_edited |= call.filled.temperature || call.filled.max_output_tokens;
    Ok(Admitted(()))
}

/// A default model is no edit: the model is named anew in whatever is sent.
fn fill_defaults(request: &mut ChatRequest, defaults: &RequestDefaults) -> Filled {
    if request.model.trim().is_empty()
        && let Some(model) = &defaults.model
    {
        request.model.clone_from(model);
    }
    let filled = Filled {
        temperature: request.sampling.temperature.is_none() && defaults.temperature.is_some(),
        max_output_tokens: request.max_output_tokens.is_none() && defaults.max_tokens.is_some(),
    };
    if filled.temperature {
        request.sampling.temperature = defaults.temperature;
    }
    if filled.max_output_tokens {
        request.max_output_tokens = defaults.max_tokens;
    }
    filled
}
