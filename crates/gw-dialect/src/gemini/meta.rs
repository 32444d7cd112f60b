//! What a candidate says beside its content: why it ended, where its words come from, how probable
//! they were. Read into canonical form where there is one; the rest is kept as one opaque part.

use gw_core::chat::Part;
use gw_core::reply::StopReason;
use serde_json::{Map, Value, json};

use super::ID;

/// In an opaque part: fields of the candidate that have no canonical form.
const CANDIDATE: &str = "candidateFields";

/// In an opaque part: `promptFeedback` of the answer.
const FEEDBACK: &str = "promptFeedback";

/// Fields of a candidate that are read elsewhere.
const READ: [&str; 5] = ["content", "index", "finishReason", "logprobsResult", "tokenCount"];

/// An opaque part of this format that is no part of a content.
pub(super) enum Meta<'a> {
    /// Fields of the candidate.
    Candidate(&'a Map<String, Value>),
    /// The answer's `promptFeedback`.
    Feedback(&'a Value),
}

impl<'a> Meta<'a> {
    /// Recognises one; `None` for a part of a content.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        if let Some(fields) = value.get(CANDIDATE).and_then(Value::as_object) {
            return Some(Self::Candidate(fields));
        }
        value.get(FEEDBACK).map(Self::Feedback)
    }
}

/// The opaque part for a refused prompt.
pub(super) fn feedback_value(feedback: &Value) -> Value {
    json!({ FEEDBACK: feedback })
}

/// What is said beside the content, over all chunks of a stream.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    fields: Map<String, Value>,
    finish: Option<String>,
    has_calls: bool,
}

impl Gathered {
    /// Reads a candidate; later words replace earlier ones.
    pub(super) fn read(&mut self, candidate: &Map<String, Value>) {
        if let Some(word) = candidate.get("finishReason").and_then(Value::as_str)
            && word != "FINISH_REASON_UNSPECIFIED"
        {
            self.finish = Some(word.to_owned());
        }
        for (key, value) in candidate {
            if !READ.contains(&key.as_str()) && !value.is_null() {
                self.fields.insert(key.clone(), value.clone());
            }
        }
    }

    /// Notes that a function is called.
    pub(super) fn note_call(&mut self) {
        self.has_calls = true;
    }

    /// True once the provider said why it ended.
    pub(super) fn has_ended(&self) -> bool {
        self.finish.is_some()
    }

    /// Why it ended; `None` where the provider did not say.
    pub(super) fn stop(&self) -> Option<StopReason> {
        self.finish.as_deref().map(|word| read_reason(word, self.has_calls))
    }

    /// The citations of `text`, which the grounding counts in bytes, as `url_citation` annotations.
    pub(super) fn citations(&self, text: &str) -> Vec<Value> {
        let mut out = grounded(self.field("groundingMetadata"), text);
        let cited = self.field("citationMetadata");
        let sources = [&cited["citations"], &cited["citationSources"]];
        for source in sources.into_iter().filter_map(Value::as_array).flatten() {
            if let Some(url) = source["uri"].as_str() {
                let title = source["title"].as_str().unwrap_or_default();
                out.push(citation(url, title, span(source, text)));
            }
        }
        out
    }

    /// The opaque part for what has no canonical form; `None` where nothing was said.
    pub(super) fn rest(&self) -> Option<Value> {
        let mut fields = self.fields.clone();
        // The word that the canonical reason does not give back.
        if let (Some(word), Some(reason)) = (&self.finish, self.stop())
            && write_reason(&reason) != word
        {
            fields.insert("finishReason".to_owned(), Value::from(word.as_str()));
        }
        (!fields.is_empty()).then(|| json!({ CANDIDATE: fields }))
    }

    fn field(&self, key: &str) -> &Value {
        self.fields.get(key).unwrap_or(&Value::Null)
    }

    /// How many searches Google ran: each query counts from Gemini 3 on, a prompt before.
    pub(super) fn searches(&self, model: &str) -> u64 {
        let queries = &self.field("groundingMetadata")["webSearchQueries"];
        let count = queries.as_array().map_or(0, Vec::len) as u64;
        let is_by_prompt = ["gemini-1", "gemini-2"].iter().any(|name| model.contains(name));
        if is_by_prompt { count.min(1) } else { count }
    }
}

/// The canonical reason for a word. Words that only this format has are kept.
fn read_reason(word: &str, has_calls: bool) -> StopReason {
    match word {
        "STOP" if has_calls => StopReason::ToolUse,
        "STOP" => StopReason::EndTurn,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => StopReason::Refusal,
        other => StopReason::Other(other.to_owned()),
    }
}

/// The word for a reason. Another format's own words are no words of this one.
pub(super) fn write_reason(reason: &StopReason) -> &str {
    match reason {
        StopReason::EndTurn
        | StopReason::StopSequence
        | StopReason::ToolUse
        | StopReason::PauseTurn => "STOP",
        StopReason::MaxTokens | StopReason::ContextWindow => "MAX_TOKENS",
        StopReason::Refusal => "SAFETY",
        StopReason::Other(word) if is_word(word) => word,
        StopReason::Other(_) => "OTHER",
    }
}

/// True for a name in the manner of an enumeration of protocol buffers.
fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

fn grounded(grounding: &Value, text: &str) -> Vec<Value> {
    let chunks = grounding["groundingChunks"].as_array().map_or(&[][..], Vec::as_slice);
    let source = |chunk: &Value| {
        let source = ["web", "retrievedContext", "maps", "image"]
            .iter()
            .find_map(|kind| chunk.get(kind).filter(|it| it["uri"].is_string()))?;
        let title = source["title"].as_str().unwrap_or_default();
        Some((source["uri"].as_str()?.to_owned(), title.to_owned()))
    };
    let supports = grounding["groundingSupports"].as_array().map_or(&[][..], Vec::as_slice);
    let mut out = Vec::new();
    for support in supports {
        let place = span(&support["segment"], text);
        for index in support["groundingChunkIndices"].as_array().into_iter().flatten() {
            let at = index.as_u64().and_then(|index| usize::try_from(index).ok());
            let found = at.and_then(|at| chunks.get(at)).and_then(source);
            out.extend(found.map(|(url, title)| citation(&url, &title, place)));
        }
    }
    if out.is_empty() {
        let all = chunks.iter().filter_map(source);
        out.extend(all.map(|(url, title)| citation(&url, &title, (0, 0))));
    }
    out
}

/// Where a segment stands, in characters: the format counts bytes.
fn span(segment: &Value, text: &str) -> (usize, usize) {
    let place = |key: &str| {
        let bytes = segment[key].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        let mut at = bytes.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        text[..at].chars().count()
    };
    (place("startIndex"), place("endIndex"))
}

/// A citation in the form that clients of most formats know.
fn citation(url: &str, title: &str, (start, end): (usize, usize)) -> Value {
    json!({
        "type": "url_citation",
        "url_citation": { "url": url, "title": title, "start_index": start, "end_index": end },
    })
}

/// `groundingMetadata` for citations of other providers; `None` where there are none with an address.
pub(super) fn grounding_of(citations: &[Value]) -> Option<Value> {
    let sources = citations.iter().filter_map(|citation| {
        let nested = &citation["url_citation"];
        let holder = if nested.is_object() { nested } else { citation };
        let url = holder["url"].as_str()?;
        Some(json!({"web": {"uri": url, "title": holder["title"].as_str().unwrap_or_default()}}))
    });
    let mut chunks: Vec<Value> = Vec::new();
    for source in sources {
        if !chunks.contains(&source) {
            chunks.push(source);
        }
    }
    (!chunks.is_empty()).then(|| json!({ "groundingChunks": chunks }))
}

/// `logprobsResult` in the form that clients of most formats know.
pub(super) fn read_logprobs(result: &Value) -> Option<Value> {
    let chosen = result["chosenCandidates"].as_array()?;
    let tops = result["topCandidates"].as_array();
    let entry = |candidate: &Value| {
        let token = candidate["token"].as_str().unwrap_or_default();
        json!({
            "token": token,
            "logprob": candidate["logProbability"].as_f64().unwrap_or(0.0),
            "bytes": token.as_bytes(),
        })
    };
    let content: Vec<Value> = chosen
        .iter()
        .enumerate()
        .map(|(at, candidate)| {
            let mut token = entry(candidate);
            let top = tops.and_then(|tops| tops.get(at)).map(|top| &top["candidates"]);
            let top = top.and_then(Value::as_array).into_iter().flatten().map(entry);
            token["top_logprobs"] = top.collect();
            token
        })
        .collect();
    (!content.is_empty()).then(|| json!({ "content": content }))
}

/// Log probabilities as `logprobsResult`; `None` where they have no form known here.
pub(super) fn write_logprobs(logprobs: &Value) -> Option<Value> {
    let content = logprobs["content"].as_array()?;
    let entry =
        |token: &Value| json!({"token": token["token"], "logProbability": token["logprob"]});
    let chosen: Vec<Value> = content.iter().map(entry).collect();
    let tops = content.iter().map(|token| {
        let tops = token["top_logprobs"].as_array().into_iter().flatten();
        json!({"candidates": tops.map(entry).collect::<Vec<Value>>()})
    });
    Some(json!({"topCandidates": tops.collect::<Vec<Value>>(), "chosenCandidates": chosen}))
}

/// The text that a refused prompt is answered with.
pub(super) fn refusal_of(feedback: &Value) -> Option<Part> {
    let reason = feedback["blockReason"].as_str().filter(|it| *it != "BLOCK_REASON_UNSPECIFIED")?;
    let told = feedback["blockReasonMessage"].as_str().unwrap_or_default();
    let text = match told {
        "" => format!("The provider's filter refused the prompt ({reason})."),
        told => format!("The provider's filter refused the prompt ({reason}): {told}"),
    };
    Some(Part::Refusal { text })
}

/// An opaque part of this format.
pub(super) fn opaque(value: Value) -> Part {
    Part::Opaque { dialect: ID, value }
}
