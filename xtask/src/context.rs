//! Measures what making conversations short saves and what it loses, on conversations in files.
//!
//! A file is JSON Lines: one conversation a line, `{"id": …, "messages": [{"role", "content"}]}`; a folder
//! is one of recordings, whose exchanges are joined to conversations (`recorded.rs`). Half of them may be looked at while rules are written (`--part dev`); figures to
//! quote are of the others (`--part test`, the default).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use gw_context::{Composed, Handoff, Known, Options as Rules, Strategy, Summary, compose, tokens};
use gw_core::chat::{Message, Role};
use serde::Deserialize;

mod facts;
mod recorded;

/// Conversations of fewer messages say nothing about long ones.
const MESSAGES_MIN: usize = 51;

/// Planted facts in each conversation.
const PLANTED: usize = 6;

#[derive(Args)]
pub(crate) struct Options {
    /// A file of conversations, one a line, or a folder of recordings
    data: PathBuf,
    /// Which half: dev, test or all
    #[arg(long, default_value = "test")]
    part: String,
    /// Most messages of a conversation that are used
    #[arg(long, default_value_t = 400)]
    most: usize,
    /// Shows facts that were lost
    #[arg(long)]
    lost: bool,
    /// Only measures how long a turn takes in a conversation of so many messages
    #[arg(long)]
    flat: Option<usize>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    messages: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

/// A conversation, with what was planted into it.
struct Talk {
    messages: Vec<Message>,
    planted: Vec<String>,
}

/// What one strategy did over all conversations.
#[derive(Default)]
struct Sums {
    sent: u64,
    whole: u64,
    /// The same, counted only where the conversation had passed the trigger.
    long_sent: u64,
    long_whole: u64,
    kept: usize,
    facts: usize,
    planted_kept: usize,
    planted: usize,
    by_kind: [(usize, usize); 4],
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let talks = read(options)?;
    if let Some(messages) = options.flat {
        return flat(&talks, messages);
    }
    let messages: usize = talks.iter().map(|talk| talk.messages.len()).sum();
    println!(
        "{} conversations of {MESSAGES_MIN} messages or more, {messages} messages, part {}",
        talks.len(),
        options.part
    );
    println!(
        "{:<18} {:>12} {:>7} {:>9} {:>8} {:>8} {:>7} {:>7} {:>9} {:>6}",
        "strategy",
        "tokens sent",
        "saved",
        "saved>50",
        "natural",
        "planted",
        "names",
        "numbers",
        "decisions",
        "files"
    );
    for strategy in Strategy::ALL {
        let rules = Rules { strategy, ..Rules::default() };
        let mut sums = Sums::default();
        for talk in &talks {
            measure(talk, &rules, options.lost && strategy == Strategy::SummaryRecent, &mut sums);
        }
        print_row(strategy.as_str(), &sums);
    }
    handoffs(&talks);
    Ok(())
}

fn read(options: &Options) -> Result<Vec<Talk>> {
    let mut talks = Vec::new();
    for row in rows(&options.data)? {
        let sum = row
            .id
            .bytes()
            .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        let is_dev = row.id.starts_with("dev-") || (!row.id.starts_with("test-") && sum % 2 == 0);
        let is_wanted = match options.part.as_str() {
            "dev" => is_dev,
            "test" => !is_dev,
            _ => true,
        };
        if is_wanted && row.messages.len() >= MESSAGES_MIN {
            talks.push(talk(row, options.most));
        }
    }
    ensure!(!talks.is_empty(), "no conversation of {MESSAGES_MIN} messages or more");
    Ok(talks)
}

fn rows(data: &Path) -> Result<Vec<Row>> {
    if data.is_dir() {
        return recorded::read(data);
    }
    let text =
        fs::read_to_string(data).with_context(|| format!("{} cannot be read", data.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).context("a line is no conversation")).collect()
}

/// A conversation with facts planted into its older part, one each in every kind.
fn talk(row: Row, most: usize) -> Talk {
    let mut messages: Vec<Message> = row
        .messages
        .into_iter()
        .take(most)
        .map(|said| {
            let role = if said.role == "assistant" { Role::Assistant } else { Role::User };
            Message::text(role, said.content)
        })
        .collect();
    let seed =
        row.id.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)));
    let mut planted = Vec::new();
    for at in 0..PLANTED {
        let (fact, sentence) = facts::planted(seed, at);
        let older = messages.len().saturating_sub(12).max(1);
        let step = seed.wrapping_add(at as u64 * 7_919) >> 8;
        let step = usize::try_from(step).unwrap_or(0);
        let place = step % older;
        let text = format!("{} {sentence}", messages[place].joined_text());
        messages[place] = Message::text(messages[place].role, text);
        planted.push(fact);
    }
    Talk { messages, planted }
}

/// Plays a conversation turn by turn, as the engine does: a summary that moved on is kept.
fn measure(talk: &Talk, rules: &Rules, shows_lost: bool, sums: &mut Sums) {
    let mut summary: Option<Summary> = None;
    let mut covered = 0;
    let mut last = Composed::default();
    for at in 1..talk.messages.len() {
        let new = &talk.messages[at..=at];
        if new[0].role != Role::User {
            continue;
        }
        let known = Known {
            summary: summary.as_ref(),
            turns: &talk.messages[covered..at],
            older: &talk.messages[..covered],
            new,
            room: None,
            prices: None,
        };
        let made = compose(&known, rules);
        let fresh = tokens::of_messages(new);
        let whole = tokens::of_messages(&talk.messages[..at]) + fresh;
        let sent = made.tokens_after + fresh;
        sums.sent += sent;
        sums.whole += whole;
        if at > rules.trigger_messages {
            sums.long_sent += sent;
            sums.long_whole += whole;
        }
        if made.absorbed > 0 {
            covered += made.absorbed;
            summary.clone_from(&made.summary);
        }
        last = made;
    }
    let sent: String =
        last.messages.iter().map(Message::joined_text).collect::<Vec<_>>().join("\n");
    let sent = facts::flat(&sent);
    let older: Vec<&Message> = talk.messages.iter().rev().skip(1).collect();
    for (kind, fact) in facts::natural(&older) {
        let is_kept = facts::holds(&sent, &fact);
        sums.facts += 1;
        sums.kept += usize::from(is_kept);
        sums.by_kind[kind].0 += usize::from(is_kept);
        sums.by_kind[kind].1 += 1;
        if shows_lost && !is_kept {
            println!("lost {}: {fact}", facts::KINDS[kind]);
        }
    }
    for fact in &talk.planted {
        let is_kept = facts::holds(&sent, fact);
        sums.planted += 1;
        sums.planted_kept += usize::from(is_kept);
        if shows_lost && !is_kept {
            println!("lost planted: {fact}");
        }
    }
}

fn print_row(name: &str, sums: &Sums) {
    let [names, numbers, decisions, files] = sums.by_kind.map(|(kept, all)| percent(kept, all));
    println!(
        "{name:<18} {:>12} {:>7} {:>9} {:>8} {:>8} {names:>7} {numbers:>7} {decisions:>9} {files:>6}",
        sums.sent,
        less(sums.sent, sums.whole),
        less(sums.long_sent, sums.long_whole),
        percent(sums.kept, sums.facts),
        percent(sums.planted_kept, sums.planted),
    );
}

/// Packages in the place of everything said, at the last question.
fn handoffs(talks: &[Talk]) {
    let (mut sent, mut whole, mut kept, mut planted) = (0_u64, 0_u64, 0_usize, 0_usize);
    for talk in talks {
        let package = Handoff::of_messages(&talk.messages, None).within(4_000);
        let text = package.to_text();
        sent += tokens::of_text(&text);
        whole += tokens::of_messages(&talk.messages);
        let flat = facts::flat(&text);
        kept += talk.planted.iter().filter(|fact| facts::holds(&flat, fact)).count();
        planted += talk.planted.len();
    }
    println!(
        "handoff packages: {sent} tokens instead of {whole}, {} less; planted facts kept {}",
        less(sent, whole),
        percent(kept, planted)
    );
}

/// How long composing a turn takes as a conversation grows, and how much is held.
#[expect(clippy::disallowed_methods, reason = "a stopwatch measures real time")]
fn flat(talks: &[Talk], messages: usize) -> Result<()> {
    let all: Vec<Message> =
        talks.iter().flat_map(|talk| &talk.messages).take(messages).cloned().collect();
    ensure!(all.len() == messages, "the data holds only {} messages", all.len());
    let rules = Rules::default();
    let mut summary: Option<Summary> = None;
    let mut covered = 0;
    let mut worst = 0;
    let (mut held, mut turns) = (0_u64, 0_u32);
    let mut began = Instant::now();
    println!("{:>9} {:>14} {:>12} {:>14}", "messages", "mean us a turn", "worst us", "most tokens");
    for at in 1..all.len() {
        let one = Instant::now();
        let known = Known {
            summary: summary.as_ref(),
            turns: &all[covered..at],
            older: &[],
            new: &all[at..=at],
            room: None,
            prices: None,
        };
        let made = compose(&known, &rules);
        held = held.max(made.tokens_after);
        if made.absorbed > 0 {
            covered += made.absorbed;
            summary = made.summary;
        }
        worst = worst.max(one.elapsed().as_micros());
        turns += 1;
        if at % (messages / 10).max(1) == 0 {
            let mean = began.elapsed().as_micros() / u128::from(turns);
            println!("{at:>9} {mean:>14} {worst:>12} {held:>14}");
            (worst, held, turns, began) = (0, 0, 0, Instant::now());
        }
    }
    Ok(())
}

fn percent(part: usize, all: usize) -> String {
    if all == 0 {
        return "-".to_owned();
    }
    let tenths = part * 1_000 / all;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn less(sent: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let tenths = (whole.saturating_sub(sent)) * 1_000 / whole;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Keeps each fact once.
fn unique(facts: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let mut seen = BTreeSet::new();
    facts.into_iter().filter(|fact| seen.insert(fact.clone())).collect()
}
