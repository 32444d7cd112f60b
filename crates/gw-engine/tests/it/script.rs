//! Providers that do what a test wrote down, and keep what they were asked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use gw_core::reservation::Reservation;
use gw_core::seam::{BodyStream, IncomingResponse, OutgoingRequest, Upstream};
use gw_core::{Error, ProviderId, Result};
use http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::time::Instant;

/// What a provider does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<Step> },
    /// Cannot be reached.
    Fail(Error),
    /// Never answers.
    Hang,
}

/// A step of a body.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Bytes(Bytes),
    /// Silence, in milliseconds.
    Wait(u64),
    /// The body breaks off like this.
    Break(Error),
    /// Silence until it is dropped.
    Forever,
}

impl Act {
    /// With these headers more.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    /// With this step after the body.
    pub(crate) fn then(mut self, step: Step) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            body.push(step);
        }
        self
    }

    /// With this step before the body.
    pub(crate) fn after(mut self, step: Step) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            body.insert(0, step);
        }
        self
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) provider: String,
    /// Since the script began, in milliseconds.
    pub(crate) at_ms: u128,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("is JSON")
    }

    pub(crate) fn key(&self) -> &str {
        self.headers.get("authorization").map_or("", |key| key.to_str().expect("is text"))
    }
}

/// All providers of a test.
pub(crate) struct Script {
    began: Instant,
    acts: Mutex<HashMap<ProviderId, VecDeque<Act>>>,
    seen: Mutex<Vec<Seen>>,
    bodies: Arc<Bodies>,
}

/// What became of the bodies.
#[derive(Default)]
struct Bodies {
    open: AtomicUsize,
    read_to_end: AtomicUsize,
    dropped: AtomicUsize,
    steps: AtomicUsize,
}

struct Body {
    steps: VecDeque<Step>,
    bodies: Arc<Bodies>,
    is_done: bool,
}

impl Body {
    fn end(&mut self) {
        self.is_done = true;
        self.steps.clear();
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.bodies.open.fetch_sub(1, Ordering::SeqCst);
        let what = if self.is_done { &self.bodies.read_to_end } else { &self.bodies.dropped };
        what.fetch_add(1, Ordering::SeqCst);
    }
}

impl Script {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            acts: Mutex::default(),
            seen: Mutex::default(),
            bodies: Arc::default(),
        })
    }

    /// What a provider does next; an unscripted request fails its test.
    pub(crate) fn on(&self, provider: &str, act: Act) -> &Self {
        self.acts.lock().entry(provider.into()).or_default().push_back(act);
        self
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// Which providers were asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen.lock().iter().map(|seen| seen.provider.clone()).collect()
    }

    /// When they were asked, in milliseconds.
    pub(crate) fn times(&self) -> Vec<u128> {
        self.seen.lock().iter().map(|seen| seen.at_ms).collect()
    }

    pub(crate) fn open_bodies(&self) -> usize {
        self.bodies.open.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped_bodies(&self) -> usize {
        self.bodies.dropped.load(Ordering::SeqCst)
    }

    /// Pieces of bodies that were read.
    pub(crate) fn steps_read(&self) -> usize {
        self.bodies.steps.load(Ordering::SeqCst)
    }

    fn body(&self, steps: Vec<Step>) -> BodyStream {
        self.bodies.open.fetch_add(1, Ordering::SeqCst);
        let bodies = Arc::clone(&self.bodies);
        let body = Body { steps: steps.into(), bodies, is_done: false };
        Box::pin(stream::unfold(body, |mut body| async move {
            loop {
                match body.steps.pop_front() {
                    Some(Step::Bytes(bytes)) => {
                        body.bodies.steps.fetch_add(1, Ordering::SeqCst);
                        return Some((Ok(bytes), body));
                    }
                    Some(Step::Wait(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
                    Some(Step::Break(error)) => {
                        body.end();
                        return Some((Err(error), body));
                    }
                    Some(Step::Forever) => std::future::pending().await,
                    None => {
                        body.end();
                        return None;
                    }
                }
            }
        }))
    }
}

#[async_trait]
impl Upstream for Script {
    async fn send(&self, _: &Reservation, request: OutgoingRequest) -> Result<IncomingResponse> {
        self.seen.lock().push(Seen {
            provider: request.provider.as_str().to_owned(),
            at_ms: self.began.elapsed().as_millis(),
            headers: request.headers,
            body: request.body,
        });
        let act = self.acts.lock().get_mut(&request.provider).and_then(VecDeque::pop_front);
        match act.unwrap_or_else(|| panic!("{} was not expected to be asked", request.provider)) {
            Act::Answer { status, headers, body } => {
                let headers = headers
                    .into_iter()
                    .map(|(name, value)| {
                        let value = HeaderValue::from_str(&value).expect("is a value");
                        (HeaderName::from_static(name), value)
                    })
                    .collect();
                Ok(IncomingResponse { status, headers, body: self.body(body) })
            }
            Act::Fail(error) => Err(error),
            Act::Hang => std::future::pending().await,
        }
    }

    async fn fetch(&self, _: OutgoingRequest) -> Result<IncomingResponse> {
        panic!("the engine fetches nothing")
    }
}
