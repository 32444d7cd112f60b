//! Input items into turns. What the model said (thoughts, words, calls) stands in items of its own
//! here and in one turn of the assistant elsewhere; outputs of tools that follow each other are one
//! turn of the user.

use gw_core::Result;
use gw_core::chat::{Message, Part, Role};
use serde_json::Value;

use super::content::decode_content;
use super::decode::own_extra;
use crate::json::Node;
use crate::openai_responses::{ID, reasoning, tool_names};

const ROLES: &str = "`user`, `assistant`, `system` or `developer`";

/// What the last turn is, for the items that may join it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    /// Nothing joins.
    #[default]
    Nothing,
    /// A turn of the assistant.
    Assistant {
        /// True once it holds words: further words begin a new turn.
        has_words: bool,
        /// True once it holds a call: outputs must follow the turn, so everything joins it.
        has_calls: bool,
    },
    /// Outputs of tools.
    Results,
}

/// Reads items in order.
pub(super) struct InputReader {
    messages: Vec<Message>,
    open: Open,
}

impl InputReader {
    /// Goes on after these turns.
    pub(super) fn after(messages: Vec<Message>) -> Self {
        Self { messages, open: Open::Nothing }
    }

    /// The turns.
    pub(super) fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    /// Reads one item.
    pub(super) fn push(&mut self, item: &Node<'_>) -> Result<()> {
        item.object()?;
        let kind = match item.get("type") {
            Some(kind) => kind.text()?.to_owned(),
            None if item.get("role").is_some() => "message".to_owned(),
            None => {
                return Err(item.require("type").err().unwrap_or_else(|| item.must_be("an item")));
            }
        };
        match kind.as_str() {
            "message" => self.message(item),
            "function_call" => self.call(item, |item| {
                let arguments = item.get("arguments");
                Ok(match arguments.map(|arguments| arguments.value().clone()) {
                    Some(Value::String(arguments)) => arguments,
                    Some(other) => other.to_string(),
                    None => String::new(),
                })
            }),
            "custom_tool_call" => self.call(item, |item| {
                let input = item.opt_text("input")?.unwrap_or_default();
                Ok(tool_names::arguments_of_input(&input))
            }),
            "function_call_output" | "custom_tool_call_output" => self.result(item),
            "reasoning" => {
                let mut parts = reasoning::parts(item.object()?);
                if parts.is_empty() {
                    parts.push(opaque(item));
                }
                self.said(parts);
                Ok(())
            }
            // The outputs of calls that only this format has come from the user's side.
            kind if kind.ends_with("_output") || kind.ends_with("_response") => {
                self.open = Open::Nothing;
                self.push_turn(Role::User, vec![opaque(item)]);
                Ok(())
            }
            _ => {
                self.said(vec![opaque(item)]);
                Ok(())
            }
        }
    }

    fn push_turn(&mut self, role: Role, parts: Vec<Part>) -> &mut Message {
        let extra = own_extra(serde_json::Map::new());
        self.messages.push(Message { role, parts, name: None, extra });
        let last = self.messages.len() - 1;
        &mut self.messages[last]
    }

    fn message(&mut self, item: &Node<'_>) -> Result<()> {
        let role_node = item.require("role")?;
        let role_name = role_node.text()?;
        let role = match role_name {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "developer" => Role::Developer,
            other => {
                let found: String = other.chars().take(60).collect();
                let error = role_node.invalid(&format!("is `{found}`, which is not known"));
                return Err(error.with_hint(format!("Use {ROLES}")));
            }
        };
        let parts = decode_content(&item.require("content")?, role_name)?;
        // Ids and states of items are bookkeeping of the provider that wrote them.
        let extra = own_extra(item.others(&["type", "role", "content", "id", "status"]));
        if role == Role::Assistant {
            let joins = match self.open {
                Open::Assistant { has_calls: true, .. } => true,
                Open::Assistant { has_words, .. } => !has_words,
                _ => false,
            };
            if !joins {
                self.push_turn(role, Vec::new());
            }
            let has_calls = joins && matches!(self.open, Open::Assistant { has_calls: true, .. });
            self.open = Open::Assistant { has_words: true, has_calls };
            if let Some(turn) = self.messages.last_mut() {
                turn.parts.extend(parts);
                if turn.extra.is_empty() {
                    turn.extra = extra;
                }
            }
            return Ok(());
        }
        self.open = Open::Nothing;
        self.push_turn(role, parts).extra = extra;
        Ok(())
    }

    /// Adds to the turn of the assistant, or begins one.
    fn said(&mut self, parts: Vec<Part>) {
        let is_call = |part: &Part| match part {
            Part::ToolCall { .. } => true,
            Part::Opaque { value, .. } => is_client_call(value),
            _ => false,
        };
        let calls = parts.iter().any(is_call);
        match self.open {
            Open::Assistant { has_words, has_calls } => {
                self.open = Open::Assistant { has_words, has_calls: has_calls || calls };
                if let Some(turn) = self.messages.last_mut() {
                    turn.parts.extend(parts);
                }
            }
            _ => {
                self.open = Open::Assistant { has_words: false, has_calls: calls };
                self.push_turn(Role::Assistant, parts);
            }
        }
    }

    fn call(
        &mut self,
        item: &Node<'_>,
        arguments: impl Fn(&Node<'_>) -> Result<String>,
    ) -> Result<()> {
        let id = item.require_text("call_id")?;
        item.require("name")?.text()?;
        let name = tool_names::of_call(item.object()?);
        let arguments = arguments(item)?;
        self.said(vec![Part::ToolCall { id, name, arguments, cache: None }]);
        Ok(())
    }

    fn result(&mut self, item: &Node<'_>) -> Result<()> {
        let call_id = item.require("call_id").map_err(|error| {
            error.with_hint("Repeat the `call_id` of the call that this output answers")
        })?;
        let call_id = call_id.text()?.to_owned();
        let output = item.get("output");
        let parts = match &output {
            None => Vec::new(),
            Some(output) if output.value().is_string() || output.value().is_array() => {
                decode_content(output, "user")?
            }
            // Some clients send the object itself.
            Some(output) => vec![Part::text(output.value().to_string())],
        };
        let result = Part::ToolResult { call_id, parts, is_error: false, cache: None };
        if self.open == Open::Results
            && let Some(turn) = self.messages.last_mut()
        {
            turn.parts.push(result);
            return Ok(());
        }
        self.open = Open::Results;
        self.push_turn(Role::User, vec![result]);
        Ok(())
    }
}

/// True for items that the client must answer, in forms that only this format has.
pub(in crate::openai_responses) fn is_client_call(item: &Value) -> bool {
    const CALLS: [&str; 6] = [
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "mcp_approval_request",
        "tool_search_call",
    ];
    let is_server_run = item["execution"] == "server";
    item["type"].as_str().is_some_and(|kind| CALLS.contains(&kind)) && !is_server_run
}

fn opaque(item: &Node<'_>) -> Part {
    Part::Opaque { dialect: ID, value: item.value().clone() }
}
