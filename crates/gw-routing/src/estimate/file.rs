//! An estimator as bytes: a small header in JSON, then arrays of little-endian numbers. Reading
//! checks every length, so a broken file is an error and never a wrong estimate.

use std::collections::HashMap;

use gw_core::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

use super::means::{Means, Tally};
use super::neighbours::Neighbours;
use super::{Calibration, Estimator, Guard, Linear, MODELS_MAX, Node, Trees};
use crate::signal::{BUCKETS, SIGNALS_VERSION, Tag, TaskClass};

const MAGIC: &[u8; 8] = b"GWROUTE1";

#[derive(Serialize, Deserialize)]
struct Header {
    signals: u32,
    models: Vec<String>,
    kept: Vec<bool>,
    guard: Guard,
    calibration: Vec<Calibration>,
    has_linear: bool,
    has_neighbours: bool,
    has_trees: bool,
}

impl Estimator {
    /// The estimator as bytes, the same for the same estimator.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            signals: SIGNALS_VERSION,
            models: self.models.clone(),
            kept: self.kept.clone(),
            guard: self.guard,
            calibration: self.calibration.clone(),
            has_linear: self.linear.is_some(),
            has_neighbours: self.neighbours.is_some(),
            has_trees: self.trees.is_some(),
        };
        let header = serde_json::to_vec(&header).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        put_len(&mut bytes, header.len());
        bytes.extend_from_slice(&header);
        for means in [&self.quality, &self.tokens] {
            put_means(&mut bytes, means);
        }
        if let Some(linear) = &self.linear {
            put_sparse(&mut bytes, linear.weights(), self.models.len());
            put_f32s(&mut bytes, linear.offsets());
        }
        if let Some(neighbours) = &self.neighbours {
            let parts = neighbours.parts();
            put_len(&mut bytes, parts.words.len());
            for (word, rarity, from, to) in parts.words {
                bytes.extend_from_slice(&word.to_le_bytes());
                bytes.extend_from_slice(&rarity.to_le_bytes());
                bytes.extend_from_slice(&from.to_le_bytes());
                bytes.extend_from_slice(&to.to_le_bytes());
            }
            put_len(&mut bytes, parts.postings.len());
            for (row, weight) in parts.postings {
                bytes.extend_from_slice(&row.to_le_bytes());
                bytes.extend_from_slice(&weight.to_le_bytes());
            }
            put_f32s(&mut bytes, parts.residuals);
            bytes.extend_from_slice(&parts.unknown_rarity.to_le_bytes());
        }
        if let Some(trees) = &self.trees {
            put_len(&mut bytes, trees.nodes().len());
            for node in trees.nodes() {
                bytes.extend_from_slice(&u32::from(node.count).to_le_bytes());
                bytes.extend_from_slice(&node.above.to_le_bytes());
                bytes.extend_from_slice(&node.next.to_le_bytes());
            }
            put_len(&mut bytes, trees.roots().len());
            trees.roots().iter().for_each(|root| bytes.extend_from_slice(&root.to_le_bytes()));
            put_f32s(&mut bytes, trees.leaves());
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] for bytes that are no estimator, or one of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { bytes };
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(broken("it does not begin as one"));
        }
        let length = reader.len()?;
        let header: Header = serde_json::from_slice(reader.take(length)?)
            .map_err(|error| broken(&format!("its header: {error}")))?;
        if header.signals != SIGNALS_VERSION {
            return Err(broken("it was made by another version; learn again"));
        }
        let models = header.models.len();
        let fits = (1..=MODELS_MAX).contains(&models)
            && header.kept.len() == models
            && (header.calibration.is_empty() || header.calibration.len() == models);
        if !fits {
            return Err(broken("its lists of models differ in length"));
        }
        let quality = reader.means(models)?;
        let tokens = reader.means(models)?;
        let linear = if header.has_linear { Some(reader.linear(models)?) } else { None };
        let neighbours =
            if header.has_neighbours { Some(reader.neighbours(models)?) } else { None };
        let trees = if header.has_trees { Some(reader.trees(models)?) } else { None };
        Ok(Self {
            trees,
            models: header.models,
            kept: header.kept,
            quality,
            tokens,
            linear,
            neighbours,
            guard: header.guard,
            calibration: header.calibration,
        })
    }
}

fn broken(what: &str) -> Error {
    Error::new(Kind::InvalidRequest, format!("this is no file of `route learn`: {what}"))
}

fn put_len(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend_from_slice(&(length as u64).to_le_bytes());
}

fn put_f32s(bytes: &mut Vec<u8>, values: &[f32]) {
    put_len(bytes, values.len());
    for value in values {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
}

/// Rows that are not all zero, each with its place.
fn put_sparse(bytes: &mut Vec<u8>, values: &[f32], width: usize) {
    let is_used = |row: &&[f32]| row.iter().any(|value| *value != 0.0);
    put_len(bytes, values.chunks_exact(width).filter(is_used).count());
    for (at, row) in (0_u32..).zip(values.chunks_exact(width)) {
        if is_used(&row) {
            bytes.extend_from_slice(&at.to_le_bytes());
            row.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        }
    }
}

fn put_means(bytes: &mut Vec<u8>, means: &Means) {
    put_f32s(bytes, &means.prior);
    put_tally(bytes, &means.all);
    means.classes.iter().for_each(|tally| put_tally(bytes, tally));
    let mut tags: Vec<(&Tag, &Tally)> = means.tags.iter().collect();
    tags.sort_unstable_by_key(|(tag, _)| **tag);
    put_len(bytes, tags.len());
    for (tag, tally) in tags {
        bytes.extend_from_slice(&tag.0.to_le_bytes());
        put_tally(bytes, tally);
    }
}

fn put_tally(bytes: &mut Vec<u8>, tally: &Tally) {
    put_f32s(bytes, &tally.counts);
    put_f32s(bytes, &tally.sums);
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.bytes.split_at_checked(length).ok_or_else(|| broken("it ends too early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn f32(&mut self) -> Result<f32> {
        let value = f32::from_le_bytes(self.array()?);
        if value.is_finite() { Ok(value) } else { Err(broken("a number in it is none")) }
    }

    /// A length, never more than there are bytes left: nothing is reserved for a lie.
    fn len(&mut self) -> Result<usize> {
        let length = usize::try_from(u64::from_le_bytes(self.array()?)).unwrap_or(usize::MAX);
        if length > self.bytes.len() { Err(broken("it ends too early")) } else { Ok(length) }
    }

    fn f32s(&mut self, wanted: Option<usize>) -> Result<Vec<f32>> {
        let length = self.len()?;
        if wanted.is_some_and(|wanted| wanted != length) {
            return Err(broken("a list in it has the wrong length"));
        }
        (0..length).map(|_| self.f32()).collect()
    }

    fn tally(&mut self, models: usize) -> Result<Tally> {
        Ok(Tally { counts: self.f32s(Some(models))?, sums: self.f32s(Some(models))? })
    }

    fn means(&mut self, models: usize) -> Result<Means> {
        let mut means = Means::new(self.f32s(Some(models))?);
        means.all = self.tally(models)?;
        means.classes = TaskClass::ALL.iter().map(|_| self.tally(models)).collect::<Result<_>>()?;
        let count = self.len()?;
        let mut tags = HashMap::new();
        for _ in 0..count {
            let tag = Tag(u64::from_le_bytes(self.array()?));
            tags.insert(tag, self.tally(models)?);
        }
        means.tags = tags;
        Ok(means)
    }

    fn linear(&mut self, models: usize) -> Result<Linear> {
        let mut weights = vec![0.0; BUCKETS * models];
        for _ in 0..self.len()? {
            let bucket = self.u32()? as usize;
            if bucket >= BUCKETS {
                return Err(broken("a bucket in it is too high"));
            }
            for model in 0..models {
                weights[bucket * models + model] = self.f32()?;
            }
        }
        let offsets = self.f32s(Some(models))?;
        Linear::new(models, weights, offsets).ok_or_else(|| broken("its weights do not fit"))
    }

    fn trees(&mut self, models: usize) -> Result<Trees> {
        let mut nodes = Vec::new();
        for _ in 0..self.len()? {
            let count = u16::try_from(self.u32()?).map_err(|_| broken("a count is too high"))?;
            nodes.push(Node { count, above: self.u32()?, next: self.u32()? });
        }
        let count = self.len()?;
        let roots = (0..count).map(|_| self.u32()).collect::<Result<Vec<u32>>>()?;
        let leaves = self.f32s(None)?;
        Trees::new(models, nodes, roots, leaves).ok_or_else(|| broken("its trees lead nowhere"))
    }

    fn neighbours(&mut self, models: usize) -> Result<Neighbours> {
        let count = self.len()?;
        let mut words = Vec::new();
        for _ in 0..count {
            let word = u64::from_le_bytes(self.array()?);
            words.push((word, self.f32()?, self.u32()?, self.u32()?));
        }
        let count = self.len()?;
        let mut postings = Vec::new();
        for _ in 0..count {
            postings.push((self.u32()?, self.f32()?));
        }
        let residuals = self.f32s(None)?;
        let unknown_rarity = self.f32()?;
        Neighbours::from_parts(models, &words, postings, residuals, unknown_rarity)
            .ok_or_else(|| broken("its neighbours do not fit together"))
    }
}

#[cfg(test)]
mod tests;
