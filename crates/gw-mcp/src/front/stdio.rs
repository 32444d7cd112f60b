//! Standard input and output: one client, lines of JSON, nothing else on the output. The client may
//! speak either era, and even both.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gw_core::principal::Principal;
use parking_lot::Mutex;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt as _};
use tokio::task::AbortHandle;

use crate::hub::Hub;
use crate::limits::{BATCH_MAX, CLIENT_REQUESTS_MAX, MESSAGE_BYTES_MAX};
use crate::message::{self, Id, Malformed, Message, RpcError};
use crate::meta;
use crate::modern::Sender;
use crate::options::Exposure;
use crate::outbox::Outbox;
use crate::raw::{Fields, Raw};
use crate::session::Session;
use crate::upstream::stdio::read_line;
use crate::version::Version;

/// How long answers may take once the client's end is closed.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// How often is looked whether they have come.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Hub {
    /// Serves one client until its input ends.
    ///
    /// # Errors
    /// Where input or output break.
    pub async fn stdio(
        self: &Arc<Self>,
        mut input: impl AsyncBufRead + Unpin + Send,
        mut output: impl AsyncWrite + Unpin + Send,
        exposure: Exposure,
    ) -> std::io::Result<()> {
        let out = Outbox::new(self.stream_number());
        let mut front = Front {
            hub: Arc::clone(self),
            principal: Arc::default(),
            exposure,
            out: Arc::clone(&out),
            session: None,
            modern: Arc::default(),
        };
        let writing = async {
            let mut after = 0;
            while let Some((number, line)) = out.next(after).await {
                output.write_all(line.as_bytes()).await?;
                output.write_all(b"\n").await?;
                output.flush().await?;
                out.forget(number);
                after = number;
            }
            Ok(())
        };
        let reading = async {
            let mut line = Vec::new();
            while let Some(is_whole) = read_line(&mut input, &mut line, MESSAGE_BYTES_MAX).await? {
                let text = String::from_utf8_lossy(&line);
                if is_whole && !text.trim().is_empty() {
                    front.take(text.trim());
                } else if !is_whole {
                    let error = RpcError::new(message::INVALID_REQUEST, "the message is too large");
                    front.out.push(message::response(None, &Err(error)));
                    break;
                }
            }
            // What was asked is answered, for scripts that close their end at once.
            let _ = tokio::time::timeout(LAST_ANSWERS, front.idle()).await;
            front.close();
            Ok::<(), std::io::Error>(())
        };
        let (mut reading, mut writing) = (std::pin::pin!(reading), std::pin::pin!(writing));
        tokio::select! {
            ended = &mut reading => ended?,
            ended = &mut writing => return ended,
            () = self.stopped() => return Ok(()),
        }
        writing.await
    }
}

struct Front {
    hub: Arc<Hub>,
    principal: Arc<Principal>,
    exposure: Exposure,
    out: Arc<Outbox>,
    session: Option<Arc<Session>>,
    modern: Arc<Mutex<HashMap<Id, AbortHandle>>>,
}

impl Front {
    fn take(&mut self, text: &str) {
        if text.starts_with('[') {
            let is_batching =
                self.session.as_ref().is_some_and(|it| it.version == Version::V2025_03_26);
            let batch: Vec<Raw> = serde_json::from_str(text).unwrap_or_default();
            if is_batching && !batch.is_empty() && batch.len() <= BATCH_MAX {
                for one in batch {
                    self.take(one.get());
                }
            } else {
                let error = RpcError::new(message::INVALID_REQUEST, "Invalid request: a batch");
                self.out.push(message::response(None, &Err(error)));
            }
            return;
        }
        match Message::parse(text) {
            Ok(Message::Request { id, method, params }) => self.request(id, method, params),
            Ok(other) => self.told(other),
            Err(Malformed { id, error }) => {
                self.out.push(message::response(id.as_ref(), &Err(error)));
            }
        }
    }

    fn told(&self, message: Message) {
        if let Message::Notification { method, params } = &message
            && method == "notifications/cancelled"
            && let Some(id) = params.get("requestId").and_then(Id::of)
            && let Some(task) = self.modern.lock().remove(&id)
        {
            task.abort();
            return;
        }
        if let Some(session) = &self.session {
            session.take(message);
        }
    }

    fn request(&mut self, id: Id, method: String, params: Fields) {
        let says_version = meta::of(&params).has(meta::PROTOCOL_VERSION);
        if says_version || method == "server/discover" {
            return self.modern(id, method, params);
        }
        if method == "initialize" && self.session.is_none() {
            let general = Arc::clone(&self.out);
            let session =
                Session::begin(&self.hub, &self.principal, &self.exposure, &params, general);
            self.out.push(message::response(Some(&id), &Ok(session.welcome().to_raw())));
            self.session = Some(session);
            return;
        }
        match &self.session {
            Some(session) => session.run(id, method, params, &self.out, false),
            None if method == "ping" => {
                self.out.push(message::response(Some(&id), &Ok(crate::raw::empty())));
            }
            None => {
                let text = "begin with initialize, or say the protocol version in _meta";
                let error = RpcError::new(message::INVALID_PARAMS, text);
                self.out.push(message::response(Some(&id), &Err(error)));
            }
        }
    }

    fn modern(&self, id: Id, method: String, params: Fields) {
        let mut under_way = self.modern.lock();
        if under_way.contains_key(&id) || under_way.len() >= CLIENT_REQUESTS_MAX {
            let text = "the id is in use, or too many requests are under way";
            let error = RpcError::new(message::INVALID_REQUEST, text);
            return self.out.push(message::response(Some(&id), &Err(error)));
        }
        let sender = Sender {
            hub: Arc::clone(&self.hub),
            principal: Arc::clone(&self.principal),
            exposure: self.exposure.clone(),
        };
        let (out, table, own_id) = (Arc::clone(&self.out), Arc::clone(&self.modern), id.clone());
        // The table is locked until the task is in it, so that it cannot leave before it came.
        let task = tokio::spawn(async move {
            let outcome = sender.answer(&own_id, &method, params, &out).await;
            table.lock().remove(&own_id);
            out.push(message::response(Some(&own_id), &outcome));
        });
        under_way.insert(id, task.abort_handle());
    }

    /// Done once nothing is under way.
    async fn idle(&self) {
        while !self.modern.lock().is_empty()
            || self.session.as_ref().is_some_and(|session| session.is_busy())
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn close(&self) {
        for (_, task) in self.modern.lock().drain() {
            task.abort();
        }
        if let Some(session) = &self.session {
            session.close();
        }
        self.out.end();
    }
}
