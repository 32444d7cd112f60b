//! Messages of a request, one after the other: results of tools become parts of one user turn.

use gw_core::Result;
use gw_core::chat::{CacheMark, Message, Part, Role};
use gw_core::seam::DialectId;

use super::content::{cache_mark, decode_content};
use super::decode::{not_one_of, own_extra};
use crate::json::Node;
use crate::openai_chat::reasoning;
use crate::openai_chat::response::arguments_of;

const ROLES: &str = "`system`, `developer`, `user`, `assistant` or `tool`";

/// Reads messages in order.
#[derive(Default)]
pub(super) struct MessageReader {
    messages: Vec<Message>,
    /// True while the last turn holds tool results, which further ones join.
    is_in_results: bool,
    /// Calls in the legacy form, which has no ids: name and the id made for it.
    legacy_calls: Vec<(String, String)>,
}

impl MessageReader {
    /// Reads one message.
    pub(super) fn push(&mut self, node: &Node<'_>) -> Result<()> {
        node.object()?;
        let role = node.require("role")?;
        let role_name = role.text()?;
        if matches!(role_name, "tool" | "function") {
            return self.push_result(node, role_name == "function");
        }
        let message = match role_name {
            "system" => decode_plain(node, Role::System)?,
            "developer" => decode_plain(node, Role::Developer)?,
            "user" => decode_plain(node, Role::User)?,
            "assistant" => self.decode_assistant(node)?,
            other => return Err(not_one_of(&role, other, ROLES)),
        };
        self.is_in_results = false;
        self.messages.push(message);
        Ok(())
    }

    /// The turns.
    pub(super) fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    fn push_result(&mut self, node: &Node<'_>, is_legacy: bool) -> Result<()> {
        let call_id = if is_legacy {
            self.legacy_id(&node.require_text("name")?)
        } else {
            let id = node.require("tool_call_id").map_err(|error| {
                error.with_hint("Repeat the `id` of the tool call that this message answers")
            })?;
            id.text()?.to_owned()
        };
        let parts = match node.get("content") {
            Some(content) => decode_content(&content)?,
            None => Vec::new(),
        };
        let cache = cache_mark(node)?.or_else(|| parts.iter().rev().find_map(mark_of));
        let result = Part::ToolResult { call_id, parts, is_error: false, cache };
        let known = ["role", "content", "tool_call_id", "name", "cache_control"];
        let extra = node.others(&known);
        if self.is_in_results
            && let Some(turn) = self.messages.last_mut()
        {
            turn.parts.push(result);
            return Ok(());
        }
        self.is_in_results = true;
        let parts = vec![result];
        self.messages.push(Message {
            role: Role::User,
            parts,
            name: None,
            extra: own_extra(extra),
        });
        Ok(())
    }

    /// The id made for the newest unanswered call of this name.
    fn legacy_id(&mut self, name: &str) -> String {
        match self.legacy_calls.iter().rposition(|(called, _)| called == name) {
            Some(at) => self.legacy_calls.remove(at).1,
            None => format!("call_{name}"),
        }
    }

    fn decode_assistant(&mut self, node: &Node<'_>) -> Result<Message> {
        let known = [
            "role",
            "content",
            "name",
            "refusal",
            "audio",
            "tool_calls",
            "function_call",
            "reasoning_content",
            "reasoning",
            "reasoning_details",
            "cache_control",
        ];
        let mut parts = reasoning::parts(node.object()?);
        if let Some(content) = node.get("content") {
            parts.extend(decode_content(&content)?);
        }
        if let Some(refusal) = node.opt_text("refusal")?.filter(|refusal| !refusal.is_empty()) {
            parts.push(Part::Refusal { text: refusal });
        }
        if let Some(audio) = node.get("audio") {
            let value = serde_json::json!({ "type": "audio", "audio": audio.object()? });
            parts.push(Part::Opaque { dialect: DialectId::OpenAiChat, value });
        }
        if let Some(calls) = node.get("tool_calls") {
            for call in calls.items()? {
                parts.push(decode_call(&call)?);
            }
        }
        if let Some(call) = node.get("function_call") {
            call.object()?;
            let name = call.require_text("name")?;
            let id = format!("call_legacy_{}", self.messages.len());
            self.legacy_calls.push((name.clone(), id.clone()));
            let arguments = arguments_of(call.object()?.get("arguments"));
            parts.push(Part::ToolCall { id, name, arguments, cache: None });
        }
        finish(node, Role::Assistant, parts, &known)
    }
}

fn decode_plain(node: &Node<'_>, role: Role) -> Result<Message> {
    let parts = decode_content(&node.require("content")?)?;
    finish(node, role, parts, &["role", "content", "name", "cache_control"])
}

fn finish(node: &Node<'_>, role: Role, mut parts: Vec<Part>, known: &[&str]) -> Result<Message> {
    // A mark on the message is a mark on its end.
    if let Some(mark) = cache_mark(node)? {
        parts.iter_mut().rev().find_map(|part| cache_slot(part)).map(|slot| slot.insert(mark));
    }
    Ok(Message { role, parts, name: node.opt_text("name")?, extra: own_extra(node.others(known)) })
}

fn cache_slot(part: &mut Part) -> Option<&mut Option<CacheMark>> {
    match part {
        Part::Text { cache, .. }
        | Part::Image { cache, .. }
        | Part::Document { cache, .. }
        | Part::ToolCall { cache, .. }
        | Part::ToolResult { cache, .. } => Some(cache),
        _ => None,
    }
}

fn mark_of(part: &Part) -> Option<CacheMark> {
    match part {
        Part::Text { cache, .. } | Part::Image { cache, .. } | Part::Document { cache, .. } => {
            cache.clone()
        }
        _ => None,
    }
}

fn decode_call(call: &Node<'_>) -> Result<Part> {
    call.object()?;
    let kind = call.opt_text("type")?;
    if kind.as_deref().is_some_and(|kind| kind != "function") {
        return Ok(Part::Opaque { dialect: DialectId::OpenAiChat, value: call.value().clone() });
    }
    let function = call.require("function")?;
    function.object()?;
    Ok(Part::ToolCall {
        id: call.require_text("id")?,
        name: function.require_text("name")?,
        arguments: arguments_of(function.object()?.get("arguments")),
        cache: None,
    })
}
