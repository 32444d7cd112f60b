//! The nearest known name to one that is not known.

use serde_json::{Map, Value};

use crate::check::join;
use crate::schema::{self, Kind};

/// How alike two names must be, 0 to 1, to be taken for the same.
const LIKENESS_MIN: f64 = 0.8;

/// The most alike of the candidates, if any is alike enough.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (likeness(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Edits count for long names, a common beginning for short ones.
fn likeness(a: &str, b: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(a, b).max(strsim::jaro_winkler(a, b) - 0.05)
}

/// What to write in place of an unknown key of a table.
pub(crate) fn key(unknown: &str, known: &Map<String, Value>) -> String {
    if let Some(near) = nearest(unknown, known.keys().map(String::as_str)) {
        return format!("did you mean {near:?}?");
    }
    // The right key in the wrong section is the next most likely slip.
    let mut elsewhere = Vec::new();
    leaves(schema::root(), "", &mut elsewhere);
    let mut same = elsewhere.iter().filter(|(key, _)| key.eq_ignore_ascii_case(unknown));
    if let (Some((_, full)), None) = (same.next(), same.next()) {
        return format!("did you mean {full}?");
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    format!("known keys here: {}", names.join(", "))
}

/// Last word and full path of every key outside free tables.
fn leaves(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    if let Kind::Struct { fields, .. } = schema::kind(schema) {
        for (name, schema) in fields {
            let full = join(path, name);
            found.push((name.clone(), full.clone()));
            leaves(schema, &full, found);
        }
    }
}
