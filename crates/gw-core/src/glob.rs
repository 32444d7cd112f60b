//! Patterns over names in Redis's words: `*`, `?`, `[a-c]`, `[^a]`, and `\` before a character that
//! means itself. Matching takes time in proportion to pattern times name, whatever the pattern.

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Any,
    One,
    Is(char),
    Among { ranges: Vec<(char, char)>, is_not: bool },
}

impl Glob {
    /// Reads a pattern. Any text is one: a bracket that never closes ends with the text, as in Redis.
    pub fn new(pattern: &str) -> Self {
        let mut steps = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(c) = rest.next() {
            let step = match c {
                '*' if steps.last() == Some(&Step::Any) => continue,
                '*' => Step::Any,
                '?' => Step::One,
                '\\' => Step::Is(rest.next().unwrap_or('\\')),
                '[' => among(&mut rest),
                c => Step::Is(c),
            };
            steps.push(step);
        }
        Self { steps }
    }

    /// The pattern that matches this name alone.
    pub fn exactly(name: &str) -> Self {
        Self { steps: name.chars().map(Step::Is).collect() }
    }

    /// True where the whole name matches.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut step, mut at) = (0, 0);
        // Where the last star stands, and up to where it has eaten.
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() {
            match self.steps.get(step) {
                Some(Step::Any) => {
                    star = Some((step, at));
                    step += 1;
                }
                Some(one) if one.takes(name[at]) => {
                    step += 1;
                    at += 1;
                }
                _ => match &mut star {
                    Some((stands, eaten)) => {
                        *eaten += 1;
                        (step, at) = (*stands + 1, *eaten);
                    }
                    None => return false,
                },
            }
        }
        self.steps[step..].iter().all(|step| *step == Step::Any)
    }
}

impl Step {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Is(is) => *is == c,
            Self::Among { ranges, is_not } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *is_not
            }
        }
    }
}

fn among(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Step {
    let is_not = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while let Some(c) = rest.next() {
        let from = match c {
            ']' => break,
            '\\' => rest.next().unwrap_or('\\'),
            c => c,
        };
        let mut after = rest.clone();
        if after.next() == Some('-')
            && let Some(to) = after.next().filter(|to| *to != ']')
        {
            *rest = after;
            ranges.push((from.min(to), from.max(to)));
        } else {
            ranges.push((from, from));
        }
    }
    Step::Among { ranges, is_not }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::Glob;

    #[test]
    fn patterns_match_as_in_redis() {
        let cases = [
            ("*", "", true),
            ("*", "llm:cache:x", true),
            ("", "a", false),
            ("llm:*", "llm:cache:gpt", true),
            ("llm:*:gpt*", "llm:cache:gpt-5", true),
            ("llm:*:gpt", "llm:cache:gpt-5", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a[b", "ab", true),
            ("**a**", "xxaxx", true),
            ("größe*", "größer", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern} on {name}");
        }
    }

    proptest! {
        /// No pattern panics, a name matches itself, and a star takes everything.
        #[test]
        fn any_text_is_a_pattern(pattern in ".{0,40}", name in ".{0,40}") {
            let _ = Glob::new(&pattern).matches(&name);
            prop_assert!(Glob::exactly(&name).matches(&name));
            prop_assert_eq!(Glob::exactly(&pattern).matches(&name), pattern == name);
            let around = Glob::new("*");
            prop_assert!(around.matches(&name));
        }
    }
}
