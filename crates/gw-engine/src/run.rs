//! The life of a call, in order. Each step takes the value that proves the step before happened.

use std::pin::Pin;
use std::sync::Arc;

use gw_core::Result;

use crate::answer::{Answer, Failure};
use crate::call::Call;
use crate::engine::Engine;
use crate::exchange::Outcome;
use crate::inbound::Inbound;
use crate::{admit, classify, confirm, escalate, plan, policy, recall, relay, remember, reserve};

/// Runs one call from the decoded request to an answer that is whole or about to stream.
pub(crate) async fn run(engine: &Arc<Engine>, inbound: Inbound) -> Result<Answer, Failure> {
    let mut call = Call::begin(engine, inbound);
    let answered = answer(&mut call).await;
    if answered.is_ok() {
        begin_shadow(engine, &call);
    }
    match answered {
        Ok(Outcome::Whole(whole)) => Ok(remember::whole(call, *whole).await),
        Ok(Outcome::Streaming(live)) => Ok(relay::relay(call, *live)),
        Err(error) => {
            confirm::give_back(&mut call);
            Err(call.fail(error).await)
        }
    }
}

async fn answer(call: &mut Call) -> Result<Outcome> {
    let admitted = admit::admit(call)?;
    confirm::resume(call)?;
    let recalled = recall::recall(call, admitted).await?;
    classify::classify(call).await;
    let mut planned = plan::plan(call, recalled)?;
    let hold = reserve::reserve(call, &mut planned).await?;
    escalate::answer(call, &planned, &hold).await
}

/// Tries another model on the same request beside the answer, where a policy wants that.
fn begin_shadow(engine: &Arc<Engine>, call: &Call) {
    let Some(inbound) = policy::shadow(call) else { return };
    if !engine.shadows.enter() {
        return;
    }
    let engine = Arc::clone(engine);
    let tasks = engine.tasks.clone();
    // A call inside a task of another: boxed, for a future cannot hold itself.
    let running: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
        // Its answer is nobody's; its record is what it was made for.
        let _ = engine.run(inbound).await;
        engine.shadows.leave();
    });
    tasks.spawn(running);
}
