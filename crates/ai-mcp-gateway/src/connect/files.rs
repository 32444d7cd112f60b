//! Reads and replaces a settings file.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Largest settings file that is read, in bytes. Claude Code keeps its history in one.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The text of a file; `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(cannot(path, "read")),
    };
    if about.len() > BYTES_MAX {
        bail!("{} is over {BYTES_MAX} bytes", path.display());
    }
    fs::read_to_string(path).map(Some).context(cannot(path, "read"))
}

/// Puts a text in the place of a file, in one step: a reader sees the old one or the new one. Links
/// stay links, and the file keeps its permissions; a new one is for its owner alone.
pub(crate) fn replace(path: &Path, text: &str) -> Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().context("a file stands in a folder")?;
    fs::create_dir_all(folder).context(cannot(folder, "made"))?;
    let permissions = fs::metadata(&target).ok().map(|about| about.permissions());
    let beside = beside(&target);
    let written = write_new(&beside, text).and_then(|()| {
        if let Some(permissions) = permissions {
            fs::set_permissions(&beside, permissions)?;
        }
        fs::rename(&beside, &target)
    });
    if let Err(error) = written {
        // What was half written helps nobody; it may not be there at all.
        let _ = fs::remove_file(&beside);
        return Err(error).context(cannot(&target, "written"));
    }
    Ok(())
}

/// Removes a file that may be gone already.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(cannot(path, "removed"))
        }
        _ => Ok(()),
    }
}

fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    target.with_file_name(name)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn cannot(path: &Path, done: &str) -> String {
    format!("{} cannot be {done}", path.display())
}
