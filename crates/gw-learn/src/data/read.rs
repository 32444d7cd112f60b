//! Reading a folder of outcome data into [`Outcomes`].

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use gw_core::money::Rate;
use gw_core::{Error, Kind, Result};
use gw_routing::signal::{Signals, Tag, tag_of_words};
use serde::Deserialize;

use super::sparse::{self, MEASURED_MIN, Measured};
use super::{LeftOut, Model, Outcomes, Prompt, assumed_tokens};

/// Bytes read of one file at most.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Prompts of one set at most.
const PROMPTS_MAX: usize = 1_000_000;

/// Reads a folder. With a table of propensities it is a gateway's own log, where models answered some
/// prompts only. `pool` names the models to use; empty takes all that are priced and answered at
/// least nineteen prompts of twenty, apart from those that hide the tokens they think with.
///
/// # Errors
/// [`Kind::InvalidRequest`] where a file is missing or not of the documented shape, or a model of `pool`
/// is not there or unpriced.
pub fn load(folder: &Path, pool: &[String]) -> Result<Outcomes> {
    let prompts = prompts(folder)?;
    let prices = prices(folder)?;
    let quality =
        Table::read(folder, "quality")?.ok_or_else(|| bad(folder, "quality.csv", "is missing"))?;
    let propensity = Table::read(folder, "propensity")?;
    let least = if propensity.is_some() { MEASURED_MIN } else { quality.rows.len() * 19 / 20 };
    let (models, skipped) = choose_models(&quality, &prices, pool, least, folder)?;
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let tables = Tables {
        in_tokens: Table::read(folder, "in_tokens")?,
        out_tokens: Table::read(folder, "out_tokens")?,
        answers: Table::read(folder, "answers")?,
    };
    let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let mut outcomes = Outcomes {
        name,
        models: models.clone(),
        prompts: Vec::new(),
        quality: Vec::new(),
        in_tokens: Vec::new(),
        out_tokens: Vec::new(),
        is_length_assumed: tables.out_tokens.is_none(),
        answers: Vec::new(),
        left_out: LeftOut { models: skipped, ..LeftOut::default() },
    };
    let mut seen = HashSet::new();
    let mut measured: Vec<Measured> = Vec::new();
    for prompt in prompts {
        // Where words were not kept there is nothing to compare.
        let has_words = !prompt.text.trim().is_empty();
        if has_words && !seen.insert(gw_routing::signal::hash_bytes(prompt.text.trim().as_bytes()))
        {
            outcomes.left_out.duplicate_prompts += 1;
            continue;
        }
        let scores: Vec<Option<f32>> =
            names.iter().map(|name| quality.number(&prompt.id, name)).collect();
        let is_missing = |score: &Option<f32>| score.is_none();
        let is_useless = match &propensity {
            Some(_) => scores.iter().all(is_missing),
            None => scores.iter().any(is_missing),
        };
        if is_useless {
            outcomes.left_out.incomplete_prompts += 1;
            continue;
        }
        if let Some(score) = scores.iter().flatten().find(|score| !(0.0..=1.0).contains(*score)) {
            return Err(bad(
                folder,
                "quality.csv",
                format!("{}: {score} is not 0 to 1", prompt.id),
            ));
        }
        tables.add(&mut outcomes, &names, &prompt);
        outcomes.quality.extend(scores.iter().map(|score| score.unwrap_or_default()));
        if let Some(propensity) = &propensity {
            let likely = |name: &&str| propensity.number(&prompt.id, name).unwrap_or(1.0);
            let cells = scores.iter().zip(&names);
            measured.extend(cells.map(|(score, name)| score.map(|score| (score, likely(name)))));
        }
        outcomes.prompts.push(prompt);
    }
    if outcomes.prompts.len() < 50 {
        let count = outcomes.prompts.len();
        let what = if propensity.is_some() { "judged" } else { "answered by every model" };
        return Err(bad(folder, "", format!("only {count} prompts were {what}; fifty are needed")));
    }
    if propensity.is_some() {
        sparse::fill(&mut outcomes, &measured);
    }
    Ok(outcomes)
}

struct Tables {
    in_tokens: Option<Table>,
    out_tokens: Option<Table>,
    answers: Option<Table>,
}

impl Tables {
    fn add(&self, outcomes: &mut Outcomes, names: &[&str], prompt: &Prompt) {
        let characters = u32::try_from(prompt.text.chars().count()).unwrap_or(u32::MAX);
        let assumed = assumed_tokens(Signals::of(&prompt.text, None).class);
        let tokens = |table: &Option<Table>, name: &str, otherwise: u32| {
            let number = table.as_ref().and_then(|table| table.number(&prompt.id, name));
            number.map_or(otherwise, whole)
        };
        for name in names {
            outcomes.in_tokens.push(tokens(&self.in_tokens, name, characters.div_ceil(4)));
            outcomes.out_tokens.push(tokens(&self.out_tokens, name, assumed));
            if let Some(answers) = &self.answers {
                let answer = answers.cell(&prompt.id, name).filter(|answer| *answer != "-");
                outcomes
                    .answers
                    .push(answer.filter(|answer| !answer.is_empty()).map(str::to_owned));
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held in range before")]
fn whole(number: f32) -> u32 {
    number.clamp(0.0, 1e9).round() as u32
}

fn choose_models(
    quality: &Table,
    prices: &HashMap<String, Option<(u64, u64)>>,
    pool: &[String],
    least: usize,
    folder: &Path,
) -> Result<(Vec<Model>, usize)> {
    let price = |name: &str| prices.get(name).copied().flatten();
    let mut models = Vec::new();
    if pool.is_empty() {
        for name in &quality.columns {
            let answered = quality.filled(name);
            let hides_tokens = ["o1-", "o3-"].iter().any(|hidden| name.starts_with(hidden));
            let is_whole = answered >= least;
            if price(name).is_some() && is_whole && !hides_tokens {
                models.push(Model { name: name.clone(), price: price(name) });
            }
        }
    }
    for wanted in pool {
        let name = quality.find_column(wanted).ok_or_else(|| {
            let known = quality.columns.join(", ");
            bad(folder, "quality.csv", format!("has no single model `{wanted}`; it has {known}"))
        })?;
        if price(name).is_none() {
            return Err(bad(folder, "models.json", format!("has no price for `{name}`")));
        }
        models.push(Model { name: name.to_owned(), price: price(name) });
    }
    if models.len() < 2 {
        return Err(bad(folder, "quality.csv", "has fewer than two priced models to choose from"));
    }
    if models.len() > gw_routing::estimate::MODELS_MAX {
        return Err(bad(folder, "quality.csv", "has too many models; name some with --models"));
    }
    let skipped = quality.columns.len() - models.len();
    Ok((models, skipped))
}

fn prompts(folder: &Path) -> Result<Vec<Prompt>> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(deserialize_with = "word")]
        id: String,
        #[serde(default, deserialize_with = "word")]
        task: String,
        #[serde(default, deserialize_with = "word")]
        sub: String,
        prompt: String,
        #[serde(default)]
        tag: Option<String>,
        #[serde(default)]
        at_ms: Option<i64>,
    }
    let source =
        open(folder, "prompts.jsonl")?.ok_or_else(|| bad(folder, "prompts.jsonl", "is missing"))?;
    let mut prompts = Vec::new();
    for (at, line) in BufReader::new(source).lines().enumerate() {
        let line = line.map_err(|error| bad(folder, "prompts.jsonl", error))?;
        if line.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&line)
            .map_err(|error| bad(folder, "prompts.jsonl", format!("line {}: {error}", at + 1)))?;
        let tag = line.tag.as_deref().map(|tag| {
            let number = u64::from_str_radix(tag, 16).ok().filter(|_| tag.len() == 16);
            number.map_or_else(|| tag_of_words(tag), Tag)
        });
        let Line { id, task, sub, prompt, at_ms, .. } = line;
        prompts.push(Prompt { id, task, sub, text: prompt, tag, at_ms });
        if prompts.len() > PROMPTS_MAX {
            return Err(bad(folder, "prompts.jsonl", format!("has more than {PROMPTS_MAX} lines")));
        }
    }
    Ok(prompts)
}

/// A word, or a number that stands for one; `null` is none.
fn word<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<String, D::Error> {
    use serde::de::Error as _;
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        serde_json::Value::Null => Ok(String::new()),
        _ => Err(D::Error::custom("is neither a word nor a number")),
    }
}

fn prices(folder: &Path) -> Result<HashMap<String, Option<(u64, u64)>>> {
    #[derive(Deserialize)]
    struct Price {
        #[serde(rename = "in")]
        input: Option<serde_json::Number>,
        #[serde(rename = "out")]
        output: Option<serde_json::Number>,
    }
    let source =
        open(folder, "models.json")?.ok_or_else(|| bad(folder, "models.json", "is missing"))?;
    let listed: HashMap<String, Option<Price>> = serde_json::from_reader(BufReader::new(source))
        .map_err(|error| bad(folder, "models.json", error))?;
    let rate = |number: &Option<serde_json::Number>| {
        let text = number.as_ref()?.to_string();
        Rate::from_usd_per_million(&text).map(Rate::pico_per_unit)
    };
    let both = |price: Option<Price>| {
        price.and_then(|price| Some((rate(&price.input)?, rate(&price.output)?)))
    };
    Ok(listed.into_iter().map(|(name, price)| (name, both(price))).collect())
}

/// A table id × model, cells as text.
struct Table {
    columns: Vec<String>,
    places: HashMap<String, usize>,
    rows: HashMap<String, csv::StringRecord>,
}

impl Table {
    /// `None` where the folder has no such file.
    fn read(folder: &Path, name: &str) -> Result<Option<Self>> {
        let file = format!("{name}.csv");
        let Some(source) = open(folder, &file)? else { return Ok(None) };
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(source);
        let wrong = |error: csv::Error| bad(folder, &file, error);
        let columns: Vec<String> =
            reader.headers().map_err(wrong)?.iter().skip(1).map(str::to_owned).collect();
        let places = columns.iter().cloned().zip(0..).collect();
        let mut rows = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(wrong)?;
            if rows.len() >= PROMPTS_MAX {
                return Err(bad(folder, &file, format!("has more than {PROMPTS_MAX} rows")));
            }
            rows.insert(record.get(0).unwrap_or_default().to_owned(), record);
        }
        Ok(Some(Self { columns, places, rows }))
    }

    fn cell(&self, id: &str, column: &str) -> Option<&str> {
        self.rows.get(id)?.get(self.places.get(column)? + 1)
    }

    fn number(&self, id: &str, column: &str) -> Option<f32> {
        number_of(self.cell(id, column)?)
    }

    fn filled(&self, column: &str) -> usize {
        let Some(at) = self.places.get(column) else { return 0 };
        self.rows.values().filter(|row| row.get(at + 1).and_then(number_of).is_some()).count()
    }

    /// A column by its name, or by the only name that contains the words.
    fn find_column(&self, wanted: &str) -> Option<&str> {
        let wanted = wanted.trim();
        if let Some((name, _)) = self.places.get_key_value(wanted) {
            return Some(name);
        }
        let small = wanted.to_lowercase();
        let mut hits = self.columns.iter().filter(|name| name.to_lowercase().contains(&small));
        match (hits.next(), hits.next()) {
            (Some(name), None) => Some(name),
            _ => None,
        }
    }
}

/// The number of a cell; `None` for an empty one, a word, or no number (`NaN`).
fn number_of(cell: &str) -> Option<f32> {
    cell.trim().parse().ok().filter(|number: &f32| number.is_finite())
}

/// Opens a file as it is or compressed; `None` where neither is there.
fn open(folder: &Path, name: &str) -> Result<Option<Box<dyn Read>>> {
    let plain = folder.join(name);
    if plain.is_file() {
        let file = File::open(&plain).map_err(|error| bad(folder, name, error))?;
        return Ok(Some(Box::new(file.take(FILE_BYTES_MAX))));
    }
    let packed = folder.join(format!("{name}.gz"));
    if packed.is_file() {
        let file = File::open(&packed).map_err(|error| bad(folder, name, error))?;
        return Ok(Some(Box::new(MultiGzDecoder::new(file).take(FILE_BYTES_MAX))));
    }
    Ok(None)
}

fn bad(folder: &Path, file: &str, what: impl std::fmt::Display) -> Error {
    let place = folder.join(file);
    Error::new(Kind::InvalidRequest, format!("{}: {what}", place.display()))
        .with_field("--data")
        .with_hint("`ai-mcp-gateway route eval --help` says which files a folder of outcomes has.")
}
