//! Older turns that a question is about, found by the rare words they share with it (BM25), each with
//! its neighbours.

use std::collections::{BTreeSet, HashMap, HashSet};

use gw_core::chat::{Message, Role};

use crate::strategy::Options;
use crate::tokens;

/// Share of what a summary may take that spans may take together, as a multiple.
const TOKENS_MAX: u64 = 1_200;

/// BM25's constants, at their usual values in hundredths.
const SATURATION: f64 = 1.2;
const LENGTH_WEIGHT: f64 = 0.75;

/// The spans as text, oldest first; empty where nothing fits the question.
pub(crate) fn find(older: &[&Message], new: &[Message], options: &Options) -> String {
    let Some(asked) = new.iter().rev().find(|turn| turn.role == Role::User) else {
        return String::new();
    };
    let question: HashSet<String> = words(&asked.joined_text()).into_iter().collect();
    if question.is_empty() || older.is_empty() {
        return String::new();
    }
    let chosen = ranked(older, &question);
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    let mut spent = 0;
    for centre in chosen.into_iter().take(options.span_count) {
        let from = centre.saturating_sub(options.span_radius);
        let until = (centre + options.span_radius).min(older.len() - 1);
        // The turn itself before its neighbours, so that it fits where they do not.
        for at in std::iter::once(centre).chain(from..=until) {
            let cost = tokens::of_text(&line(older[at]));
            if !kept.contains(&at) && spent + cost <= TOKENS_MAX {
                kept.insert(at);
                spent += cost;
            }
        }
    }
    let lines: Vec<String> = kept.into_iter().map(|at| line(older[at])).collect();
    lines.join("\n")
}

/// Places of turns that share words with the question, best first.
#[expect(clippy::cast_precision_loss, reason = "counts of turns and words")]
fn ranked(older: &[&Message], question: &HashSet<String>) -> Vec<usize> {
    let texts: Vec<Vec<String>> = older.iter().map(|turn| words(&turn.joined_text())).collect();
    let mut holders: HashMap<&str, usize> = HashMap::new();
    for text in &texts {
        let here: HashSet<&str> =
            text.iter().map(String::as_str).filter(|word| question.contains(*word)).collect();
        for word in here {
            *holders.entry(word).or_default() += 1;
        }
    }
    let total = texts.len() as f64;
    let average = texts.iter().map(Vec::len).sum::<usize>().max(1) as f64 / total;
    let mut scored: Vec<(f64, usize)> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let mut counts: HashMap<&str, f64> = HashMap::new();
        for word in text.iter().filter(|word| question.contains(*word)) {
            *counts.entry(word).or_default() += 1.0;
        }
        let length =
            SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * text.len() as f64 / average);
        let score: f64 = counts
            .into_iter()
            .map(|(word, count)| {
                let with = holders.get(word).copied().unwrap_or(0) as f64;
                let rarity = ((total - with + 0.5) / (with + 0.5) + 1.0).ln();
                rarity * count * (SATURATION + 1.0) / (count + length)
            })
            .sum();
        if score > 0.0 {
            scored.push((score, at));
        }
    }
    // Equal scores: the newer turn.
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    scored.into_iter().map(|(_, at)| at).collect()
}

fn line(turn: &Message) -> String {
    let who = match turn.role {
        Role::Assistant => "Assistant",
        Role::User => "User",
        Role::System | Role::Developer => "System",
    };
    format!("{who}: {}", turn.joined_text())
}

/// Words of three letters and more, small, without their endings.
fn words(text: &str) -> Vec<String> {
    const EMPTY: [&str; 24] = [
        "the", "and", "for", "you", "that", "with", "this", "have", "are", "was", "what", "how",
        "can", "did", "does", "your", "about", "from", "they", "when", "which", "there", "will",
        "would",
    ];
    let parts = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    parts
        .map(str::to_lowercase)
        .filter(|word| word.chars().count() > 2 && !EMPTY.contains(&word.as_str()))
        .map(|word| match word.strip_suffix('s') {
            Some(stem) if stem.len() > 3 => stem.to_owned(),
            _ => word,
        })
        .collect()
}
