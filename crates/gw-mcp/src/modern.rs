//! Clients of revision 2026-07-28: every request says all there is to know, and nothing is kept but
//! calls that wait for what their client must answer first.
//!
//! A legacy server asks in the middle of a call. The call is parked, the client gets the question with
//! a signed handle, and its repetition of the request finds the call again.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use gw_core::principal::Principal;
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::caller::{Caller, ClientKey, Profile, log_rank};
use crate::desk::{self, Answered, Desk};
use crate::hub::{Hub, News};
use crate::limits::{PARKED_MAX, PARKED_MS, WATCHED_MAX};
use crate::message::{self, Id, MISSING_CAPABILITY, Outcome, RpcError, UNSUPPORTED_VERSION};
use crate::meta;
use crate::options::Exposure;
use crate::outbox::Outbox;
use crate::raw::{Fields, Raw};
use crate::seal::{self, Bound, Sealed};
use crate::session;
use crate::version::Version;

/// Questions of one call that may wait to be put.
const QUESTIONS_WAITING_MAX: usize = 16;

/// Who sends modern requests, and to which address.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) hub: Arc<Hub>,
    pub(crate) principal: Arc<Principal>,
    pub(crate) exposure: Exposure,
}

/// What a request says of itself.
pub(crate) struct About {
    capabilities: Fields,
    client: String,
    log_level: Option<String>,
}

/// Reads what every modern request must say.
///
/// # Errors
/// Bad parameters, or [`UNSUPPORTED_VERSION`].
pub(crate) fn read_about(params: &Fields) -> Result<About, RpcError> {
    let about = meta::of(params);
    let missing =
        |key: &str| RpcError::params(format!("`_meta[\"{key}\"]` is missing or malformed"));
    let version = about.text(meta::PROTOCOL_VERSION);
    let version = version.ok_or_else(|| missing(meta::PROTOCOL_VERSION))?;
    if !Version::parse(&version).is_some_and(Version::is_modern) {
        let mut data = Fields::default();
        data.put("supported", supported());
        data.put("requested", &version);
        let text = format!("Unsupported protocol version: {version}");
        return Err(RpcError::new(UNSUPPORTED_VERSION, text).with_data(&data));
    }
    let capabilities = about.object(meta::CLIENT_CAPABILITIES);
    let client = about.object(meta::CLIENT_INFO).and_then(|info| info.text("name"));
    Ok(About {
        capabilities: capabilities.ok_or_else(|| missing(meta::CLIENT_CAPABILITIES))?,
        client: client.unwrap_or_default(),
        log_level: about.text(meta::LOG_LEVEL).filter(|level| log_rank(level).is_some()),
    })
}

/// The methods of the tasks extension are there for clients that declare it (SEP-2663).
fn check_tasks(capabilities: &Fields) -> Result<(), RpcError> {
    const TASKS: &str = "io.modelcontextprotocol/tasks";
    if capabilities.object("extensions").is_some_and(|extensions| extensions.has(TASKS)) {
        return Ok(());
    }
    let mut extension = Fields::default();
    extension.put(TASKS, Fields::default());
    let mut required = Fields::default();
    required.put("extensions", &extension);
    let mut data = Fields::default();
    data.put("requiredCapabilities", &required);
    let text = "Missing required client capability: the tasks extension";
    Err(RpcError::new(MISSING_CAPABILITY, text).with_data(&data))
}

fn supported() -> Vec<&'static str> {
    vec![Version::MODERN.as_str()]
}

impl Sender {
    /// Answers a request. What belongs to it goes to `out` meanwhile; dropping the future cancels it.
    pub(crate) async fn answer(
        &self,
        id: &Id,
        method: &str,
        params: Fields,
        out: &Arc<Outbox>,
    ) -> Outcome {
        if !id.is_whole() {
            return Err(RpcError::new(
                message::INVALID_REQUEST,
                "`id` must be a string or integer",
            ));
        }
        let about = read_about(&params)?;
        let exposure = session::exposure_for(&self.exposure, &about.client);
        match method {
            "server/discover" => return Ok(self.discover(&exposure)),
            "subscriptions/listen" => return self.listen(id, &params, &exposure, out).await,
            "tasks/result" => return Err(RpcError::method(method)),
            "tasks/get" | "tasks/update" | "tasks/cancel" => check_tasks(&about.capabilities)?,
            _ => {}
        }
        let (questions, asked) = mpsc::channel(QUESTIONS_WAITING_MAX);
        let call = Arc::new(ModernCall {
            key: self.key(),
            profile: Profile::of(&about.capabilities),
            capabilities: about.capabilities,
            log_level: about.log_level,
            out: Mutex::new(Some(Arc::clone(out))),
            questions,
        });
        let desk = Desk {
            hub: Arc::clone(&self.hub),
            view: self.hub.view(&exposure, &self.principal),
            exposure,
            is_modern: true,
            caller: Arc::clone(&call) as Arc<dyn Caller>,
        };
        if matches!(method, "tools/call" | "prompts/get" | "resources/read") {
            return self.work(desk, call, asked, method, params, out).await;
        }
        let answered = Box::pin(desk.answer(method, params)).await;
        let answered = answered.ok_or_else(|| RpcError::method(method))??;
        Ok(desk::modernise(&self.hub, method, answered.result))
    }

    fn key(&self) -> ClientKey {
        let id = self.principal.key_id.as_deref().unwrap_or("anonymous");
        ClientKey(format!("principal:{id}").into())
    }

    fn discover(&self, exposure: &Exposure) -> Raw {
        let mut result = Fields::default();
        result.put("supportedVersions", supported());
        let mut capabilities = session::capabilities(&self.hub);
        // The form that tasks had before they became an extension.
        capabilities.remove("tasks");
        result.put("capabilities", &capabilities);
        if let Some(text) = session::instructions(&self.hub, exposure) {
            result.put("instructions", text);
        }
        desk::modernise(&self.hub, "server/discover", result)
    }

    /// A request that may come to a question first.
    async fn work(
        &self,
        desk: Desk,
        call: Arc<ModernCall>,
        asked: mpsc::Receiver<Question>,
        method: &str,
        params: Fields,
        out: &Arc<Outbox>,
    ) -> Outcome {
        let (mut plain, state, responses) = seal::without_retry(&params);
        let bound = params.clone();
        let bound = Bound { principal: &desk.caller.key().0.clone(), method, params: &bound };
        if let Some(state) = state {
            let state: String = serde_json::from_str(state.get())
                .map_err(|_| RpcError::params("`requestState` must be a string"))?;
            let now_ms = self.hub.clock.unix_ms();
            match self.hub.sealer.open(&state, &bound, now_ms)? {
                Sealed::Parked { id } => {
                    let running = self.hub.parking.take(&id).ok_or_else(|| {
                        RpcError::params("the call that waited is over; send the request anew")
                    })?;
                    return self.resume(running, responses, &bound, out).await;
                }
                Sealed::Relayed { state, .. } => plain.put("requestState", state),
            }
        }
        if let Some(responses) = responses {
            plain.set("inputResponses", responses);
        }
        if call.profile == Profile::default() {
            // Nothing can be asked, so there is nothing to wait for beside the answer.
            let answered = Box::pin(desk.answer(method, plain)).await;
            let answered = answered.ok_or_else(|| RpcError::method(method))?;
            return self.finish(answered, &bound);
        }
        let own_method = method.to_owned();
        let task = tokio::spawn(async move {
            let answered = Box::pin(desk.answer(&own_method, plain)).await;
            answered.unwrap_or_else(|| Err(RpcError::method(&own_method)))
        });
        let running =
            Running { task, asked, call, waiting: HashMap::new(), next_key: 1, until_ms: 0 };
        self.step(running, &bound).await
    }

    async fn resume(
        &self,
        mut running: Running,
        responses: Option<Raw>,
        bound: &Bound<'_>,
        out: &Arc<Outbox>,
    ) -> Outcome {
        *running.call.out.lock() = Some(Arc::clone(out));
        let responses = responses.and_then(|raw| Fields::of(&raw)).unwrap_or_default();
        for (key, response) in responses.iter() {
            if let Some(waiting) = running.waiting.remove(key) {
                // Whoever asked may have left.
                let _ = waiting.answer.send(Ok(response.to_owned()));
            }
        }
        if !running.waiting.is_empty() {
            return self.park(running, bound);
        }
        self.step(running, bound).await
    }

    /// Waits for the answer or for a question, which parks the call.
    async fn step(&self, mut running: Running, bound: &Bound<'_>) -> Outcome {
        let question = tokio::select! {
            biased;
            answered = &mut running.task => {
                let answered = answered.unwrap_or_else(|_| {
                    Err(RpcError::internal("the call ended without an answer"))
                });
                return self.finish(answered, bound);
            }
            Some(question) = running.asked.recv() => question,
        };
        running.keep(question);
        // What was asked in the same breath is put together.
        tokio::task::yield_now().await;
        while let Ok(question) = running.asked.try_recv() {
            running.keep(question);
        }
        self.park(running, bound)
    }

    fn park(&self, mut running: Running, bound: &Bound<'_>) -> Outcome {
        *running.call.out.lock() = None;
        let mut requests = Fields::default();
        let mut waiting: Vec<_> = running.waiting.iter().collect();
        waiting.sort_by_key(|(key, _)| *key);
        for (key, question) in waiting {
            let mut request = Fields::default();
            request.put("method", &question.method);
            request.put("params", &question.params);
            requests.put(key, &request);
        }
        let id = self.hub.random_name();
        running.until_ms = self.hub.clock.monotonic_ms() + PARKED_MS;
        self.hub.parking.keep(id.clone(), running)?;
        let now_ms = self.hub.clock.unix_ms();
        let mut result = Fields::default();
        result.put("resultType", "input_required");
        result.put("inputRequests", &requests);
        result.put("requestState", self.hub.sealer.seal(Sealed::Parked { id }, bound, now_ms));
        Ok(desk::modernise(&self.hub, bound.method, result))
    }

    fn finish(&self, answered: Result<Answered, RpcError>, bound: &Bound<'_>) -> Outcome {
        let mut answered = answered?;
        if let Some(server) = &answered.server {
            let now_ms = self.hub.clock.unix_ms();
            seal::seal_result(&self.hub.sealer, server, &mut answered.result, bound, now_ms);
        }
        Ok(desk::modernise(&self.hub, bound.method, answered.result))
    }

    /// Tells of changes until the client or the gateway ends it.
    async fn listen(
        &self,
        id: &Id,
        params: &Fields,
        exposure: &Exposure,
        out: &Arc<Outbox>,
    ) -> Outcome {
        let Some(filter) = params.object("notifications") else {
            return Err(RpcError::params("`notifications` must say what is listened for"));
        };
        let mut news = self.hub.news.subscribe();
        let wants = |name: &str| filter.read::<bool>(name).unwrap_or(false);
        let uris: Vec<String> = filter.read("resourceSubscriptions").unwrap_or_default();
        let view = self.hub.view(exposure, &self.principal);
        let mut watching = Watching { hub: &self.hub, uris: Vec::new() };
        for uri in uris.into_iter().take(WATCHED_MAX) {
            let found = self.hub.catalogue().resource(&uri);
            if let Some((server, own)) = found.filter(|(server, _)| view.sees_server(server))
                && let Some(upstream) = self.hub.upstream(&server)
            {
                upstream.watch(&own, true);
                watching.uris.push((uri, server, own));
            }
        }
        let say = |method: &str, mut params: Fields| {
            let mut about = meta::of(&params);
            about.set(meta::SUBSCRIPTION_ID, id.raw());
            meta::store(&mut params, &about);
            out.push(message::notification(method, &params));
        };
        let mut honoured = Fields::default();
        let lists = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"];
        for name in lists.into_iter().filter(|name| wants(name)) {
            honoured.put(name, true);
        }
        if filter.has("resourceSubscriptions") {
            let kept: Vec<&String> = watching.uris.iter().map(|(uri, ..)| uri).collect();
            honoured.put("resourceSubscriptions", kept);
        }
        let mut acknowledged = Fields::default();
        acknowledged.put("notifications", &honoured);
        say("notifications/subscriptions/acknowledged", acknowledged);
        loop {
            let next = tokio::select! {
                () = self.hub.stopped() => {
                    let mut about = Fields::default();
                    about.set(meta::SUBSCRIPTION_ID, id.raw());
                    let mut result = Fields::default();
                    meta::store(&mut result, &about);
                    return Ok(desk::modernise(&self.hub, "subscriptions/listen", result));
                }
                next = news.recv() => next,
            };
            let changed = match next {
                Ok(News::Lists(changed)) => changed,
                Ok(News::ResourceUpdated(uri, params)) => {
                    if watching.uris.iter().any(|(watched, ..)| *watched == uri) {
                        say("notifications/resources/updated", params);
                    }
                    continue;
                }
                Ok(News::Log(_)) => continue,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    crate::hub::Changed { tools: true, prompts: true, resources: true }
                }
                Err(broadcast::error::RecvError::Closed) => {
                    return Err(RpcError::internal("the gateway is stopping"));
                }
            };
            let tools = changed.tools && *exposure != Exposure::Search;
            for (is_changed, name, list) in [
                (tools, lists[0], "tools"),
                (changed.prompts, lists[1], "prompts"),
                (changed.resources, lists[2], "resources"),
            ] {
                if is_changed && wants(name) {
                    say(&format!("notifications/{list}/list_changed"), Fields::default());
                }
            }
        }
    }
}

/// Watches resources as long as it lives.
struct Watching<'a> {
    hub: &'a Hub,
    uris: Vec<(String, Arc<str>, String)>,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        for (_, server, own) in &self.uris {
            if let Some(upstream) = self.hub.upstream(server) {
                upstream.watch(own, false);
            }
        }
    }
}

/// Calls that wait for their client.
#[derive(Default)]
pub(crate) struct Parking(Mutex<HashMap<String, Running>>);

impl Parking {
    fn keep(&self, id: String, running: Running) -> Result<(), RpcError> {
        let mut parked = self.0.lock();
        if parked.len() >= PARKED_MAX {
            return Err(RpcError::internal("too many calls wait for their clients"));
        }
        parked.insert(id, running);
        Ok(())
    }

    fn take(&self, id: &str) -> Option<Running> {
        self.0.lock().remove(id)
    }

    /// Ends calls whose clients did not come back.
    pub(crate) fn sweep(&self, now_ms: u64) {
        self.0.lock().retain(|_, running| running.until_ms > now_ms);
    }
}

/// A call under way. Dropping it cancels it.
struct Running {
    task: JoinHandle<Result<Answered, RpcError>>,
    asked: mpsc::Receiver<Question>,
    call: Arc<ModernCall>,
    waiting: HashMap<String, Question>,
    next_key: u32,
    until_ms: u64,
}

impl Running {
    fn keep(&mut self, question: Question) {
        self.waiting.insert(format!("input_{}", self.next_key), question);
        self.next_key += 1;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Question {
    method: String,
    params: Fields,
    answer: oneshot::Sender<Outcome>,
}

/// One request of a modern client.
struct ModernCall {
    key: ClientKey,
    profile: Profile,
    capabilities: Fields,
    log_level: Option<String>,
    /// Where the client listens; nowhere while the call is parked.
    out: Mutex<Option<Arc<Outbox>>>,
    questions: mpsc::Sender<Question>,
}

#[async_trait]
impl Caller for ModernCall {
    fn key(&self) -> &ClientKey {
        &self.key
    }

    fn profile(&self) -> Profile {
        self.profile
    }

    fn capabilities(&self) -> Fields {
        self.capabilities.clone()
    }

    fn log_level(&self) -> Option<&str> {
        self.log_level.as_deref()
    }

    fn notify(&self, method: &str, params: Fields) {
        if method == "notifications/message" {
            let level = params.text("level").as_deref().and_then(log_rank);
            let wanted = self.log_level.as_deref().and_then(log_rank);
            if wanted.is_none() || level < wanted {
                return;
            }
        }
        if let Some(out) = &*self.out.lock() {
            out.push(message::notification(method, &params));
        }
    }

    async fn ask(&self, method: &str, params: Fields) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let question = Question { method: method.to_owned(), params, answer };
        let gone = || RpcError::internal("the client has left");
        self.questions.send(question).await.map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}
