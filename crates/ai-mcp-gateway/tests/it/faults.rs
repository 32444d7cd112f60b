//! Every fault that the simulator knows, at both doors, whole and streamed, behind both dialects.
//!
//! With one candidate the client gets one clear error in its own words, before or inside the
//! stream, in time and whole; with a second one it gets a good answer. Either way the books agree.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use gw_core::Kind;
use gw_simulator::Simulator;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::gateway::{Gateway, Launch};
use crate::http::Reply;
use crate::sse;
use crate::store::Kept;
use crate::upstream::{fail_key, model, provider, simulator};

/// How a request ends that meets a fault and has nowhere else to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A good answer.
    Good,
    /// A good answer, reckoned because the provider did not count.
    Reckoned,
    /// An error before anything was said.
    Refused(Kind),
    /// An error after something was said.
    Broken(Kind),
}

use End::{Broken, Good, Reckoned, Refused};
use Kind::{
    ContextTooLong, ModelNotFound, ProviderAuth, ProviderBilling, ProviderFailed,
    ProviderMalformed, ProviderOverloaded, ProviderRateLimited, ProviderRejected, ProviderTimeout,
    ProviderUnreachable,
};

/// The fault, the end of a whole answer, the end of a stream.
const FAULTS: &[(&str, End, End)] = &[
    ("400", Refused(ProviderRejected), Refused(ProviderRejected)),
    ("401", Refused(ProviderAuth), Refused(ProviderAuth)),
    ("402", Refused(ProviderBilling), Refused(ProviderBilling)),
    ("403", Refused(ProviderAuth), Refused(ProviderAuth)),
    ("404", Refused(ModelNotFound), Refused(ModelNotFound)),
    ("429", Refused(ProviderRateLimited), Refused(ProviderRateLimited)),
    ("429-retry-after=1", Refused(ProviderRateLimited), Refused(ProviderRateLimited)),
    ("429-retry-after-ms=200", Refused(ProviderRateLimited), Refused(ProviderRateLimited)),
    ("429-retry-after=60", Refused(ProviderRateLimited), Refused(ProviderRateLimited)),
    ("500", Refused(ProviderFailed), Refused(ProviderFailed)),
    ("502", Refused(ProviderFailed), Refused(ProviderFailed)),
    ("503", Refused(ProviderOverloaded), Refused(ProviderOverloaded)),
    ("503-retry-after-date=1790000000", Refused(ProviderOverloaded), Refused(ProviderOverloaded)),
    ("bad-key", Refused(ProviderAuth), Refused(ProviderAuth)),
    ("unknown-model", Refused(ModelNotFound), Refused(ModelNotFound)),
    ("context-overflow", Refused(ContextTooLong), Refused(ContextTooLong)),
    ("overloaded", Refused(ProviderOverloaded), Refused(ProviderOverloaded)),
    ("rate-limit=0", Refused(ProviderRateLimited), Refused(ProviderRateLimited)),
    ("slow=200", Good, Good),
    ("pace=10", Good, Good),
    ("never", Refused(ProviderTimeout), Refused(ProviderTimeout)),
    ("stall=0", Refused(ProviderTimeout), Refused(ProviderTimeout)),
    ("stall=5", Refused(ProviderTimeout), Broken(ProviderTimeout)),
    ("stall-bytes=10", Refused(ProviderTimeout), Refused(ProviderTimeout)),
    ("reset=0", Refused(ProviderUnreachable), Refused(ProviderUnreachable)),
    ("reset=5", Refused(ProviderUnreachable), Broken(ProviderUnreachable)),
    ("close=0", Refused(ProviderUnreachable), Refused(ProviderUnreachable)),
    ("close=5", Refused(ProviderUnreachable), Broken(ProviderUnreachable)),
    ("end=0", Refused(ProviderMalformed), Refused(ProviderUnreachable)),
    ("end=5", Refused(ProviderMalformed), Broken(ProviderUnreachable)),
    ("end-bytes=100", Refused(ProviderMalformed), Refused(ProviderMalformed)),
    ("split=1", Good, Good),
    ("split=7+pace=1", Good, Good),
    ("malformed", Refused(ProviderMalformed), Broken(ProviderMalformed)),
    ("truncated", Refused(ProviderMalformed), Broken(ProviderMalformed)),
    ("html", Refused(ProviderMalformed), Refused(ProviderMalformed)),
    ("empty", Refused(ProviderMalformed), Refused(ProviderUnreachable)),
    ("stream-error", Refused(ProviderFailed), Broken(ProviderFailed)),
    ("usage-twice", Good, Good),
    ("no-usage", Reckoned, Reckoned),
    ("slow=100+reset=0", Refused(ProviderUnreachable), Refused(ProviderUnreachable)),
];

/// One request of the table.
#[derive(Clone, Copy, Debug)]
struct Case {
    number: usize,
    fault: &'static str,
    end: End,
    door: Door,
    is_streaming: bool,
    upstream: &'static str,
    has_second: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    OpenAi,
    Anthropic,
    /// System A's, which never streams.
    Route,
}

impl Case {
    /// Each case has a provider of its own, so that no breaker, pause or count is shared.
    fn provider(&self) -> String {
        format!("f{}", self.number)
    }

    fn model(&self) -> String {
        let name = format!("m{}", self.number);
        if self.has_second { name } else { format!("{}/{name}", self.provider()) }
    }

    fn configuration(&self, url: &str) -> String {
        let id = self.provider();
        let mut toml = provider(&id, self.upstream, url);
        toml.push_str(&model(&format!("{id}/m{}", self.number)));
        if self.has_second {
            toml.push_str(&model(&format!("healthy/m{}", self.number)));
        }
        toml
    }

    /// What a second candidate makes of the end: only what is the request's own fault, or what has
    /// begun to be told, stays.
    fn expected(&self) -> End {
        match self.end {
            Refused(kind) if self.has_second && kind != ProviderRejected => Good,
            end => end,
        }
    }
}

async fn table(is_streaming: bool, upstream: &'static str) {
    let simulator = simulator().await;
    let mut cases = Vec::new();
    for (fault, whole, streamed) in FAULTS {
        for door in [Door::OpenAi, Door::Anthropic, Door::Route] {
            if door == Door::Route && is_streaming {
                continue;
            }
            for has_second in [false, true] {
                let mut end = if is_streaming { *streamed } else { *whole };
                if *fault == "stream-error" && upstream == "anthropic-messages" {
                    // The simulator says `overloaded_error` there.
                    end = if is_streaming {
                        Broken(ProviderOverloaded)
                    } else {
                        Refused(ProviderOverloaded)
                    };
                }
                let number = cases.len();
                cases.push(Case { number, fault, end, door, is_streaming, upstream, has_second });
            }
        }
    }
    let toml = cases.iter().map(|case| case.configuration(&simulator.base_url()));
    let toml: String = toml.collect();
    // Sorted behind the failing ones, so that it is the second candidate.
    let healthy = provider("healthy", "openai-chat", &simulator.base_url());
    let launch = Launch::new().toml(&format!(
        "[timeouts]\nconnect_ms = 500\nfirst_byte_ms = 800\nidle_ms = 800\n{healthy}{toml}"
    ));
    let mut gateway = launch.serve().await;
    for case in &cases {
        fail_key(&simulator, &format!("key-{}", case.provider()), case.fault);
    }
    let wrong: Vec<String> = stream::iter(&cases)
        .map(|case| {
            let (gateway, simulator) = (&gateway, &simulator);
            async move {
                let problem = problem(gateway, simulator, case).await?;
                Some(format!("{case:?}: {problem}"))
            }
        })
        .buffer_unordered(24)
        .filter_map(|problem| async { problem })
        .collect()
        .await;
    assert!(gateway.is_alive(), "{}", gateway.stderr());
    assert!(!gateway.stderr().contains("panicked"), "{}", gateway.stderr());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_answers_of_openai_dialect() {
    table(false, "openai-chat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_answers_of_anthropic_dialect() {
    table(false, "anthropic-messages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_openai_dialect() {
    table(true, "openai-chat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_anthropic_dialect() {
    table(true, "anthropic-messages").await;
}

fn request(case: &Case) -> (&'static str, Value) {
    let messages = json!([{"role": "user", "content": "tell me of the sea"}]);
    let model = case.model();
    match case.door {
        Door::OpenAi => (
            "/v1/chat/completions",
            json!({"model": model, "messages": messages, "stream": case.is_streaming}),
        ),
        Door::Anthropic => (
            "/v1/messages",
            json!({"model": model, "messages": messages, "stream": case.is_streaming,
                "max_tokens": 500}),
        ),
        Door::Route => (
            "/v1/route",
            json!({"model": model, "conversationId": model, "message": "tell me of the sea"}),
        ),
    }
}

/// Runs one case; says what is wrong with it.
async fn problem(gateway: &Gateway, simulator: &Simulator, case: &Case) -> Option<String> {
    let (path, body) = request(case);
    let began = Instant::now();
    let reply = gateway.open(path, &body).await.whole().await;
    let took = began.elapsed();
    let told = told(case, &reply).err();
    // Two tries, the wait between them, and a busy machine.
    let late = (took > Duration::from_secs(8)).then(|| format!("took {took:?}"));
    let id = reply.header("x-gateway-call-id").to_owned();
    if id.is_empty() {
        return Some(format!("no call id: {} {}", reply.status, reply.text()));
    }
    let booked = match gateway.store().call(&id) {
        Some(kept) => booked(case, &kept).err(),
        None => Some("not in the store".to_owned()),
    };
    let arrived = simulator
        .requests()
        .iter()
        .any(|seen| key(seen) == format!("key-{}", case.provider()) && seen.method == "POST");
    let spared = (!arrived).then(|| "the failing provider was never asked".to_owned());
    let all: Vec<String> = [told, late, booked, spared].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn key(seen: &gw_simulator::Seen) -> String {
    let header = |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header("authorization").and_then(|text| text.strip_prefix("Bearer "));
    bearer.or_else(|| header("x-api-key")).unwrap_or_default().to_owned()
}

/// Checks what the client was told.
fn told(case: &Case, reply: &Reply) -> Result<(), String> {
    let shown = || format!("{} {}", reply.status, reply.text());
    if !reply.is_whole {
        return Err(format!("the connection broke: {}", shown()));
    }
    match case.expected() {
        Good | Reckoned => {
            if reply.status != 200 || !said(case, reply).contains("sea") {
                return Err(format!("no good answer: {}", shown()));
            }
            let by = if case.has_second && case.end != case.expected() {
                format!("healthy/m{}", case.number)
            } else {
                format!("{}/m{}", case.provider(), case.number)
            };
            let named = reply.header("x-gateway-model");
            if named != by {
                return Err(format!("answered by {named:?}, not {by}"));
            }
            if case.is_streaming && sse::error(&sse::events(&reply.body)).is_some() {
                return Err(format!("an error in a good stream: {}", shown()));
            }
            Ok(())
        }
        Refused(kind) => refused(case, reply, kind).map_err(|why| format!("{why}: {}", shown())),
        Broken(kind) => broken(case, reply, kind).map_err(|why| format!("{why}: {}", shown())),
    }
}

fn said(case: &Case, reply: &Reply) -> String {
    if case.is_streaming {
        return sse::text(&sse::events(&reply.body));
    }
    let body = reply.json();
    let text = match case.door {
        Door::OpenAi => &body["choices"][0]["message"]["content"],
        Door::Anthropic => &body["content"][0]["text"],
        Door::Route => &body["result"]["response"],
    };
    text.as_str().unwrap_or_default().to_owned()
}

fn refused(case: &Case, reply: &Reply, kind: Kind) -> Result<(), String> {
    let row = kind.row();
    let status = if case.door == Door::Anthropic { row.anthropic_status } else { row.status };
    if reply.status != status {
        return Err(format!("status {} in place of {status}", reply.status));
    }
    if !reply.header("content-type").starts_with("application/json") {
        return Err("an error that is not JSON".to_owned());
    }
    if kind == ProviderRateLimited
        && case.fault.contains("after")
        && reply.header("retry-after").is_empty()
    {
        return Err("no Retry-After".to_owned());
    }
    error_shape(case, &reply.json(), kind)
}

/// `{"error": {message, type, param, code}}`, `{"type": "error", "error": {type, message}}`, or
/// system A's `{"error", "code", "callId"}`.
fn error_shape(case: &Case, body: &Value, kind: Kind) -> Result<(), String> {
    let error = &body["error"];
    if case.door == Door::Route {
        let is_right = error.as_str().is_some_and(|text| !text.is_empty())
            && body["code"] == kind.row().code
            && body["callId"].is_string();
        return if is_right { Ok(()) } else { Err(format!("wrong shape for {kind:?}")) };
    }
    if error["message"].as_str().is_none_or(str::is_empty) {
        return Err("no message".to_owned());
    }
    let row = kind.row();
    let is_right = match case.door {
        Door::OpenAi => {
            error["type"] == row.openai_type
                && error.get("param").is_some()
                && error.get("code").is_some()
        }
        Door::Anthropic | Door::Route => {
            body["type"] == "error" && error["type"] == row.anthropic_type
        }
    };
    if is_right { Ok(()) } else { Err(format!("wrong shape for {kind:?}")) }
}

fn broken(case: &Case, reply: &Reply, kind: Kind) -> Result<(), String> {
    if reply.status != 200 {
        return Err(format!("status {}", reply.status));
    }
    let events = sse::events(&reply.body);
    if sse::text(&events).is_empty() {
        return Err("nothing of the answer came through".to_owned());
    }
    let errors: Vec<_> = events.iter().filter(|event| event.data["error"].is_object()).collect();
    let [error] = errors.as_slice() else {
        return Err(format!("{} errors in place of one", errors.len()));
    };
    if case.door == Door::Anthropic && error.name != "error" {
        return Err(format!("the error's event is called {:?}", error.name));
    }
    let is_complete = events.iter().any(|event| {
        event.data["choices"][0]["finish_reason"].is_string()
            || event.data["type"] == "message_stop"
    });
    if is_complete {
        return Err("the broken stream says that it is complete".to_owned());
    }
    // An error inside a provider's own stream passes as it is.
    if case.fault == "stream-error" {
        return Ok(());
    }
    error_shape(case, &error.data, kind)
}

/// Checks what was written down.
fn booked(case: &Case, kept: &Kept) -> Result<(), String> {
    let expected = match case.expected() {
        Good | Reckoned => "ok",
        Refused(kind) | Broken(kind) => kind.row().code,
    };
    let wrong = |why: &str| Err(format!("{why}: {kept:?}"));
    let is_in_band = case.fault == "stream-error" && expected != "ok";
    if kept.status != expected && !(is_in_band && kept.status.starts_with("provider_")) {
        return wrong(&format!("booked as {} in place of {expected}", kept.status));
    }
    if kept.is_success != (expected == "ok") {
        return wrong("success is wrong");
    }
    let cost = kept.cost_pico.unwrap_or_default();
    let is_estimated = kept.cost_state == "estimated";
    match case.expected() {
        Good | Reckoned | Broken(_) if cost == 0 => wrong("what was delivered costs nothing"),
        Good | Reckoned | Broken(_) if kept.output_tokens == 0 => wrong("no output was counted"),
        Broken(_) | Reckoned if !is_estimated => wrong("a guess is not marked as one"),
        // Several tries may be summed: then a broken-off one makes the whole an estimate.
        Good if !case.has_second && is_estimated => wrong("a count is marked as a guess"),
        _ => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_over_the_size_limit_are_refused() {
    let simulator = simulator().await;
    let url = simulator.base_url();
    let toml = [provider("o", "openai-chat", &url), model("o/whole"), model("o/stream")].concat();
    let gateway = Launch::new().toml(&toml).serve().await;
    fail_key(&simulator, "key-o", "oversized=70");
    let ask = |model: &str, is_streaming: bool| {
        json!({"model": model, "stream": is_streaming,
            "messages": [{"role": "user", "content": "hi"}]})
    };
    for (model, is_streaming) in [("o/whole", false), ("o/stream", true)] {
        let reply = gateway.post("/v1/chat/completions", &ask(model, is_streaming)).await;
        assert_eq!(reply.status, 502, "{model} {}", reply.text());
        assert_eq!(reply.json()["error"]["type"], "server_error");
        let kept = gateway.store().call(reply.header("x-gateway-call-id")).unwrap();
        assert_eq!(kept.status, "provider_too_large");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_its_last_event_is_told_apart_from_a_whole_one_or_finished() {
    let simulator = simulator().await;
    let url = simulator.base_url();
    let gateway = Launch::new().toml(&crate::upstream::both_dialects(&url)).serve().await;
    for provider in ["o", "a"] {
        fail_key(&simulator, &format!("key-{provider}"), "no-done");
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let body = json!({"model": format!("{provider}/sim-small"), "stream": true,
                "max_tokens": 99, "messages": [{"role": "user", "content": "the sea"}]});
            let reply = gateway.post(path, &body).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let events = sse::events(&reply.body);
            let is_ended = events
                .iter()
                .any(|event| event.data.is_null() || event.data["type"] == "message_stop");
            let is_broken = sse::error(&events).is_some();
            assert!(is_ended != is_broken, "{provider} {path} {}", reply.text());
            let kept = gateway.store().call(reply.header("x-gateway-call-id")).unwrap();
            assert_eq!(kept.is_success, is_ended, "{kept:?}");
        }
    }
}
