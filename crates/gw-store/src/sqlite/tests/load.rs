//! Many writers at one time.

use std::sync::Arc;

use gw_core::seam::{CallLog, Conversations};
use tokio::task::JoinSet;

use super::{folder, open_file};
use crate::suite::{call, conversation, turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_appends_over_64_tasks_lose_nothing() {
    const TASKS: usize = 64;
    const APPENDS: usize = 10_000;
    let (_folder, path) = folder();
    let store = Arc::new(open_file(&path));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in (task..APPENDS).step_by(TASKS) {
                // Half of them share one conversation, the others have one a task.
                let talk = if task % 2 == 0 { "shared".to_owned() } else { format!("task {task}") };
                let text = format!("{task:02}/{number:05}");
                store.append(conversation(&talk), vec![turn(text)]).await.expect("appended");
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("a task broke off");
    }
    drop(store);
    let store = open_file(&path);
    let mut kept = 0;
    for task in 0..TASKS {
        let talk = if task % 2 == 0 { "shared".to_owned() } else { format!("task {task}") };
        let turns = store.recent(&talk.as_str().into(), usize::MAX).await.expect("read");
        let prefix = format!("{task:02}/");
        let own: Vec<&str> = turns
            .iter()
            .map(|turn| turn.content.as_str())
            .filter(|text| text.starts_with(&prefix))
            .collect();
        let expected: Vec<String> =
            (task..APPENDS).step_by(TASKS).map(|number| format!("{task:02}/{number:05}")).collect();
        assert_eq!(own, expected);
        kept += own.len();
    }
    assert_eq!(kept, APPENDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_waiting_writes_than_the_queue_holds_all_arrive() {
    let (_folder, path) = folder();
    let store = open_file(&path);
    let calls = u64::try_from(gw_core::limits::STORE_QUEUE_MAX).expect("small") + 2_000;
    let mut tasks = JoinSet::new();
    for number in 0..calls {
        let store = store.clone();
        tasks.spawn(async move { store.record(call(number)).await });
    }
    for result in tasks.join_all().await {
        result.expect("recorded");
    }
    assert_eq!(store.stats(Default::default()).await.expect("sums").total.calls, calls);
}
