//! Death of the process: what was answered is there afterwards, wherever it stood.
//!
//! The test starts its own binary again with one test and an address in the environment; that child
//! writes and tells each write that returned, until it is killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use gw_core::seam::{CallLog, Conversations, Instances};
use gw_store::suite::{call_id, conversation, turn};
use secrecy::ExposeSecret;

use super::{Bed, Counted, SetClock, check_sums, spent};
use crate::{PostgresOptions, PostgresStore};

const URL: &str = "GW_POSTGRES_TEST_URL";
const FOLDER: &str = "GW_POSTGRES_TEST_FOLDER";

/// Does nothing unless the test below starts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_it_is_killed() {
    let (Some(url), Some(folder)) = (std::env::var_os(URL), std::env::var_os(FOLDER)) else {
        return;
    };
    let url = url.into_string().expect("ours");
    let options =
        PostgresOptions { slow_ms: 2_000, retry_ms: 20, ..PostgresOptions::new(url, folder) };
    let store = PostgresStore::open(options, SetClock::new(), &Counted).await.expect("opened");
    let store = Arc::new(store);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8_u64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in (task..10_000_000).step_by(8) {
                store.record(spent(number)).await.expect("recorded");
                let text = number.to_string();
                let talk = conversation(&format!("talk {task}"));
                store.append(talk, vec![turn(text)]).await.expect("appended");
                // Not `println!`, which the test harness would keep to itself.
                let mut out = std::io::stdout().lock();
                if writeln!(out, "told {number}").and_then(|()| out.flush()).is_err() {
                    return;
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_process_loses_nothing_it_told() {
    let bed = Bed::alone().await;
    let options = bed.options();
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["tests::kill::child_writes_until_it_is_killed", "--exact", "--nocapture"])
        .env(URL, options.url.expose_secret())
        .env(FOLDER, &options.journal.folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let read = |line: &str| -> Option<u64> { line.strip_prefix("told ")?.parse().ok() };
    let mut told: Vec<u64> = Vec::new();
    let mut until = |told: &mut Vec<u64>, count: usize| {
        while told.len() < count {
            let line = lines.next().expect("the child ended too early").expect("read");
            told.extend(read(&line));
        }
    };
    // Some are committed, some only journaled, some on their way.
    until(&mut told, 200);
    bed.database.server.stop();
    let before = told.len();
    until(&mut told, before + 200);
    // SIGKILL on Unix: no destructor, no handler, no flush.
    child.kill().expect("killed");
    told.extend(lines.map_while(Result::ok).filter_map(|line| read(&line)));
    child.wait().expect("ended");

    bed.database.server.resume_after_stop();
    let store = bed.open().await;
    let kept = store.recent_calls(usize::MAX).await.expect("listed");
    for number in &told {
        assert!(kept.iter().any(|call| call.id == call_id(*number)), "call {number} lost");
        let talk = format!("talk {}", number % 8);
        let turns = store.recent(&talk.as_str().into(), usize::MAX).await.expect("read");
        let count = turns.iter().filter(|turn| turn.content == number.to_string()).count();
        assert_eq!(count, 1, "turn {number}");
    }
    check_sums(&store, kept.len() as u64).await;
    let dead = store.instances().await.expect("listed").into_iter();
    let dead = dead.filter(|instance| instance.id != *store.instance()).count();
    assert_eq!(dead, 1, "the dead replica and what it spent are known");
    let journals = std::fs::read_dir(&bed.options().journal.folder).expect("listed").count();
    assert_eq!(journals, 1, "only the new one's is left");
}
