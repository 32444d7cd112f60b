//! The gateway's models as MCP tools: `chat_completion` (system B, CONTRACT 2.3), `code_agent`
//! (system A, CONTRACT 1.14.1), and what there is to know about models, sums and conversations. One
//! more door to the engine: the same admission, the same money, the same records.

mod chat_completion;
mod code_agent;
mod consent;
mod facts;
mod run;

use std::sync::Arc;

use async_trait::async_trait;
use gw_core::Error;
use gw_core::seam::{Dialect, DialectId};
use gw_engine::Engine;
use gw_mcp::{OwnCall, OwnTools};
use serde_json::{Value, json};

use consent::Consents;

/// How the tools present themselves.
#[derive(Clone, Debug)]
pub struct ToolOptions {
    /// Text added to the description of `chat_completion` (system B's `DESCRIPTION`).
    pub description: Option<String>,
    /// The format of `chat_completion`'s answers: OpenAI's, or Anthropic's where `API_FORMAT` says so.
    pub answers_in: DialectId,
    /// The model asked where a call names none, for the description.
    pub default_model: Option<String>,
    /// True where a person is asked before a model that costs something answers, if the client can
    /// ask one.
    pub confirms_paid: bool,
}

/// The gateway's models as tools.
pub struct ModelTools {
    engine: Arc<Engine>,
    dialects: Vec<Arc<dyn Dialect>>,
    options: ToolOptions,
    consents: Consents,
}

impl ModelTools {
    /// The tools over an engine.
    pub fn new(engine: Arc<Engine>, dialects: Vec<Arc<dyn Dialect>>, options: ToolOptions) -> Self {
        Self { engine, dialects, options, consents: Consents::default() }
    }

    fn dialect(&self, id: DialectId) -> Result<&Arc<dyn Dialect>, Error> {
        let found = self.dialects.iter().find(|dialect| dialect.id() == id);
        found.ok_or_else(|| Error::internal(format!("dialect `{id}` is not built in")))
    }
}

/// One of the tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    ChatCompletion,
    CodeAgent,
    ListModels,
    UsageStats,
    GetContext,
}

impl Tool {
    const ALL: [Self; 5] = [
        Self::ChatCompletion,
        Self::CodeAgent,
        Self::ListModels,
        Self::UsageStats,
        Self::GetContext,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletion => "chat_completion",
            Self::CodeAgent => "code_agent",
            Self::ListModels => "list_models",
            Self::UsageStats => "usage_stats",
            Self::GetContext => "get_context",
        }
    }

    fn definition(self, options: &ToolOptions) -> Value {
        let (title, description, schema) = match self {
            Self::ChatCompletion => (
                "Chat Completion",
                chat_completion::description(options),
                chat_completion::schema(options),
            ),
            Self::CodeAgent => {
                ("Code Agent", code_agent::DESCRIPTION.to_owned(), code_agent::schema())
            }
            Self::ListModels => ("List Models", facts::MODELS.to_owned(), facts::models_schema()),
            Self::UsageStats => ("Usage", facts::STATS.to_owned(), facts::stats_schema()),
            Self::GetContext => {
                ("Conversation", facts::CONTEXT.to_owned(), facts::context_schema())
            }
        };
        let asks_a_model = matches!(self, Self::ChatCompletion | Self::CodeAgent);
        json!({
            "name": self.name(),
            "title": title,
            "description": description,
            "inputSchema": schema,
            "annotations": {
                "readOnlyHint": !asks_a_model,
                "destructiveHint": false,
                "openWorldHint": asks_a_model,
            },
        })
    }
}

#[async_trait]
impl OwnTools for ModelTools {
    fn definitions(&self) -> Vec<Value> {
        Tool::ALL.into_iter().map(|tool| tool.definition(&self.options)).collect()
    }

    fn is_pinned(&self, tool: &str) -> bool {
        tool == Tool::ChatCompletion.name()
    }

    async fn call(&self, call: OwnCall) -> Value {
        let said = match Tool::ALL.into_iter().find(|tool| tool.name() == call.tool) {
            Some(Tool::ChatCompletion) => return chat_completion::call(self, &call).await,
            Some(Tool::CodeAgent) => return code_agent::call(self, &call).await,
            Some(Tool::ListModels) => facts::models(self, &call),
            Some(Tool::UsageStats) => facts::stats(self, &call).await,
            Some(Tool::GetContext) => facts::context(self, &call).await,
            None => Err(Error::bad_field("name", format!("`{}` is no tool", call.tool))),
        };
        said.map_or_else(|error| refused(&error), |value| told(&value))
    }
}

/// A result of one text: the value as people read JSON.
fn told(value: &Value) -> Value {
    json!({"content": [{"type": "text", "text": pretty(value)}]})
}

/// What went wrong, in words and with its code.
fn refused(error: &Error) -> Value {
    let body = json!({
        "error": {
            "code": error.kind().row().code,
            "message": error.message(),
            "field": error.field(),
            "hint": error.hint(),
            "retry_after_ms": error.retry_after_ms(),
        },
    });
    let mut result = told(&body);
    result["isError"] = json!(true);
    result
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
