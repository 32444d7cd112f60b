//! The things in a sentence that must not be lost: names, numbers, dates, files, addresses,
//! identifiers.

use std::collections::HashSet;

use super::words;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A person, place, product, acronym, weekday or month.
    Name,
    /// Anything with a digit: an amount, a date, a version, a port.
    Number,
    /// A file or a path.
    File,
    /// An address on the web, or of mail.
    Url,
    /// A name in code.
    Identifier,
}

/// One of them, with its words' places in the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) first: usize,
    pub(super) last: usize,
}

impl Item {
    /// By what it is known again.
    pub(super) fn key(&self) -> String {
        self.text.to_lowercase()
    }
}

/// Longest item that is kept, in bytes: anything longer is data, not a name.
const BYTES_MAX: usize = 200;

/// The items of a sentence, in order. `lower` are words that are said in lower case elsewhere.
pub(super) fn find(sentence: &str, lower: &HashSet<String>) -> Vec<Item> {
    let mut found: Vec<Item> = Vec::new();
    let mut starts = true;
    let mut joins = false;
    for (at, raw) in sentence.split_whitespace().enumerate() {
        let word = trimmed(raw);
        let kind = kind(word, starts, lower);
        starts = raw.ends_with(['.', '!', '?', ':', '"', '”']);
        let Some(kind) = kind.filter(|_| word.len() <= BYTES_MAX) else {
            joins = false;
            continue;
        };
        match found.last_mut() {
            Some(last) if joins && belongs(last, kind, word) => {
                last.text.push(' ');
                last.text.push_str(word);
                last.last = at;
                last.kind = Kind::Name;
            }
            _ => found.push(Item { kind, text: word.to_owned(), first: at, last: at }),
        }
        joins = !raw.ends_with([',', ';', ':', '.', '!', '?', ')']) && !ends_possessive(raw);
    }
    found
}

/// True for a word that is a part of the name before it: "New York", "PostgreSQL 16.2", "7 October".
fn belongs(last: &Item, kind: Kind, word: &str) -> bool {
    match (last.kind, kind) {
        (Kind::Name, Kind::Name | Kind::Number) => true,
        (Kind::Number, Kind::Name) => words::MONTHS.contains(&word.to_lowercase().as_str()),
        _ => false,
    }
}

fn ends_possessive(raw: &str) -> bool {
    raw.ends_with("'s") || raw.ends_with("’s")
}

/// A word without the marks around it.
fn trimmed(raw: &str) -> &str {
    let is_mark = |letter: char| {
        matches!(
            letter,
            ',' | ';'
                | ':'
                | '!'
                | '?'
                | '"'
                | '\''
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '*'
                | '`'
                | '“'
                | '”'
                | '‘'
                | '’'
                | '<'
                | '>'
                | '|'
                | '…'
                | '='
        )
    };
    let word = raw.trim_matches(is_mark).trim_end_matches('.').trim_matches(is_mark);
    // A call keeps its parentheses where they were only an end.
    let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
    word.trim_end_matches(is_mark)
}

fn kind(word: &str, starts: bool, lower: &HashSet<String>) -> Option<Kind> {
    if word.is_empty() {
        return None;
    }
    if word.contains("://") || word.starts_with("www.") || is_mail(word) {
        return Some(Kind::Url);
    }
    if is_file(word) {
        return Some(Kind::File);
    }
    if word.bytes().any(|byte| byte.is_ascii_digit()) {
        return Some(Kind::Number);
    }
    if is_identifier(word) {
        return Some(Kind::Identifier);
    }
    is_name(word, starts, lower).then_some(Kind::Name)
}

fn is_mail(word: &str) -> bool {
    word.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
}

fn is_file(word: &str) -> bool {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-~\\:@+".contains(letter);
    if !word.chars().all(is_plain) || !word.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return false;
    }
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    let has_extension = name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty() && words::EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())
    });
    let slashes = word.bytes().filter(|byte| *byte == b'/').count();
    let is_rooted = ["/", "./", "../", "~/"].iter().any(|root| word.starts_with(root));
    has_extension || (is_rooted && word.len() > 2) || slashes >= 2
}

/// `snake_case`, `CamelCase`, `a::b`, `call()`.
fn is_identifier(word: &str) -> bool {
    let letters = word.chars().filter(char::is_ascii_alphabetic).count();
    if letters < 2 || !word.is_ascii() {
        return false;
    }
    let inner = word.trim_matches('_');
    let has_hump = word
        .as_bytes()
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    inner.contains('_') || word.contains("::") || word.ends_with("()") || has_hump
}

fn is_name(word: &str, starts: bool, lower: &HashSet<String>) -> bool {
    let mut letters = word.chars();
    if !letters.next().is_some_and(char::is_uppercase) || word.chars().count() < 2 {
        return false;
    }
    let small = word.to_lowercase();
    let stem = small.split(['\'', '’']).next().unwrap_or(&small);
    if words::is_common(stem) {
        return false;
    }
    // What begins a sentence is a name only where it never stands in lower case.
    !starts || !(lower.contains(stem) || words::is_ordinary(stem))
}

/// The name that a line of code defines.
pub(super) fn defined(line: &str) -> Option<String> {
    const KEYWORDS: [&str; 9] =
        ["fn", "def", "class", "struct", "enum", "trait", "interface", "function", "type"];
    let mut words = line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    words.find(|word| KEYWORDS.contains(word))?;
    let name = words.find(|word| !word.is_empty())?;
    (name.len() > 2 && name.len() <= 64).then(|| name.to_owned())
}
