//! Rules that tell the price of a model by its name: the matching rules of the price list, as data.
//!
//! A model name that nobody listed (a dated snapshot, a new region's prefix) is priced by the first
//! rule of its provider that matches, then by the providers that one falls back to.

use std::collections::HashMap;

use crate::price::DatedPrice;

/// One way for a name to match. Case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// The whole name.
    Equals(String),
    /// Its beginning.
    StartsWith(String),
    /// Its end.
    EndsWith(String),
    /// Any part of it.
    Contains(String),
    /// A pattern from the beginning, in which `#` is any digit; the flag says that the name must
    /// end where the pattern ends.
    Digits(String, bool),
}

impl Clause {
    /// Reads `=name`, `^start`, `$end`, `*part`, `#pattern` or `##whole pattern`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = |mark: &str| text.strip_prefix(mark).map(str::to_owned);
        if let Some(whole) = rest("##") {
            return Some(Self::Digits(whole, true));
        }
        rest("=")
            .map(Self::Equals)
            .or_else(|| rest("^").map(Self::StartsWith))
            .or_else(|| rest("$").map(Self::EndsWith))
            .or_else(|| rest("*").map(Self::Contains))
            .or_else(|| rest("#").map(|pattern| Self::Digits(pattern, false)))
    }

    /// Writes what [`Clause::parse`] reads.
    pub fn to_text(&self) -> String {
        match self {
            Self::Equals(text) => format!("={text}"),
            Self::StartsWith(text) => format!("^{text}"),
            Self::EndsWith(text) => format!("${text}"),
            Self::Contains(text) => format!("*{text}"),
            Self::Digits(pattern, false) => format!("#{pattern}"),
            Self::Digits(pattern, true) => format!("##{pattern}"),
        }
    }

    /// True where the name matches.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) => name == text,
            Self::StartsWith(text) => name.starts_with(text.as_str()),
            Self::EndsWith(text) => name.ends_with(text.as_str()),
            Self::Contains(text) => name.contains(text.as_str()),
            Self::Digits(pattern, is_whole) => {
                let mut letters = name.chars();
                let fits = pattern.chars().all(|wanted| {
                    letters.next().is_some_and(|letter| match wanted {
                        '#' => letter.is_ascii_digit(),
                        _ => letter == wanted,
                    })
                });
                fits && (!is_whole || letters.next().is_none())
            }
        }
    }
}

/// The prices of the models whose names match.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name in the price list.
    pub id: String,
    /// Any of these matches.
    pub clauses: Vec<Clause>,
    /// The prices.
    pub prices: Vec<DatedPrice>,
    /// Most tokens of prompt and answer, where the price list says.
    pub context_window: Option<u64>,
    /// True where the provider withdraws the model.
    pub is_deprecated: bool,
}

/// All rules, by provider, in the order of the price list.
#[derive(Clone, Debug, Default)]
pub struct RuleBook {
    providers: HashMap<String, ProviderRules>,
}

#[derive(Clone, Debug, Default)]
struct ProviderRules {
    rules: Vec<Rule>,
    /// First rule that names a model literally.
    by_name: HashMap<String, usize>,
    /// Rules with a clause that is not a literal name.
    patterns: Vec<usize>,
    fallbacks: Vec<String>,
}

impl RuleBook {
    /// Adds a rule after those of the same provider.
    pub fn push(&mut self, rules_provider: &str, rule: Rule) {
        let provider = self.providers.entry(rules_provider.to_owned()).or_default();
        let at = provider.rules.len();
        for clause in &rule.clauses {
            match clause {
                Clause::Equals(name) => {
                    provider.by_name.entry(name.clone()).or_insert(at);
                }
                _ if provider.patterns.last() != Some(&at) => provider.patterns.push(at),
                _ => {}
            }
        }
        provider.rules.push(rule);
    }

    /// Says whose rules are asked next where none of a provider's own matches.
    pub fn set_fallbacks(&mut self, rules_provider: &str, fallbacks: Vec<String>) {
        self.providers.entry(rules_provider.to_owned()).or_default().fallbacks = fallbacks;
    }

    /// The first rule that matches a model of a catalogue provider.
    pub fn find(&self, catalog_provider: &str, name: &str) -> Option<&Rule> {
        let provider = self.providers.get(rules_provider(catalog_provider))?;
        provider.find(name).or_else(|| {
            let mut others = provider.fallbacks.iter();
            others.find_map(|other| self.providers.get(other.as_str())?.find(name))
        })
    }

    /// The rules of a provider of the price list.
    pub fn rules(&self, rules_provider: &str) -> &[Rule] {
        self.providers.get(rules_provider).map_or(&[], |provider| &provider.rules)
    }
}

impl ProviderRules {
    fn find(&self, name: &str) -> Option<&Rule> {
        let literal = self.by_name.get(name).copied();
        let pattern = self
            .patterns
            .iter()
            .copied()
            .find(|&at| self.rules[at].clauses.iter().any(|clause| clause.matches(name)));
        let at = match (literal, pattern) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        self.rules.get(at)
    }
}

/// What the price list calls a provider of the catalogue.
pub fn rules_provider(catalog_provider: &str) -> &str {
    match catalog_provider {
        "bedrock" => "aws",
        "gemini" | "vertexai" => "google",
        "xai" => "x-ai",
        other => other,
    }
}

/// What the catalogue calls a provider that the price list calls otherwise.
pub fn catalog_provider(name: &str) -> &str {
    match name {
        "aws" => "bedrock",
        "google" => "gemini",
        "x-ai" => "xai",
        other => other,
    }
}

#[cfg(test)]
mod tests;
