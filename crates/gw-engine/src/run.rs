//! The life of a call, in order. Each step takes the value that proves the step before happened.

use std::pin::Pin;
use std::sync::Arc;

use gw_core::{Error, Result};

use crate::answer::{Answer, Failure};
use crate::cache;
use crate::call::Call;
use crate::engine::Engine;
use crate::exchange::Outcome;
use crate::inbound::Inbound;
use crate::recall::Recalled;
use crate::{admit, classify, confirm, escalate, plan, policy, recall, relay, remember, reserve};

/// Runs one call from the decoded request to an answer that is whole or about to stream.
pub(crate) async fn run(engine: &Arc<Engine>, inbound: Inbound) -> Result<Answer, Failure> {
    let mut call = Call::begin(engine, inbound);
    match begin(&mut call).await {
        Ok(Begun::Answered(outcome)) => give(call, outcome).await,
        Ok(Begun::Open(recalled)) => cache::shelter(call, |call| go_on(call, recalled)).await,
        Err(error) => refuse(call, error).await,
    }
}

/// How far a call is that has been looked up.
enum Begun {
    /// The cache had the answer.
    Answered(Outcome),
    /// A model has to be asked.
    Open(Recalled),
}

async fn begin(call: &mut Call) -> Result<Begun> {
    let admitted = admit::admit(call)?;
    confirm::resume(call)?;
    let recalled = recall::recall(call, admitted).await?;
    let found = cache::look_up(call).await?;
    Ok(found.map_or(Begun::Open(recalled), Begun::Answered))
}

/// Boxed by name: a call may ask a model how hard it is, through a call of its own.
fn go_on(
    mut call: Box<Call>,
    recalled: Recalled,
) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>> {
    Box::pin(async move {
        match answer(&mut call, recalled).await {
            Ok(outcome) => {
                begin_shadow(&call);
                give(call, outcome).await
            }
            Err(error) => refuse(call, error).await,
        }
    })
}

async fn answer(call: &mut Call, recalled: Recalled) -> Result<Outcome> {
    classify::classify(call).await;
    let mut planned = plan::plan_within_window(call, recalled)?;
    let hold = reserve::reserve(call, &mut planned).await?;
    escalate::answer(call, &planned, &hold).await
}

/// Tries another model on the same request beside the answer, where a policy wants that.
fn begin_shadow(call: &Call) {
    let Some(inbound) = policy::shadow(call) else { return };
    let engine = Arc::clone(&call.engine);
    if !engine.shadows.enter() {
        return;
    }
    let tasks = engine.tasks.clone();
    // A call inside a task of another: boxed, for a future cannot hold itself.
    let running: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
        // Its answer is nobody's; its record is what it was made for.
        let _ = engine.run(inbound).await;
        engine.shadows.leave();
    });
    tasks.spawn(running);
}

async fn give(call: Box<Call>, outcome: Outcome) -> Result<Answer, Failure> {
    match outcome {
        Outcome::Whole(whole) => Ok(remember::whole(call, *whole).await),
        Outcome::Streaming(live) => Ok(relay::relay(call, *live)),
        Outcome::Operation(_) | Outcome::Bytes(_) => {
            refuse(call, Error::internal("a chat was answered as an operation")).await
        }
    }
}

/// Ends a call without an answer; an offer that it took up is good again.
async fn refuse(mut call: Box<Call>, error: Error) -> Result<Answer, Failure> {
    confirm::give_back(&mut call);
    Err(call.fail(error).await)
}
