//! What budgets and keys cost: `cargo run --profile bench-quick -p gw-ledger --example budget_speed`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use gw_core::budget::{Amount, Budget, Limit, LimitKind, Window};
use gw_core::principal::Principal;
use gw_core::reservation::Claim;
use gw_core::seam::{BudgetStore, Clock, Entropy};
use gw_core::{CallId, Money};
use gw_ledger::{Ask, Book, EmbeddedBudgets, key};

struct Real(Instant);

#[expect(clippy::cast_possible_truncation, reason = "a benchmark lasts seconds")]
impl Clock for Real {
    fn unix_ms(&self) -> i64 {
        1_790_000_000_000 + self.0.elapsed().as_millis() as i64
    }
    fn monotonic_ms(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
}

impl Entropy for Real {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = u64::from(self.0.elapsed().subsec_nanos()) | 1;
        for byte in buffer {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_le_bytes()[3];
        }
    }
}

const MONTH: [Window; 4] = [Window::Month, Window::Month, Window::Day, Window::Lifetime];

fn claim(clock: &Real) -> Claim {
    let principal = Principal {
        organisation: Some("acme".into()),
        team: Some("search".into()),
        user_id: Some("ada@example.com".into()),
        key_id: Some("key_0123456789abcdef".into()),
        ..Principal::default()
    };
    Claim {
        worst_case: Some(Money::from_pico(1_000)),
        worst_tokens: 1_000,
        ..Claim::new(CallId::new(clock, clock), principal, clock.unix_ms())
    }
}

fn definitions(claim: &Claim) -> (Vec<Budget>, Vec<Limit>) {
    let budgets = claim.scopes.iter().zip(MONTH).enumerate().map(|(at, (scope, window))| Budget {
        id: format!("b{at}"),
        scope: scope.clone(),
        cap: Amount::Dollars(Money::MAX),
        window,
        is_hard: true,
        max_layer: None,
        alerts: vec![80],
        when_away: None,
    });
    let limits = claim.scopes.iter().flat_map(|scope| {
        [LimitKind::RequestsPerMinute, LimitKind::TokensPerMinute].map(|kind| Limit {
            id: format!("{scope}-{}", kind.as_str()),
            scope: scope.clone(),
            kind,
            max: u64::MAX,
            when_away: None,
            wait_ms: None,
        })
    });
    (budgets.collect(), limits.collect())
}

#[expect(clippy::print_stdout, reason = "a benchmark tells its figures")]
fn main() {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let clock = Arc::new(Real(Instant::now()));
    let claim = claim(&clock);
    let (budgets, limits) = definitions(&claim);

    let mut book = Book::default();
    budgets.iter().for_each(|budget| book.put_budget(budget, &[], &Default::default()));
    limits.iter().for_each(|limit| book.put_limit(limit));
    let (mut alerts, mut times) = (Vec::new(), Vec::with_capacity(200_000));
    for _ in 0..200_000 {
        let began = clock.0.elapsed();
        let now_ms = clock.monotonic_ms();
        let ask = Ask {
            scopes: &claim.scopes,
            at_ms: claim.at_ms,
            worst_case: claim.worst_case,
            worst_tokens: claim.worst_tokens,
            requests: 1,
        };
        let ticket = book.reserve(black_box(&ask), now_ms).expect("fits");
        book.settle(ticket, &claim.scopes, Money::from_pico(7), 9, &mut alerts);
        times.push((clock.0.elapsed() - began).as_nanos());
    }
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 1_000];
    println!(
        "book: reserve + settle, 4 budgets + 8 limits: median {} ns, p99 {} ns",
        at(500),
        at(990)
    );

    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let shared = Arc::new(EmbeddedBudgets::new(clock.clone()));
    let store = Empty;
    for budget in budgets {
        runtime.block_on(shared.put_budget(&store, budget)).expect("put");
    }
    for limit in limits {
        runtime.block_on(shared.put_limit(&store, limit)).expect("put");
    }
    for threads in [1, 2] {
        let began = clock.0.elapsed();
        let each = 500_000;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                    runtime.block_on(async {
                        for _ in 0..each {
                            let ticket = shared.reserve(&claim).await.expect("fits");
                            shared.settle(ticket, &claim, Money::from_pico(7), 9);
                        }
                    });
                });
            }
        });
        let took = clock.0.elapsed() - began;
        let calls = f64::from(each * threads);
        println!(
            "embedded, {threads} thread(s): {:.0} calls/s, {:.0} ns each",
            calls / took.as_secs_f64(),
            took.as_nanos() as f64 * f64::from(threads) / calls
        );
    }

    let good = key::generate(clock.as_ref());
    let mut bad = good.clone();
    bad.replace_range(40.., if good.ends_with('0') { "1" } else { "0" });
    for (what, key) in [("wrong checksum", &bad), ("right key, checksum and hash", &good)] {
        let began = clock.0.elapsed();
        for _ in 0..1_000_000 {
            black_box(key::read(black_box(key)));
        }
        let took = clock.0.elapsed() - began;
        println!("{what}: {:.0} ns", took.as_nanos() as f64 / 1e6);
    }
}

struct Empty;

#[async_trait::async_trait]
impl gw_core::seam::Budgets for Empty {
    async fn put_budget(&self, _: Budget) -> gw_core::Result<()> {
        Ok(())
    }
    async fn remove_budget(&self, _: &str) -> gw_core::Result<bool> {
        Ok(false)
    }
    async fn budgets(&self) -> gw_core::Result<Vec<Budget>> {
        Ok(Vec::new())
    }
    async fn put_limit(&self, _: Limit) -> gw_core::Result<()> {
        Ok(())
    }
    async fn remove_limit(&self, _: &str) -> gw_core::Result<bool> {
        Ok(false)
    }
    async fn limits(&self) -> gw_core::Result<Vec<Limit>> {
        Ok(Vec::new())
    }
    async fn spending(
        &self,
        _: &gw_core::Scope,
        _: i64,
    ) -> gw_core::Result<Vec<gw_core::budget::Spending>> {
        Ok(Vec::new())
    }
    async fn lifetime_spending(
        &self,
        _: &gw_core::Scope,
    ) -> gw_core::Result<gw_core::budget::Spending> {
        Ok(Default::default())
    }
}
