//! What was changed of a client's settings, kept until it is put back.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gw_connect::{Client, Document, Edit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connect::files;

/// The files of one client.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) files: Vec<Changed>,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) path: PathBuf,
    /// Its text before; `None` where there was no such file.
    pub(crate) before: Option<String>,
    /// Its text after.
    pub(crate) after: String,
    /// Which places were changed.
    pub(crate) places: Vec<Vec<String>>,
}

/// What putting back did to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    /// It is byte for byte what it was.
    Whole,
    /// It was changed by others since, so only our places were put back.
    Places,
    /// It is gone, as it was before or by another's hand.
    Gone,
}

impl Record {
    /// Reads a client's record; `None` where nothing was changed.
    pub(crate) fn read(folder: &Path, client: Client) -> Result<Option<Self>> {
        let path = path(folder, client);
        let Some(text) = files::read(&path)? else { return Ok(None) };
        let record = serde_json::from_str(&text);
        record.map(Some).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Keeps the record, before anything is changed.
    pub(crate) fn keep(&self, folder: &Path, client: Client) -> Result<()> {
        files::replace(&path(folder, client), &serde_json::to_string_pretty(self)?)
    }

    /// Forgets a client's record.
    pub(crate) fn forget(folder: &Path, client: Client) -> Result<()> {
        files::remove(&path(folder, client))
    }
}

fn path(folder: &Path, client: Client) -> PathBuf {
    folder.join(format!("{}.json", client.id()))
}

impl Changed {
    /// What the file has to hold so that the change is undone; `None` for no file.
    pub(crate) fn restored(&self, client: Client) -> Result<(Restored, Option<String>)> {
        let Some(now) = files::read(&self.path)? else { return Ok((Restored::Gone, None)) };
        if now == self.after {
            let kind = if self.before.is_some() { Restored::Whole } else { Restored::Gone };
            return Ok((kind, self.before.clone()));
        }
        let format = client.format();
        let about = || format!("{} was changed since", self.path.display());
        let before = Document::read(format, self.before.as_deref().unwrap_or_default());
        let before = before.with_context(about)?;
        let edits: Vec<Edit> = self
            .places
            .iter()
            .map(|path| Edit { path: path.clone(), value: Some(Value::Null) })
            .collect();
        let now = Document::read(format, &now).with_context(about)?;
        let back = now.with(&before.undoing(&edits)?).with_context(about)?;
        Ok((Restored::Places, Some(back.text().to_owned())))
    }
}
