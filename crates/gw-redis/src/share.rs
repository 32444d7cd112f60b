//! This instance's part of one counter: what it spent, what its calls hold, and the lease that both
//! are taken from.
//!
//! The law: what was spent and not yet told, plus what is held, never passes the lease; and Redis
//! counts the lease as used from before it is known here until after it is given up here.

use std::collections::BTreeMap;

use gw_ledger::window::Span;

use crate::account::{Course, is_old_slot};
use crate::message::Told;

/// Seconds that count: the running one and the sixty before it.
const MINUTE_SLOTS: i64 = 61;

/// What was spent in one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    /// By this instance, in all.
    own: i128,
    /// The part that is no longer taken from the lease.
    counted: i128,
    /// Redis has not confirmed the total.
    is_dirty: bool,
}

impl Slot {
    fn unreported(self) -> i128 {
        (self.own - self.counted).max(0)
    }
}

/// How this instance knows what was spent of a counter before it came, and by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// Not at all.
    Unknown,
    /// The durable store is being asked.
    Asked,
    /// From Redis, or while that is away from the durable store.
    Heard,
}

/// This instance's part of one counter.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) uid: u64,
    /// The place of the definition it serves.
    pub(crate) place: usize,
    pub(crate) key: String,
    pub(crate) stretch: Span,
    pub(crate) course: Course,
    pub(crate) lease: i128,
    pub(crate) reserved: i128,
    unreported: i128,
    slots: BTreeMap<i64, Slot>,
    pub(crate) is_dirty: bool,
    /// Never heard of what Redis has under this instance's name.
    pub(crate) is_fresh: bool,
    /// Redis has the base of it; `None`: not known.
    pub(crate) is_seeded: Option<bool>,
    /// The durable store could not tell the base.
    pub(crate) is_cut: bool,
    /// Taken from the lease since the last message.
    taken: i128,
    last_ask: i128,
    target: i128,
    /// What calls that wait for another counter want of this one's unused lease.
    pub(crate) pledge: i128,
    /// When the last message about it was built, and when it was last used, on the monotonic clock.
    pub(crate) told_ms: u64,
    pub(crate) used_ms: u64,
    /// The last recall that was seen.
    pub(crate) recall: u64,
    /// What all instances spent and hold, by the last answer.
    pub(crate) spent_all: i128,
    pub(crate) held_all: i128,
    /// This instance's part of that.
    pub(crate) lease_told: i128,
    /// Unused leases are wanted back.
    pub(crate) is_recalled: bool,
    /// Beyond the lease, while Redis is away.
    pub(crate) allowance: i128,
    /// How what was spent before is known while Redis is away.
    pub(crate) past: Past,
}

impl Share {
    pub(crate) fn new(
        uid: u64,
        place: usize,
        key: String,
        stretch: Span,
        course: Course,
        now_ms: u64,
    ) -> Self {
        Self {
            uid,
            place,
            key,
            stretch,
            course,
            lease: 0,
            reserved: 0,
            unreported: 0,
            slots: BTreeMap::new(),
            is_dirty: false,
            is_fresh: true,
            is_seeded: None,
            is_cut: false,
            taken: 0,
            last_ask: 0,
            target: 0,
            pledge: 0,
            told_ms: now_ms,
            used_ms: now_ms,
            recall: 0,
            spent_all: 0,
            held_all: 0,
            lease_told: 0,
            is_recalled: false,
            allowance: 0,
            past: Past::Unknown,
        }
    }

    /// What may still be taken from a lease of this size.
    pub(crate) fn unused(&self) -> i128 {
        self.lease - self.unreported - self.reserved
    }

    /// What is taken from the lease.
    pub(crate) fn in_use(&self) -> i128 {
        self.unreported + self.reserved
    }

    /// What Redis counts beside this lease, by its last answer.
    pub(crate) fn used_elsewhere(&self) -> i128 {
        self.spent_all + self.held_all - self.lease_told
    }

    /// Spent here and not yet in what Redis told.
    pub(crate) fn unreported(&self) -> i128 {
        self.unreported
    }

    /// Spent here within the window.
    pub(crate) fn own(&self) -> i128 {
        self.slots.values().map(|slot| slot.own).sum()
    }

    /// The newest slot in which this instance spent.
    pub(crate) fn last_slot(&self) -> Option<i64> {
        self.slots.last_key_value().map(|(slot, _)| *slot)
    }

    /// True where half of what is usually wanted is gone and it is time to ask for more.
    pub(crate) fn is_low(&self, now_ms: u64) -> bool {
        self.unused() * 2 < self.target && now_ms >= self.told_ms.saturating_add(20)
    }

    /// True where holding anything but what is in use helps nobody.
    pub(crate) fn is_idle(&self, now_ms: u64) -> bool {
        now_ms >= self.used_ms.saturating_add(1_000)
    }

    /// Nothing is held and nothing is untold.
    pub(crate) fn is_done(&self) -> bool {
        self.reserved == 0 && self.lease == 0 && !self.slots.values().any(|slot| slot.is_dirty)
    }

    /// Takes an amount for a call. Minutes count it at once, budgets when it is spent.
    pub(crate) fn take(&mut self, slot: i64, amount: i128, now_ms: u64) {
        self.taken += amount;
        self.last_ask = amount;
        self.used_ms = now_ms;
        if self.course == Course::Minute {
            self.spend(slot, amount);
        } else {
            self.reserved += amount;
        }
    }

    /// Replaces what a call took by what it came to.
    pub(crate) fn settle(&mut self, slot: i64, taken: i128, real: i128) {
        if self.course == Course::Minute {
            self.spend(slot, real - taken);
        } else {
            self.reserved -= taken;
            if self.course != Course::Running {
                self.spend(slot, real);
            }
        }
        // What came back is not told at once: the next message has it.
        self.is_dirty = true;
    }

    /// Counts something as spent; minutes may also be corrected downwards.
    pub(crate) fn spend(&mut self, slot: i64, amount: i128) {
        if amount == 0 {
            return;
        }
        if self.course == Course::Minute && amount < 0 && !self.slots.contains_key(&slot) {
            return;
        }
        let entry = self.slots.entry(slot).or_default();
        let before = entry.unreported();
        entry.own = (entry.own + amount).max(0);
        entry.is_dirty = true;
        self.unreported += entry.unreported() - before;
        self.is_dirty = true;
    }

    /// Forgets slots that no longer count; gives those that Redis should forget as well.
    pub(crate) fn forget(
        &mut self,
        second: i64,
        first_slot: Option<i64>,
        at_ms: i64,
    ) -> Vec<String> {
        let mut gone = Vec::new();
        while let Some(first) = self.slots.first_entry() {
            let (slot, entry) = (*first.key(), *first.get());
            let has_left = match self.course {
                Course::Minute => slot <= second - MINUTE_SLOTS,
                Course::Sliding(_) => first_slot.is_some_and(|first| slot < first),
                Course::Fixed | Course::Running => false,
            };
            if has_left
                || (is_old_slot(slot, at_ms) && !entry.is_dirty && self.course == Course::Fixed)
            {
                first.remove();
                self.unreported -= entry.unreported();
                if !has_left {
                    gone.push(slot.to_string());
                }
            } else {
                break;
            }
        }
        gone
    }

    /// Slots that Redis has to hear of. From here on they are no longer taken from the lease, which
    /// shrinks by as much.
    pub(crate) fn tell(&mut self) -> Vec<(i64, i128)> {
        let mut told = Vec::new();
        for (slot, entry) in &mut self.slots {
            if entry.is_dirty {
                told.push((*slot, entry.own));
                self.lease -= entry.unreported();
                entry.counted = entry.own;
                entry.is_dirty = false;
            }
        }
        self.unreported = 0;
        told
    }

    /// The message with these slots was lost, or may have been.
    pub(crate) fn untell(&mut self, slots: &[(i64, i128)]) {
        for (slot, _) in slots {
            if let Some(entry) = self.slots.get_mut(slot) {
                entry.is_dirty = true;
            }
        }
        self.is_dirty = true;
    }

    /// Redis lost everything: all is to be told again.
    pub(crate) fn retell(&mut self) {
        for entry in self.slots.values_mut() {
            entry.is_dirty = true;
        }
        self.is_dirty = true;
        self.is_seeded = None;
        self.recall = 0;
    }

    /// Gives up what is not in use beyond what is usually wanted, or all of it; gives how much more
    /// would be liked. The lease is what calls hold, and the rest of it, from here on.
    pub(crate) fn trim(&mut self, is_recalled: bool, now_ms: u64) -> i128 {
        let passed_ms = i128::from(now_ms.saturating_sub(self.told_ms).max(1));
        let of_300_ms = self.taken.saturating_mul(300) / passed_ms.max(100);
        let wanted = of_300_ms.max(self.last_ask.saturating_mul(8) * i128::from(self.taken > 0));
        self.target = wanted.saturating_mul(2).max(self.target - self.target / 4 - 1).max(0);
        if self.is_idle(now_ms) {
            self.target = 0;
        }
        self.taken = 0;
        self.told_ms = now_ms;
        let unused = self.unused();
        // What was taken beyond the lease, while Redis was away, is not there a second time.
        self.allowance = (self.allowance + unused.min(0)).max(0);
        let kept = if is_recalled { 0 } else { unused.clamp(0, self.target.max(self.pledge)) };
        self.lease = self.reserved + self.unreported + kept;
        self.target - kept
    }

    /// What Redis answered: the lease in place of the one that was asked to be kept.
    pub(crate) fn apply(&mut self, told: &Told) {
        self.lease = told.lease.0;
        self.lease_told = told.lease.0;
        self.spent_all = told.spent.0;
        self.held_all = told.held.0;
        self.past = if told.seeded { Past::Heard } else { self.past };
        self.is_seeded = Some(told.seeded);
        if told.seeded {
            self.is_cut = false;
            if self.is_fresh {
                self.is_fresh = false;
                for (slot, amount) in &told.own {
                    if let Ok(slot) = slot.parse() {
                        self.adopt(slot, amount.0);
                    }
                }
            }
        }
    }

    /// Spent by this instance before this share was made: Redis counts it already.
    fn adopt(&mut self, slot: i64, amount: i128) {
        let entry = self.slots.entry(slot).or_default();
        entry.own += amount;
        entry.counted += amount;
        entry.is_dirty = true;
        self.is_dirty = true;
    }
}
