//! The life of a call, in order. Each step takes the value that proves the step before happened.

use std::sync::Arc;

use gw_core::{Error, Result};

use crate::answer::{Answer, Failure};
use crate::call::Call;
use crate::engine::Engine;
use crate::exchange::Outcome;
use crate::inbound::Inbound;
use crate::{admit, attempt, classify, plan, recall, relay, remember, reserve};

/// Runs one call from the decoded request to an answer that is whole or about to stream.
pub(crate) async fn run(engine: &Arc<Engine>, inbound: Inbound) -> Result<Answer, Failure> {
    let mut call = Call::begin(engine, inbound);
    match answer(&mut call).await {
        Ok(Outcome::Whole(whole)) => Ok(remember::whole(call, *whole).await),
        Ok(Outcome::Streaming(live)) => Ok(relay::relay(call, *live)),
        Ok(Outcome::Operation(_) | Outcome::Bytes(_)) => {
            Err(call.fail(Error::internal("a chat was answered as an operation")).await)
        }
        Err(error) => Err(call.fail(error).await),
    }
}

async fn answer(call: &mut Call) -> Result<Outcome> {
    let admitted = admit::admit(call)?;
    let recalled = recall::recall(call, admitted).await?;
    classify::classify(call).await;
    let mut planned = plan::plan(call, recalled)?;
    let hold = reserve::reserve(call, &mut planned).await?;
    attempt::attempt(call, &planned, &hold).await
}
