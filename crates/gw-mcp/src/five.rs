//! The five tools behind which all others stand: search, describe, invoke, invoke later, look at it
//! (CONTRACT 3.3). Their names, inputs, results and error codes are system C's; what an upstream
//! answers is passed on whole, its errors and pictures included.

use std::time::Duration;

use gw_core::seam::{Job, JobStatus};
use serde_json::{Value, json};

use crate::catalogue::Entry;
use crate::desk::{Answered, Desk};
use crate::message::RpcError;
use crate::names;
use crate::options::ToolNames;
use crate::raw::{self, Fields, Raw};

const LIMIT_DEFAULT: u64 = 10;
const LIMIT_MAX: u64 = 50;
const TIMEOUT_MS_DEFAULT: u64 = 30_000;
const TIMEOUT_MS_MAX: u64 = 3_600_000;

/// Jobs shown in one list.
const JOBS_SHOWN: usize = 50;

/// One of the five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Search,
    Describe,
    Invoke,
    InvokeAsync,
    InvokeStatus,
}

impl Tool {
    const ALL: [Self; 5] =
        [Self::Search, Self::Describe, Self::Invoke, Self::InvokeAsync, Self::InvokeStatus];

    const fn word(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Describe => "describe",
            Self::Invoke => "invoke",
            Self::InvokeAsync => "invoke_async",
            Self::InvokeStatus => "invoke_status",
        }
    }

    /// Reads a name in either spelling.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let word = name.strip_prefix("gateway.").or_else(|| name.strip_prefix("gateway_"))?;
        Self::ALL.into_iter().find(|tool| tool.word() == word)
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Search => "Search Tools",
            Self::Describe => "Describe Tool",
            Self::Invoke => "Invoke Tool",
            Self::InvokeAsync => "Invoke Tool Async",
            Self::InvokeStatus => "Check Job Status",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Search => "Find tools of all connected servers by a few words of what you need.",
            Self::Describe => "The input schema and full description of one tool found by search.",
            Self::Invoke => "Call a tool by its id (server::tool) and wait for its result.",
            Self::InvokeAsync => "Call a tool in the background; gives a job id at once.",
            Self::InvokeStatus => {
                "How a background job is, and its result; without jobId the newest jobs. \
                 With cancel it is stopped."
            }
        }
    }

    fn schema(self) -> Value {
        let id = json!({"type": "string", "description": "server::tool, as search gives it"});
        let args = json!({"type": "object", "description": "the tool's arguments"});
        let timeout = json!({"type": "number", "description": "milliseconds, 30000 by default"});
        let (properties, required) = match self {
            Self::Search => (
                json!({
                    "query": {"type": "string", "description": "a few words"},
                    "limit": {"type": "number", "description": "10 by default, 50 at most"},
                    "filters": {
                        "type": "object",
                        "properties": {"server": {"type": "string"}},
                    },
                }),
                json!(["query"]),
            ),
            Self::Describe => (json!({"id": id}), json!(["id"])),
            Self::Invoke => {
                (json!({"id": id, "args": args, "timeoutMs": timeout}), json!(["id", "args"]))
            }
            Self::InvokeAsync => (
                json!({
                    "id": id,
                    "args": args,
                    "priority": {"type": "number", "description": "higher first, 0 by default"},
                    "timeoutMs": timeout,
                }),
                json!(["id", "args"]),
            ),
            Self::InvokeStatus => {
                (json!({"jobId": {"type": "string"}, "cancel": {"type": "boolean"}}), json!([]))
            }
        };
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "$schema": "http://json-schema.org/draft-07/schema#",
        })
    }
}

/// The five as a list of tools shows them.
pub(crate) fn definitions(names: ToolNames) -> Vec<Raw> {
    let definition = |tool: Tool| {
        let dot = if names == ToolNames::Dots { '.' } else { '_' };
        let reads = matches!(tool, Tool::Search | Tool::Describe);
        raw::to_raw(&json!({
            "name": format!("gateway{dot}{}", tool.word()),
            "title": tool.title(),
            "description": tool.description(),
            "inputSchema": tool.schema(),
            "annotations": {"readOnlyHint": reads, "openWorldHint": !reads},
        }))
    };
    Tool::ALL.into_iter().map(definition).collect()
}

/// Calls one of the five.
///
/// # Errors
/// Only what an upstream's protocol error is; everything else is a result with `isError`.
pub(crate) async fn call(desk: &Desk, tool: Tool, params: &Fields) -> Result<Answered, RpcError> {
    let arguments: Value = params.read("arguments").unwrap_or_else(|| json!({}));
    let said = match tool {
        Tool::Search => search(desk, &arguments).await,
        Tool::Describe => describe(desk, &arguments).await,
        Tool::Invoke => return invoke(desk, params, &arguments).await,
        Tool::InvokeAsync => enqueue(desk, &arguments).await,
        Tool::InvokeStatus => status(desk, &arguments).await,
    };
    Ok(here(said))
}

fn here(said: Result<Value, String>) -> Answered {
    let (text, is_error) = match said {
        Ok(value) => (serde_json::to_string_pretty(&value).unwrap_or_default(), false),
        Err(text) => (text, true),
    };
    let mut result = Fields::default();
    result.put("content", json!([{"type": "text", "text": text}]));
    if is_error {
        result.put("isError", true);
    }
    Answered { result, server: None }
}

async fn search(desk: &Desk, arguments: &Value) -> Result<Value, String> {
    let query = text_of(arguments, "query")?;
    let limit = match arguments.get("limit").and_then(Value::as_f64) {
        Some(limit) if limit >= 1.0 => whole(limit).min(LIMIT_MAX),
        _ => LIMIT_DEFAULT,
    };
    let server = arguments.pointer("/filters/server").and_then(Value::as_str);
    desk.hub.ready().await;
    let catalogue = desk.hub.catalogue();
    let passes = |id: &str, of: &str| {
        server.is_none_or(|wanted| wanted == of)
            && catalogue.tool_by_id(id).is_some_and(|entry| desk.view.sees_tool(entry))
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (total, hits) = catalogue.index().search(query, passes, limit);
    let results: Vec<Value> = hits
        .iter()
        .filter_map(|hit| {
            let entry = catalogue.tool_by_id(&hit.id)?;
            Some(json!({
                "id": hit.id,
                "server": &*entry.server,
                "name": entry.own,
                "description": entry.source.text("description"),
                "score": hit.score,
            }))
        })
        .collect();
    Ok(json!({"query": query, "found": results.len(), "results": results, "total": total}))
}

/// A JSON number that is at least one, as a whole one.
fn whole(number: f64) -> u64 {
    // Casting saturates, and the sign was looked at.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above")]
    let whole = number.min(1e15) as u64;
    whole
}

fn text_of<'a>(arguments: &'a Value, name: &str) -> Result<&'a str, String> {
    let text = arguments.get(name).and_then(Value::as_str);
    text.ok_or_else(|| format!("MCP error -32602: `{name}` must be a string"))
}

fn args_of(arguments: &Value) -> Result<Value, String> {
    match arguments.get("args") {
        Some(args @ Value::Object(_)) => Ok(args.clone()),
        None => Ok(json!({})),
        Some(_) => Err("MCP error -32602: `args` must be an object".to_owned()),
    }
}

/// The tool with an id, where the caller may use it.
async fn find(desk: &Desk, id: &str) -> Result<Entry, String> {
    let Some((server, _)) = names::split_id(id) else {
        return Err(format!("Invalid tool ID format: {id}"));
    };
    desk.hub.ready().await;
    let catalogue = desk.hub.catalogue();
    let entry = catalogue.tool_by_id(id).filter(|entry| desk.view.sees_tool(entry));
    match entry {
        Some(entry) => Ok(entry.clone()),
        None if !catalogue.lists.contains_key(server) || !desk.view.sees_server(server) => {
            Err(format!("SERVER_NOT_FOUND: {server}"))
        }
        None => Err(format!("TOOL_NOT_FOUND: {id}")),
    }
}

async fn describe(desk: &Desk, arguments: &Value) -> Result<Value, String> {
    let id = text_of(arguments, "id")?;
    let not_found = |text: String| {
        if text.starts_with("SERVER_NOT_FOUND") { format!("TOOL_NOT_FOUND: {id}") } else { text }
    };
    let entry = find(desk, id).await.map_err(not_found)?;
    // The server's own fields, with where the tool is found before them.
    let mut described = serde_json::Map::new();
    described.insert("id".to_owned(), json!(id));
    described.insert("server".to_owned(), json!(&*entry.server));
    for (name, value) in entry.source.iter() {
        let value = serde_json::from_str(value.get()).unwrap_or_default();
        described.insert(name.to_owned(), value);
    }
    Ok(Value::Object(described))
}

fn limit_of(arguments: &Value) -> u64 {
    let asked = arguments.get("timeoutMs").and_then(Value::as_f64).filter(|ms| *ms >= 1.0);
    asked.map_or(TIMEOUT_MS_DEFAULT, |ms| whole(ms).min(TIMEOUT_MS_MAX))
}

async fn invoke(desk: &Desk, outer: &Fields, arguments: &Value) -> Result<Answered, RpcError> {
    let found = match text_of(arguments, "id") {
        Ok(id) => find(desk, id).await,
        Err(text) => Err(text),
    };
    let (entry, _) = match found.and_then(|entry| Ok((entry, args_of(arguments)?))) {
        Ok(found) => found,
        Err(text) => return Ok(here(Err(text))),
    };
    // The arguments go on as they were written.
    let args = outer.object("arguments").and_then(|it| it.get("args").map(ToOwned::to_owned));
    let mut params = outer.clone();
    params.set("arguments", args.unwrap_or_else(raw::empty));
    let limit = Duration::from_millis(limit_of(arguments));
    match desk.invoke(&entry, params, Some(limit)).await {
        Err(error) if is_timeout(&error) => Ok(here(Err("TIMEOUT".to_owned()))),
        answered => answered,
    }
}

fn is_timeout(error: &RpcError) -> bool {
    let data = error.data.as_deref().and_then(Fields::of);
    data.and_then(|data| data.text("code")).is_some_and(|code| code == "TIMEOUT")
}

async fn enqueue(desk: &Desk, arguments: &Value) -> Result<Value, String> {
    let id = text_of(arguments, "id")?;
    let entry = find(desk, id).await?;
    let priority = arguments.get("priority").and_then(Value::as_i64).unwrap_or(0);
    let created_at = desk.hub.clock.unix_ms();
    let random = &desk.hub.random_name()[..7];
    let job_id = format!("job_{created_at}_{random}");
    let job = Job {
        logs: vec![format!("Job created: {job_id}")],
        id: job_id.clone(),
        status: JobStatus::Queued,
        tool_id: entry.id(),
        args: args_of(arguments)?,
        priority: priority.clamp(-1_000_000, 1_000_000),
        created_at,
        started_at: None,
        finished_at: None,
        result: None,
        error: None,
        timeout_ms: arguments.get("timeoutMs").map(|_| limit_of(arguments)),
        progress: None,
    };
    desk.hub.jobs.add(&desk.view.principal, job).await?;
    Ok(json!({"jobId": job_id, "status": "queued"}))
}

async fn status(desk: &Desk, arguments: &Value) -> Result<Value, String> {
    let principal = &desk.view.principal;
    let Some(id) = arguments.get("jobId").and_then(Value::as_str) else {
        let jobs = desk.hub.jobs.list(principal, JOBS_SHOWN).await?;
        let shown = jobs.iter().map(|job| {
            json!({"id": job.id, "status": job.status, "toolId": job.tool_id,
                "priority": job.priority, "createdAt": job.created_at})
        });
        return Ok(json!({"jobs": shown.collect::<Vec<_>>()}));
    };
    if arguments.get("cancel").and_then(Value::as_bool) == Some(true) {
        desk.hub.jobs.cancel(principal, id, desk.hub.clock.unix_ms()).await?;
    }
    let job = desk.hub.jobs.find(principal, id).await?;
    let job = job.ok_or_else(|| format!("JOB_NOT_FOUND: {id}"))?;
    serde_json::to_value(&job).map_err(|error| error.to_string())
}
