//! The gateway's own tools, which stand beside those of servers under the name of one. What they do is
//! told by whoever puts the gateway together; this room only shows, finds and calls them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gw_core::principal::Principal;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::caller::Caller;
use crate::desk::Answered;
use crate::message::RpcError;
use crate::meta;
use crate::raw::{self, Fields};
use crate::upstream::lists::{Lists, Tool};

/// The server's name under which the gateway's own tools are found: `gateway::chat_completion`.
pub const OWN_SERVER: &str = "gateway";

/// Tools that the gateway itself performs.
#[async_trait]
pub trait OwnTools: Send + Sync + 'static {
    /// The tools as `tools/list` shows them: objects with `name`, `description`, `inputSchema`.
    fn definitions(&self) -> Vec<Value>;

    /// True for a tool that is listed beside the five where the others are left to search.
    fn is_pinned(&self, tool: &str) -> bool;

    /// Performs a call and gives a `CallToolResult`; what went wrong is told in it with `isError`.
    /// Dropping the future ends the work.
    async fn call(&self, call: OwnCall) -> Value;
}

/// A call of one of the gateway's own tools.
pub struct OwnCall {
    /// The tool's name.
    pub tool: String,
    /// Its arguments as the client wrote them.
    pub arguments: Box<RawValue>,
    /// Who calls.
    pub principal: Arc<Principal>,
    /// True where this process knows the caller only by its id: a job that an earlier one began.
    pub is_orphan: bool,
    caller: Arc<dyn Caller>,
    progress_token: Option<Box<RawValue>>,
}

/// What a person said to a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Consent {
    /// Yes, with what was filled in.
    Accepted(Value),
    /// No, or nothing.
    Declined,
    /// Nobody can be asked.
    NotAsked,
}

impl OwnCall {
    /// Names the client as long as it is the same one.
    pub fn client(&self) -> &str {
        &self.caller.key().0
    }

    /// True where the client wants to hear how far the call is.
    pub fn wants_progress(&self) -> bool {
        self.progress_token.is_some()
    }

    /// Tells the client how far the call is. Lost where it did not ask.
    pub fn progress(&self, done: u64, message: &str) {
        let Some(token) = &self.progress_token else { return };
        let mut params = Fields::default();
        params.set("progressToken", token.clone());
        params.put("progress", done);
        params.put("message", message);
        self.caller.notify("notifications/progress", params);
    }

    /// True where a person can be asked.
    pub fn can_confirm(&self) -> bool {
        self.caller.profile().fills_forms()
    }

    /// Asks the person behind the client with a form of the given schema.
    pub async fn confirm(&self, message: &str, schema: &Value) -> Consent {
        if !self.can_confirm() {
            return Consent::NotAsked;
        }
        let mut params = Fields::default();
        params.put("message", message);
        params.put("requestedSchema", schema);
        match self.caller.ask("elicitation/create", params).await {
            Err(_) => Consent::Declined,
            Ok(answer) => match Fields::of(&answer) {
                Some(answer) if answer.text("action").is_some_and(|it| it == "accept") => {
                    Consent::Accepted(answer.read("content").unwrap_or_default())
                }
                _ => Consent::Declined,
            },
        }
    }
}

/// The lists of the gateway as a server.
pub(crate) fn lists(own: &dyn OwnTools) -> Lists {
    let tool = |definition: Value| {
        let fields = Fields::of(&raw::to_raw(&definition))?;
        Some(Tool { name: fields.text("name")?, fields, mirrored: Arc::from([]) })
    };
    let tools = own.definitions().into_iter().filter_map(tool).collect();
    Lists { tools, ..Lists::default() }
}

/// Performs a call.
///
/// # Errors
/// Only where it did not end in time.
pub(crate) async fn call(
    own: &Arc<dyn OwnTools>,
    caller: &Arc<dyn Caller>,
    principal: &Arc<Principal>,
    params: &Fields,
    limit: Option<Duration>,
) -> Result<Answered, RpcError> {
    let arguments = params.get("arguments").map_or_else(raw::empty, ToOwned::to_owned);
    let call = OwnCall {
        tool: params.text("name").unwrap_or_default(),
        arguments,
        principal: Arc::clone(principal),
        is_orphan: caller.is_orphan(),
        caller: Arc::clone(caller),
        progress_token: meta::of(params).get("progressToken").map(ToOwned::to_owned),
    };
    let working = own.call(call);
    let value = match limit {
        None => working.await,
        Some(limit) => tokio::time::timeout(limit, working).await.map_err(|_| {
            let mut data = Fields::default();
            data.put("code", "TIMEOUT");
            data.put("server", OWN_SERVER);
            let ms = limit.as_millis();
            RpcError::internal(format!("no answer within {ms} ms; the call was ended"))
                .with_data(&data)
        })?,
    };
    let result = Fields::of(&raw::to_raw(&value)).ok_or_else(|| {
        RpcError::internal("a tool of the gateway gave a result that is no object")
    })?;
    Ok(Answered { result, server: None })
}
