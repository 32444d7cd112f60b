//! Writes `/openapi.json` from what the routes say of themselves.
//!
//! Shapes of our own come from the very types that handlers serialise; shapes of the LLM dialects
//! stand in `openapi/dialects.json`, because no type here describes them.

use axum::body::Bytes;
use gw_core::Kind;
use gw_core::seam::DialectId;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, schema::Schema};

use crate::app::App;
use crate::auth::Scope;
use crate::errors::GeneralError;
use crate::http::Route;
use crate::surface::Surface;

const DIALECTS: &str = include_str!("openapi/dialects.json");

/// One method of one path, as it is described.
pub(crate) struct Operation {
    method: &'static str,
    object: Map<String, Value>,
    parameters: Vec<Value>,
    responses: Map<String, Value>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    /// Begins a description; `id` is unique in the document.
    pub(crate) fn new(method: &'static str, id: &str, tag: &str, summary: &str) -> Self {
        let mut object = Map::new();
        object.insert("operationId".to_owned(), json!(id));
        object.insert("tags".to_owned(), json!([tag]));
        object.insert("summary".to_owned(), json!(summary));
        Self { method, object, parameters: Vec::new(), responses: Map::new(), schemas: Vec::new() }
    }

    /// A parameter: `place` is `query`, `path` or `header`.
    pub(crate) fn parameter(
        mut self,
        place: &str,
        name: &str,
        about: &str,
        schema: &Value,
    ) -> Self {
        self.parameters.push(json!({
            "name": name, "in": place, "required": place == "path",
            "description": about, "schema": schema,
        }));
        self
    }

    /// The headers by which a call may be steered.
    pub(crate) fn call_headers(self) -> Self {
        let layers = json!({"type": "string", "enum": ["L0", "L1", "L2", "L3"]});
        let id = optional_client_id();
        self.parameter(
            "header",
            "x-gateway-conversation-id",
            "The conversation the call belongs to. With `x-gateway-recall: history` its earlier \
             turns are put before the request.",
            &id,
        )
        .parameter(
            "header",
            "x-gateway-quality",
            "How good the answer has to be.",
            &json!({"type": "string", "enum": ["normal", "high", "critical"]}),
        )
        .parameter("header", "x-gateway-layer", "The layer asked for.", &layers)
        .parameter("header", "x-gateway-max-layer", "The highest layer allowed.", &layers)
        .parameter(
            "header",
            "x-gateway-task",
            "What the call is for.",
            &json!({"type": "string", "enum": ["general", "code", "debug", "refactor", "test",
                    "analyze", "reasoning", "create-project"]}),
        )
        .parameter(
            "header",
            "x-gateway-budget-zero",
            "True answers with free models only.",
            &json!({"type": "string", "enum": ["true", "false", "1", "0"]}),
        )
        .parameter(
            "header",
            "cache-control",
            "What the response cache may do: `no-cache`, `no-store`, `max-age=SECONDS`, \
             `only-if-cached`.",
            &json!({"type": "string"}),
        )
        .parameter(
            "header",
            "x-gateway-cross-check",
            "True checks the answer with other models, and holds a stream back until it is checked.",
            &json!({"type": "string", "enum": ["true", "false", "1", "0"]}),
        )
        .parameter(
            "header",
            "x-gateway-auto-escalate",
            "True asks a higher layer where an answer may not stand, false offers it.",
            &json!({"type": "string", "enum": ["true", "false", "1", "0"]}),
        )
        .parameter(
            "header",
            "x-gateway-escalation-token",
            "The token of an offered escalation: runs this request at the layer offered.",
            &json!({"type": "string", "pattern": "^esc_[0-9a-f]{64}$"}),
        )
    }

    /// A JSON body of one of our own types.
    pub(crate) fn body<T: ToSchema>(mut self, example: Value) -> Self {
        let reference = self.reference::<T>();
        self.body_as(reference, example)
    }

    /// A JSON body of a dialect's type.
    pub(crate) fn dialect_body(self, name: &str, example: Value) -> Self {
        self.body_as(dialect_reference(name), example)
    }

    /// The parameters of a page of a list.
    pub(crate) fn page_parameters(self) -> Self {
        let limit = json!({"type": "integer", "minimum": 1, "maximum": 100});
        self.parameter("query", "limit", "Most entries; 20 where absent.", &limit).parameter(
            "query",
            "after",
            "Id of the last entry of the page before.",
            &optional_client_id(),
        )
    }

    /// The id in the path.
    pub(crate) fn id_parameter(self) -> Self {
        self.parameter("path", "id", "Its id.", &client_id())
    }

    /// A form as body: its required parts, and the others, each with its schema.
    pub(crate) fn form_body(mut self, required: &[&str], parts: &Value) -> Self {
        let schema = json!({"type": "object", "required": required, "properties": parts});
        let content = json!({"multipart/form-data": {"schema": schema}});
        let body = json!({"required": true, "content": content});
        self.object.insert("requestBody".to_owned(), body);
        self
    }

    fn body_as(mut self, schema: Value, example: Value) -> Self {
        let content = json!({"application/json": shown(schema, example)});
        let body = json!({"required": true, "content": content});
        self.object.insert("requestBody".to_owned(), body);
        self
    }

    /// A JSON answer of one of our own types.
    pub(crate) fn answers<T: ToSchema>(mut self, about: &str, example: Value) -> Self {
        let reference = self.reference::<T>();
        self.answers_as(200, about, "application/json", reference, example)
    }

    /// A page of a list of one of our own types.
    pub(crate) fn answers_page<T: ToSchema>(mut self, about: &str, example: Value) -> Self {
        let entry = self.reference::<T>();
        let schema = json!({
            "type": "object",
            "required": ["data", "has_more"],
            "properties": {
                "data": {"type": "array", "items": entry},
                "has_more": {"type": "boolean", "description": "True where there are more."},
                "next": {"type": "string", "description": "What to send as `after` for those."},
            },
        });
        self.answers_as(200, about, "application/json", schema, example)
    }

    /// Says that the body needs one of these fields at least.
    pub(crate) fn needs_one_of(mut self, fields: &[&str]) -> Self {
        if let Some(body) = self.object.get_mut("requestBody") {
            let schema = &mut body["content"]["application/json"]["schema"];
            let whole = schema.take();
            let held = |field: &&str| json!({"required": [field], "properties": {*field: {"not": {"type": "null"}}}});
            let either: Vec<Value> = fields.iter().map(held).collect();
            *schema = json!({"allOf": [whole, {"anyOf": either}]});
        }
        self
    }

    /// A JSON answer of a dialect's type, with the headers of a call.
    pub(crate) fn dialect_answer(self, name: &str, about: &str, example: Value) -> Self {
        self.answers_as(200, about, "application/json", dialect_reference(name), example)
    }

    /// The same answer as a stream: the schema and the example are of one event.
    pub(crate) fn dialect_events(self, name: &str, example: Value) -> Self {
        self.answers_as(200, "", "text/event-stream", dialect_reference(name), example)
    }

    /// An answer of any kind.
    pub(crate) fn answers_as(
        mut self,
        status: u16,
        about: &str,
        content_type: &str,
        schema: Value,
        example: Value,
    ) -> Self {
        let response = self
            .responses
            .entry(status.to_string())
            .or_insert_with(|| json!({"description": about, "content": {}}));
        response["content"][content_type] = shown(schema, example);
        self
    }

    /// Says that the 200 carries the headers of a call.
    pub(crate) fn with_call_answer_headers(mut self) -> Self {
        if let Some(response) = self.responses.get_mut("200") {
            response["headers"] = call_answer_headers();
        }
        self
    }

    /// Errors in the words of a surface; each is given by a kind that leads to it.
    pub(crate) fn errors(mut self, surface: Surface, kinds: &[Kind]) -> Self {
        let schema = match surface {
            Surface::General => self.reference::<GeneralError>(),
            Surface::OpenAi => dialect_reference("OpenAiError"),
            Surface::Anthropic => dialect_reference("AnthropicError"),
            Surface::Gemini => dialect_reference("GoogleError"),
            Surface::Ollama => dialect_reference("OllamaError"),
            Surface::Cohere => dialect_reference("CohereError"),
        };
        for kind in kinds {
            let row = kind.row();
            let is_anthropic = surface.dialect() == Some(DialectId::AnthropicMessages);
            let status = if is_anthropic { row.anthropic_status } else { row.status };
            let example = match surface {
                Surface::General => json!({"error": row.doc, "code": row.code}),
                Surface::OpenAi => json!({"error": {
                    "message": row.doc, "type": row.openai_type, "param": null, "code": row.code,
                }}),
                Surface::Anthropic => json!({"type": "error", "error": {
                    "type": row.anthropic_type, "message": row.doc,
                }}),
                Surface::Gemini => json!({"error": {
                    "code": row.status, "message": row.doc, "status": row.gemini_status,
                }}),
                Surface::Ollama => json!({"error": row.doc}),
                Surface::Cohere => json!({"message": row.doc, "code": row.code}),
            };
            if !self.responses.contains_key(&status.to_string()) {
                self =
                    self.answers_as(status, row.doc, "application/json", schema.clone(), example);
            }
        }
        self
    }

    fn reference<T: ToSchema>(&mut self) -> Value {
        let name = T::name().into_owned();
        T::schemas(&mut self.schemas);
        self.schemas.push((name.clone(), T::schema()));
        json!({"$ref": format!("#/components/schemas/{name}")})
    }
}

fn shown(schema: Value, example: Value) -> Value {
    let mut content = Map::new();
    content.insert("schema".to_owned(), schema);
    content.insert("example".to_owned(), example);
    Value::Object(content)
}

/// Errors that any door of the caller's scope may answer with, besides its own.
pub(crate) const DOOR_ERRORS: [Kind; 4] =
    [Kind::Unauthenticated, Kind::Forbidden, Kind::MethodNotAllowed, Kind::Internal];

/// Errors of a door that reads a body.
pub(crate) const BODY_ERRORS: [Kind; 4] =
    [Kind::InvalidRequest, Kind::RequestTimeout, Kind::PayloadTooLarge, Kind::UnsupportedMediaType];

/// Errors of a door that calls a model.
pub(crate) const CALL_ERRORS: [Kind; 10] = [
    Kind::BudgetExhausted,
    Kind::ModelNotFound,
    Kind::RateLimited,
    Kind::NotConfigured,
    Kind::ProviderFailed,
    Kind::ProviderOverloaded,
    Kind::StoreUnavailable,
    Kind::ProviderTimeout,
    Kind::ContentFiltered,
    // An offered escalation that was taken up already.
    Kind::Conflict,
];

/// The schema of an identifier that clients choose. Other scripts are taken too, but the length is
/// counted in bytes, which a schema cannot say.
pub(crate) fn client_id() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[A-Za-z0-9._:@/,-]+$",
        "example": "demo-1"})
}

/// The same in a header or a query, where an empty one counts as absent.
pub(crate) fn optional_client_id() -> Value {
    json!({"type": "string", "maxLength": 256, "pattern": "^[ -~]*$", "example": "demo-1"})
}

/// The whole document.
pub(crate) fn document(app: &App, routes: &[Route]) -> Bytes {
    let mut schemas: Map<String, Value> = serde_json::from_str(DIALECTS).unwrap_or_default();
    let mut paths = Map::new();
    for route in routes {
        let mut item = Map::new();
        for operation in (route.operations)() {
            for (name, schema) in operation.schemas {
                schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
            }
            let mut object = operation.object;
            if !operation.parameters.is_empty() {
                object.insert("parameters".to_owned(), Value::Array(operation.parameters));
            }
            object.insert("responses".to_owned(), Value::Object(operation.responses));
            object.insert("security".to_owned(), security(app, route.scope));
            item.insert(operation.method.to_owned(), Value::Object(object));
        }
        paths.insert(route.described_path(), Value::Object(item));
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ai-mcp-gateway",
            "version": app.version,
            "description": "One gateway to many models: OpenAI and Anthropic doors, and the \
                `/v1/route` family. Unknown paths answer 404 and unknown methods 405, as JSON.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    });
    Bytes::from(serde_json::to_vec(&document).unwrap_or_default())
}

fn security(app: &App, scope: Scope) -> Value {
    match scope {
        Scope::Public => json!([]),
        Scope::Caller if app.options.allow_anonymous => json!([{}, {"bearer": []}, {"apiKey": []}]),
        Scope::Caller | Scope::Admin => json!([{"bearer": []}, {"apiKey": []}]),
    }
}

fn dialect_reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn call_answer_headers() -> Value {
    let text = |about: &str| json!({"description": about, "schema": {"type": "string"}});
    json!({
        "x-gateway-call-id": text("The call, under which it is recorded."),
        "x-gateway-model": text("Catalogue id of the model that answered."),
        "x-gateway-layer": text("The layer of that model."),
        "x-gateway-route-reason": text("Why this model."),
        "x-gateway-cost-usd": text("Exact cost in dollars, or `unpriced`; a trailer on streams."),
        "x-gateway-cross-check": text("`agreed`, `disputed`, `unconfirmed` or `not-performed`, where \
            the answer was to be checked."),
        "x-gateway-escalation": text("`required`: a higher layer is offered; its layer, reason, token, \
            gain and price stand in `x-gateway-escalation-*`."),
        "x-gateway-cache": text(
            "`hit`: from the response cache. `shared`: of an equal call under way. `miss`: from a \
             model. `bypass`: from a model, and the cache was not asked.",
        ),
        "x-gateway-demo": text("`true` where a simulated model answered."),
        "x-gateway-warning": text("What of the request the model's provider cannot be told."),
    })
}
