//! A settings file as text: JSON with comments, or TOML. Values are put in, taken out and read by their
//! place; everything else keeps its bytes.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::{Map, Value};
use toml_edit::{DocumentMut, Item, Table};

use crate::client::Format;

/// One value at one place; without a value the place is to be empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// The keys that lead to it, from the top.
    pub path: Vec<String>,
    /// What is to stand there.
    pub value: Option<Value>,
}

impl Edit {
    /// Puts a value at a place.
    pub fn put(path: &[&str], value: Value) -> Self {
        Self { path: path.iter().map(|key| (*key).to_owned()).collect(), value: Some(value) }
    }
}

/// Why a file cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is not of its format.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Something else stands where a group of settings should.
    #[error("`{0}` is no group of settings")]
    NoGroup(String),
}

/// A settings file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    format: Format,
    text: String,
}

impl Document {
    /// Reads a text; an empty one is an empty file.
    ///
    /// # Errors
    /// [`DocumentError::Unreadable`]; [`DocumentError::NoGroup`] for JSON that is no object.
    pub fn read(format: Format, text: &str) -> Result<Self, DocumentError> {
        let document = Self { format, text: text.to_owned() };
        match format {
            Format::Json if text.trim().is_empty() => {}
            Format::Json => {
                let root = parsed(text)?;
                root.object_value().ok_or_else(|| DocumentError::NoGroup("the file".to_owned()))?;
            }
            Format::Toml => {
                toml(text)?;
            }
        }
        Ok(document)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All of it as values.
    ///
    /// # Errors
    /// [`DocumentError::Unreadable`].
    pub fn values(&self) -> Result<Value, DocumentError> {
        if self.text.trim().is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        match self.format {
            Format::Json => {
                let read = jsonc_parser::parse_to_ast(
                    &self.text,
                    &jsonc_parser::CollectOptions::default(),
                    &ParseOptions::default(),
                );
                let read = read.map_err(|error| DocumentError::Unreadable(error.to_string()))?;
                Ok(read.value.map_or(Value::Null, |value| value_of(&value)))
            }
            Format::Toml => {
                let root = toml(&self.text)?;
                Ok(table_value(root.as_table()))
            }
        }
    }

    /// The value at a place.
    ///
    /// # Errors
    /// [`DocumentError::Unreadable`].
    pub fn get(&self, path: &[String]) -> Result<Option<Value>, DocumentError> {
        let mut value = self.values()?;
        for key in path {
            match value.as_object_mut().and_then(|object| object.remove(key)) {
                Some(inner) => value = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// The document with the edits made, in their order.
    ///
    /// # Errors
    /// [`DocumentError::NoGroup`] where a place leads through something that is no group.
    pub fn with(&self, edits: &[Edit]) -> Result<Self, DocumentError> {
        let text = match self.format {
            Format::Json => edit_json(&self.text, edits)?,
            Format::Toml => edit_toml(&self.text, edits)?,
        };
        Ok(Self { format: self.format, text })
    }

    /// The edits that put the places of `edits` back to what stands there here.
    ///
    /// # Errors
    /// [`DocumentError::Unreadable`].
    pub fn undoing(&self, edits: &[Edit]) -> Result<Vec<Edit>, DocumentError> {
        edits
            .iter()
            .rev()
            .map(|edit| Ok(Edit { path: edit.path.clone(), value: self.get(&edit.path)? }))
            .collect()
    }
}

fn parsed(text: &str) -> Result<CstRootNode, DocumentError> {
    CstRootNode::parse(text, &ParseOptions::default())
        .map_err(|error| DocumentError::Unreadable(error.to_string()))
}

fn toml(text: &str) -> Result<DocumentMut, DocumentError> {
    text.parse::<DocumentMut>().map_err(|error| DocumentError::Unreadable(error.to_string()))
}

fn edit_json(text: &str, edits: &[Edit]) -> Result<String, DocumentError> {
    let is_empty = text.trim().is_empty();
    let root = parsed(if is_empty { "{}\n" } else { text })?;
    let no_group = |name: &str| DocumentError::NoGroup(name.to_owned());
    for edit in edits {
        let Some((last, groups)) = edit.path.split_last() else { continue };
        let mut object = root.object_value().ok_or_else(|| no_group("the file"))?;
        match &edit.value {
            Some(value) => {
                for group in groups {
                    object = object.object_value_or_create(group).ok_or_else(|| no_group(group))?;
                }
                match object.get(last) {
                    Some(property) => property.set_value(input(value)),
                    None => {
                        object.append(last, input(value));
                    }
                }
            }
            None => remove_json(&object, groups, last),
        }
    }
    Ok(root.to_string())
}

/// Takes a value out, and the groups around it that are empty then.
fn remove_json(root: &CstObject, groups: &[String], last: &str) {
    let mut open = vec![root.clone()];
    for group in groups {
        let Some(inner) = open.last().and_then(|object| object.object_value(group)) else { return };
        open.push(inner);
    }
    let keys: Vec<&str> = groups.iter().map(String::as_str).chain([last]).collect();
    for (object, key) in open.iter().zip(&keys).rev() {
        let Some(property) = object.get(key) else { return };
        property.remove();
        if !object.properties().is_empty() {
            return;
        }
    }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => CstInputValue::Object(
            map.iter().map(|(key, value)| (key.clone(), input(value))).collect(),
        ),
    }
}

fn value_of(value: &jsonc_parser::ast::Value<'_>) -> Value {
    use jsonc_parser::ast;
    match value {
        ast::Value::StringLit(text) => Value::String(text.value.to_string()),
        ast::Value::NumberLit(number) => serde_json::from_str(number.value).unwrap_or_default(),
        ast::Value::BooleanLit(value) => Value::Bool(value.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(items) => items.elements.iter().map(value_of).collect(),
        ast::Value::Object(object) => {
            let members = object.properties.iter();
            let members = members.map(|it| (it.name.as_str().to_owned(), value_of(&it.value)));
            Value::Object(members.collect())
        }
    }
}

fn edit_toml(text: &str, edits: &[Edit]) -> Result<String, DocumentError> {
    let mut root = toml(text)?;
    if root.as_table().is_empty() {
        // Nothing but comments: what is put in comes after them.
        root = DocumentMut::new();
    }
    for edit in edits {
        let Some((last, groups)) = edit.path.split_last() else { continue };
        match &edit.value {
            Some(value) => {
                let mut table: &mut dyn toml_edit::TableLike = root.as_table_mut();
                for group in groups {
                    if !table.contains_key(group) {
                        let mut inner = Table::new();
                        // Shown only where it holds values of its own.
                        inner.set_implicit(true);
                        table.insert(group, Item::Table(inner));
                    }
                    table = table
                        .get_mut(group)
                        .and_then(Item::as_table_like_mut)
                        .ok_or_else(|| DocumentError::NoGroup(group.clone()))?;
                }
                put_toml(table, last, value);
            }
            None => remove_toml(root.as_table_mut(), groups, last),
        }
    }
    let after = root.to_string();
    let header = header(text);
    Ok(match (after.starts_with(&header), after.is_empty(), header.ends_with("\n\n")) {
        (true, ..) => after,
        (false, true, _) | (false, _, true) => header + &after,
        (false, false, false) => format!("{header}\n{after}"),
    })
}

/// The comments before everything, which belong to the file: TOML's tree hangs them on whatever comes
/// first or last.
fn header(text: &str) -> String {
    let is_comment = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let comments: String = text.split_inclusive('\n').take_while(is_comment).collect();
    if comments.len() == text.len() {
        let end = if comments.is_empty() { "" } else { "\n" };
        return format!("{}{end}", comments.trim_end());
    }
    // What stands right above a line is about that line.
    comments.rfind("\n\n").map_or_else(String::new, |at| comments[..at + 2].to_owned())
}

fn put_toml(table: &mut dyn toml_edit::TableLike, key: &str, value: &Value) {
    let item = match value {
        Value::Object(map) => {
            let mut inner = Table::new();
            for (key, value) in map {
                if let Some(value) = toml_value(value) {
                    inner.insert(key, Item::Value(value));
                }
            }
            Item::Table(inner)
        }
        other => match toml_value(other) {
            Some(value) => Item::Value(value),
            None => return,
        },
    };
    match (table.get_mut(key), item) {
        // The comment behind a value belongs to the line.
        (Some(Item::Value(old)), Item::Value(mut new)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        (_, item) => {
            table.insert(key, item);
        }
    }
}

/// TOML has no null: such a value is left out.
fn toml_value(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => {
            toml_edit::Value::Array(items.iter().filter_map(toml_value).collect())
        }
        Value::Object(map) => {
            let mut table = toml_edit::InlineTable::new();
            for (key, value) in map {
                if let Some(value) = toml_value(value) {
                    table.insert(key, value);
                }
            }
            toml_edit::Value::InlineTable(table)
        }
    })
}

fn remove_toml(table: &mut dyn toml_edit::TableLike, groups: &[String], last: &str) {
    let Some((group, deeper)) = groups.split_first() else {
        table.remove(last);
        return;
    };
    let Some(inner) = table.get_mut(group).and_then(Item::as_table_like_mut) else { return };
    remove_toml(inner, deeper, last);
    if inner.is_empty() {
        table.remove(group);
    }
}

fn table_value(table: &dyn toml_edit::TableLike) -> Value {
    let members = table.iter().map(|(key, item)| (key.to_owned(), item_value(item)));
    Value::Object(members.collect())
}

fn item_value(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => plain_value(value),
        Item::Table(table) => table_value(table),
        Item::ArrayOfTables(tables) => tables.iter().map(|it| table_value(it)).collect(),
    }
}

fn plain_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::String(text.value().clone()),
        toml_edit::Value::Integer(number) => (*number.value()).into(),
        toml_edit::Value::Float(number) => (*number.value()).into(),
        toml_edit::Value::Boolean(value) => Value::Bool(*value.value()),
        toml_edit::Value::Datetime(instant) => Value::String(instant.value().to_string()),
        toml_edit::Value::Array(items) => items.iter().map(plain_value).collect(),
        toml_edit::Value::InlineTable(table) => table_value(table),
    }
}

#[cfg(test)]
mod tests;
