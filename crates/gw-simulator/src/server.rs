//! The server: accepts, decides what each request gets, delivers it.

mod control;
mod socket;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use gw_core::limits::REQUEST_BODY_BYTES_MAX;
use gw_core::{Error, Kind, Result};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::answer::{Speech, WireAnswer};
use crate::delivery::{AnswerBody, Delivery};
use crate::fault::{Fault, rewrite};
use crate::journal::{Entry, Journal, Seen};
use crate::model::SimulatedModel;
use crate::recordings::{Library, Wanted};
use socket::Socket;

/// When the simulator's answers say they were made. Fixed, so that the same request gets the same
/// bytes.
const CREATED_S: i64 = 1_790_000_000;

/// Selects a recording in a request, and names the one that answered in a response.
const RECORDING: HeaderName = HeaderName::from_static("x-simulator-recording");
/// `exact` or `similar`, beside [`RECORDING`].
const MATCH: HeaderName = HeaderName::from_static("x-simulator-match");
/// Faults for one request.
const FAULT: HeaderName = HeaderName::from_static("x-simulator-fault");

/// How the simulator is set up.
#[derive(Clone, Debug)]
pub struct SimulatorOptions {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 for a free one.
    pub port: u16,
    /// Folder of `*.jsonl` recordings to replay; none: the simulated model answers everything.
    pub recordings: Option<PathBuf>,
    /// True where only a request equal to a recorded one gets its answer; others go to the model.
    pub is_exact: bool,
    /// Changes the ids in the model's answers.
    pub seed: u64,
    /// Faults of every request for which nothing else is said.
    pub faults: Vec<Fault>,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            recordings: None,
            is_exact: false,
            seed: 0,
            faults: Vec::new(),
        }
    }
}

/// Faults for requests of some kind. Of several rules that match the newest decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultRule {
    /// Part of the path; `None` for any.
    pub path: Option<String>,
    /// The model; `None` for any.
    pub model: Option<String>,
    /// The API key; `None` for any.
    pub key: Option<String>,
    /// What goes wrong, all together.
    pub faults: Vec<Fault>,
    /// How many requests it meets; `None` for all.
    pub times: Option<u32>,
}

impl FaultRule {
    /// A rule for every request, always.
    pub fn always(faults: Vec<Fault>) -> Self {
        Self { faults, ..Self::default() }
    }

    fn matches(&self, path: &str, model: &str, key: &str) -> bool {
        self.times != Some(0)
            && self.path.as_ref().is_none_or(|wanted| path.contains(wanted.as_str()))
            && self.model.as_ref().is_none_or(|wanted| model == wanted)
            && self.key.as_ref().is_none_or(|wanted| key == wanted)
    }
}

struct State {
    library: Library,
    model: SimulatedModel,
    is_exact: bool,
    default_faults: Vec<Fault>,
    rules: Mutex<Vec<FaultRule>>,
    requests_by_key: Mutex<HashMap<String, u64>>,
    journal: Arc<Journal>,
    arrivals: AtomicU64,
}

/// A running simulator. Dropped, it stops at once.
pub struct Simulator {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    accepting: JoinHandle<()>,
}

impl Simulator {
    /// Starts to listen.
    ///
    /// # Errors
    /// [`Kind::NotConfigured`] for recordings that cannot be read or an address that cannot be
    /// listened on.
    pub async fn start(options: SimulatorOptions) -> Result<Self> {
        let library = match &options.recordings {
            Some(folder) => Library::load(folder)?,
            None => Library::default(),
        };
        let state = Arc::new(State {
            library,
            model: SimulatedModel::new(options.seed, &["sim-small", "sim-large"]),
            is_exact: options.is_exact,
            default_faults: options.faults,
            rules: Mutex::default(),
            requests_by_key: Mutex::default(),
            journal: Arc::new(Journal::new()),
            arrivals: AtomicU64::new(0),
        });
        let wanted = SocketAddr::new(options.host, options.port);
        let unusable = |error: std::io::Error| {
            Error::new(Kind::NotConfigured, format!("cannot listen on {wanted}: {error}"))
        };
        let listener = TcpListener::bind(wanted).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let (stop, stopped) = oneshot::channel();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state), stopped));
        Ok(Self { address, state, stop: Some(stop), accepting })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL, without a path or closing slash.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The recordings it replays.
    pub fn library(&self) -> &Library {
        &self.state.library
    }

    /// What has arrived, in order; the last 2,000.
    pub fn requests(&self) -> Vec<Seen> {
        self.state.journal.all()
    }

    /// Waits until what has arrived fulfils a condition, and gives it; the caller sets the
    /// deadline.
    pub async fn wait_for(&self, condition: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        self.state.journal.wait_for(condition).await
    }

    /// Adds a rule.
    pub fn set_fault(&self, rule: FaultRule) {
        self.state.rules.lock().push(rule);
    }

    /// Forgets rules, counts and requests.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Closes the port and all connections, and waits until that is done.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let state = Arc::clone(&state);
                connections.spawn(async move {
                    let resets = Arc::new(AtomicBool::new(false));
                    let socket = TokioIo::new(Socket::new(stream, Arc::clone(&resets)));
                    let service = service_fn(move |request| {
                        handle(Arc::clone(&state), Arc::clone(&resets), request)
                    });
                    let mut server = http1::Builder::new();
                    server.timer(TokioTimer::new());
                    if let Err(error) = server.serve_connection(socket, service).await {
                        tracing::debug!(%error, "connection ended early");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
            _ = &mut stopped => break,
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn handle(
    state: Arc<State>,
    resets: Arc<AtomicBool>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let (head, body) = request.into_parts();
    let speech = Speech::of_path(head.uri.path());
    let body = match Limited::new(body, 2 * REQUEST_BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(control::plain(&speech.error(413, "the body is too large"))),
    };
    if let Some(answer) = control::answer(&state, &head.method, head.uri.path(), &body) {
        return Ok(control::plain(&answer));
    }
    let path_and_query = head.uri.path_and_query().map_or("/", |it| it.as_str());
    let asked = Asked::new(&head.method, path_and_query, &head.headers, body);
    let faults = state.faults_for(&asked);
    let entry = state.arrive(&asked, faults.as_deref().unwrap_or_default());
    let faults = match faults {
        Ok(faults) => faults,
        Err(message) => {
            let answer = speech.error(400, &message);
            return Ok(deliver(&answer, &[], entry, resets, None).await);
        }
    };
    let (mut answer, recording) = state.answer(&asked);
    for fault in &faults {
        answer = match fault {
            Fault::RateLimit(most) => state.limit(&asked.key, *most, answer, speech),
            fault => rewrite(answer, fault, speech),
        };
    }
    Ok(deliver(&answer, &faults, entry, resets, recording).await)
}

async fn deliver(
    answer: &WireAnswer,
    faults: &[Fault],
    entry: Entry,
    resets: Arc<AtomicBool>,
    recording: Option<String>,
) -> Response<AnswerBody> {
    let delivery = Delivery::plan(answer, faults);
    match delivery.delay {
        Some(delay) if delay.is_zero() => {}
        Some(delay) => tokio::time::sleep(delay).await,
        None => std::future::pending().await,
    }
    entry.answered(answer.status, recording);
    let content_length = delivery.content_length;
    let mut response = Response::new(delivery.body(entry, resets));
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or_default();
    *response.headers_mut() = answer.headers.clone();
    if let Some(bytes) = content_length {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    response
}

/// A request, with what the decisions need of it.
struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    json: Option<Value>,
    model: String,
    key: String,
    /// Faults named by the model.
    model_faults: Option<std::result::Result<Vec<Fault>, String>>,
}

impl Asked {
    fn new(method: &Method, path_and_query: &str, headers: &HeaderMap, body: Bytes) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let mut asked = Self {
            method: method.clone(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.clone(),
            json: serde_json::from_slice(&body).ok(),
            body,
            model: String::new(),
            key: key_of(headers),
            model_faults: None,
        };
        let named = asked.json.as_ref().and_then(|json| json.get("model")).and_then(Value::as_str);
        asked.model = named.unwrap_or_default().to_owned();
        if let Some((faults, model)) = Fault::from_model(&asked.model) {
            asked.model_faults = Some(faults);
            asked.model = if model.is_empty() { "sim-small".to_owned() } else { model };
            if let Some(json) = &mut asked.json {
                json["model"] = Value::String(asked.model.clone());
                asked.body = Bytes::from(json.to_string());
            }
        }
        asked
    }
}

fn key_of(headers: &HeaderMap) -> String {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(&AUTHORIZATION).map(|value| value.strip_prefix("Bearer ").unwrap_or(value));
    let named = ["x-api-key", "api-key", "x-goog-api-key"];
    let other = || named.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    bearer.or_else(other).unwrap_or_default().to_owned()
}

impl State {
    fn reset(&self) {
        self.rules.lock().clear();
        self.requests_by_key.lock().clear();
        self.journal.clear();
        self.library.rewind();
    }

    /// The faults of a request: its header's, else its model's, else a rule's, else the default.
    fn faults_for(&self, asked: &Asked) -> std::result::Result<Vec<Fault>, String> {
        if let Some(spec) = asked.headers.get(FAULT) {
            return Fault::parse_all(spec.to_str().unwrap_or("?"));
        }
        if let Some(faults) = &asked.model_faults {
            return faults.clone();
        }
        let mut rules = self.rules.lock();
        let rule =
            rules.iter_mut().rev().find(|rule| rule.matches(&asked.path, &asked.model, &asked.key));
        match rule {
            Some(rule) => {
                rule.times = rule.times.map(|times| times.saturating_sub(1));
                Ok(rule.faults.clone())
            }
            None => Ok(self.default_faults.clone()),
        }
    }

    fn arrive(&self, asked: &Asked, faults: &[Fault]) -> Entry {
        let specs: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let query =
            if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
        let seen = Seen {
            number: 0,
            method: asked.method.to_string(),
            path: format!("{}{query}", asked.path),
            headers: asked.headers.clone(),
            body: asked.body.clone(),
            body_bytes: 0,
            model: asked.model.clone(),
            faults: specs.join("+"),
            recording: None,
            status: 0,
            is_finished: false,
            client_left: false,
        };
        self.journal.arrive(seen, self.arrivals.fetch_add(1, Ordering::Relaxed))
    }

    /// The answer without faults, and the recording it comes from.
    fn answer(&self, asked: &Asked) -> (WireAnswer, Option<String>) {
        let chosen = asked.headers.get(RECORDING).and_then(|name| name.to_str().ok());
        if let Some(name) = chosen {
            return match self.library.named(name) {
                Some(recording) => replayed(&recording.answer, &recording.name, "exact"),
                None => {
                    let message = format!("there is no recording `{name}`");
                    (Speech::of_path(&asked.path).error(404, &message), None)
                }
            };
        }
        let wanted = Wanted {
            method: asked.method.as_str(),
            path: &asked.path,
            query: &asked.query,
            body: &asked.body,
            json: asked.json.as_ref(),
            takes_similar: !self.is_exact && !asked.model.starts_with("sim-"),
        };
        if let Some((recording, is_equal)) = self.library.find(&wanted) {
            let how = if is_equal { "exact" } else { "similar" };
            return replayed(&recording.answer, &recording.name, how);
        }
        if asked.method == Method::GET && asked.path == "/" {
            return (WireAnswer::whole(200, "text/plain", "gw-simulator is running\n"), None);
        }
        let models = self.library.models(&asked.path);
        let answer = self.model.answer_with_models(
            &asked.method,
            &asked.path,
            &asked.headers,
            &asked.body,
            CREATED_S,
            &models,
        );
        (answer, None)
    }

    fn limit(&self, key: &str, most: u64, answer: WireAnswer, speech: Speech) -> WireAnswer {
        let mut counts = self.requests_by_key.lock();
        let count = counts.entry(key.to_owned()).or_insert(0);
        *count += 1;
        if *count <= most {
            return answer;
        }
        speech
            .error(429, &format!("rate limit reached: {most} requests for this key"))
            .with_header(http::header::RETRY_AFTER, "1")
    }
}

fn replayed(answer: &WireAnswer, name: &str, how: &str) -> (WireAnswer, Option<String>) {
    let answer = answer.clone().with_header(RECORDING, name).with_header(MATCH, how);
    (answer, Some(name.to_owned()))
}
