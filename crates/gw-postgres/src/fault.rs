//! Turns failures of PostgreSQL into the gateway's error, with the server named and a way out, and
//! tells outages from refusals. Texts are safe to show: they hold no SQL, no values, no password.

use std::fmt;
use std::sync::Arc;

use gw_core::{Error, Kind};
use tokio_postgres::error::SqlState;

/// Where a database is, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Place(Arc<str>);

impl Place {
    pub(crate) fn new(place: String) -> Self {
        Self(place.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// A failure as callers see it.
    pub(crate) fn error(&self, fault: Fault) -> Error {
        let (what, hint) = self.words(&fault);
        let error = Error::new(Kind::StoreUnavailable, format!("PostgreSQL {self} {what}"))
            .with_hint(hint)
            .with_retry_after_ms(1_000);
        match fault {
            Fault::Postgres(source) => error.with_source(source),
            Fault::Unreadable { column, source } => {
                tracing::error!(place = self.as_str(), column, error = %source, "a stored value is not readable");
                error
            }
            Fault::Connect(_) | Fault::Slow | Fault::Away => error,
        }
    }

    fn words(&self, fault: &Fault) -> (String, String) {
        let reach = format!("check that the server at {self} runs and can be reached from here");
        match fault {
            Fault::Away => ("does not answer".to_owned(), reach),
            Fault::Slow => ("did not answer in time".to_owned(), reach),
            Fault::Connect(why) => (format!("cannot be reached ({why})"), reach),
            Fault::Unreadable { column, .. } => (
                format!("holds a value in `{column}` that cannot be read"),
                "see the log; start the gateway version that wrote it".to_owned(),
            ),
            Fault::Postgres(error) => self.postgres_words(error, reach),
        }
    }

    fn postgres_words(&self, error: &tokio_postgres::Error, reach: String) -> (String, String) {
        let Some(state) = error.code() else {
            return (format!("cannot be reached ({})", causes(error)), reach);
        };
        let message = error.as_db_error().map_or("", |error| error.message());
        let (what, hint) = match *state {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                ("refuses the user or password", "check the user and password in store.url")
            }
            SqlState::INVALID_CATALOG_NAME => {
                ("has no such database", "create it, or name another one in store.url")
            }
            SqlState::INSUFFICIENT_PRIVILEGE => (
                "does not let the gateway's user do this",
                "grant it CREATE on the database, or make it the owner of the schema `gateway`",
            ),
            SqlState::TOO_MANY_CONNECTIONS => (
                "has no free connection",
                "raise max_connections there, or lower store.connections",
            ),
            SqlState::DISK_FULL => ("has no room left", "free space on the database's disk"),
            SqlState::READ_ONLY_SQL_TRANSACTION => {
                ("takes no writes", "name the primary in store.url; this is a standby")
            }
            SqlState::QUERY_CANCELED => (
                "did not finish in time",
                "look for long-running work there, or raise store.statement_timeout_ms",
            ),
            _ => ("refused", "see the database's log"),
        };
        (format!("{what} ({message})"), hint.to_owned())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can go wrong between here and the server.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It was found gone and has not come back.
    Away,
    /// It took longer than allowed.
    Slow,
    /// No connection was made.
    Connect(String),
    /// The driver's failure, or the server's.
    Postgres(tokio_postgres::Error),
    /// A value that this version cannot read.
    Unreadable {
        /// The column.
        column: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<deadpool_postgres::PoolError> for Fault {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        use deadpool_postgres::PoolError;
        match error {
            PoolError::Backend(error) => Self::Postgres(error),
            PoolError::Timeout(_) => Self::Slow,
            other => Self::Connect(other.to_string()),
        }
    }
}

impl Fault {
    /// True where two transactions met and this one may be tried again at once.
    pub(crate) fn is_collision(&self) -> bool {
        matches!(
            self.state(),
            Some(&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE)
        )
    }

    /// True where the data itself is refused, so that trying again cannot help: a value out of range,
    /// a broken constraint, a value too large.
    pub(crate) fn is_refusal(&self) -> bool {
        self.state().is_some_and(|state| {
            ["22", "23", "54"].iter().any(|class| state.code().starts_with(class))
        })
    }

    /// True where the connection is gone, rather than a statement failed.
    pub(crate) fn is_disconnect(&self) -> bool {
        match self {
            Self::Away | Self::Slow | Self::Connect(_) => true,
            Self::Postgres(error) => match error.code() {
                None => {
                    error.is_closed()
                        || std::error::Error::source(error)
                            .is_some_and(|source| source.is::<std::io::Error>())
                }
                Some(state) => state.code().starts_with("08") || state.code().starts_with("57P"),
            },
            Self::Unreadable { .. } => false,
        }
    }

    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            _ => None,
        }
    }
}

/// An error and what caused it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
