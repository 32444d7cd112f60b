//! The evaluation: routers trained on one part of the data and judged on the other, split by split.

use std::collections::{BTreeMap, BTreeSet};

use gw_core::{Error, Kind, Money, Result};
use gw_routing::choose::{Choice, choose};
use gw_routing::estimate::Estimates;
use gw_routing::signal::{Signals, tag_of_words};
use serde::Serialize;

use crate::cascade::{Cascade, CascadeFigures, rungs};
use crate::data::{LeftOut, Outcomes, signals_of};
use crate::fit::{Recipe, Setting, Trained, predict, span, train};
use crate::measure::{Figure, Hull, Point, calibration_error};
use crate::policy::{self, Predictions, replay, singles, sweep};
use crate::prior::Prior;
use crate::split::{Split, SplitBy, groups_of, split};

/// Values of a good answer that are swept.
const VALUES: u32 = 160;

/// Splits of one evaluation at most.
pub const SEEDS_MAX: u64 = 100;

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct Options {
    /// How prompts are split.
    pub split: SplitBy,
    /// Number of splits, from seed 0 on.
    pub seeds: u64,
    /// Models of a cascade, the top last; empty for none.
    pub cascade: Vec<String>,
    /// How to train.
    pub recipe: Recipe,
    /// Other sets, to make a prior of that is judged beside the routers; empty for none.
    pub priors: Vec<Outcomes>,
}

/// A router's figures over all splits. Costs are shares of the best single model's cost.
#[derive(Clone, Debug, Serialize)]
pub struct RouterFigures {
    /// `text`, `tag`, `prior`, `feature-free` or `hull`.
    pub name: &'static str,
    /// Mean quality over all costs from the cheapest single model's to the best one's.
    pub aiq: Figure,
    /// The same less the hull of single models on the same split.
    pub lift: Figure,
    /// Cost for 95 % of the best single model's quality, over the splits that reach it.
    pub cost_95: Figure,
    /// For 97 %.
    pub cost_97: Figure,
    /// For 98 %.
    pub cost_98: Figure,
    /// For 100 %.
    pub cost_100: Figure,
    /// With two models: share of the gap closed, averaged over shares of calls to the better one.
    #[serde(skip_serializing_if = "Figure::is_empty")]
    pub apgr: Figure,
    /// Expected calibration error over all models.
    #[serde(skip_serializing_if = "Figure::is_empty")]
    pub ece: Figure,
    /// Share of the best model's quality that is delivered where the value of a good answer was
    /// chosen on training prompts to keep 95 %.
    #[serde(skip_serializing_if = "Figure::is_empty")]
    pub honest_95_quality: Figure,
    /// What that costs.
    #[serde(skip_serializing_if = "Figure::is_empty")]
    pub honest_95_cost: Figure,
    /// The same for 97 %.
    #[serde(skip_serializing_if = "Figure::is_empty")]
    pub honest_97_quality: Figure,
    /// What that costs.
    #[serde(skip_serializing_if = "Figure::is_empty")]
    pub honest_97_cost: Figure,
    /// Quality above the hull of single models at the same cost, mean of the honest points for 90,
    /// 95 and 98 %.
    #[serde(skip_serializing_if = "Figure::is_empty")]
    pub honest_lift: Figure,
    /// Microseconds of a decision: reading the text, estimating and choosing.
    #[serde(skip_serializing_if = "Figure::is_empty")]
    pub decision_us_p50: Figure,
    /// Its 99th percentile.
    #[serde(skip_serializing_if = "Figure::is_empty")]
    pub decision_us_p99: Figure,
    /// What training decided about the text, split by split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// The first split's curve: shares of the best single model's cost and quality.
    pub curve: Vec<(f64, f64)>,
}

/// The whole evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// Name of the data.
    pub data: String,
    /// `random`, `task` or `time`.
    pub split: &'static str,
    /// Number of splits.
    pub seeds: u64,
    /// Prompts used.
    pub prompts: usize,
    /// How many of them each task has.
    pub mix: BTreeMap<String, usize>,
    /// What was left out.
    pub left_out: LeftOut,
    /// True where answer lengths are constants of the task's class.
    pub is_length_assumed: bool,
    /// Each model's quality and cost (dollars per thousand requests) on the first split's test part.
    pub models: Vec<ModelFigures>,
    /// Routers.
    pub routers: Vec<RouterFigures>,
    /// The cascade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cascade: Option<CascadeReport>,
}

/// A model alone.
#[derive(Clone, Debug, Serialize)]
pub struct ModelFigures {
    /// Its name.
    pub name: String,
    /// Mean quality.
    pub quality: f64,
    /// Dollars per thousand requests.
    pub usd_per_1k: f64,
}

/// A cascade's figures over all splits.
#[derive(Clone, Debug, Serialize)]
pub struct CascadeReport {
    /// The models, in the order in which they are asked.
    pub models: Vec<String>,
    /// Share of the top model's cost for 95 % of its quality.
    pub cost_95: Figure,
    /// For 98 %.
    pub cost_98: Figure,
    /// For 100 %.
    pub cost_100: Figure,
    /// Delivered quality where 98 % was promised from training prompts.
    pub honest_98_quality: Figure,
    /// What that costs.
    pub honest_98_cost: Figure,
    /// Untrained rule, the first two that agree: quality.
    pub plain_quality: Figure,
    /// And cost.
    pub plain_cost: Figure,
    /// Share of prompts on which the first two agree.
    pub agreement_share: Figure,
    /// How often an agreed answer is right.
    pub agreement_precision: Figure,
    /// The first split's curve.
    pub curve: Vec<(f64, f64)>,
}

/// Runs the evaluation. `now_ns` reads a clock that never goes back, in nanoseconds.
///
/// # Errors
/// [`Kind::InvalidRequest`] for a split or cascade that the data does not allow.
pub fn evaluate(
    outcomes: &Outcomes,
    options: &Options,
    now_ns: &dyn Fn() -> u64,
) -> Result<Evaluation> {
    if options.seeds == 0 || options.seeds > SEEDS_MAX {
        return Err(Error::bad_field("--seeds", format!("must be 1 to {SEEDS_MAX}")));
    }
    let groups = groups_of(outcomes);
    if options.split == SplitBy::Task && groups.iter().all(|group| *group == groups[0]) {
        let message = format!("{}: all prompts are of one task", outcomes.name);
        return Err(Error::new(Kind::InvalidRequest, message).with_field("--split"));
    }
    let cascade = match options.cascade.is_empty() {
        true => None,
        false => Some(rungs(outcomes, &options.cascade)?),
    };
    let untagged = signals_of(outcomes);
    let mut tagged = untagged.clone();
    let parts = parts_of_tasks(outcomes);
    for (signals, prompt) in tagged.iter_mut().zip(&outcomes.prompts) {
        let part = if parts.contains(prompt.sub.as_str()) { prompt.sub.as_str() } else { "" };
        let named = || tag_of_words(&format!("{}/{part}", prompt.task));
        signals.tag = Some(prompt.tag.unwrap_or_else(named));
    }
    let mut run = Run { outcomes, options, groups: &groups, now_ns, rows: Vec::new() };
    let prior = (!options.priors.is_empty())
        .then(|| Prior::fit(&options.priors.iter().collect::<Vec<&Outcomes>>()));
    let mut cascades = Vec::new();
    let mut models = Vec::new();
    for seed in 0..options.seeds {
        let parts = split(outcomes, options.split, seed);
        let judged = Judged::of(outcomes, &parts);
        if seed == 0 {
            models = judged.models(outcomes);
        }
        run.baselines(&judged, &parts);
        run.prior(prior.as_ref(), &untagged, &judged, &parts);
        run.router("text", &untagged, &parts, &judged);
        let trained = run.router("tag", &tagged, &parts, &judged);
        if let Some(rungs) = &cascade {
            cascades.push(run.cascade(rungs, &trained, &tagged, &parts));
        }
    }
    Ok(Evaluation {
        data: outcomes.name.clone(),
        split: options.split.as_str(),
        seeds: options.seeds,
        prompts: outcomes.prompts.len(),
        mix: mix_of(outcomes),
        left_out: outcomes.left_out,
        is_length_assumed: outcomes.is_length_assumed,
        models,
        routers: run.summary(),
        cascade: cascade.map(|rungs| cascade_report(outcomes, &rungs, &cascades)),
    })
}

/// Tasks of a set by number of prompts.
fn mix_of(outcomes: &Outcomes) -> BTreeMap<String, usize> {
    let mut mix = BTreeMap::new();
    for prompt in &outcomes.prompts {
        *mix.entry(prompt.task.clone()).or_default() += 1;
    }
    mix
}

/// Parts of tasks that stand for an application of their own: neither most of the data nor a handful
/// of prompts.
fn parts_of_tasks(outcomes: &Outcomes) -> BTreeSet<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for prompt in &outcomes.prompts {
        *counts.entry(&prompt.sub).or_default() += 1;
    }
    let total = outcomes.prompts.len();
    let is_part = |count: usize| count >= 20 && count * 4 < total;
    counts.into_iter().filter(|(_, count)| is_part(*count)).map(|(part, _)| part).collect()
}

/// What a split's test part is judged against.
struct Judged {
    singles: Vec<Point>,
    hull: Hull,
    low: f64,
    high: f64,
    best: f64,
}

impl Judged {
    fn of(outcomes: &Outcomes, parts: &Split) -> Self {
        let singles = singles(outcomes, &parts.test);
        let (low, high) = span(&singles);
        let best = singles.iter().map(|point| point.quality).fold(0.0, f64::max);
        Self { hull: Hull::of(&singles), singles, low, high, best }
    }

    fn models(&self, outcomes: &Outcomes) -> Vec<ModelFigures> {
        let figures =
            outcomes.models.iter().zip(&self.singles).map(|(model, point)| ModelFigures {
                name: model.name.clone(),
                quality: point.quality,
                usd_per_1k: point.cost / 1e9,
            });
        let mut figures: Vec<ModelFigures> = figures.collect();
        figures.sort_by(|one, other| one.usd_per_1k.total_cmp(&other.usd_per_1k));
        figures
    }
}

/// Figures of one router on one split.
const FIGURES: usize = 15;

/// One router on one split.
struct Row {
    name: &'static str,
    figures: [Option<f64>; FIGURES],
    setting: Option<Setting>,
    curve: Vec<(f64, f64)>,
}

struct Run<'a> {
    outcomes: &'a Outcomes,
    options: &'a Options,
    groups: &'a [&'a str],
    now_ns: &'a dyn Fn() -> u64,
    rows: Vec<Row>,
}

impl Run<'_> {
    /// The hull of single models, and the choice that knows only overall means.
    fn baselines(&mut self, judged: &Judged, parts: &Split) {
        let hull = judged.hull.points().to_vec();
        let _ = self.curve("hull", judged, &hull);
        let outcomes = self.outcomes;
        let means = singles(outcomes, &parts.train);
        let width = outcomes.width();
        let count = parts.train.len().max(1) as f32;
        let lengths: Vec<f32> = (0..width)
            .map(|model| {
                let lengths =
                    parts.train.iter().map(|row| outcomes.out_tokens[row * width + model]);
                lengths.map(u64::from).sum::<u64>() as f32 / count
            })
            .collect();
        let mut predictions = Predictions { rows: parts.test.clone(), ..Predictions::default() };
        for _ in &parts.test {
            predictions.success.extend(means.iter().map(|mean| mean.quality as f32));
            predictions.tokens.extend_from_slice(&lengths);
        }
        let kept = policy::kept(outcomes, &parts.train, 0.0);
        let values = policy::values(outcomes, &parts.train, VALUES);
        let choices = predictions.choices(outcomes, &kept);
        let points = sweep(outcomes, &parts.test, &choices, &values);
        let _ = self.curve("feature-free", judged, &points);
    }

    /// The choice by a prior made of other sets; nothing where there is none.
    fn prior(
        &mut self,
        prior: Option<&Prior>,
        signals: &[Signals],
        judged: &Judged,
        parts: &Split,
    ) {
        let Some(prior) = prior else { return };
        let outcomes = self.outcomes;
        let predictions = predict(&prior.onto(outcomes, &parts.train), signals, &parts.test);
        let choices = predictions.choices(outcomes, &policy::kept(outcomes, &parts.train, 0.0));
        let values = policy::values(outcomes, &parts.train, VALUES);
        let points = sweep(outcomes, &parts.test, &choices, &values);
        let _ = self.curve("prior", judged, &points);
    }

    fn curve(&mut self, name: &'static str, judged: &Judged, points: &[Point]) -> &mut Row {
        let hull = Hull::of(points);
        let area = hull.area(judged.low, judged.high);
        let at = |share: f64| hull.cost_for(share * judged.best).map(|cost| cost / judged.high);
        let mut figures = [None; FIGURES];
        figures[0] = Some(area);
        figures[1] = Some(area - judged.hull.area(judged.low, judged.high));
        for (at_figure, share) in [(2, 0.95), (3, 0.97), (4, 0.98), (5, 1.0)] {
            figures[at_figure] = at(share);
        }
        let share = |point: &Point| (point.cost / judged.high, point.quality / judged.best);
        let curve = hull.points().iter().map(share).collect();
        self.rows.push(Row { name, figures, setting: None, curve });
        self.rows.last_mut().expect("pushed just before")
    }

    fn router(
        &mut self,
        name: &'static str,
        signals: &[Signals],
        parts: &Split,
        judged: &Judged,
    ) -> Trained {
        let outcomes = self.outcomes;
        let trained = train(outcomes, signals, self.groups, &parts.train, &self.options.recipe);
        let predictions = predict(&trained.estimator, signals, &parts.test);
        let choices = predictions.choices(outcomes, &trained.estimator.kept);
        let values = policy::values(outcomes, &parts.train, VALUES);
        let points = sweep(outcomes, &parts.test, &choices, &values);
        let width = outcomes.width();
        let promised = predictions.success.iter().copied().enumerate();
        let ece = calibration_error(promised.map(|(at, success)| {
            (success, outcomes.quality_of(parts.test[at / width], at % width))
        }));
        let honest = |share: f64| {
            let value = self.honest_value(&trained, &values, share);
            value.map(|value| replay(outcomes, &parts.test, &choices, value))
        };
        let (honest_95, honest_97) = (honest(0.95), honest(0.97));
        let lifts: Vec<f64> = [honest(0.90), honest_95, honest(0.98)]
            .into_iter()
            .flatten()
            .map(|point| point.quality - judged.hull.quality_at(point.cost))
            .collect();
        let (p50, p99) = self.decision_us(&trained, signals, parts, &choices);
        let apgr = (width == 2).then(|| apgr(outcomes, &predictions));
        let row = self.curve(name, judged, &points);
        row.figures[6] = apgr.flatten();
        row.figures[7] = Some(ece);
        row.figures[8] = honest_95.map(|point| point.quality / judged.best);
        row.figures[9] = honest_95.map(|point| point.cost / judged.high);
        row.figures[10] =
            (!lifts.is_empty()).then(|| lifts.iter().sum::<f64>() / lifts.len() as f64);
        row.figures[13] = honest_97.map(|point| point.quality / judged.best);
        row.figures[14] = honest_97.map(|point| point.cost / judged.high);
        row.figures[11] = Some(p50);
        row.figures[12] = Some(p99);
        row.setting = Some(trained.setting);
        trained
    }

    /// The least value that keeps a share of the best single model's quality on training prompts that
    /// their fit did not see: overall for traffic as before, in every part for new tasks.
    fn honest_value(&self, trained: &Trained, values: &[Money], share: f64) -> Option<Money> {
        let is_task = self.options.split == SplitBy::Task && !trained.by_task.rows.is_empty();
        let held = if is_task { &trained.by_task } else { &trained.by_chance };
        let fits = held.fits.iter().max().map_or(1, |last| last + 1);
        let parts: Vec<(Vec<usize>, Vec<Choice>, f64)> = (0..if is_task { fits } else { 1 })
            .map(|fit| {
                let own = |at: &usize| !is_task || held.fits[*at] == fit;
                let places: Vec<usize> = (0..held.rows.len()).filter(own).collect();
                let part = held.part(&places, self.outcomes.width());
                let choices = part.choices(self.outcomes, &trained.estimator.kept);
                let points = singles(self.outcomes, &part.rows);
                let best = points.iter().map(|point| point.quality).fold(0.0, f64::max);
                (part.rows, choices, best)
            })
            .collect();
        let keeps = |value: &&Money| {
            parts.iter().all(|(rows, choices, best)| {
                replay(self.outcomes, rows, choices, **value).quality >= share * best
            })
        };
        values.iter().find(keeps).or(values.last()).copied()
    }

    fn decision_us(
        &self,
        trained: &Trained,
        signals: &[Signals],
        parts: &Split,
        choices: &[Choice],
    ) -> (f64, f64) {
        let width = self.outcomes.width();
        let (mut read, mut found) = (Signals::default(), Estimates::default());
        let value = Money::from_pico(1_000_000_000);
        let sample = parts.test.iter().enumerate().take(600);
        let mut times: Vec<u64> = sample
            .map(|(at, row)| {
                let began = (self.now_ns)();
                read.read(&self.outcomes.prompts[*row].text, signals[*row].tag);
                trained.estimator.estimate(&read, &mut found);
                let choice = choose(value, &choices[at * width..(at + 1) * width]);
                std::hint::black_box(choice);
                (self.now_ns)().saturating_sub(began)
            })
            .collect();
        times.sort_unstable();
        let at = |share: usize| {
            times
                .get(times.len().saturating_sub(1) * share / 100)
                .map_or(0.0, |ns| *ns as f64 / 1e3)
        };
        (at(50), at(99))
    }

    fn cascade(
        &self,
        rungs: &[usize],
        trained: &Trained,
        signals: &[Signals],
        parts: &Split,
    ) -> CascadeFigures {
        let is_task = self.options.split == SplitBy::Task && !trained.by_task.rows.is_empty();
        let held_out = if is_task { &trained.by_task } else { &trained.by_chance };
        let cascade = Cascade::train(self.outcomes, rungs, held_out);
        let test = predict(&trained.estimator, signals, &parts.test);
        cascade.figures(self.outcomes, held_out, &test)
    }

    fn summary(&self) -> Vec<RouterFigures> {
        ["hull", "feature-free", "prior", "text", "tag"]
            .into_iter()
            .filter(|name| self.rows.iter().any(|row| row.name == *name))
            .map(|name| {
                let rows: Vec<&Row> = self.rows.iter().filter(|row| row.name == name).collect();
                let figure = |at: usize| Figure::of(rows.iter().map(|row| row.figures[at]));
                RouterFigures {
                    name,
                    aiq: figure(0),
                    lift: figure(1),
                    cost_95: figure(2),
                    cost_97: figure(3),
                    cost_98: figure(4),
                    cost_100: figure(5),
                    apgr: figure(6),
                    ece: figure(7),
                    honest_95_quality: figure(8),
                    honest_95_cost: figure(9),
                    honest_97_quality: figure(13),
                    honest_97_cost: figure(14),
                    honest_lift: figure(10),
                    decision_us_p50: figure(11),
                    decision_us_p99: figure(12),
                    settings: rows.iter().filter_map(|row| row.setting).collect(),
                    curve: rows.first().map(|row| row.curve.clone()).unwrap_or_default(),
                }
            })
            .collect()
    }
}

/// Average share of the gap between two models that is closed, over shares of calls to the better.
fn apgr(outcomes: &Outcomes, predictions: &Predictions) -> Option<f64> {
    let points = singles(outcomes, &predictions.rows);
    let better = usize::from(points[1].quality > points[0].quality);
    let gain =
        |at: usize| predictions.success[at * 2 + better] - predictions.success[at * 2 + 1 - better];
    let mut order: Vec<usize> = (0..predictions.rows.len()).collect();
    order.sort_by(|one, other| gain(*other).total_cmp(&gain(*one)).then(one.cmp(other)));
    let count = order.len() as f64;
    let (mut sum, mut area) = (0.0, 0.0);
    for at in order {
        let row = predictions.rows[at];
        let rise = outcomes.quality_of(row, better) - outcomes.quality_of(row, 1 - better);
        area += sum + f64::from(rise) / 2.0;
        sum += f64::from(rise);
    }
    (sum > 0.0).then(|| area / count / sum)
}

fn cascade_report(
    outcomes: &Outcomes,
    rungs: &[usize],
    figures: &[CascadeFigures],
) -> CascadeReport {
    let of = |read: fn(&CascadeFigures) -> Option<f64>| Figure::of(figures.iter().map(read));
    CascadeReport {
        models: rungs.iter().map(|rung| outcomes.models[*rung].name.clone()).collect(),
        cost_95: of(|figures| figures.cost_95),
        cost_98: of(|figures| figures.cost_98),
        cost_100: of(|figures| figures.cost_100),
        honest_98_quality: of(|figures| Some(figures.honest_98.0)),
        honest_98_cost: of(|figures| Some(figures.honest_98.1)),
        plain_quality: of(|figures| Some(figures.plain.0)),
        plain_cost: of(|figures| Some(figures.plain.1)),
        agreement_share: of(|figures| Some(figures.agreement.0)),
        agreement_precision: of(|figures| Some(figures.agreement.1)),
        curve: figures.first().map(|figures| figures.curve.clone()).unwrap_or_default(),
    }
}
