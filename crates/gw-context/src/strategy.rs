//! What of a long conversation is sent: the strategies, and when they begin.
//!
//! Everything here is a function of the turns and of the options, so that the same history gives the
//! same prompt, and a longer one begins as the shorter one did for as long as possible: providers sell
//! a prompt they have seen for less. A summary therefore moves on by [`Options::refresh_every`] turns
//! at a time, not with each turn.

use gw_core::chat::{Message, Role};

use crate::extract::{self, Bounds};
use crate::summary::Summary;
use crate::worth::{Prices, is_cheaper};
use crate::{spans, tokens, units};

/// What of the older turns is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// All of it.
    Full,
    /// Nothing but the last turns.
    LastN,
    /// A summary, and the last turns whole.
    #[default]
    SummaryRecent,
    /// A short summary, the older turns that the question is about, and the last turns whole.
    SpanRetrieval,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::LastN, Self::SummaryRecent, Self::SpanRetrieval];

    /// The word in configuration and requests, as system A spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::LastN => "last-n",
            Self::SummaryRecent => "summary+recent",
            Self::SpanRetrieval => "span-retrieval",
        }
    }
}

impl std::str::FromStr for Strategy {
    type Err = gw_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|strategy| strategy.as_str() == text).ok_or_else(|| {
            gw_core::Error::bad_field("strategy", format!("`{text}` is no context strategy"))
                .with_hint("full, last-n, summary+recent or span-retrieval")
        })
    }
}

/// How conversations are made short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What of the older turns is sent.
    pub strategy: Strategy,
    /// Turns that are always sent whole.
    pub keep_recent: usize,
    /// More turns than these begin it.
    pub trigger_messages: usize,
    /// More tokens of history than these begin it; 0 never.
    pub trigger_tokens: u64,
    /// Turns by which a summary moves on.
    pub refresh_every: usize,
    /// How large a summary may be.
    pub bounds: Bounds,
    /// Older spans that a question brings back, with `span-retrieval`.
    pub span_count: usize,
    /// Turns on both sides of each.
    pub span_radius: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            keep_recent: 10,
            trigger_messages: 50,
            trigger_tokens: 0,
            refresh_every: 12,
            bounds: Bounds::default(),
            span_count: 5,
            span_radius: 2,
        }
    }
}

/// What is known of a conversation when it is composed.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its newest summary, which covers everything before `turns[0]`, or nothing.
    pub summary: Option<&'a Summary>,
    /// The turns that no summary covers, oldest first.
    pub turns: &'a [Message],
    /// Turns that the summary covers, where they are at hand: spans are looked for in them.
    pub older: &'a [Message],
    /// The new turns, which are sent whole and follow what is composed.
    pub new: &'a [Message],
    /// Tokens that history may take in the model's window; `None` where nobody can say.
    pub room: Option<u64>,
    /// What the model's tokens cost, where known.
    pub prices: Option<Prices>,
}

/// What is put before the new turns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Composed {
    /// The messages: a summary in the system's name first, where there is one.
    pub messages: Vec<Message>,
    /// The summary that covers what is no longer sent.
    pub summary: Option<Summary>,
    /// How many of the turns the summary took in; 0 where it stayed as it was.
    pub absorbed: usize,
    /// Tokens of the whole history.
    pub tokens_before: u64,
    /// Tokens of what is sent in its place.
    pub tokens_after: u64,
}

/// The line before a summary.
const HEADING: &str = "Summary of the conversation so far:";

/// The line before turns that were looked up.
const SPANS_HEADING: &str = "Earlier turns that may matter now:";

/// Composes what is put before the new turns.
pub fn compose(known: &Known<'_>, options: &Options) -> Composed {
    match options.strategy {
        Strategy::Full => full(known),
        Strategy::LastN => last_n(known, options),
        Strategy::SummaryRecent | Strategy::SpanRetrieval => summarised(known, options),
    }
}

/// Tokens of the whole history: what resending everything would take.
fn whole(known: &Known<'_>) -> u64 {
    let covered = known.summary.map_or(0, |summary| summary.covered_tokens);
    covered.saturating_add(tokens::of_messages(known.turns))
}

fn full(known: &Known<'_>) -> Composed {
    let mut messages: Vec<Message> = known.summary.map(told).into_iter().collect();
    messages.extend(known.turns.iter().cloned());
    let tokens_after = tokens::of_messages(&messages);
    Composed { messages, tokens_before: whole(known), tokens_after, ..Composed::default() }
}

fn last_n(known: &Known<'_>, options: &Options) -> Composed {
    let wanted = known.turns.len().saturating_sub(options.keep_recent);
    let from = units::cut_before(known.turns, wanted);
    let messages = known.turns[from..].to_vec();
    let tokens_after = tokens::of_messages(&messages);
    Composed { messages, tokens_before: whole(known), tokens_after, ..Composed::default() }
}

fn summarised(known: &Known<'_>, options: &Options) -> Composed {
    let absorbed = boundary(known, options);
    let mut summary = known.summary.cloned();
    if absorbed > 0 {
        let mut next = summary.unwrap_or_default();
        extract::absorb(&mut next, &known.turns[..absorbed], options.bounds);
        summary = Some(next);
    }
    let role = summary_role(&known.turns[absorbed..]);
    let mut messages: Vec<Message> =
        summary.as_ref().map(|it| told_as(it, role)).into_iter().collect();
    if options.strategy == Strategy::SpanRetrieval && summary.is_some() {
        let searched: Vec<&Message> = known.older.iter().chain(&known.turns[..absorbed]).collect();
        let found = spans::find(&searched, known.new, options);
        if !found.is_empty() {
            messages.push(Message::text(role, format!("{SPANS_HEADING}\n{found}")));
        }
    }
    messages.extend(known.turns[absorbed..].iter().cloned());
    let tokens_after = tokens::of_messages(&messages);
    Composed { messages, summary, absorbed, tokens_before: whole(known), tokens_after }
}

/// How many of the turns go into the summary now: none, until there are too many or they are too
/// large; then all but the last ones, so that the next `refresh_every` turns change nothing.
fn boundary(known: &Known<'_>, options: &Options) -> usize {
    let turns = known.turns;
    let last = units::cut_before(turns, turns.len().saturating_sub(options.keep_recent));
    if last == 0 {
        return 0;
    }
    let used = tokens::of_messages(turns);
    let room = known.room.unwrap_or(u64::MAX);
    let told = known.summary.map_or(0, Summary::tokens);
    let is_over = used.saturating_add(told) > room;
    if is_over {
        // Whatever it costs: the model could not read it otherwise.
        return last;
    }
    let most = match known.summary {
        Some(summary) if summary.covered_messages > 0 => {
            options.keep_recent + options.refresh_every
        }
        _ => options.trigger_messages,
    };
    let is_many = turns.len() > most;
    let is_large = options.trigger_tokens > 0
        && used > options.trigger_tokens
        && last >= options.refresh_every.min(options.trigger_messages);
    if !(is_many || is_large) {
        return 0;
    }
    // In steps, so that calls that come before the summary is kept find the same place.
    let step = options.refresh_every.max(1);
    let first = if is_many { (most + 1).saturating_sub(options.keep_recent).max(1) } else { step };
    let wanted = if last < first { last } else { last - (last - first) % step };
    let last = units::cut_before(turns, wanted);
    if last == 0 {
        return 0;
    }
    let is_worth = known.prices.is_none_or(|prices| {
        let going = tokens::of_messages(&turns[..last]);
        let staying = used - going;
        let share = going.saturating_mul(options.bounds.share_percent) / 100;
        let short = staying + told + share.min(options.bounds.tokens_max);
        is_cheaper(&prices, used + told, short, options.refresh_every as u64, 0)
    });
    if is_worth { last } else { 0 }
}

/// A summary as a message of the application.
fn told(summary: &Summary) -> Message {
    told_as(summary, Role::System)
}

fn told_as(summary: &Summary, role: Role) -> Message {
    Message::text(role, format!("{HEADING}\n{}", summary.to_text()))
}

/// Who says the summary: the application, unless the model would then speak first.
fn summary_role(turns: &[Message]) -> Role {
    match turns.first() {
        Some(first) if first.role == Role::Assistant => Role::User,
        _ => Role::System,
    }
}

/// Makes a history short that a client sent whole. The summary covers a number of turns that grows by
/// [`Options::refresh_every`] at a time and is read anew from the same turns each time, so that calls
/// in a row begin alike. `None` where nothing is to be done.
pub fn shorten(history: &[Message], room: Option<u64>, options: &Options) -> Option<Composed> {
    let used = tokens::of_messages(history);
    let is_over = room.is_some_and(|room| used > room);
    let is_many = history.len() > options.trigger_messages;
    let is_large = options.trigger_tokens > 0 && used > options.trigger_tokens;
    if !(is_over || is_many || is_large) || history.len() <= options.keep_recent {
        return None;
    }
    let step = options.refresh_every.max(1);
    let most = history.len() - options.keep_recent;
    let stepped = most - most % step;
    let wanted = if stepped == 0 || is_over { most } else { stepped };
    let from = units::cut_before(history, wanted);
    if from == 0 {
        return None;
    }
    let mut messages = Vec::new();
    let mut summary = None;
    if options.strategy != Strategy::LastN {
        let mut made = Summary::default();
        extract::absorb(&mut made, &history[..from], options.bounds);
        messages.push(told_as(&made, summary_role(&history[from..])));
        summary = Some(made);
    }
    messages.extend(history[from..].iter().cloned());
    let tokens_after = tokens::of_messages(&messages);
    Some(Composed { messages, summary, absorbed: from, tokens_before: used, tokens_after })
}

#[cfg(test)]
mod tests;
