//! What the simulated model answers. Pure and deterministic: the same ask gives the same reply.

use serde_json::Value;

use super::ask::{Ask, Choice, Output, Tool, chars, tokens};
use super::schema::least_instance;

/// Characters of a question that an answer repeats.
const GIST_CHARS: usize = 160;
/// Tools called at once.
const CALLS_MAX: usize = 4;
/// Words of an answer to `sim:words=N`.
const WORDS_MAX: usize = 200_000;

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) thinking: Option<String>,
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) finish: Finish,
    pub(crate) input_tokens: u64,
    /// Of the visible answer.
    pub(crate) text_tokens: u64,
    pub(crate) thinking_tokens: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    StopSequence(String),
    Length,
    Calls,
}

/// Decides the reply; `marker` opens every text that people read.
pub(crate) fn reply_to(ask: &Ask, marker: &str) -> Reply {
    let thinking = ask
        .wants_thinking
        .then(|| format!("The question is: {}. A short answer will do.", gist(&ask.question)));
    let calls = calls(ask);
    let (text, finish) = if calls.is_empty() {
        cut(&text(ask, marker), ask)
    } else {
        (String::new(), Finish::Calls)
    };
    let call_chars: u64 =
        calls.iter().map(|call| chars(&call.name) + chars(&call.arguments.to_string())).sum();
    Reply {
        input_tokens: ask.input_tokens(),
        text_tokens: tokens(chars(&text) + call_chars),
        thinking_tokens: tokens(chars(thinking.as_deref().unwrap_or_default())),
        thinking,
        text,
        calls,
        finish,
    }
}

fn text(ask: &Ask, marker: &str) -> String {
    match &ask.output {
        Output::Schema(schema) => return least_instance(schema).to_string(),
        Output::Json => {
            return serde_json::json!({ "answer": format!("{marker}{}", gist(&ask.question)) })
                .to_string();
        }
        Output::Text => {}
    }
    if let Some(words) = words_wanted(&ask.question) {
        return vec!["word"; words].join(" ");
    }
    let mut text = marker.to_owned();
    if ask.tool_results.is_empty() {
        text.push_str(&format!("You asked: \"{}\".", gist(&ask.question)));
    } else {
        let results: Vec<String> =
            ask.tool_results.iter().map(|result| format!("\"{}\"", gist(result))).collect();
        text.push_str(&format!("The tool answered: {}.", results.join(", ")));
    }
    if ask.images > 0 {
        text.push_str(&format!(" I see {} image(s).", ask.images));
    }
    if ask.documents > 0 {
        text.push_str(&format!(" I have read {} document(s).", ask.documents));
    }
    text.push_str(&format!(" This is a simulated answer of `{}`; no model was asked.", ask.model));
    text
}

fn gist(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let joined = words.join(" ");
    if joined.chars().count() <= GIST_CHARS {
        return joined;
    }
    let mut short: String = joined.chars().take(GIST_CHARS).collect();
    short.push('…');
    short
}

/// `sim:words=N` in a question asks for an answer of so many words, for benchmarks.
fn words_wanted(question: &str) -> Option<usize> {
    let (_, rest) = question.split_once("sim:words=")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(|words: usize| words.min(WORDS_MAX))
}

fn cut(text: &str, ask: &Ask) -> (String, Finish) {
    let stop = ask
        .stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop.as_str()).map(|at| (at, stop)))
        .min_by_key(|(at, _)| *at);
    let (kept, finish) = match stop {
        Some((at, stop)) => (&text[..at], Finish::StopSequence(stop.clone())),
        None => (text, Finish::Stop),
    };
    let most = ask.max_tokens.and_then(|most| usize::try_from(most.saturating_mul(4)).ok());
    match most {
        Some(most) if kept.chars().count() > most => {
            (kept.chars().take(most).collect(), Finish::Length)
        }
        _ => (kept.to_owned(), finish),
    }
}

/// The calls to make: the forced one; the first where any is; else those the question speaks of.
fn calls(ask: &Ask) -> Vec<Call> {
    if !ask.tool_results.is_empty() {
        return Vec::new();
    }
    let mut chosen: Vec<&Tool> = match &ask.choice {
        Choice::Nothing => Vec::new(),
        Choice::Named(name) => ask.tools.iter().filter(|tool| tool.name == *name).take(1).collect(),
        Choice::Any => {
            let spoken_of = spoken_of(ask);
            if spoken_of.is_empty() { ask.tools.iter().take(1).collect() } else { spoken_of }
        }
        Choice::Auto => spoken_of(ask),
    };
    if !ask.may_call_many {
        chosen.truncate(1);
    }
    let call = |(at, tool): (usize, &Tool)| Call {
        id: format!("{:016x}{at:02}", ask.stamp),
        name: tool.name.clone(),
        arguments: match least_instance(&tool.schema) {
            Value::Object(fields) => Value::Object(fields),
            _ => serde_json::json!({}),
        },
    };
    chosen.into_iter().enumerate().map(call).collect()
}

/// Tools whose name, or every telling word of it, occurs in the question.
fn spoken_of(ask: &Ask) -> Vec<&Tool> {
    const VERBS: [&str; 12] = [
        "get", "set", "list", "find", "search", "read", "write", "fetch", "create", "update",
        "run", "do",
    ];
    let question = ask.question.to_lowercase();
    let is_meant = |tool: &&Tool| {
        let name = tool.name.to_lowercase();
        let words: Vec<&str> = name
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.len() > 2 && !VERBS.contains(word))
            .collect();
        question.contains(&name)
            || (!words.is_empty() && words.iter().all(|word| has_word(&question, word)))
    };
    ask.tools.iter().filter(is_meant).take(CALLS_MAX).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|candidate| candidate == word)
}

/// A text in pieces of a few words, as models stream.
pub(crate) fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, char) in text.char_indices() {
        if at - start >= 12 && (char == ' ' || at - start >= 24) {
            pieces.push(&text[start..at]);
            start = at;
        }
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}
