//! What people and programs read: words on standard output, everything else on standard error.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use gw_core::Error;
use serde_json::{Value, json};

use crate::cli::ColorChoice;

/// The reader of standard output has seen enough (`| head`): its wish, and no fault of anybody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReaderLeft;

impl std::fmt::Display for ReaderLeft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads standard output")
    }
}

impl std::error::Error for ReaderLeft {}

/// Where to and how to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    is_json: bool,
    is_coloured: bool,
}

impl Output {
    /// `no_color` is true where the environment has a non-empty NO_COLOR (no-color.org).
    pub(crate) fn new(is_json: bool, color: ColorChoice, no_color: bool) -> Self {
        let is_coloured = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => !no_color && std::io::stderr().is_terminal(),
        };
        Self { is_json, is_coloured }
    }

    pub(crate) fn is_json(self) -> bool {
        self.is_json
    }

    /// Prints one JSON document.
    pub(crate) fn json(self, value: &Value) -> Result<()> {
        self.write(&format!("{}\n", serde_json::to_string_pretty(value)?))
    }

    /// Prints text as it is.
    ///
    /// # Errors
    /// [`ReaderLeft`] where nobody reads any more.
    pub(crate) fn write(self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(ReaderLeft.into()),
            result => Ok(result?),
        }
    }

    /// Prints a remark for people.
    pub(crate) fn note(self, text: &str) {
        self.say("2", text);
    }

    /// Prints a warning.
    pub(crate) fn warning(self, text: &str) {
        self.say("33", &format!("warning: {text}"));
    }

    /// Prints what went wrong and how to mend it.
    pub(crate) fn error(self, error: &anyhow::Error) {
        let known = error.downcast_ref::<Error>();
        if self.is_json {
            let code = match known {
                Some(known) => known.kind().row().code,
                None if error.is::<gw_config::ConfigErrors>() => "invalid_configuration",
                None => "error",
            };
            let document = json!({"error": {
                "code": code,
                "message": known.map_or_else(|| format!("{error:#}"), |known| known.message().to_owned()),
                "field": known.and_then(Error::field),
                "hint": known.and_then(Error::hint),
            }});
            let _ = writeln!(std::io::stderr(), "{document}");
            return;
        }
        let text = known.map_or_else(|| format!("{error:#}"), Error::full_message);
        self.say("31", &format!("error: {text}"));
    }

    fn say(self, colour: &str, text: &str) {
        // Nobody is left to tell where standard error is closed.
        let _ = if self.is_coloured {
            writeln!(std::io::stderr(), "\x1b[{colour}m{text}\x1b[0m")
        } else {
            writeln!(std::io::stderr(), "{text}")
        };
    }
}
