//! One call of a model for a tool: consent, the engine, and the answer added up while the client is
//! told how far it is.

use bytes::Bytes;
use futures_util::StreamExt as _;
use gw_core::event::{PartDelta, StreamEvent};
use gw_core::fold::Fold;
use gw_core::reply::ChatReply;
use gw_core::{CallId, Cost, Error, Kind};
use gw_engine::{Answer, AnswerBody, Confirmation, Head, Inbound, Piece, Receipt};
use gw_mcp::OwnCall;
use serde_json::{Value, json};

use super::{ModelTools, consent};
use crate::escalation::{Checked, Offered};

/// Characters of an answer that are told together as progress.
const TOLD_TOGETHER: usize = 80;

/// A model's answer, whole.
pub(super) struct Answered {
    pub(super) head: Head,
    pub(super) reply: ChatReply,
    /// The provider's own body, where it is of the format that was asked in.
    pub(super) raw: Option<Bytes>,
    pub(super) receipt: Option<Receipt>,
}

/// A call without an answer, and the id it is recorded under where it came to a call.
pub(super) struct Failed {
    pub(super) call_id: Option<CallId>,
    pub(super) error: Error,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { call_id: None, error }
    }
}

/// Runs a request for a tool.
pub(super) async fn run(
    tools: &ModelTools,
    call: &OwnCall,
    inbound: Inbound,
) -> Result<Answered, Failed> {
    if call.is_orphan {
        let text = "the gateway was started anew since this job was asked for, so whose budget pays \
                    is no longer known";
        return Err(Error::new(Kind::Forbidden, text).with_hint("Ask for it again.").into());
    }
    let is_settled = !tools.options.confirms_paid || tools.consents.knows(call.client());
    if is_settled || !call.can_confirm() {
        return ask(tools, call, inbound).await;
    }
    let preview = tools.engine.preview(inbound.clone()).await?;
    if preview.is_free {
        let mut free = inbound.clone();
        free.context.is_free_only = true;
        let failed = match ask(tools, call, free).await {
            Ok(answered) => return Ok(answered),
            Err(failed) => failed,
        };
        // A further model may answer, and may cost something: that is another question.
        let mut paid = inbound.clone();
        paid.context.is_free_only = false;
        match tools.engine.preview(paid).await {
            Ok(next) if !next.is_free => tools.consents.ask(call, &next).await?,
            _ => return Err(failed),
        }
        return ask(tools, call, inbound).await;
    }
    tools.consents.ask(call, &preview).await?;
    ask(tools, call, inbound).await
}

/// Asks, and once more for each higher layer that is offered and wanted.
async fn ask(tools: &ModelTools, call: &OwnCall, inbound: Inbound) -> Result<Answered, Failed> {
    let mut answered = Box::pin(ask_once(tools, call, inbound.clone())).await?;
    while call.can_confirm()
        && let Some(offer) = answered.head.escalation.clone()
        && consent::wants_more(call, &offer).await
    {
        let mut again = inbound.clone();
        again.request.messages.clear();
        again.context.confirmation = Some(Confirmation::Token(offer.token));
        match Box::pin(ask_once(tools, call, again)).await {
            Ok(better) => answered = better,
            // The answer so far stands.
            Err(_) => break,
        }
    }
    Ok(answered)
}

async fn ask_once(
    tools: &ModelTools,
    call: &OwnCall,
    inbound: Inbound,
) -> Result<Answered, Failed> {
    let answer = tools
        .engine
        .run(inbound)
        .await
        .map_err(|failure| Failed { call_id: Some(failure.call_id), error: failure.error })?;
    let Answer { head, body } = answer;
    match body {
        AnswerBody::Whole(whole) => {
            let raw = whole.raw.filter(|_| head.is_pass_through);
            Ok(Answered { head, reply: whole.reply, raw, receipt: Some(whole.receipt) })
        }
        AnswerBody::Stream(mut pieces) => {
            let mut heard = Heard::default();
            while let Some(piece) = pieces.next().await {
                match piece {
                    Piece::Receipt(receipt) => heard.receipt = Some(*receipt),
                    Piece::Frame { events, .. } => {
                        for event in events {
                            heard
                                .take(call, event)
                                .map_err(|error| Failed { call_id: Some(head.call_id), error })?;
                        }
                    }
                }
            }
            heard.tell(call);
            Ok(Answered { head, reply: heard.fold.into_reply(), raw: None, receipt: heard.receipt })
        }
    }
}

/// What was heard of a stream so far.
#[derive(Default)]
struct Heard {
    fold: Fold,
    receipt: Option<Receipt>,
    untold: String,
    characters: u64,
}

impl Heard {
    fn take(&mut self, call: &OwnCall, event: StreamEvent) -> Result<(), Error> {
        if let StreamEvent::Error(error) = event {
            return Err(*error);
        }
        if let StreamEvent::PartDelta { delta: PartDelta::Text(text), .. } = &event {
            self.untold.push_str(text);
            if self.untold.len() >= TOLD_TOGETHER {
                self.tell(call);
            }
        }
        self.fold.push(&event);
        Ok(())
    }

    fn tell(&mut self, call: &OwnCall) {
        if self.untold.is_empty() {
            return;
        }
        let count = u64::try_from(self.untold.chars().count()).unwrap_or(u64::MAX);
        self.characters = self.characters.saturating_add(count);
        call.progress(self.characters, &std::mem::take(&mut self.untold));
    }
}

/// What a client may want to know beside the answer.
pub(super) fn about(head: &Head, receipt: Option<&Receipt>) -> Value {
    let cost = receipt.map(|receipt| match &receipt.cost {
        Cost::Unpriced { .. } => "unpriced".to_owned(),
        priced @ Cost::Priced { .. } => priced.amount_or_zero().to_usd_string(),
    });
    json!({
        "callId": head.call_id.to_string(),
        "model": head.model_id,
        "layer": head.layer,
        "reason": head.reason,
        "costUsd": cost,
        "demo": head.is_demo,
        "crossCheck": Checked::of(head),
        "escalation": Offered::of(head),
    })
}
