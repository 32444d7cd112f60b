//! Says who would answer a request, and what that may cost, without asking anybody: for surfaces that
//! have a person agree first.

use std::sync::Arc;

use gw_core::{Error, Layer, Money, Result};

use crate::call::Call;
use crate::engine::Engine;
use crate::inbound::Inbound;
use crate::{admit, plan, recall, reserve};

/// Who would answer now.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Catalogue id of the model that would be tried first: `provider/model`.
    pub model_id: String,
    /// Its layer.
    pub layer: Layer,
    /// True where it costs nothing.
    pub is_free: bool,
    /// The most that one try may cost; `None` where no price is known.
    pub worst_case: Option<Money>,
}

/// Plans as a call would. Nothing is held, sent or recorded; the gateway's own question how hard the
/// request is (`routing.classify = "model"`) is not asked, the guess stands in for it.
pub(crate) async fn preview(engine: &Arc<Engine>, inbound: Inbound) -> Result<Preview> {
    let mut call = Call::begin(engine, inbound);
    let shown = look(&mut call).await;
    call.forget();
    shown
}

async fn look(call: &mut Call) -> Result<Preview> {
    let admitted = admit::admit(call)?;
    let recalled = recall::recall(call, admitted).await?;
    let planned = plan::plan_within_window(call, recalled)?;
    let first = planned.plan.candidates.first();
    let first = first.ok_or_else(|| Error::internal("a plan without candidates"))?;
    let need = reserve::need(call, &first.offering)?;
    Ok(Preview {
        model_id: first.offering.id(),
        layer: first.layer,
        is_free: first.offering.is_free,
        worst_case: need.money,
    })
}
