//! What can be seen of a prompt after some cheap models answered.

use gw_routing::agree::same_answer;

use crate::data::Outcomes;
use crate::policy::Predictions;

/// What is seen, and the best answer so far.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Numbers for the models of [`super::logistic`]; the first is always 1.
    pub(super) seen: Vec<f64>,
    /// The model whose answer would be given.
    pub(super) best: Option<usize>,
}

impl View {
    pub(super) fn of(
        outcomes: &Outcomes,
        rungs: &[usize],
        predictions: &Predictions,
        at: usize,
        asked: usize,
    ) -> Self {
        let width = outcomes.width();
        let row = predictions.rows[at];
        let odds = |model: usize| {
            let success = f64::from(predictions.success[at * width + model]).clamp(0.02, 0.98);
            (success / (1.0 - success)).ln()
        };
        let top = rungs[rungs.len() - 1];
        let mut seen = vec![1.0, odds(top)];
        for &rung in &rungs[..rungs.len() - 1] {
            seen.push(odds(rung) - odds(top));
        }
        if asked == 0 {
            return Self { seen, best: None };
        }
        let asked_rungs = &rungs[..asked];
        let parts = parts(outcomes, asked_rungs, row);
        let best = best_part(&parts, asked_rungs, &odds);
        for (place, &rung) in asked_rungs.iter().enumerate() {
            let cell = row * width + rung;
            let length = f64::from(outcomes.out_tokens[cell]);
            let usual = f64::from(predictions.tokens[at * width + rung]).max(1.0);
            let ratio = ((length + 5.0) / (usual + 5.0)).ln();
            seen.push(ratio);
            seen.push(ratio * ratio);
            seen.push(f64::from(u8::from(outcomes.answer_of(row, rung).is_none())));
            // Who agrees with whom, pair by pair, and how much that says of such a prompt.
            for earlier in 0..place {
                let agrees = f64::from(u8::from(parts[earlier] == parts[place]));
                seen.push(agrees);
                seen.push(agrees * odds(top));
            }
        }
        let votes = best.map_or(0, |model| {
            let place = asked_rungs.iter().position(|rung| *rung == model).unwrap_or_default();
            parts.iter().filter(|part| **part == parts[place]).count()
        });
        for wanted in 1..=asked {
            seen.push(f64::from(u8::from(votes == wanted)));
        }
        seen.push(best.map_or(0.0, odds));
        Self { seen, best }
    }
}

/// For each answer the place of the first one that is the same; a missing answer is only itself.
fn parts(outcomes: &Outcomes, rungs: &[usize], row: usize) -> Vec<usize> {
    let answers: Vec<Option<&str>> =
        rungs.iter().map(|rung| outcomes.answer_of(row, *rung)).collect();
    (0..answers.len())
        .map(|place| {
            let Some(own) = answers[place] else { return place };
            let same = |other: &Option<&str>| other.is_some_and(|other| same_answer(own, other));
            answers[..place].iter().position(same).unwrap_or(place)
        })
        .collect()
}

/// The model that speaks for the answers with the most trust behind them.
fn best_part(parts: &[usize], rungs: &[usize], odds: &impl Fn(usize) -> f64) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for place in 0..parts.len() {
        if parts[place] != place {
            continue;
        }
        let members = (0..parts.len()).filter(|other| parts[*other] == place);
        // Each vote counts for at least a little, so that two agreeing models go before one.
        let trust: f64 = members.clone().map(|member| (odds(rungs[member]) + 1.5).max(0.2)).sum();
        if best.is_none_or(|(most, _)| trust > most) {
            let speaker =
                members.reduce(
                    |one, other| {
                        if odds(rungs[other]) > odds(rungs[one]) { other } else { one }
                    },
                );
            best = Some((trust, rungs[speaker.unwrap_or(place)]));
        }
    }
    best.map(|(_, model)| model)
}

/// The first model whose answer an earlier one gave too.
pub(super) fn first_agreed(outcomes: &Outcomes, rungs: &[usize], row: usize) -> Option<usize> {
    let parts = parts(outcomes, rungs, row);
    (0..parts.len()).find(|place| parts[*place] != *place).map(|place| rungs[parts[place]])
}
