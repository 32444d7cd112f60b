//! Recognises a conversation by what was said: clients that keep no state send their whole history
//! each time, and calls of one talk begin alike.
//!
//! Messages are normalised first, because clients change blanks, ids and marks of caches when they
//! send an answer back. Thoughts are left out: most clients drop them.

use gw_core::chat::{Message, Part, Role};

/// Hexadecimal digits of a hash that are kept.
const DIGITS: usize = 24;

/// The hash of everything said up to each message: equal for equal beginnings. System messages pass on
/// the hash before them, for applications write them anew at will.
pub fn hashes(messages: &[Message]) -> Vec<String> {
    let mut state = blake3::hash(b"");
    let mut found = Vec::with_capacity(messages.len());
    for message in messages {
        if let Some(said) = normal(message) {
            let mut hasher = blake3::Hasher::new();
            hasher.update(state.as_bytes());
            hasher.update(said.as_bytes());
            state = hasher.finalize();
        }
        found.push(state.to_hex()[..DIGITS].to_owned());
    }
    found
}

/// The name of the conversation that these messages belong to, from its first question and the first
/// answer to it; `None` before there was an answer. `owner` keeps callers apart.
pub fn name(owner: &str, messages: &[Message]) -> Option<String> {
    let spoken = |message: &&Message| normal(message).is_some();
    let first: Vec<&Message> = messages
        .iter()
        .filter(spoken)
        .scan(false, |is_done, message| {
            if *is_done {
                return None;
            }
            *is_done = message.role == Role::Assistant;
            Some(message)
        })
        .collect();
    if first.last().is_none_or(|last| last.role != Role::Assistant) || first.len() < 2 {
        return None;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(owner.as_bytes());
    for message in first {
        hasher.update(b"\0");
        hasher.update(normal(message).unwrap_or_default().as_bytes());
    }
    Some(format!("auto-{}", &hasher.finalize().to_hex()[..DIGITS]))
}

/// What of a message counts; `None` for instructions and for messages without any.
fn normal(message: &Message) -> Option<String> {
    let who = match message.role {
        Role::System | Role::Developer => return None,
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut said = String::new();
    for part in &message.parts {
        write_part(&mut said, part);
    }
    (!said.is_empty()).then(|| format!("{who}{said}"))
}

fn write_part(said: &mut String, part: &Part) {
    match part {
        Part::Text { text, .. } | Part::Refusal { text } => {
            for word in text.split_whitespace() {
                said.push(' ');
                said.push_str(word);
            }
        }
        Part::ToolCall { name, .. } => {
            said.push_str("\u{1}call ");
            said.push_str(name);
        }
        Part::ToolResult { parts, .. } => {
            said.push_str("\u{1}result");
            for part in parts {
                write_part(said, part);
            }
        }
        Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } => {
            said.push_str("\u{1}media");
        }
        Part::Thinking { .. } | Part::RedactedThinking { .. } | Part::Opaque { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use gw_core::chat::{Message, Part, Role};

    use super::{hashes, name};

    fn talk() -> Vec<Message> {
        vec![
            Message::text(Role::System, "Be brief. It is 10:31."),
            Message::text(Role::User, "Who was Ada?"),
            Message::text(Role::Assistant, "A  mathematician.\n"),
            Message::text(Role::User, "When?"),
        ]
    }

    #[test]
    fn a_longer_talk_begins_as_the_shorter_one() {
        let short = talk();
        let mut long = talk();
        long[0] = Message::text(Role::System, "Be brief. It is 10:32.");
        long[2] = Message {
            parts: vec![
                Part::Thinking { text: "hm".to_owned(), signature: None },
                Part::text("A mathematician."),
            ],
            ..Message::text(Role::Assistant, "")
        };
        long.push(Message::text(Role::Assistant, "1815."));
        assert_eq!(hashes(&short)[1..], hashes(&long)[1..4]);
        assert_eq!(name("k", &short), name("k", &long));
        assert!(name("k", &short).is_some_and(|name| name.starts_with("auto-")));
    }

    #[test]
    fn other_talks_and_other_callers_have_other_names() {
        let mut other = talk();
        other[1] = Message::text(Role::User, "Who was Bob?");
        assert_ne!(name("k", &talk()), name("k", &other));
        assert_ne!(name("k", &talk()), name("l", &talk()));
        assert_eq!(name("k", &talk()[..2]), None, "nobody has answered yet");
    }
}
