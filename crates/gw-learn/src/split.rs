//! Which prompts are learned from and which are judged on.

use std::collections::{BTreeMap, BTreeSet};

use crate::data::Outcomes;
use crate::dice::Dice;

/// How prompts are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitBy {
    /// Each prompt by chance: the traffic of tomorrow is that of today.
    Random,
    /// Whole tasks by chance: the traffic of tomorrow is new.
    Task,
    /// The newest prompts: what is learned today is used tomorrow.
    Time,
}

impl SplitBy {
    /// Its word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Task => "task",
            Self::Time => "time",
        }
    }
}

/// Places of prompts.
#[derive(Clone, Debug)]
pub struct Split {
    /// To learn from.
    pub train: Vec<usize>,
    /// To judge on.
    pub test: Vec<usize>,
}

/// Share of prompts to learn from.
pub const TRAIN_SHARE: f64 = 0.6;

/// Splits the prompts, reproducibly by seed.
#[expect(clippy::cast_precision_loss, reason = "counts of prompts")]
pub fn split(outcomes: &Outcomes, by: SplitBy, seed: u64) -> Split {
    let rows: Vec<usize> = (0..outcomes.prompts.len()).collect();
    if by == SplitBy::Time {
        return split_by_time(outcomes, seed);
    }
    let groups = groups_of(outcomes);
    split_rows(&rows, &groups, by, TRAIN_SHARE, seed).unwrap_or_else(|| {
        let cut = (rows.len() as f64 * TRAIN_SHARE).round();
        let cut = rows.iter().take_while(|row| (**row as f64) < cut).count();
        Split { train: rows[..cut].to_vec(), test: rows[cut..].to_vec() }
    })
}

/// Older prompts to learn from, newer ones to judge on; each seed cuts at another time.
#[expect(clippy::cast_precision_loss, reason = "counts of prompts")]
fn split_by_time(outcomes: &Outcomes, seed: u64) -> Split {
    let mut rows: Vec<usize> = (0..outcomes.prompts.len()).collect();
    rows.sort_by_key(|row| (outcomes.prompts[*row].at_ms, *row));
    let share = TRAIN_SHARE + [0.0, -0.1, 0.1][(seed % 3) as usize];
    let cut = (rows.len() as f64 * share).round() as usize;
    let mut test = rows.split_off(cut.min(rows.len()));
    rows.sort_unstable();
    test.sort_unstable();
    Split { train: rows, test }
}

/// Splits some prompts; `None` where fewer than two groups are there to split by.
#[expect(clippy::cast_precision_loss, reason = "counts of prompts")]
pub fn split_rows(
    rows: &[usize],
    groups: &[&str],
    by: SplitBy,
    share: f64,
    seed: u64,
) -> Option<Split> {
    let mut dice = Dice::new(seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(7));
    let total = rows.len() as f64;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    if by == SplitBy::Random {
        let mut order = rows.to_vec();
        dice.shuffle(&mut order);
        for row in order {
            if (train.len() as f64) < total * share { train.push(row) } else { test.push(row) }
        }
    } else {
        let mut by_group: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for row in rows {
            by_group.entry(groups[*row]).or_default().push(*row);
        }
        if by_group.len() < 2 {
            return None;
        }
        let mut parts: Vec<Vec<usize>> = by_group.into_values().collect();
        if parts.len() <= 4 {
            // Few tasks: each is left out once, in turn.
            let turn = usize::try_from(seed).unwrap_or_default() % parts.len();
            test = parts.remove(turn);
            train = parts.concat();
        } else {
            dice.shuffle(&mut parts);
            for part in parts {
                let room = total * (1.0 - share) - test.len() as f64;
                if part.len() as f64 / 2.0 < room { test.extend(part) } else { train.extend(part) }
            }
        }
    }
    train.sort_unstable();
    test.sort_unstable();
    Some(Split { train, test })
}

/// What is left out together, for each prompt: its task; its part of the task where there are fewer
/// than three tasks.
pub fn groups_of(outcomes: &Outcomes) -> Vec<&str> {
    let tasks: BTreeSet<&str> = outcomes.prompts.iter().map(|prompt| &*prompt.task).collect();
    let group = |prompt: &'_ crate::data::Prompt| tasks.len() >= 3 || prompt.sub.is_empty();
    let prompts = outcomes.prompts.iter();
    prompts.map(|prompt| if group(prompt) { &*prompt.task } else { &*prompt.sub }).collect()
}
