//! What a summary of a conversation holds, and its form in stores and answers.
//!
//! The names are those of system A's `ContextSummary`, with more of them; whatever else a client put
//! into a summary stays in it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::tokens;

/// A structured summary. Every list is in order of time, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Summary {
    /// The conversation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub conversation_id: String,
    /// What it is about and where it stands, in prose.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub overview: String,
    /// What was asked for first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub goal: String,
    /// What is known: clauses with names, numbers, dates, preferences, in the speakers' own words.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub facts: Vec<String>,
    /// What was decided.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub decisions: Vec<String>,
    /// Languages, frameworks, services in use.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub stack: Vec<String>,
    /// How the system is built, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    pub architecture: Option<String>,
    /// Modules spoken of.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub modules: Vec<String>,
    /// Files spoken of.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub main_files: Vec<String>,
    /// Addresses spoken of.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub links: Vec<String>,
    /// Names, numbers, dates and identifiers that stand in no clause above.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub mentions: Vec<String>,
    /// Errors seen.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub errors: Vec<String>,
    /// Questions of the user that were not visibly answered.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub open_questions: Vec<String>,
    /// What is still to be done.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "texts")]
    pub todos: Vec<String>,
    /// When it was made, ISO 8601.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_updated: String,
    /// Who made it: `extractive`, the id of a model, or nothing for a client.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub made_by: String,
    /// The place of the last turn that it covers; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub covers_until: u64,
    /// How many turns it covers.
    #[serde(skip_serializing_if = "is_zero")]
    pub covered_messages: u64,
    /// About how many tokens those take.
    #[serde(skip_serializing_if = "is_zero")]
    pub covered_tokens: u64,
    /// Whatever else a client put in.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A list of texts, out of whatever a client or a model wrote there.
fn texts<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::Array(items) => items.iter().map(plain).filter(|text| !text.is_empty()).collect(),
        Value::Null => Vec::new(),
        one => vec![plain(&one)],
    })
}

fn text<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(Some(plain(&Value::deserialize(input)?)).filter(|text| !text.is_empty()))
}

/// A value as one line of text.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            let title = ["title", "text", "name", "content", "description"];
            let named = title.iter().find_map(|key| map.get(*key)?.as_str());
            named.map_or_else(|| value.to_string(), str::to_owned)
        }
        other => other.to_string(),
    }
}

impl Summary {
    /// A summary as it was stored; anything that is no object is an overview.
    pub fn of_value(value: &Value) -> Self {
        let read = serde_json::from_value(value.clone());
        read.unwrap_or_else(|_| Self { overview: plain(value), ..Self::default() })
    }

    /// The form in which it is stored.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// True where it says nothing.
    pub fn is_empty(&self) -> bool {
        self.sections().iter().all(|(_, lines)| lines.is_empty()) && self.other.is_empty()
    }

    /// Its sections with their headings, in the order of the handoff text.
    fn sections(&self) -> Vec<(&'static str, Vec<&str>)> {
        vec![
            ("Overview", one(&self.overview)),
            ("Goal", one(&self.goal)),
            ("Stack", many(&self.stack)),
            ("Architecture", one(self.architecture.as_deref().unwrap_or_default())),
            ("Modules", many(&self.modules)),
            ("Main Files", many(&self.main_files)),
            ("Key Decisions", many(&self.decisions)),
            ("Facts", many(&self.facts)),
            ("Also mentioned", many(&self.mentions)),
            ("Links", many(&self.links)),
            ("Errors", many(&self.errors)),
            ("Open Questions", many(&self.open_questions)),
            ("To do", many(&self.todos)),
        ]
    }

    /// As Markdown for a model or a person; what a client added stands at the end.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (heading, lines) in self.sections() {
            write_section(&mut text, heading, &lines);
        }
        for (name, value) in &self.other {
            let value = plain(value);
            write_section(&mut text, name, &[value.as_str()]);
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// About how many tokens it takes as text.
    pub fn tokens(&self) -> u64 {
        tokens::of_text(&self.to_text())
    }
}

fn one(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { vec![text] }
}

fn many(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// Short things stand on one line, sentences on lines of their own.
fn write_section(text: &mut String, heading: &str, lines: &[&str]) {
    if lines.is_empty() {
        return;
    }
    let is_inline = matches!(heading, "Also mentioned" | "Stack" | "Modules" | "Main Files")
        || lines.len() == 1;
    text.push_str("**");
    text.push_str(heading);
    text.push_str(":**");
    if is_inline {
        text.push(' ');
        text.push_str(&lines.join("; "));
    } else {
        for line in lines {
            text.push_str("\n- ");
            text.push_str(line);
        }
    }
    text.push('\n');
}
