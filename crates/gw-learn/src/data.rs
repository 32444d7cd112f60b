//! Outcome data: what each model really answered to each prompt, read from a folder.
//!
//! The shape (see `docs/routing-data.md`): `prompts.jsonl(.gz)` with id, task, sub and prompt;
//! `quality.csv(.gz)` id × model, 0 to 1, empty where not run; `models.json` model → list price in
//! dollars per million tokens; where known `in_tokens`, `out_tokens` and `answers` tables.

mod read;
mod sparse;

use gw_core::Money;
use gw_routing::signal::{Signals, Tag, TaskClass};

pub use read::load;

/// A model of the data.
#[derive(Clone, Debug)]
pub struct Model {
    /// As the data calls it.
    pub name: String,
    /// Pico-dollars for a token of the prompt and of the answer; `None` where unpriced.
    pub price: Option<(u64, u64)>,
}

/// A prompt.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Its id in every table.
    pub id: String,
    /// The task it belongs to.
    pub task: String,
    /// Part of the task: a subject, a source.
    pub sub: String,
    /// The words.
    pub text: String,
    /// The application that asked, where the data knows it; else the task stands for it.
    pub tag: Option<Tag>,
    /// When it was asked, in milliseconds since 1970, where the data knows it.
    pub at_ms: Option<i64>,
}

/// Outcomes of a pool of models: every prompt here was answered by every model.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// Name of the folder.
    pub name: String,
    /// The pool.
    pub models: Vec<Model>,
    /// Prompts, each text once.
    pub prompts: Vec<Prompt>,
    /// How good each answer was, 0 to 1, prompt-major.
    pub quality: Vec<f32>,
    /// Tokens of each prompt as each model counts, prompt-major.
    pub in_tokens: Vec<u32>,
    /// Tokens of each answer, prompt-major.
    pub out_tokens: Vec<u32>,
    /// True where no table of answer lengths was there: lengths are constants of the task's class.
    pub is_length_assumed: bool,
    /// Normalised final answers, prompt-major; empty where the data has none.
    pub answers: Vec<Option<String>>,
    /// What was left out while reading, for the report.
    pub left_out: LeftOut,
}

/// What was not used of the data.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct LeftOut {
    /// Prompts whose text was there before.
    pub duplicate_prompts: usize,
    /// Prompts that some model of the pool did not answer.
    pub incomplete_prompts: usize,
    /// Models that are unpriced, hide tokens, or did not answer most prompts.
    pub models: usize,
}

impl Outcomes {
    /// Number of models.
    pub fn width(&self) -> usize {
        self.models.len()
    }

    /// How good a model's answer to a prompt was, 0 to 1.
    pub fn quality_of(&self, row: usize, model: usize) -> f32 {
        self.quality[row * self.width() + model]
    }

    /// What a model's answer to a prompt cost.
    pub fn cost_of(&self, row: usize, model: usize) -> Money {
        let at = row * self.width() + model;
        self.price(model, u64::from(self.in_tokens[at]), u64::from(self.out_tokens[at]))
    }

    /// What a prompt costs with an answer of so many tokens.
    pub fn price(&self, model: usize, in_tokens: u64, out_tokens: u64) -> Money {
        let (input, output) = self.models[model].price.unwrap_or_default();
        let pico =
            input.saturating_mul(in_tokens).saturating_add(output.saturating_mul(out_tokens));
        Money::from_pico(i64::try_from(pico).unwrap_or(i64::MAX))
    }

    /// The normalised answer of a model, where the data has it.
    pub fn answer_of(&self, row: usize, model: usize) -> Option<&str> {
        self.answers.get(row * self.width() + model)?.as_deref()
    }

    /// The place of a model: by its name, or by the only name that contains the words.
    pub fn find(&self, name: &str) -> Option<usize> {
        if let Some(at) = self.models.iter().position(|model| model.name == name) {
            return Some(at);
        }
        let small = name.to_lowercase();
        let mut hits = self
            .models
            .iter()
            .enumerate()
            .filter(|(_, model)| model.name.to_lowercase().contains(&small));
        match (hits.next(), hits.next()) {
            (Some((at, _)), None) => Some(at),
            _ => None,
        }
    }
}

/// Tokens assumed for an answer where the data has no lengths: they weigh prompts among each other,
/// and leave the ratio between models to their prices.
pub const fn assumed_tokens(class: TaskClass) -> u32 {
    match class {
        TaskClass::Choice | TaskClass::Question => 30,
        TaskClass::Maths | TaskClass::Notation => 250,
        TaskClass::Code => 300,
        TaskClass::Prose => 120,
        TaskClass::Long => 350,
    }
}

/// The signals of every prompt, without tags.
pub fn signals_of(outcomes: &Outcomes) -> Vec<Signals> {
    outcomes.prompts.iter().map(|prompt| Signals::of(&prompt.text, None)).collect()
}

impl Outcomes {
    /// Leaves only the prompts of one task.
    ///
    /// # Errors
    /// [`gw_core::Kind::InvalidRequest`] where fewer than fifty prompts are left.
    pub fn keep_task(&mut self, task: &str) -> gw_core::Result<()> {
        let width = self.width();
        let kept: Vec<usize> = (0..self.prompts.len())
            .filter(|row| self.prompts[*row].task.eq_ignore_ascii_case(task))
            .collect();
        if kept.len() < 50 {
            let known: std::collections::BTreeSet<&str> =
                self.prompts.iter().map(|prompt| &*prompt.task).take(100_000).collect();
            let known: Vec<&str> = known.into_iter().take(20).collect();
            let message = format!(
                "{}: task `{task}` has {} prompts; there are {}",
                self.name,
                kept.len(),
                known.join(", ")
            );
            return Err(
                gw_core::Error::new(gw_core::Kind::InvalidRequest, message).with_field("--only")
            );
        }
        fn part<T: Clone>(all: &[T], kept: &[usize], width: usize) -> Vec<T> {
            let rows = kept.iter().filter_map(|row| all.get(row * width..(row + 1) * width));
            rows.flatten().cloned().collect()
        }
        self.prompts = part(&self.prompts, &kept, 1);
        self.quality = part(&self.quality, &kept, width);
        self.in_tokens = part(&self.in_tokens, &kept, width);
        self.out_tokens = part(&self.out_tokens, &kept, width);
        self.answers = part(&self.answers, &kept, width);
        Ok(())
    }
}
