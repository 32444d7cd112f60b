//! Search over tools with system C's exact ranking (CONTRACT 3.4): BM25+ over name, title,
//! description and server, with exact, prefix and fuzzy terms.
//!
//! The filter on servers comes before the cut, so a small server's tools are not crowded out.

mod text;

use std::collections::{BTreeMap, HashMap, HashSet};

use text::{distance, tokens};

const FIELDS: usize = 4;
/// Weights of name, title, description and server.
const BOOSTS: [f64; FIELDS] = [3.0, 2.0, 1.0, 1.0];
const K: f64 = 1.2;
const B: f64 = 0.7;
const D: f64 = 0.5;
const PREFIX: f64 = 0.375;
const FUZZY: f64 = 0.45;
const FUZZY_SHARE: f64 = 0.2;
const FUZZY_MAX: usize = 6;

/// Longest query, in characters; what follows is not read.
const QUERY_CHARS_MAX: usize = 2_000;

/// What is searched of a tool.
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) server: String,
}

/// A hit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hit {
    pub(crate) id: String,
    pub(crate) score: f64,
}

#[derive(Default)]
struct Postings([BTreeMap<u32, u32>; FIELDS]);

/// The index.
pub(crate) struct Index {
    ids: Vec<String>,
    servers: Vec<String>,
    terms: BTreeMap<String, Postings>,
    lengths: Vec<[f64; FIELDS]>,
    averages: [f64; FIELDS],
}

impl Index {
    /// Indexes documents. Their order matters a little: average lengths are running means.
    pub(crate) fn build(documents: impl Iterator<Item = Document>) -> Self {
        let mut index = Self {
            ids: Vec::new(),
            servers: Vec::new(),
            terms: BTreeMap::new(),
            lengths: Vec::new(),
            averages: [0.0; FIELDS],
        };
        for document in documents {
            index.add(document);
        }
        index
    }

    fn add(&mut self, document: Document) {
        let place = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        let count = f64::from(place) + 1.0;
        let fields = [
            Some(document.name),
            document.title,
            document.description,
            Some(document.server.clone()),
        ];
        let mut lengths = [0.0; FIELDS];
        for (field, text) in fields.iter().enumerate() {
            let Some(text) = text else { continue };
            let tokens = tokens(text);
            let distinct: HashSet<&String> = tokens.iter().collect();
            let length = f64::from(u32::try_from(distinct.len()).unwrap_or(u32::MAX));
            lengths[field] = length;
            self.averages[field] = (self.averages[field] * (count - 1.0) + length) / count;
            for token in &tokens {
                let token = token.to_lowercase();
                if !token.is_empty() {
                    let postings = self.terms.entry(token).or_default();
                    *postings.0[field].entry(place).or_default() += 1;
                }
            }
        }
        self.ids.push(document.id);
        self.servers.push(document.server);
        self.lengths.push(lengths);
    }

    /// The best tools for a query, of the servers that pass, best first.
    pub(crate) fn search(
        &self,
        query: &str,
        passes: impl Fn(&str, &str) -> bool,
        limit: usize,
    ) -> (usize, Vec<Hit>) {
        let query: String = query.chars().take(QUERY_CHARS_MAX).collect::<String>().to_lowercase();
        let mut scores: HashMap<u32, (f64, HashSet<String>)> = HashMap::new();
        for term in tokens(&query) {
            let term = term.to_lowercase();
            if term.is_empty() {
                continue;
            }
            for (postings, weight) in self.candidates(&term) {
                self.score(postings, weight, &term, &mut scores);
            }
        }
        let mut hits: Vec<Hit> = scores
            .into_iter()
            .filter_map(|(place, (score, matched))| {
                let at = usize::try_from(place).ok()?;
                let (id, server) = (self.ids.get(at)?, self.servers.get(at)?);
                if !passes(id, server) {
                    return None;
                }
                let matched = f64::from(u32::try_from(matched.len()).unwrap_or(u32::MAX));
                Some(Hit { id: id.clone(), score: score * matched })
            })
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
        let found = hits.len();
        hits.truncate(limit);
        (found, hits)
    }

    /// The indexed terms that a query's term means, with their weights.
    fn candidates<'a>(&'a self, term: &str) -> Vec<(&'a Postings, f64)> {
        let length =
            |text: &str| f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX));
        let own = length(term);
        let mut found = Vec::new();
        let mut taken: HashSet<&str> = HashSet::new();
        for (key, postings) in self.terms.range(term.to_owned()..) {
            if !key.starts_with(term) {
                break;
            }
            taken.insert(key);
            let long = length(key);
            let weight =
                if key == term { 1.0 } else { PREFIX * long / (long + 0.3 * (long - own)) };
            found.push((postings, weight));
        }
        let edits = edits_max(term);
        if edits > 0 {
            for (key, postings) in &self.terms {
                if taken.contains(key.as_str()) {
                    continue;
                }
                if let Some(edits) = distance(term, key, edits).filter(|edits| *edits > 0) {
                    let long = length(key);
                    let edits = f64::from(u32::try_from(edits).unwrap_or(u32::MAX));
                    found.push((postings, FUZZY * long / (long + edits)));
                }
            }
        }
        found
    }

    fn score(
        &self,
        postings: &Postings,
        weight: f64,
        term: &str,
        scores: &mut HashMap<u32, (f64, HashSet<String>)>,
    ) {
        let all = f64::from(u32::try_from(self.ids.len()).unwrap_or(u32::MAX));
        for (field, documents) in postings.0.iter().enumerate() {
            if documents.is_empty() {
                continue;
            }
            let with = f64::from(u32::try_from(documents.len()).unwrap_or(u32::MAX));
            let rarity = (1.0 + (all - with + 0.5) / (with + 0.5)).ln();
            for (place, count) in documents {
                let at = usize::try_from(*place).unwrap_or(usize::MAX);
                let Some(lengths) = self.lengths.get(at) else { continue };
                let count = f64::from(*count);
                let relative = lengths[field] / self.averages[field];
                let part = D + count * (K + 1.0) / (count + K * (1.0 - B + B * relative));
                let entry = scores.entry(*place).or_default();
                entry.0 += weight * BOOSTS[field] * rarity * part;
                entry.1.insert(term.to_owned());
            }
        }
    }
}

/// Edits that a term of this length may be away: a fifth of it, rounded half up.
fn edits_max(term: &str) -> usize {
    let length = f64::from(u32::try_from(term.chars().count()).unwrap_or(u32::MAX));
    let mut edits = 0;
    while edits < FUZZY_MAX
        && f64::from(u32::try_from(edits + 1).unwrap_or(u32::MAX))
            <= (length * FUZZY_SHARE + 0.5).floor()
    {
        edits += 1;
    }
    edits
}

#[cfg(test)]
mod tests;
