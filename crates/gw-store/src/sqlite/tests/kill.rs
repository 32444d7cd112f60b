//! Death of the process: what was answered is there afterwards.
//!
//! The test starts its own binary again with one test and a path in the environment; that child
//! writes and tells each write that returned, until it is killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use gw_core::record::CallRecord;
use gw_core::seam::{CallLog, Conversations};
use serde_json::json;

use super::{folder, open_file};
use crate::suite::{call, call_id, conversation, turn};

const PATH: &str = "GW_STORE_TEST_KILL_PATH";
const TASKS: u64 = 8;

/// Does nothing unless the test below starts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    let store = Arc::new(open_file(path.as_ref()));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in (task..10_000_000).step_by(usize::try_from(TASKS).expect("small")) {
                let talk = format!("talk {task}");
                let record =
                    CallRecord { conversation_id: Some(talk.as_str().into()), ..call(number) };
                store.record(record).await.expect("recorded");
                let text = number.to_string();
                store.append(conversation(&talk), vec![turn(text)]).await.expect("appended");
                store.put_summary(conversation(&talk), json!(number)).await.expect("stored");
                // Not `println!`, which the test harness would keep to itself.
                let mut out = std::io::stdout().lock();
                let told = writeln!(out, "told {task} {number}").and_then(|()| out.flush());
                if told.is_err() {
                    return;
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

#[tokio::test]
async fn killed_process_loses_nothing_it_told() {
    for kill_after in [1, 100, 1_000] {
        let (_folder, path) = folder();
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args([
                "sqlite::tests::kill::child_writes_until_it_is_killed",
                "--exact",
                "--nocapture",
            ])
            .env(PATH, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut told: Vec<(String, u64)> = Vec::new();
        while told.len() < kill_after {
            let line = lines.next().expect("the child ended too early").expect("read");
            told.extend(read_told(&line));
        }
        // SIGKILL on Unix: no destructor, no handler, no flush.
        child.kill().expect("killed");
        told.extend(lines.map_while(Result::ok).filter_map(|line| read_told(&line)));
        child.wait().expect("ended");

        let store = open_file(&path);
        let calls = store.recent_calls(usize::MAX).await.expect("listed");
        let kept: BTreeSet<_> = calls.iter().map(|call| call.id).collect();
        assert_eq!(kept.len(), calls.len());
        for (talk, number) in &told {
            assert!(kept.contains(&call_id(*number)), "call {number} of {} lost", told.len());
            let turns = store.recent(&talk.as_str().into(), usize::MAX).await.expect("read");
            let count = turns.iter().filter(|turn| turn.content == number.to_string()).count();
            assert_eq!(count, 1, "turn {number}");
            let newest = store.summary(&talk.as_str().into()).await.expect("read").expect("there");
            assert!(newest.body.as_u64().expect("a number") >= *number, "summary {number}");
        }
        assert!(told.len() >= kill_after);
    }
}

fn read_told(line: &str) -> Option<(String, u64)> {
    let (task, number) = line.strip_prefix("told ")?.split_once(' ')?;
    Some((format!("talk {task}"), number.parse().ok()?))
}
