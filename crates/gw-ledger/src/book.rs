//! The book of all budgets and limits of one process: plain state, no lock, no clock, no store.
//!
//! One step looks at everything a call goes on and changes either all of it or nothing. Tickets
//! count once: settled or released, they are gone. A ticket whose lease ran out gives back what it
//! held and stays known until it is settled, because a call that ran longer than anyone thought still
//! costs what it costs.

use std::collections::HashMap;

use gw_core::budget::{Amount, Budget, BudgetStatus, Limit, LimitStatus, Room, Spending};
use gw_core::scope::Scope;
use gw_core::{Money, limits};

use crate::account::{Account, Totals};
use crate::meter::{Meter, Units};
use crate::purse::Purse;
use crate::refusal::Refusal;

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The accounts it goes on; one that is named twice counts once.
    pub scopes: &'a [Scope],
    /// When it began, in milliseconds since 1970.
    pub at_ms: i64,
    /// Its worst case; `None`: no known price, nothing is held.
    pub worst_case: Option<Money>,
    /// The most tokens it may read and write.
    pub worst_tokens: u64,
    /// Calls that it counts as.
    pub requests: u64,
}

/// A budget reached one of its thresholds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetAlert {
    /// The threshold, in per cent of the cap.
    pub percent: u16,
    /// How the budget stands now.
    pub status: BudgetStatus,
}

/// The book.
#[derive(Debug)]
pub struct Book {
    nodes: Vec<Node>,
    by_scope: HashMap<Scope, usize>,
    tickets: Vec<Ticket>,
    free: Vec<u32>,
    /// Open tickets from the oldest to the newest, linked through their places.
    oldest: u32,
    newest: u32,
    lease_ms: u64,
    last_uid: u64,
    /// Counts changes of definitions.
    edition: u64,
    totals: Account,
    /// Nodes of the call at hand.
    touched: Vec<usize>,
}

/// What is defined for one scope.
#[derive(Debug, Default)]
struct Node {
    purses: Vec<Purse>,
    meters: Vec<Meter>,
}

#[derive(Debug)]
struct Ticket {
    generation: u32,
    state: State,
    at_ms: i64,
    expires_ms: u64,
    worst_case: Option<Money>,
    worst_tokens: u64,
    requests: u64,
    edition: u64,
    holds: Vec<Hold>,
    before: u32,
    after: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Open,
    Expired,
}

#[derive(Clone, Copy, Debug)]
enum Hold {
    Purse { node: usize, uid: u64 },
    Meter { node: usize, uid: u64, second: u64 },
}

const NONE: u32 = u32::MAX;

impl Default for Book {
    fn default() -> Self {
        Self::new(limits::RESERVATION_LEASE_MS)
    }
}

impl Book {
    /// An empty book whose reservations live so many milliseconds at most.
    pub fn new(lease_ms: u64) -> Self {
        Self {
            nodes: Vec::new(),
            by_scope: HashMap::new(),
            tickets: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            lease_ms,
            last_uid: 0,
            edition: 0,
            totals: Account::default(),
            touched: Vec::new(),
        }
    }

    /// Sums over everything, whatever is defined.
    pub fn totals(&self) -> Totals {
        self.totals.totals()
    }

    /// Defines a budget, in place of one with the same id. One that counts the same as before keeps
    /// its sums; another begins with what its scope spent so far.
    pub fn put_budget(&mut self, budget: &Budget, slots: &[Spending], lifetime: &Spending) {
        if self.redefine(budget) {
            return;
        }
        self.remove_budget(&budget.id);
        let uid = self.next_uid();
        let node = self.node(&budget.scope);
        self.nodes[node].purses.push(Purse::new(uid, budget.clone(), slots, lifetime));
    }

    /// Takes a budget's new cap and rules where it counts the same as before, keeping its sums;
    /// false where it has to be put anew.
    pub fn redefine(&mut self, budget: &Budget) -> bool {
        let mut purses = self.nodes.iter_mut().flat_map(|node| node.purses.iter_mut());
        purses
            .find(|purse| purse.budget.id == budget.id)
            .is_some_and(|purse| purse.redefine(budget))
    }

    /// Removes a budget; false where there was none.
    pub fn remove_budget(&mut self, id: &str) -> bool {
        self.edition += 1;
        let before = self.nodes.iter().map(|node| node.purses.len()).sum::<usize>();
        for node in &mut self.nodes {
            node.purses.retain(|purse| purse.budget.id != id);
        }
        before > self.nodes.iter().map(|node| node.purses.len()).sum()
    }

    /// Defines a limit, in place of one with the same id. A new maximum keeps the count.
    pub fn put_limit(&mut self, limit: &Limit) {
        let mut meters = self.nodes.iter_mut().flat_map(|node| node.meters.iter_mut());
        if let Some(meter) = meters.find(|meter| {
            meter.limit.id == limit.id
                && meter.limit.scope == limit.scope
                && meter.limit.kind == limit.kind
        }) {
            meter.limit = limit.clone();
            return;
        }
        self.remove_limit(&limit.id);
        let uid = self.next_uid();
        let node = self.node(&limit.scope);
        self.nodes[node].meters.push(Meter::new(uid, limit.clone()));
    }

    /// Removes a limit; false where there was none.
    pub fn remove_limit(&mut self, id: &str) -> bool {
        self.edition += 1;
        let before = self.nodes.iter().map(|node| node.meters.len()).sum::<usize>();
        for node in &mut self.nodes {
            node.meters.retain(|meter| meter.limit.id != id);
        }
        before > self.nodes.iter().map(|node| node.meters.len()).sum()
    }

    /// Holds what a call may cost on every budget and limit, or nothing at all; gives its ticket.
    ///
    /// # Errors
    /// The first budget, else the first limit, that refuses.
    pub fn reserve(&mut self, ask: &Ask<'_>, now_ms: u64) -> Result<u64, Box<Refusal>> {
        self.expire(now_ms);
        self.find_nodes(ask.scopes);
        self.check(ask, now_ms, |_, _| true)?;
        let place = self.open(ask, now_ms);
        let units = units(ask.worst_case, ask.worst_tokens, ask.requests);
        let (pico, tokens) = (pico(ask.worst_case), i128::from(ask.worst_tokens));
        let mut holds = std::mem::take(&mut self.tickets[at(place)].holds);
        for node in self.touched.iter().copied() {
            for purse in &mut self.nodes[node].purses {
                purse.hold(ask.at_ms, purse.asked(pico, tokens));
                holds.push(Hold::Purse { node, uid: purse.uid });
            }
            for meter in &mut self.nodes[node].meters {
                let second = meter.hold(units, now_ms);
                holds.push(Hold::Meter { node, uid: meter.uid, second });
            }
        }
        self.totals.reserve(ask.worst_case);
        let ticket = &mut self.tickets[at(place)];
        ticket.holds = holds;
        Ok(u64::from(ticket.generation) << 32 | u64::from(place))
    }

    /// Holds more under a ticket wherever it holds something, or nothing more at all. `ask` is for
    /// the whole again: `more` is added to what the ticket holds.
    ///
    /// # Errors
    /// As [`Book::reserve`]; a ticket that is gone or whose lease ran out is refused.
    pub fn extend(
        &mut self,
        ticket: u64,
        scopes: &[Scope],
        more: Option<Money>,
        more_tokens: u64,
        now_ms: u64,
    ) -> Result<(), Box<Refusal>> {
        self.expire(now_ms);
        let place = self.find(ticket).filter(|place| self.tickets[*place].state == State::Open);
        let Some(place) = place else {
            return Err(Box::new(Refusal::LeaseEnded));
        };
        let holds = std::mem::take(&mut self.tickets[place].holds);
        let at_ms = self.tickets[place].at_ms;
        let ask = Ask { scopes, at_ms, worst_case: more, worst_tokens: more_tokens, requests: 0 };
        self.find_nodes(scopes);
        let is_held = |node: usize, wanted: u64| {
            holds.iter().any(|hold| match hold {
                Hold::Purse { node: at, uid } | Hold::Meter { node: at, uid, .. } => {
                    *at == node && *uid == wanted
                }
            })
        };
        let checked = self.check(&ask, now_ms, is_held);
        if checked.is_ok() {
            let added = units(more, more_tokens, 0);
            let (pico, tokens) = (pico(more), i128::from(more_tokens));
            for hold in &holds {
                match *hold {
                    Hold::Purse { node, uid } => {
                        if let Some(purse) = self.nodes[node].purse(uid) {
                            purse.hold(at_ms, purse.asked(pico, tokens));
                        }
                    }
                    // In the second in which the call began: all of it is corrected there.
                    Hold::Meter { node, uid, second } => {
                        if let Some(meter) = self.nodes[node].meter(uid) {
                            meter.settle(second, Units::default(), added);
                        }
                    }
                }
            }
            self.totals.extend(more);
            let ticket = &mut self.tickets[place];
            ticket.worst_case = match (ticket.worst_case, more) {
                (Some(held), Some(more)) => Some(held + more),
                (held, more) => held.or(more),
            };
            ticket.worst_tokens = ticket.worst_tokens.saturating_add(more_tokens);
        }
        self.tickets[place].holds = holds;
        checked
    }

    /// Books what a call cost and gives the rest back; false for a ticket that is gone. What was
    /// defined since the reservation is booked as well. Thresholds that this reaches are added to
    /// `alerts`.
    pub fn settle(
        &mut self,
        ticket: u64,
        scopes: &[Scope],
        spent: Money,
        tokens: u64,
        alerts: &mut Vec<BudgetAlert>,
    ) -> bool {
        let Some(place) = self.find(ticket) else { return false };
        let is_late = self.tickets[place].state == State::Expired
            || self.tickets[place].edition != self.edition;
        let at_ms = self.tickets[place].at_ms;
        let (spent_pico, spent_tokens) = (i128::from(spent.pico()), i128::from(tokens));
        let real = Units {
            requests: self.tickets[place].requests,
            tokens,
            pico: u64::try_from(spent.pico()).unwrap_or(0),
        };
        self.give_back(place, real, (!is_late).then_some((spent_pico, spent_tokens)), alerts);
        if is_late {
            // Whatever is defined now for the call's accounts, held or not.
            self.find_nodes(scopes);
            for node in self.touched.iter().copied() {
                for purse in &mut self.nodes[node].purses {
                    let spent = purse.asked(spent_pico, spent_tokens);
                    book(purse, at_ms, spent, alerts);
                }
            }
        }
        let held = self.tickets[place].worst_case;
        if self.tickets[place].state == State::Expired {
            self.totals.settle_late(spent, tokens);
        } else {
            self.totals.settle(held, spent, tokens);
        }
        self.close(place);
        true
    }

    /// Gives everything back, as if nothing had been asked; false for a ticket that is gone.
    pub fn release(&mut self, ticket: u64) -> bool {
        let Some(place) = self.find(ticket) else { return false };
        self.give_back(place, Units::default(), None, &mut Vec::new());
        if self.tickets[place].state == State::Open {
            self.totals.release(self.tickets[place].worst_case);
        }
        self.close(place);
        true
    }

    /// Gives back what reservations hold whose lease ran out; how many there were.
    pub fn expire(&mut self, now_ms: u64) -> usize {
        let mut expired = 0;
        while self.oldest != NONE && self.tickets[at(self.oldest)].expires_ms <= now_ms {
            let place = at(self.oldest);
            // Its request was made as far as anyone knows, and its money may still be spent: what
            // is held goes back, what was begun stays begun.
            let begun = Units { requests: self.tickets[place].requests, ..Units::default() };
            self.give_back(place, begun, None, &mut Vec::new());
            self.totals.release(self.tickets[place].worst_case);
            self.unlink(place);
            self.tickets[place].state = State::Expired;
            expired += 1;
        }
        expired
    }

    /// Reservations that hold something.
    pub fn open_tickets(&self) -> usize {
        self.tickets.iter().filter(|ticket| ticket.state == State::Open).count()
    }

    /// What is left for a call of these scopes.
    pub fn room(&mut self, scopes: &[Scope], at_ms: i64) -> Room {
        let mut room = Room::default();
        self.find_nodes(scopes);
        for node in self.touched.iter().copied() {
            for purse in &mut self.nodes[node].purses {
                if let Some(layer) = purse.budget.max_layer {
                    room.max_layer = Some(room.max_layer.map_or(layer, |lowest| lowest.min(layer)));
                }
                if !purse.budget.is_hard {
                    continue;
                }
                match purse.status(at_ms).remaining() {
                    Amount::Dollars(left) => {
                        room.dollars = Some(room.dollars.map_or(left, |least| least.min(left)));
                    }
                    Amount::Tokens(left) => {
                        room.tokens = Some(room.tokens.map_or(left, |least| least.min(left)));
                    }
                }
            }
        }
        room
    }

    /// How the budgets stand at an instant (milliseconds since 1970), of these scopes or of all, by
    /// id.
    pub fn budgets(&mut self, scopes: Option<&[Scope]>, at_ms: i64) -> Vec<BudgetStatus> {
        self.touch(scopes);
        let mut all = Vec::new();
        for node in self.touched.iter().copied() {
            all.extend(self.nodes[node].purses.iter_mut().map(|purse| purse.status(at_ms)));
        }
        all.sort_by(|a, b| a.budget.id.cmp(&b.budget.id));
        all
    }

    /// How the limits stand, of these scopes or of all, by id.
    pub fn limits(&mut self, scopes: Option<&[Scope]>, now_ms: u64) -> Vec<LimitStatus> {
        self.touch(scopes);
        let mut all = Vec::new();
        for node in self.touched.iter().copied() {
            all.extend(self.nodes[node].meters.iter_mut().map(|meter| meter.status(now_ms)));
        }
        all.sort_by(|a, b| a.limit.id.cmp(&b.limit.id));
        all
    }

    fn touch(&mut self, scopes: Option<&[Scope]>) {
        match scopes {
            Some(scopes) => self.find_nodes(scopes),
            None => self.touched = (0..self.nodes.len()).collect(),
        }
    }

    fn next_uid(&mut self) -> u64 {
        self.edition += 1;
        self.last_uid += 1;
        self.last_uid
    }

    fn node(&mut self, scope: &Scope) -> usize {
        if let Some(node) = self.by_scope.get(scope) {
            return *node;
        }
        let node = self.nodes.len();
        self.nodes.push(Node::default());
        self.by_scope.insert(scope.clone(), node);
        node
    }

    fn find_nodes(&mut self, scopes: &[Scope]) {
        self.touched.clear();
        for scope in scopes {
            if let Some(node) = self.by_scope.get(scope)
                && !self.touched.contains(node)
            {
                self.touched.push(*node);
            }
        }
    }

    fn check(
        &mut self,
        ask: &Ask<'_>,
        now_ms: u64,
        is_wanted: impl Fn(usize, u64) -> bool,
    ) -> Result<(), Box<Refusal>> {
        let (pico, tokens) = (pico(ask.worst_case), i128::from(ask.worst_tokens));
        for node in self.touched.iter().copied() {
            for purse in &mut self.nodes[node].purses {
                let asked = purse.asked(pico, tokens);
                if is_wanted(node, purse.uid) && !purse.fits(ask.at_ms, asked) {
                    let status = purse.status(ask.at_ms);
                    let asked = purse.budget.cap.with_number(asked);
                    return Err(Box::new(Refusal::Budget { status, asked }));
                }
            }
        }
        let units = units(ask.worst_case, ask.worst_tokens, ask.requests);
        for node in self.touched.iter().copied() {
            for meter in &mut self.nodes[node].meters {
                if !is_wanted(node, meter.uid) {
                    continue;
                }
                if let Err(full) = meter.check(units, now_ms) {
                    return Err(Box::new(Refusal::Limit {
                        limit: meter.limit.clone(),
                        used: full.used,
                        asked: full.asked,
                        retry_after_ms: full.retry_after_ms,
                    }));
                }
            }
        }
        Ok(())
    }

    /// Empties a ticket: meters are corrected to `real`; purses give back and book `spent` where it
    /// is given.
    fn give_back(
        &mut self,
        place: usize,
        real: Units,
        spent: Option<(i128, i128)>,
        alerts: &mut Vec<BudgetAlert>,
    ) {
        let mut holds = std::mem::take(&mut self.tickets[place].holds);
        let ticket = &self.tickets[place];
        let held = units(ticket.worst_case, ticket.worst_tokens, ticket.requests);
        let (pico, tokens) = (pico(ticket.worst_case), i128::from(ticket.worst_tokens));
        let at_ms = ticket.at_ms;
        for hold in holds.drain(..) {
            match hold {
                Hold::Purse { node, uid } => {
                    let Some(purse) = self.nodes[node].purse(uid) else { continue };
                    purse.give_back(at_ms, purse.asked(pico, tokens));
                    if let Some((pico, tokens)) = spent {
                        let spent = purse.asked(pico, tokens);
                        book(purse, at_ms, spent, alerts);
                    }
                }
                Hold::Meter { node, uid, second } => {
                    if let Some(meter) = self.nodes[node].meter(uid) {
                        meter.settle(second, held, real);
                    }
                }
            }
        }
        self.tickets[place].holds = holds;
    }

    fn find(&self, ticket: u64) -> Option<usize> {
        let place = usize::try_from(ticket & u64::from(u32::MAX)).ok()?;
        let found = self.tickets.get(place)?;
        let is_same = u64::from(found.generation) == ticket >> 32 && found.state != State::Free;
        is_same.then_some(place)
    }

    fn open(&mut self, ask: &Ask<'_>, now_ms: u64) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.tickets.push(Ticket {
                generation: 0,
                state: State::Free,
                at_ms: 0,
                expires_ms: 0,
                worst_case: None,
                worst_tokens: 0,
                requests: 0,
                edition: 0,
                holds: Vec::new(),
                before: NONE,
                after: NONE,
            });
            u32::try_from(self.tickets.len() - 1).unwrap_or(NONE)
        });
        let newest = self.newest;
        let (edition, expires_ms) = (self.edition, now_ms.saturating_add(self.lease_ms));
        let ticket = &mut self.tickets[at(place)];
        ticket.generation = ticket.generation.wrapping_add(1).max(1);
        ticket.state = State::Open;
        ticket.at_ms = ask.at_ms;
        ticket.expires_ms = expires_ms;
        ticket.worst_case = ask.worst_case;
        ticket.worst_tokens = ask.worst_tokens;
        ticket.requests = ask.requests;
        ticket.edition = edition;
        ticket.before = newest;
        ticket.after = NONE;
        match newest {
            NONE => self.oldest = place,
            before => self.tickets[at(before)].after = place,
        }
        self.newest = place;
        place
    }

    fn unlink(&mut self, place: usize) {
        let (before, after) = (self.tickets[place].before, self.tickets[place].after);
        match before {
            NONE => self.oldest = after,
            before => self.tickets[at(before)].after = after,
        }
        match after {
            NONE => self.newest = before,
            after => self.tickets[at(after)].before = before,
        }
    }

    fn close(&mut self, place: usize) {
        if self.tickets[place].state == State::Open {
            self.unlink(place);
        }
        self.tickets[place].state = State::Free;
        if let Ok(place) = u32::try_from(place) {
            self.free.push(place);
        }
    }
}

impl Node {
    fn purse(&mut self, uid: u64) -> Option<&mut Purse> {
        self.purses.iter_mut().find(|purse| purse.uid == uid)
    }

    fn meter(&mut self, uid: u64) -> Option<&mut Meter> {
        self.meters.iter_mut().find(|meter| meter.uid == uid)
    }
}

fn book(purse: &mut Purse, at_ms: i64, spent: i128, alerts: &mut Vec<BudgetAlert>) {
    let (before, after) = purse.book(at_ms, spent);
    if let Some(percent) = purse.crossed(before, after) {
        alerts.push(BudgetAlert { percent, status: purse.status(at_ms) });
    }
}

fn pico(amount: Option<Money>) -> i128 {
    amount.map_or(0, |amount| i128::from(amount.pico()).max(0))
}

fn units(amount: Option<Money>, tokens: u64, requests: u64) -> Units {
    let pico = amount.map_or(0, |amount| u64::try_from(amount.pico()).unwrap_or(0));
    Units { requests, tokens, pico }
}

fn at(place: u32) -> usize {
    place as usize
}

#[cfg(test)]
mod tests;
