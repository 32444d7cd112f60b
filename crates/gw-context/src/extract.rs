//! A summary without a model: what names, numbers, dates, decisions, files, identifiers, errors and
//! addresses were said, in the speakers' own words.
//!
//! [`absorb`] adds turns to a summary: version n and only the new turns make version n + 1. Its cost
//! is that of the new turns and of the summary, which is bounded.

mod items;
mod sentences;
mod words;

use std::collections::HashSet;

use gw_core::chat::{Message, Part, Role};

use crate::summary::Summary;
use crate::tokens;
use items::{Item, Kind};

/// How large a summary may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most tokens, however much it covers.
    pub tokens_max: u64,
    /// Most tokens in a hundred of what it covers.
    pub share_percent: u64,
    /// Tokens that it may always have.
    pub tokens_min: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { tokens_max: 1_500, share_percent: 20, tokens_min: 120 }
    }
}

impl Bounds {
    /// The bound for a summary of so many tokens.
    fn tokens(self, covered: u64) -> u64 {
        let share = covered.saturating_mul(self.share_percent) / 100;
        share.clamp(self.tokens_min.min(self.tokens_max), self.tokens_max)
    }
}

/// Who made a summary that no model made.
pub const MADE_BY: &str = "extractive";

/// Characters of the first request that are kept as the goal.
const GOAL_CHARACTERS: usize = 160;

/// Words of a clause around what it says.
const WORDS_BEFORE: usize = 5;
const WORDS_AFTER: usize = 4;

/// Words of a sentence that is kept whole.
const WHOLE_WORDS_MAX: usize = 24;

/// Open questions, errors and things to do that are kept of each.
const LISTED_MAX: usize = 8;

/// Bytes of a tool's result that are read: what it said first, and what it said last.
const TOOL_BYTES_READ: usize = 4_096;

/// Adds turns to a summary, within its bounds.
pub fn absorb(summary: &mut Summary, messages: &[Message], bounds: Bounds) {
    if messages.is_empty() {
        return;
    }
    let mut reader = Reader::new(summary);
    reader.lower = lower_words(messages);
    for message in messages {
        reader.read(message);
    }
    let covered = tokens::of_messages(messages);
    summary.covered_tokens = summary.covered_tokens.saturating_add(covered);
    summary.covered_messages = summary.covered_messages.saturating_add(messages.len() as u64);
    MADE_BY.clone_into(&mut summary.made_by);
    fit(summary, bounds.tokens(summary.covered_tokens));
}

/// Keeps what these lines mention and the summary does not say.
pub(crate) fn keep_mentions(summary: &mut Summary, lines: &[String]) {
    let none = HashSet::new();
    let text = summary.to_text().to_lowercase();
    for item in lines.iter().flat_map(|line| items::find(line, &none)) {
        if !text.contains(&item.key()) {
            push_new(&mut summary.mentions, item.text);
        }
    }
}

/// Makes a summary fit its bounds.
pub(crate) fn fit_within(summary: &mut Summary, bounds: Bounds) {
    fit(summary, bounds.tokens(summary.covered_tokens));
}

/// Reads turns into a summary.
struct Reader<'a> {
    summary: &'a mut Summary,
    /// What the summary says already, in lower case.
    known: HashSet<String>,
    /// Words that also occur in lower case: no names.
    lower: HashSet<String>,
}

impl<'a> Reader<'a> {
    fn new(summary: &'a mut Summary) -> Self {
        let mut known = HashSet::new();
        let lists = [
            &summary.facts,
            &summary.decisions,
            &summary.mentions,
            &summary.main_files,
            &summary.modules,
            &summary.links,
            &summary.errors,
            &summary.stack,
            &summary.todos,
        ];
        let none = HashSet::new();
        for line in lists.into_iter().flatten().chain([&summary.overview, &summary.goal]) {
            known.extend(items::find(line, &none).into_iter().map(|item| item.key()));
        }
        // Whatever was open when these turns came is answered by them or asked again.
        summary.open_questions.clear();
        Self { summary, known, lower: HashSet::new() }
    }

    fn read(&mut self, message: &Message) {
        if matches!(message.role, Role::System | Role::Developer) {
            return;
        }
        let is_user = message.role == Role::User;
        for part in &message.parts {
            match part {
                Part::Text { text, .. } | Part::Refusal { text } => self.read_text(text, is_user),
                Part::ToolCall { arguments, .. } => self.read_arguments(arguments),
                Part::ToolResult { parts, is_error, .. } => self.read_result(parts, *is_error),
                _ => {}
            }
        }
        let questions = &mut self.summary.open_questions;
        if is_user && message.parts.iter().any(|part| part.as_text().is_some()) {
            let text = message.joined_text();
            questions.clear();
            questions.extend(sentences::questions(&text).take(3));
        } else if message.role == Role::Assistant {
            questions.clear();
        }
    }

    fn read_text(&mut self, text: &str, is_user: bool) {
        if self.summary.goal.is_empty() && is_user {
            self.summary.goal = clipped(text.trim(), GOAL_CHARACTERS);
        }
        for sentence in sentences::split(text) {
            if sentence.is_code {
                self.read_code(sentence.text);
            } else {
                self.read_sentence(sentence.text, is_user);
            }
        }
    }

    /// Files and names of what is defined; code itself is not said again.
    fn read_code(&mut self, line: &str) {
        for item in items::find(line, &self.lower) {
            if matches!(item.kind, Kind::File | Kind::Url) {
                self.note(&item);
            }
        }
        if let Some(name) = items::defined(line) {
            let item = Item { kind: Kind::Identifier, text: name, first: 0, last: 0 };
            self.note(&item);
        }
    }

    fn read_sentence(&mut self, sentence: &str, is_user: bool) {
        for name in words::stack_of(sentence) {
            push_new(&mut self.summary.stack, name);
        }
        let lower = sentence.to_lowercase();
        if words::has_any(&lower, words::ERROR) && words::is_error(sentence) {
            push_last(&mut self.summary.errors, clipped(sentence, 200), LISTED_MAX);
        }
        let found = items::find(sentence, &self.lower);
        let fresh: Vec<&Item> =
            found.iter().filter(|item| !self.known.contains(&item.key())).collect();
        let is_question = sentence.trim_end().ends_with('?');
        if !is_question && words::has_any(&lower, words::DECISION) {
            push_new(&mut self.summary.decisions, clipped(sentence, 240));
            self.known.extend(found.iter().map(Item::key));
            return;
        }
        if words::has_any(&lower, words::TODO) && is_user {
            push_last(&mut self.summary.todos, clipped(sentence, 160), LISTED_MAX);
            self.known.extend(found.iter().map(Item::key));
            return;
        }
        let is_personal = is_user && !is_question && words::is_personal(&lower);
        if fresh.is_empty() && !is_personal {
            return;
        }
        for item in &fresh {
            match item.kind {
                Kind::File => push_new(&mut self.summary.main_files, item.text.clone()),
                Kind::Url => push_new(&mut self.summary.links, item.text.clone()),
                _ => {}
            }
        }
        let said: Vec<&Item> = fresh
            .iter()
            .copied()
            .filter(|item| !matches!(item.kind, Kind::File | Kind::Url))
            .collect();
        if !said.is_empty() || is_personal {
            let clause = clause(sentence, &said);
            push_new(&mut self.summary.facts, clause);
        }
        self.known.extend(fresh.into_iter().map(Item::key).collect::<Vec<_>>());
    }

    /// Files, addresses and numbers in the arguments of a tool call.
    fn read_arguments(&mut self, arguments: &str) {
        for line in ends_of(arguments).lines().take(64) {
            for item in items::find(line, &self.lower) {
                if matches!(item.kind, Kind::File | Kind::Url | Kind::Number) {
                    self.note(&item);
                }
            }
        }
    }

    fn read_result(&mut self, parts: &[Part], is_error: bool) {
        for text in parts.iter().filter_map(Part::as_text) {
            for line in ends_of(text).lines().take(64) {
                let lower = line.to_lowercase();
                if (is_error || words::has_any(&lower, words::ERROR)) && words::is_error(line) {
                    push_last(&mut self.summary.errors, clipped(line.trim(), 200), LISTED_MAX);
                }
                for item in items::find(line, &self.lower) {
                    if matches!(item.kind, Kind::File | Kind::Url) {
                        self.note(&item);
                    }
                }
            }
        }
    }

    /// Keeps an item in the list of its kind.
    fn note(&mut self, item: &Item) {
        if !self.known.insert(item.key()) {
            return;
        }
        let list = match item.kind {
            Kind::File => &mut self.summary.main_files,
            Kind::Url => &mut self.summary.links,
            Kind::Identifier => &mut self.summary.modules,
            Kind::Name | Kind::Number => &mut self.summary.mentions,
        };
        list.push(item.text.clone());
    }
}

/// Words that stand in lower case anywhere: "Music" at the start of a sentence is no name where
/// "music" is said too.
fn lower_words(messages: &[Message]) -> HashSet<String> {
    let mut lower = HashSet::new();
    for text in messages.iter().flat_map(|message| &message.parts).filter_map(Part::as_text) {
        for word in text.split(|letter: char| !letter.is_alphanumeric()) {
            if word.len() > 1 && word.starts_with(char::is_lowercase) && lower.len() < 50_000 {
                lower.insert(word.to_owned());
            }
        }
    }
    lower
}

/// The sentence around what it says new; whole where it is short.
fn clause(sentence: &str, items: &[&Item]) -> String {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    if words.len() <= WHOLE_WORDS_MAX || items.is_empty() {
        return clipped(&words.join(" "), 240);
    }
    let first = items.iter().map(|item| item.first).min().unwrap_or(0);
    let last = items.iter().map(|item| item.last).max().unwrap_or(words.len());
    let from = first.saturating_sub(WORDS_BEFORE);
    let until = (last + 1 + WORDS_AFTER).min(words.len());
    clipped(&words[from..until.max(from)].join(" "), 400)
}

/// Makes a summary fit: the oldest clauses shrink to what they mention, then the least telling lists
/// lose their oldest entries.
fn fit(summary: &mut Summary, tokens_max: u64) {
    shrink_facts(summary, tokens_max);
    while summary.tokens() > tokens_max {
        let lists = [
            &mut summary.modules,
            &mut summary.links,
            &mut summary.errors,
            &mut summary.stack,
            &mut summary.todos,
            &mut summary.main_files,
            &mut summary.decisions,
            &mut summary.mentions,
            &mut summary.facts,
        ];
        // The longest list first, in tokens.
        let longest = lists
            .into_iter()
            .filter(|list| !list.is_empty())
            .max_by_key(|list| list.iter().map(|line| tokens::of_text(line) + 1).sum::<u64>());
        match longest {
            Some(list) => drop(list.drain(..list.len().div_ceil(16))),
            None => {
                summary.overview.clear();
                summary.goal.clear();
                return;
            }
        }
    }
}

/// Turns the oldest clauses into bare mentions until the summary fits, or none is left.
fn shrink_facts(summary: &mut Summary, tokens_max: u64) {
    let none = HashSet::new();
    let total = summary.tokens();
    if total <= tokens_max {
        return;
    }
    let mut over = total - tokens_max;
    let mut known: HashSet<String> =
        summary.mentions.iter().map(|mention| mention.to_lowercase()).collect();
    let mut shrunk = 0;
    for fact in &summary.facts {
        if over == 0 {
            break;
        }
        shrunk += 1;
        let mut gained = tokens::of_text(fact) + 1;
        for item in items::find(fact, &none) {
            // A digit alone says nothing.
            if item.text.len() > 1 && known.insert(item.key()) {
                gained = gained.saturating_sub(tokens::of_text(&item.text) + 1);
                summary.mentions.push(item.text);
            }
        }
        over = over.saturating_sub(gained);
    }
    summary.facts.drain(..shrunk);
}

/// The first and the last of a long text.
fn ends_of(text: &str) -> String {
    if text.len() <= TOOL_BYTES_READ {
        return text.to_owned();
    }
    let half = TOOL_BYTES_READ / 2;
    let head = &text[..text.floor_char_boundary(half)];
    let tail = &text[text.ceil_char_boundary(text.len() - half)..];
    format!("{head}\n{tail}")
}

/// At most so many characters, on one line, whole words.
fn clipped(text: &str, characters: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(characters) {
        Some((at, _)) => {
            let cut = line[..at].rfind(' ').filter(|space| *space > at / 2).unwrap_or(at);
            line[..cut].to_owned()
        }
        None => line,
    }
}

fn push_new(list: &mut Vec<String>, line: impl Into<String>) {
    let line = line.into();
    if !line.is_empty() && !list.contains(&line) {
        list.push(line);
    }
}

/// Keeps the newest `most`.
fn push_last(list: &mut Vec<String>, line: String, most: usize) {
    push_new(list, line);
    if list.len() > most {
        list.remove(0);
    }
}

#[cfg(test)]
mod tests;
