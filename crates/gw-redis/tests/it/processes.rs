//! Three real processes on one cap; one is killed in the middle.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use gw_core::ids::InstanceId;

use super::{Durable, OnLoss, RedisServer, Replica, budget};

const COST: i64 = 1_000;
const CALLS: i64 = 900;

/// Not a test of its own: what a process of the test below does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a child of the test below"]
#[expect(clippy::disallowed_methods, reason = "a child learns its part from its environment")]
async fn child() {
    let Ok(part) = std::env::var("GW_TEST_REDIS_CHILD") else { return };
    let words: Vec<&str> = part.split('|').collect();
    let [url, folder, name] = words[..] else { panic!("{part}") };
    let durable = Durable::open(folder.as_ref());
    let replica = Arc::new(Replica::start(url, &durable, name, OnLoss::default()).await);
    let mut tasks = Vec::new();
    for _ in 0..1_000 {
        let replica = replica.clone();
        tasks.push(tokio::spawn(async move {
            if let Ok(reservation) = replica.reserve("t", COST, 0).await {
                tokio::task::yield_now().await;
                replica.settle(&reservation, COST, 0);
                // The client has its answer.
                println!("served");
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    println!("done");
    std::io::stdin().lock().lines().for_each(drop);
    replica.budgets.stop().await;
}

fn spawn(redis: &RedisServer, durable: &Durable, name: &str) -> Child {
    let part = format!("{}|{}|{name}", redis.url(), durable.folder().display());
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "processes::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env("GW_TEST_REDIS_CHILD", part)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_no_money_and_blocks_none() {
    let redis = RedisServer::start();
    let durable = Durable::with(&[budget("b", "t", COST * CALLS)], &[]);
    let names = ["one", "two", "three"];
    let mut children: Vec<Child> = names.map(|name| spawn(&redis, &durable, name)).into();
    let mut lines: Vec<_> = children
        .iter_mut()
        .map(|child| BufReader::new(child.stdout.take().expect("piped")).lines())
        .collect();
    // The first is killed as soon as it has served some.
    let mut acknowledged = 0_i64;
    for line in lines[0].by_ref().take(60).flatten() {
        acknowledged += i64::from(line.ends_with("served"));
    }
    children[0].kill().expect("killed");
    children[0].wait().expect("ended");
    durable.die("one");
    acknowledged +=
        i64::try_from(lines[0].by_ref().flatten().filter(|l| l.ends_with("served")).count())
            .expect("few");
    for lines in &mut lines[1..] {
        let served = lines
            .map_while(Result::ok)
            .take_while(|line| line != "done")
            .filter(|l| l.ends_with("served"));
        acknowledged += i64::try_from(served.count()).expect("few");
    }
    let recorded: i64 = names
        .iter()
        .flat_map(|name| durable.spent(&InstanceId::new(*name)).into_values())
        .map(|sums| sums.spent.pico())
        .sum();
    assert!(recorded >= acknowledged * COST, "no spent amount is lost");
    assert!(recorded <= CALLS * COST, "no overspend");
    // A fourth process finds all of it, nothing held, and can spend exactly what is left.
    let replica = Replica::start(&redis.url(), &durable, "four", OnLoss::default()).await;
    replica.until((i128::from(recorded), 0)).await;
    let rest = CALLS * COST - recorded;
    // Two processes with 1,000 callers each use up what the dead one left.
    assert_eq!(rest, 0, "served {acknowledged}");
    assert!(replica.reserve("t", 1, 0).await.is_err());
    for mut child in children.drain(1..) {
        drop(child.stdin.take());
        child.wait().expect("ended");
    }
    replica.until((i128::from(recorded), 0)).await;
}
