//! Reservations of this instance: each counts once, and each is found at its end.

use gw_core::Money;

const NONE: usize = usize::MAX;

/// What a call took from one counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    /// Place and id of the share.
    pub(crate) share: usize,
    pub(crate) uid: u64,
    pub(crate) slot: i64,
    pub(crate) amount: i128,
}

/// A call that holds something, or did before its lease ran out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) at_ms: i64,
    pub(crate) worst_case: Option<Money>,
    pub(crate) requests: u64,
    /// Of the definitions when it began.
    pub(crate) edition: u64,
    pub(crate) holds: Vec<Hold>,
    pub(crate) has_expired: bool,
}

#[derive(Debug)]
struct Place {
    generation: u32,
    call: Option<Call>,
    expires_ms: u64,
    before: usize,
    after: usize,
}

/// All of them, the open ones linked from the oldest to the newest.
#[derive(Debug)]
pub(crate) struct Tickets {
    places: Vec<Place>,
    free: Vec<usize>,
    oldest: usize,
    newest: usize,
    lease_ms: u64,
}

impl Tickets {
    pub(crate) fn new(lease_ms: u64) -> Self {
        Self { places: Vec::new(), free: Vec::new(), oldest: NONE, newest: NONE, lease_ms }
    }

    pub(crate) fn add(&mut self, call: Call, now_ms: u64) -> u64 {
        let at = self.free.pop().unwrap_or_else(|| {
            let empty =
                Place { generation: 0, call: None, expires_ms: 0, before: NONE, after: NONE };
            self.places.push(empty);
            self.places.len() - 1
        });
        let newest = std::mem::replace(&mut self.newest, at);
        let place = &mut self.places[at];
        place.generation = place.generation.wrapping_add(1).max(1);
        place.call = Some(call);
        place.expires_ms = now_ms.saturating_add(self.lease_ms);
        place.before = newest;
        place.after = NONE;
        let generation = u64::from(place.generation);
        match newest {
            NONE => self.oldest = at,
            before => self.places[before].after = at,
        }
        generation << 32 | u64::try_from(at).unwrap_or(0)
    }

    /// A call that still holds something.
    pub(crate) fn open(&self, ticket: u64) -> Option<&Call> {
        let at = self.find(ticket)?;
        self.places[at].call.as_ref().filter(|call| !call.has_expired)
    }

    /// Adds to what an open call holds.
    pub(crate) fn extend(&mut self, ticket: u64, more: Option<Money>, holds: &[Hold]) {
        let Some(at) = self.find(ticket) else { return };
        let Some(call) = &mut self.places[at].call else { return };
        call.worst_case = match (call.worst_case, more) {
            (Some(held), Some(more)) => Some(held + more),
            (held, more) => held.or(more),
        };
        for hold in holds {
            if let Some(held) = call.holds.iter_mut().find(|held| held.uid == hold.uid) {
                held.amount += hold.amount;
            }
        }
    }

    /// Takes a call out for good.
    pub(crate) fn close(&mut self, ticket: u64) -> Option<Call> {
        let at = self.find(ticket)?;
        let call = self.places[at].call.take()?;
        if !call.has_expired {
            self.unlink(at);
        }
        self.free.push(at);
        Some(call)
    }

    /// The oldest call whose lease ran out, with what it held; it stays known until it is closed.
    pub(crate) fn expire_one(&mut self, now_ms: u64) -> Option<Call> {
        let at = self.oldest;
        if at == NONE || self.places[at].expires_ms > now_ms {
            return None;
        }
        self.unlink(at);
        let call = self.places[at].call.as_mut()?;
        let expired = call.clone();
        call.has_expired = true;
        call.holds.clear();
        Some(expired)
    }

    fn find(&self, ticket: u64) -> Option<usize> {
        let at = usize::try_from(ticket & u64::from(u32::MAX)).ok()?;
        let place = self.places.get(at)?;
        (u64::from(place.generation) == ticket >> 32 && place.call.is_some()).then_some(at)
    }

    fn unlink(&mut self, at: usize) {
        let (before, after) = (self.places[at].before, self.places[at].after);
        match before {
            NONE => self.oldest = after,
            before => self.places[before].after = after,
        }
        match after {
            NONE => self.newest = before,
            after => self.places[after].before = before,
        }
    }
}
