//! Lists of what is to be done: made from words without a model, read from a model's answer, merged,
//! and shown as system A shows them.

use gw_core::record::{TodoItem, TodoStatus};
use serde_json::Value;

use crate::summary::plain;

/// Items that one list may hold.
pub const ITEMS_MAX: usize = 100;

/// Characters of a title and of a description that are kept.
const TITLE_MAX: usize = 200;
const DESCRIPTION_MAX: usize = 2_000;

type Step = (&'static str, &'static str);

/// Words of a request, and what they ask for (CONTRACT.md 1.13).
const STEPS: &[(&[&str], &[Step])] = &[
    (
        &["implement", "create", "build", "add"],
        &[
            ("Analyse requirements", "Find out what is wanted and what it must not break."),
            ("Design the solution", "Decide on structure and interfaces."),
            ("Implement core functionality", "Write what was designed."),
        ],
    ),
    (
        &["refactor", "improve", "optimize"],
        &[("Refactor existing code", "Change the structure and keep the behaviour.")],
    ),
    (
        &["test", "verify", "check"],
        &[
            ("Write tests", "Cover what was asked for and what could break."),
            ("Run tests", "Run them and mend what fails."),
        ],
    ),
    (
        &["document", "readme", "docs"],
        &[("Update documentation", "Say what changed and how to use it.")],
    ),
];

const LAST: Step = ("Review and validate", "See that everything asked for is there.");

/// A list made from the words of a request.
pub fn generate(request: &str) -> Vec<TodoItem> {
    let lower = request.to_lowercase();
    let asked = STEPS.iter().filter(|(words, _)| words.iter().any(|word| lower.contains(word)));
    let steps = asked.flat_map(|(_, steps)| steps.iter()).chain([&LAST]);
    (1..).zip(steps).map(|(id, (title, description))| item(id, title, description)).collect()
}

fn item(id: u32, title: &str, description: &str) -> TodoItem {
    TodoItem {
        id,
        title: clip(title, TITLE_MAX),
        description: clip(description, DESCRIPTION_MAX),
        status: TodoStatus::NotStarted,
    }
}

fn clip(text: &str, characters: usize) -> String {
    text.trim().chars().take(characters).collect()
}

/// A list out of what a model wrote: a JSON array, or an object with one, or lines of a list. `None`
/// where there is none.
pub fn parse(answer: &str) -> Option<Vec<TodoItem>> {
    let items = crate::prompt::json_in(answer).and_then(|value| match value {
        Value::Array(items) => Some(items),
        Value::Object(map) => map.into_iter().find_map(|(_, value)| match value {
            Value::Array(items) => Some(items),
            _ => None,
        }),
        _ => None,
    });
    let found: Vec<(String, String)> = match items.filter(|items| !items.is_empty()) {
        Some(items) => items
            .iter()
            .map(|value| {
                let description = value.get("description").map(plain).unwrap_or_default();
                (plain(value), description)
            })
            .collect(),
        None => answer.lines().filter_map(listed).map(|line| (line, String::new())).collect(),
    };
    let items: Vec<TodoItem> = (1..)
        .zip(found.into_iter().filter(|(title, _)| !title.trim().is_empty()).take(ITEMS_MAX))
        .map(|(id, (title, description))| item(id, &title, &description))
        .collect();
    (!items.is_empty()).then_some(items)
}

/// The words of a line that begins as one of a list does.
fn listed(line: &str) -> Option<String> {
    let line = line.trim();
    let numbered = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let rest = if numbered.len() < line.len() {
        numbered.strip_prefix(['.', ')'])?
    } else {
        line.strip_prefix(['-', '*'])?
    };
    let rest = rest.trim().trim_start_matches("[ ]").trim_start_matches("[x]").trim();
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// Adds items to a list: those whose title it has already are left out, the others get numbers after
/// the highest.
pub fn merge(mut list: Vec<TodoItem>, added: Vec<TodoItem>) -> Vec<TodoItem> {
    for mut item in added {
        let title = item.title.to_lowercase();
        if list.len() >= ITEMS_MAX || list.iter().any(|known| known.title.to_lowercase() == title) {
            continue;
        }
        let highest = list.iter().map(|known| known.id).max().unwrap_or(0);
        item.id = highest.saturating_add(1);
        list.push(item);
    }
    list
}

/// The list as Markdown.
pub fn to_text(list: &[TodoItem]) -> String {
    let mut text = "## TODO List\n\n".to_owned();
    for item in list {
        let (mark, icon) = match item.status {
            TodoStatus::NotStarted => ("[ ]", "⏳"),
            TodoStatus::InProgress => ("[ ]", "🔄"),
            TodoStatus::Completed => ("[x]", "✅"),
        };
        let TodoItem { id, title, description, .. } = item;
        text.push_str(&format!("- {mark} {icon} **{title}** (ID: {id})\n"));
        if !description.is_empty() {
            text.push_str(&format!("  {description}\n"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use gw_core::record::TodoStatus;

    use super::{generate, merge, parse, to_text};

    fn titles(list: &[gw_core::record::TodoItem]) -> Vec<&str> {
        list.iter().map(|item| item.title.as_str()).collect()
    }

    #[test]
    fn words_ask_for_the_steps_of_the_contract() {
        for (request, count) in [
            ("Implement a parser", 4),
            ("REFACTOR it", 2),
            ("please verify", 3),
            ("write the README", 2),
            ("hello", 1),
            ("build it, improve it, test it, document it", 8),
        ] {
            let list = generate(request);
            assert_eq!(list.len(), count, "{request}: {:?}", titles(&list));
            assert_eq!(list.last().map(|item| item.title.as_str()), Some("Review and validate"));
        }
    }

    #[test]
    fn lists_of_models_are_read_in_any_form() {
        let json = "Here:\n```json\n[{\"title\":\"A\",\"description\":\"b\"},\"C\"]\n```";
        let list = parse(json).expect("is there");
        assert_eq!(titles(&list), ["A", "C"]);
        assert_eq!(list[0].description, "b");
        assert_eq!(
            titles(&parse("1. First\n2) Second\n- [ ] Third\nno").expect("is there")),
            ["First", "Second", "Third"]
        );
        assert!(parse("I cannot.").is_none());
    }

    #[test]
    fn merging_keeps_what_is_there_and_numbers_on() {
        let mut list = generate("hello");
        list[0].status = TodoStatus::Completed;
        let merged = merge(list, generate("test it"));
        assert_eq!(titles(&merged), ["Review and validate", "Write tests", "Run tests"]);
        assert_eq!(merged.iter().map(|item| item.id).collect::<Vec<_>>(), [1, 2, 3]);
        let text = to_text(&merged);
        assert!(text.contains("- [x] ✅ **Review and validate** (ID: 1)\n  "), "{text}");
    }
}
