//! Where a value comes from, and what is wrong with it: the texts that people read when the
//! configuration does not load.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Source {
    /// Nowhere: it is the default, or follows from other values.
    #[default]
    Default,
    /// In a configuration file.
    File {
        /// The file, as it was named.
        path: Arc<PathBuf>,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// In the `.env` file of the working directory.
    DotEnv {
        /// The file, as it was named.
        path: Arc<PathBuf>,
        /// Line, from 1.
        line: usize,
        /// The variable.
        name: Arc<str>,
    },
    /// In the environment of the process.
    Env {
        /// The variable.
        name: Arc<str>,
    },
    /// On the command line.
    Flag {
        /// The key as it was written there.
        name: Arc<str>,
    },
}

impl Source {
    /// The environment variable, where the value comes from one.
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::DotEnv { name, .. } | Self::Env { name } => Some(name),
            Self::Default | Self::File { .. } | Self::Flag { .. } => None,
        }
    }

    /// True where every value is written as plain text, whatever its type.
    pub(crate) fn is_textual(&self) -> bool {
        matches!(self, Self::DotEnv { .. } | Self::Env { .. } | Self::Flag { .. })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::DotEnv { path, line, name } => write!(f, "{}:{line}: {name}", path.display()),
            Self::Env { name } => write!(f, "environment: {name}"),
            Self::Flag { name } => write!(f, "flag: {name}"),
        }
    }
}

/// One thing that is wrong, and its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub source: Source,
    /// The key path, such as `server.port`; empty where the file as a whole is at fault.
    pub key: String,
    /// What is wrong; names the key and, unless it is secret, the value.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source != Source::Default {
            write!(f, "{}: ", self.source)?;
        }
        f.write_str(&self.message)?;
        if !self.fix.is_empty() {
            write!(f, "; {}", self.fix)?;
        }
        Ok(())
    }
}

/// Everything that is wrong, in the order of files, environment, flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl ConfigErrors {
    /// Puts problems into the order in which a reader meets their places.
    pub(crate) fn sorted(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| match &problem.source {
            Source::Default => (0, 0, 0),
            Source::File { line, column, .. } => (1, *line, *column),
            Source::DotEnv { line, .. } => (2, *line, 0),
            Source::Env { .. } => (3, 0, 0),
            Source::Flag { .. } => (4, 0, 0),
        });
        Self { problems }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigErrors> for gw_core::Error {
    fn from(errors: ConfigErrors) -> Self {
        Self::new(gw_core::Kind::NotConfigured, errors.to_string())
    }
}

/// Something that loads and yet deserves a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub source: Source,
    /// What; reads alone.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source != Source::Default {
            write!(f, "{}: ", self.source)?;
        }
        f.write_str(&self.message)
    }
}
