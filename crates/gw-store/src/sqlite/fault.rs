//! Turns failures of SQLite and of the file system into the gateway's error, with the file named
//! and a way out. Texts are safe to show: they hold no SQL and no values.

use std::path::Path;
use std::sync::Arc;

use gw_core::{Error, Kind};
use rusqlite::ErrorCode;

/// Where a store lives, for messages.
#[derive(Clone, Debug)]
pub(super) struct Place(Arc<str>);

impl Place {
    pub(super) fn file(path: &Path) -> Self {
        Self(path.display().to_string().into())
    }

    pub(super) fn memory() -> Self {
        Self("in memory".into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// A failure of SQLite.
    pub(super) fn fault(&self, error: rusqlite::Error) -> Error {
        let (message, hint) = self.words(error.sqlite_error_code());
        Error::new(Kind::StoreUnavailable, message).with_hint(hint).with_source(error)
    }

    /// A failure of the file system, on the way to the database.
    pub(super) fn io_fault(&self, error: std::io::Error) -> Error {
        use std::io::ErrorKind;
        let code = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => ErrorCode::ReadOnly,
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
            _ => ErrorCode::CannotOpen,
        };
        let (message, hint) = self.words(Some(code));
        Error::new(Kind::StoreUnavailable, format!("{message} ({error})"))
            .with_hint(hint)
            .with_source(error)
    }

    /// A failure of the store's own machinery.
    pub(super) fn stopped(&self, what: &str) -> Error {
        Error::new(Kind::StoreUnavailable, format!("the store's {what} has stopped"))
            .with_hint(format!("restart the gateway; everything confirmed is in `{}`", self.0))
    }

    /// A file that is not ours to write.
    pub(super) fn refused(&self, message: String, hint: &str) -> Error {
        Error::new(Kind::StoreUnavailable, message).with_hint(hint)
    }

    fn words(&self, code: Option<ErrorCode>) -> (String, String) {
        let path = &self.0;
        let (what, hint) = match code {
            Some(ErrorCode::DiskFull) => {
                ("has no room left", format!("free space on the disk that holds `{path}`"))
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
                "may not be written",
                format!(
                    "let the gateway's user write `{path}` and its folder, or name another file"
                ),
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                "is held by another program",
                format!("close the other program that uses `{path}`, or wait until it is done"),
            ),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (
                "is damaged or not a database",
                format!(
                    "restore `{path}` from a backup, or move it away: an empty one is made at the \
                     next start"
                ),
            ),
            Some(ErrorCode::CannotOpen) => (
                "cannot be opened",
                format!(
                    "check that `{path}` is a file in a folder that the gateway's user may write"
                ),
            ),
            Some(ErrorCode::SystemIoFailure) => (
                "cannot be read or written",
                format!(
                    "check the disk that holds `{path}`: the operating system reports a failure"
                ),
            ),
            Some(ErrorCode::TooBig) => {
                ("cannot take a value this large", "send less text".to_owned())
            }
            _ => ("does not answer", format!("see the log for what SQLite says about `{path}`")),
        };
        (format!("the store `{path}` {what}"), hint)
    }
}

/// True where trying the same again at once would only wait again.
pub(super) fn is_slow(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SystemIoFailure)
    )
}
