//! What the store can be told. Reading it from files and the environment is the configuration's work.

use std::path::PathBuf;

use gw_core::limits;
use secrecy::SecretString;

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`. `sslmode` and `sslrootcert` in it win over
    /// [`PostgresOptions::tls`] and [`PostgresOptions::ca_file`].
    pub url: SecretString,
    /// Whether and how the connection is encrypted.
    pub tls: Tls,
    /// Certificates to trust beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Connections at one time, 2 to [`limits::STORE_CONNECTIONS_MAX`]; one more listens for changes.
    pub connections: usize,
    /// Longest a connection is waited for, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Longest a statement may run, in milliseconds; the server ends it then.
    pub statement_timeout_ms: u64,
    /// Longest a caller waits for its record to be committed, in milliseconds; then it goes to the
    /// journal.
    pub slow_ms: u64,
    /// How long to wait before a database that is gone is tried again, in milliseconds.
    pub retry_ms: u64,
    /// What people call this replica.
    pub instance_name: String,
    /// False for a command that only looks: other replicas do not see it.
    pub is_replica: bool,
    /// The journal for outages.
    pub journal: JournalOptions,
}

impl PostgresOptions {
    /// The defaults, for a database and a folder for the journal.
    pub fn new(url: impl Into<SecretString>, journal_folder: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            tls: Tls::default(),
            ca_file: None,
            connections: 10,
            connect_timeout_ms: 5_000,
            statement_timeout_ms: 10_000,
            slow_ms: 1_000,
            retry_ms: 250,
            instance_name: String::new(),
            is_replica: true,
            journal: JournalOptions {
                folder: journal_folder.into(),
                bytes_max: limits::STORE_JOURNAL_BYTES_MAX,
                durability: Durability::default(),
            },
        }
    }
}

/// Where records go while the database is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// The folder; made where it is missing. Replicas on one machine may share it: each has a file of
    /// its own, and takes over those that dead ones left.
    pub folder: PathBuf,
    /// Bytes of one replica's journal; beyond them records are refused.
    pub bytes_max: u64,
    /// What a journaled record survives.
    pub durability: Durability,
}

/// What a record in the journal survives. What is in the database survives what the server promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process: the operating system holds the data.
    #[default]
    Os,
    /// Loss of power as well: the disk confirmed the data.
    Fsync,
}

/// Whether and how the connection is encrypted; the words are those of `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Disable,
    /// Where the server offers it; nobody proves who the server is.
    #[default]
    Prefer,
    /// Always; nobody proves who the server is.
    Require,
    /// Always, and the certificate must be of a trusted authority and of the host's name
    /// (`verify-full`; `verify-ca` is read as this).
    Verify,
}

impl Tls {
    /// The mode of this word; `None`: not a mode.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "disable" => Some(Self::Disable),
            "allow" | "prefer" => Some(Self::Prefer),
            "require" => Some(Self::Require),
            "verify" | "verify-ca" | "verify-full" => Some(Self::Verify),
            _ => None,
        }
    }
}
