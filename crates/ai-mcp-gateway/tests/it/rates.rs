//! Limits that replicas share: what they let through together is what the limit says, and what they
//! refuse costs nothing.

use std::sync::Arc;

use gw_core::Money;
use tokio::task::JoinSet;

use crate::gateway::until;
use crate::replicas::{CALL_COST, Shared, fixed_call, say};

const ALLOWED: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_let_through_exactly_the_limit_and_a_refused_call_consumes_nothing() {
    let shared = Shared::start().await;
    let launches = [shared.launch(), shared.launch(), shared.launch()];
    let line = format!("keys create --name k --budget-usd 1 --rpm {ALLOWED} --tpm 10000000");
    let made = say(&launches[0], &line).await;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let mut gateways = Vec::new();
    for launch in &launches {
        gateways.push(launch.serve().await);
    }
    let key: Arc<str> = key.into();
    // What was spent before is asked of the database once, not in the middle of the rush.
    until("the first call", async || {
        let reply = fixed_call(gateways[0].address, &key).await?;
        (reply.status == 200).then_some(())
    })
    .await;
    let mut calls = JoinSet::new();
    for number in 1..3 * ALLOWED {
        let address = gateways[usize::try_from(number % 3).unwrap()].address;
        let key = Arc::clone(&key);
        calls.spawn(async move { fixed_call(address, &key).await.expect("an answer") });
    }
    let (mut accepted, mut refused, mut tokens) = (1, 0, 0);
    while let Some(reply) = calls.join_next().await {
        let reply = reply.unwrap_or_else(|error| {
            let said: Vec<String> = gateways.iter().map(crate::gateway::Gateway::stderr).collect();
            panic!("{error}: {said:#?}")
        });
        match reply.status {
            200 => {
                accepted += 1;
                tokens += reply.ok()["usage"]["total_tokens"].as_u64().unwrap();
            }
            429 => {
                refused += 1;
                assert_ne!(reply.header("retry-after"), "", "{:?}", reply.headers);
                assert_eq!(reply.header("x-ratelimit-limit-requests"), ALLOWED.to_string());
            }
            status => panic!("{status}: {}", reply.text()),
        }
    }
    println!("3 replicas: {accepted} accepted of {ALLOWED} allowed, {refused} refused");
    assert_eq!((accepted, refused), (ALLOWED, 2 * ALLOWED));
    let asked = shared.simulator.requests().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(asked as u64, ALLOWED, "a refused call reached the provider");
    let there = shared.launch().env("GATEWAY_URL", gateways[1].url());
    let there = there.env("GATEWAY_KEY", crate::replicas::ADMIN);
    let spent = Money::from_pico(i64::try_from(ALLOWED).unwrap() * CALL_COST.pico());
    until("nothing but the accepted calls to count", async || {
        let budgets = say(&there, &format!("budgets list key:{id}")).await;
        let budget = &budgets["budgets"][0];
        let limits = say(&there, &format!("limits list key:{id}")).await;
        let limit = |kind: &str| {
            let all = limits["limits"].as_array().unwrap();
            let found = all.iter().find(|limit| limit["kind"] == kind).unwrap();
            found["remaining"].as_str().unwrap().parse::<u64>().unwrap()
        };
        let is_spent = budget["spent"] == spent.to_usd_string() && budget["reserved"] == "0";
        // The first call wrote as much as each of the others.
        let all_tokens = tokens + tokens / (ALLOWED - 1);
        (is_spent && limit("tpm") == 10_000_000 - all_tokens).then_some(())
    })
    .await;
}
