//! `{env:NAME}` and `{file:PATH}` inside texts of the file: secrets stay out of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gw_core::limits;

use crate::source::{Problem, Source};

/// What placeholders may refer to.
pub(crate) struct Placeholders<'a> {
    /// Variables of `.env`, then of the process over them.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// Where relative paths start.
    pub(crate) folder: &'a Path,
    /// The files that were read.
    pub(crate) files: Vec<PathBuf>,
}

impl Placeholders<'_> {
    /// Puts values in place of all placeholders; text without any comes back as it is.
    pub(crate) fn fill(
        &mut self,
        text: &str,
        source: &Source,
        key: &str,
    ) -> Result<String, Problem> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, word, argument, after)) = next(rest) {
            filled.push_str(before);
            let value = match word {
                Word::Env => self.variable(argument),
                Word::File => self.file(argument),
            };
            filled.push_str(&value.map_err(|(message, fix)| Problem {
                source: source.clone(),
                key: key.to_owned(),
                message: format!("{key} {message}"),
                fix,
            })?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn variable(&self, name: &str) -> Result<String, (String, String)> {
        match self.variables.get(name) {
            Some(value) if !value.is_empty() => Ok(value.clone()),
            _ => Err((
                format!("refers to the environment variable {name}, which is not set"),
                format!("set {name}, or remove the key"),
            )),
        }
    }

    fn file(&mut self, name: &str) -> Result<String, (String, String)> {
        let path = self.folder.join(name);
        let read = crate::files::read(&path, limits::CONFIG_FILE_BYTES_MAX);
        self.files.push(path);
        match read {
            Ok(text) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(why) => {
                let message = format!("refers to the file {name}, which cannot be read: {why}");
                Err((
                    message,
                    "check the path; relative ones start at the folder of this file".to_owned(),
                ))
            }
        }
    }
}

enum Word {
    Env,
    File,
}

/// The text before the next placeholder, the placeholder, and the text after it.
fn next(text: &str) -> Option<(&str, Word, &str, &str)> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find('{')?;
        let inner = &text[at + 1..];
        let word = [("env:", Word::Env), ("file:", Word::File)].into_iter();
        let found = word.filter_map(|(prefix, word)| Some((word, inner.strip_prefix(prefix)?)));
        if let Some((word, argument)) = found.into_iter().next()
            && let Some(end) = argument.find('}')
        {
            return Some((&text[..at], word, &argument[..end], &argument[end + 1..]));
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests;
