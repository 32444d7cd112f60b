//! Every fault does what it says.

use std::time::Duration;

use gw_simulator::Simulator;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::client::{
    Answer, CHAT, End, MESSAGES, PATIENCE, ask, asked, connect, post, send, simulator,
};

async fn faulty(simulator: &Simulator, path: &str, fault: &str, is_streaming: bool) -> Answer {
    asked(simulator, path, &ask(fault, is_streaming)).await
}

#[tokio::test]
async fn refusals_have_status_words_and_when_to_come_back() {
    let simulator = simulator().await;
    let check = async |path, fault, status, kind: &str, retry_after: &str| {
        let answer = faulty(&simulator, path, fault, false).await;
        assert_eq!(answer.status, status, "{fault}");
        assert_eq!(answer.json()["error"]["type"], kind, "{fault}");
        assert_eq!(answer.header("retry-after"), retry_after, "{fault}");
        answer
    };
    check(CHAT, "429-retry-after=7", 429, "rate_limit_error", "7").await;
    check(CHAT, "500", 500, "server_error", "").await;
    check(MESSAGES, "500", 500, "api_error", "").await;
    check(
        MESSAGES,
        "503-retry-after-date=1790000000",
        503,
        "overloaded_error",
        "Mon, 21 Sep 2026 14:13:20 GMT",
    )
    .await;
    let answer = check(CHAT, "429-retry-after-ms=1500", 429, "rate_limit_error", "2").await;
    assert_eq!(answer.header("retry-after-ms"), "1500");
    check(CHAT, "bad-key", 401, "invalid_request_error", "").await;
    check(MESSAGES, "bad-key", 401, "authentication_error", "").await;
    check(MESSAGES, "unknown-model", 404, "not_found_error", "").await;
    check(MESSAGES, "overloaded", 529, "overloaded_error", "").await;
    check(CHAT, "overloaded", 503, "server_error", "").await;
    let answer = check(CHAT, "context-overflow", 400, "invalid_request_error", "").await;
    assert_eq!(answer.json()["error"]["code"], "context_length_exceeded");
    let answer = check(MESSAGES, "context-overflow", 400, "invalid_request_error", "").await;
    assert!(answer.text().contains("prompt is too long"));
    let answer = faulty(&simulator, CHAT, "nonsense", false).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("`nonsense` is no fault"));
}

#[tokio::test]
async fn streams_are_cut_where_asked() {
    let simulator = simulator().await;
    let whole = faulty(&simulator, CHAT, "", true).await;
    assert_eq!(whole.end, End::Whole);
    for (fault, end, frames) in [
        ("reset=3", End::Reset, 3),
        ("close=3", End::Closed, 3),
        ("end=3", End::Whole, 3),
        ("reset=0", End::Reset, 0),
    ] {
        let answer = faulty(&simulator, CHAT, fault, true).await;
        assert_eq!(answer.end, end, "{fault}");
        assert_eq!(answer.text().matches("\n\n").count(), frames, "{fault}");
        assert!(whole.body.starts_with(&answer.body), "{fault}");
    }
    for (fault, end) in [
        ("reset-bytes=77", End::Reset),
        ("close-bytes=77", End::Closed),
        ("end-bytes=77", End::Whole),
    ] {
        for is_streaming in [true, false] {
            let answer = faulty(&simulator, CHAT, fault, is_streaming).await;
            assert_eq!((answer.end, answer.body.len()), (end, 77), "{fault} {is_streaming}");
        }
    }
    // Behind the end a break is still a break.
    for is_streaming in [true, false] {
        let answer = faulty(&simulator, CHAT, "close=9999", is_streaming).await;
        assert_eq!(answer.end, End::Closed);
    }
    let seen = simulator.requests();
    assert!(seen.iter().all(|seen| seen.is_finished && !seen.client_left), "{seen:?}");
}

#[tokio::test]
async fn bytes_arrive_one_by_one_and_are_the_same() {
    let simulator = simulator().await;
    for is_streaming in [true, false] {
        let whole = faulty(&simulator, MESSAGES, "", is_streaming).await;
        for (fault, bytes) in [("split=1", 1), ("split=7", 7)] {
            let answer = faulty(&simulator, MESSAGES, fault, is_streaming).await;
            assert_eq!(answer.text(), whole.text());
            if is_streaming {
                assert_eq!(answer.pieces, answer.body.len().div_ceil(bytes), "{fault}");
            }
        }
    }
}

#[tokio::test]
async fn bodies_are_spoilt() {
    let simulator = simulator().await;
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    for path in [CHAT, MESSAGES] {
        for fault in ["malformed", "truncated"] {
            let answer = faulty(&simulator, path, fault, false).await;
            assert_eq!((answer.status, answer.end), (200, End::Whole));
            assert!(!answer.body.is_empty() && !is_json(&answer.text()), "{fault}");
            let answer = faulty(&simulator, path, fault, true).await;
            let text = answer.text();
            let data: Vec<&str> =
                text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            let bad = data.iter().filter(|data| **data != "[DONE]" && !is_json(data)).count();
            let is_cut = !text.ends_with("\n\n");
            assert!(bad == 1 || (fault == "truncated" && is_cut), "{fault}: {text}");
            assert_eq!(is_cut, fault == "truncated");
        }
        let answer = faulty(&simulator, path, "html", true).await;
        assert!(answer.header("content-type").starts_with("text/html"));
        assert_eq!(answer.status, 200);
        for is_streaming in [true, false] {
            let answer = faulty(&simulator, path, "empty", is_streaming).await;
            assert_eq!((answer.status, answer.body.len(), answer.end), (200, 0, End::Whole));
            let answer = faulty(&simulator, path, "oversized=2", is_streaming).await;
            assert!(answer.body.len() > 2 << 20 && answer.body.len() < 3 << 20);
            assert!(is_streaming || is_json(&answer.text()));
        }
    }
}

#[tokio::test]
async fn errors_and_usage_inside_an_answer() {
    let simulator = simulator().await;
    let count = |answer: &Answer, what: &str| answer.text().matches(what).count();
    let answer = faulty(&simulator, CHAT, "stream-error", true).await;
    assert_eq!((count(&answer, "\"error\":{"), count(&answer, "[DONE]")), (1, 0));
    let answer = faulty(&simulator, MESSAGES, "stream-error", true).await;
    assert_eq!((count(&answer, "event: error\n"), count(&answer, "message_stop")), (1, 0));
    let answer = faulty(&simulator, CHAT, "stream-error", false).await;
    assert_eq!(
        (answer.status, answer.json()["error"]["type"].as_str()),
        (200, Some("server_error"))
    );

    for (path, is_streaming, normal) in
        [(CHAT, true, 1), (CHAT, false, 1), (MESSAGES, true, 2), (MESSAGES, false, 1)]
    {
        let answer = faulty(&simulator, path, "", is_streaming).await;
        assert_eq!(count(&answer, "\"usage\":{"), normal, "{path} {is_streaming}");
        let answer = faulty(&simulator, path, "usage-twice", is_streaming).await;
        assert_eq!(count(&answer, "\"usage\":{"), normal + 1, "{path} {is_streaming}");
        let answer = faulty(&simulator, path, "no-usage", is_streaming).await;
        assert_eq!(count(&answer, "\"usage\":{"), 0, "{path} {is_streaming}");
    }
    let answer = faulty(&simulator, CHAT, "no-done", true).await;
    assert_eq!((count(&answer, "[DONE]"), answer.end), (0, End::Whole));
    let answer = faulty(&simulator, MESSAGES, "no-done", true).await;
    assert_eq!((count(&answer, "message_stop"), count(&answer, "message_delta\"")), (0, 1));
}

#[tokio::test]
async fn slow_and_paced_answers_take_their_time() {
    let simulator = simulator().await;
    let began = Instant::now();
    faulty(&simulator, CHAT, "slow=60", false).await;
    assert!(began.elapsed() >= Duration::from_millis(60));
    let began = Instant::now();
    let answer = faulty(&simulator, CHAT, "pace=10+end=4", true).await;
    assert_eq!(answer.pieces, 4);
    assert!(began.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn silence_lasts_until_the_client_leaves_and_that_is_seen() {
    let simulator = simulator().await;
    let mut sender = connect(simulator.addr()).await;
    let waiting = sender.send_request(post(CHAT, &ask("never", false)));
    assert!(timeout(Duration::from_millis(50), waiting).await.is_err());
    drop(sender);
    let left = simulator.wait_for(|seen| seen.iter().any(|seen| seen.client_left));
    let seen = timeout(PATIENCE, left).await.expect("the client was not seen to leave");
    assert_eq!((seen[0].status, seen[0].is_finished), (0, false));

    let mut sender = connect(simulator.addr()).await;
    let response = sender.send_request(post(CHAT, &ask("stall=2", true))).await.unwrap();
    let mut body = response.into_body();
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
    }
    assert!(timeout(Duration::from_millis(50), body.frame()).await.is_err());
    drop((body, sender));
    let left = simulator.wait_for(|seen| seen.len() == 2 && seen[1].client_left);
    let seen = timeout(PATIENCE, left).await.expect("the client was not seen to leave");
    assert_eq!((seen[1].status, seen[1].is_finished), (200, false));
}

#[tokio::test]
async fn each_key_has_its_own_limit() {
    let simulator = simulator().await;
    let mut sender = connect(simulator.addr()).await;
    let mut statuses = Vec::new();
    for key in ["a", "a", "b", "a", "b", "b"] {
        let mut request = post(MESSAGES, &ask("rate-limit=2", false));
        request.headers_mut().insert("x-api-key", key.parse().unwrap());
        let answer = send(&mut sender, request).await;
        statuses.push(answer.status);
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    assert_eq!(statuses, [200, 200, 200, 429, 200, 429]);
}

#[tokio::test]
async fn a_fault_in_a_model_name_leaves_the_model() {
    let simulator = simulator().await;
    let mut body = ask("", false);
    body["model"] = json!("meta/llama@fault:split=3");
    let answer = asked(&simulator, CHAT, &body).await;
    assert_eq!(answer.json()["model"], "meta/llama");
    let seen = simulator.requests();
    assert_eq!((seen[0].model.as_str(), seen[0].faults.as_str()), ("meta/llama", "split=3"));
}
