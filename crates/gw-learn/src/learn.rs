//! Learning for use: the evaluation decides whether what was learned may be activated.

use gw_core::{Error, Kind, Result};
use gw_routing::estimate::Estimator;
use gw_routing::signal::{Signals, tag_of_words};
use serde::Serialize;

use crate::data::Outcomes;
use crate::evaluate::{Evaluation, Options, evaluate};
use crate::fit::{Recipe, train};
use crate::split::{SplitBy, groups_of};

/// What learning found.
#[derive(Clone, Debug, Serialize)]
pub struct Learned {
    /// The newest prompts left out where their times are known, else some by chance.
    pub by_chance: Evaluation,
    /// Whole tasks left out.
    pub by_task: Evaluation,
    /// Why it is not activated; empty where it may be.
    pub refused: Vec<String>,
    /// To apply; trained on everything.
    #[serde(skip)]
    pub estimator: Option<Estimator>,
}

/// Evaluates on both splits and trains on everything where the honest lift of the tagged router is
/// above nothing on both.
///
/// # Errors
/// Those of [`evaluate`]; [`Kind::InvalidRequest`] for data of a single task, which cannot show what
/// happens on a new one.
pub fn learn(
    outcomes: &Outcomes,
    seeds: u64,
    recipe: &Recipe,
    now_ns: &dyn Fn() -> u64,
) -> Result<Learned> {
    let groups = groups_of(outcomes);
    if groups.iter().all(|group| *group == groups[0]) {
        let message = format!("{}: all prompts are of one task", outcomes.name);
        return Err(Error::new(Kind::InvalidRequest, message).with_hint(
            "Learning must be judged on tasks that were left out: give it two or more.",
        ));
    }
    let options =
        |split| Options { split, seeds, cascade: Vec::new(), recipe: *recipe, priors: Vec::new() };
    let is_dated = outcomes.prompts.iter().all(|prompt| prompt.at_ms.is_some());
    let today = if is_dated { SplitBy::Time } else { SplitBy::Random };
    let by_chance = evaluate(outcomes, &options(today), now_ns)?;
    let by_task = evaluate(outcomes, &options(SplitBy::Task), now_ns)?;
    let refused: Vec<String> = [&by_chance, &by_task].into_iter().filter_map(why_not).collect();
    let estimator = refused.is_empty().then(|| {
        let signals: Vec<Signals> = outcomes
            .prompts
            .iter()
            .map(|prompt| {
                let tag = prompt.tag.unwrap_or_else(|| tag_of_words(&prompt.task));
                Signals::of(&prompt.text, Some(tag))
            })
            .collect();
        let rows: Vec<usize> = (0..outcomes.prompts.len()).collect();
        train(outcomes, &signals, &groups, &rows, recipe).estimator
    });
    Ok(Learned { by_chance, by_task, refused, estimator })
}

/// Why an evaluation speaks against activating; `None` where it speaks for it.
pub fn why_not(evaluation: &Evaluation) -> Option<String> {
    let router = evaluation.routers.iter().find(|router| router.name == "tag")?;
    let lift = router.honest_lift.mean;
    if lift.is_some_and(|lift| lift > 0.0) {
        return None;
    }
    let lift = lift.map_or_else(|| "unknown".to_owned(), |lift| format!("{lift:+.4}"));
    Some(format!(
        "split {}: the honest lift over the hull of single models is {lift}, not above nothing",
        evaluation.split
    ))
}
