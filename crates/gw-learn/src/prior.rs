//! What several sets of public outcomes say together, before anything is known of a gateway's own
//! traffic: how able each model is, how hard each class of work.
//!
//! Sets ask questions of different difficulty, so their means do not compare. Models that stand in
//! more than one set tell how the sets differ: the log-odds of a mean are taken for the model's ability
//! less the set's difficulty, and both are fitted together.

use std::collections::BTreeMap;

use gw_routing::estimate::{Estimator, Guard, Means};
use gw_routing::learned::model_identity;
use gw_routing::signal::{Signals, TaskClass};

use crate::data::{Outcomes, assumed_tokens};

/// Requests that the prior's overall mean of a model counts for.
const ALL_WEIGHT: f32 = 30.0;
/// Requests that its mean of a class counts for.
const CLASS_WEIGHT: f32 = 30.0;
/// Requests that believe in a set of no difficulty of its own.
const SET_PRIOR: f64 = 50.0;
/// Requests of a class and model before half of what is its own is believed.
const OWN_PRIOR: f64 = 200.0;
const CLASSES: usize = TaskClass::ALL.len();

/// What sets of outcomes say together.
#[derive(Clone, Debug)]
pub struct Prior {
    /// Each model once, by its identity.
    pub models: Vec<String>,
    /// Log-odds of a good answer at ordinary difficulty, by model.
    ability: Vec<f64>,
    /// What a class adds for every model.
    shift: [f64; CLASSES],
    /// What it adds for one model besides.
    own: Vec<[f64; CLASSES]>,
    /// Tokens of an answer.
    tokens: Vec<[f32; CLASSES]>,
}

/// Mean quality of a model in a class of a set.
struct Cell {
    set: usize,
    model: usize,
    class: usize,
    count: f64,
    sum: f64,
}

impl Cell {
    fn log_odds(&self) -> f64 {
        let mean = (self.sum + 0.5) / (self.count + 1.0);
        (mean / (1.0 - mean)).ln()
    }
}

impl Prior {
    /// Fits all sets together. The same sets in the same order give the same prior.
    pub fn fit(sets: &[&Outcomes]) -> Self {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for set in sets {
            for model in &set.models {
                places.entry(model_identity(&model.name)).or_default();
            }
        }
        for (place, slot) in places.values_mut().enumerate() {
            *slot = place;
        }
        let models: Vec<String> = places.keys().cloned().collect();
        let (cells, tokens) = gather(sets, &places);
        let (ability, difficulty) = two_ways(&cells, models.len(), sets.len());
        let rest = |cell: &Cell| cell.log_odds() - ability[cell.model] + difficulty[cell.set];
        let mut shift = [(0.0, 0.0); CLASSES];
        for cell in &cells {
            shift[cell.class].0 += cell.count * rest(cell);
            shift[cell.class].1 += cell.count;
        }
        let shift = shift.map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 });
        let mut own = vec![[(0.0, 0.0); CLASSES]; models.len()];
        for cell in &cells {
            let slot = &mut own[cell.model][cell.class];
            slot.0 += cell.count * (rest(cell) - shift[cell.class]);
            slot.1 += cell.count;
        }
        let own = own.into_iter().map(|row| row.map(|(sum, count)| sum / (count + OWN_PRIOR)));
        Self { own: own.collect(), models, ability, shift, tokens }
    }

    /// The prior as an estimator: means by class and overall, nothing of the text.
    pub fn estimator(&self) -> Estimator {
        let overall = |model: usize| odds(self.ability[model]);
        let count = self.models.len();
        let mut quality = Means::new((0..count).map(overall).collect());
        let mut tokens = Means::new(self.tokens.iter().map(|row| mean(row)).collect());
        for model in 0..count {
            weigh(&mut quality.all, model, ALL_WEIGHT, overall(model));
            weigh(&mut tokens.all, model, ALL_WEIGHT, mean(&self.tokens[model]));
            for class in 0..CLASSES {
                let success =
                    odds(self.ability[model] + self.shift[class] + self.own[model][class]);
                weigh(&mut quality.classes[class], model, CLASS_WEIGHT, success);
                let length = self.tokens[model][class];
                weigh(&mut tokens.classes[class], model, CLASS_WEIGHT, length);
            }
        }
        plain(self.models.clone(), quality, tokens)
    }

    /// The prior for the models of a set that it did not see: their overall means are those of `rows`
    /// (what the choice without features knows too), what a class adds is the prior's.
    pub fn onto(&self, outcomes: &Outcomes, rows: &[usize]) -> Estimator {
        let width = outcomes.width();
        let mut quality = Means::new(vec![0.5; width]);
        let mut tokens = Means::new(vec![0.0; width]);
        for model in 0..width {
            let known = self.models.binary_search(&model_identity(&outcomes.models[model].name));
            let scores = rows.iter().map(|row| outcomes.quality_of(*row, model));
            let lengths = rows.iter().map(|row| outcomes.out_tokens[row * width + model] as f32);
            let count = rows.len().max(1) as f32;
            let (success, length) = (scores.sum::<f32>() / count, lengths.sum::<f32>() / count);
            weigh(&mut quality.all, model, 1e6, success);
            weigh(&mut tokens.all, model, 1e6, length);
            let ability = (f64::from(success) + 1e-4) / (1.0 - f64::from(success) + 1e-4);
            for class in 0..CLASSES {
                let own = known.map_or(0.0, |known| self.own[known][class]);
                let success = odds(ability.ln() + self.shift[class] + own);
                weigh(&mut quality.classes[class], model, 1e6, success);
            }
        }
        let models = outcomes.models.iter().map(|model| model.name.clone()).collect();
        plain(models, quality, tokens)
    }
}

fn plain(models: Vec<String>, quality: Means, tokens: Means) -> Estimator {
    Estimator {
        kept: vec![true; models.len()],
        models,
        quality,
        tokens,
        linear: None,
        neighbours: None,
        trees: None,
        guard: Guard::OPEN,
        calibration: Vec::new(),
    }
}

fn weigh(tally: &mut gw_routing::estimate::Tally, model: usize, weight: f32, value: f32) {
    tally.counts[model] = weight;
    tally.sums[model] = weight * value;
}

fn odds(log_odds: f64) -> f32 {
    (1.0 / (1.0 + (-log_odds).exp())) as f32
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

fn gather(
    sets: &[&Outcomes],
    places: &BTreeMap<String, usize>,
) -> (Vec<Cell>, Vec<[f32; CLASSES]>) {
    let mut cells: BTreeMap<(usize, usize, usize), (f64, f64)> = BTreeMap::new();
    let mut lengths = vec![[(0.0_f64, 0.0_f64); CLASSES]; places.len()];
    for (set, outcomes) in sets.iter().enumerate() {
        let own: Vec<usize> =
            outcomes.models.iter().map(|model| places[&model_identity(&model.name)]).collect();
        for (row, prompt) in outcomes.prompts.iter().enumerate() {
            let class = Signals::of(&prompt.text, None).class.index();
            for (model, place) in own.iter().enumerate() {
                let cell = cells.entry((set, *place, class)).or_default();
                cell.0 += 1.0;
                cell.1 += f64::from(outcomes.quality_of(row, model));
                if !outcomes.is_length_assumed {
                    let length = outcomes.out_tokens[row * outcomes.width() + model];
                    lengths[*place][class].0 += f64::from(length);
                    lengths[*place][class].1 += 1.0;
                }
            }
        }
    }
    let cells = cells.into_iter().map(|((set, model, class), (count, sum))| Cell {
        set,
        model,
        class,
        count,
        sum,
    });
    // Fifty answers of the assumed length stand beside what was measured.
    let length = |class: usize, (sum, count): (f64, f64)| {
        let assumed = f64::from(assumed_tokens(TaskClass::ALL[class]));
        ((sum + 50.0 * assumed) / (count + 50.0)) as f32
    };
    let tokens = lengths
        .into_iter()
        .map(|row| std::array::from_fn(|class| length(class, row[class])))
        .collect();
    (cells.collect(), tokens)
}

/// Ability of each model and difficulty of each set, by turns.
fn two_ways(cells: &[Cell], models: usize, sets: usize) -> (Vec<f64>, Vec<f64>) {
    let mut means: BTreeMap<(usize, usize), (f64, f64)> = BTreeMap::new();
    for cell in cells {
        let mean = means.entry((cell.set, cell.model)).or_default();
        mean.0 += cell.count;
        mean.1 += cell.sum;
    }
    let rows: Vec<(usize, usize, f64, f64)> = means
        .into_iter()
        .map(|((set, model), (count, sum))| {
            let mean = (sum + 0.5) / (count + 1.0);
            (set, model, count, (mean / (1.0 - mean)).ln())
        })
        .collect();
    let (mut ability, mut difficulty) = (vec![0.0; models], vec![0.0; sets]);
    for _ in 0..200 {
        let mut sums = vec![(0.0, 0.0); models];
        for (set, model, count, value) in &rows {
            sums[*model].0 += count * (value + difficulty[*set]);
            sums[*model].1 += count;
        }
        ability = sums.iter().map(|(sum, count)| sum / f64::max(*count, 1.0)).collect();
        let mut sums = vec![(0.0, SET_PRIOR); sets];
        for (set, model, count, value) in &rows {
            sums[*set].0 += count * (ability[*model] - value);
            sums[*set].1 += count;
        }
        difficulty = sums.iter().map(|(sum, count)| sum / count).collect();
    }
    (ability, difficulty)
}

#[cfg(test)]
mod tests;
