//! One way to ask a model for every command: in this process, or of a running gateway.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use gw_core::chat::ChatRequest;
use gw_core::event::StreamEvent;
use gw_core::record::ConversationRef;
use gw_core::task::Quality;
use gw_core::unfold::unfold;
use gw_core::{ConversationId, Error, Layer};
use gw_engine::{
    AnswerBody, CallContext, Confirmation, Door, Engine, Head, Inbound, Piece, Recall, Receipt,
};

use crate::remote::Remote;
use crate::store::Store;

/// How long a command waits at its end for calls that were cut short.
const CLOSING: Duration = Duration::from_secs(5);

/// Whom to ask.
pub(crate) enum Talk {
    /// The engine of this process, and the store it writes to.
    Local(Arc<Engine>, Box<Store>),
    /// A running gateway.
    Remote(Box<Remote>),
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) request: ChatRequest,
    pub(crate) conversation: Option<String>,
    pub(crate) layer: Option<Layer>,
    pub(crate) max_layer: Option<Layer>,
    pub(crate) quality: Option<Quality>,
    pub(crate) cross_check: Option<bool>,
    pub(crate) auto_escalate: Option<bool>,
    /// The token of an offered escalation.
    pub(crate) escalate: Option<String>,
}

/// What is known of an answer beside its words.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) call_id: String,
    pub(crate) model: String,
    pub(crate) layer: String,
    pub(crate) reason: String,
    /// Exact dollars, `unpriced`, or empty where the gateway did not say.
    pub(crate) cost_usd: String,
    pub(crate) is_demo: bool,
    /// The offer of a higher layer.
    pub(crate) offer: Option<Offered>,
}

/// The offer of a higher layer, as a person is asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) layer: String,
    pub(crate) reason: String,
    /// Exact dollars, or `unpriced`.
    pub(crate) cost_usd: String,
    pub(crate) token: String,
}

/// An answer as it comes.
pub(crate) struct Told {
    pub(crate) about: About,
    pub(crate) events: BoxStream<'static, Heard>,
}

/// A piece of an answer.
pub(crate) enum Heard {
    /// What the model says.
    Event(StreamEvent),
    /// What it cost, once known.
    Cost(String),
}

impl Talk {
    /// Asks, and gives the answer as it comes.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Told, Error> {
        match self {
            Self::Local(engine, _) => local(engine, ask).await,
            Self::Remote(remote) => remote.ask(ask).await,
        }
    }

    /// Ends what is under way and waits until it is on record.
    pub(crate) async fn close(&self) {
        let Self::Local(engine, store) = self else { return };
        let closing = async {
            engine.drain().await;
            if let Err(error) = store.health.flush().await {
                tracing::warn!(message = error.message(), "the last records were not kept");
            }
        };
        if tokio::time::timeout(CLOSING, closing).await.is_err() {
            tracing::warn!("a call did not end in time");
        }
    }
}

async fn local(engine: &Arc<Engine>, ask: Ask) -> Result<Told, Error> {
    let conversation = ask.conversation.map(|id| ConversationRef {
        id: ConversationId::from(id),
        user_id: None,
        project_id: None,
        owner: None,
    });
    let recall = if conversation.is_some() { Recall::History } else { Recall::Nothing };
    let inbound = Inbound {
        door: Door::Cli,
        request: ask.request,
        raw: None,
        principal: gw_core::principal::Principal::default(),
        context: CallContext {
            conversation,
            recall,
            quality: ask.quality,
            preferred_layer: ask.layer,
            max_layer: ask.max_layer,
            cross_check: ask.cross_check,
            auto_escalate: ask.auto_escalate,
            confirmation: ask.escalate.map(Confirmation::Token),
            ..CallContext::default()
        },
    };
    let answer = engine.run(inbound).await.map_err(|failure| failure.error)?;
    let mut about = about(&answer.head);
    let events = match answer.body {
        AnswerBody::Whole(whole) => {
            about.cost_usd = cost_text(&whole.receipt);
            let events = unfold(&whole.reply).into_iter().map(Heard::Event);
            futures_util::stream::iter(events).boxed()
        }
        AnswerBody::Stream(stream) => stream
            .flat_map(|piece| {
                let heard = match piece {
                    Piece::Frame { events, .. } => events.into_iter().map(Heard::Event).collect(),
                    Piece::Receipt(receipt) => vec![Heard::Cost(cost_text(&receipt))],
                };
                futures_util::stream::iter(heard)
            })
            .boxed(),
    };
    Ok(Told { about, events })
}

fn about(head: &Head) -> About {
    About {
        call_id: head.call_id.to_string(),
        model: head.model_id.clone(),
        layer: head.layer.to_string(),
        reason: head.reason.clone(),
        cost_usd: String::new(),
        is_demo: head.is_demo,
        offer: head.escalation.as_ref().map(|offer| Offered {
            layer: offer.suggested_layer.to_string(),
            reason: offer.reason.clone(),
            cost_usd: offer
                .expected_cost
                .map_or_else(|| "unpriced".to_owned(), |cost| cost.to_usd_string()),
            token: offer.token.clone(),
        }),
    }
}

fn cost_text(receipt: &Receipt) -> String {
    receipt.cost.amount().map_or_else(|| "unpriced".to_owned(), |amount| amount.to_usd_string())
}
