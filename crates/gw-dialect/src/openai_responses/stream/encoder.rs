//! Canonical events as events for a client, in the order that OpenAI has them: the response is
//! created, items come one after the other, and the last event carries the whole response. After an
//! error nothing more is written. A whole answer is that last response.

use bytes::Bytes;
use gw_core::event::StreamEvent;
use gw_core::reply::{ChatReply, StopReason};
use gw_core::seam::{ClientStream, StreamEncoder};
use gw_core::unfold::unfold;
use gw_core::usage::UsageReport;
use serde_json::{Map, Value, json};

use super::output::{Log, Output};
use crate::openai_responses::tool_names::ToolNames;
use crate::openai_responses::{error, response, usage};

/// Writes a stream.
pub(in crate::openai_responses) struct Encoder {
    client: ClientStream,
    id: String,
    model: String,
    created_s: i64,
    log: Log,
    output: Output,
    stop: Option<StopReason>,
    usage: Option<UsageReport>,
    has_begun: bool,
    is_over: bool,
}

impl Encoder {
    /// Begins a stream.
    pub(in crate::openai_responses) fn new(client: ClientStream) -> Self {
        Self::with_log(client, Log::new(false))
    }

    fn with_log(client: ClientStream, log: Log) -> Self {
        let tools = client.echo.get("tools").and_then(Value::as_array);
        let names = ToolNames::read(tools.map_or(&[][..], Vec::as_slice));
        Self {
            id: client.fallback_id.clone(),
            model: client.model.clone(),
            created_s: client.created_s,
            client,
            log,
            output: Output::new(names),
            stop: None,
            usage: None,
            has_begun: false,
            is_over: false,
        }
    }

    /// The response object as it stands.
    fn response(&self, status: &str, incomplete: &Value, failure: &Value) -> Value {
        let mut response = Map::new();
        let mut put = |key: &str, value: Value| response.insert(key.to_owned(), value);
        put("id", json!(self.id));
        put("object", json!("response"));
        put("created_at", json!(self.created_s));
        put("status", json!(status));
        put("background", json!(false));
        put("error", failure.clone());
        put("incomplete_details", incomplete.clone());
        put("instructions", Value::Null);
        put("max_output_tokens", Value::Null);
        put("model", json!(self.model));
        put("output", Value::Array(self.output.items().to_vec()));
        put("parallel_tool_calls", json!(true));
        put("previous_response_id", Value::Null);
        put("reasoning", json!({ "effort": null, "summary": null }));
        put("store", json!(false));
        put("temperature", Value::Null);
        put("text", json!({ "format": { "type": "text" } }));
        put("tool_choice", json!("auto"));
        put("tools", json!([]));
        put("top_p", Value::Null);
        put("truncation", json!("disabled"));
        put("usage", Value::Null);
        put("user", Value::Null);
        put("metadata", json!({}));
        for (key, value) in &self.client.echo {
            response.insert(key.clone(), value.clone());
        }
        if let Some(report) = &self.usage {
            usage::encode(report, &mut response);
        }
        Value::Object(response)
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        self.output.set_stem(&self.id);
        let response = self.response("in_progress", &Value::Null, &Value::Null);
        self.log.write("response.created", json!({ "response": response }), out);
        self.log.write("response.in_progress", json!({ "response": response }), out);
    }

    /// The response as it is at the end, and the event that says so.
    fn finished(&self) -> (&'static str, Value) {
        let (status, incomplete) = response::status_of(self.stop.as_ref());
        let kind = match status {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        (kind, self.response(status, &incomplete, &Value::Null))
    }

    fn start(&mut self, id: &str, model: &str, created_s: Option<i64>) {
        if !id.is_empty() {
            id.clone_into(&mut self.id);
        }
        if self.client.model.is_empty() {
            model.clone_into(&mut self.model);
        }
        self.created_s = created_s.unwrap_or(self.created_s);
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &StreamEvent, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            StreamEvent::Start { id, model, created_s } => {
                self.start(id, model, *created_s);
                self.begin(out);
            }
            // This format has one answer.
            StreamEvent::PartStart { choice: 0, head, .. } => {
                self.begin(out);
                self.output.start(head, &mut self.log, out);
            }
            StreamEvent::PartDelta { choice: 0, delta, .. } => {
                self.output.extend(delta, &mut self.log, out);
            }
            StreamEvent::PartStop { choice: 0, .. } => self.output.stop(&mut self.log, out),
            StreamEvent::Stop { choice: 0, stop } => self.stop = Some(stop.reason.clone()),
            StreamEvent::Logprobs { choice: 0, value } => self.output.weigh(value),
            StreamEvent::Usage(report) => self.usage = Some(report.clone()),
            StreamEvent::Ping => out.extend_from_slice(b": keep-alive\n\n"),
            StreamEvent::Error(cause) => {
                self.begin(out);
                self.is_over = true;
                let failure = error::of_response(cause);
                let response = self.response("failed", &Value::Null, &failure);
                self.log.write("response.failed", json!({ "response": response }), out);
            }
            StreamEvent::End => {
                self.begin(out);
                self.is_over = true;
                self.output.close(&mut self.log, out);
                let (kind, response) = self.finished();
                self.log.write(kind, json!({ "response": response }), out);
            }
            StreamEvent::PartStart { .. }
            | StreamEvent::PartDelta { .. }
            | StreamEvent::PartStop { .. }
            | StreamEvent::Stop { .. }
            | StreamEvent::Logprobs { .. } => {}
        }
    }
}

/// Writes a whole answer.
pub(in crate::openai_responses) fn encode_whole(reply: &ChatReply, client: &ClientStream) -> Bytes {
    let mut encoder = Encoder::with_log(client.clone(), Log::new(true));
    let mut nothing = Vec::new();
    for event in unfold(reply) {
        encoder.push(&event, &mut nothing);
    }
    Bytes::from(encoder.finished().1.to_string())
}
