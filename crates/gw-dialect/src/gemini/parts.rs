//! Parts of contents: read into canonical parts, and the pieces that both requests and answers write.
//! What has no canonical form (videos, code that Google ran) is carried as it came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gw_core::Result;
use gw_core::chat::{Part, Source};
use gw_core::seam::DialectId;
use serde_json::{Map, Value, json};

use super::calls::{Calls, wire_id};
use super::{ID, meta, stream};
use crate::arguments;
use crate::json::Node;
use crate::seal::{self, sign_call_id, split_call_id};

/// Fields that are read here; a part with any other is carried as it came.
const KNOWN: [&str; 7] = [
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
];

/// What Google accepts in place of a signature, for calls that it did not make.
pub(super) const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The other word for the same.
const NO_SIGNATURE_TOO: &str = "context_engineering_is_the_way_to_go";

/// In a sealed thought of this format: the signature of the text or picture before it, or of an empty
/// text.
const OF_TEXT: &str = "text:";

/// What another provider signed, for a client of this format: base64 of one of these and the seal.
const WRAPPED_SIGNATURE: &str = "gw:signature:";
const WRAPPED_SEALED: &str = "gw:sealed:";

/// Where a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a conversation.
    Request,
    /// In an answer, where pictures are carried as they came: a stream cannot hold them otherwise.
    Reply,
}

/// Reads a part; a signed text is two canonical parts.
pub(super) fn read(
    node: &Node<'_>,
    place: Place,
    calls: &mut Calls,
    out: &mut Vec<Part>,
) -> Result<()> {
    node.object()?;
    let is_opaque = node.others(&KNOWN).values().any(|value| !value.is_null());
    if is_opaque {
        out.push(opaque(node));
        return Ok(());
    }
    let signature = node.opt_text("thoughtSignature")?;
    let signature = signature.filter(|it| {
        !it.is_empty() && it.as_str() != NO_SIGNATURE && it.as_str() != NO_SIGNATURE_TOO
    });
    if let Some(call) = node.get("functionCall") {
        out.push(read_call(&call, signature.as_deref(), calls)?);
        return Ok(());
    }
    if let Some(result) = node.get("functionResponse") {
        let is_plain = result.others(&["name", "id", "response", "parts"]).is_empty();
        out.push(if is_plain && place == Place::Request {
            read_result(&result, calls)?
        } else {
            opaque(node)
        });
        return Ok(());
    }
    let is_thought = node.opt_boolean("thought")?.unwrap_or(false);
    if node.get("inlineData").is_some() || node.get("fileData").is_some() {
        if let Some(picture) = read_picture(node).filter(|_| place == Place::Reply && !is_thought) {
            out.push(Part::Opaque { dialect: DialectId::OpenAiChat, value: picture });
            let seal = signature.map(|it| seal::mark(ID, &format!("{OF_TEXT}{it}")));
            out.extend(seal.map(|data| Part::RedactedThinking { data }));
            return Ok(());
        }
        let is_plain = place == Place::Request && !is_thought && signature.is_none();
        let read = if is_plain { read_media(node)? } else { None };
        out.push(read.unwrap_or_else(|| opaque(node)));
        return Ok(());
    }
    let text = node.opt_text("text")?;
    read_text(text, is_thought, signature.as_deref(), out);
    Ok(())
}

fn read_text(text: Option<String>, is_thought: bool, signature: Option<&str>, out: &mut Vec<Part>) {
    let text = text.unwrap_or_default();
    let signature = signature.map(Signature::read);
    match (is_thought, signature) {
        (_, Some(Signature::Sealed(data))) => {
            if !text.is_empty() {
                out.push(text_part(text, is_thought));
            }
            out.push(Part::RedactedThinking { data });
        }
        (true, Some(Signature::Plain(signature))) => {
            out.push(Part::Thinking { text, signature: Some(signature) });
        }
        (true, Some(Signature::Own(signature))) => {
            let signature = Some(seal::mark(ID, &signature));
            out.push(Part::Thinking { text, signature });
        }
        (false, Some(Signature::Own(signature) | Signature::Plain(signature))) => {
            if !text.is_empty() {
                out.push(Part::text(text));
            }
            let data = seal::mark(ID, &format!("{OF_TEXT}{signature}"));
            out.push(Part::RedactedThinking { data });
        }
        (is_thought, None) if !text.is_empty() => out.push(text_part(text, is_thought)),
        (_, None) => {}
    }
}

fn text_part(text: String, is_thought: bool) -> Part {
    if is_thought { Part::Thinking { text, signature: None } } else { Part::text(text) }
}

/// A `thoughtSignature` on the wire.
enum Signature {
    /// Google's.
    Own(String),
    /// Another provider's, of a thought in the clear.
    Plain(String),
    /// Another provider's sealed thought.
    Sealed(String),
}

impl Signature {
    fn read(wire: &str) -> Self {
        let text = BASE64.decode(wire).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let unwrapped = |prefix: &str| text.as_deref()?.strip_prefix(prefix).map(str::to_owned);
        if let Some(signature) = unwrapped(WRAPPED_SIGNATURE) {
            return Self::Plain(signature);
        }
        match unwrapped(WRAPPED_SEALED) {
            Some(data) => Self::Sealed(data),
            None => Self::Own(wire.to_owned()),
        }
    }
}

/// Reads a call. Its signature rides on its id.
pub(super) fn read_call(
    call: &Node<'_>,
    signature: Option<&str>,
    calls: &mut Calls,
) -> Result<Part> {
    call.object()?;
    let given = call.opt_text("id")?;
    let name = call.opt_text("name")?.unwrap_or_default();
    let bare = calls.next_id(given.as_deref());
    let id = match signature {
        Some(signature) => sign_call_id(&bare, signature),
        None => bare,
    };
    calls.opened(&name, given.as_deref(), &id);
    let mut arguments = match call.get("args") {
        Some(args) => arguments::read(args.value()),
        None => "{}".to_owned(),
    };
    if let Some(pieces) = call.get("partialArgs").and_then(|it| it.value().as_array().cloned()) {
        let mut whole = arguments::write(&arguments);
        pieces.iter().for_each(|piece| stream::add_piece(&mut whole, piece));
        arguments = whole.to_string();
    }
    Ok(Part::ToolCall { id, name, arguments, cache: None })
}

fn read_result(result: &Node<'_>, calls: &mut Calls) -> Result<Part> {
    result.object()?;
    let name = result.opt_text("name")?.unwrap_or_default();
    let call_id = calls.answered(&name, result.opt_text("id")?.as_deref());
    let (text, is_error) = match result.get("response") {
        Some(response) => read_response(response.value()),
        None => (String::new(), false),
    };
    let mut parts = Vec::new();
    if !text.is_empty() {
        parts.push(Part::text(text));
    }
    if let Some(more) = result.get("parts") {
        for part in more.items()? {
            part.object()?;
            parts.push(read_media(&part)?.unwrap_or_else(|| opaque(&part)));
        }
    }
    Ok(Part::ToolResult { call_id, parts, is_error, cache: None })
}

/// The words of a result. `output` and `error` are the format's own names for them; anything else is
/// the result itself, as JSON.
fn read_response(response: &Value) -> (String, bool) {
    if let Some(object) = response.as_object().filter(|object| object.len() == 1) {
        for (key, is_error) in [("output", false), ("error", true)] {
            if let Some(text) = object.get(key).and_then(Value::as_str) {
                return (text.to_owned(), is_error);
            }
        }
    }
    match response {
        Value::Object(object) if object.is_empty() => (String::new(), false),
        response => (response.to_string(), false),
    }
}

/// The `response` object that [`read_response`] reads back as it was.
pub(super) fn write_response(text: &str, is_error: bool) -> Value {
    if is_error {
        return json!({ "error": text });
    }
    if text.is_empty() {
        return json!({});
    }
    let object = text.starts_with('{').then(|| serde_json::from_str::<Value>(text).ok()).flatten();
    let same = object.filter(|object| {
        // Its words are what the caller reads: only where they come back the same is it an object.
        object.is_object()
            && read_response(object) == (text.to_owned(), false)
            && is_compact(object, text)
    });
    same.unwrap_or_else(|| json!({ "output": text }))
}

/// True where the text is the value as it is written here.
fn is_compact(value: &Value, text: &str) -> bool {
    let written = value.to_string();
    written == text
}

/// A picture of an answer in the one form that answers carry pictures in, whoever made them: that of
/// chat completions.
fn read_picture(node: &Node<'_>) -> Option<Value> {
    let inline = &node.value()["inlineData"];
    let media_type = inline["mimeType"].as_str().filter(|it| it.starts_with("image/"))?;
    let url = format!("data:{media_type};base64,{}", inline["data"].as_str()?);
    Some(json!({"type": "image_url", "image_url": {"url": url}}))
}

/// The reverse of [`read_picture`]; `None` for any other part.
pub(super) fn write_picture(value: &Value) -> Option<Value> {
    let url = value["image_url"]["url"].as_str()?;
    let (media_type, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    Some(inline(media_type, data))
}

/// True for a part that a signature may be put on.
pub(super) fn takes_signature(part: &Value) -> bool {
    let is_signable = part["text"].is_string() || part["inlineData"].is_object();
    is_signable && part["thought"].is_null() && part["thoughtSignature"].is_null()
}

/// Reads `inlineData` and `fileData`; `None` for what has no canonical form.
fn read_media(node: &Node<'_>) -> Result<Option<Part>> {
    let (source, media_type, title) = if let Some(inline) = node.get("inlineData") {
        let media_type = inline.opt_text("mimeType")?.unwrap_or_default();
        let data = inline.require_text("data")?;
        if let Some(kind) = media_type.strip_prefix("audio/") {
            let format = audio_format(kind).to_owned();
            return Ok(Some(Part::Audio { data, format }));
        }
        let source = Source::Base64 { media_type: media_type.clone(), data };
        (source, media_type, inline.opt_text("displayName")?)
    } else if let Some(file) = node.get("fileData") {
        let media_type = file.opt_text("mimeType")?.unwrap_or_default();
        let uri = file.require_text("fileUri")?;
        // An upload at Google or a video means nothing to another provider.
        if !is_public(&uri) {
            return Ok(None);
        }
        (Source::Url { url: uri }, media_type, file.opt_text("displayName")?)
    } else {
        return Ok(None);
    };
    if media_type.starts_with("image/") {
        return Ok(Some(Part::Image { source, detail: None, cache: None }));
    }
    if media_type.starts_with("application/") || media_type.starts_with("text/") {
        let (context, citations, cache) = (None, false, None);
        return Ok(Some(Part::Document { source, title, context, citations, cache }));
    }
    Ok(None)
}

/// True for an address that anyone can fetch.
pub(super) fn is_public(uri: &str) -> bool {
    let is_web = uri.starts_with("http://") || uri.starts_with("https://");
    is_web && !uri.contains("://generativelanguage.googleapis.com/") && !uri.contains("youtu")
}

/// The canonical name of a sound format.
fn audio_format(subtype: &str) -> &str {
    match subtype {
        "mpeg" | "mp3" => "mp3",
        "x-wav" | "wave" | "wav" => "wav",
        other => other,
    }
}

/// A part that carries sound.
pub(super) fn audio(data: &str, format: &str) -> Value {
    inline(&format!("audio/{format}"), data)
}

/// A part that carries bytes.
pub(super) fn inline(media_type: &str, data: &str) -> Value {
    json!({"inlineData": {"mimeType": media_type, "data": data}})
}

/// A call with its signature; `or_else` stands in for a missing one.
pub(super) fn write_call(id: &str, name: &str, arguments: &str, or_else: Option<&str>) -> Value {
    let mut call = Map::new();
    if let Some(id) = wire_id(id) {
        call.insert("id".to_owned(), Value::from(id));
    }
    call.insert("name".to_owned(), Value::from(name));
    call.insert("args".to_owned(), arguments::write(arguments));
    let mut part = json!({ "functionCall": call });
    let (_, signature) = split_call_id(id);
    if let Some(signature) = signature.as_deref().or(or_else) {
        part["thoughtSignature"] = Value::from(signature);
    }
    part
}

/// The signature of a text that a sealed thought of this format holds.
pub(super) fn text_signature(sealed: &str) -> Option<&str> {
    seal::own(ID, sealed)?.strip_prefix(OF_TEXT)
}

/// A signature of a thought for a client: Google's as it is, another provider's wrapped, so that it
/// comes back.
pub(super) fn client_signature(signature: &str) -> String {
    match seal::own(ID, signature) {
        Some(own) => own.to_owned(),
        None => BASE64.encode(format!("{WRAPPED_SIGNATURE}{signature}")),
    }
}

/// A sealed thought for a client.
pub(super) fn client_sealed(data: &str) -> Value {
    match text_signature(data) {
        Some(signature) => json!({"text": "", "thoughtSignature": signature}),
        None => {
            let wrapped = BASE64.encode(format!("{WRAPPED_SEALED}{data}"));
            json!({"text": "", "thought": true, "thoughtSignature": wrapped})
        }
    }
}

fn opaque(node: &Node<'_>) -> Part {
    meta::opaque(node.value().clone())
}
