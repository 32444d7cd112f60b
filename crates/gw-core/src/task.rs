//! What a request is for: the words that routing decides by. Names are system A's.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$item_doc:meta])* $item:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$item_doc])* #[serde(rename = $text)] $item),+
        }

        impl $type {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$item),+];

            /// The word as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$item => $text),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = String;

            /// The error lists the words that are allowed.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| {
                    let words: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                    format!("`{text}` is not one of {}", words.join(", "))
                })
            }
        }
    };
}

words! {
    /// The kind of work a request asks for.
    TaskType {
        /// Conversation and everything that fits nothing else.
        General = "general",
        /// Writing code.
        Code = "code",
        /// Finding a fault.
        Debug = "debug",
        /// Changing code without changing what it does.
        Refactor = "refactor",
        /// Writing or running tests.
        Test = "test",
        /// Explaining, comparing, judging.
        Analyze = "analyze",
        /// Mathematics and logic.
        Reasoning = "reasoning",
        /// Laying out a whole project.
        CreateProject = "create-project",
    }
}

words! {
    /// How hard a request looks before it is answered.
    Complexity {
        /// A greeting or a few words.
        Low = "low",
        /// An ordinary question.
        Medium = "medium",
        /// Analysis, code, several steps.
        High = "high",
    }
}

words! {
    /// How good the answer has to be, as the caller says.
    Quality {
        /// The default.
        Normal = "normal",
        /// Worth a better model.
        High = "high",
        /// Worth a mid-priced model at the least.
        Critical = "critical",
    }
}

/// The list of models that a task is configured with (`CHAT_MODELS` and its siblings).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskGroup {
    /// `CHAT_MODELS`
    Chat,
    /// `CODE_MODELS`
    Code,
    /// `ANALYZE_MODELS`
    Analyze,
    /// `CREATE_PROJECT_MODELS`
    CreateProject,
}

impl TaskType {
    /// The configured list that decides for this kind of work.
    pub const fn group(self) -> TaskGroup {
        match self {
            Self::General => TaskGroup::Chat,
            Self::Code | Self::Debug | Self::Refactor | Self::Test => TaskGroup::Code,
            Self::Analyze | Self::Reasoning => TaskGroup::Analyze,
            Self::CreateProject => TaskGroup::CreateProject,
        }
    }
}
