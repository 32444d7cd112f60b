//! The response cache: answers that were paid for once and are given again, to whoever may have them.
//!
//! Looked at before anything is planned, so that a hit costs no model, not even the one that judges
//! how hard a request is. Off unless configured. What may be kept is said in `key.rs`, what a client
//! may wish in `wish.rs`; equal requests under way at once are joined in `flight.rs`.

mod entry;
mod flight;
mod key;
mod lock;
mod report;
mod shelter;
mod wish;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gw_core::limits::{CACHED_ANSWER_BYTES_MAX, CACHED_ANSWER_MS_MAX};
use gw_core::reply::ChatReply;
use gw_core::reservation::{Claim, Reservation};
use gw_core::seam::Hot;
use gw_core::{Error, Kind, Money, Result, Usage};

use crate::answer::{CacheState, Head};
use crate::call::Call;
use crate::events;
use crate::exchange::{Outcome, WholeReply};
use crate::head::adopt;
use crate::relay;

pub use report::CacheReport;
pub use wish::CacheWish;

pub(crate) use flight::{Flight, Flights};
pub(crate) use shelter::shelter;

use entry::Kept;
use flight::{Lead, Place};
use report::Counts;

/// When answers are kept and given again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Never.
    #[default]
    Off,
    /// For every request that may be answered twice alike, unless it says otherwise.
    On,
    /// For requests that ask for it.
    OptIn,
}

/// Who gets the answers that others paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheShare {
    /// Nobody: each key has answers of its own.
    #[default]
    Key,
    /// The keys of one organisation; a key without one has its own.
    Organisation,
    /// Every caller.
    All,
}

/// How answers are kept.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// When.
    pub mode: CacheMode,
    /// For whom.
    pub share: CacheShare,
    /// How long, in milliseconds; at most [`CACHED_ANSWER_MS_MAX`].
    pub ttl_ms: u64,
    /// The highest temperature whose answers are kept: above it a client wants variety.
    pub temperature_max: f64,
    /// True lets equal requests that are under way at once wait for one answer.
    pub single_flight: bool,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            mode: CacheMode::Off,
            share: CacheShare::Key,
            ttl_ms: 3_600_000,
            temperature_max: 1.0,
            single_flight: true,
        }
    }
}

/// What all calls share of the cache.
pub(crate) struct Cache {
    pub(crate) hot: Arc<dyn Hot>,
    flights: Arc<Flights>,
    counts: Counts,
}

impl Cache {
    pub(crate) fn new(hot: Arc<dyn Hot>) -> Self {
        Self { hot, flights: Arc::default(), counts: Counts::default() }
    }

    pub(crate) async fn report(&self, options: &CacheOptions) -> CacheReport {
        self.counts.report(options, &*self.hot).await
    }
}

/// How the cache stands to one call.
#[derive(Default)]
pub(crate) struct Course {
    /// What the client is told.
    pub(crate) state: CacheState,
    /// Where its answer is to be kept.
    ticket: Option<Ticket>,
    /// Others wait for its answer.
    lead: Option<Lead>,
    /// What the answer that it got had cost.
    pub(crate) served: Option<Served>,
}

impl Course {
    /// True where its answer has to be added up.
    pub(crate) fn wants_answer(&self) -> bool {
        self.ticket.is_some()
    }

    /// The equal requests that wait for this one.
    pub(crate) fn flight(&self) -> Option<Arc<Flight>> {
        self.lead.as_ref().map(Lead::flight)
    }
}

/// Where an answer is to be kept, and how long.
#[derive(Clone)]
struct Ticket {
    key: String,
    ttl_ms: u64,
}

/// What an answer from the cache had taken when a model gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) usage: Usage,
    pub(crate) cost: Option<Money>,
}

/// An answer that is there already, or nothing: the call goes on to a model.
///
/// # Errors
/// [`Kind::NotCached`] where the client wants an answer from here or none; what its limits refuse.
pub(crate) async fn look_up(call: &mut Call) -> Result<Option<Outcome>> {
    let wish = wish::take(call)?;
    let options = call.snapshot.engine.cache.clone();
    let is_on = match options.mode {
        CacheMode::Off => false,
        CacheMode::On => true,
        CacheMode::OptIn => wish.use_cache,
    };
    if !is_on || !key::may_be_kept(call, &options) {
        if is_on {
            call.engine.cache.counts.bypass();
        }
        return match wish.only_if_cached {
            true => Err(not_cached("this request is never answered from the cache")),
            false => Ok(None),
        };
    }
    let ticket = Ticket {
        key: key::key(call, &wish, options.share),
        ttl_ms: wish.ttl_ms().unwrap_or(options.ttl_ms).min(CACHED_ANSWER_MS_MAX),
    };
    call.course.state = CacheState::Miss;
    if !wish.no_cache
        && let Some((kept, age_s)) = find(call, &ticket.key, wish.max_age_s).await
    {
        return serve(call, &kept, CacheState::Hit { age_s }).await.map(Some);
    }
    if wish.only_if_cached {
        return Err(not_cached("there is no such answer in the cache, or it is too old"));
    }
    let is_joined = options.single_flight && !wish.no_cache && !wish.no_store;
    let shared = if is_joined { join(call, &ticket, &wish).await } else { None };
    if let Some((kept, state)) = shared {
        return serve(call, &kept, state).await.map(Some);
    }
    call.engine.cache.counts.miss();
    call.course.ticket = (!wish.no_store).then_some(ticket);
    Ok(None)
}

/// Waits for an equal request under way; `None`: this one goes first, or the other gave no answer.
async fn join(
    call: &mut Call,
    ticket: &Ticket,
    wish: &CacheWish,
) -> Option<(Arc<Kept>, CacheState)> {
    let engine = Arc::clone(&call.engine);
    let left_ms = call.snapshot.engine.deadline_ms.saturating_sub(call.elapsed_ms());
    let patience = Duration::from_millis(left_ms);
    match engine.cache.flights.place(&ticket.key) {
        Place::Follow(follower) => {
            let kept = tokio::time::timeout(patience, follower.answer()).await.ok()??;
            is_allowed(call, &kept).then_some((kept, CacheState::Shared))
        }
        Place::Lead(mut lead) => {
            let hot = &engine.cache.hot;
            if hot.is_shared() {
                let wait = lock::acquire(&engine, hot, &ticket.key);
                lead.hold(tokio::time::timeout(patience, wait).await.ok().flatten());
            }
            // The answer may have come between the look and the taking of the lead.
            if let Some((kept, age_s)) = find(call, &ticket.key, wish.max_age_s).await {
                let kept = Arc::new(kept);
                lead.land(Arc::clone(&kept)).await;
                return Some((kept, CacheState::Hit { age_s }));
            }
            call.course.lead = Some(lead);
            None
        }
    }
}

/// An answer that is there, young enough and allowed to the caller, with its age in seconds.
async fn find(call: &Call, key: &str, max_age_s: Option<u64>) -> Option<(Kept, u64)> {
    let cache = &call.engine.cache;
    let bytes = match cache.hot.get(key).await {
        Ok(bytes) => bytes?,
        Err(error) => {
            events::cache_failed("get", &error);
            return None;
        }
    };
    let kept = Kept::read(&bytes)?;
    let now_ms = call.engine.resources.clock.unix_ms();
    let age_s = u64::try_from(now_ms.saturating_sub(kept.made_at_ms) / 1_000).unwrap_or(0);
    let is_young = max_age_s.is_none_or(|max_age_s| age_s <= max_age_s);
    (is_young && is_allowed(call, &kept)).then_some((kept, age_s))
}

/// True where the caller might have had this model's answer from the model itself.
fn is_allowed(call: &Call, kept: &Kept) -> bool {
    let principal = &call.inbound.principal;
    let provider = call.snapshot.providers.get(&kept.provider.as_str().into());
    provider.is_some_and(|provider| provider.allows(&kept.model))
        && principal.allows_layer(kept.layer)
        && principal.allows_model(&kept.provider, &kept.model)
}

/// Gives a kept answer: limits of requests count it, budgets do not.
async fn serve(call: &mut Call, kept: &Kept, state: CacheState) -> Result<Outcome> {
    let conversation = call.inbound.context.conversation.as_ref().map(|it| it.id.clone());
    let claim = Claim {
        scopes: call.scopes.clone(),
        conversation,
        ..Claim::new(call.id, call.inbound.principal.clone(), call.started_at_ms())
    };
    let budgets = Arc::clone(&call.engine.resources.budgets);
    call.hold = Some(Arc::new(Reservation::make(budgets, claim).await?));
    call.course.state = state;
    call.course.served = Some(Served { usage: kept.usage, cost: kept.cost });
    call.engine.cache.counts.served(state, kept.cost);
    call.first_token_ms = Some(call.elapsed_ms());
    let head = Head {
        call_id: call.id,
        model_id: kept.model_id.clone(),
        model: kept.model.clone(),
        provider: kept.provider.clone(),
        layer: kept.layer,
        summary: kept.summary.clone(),
        reason: format!("from the cache: {}", kept.reason),
        task: call.task(),
        complexity: call.complexity(),
        is_pass_through: false,
        is_demo: kept.is_demo,
        cache: state,
        check: None,
        escalation: None,
        notices: kept.notices.clone(),
        upstream_headers: http::HeaderMap::new(),
    };
    adopt(call, &head);
    let reply = kept.reply.clone();
    Ok(if call.inbound.request.stream {
        Outcome::Streaming(Box::new(relay::replay(head, &reply)))
    } else {
        Outcome::Whole(Box::new(WholeReply { reply, raw: None, head }))
    })
}

/// Keeps the answer of a call that ended well, and gives it to those who wait for it.
pub(crate) async fn keep(call: &mut Call, head: &Head, reply: &ChatReply) {
    let Some(ticket) = call.course.ticket.take() else { return };
    let lead = call.course.lead.take();
    // An offer to ask a higher layer is for this caller alone, and once.
    if head.escalation.is_some() || !entry::is_worth_keeping(call, reply) {
        return;
    }
    let kept = Arc::new(Kept::of(call, head, reply));
    if let Some(bytes) = kept.write().filter(|bytes| bytes.len() <= CACHED_ANSWER_BYTES_MAX) {
        let cache = &call.engine.cache;
        match cache.hot.put(&ticket.key, Bytes::from(bytes), ticket.ttl_ms).await {
            Ok(()) => cache.counts.stored(),
            Err(error) => events::cache_failed("put", &error),
        }
    }
    // Only now: who comes between would ask a model again.
    if let Some(lead) = lead {
        lead.land(kept).await;
    }
}

fn not_cached(message: &str) -> Error {
    Error::new(Kind::NotCached, message)
        .with_field("cache-control")
        .with_hint("Leave out `only-if-cached` to ask a model.")
}
