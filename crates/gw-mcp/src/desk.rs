//! Answers the requests that both eras have: lists, calls, reads, completions. Knows which server is
//! meant, rewrites names and addresses on the way there and back, and nothing of transports.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::caller::Caller;
use crate::catalogue::{Catalogue, Entry, View};
use crate::five;
use crate::hub::Hub;
use crate::limits::{PAGE_ITEMS, ROUNDS_MAX};
use crate::message::{Outcome, RESOURCE_NOT_FOUND, RpcError};
use crate::meta;
use crate::names;
use crate::options::Exposure;
use crate::own::{self, OWN_SERVER};
use crate::raw::{self, Fields, Raw};

/// One caller at one address.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) hub: Arc<Hub>,
    pub(crate) view: View,
    /// Never [`Exposure::Auto`].
    pub(crate) exposure: Exposure,
    pub(crate) is_modern: bool,
    pub(crate) caller: Arc<dyn Caller>,
}

/// A server's answer, and which server gave it.
pub(crate) struct Answered {
    pub(crate) result: Fields,
    pub(crate) server: Option<Arc<str>>,
}

impl Desk {
    /// Answers a request; `None` for a method that only one era has.
    pub(crate) async fn answer(
        &self,
        method: &str,
        params: Fields,
    ) -> Option<Result<Answered, RpcError>> {
        let catalogue = || self.hub.catalogue();
        let whole = |result: Fields| Ok(Answered { result, server: None });
        Some(match method {
            "tools/list" => {
                self.hub.ready().await;
                self.page(&params, "tools", &self.tools(&catalogue())).and_then(whole)
            }
            "prompts/list" => {
                self.hub.ready().await;
                let prompts = self.shown(&catalogue().prompts.entries);
                self.page(&params, "prompts", &prompts).and_then(whole)
            }
            "resources/list" => {
                self.hub.ready().await;
                let resources = self.shown(&catalogue().resources.entries);
                self.page(&params, "resources", &resources).and_then(whole)
            }
            "resources/templates/list" => {
                self.hub.ready().await;
                let templates = self.shown(&catalogue().templates.entries);
                self.page(&params, "resourceTemplates", &templates).and_then(whole)
            }
            "tools/call" => self.call(params).await,
            "prompts/get" => self.prompt(params).await,
            "resources/read" => self.read(params).await,
            "completion/complete" => self.complete(params).await,
            "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update" => {
                self.task(method, params).await
            }
            _ => return None,
        })
    }

    fn tools(&self, catalogue: &Catalogue) -> Vec<Raw> {
        let options = self.hub.options.load();
        if self.exposure != Exposure::Search {
            let seen = catalogue.tools.entries.iter().filter(|it| self.view.sees_tool(it));
            return seen.map(|entry| entry.shown.to_raw()).collect();
        }
        let mut tools = five::definitions(options.tool_names);
        let pinned = options.favourites.iter().filter_map(|id| catalogue.tool_by_id(id));
        let pinned = pinned.filter(|entry| self.view.sees_tool(entry));
        tools.extend(pinned.map(|entry| entry.shown.to_raw()));
        if let Some(own) = self.hub.own_tools() {
            let own = catalogue.tools.entries.iter().filter(|entry| {
                *entry.server == *OWN_SERVER
                    && own.is_pinned(&entry.own)
                    && self.view.sees_tool(entry)
            });
            tools.extend(own.map(|entry| entry.shown.to_raw()));
        }
        tools
    }

    fn shown(&self, entries: &[Entry]) -> Vec<Raw> {
        let seen = entries.iter().filter(|entry| self.view.sees_server(&entry.server));
        seen.map(|entry| entry.shown.to_raw()).collect()
    }

    /// One page of a list.
    fn page(&self, params: &Fields, name: &str, all: &[Raw]) -> Result<Fields, RpcError> {
        let from = match params.get("cursor") {
            None => 0,
            Some(_) => {
                let cursor = params.text("cursor").unwrap_or_default();
                let from = cursor.strip_prefix("at-").and_then(|at| at.parse::<usize>().ok());
                let from = from.filter(|from| *from <= all.len());
                from.ok_or_else(|| RpcError::params("the cursor is not one of this list"))?
            }
        };
        let mut result = Fields::default();
        let until = all.len().min(from + PAGE_ITEMS);
        result.put(name, &all[from..until]);
        if until < all.len() {
            result.put("nextCursor", format!("at-{until}"));
        }
        Ok(result)
    }

    async fn call(&self, mut params: Fields) -> Result<Answered, RpcError> {
        let Some(name) = params.text("name") else {
            return Err(RpcError::params("`name` must be the name of a tool"));
        };
        let is_five_here = matches!(self.exposure, Exposure::Search);
        if is_five_here && let Some(tool) = five::Tool::named(&name) {
            return five::call(self, tool, &params).await;
        }
        let catalogue = self.hub.catalogue();
        let entry = catalogue.tools.find(&name).or_else(|| catalogue.tool_by_id(&name));
        let entry = match entry {
            Some(entry) => entry.clone(),
            None => {
                // A client may know the tool from before, and its server still be starting.
                self.hub.ready().await;
                let catalogue = self.hub.catalogue();
                let entry = catalogue.tools.find(&name).cloned();
                entry.ok_or_else(|| unknown_tool(&name))?
            }
        };
        if !self.view.sees_tool(&entry) {
            return Err(unknown_tool(&name));
        }
        params.put("name", &entry.own);
        self.ask(&entry.server, "tools/call", params, None).await
    }

    /// Calls a tool by its id, for the five tools and for jobs.
    pub(crate) async fn invoke(
        &self,
        entry: &Entry,
        params: Fields,
        limit: Option<Duration>,
    ) -> Result<Answered, RpcError> {
        let mut params = params;
        params.put("name", &entry.own);
        self.ask(&entry.server, "tools/call", params, limit).await
    }

    async fn prompt(&self, mut params: Fields) -> Result<Answered, RpcError> {
        let name = params.text("name").unwrap_or_default();
        let unknown = || RpcError::params(format!("Unknown prompt: {name}"));
        let catalogue = self.hub.catalogue();
        let entry = catalogue.prompts.find(&name).ok_or_else(unknown)?;
        if !self.view.sees_server(&entry.server) {
            return Err(unknown());
        }
        params.put("name", &entry.own);
        self.ask(&entry.server, "prompts/get", params, None).await
    }

    async fn read(&self, mut params: Fields) -> Result<Answered, RpcError> {
        let uri = params.text("uri").unwrap_or_default();
        let (server, own) = self.resource(&uri)?;
        params.put("uri", own);
        let answered = self.ask(&server, "resources/read", params, None).await;
        answered.map_err(|error| self.not_found(error, &uri))
    }

    /// The server of a resource that the caller may see, and its address there.
    pub(crate) fn resource(&self, uri: &str) -> Result<(Arc<str>, String), RpcError> {
        let found = self.hub.catalogue().resource(uri);
        found.filter(|(server, _)| self.view.sees_server(server)).ok_or_else(|| {
            let code =
                if self.is_modern { crate::message::INVALID_PARAMS } else { RESOURCE_NOT_FOUND };
            let mut data = Fields::default();
            data.put("uri", uri);
            RpcError::new(code, format!("Resource not found: {uri}")).with_data(&data)
        })
    }

    /// The code for "not found" is another one in each era.
    fn not_found(&self, error: RpcError, uri: &str) -> RpcError {
        if self.is_modern && error.code == RESOURCE_NOT_FOUND {
            let mut data = Fields::default();
            data.put("uri", uri);
            return RpcError::params(error.message).with_data(&data);
        }
        error
    }

    async fn complete(&self, mut params: Fields) -> Result<Answered, RpcError> {
        let mut reference = params.object("ref").unwrap_or_default();
        let kind = reference.text("type").unwrap_or_default();
        let field = if kind == "ref/prompt" { "name" } else { "uri" };
        let name = reference.text(field).unwrap_or_default();
        let found = self.hub.catalogue().completed(&kind, &name);
        let found = found.filter(|(server, _)| self.view.sees_server(server));
        let Some((server, own)) = found else {
            return Err(RpcError::params(format!("nothing known by `{name}` can be completed")));
        };
        reference.put(field, own);
        params.put("ref", &reference);
        self.ask(&server, "completion/complete", params, None).await
    }

    async fn task(&self, method: &str, mut params: Fields) -> Result<Answered, RpcError> {
        let task = params.text("taskId").unwrap_or_default();
        let unknown = || RpcError::params(format!("Unknown task: {task}"));
        let (server, own) = names::split_task(&task).ok_or_else(unknown)?;
        let upstream = self.hub.upstream(server).ok_or_else(unknown)?;
        if !self.view.sees_server(server) {
            return Err(unknown());
        }
        params.put("taskId", own);
        self.ask(&upstream.name, method, params, None).await
    }

    /// Asks a server. A legacy caller is asked here what a modern server wants to know first.
    pub(crate) async fn ask(
        &self,
        server: &Arc<str>,
        method: &str,
        mut params: Fields,
        limit: Option<Duration>,
    ) -> Result<Answered, RpcError> {
        if **server == *OWN_SERVER
            && let Some(own) = self.hub.own_tools()
        {
            let (caller, principal) = (&self.caller, &self.view.principal);
            return own::call(own, caller, principal, &params, limit).await;
        }
        let Some(upstream) = self.hub.upstream(server) else {
            return Err(RpcError::internal(format!(
                "MCP server `{server}` is no longer configured"
            )));
        };
        for _ in 0..ROUNDS_MAX {
            let result = upstream.request(method, params.clone(), &self.caller, limit).await?;
            let Some(result) = Fields::of(&result) else {
                let text = format!("MCP server `{server}` gave a result that is no object");
                return Err(RpcError::internal(text));
            };
            let wants_input = result.text("resultType").is_some_and(|it| it == "input_required");
            if self.is_modern || !wants_input {
                let result = self.outward(server, result);
                return Ok(Answered { result, server: Some(Arc::clone(server)) });
            }
            let responses = self.inputs(&result).await?;
            params.put("inputResponses", &responses);
            match result.get("requestState") {
                Some(state) => params.set("requestState", state.to_owned()),
                None => {
                    params.remove("requestState");
                }
            }
        }
        Err(RpcError::internal(format!("MCP server `{server}` asks without end")))
    }

    /// Puts a modern server's questions to a legacy client.
    async fn inputs(&self, result: &Fields) -> Result<Fields, RpcError> {
        let requests = result.object("inputRequests").unwrap_or_default();
        let asking = requests.iter().map(|(key, request)| async move {
            let request = Fields::of(request).unwrap_or_default();
            let method = request.text("method").unwrap_or_default();
            if !self.caller.profile().answers(&method) {
                return Err(RpcError::internal(format!(
                    "the server asks for `{method}`, which this client did not offer"
                )));
            }
            let params = request.object("params").unwrap_or_default();
            Ok((key.to_owned(), self.caller.ask(&method, params).await?))
        });
        let mut responses = Fields::default();
        for answer in futures_util::future::join_all(asking).await {
            let (key, response) = answer?;
            responses.set(&key, response);
        }
        Ok(responses)
    }

    /// A server's result with addresses and task ids as clients know them.
    fn outward(&self, server: &Arc<str>, mut result: Fields) -> Fields {
        if let Some(task) = result.text("taskId") {
            result.put("taskId", names::prefixed_task(server, &task));
        }
        if let Some(mut task) = result.object("task")
            && let Some(id) = task.text("taskId")
        {
            task.put("taskId", names::prefixed_task(server, &id));
            result.put("task", &task);
        }
        let catalogue = self.hub.catalogue();
        if catalogue.keeps_uris() {
            return result;
        }
        let rewriter = Rewriter { catalogue: &catalogue, server };
        for name in ["content", "contents", "messages"] {
            if let Some(list) = result.get(name).filter(|list| list.get().contains("\"uri\""))
                && let Some(list) = rewriter.list(list)
            {
                result.set(name, list);
            }
        }
        result
    }
}

struct Rewriter<'a> {
    catalogue: &'a Catalogue,
    server: &'a Arc<str>,
}

impl Rewriter<'_> {
    fn list(&self, list: &RawValue) -> Option<Raw> {
        let items = raw::items(list)?;
        let items: Vec<Raw> = items
            .into_iter()
            .map(|item| Fields::of(&item).map_or(item, |fields| self.item(fields).to_raw()))
            .collect();
        Some(raw::to_raw(&items))
    }

    /// A content block, a resource's content, or a prompt's message around a block.
    fn item(&self, mut item: Fields) -> Fields {
        if let Some(uri) = item.text("uri")
            && let Some(outward) = self.catalogue.outward(self.server, &uri)
        {
            item.put("uri", outward);
        }
        for inner in ["resource", "content"] {
            if let Some(fields) = item.object(inner) {
                item.put(inner, self.item(fields));
            }
        }
        item
    }
}

/// An unknown tool, or one that the caller may not use: the same, so that nothing is given away.
pub(crate) fn unknown_tool(name: &str) -> RpcError {
    RpcError::params(format!("Unknown tool: {name}"))
}

/// Adds what a modern result must have.
pub(crate) fn modernise(hub: &Hub, method: &str, mut result: Fields) -> Raw {
    if !result.has("resultType") {
        result.put("resultType", "complete");
    }
    let is_cached = matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    );
    let is_whole = result.text("resultType").is_some_and(|it| it == "complete");
    if is_cached && is_whole {
        if !result.has("ttlMs") {
            let ttl_ms =
                if method == "resources/read" { 0 } else { hub.options.load().list_ttl_ms };
            result.put("ttlMs", ttl_ms);
        }
        if !result.has("cacheScope") {
            result.put("cacheScope", "private");
        }
    }
    let mut about = meta::of(&result);
    about.put(meta::SERVER_INFO, &hub.options.load().identity);
    meta::store(&mut result, &about);
    result.to_raw()
}

/// A result for a legacy client: as it is.
pub(crate) fn legacy(answer: Result<Answered, RpcError>) -> Outcome {
    answer.map(|answered| answered.result.to_raw())
}
