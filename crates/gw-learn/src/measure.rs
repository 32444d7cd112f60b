//! The figures of a router: curves of cost and quality, their hull, and what is read off them.

use serde::Serialize;

/// A policy's mean cost and mean quality on the judged prompts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Mean cost of a prompt in pico-dollars.
    pub cost: f64,
    /// Mean quality, 0 to 1.
    pub quality: f64,
}

/// The upper hull of some points: what mixing policies at random reaches, and never falling.
#[derive(Clone, Debug, Serialize)]
pub struct Hull {
    points: Vec<Point>,
}

impl Hull {
    /// The hull of points; empty for none.
    pub fn of(points: &[Point]) -> Self {
        let mut sorted = points.to_vec();
        sorted.sort_by(|one, other| {
            one.cost.total_cmp(&other.cost).then(other.quality.total_cmp(&one.quality))
        });
        let mut hull: Vec<Point> = Vec::new();
        for point in sorted {
            if hull.last().is_some_and(|last| point.quality <= last.quality) {
                continue;
            }
            while let [.., before, last] = hull[..] {
                let rise = (last.quality - before.quality) * (point.cost - before.cost);
                let reach = (point.quality - before.quality) * (last.cost - before.cost);
                if rise > reach {
                    break;
                }
                hull.pop();
            }
            hull.push(point);
        }
        Self { points: hull }
    }

    /// The corners, cheapest first.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The best quality for a mean cost.
    pub fn quality_at(&self, cost: f64) -> f64 {
        let after = self.points.partition_point(|point| point.cost <= cost);
        match (after.checked_sub(1).map(|at| self.points[at]), self.points.get(after)) {
            (None, first) => first.map_or(0.0, |first| first.quality),
            (Some(last), None) => last.quality,
            (Some(one), Some(other)) => {
                let share = (cost - one.cost) / (other.cost - one.cost);
                one.quality + share * (other.quality - one.quality)
            }
        }
    }

    /// The least mean cost for a quality; `None` where it is not reached.
    pub fn cost_for(&self, quality: f64) -> Option<f64> {
        let at = self.points.iter().position(|point| point.quality >= quality - 1e-12)?;
        let other = self.points[at];
        let Some(one) = at.checked_sub(1).map(|before| self.points[before]) else {
            return Some(other.cost);
        };
        let share = (quality - one.quality) / (other.quality - one.quality);
        Some(one.cost + share * (other.cost - one.cost))
    }

    /// Mean quality over costs from `low` to `high` (AIQ).
    pub fn area(&self, low: f64, high: f64) -> f64 {
        if high <= low {
            return self.quality_at(high);
        }
        let inside = self.points.iter().map(|point| point.cost);
        let mut costs: Vec<f64> = inside.filter(|cost| *cost > low && *cost < high).collect();
        costs.insert(0, low);
        costs.push(high);
        let strip = |pair: &[f64]| {
            (self.quality_at(pair[0]) + self.quality_at(pair[1])) / 2.0 * (pair[1] - pair[0])
        };
        costs.windows(2).map(strip).sum::<f64>() / (high - low)
    }
}

/// Expected calibration error: mean distance between promised and delivered quality in ten equal
/// ranges of the promise, weighted by how many fall there.
#[expect(clippy::cast_precision_loss, reason = "counts of prompts")]
pub fn calibration_error(pairs: impl Iterator<Item = (f32, f32)>) -> f64 {
    let mut ranges = [(0.0_f64, 0.0_f64, 0_usize); 10];
    let mut total = 0_usize;
    for (promised, delivered) in pairs {
        let at = (1..10).filter(|edge| promised * 10.0 >= *edge as f32).count();
        ranges[at].0 += f64::from(promised);
        ranges[at].1 += f64::from(delivered);
        ranges[at].2 += 1;
        total += 1;
    }
    let distance = |(promised, delivered, _): &(f64, f64, usize)| (promised - delivered).abs();
    ranges.iter().map(distance).sum::<f64>() / total.max(1) as f64
}

/// A figure over several splits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figure {
    /// Mean over the splits that have it; `None` for none.
    pub mean: Option<f64>,
    /// Half the width of the mean's 95 % interval by Student's t; `None` below two splits.
    pub margin: Option<f64>,
    /// Splits that have it.
    pub reached: usize,
    /// Splits.
    pub of: usize,
}

impl Figure {
    /// The figure of some splits.
    #[expect(clippy::cast_precision_loss, reason = "counts of splits")]
    pub fn of(values: impl Iterator<Item = Option<f64>>) -> Self {
        let all: Vec<Option<f64>> = values.collect();
        let known: Vec<f64> = all.iter().copied().flatten().collect();
        let count = known.len() as f64;
        let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / count);
        let margin = mean.filter(|_| known.len() > 1).map(|mean| {
            let square: f64 = known.iter().map(|value| (value - mean).powi(2)).sum();
            student(known.len() - 1) * (square / (count - 1.0) / count).sqrt()
        });
        Self { mean, margin, reached: known.len(), of: all.len() }
    }

    /// True where no split has it.
    pub fn is_empty(&self) -> bool {
        self.reached == 0
    }
}

/// The 97.5 % point of Student's t.
fn student(freedom: usize) -> f64 {
    const POINTS: [f64; 10] =
        [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    match freedom {
        0 => f64::NAN,
        1..=10 => POINTS[freedom - 1],
        11..=30 => 2.1,
        _ => 1.96,
    }
}

#[cfg(test)]
mod tests;
