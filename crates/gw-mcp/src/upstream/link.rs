//! One connection to a server, after or during its handshake: which answer belongs to which request,
//! and whom a server's own question or notice concerns.
//!
//! Ids and progress tokens are the connection's own. A question that comes without a request it
//! belongs to is put to a client only where there is no doubt which one is meant.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, log_rank};
use crate::headers::Mirrored;
use crate::message::{self, Id, Message, Outcome, RpcError};
use crate::meta;
use crate::raw::{self, Fields, Raw};
use crate::upstream::wire::{Delivered, Failure, Outgoing, Wire};
use crate::version::Version;

/// What a server said of itself.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    pub(crate) version: Version,
    pub(crate) capabilities: Fields,
    pub(crate) instructions: Option<String>,
}

/// What a server tells without being asked, and that concerns no single request.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// Its lists changed.
    ListsChanged,
    /// A resource changed.
    ResourceUpdated(Fields),
    /// A log message that belongs to nobody in particular.
    Log(Fields),
}

/// Room for notices of one server; lists are read again at the next one, so none is missed for good.
pub(crate) const NOTICES_WAITING_MAX: usize = 256;

/// A connection.
pub(crate) struct Link {
    hello: OnceLock<Hello>,
    wire: Box<dyn Wire>,
    pending: Mutex<HashMap<u64, Pending>>,
    /// Questions of the server that wait for a client, by their ids.
    asked: Mutex<HashMap<Id, AbortHandle>>,
    next_id: AtomicU64,
    notices: mpsc::Sender<Notice>,
    closed: CancellationToken,
    why_closed: OnceLock<String>,
    log_level: Mutex<Option<usize>>,
}

struct Pending {
    answer: oneshot::Sender<Outcome>,
    caller: Arc<dyn Caller>,
    token: Option<Raw>,
}

impl Link {
    pub(crate) fn new(wire: Box<dyn Wire>, notices: mpsc::Sender<Notice>) -> Arc<Self> {
        Arc::new(Self {
            hello: OnceLock::new(),
            wire,
            pending: Mutex::default(),
            asked: Mutex::default(),
            next_id: AtomicU64::new(1),
            notices,
            closed: CancellationToken::new(),
            why_closed: OnceLock::new(),
            log_level: Mutex::new(None),
        })
    }

    /// What the server said of itself; `None` during the handshake.
    pub(crate) fn hello(&self) -> Option<&Hello> {
        self.hello.get()
    }

    /// Ends the handshake.
    pub(crate) fn open(&self, hello: Hello) {
        let _ = self.hello.set(hello);
    }

    /// Listens to what a legacy server says unasked. A question that it puts before this is done would
    /// be lost.
    pub(crate) async fn listen(self: &Arc<Self>) {
        self.wire.opened(self).await;
    }

    pub(crate) fn version(&self) -> Option<Version> {
        self.hello.get().map(|hello| hello.version)
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.version().is_some_and(Version::is_modern)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    pub(crate) fn is_busy(&self) -> bool {
        !self.pending.lock().is_empty()
    }

    /// Done once the connection is no longer of use.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Declares the connection broken: every request under way fails with this reason.
    pub(crate) fn fail(&self, why: &str) {
        let _ = self.why_closed.set(why.to_owned());
        self.closed.cancel();
        self.pending.lock().clear();
        for (_, asking) in self.asked.lock().drain() {
            asking.abort();
        }
    }

    /// Why it is closed.
    pub(crate) fn why_closed(&self) -> String {
        self.why_closed.get().cloned().unwrap_or_else(|| "closed the connection".to_owned())
    }

    /// Ends the connection in good order.
    pub(crate) async fn close(&self) {
        self.fail("was stopped");
        self.wire.close().await;
    }

    /// Sends a request and waits for its answer. Dropping the future withdraws the request.
    pub(crate) async fn request(
        self: &Arc<Self>,
        method: &str,
        mut params: Fields,
        caller: &Arc<dyn Caller>,
        mirrored: &[Mirrored],
    ) -> Result<Raw, Failure> {
        if self.is_closed() {
            return Err(Failure::NotSent(self.why_closed()));
        }
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        let token = readdress(number, &mut params);
        let (answer, mut answered) = oneshot::channel();
        let pending = Pending { answer, caller: Arc::clone(caller), token };
        self.pending.lock().insert(number, pending);
        let mut under_way = UnderWay { link: self, number, is_over: false, method };
        let out = Outgoing {
            line: message::request(&Id::number(number), method, &params),
            request: Some(number),
            method,
            params: &params,
            mirrored,
            version: self.version(),
        };
        let result = self.await_answer(out, &mut answered).await;
        under_way.is_over = !matches!(result, Err(Failure::TimedOut(_)));
        result
    }

    async fn await_answer(
        self: &Arc<Self>,
        out: Outgoing<'_>,
        answered: &mut oneshot::Receiver<Outcome>,
    ) -> Result<Raw, Failure> {
        let delivering = self.wire.deliver(self, out);
        let mut delivering = std::pin::pin!(delivering);
        let mut is_delivered = false;
        loop {
            tokio::select! {
                biased;
                outcome = &mut *answered => {
                    return match outcome {
                        Ok(outcome) => outcome.map_err(Failure::Rpc),
                        Err(_) => Err(Failure::Broken(self.why_closed())),
                    };
                }
                delivered = &mut delivering, if !is_delivered => {
                    is_delivered = true;
                    match delivered {
                        Err(failure) => return Err(failure),
                        Ok(Delivered::Queued) => {}
                        Ok(Delivered::Ended) => {
                            return match answered.try_recv() {
                                Ok(outcome) => outcome.map_err(Failure::Rpc),
                                Err(_) => Err(Failure::Broken(
                                    "ended its answer before it was whole".to_owned(),
                                )),
                            };
                        }
                    }
                }
                () = self.closed.cancelled() => {
                    // The answer may have come with the last breath.
                    return match answered.try_recv() {
                        Ok(outcome) => outcome.map_err(Failure::Rpc),
                        Err(_) => Err(Failure::Broken(self.why_closed())),
                    };
                }
            }
        }
    }

    /// Sends a notification.
    pub(crate) async fn notify(self: &Arc<Self>, method: &str, params: &Fields) {
        let out = Outgoing {
            line: message::notification(method, params),
            request: None,
            method,
            params,
            mirrored: &[],
            version: self.version(),
        };
        if let Err(failure) = self.wire.deliver(self, out).await {
            tracing::debug!(method, ?failure, "a notification did not reach the server");
        }
    }

    /// Asks a legacy server for log messages as verbose as this one client wants them.
    pub(crate) async fn want_logs(self: &Arc<Self>, level: &str, caller: &Arc<dyn Caller>) {
        let Some(rank) = log_rank(level) else { return };
        let has_logs = self.hello().is_some_and(|hello| hello.capabilities.has("logging"));
        if self.is_modern() || !has_logs {
            return;
        }
        {
            let mut known = self.log_level.lock();
            if known.is_some_and(|known| known <= rank) {
                return;
            }
            *known = Some(rank);
        }
        let mut params = Fields::default();
        params.put("level", level);
        if let Err(failure) = self.request("logging/setLevel", params, caller, &[]).await {
            tracing::debug!(?failure, "the server takes no log level");
        }
    }

    /// Takes text from the server: one message, or a batch of revision 2025-03-26.
    pub(crate) fn incoming_text(self: &Arc<Self>, text: &str, of: Option<u64>) {
        if text.starts_with('[') {
            let batch: Vec<Raw> = serde_json::from_str(text).unwrap_or_default();
            for one in batch {
                self.incoming_text(one.get(), of);
            }
            return;
        }
        match Message::parse(text) {
            Ok(message) => self.incoming(message, of),
            Err(malformed) => {
                // An answer that cannot be read still ends its request.
                let number = malformed.id.as_ref().and_then(|id| id.json().parse().ok()).or(of);
                let outcome = Err(RpcError::internal("the server's answer cannot be read"));
                if let Some(number) = number {
                    self.resolve(number, outcome);
                }
                tracing::debug!(error = %malformed.error, "the server sent what is no message");
            }
        }
    }

    /// Takes a message from the server; `of` is the request on whose exchange it came.
    pub(crate) fn incoming(self: &Arc<Self>, message: Message, of: Option<u64>) {
        match message {
            Message::Response { id, outcome } => {
                let number = id.and_then(|id| id.json().parse().ok());
                // A refusal without an id on an exchange of its own is meant for its request.
                let number = number.or(if outcome.is_err() { of } else { None });
                if let Some(number) = number {
                    self.resolve(number, outcome);
                }
            }
            Message::Notification { method, params } => self.notified(&method, params, of),
            Message::Request { id, method, params } => self.questioned(id, &method, params, of),
        }
    }

    fn resolve(&self, number: u64, outcome: Outcome) {
        let Some(pending) = self.pending.lock().remove(&number) else { return };
        // Whoever asked may have left.
        let _ = pending.answer.send(outcome);
    }

    fn notified(self: &Arc<Self>, method: &str, mut params: Fields, of: Option<u64>) {
        match method {
            "notifications/progress" => {
                let number: Option<u64> = params.read("progressToken");
                let found = number.and_then(|number| {
                    let pending = self.pending.lock();
                    let it = pending.get(&number)?;
                    Some((Arc::clone(&it.caller), it.token.clone()?))
                });
                if let Some((caller, token)) = found {
                    params.set("progressToken", token);
                    caller.notify(method, params);
                }
            }
            "notifications/message" => match self.concerned(of) {
                Concerned::One(caller) => caller.notify(method, params),
                Concerned::None => self.notice(Notice::Log(params)),
                Concerned::Doubtful => {}
            },
            "notifications/resources/updated" => self.notice(Notice::ResourceUpdated(params)),
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed" => self.notice(Notice::ListsChanged),
            "notifications/cancelled" => {
                let id = params.get("requestId").and_then(Id::of);
                if let Some(asking) = id.and_then(|id| self.asked.lock().remove(&id)) {
                    asking.abort();
                }
            }
            "notifications/subscriptions/acknowledged" => {}
            _ => {
                if let Concerned::One(caller) = self.concerned(of) {
                    caller.notify(method, params);
                }
            }
        }
    }

    fn notice(&self, notice: Notice) {
        // Lists and resources are read anew at the next notice, so a full queue loses little.
        let _ = self.notices.try_send(notice);
    }

    fn questioned(self: &Arc<Self>, id: Id, method: &str, mut params: Fields, of: Option<u64>) {
        if method == "ping" {
            return self.reply(id, Ok(raw::empty()));
        }
        let caller = match self.concerned(of) {
            Concerned::One(caller) => caller,
            Concerned::None => return self.reply(id, Err(RpcError::method(method))),
            Concerned::Doubtful => {
                let why = "several clients are calling; which of them is asked is not known";
                return self.reply(id, Err(RpcError::internal(why)));
            }
        };
        if !caller.profile().answers(method) {
            return self.reply(id, Err(RpcError::method(method)));
        }
        let mut meta = meta::of(&params);
        meta::strip_hop(&mut meta);
        meta::store(&mut params, &meta);
        let (link, key, method) = (Arc::clone(self), id.clone(), method.to_owned());
        // The table is locked until the task is in it, so that it cannot leave before it came.
        let mut asked = self.asked.lock();
        let asking = tokio::spawn(async move {
            let outcome = caller.ask(&method, params).await;
            link.asked.lock().remove(&id);
            link.reply(id, outcome);
        });
        asked.insert(key, asking.abort_handle());
    }

    fn reply(self: &Arc<Self>, id: Id, outcome: Outcome) {
        let link = Arc::clone(self);
        tokio::spawn(async move {
            let params = Fields::default();
            let out = Outgoing {
                line: message::response(Some(&id), &outcome),
                request: None,
                method: "",
                params: &params,
                mirrored: &[],
                version: link.version(),
            };
            if let Err(failure) = link.wire.deliver(&link, out).await {
                tracing::debug!(?failure, "an answer did not reach the server");
            }
        });
    }

    /// Whom something that the server says concerns.
    fn concerned(&self, of: Option<u64>) -> Concerned {
        let pending = self.pending.lock();
        if let Some(of) = of.filter(|_| self.wire.has_exchanges()) {
            return match pending.get(&of) {
                Some(one) => Concerned::One(Arc::clone(&one.caller)),
                None => Concerned::None,
            };
        }
        let mut newest: Option<(u64, &Pending)> = None;
        for (number, one) in pending.iter() {
            match newest {
                Some((_, other)) if other.caller.key() != one.caller.key() => {
                    return Concerned::Doubtful;
                }
                Some((latest, _)) if latest > *number => {}
                _ => newest = Some((*number, one)),
            }
        }
        match newest {
            Some((_, one)) => Concerned::One(Arc::clone(&one.caller)),
            None => Concerned::None,
        }
    }
}

enum Concerned {
    One(Arc<dyn Caller>),
    None,
    Doubtful,
}

/// Puts the connection's own progress token in the place of the client's, which is given back.
fn readdress(number: u64, params: &mut Fields) -> Option<Raw> {
    let mut about = meta::of(params);
    let token = about.remove("progressToken")?;
    about.put("progressToken", number);
    meta::store(params, &about);
    Some(token)
}

/// A request without its answer. When it goes before the answer came, the server is told.
struct UnderWay<'a> {
    link: &'a Arc<Link>,
    number: u64,
    is_over: bool,
    method: &'a str,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let was_waiting = self.link.pending.lock().remove(&self.number).is_some();
        let link = self.link;
        let is_told = link.wire.cancels_by_closing(link.version());
        // `initialize` must not be withdrawn.
        if self.is_over
            || !was_waiting
            || is_told
            || link.is_closed()
            || self.method == "initialize"
        {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (link, number) = (Arc::clone(link), self.number);
        runtime.spawn(async move {
            let mut params = Fields::default();
            params.put("requestId", number);
            params.put("reason", "the caller no longer waits");
            link.notify("notifications/cancelled", &params).await;
        });
    }
}
