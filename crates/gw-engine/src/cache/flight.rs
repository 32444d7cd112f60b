//! Equal requests under way at once: the first asks a model, the others wait for its answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::entry::Kept;
use super::lock::Lock;

/// Requests under way, by key.
#[derive(Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<String, Arc<Flight>>>,
}

/// One request under way, and those who wait for its answer.
pub(crate) struct Flight {
    landed: watch::Sender<Landed>,
    followers: AtomicUsize,
}

#[derive(Clone)]
enum Landed {
    NotYet,
    With(Arc<Kept>),
    /// The leader gave no answer that others could use.
    Empty,
}

/// What a request is among its equals.
pub(super) enum Place {
    /// The first: it asks.
    Lead(Lead),
    /// Another: it waits.
    Follow(Follower),
}

/// The right to ask. Dropped without [`Lead::land`], those who wait go on by themselves.
pub(super) struct Lead {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    key: String,
    /// Keeps other replicas waiting too.
    lock: Option<Lock>,
}

/// A request that waits for another one's answer.
pub(super) struct Follower {
    flight: Arc<Flight>,
}

impl Flights {
    /// Takes the lead, or follows who has it.
    pub(super) fn place(self: &Arc<Self>, key: &str) -> Place {
        let mut under_way = self.under_way.lock();
        if let Some(flight) = under_way.get(key) {
            flight.followers.fetch_add(1, Ordering::AcqRel);
            return Place::Follow(Follower { flight: Arc::clone(flight) });
        }
        let (landed, _) = watch::channel(Landed::NotYet);
        let flight = Arc::new(Flight { landed, followers: AtomicUsize::new(0) });
        under_way.insert(key.to_owned(), Arc::clone(&flight));
        drop(under_way);
        Place::Lead(Lead { flights: Arc::clone(self), flight, key: key.to_owned(), lock: None })
    }
}

impl Flight {
    /// True while somebody else waits for the answer.
    pub(crate) fn is_awaited(&self) -> bool {
        self.followers.load(Ordering::Acquire) > 0
    }
}

impl Lead {
    pub(super) fn flight(&self) -> Arc<Flight> {
        Arc::clone(&self.flight)
    }

    /// Holds the lock until the answer is there, or the lead is dropped.
    pub(super) fn hold(&mut self, lock: Option<Lock>) {
        self.lock = lock;
    }

    /// Gives the answer to all who wait.
    pub(super) async fn land(mut self, kept: Arc<Kept>) {
        self.flight.landed.send_replace(Landed::With(kept));
        if let Some(lock) = self.lock.take() {
            lock.release().await;
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // Who comes from here on takes the lead anew.
        self.flights.under_way.lock().remove(&self.key);
        self.flight.landed.send_if_modified(|landed| {
            let has_none = matches!(landed, Landed::NotYet);
            if has_none {
                *landed = Landed::Empty;
            }
            has_none
        });
    }
}

impl Follower {
    /// The leader's answer; `None` where it has none.
    pub(super) async fn answer(self) -> Option<Arc<Kept>> {
        let mut landed = self.flight.landed.subscribe();
        let landed = landed.wait_for(|landed| !matches!(landed, Landed::NotYet)).await.ok()?;
        match &*landed {
            Landed::With(kept) => Some(Arc::clone(kept)),
            Landed::NotYet | Landed::Empty => None,
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.flight.followers.fetch_sub(1, Ordering::AcqRel);
    }
}
