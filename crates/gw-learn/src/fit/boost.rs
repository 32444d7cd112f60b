//! Boosted regression trees over counts, all models at once: each tree takes a small step towards what
//! the trees before it left unexplained.

use std::collections::BinaryHeap;

use gw_routing::estimate::{Node, Trees};
use gw_routing::signal::{COUNTS, Signals};

/// Bins that each count is cut into at most.
const BINS_MAX: usize = 48;

/// How to boost.
#[derive(Clone, Copy, Debug)]
pub struct Boost {
    /// Trees.
    pub trees: usize,
    /// Leaves of each.
    pub leaves: usize,
    /// Share of each step that is taken.
    pub rate: f32,
    /// Prompts that a leaf must have.
    pub rows_min: usize,
    /// Prompts' worth of belief in nothing that stand in every leaf.
    pub pull: f32,
}

impl Default for Boost {
    fn default() -> Self {
        Self { trees: 150, leaves: 8, rate: 0.05, rows_min: 40, pull: 5.0 }
    }
}

/// Rows that share the answers to all questions so far.
struct Part {
    node: usize,
    rows: Vec<u32>,
    sums: Vec<f64>,
    best: Option<Cut>,
}

#[derive(Clone, Copy, PartialEq)]
struct Cut {
    gain: f64,
    count: usize,
    bin: u8,
}

/// Which part to cut next: that which gains most, then the earliest.
#[derive(PartialEq)]
struct Turn(f64, usize);

impl Eq for Turn {}
impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Turn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0).then(other.1.cmp(&self.1))
    }
}

/// Fits trees to `targets` (row-major, `width` a row) of some prompts.
pub(super) fn boost(
    signals: &[Signals],
    rows: &[usize],
    targets: &[f32],
    width: usize,
    how: &Boost,
) -> Trees {
    let edges: Vec<Vec<u32>> = (0..COUNTS).map(|count| edges(signals, rows, count)).collect();
    let bins: Vec<Vec<u8>> = (0..COUNTS)
        .map(|count| {
            let bin = |row: &usize| {
                let value = signals[*row].counts[count];
                edges[count].partition_point(|edge| *edge < value) as u8
            };
            rows.iter().map(bin).collect()
        })
        .collect();
    let mut left = targets.to_vec();
    let mut grown = Grown { width, how: *how, edges, bins, ..Grown::default() };
    // Without rows there is no leaf to end a walk in.
    let trees = if rows.is_empty() { 0 } else { how.trees };
    for _ in 0..trees {
        grown.tree(&mut left);
    }
    Trees::new(width, grown.nodes, grown.roots, grown.leaves)
        .expect("questions point forward and leaves have a value for each model")
}

/// Values between which a count is cut, upwards.
fn edges(signals: &[Signals], rows: &[usize], count: usize) -> Vec<u32> {
    let mut values: Vec<u32> = rows.iter().map(|row| signals[*row].counts[count]).collect();
    values.sort_unstable();
    let step = values.len().div_ceil(BINS_MAX).max(1);
    let mut edges: Vec<u32> = values.iter().copied().step_by(step).collect();
    edges.dedup();
    // Above the last edge nothing would lie.
    if edges.last() == values.last() {
        edges.pop();
    }
    edges
}

#[derive(Default)]
struct Grown {
    width: usize,
    how: Boost,
    edges: Vec<Vec<u32>>,
    bins: Vec<Vec<u8>>,
    nodes: Vec<Node>,
    roots: Vec<u32>,
    leaves: Vec<f32>,
}

impl Grown {
    fn tree(&mut self, left: &mut [f32]) {
        let root = self.nodes.len();
        self.roots.push(root as u32);
        self.nodes.push(LEAF);
        let rows = (0..(left.len() / self.width.max(1)) as u32).collect();
        let mut parts = vec![self.part(root, rows, left)];
        let mut turns = BinaryHeap::new();
        turns.extend(parts[0].best.map(|cut| Turn(cut.gain, 0)));
        let mut leaves = 1;
        while leaves < self.how.leaves {
            let Some(Turn(_, at)) = turns.pop() else { break };
            let Some(cut) = parts[at].best.take() else { continue };
            let next = self.nodes.len();
            self.nodes[parts[at].node] = Node {
                count: cut.count as u16,
                above: self.edges[cut.count][usize::from(cut.bin)],
                next: next as u32,
            };
            self.nodes.extend([LEAF, LEAF]);
            let rows = std::mem::take(&mut parts[at].rows);
            let is_above = |row: &u32| self.bins[cut.count][*row as usize] > cut.bin;
            let (above, below): (Vec<u32>, Vec<u32>) = rows.into_iter().partition(is_above);
            for (node, rows) in [(next, below), (next + 1, above)] {
                let part = self.part(node, rows, left);
                turns.extend(part.best.map(|cut| Turn(cut.gain, parts.len())));
                parts.push(part);
            }
            leaves += 1;
        }
        for part in parts.into_iter().filter(|part| !part.rows.is_empty()) {
            self.leaf(&part, left);
        }
    }

    fn leaf(&mut self, part: &Part, left: &mut [f32]) {
        let weight = part.rows.len() as f64 + f64::from(self.how.pull);
        let place = self.leaves.len() / self.width.max(1);
        let values: Vec<f32> =
            part.sums.iter().map(|sum| self.how.rate * (sum / weight) as f32).collect();
        for row in &part.rows {
            let from = *row as usize * self.width;
            for (left, value) in left[from..from + self.width].iter_mut().zip(&values) {
                *left -= value;
            }
        }
        self.nodes[part.node] = Node { next: place as u32, ..LEAF };
        self.leaves.extend(values);
    }

    fn part(&self, node: usize, rows: Vec<u32>, left: &[f32]) -> Part {
        let mut sums = vec![0.0; self.width];
        for row in &rows {
            let from = *row as usize * self.width;
            for (sum, value) in sums.iter_mut().zip(&left[from..from + self.width]) {
                *sum += f64::from(*value);
            }
        }
        let best = (rows.len() >= 2 * self.how.rows_min).then(|| self.cut(&rows, &sums, left));
        Part { node, rows, sums, best: best.flatten() }
    }

    /// The question that explains most; the first among equals.
    fn cut(&self, rows: &[u32], sums: &[f64], left: &[f32]) -> Option<Cut> {
        let (width, pull) = (self.width, f64::from(self.how.pull));
        let score = |sums: &[f64], count: usize| {
            sums.iter().map(|sum| sum * sum).sum::<f64>() / (count as f64 + pull)
        };
        let whole = score(sums, rows.len());
        let mut best: Option<Cut> = None;
        let mut totals = vec![0.0_f64; (BINS_MAX + 1) * width];
        let mut counts = [0_usize; BINS_MAX + 1];
        let (mut below, mut above) = (vec![0.0; width], vec![0.0; width]);
        for count in 0..COUNTS {
            let cuts = self.edges[count].len();
            if cuts == 0 {
                continue;
            }
            totals[..(cuts + 1) * width].fill(0.0);
            counts[..=cuts].fill(0);
            for row in rows {
                let bin = usize::from(self.bins[count][*row as usize]);
                counts[bin] += 1;
                let from = *row as usize * width;
                let total = &mut totals[bin * width..(bin + 1) * width];
                for (total, value) in total.iter_mut().zip(&left[from..from + width]) {
                    *total += f64::from(*value);
                }
            }
            below.fill(0.0);
            let mut seen = 0;
            for bin in 0..cuts {
                seen += counts[bin];
                let total = &totals[bin * width..(bin + 1) * width];
                for (model, total) in total.iter().enumerate() {
                    below[model] += total;
                    above[model] = sums[model] - below[model];
                }
                let rest = rows.len() - seen;
                if seen < self.how.rows_min || rest < self.how.rows_min {
                    continue;
                }
                let gain = score(&below, seen) + score(&above, rest) - whole;
                if gain > 1e-9 && best.is_none_or(|best| gain > best.gain) {
                    best = Some(Cut { gain, count, bin: bin as u8 });
                }
            }
        }
        best
    }
}

const LEAF: Node = Node { count: COUNTS as u16, above: 0, next: 0 };

#[cfg(test)]
mod tests {
    use gw_routing::signal::Signals;

    use super::{Boost, boost};

    #[test]
    fn trees_find_what_a_count_says_and_the_same_rows_give_the_same_trees() {
        let signals: Vec<Signals> =
            (0..300).map(|at| Signals::of(&"word ".repeat(1 + at % 30), None)).collect();
        let rows: Vec<usize> = (0..300).collect();
        let targets: Vec<f32> = rows
            .iter()
            .flat_map(|at| if at % 30 < 12 { [0.5, 0.0] } else { [-0.5, 0.1] })
            .collect();
        let how = Boost { trees: 60, rate: 0.2, ..Boost::default() };
        let trees = boost(&signals, &rows, &targets, 2, &how);
        for (at, wanted) in [(3, 0.5), (25, -0.5)] {
            let mut sums = [0.0, 0.0];
            trees.residual(&signals[at], &mut sums);
            assert!((sums[0] - wanted).abs() < 0.1, "{at}: {sums:?}");
        }
        assert_eq!(trees, boost(&signals, &rows, &targets, 2, &how));
        let none = boost(&signals, &[], &[], 2, &how);
        let mut sums = [0.0, 0.0];
        none.residual(&signals[0], &mut sums);
        assert_eq!(sums, [0.0, 0.0]);
    }
}
