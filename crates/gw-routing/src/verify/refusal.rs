//! Does a text decline? Only short texts that begin by declining do: a long answer that mentions
//! what it cannot do is an answer.

/// Longest text taken for a refusal, in characters.
const REFUSAL_CHARS_MAX: usize = 400;

/// How refusals begin, in small letters with plain apostrophes.
const OPENINGS: &[&str] = &[
    "i can't assist",
    "i can't help",
    "i cannot assist",
    "i cannot help",
    "i cannot provide",
    "i can't provide",
    "i'm unable to",
    "i am unable to",
    "i'm not able to",
    "i am not able to",
    "i won't be able to",
    "i will not",
    "i must decline",
    "i'm sorry, but i can",
    "i'm sorry, i can",
    "sorry, i can",
    "sorry, but i can",
    "i apologize, but i can",
    "as an ai language model, i can",
    "as an ai, i can",
];

/// True where a text declines.
pub fn is_refusal(text: &str) -> bool {
    let text = text.trim();
    if text.chars().count() > REFUSAL_CHARS_MAX {
        return false;
    }
    let small = text.to_lowercase().replace('\u{2019}', "'");
    let declines = OPENINGS.iter().any(|opening| small.starts_with(opening));
    // "I can help", "sorry, I can see …" begin alike.
    let does = ["sorry, i can ", "i'm sorry, but i can ", "i'm sorry, i can "];
    declines && !does.iter().any(|opening| small.starts_with(opening))
}
