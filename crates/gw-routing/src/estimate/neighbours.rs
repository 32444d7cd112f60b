//! The nearest labelled requests by weighted words (TF-IDF cosine), from an inverted index.

use std::collections::HashMap;

/// Neighbours that are averaged at most.
const NEIGHBOURS: usize = 100;

/// Labelled requests whose words are searched.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    models: usize,
    /// Hash of a word → its place in `words`.
    places: HashMap<u64, u32, BuildKnownHash>,
    /// For each word: its weight, and where its postings begin.
    words: Vec<Word>,
    /// Request and its weight for the word, word by word.
    postings: Vec<(u32, f32)>,
    /// Residuals, request-major.
    residuals: Vec<f32>,
    unknown_weight: f32,
}

/// What is stored of [`Neighbours`].
pub(super) struct Parts<'a> {
    /// Hash, rarity, first and last posting of each word, sorted.
    pub(super) words: Vec<(u64, f32, u32, u32)>,
    pub(super) postings: &'a [(u32, f32)],
    pub(super) residuals: &'a [f32],
    pub(super) unknown_rarity: f32,
}

#[derive(Clone, Copy, Debug)]
struct Word {
    rarity: f32,
    from: u32,
    to: u32,
}

/// A labelled request.
#[derive(Clone, Debug)]
pub struct Labelled<'a> {
    /// Its different words, as [`crate::signal::Signals::words`] gives them.
    pub words: &'a [(u64, u16)],
    /// What its mean did not explain, by model.
    pub residual: &'a [f32],
}

/// Buffers of a search.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    scores: Vec<f32>,
    touched: Vec<u32>,
    order: Vec<(f32, u32)>,
}

/// Words are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BuildKnownHash;

/// Hands a hash on as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KnownHash(u64);

impl std::hash::BuildHasher for BuildKnownHash {
    type Hasher = KnownHash;
    fn build_hasher(&self) -> KnownHash {
        KnownHash(0)
    }
}

impl std::hash::Hasher for KnownHash {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = crate::signal::hash_bytes(bytes);
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Neighbours {
    /// Indexes labelled requests. Words in more than `common` of them are left out.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub fn new(models: usize, rows: &[Labelled<'_>], common: f32) -> Self {
        let mut found: HashMap<u64, Vec<(u32, u16)>, BuildKnownHash> = HashMap::default();
        for (row, labelled) in (0_u32..).zip(rows) {
            for (word, count) in labelled.words {
                found.entry(*word).or_default().push((row, *count));
            }
        }
        let total = rows.len() as f32;
        let rarity_of = |count: f32| ((1.0 + total) / (1.0 + count)).ln() + 1.0;
        let mut lengths = vec![0.0_f32; rows.len()];
        let mut sorted: Vec<_> = found.into_iter().collect();
        sorted.sort_unstable_by_key(|(word, _)| *word);
        for (_, rows) in &sorted {
            let rarity = rarity_of(rows.len() as f32);
            for (row, count) in rows {
                lengths[*row as usize] += (term(*count) * rarity).powi(2);
            }
        }
        let mut neighbours = Self { models, unknown_weight: rarity_of(0.0), ..Self::default() };
        for (word, rows) in &sorted {
            let rarity = rarity_of(rows.len() as f32);
            let from = u32::try_from(neighbours.postings.len()).unwrap_or(u32::MAX);
            if rows.len() as f32 <= common * total {
                neighbours.postings.extend(rows.iter().map(|(row, count)| {
                    (*row, term(*count) * rarity / lengths[*row as usize].sqrt())
                }));
            }
            let to = u32::try_from(neighbours.postings.len()).unwrap_or(u32::MAX);
            let place = u32::try_from(neighbours.words.len()).unwrap_or(u32::MAX);
            neighbours.places.insert(*word, place);
            neighbours.words.push(Word { rarity, from, to });
        }
        for labelled in rows {
            neighbours.residuals.extend_from_slice(labelled.residual);
        }
        neighbours
    }

    /// Everything, to be stored.
    pub(super) fn parts(&self) -> Parts<'_> {
        let mut words: Vec<(u64, f32, u32, u32)> = self
            .places
            .iter()
            .map(|(hash, place)| {
                let word = self.words[*place as usize];
                (*hash, word.rarity, word.from, word.to)
            })
            .collect();
        words.sort_unstable_by_key(|(hash, ..)| *hash);
        Parts {
            words,
            postings: &self.postings,
            residuals: &self.residuals,
            unknown_rarity: self.unknown_weight,
        }
    }

    /// From stored parts; `None` where a place lies outside.
    pub(super) fn from_parts(
        models: usize,
        words: &[(u64, f32, u32, u32)],
        postings: Vec<(u32, f32)>,
        residuals: Vec<f32>,
        unknown_rarity: f32,
    ) -> Option<Self> {
        let rows = residuals.len() / models.max(1);
        let are_rows = residuals.len().is_multiple_of(models.max(1))
            && postings.iter().all(|(row, _)| (*row as usize) < rows);
        let are_words =
            words.iter().all(|(_, _, from, to)| from <= to && (*to as usize) <= postings.len());
        if !are_rows || !are_words {
            return None;
        }
        let mut neighbours =
            Self { models, postings, residuals, unknown_weight: unknown_rarity, ..Self::default() };
        for (place, (hash, rarity, from, to)) in (0_u32..).zip(words) {
            neighbours.places.insert(*hash, place);
            neighbours.words.push(Word { rarity: *rarity, from: *from, to: *to });
        }
        Some(neighbours)
    }

    /// Replaces the residuals of every labelled request.
    pub fn map_residuals(&mut self, mut change: impl FnMut(&mut [f32])) {
        for residual in self.residuals.chunks_exact_mut(self.models.max(1)) {
            change(residual);
        }
    }

    /// Number of labelled requests.
    pub fn len(&self) -> usize {
        self.residuals.len() / self.models.max(1)
    }

    /// True without labelled requests.
    pub fn is_empty(&self) -> bool {
        self.residuals.is_empty()
    }

    /// Adds the mean residual of the nearest requests to `residual`; gives the mean likeness of the
    /// nearest ten, 0 to 1.
    pub fn residual(
        &self,
        words: &[(u64, u16)],
        scratch: &mut Scratch,
        residual: &mut [f32],
    ) -> f32 {
        self.search(words, scratch);
        self.average(scratch, residual, None)
    }

    /// Like [`Self::residual`] for a request that is itself among the labelled ones: it is left out.
    pub fn residual_without(
        &self,
        words: &[(u64, u16)],
        own: u32,
        scratch: &mut Scratch,
        residual: &mut [f32],
    ) -> f32 {
        self.search(words, scratch);
        self.average(scratch, residual, Some(own))
    }

    fn search(&self, words: &[(u64, u16)], scratch: &mut Scratch) {
        scratch.scores.resize(self.len(), 0.0);
        for &row in &scratch.touched {
            scratch.scores[row as usize] = 0.0;
        }
        scratch.touched.clear();
        let mut square = 0.0;
        for (word, count) in words {
            let Some(&place) = self.places.get(word) else {
                square += (term(*count) * self.unknown_weight).powi(2);
                continue;
            };
            let word = self.words[place as usize];
            let weight = term(*count) * word.rarity;
            square += weight * weight;
            for (row, own) in &self.postings[word.from as usize..word.to as usize] {
                let score = &mut scratch.scores[*row as usize];
                if *score == 0.0 {
                    scratch.touched.push(*row);
                }
                *score += weight * own;
            }
        }
        let length = square.sqrt().max(f32::EPSILON);
        scratch.order.clear();
        for &row in &scratch.touched {
            scratch.order.push((scratch.scores[row as usize] / length, row));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "at most a hundred")]
    fn average(&self, scratch: &mut Scratch, residual: &mut [f32], own: Option<u32>) -> f32 {
        if let Some(own) = own {
            scratch.order.retain(|(_, row)| *row != own);
        }
        let best = |one: &(f32, u32), other: &(f32, u32)| {
            other.0.total_cmp(&one.0).then(one.1.cmp(&other.1))
        };
        if scratch.order.len() > NEIGHBOURS {
            scratch.order.select_nth_unstable_by(NEIGHBOURS - 1, best);
            scratch.order.truncate(NEIGHBOURS);
        }
        scratch.order.sort_unstable_by(best);
        let mut total = 0.0_f32;
        for (likeness, row) in &scratch.order {
            let from = *row as usize * self.models;
            for (sum, value) in residual.iter_mut().zip(&self.residuals[from..from + self.models]) {
                *sum += likeness * value;
            }
            total += likeness;
        }
        // Few or unlike neighbours draw little.
        let total = total + 1.0;
        for sum in residual.iter_mut() {
            *sum /= total;
        }
        let near = &scratch.order[..scratch.order.len().min(10)];
        near.iter().map(|(likeness, _)| likeness).sum::<f32>() / 10.0_f32.max(near.len() as f32)
    }
}

/// Weight of a word that stands there so often.
fn term(count: u16) -> f32 {
    1.0 + f32::from(count).ln()
}
