//! The kind of work, by what can be counted: coarse, and only a prior for estimates. What a request
//! is *for* (the task lists of configuration) is [`crate::features`]' guess.

use super::counts::Counts;

/// Kinds of work that models differ in.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TaskClass {
    /// Prose without a mark of anything else.
    #[default]
    Prose,
    /// A short question of fact.
    Question,
    /// A choice between given options.
    Choice,
    /// Numbers to reckon with.
    Maths,
    /// Maths in the notation of a paper.
    Notation,
    /// Code to write or read.
    Code,
    /// Long material: a document, a transcript, an agent's turn.
    Long,
}

impl TaskClass {
    /// All classes, in the order of [`Self::index`].
    pub const ALL: [Self; 7] = [
        Self::Prose,
        Self::Question,
        Self::Choice,
        Self::Maths,
        Self::Notation,
        Self::Code,
        Self::Long,
    ];

    /// Its place in tables.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::Question => "question",
            Self::Choice => "choice",
            Self::Maths => "maths",
            Self::Notation => "notation",
            Self::Code => "code",
            Self::Long => "long",
        }
    }
}

/// The class of a text.
pub(crate) fn class_of(counts: &Counts) -> TaskClass {
    let is_code = counts.fences > 0
        || counts.code_words >= 2
        || (counts.code_words >= 1 && counts.indented >= 1)
        || counts.indented >= 4;
    if counts.options >= 2 {
        TaskClass::Choice
    } else if is_code {
        TaskClass::Code
    } else if counts.bytes > 4_000 {
        TaskClass::Long
    } else if counts.backslashes >= 2 || (counts.maths >= 4 && counts.words < 120) {
        TaskClass::Notation
    } else if counts.numbers >= 2 && counts.words < 250 {
        TaskClass::Maths
    } else if counts.words <= 24 {
        TaskClass::Question
    } else {
        TaskClass::Prose
    }
}
