//! Holds the raw values against the schema: types, ranges, words, unknown keys. Finds everything
//! that is wrong rather than the first thing; what is wrong is left out of the result.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use crate::placeholder::Placeholders;
use crate::schema::{self, Kind};
use crate::source::{Problem, Source};
use crate::suggest;
use crate::tree::{self, Node, Tree};

/// What checking gathers.
pub(crate) struct Checker<'a> {
    pub(crate) placeholders: Placeholders<'a>,
    pub(crate) problems: Vec<Problem>,
    /// Where every value was set, by key path.
    pub(crate) sources: BTreeMap<String, Source>,
}

/// The path of a key inside a table.
pub(crate) fn join(path: &str, key: &str) -> String {
    let is_bare =
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if is_bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

impl Checker<'_> {
    /// Turns a value into one of the schema's type, or says what is wrong with it.
    pub(crate) fn value(&mut self, node: &Node, schema: &Value, path: &str) -> Option<Value> {
        let kind = schema::kind(schema);
        if node.source != Source::Default {
            self.sources.insert(path.to_owned(), node.source.clone());
        }
        match (&node.tree, &kind) {
            (Tree::Table(entries), Kind::Struct { fields, required }) => {
                self.fields(node, entries, fields, required, path)
            }
            (Tree::Table(entries), Kind::Map(inner)) => {
                let mut map = Map::new();
                for (key, entry) in entries {
                    if let Some(value) = self.value(&entry.node, inner, &join(path, key)) {
                        map.insert(key.clone(), value);
                    }
                }
                Some(Value::Object(map))
            }
            (Tree::List(items), Kind::List(inner)) => {
                let items = items.iter().enumerate();
                let items = items
                    .filter_map(|(at, item)| self.value(item, inner, &format!("{path}[{at}]")));
                Some(Value::Array(items.collect()))
            }
            (Tree::Text(text), _) if node.source.is_textual() => {
                self.read_text(text, node, schema, path)
            }
            (Tree::Text(text), _) => {
                let text = match self.placeholders.fill(text, &node.source, path) {
                    Ok(text) => text,
                    Err(problem) => {
                        self.problems.push(problem);
                        return None;
                    }
                };
                self.scalar(&Tree::Text(text), node, schema, path)
            }
            _ => self.scalar(&node.tree, node, schema, path),
        }
    }

    fn fields(
        &mut self,
        node: &Node,
        entries: &BTreeMap<String, tree::Entry>,
        fields: &Map<String, Value>,
        required: &[&str],
        path: &str,
    ) -> Option<Value> {
        let mut map = Map::new();
        for (key, entry) in entries {
            let Some(schema) = fields.get(key) else {
                self.problems.push(Problem {
                    source: entry.key_source.clone(),
                    key: join(path, key),
                    message: format!("{} is not a known key", join(path, key)),
                    fix: suggest::key(key, fields),
                });
                continue;
            };
            if let Some(value) = self.value(&entry.node, schema, &join(path, key)) {
                map.insert(key.clone(), value);
            }
        }
        let mut is_whole = true;
        for name in required.iter().filter(|name| !map.contains_key(**name)) {
            is_whole = false;
            if !entries.contains_key(*name) {
                let key = join(path, name);
                self.problems.push(Problem {
                    source: node.source.clone(),
                    message: format!("{key} is missing"),
                    fix: format!("add {name} = {}", example(&fields[*name])),
                    key,
                });
            }
        }
        is_whole.then_some(Value::Object(map))
    }

    /// Reads text from a variable or a flag as the type that the key has.
    fn read_text(&mut self, text: &str, node: &Node, schema: &Value, path: &str) -> Option<Value> {
        let trimmed = text.trim();
        let tree = match schema::kind(schema) {
            Kind::Bool => match trimmed.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Tree::Bool(true),
                "false" | "0" | "no" | "off" => Tree::Bool(false),
                _ => Tree::Text(text.to_owned()),
            },
            Kind::Integer { .. } => match trimmed.parse() {
                Ok(number) => Tree::Integer(number),
                Err(_) => Tree::Text(text.to_owned()),
            },
            Kind::Number { .. } => Tree::Float(trimmed.to_owned()),
            Kind::List(inner) => {
                let is_toml = trimmed.starts_with('[');
                if !is_toml && !matches!(schema::kind(inner), Kind::Struct { .. }) {
                    let parts = trimmed.split(',').map(str::trim).filter(|part| !part.is_empty());
                    let parts = parts.map(|part| Node::text(part, node.source.clone()));
                    Tree::List(parts.collect())
                } else {
                    return self.read_toml(trimmed, node, schema, path);
                }
            }
            Kind::Struct { .. } | Kind::Map(_) | Kind::FreeTable => {
                return self.read_toml(trimmed, node, schema, path);
            }
            Kind::Any => match tree::parse_value(trimmed, &node.source) {
                Some(parsed) => parsed.tree,
                None => Tree::Text(text.to_owned()),
            },
            Kind::Decimal { .. } | Kind::Word(_) => Tree::Text(trimmed.to_owned()),
            Kind::Text { .. } => Tree::Text(text.to_owned()),
        };
        if let Tree::List(_) = tree {
            let list = Node { tree, source: node.source.clone() };
            return self.value(&list, schema, path);
        }
        self.scalar(&tree, node, schema, path)
    }

    /// A list or table given as text is written in TOML: `["a"]`, `{ a = "b" }`.
    fn read_toml(&mut self, text: &str, node: &Node, schema: &Value, path: &str) -> Option<Value> {
        match tree::parse_value(text, &node.source) {
            Some(parsed @ Node { tree: Tree::List(_) | Tree::Table(_), .. }) => {
                self.value(&parsed, schema, path)
            }
            _ => self.wrong(&Tree::Text(text.to_owned()), node, schema, path),
        }
    }

    fn scalar(&mut self, tree: &Tree, node: &Node, schema: &Value, path: &str) -> Option<Value> {
        let value = match (schema::kind(schema), tree) {
            (Kind::Bool, Tree::Bool(value)) => Some(Value::Bool(*value)),
            (Kind::Integer { min, max }, Tree::Integer(value)) if (min..=max).contains(value) => {
                i64::try_from(*value).ok().map(|value| Value::Number(value.into()))
            }
            (Kind::Number { min, max }, Tree::Float(_) | Tree::Integer(_)) => {
                let number = tree.shown().parse::<f64>().ok();
                let number = number.filter(|number| (min..=max).contains(number));
                number.and_then(Number::from_f64).map(Value::Number)
            }
            (
                Kind::Decimal { may_be_negative, .. },
                Tree::Float(_) | Tree::Integer(_) | Tree::Text(_),
            ) => decimal(tree, may_be_negative).map(Value::String),
            (Kind::Word(words), Tree::Text(text)) => {
                let word = words.into_iter().find(|word| word.eq_ignore_ascii_case(text));
                word.map(|word| Value::String(word.to_owned()))
            }
            (Kind::Text { may_be_empty, .. }, Tree::Text(text)) => {
                (may_be_empty || !text.is_empty()).then(|| Value::String(text.clone()))
            }
            (Kind::FreeTable, Tree::Table(_)) | (Kind::Any, _) => free(tree),
            _ => None,
        };
        if value.is_some() { value } else { self.wrong(tree, node, schema, path) }
    }

    fn wrong(&mut self, tree: &Tree, node: &Node, schema: &Value, path: &str) -> Option<Value> {
        let shown =
            if schema::holds_secret(schema) { tree.name().to_owned() } else { tree.shown() };
        let expected = schema::kind(schema).expected();
        self.problems.push(Problem {
            source: node.source.clone(),
            key: path.to_owned(),
            message: format!("{path} is {shown}, expected {expected}"),
            fix: fix(&node.source, path, schema),
        });
        None
    }
}

/// How the value could be written instead.
fn fix(source: &Source, path: &str, schema: &Value) -> String {
    if schema::is_secret(schema) {
        return "put the text in quotes, or write \"{env:NAME}\"".to_owned();
    }
    let name = path.rsplit('.').next().unwrap_or(path);
    let name = name.split('[').next().unwrap_or(name);
    match source.variable() {
        Some(variable) => format!("for example {variable}={}", example_text(schema)),
        None => format!("for example {name} = {}", example(schema)),
    }
}

/// A value that the key would take, in TOML.
pub(crate) fn example(schema: &Value) -> String {
    let given = schema.get("x-example").or_else(|| schema.get("default"));
    if let Some(given) = given {
        return toml_text(given);
    }
    match schema::kind(schema) {
        Kind::Bool => "true".to_owned(),
        Kind::Integer { min, .. } => min.max(1).to_string(),
        Kind::Number { min, .. } => min.max(0.0).to_string(),
        Kind::Decimal { .. } => "0.15".to_owned(),
        Kind::Word(words) => format!("{:?}", words.first().copied().unwrap_or_default()),
        Kind::Text { .. } => "\"text\"".to_owned(),
        Kind::List(inner) => format!("[{}]", example(inner)),
        Kind::Struct { .. } | Kind::Map(_) | Kind::FreeTable | Kind::Any => "{}".to_owned(),
    }
}

fn example_text(schema: &Value) -> String {
    match schema.get("x-example").or_else(|| schema.get("default")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) && !items.is_empty() => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        }
        _ => example(schema).trim_matches('"').to_owned(),
    }
}

/// A JSON value in TOML on one line.
pub(crate) fn toml_text(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let fields = map.iter().filter(|(_, value)| !value.is_null());
            let fields =
                fields.map(|(key, value)| format!("{} = {}", join("", key), toml_text(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => "\"\"".to_owned(),
    }
}

/// A decimal number as the text that money is read from.
fn decimal(tree: &Tree, may_be_negative: bool) -> Option<String> {
    let text = match tree {
        Tree::Text(text) | Tree::Float(text) => text.trim().replace('_', ""),
        Tree::Integer(number) => number.to_string(),
        _ => return None,
    };
    let amount = gw_core::Money::from_usd_decimal(&text)?;
    (may_be_negative || amount >= gw_core::Money::ZERO).then_some(text)
}

/// A free-form value as JSON.
fn free(tree: &Tree) -> Option<Value> {
    Some(match tree {
        Tree::Bool(value) => Value::Bool(*value),
        Tree::Integer(value) => Value::Number(i64::try_from(*value).ok()?.into()),
        Tree::Float(text) => Value::Number(Number::from_f64(text.parse().ok()?)?),
        Tree::Text(text) | Tree::Datetime(text) => Value::String(text.clone()),
        Tree::List(items) => {
            Value::Array(items.iter().map(|item| free(&item.tree)).collect::<Option<_>>()?)
        }
        Tree::Table(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, entry)| Some((key.clone(), free(&entry.node.tree)?)));
            Value::Object(entries.collect::<Option<_>>()?)
        }
    })
}
