//! Offers to ask a higher layer, and the yes that takes one up.
//!
//! An offer keeps the request it was made for, so that a yes needs no more than the token. A token is
//! signed with a secret of this process, belongs to the caller and the conversation it was given to,
//! is good once, and ends with its time.

use std::collections::{HashMap, VecDeque};

use gw_core::chat::{ChatRequest, Part, Role};
use gw_core::limits::{
    PENDING_ESCALATION_MS, PENDING_ESCALATIONS_BYTES_MAX, PENDING_ESCALATIONS_MAX,
};
use gw_core::seam::Entropy;
use gw_core::{CallId, ConversationId, Error, Kind, Layer, Result};
use gw_routing::review;
use parking_lot::Mutex;

use crate::call::Call;
use crate::inbound::Confirmation;
use crate::watch;

/// The field that errors name.
const FIELD: &str = "escalationToken";

/// What stands before the digits of a token.
const PREFIX: &str = "esc_";

const ID_BYTES: usize = 16;
const SEAL_BYTES: usize = 16;

/// Bytes reckoned for an offer beside its texts.
const OFFER_BYTES: usize = 1_024;

type Id = [u8; ID_BYTES];

/// An offer that waits for a yes.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// The call that made it.
    pub(crate) call_id: CallId,
    /// Whose it is: the id of a key; empty for callers without one.
    pub(crate) owner: String,
    pub(crate) conversation: Option<ConversationId>,
    /// The layer of the answer so far.
    pub(crate) from: Layer,
    /// The layer that is offered.
    pub(crate) layer: Layer,
    /// The request with everything that was recalled for it.
    pub(crate) request: ChatRequest,
    /// The answer so far.
    pub(crate) answer: String,
    pub(crate) conflicts: Vec<String>,
    pub(crate) expires_at_ms: i64,
}

/// An offer that was taken up.
pub(crate) struct Resumed {
    id: Id,
    pub(crate) offer: Offer,
    /// True where the request is the one that the offer was made for.
    pub(crate) is_replaced: bool,
}

/// All offers that wait.
pub(crate) struct Pending {
    secret: [u8; 32],
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    offers: HashMap<Id, (Offer, usize)>,
    /// Oldest first; ids of offers that are gone may stand in it.
    order: VecDeque<Id>,
    /// Offers that were taken up, oldest first.
    used: VecDeque<Id>,
    bytes: usize,
}

impl Pending {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        Self { secret, waiting: Mutex::default() }
    }

    /// Keeps an offer and gives its token. The oldest offers make room.
    pub(crate) fn keep(&self, offer: Offer, entropy: &dyn Entropy) -> String {
        let mut id = [0; ID_BYTES];
        entropy.fill(&mut id);
        let mut waiting = self.waiting.lock();
        waiting.insert(id, offer);
        waiting.make_room();
        self.token(&id)
    }

    /// Takes an offer up.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for what is no token of this process; [`Kind::Forbidden`] for
    /// another caller's or another conversation's; [`Kind::Conflict`] for one that was used, ended or
    /// lost.
    fn take(
        &self,
        confirmation: &Confirmation,
        owner: &str,
        conversation: Option<&ConversationId>,
        now_ms: i64,
    ) -> Result<(Id, Offer)> {
        let mut waiting = self.waiting.lock();
        let id = match confirmation {
            Confirmation::Token(token) => self.read(token)?,
            Confirmation::Conversation => waiting.newest(owner, conversation, now_ms)?,
        };
        let Some((offer, _)) = waiting.offers.get(&id) else {
            return Err(waiting.gone(&id));
        };
        if offer.owner != owner {
            return Err(Error::new(
                Kind::Forbidden,
                "this escalation was offered to another caller",
            )
            .with_field(FIELD)
            .with_hint("Use the key that the answer with the offer was given to."));
        }
        let is_elsewhere = conversation.is_some() && conversation != offer.conversation.as_ref();
        if is_elsewhere {
            return Err(Error::new(
                Kind::Forbidden,
                "this escalation was offered in another conversation",
            )
            .with_field(FIELD));
        }
        if offer.expires_at_ms <= now_ms {
            waiting.remove(&id);
            return Err(Error::conflict(FIELD, "the offer to escalate has ended")
                .with_hint("Ask again, or ask for the layer itself (`preferredLayer`)."));
        }
        let Some(offer) = waiting.remove(&id) else {
            return Err(Error::internal("an offer vanished under its lock"));
        };
        waiting.used.push_back(id);
        if waiting.used.len() > PENDING_ESCALATIONS_MAX {
            waiting.used.pop_front();
        }
        Ok((id, offer))
    }

    /// Puts back what was taken up by a call that gave no answer.
    fn put_back(&self, id: Id, offer: Offer) {
        let mut waiting = self.waiting.lock();
        waiting.used.retain(|used| *used != id);
        waiting.insert(id, offer);
        waiting.make_room();
    }

    fn token(&self, id: &Id) -> String {
        let mut token = PREFIX.to_owned();
        for byte in id.iter().chain(&self.seal(id)) {
            token.push_str(&format!("{byte:02x}"));
        }
        token
    }

    fn seal(&self, id: &Id) -> [u8; SEAL_BYTES] {
        let whole = blake3::keyed_hash(&self.secret, id);
        let mut seal = [0; SEAL_BYTES];
        seal.copy_from_slice(&whole.as_bytes()[..SEAL_BYTES]);
        seal
    }

    fn read(&self, token: &str) -> Result<Id> {
        let wrong = || {
            Error::new(Kind::NotFound, "this is no escalation token of this gateway")
                .with_field(FIELD)
                .with_hint(
                    "Send the token as the answer gave it. The gateway may have been restarted \
                     since; then ask again, or ask for the layer itself (`preferredLayer`).",
                )
        };
        let digits = token.trim().strip_prefix(PREFIX).ok_or_else(wrong)?;
        let bytes = unhex(digits).ok_or_else(wrong)?;
        let id: Id = bytes.get(..ID_BYTES).and_then(|id| id.try_into().ok()).ok_or_else(wrong)?;
        let seal: [u8; SEAL_BYTES] =
            bytes.get(ID_BYTES..).and_then(|seal| seal.try_into().ok()).ok_or_else(wrong)?;
        // Compared in constant time, as hashes of hashes.
        let is_ours = blake3::hash(&seal) == blake3::hash(&self.seal(&id));
        if is_ours { Ok(id) } else { Err(wrong()) }
    }
}

impl Waiting {
    fn insert(&mut self, id: Id, offer: Offer) {
        let bytes = weight(&offer);
        self.bytes += bytes;
        self.offers.insert(id, (offer, bytes));
        self.order.push_back(id);
    }

    fn remove(&mut self, id: &Id) -> Option<Offer> {
        let (offer, bytes) = self.offers.remove(id)?;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.order.retain(|known| known != id);
        Some(offer)
    }

    fn make_room(&mut self) {
        while self.offers.len() > PENDING_ESCALATIONS_MAX
            || self.bytes > PENDING_ESCALATIONS_BYTES_MAX
        {
            let Some(oldest) = self.order.pop_front() else { return };
            self.remove(&oldest);
        }
    }

    fn newest(
        &self,
        owner: &str,
        conversation: Option<&ConversationId>,
        now_ms: i64,
    ) -> Result<Id> {
        let is_meant = |id: &&Id| {
            self.offers.get(*id).is_some_and(|(offer, _)| {
                let is_of_conversation = offer.conversation.as_ref() == conversation;
                offer.owner == owner && is_of_conversation && offer.expires_at_ms > now_ms
            })
        };
        let found = conversation.and_then(|_| self.order.iter().rev().find(is_meant));
        found.copied().ok_or_else(|| {
            Error::conflict("confirmEscalation", "no escalation is offered in this conversation")
                .with_hint("It may have been taken up or have ended; ask again.")
        })
    }

    fn gone(&self, id: &Id) -> Error {
        let message = if self.used.contains(id) {
            "this escalation token was used already"
        } else {
            "the offer to escalate is not kept any more"
        };
        Error::conflict(FIELD, message)
            .with_hint("Each token is good once. Ask again, or ask for the layer itself.")
    }
}

/// About how many bytes an offer takes.
fn weight(offer: &Offer) -> usize {
    let parts = offer.request.messages.iter().flat_map(|message| &message.parts);
    let said: usize = parts
        .map(|part| match part {
            Part::Text { text, .. } | Part::Thinking { text, .. } => text.len(),
            other => serde_json::to_string(other).map_or(0, |text| text.len()),
        })
        .sum();
    OFFER_BYTES + said + offer.answer.len() + offer.conflicts.iter().map(String::len).sum::<usize>()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || digits.len() != 2 * (ID_BYTES + SEAL_BYTES) {
        return None;
    }
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Makes a call with a yes the call that was offered: its layer, what is known so far, and, where the
/// client sent no turn of its own, the request itself.
pub(crate) fn resume(call: &mut Call) -> Result<()> {
    let Some(confirmation) = call.inbound.context.confirmation.take() else { return Ok(()) };
    let owner = call.inbound.principal.key_id.clone().unwrap_or_default();
    let conversation = call.inbound.context.conversation.as_ref().map(|it| it.id.clone());
    let now_ms = call.started_at_ms();
    let pending = &call.engine.pending;
    let (id, offer) = pending.take(&confirmation, &owner, conversation.as_ref(), now_ms)?;
    let request = &mut call.inbound.request;
    let is_replaced = !request.messages.iter().any(|message| message.role == Role::User);
    if is_replaced {
        let is_stream = request.stream;
        let include_usage = request.include_usage;
        *request = offer.request.clone();
        request.stream = is_stream;
        request.include_usage = include_usage;
    }
    request.model = String::new();
    call.is_edited = true;
    if !watch::is_typed(call) {
        hand_over(
            &mut call.inbound.request,
            offer.from,
            offer.layer,
            &offer.answer,
            &offer.conflicts,
        );
    }
    let context = &mut call.inbound.context;
    context.preferred_layer = Some(offer.layer);
    context.metadata.insert("escalatedFromCall".to_owned(), offer.call_id.to_string().into());
    call.resumed = Some(Resumed { id, offer, is_replaced });
    Ok(())
}

/// A yes whose call gave no answer may be said again.
pub(crate) fn give_back(call: &mut Call) {
    if let Some(Resumed { id, offer, .. }) = call.resumed.take() {
        call.engine.pending.put_back(id, offer);
    }
}

/// Tells the next model beside the request what was answered and what is wrong with it.
pub(crate) fn hand_over(
    request: &mut ChatRequest,
    from: Layer,
    to: Layer,
    answer: &str,
    conflicts: &[String],
) {
    let note = review::escalation(from.as_str(), to.as_str(), answer, conflicts);
    let last = request.messages.iter_mut().rev().find(|message| message.role == Role::User);
    if let Some(message) = last {
        message.parts.push(Part::text(format!("\n\n{note}")));
    }
}

/// Makes an offer of this call.
pub(crate) fn offer(
    call: &Call,
    from: Layer,
    layer: Layer,
    answer: &str,
    conflicts: &[String],
) -> (String, i64) {
    let context = &call.inbound.context;
    let expires_at_ms = call.started_at_ms().saturating_add(PENDING_ESCALATION_MS);
    let mut request = call.inbound.request.clone();
    request.model = String::new();
    let offer = Offer {
        call_id: call.id,
        owner: call.inbound.principal.key_id.clone().unwrap_or_default(),
        conversation: context.conversation.as_ref().map(|conversation| conversation.id.clone()),
        from,
        layer,
        request,
        answer: answer.to_owned(),
        conflicts: conflicts.to_vec(),
        expires_at_ms,
    };
    let token = call.engine.pending.keep(offer, call.engine.resources.entropy.as_ref());
    (token, expires_at_ms)
}

#[cfg(test)]
mod tests;
