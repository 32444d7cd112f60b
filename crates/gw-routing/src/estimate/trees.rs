//! Small regression trees over what can be counted of a text, all models at once: what carries over to
//! subjects whose words were never seen.

use serde::{Deserialize, Serialize};

use crate::signal::{COUNTS, Signals};

/// Trees at most.
const TREES_MAX: usize = 1_024;

/// A question about one count, or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Which count is looked at; the number of counts marks a leaf.
    pub count: u16,
    /// Above this to the second of the next two nodes.
    pub above: u32,
    /// A question's first next node; a leaf's place among leaves.
    pub next: u32,
}

/// Trees whose leaves are summed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trees {
    models: usize,
    /// Nodes of all trees; each tree's questions point to nodes after them.
    nodes: Vec<Node>,
    /// Where each tree begins.
    roots: Vec<u32>,
    /// What leaves add, leaf by leaf, one value for each model.
    leaves: Vec<f32>,
}

impl Trees {
    /// From parts; `None` where they do not fit together.
    pub fn new(models: usize, nodes: Vec<Node>, roots: Vec<u32>, leaves: Vec<f32>) -> Option<Self> {
        let leaf_count = leaves.len().checked_div(models)?;
        let is_sound = |(at, node): (usize, &Node)| {
            let next = node.next as usize;
            match usize::from(node.count).cmp(&COUNTS) {
                // Only forward, so that every walk ends.
                std::cmp::Ordering::Less => next > at && next + 1 < nodes.len(),
                std::cmp::Ordering::Equal => next < leaf_count,
                std::cmp::Ordering::Greater => false,
            }
        };
        let fits = leaves.len() == leaf_count * models
            && roots.len() <= TREES_MAX
            && roots.iter().all(|root| (*root as usize) < nodes.len())
            && nodes.iter().enumerate().all(is_sound);
        fits.then_some(Self { models, nodes, roots, leaves })
    }

    /// Adds what the trees say of a request to `residual`, one for each model.
    pub fn residual(&self, signals: &Signals, residual: &mut [f32]) {
        for root in &self.roots {
            let mut node = self.nodes[*root as usize];
            while let Some(count) = signals.counts.get(usize::from(node.count)) {
                let next = node.next as usize + usize::from(*count > node.above);
                node = self.nodes[next];
            }
            let from = node.next as usize * self.models;
            let leaf = &self.leaves[from..from + self.models];
            for (sum, value) in residual.iter_mut().zip(leaf) {
                *sum += value;
            }
        }
    }

    /// Replaces what each leaf adds.
    pub fn map_leaves(&mut self, mut change: impl FnMut(&mut [f32])) {
        self.leaves.chunks_exact_mut(self.models.max(1)).for_each(&mut change);
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.models
    }

    /// Nodes of all trees.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where each tree begins.
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// What leaves add.
    pub fn leaves(&self) -> &[f32] {
        &self.leaves
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, Trees};
    use crate::signal::{COUNTS, Signals};

    fn leaf(next: u32) -> Node {
        Node { count: u16::try_from(COUNTS).unwrap(), above: 0, next }
    }

    #[test]
    fn a_walk_ends_in_the_leaf_that_its_counts_lead_to() {
        let nodes = vec![Node { count: 0, above: 20, next: 1 }, leaf(0), leaf(1)];
        let trees = Trees::new(2, nodes, vec![0, 0], vec![1.0, 2.0, 3.0, 4.0]).expect("sound");
        let mut sums = [0.0, 0.0];
        trees.residual(&Signals::of("short", None), &mut sums);
        assert_eq!(sums, [2.0, 4.0]);
        trees.residual(&Signals::of("a good deal longer than twenty bytes", None), &mut sums);
        assert_eq!(sums, [8.0, 12.0]);
    }

    #[test]
    fn trees_that_lead_nowhere_or_in_circles_are_refused() {
        let circle = vec![Node { count: 0, above: 1, next: 0 }, leaf(0), leaf(0)];
        assert_eq!(Trees::new(1, circle, vec![0], vec![1.0]), None);
        assert_eq!(Trees::new(1, vec![leaf(1)], vec![0], vec![1.0]), None);
        assert_eq!(Trees::new(1, vec![leaf(0)], vec![1], vec![1.0]), None);
        assert_eq!(Trees::new(2, vec![leaf(0)], vec![0], vec![1.0]), None);
    }
}
