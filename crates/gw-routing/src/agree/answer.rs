//! What a short answer commits to: a number, an option, a label, or a few words.

use super::SHORT_ANSWER_CHARS_MAX;

/// What an answer commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// A number, as its shortest decimal text: `1,000.0` and `$1000` are `1000`.
    Number(String),
    /// One of the options `A` to `J`.
    Option(char),
    /// A few words in small letters, without punctuation and articles.
    Words(String),
}

/// Phrases before which a model thinks and after which it commits.
const MARKS: &[&str] = &[
    "the final answer is",
    "final answer:",
    "the correct answer is",
    "the answer is",
    "answer is",
    "answer:",
    "####",
];

/// What a text commits to; `None` for long prose that never does.
pub fn committed(text: &str) -> Option<Committed> {
    let text = text.trim();
    if let Some(boxed) = boxed(text) {
        return Some(short(boxed));
    }
    let small = text.to_ascii_lowercase();
    // Offsets fit both: ASCII case does not change lengths.
    let marked = MARKS.iter().filter_map(|mark| small.rfind(mark).map(|at| at + mark.len())).max();
    if let Some(at) = marked {
        let line = text[at..].trim_start().lines().next().unwrap_or_default();
        let sentence = line.split(". ").next().unwrap_or(line);
        if !sentence.trim().is_empty() && sentence.chars().count() <= SHORT_ANSWER_CHARS_MAX {
            return Some(short(sentence));
        }
    }
    let is_short = text.chars().count() <= SHORT_ANSWER_CHARS_MAX && text.lines().count() <= 2;
    (is_short && !text.is_empty()).then(|| short(text))
}

/// True where two extracted answers are the same.
pub fn same_answer(one: &str, other: &str) -> bool {
    one == other || short(one) == short(other)
}

fn boxed(text: &str) -> Option<&str> {
    let start = text.rfind("\\boxed{")? + "\\boxed{".len();
    let mut depth = 1_usize;
    for (at, letter) in text[start..].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&text[start..start + at]);
        }
    }
    None
}

fn short(text: &str) -> Committed {
    let bare = text.trim().trim_matches(|letter| matches!(letter, '*' | '`' | '"' | '\'' | ' '));
    if let Some(option) = option(bare) {
        return Committed::Option(option);
    }
    if let Some(number) = number(bare) {
        return Committed::Number(number);
    }
    Committed::Words(words(bare))
}

/// `B`, `(B)`, `B.`, `B) because …`, `option B`
fn option(text: &str) -> Option<char> {
    let rest = text.strip_prefix("option ").or(text.strip_prefix("Option ")).unwrap_or(text);
    let rest = rest.trim_start_matches('(');
    let mut letters = rest.chars();
    let first = letters.next().filter(|letter| ('A'..='J').contains(letter))?;
    match letters.next() {
        None | Some(')' | '.' | ':' | ',' | '*') => Some(first),
        _ => None,
    }
}

/// A text that is a number with at most a sign of currency, a unit of one word, or a percent sign.
fn number(text: &str) -> Option<String> {
    let text = text.trim_end_matches(['.', '%']).trim();
    let text = text.trim_start_matches(['$', '€', '£', '=', ' ']);
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    if unit.contains(' ') || unit.chars().any(|letter| letter.is_ascii_digit()) {
        return None;
    }
    let plain: String = digits.chars().filter(|letter| *letter != ',' && *letter != '$').collect();
    let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let part = part.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if whole == "0" && part.is_empty() { "" } else { sign };
    let point = if part.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{part}"))
}

fn words(text: &str) -> String {
    let small = text.to_lowercase();
    let is_kept = |word: &&str| !word.is_empty() && !matches!(*word, "a" | "an" | "the");
    let trimmed = small.split_whitespace().map(|word| {
        word.trim_matches(|letter: char| matches!(letter, '.' | ',' | '!' | '?' | ';' | '"' | '`'))
    });
    trimmed.filter(is_kept).collect::<Vec<_>>().join(" ")
}
