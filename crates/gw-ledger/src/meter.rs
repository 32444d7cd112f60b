//! A limit at work: how much was begun within a minute, or runs now.
//!
//! A minute is a ring of one-second slots. A slot counts until all of it is older than sixty seconds,
//! so no span of sixty seconds ever holds more than the limit, and room comes back at most one second
//! late. Time is the monotonic clock's. What is asked for is held at its worst case in the slot in
//! which the call began and corrected there when the call ends; a refused call leaves no trace.

use gw_core::budget::{Limit, LimitKind, LimitStatus};

/// Seconds that count: the running one and the sixty before it.
const SLOTS: usize = 61;
const SLOTS_WIDE: u64 = 61;

/// How long a caller refused for too many calls at one time is told to wait: nobody knows better.
const CONCURRENT_RETRY_MS: u64 = 1_000;

/// What a call asks of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) pico: u64,
}

/// One limit and what counts towards it.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    pub(crate) uid: u64,
    pub(crate) limit: Limit,
    count: Count,
}

#[derive(Clone, Debug)]
enum Count {
    Minute(Box<Ring>),
    Running(u64),
}

#[derive(Clone, Debug)]
struct Ring {
    slots: [u64; SLOTS],
    newest_s: u64,
    sum: u64,
}

/// Why a meter refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) used: u64,
    pub(crate) asked: u64,
    /// `None`: it would never fit.
    pub(crate) retry_after_ms: Option<u64>,
}

impl Meter {
    pub(crate) fn new(uid: u64, limit: Limit) -> Self {
        let count = match limit.kind {
            LimitKind::Concurrent => Count::Running(0),
            LimitKind::RequestsPerMinute
            | LimitKind::TokensPerMinute
            | LimitKind::DollarsPerMinute => {
                Count::Minute(Box::new(Ring { slots: [0; SLOTS], newest_s: 0, sum: 0 }))
            }
        };
        Self { uid, limit, count }
    }

    fn asked(&self, units: Units) -> u64 {
        match self.limit.kind {
            LimitKind::RequestsPerMinute | LimitKind::Concurrent => units.requests,
            LimitKind::TokensPerMinute => units.tokens,
            LimitKind::DollarsPerMinute => units.pico,
        }
    }

    /// Says whether the call fits. Asking for nothing always fits.
    pub(crate) fn check(&mut self, units: Units, now_ms: u64) -> Result<(), Full> {
        let asked = self.asked(units);
        let max = self.limit.max;
        let used = self.used(now_ms);
        if asked == 0 || used.checked_add(asked).is_some_and(|sum| sum <= max) {
            return Ok(());
        }
        let retry_after_ms = if asked > max {
            None
        } else {
            let too_much = used.saturating_sub(max - asked);
            match &self.count {
                Count::Running(_) => Some(CONCURRENT_RETRY_MS),
                Count::Minute(ring) => Some(ring.until_free_ms(too_much, now_ms)),
            }
        };
        Err(Full { used, asked, retry_after_ms })
    }

    /// Counts the call; gives the second in which it stands.
    pub(crate) fn hold(&mut self, units: Units, now_ms: u64) -> u64 {
        let asked = self.asked(units);
        match &mut self.count {
            Count::Running(running) => {
                *running = running.saturating_add(asked);
                0
            }
            Count::Minute(ring) => {
                ring.advance(now_ms / 1_000);
                ring.change(ring.newest_s, 0, asked);
                ring.newest_s
            }
        }
    }

    /// Corrects what was held at `second` to what it came to. Calls that ran stay counted as begun.
    pub(crate) fn settle(&mut self, second: u64, held: Units, real: Units) {
        let (held, real) = (self.asked(held), self.asked(real));
        match &mut self.count {
            Count::Running(running) => *running = running.saturating_sub(held),
            Count::Minute(ring) => ring.change(second, held, real),
        }
    }

    pub(crate) fn status(&mut self, now_ms: u64) -> LimitStatus {
        let used = self.used(now_ms);
        let reset_ms = match &self.count {
            Count::Running(_) => 0,
            Count::Minute(ring) => ring.until_free_ms(used, now_ms),
        };
        LimitStatus {
            remaining: self.limit.max.saturating_sub(used),
            limit: self.limit.clone(),
            reset_ms,
        }
    }

    fn used(&mut self, now_ms: u64) -> u64 {
        match &mut self.count {
            Count::Running(running) => *running,
            Count::Minute(ring) => {
                ring.advance(now_ms / 1_000);
                ring.sum
            }
        }
    }
}

impl Ring {
    fn advance(&mut self, now_s: u64) {
        if now_s <= self.newest_s {
            return;
        }
        if now_s - self.newest_s >= SLOTS_WIDE {
            self.slots = [0; SLOTS];
            self.sum = 0;
        } else {
            for second in self.newest_s + 1..=now_s {
                let slot = &mut self.slots[place(second)];
                self.sum -= *slot;
                *slot = 0;
            }
        }
        self.newest_s = now_s;
    }

    fn is_kept(&self, second: u64) -> bool {
        second <= self.newest_s && self.newest_s - second < SLOTS_WIDE
    }

    fn change(&mut self, second: u64, less: u64, more: u64) {
        if !self.is_kept(second) {
            return;
        }
        let slot = &mut self.slots[place(second)];
        let rest = self.sum - *slot;
        *slot = slot.saturating_sub(less).saturating_add(more).min(u64::MAX - rest);
        self.sum = rest + *slot;
    }

    /// How long until slots that hold at least `amount` have left.
    fn until_free_ms(&self, amount: u64, now_ms: u64) -> u64 {
        let mut free: u64 = 0;
        let mut leaves_ms = now_ms;
        for second in self.newest_s.saturating_sub(SLOTS_WIDE - 1)..=self.newest_s {
            if free >= amount {
                break;
            }
            let slot = self.slots[place(second)];
            if slot > 0 {
                free = free.saturating_add(slot);
                leaves_ms = second.saturating_add(SLOTS_WIDE).saturating_mul(1_000);
            }
        }
        leaves_ms.saturating_sub(now_ms)
    }
}

fn place(second: u64) -> usize {
    usize::try_from(second % SLOTS_WIDE).unwrap_or(0)
}

#[cfg(test)]
mod tests;
