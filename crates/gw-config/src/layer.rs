//! Lays the environment and the flags over the file's values: from names to key paths.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::env::{self, ENV_VARS, Effect, Reading};
use crate::schema::{self, Kind};
use crate::source::{Problem, Source, Warning};
use crate::suggest;
use crate::tree::{Node, Tree};
use crate::well_known::env_word;

/// One layer of variables: those of `.env`, or those of the process.
pub(crate) struct Variables<'a> {
    pub(crate) values: BTreeMap<&'a str, (&'a str, usize)>,
    /// The `.env` file; `None` for the process.
    pub(crate) file: Option<Arc<PathBuf>>,
}

impl Variables<'_> {
    fn source(&self, name: &str, line: usize) -> Source {
        let name = Arc::from(name);
        match &self.file {
            Some(path) => Source::DotEnv { path: Arc::clone(path), line, name },
            None => Source::Env { name },
        }
    }

    /// The value and its place; an empty value counts as not set, as `.env` templates have it.
    fn value(&self, name: &str) -> Option<(&str, Source)> {
        let (value, line) = self.values.get(name)?;
        (!value.trim().is_empty()).then(|| (*value, self.source(name, *line)))
    }
}

/// What laying over gathers.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
}

/// Lays one layer of variables over the tree.
pub(crate) fn variables(root: &mut Node, layer: &Variables<'_>, found: &mut Found) {
    let mut recognised: BTreeMap<&str, Vec<(&str, Source)>> = BTreeMap::new();
    // The first row wins, so it is laid over last.
    for var in ENV_VARS.iter().rev() {
        let Some((text, source)) = layer.value(&var.name) else { continue };
        match &var.effect {
            Effect::Set(keys) => {
                for key in keys {
                    root.set(&segments(key), Node::text(text, source.clone()));
                }
            }
            Effect::Convert(key, reading) => {
                let tree = convert(*reading, text, key, &source, found);
                if let Some(tree) = tree {
                    root.set(&segments(key), Node { tree, source });
                }
            }
            Effect::Recognised(why) => {
                recognised.entry(*why).or_default().push((&var.name, source));
            }
        }
    }
    for (why, mut names) in recognised {
        names.reverse();
        let list: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let (is, source) = match names.as_slice() {
            [(_, source)] => ("is", source.clone()),
            [(_, source), ..] => ("are", source.clone()),
            [] => continue,
        };
        found.warnings.push(Warning {
            source,
            message: format!("{} {is} recognised, but {why}", list.join(", ")),
        });
    }
    derived(root, layer, found);
}

/// Lays flags over the tree: key paths as in the file, with `-` for `_` if one likes.
pub(crate) fn flags(root: &mut Node, flags: &[(String, String)], found: &mut Found) {
    for (name, value) in flags {
        let source = Source::Flag { name: name.as_str().into() };
        let words: Vec<&str> = name.split('.').collect();
        match resolve(&words, root) {
            Some(path) => root.set(&path, Node::text(value.as_str(), source)),
            None => found.problems.push(Problem {
                source,
                key: name.clone(),
                message: format!("{name} is not a known key"),
                fix: near_key(name),
            }),
        }
    }
}

fn derived(root: &mut Node, layer: &Variables<'_>, found: &mut Found) {
    let names = layer.values.keys().filter(|name| name.starts_with(env::PREFIX));
    for name in names.filter(|name| **name != env::CONFIG_FILE) {
        let Some((text, source)) = layer.value(name) else { continue };
        if is_kubernetes_link(name, text) {
            continue;
        }
        let words: Vec<&str> = name[env::PREFIX.len()..].split("__").collect();
        match resolve(&words, root) {
            Some(path) => root.set(&path, Node::text(text, source)),
            None => found.problems.push(Problem {
                source,
                key: (*name).to_owned(),
                message: format!("{name} is not a known variable"),
                fix: near_variable(name),
            }),
        }
    }
}

/// Kubernetes gives every pod variables such as `GATEWAY_PORT=tcp://…` for a service that is called
/// `gateway`; they are not meant for this program.
fn is_kubernetes_link(name: &str, text: &str) -> bool {
    name.starts_with("GATEWAY_SERVICE_HOST")
        || name.starts_with("GATEWAY_SERVICE_PORT")
        || name.starts_with("GATEWAY_PORT_")
        || (name == "GATEWAY_PORT" && text.contains("://"))
}

fn convert(
    reading: Reading,
    text: &str,
    key: &str,
    source: &Source,
    found: &mut Found,
) -> Option<Tree> {
    let word = text.trim().to_ascii_lowercase();
    match reading {
        Reading::Mode => {
            if !matches!(word.as_str(), "api" | "mcp") {
                let message = format!("{text:?} is neither api nor mcp; it means mcp");
                found.warnings.push(Warning { source: source.clone(), message });
            }
            Some(Tree::Text(if word == "api" { "api" } else { "mcp" }.to_owned()))
        }
        Reading::Format => {
            let format = if word == "anthropic" { "anthropic" } else { "openai" };
            Some(Tree::Text(format.to_owned()))
        }
        Reading::Ssl => {
            let is_on = matches!(word.as_str(), "true" | "1" | "yes" | "on");
            Some(Tree::Text(if is_on { "require" } else { "disable" }.to_owned()))
        }
        Reading::Seconds => match milliseconds(&word) {
            Some(ms) => Some(Tree::Integer(i128::from(ms))),
            None => {
                let name = source.variable().unwrap_or_default();
                found.problems.push(Problem {
                    source: source.clone(),
                    key: key.to_owned(),
                    message: format!("{key} is {text:?}, expected a number of seconds above 0"),
                    fix: format!("for example {name}=60"),
                });
                None
            }
        },
    }
}

/// Decimal seconds as milliseconds; more than a day is a slip.
fn milliseconds(text: &str) -> Option<u64> {
    const SECONDS_MAX: u64 = 86_400;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number =
        !whole.is_empty() && whole.chars().chain(part.chars()).all(|c| c.is_ascii_digit());
    if !is_number {
        return None;
    }
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let seconds: u64 = whole.parse().ok()?;
    let ms = seconds.checked_mul(1000)?.checked_add(part.parse().ok()?)?;
    (ms > 0 && ms <= SECONDS_MAX * 1000).then_some(ms)
}

fn segments(key: &str) -> Vec<String> {
    key.split('.').map(str::to_owned).collect()
}

/// The key path that these words mean, in the schema's own spelling. Tables of known keys cannot be
/// set as a whole.
fn resolve(words: &[&str], root: &Node) -> Option<Vec<String>> {
    let mut schema = schema::root();
    let mut node = Some(root);
    let mut path = Vec::new();
    for word in words {
        if word.is_empty() {
            return None;
        }
        let wanted = env_word(word);
        let (name, inner): (String, Option<&Value>) = match schema::kind(schema) {
            Kind::Struct { fields, .. } => {
                let (name, inner) = fields.iter().find(|(name, _)| env_word(name) == wanted)?;
                (name.clone(), Some(inner))
            }
            Kind::Map(inner) => (free_key(&wanted, word, node), Some(inner)),
            Kind::FreeTable | Kind::Any => (free_key(&wanted, word, node), None),
            _ => return None,
        };
        let entry = node.and_then(Node::entries).and_then(|entries| entries.get(&name));
        node = entry.map(|entry| &entry.node);
        schema = inner.unwrap_or(&Value::Null);
        path.push(name);
    }
    let is_section = matches!(schema::kind(schema), Kind::Struct { .. });
    (!is_section && !path.is_empty()).then_some(path)
}

/// A key of a free table: the one that is there already, in its own spelling, or a new one.
fn free_key(wanted: &str, word: &str, node: Option<&Node>) -> String {
    let entries = node.and_then(Node::entries);
    let there = entries.and_then(|entries| entries.keys().find(|key| env_word(key) == wanted));
    let is_shouted = !word.chars().any(|c| c.is_ascii_lowercase());
    match there {
        Some(key) => key.clone(),
        None if is_shouted => word.to_ascii_lowercase(),
        None => word.to_owned(),
    }
}

fn near_key(name: &str) -> String {
    let keys = crate::reference::key_paths();
    if let Some(full) = only_key_named(name, &keys) {
        return format!("did you mean {full}?");
    }
    match suggest::nearest(name, keys.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => "`config schema` lists all keys".to_owned(),
    }
}

fn near_variable(name: &str) -> String {
    let keys = crate::reference::key_paths();
    let names: Vec<String> = keys.iter().map(|key| env::derived_name(key)).collect();
    let single = name.replace("__", "_");
    // One underscore where two belong is the usual slip.
    if let Some(same) = names.iter().find(|known| known.replace("__", "_") == single) {
        return format!("did you mean {same}?");
    }
    if let Some(full) = only_key_named(&name[env::PREFIX.len()..], &keys) {
        return format!("did you mean {}?", env::derived_name(full));
    }
    let all = names.iter().map(String::as_str).chain([env::CONFIG_FILE]);
    match suggest::nearest(name, all) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("unset it; names with {} belong to this program", env::PREFIX),
    }
}

/// The one key whose last word this is: `port` is `server.port`.
fn only_key_named<'a>(name: &str, keys: &'a [String]) -> Option<&'a str> {
    let wanted = env_word(name);
    let ends_so =
        |key: &&String| key.rsplit('.').next().is_some_and(|last| env_word(last) == wanted);
    let mut found = keys.iter().filter(ends_so);
    let first = found.next()?;
    found.next().is_none().then_some(first.as_str())
}
