//! Means by tag, class and overall, each drawn to the one above it by pseudo-counts.

use std::collections::HashMap;

use crate::signal::{Tag, TaskClass};

/// Requests that the wider mean counts for beside a tag's own.
const TAG_PRIOR: f32 = 10.0;
/// Requests that the overall mean counts for beside a class's own.
const CLASS_PRIOR: f32 = 20.0;

/// Requests that the shipped prior counts for beside all measured ones.
const ALL_PRIOR: f32 = 2.0;

/// Tags of one estimator at most; later ones are left to their class.
const TAGS_MAX: usize = 65_536;

/// A count and a sum for each model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Labelled requests, by model.
    pub counts: Vec<f32>,
    /// The sum of what was measured, by model.
    pub sums: Vec<f32>,
}

impl Tally {
    /// Nothing for so many models.
    pub fn new(models: usize) -> Self {
        Self { counts: vec![0.0; models], sums: vec![0.0; models] }
    }

    /// Adds a measurement of a model.
    pub fn add(&mut self, model: usize, value: f32) {
        self.counts[model] += 1.0;
        self.sums[model] += value;
    }

    /// Takes a measurement back: what a request looks like to an estimator that never saw it.
    pub fn take(&mut self, model: usize, value: f32) {
        self.counts[model] -= 1.0;
        self.sums[model] -= value;
    }

    /// The mean of a model with `prior` requests of `wider` beside its own.
    fn mean(&self, model: usize, prior: f32, wider: f32) -> f32 {
        (self.sums[model] + prior * wider) / (self.counts[model] + prior)
    }
}

/// Nested means of one quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Means {
    models: usize,
    /// What is believed before any request: the shipped prior, by model.
    pub prior: Vec<f32>,
    /// All requests.
    pub all: Tally,
    /// By class.
    pub classes: Vec<Tally>,
    /// By tag.
    pub tags: HashMap<Tag, Tally>,
}

impl Means {
    /// Nothing measured; `prior` is believed.
    pub fn new(prior: Vec<f32>) -> Self {
        let models = prior.len();
        Self {
            models,
            prior,
            all: Tally::new(models),
            classes: vec![Tally::new(models); TaskClass::ALL.len()],
            tags: HashMap::new(),
        }
    }

    /// Adds a measurement.
    pub fn add(&mut self, tag: Option<Tag>, class: TaskClass, model: usize, value: f32) {
        self.all.add(model, value);
        self.classes[class.index()].add(model, value);
        let Some(tag) = tag else { return };
        if self.tags.len() < TAGS_MAX || self.tags.contains_key(&tag) {
            self.tags.entry(tag).or_insert_with(|| Tally::new(self.models)).add(model, value);
        }
    }

    /// Takes a measurement back.
    pub fn take(&mut self, tag: Option<Tag>, class: TaskClass, model: usize, value: f32) {
        self.all.take(model, value);
        self.classes[class.index()].take(model, value);
        if let Some(tally) = tag.and_then(|tag| self.tags.get_mut(&tag)) {
            tally.take(model, value);
        }
    }

    /// Writes the mean of each model; true where the tag is known.
    pub fn write(&self, tag: Option<Tag>, class: TaskClass, means: &mut Vec<f32>) -> bool {
        means.clear();
        let class = &self.classes[class.index()];
        let tag = tag.and_then(|tag| self.tags.get(&tag));
        for model in 0..self.models {
            let all = self.overall(model);
            let wide = class.mean(model, CLASS_PRIOR, all);
            means.push(tag.map_or(wide, |tally| tally.mean(model, TAG_PRIOR, wide)));
        }
        tag.is_some()
    }

    /// A model's mean over everything.
    pub fn overall(&self, model: usize) -> f32 {
        self.all.mean(model, ALL_PRIOR, self.prior[model])
    }

    /// True where the tag has measurements.
    pub fn knows(&self, tag: Tag) -> bool {
        self.tags.contains_key(&tag)
    }
}
