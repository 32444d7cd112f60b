//! Admission: policy and limits, before any work is done.

use gw_core::chat::ChatRequest;
use gw_core::{Error, Kind, Result};

use crate::call::Call;

/// Proof that a call may go on.
pub(crate) struct Admitted(());

/// Checks what can be checked without a plan, and fills in configured defaults.
pub(crate) fn admit(call: &mut Call) -> Result<Admitted> {
    if call.engine.tasks.is_closed() {
        return Err(Error::new(Kind::ShuttingDown, "the gateway is stopping"));
    }
    call.is_edited |= fill_defaults(&mut call.inbound.request, &call.snapshot.engine.defaults);
    Ok(Admitted(()))
}

fn fill_defaults(request: &mut ChatRequest, defaults: &crate::options::RequestDefaults) -> bool {
    let mut has_filled = false;
    if request.model.is_empty()
        && let Some(model) = &defaults.model
    {
        request.model.clone_from(model);
    }
    if request.sampling.temperature.is_none() && defaults.temperature.is_some() {
        request.sampling.temperature = defaults.temperature;
        has_filled = true;
    }
    if request.max_output_tokens.is_none() && defaults.max_tokens.is_some() {
        request.max_output_tokens = defaults.max_tokens;
        has_filled = true;
    }
    has_filled
}
