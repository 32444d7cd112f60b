//! Values of the configuration before they have types, each with the place it comes from. Layers
//! (file, `.env`, environment, flags) are laid over each other here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::source::{Problem, Source};

/// A value and where it was set.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) tree: Tree,
    pub(crate) source: Source,
}

/// A value without a type of its own.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Bool(bool),
    Integer(i128),
    /// The digits as they were written, so that money never becomes a float.
    Float(String),
    Text(String),
    Datetime(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Entry>),
}

/// A key of a table, with its own place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key_source: Source,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn text(text: impl Into<String>, source: Source) -> Self {
        Self { tree: Tree::Text(text.into()), source }
    }

    pub(crate) fn table() -> Self {
        Self { tree: Tree::Table(BTreeMap::new()), source: Source::Default }
    }

    /// The entries, where this is a table.
    pub(crate) fn entries(&self) -> Option<&BTreeMap<String, Entry>> {
        match &self.tree {
            Tree::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// Lays a value over what stands at `path`; tables on the way are made.
    pub(crate) fn set(&mut self, path: &[String], node: Self) {
        let [first, rest @ ..] = path else {
            *self = node;
            return;
        };
        if !matches!(self.tree, Tree::Table(_)) {
            *self = Self::table();
        }
        if let Tree::Table(entries) = &mut self.tree {
            let entry = entries
                .entry(first.clone())
                .or_insert_with(|| Entry { key_source: node.source.clone(), node: Self::table() });
            if rest.is_empty() {
                entry.key_source = node.source.clone();
            }
            entry.node.set(rest, node);
        }
    }
}

impl Tree {
    /// What this is, for "is …, expected …".
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Datetime(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// The value itself on one short line.
    pub(crate) fn shown(&self) -> String {
        const SHOWN_CHARS_MAX: usize = 80;
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(text) | Self::Datetime(text) => text.clone(),
            Self::Text(text) if text.chars().count() > SHOWN_CHARS_MAX => {
                format!("{:?}…", text.chars().take(SHOWN_CHARS_MAX).collect::<String>())
            }
            Self::Text(text) => format!("{text:?}"),
            Self::List(_) | Self::Table(_) => self.name().to_owned(),
        }
    }
}

/// Reads a TOML document.
///
/// Every syntax error is reported. The lines at fault are not repeated: they may hold secrets.
pub(crate) fn parse(text: &str, path: &Arc<PathBuf>) -> Result<Node, Vec<Problem>> {
    let lines = Lines::new(text);
    let place = |offset: usize| {
        let (line, column) = lines.at(text, offset);
        Source::File { path: Arc::clone(path), line, column }
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(from_table(&table, &place));
    }
    let problem = |error: &toml::de::Error| Problem {
        source: place(error.span().map_or(0, |span| span.start)),
        key: String::new(),
        message: format!("not valid TOML: {}", error.message().replace('\n', ", ")),
        fix: String::new(),
    };
    Err(errors.iter().take(PROBLEMS_MAX).map(problem).collect())
}

/// Reads one TOML value from an environment variable or a flag.
pub(crate) fn parse_value(text: &str, source: &Source) -> Option<Node> {
    let value = DeValue::parse(text.trim()).ok()?;
    let place = |_: usize| source.clone();
    Some(from_value(&value, &place))
}

/// Syntax errors of one file that are reported; one slip can cause many.
const PROBLEMS_MAX: usize = 20;

fn from_table(table: &Spanned<DeTable<'_>>, place: &dyn Fn(usize) -> Source) -> Node {
    let entries = table.get_ref().iter().map(|(key, value)| {
        let key_source = place(key.span().start);
        (key.get_ref().to_string(), Entry { key_source, node: from_value(value, place) })
    });
    Node { tree: Tree::Table(entries.collect()), source: place(table.span().start) }
}

fn from_value(value: &Spanned<DeValue<'_>>, place: &dyn Fn(usize) -> Source) -> Node {
    let source = place(value.span().start);
    let tree = match value.get_ref() {
        DeValue::String(text) => Tree::Text(text.to_string()),
        DeValue::Integer(integer) => {
            match i128::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Tree::Integer(number),
                Err(_) => Tree::Float(integer.to_string()),
            }
        }
        DeValue::Float(float) => Tree::Float(float.as_str().to_owned()),
        DeValue::Boolean(value) => Tree::Bool(*value),
        DeValue::Datetime(date) => Tree::Datetime(date.to_string()),
        DeValue::Array(items) => {
            Tree::List(items.iter().map(|item| from_value(item, place)).collect())
        }
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| {
                let key_source = place(key.span().start);
                (key.get_ref().to_string(), Entry { key_source, node: from_value(value, place) })
            });
            Tree::Table(entries.collect())
        }
    };
    Node { tree, source }
}

/// Byte offsets of line starts.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { starts: std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect() }
    }

    /// Line and column of an offset, both from 1, the column in characters.
    fn at(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts[line - 1];
        let before = text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

#[cfg(test)]
mod tests;
