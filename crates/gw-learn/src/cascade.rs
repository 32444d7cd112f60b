//! Replaying cascades: cheap models answer first, and after each answer the next step is bought only
//! where it is worth its price.
//!
//! From what is seen so far (who agrees with whom, how long the answers are, what was estimated
//! before) two probabilities are learned for each stage: that the answer so far is right, and that the
//! top model's would be. Going on is valued by what the stages after it will be worth, from the last
//! stage backwards. The step itself is [`gw_routing::ladder`]'s.

mod logistic;
mod view;

use gw_core::{Error, Kind, Money, Result};
use gw_routing::ladder::{Step, Worth, next_step};
use serde::Serialize;

use crate::data::Outcomes;
use crate::measure::{Hull, Point};
use crate::policy::Predictions;
use logistic::Logistic;
use view::View;

/// Rungs of a cascade at most, top included.
pub const RUNGS_MAX: usize = 8;

/// A trained cascade.
#[derive(Clone, Debug)]
pub struct Cascade {
    /// Places of the models, in the order in which they are asked; the last is the top.
    rungs: Vec<usize>,
    /// For each number of answers so far: is the best of them right.
    right: Vec<Logistic>,
    /// For each number of answers so far: would the top's be.
    top_right: Vec<Logistic>,
}

/// Figures of a cascade against always asking its top model.
#[derive(Clone, Debug, Serialize)]
pub struct CascadeFigures {
    /// Share of the top's cost for 95, 98 and 100 % of its quality; `None` where not reached.
    pub cost_95: Option<f64>,
    /// At 98 %.
    pub cost_98: Option<f64>,
    /// At 100 %.
    pub cost_100: Option<f64>,
    /// Quality (share of the top's) and cost of the untrained rule: the first two that agree, else
    /// the top.
    pub plain: (f64, f64),
    /// Share of prompts on which the first two agree, and how often such an answer is right.
    pub agreement: (f64, f64),
    /// Quality and cost, as shares of the top's, where the value was chosen on training prompts to
    /// keep 98 %.
    pub honest_98: (f64, f64),
    /// Corners of the curve, as shares of the top's cost and quality.
    pub curve: Vec<(f64, f64)>,
}

/// Finds the rungs of a cascade.
///
/// # Errors
/// [`Kind::InvalidRequest`] for unknown models, fewer than three rungs, or data without answers.
pub fn rungs(outcomes: &Outcomes, names: &[String]) -> Result<Vec<usize>> {
    let bad = |message: String| {
        Error::new(Kind::InvalidRequest, message)
            .with_field("--cascade")
            .with_hint("Name at least two cheap models and then the top one, as the data does.")
    };
    if outcomes.answers.is_empty() {
        return Err(bad(format!("{}: has no answers.csv to compare answers by", outcomes.name)));
    }
    if !(3..=RUNGS_MAX).contains(&names.len()) {
        return Err(bad(format!(
            "{} models were named, 3 to {RUNGS_MAX} make a cascade",
            names.len()
        )));
    }
    let find = |name: &String| {
        outcomes.find(name).ok_or_else(|| bad(format!("`{name}` is no single model of the data")))
    };
    names.iter().map(find).collect()
}

impl Cascade {
    /// Trains on prompts with predictions that did not see them.
    pub fn train(outcomes: &Outcomes, rungs: &[usize], held_out: &Predictions) -> Self {
        let top = rungs[rungs.len() - 1];
        let (mut right, mut top_right) = (Vec::new(), Vec::new());
        for asked in 0..rungs.len() {
            let views: Vec<(View, f64, f64)> = (0..held_out.rows.len())
                .map(|at| {
                    let view = View::of(outcomes, rungs, held_out, at, asked);
                    let row = held_out.rows[at];
                    let best = view.best.map_or(0.0, |model| outcomes.quality_of(row, model));
                    (view, f64::from(best), f64::from(outcomes.quality_of(row, top)))
                })
                .collect();
            right.push(Logistic::fit(views.iter().map(|(view, best, _)| (&view.seen[..], *best))));
            top_right
                .push(Logistic::fit(views.iter().map(|(view, _, top)| (&view.seen[..], *top))));
        }
        Self { rungs: rungs.to_vec(), right, top_right }
    }

    /// Worth of going on after each number of answers, learned backwards for one value.
    fn going_on(&self, outcomes: &Outcomes, seen: &Seen<'_>, value: f64) -> Vec<Logistic> {
        let cheap = self.rungs.len() - 1;
        let mut going_on = vec![Logistic::nothing(); cheap + 1];
        let mut after: Vec<f64> = Vec::new();
        for asked in (0..=cheap).rev() {
            let mut best = Vec::with_capacity(seen.count());
            if asked < cheap {
                let rows = (0..seen.count()).map(|at| {
                    let price = seen.cost(outcomes, self.rungs[asked], at);
                    (&seen.views[asked][at].seen[..], (after[at] - price) / value)
                });
                going_on[asked] = Logistic::line(rows);
            }
            for at in 0..seen.count() {
                let worths = self.worths(outcomes, seen, at, asked, value, &going_on[asked]);
                best.push(worths.best());
            }
            after = best;
        }
        going_on
    }

    fn worths(
        &self,
        outcomes: &Outcomes,
        seen: &Seen<'_>,
        at: usize,
        asked: usize,
        value: f64,
        going_on: &Logistic,
    ) -> Worth {
        let cheap = self.rungs.len() - 1;
        let view = &seen.views[asked][at];
        let top = self.rungs[cheap];
        Worth {
            stop: (asked > 0).then(|| value * self.right[asked].probability(&view.seen)),
            next: (asked < cheap).then(|| value * going_on.value(&view.seen)),
            top: value * self.top_right[asked].probability(&view.seen)
                - seen.expected_cost(outcomes, top, at),
        }
    }

    /// What the cascade costs and delivers at one value of a good answer.
    fn replay(
        &self,
        outcomes: &Outcomes,
        seen: &Seen<'_>,
        value: f64,
        going_on: &[Logistic],
    ) -> Point {
        let cheap = self.rungs.len() - 1;
        let (mut cost, mut quality) = (0.0, 0.0);
        for at in 0..seen.count() {
            let row = seen.predictions.rows[at];
            let mut asked = 0;
            loop {
                let worth = self.worths(outcomes, seen, at, asked, value, &going_on[asked]);
                match next_step(&worth) {
                    Step::Stop => {
                        let best = seen.views[asked][at].best;
                        quality +=
                            best.map_or(0.0, |model| f64::from(outcomes.quality_of(row, model)));
                        break;
                    }
                    Step::Next => {
                        cost += seen.cost(outcomes, self.rungs[asked], at);
                        asked += 1;
                    }
                    Step::Top => {
                        cost += seen.cost(outcomes, self.rungs[cheap], at);
                        quality += f64::from(outcomes.quality_of(row, self.rungs[cheap]));
                        break;
                    }
                }
            }
        }
        let count = seen.count().max(1) as f64;
        Point { cost: cost / count, quality: quality / count }
    }

    /// Replays on prompts that training did not see.
    pub fn figures(
        &self,
        outcomes: &Outcomes,
        train: &Predictions,
        test: &Predictions,
    ) -> CascadeFigures {
        let (train, test) = (Seen::of(outcomes, self, train), Seen::of(outcomes, self, test));
        let top = alone(outcomes, test.predictions, self.rungs[self.rungs.len() - 1]);
        let top_train = alone(outcomes, train.predictions, self.rungs[self.rungs.len() - 1]);
        let mut points = Vec::new();
        let mut honest = None;
        for step in 0..64 {
            let value = top.cost * 10_f64.powf(-2.0 + 5.0 * f64::from(step) / 63.0);
            let going_on = self.going_on(outcomes, &train, value);
            let point = self.replay(outcomes, &test, value, &going_on);
            points.push(point);
            if honest.is_none() {
                let own = self.replay(outcomes, &train, value, &going_on);
                honest = (own.quality >= 0.98 * top_train.quality).then_some(point);
            }
        }
        points.push(top);
        let honest = honest.unwrap_or(top);
        let hull = Hull::of(&points);
        let at = |share: f64| hull.cost_for(share * top.quality).map(|cost| cost / top.cost);
        let share = |point: &Point| (point.cost / top.cost, point.quality / top.quality);
        let (plain, agreement) = self.plain(outcomes, &test);
        CascadeFigures {
            cost_95: at(0.95),
            cost_98: at(0.98),
            cost_100: at(1.0),
            plain: (plain.quality / top.quality, plain.cost / top.cost),
            agreement,
            honest_98: (honest.quality / top.quality, honest.cost / top.cost),
            curve: hull.points().iter().map(share).collect(),
        }
    }

    /// The rule without training: the first answer that two models give, else the top's.
    fn plain(&self, outcomes: &Outcomes, seen: &Seen<'_>) -> (Point, (f64, f64)) {
        let cheap = self.rungs.len() - 1;
        let (mut cost, mut quality) = (0.0, 0.0);
        let (mut agreed, mut agreed_right) = (0.0, 0.0);
        for at in 0..seen.count() {
            let row = seen.predictions.rows[at];
            let mut found = None;
            for asked in 1..=cheap {
                cost += seen.cost(outcomes, self.rungs[asked - 1], at);
                found = view::first_agreed(outcomes, &self.rungs[..asked], row);
                if found.is_some() {
                    break;
                }
            }
            if let Some(model) = view::first_agreed(outcomes, &self.rungs[..2], row) {
                agreed += 1.0;
                agreed_right += f64::from(outcomes.quality_of(row, model));
            }
            let model = found.unwrap_or_else(|| {
                cost += seen.cost(outcomes, self.rungs[cheap], at);
                self.rungs[cheap]
            });
            quality += f64::from(outcomes.quality_of(row, model));
        }
        let count = seen.count().max(1) as f64;
        let point = Point { cost: cost / count, quality: quality / count };
        (point, (agreed / count, agreed_right / f64::max(agreed, 1.0)))
    }
}

fn alone(outcomes: &Outcomes, predictions: &Predictions, model: usize) -> Point {
    crate::policy::singles(outcomes, &predictions.rows)[model]
}

/// Prompts with everything that can be seen of them at each stage.
struct Seen<'a> {
    predictions: &'a Predictions,
    /// By number of answers, then by prompt.
    views: Vec<Vec<View>>,
}

impl<'a> Seen<'a> {
    fn of(outcomes: &Outcomes, cascade: &Cascade, predictions: &'a Predictions) -> Self {
        let views = (0..cascade.rungs.len())
            .map(|asked| {
                (0..predictions.rows.len())
                    .map(|at| View::of(outcomes, &cascade.rungs, predictions, at, asked))
                    .collect()
            })
            .collect();
        Self { predictions, views }
    }

    fn count(&self) -> usize {
        self.predictions.rows.len()
    }

    /// What an answer really costs, in pico-dollars.
    fn cost(&self, outcomes: &Outcomes, model: usize, at: usize) -> f64 {
        outcomes.cost_of(self.predictions.rows[at], model).pico() as f64
    }

    /// What an answer is expected to cost, in pico-dollars.
    fn expected_cost(&self, outcomes: &Outcomes, model: usize, at: usize) -> f64 {
        let width = outcomes.width();
        let input = u64::from(outcomes.in_tokens[self.predictions.rows[at] * width + model]);
        let length = self.predictions.tokens[at * width + model].max(0.0) as u64;
        let cost: Money = outcomes.price(model, input, length);
        cost.pico() as f64
    }
}
