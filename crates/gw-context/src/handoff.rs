//! A handoff package: what the next, higher model needs to know instead of the whole conversation.
//!
//! Both forms of CONTRACT.md 1.12: JSON in system A's names, and text with its section marks in
//! their order. [`Handoff::within`] builds it to a budget of tokens: what says least goes first, the
//! task and what is wanted never.

use gw_core::chat::{Message, Role};
use serde::{Deserialize, Serialize};

use crate::summary::Summary;
use crate::tokens;

/// Characters of an attempt's result that are kept.
const RESULT_KEPT: usize = 500;

/// Characters of it that the text shows.
const RESULT_SHOWN: usize = 300;

/// Characters of an error log that the text shows.
const ERROR_LOG_SHOWN: usize = 200;

/// Characters of an error log that are kept.
const ERROR_LOG_KEPT: usize = 2_000;

/// The package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Handoff {
    /// What is known of the conversation.
    pub context_summary: Summary,
    /// What is to be done.
    pub current_task: Task,
    /// What was tried, in order.
    pub attempts_so_far: Vec<Attempt>,
    /// What is known to be wrong.
    pub known_issues: Vec<String>,
    /// What nobody has answered.
    pub open_questions: Vec<String>,
    /// What is wanted of the next model.
    pub request_to_higher_layer: String,
    /// Files that matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relevant_files: Vec<String>,
    /// What tests said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test_results: Vec<TestResult>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    /// In the user's words.
    pub task: String,
    /// Files it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Functions it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
}

/// One try.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attempt {
    /// The layer: `L0` to `L3`.
    pub layer: String,
    /// The model's catalogue id.
    pub model: String,
    /// How it was tried: `direct`, `cross-check`, `arbiter`.
    pub approach: String,
    /// What came of it; at most 500 characters are kept.
    pub result: String,
    /// Whether it was good enough.
    pub success: bool,
}

/// What a test run said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TestResult {
    /// `unit`, `lint`, `compile`, `schema`.
    pub test_type: String,
    /// How many passed.
    pub passed: u64,
    /// How many failed.
    pub failed: u64,
    /// What was printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_log: Option<String>,
}

impl Handoff {
    /// A package about a task; the builders below add what is known.
    pub fn of_task(task: impl Into<String>) -> Self {
        let current_task = Task { task: task.into(), ..Task::default() };
        Self { current_task, ..Self::default() }
    }

    /// A package out of what was said: the task is the user's last turn, everything before it goes into
    /// the summary, and files, errors and open questions are read out of both.
    pub fn of_messages(messages: &[Message], summary: Option<&Summary>) -> Self {
        let last = messages.iter().rposition(is_asked);
        let task = last.map(|at| messages[at].joined_text()).unwrap_or_default();
        let before = &messages[..last.unwrap_or(0)];
        let mut known = summary.cloned().unwrap_or_default();
        crate::extract::absorb(&mut known, before, crate::extract::Bounds::default());
        let mut said = Summary::default();
        let bounds = crate::extract::Bounds::default();
        crate::extract::absorb(&mut said, &[Message::text(Role::User, task.as_str())], bounds);
        let mut package = Self::of_task(task);
        package.current_task.files = said.main_files;
        package.current_task.functions = said.modules;
        package.relevant_files = std::mem::take(&mut known.main_files);
        package.known_issues = std::mem::take(&mut known.errors);
        package.open_questions = std::mem::take(&mut known.open_questions);
        package.context_summary = known;
        package
    }

    /// Adds what is known of the conversation.
    #[must_use]
    pub fn with_context_summary(mut self, summary: Summary) -> Self {
        self.context_summary = summary;
        self
    }

    /// Adds files and functions that the task is about.
    #[must_use]
    pub fn with_current_task(mut self, files: Vec<String>, functions: Vec<String>) -> Self {
        self.current_task.files = files;
        self.current_task.functions = functions;
        self
    }

    /// Adds a try.
    #[must_use]
    pub fn with_attempt(mut self, mut attempt: Attempt) -> Self {
        shorten(&mut attempt.result, RESULT_KEPT);
        self.attempts_so_far.push(attempt);
        self
    }

    /// Adds what is known to be wrong.
    #[must_use]
    pub fn with_known_issues(mut self, issues: impl IntoIterator<Item = String>) -> Self {
        self.known_issues.extend(issues);
        self
    }

    /// Adds what nobody has answered.
    #[must_use]
    pub fn with_open_questions(mut self, questions: impl IntoIterator<Item = String>) -> Self {
        self.open_questions.extend(questions);
        self
    }

    /// Says what is wanted.
    #[must_use]
    pub fn with_request(mut self, request: impl Into<String>) -> Self {
        self.request_to_higher_layer = request.into();
        self
    }

    /// Adds what tests said.
    #[must_use]
    pub fn with_test_results(mut self, results: impl IntoIterator<Item = TestResult>) -> Self {
        for mut result in results {
            if let Some(log) = &mut result.error_log {
                shorten(log, ERROR_LOG_KEPT);
            }
            self.test_results.push(result);
        }
        self
    }

    /// The package as JSON in system A's names.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The package as text for a model.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let summary = self.context_summary.to_text();
        section(&mut text, "CONTEXT-SUMMARY", if summary.is_empty() { "None." } else { &summary });
        section(&mut text, "CURRENT-TASK", &self.task_text());
        if !self.attempts_so_far.is_empty() {
            section(&mut text, "ATTEMPTS-SO-FAR", &self.attempts_text());
        }
        if !self.test_results.is_empty() {
            section(&mut text, "TEST-RESULTS", &self.tests_text());
        }
        if !self.known_issues.is_empty() || !self.open_questions.is_empty() {
            section(&mut text, "KNOWN-ISSUES-AND-OPEN-QUESTIONS", &self.issues_text());
        }
        let wanted = &self.request_to_higher_layer;
        let wanted = if wanted.is_empty() { "Do the task above." } else { wanted };
        section(&mut text, "WHAT-I-WANT-FROM-HIGHER-LAYER", wanted);
        text.truncate(text.trim_end().len());
        text
    }

    fn task_text(&self) -> String {
        let mut text = self.current_task.task.trim().to_owned();
        let files = self.current_task.files.iter().chain(&self.relevant_files);
        let mut known: Vec<&str> = Vec::new();
        for file in files {
            if !known.contains(&file.as_str()) {
                known.push(file);
            }
        }
        list_line(&mut text, "Files", &known);
        let functions: Vec<&str> = self.current_task.functions.iter().map(String::as_str).collect();
        list_line(&mut text, "Functions", &functions);
        text
    }

    fn attempts_text(&self) -> String {
        let mut text = String::new();
        for (at, attempt) in self.attempts_so_far.iter().enumerate() {
            let state = if attempt.success { "succeeded" } else { "failed" };
            let Attempt { layer, model, approach, .. } = attempt;
            text.push_str(&format!("{}. {layer} {model} ({approach}): {state}\n", at + 1));
            if !attempt.result.is_empty() {
                text.push_str("   Result: ");
                text.push_str(&shown(&attempt.result, RESULT_SHOWN));
                text.push('\n');
            }
        }
        text
    }

    fn tests_text(&self) -> String {
        let mut text = String::new();
        for result in &self.test_results {
            let TestResult { test_type, passed, failed, error_log } = result;
            text.push_str(&format!("- {test_type}: {passed} passed, {failed} failed\n"));
            if let Some(log) = error_log.as_ref().filter(|log| !log.trim().is_empty()) {
                text.push_str("  Errors: ");
                text.push_str(&shown(log, ERROR_LOG_SHOWN));
                text.push('\n');
            }
        }
        text
    }

    fn issues_text(&self) -> String {
        let mut text = String::new();
        for (heading, lines) in
            [("Known issues", &self.known_issues), ("Open questions", &self.open_questions)]
        {
            if lines.is_empty() {
                continue;
            }
            text.push_str(heading);
            text.push_str(":\n");
            for line in lines {
                text.push_str("- ");
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    /// The package, made to fit a budget of tokens as text. What says least goes first: mentions, old
    /// facts, links, questions, issues, old attempts, the prose; then the task itself is cut.
    #[must_use]
    pub fn within(mut self, tokens_max: u64) -> Self {
        // Each round gives up a part of the longest list that may still shrink.
        while tokens::of_text(&self.to_text()) > tokens_max {
            if !self.give_up() {
                let over = tokens::of_text(&self.to_text()).saturating_sub(tokens_max);
                let task = &mut self.current_task.task;
                let room = tokens::of_text(task).saturating_sub(over + 1);
                let kept = tokens::cut(task, room).len();
                task.truncate(kept);
                break;
            }
        }
        self
    }

    /// Drops the older part of the first thing that can be missed. False: nothing is left to drop.
    fn give_up(&mut self) -> bool {
        let summary = &mut self.context_summary;
        let lists = [
            &mut summary.mentions,
            &mut summary.links,
            &mut summary.facts,
            &mut summary.modules,
            &mut summary.stack,
            &mut summary.errors,
            &mut summary.todos,
            &mut summary.open_questions,
            &mut self.open_questions,
            &mut self.known_issues,
            &mut summary.main_files,
            &mut self.relevant_files,
            &mut summary.decisions,
        ];
        for list in lists {
            if !list.is_empty() {
                // A quarter at a time: a few rounds for any length.
                list.drain(..list.len().div_ceil(4));
                return true;
            }
        }
        for text in [&mut summary.overview, &mut summary.goal] {
            if !text.is_empty() {
                let half = text.floor_char_boundary(text.len() / 2);
                text.truncate(half);
                return true;
            }
        }
        if summary.architecture.take().is_some() || !summary.other.is_empty() {
            summary.other.clear();
            return true;
        }
        if !self.attempts_so_far.is_empty() {
            self.attempts_so_far.remove(0);
            return true;
        }
        let task = &mut self.current_task;
        self.test_results.pop().is_some()
            || task.files.pop().is_some()
            || task.functions.pop().is_some()
    }
}

/// True for a turn in which the user asks something in words.
fn is_asked(message: &Message) -> bool {
    message.role == Role::User && !message.joined_text().trim().is_empty()
}

fn section(text: &mut String, mark: &str, body: &str) {
    text.push('[');
    text.push_str(mark);
    text.push_str("]\n");
    text.push_str(body.trim_end());
    text.push_str("\n\n");
}

fn list_line(text: &mut String, heading: &str, items: &[&str]) {
    if !items.is_empty() {
        text.push_str(&format!("\n{heading}: {}", items.join(", ")));
    }
}

/// Cuts a text to so many characters.
fn shorten(text: &mut String, characters: usize) {
    if let Some((at, _)) = text.char_indices().nth(characters) {
        text.truncate(at);
    }
}

/// The beginning of a text on one line, with dots where it goes on.
fn shown(text: &str, characters: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(characters) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests;
