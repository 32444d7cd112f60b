//! Everything one instance knows of budgets and limits: plain state without lock, clock or Redis.
//!
//! A reservation is taken from leases this instance holds, on every account of the call in one step.
//! Only where a lease does not do, the call waits for the next exchange with Redis (`desk/exchange.rs`).

use std::collections::HashMap;
use std::sync::Weak;

use gw_core::budget::{Amount, BudgetStatus, Limit, LimitKind, LimitStatus, Room, slot_of};
use gw_core::scope::Scope;
use gw_core::{Error, Kind, Money, limits};
use gw_ledger::window::{Span, resets_at_ms};
use gw_ledger::{Account, Refusal};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::account::{Course, Definition, Size};
use crate::message::Told;
use crate::share::{Past, Share};
use crate::tickets::{Call, Hold, Tickets};

mod exchange;
mod views;

pub(crate) use exchange::{InFlight, counter};

/// Calls that wait for an answer of Redis at one time; more are refused.
const WAITING_MAX: usize = 16_384;

/// How long a caller is told to stay away when Redis does not answer, in milliseconds.
const AWAY_RETRY_MS: u64 = 1_000;

/// What a call asks for, kept while it waits.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) scopes: Vec<Scope>,
    pub(crate) at_ms: i64,
    pub(crate) worst_case: Option<Money>,
    pub(crate) tokens: u64,
    pub(crate) requests: u64,
    /// The reservation that is to be made larger; `None`: a new one.
    pub(crate) ticket: Option<u64>,
}

impl Wish {
    fn size(&self) -> Size {
        let pico = self.worst_case.map_or(0, |amount| i128::from(amount.pico()).max(0));
        Size { pico, tokens: self.tokens, requests: self.requests }
    }
}

/// How a reservation went.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Held; `true`: a lease runs low and more should be asked for.
    Held(u64, bool),
    /// The leases do not do; the answer comes through here after an exchange with Redis.
    Wait(oneshot::Receiver<Delivery>),
    Refused(Error),
}

/// A reservation on its way to a caller that waited. Dropped on the way, it is given back.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) ticket: u64,
    /// Where it is given back; `None`: someone else does.
    pub(crate) desk: Option<Weak<Mutex<Desk>>>,
}

impl Granted {
    /// It arrived.
    pub(crate) fn take(mut self) -> u64 {
        self.desk = None;
        self.ticket
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take().and_then(|desk| desk.upgrade()) {
            desk.lock().release(self.ticket);
        }
    }
}

/// The end of a wait, as the caller gets it.
pub(crate) type Delivery = Result<Granted, Error>;

/// The end of a wait, whom it is for, and whether it is a reservation of its own: to be sent without
/// the lock.
pub(crate) type Sending = (oneshot::Sender<Delivery>, Result<u64, Error>, bool);

/// Counters that cannot pay for a call out of their leases, by place.
pub(crate) type Lacking = Vec<usize>;

#[derive(Debug)]
struct Rule {
    definition: Definition,
    /// Keeps serving while Redis is away.
    is_open: bool,
    /// Shares by stretch of time, the one used last in front.
    shares: Vec<(Span, usize)>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    wish: Wish,
    /// For each counter that lacked something, the recall that has to be heeded before it refuses.
    rounds: Vec<(u64, u64)>,
    to: oneshot::Sender<Delivery>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) instance: String,
    pub(crate) lease_ms: u64,
    rules: Vec<Option<Rule>>,
    by_scope: HashMap<Scope, Vec<usize>>,
    shares: Vec<Option<Share>>,
    by_key: HashMap<String, usize>,
    tickets: Tickets,
    waiting: Vec<Waiter>,
    last_number: u64,
    edition: u64,
    totals: Account,
    /// Counters that this instance has no part in any more.
    gone: Vec<String>,
    /// Until when the leases are this instance's, on the monotonic clock.
    lease_until_ms: u64,
    is_down: bool,
    /// When Redis came back last, by its own clock.
    back_ms: i64,
    /// Every instance told what it spent since then: what is left is known again.
    is_settled: bool,
    /// Live instances, by the last answer.
    count: u32,
    /// Redis's clock over the monotonic one, in milliseconds; never behind the truth.
    ahead_ms: i64,
    generation: Option<String>,
    /// A generation that forgot what it was told.
    bad_generation: Option<String>,
    /// All is yet to be told again in this generation.
    is_untold: bool,
    seq: u64,
    acked: u64,
}

impl Desk {
    pub(crate) fn new(instance: String, lease_ms: u64, ahead_ms: i64) -> Self {
        Self {
            instance,
            lease_ms,
            rules: Vec::new(),
            by_scope: HashMap::new(),
            shares: Vec::new(),
            by_key: HashMap::new(),
            tickets: Tickets::new(limits::RESERVATION_LEASE_MS),
            waiting: Vec::new(),
            last_number: 0,
            edition: 0,
            totals: Account::default(),
            gone: Vec::new(),
            lease_until_ms: 0,
            is_down: false,
            back_ms: 0,
            is_settled: true,
            count: 1,
            ahead_ms,
            generation: None,
            bad_generation: None,
            is_untold: true,
            seq: 0,
            acked: 0,
        }
    }

    /// Defines a budget or a limit, in place of one with the same id.
    pub(crate) fn put(&mut self, definition: Definition, is_open: bool) {
        let known = self.rules.iter_mut().flatten();
        if let Some(rule) = known.into_iter().find(|rule| rule.definition.counts_as(&definition)) {
            rule.definition = definition;
            rule.is_open = is_open;
            let shares: Vec<usize> = rule.shares.iter().map(|(_, share)| *share).collect();
            for share in shares {
                if let Some(share) = &mut self.shares[share] {
                    // A lower cap may have been leased away already.
                    share.is_recalled = true;
                    share.is_dirty = true;
                }
            }
            return;
        }
        self.remove(definition.id(), matches!(definition, Definition::Budget(_)));
        self.edition += 1;
        let scope = definition.scope().clone();
        let rule = Rule { definition, is_open, shares: Vec::new() };
        let place = self.rules.iter().position(Option::is_none).unwrap_or_else(|| {
            self.rules.push(None);
            self.rules.len() - 1
        });
        self.rules[place] = Some(rule);
        self.by_scope.entry(scope).or_default().push(place);
    }

    /// Removes a budget or a limit; false where there was none.
    pub(crate) fn remove(&mut self, id: &str, is_budget: bool) -> bool {
        let place = self.rules.iter().position(|rule| {
            rule.as_ref().is_some_and(|rule| {
                rule.definition.id() == id
                    && matches!(rule.definition, Definition::Budget(_)) == is_budget
            })
        });
        let Some(place) = place else { return false };
        let Some(rule) = self.rules[place].take() else { return false };
        self.edition += 1;
        if let Some(places) = self.by_scope.get_mut(rule.definition.scope()) {
            places.retain(|at| *at != place);
            if places.is_empty() {
                self.by_scope.remove(rule.definition.scope());
            }
        }
        for (_, share) in rule.shares {
            self.drop_share(share);
        }
        true
    }

    /// What is defined.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.rules.iter().flatten().map(|rule| &rule.definition)
    }

    /// Sums over the calls of this process.
    pub(crate) fn totals(&self) -> gw_ledger::Totals {
        self.totals.totals()
    }

    /// Holds a call's worst case on all its accounts, or nothing.
    pub(crate) fn reserve(&mut self, wish: Wish, now_ms: u64) -> Outcome {
        self.expire(now_ms);
        let lacking = match self.try_hold(&wish, now_ms) {
            Ok((ticket, is_low)) => return Outcome::Held(ticket, is_low),
            Err(Hindrance::Refused(refusal)) => return Outcome::Refused((*refusal).into()),
            Err(Hindrance::Lacking(lacking)) => lacking,
        };
        if let Some(error) = self.cut_off(&lacking, &wish, now_ms) {
            return Outcome::Refused(error);
        }
        if self.waiting.len() >= WAITING_MAX {
            let error = Error::new(Kind::StoreUnavailable, "too many calls wait for their budgets")
                .with_retry_after_ms(AWAY_RETRY_MS);
            return Outcome::Refused(error);
        }
        let (to, from) = oneshot::channel();
        let number = self.number();
        self.waiting.push(Waiter { number, wish, rounds: Vec::new(), to });
        Outcome::Wait(from)
    }

    /// Books what a call cost and gives the rest back; false for a ticket that is gone.
    pub(crate) fn settle(
        &mut self,
        ticket: u64,
        scopes: &[Scope],
        spent: Money,
        tokens: u64,
        now_ms: u64,
    ) -> bool {
        let Some(call) = self.tickets.close(ticket) else { return false };
        let is_late = call.has_expired || call.edition != self.edition;
        let real = Size { pico: i128::from(spent.pico()).max(0), tokens, requests: call.requests };
        for hold in &call.holds {
            let Some((rule, share)) = self.held_share(hold) else { continue };
            // Where definitions changed, budgets are booked below, held or not.
            let is_budget = matches!(rule, Definition::Budget(_));
            let booked = if is_late && is_budget { 0 } else { rule.asked(real) };
            share.settle(hold.slot, hold.amount, booked);
        }
        if is_late {
            for place in self.budgets_of(scopes) {
                let share = self.share_at(place, call.at_ms, now_ms);
                let Some(rule) = &self.rules[place] else { continue };
                let amount = rule.definition.asked(real);
                if let Some(share) = &mut self.shares[share] {
                    share.spend(slot_of(call.at_ms), amount);
                }
            }
        }
        if call.has_expired {
            self.totals.settle_late(spent, tokens);
        } else {
            self.totals.settle(call.worst_case, spent, tokens);
        }
        true
    }

    /// Gives everything back; false for a ticket that is gone.
    pub(crate) fn release(&mut self, ticket: u64) -> bool {
        let Some(call) = self.tickets.close(ticket) else { return false };
        for hold in &call.holds {
            if let Some((_, share)) = self.held_share(hold) {
                share.settle(hold.slot, hold.amount, 0);
            }
        }
        if !call.has_expired {
            self.totals.release(call.worst_case);
        }
        true
    }

    /// Gives back what calls hold that live longer than anyone thought; how many there were.
    pub(crate) fn expire(&mut self, now_ms: u64) -> usize {
        let mut expired = 0;
        while let Some(call) = self.tickets.expire_one(now_ms) {
            // What was begun stays begun; what was held goes back.
            let begun = Size { requests: call.requests, ..Size::default() };
            for hold in &call.holds {
                let Some((rule, share)) = self.held_share(hold) else { continue };
                let is_budget = matches!(rule, Definition::Budget(_));
                let real = if is_budget { 0 } else { rule.asked(begun) };
                share.settle(hold.slot, hold.amount, real);
            }
            self.totals.release(call.worst_case);
            expired += 1;
        }
        expired
    }

    /// Calls that hold something.
    pub(crate) fn open_calls(&self) -> u64 {
        self.totals.totals().open
    }

    /// The generation of Redis that knows this instance.
    pub(crate) fn generation(&self) -> Option<&str> {
        self.generation.as_deref()
    }

    fn try_hold(&mut self, wish: &Wish, now_ms: u64) -> Result<(u64, bool), Hindrance> {
        let Some(takes) = self.takes(wish, now_ms) else {
            return Err(Hindrance::Refused(Box::new(Refusal::LeaseEnded)));
        };
        let lacking: Lacking = takes
            .iter()
            .filter(|(share, _, amount)| !self.fits(*share, *amount, now_ms))
            .map(|(share, ..)| *share)
            .collect();
        if !lacking.is_empty() {
            return Err(Hindrance::Lacking(lacking));
        }
        let mut is_low = false;
        let mut holds = Vec::with_capacity(takes.len());
        for (place, slot, amount) in takes {
            if let Some(share) = &mut self.shares[place] {
                share.take(slot, amount, now_ms);
                is_low |= share.is_low(now_ms);
                if share.is_low(now_ms) {
                    share.is_dirty = true;
                }
                holds.push(Hold { share: place, uid: share.uid, slot, amount });
            }
        }
        let ticket = match wish.ticket {
            Some(ticket) => {
                self.tickets.extend(ticket, wish.worst_case, &holds);
                self.totals.extend(wish.worst_case);
                ticket
            }
            None => {
                self.totals.reserve(wish.worst_case);
                let call = Call {
                    at_ms: wish.at_ms,
                    worst_case: wish.worst_case,
                    requests: wish.requests,
                    edition: self.edition,
                    holds,
                    has_expired: false,
                };
                self.tickets.add(call, now_ms)
            }
        };
        Ok((ticket, is_low))
    }

    /// What a call takes, and where: share, slot and amount. `None`: the reservation to be extended
    /// is gone.
    fn takes(&mut self, wish: &Wish, now_ms: u64) -> Option<Vec<(usize, i64, i128)>> {
        let size = wish.size();
        let mut takes = Vec::with_capacity(8);
        if let Some(ticket) = wish.ticket {
            for hold in &self.tickets.open(ticket)?.holds {
                let share = self.shares[hold.share].as_ref().filter(|share| share.uid == hold.uid);
                if let Some(share) = share
                    && let Some(rule) = &self.rules[share.place]
                {
                    takes.push((hold.share, hold.slot, rule.definition.asked(size)));
                }
            }
            return Some(takes);
        }
        let second = self.second(now_ms);
        for place in self.rules_of(&wish.scopes) {
            let share = self.share_at(place, wish.at_ms, now_ms);
            let Some(rule) = &self.rules[place] else { continue };
            let slot = match rule.definition.course() {
                Course::Minute => second,
                Course::Running => 0,
                Course::Fixed | Course::Sliding(_) => slot_of(wish.at_ms),
            };
            takes.push((share, slot, rule.definition.asked(size)));
        }
        Some(takes)
    }

    /// True where the amount can be taken. Asking for nothing always fits.
    fn fits(&self, place: usize, amount: i128, now_ms: u64) -> bool {
        let Some(share) = &self.shares[place] else { return true };
        let Some(rule) = &self.rules[share.place] else { return true };
        let Some(cap) = rule.definition.cap() else { return true };
        let is_leased = now_ms < self.lease_until_ms && share.unused() >= amount;
        // A lease may be older than a cap that was lowered.
        if amount <= 0 || (is_leased && share.in_use() + amount <= cap - share.used_elsewhere()) {
            return true;
        }
        if !(rule.is_open && self.is_cut(share)) {
            return false;
        }
        // Redis is away: at most an equal part of what was left for this instance.
        let part = |whole: i128| {
            let count = i128::from(self.count.max(1));
            (whole + count - 1) / count
        };
        match share.course {
            Course::Minute => share.own() + amount <= part(cap),
            Course::Running => share.reserved + amount <= part(cap),
            Course::Fixed | Course::Sliding(_) => share.unused() + share.allowance >= amount,
        }
    }

    fn is_cut(&self, share: &Share) -> bool {
        self.is_down || share.is_cut
    }

    /// Why a call that lacks something need not wait: Redis is away.
    fn cut_off(&self, lacking: &[usize], wish: &Wish, now_ms: u64) -> Option<Error> {
        let mut refusal = None;
        for place in lacking {
            let share = self.shares[*place].as_ref()?;
            let rule = self.rules[share.place].as_ref()?;
            if !self.is_cut(share) {
                continue;
            }
            if !rule.is_open {
                let message = format!(
                    "the shared counters do not answer, and {} may not be used without them",
                    rule.definition.scope()
                );
                let error = Error::new(Kind::StoreUnavailable, message)
                    .with_retry_after_ms(AWAY_RETRY_MS)
                    .with_hint("Try again in a moment. The `redis_loss` of the budget or limit decides this, else \
                         `store.redis_loss`.");
                return Some(error);
            }
            let is_budget = matches!(rule.definition, Definition::Budget(_));
            if self.is_down && is_budget && share.past != Past::Heard {
                // The durable store is asked what was spent.
                return None;
            }
            let told = Told::default();
            refusal = Some(self.refusal(*place, wish, &told, now_ms)?.into());
        }
        refusal
    }

    /// Why a counter cannot pay, in words.
    fn refusal(&self, place: usize, wish: &Wish, told: &Told, now_ms: u64) -> Option<Refusal> {
        let share = self.shares[place].as_ref()?;
        let rule = self.rules[share.place].as_ref()?;
        let asked = rule.definition.asked(wish.size());
        Some(match &rule.definition {
            Definition::Budget(budget) => Refusal::Budget {
                status: BudgetStatus {
                    spent: budget.cap.with_number(share.spent_all + share.unreported()),
                    reserved: budget.cap.with_number(share.held_all),
                    resets_at_ms: resets_at_ms(budget.window, wish.at_ms),
                    budget: budget.clone(),
                },
                asked: budget.cap.with_number(asked),
            },
            Definition::Limit(limit) => {
                let wide = |number: i128| u64::try_from(number.max(0)).unwrap_or(u64::MAX);
                Refusal::Limit {
                    limit: limit.clone(),
                    used: wide(share.spent_all + share.held_all),
                    asked: wide(asked),
                    retry_after_ms: self.retry_after_ms(limit, asked, share, told, now_ms),
                }
            }
        })
    }

    fn retry_after_ms(
        &self,
        limit: &Limit,
        asked: i128,
        share: &Share,
        told: &Told,
        now_ms: u64,
    ) -> Option<u64> {
        let max = i128::from(limit.max);
        if asked > max {
            return None;
        }
        if limit.kind == LimitKind::Concurrent {
            return Some(AWAY_RETRY_MS);
        }
        let mut too_much = share.spent_all + share.held_all + asked - max;
        let now_ms = self.redis_ms(now_ms);
        for (slot, amount) in &told.slots {
            too_much -= amount.0;
            if too_much <= 0
                && let Ok(slot) = slot.parse::<i64>()
            {
                let leaves_ms = slot.saturating_add(61).saturating_mul(1_000);
                return Some(u64::try_from(leaves_ms.saturating_sub(now_ms)).unwrap_or(0));
            }
        }
        Some(AWAY_RETRY_MS)
    }

    fn rules_of(&self, scopes: &[Scope]) -> Vec<usize> {
        let mut places = Vec::with_capacity(8);
        for (at, scope) in scopes.iter().enumerate() {
            if let Some(found) = self.by_scope.get(scope)
                && !scopes[..at].contains(scope)
            {
                places.extend_from_slice(found);
            }
        }
        places
    }

    fn budgets_of(&self, scopes: &[Scope]) -> Vec<usize> {
        let mut places = self.rules_of(scopes);
        places.retain(|place| {
            let rule = self.rules[*place].as_ref();
            rule.is_some_and(|rule| matches!(rule.definition, Definition::Budget(_)))
        });
        places
    }

    fn share_at(&mut self, place: usize, at_ms: i64, now_ms: u64) -> usize {
        let Some(rule) = &mut self.rules[place] else { return usize::MAX };
        if let Some(at) = rule.shares.iter().position(|(span, _)| span.contains(at_ms)) {
            rule.shares.swap(0, at);
            return rule.shares[0].1;
        }
        let stretch = rule.definition.stretch(at_ms);
        let key = rule.definition.key(stretch);
        let course = rule.definition.course();
        let free = self.shares.iter().position(Option::is_none).unwrap_or_else(|| {
            self.shares.push(None);
            self.shares.len() - 1
        });
        rule.shares.insert(0, (stretch, free));
        self.last_number += 1;
        self.by_key.insert(key.clone(), free);
        self.gone.retain(|gone| *gone != key);
        self.shares[free] = Some(Share::new(self.last_number, place, key, stretch, course, now_ms));
        free
    }

    fn drop_share(&mut self, place: usize) {
        if let Some(share) = self.shares[place].take() {
            self.by_key.remove(&share.key);
            self.gone.push(share.key);
        }
    }

    fn held_share(&mut self, hold: &Hold) -> Option<(&Definition, &mut Share)> {
        let share = self.shares[hold.share].as_mut().filter(|share| share.uid == hold.uid)?;
        let rule = self.rules[share.place].as_ref()?;
        Some((&rule.definition, share))
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn redis_ms(&self, now_ms: u64) -> i64 {
        i64::try_from(now_ms).unwrap_or(i64::MAX).saturating_add(self.ahead_ms)
    }

    fn second(&self, now_ms: u64) -> i64 {
        self.redis_ms(now_ms).div_euclid(1_000)
    }
}

/// What keeps a call from being held at once.
#[derive(Debug)]
enum Hindrance {
    Refused(Box<Refusal>),
    Lacking(Lacking),
}

/// The thresholds between two sums of a budget.
fn crossed(budget: &gw_core::budget::Budget, before: i128, after: i128) -> Option<u16> {
    let cap = budget.cap.number();
    let reached = |percent: &&u16| {
        let threshold = cap.saturating_mul(i128::from(**percent));
        before.saturating_mul(100) < threshold && after.saturating_mul(100) >= threshold
    };
    budget.alerts.iter().filter(reached).max().copied()
}

#[cfg(test)]
mod tests;
