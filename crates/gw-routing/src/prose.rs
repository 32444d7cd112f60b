//! Text as routing reads it: words with boundaries, and pasted code apart from what is said.

use std::collections::HashSet;

use gw_core::Layer;

/// Words that follow `L1` or `L2` where it is no layer of models.
const NO_LAYER_AFTER: &[&str] = &[
    "regularization",
    "regularisation",
    "regularizer",
    "norm",
    "norms",
    "loss",
    "losses",
    "penalty",
    "distance",
    "normalization",
    "normalisation",
    "cache",
    "caches",
    "cached",
    "switch",
    "switches",
    "network",
    "visa",
    "support",
    "engineer",
    "error",
];

/// The layer that a message of the `mcp-cli` door asks for: `use`, `with`, `on` or `at`, perhaps
/// `layer`, then `L0` to `L3`. Code, negations ("don't use L3") and other things that are called
/// L1 or L2 ("L2 regularization") do not count; the first mention that counts wins.
pub fn layer_in_message(text: &str) -> Option<Layer> {
    let prose = without_inline_code(&Split::of(text).prose);
    let prose = small(&prose);
    let words: Vec<&str> = words_of(&prose).collect();
    let layer_at = |at: usize| words.get(at).and_then(|word| word.parse::<Layer>().ok());
    for at in 0..words.len() {
        if !matches!(words[at], "use" | "with" | "on" | "at") {
            continue;
        }
        let before = at.checked_sub(1).map(|before| words[before]);
        if matches!(
            before,
            Some("not" | "don't" | "dont" | "never" | "cannot" | "can't" | "without")
        ) {
            continue;
        }
        let is_spelled_out = words.get(at + 1).is_some_and(|word| *word == "layer");
        let mut place = at + 1 + usize::from(is_spelled_out);
        let Some(layer) = layer_at(place) else { continue };
        while layer_at(place).is_some()
            || words.get(place).is_some_and(|word| matches!(*word, "and" | "or"))
        {
            place += 1;
        }
        let is_other = words.get(place).is_some_and(|word| NO_LAYER_AFTER.contains(word));
        if is_spelled_out || !is_other {
            return Some(layer);
        }
    }
    None
}

/// A text parted into what is said and what is pasted between code fences.
#[derive(Debug, Default)]
pub(crate) struct Split {
    pub(crate) prose: String,
    pub(crate) code: String,
    /// True where there is a fence, closed or not.
    pub(crate) has_fence: bool,
}

impl Split {
    pub(crate) fn of(text: &str) -> Self {
        let mut split = Self::default();
        let mut fence: Option<&str> = None;
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_start();
            let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
            match (fence, mark) {
                (None, Some(mark)) => {
                    split.has_fence = true;
                    // A fence that opens and closes within one line.
                    if trimmed[mark.len()..].contains(mark) {
                        split.code.push_str(line);
                    } else {
                        fence = Some(mark);
                    }
                }
                (Some(open), Some(mark)) if open == mark => fence = None,
                (Some(_), _) => split.code.push_str(line),
                (None, None) if line.starts_with("    ") || line.starts_with('\t') => {
                    split.code.push_str(line);
                }
                (None, None) => split.prose.push_str(line),
            }
        }
        split.has_fence |= text.contains("```");
        split
    }
}

/// Takes out what stands between single backticks.
fn without_inline_code(prose: &str) -> String {
    let pieces: Vec<&str> = prose.split('`').collect();
    // An odd number of backticks leaves the last one without a partner: the rest is prose.
    let last = pieces.len() - 1;
    let is_prose = |at: usize| at.is_multiple_of(2) || (at == last && last % 2 == 1);
    let kept: Vec<&str> = pieces
        .iter()
        .enumerate()
        .filter(|(at, _)| is_prose(*at))
        .map(|(_, piece)| *piece)
        .collect();
    kept.join(" ` ")
}

/// The text in small letters, with plain apostrophes: what words are looked up in.
pub(crate) fn small(text: &str) -> String {
    let lower = text.to_lowercase();
    if lower.contains('\u{2019}') { lower.replace('\u{2019}', "'") } else { lower }
}

/// The words of a text: runs of letters and digits; an apostrophe inside a word belongs to it, an
/// underscore does not.
pub(crate) fn words_of(small: &str) -> impl Iterator<Item = &str> {
    small
        .split(|letter: char| !letter.is_alphanumeric() && letter != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
}

/// Words a reader would count. Scripts without spaces count two characters as a word.
pub(crate) fn count_words(text: &str) -> usize {
    let (mut words, mut unspaced) = (0, 0_usize);
    for run in text.split_whitespace() {
        let here = run.chars().filter(|letter| is_unspaced(*letter)).count();
        unspaced += here;
        if here == 0 || run.chars().any(|letter| letter.is_alphanumeric() && !is_unspaced(letter)) {
            words += 1;
        }
    }
    words + unspaced.div_ceil(2)
}

/// Han, kana, Thai, Lao, Khmer, Burmese: written without spaces between words.
pub(crate) fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// A text made ready for many look-ups of phrases.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    text: &'a str,
    words: Vec<&'a str>,
    known: HashSet<&'a str>,
    /// True where it has a script without spaces, in which phrases have no boundaries.
    has_unspaced: bool,
}

impl<'a> Words<'a> {
    /// Reads a text that [`small`] made.
    pub(crate) fn of(small: &'a str) -> Self {
        let words: Vec<&str> = words_of(small).collect();
        let known = words.iter().copied().collect();
        let has_unspaced = !small.is_ascii() && small.chars().any(is_unspaced);
        Self { text: small, words, known, has_unspaced }
    }

    /// True where the phrase (small letters, one space between words) stands in the text.
    pub(crate) fn has(&self, phrase: &str) -> bool {
        if !phrase.is_ascii() && phrase.chars().any(is_unspaced) {
            return self.has_unspaced && self.text.contains(phrase);
        }
        let Some((first, rest)) = phrase.split_once(' ') else {
            return self.known.contains(phrase);
        };
        let follows = |at: usize| {
            let mut have = self.words[at + 1..].iter();
            rest.split(' ').all(|wanted| have.next().is_some_and(|have| *have == wanted))
        };
        self.known.contains(first)
            && (0..self.words.len()).any(|at| self.words[at] == first && follows(at))
    }

    pub(crate) fn has_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.has(phrase))
    }
}

#[cfg(test)]
mod tests;
