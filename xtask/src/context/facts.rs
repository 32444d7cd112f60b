//! Facts whose survival is measured: planted ones, and those that stand in a conversation already, found
//! by rules that are not those of the summariser.

use gw_core::chat::{Message, Role};

use super::unique;

/// The kinds of natural facts.
pub(super) const KINDS: [&str; 4] = ["name", "number", "decision", "file"];

/// A fact and the sentence that plants it.
pub(super) fn planted(seed: u64, at: usize) -> (String, String) {
    let number = seed.wrapping_mul(2_654_435_761).wrapping_add(at as u64 * 97) % 90_000 + 10_000;
    match at % 6 {
        0 => {
            let name = pick(&["Tamsin Okafor", "Lothar Brandvold", "Meera Quist"], number);
            (name.clone(), format!("By the way, the contact for this is {name}."))
        }
        1 => (number.to_string(), format!("The ticket number was {number}, as far as I recall.")),
        2 => {
            let path = format!("src/billing/part_{number}.rs");
            (path.clone(), format!("It is all in {path} if you want to look."))
        }
        3 => {
            let word = pick(&["ClickHouse", "CockroachDB", "MariaDB"], number);
            let fact = format!("{word} {}", number % 30 + 2);
            (fact.clone(), format!("We decided to go with {fact} for the archive."))
        }
        4 => {
            let day = format!("{} October", number % 28 + 1);
            (day.clone(), format!("The deadline is {day} and it will not move."))
        }
        _ => {
            let host = format!("https://build{number}.example.net/logs");
            (host.clone(), format!("Logs are at {host} for a week."))
        }
    }
}

fn pick(words: &[&str], number: u64) -> String {
    words[usize::try_from(number).unwrap_or(0) % words.len()].to_owned()
}

/// Names, numbers, decisions and files of the turns, each once.
pub(super) fn natural(turns: &[&Message]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for turn in turns {
        for line in turn.joined_text().lines() {
            for sentence in line.split_inclusive(['.', '!', '?']) {
                natural_in(sentence, turn.role == Role::User, &mut found);
            }
        }
    }
    unique(found)
}

fn natural_in(sentence: &str, is_user: bool, found: &mut Vec<(usize, String)>) {
    let words: Vec<&str> = sentence.split_whitespace().collect();
    for (at, raw) in words.iter().enumerate() {
        let word = raw.trim_matches(|letter: char| !letter.is_alphanumeric());
        let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
        let letters = word.chars().count();
        let has_digits = word.chars().filter(char::is_ascii_digit).count();
        let file = raw.trim_matches(|letter: char| "\"'`(),;:!?[]".contains(letter));
        if file.contains('/') && file.contains('.') && !file.contains("://") && letters > 4 {
            found.push((3, file.trim_end_matches('.').to_owned()));
        } else if has_digits >= 2 && letters <= 24 {
            found.push((1, word.to_owned()));
        } else if at > 0
            && letters > 3
            && word.chars().all(char::is_alphabetic)
            && word.starts_with(char::is_uppercase)
            && word.chars().skip(1).all(char::is_lowercase)
            && !words[at - 1].ends_with([':', '"', '.', '!', '?'])
        {
            found.push((0, word.to_owned()));
        }
    }
    let lower = sentence.to_lowercase();
    let decides = ["decided to", "we agreed", "let's go with", "i chose", "settled on"];
    if is_user && words.len() > 3 && words.len() < 40 && decides.iter().any(|it| lower.contains(it))
    {
        found.push((2, sentence.trim().to_owned()));
    }
}

/// Text in which facts are looked for: small letters, single blanks.
pub(super) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// True where the text holds the fact: a short one as it stands, a sentence by four in five of its words.
pub(super) fn holds(flat_text: &str, fact: &str) -> bool {
    let fact = flat(fact);
    if flat_text.contains(&fact) {
        return true;
    }
    let words: Vec<&str> = fact.split(' ').filter(|word| word.len() > 3).collect();
    words.len() > 3
        && words.iter().filter(|word| flat_text.contains(**word)).count() * 5 >= words.len() * 4
}
