//! A client that leaves stops the provider, and what it got is billed.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::gateway::{Gateway, Launch, until};
use crate::store::Kept;
use crate::upstream::{both_dialects, fail_key, seen, simulator};

const DOORS: [&str; 2] = ["/v1/chat/completions", "/v1/messages"];

async fn only_new(gateway: &Gateway, known: &[Kept]) -> Kept {
    until("the record of the cancelled call", async || {
        gateway.store().calls().into_iter().find(|call| known.iter().all(|old| old.id != call.id))
    })
    .await
}

fn assert_cancelled(kept: &Kept, context: &str) {
    assert_eq!(kept.status, "cancelled", "{context} {kept:?}");
    assert!(!kept.is_success);
    assert!(kept.cost_pico.unwrap() > 0, "{context} {kept:?}");
    assert_eq!(kept.cost_state, "estimated", "{context} {kept:?}");
    assert!(kept.input_tokens > 0, "{context} {kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_stream_stops_the_provider_and_bills_what_was_said() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    for upstream in ["o", "a"] {
        fail_key(&simulator, &format!("key-{upstream}"), "pace=20");
        for path in DOORS {
            let question = format!("sim:words=2000 {path}");
            let body = json!({"model": format!("{upstream}/sim-small"), "stream": true,
                "max_tokens": 9000, "messages": [{"role": "user", "content": question}]});
            let mut open = gateway.open(path, &body).await;
            assert_eq!(open.status, 200);
            let id = open.headers["x-gateway-call-id"].to_str().unwrap().to_owned();
            let mut said = String::new();
            while said.matches("word").count() < 6 {
                let piece = open.next().await.expect("the stream ended").unwrap();
                said.push_str(&String::from_utf8_lossy(&piece));
            }
            drop(open);
            let left = seen(&simulator, |seen| {
                let is_mine = String::from_utf8_lossy(&seen.body).contains(&question);
                is_mine && seen.client_left
            });
            // The whole answer would take minutes.
            timeout(Duration::from_secs(5), left).await.expect("the provider goes on talking");
            let kept = gateway.store().call_in_time(&id).await;
            assert_cancelled(&kept, &format!("{upstream} {path}"));
            assert!(kept.output_tokens > 0 && kept.output_tokens < 1000, "{kept:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_before_a_whole_answer_stops_the_provider_and_bills_the_prompt() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    let doors = DOORS.into_iter().chain(["/v1/route", "/v1/chat"]);
    for (number, path) in doors.enumerate() {
        for upstream in ["o", "a"] {
            fail_key(&simulator, &format!("key-{upstream}"), "never");
            let question = format!("question {number} to {upstream}");
            let body = json!({"model": format!("{upstream}/sim-small"), "max_tokens": 99,
                "messages": [{"role": "user", "content": question}],
                "conversationId": "c", "message": question});
            let known = gateway.store().calls();
            let address = gateway.address;
            let asking = tokio::spawn(async move {
                crate::http::send(address, "POST", path, &[], body.to_string().into()).await
            });
            let is_mine =
                |seen: &gw_simulator::Seen| String::from_utf8_lossy(&seen.body).contains(&question);
            seen(&simulator, is_mine).await;
            asking.abort();
            let left = seen(&simulator, |seen| is_mine(seen) && seen.client_left);
            timeout(Duration::from_secs(5), left).await.expect("the provider goes on");
            let kept = only_new(&gateway, &known).await;
            assert_cancelled(&kept, &format!("{upstream} {path}"));
        }
    }
}
