//! `[store]`: where conversations, calls and costs are kept.

use std::path::{Path, PathBuf};

use gw_core::{Scope, ScopeKind, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::secret::Secret;

/// The path that keeps everything in memory.
pub const MEMORY: &str = ":memory:";

/// Where conversations, calls and costs are kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawStore {
    /// SQLite file; `:memory:` forgets everything at the end. By default
    /// `ai-mcp-gateway/gateway.sqlite` in the user's data folder.
    #[schemars(extend("x-example" = "/var/lib/ai-mcp-gateway/gateway.sqlite"))]
    pub path: Option<PathBuf>,
    /// PostgreSQL database, instead of SQLite; for several gateways that share one store.
    #[schemars(extend("x-example" = "postgres://gateway@db.example:5432/gateway"))]
    pub url: Option<Secret>,
    /// Host of the PostgreSQL server, where `url` is not set; takes `db_name` and `db_user` as well.
    #[schemars(extend("x-example" = "db.example"))]
    pub db_host: Option<String>,
    /// Its port; 5432 unless set.
    #[schemars(range(min = 1, max = 65_535), extend("x-example" = 5432))]
    pub db_port: Option<u16>,
    /// The database.
    #[schemars(extend("x-example" = "gateway"))]
    pub db_name: Option<String>,
    /// The user.
    #[schemars(extend("x-example" = "gateway"))]
    pub db_user: Option<String>,
    /// The user's password.
    pub db_password: Option<Secret>,
    /// Encryption of the connection to PostgreSQL; `sslmode` in `url` wins.
    #[schemars(extend("x-example" = "verify"))]
    pub tls: Option<Tls>,
    /// Certificates to trust under `tls = "verify"` beside the system's, in PEM.
    #[schemars(extend("x-example" = "/etc/ssl/db-ca.pem"))]
    pub tls_ca_file: Option<PathBuf>,
    /// Connections to PostgreSQL for reads and changes; four more write, watch and listen.
    #[schemars(range(min = 2, max = 256))]
    pub connections: usize,
    /// Longest a statement in PostgreSQL may run, in milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub statement_timeout_ms: u64,
    /// Folder of the journal that takes calls while PostgreSQL is away. By default
    /// `ai-mcp-gateway/journal` in the user's data folder.
    #[schemars(extend("x-example" = "/var/lib/ai-mcp-gateway/journal"))]
    pub journal_path: Option<PathBuf>,
    /// Megabytes of that journal; beyond them calls are no longer recorded until PostgreSQL is back.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub journal_megabytes_max: u64,
    /// Redis server that keeps answers of the response cache. With PostgreSQL, several gateways
    /// share budgets, limits and what is at hand of conversations through it as well.
    #[schemars(extend("x-example" = "redis://cache.example:6379/0"))]
    pub redis_url: Option<Secret>,
    /// Host of the Redis server, where `redis_url` is not set.
    #[schemars(extend("x-example" = "cache.example"))]
    pub redis_host: Option<String>,
    /// Its port; 6379 unless set.
    #[schemars(range(min = 1, max = 65_535), extend("x-example" = 6379))]
    pub redis_port: Option<u16>,
    /// Its password.
    pub redis_password: Option<Secret>,
    /// Number of its database; 0 unless set.
    #[schemars(extend("x-example" = 0))]
    pub redis_db: Option<u32>,
    /// The beginning of all keys in Redis; gateways with the same one share budgets and limits.
    pub redis_prefix: String,
    /// The beginning of the names of kept answers and conversations in Redis. Empty gives system
    /// A's names; gateways with the same one and one Redis must share one PostgreSQL.
    pub redis_key_prefix: String,
    /// What happens to calls of accounts with budgets or limits while Redis is away.
    pub redis_loss: RedisLoss,
    /// Accounts (`team:search`) or kinds of accounts (`team`) for which it is the other way round.
    #[schemars(extend("x-example" = ["team:search", "tag"]))]
    pub redis_loss_except: Vec<String>,
    /// What a finished write survives.
    pub durability: Durability,
    /// Reads that run at one time.
    #[schemars(range(min = 1, max = 4))]
    pub readers: usize,
    /// How long to wait for another program that holds the file, in milliseconds.
    pub busy_timeout_ms: u64,
    /// Days for which calls are kept one by one; without end unless set. Sums of usage and
    /// spending stay.
    #[schemars(range(min = 1, max = 36_500))]
    pub calls_kept_days: Option<u32>,
    /// Megabytes that all kept calls may take together, about; the oldest go first. Without end
    /// unless set.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub calls_megabytes_max: Option<u64>,
}

impl Default for RawStore {
    fn default() -> Self {
        Self {
            path: None,
            url: None,
            db_host: None,
            db_port: None,
            db_name: None,
            db_user: None,
            db_password: None,
            tls: None,
            tls_ca_file: None,
            connections: 10,
            statement_timeout_ms: 10_000,
            journal_path: None,
            journal_megabytes_max: 1_024,
            redis_url: None,
            redis_host: None,
            redis_port: None,
            redis_password: None,
            redis_db: None,
            redis_prefix: "ai-mcp-gateway".to_owned(),
            redis_key_prefix: String::new(),
            redis_loss: RedisLoss::Closed,
            redis_loss_except: Vec::new(),
            durability: Durability::Os,
            readers: limits::STORE_READERS_MAX,
            busy_timeout_ms: 5_000,
            calls_kept_days: None,
            calls_megabytes_max: None,
        }
    }
}

/// What a finished write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The death of the process.
    Os,
    /// Loss of power as well; slower.
    Fsync,
}

/// Whether and how a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Never.
    Disable,
    /// Where the server offers it.
    #[default]
    Prefer,
    /// Always; nobody proves who the server is.
    Require,
    /// Always, and the server's certificate must be trusted and bear its name.
    Verify,
}

/// What happens while the counters that gateways share are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedisLoss {
    /// Calls beyond what this gateway has leased are refused.
    Closed,
    /// Calls go on, out of an equal part of what was left when Redis was last heard.
    Open,
}

/// The counters that gateways share, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Redis {
    /// Address of the server, with its password.
    pub url: Secret,
    /// The beginning of all keys.
    pub prefix: String,
    /// What happens while it is away.
    pub loss: RedisLoss,
    /// Kinds of accounts for which it is the other way round.
    pub except_kinds: Vec<ScopeKind>,
    /// Accounts for which it is the other way round.
    pub except_scopes: Vec<Scope>,
}

/// Where what is at hand is kept for a while, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Hot {
    /// Address of the Redis server, with its password.
    pub url: Secret,
    /// The beginning of all names.
    pub key_prefix: String,
}

/// The PostgreSQL database, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Postgres {
    /// Its address, with user and password.
    pub url: Secret,
    /// Encryption.
    pub tls: Tls,
    /// Certificates to trust beside the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// Connections for reads and changes.
    pub connections: usize,
    /// Longest a statement may run, in milliseconds.
    pub statement_timeout_ms: u64,
    /// Folder of the journal.
    pub journal_path: PathBuf,
    /// Megabytes of the journal.
    pub journal_megabytes_max: u64,
}

/// `[store]`, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Store {
    /// The SQLite file; `None` keeps everything in memory.
    #[serde(serialize_with = "path_or_memory")]
    pub path: Option<PathBuf>,
    /// The database that takes the file's place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
    /// The counters that gateways share; `None`: each counts for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// Where answers and conversations are at hand; `None`: in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hot: Option<Hot>,
    /// What a finished write survives.
    pub durability: Durability,
    /// Reads that run at one time.
    pub readers: usize,
    /// Wait for another program that holds the file, in milliseconds.
    pub busy_timeout_ms: u64,
    /// Days for which calls are kept one by one; `None`: without end.
    pub calls_kept_days: Option<u32>,
    /// Megabytes that kept calls may take; `None`: without end.
    pub calls_megabytes_max: Option<u64>,
}

fn path_or_memory<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_deref().unwrap_or(Path::new(MEMORY)).serialize(serializer)
}
