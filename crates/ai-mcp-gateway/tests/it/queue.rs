//! Limits that let calls wait for room, and refuse those that waited in vain.

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::gateway::{Gateway, Launch};
use crate::replicas::{alone, fixed_call, say};
use crate::upstream::{fail_key, simulator};

/// A key that makes one call at a time, and waits so long for it.
async fn key_that_waits(launch: &Launch, wait_ms: u64) -> String {
    let made = say(launch, &format!("keys create --name waits-{wait_ms}")).await;
    let id = made["id"].as_str().unwrap();
    let line = format!("limits set key:{id} --concurrent 1 --wait-ms {wait_ms}");
    let set = say(launch, &line).await;
    assert_eq!(set["limits"][0]["wait_ms"], wait_ms, "{set}");
    made["key"].as_str().unwrap().to_owned()
}

async fn statuses(gateway: &Gateway, key: &str, calls: usize) -> Vec<u16> {
    let mut running = JoinSet::new();
    for _ in 0..calls {
        let (address, key) = (gateway.address, key.to_owned());
        running.spawn(async move { fixed_call(address, &key).await.expect("an answer").status });
    }
    let mut statuses = running.join_all().await;
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_room_as_long_as_the_limit_says_and_no_longer() {
    let simulator = simulator().await;
    fail_key(&simulator, "key-o", "slow=200");
    let launch = alone(&simulator);
    let (patient, hasty) =
        (key_that_waits(&launch, 25_000).await, key_that_waits(&launch, 20).await);
    let gateway = launch.serve().await;
    let began = Instant::now();
    assert_eq!(statuses(&gateway, &patient, 6).await, [200; 6]);
    assert!(began.elapsed().as_millis() >= 6 * 200, "one after the other");
    let refused = statuses(&gateway, &hasty, 3).await;
    assert_eq!((refused[0], refused[2]), (200, 429), "{refused:?}");
    // A line that emptied holds nobody up.
    assert_eq!(statuses(&gateway, &patient, 1).await, [200]);
    let wrong =
        launch.run(&["limits", "set", "team:t", "--rpm", "1", "--wait-ms", "9999999"], None);
    let wrong = wrong.await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("--wait-ms"), "{wrong:?}");
}
