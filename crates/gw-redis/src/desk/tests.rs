//! Random interleavings of everything that can happen to three instances, with the real script in a
//! real Redis, against a world that keeps every call and adds up from scratch. Time is the test's.

use std::collections::BTreeMap;

use gw_core::budget::{Amount, Budget, Limit, LimitKind, Spending, Window, slot_of};
use gw_core::ids::InstanceId;
use gw_core::{Kind, Money, Scope, ScopeKind};
use gw_ledger::window::span;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use tokio::sync::oneshot;

use super::{Delivery, Desk, InFlight, Outcome, Wish};
use crate::account::Definition;
use crate::message::{Num, Reply, Request};
use crate::past::by_counter;
use crate::testbed::RedisServer;

const LEASE_MS: u64 = 3_000;
const TEAMS: [&str; 3] = ["a", "b", "c"];
const REDIS_AHEAD_MS: u64 = 1_790_000_000_000;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    Lost,
    AnswerLost,
    /// Redis takes it long after everyone gave it up.
    Late,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve {
        at: usize,
        teams: u8,
        pico: u8,
    },
    /// Per cent of what is held.
    Settle {
        at: usize,
        call: usize,
        percent: u8,
    },
    Release {
        at: usize,
        call: usize,
    },
    Extend {
        at: usize,
        call: usize,
        pico: u8,
    },
    Exchange {
        at: usize,
        fate: Fate,
    },
    /// Messages that are late arrive.
    Arrive,
    Wait {
        ms: u32,
    },
    /// kill -9, and another instance in its place.
    Crash {
        at: usize,
    },
    Flush,
    Cap {
        id: usize,
        cap: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        12 => Just(Fate::Answered),
        1 => Just(Fate::Lost),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::Late),
    ];
    prop_oneof![
        10 => (0..3_usize, 1..8_u8, 0..60_u8).prop_map(|(at, teams, pico)| Step::Reserve { at, teams, pico }),
        5 => (0..3_usize, any::<usize>(), 0..=100_u8)
            .prop_map(|(at, call, percent)| Step::Settle { at, call, percent }),
        2 => (0..3_usize, any::<usize>()).prop_map(|(at, call)| Step::Release { at, call }),
        1 => (0..3_usize, any::<usize>(), 0..30_u8)
            .prop_map(|(at, call, pico)| Step::Extend { at, call, pico }),
        14 => (0..3_usize, fate).prop_map(|(at, fate)| Step::Exchange { at, fate }),
        1 => Just(Step::Arrive),
        4 => prop_oneof![8 => 1..400_u32, 1 => 1..4_000_u32, 1 => 1..200_000_u32].prop_map(|ms| Step::Wait { ms }),
        1 => (0..3_usize).prop_map(|at| Step::Crash { at }),
        1 => prop_oneof![9 => Just(Step::Arrive), 1 => Just(Step::Flush)],
        1 => (0..4_usize, any::<u8>()).prop_map(|(id, cap)| Step::Cap { id, cap }),
    ]
}

#[derive(Clone, Debug)]
struct Running {
    ticket: u64,
    scopes: Vec<Scope>,
    at_ms: i64,
    pico: i64,
    begun_ms: u64,
}

#[derive(Debug)]
struct Waiting {
    from: oneshot::Receiver<Delivery>,
    scopes: Vec<Scope>,
    at_ms: i64,
    pico: i64,
    extends: Option<u64>,
    /// The most that each instance used of each definition while this waited.
    peaks: BTreeMap<(String, String), i128>,
}

#[derive(Debug)]
struct Instance {
    id: String,
    desk: Desk,
    /// When Redis last answered it.
    heard_ms: u64,
    calls: Vec<Running>,
    waiting: Vec<Waiting>,
}

struct World {
    connection: redis::Connection,
    script: redis::Script,
    now_ms: u64,
    instances: Vec<Instance>,
    /// Instances that died, and when.
    dead: BTreeMap<String, u64>,
    late: Vec<Request>,
    budgets: Vec<Budget>,
    /// A budget whose cap was lowered under what is leased, until all heard of it.
    inexact: BTreeMap<String, Vec<String>>,
    limits: Vec<Limit>,
    /// What each instance spent, as the durable store has it.
    spent: BTreeMap<String, BTreeMap<(Scope, i64), Spending>>,
    /// When requests began, by team: instance and time.
    begun: Vec<(Scope, u64)>,
    has_crashed: bool,
    has_lost: bool,
    /// An instance with running calls was silent for longer than its lease: what they hold is given
    /// to others, and the truth may pass a cap.
    has_lapsed: bool,
    last: u32,
}

fn team(at: usize) -> Scope {
    Scope::new(ScopeKind::Team, TEAMS[at])
}

fn definitions() -> (Vec<Budget>, Vec<Limit>) {
    let budget = |id: &str, at: usize, window| Budget {
        id: id.into(),
        scope: team(at),
        cap: Amount::Dollars(Money::from_pico(150)),
        window,
        is_hard: true,
        max_layer: None,
        alerts: Vec::new(),
        when_away: None,
    };
    let budgets = vec![
        budget("b0", 0, Window::Lifetime),
        budget("b1", 1, Window::Day),
        budget("b2", 1, Window::Sliding(400_000)),
        budget("b3", 2, Window::Month),
    ];
    let limit = |id: &str, kind, max| Limit {
        id: id.into(),
        scope: team(2),
        kind,
        max,
        when_away: None,
        wait_ms: None,
    };
    let limits =
        vec![limit("l0", LimitKind::Concurrent, 3), limit("l1", LimitKind::RequestsPerMinute, 8)];
    (budgets, limits)
}

impl World {
    fn new(redis: &RedisServer) -> Self {
        redis.flush();
        let client = redis::Client::open(redis.url()).expect("an address");
        let (budgets, limits) = definitions();
        let mut world = Self {
            connection: client.get_connection().expect("Redis"),
            script: redis::Script::new(include_str!("../vault.lua")),
            now_ms: 100_000,
            instances: Vec::new(),
            dead: BTreeMap::new(),
            late: Vec::new(),
            budgets,
            inexact: BTreeMap::new(),
            limits,
            spent: BTreeMap::new(),
            begun: Vec::new(),
            has_crashed: false,
            has_lost: false,
            has_lapsed: false,
            last: 0,
        };
        for _ in 0..3 {
            let instance = world.instance();
            world.instances.push(instance);
        }
        world
    }

    fn instance(&mut self) -> Instance {
        self.last += 1;
        let id = format!("i{}", self.last);
        let ahead_ms = i64::try_from(REDIS_AHEAD_MS).expect("fits");
        let mut desk = Desk::new(id.clone(), LEASE_MS, ahead_ms);
        for budget in &self.budgets {
            desk.put(Definition::Budget(budget.clone()), false);
        }
        for limit in &self.limits {
            desk.put(Definition::Limit(limit.clone()), false);
        }
        self.spent.insert(id.clone(), BTreeMap::new());
        Instance { id, desk, heard_ms: self.now_ms, calls: Vec::new(), waiting: Vec::new() }
    }

    fn unix_ms(&self) -> i64 {
        i64::try_from(self.now_ms + REDIS_AHEAD_MS).expect("fits")
    }

    fn ask(&mut self, request: &Request) -> Reply {
        let text = serde_json::to_string(request).expect("JSON");
        let now = self.now_ms + REDIS_AHEAD_MS;
        let answer: String = self
            .script
            .key("{test}")
            .arg(text)
            .arg(now.to_string())
            .invoke(&mut self.connection)
            .expect("the script runs");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// What an instance, dead or alive, uses of a budget now.
    fn used_of_budget(&self, id: &str, budget: &Budget) -> i128 {
        let window = span(budget.window, self.unix_ms());
        let counts =
            |at_ms: i64| window.contains(at_ms) || matches!(budget.window, Window::Sliding(_));
        let slots = self.spent[id]
            .iter()
            .filter(|((scope, slot), _)| *scope == budget.scope && window.contains(*slot));
        let spent: i128 = slots.map(|(_, sums)| i128::from(sums.spent.pico())).sum();
        let own = self.instances.iter().find(|instance| instance.id == id);
        let held: i128 = own.map_or(0, |instance| {
            let calls = instance.calls.iter();
            let calls = calls.filter(|c| c.scopes.contains(&budget.scope) && counts(c.at_ms));
            calls.map(|call| i128::from(call.pico)).sum()
        });
        spent + held
    }

    fn used_of_limit(&self, id: &str, limit: &Limit) -> i128 {
        let own = self.instances.iter().find(|instance| instance.id == id);
        let count = own.map_or(0, |instance| {
            let calls = instance.calls.iter();
            calls.filter(|call| call.scopes.contains(&limit.scope)).count()
        });
        i128::try_from(count).expect("few")
    }

    fn in_minute(&self, limit: &Limit, width_ms: u64) -> i128 {
        let recent = self
            .begun
            .iter()
            .filter(|(scope, ms)| *scope == limit.scope && ms + width_ms > self.now_ms);
        i128::try_from(recent.count()).expect("few")
    }

    /// What each instance uses of each definition now.
    fn used(&self) -> Vec<((String, String), i128)> {
        let mut used = Vec::new();
        for id in self.spent.keys() {
            for budget in &self.budgets {
                used.push(((budget.id.clone(), id.clone()), self.used_of_budget(id, budget)));
            }
            let running = &self.limits[0];
            used.push(((running.id.clone(), id.clone()), self.used_of_limit(id, running)));
        }
        let minute = &self.limits[1];
        // A second late at both ends.
        used.push(((minute.id.clone(), String::new()), self.in_minute(minute, 62_000)));
        used
    }

    /// Caps hold; and what waits remembers how much was in use.
    fn look(&mut self) {
        self.has_lapsed |= self.instances.iter().any(|instance| {
            !instance.calls.is_empty() && instance.heard_ms + LEASE_MS <= self.now_ms
        });
        for budget in self.budgets.clone() {
            let used: i128 = self.spent.keys().map(|id| self.used_of_budget(id, &budget)).sum();
            if !self.has_lapsed && !self.inexact.contains_key(&budget.id) {
                assert!(used <= budget.cap.number(), "{}: {used} of {}", budget.id, budget.cap);
            } else if self.inexact.get(&budget.id).is_some_and(Vec::is_empty)
                && used <= budget.cap.number()
            {
                self.inexact.remove(&budget.id);
            }
        }
        let running = &self.limits[0];
        let used: i128 = self.spent.keys().map(|id| self.used_of_limit(id, running)).sum();
        assert!(self.has_lapsed || used <= i128::from(running.max), "{used} calls at one time");
        let is_known = !(self.has_crashed && self.has_lost || self.has_lapsed);
        if is_known {
            let minute = self.in_minute(&self.limits[1], 60_000);
            assert!(minute <= i128::from(self.limits[1].max), "{minute} calls in a minute");
        }
        let used = self.used();
        for waiting in self.instances.iter_mut().flat_map(|instance| &mut instance.waiting) {
            for (key, now) in &used {
                let peak = waiting.peaks.entry(key.clone()).or_default();
                *peak = (*peak).max(*now);
            }
        }
    }

    fn wish(&self, scopes: Vec<Scope>, at_ms: i64, pico: i64, ticket: Option<u64>) -> Wish {
        let requests = u64::from(ticket.is_none());
        Wish {
            scopes,
            at_ms,
            worst_case: Some(Money::from_pico(pico)),
            tokens: 0,
            requests,
            ticket,
        }
    }

    fn ask_for(
        &mut self,
        at: usize,
        scopes: Vec<Scope>,
        at_ms: i64,
        pico: i64,
        ticket: Option<u64>,
    ) {
        let wish = self.wish(scopes.clone(), at_ms, pico, ticket);
        let now_ms = self.now_ms;
        match self.instances[at].desk.reserve(wish, now_ms) {
            Outcome::Held(held, _) => self.held(at, held, &scopes, at_ms, pico, ticket.is_some()),
            Outcome::Wait(from) => {
                let peaks = BTreeMap::new();
                let extends = ticket;
                let waiting = Waiting { from, scopes, at_ms, pico, extends, peaks };
                self.instances[at].waiting.push(waiting);
                self.look();
            }
            Outcome::Refused(error) => {
                let is_away = error.kind() == Kind::StoreUnavailable;
                assert!(is_away || ticket.is_some(), "refused without asking: {error}");
            }
        }
    }

    fn held(
        &mut self,
        at: usize,
        ticket: u64,
        scopes: &[Scope],
        at_ms: i64,
        pico: i64,
        is_more: bool,
    ) {
        let calls = &mut self.instances[at].calls;
        if is_more {
            if let Some(call) = calls.iter_mut().find(|call| call.ticket == ticket) {
                call.pico += pico;
            }
        } else {
            let (scopes, begun_ms) = (scopes.to_vec(), self.now_ms);
            self.begun.extend(scopes.iter().map(|scope| (scope.clone(), begun_ms)));
            calls.push(Running { ticket, scopes, at_ms, pico, begun_ms });
        }
        self.look();
    }

    /// Takes in what waited for an answer.
    fn collect(&mut self, at: usize) {
        let mut ended = Vec::new();
        let waiting = &mut self.instances[at].waiting;
        let mut place = 0;
        while place < waiting.len() {
            match waiting[place].from.try_recv() {
                Ok(delivery) => ended.push((waiting.remove(place), delivery)),
                Err(oneshot::error::TryRecvError::Empty) => place += 1,
                Err(oneshot::error::TryRecvError::Closed) => panic!("dropped without a word"),
            }
        }
        let mut refused = Vec::new();
        for (wait, delivery) in ended {
            match delivery {
                Ok(granted) => {
                    let ticket = granted.take();
                    let is_more = wait.extends.is_some();
                    self.held(at, ticket, &wait.scopes, wait.at_ms, wait.pico, is_more);
                }
                Err(error) => refused.push((wait, error)),
            }
        }
        // What was granted by the same answer counts as well.
        for (mut wait, error) in refused {
            if error.kind() == Kind::StoreUnavailable || error.to_string().contains("ran longer") {
                continue;
            }
            for (key, now) in self.used() {
                let peak = wait.peaks.entry(key).or_default();
                *peak = (*peak).max(now);
            }
            let name = error.to_string();
            let is_of = |id: &str| name.contains(&format!("`{id}`"));
            if let Some(budget) = self.budgets.iter().find(|budget| is_of(&budget.id)) {
                let most: i128 = peaks_of(&wait, &budget.id);
                let cap = budget.cap.number();
                assert!(
                    most + i128::from(wait.pico) > cap || self.inexact.contains_key(&budget.id),
                    "a false block: {error}; {most} and {} of {cap}",
                    wait.pico
                );
            } else if is_of("l0") {
                let most = peaks_of(&wait, "l0");
                assert!(
                    most + 1 > i128::from(self.limits[0].max),
                    "a false block: {error}; {most}"
                );
            } else if !self.has_crashed {
                let most = peaks_of(&wait, "l1");
                assert!(
                    most + 1 > i128::from(self.limits[1].max),
                    "a false block: {error}; {most}"
                );
            }
        }
    }

    fn deliver(&mut self, at: usize, sendings: Vec<super::Sending>) {
        for (to, verdict, _) in sendings {
            let granted = verdict.map(|ticket| super::Granted { ticket, desk: None });
            to.send(granted).expect("someone waits");
        }
        self.collect(at);
    }

    fn exchange(&mut self, at: usize, fate: Fate) {
        let (now_ms, at_ms) = (self.now_ms, self.unix_ms());
        let id = self.instances[at].id.clone();
        if !self.instances[at].desk.has_joined() {
            let (seq, bad) = self.instances[at].desk.joining();
            let recent = self.dead.iter().filter(|(_, ms)| **ms + LEASE_MS * 2 > now_ms);
            let live = self.instances.iter().map(|instance| instance.id.clone());
            let expect = live.chain(recent.map(|(id, _)| id.clone())).collect();
            self.last += 1;
            let fresh = format!("era{}", self.last);
            let join = Request::Join { i: id, lease: LEASE_MS, seq, fresh, bad, expect };
            if fate != Fate::Lost {
                let era = self.ask(&join).era;
                if fate == Fate::Answered {
                    self.instances[at].desk.joined(era.expect("a generation"), seq);
                    return;
                }
            }
            let sendings = self.instances[at].desk.go_down(None, now_ms);
            self.deliver(at, sendings);
            return;
        }
        let message = self.instances[at].desk.message(now_ms, at_ms);
        let (sync, sent) = message.expect("it has joined");
        let sync = Request::Sync(Box::new(sync));
        let reply = match fate {
            Fate::Answered => Some(self.ask(&sync)),
            Fate::AnswerLost => {
                self.ask(&sync);
                None
            }
            Fate::Lost => None,
            Fate::Late => {
                self.late.push(sync);
                None
            }
        };
        match reply {
            Some(reply) => self.apply(at, &reply, sent),
            None => {
                let sendings = self.instances[at].desk.go_down(Some(sent), now_ms);
                self.deliver(at, sendings);
            }
        }
    }

    fn apply(&mut self, at: usize, reply: &Reply, sent: InFlight) {
        let now_ms = self.now_ms;
        let effects = self.instances[at].desk.apply(reply, sent, now_ms);
        if reply.again.is_none() {
            self.instances[at].heard_ms = now_ms;
            let id = &self.instances[at].id;
            for left in self.inexact.values_mut() {
                left.retain(|known| known != id);
            }
        }
        self.deliver(at, effects.sendings);
        for key in effects.unseeded {
            self.seed(at, &key);
        }
        for dead in effects.dead {
            self.reap(at, &dead);
        }
        self.look();
    }

    fn seed(&mut self, at: usize, key: &str) {
        let at_ms = self.unix_ms();
        let Some((account, of_ms, definition)) = self.instances[at].desk.counter_of(key, at_ms)
        else {
            return;
        };
        let Some(era) = self.instances[at].desk.generation().map(str::to_owned) else { return };
        let stretch = definition.stretch(of_ms);
        let first = definition.first_slot(of_ms).unwrap_or(i64::MIN);
        let mut owns = Vec::new();
        for (id, totals) in &self.spent {
            for ((scope, slot), sums) in totals {
                if scope == definition.scope() && stretch.contains(*slot) && *slot >= first {
                    owns.push((id.clone(), slot.to_string(), Num(definition.spent_of(sums))));
                }
            }
        }
        let i = self.instances[at].id.clone();
        let rest = Vec::new();
        self.ask(&Request::Seed { i, lease: LEASE_MS, era, account, rest, owns });
        self.instances[at].desk.touch(key);
    }

    fn reap(&mut self, at: usize, dead: &str) {
        let at_ms = self.unix_ms();
        let spent: Vec<(Scope, Spending)> =
            self.spent[dead].iter().map(|((scope, _), sums)| (scope.clone(), *sums)).collect();
        let desk = &self.instances[at].desk;
        let definitions: Vec<Definition> = desk.definitions().cloned().collect();
        let Some(era) = desk.generation().map(str::to_owned) else { return };
        let accounts = by_counter(&spent, &definitions, at_ms);
        let (i, dead) = (self.instances[at].id.clone(), InstanceId::new(dead).to_string());
        self.ask(&Request::Reap { i, lease: LEASE_MS, era, dead, last: true, accounts });
    }

    fn settle(&mut self, at: usize, call: usize, percent: i64) {
        if self.instances[at].calls.is_empty() {
            return;
        }
        let place = call % self.instances[at].calls.len();
        let call = self.instances[at].calls.remove(place);
        let spent = Money::from_pico(call.pico * percent / 100);
        let now_ms = self.now_ms;
        let instance = &mut self.instances[at];
        assert!(instance.desk.settle(call.ticket, &call.scopes, spent, 0, now_ms));
        assert!(!instance.desk.settle(call.ticket, &call.scopes, spent, 0, now_ms));
        let totals = self.spent.get_mut(&instance.id).expect("known");
        for scope in &call.scopes {
            let slot_ms = slot_of(call.at_ms);
            let sums = totals.entry((scope.clone(), slot_ms)).or_default();
            sums.slot_ms = slot_ms;
            sums.spent += spent;
        }
        self.look();
    }

    fn release(&mut self, at: usize, call: usize) {
        if self.instances[at].calls.is_empty() {
            return;
        }
        let place = call % self.instances[at].calls.len();
        let call = self.instances[at].calls.remove(place);
        assert!(self.instances[at].desk.release(call.ticket));
        for scope in &call.scopes {
            let place = self.begun.iter().position(|(of, ms)| of == scope && *ms == call.begun_ms);
            self.begun.remove(place.expect("it began"));
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Reserve { at, teams, pico } => {
                let scopes: Vec<Scope> =
                    (0..3).filter(|bit| teams >> bit & 1 == 1).map(team).collect();
                let at_ms = self.unix_ms();
                self.ask_for(at, scopes, at_ms, pico.into(), None);
            }
            Step::Extend { at, call, pico } => {
                let calls = &self.instances[at].calls;
                if let Some(call) = calls.get(call % calls.len().max(1)).cloned() {
                    self.ask_for(at, call.scopes, call.at_ms, pico.into(), Some(call.ticket));
                }
            }
            Step::Settle { at, call, percent } => self.settle(at, call, percent.into()),
            Step::Release { at, call } => self.release(at, call),
            Step::Exchange { at, fate } => self.exchange(at, fate),
            Step::Arrive => {
                for request in std::mem::take(&mut self.late) {
                    self.ask(&request);
                }
                self.look();
            }
            Step::Wait { ms } => {
                self.now_ms += u64::from(ms);
                self.look();
            }
            Step::Crash { at } => {
                self.has_crashed = true;
                let new = self.instance();
                let old = std::mem::replace(&mut self.instances[at], new);
                self.dead.insert(old.id, self.now_ms);
            }
            Step::Flush => {
                self.has_lost = true;
                redis::cmd("FLUSHALL").query::<()>(&mut self.connection).expect("flushed");
            }
            Step::Cap { id, cap } => {
                let cap = Amount::Dollars(Money::from_pico(cap.into()));
                let all = self.instances.iter().map(|instance| instance.id.clone()).collect();
                self.inexact.insert(self.budgets[id].id.clone(), all);
                self.budgets[id].cap = cap;
                for instance in &mut self.instances {
                    instance.desk.put(Definition::Budget(self.budgets[id].clone()), false);
                }
            }
        }
    }

    /// Everything comes to an end: nothing stays held, nothing that was spent is lost.
    fn end(&mut self) {
        self.step(Step::Arrive);
        for _ in 0..24 {
            self.now_ms += LEASE_MS / 4;
            for at in 0..3 {
                self.exchange(at, Fate::Answered);
                while !self.instances[at].calls.is_empty() {
                    self.settle(at, 0, 50);
                }
            }
        }
        assert!(self.instances.iter().all(|instance| instance.waiting.is_empty()), "all answered");
        let at_ms = self.unix_ms();
        let now_ms = self.now_ms;
        // The durable store names the silent ones that this generation of Redis never met.
        for dead in self.dead.keys().cloned().collect::<Vec<_>>() {
            self.reap(0, &dead);
        }
        for at in 0..3 {
            self.instances[at].desk.touch_budgets(at_ms, now_ms);
        }
        for _ in 0..6 {
            for at in 0..3 {
                self.exchange(at, Fate::Answered);
            }
            self.now_ms += LEASE_MS / 8;
        }
        for at in 0..3 {
            for status in self.instances[at].desk.budgets(at_ms) {
                let ids = self.spent.keys();
                let used: i128 = ids.map(|id| self.used_of_budget(id, &status.budget)).sum();
                assert_eq!(status.reserved.number(), 0, "held for nobody: {status:?}");
                assert_eq!(status.spent.number(), used, "{status:?}");
            }
        }
    }
}

fn peaks_of(wait: &Waiting, id: &str) -> i128 {
    wait.peaks.iter().filter(|((of, _), _)| of == id).map(|(_, peak)| peak).sum()
}

#[test]
fn whatever_happens_caps_hold_and_nothing_that_fits_is_refused() {
    let redis = RedisServer::start();
    // Each sequence asks Redis some hundred times; PROPTEST_CASES makes it more of them.
    let usual = ProptestConfig::default();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: usual.cases / 4,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..usual
    });
    let steps = prop::collection::vec(step(), 1..80);
    let ran = runner.run(&steps, |steps| {
        let mut world = World::new(&redis);
        for step in steps {
            world.step(step);
        }
        world.end();
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}
