//! Changes the gateway's own configuration file. Comments and order stay; a change that would make the
//! configuration unsound is taken back.

use std::path::PathBuf;

use anyhow::{Context, Result};
use gw_config::Purpose;
use gw_connect::{Document, Edit, Format};

use crate::connect::files;
use crate::setup::Setup;

/// The file as it is, and as it would be.
pub(crate) struct OwnFile {
    pub(crate) path: PathBuf,
    before: Option<String>,
    document: Document,
}

impl OwnFile {
    /// Reads the file in use, or begins the user's own where there is none.
    pub(crate) fn read(setup: &Setup) -> Result<Self> {
        let path = setup.config_file().context("no folder for a configuration file is known")?;
        let before = files::read(&path)?;
        let document = Document::read(Format::Toml, before.as_deref().unwrap_or_default());
        let document = document.with_context(|| path.display().to_string())?;
        Ok(Self { path, before, document })
    }

    /// True where something stands at a place.
    pub(crate) fn has(&self, place: &[&str]) -> Result<bool> {
        let place: Vec<String> = place.iter().map(|key| (*key).to_owned()).collect();
        Ok(self.document.get(&place)?.is_some())
    }

    /// Makes edits, and checks the whole configuration with them.
    pub(crate) fn change(&self, setup: &Setup, edits: &[Edit]) -> Result<()> {
        if edits.is_empty() {
            return Ok(());
        }
        let after = self.document.with(edits);
        let after = after.with_context(|| self.path.display().to_string())?;
        files::replace(&self.path, after.text())?;
        let Err(unsound) = setup.load(Purpose::Other, &[]) else { return Ok(()) };
        match &self.before {
            Some(before) => files::replace(&self.path, before)?,
            None => files::remove(&self.path)?,
        }
        Err(unsound.context("nothing was changed: the configuration would not be sound"))
    }
}
