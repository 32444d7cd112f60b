//! The reference page: every key and every variable, from the schema and the table of variables.

use std::fmt::Write as _;

use serde_json::Value;

use crate::check::{join, toml_text};
use crate::env::{ENV_VARS, Effect, Family, derived_name};
use crate::schema::{self, Kind};

/// One key of the file.
pub(crate) struct Key {
    pub(crate) path: String,
    pub(crate) schema: &'static Value,
    /// False for keys below a free name or inside a list.
    pub(crate) is_fixed: bool,
}

/// Every key, `<id>` for free names and `[]` for items of a list.
pub(crate) fn keys() -> Vec<Key> {
    let mut found = Vec::new();
    walk(schema::root(), "", true, &mut found);
    found
}

/// Paths of all keys that have one name each.
pub(crate) fn key_paths() -> Vec<String> {
    keys().into_iter().filter(|key| key.is_fixed).map(|key| key.path).collect()
}

fn walk(schema: &'static Value, path: &str, is_fixed: bool, found: &mut Vec<Key>) {
    match schema::kind(schema) {
        Kind::Struct { fields, .. } => {
            for (name, inner) in fields {
                walk(inner, &join(path, name), is_fixed, found);
            }
        }
        Kind::Map(inner) if matches!(schema::kind(inner), Kind::Struct { .. }) => {
            walk(inner, &format!("{path}.<id>"), false, found);
        }
        Kind::List(inner) if matches!(schema::kind(inner), Kind::Struct { .. }) => {
            found.push(Key { path: path.to_owned(), schema, is_fixed });
            walk(inner, &format!("{path}[]"), false, found);
        }
        _ => found.push(Key { path: path.to_owned(), schema, is_fixed }),
    }
}

/// The reference page in Markdown: all keys with their types, defaults and variables, then all
/// variables with names of their own.
pub fn reference_markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Keys\n\n| key | type | default | environment | |\n|---|---|---|---|---|\n");
    for key in keys() {
        let mut names = Vec::new();
        if !key.path.contains("[]") {
            names.push(derived_name(&key.path.replace("<id>", "id")).replace("__ID__", "__<ID>__"));
        }
        names.extend(variables_of(&key.path));
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let default = key.schema.get("default").map(toml_text).unwrap_or_default();
        let default =
            if default.is_empty() { String::new() } else { format!("`{}`", escape(&default)) };
        let mut doc = schema::doc(key.schema);
        if let Kind::Integer { .. } | Kind::Number { .. } = schema::kind(key.schema) {
            let _ = write!(doc, " Takes {}.", schema::kind(key.schema).expected());
        }
        let _ = writeln!(
            page,
            "| `{}` | {} | {default} | {} | {} |",
            key.path,
            schema::kind(key.schema).word(),
            names.join(", "),
            escape(&doc)
        );
    }
    page.push_str("\n## Variables with names of their own\n\n");
    page.push_str("Where two of them set one key, the one further up wins.\n\n");
    page.push_str("| variable | of | sets | |\n|---|---|---|---|\n");
    for var in ENV_VARS.iter() {
        let of = match var.of {
            Family::A => "system A",
            Family::B => "system B",
            Family::C => "system C",
            Family::Provider => "provider",
            Family::Usual => "usual",
        };
        let (sets, note) = effect(&var.effect);
        let doc =
            [note, var.doc].iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>();
        let _ = writeln!(page, "| `{}` | {of} | {sets} | {} |", var.name, escape(&doc.join(" ")));
    }
    page
}

const INTRODUCTION: &str = "\
# Configuration reference

Flags go before the environment, the environment before `.env` in the working directory, `.env` \
before `gateway.toml`, the file before the defaults.
The file is the first of `--config`, `GATEWAY_CONFIG`, `./gateway.toml` and \
`$XDG_CONFIG_HOME/ai-mcp-gateway/gateway.toml` (`~/.config` where that is not set).

Every key has a variable: `GATEWAY_`, then the key path in capitals, with `__` for each dot.
In variables, booleans are `true`, `false`, `1`, `0`, `yes`, `no`, `on` or `off`; lists are \
separated by commas; tables and lists of tables are written in TOML on one line; an empty variable \
counts as not set.
Texts of the file may hold `{env:NAME}` and `{file:PATH}`; unknown keys, and unknown variables that \
begin with `GATEWAY_`, are errors.
";

fn effect(effect: &Effect) -> (String, &'static str) {
    match effect {
        Effect::Set(keys) => {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            (keys.join(", "), "")
        }
        Effect::Convert(key, _) => (format!("`{key}`"), ""),
        Effect::Recognised(why) => ("nothing".to_owned(), why),
    }
}

fn variables_of(path: &str) -> Vec<String> {
    let sets = |effect: &Effect| match effect {
        Effect::Set(keys) => keys.iter().any(|key| key == path),
        Effect::Convert(key, _) => *key == path,
        Effect::Recognised(_) => false,
    };
    ENV_VARS.iter().filter(|var| sets(&var.effect)).map(|var| var.name.to_string()).collect()
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}
