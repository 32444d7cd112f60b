//! The exchange with Redis: what to say next, what an answer means, what to do without one.
//!
//! What is given up is given up before it is said; what is given is taken when the answer is here.
//! So a message that is lost, late or doubled leaves Redis counting too much for a moment, never too
//! little.

use gw_core::Error;
use gw_core::budget::BudgetStatus;
use gw_ledger::window::resets_at_ms;
use gw_ledger::{BudgetAlert, Refusal};

use super::{Definition, Desk, Hindrance, Sending, Waiter, crossed};
use crate::account::Course;
use crate::message::{Again, Answer, Ask, Counter, Num, Reply, Standing, Sync, Told};
use crate::share::Past;

/// Claims in one message.
pub(crate) const MESSAGE_CLAIMS_MAX: usize = 128;

/// Counters in one message, beside those of claims.
const MESSAGE_COUNTERS_MAX: usize = 128;

/// How often a counter in use is looked at, in milliseconds.
const REFRESH_MS: u64 = 1_000;

/// A counter that nobody used for so long is no longer looked at, in milliseconds.
const FORGOTTEN_MS: u64 = 30_000;

/// A message on its way.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) seq: u64,
    sent_ms: u64,
    counters: Vec<Sent>,
    claims: Vec<u64>,
    gone: Vec<String>,
    is_ready: bool,
}

#[derive(Debug)]
struct Sent {
    place: usize,
    uid: u64,
    slots: Vec<(i64, i128)>,
}

/// What is to be done after an answer.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Verdicts for callers that waited.
    pub(crate) sendings: Vec<Sending>,
    pub(crate) alerts: Vec<BudgetAlert>,
    /// Counters of which Redis lacks the base.
    pub(crate) unseeded: Vec<String>,
    /// Instances whose lease ran out.
    pub(crate) dead: Vec<String>,
}

impl Desk {
    /// The next message; `None`: this instance has to join first.
    pub(crate) fn message(&mut self, now_ms: u64, at_ms: i64) -> Option<(Sync, InFlight)> {
        let generation = self.generation.clone()?;
        self.expire(now_ms);
        self.seq += 1;
        let mut places: Vec<usize> = Vec::new();
        let mut claims: Vec<Vec<Ask>> = Vec::new();
        let mut numbers = Vec::new();
        self.gather_claims(&mut places, &mut claims, &mut numbers, now_ms);
        let of_claims = places.len();
        self.gather_counters(&mut places, now_ms);
        let mut accounts = Vec::with_capacity(places.len());
        let mut counters = Vec::with_capacity(places.len());
        for (at, place) in places.into_iter().enumerate() {
            if let Some((standing, sent)) = self.standing(place, at < of_claims, now_ms, at_ms) {
                accounts.push(standing);
                counters.push(sent);
            }
        }
        let is_ready = self.is_untold && !self.shares.iter().flatten().any(|share| share.is_dirty);
        let gone = std::mem::take(&mut self.gone);
        let sync = Sync {
            i: self.instance.clone(),
            lease: self.lease_ms,
            era: generation,
            seq: self.seq,
            acked: self.acked,
            accounts,
            claims,
            gone: gone.clone(),
            ready: is_ready,
        };
        let in_flight =
            InFlight { seq: self.seq, sent_ms: now_ms, counters, claims: numbers, gone, is_ready };
        Some((sync, in_flight))
    }

    /// Waiting claims, each on those of its counters that lack something for any of them. What is
    /// left there is given up with the message, so that a claim is granted on all of these or none.
    fn gather_claims(
        &mut self,
        places: &mut Vec<usize>,
        claims: &mut Vec<Vec<Ask>>,
        numbers: &mut Vec<u64>,
        now_ms: u64,
    ) {
        for share in self.shares.iter_mut().flatten() {
            share.pledge = 0;
        }
        let mut all = Vec::new();
        for at in 0..self.waiting.len().min(MESSAGE_CLAIMS_MAX) {
            let wish = self.waiting[at].wish.clone();
            let needs = self.needs(&wish, now_ms).unwrap_or_default();
            for (place, amount) in &needs {
                let pledged = self.shares[*place].as_ref().map_or(0, |share| share.pledge);
                if !self.fits(*place, *amount + pledged, now_ms) && !places.contains(place) {
                    places.push(*place);
                }
                if let Some(share) = &mut self.shares[*place] {
                    share.pledge += *amount;
                }
            }
            all.push(needs);
        }
        for (at, needs) in all.into_iter().enumerate() {
            let waiter = &self.waiting[at];
            let asks = needs.into_iter().filter_map(|(place, amount)| {
                let index = places.iter().position(|known| *known == place)?;
                let uid = self.shares[place].as_ref().map_or(0, |share| share.uid);
                let is_new = !waiter.rounds.iter().any(|(known, _)| *known == uid);
                (amount > 0).then_some((index, Num(amount), is_new))
            });
            claims.push(asks.collect());
            numbers.push(waiter.number);
        }
    }

    fn gather_counters(&self, places: &mut Vec<usize>, now_ms: u64) {
        let room = places.len() + MESSAGE_COUNTERS_MAX;
        let wants = |at: usize, urgent: bool| {
            self.shares[at].as_ref().is_some_and(|share| {
                let in_use = share.lease > 0 || now_ms < share.used_ms.saturating_add(FORGOTTEN_MS);
                let is_due = now_ms >= share.told_ms.saturating_add(REFRESH_MS);
                if urgent { share.is_dirty } else { !share.is_dirty && in_use && is_due }
            })
        };
        for urgent in [true, false] {
            for at in 0..self.shares.len() {
                if places.len() >= room {
                    return;
                }
                if wants(at, urgent) && !places.contains(&at) {
                    places.push(at);
                }
            }
        }
    }

    fn standing(
        &mut self,
        place: usize,
        is_claimed: bool,
        now_ms: u64,
        at_ms: i64,
    ) -> Option<(Standing, Sent)> {
        let second = self.second(now_ms);
        let share = self.shares[place].as_mut()?;
        let rule = self.rules[share.place].as_ref()?;
        let definition = &rule.definition;
        let drop = share.forget(second, definition.first_slot(at_ms), at_ms);
        let slots = share.tell();
        let is_recalled = std::mem::take(&mut share.is_recalled);
        let want = share.trim(is_claimed || is_recalled, now_ms);
        share.is_dirty = false;
        let cap = definition.cap();
        if cap.is_none() {
            share.lease = share.reserved;
        }
        let standing = Standing {
            counter: counter(definition, share.stretch, &share.key, at_ms),
            cap: cap.map(Num),
            slots: slots.iter().map(|(slot, own)| (slot.to_string(), Num(*own))).collect(),
            drop,
            keep: Num(share.lease),
            want: (!is_recalled && want > 0).then_some(Num(want)),
            // Heeded as long as nothing is held that is not in use.
            ack: if share.unused() <= 0 { share.recall } else { 0 },
            fresh: share.is_fresh,
        };
        Some((standing, Sent { place, uid: share.uid, slots }))
    }

    /// Takes an answer in.
    pub(crate) fn apply(&mut self, reply: &Reply, sent: InFlight, now_ms: u64) -> Effects {
        let mut effects = Effects::default();
        if let Some(again) = reply.again {
            self.take_back(sent);
            if again != Again::Stale {
                let lost = self.generation.take();
                self.bad_generation = lost.filter(|_| again == Again::Lost);
            }
            return effects;
        }
        self.acked = sent.seq;
        self.come_back(reply, sent.sent_ms);
        if sent.is_ready {
            self.is_untold = false;
        }
        for (counter, told) in sent.counters.iter().zip(&reply.accounts) {
            self.apply_counter(counter, told, now_ms, &mut effects);
        }
        for (key, round) in &reply.recalled {
            match self.by_key.get(key).and_then(|place| self.shares[*place].as_mut()) {
                Some(share) => {
                    share.recall = share.recall.max(*round);
                    share.is_recalled = true;
                    share.is_dirty = true;
                }
                None => self.gone.push(key.clone()),
            }
        }
        self.judge(reply, &sent, now_ms, &mut effects);
        effects.dead.clone_from(&reply.dead);
        effects
    }

    fn come_back(&mut self, reply: &Reply, sent_ms: u64) {
        let redis_ms = i64::try_from(reply.now).unwrap_or(0);
        self.ahead_ms = redis_ms - i64::try_from(sent_ms).unwrap_or(0);
        self.lease_until_ms = sent_ms.saturating_add(self.lease_ms);
        self.count = reply.count.max(1);
        if std::mem::take(&mut self.is_down) {
            self.back_ms = redis_ms;
            for share in self.shares.iter_mut().flatten() {
                share.is_dirty = true;
            }
        }
        let oldest_ms = i64::try_from(reply.oldest).unwrap_or(0);
        self.is_settled |= oldest_ms > self.back_ms;
    }

    fn apply_counter(&mut self, sent: &Sent, told: &Told, now_ms: u64, effects: &mut Effects) {
        let share = self.shares[sent.place].as_mut().filter(|share| share.uid == sent.uid);
        let Some(share) = share else { return };
        share.apply(told);
        // The list of recalls is lost with a lease that ran out; the number is not.
        if told.round > share.recall {
            share.recall = told.round;
            share.is_recalled = true;
            share.is_dirty = true;
        }
        if !told.seeded {
            effects.unseeded.push(share.key.clone());
        }
        let rule = self.rules[share.place].as_ref();
        if let Some(Definition::Budget(budget)) = rule.map(|rule| &rule.definition)
            && let Some(percent) = crossed(budget, told.before.0, told.spent.0)
        {
            let at_ms = share.stretch.from_ms.max(self.redis_ms(now_ms));
            let share = self.shares[sent.place].as_ref();
            let held = share.map_or(0, |share| share.held_all);
            let status = BudgetStatus {
                spent: budget.cap.with_number(told.spent.0),
                reserved: budget.cap.with_number(held),
                resets_at_ms: resets_at_ms(budget.window, at_ms),
                budget: budget.clone(),
            };
            effects.alerts.push(BudgetAlert { percent, status });
        }
    }

    /// Holds claims that were granted; refuses those that nobody can pay for.
    fn judge(&mut self, reply: &Reply, sent: &InFlight, now_ms: u64, effects: &mut Effects) {
        let mut left = Vec::new();
        for waiter in std::mem::take(&mut self.waiting) {
            if waiter.to.is_closed() {
                continue;
            }
            let is_new = waiter.wish.ticket.is_none();
            match self.try_hold(&waiter.wish, now_ms) {
                Ok((ticket, _)) => effects.sendings.push((waiter.to, Ok(ticket), is_new)),
                Err(Hindrance::Refused(refusal)) => {
                    effects.sendings.push((waiter.to, Err((*refusal).into()), is_new));
                }
                Err(Hindrance::Lacking(_)) => left.push(waiter),
            }
        }
        // Only now it is known what is left of the leases.
        for mut waiter in left {
            let answer = sent.claims.iter().position(|number| *number == waiter.number);
            let answer = answer.and_then(|at| reply.claims.get(at));
            let refusal =
                answer.and_then(|answer| self.verdict(&mut waiter, answer, reply, sent, now_ms));
            match refusal {
                Some(refusal) => {
                    let is_new = waiter.wish.ticket.is_none();
                    effects.sendings.push((waiter.to, Err(refusal.into()), is_new));
                }
                None => self.waiting.push(waiter),
            }
        }
    }

    /// Why a claim is refused for good; `None`: it is to wait.
    fn verdict(
        &self,
        waiter: &mut Waiter,
        answer: &Answer,
        reply: &Reply,
        sent: &InFlight,
        now_ms: u64,
    ) -> Option<Refusal> {
        let mut refusal = None;
        for lack in &answer.lacks {
            let (Some(counter), Some(told)) = (sent.counters.get(*lack), reply.accounts.get(*lack))
            else {
                continue;
            };
            if reply.waiting || !told.seeded {
                continue;
            }
            let known = waiter.rounds.iter().find(|(uid, _)| *uid == counter.uid);
            let round = known.map_or(told.round, |(_, round)| *round);
            if known.is_none() {
                waiter.rounds.push((counter.uid, round));
            }
            // What another claim was granted and could not use goes back with the next message.
            let is_left = self.shares[counter.place].as_ref().is_some_and(|s| s.unused() > 0);
            let is_final = round <= told.acked && !is_left;
            if refusal.is_none() && (is_final || self.is_hopeless(counter.place, waiter, told)) {
                refusal = self.refusal(counter.place, &waiter.wish, told, now_ms);
            }
        }
        refusal
    }

    /// True where even all that is held would not do.
    fn is_hopeless(&self, place: usize, waiter: &Waiter, told: &Told) -> bool {
        let Some(share) = &self.shares[place] else { return false };
        let Some(rule) = &self.rules[share.place] else { return false };
        let asked = rule.definition.asked(waiter.wish.size());
        let cap = rule.definition.cap();
        share.course != Course::Minute && cap.is_some_and(|cap| asked > cap - told.spent.0)
    }

    /// No answer came: calls that wait are judged by what is known here.
    pub(crate) fn go_down(&mut self, sent: Option<InFlight>, now_ms: u64) -> Vec<Sending> {
        if let Some(sent) = sent {
            self.take_back(sent);
        }
        // Part of a part: until all have told what they spent in the last outage, what is left of that
        // one's allowance has to do.
        if !std::mem::replace(&mut self.is_down, true) && std::mem::take(&mut self.is_settled) {
            for at in 0..self.shares.len() {
                self.allow(at);
            }
        }
        self.judge_cut(now_ms)
    }

    /// The durable store could not tell the base of a counter.
    pub(crate) fn cut(&mut self, key: &str, now_ms: u64) -> Vec<Sending> {
        if let Some(place) = self.by_key.get(key).copied() {
            if let Some(share) = &mut self.shares[place] {
                share.is_cut = true;
            }
            self.allow(place);
        }
        self.judge_cut(now_ms)
    }

    /// What this instance may spend beyond its lease: an equal part of what was left.
    fn allow(&mut self, place: usize) {
        let Some(share) = &mut self.shares[place] else { return };
        if share.past != Past::Heard {
            return;
        }
        let cap = self.rules[share.place].as_ref().and_then(|rule| rule.definition.cap());
        let left = cap.unwrap_or(0) - share.spent_all - share.held_all;
        share.allowance = left.max(0) / i128::from(self.count.max(1));
    }

    /// Budgets in use of which nobody told yet what was spent: the durable store is to be asked, once
    /// for each.
    pub(crate) fn unknown_pasts(&mut self) -> Vec<String> {
        if !self.is_down {
            return Vec::new();
        }
        let mut keys = Vec::new();
        for share in self.shares.iter_mut().flatten() {
            let rule = self.rules[share.place].as_ref();
            let is_budget =
                rule.is_some_and(|rule| matches!(rule.definition, Definition::Budget(_)));
            if is_budget && share.past == Past::Unknown {
                share.past = Past::Asked;
                keys.push(share.key.clone());
            }
        }
        keys
    }

    /// What the durable store knows to be spent of a counter, while Redis is away. Where it is away too
    /// nobody knows of anything.
    pub(crate) fn learn_past(&mut self, key: &str, spent: i128, now_ms: u64) -> Vec<Sending> {
        if let Some(place) = self.by_key.get(key).copied() {
            if let Some(share) = self.shares[place].as_mut()
                && share.past == Past::Asked
            {
                share.past = Past::Heard;
                share.spent_all = spent;
            }
            self.allow(place);
        }
        self.judge_cut(now_ms)
    }

    fn judge_cut(&mut self, now_ms: u64) -> Vec<Sending> {
        let mut sendings = Vec::new();
        for waiter in std::mem::take(&mut self.waiting) {
            let verdict = match self.try_hold(&waiter.wish, now_ms) {
                Ok((ticket, _)) => Some(Ok(ticket)),
                Err(Hindrance::Refused(refusal)) => Some(Err(Error::from(*refusal))),
                Err(Hindrance::Lacking(lacking)) => {
                    self.cut_off(&lacking, &waiter.wish, now_ms).map(Err)
                }
            };
            match verdict {
                Some(verdict) => sendings.push((waiter.to, verdict, waiter.wish.ticket.is_none())),
                None => self.waiting.push(waiter),
            }
        }
        sendings
    }

    /// Nobody knows whether the message arrived: all of it is told again with the next one.
    pub(crate) fn take_back(&mut self, sent: InFlight) {
        for counter in sent.counters {
            let share = self.shares[counter.place].as_mut();
            if let Some(share) = share.filter(|share| share.uid == counter.uid) {
                share.untell(&counter.slots);
            }
        }
        self.gone.extend(sent.gone);
    }

    /// What to say to join: the number of the message, and the generation that lost something.
    pub(crate) fn joining(&mut self) -> (u64, Option<String>) {
        self.seq += 1;
        (self.seq, self.bad_generation.clone())
    }

    /// True where Redis knows this instance.
    pub(crate) fn has_joined(&self) -> bool {
        self.generation.is_some()
    }

    /// Redis knows this instance from here on, and nothing that it holds.
    pub(crate) fn joined(&mut self, generation: String, seq: u64) {
        self.generation = Some(generation);
        self.bad_generation = None;
        self.acked = seq;
        self.is_untold = true;
        // Recalls are numbered anew.
        for waiter in &mut self.waiting {
            waiter.rounds.clear();
        }
        for share in self.shares.iter_mut().flatten() {
            share.lease = share.lease.min(share.reserved + share.unreported());
            share.retell();
        }
    }

    /// The counter of a name, as messages describe it, and an instant of its window.
    pub(crate) fn counter_of(&self, key: &str, at_ms: i64) -> Option<(Counter, i64, Definition)> {
        let share = self.shares[*self.by_key.get(key)?].as_ref()?;
        let rule = self.rules[share.place].as_ref()?;
        let counter = counter(&rule.definition, share.stretch, key, at_ms);
        let of_ms = if share.stretch.contains(at_ms) { at_ms } else { share.stretch.from_ms };
        Some((counter, of_ms, rule.definition.clone()))
    }

    /// Has the counter told of in the next message.
    pub(crate) fn touch(&mut self, key: &str) {
        if let Some(place) = self.by_key.get(key).copied()
            && let Some(share) = &mut self.shares[place]
        {
            share.is_dirty = true;
        }
    }

    /// How soon the next message is due, in milliseconds.
    pub(crate) fn pause_ms(&self) -> u64 {
        if !self.waiting.is_empty() {
            return 3;
        }
        let shares = self.shares.iter().flatten();
        let is_tight = |share: &crate::share::Share| {
            let cap = self.rules[share.place].as_ref().and_then(|rule| rule.definition.cap());
            cap.is_some_and(|cap| {
                share.held_all > share.lease && (cap - share.spent_all - share.held_all) * 8 < cap
            })
        };
        let mut pause_ms = 100;
        for share in shares {
            if share.is_recalled {
                return 0;
            }
            if is_tight(share) {
                pause_ms = 15;
            }
        }
        pause_ms
    }

    /// Drops shares of windows that are over.
    pub(crate) fn tidy(&mut self, now_ms: u64, at_ms: i64) {
        for place in 0..self.shares.len() {
            let Some(share) = &self.shares[place] else { continue };
            let is_over = share.stretch.until_ms < at_ms
                && share.is_done()
                && now_ms >= share.used_ms.saturating_add(3_600_000);
            if is_over {
                let rule = share.place;
                if let Some(rule) = &mut self.rules[rule] {
                    rule.shares.retain(|(_, at)| *at != place);
                }
                self.drop_share(place);
            }
        }
    }

    fn needs(&mut self, wish: &super::Wish, now_ms: u64) -> Option<Vec<(usize, i128)>> {
        self.takes(wish, now_ms)
            .map(|takes| takes.into_iter().map(|(place, _, amount)| (place, amount)).collect())
    }
}

/// A counter as messages describe it.
pub(crate) fn counter(
    definition: &Definition,
    stretch: gw_ledger::window::Span,
    key: &str,
    at_ms: i64,
) -> Counter {
    let course = definition.course();
    Counter {
        k: key.to_owned(),
        base: matches!(definition, Definition::Budget(_)),
        minute: course == Course::Minute,
        moves: matches!(course, Course::Minute | Course::Sliding(_)),
        from: definition.first_slot(at_ms).map(|slot| slot.to_string()),
        ttl: definition.kept_ms(stretch, at_ms),
    }
}
