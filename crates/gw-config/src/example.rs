//! The example file of `config init`, written from the schema: every key with its description and
//! default, commented out, so that an untouched example means the defaults.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::check::{example as value_of, toml_text};
use crate::schema::{self, Kind};

/// Providers that the example shows, with what is worth showing of each.
const PROVIDERS: &str = r#"
# Well-known providers come alive by their key in the environment (OPENAI_API_KEY and so on), or:
#[providers.openai]
#api_key = "{env:OPENAI_API_KEY}"

#[providers.ollama]
#base_url = "http://localhost:11434"

# Any other endpoint that speaks a known dialect, with every key there is:
"#;

/// A commented example of `gateway.toml`: documentation stands behind `# `, keys behind `#`.
pub fn example() -> String {
    let mut text = String::from(
        "# Configuration of ai-mcp-gateway. Remove the # before a key to set it.\n\
         # What is not set here comes from the environment, from .env, or has its default; that is\n\
         # what a key shows, or an example where there is none.\n\n",
    );
    let Kind::Struct { fields, .. } = schema::kind(schema::root()) else {
        return text;
    };
    for (name, field) in fields.iter().filter(|(_, field)| is_scalar(field)) {
        key(&mut text, name, field);
    }
    for (name, field) in fields.iter().filter(|(_, field)| !is_scalar(field)) {
        section(&mut text, name, field);
    }
    text
}

fn section(text: &mut String, path: &str, schema: &Value) {
    match schema::kind(schema) {
        Kind::Struct { fields, .. } => {
            heading(text, schema);
            let _ = writeln!(text, "[{path}]");
            inside(text, path, fields, false);
        }
        Kind::Map(inner) if matches!(schema::kind(inner), Kind::Struct { .. }) => {
            heading(text, schema);
            let entry = if path == "providers" { "my-endpoint" } else { "my-project" };
            if path == "providers" {
                text.push_str(PROVIDERS.trim_start());
            }
            let _ = writeln!(text, "#[{path}.{entry}]");
            if let Kind::Struct { fields, .. } = schema::kind(inner) {
                inside(text, &format!("{path}.{entry}"), fields, true);
            }
        }
        Kind::List(inner) => {
            heading(text, schema);
            let _ = writeln!(text, "#[[{path}]]");
            if let Kind::Struct { fields, .. } = schema::kind(inner) {
                inside(text, path, fields, true);
            }
        }
        Kind::Map(_) => {
            heading(text, schema);
            let _ = writeln!(text, "[{path}]");
            if let Some(Value::Object(entries)) = schema.get("x-example") {
                for (name, value) in entries {
                    let _ = writeln!(text, "#{name} = {}", toml_text(value));
                }
            }
        }
        _ => {}
    }
}

/// The keys of a table, then the tables in it. Where the table's own heading is commented out, so
/// are those inside.
fn inside(text: &mut String, path: &str, fields: &Map<String, Value>, is_commented: bool) {
    for (name, field) in fields.iter().filter(|(_, field)| !is_table(field)) {
        if !schema::is_unavailable(field) {
            key(text, name, field);
        }
    }
    let mark = if is_commented { "#" } else { "" };
    for (name, field) in fields.iter().filter(|(_, field)| is_table(field)) {
        if let Kind::Struct { fields, .. } = schema::kind(field) {
            heading(text, field);
            let _ = writeln!(text, "{mark}[{path}.{name}]");
            inside(text, &format!("{path}.{name}"), fields, is_commented);
        } else if let Kind::List(inner) = schema::kind(field) {
            heading(text, field);
            let _ = writeln!(text, "#[[{path}.{name}]]");
            if let Kind::Struct { fields, .. } = schema::kind(inner) {
                inside(text, &format!("{path}.{name}"), fields, true);
            }
        } else if let Kind::Map(inner) = schema::kind(field) {
            heading(text, field);
            let entry = entry_name(name);
            let _ = writeln!(text, "#[{path}.{name}.{entry}]");
            if let Kind::Struct { fields, .. } = schema::kind(inner) {
                inside(text, &format!("{path}.{name}.{entry}"), fields, true);
            }
        }
    }
}

/// What stands for the free key of a table in the example.
fn entry_name(table: &str) -> &'static str {
    match table {
        "file_patterns" => "\"**/auth/**\"",
        "task_overrides" => "code",
        _ => "my-server",
    }
}

fn key(text: &mut String, name: &str, schema: &Value) {
    comment(text, schema);
    let _ = writeln!(text, "#{name} = {}", value_of(schema));
}

fn heading(text: &mut String, schema: &Value) {
    text.push('\n');
    comment(text, schema);
}

/// The description, wrapped, and the words that the key takes.
fn comment(text: &mut String, schema: &Value) {
    const WIDTH: usize = 98;
    let mut doc = schema::doc(schema);
    if let Kind::Word(words) = schema::kind(schema) {
        let _ = write!(doc, " One of {}.", words.join(", "));
    }
    let mut line = String::from("#");
    for word in doc.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        let _ = writeln!(text, "{line}");
    }
}

fn is_scalar(schema: &Value) -> bool {
    !is_table(schema) && !matches!(schema::kind(schema), Kind::Map(_) | Kind::FreeTable)
}

/// Whether the key becomes a table with a heading of its own.
fn is_table(schema: &Value) -> bool {
    match schema::kind(schema) {
        Kind::Struct { .. } => true,
        Kind::List(inner) | Kind::Map(inner) => {
            matches!(schema::kind(inner), Kind::Struct { .. })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
