//! Solvers: ridge regression for several models at once, and Platt's line.

use gw_routing::estimate::Calibration;
use gw_routing::signal::{BUCKETS, Piece};

/// Weights (bucket-major) and offsets that explain `targets` (row-major, `width` a row) best under
/// a penalty of `alpha` on the squared weights: conjugate gradients, one for each model, side by side.
pub fn ridge(
    rows: &[&[Piece]],
    targets: &[f32],
    width: usize,
    alpha: f32,
    steps: usize,
) -> (Vec<f32>, Vec<f32>) {
    let mut offsets = vec![0.0_f32; width];
    for target in targets.chunks_exact(width) {
        for (offset, value) in offsets.iter_mut().zip(target) {
            *offset += value / rows.len().max(1) as f32;
        }
    }
    // Only buckets that occur take part: the rest keeps a weight of nothing.
    let mut place = vec![u32::MAX; BUCKETS];
    let mut used = Vec::new();
    for piece in rows.iter().copied().flatten() {
        let slot = &mut place[piece.bucket as usize];
        if *slot == u32::MAX {
            *slot = used.len() as u32;
            used.push(piece.bucket);
        }
    }
    let mut residual = vec![0.0_f32; used.len() * width];
    for (row, target) in rows.iter().zip(targets.chunks_exact(width)) {
        for piece in *row {
            let at = place[piece.bucket as usize] as usize * width;
            for model in 0..width {
                residual[at + model] += piece.weight * (target[model] - offsets[model]);
            }
        }
    }
    let mut weights = vec![0.0_f32; residual.len()];
    let mut direction = residual.clone();
    let mut square = squares(&residual, width);
    let mut image = vec![0.0_f32; residual.len()];
    for _ in 0..steps {
        for (image, value) in image.iter_mut().zip(&direction) {
            *image = alpha * value;
        }
        let mut seen = vec![0.0_f32; width];
        for row in rows {
            seen.fill(0.0);
            for piece in *row {
                let at = place[piece.bucket as usize] as usize * width;
                for (sum, value) in seen.iter_mut().zip(&direction[at..at + width]) {
                    *sum += piece.weight * value;
                }
            }
            for piece in *row {
                let at = place[piece.bucket as usize] as usize * width;
                for (image, sum) in image[at..at + width].iter_mut().zip(&seen) {
                    *image += piece.weight * sum;
                }
            }
        }
        let mut curve = vec![0.0_f64; width];
        for (direction, image) in direction.chunks_exact(width).zip(image.chunks_exact(width)) {
            for model in 0..width {
                curve[model] += f64::from(direction[model]) * f64::from(image[model]);
            }
        }
        let length: Vec<f32> = ratio(&square, &curve);
        for at in 0..used.len() {
            for (model, length) in length.iter().enumerate() {
                let at = at * width + model;
                weights[at] += length * direction[at];
                residual[at] -= length * image[at];
            }
        }
        let next = squares(&residual, width);
        let turn = ratio(&next, &square);
        square = next;
        for (direction, residual) in
            direction.chunks_exact_mut(width).zip(residual.chunks_exact(width))
        {
            for model in 0..width {
                direction[model] = residual[model] + turn[model] * direction[model];
            }
        }
    }
    let mut all = vec![0.0_f32; BUCKETS * width];
    for (at, bucket) in used.iter().enumerate() {
        let to = *bucket as usize * width;
        all[to..to + width].copy_from_slice(&weights[at * width..(at + 1) * width]);
    }
    (all, offsets)
}

fn squares(values: &[f32], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0_f64; width];
    for row in values.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    sums
}

fn ratio(above: &[f64], below: &[f64]) -> Vec<f32> {
    above.iter().zip(below).map(|(a, b)| if *b > 1e-20 { (a / b) as f32 } else { 0.0 }).collect()
}

/// Platt's line through scores and outcomes, by Newton's method, with a pull to the identity.
pub fn platt(pairs: impl Iterator<Item = (f32, f32)>) -> Calibration {
    let pairs: Vec<(f64, f64)> = pairs
        .map(|(score, value)| {
            let score = f64::from(score).clamp(0.01, 0.99);
            ((score / (1.0 - score)).ln(), f64::from(value))
        })
        .collect();
    let (mut slope, mut shift) = (1.0_f64, 0.0_f64);
    for _ in 0..20 {
        // A few requests' worth of belief in the identity.
        let (mut gs, mut gb) = ((slope - 1.0) * 10.0, shift * 10.0);
        let (mut ss, mut sb, mut bb) = (10.0, 0.0, 10.0);
        for (x, y) in &pairs {
            let p = 1.0 / (1.0 + (-(slope * x + shift)).exp());
            let weight = (p * (1.0 - p)).max(1e-6);
            gs += (p - y) * x;
            gb += p - y;
            ss += weight * x * x;
            sb += weight * x;
            bb += weight;
        }
        let det = ss * bb - sb * sb;
        if det.abs() < 1e-12 {
            break;
        }
        slope -= (bb * gs - sb * gb) / det;
        shift -= (ss * gb - sb * gs) / det;
        slope = slope.clamp(0.0, 5.0);
        shift = shift.clamp(-4.0, 4.0);
    }
    Calibration { slope: slope as f32, shift: shift as f32 }
}
