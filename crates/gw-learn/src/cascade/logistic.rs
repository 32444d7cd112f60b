//! Small regressions over what is seen: log-odds by Newton's method, and straight lines.

/// Weights for numbers, the first of which is always 1.
#[derive(Clone, Debug)]
pub(super) struct Logistic {
    weights: Vec<f64>,
}

/// Pull to nothing on every weight but the first, in prompts.
const PENALTY: f64 = 2.0;

impl Logistic {
    /// Says nothing: even odds, a line of zero.
    pub(super) fn nothing() -> Self {
        Self { weights: Vec::new() }
    }

    /// Log-odds of the outcome, 0 to 1.
    pub(super) fn fit<'a>(rows: impl Iterator<Item = (&'a [f64], f64)>) -> Self {
        let rows: Vec<(&[f64], f64)> = rows.collect();
        let width = rows.first().map_or(0, |(seen, _)| seen.len());
        let mut fitted = Self { weights: vec![0.0; width] };
        for _ in 0..12 {
            let mut system = System::new(width);
            for (at, weight) in fitted.weights.iter().enumerate().skip(1) {
                system.push[at] -= PENALTY * weight;
            }
            for (seen, outcome) in &rows {
                let p = fitted.probability(seen);
                system.add(seen, outcome - p, (p * (1.0 - p)).max(1e-4));
            }
            let Some(change) = system.solve() else { break };
            for (weight, change) in fitted.weights.iter_mut().zip(&change) {
                *weight += change.clamp(-4.0, 4.0);
            }
            if change.iter().all(|change| change.abs() < 1e-6) {
                break;
            }
        }
        fitted
    }

    /// A straight line through values.
    pub(super) fn line<'a>(rows: impl Iterator<Item = (&'a [f64], f64)>) -> Self {
        let mut system: Option<System> = None;
        for (seen, value) in rows {
            system.get_or_insert_with(|| System::new(seen.len())).add(seen, value, 1.0);
        }
        let weights = system.and_then(System::solve).unwrap_or_default();
        Self { weights }
    }

    /// The probability for what is seen.
    pub(super) fn probability(&self, seen: &[f64]) -> f64 {
        1.0 / (1.0 + (-self.value(seen)).exp())
    }

    /// The value for what is seen: log-odds, or the line's.
    pub(super) fn value(&self, seen: &[f64]) -> f64 {
        self.weights.iter().zip(seen).map(|(weight, value)| weight * value).sum()
    }
}

/// Normal equations.
struct System {
    width: usize,
    curve: Vec<f64>,
    push: Vec<f64>,
}

impl System {
    fn new(width: usize) -> Self {
        let mut curve = vec![0.0; width * width];
        for at in 0..width {
            curve[at * width + at] = if at == 0 { 1e-6 } else { PENALTY };
        }
        Self { width, curve, push: vec![0.0; width] }
    }

    fn add(&mut self, seen: &[f64], push: f64, weight: f64) {
        for (at, value) in seen.iter().enumerate() {
            self.push[at] += value * push;
            for (other, second) in seen.iter().enumerate().take(at + 1) {
                self.curve[at * self.width + other] += weight * value * second;
            }
        }
    }

    /// By Cholesky's method; `None` where the equations have no single solution.
    fn solve(mut self) -> Option<Vec<f64>> {
        let width = self.width;
        for at in 0..width {
            for other in 0..=at {
                let mut sum = self.curve[at * width + other];
                for inner in 0..other {
                    sum -= self.curve[at * width + inner] * self.curve[other * width + inner];
                }
                if at == other {
                    if sum <= 1e-12 {
                        return None;
                    }
                    self.curve[at * width + at] = sum.sqrt();
                } else {
                    self.curve[at * width + other] = sum / self.curve[other * width + other];
                }
            }
        }
        for at in 0..width {
            for inner in 0..at {
                self.push[at] -= self.curve[at * width + inner] * self.push[inner];
            }
            self.push[at] /= self.curve[at * width + at];
        }
        for at in (0..width).rev() {
            for inner in at + 1..width {
                self.push[at] -= self.curve[inner * width + at] * self.push[inner];
            }
            self.push[at] /= self.curve[at * width + at];
        }
        Some(self.push)
    }
}

#[cfg(test)]
mod tests {
    use super::Logistic;

    #[test]
    fn it_finds_the_odds_and_the_line_behind_outcomes() {
        let rows: Vec<([f64; 2], f64)> = (0..400)
            .map(|at| {
                let x = f64::from(at % 2);
                // One in four without, three in four with.
                let is_good = if x > 0.5 { at % 8 != 1 } else { at % 8 == 0 };
                ([1.0, x], f64::from(u8::from(is_good)))
            })
            .collect();
        let fitted = Logistic::fit(rows.iter().map(|(seen, value)| (&seen[..], *value)));
        assert!((fitted.probability(&[1.0, 0.0]) - 0.25).abs() < 0.02);
        assert!((fitted.probability(&[1.0, 1.0]) - 0.75).abs() < 0.02);
        let line = Logistic::line(rows.iter().map(|(seen, _)| (&seen[..], 3.0 - seen[1])));
        assert!((line.value(&[1.0, 1.0]) - 2.0).abs() < 0.02);
    }
}
