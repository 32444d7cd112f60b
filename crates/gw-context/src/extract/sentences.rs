//! Text as sentences, and what stands in code fences as lines of code.

/// A sentence, or a line of code.
pub(super) struct Sentence<'a> {
    pub(super) text: &'a str,
    pub(super) is_code: bool,
}

/// The sentences of a text, in order; empty ones are left out.
pub(super) fn split(text: &str) -> Vec<Sentence<'_>> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            in_fence = !in_fence;
            continue;
        }
        if trimmed.is_empty() {
            continue;
        }
        if in_fence {
            found.push(Sentence { text: trimmed, is_code: true });
            continue;
        }
        for piece in pieces(bare(trimmed)) {
            found.push(Sentence { text: piece, is_code: false });
        }
    }
    found
}

/// The questions of a text, oldest first.
pub(super) fn questions(text: &str) -> impl Iterator<Item = String> {
    let asked: Vec<String> = split(text)
        .into_iter()
        .filter(|sentence| !sentence.is_code && sentence.text.ends_with('?'))
        .map(|sentence| super::clipped(sentence.text, 200))
        .collect();
    asked.into_iter()
}

/// A line without the marks of lists, quotes and headings.
fn bare(line: &str) -> &str {
    let line = line.trim_start_matches(['#', '>', '-', '*', '•', ' ', '\t', '|']);
    line.trim_end_matches(['|', ' '])
}

/// A line cut after full stops, question and exclamation marks that a blank follows.
fn pieces(line: &str) -> Vec<&str> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let ends = matches!(byte, b'.' | b'!' | b'?')
            && bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace);
        if ends && !(*byte == b'.' && is_abbreviation(&line[from..at])) {
            push(&mut found, &line[from..=at]);
            from = at + 1;
        }
    }
    push(&mut found, &line[from..]);
    found
}

/// True where the full stop after this belongs to a short form (`Dr.`, `e.g.`, an initial).
fn is_abbreviation(before: &str) -> bool {
    const SHORT: [&str; 14] = [
        "dr", "mr", "mrs", "ms", "prof", "st", "e.g", "i.e", "vs", "no", "approx", "fig", "jr",
        "inc",
    ];
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_initial =
        word.len() == 1 && word.starts_with(|letter: char| letter.is_ascii_uppercase());
    is_initial && word != "I" || SHORT.contains(&word.to_lowercase().as_str())
}

fn push<'a>(found: &mut Vec<&'a str>, piece: &'a str) {
    let piece = piece.trim();
    if piece.chars().any(char::is_alphanumeric) {
        found.push(piece);
    }
}
