//! Random interleavings of everything that can happen, against a model that keeps every call and
//! every definition and adds up from scratch.

use std::collections::BTreeMap;

use gw_core::budget::{Amount, Budget, LimitKind, Spending, Window, slot_of};
use gw_core::{Money, Scope, ScopeKind};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use proptest::sample::select;

use super::limit;
use crate::book::{Ask, Book};
use crate::window::span;

const LEASE_MS: u64 = 600_000;
const TEAMS: [&str; 3] = ["a", "b", "c"];
const HOUR: i64 = 3_600_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve {
        teams: u8,
        pico: Option<u8>,
        tokens: u8,
    },
    /// Per cent of what is held; over 100 where the provider charges more than anyone thought.
    Settle {
        call: usize,
        percent: u8,
    },
    /// What was settled reaches the store.
    Record,
    Release {
        call: usize,
    },
    Extend {
        call: usize,
        pico: u8,
        tokens: u8,
    },
    /// Time goes on; leases run out.
    Wait {
        ms: u32,
    },
    /// The wall clock is set.
    Jump {
        ms: i64,
    },
    /// A budget is made or changed.
    Put {
        id: u8,
        team: usize,
        cap: u8,
        window: Window,
        is_hard: bool,
        is_tokens: bool,
    },
    Remove {
        id: u8,
    },
    Limit {
        id: u8,
        team: usize,
        kind: LimitKind,
        max: u8,
    },
    /// The process dies and comes back with what the store has.
    Crash,
}

fn window() -> impl Strategy<Value = Window> {
    select(vec![
        Window::Lifetime,
        Window::Day,
        Window::Week,
        Window::Month,
        Window::Sliding(5 * HOUR),
        Window::Sliding(400_000),
    ])
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = select(vec![LimitKind::RequestsPerMinute, LimitKind::Concurrent]);
    prop_oneof![
        8 => (0..8_u8, prop::option::weighted(0.9, 0..60_u8), 0..40_u8)
            .prop_map(|(teams, pico, tokens)| Step::Reserve { teams, pico, tokens }),
        5 => (any::<usize>(), 0..130_u8).prop_map(|(call, percent)| Step::Settle { call, percent }),
        2 => Just(Step::Record),
        2 => any::<usize>().prop_map(|call| Step::Release { call }),
        2 => (any::<usize>(), 0..30_u8, 0..20_u8)
            .prop_map(|(call, pico, tokens)| Step::Extend { call, pico, tokens }),
        2 => (0..400_000_u32).prop_map(|ms| Step::Wait { ms }),
        1 => select(vec![-40 * 24 * HOUR, -24 * HOUR, -HOUR, -1, HOUR, 24 * HOUR, 31 * 24 * HOUR])
            .prop_map(|ms| Step::Jump { ms }),
        2 => (0..4_u8, 0..3_usize, any::<u8>(), window(), any::<bool>(), any::<bool>()).prop_map(
            |(id, team, cap, window, is_hard, is_tokens)| Step::Put {
                id, team, cap, window, is_hard, is_tokens
            }
        ),
        1 => (0..4_u8).prop_map(|id| Step::Remove { id }),
        1 => (0..3_u8, 0..3_usize, kinds, 0..9_u8)
            .prop_map(|(id, team, kind, max)| Step::Limit { id, team, kind, max }),
        1 => Just(Step::Crash),
    ]
}

/// A call that still runs.
#[derive(Clone, Debug)]
struct Running {
    ticket: u64,
    scopes: Vec<Scope>,
    at_ms: i64,
    begun_s: u64,
    expires_ms: u64,
    pico: Option<i64>,
    tokens: u64,
    /// Definitions (by number) that hold something for it.
    held_by: Vec<u64>,
    has_expired: bool,
}

/// A call that ended with a bill.
#[derive(Clone, Debug)]
struct Ended {
    scopes: Vec<Scope>,
    at_ms: i64,
    pico: i64,
    tokens: u64,
}

#[derive(Debug)]
struct Defined {
    number: u64,
    budget: Budget,
    /// What was spent: when, pico-dollars, tokens.
    postings: Vec<(i64, i64, u64)>,
    is_exact: bool,
}

#[derive(Debug)]
struct Limited {
    number: u64,
    limit: gw_core::budget::Limit,
    /// When a request was counted, by second.
    requests: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct World {
    book: Book,
    now_ms: u64,
    unix_ms: i64,
    running: Vec<Running>,
    /// Settled, and lost if the process dies.
    settled: Vec<Ended>,
    recorded: Vec<Ended>,
    budgets: BTreeMap<String, Defined>,
    limits: BTreeMap<String, Limited>,
    last_number: u64,
}

fn team(id: &str) -> Scope {
    Scope::new(ScopeKind::Team, id)
}

impl World {
    fn new() -> Self {
        Self {
            book: Book::new(LEASE_MS),
            now_ms: 100_000,
            unix_ms: 1_790_000_000_000,
            running: Vec::new(),
            settled: Vec::new(),
            recorded: Vec::new(),
            budgets: BTreeMap::new(),
            limits: BTreeMap::new(),
            last_number: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn used(&self, defined: &Defined) -> (i128, i128) {
        let window = span(defined.budget.window, self.unix_ms);
        let counts = |at_ms: i64| {
            let sliding = matches!(defined.budget.window, Window::Sliding(_));
            window.contains(if sliding { slot_of(at_ms) } else { at_ms })
        };
        let unit = |pico: i64, tokens: u64| match defined.budget.cap {
            Amount::Dollars(_) => i128::from(pico),
            Amount::Tokens(_) => i128::from(tokens),
        };
        let spent = defined.postings.iter().filter(|(at, ..)| counts(*at));
        let held = self.running.iter().filter(|call| {
            !call.has_expired && call.held_by.contains(&defined.number) && counts(call.at_ms)
        });
        (
            spent.map(|(_, pico, tokens)| unit(*pico, *tokens)).sum(),
            held.map(|call| unit(call.pico.unwrap_or(0), call.tokens)).sum(),
        )
    }

    fn fits(&self, defined: &Defined, pico: i64, tokens: u64) -> bool {
        let asked = match defined.budget.cap {
            Amount::Dollars(_) => i128::from(pico),
            Amount::Tokens(_) => i128::from(tokens),
        };
        let (spent, held) = self.used(defined);
        asked == 0 || !defined.budget.is_hard || spent + held + asked <= defined.budget.cap.number()
    }

    fn has_room(&self, limited: &Limited) -> bool {
        let used: u64 = match limited.limit.kind {
            LimitKind::Concurrent => {
                let holds =
                    |call: &&Running| !call.has_expired && call.held_by.contains(&limited.number);
                self.running.iter().filter(holds).count() as u64
            }
            _ => {
                let now_s = self.now_ms / 1_000;
                let recent = limited.requests.iter().filter(|(second, _)| second + 60 >= now_s);
                recent.map(|(_, requests)| requests).sum()
            }
        };
        used < limited.limit.max
    }

    fn reserve(&mut self, teams: u8, pico: Option<i64>, tokens: u64) {
        self.expire();
        let scopes: Vec<Scope> = TEAMS
            .iter()
            .enumerate()
            .filter(|(at, _)| teams >> at & 1 == 1)
            .map(|(_, id)| team(id))
            .collect();
        let budgets = || self.budgets.values().filter(|d| scopes.contains(&d.budget.scope));
        let limits = || self.limits.values().filter(|l| scopes.contains(&l.limit.scope));
        let expected = budgets().all(|defined| self.fits(defined, pico.unwrap_or(0), tokens))
            && limits().all(|limited| self.has_room(limited));
        let held_by: Vec<u64> =
            budgets().map(|d| d.number).chain(limits().map(|l| l.number)).collect();
        let ask = Ask {
            scopes: &scopes,
            at_ms: self.unix_ms,
            worst_case: pico.map(Money::from_pico),
            worst_tokens: tokens,
            requests: 1,
        };
        let reserved = self.book.reserve(&ask, self.now_ms);
        assert_eq!(reserved.is_ok(), expected, "{reserved:?}");
        let Ok(ticket) = reserved else { return };
        let begun_s = self.now_ms / 1_000;
        for limited in self.limits.values_mut().filter(|l| held_by.contains(&l.number)) {
            limited.requests.push((begun_s, 1));
        }
        self.running.push(Running {
            ticket,
            scopes,
            at_ms: self.unix_ms,
            begun_s,
            expires_ms: self.now_ms + LEASE_MS,
            pico,
            tokens,
            held_by,
            has_expired: false,
        });
    }

    fn expire(&mut self) {
        for call in &mut self.running {
            call.has_expired |= call.expires_ms <= self.now_ms;
        }
    }

    fn take(&mut self, call: usize) -> Option<Running> {
        (!self.running.is_empty()).then(|| self.running.remove(call % self.running.len()))
    }

    fn settle(&mut self, call: usize, percent: u8) {
        let Some(call) = self.take(call) else { return };
        let spent = call.pico.unwrap_or(0) * i64::from(percent) / 100;
        let tokens = call.tokens * u64::from(percent) / 100;
        for defined in self.budgets.values_mut() {
            if call.scopes.contains(&defined.budget.scope) {
                // Beyond what was held, or never held at all: the truth may pass the cap.
                defined.is_exact &=
                    percent <= 100 && !call.has_expired && call.held_by.contains(&defined.number);
                defined.postings.push((call.at_ms, spent, tokens));
            }
        }
        let money = Money::from_pico(spent);
        assert!(self.book.settle(call.ticket, &call.scopes, money, tokens, &mut Vec::new()));
        assert!(!self.book.settle(call.ticket, &call.scopes, money, tokens, &mut Vec::new()));
        let Running { scopes, at_ms, .. } = call;
        self.settled.push(Ended { scopes, at_ms, pico: spent, tokens });
    }

    fn release(&mut self, call: usize) {
        let Some(call) = self.take(call) else { return };
        assert!(self.book.release(call.ticket));
        assert!(!self.book.release(call.ticket));
        if call.has_expired {
            return;
        }
        for limited in self.limits.values_mut().filter(|l| call.held_by.contains(&l.number)) {
            let counted = limited.requests.iter().position(|(second, _)| *second == call.begun_s);
            limited.requests.remove(counted.expect("counted when it began"));
        }
    }

    fn extend(&mut self, call: usize, pico: i64, tokens: u64) {
        self.expire();
        if self.running.is_empty() {
            return;
        }
        let at = call % self.running.len();
        let call = self.running[at].clone();
        // The window that decides is that of the call, not that of now.
        let now = std::mem::replace(&mut self.unix_ms, call.at_ms);
        let expected = !call.has_expired
            && self
                .budgets
                .values()
                .filter(|defined| call.held_by.contains(&defined.number))
                .all(|defined| self.fits(defined, pico, tokens));
        self.unix_ms = now;
        let money = Some(Money::from_pico(pico));
        let extended = self.book.extend(call.ticket, &call.scopes, money, tokens, self.now_ms);
        assert_eq!(extended.is_ok(), expected, "{extended:?}");
        if expected {
            self.running[at].pico = Some(call.pico.unwrap_or(0) + pico);
            self.running[at].tokens += tokens;
        }
    }

    fn put(&mut self, budget: Budget) {
        let counts_same = self.budgets.get(&budget.id).is_some_and(|old| {
            let is_dollars = |amount| matches!(amount, Amount::Dollars(_));
            old.budget.scope == budget.scope
                && old.budget.window == budget.window
                && is_dollars(old.budget.cap) == is_dollars(budget.cap)
        });
        let (slots, lifetime) = self.spending(&budget.scope);
        self.book.put_budget(&budget, &slots, &lifetime);
        if counts_same {
            let old = self.budgets.get_mut(&budget.id).expect("found above");
            old.is_exact &= budget.cap.number() >= old.budget.cap.number()
                && (old.budget.is_hard || !budget.is_hard);
            old.budget = budget;
            return;
        }
        let number = self.number();
        let postings = self.history(&budget.scope);
        // What was spent before it was defined may be more than it allows.
        let is_exact = postings.is_empty();
        let defined = Defined { number, is_exact, postings, budget };
        self.budgets.insert(defined.budget.id.clone(), defined);
    }

    fn history(&self, scope: &Scope) -> Vec<(i64, i64, u64)> {
        let own = self.recorded.iter().filter(|call| call.scopes.contains(scope));
        own.map(|call| (slot_of(call.at_ms), call.pico, call.tokens)).collect()
    }

    /// What a store would tell.
    fn spending(&self, scope: &Scope) -> (Vec<Spending>, Spending) {
        let mut slots: BTreeMap<i64, Spending> = BTreeMap::new();
        let mut lifetime = Spending::default();
        for (slot_ms, pico, tokens) in self.history(scope) {
            let slot = slots.entry(slot_ms).or_insert(Spending { slot_ms, ..Spending::default() });
            for sums in [slot, &mut lifetime] {
                sums.spent += Money::from_pico(pico);
                sums.tokens += tokens;
            }
        }
        (slots.into_values().collect(), lifetime)
    }

    fn crash(&mut self) {
        self.running.clear();
        self.settled.clear();
        self.book = Book::new(LEASE_MS);
        for defined in std::mem::take(&mut self.budgets).into_values() {
            self.put(defined.budget);
        }
        for limited in self.limits.values_mut() {
            limited.requests.clear();
            self.book.put_limit(&limited.limit);
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Reserve { teams, pico, tokens } => {
                self.reserve(teams, pico.map(i64::from), tokens.into());
            }
            Step::Settle { call, percent } => self.settle(call, percent),
            Step::Record => self.recorded.append(&mut self.settled),
            Step::Release { call } => self.release(call),
            Step::Extend { call, pico, tokens } => self.extend(call, pico.into(), tokens.into()),
            Step::Wait { ms } => {
                self.now_ms += u64::from(ms);
                self.unix_ms += i64::from(ms);
                self.expire();
                self.book.expire(self.now_ms);
            }
            Step::Jump { ms } => self.unix_ms += ms,
            Step::Put { id, team: at, cap, window, is_hard, is_tokens } => {
                let cap = if is_tokens {
                    Amount::Tokens(cap.into())
                } else {
                    Amount::Dollars(Money::from_pico(cap.into()))
                };
                let (id, scope) = (format!("b{id}"), team(TEAMS[at]));
                let (max_layer, alerts) = (None, Vec::new());
                self.put(Budget {
                    id,
                    scope,
                    cap,
                    window,
                    is_hard,
                    max_layer,
                    alerts,
                    when_away: None,
                });
            }
            Step::Remove { id } => {
                let id = format!("b{id}");
                assert_eq!(self.book.remove_budget(&id), self.budgets.remove(&id).is_some());
            }
            Step::Limit { id, team, kind, max } => {
                let limit = limit(&format!("l{id}"), TEAMS[team], kind, max.into());
                self.book.put_limit(&limit);
                match self.limits.get_mut(&limit.id) {
                    Some(old) if (&old.limit.scope, old.limit.kind) == (&limit.scope, kind) => {
                        old.limit = limit;
                    }
                    _ => {
                        let number = self.number();
                        let limited = Limited { number, limit, requests: Vec::new() };
                        self.limits.insert(limited.limit.id.clone(), limited);
                    }
                }
            }
            Step::Crash => self.crash(),
        }
    }

    fn check(&mut self) {
        let found = self.book.budgets(None, self.unix_ms);
        assert_eq!(found.len(), self.budgets.len());
        for status in found {
            let defined = &self.budgets[&status.budget.id];
            let (spent, held) = self.used(defined);
            assert_eq!((status.spent.number(), status.reserved.number()), (spent, held));
            assert_eq!(status.budget, defined.budget);
            // Sliding windows take slots in again where the clock is set back.
            let is_sliding = matches!(defined.budget.window, Window::Sliding(_));
            if defined.is_exact && defined.budget.is_hard && !is_sliding {
                assert!(spent + held <= defined.budget.cap.number(), "overspent");
            }
        }
        let open = self.running.iter().filter(|call| !call.has_expired).count();
        assert_eq!(self.book.open_tickets(), open);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn the_book_is_what_adding_up_from_scratch_gives(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.apply(step);
            world.check();
        }
    }
}
