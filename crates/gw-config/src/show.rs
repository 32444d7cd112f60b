//! What `config show` prints: the settings in force as TOML, each with where it was set. Secrets
//! never reach this file: settings serialise them as `***`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::check::{join, toml_text};
use crate::load::Loaded;
use crate::source::Source;

/// Column at which the sources stand, where the value leaves room.
const SOURCE_COLUMN: usize = 48;

/// The settings in force as TOML text, with sources as comments and `***` for secrets.
pub fn show(loaded: &Loaded) -> String {
    let mut text = String::new();
    for file in &loaded.files {
        let _ = writeln!(text, "# read: {}", file.display());
    }
    for warning in &loaded.warnings {
        let _ = writeln!(text, "# warning: {}", one_line(&warning.to_string()));
    }
    if let Ok(Value::Object(settings)) = serde_json::to_value(loaded.settings.as_ref()) {
        table(&mut text, "", &settings, loaded);
    }
    text
}

fn table(text: &mut String, path: &str, fields: &Map<String, Value>, loaded: &Loaded) {
    for (name, value) in fields.iter().filter(|(_, value)| is_inline(value)) {
        let key = join(path, name);
        line(text, &format!("{} = {}", join("", name), toml_text(value)), loaded.source(&key));
    }
    for (name, value) in fields {
        let key = join(path, name);
        match value {
            Value::Object(fields) => {
                let _ = writeln!(text, "\n[{key}]");
                table(text, &key, fields, loaded);
            }
            Value::Array(items) if !is_inline(value) => {
                for (at, item) in items.iter().enumerate() {
                    if let Value::Object(fields) = item {
                        let _ = writeln!(text, "\n[[{key}]]");
                        item_table(text, &format!("{key}[{at}]"), fields, loaded);
                    }
                }
            }
            _ => {}
        }
    }
}

/// A table of a list holds its own tables on one line: TOML has no heading for them that carries
/// the position.
fn item_table(text: &mut String, path: &str, fields: &Map<String, Value>, loaded: &Loaded) {
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let key = join(path, name);
        line(text, &format!("{} = {}", join("", name), toml_text(value)), loaded.source(&key));
    }
}

fn line(text: &mut String, entry: &str, source: &Source) {
    let _ = writeln!(text, "{entry:<SOURCE_COLUMN$} # {}", one_line(&source.to_string()));
}

/// Comments end with their line; names of files may hold anything.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn is_inline(value: &Value) -> bool {
    match value {
        Value::Null | Value::Object(_) => false,
        Value::Array(items) => !items.iter().any(Value::is_object),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
