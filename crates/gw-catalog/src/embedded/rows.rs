//! One line of each table, both ways: the converter writes what the catalogue reads.
//!
//! Cells are parted by tabs, trailing empty ones left off. Modalities and abilities are letters.

use crate::offering::{Capabilities, Modality};
use crate::price::DatedPrice;
use crate::price_text;
use crate::rules::{Clause, Rule, RuleBook};

const MODALITIES: [(Modality, char); 8] = [
    (Modality::Text, 't'),
    (Modality::Image, 'i'),
    (Modality::Pdf, 'p'),
    (Modality::Audio, 'a'),
    (Modality::Video, 'v'),
    (Modality::Embeddings, 'e'),
    (Modality::Rerank, 'r'),
    (Modality::Moderation, 'm'),
];

/// What a model is, whoever sells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelRow {
    /// Its identity.
    pub model: String,
    /// For people.
    pub display_name: String,
    /// Models of one family share their errors.
    pub family: String,
    /// The day it came out.
    pub released: Option<String>,
    /// Most tokens of prompt and answer.
    pub context_window: Option<u64>,
    /// Most tokens of an answer.
    pub max_output_tokens: Option<u64>,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// Who sells a model, under which name, and what is different there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfferingRow {
    /// The catalogue provider.
    pub provider: String,
    /// The provider's name for it.
    pub name: String,
    /// Its identity.
    pub model: String,
    /// Set where it differs from the model's.
    pub released: Option<String>,
    /// Set where it differs from the model's.
    pub context_window: Option<u64>,
    /// Set where it differs from the model's.
    pub max_output_tokens: Option<u64>,
    /// Set where it differs from the model's.
    pub input: Option<Vec<Modality>>,
    /// Set where it differs from the model's.
    pub output: Option<Vec<Modality>>,
    /// Abilities, set where they differ from the model's (modalities apart).
    pub flags: Option<Capabilities>,
    /// Prices, where no rule tells them.
    pub prices: Vec<DatedPrice>,
}

/// Lines that hold data: not empty, no comment.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}

impl ModelRow {
    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut cells = line.split('\t');
        let mut next = || cells.next().unwrap_or_default();
        let (model, display_name, family) = (next(), next(), next());
        let (released, context, most) = (next(), next(), next());
        let (input, output, flags, efforts) = (next(), next(), next(), next());
        let words = |text: &str| {
            text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        Some(Self {
            model: (!model.is_empty()).then(|| model.to_owned())?,
            display_name: display_name.to_owned(),
            family: family.to_owned(),
            released: (!released.is_empty()).then(|| released.to_owned()),
            context_window: number(context)?,
            max_output_tokens: number(most)?,
            capabilities: Capabilities {
                input: modalities(input)?,
                output: modalities(output)?,
                efforts: words(efforts),
                ..abilities(flags)?
            },
        })
    }

    /// Writes what [`ModelRow::parse`] reads.
    pub fn to_line(&self) -> String {
        let capabilities = &self.capabilities;
        let cells = [
            self.model.clone(),
            self.display_name.clone(),
            self.family.clone(),
            self.released.clone().unwrap_or_default(),
            number_text(self.context_window),
            number_text(self.max_output_tokens),
            letters(&capabilities.input),
            letters(&capabilities.output),
            ability_letters(capabilities),
            capabilities.efforts.join(" "),
        ];
        cells.join("\t").trim_end_matches('\t').to_owned()
    }
}

impl OfferingRow {
    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut cells = line.split('\t');
        let mut row = Self {
            provider: cells.next()?.to_owned(),
            name: cells.next()?.to_owned(),
            model: cells.next()?.to_owned(),
            ..Self::default()
        };
        for cell in cells {
            let (key, value) = cell.split_once(':')?;
            match key {
                "released" => row.released = Some(value.to_owned()),
                "context" => row.context_window = number(value)?,
                "output" => row.max_output_tokens = number(value)?,
                "reads" => row.input = Some(modalities(value)?),
                "writes" => row.output = Some(modalities(value)?),
                "can" => row.flags = Some(abilities(value)?),
                "price" => row.prices = price_text::parse(value).ok()?,
                _ => return None,
            }
        }
        (!row.name.is_empty() && !row.model.is_empty()).then_some(row)
    }

    /// Writes what [`OfferingRow::parse`] reads.
    pub fn to_line(&self) -> String {
        let mut line = format!("{}\t{}\t{}", self.provider, self.name, self.model);
        let mut cell = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                line.push_str(&format!("\t{key}:{value}"));
            }
        };
        cell("released", self.released.clone());
        cell("context", self.context_window.map(|tokens| tokens.to_string()));
        cell("output", self.max_output_tokens.map(|tokens| tokens.to_string()));
        cell("reads", self.input.as_deref().map(letters));
        cell("writes", self.output.as_deref().map(letters));
        cell("can", self.flags.as_ref().map(ability_letters));
        cell("price", (!self.prices.is_empty()).then(|| price_text::format(&self.prices)));
        line
    }
}

/// Reads the table of rules.
///
/// # Errors
/// The line that is not understood.
pub fn parse_rules(text: &str) -> Result<RuleBook, String> {
    let mut book = RuleBook::default();
    for line in lines(text) {
        let bad = || format!("rules.tsv: `{line}`");
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        if cell(0) == "!fallback" {
            let others = cell(2).split(' ').map(str::to_owned).collect();
            book.set_fallbacks(cell(1), others);
            continue;
        }
        let clauses: Option<Vec<Clause>> = cell(2).split(' ').map(Clause::parse).collect();
        let rule = Rule {
            id: cell(1).to_owned(),
            clauses: clauses.ok_or_else(bad)?,
            prices: price_text::parse(cell(3)).map_err(|word| format!("{}: {word}", bad()))?,
            context_window: number(cell(4)).ok_or_else(bad)?,
            is_deprecated: cell(5) == "deprecated",
        };
        book.push(cell(0), rule);
    }
    Ok(book)
}

/// Writes a line of the table of rules.
pub fn rule_line(rules_provider: &str, rule: &Rule) -> String {
    let clauses: Vec<String> = rule.clauses.iter().map(Clause::to_text).collect();
    let cells = [
        rules_provider.to_owned(),
        rule.id.clone(),
        clauses.join(" "),
        price_text::format(&rule.prices),
        number_text(rule.context_window),
        if rule.is_deprecated { "deprecated".to_owned() } else { String::new() },
    ];
    cells.join("\t").trim_end_matches('\t').to_owned()
}

/// The outer `None` is text that is no number.
#[expect(clippy::option_option, reason = "absent and unreadable are two answers")]
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

fn number_text(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn modalities(text: &str) -> Option<Vec<Modality>> {
    let known =
        |letter| MODALITIES.iter().find(|(_, known)| *known == letter).map(|(found, _)| *found);
    text.chars().map(known).collect()
}

fn letters(modalities: &[Modality]) -> String {
    MODALITIES
        .iter()
        .filter(|(known, _)| modalities.contains(known))
        .map(|(_, letter)| letter)
        .collect()
}

/// `f` calls functions, `s` follows schemas, `r` reasons, `y` takes a temperature, `n` refuses it.
fn abilities(text: &str) -> Option<Capabilities> {
    let mut found = Capabilities::default();
    for letter in text.chars() {
        match letter {
            'f' => found.tools = true,
            's' => found.structured_output = true,
            'r' => found.reasoning = true,
            'y' => found.temperature = Some(true),
            'n' => found.temperature = Some(false),
            '-' => {}
            _ => return None,
        }
    }
    Some(found)
}

fn ability_letters(capabilities: &Capabilities) -> String {
    let mut text = String::new();
    let flags = [
        (capabilities.tools, 'f'),
        (capabilities.structured_output, 's'),
        (capabilities.reasoning, 'r'),
    ];
    text.extend(flags.iter().filter(|(has, _)| *has).map(|(_, letter)| *letter));
    text.extend(capabilities.temperature.map(|takes| if takes { 'y' } else { 'n' }));
    if text.is_empty() { "-".to_owned() } else { text }
}
