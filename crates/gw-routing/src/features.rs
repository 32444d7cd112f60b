//! What a request looks like before it is answered: what it is for, how hard, what it needs.
//!
//! Read from the last thing the user said, never from earlier turns or the application's own
//! instructions; needs and size are read from the whole request. Guesses by words, in microseconds,
//! with no model asked; what the caller states goes before them (see [`crate::Question`]).

mod size;
mod words;

use std::fmt;

use gw_core::chat::{ChatRequest, Message, Part, ResponseFormat, Role, Source, Tool};
use gw_core::limits::ROUTED_TEXT_BYTES_MAX;
use gw_core::task::{Complexity, TaskType};

use crate::prose::{Split, Words, count_words, small};

/// What a request looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// What it seems to be for.
    pub task: TaskType,
    /// How hard it seems.
    pub complexity: Complexity,
    /// True where words of security, passwords or encryption make quality critical.
    pub is_sensitive: bool,
    /// What a model must be able to do.
    pub needs: Needs,
    /// Tokens of the prompt at most: money is held back for these. See `size.rs` for how they are
    /// reckoned.
    pub input_tokens: u64,
    /// Tokens of the prompt as they will probably be: what rules a model out by its window.
    pub likely_input_tokens: u64,
    /// Most tokens of the answer, where the request says.
    pub max_output_tokens: Option<u64>,
    /// Number of answers wanted.
    pub answers: u32,
    /// Number of turns of user and model.
    pub turns: usize,
}

/// What a model must be able to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Pictures stand in the prompt.
    pub vision: bool,
    /// PDF documents do.
    pub pdf: bool,
    /// Sound does.
    pub audio: bool,
    /// Tools are offered, or were called before.
    pub tools: bool,
    /// The answer must follow a JSON schema.
    pub structured_output: bool,
}

/// One of the [`Needs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Reads pictures.
    Vision,
    /// Reads PDF documents.
    Pdf,
    /// Hears sound.
    Audio,
    /// Calls tools.
    Tools,
    /// Follows a JSON schema.
    StructuredOutput,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vision => "image input",
            Self::Pdf => "PDF input",
            Self::Audio => "audio input",
            Self::Tools => "tool calls",
            Self::StructuredOutput => "structured output",
        })
    }
}

impl Needs {
    /// The needs that are there.
    pub fn list(&self) -> impl Iterator<Item = Need> + use<> {
        [
            (self.vision, Need::Vision),
            (self.pdf, Need::Pdf),
            (self.audio, Need::Audio),
            (self.tools, Need::Tools),
            (self.structured_output, Need::StructuredOutput),
        ]
        .into_iter()
        .filter_map(|(is_needed, need)| is_needed.then_some(need))
    }
}

impl Features {
    /// Reads a request.
    pub fn of(request: &ChatRequest) -> Self {
        let text = last_said(request);
        let split = Split::of(&text);
        let (small_text, small_prose) = (small(&text), small(&split.prose));
        let all = Words::of(&small_text);
        let is_all_prose = split.prose.len() == text.len() || split.prose.trim().is_empty();
        let prose = (!is_all_prose).then(|| Words::of(&small_prose));
        let size = size::Size::of(request);
        let is_turn = |message: &&Message| matches!(message.role, Role::User | Role::Assistant);
        Self {
            task: task(&split, prose.as_ref().unwrap_or(&all), &request.tools),
            complexity: complexity(&text, &split, &all),
            is_sensitive: all.has_any(words::SENSITIVE),
            needs: needs(request),
            input_tokens: size.most(),
            likely_input_tokens: size.likely(),
            max_output_tokens: request.max_output_tokens,
            answers: request.sampling.n.unwrap_or(1).max(1),
            turns: request.messages.iter().filter(is_turn).count(),
        }
    }
}

/// The words of the last user turns that have any (a turn of tool results has none), cut in the
/// middle where they are long: what is wanted stands at the beginning or the end.
fn last_said(request: &ChatRequest) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for message in request.messages.iter().rev() {
        match message.role {
            Role::User => texts.extend(message.parts.iter().rev().filter_map(said)),
            Role::Assistant if !texts.is_empty() => break,
            _ => {}
        }
    }
    texts.reverse();
    let total: usize = texts.iter().map(|text| text.len() + 1).sum();
    if total <= ROUTED_TEXT_BYTES_MAX {
        return texts.join("\n");
    }
    let half = ROUTED_TEXT_BYTES_MAX / 2;
    let mut text = String::new();
    for piece in &texts {
        let room = half.saturating_sub(text.len());
        text.push_str(&piece[..piece.floor_char_boundary(room)]);
        text.push('\n');
        if text.len() >= half {
            break;
        }
    }
    let mut tail: Vec<&str> = Vec::new();
    let mut room = half;
    for piece in texts.iter().rev() {
        let kept = &piece[piece.ceil_char_boundary(piece.len().saturating_sub(room))..];
        room = room.saturating_sub(kept.len() + 1);
        tail.push(kept);
        if kept.len() < piece.len() || room == 0 {
            break;
        }
    }
    tail.reverse();
    text + &tail.join("\n")
}

/// The words of a part, unless a coding client put them there itself.
fn said(part: &Part) -> Option<&str> {
    let text = part.as_text()?;
    let trimmed = text.trim();
    let is_reminder =
        trimmed.starts_with("<system-reminder>") && trimmed.ends_with("</system-reminder>");
    (!is_reminder && !trimmed.is_empty()).then_some(text)
}

/// The task with the most evidence; general where there is hardly any.
fn task(split: &Split, said: &Words<'_>, tools: &[Tool]) -> TaskType {
    let mut scores: Vec<(TaskType, u32)> = Vec::new();
    let mut add =
        |task: TaskType, weight: u32| match scores.iter_mut().find(|(scored, _)| *scored == task) {
            Some((_, score)) => *score += weight,
            None => scores.push((task, weight)),
        };
    for (task, weight, phrases) in words::TASKS {
        let found = phrases.iter().filter(|phrase| said.has(phrase)).count();
        add(*task, weight * u32::try_from(found).unwrap_or(u32::MAX).min(4));
    }
    let has_code =
        split.has_fence || !split.code.trim().is_empty() || looks_like_code(&split.prose);
    if has_code || tools.iter().any(is_coding_tool) {
        add(TaskType::Code, words::CLEAR);
        // "test" alone says little, beside code it says what is wanted.
        if said.has_any(&["test", "tests"]) {
            add(TaskType::Test, words::CLEAR);
        }
    }
    let mut best = (TaskType::General, words::WEAK);
    for scored in scores {
        if scored.1 > best.1 {
            best = scored;
        }
    }
    best.0
}

fn is_coding_tool(tool: &Tool) -> bool {
    let name = match tool {
        Tool::Function { name, .. } => name.as_str(),
        Tool::Hosted { value, .. } => {
            let name = value.get("name").or_else(|| value.get("type"));
            name.and_then(serde_json::Value::as_str).unwrap_or_default()
        }
    };
    words::CODING_TOOLS.contains(&name.to_ascii_lowercase().as_str())
}

/// System A's heuristic, by whole words instead of substrings.
fn complexity(text: &str, split: &Split, all: &Words<'_>) -> Complexity {
    let count = count_words(text);
    let has_markers = split.has_fence || all.has_any(words::CODE_MARKERS) || looks_like_code(text);
    let is_hard = has_markers || all.has_any(words::HARD);
    match count {
        _ if is_hard || count > 50 => Complexity::High,
        0..=5 => Complexity::Low,
        _ => Complexity::Medium,
    }
}

/// True where a line is a statement of a common language: `let x = 1`, `def f():`, `fn main() {`.
fn looks_like_code(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim();
        let has = |letters: &[char]| line.contains(letters);
        match line.split_whitespace().next() {
            Some("let" | "const" | "var") => has(&['=', ';']),
            Some("def" | "fn" | "func" | "function") => has(&['(']) && has(&['{', ':', ';']),
            Some("#include" | "<?php") => true,
            Some("from") => line.contains(" import "),
            Some("public" | "private" | "static" | "class" | "struct" | "impl") => {
                line.ends_with('{')
            }
            _ => false,
        }
    })
}

fn needs(request: &ChatRequest) -> Needs {
    let mut needs = Needs {
        tools: !request.tools.is_empty(),
        structured_output: matches!(
            request.response_format,
            Some(ResponseFormat::JsonSchema { .. })
        ),
        ..Needs::default()
    };
    for message in &request.messages {
        needs_of_parts(&message.parts, &mut needs);
    }
    needs
}

fn needs_of_parts(parts: &[Part], needs: &mut Needs) {
    for part in parts {
        match part {
            Part::Image { .. } => needs.vision = true,
            Part::Audio { .. } => needs.audio = true,
            Part::ToolCall { .. } => needs.tools = true,
            Part::ToolResult { parts, .. } => {
                needs.tools = true;
                needs_of_parts(parts, needs);
            }
            Part::Document { source, .. } => match source {
                Source::Base64 { media_type, .. } if media_type.starts_with("image/") => {
                    needs.vision = true;
                }
                Source::Base64 { media_type, .. } if media_type.starts_with("text/") => {}
                // What stands behind an address or a file's id is a PDF in both dialects.
                Source::Base64 { .. } | Source::Url { .. } | Source::File { .. } => {
                    needs.pdf = true;
                }
                Source::Parts { parts } => needs_of_parts(parts, needs),
                Source::Text { .. } => {}
            },
            Part::Text { .. }
            | Part::Thinking { .. }
            | Part::RedactedThinking { .. }
            | Part::Refusal { .. }
            | Part::Opaque { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
