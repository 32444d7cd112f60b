//! Reading a folder of outcome data into [`Outcomes`].

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use gw_core::money::Rate;
use gw_core::{Error, Kind, Result};
use gw_routing::signal::Signals;
use serde::Deserialize;

use super::{LeftOut, Model, Outcomes, Prompt, assumed_tokens};

/// Bytes read of one file at most.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Prompts of one set at most.
const PROMPTS_MAX: usize = 1_000_000;

/// Reads a folder. `pool` names the models to use; empty takes all that are priced and answered at
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
    let (models, skipped) = choose_models(&quality, &prices, pool, folder)?;
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
    for prompt in prompts {
        if !seen.insert(gw_routing::signal::hash_bytes(prompt.text.trim().as_bytes())) {
            outcomes.left_out.duplicate_prompts += 1;
            continue;
        }
        let scores: Option<Vec<f32>> =
            names.iter().map(|name| quality.number(&prompt.id, name)).collect();
        let Some(scores) = scores else {
            outcomes.left_out.incomplete_prompts += 1;
            continue;
        };
        if let Some(score) = scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
            return Err(bad(
                folder,
                "quality.csv",
                format!("{}: {score} is not 0 to 1", prompt.id),
            ));
        }
        tables.add(&mut outcomes, &names, &prompt);
        outcomes.quality.extend(scores);
        outcomes.prompts.push(prompt);
    }
    if outcomes.prompts.len() < 50 {
        let count = outcomes.prompts.len();
        return Err(bad(folder, "", format!("only {count} prompts were answered by every model")));
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
    folder: &Path,
) -> Result<(Vec<Model>, usize)> {
    let price = |name: &str| prices.get(name).copied().flatten();
    let mut models = Vec::new();
    if pool.is_empty() {
        for name in &quality.columns {
            let answered = quality.filled(name);
            let hides_tokens = ["o1-", "o3-"].iter().any(|hidden| name.starts_with(hidden));
            let is_whole = answered * 20 >= quality.rows.len() * 19;
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
        id: String,
        #[serde(default)]
        task: String,
        #[serde(default)]
        sub: String,
        prompt: String,
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
        prompts.push(Prompt { id: line.id, task: line.task, sub: line.sub, text: line.prompt });
        if prompts.len() > PROMPTS_MAX {
            return Err(bad(folder, "prompts.jsonl", format!("has more than {PROMPTS_MAX} lines")));
        }
    }
    Ok(prompts)
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
        let mut reader = csv::Reader::from_reader(source);
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
        self.cell(id, column)?.trim().parse().ok().filter(|number: &f32| number.is_finite())
    }

    fn filled(&self, column: &str) -> usize {
        let Some(at) = self.places.get(column) else { return 0 };
        self.rows
            .values()
            .filter(|row| row.get(at + 1).is_some_and(|cell| !cell.is_empty()))
            .count()
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
