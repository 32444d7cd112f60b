//! The way to Redis: one connection that comes back by itself, a bound on every wait.

use std::time::Duration;

use gw_core::{Error, Kind, Result};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, Script};

use crate::message::{Reply, Request};

/// The script that keeps the counters.
const VAULT: &str = include_str!("vault.lua");

/// Longest wait for a connection, in milliseconds.
const CONNECT_MS_MAX: u64 = 1_000;

/// Longest pause between attempts to connect, in milliseconds.
const RECONNECT_MS_MAX: u64 = 500;

/// Redis, by one multiplexed connection.
#[derive(Clone)]
pub(crate) struct Link {
    connection: ConnectionManager,
    script: Script,
    prefix: String,
    answer_ms: u64,
}

impl Link {
    /// Prepares the connection; Redis need not be there yet.
    pub(crate) fn open(url: &str, prefix: &str, answer_ms: u64) -> Result<Self> {
        Ok(Self {
            connection: connect(url, answer_ms)?,
            script: Script::new(VAULT),
            // One slot of a cluster holds all keys: a call's accounts are one step.
            prefix: format!("{{{prefix}}}"),
            answer_ms,
        })
    }

    /// Runs one step of the script.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Reply> {
        let text = serde_json::to_string(request)
            .map_err(|error| Error::internal(format!("a message to Redis: {error}")))?;
        let mut connection = self.connection.clone();
        let mut step = self.script.prepare_invoke();
        step.key(&self.prefix).arg(text);
        let call = step.invoke_async(&mut connection);
        let wait = Duration::from_millis(self.answer_ms.saturating_mul(2));
        let answer: String = match tokio::time::timeout(wait, Box::pin(call)).await {
            Ok(answer) => answer.map_err(|error| unavailable(&error))?,
            Err(_) => return Err(Error::new(Kind::StoreUnavailable, "Redis does not answer")),
        };
        serde_json::from_str(&answer).map_err(|error| {
            Error::new(Kind::StoreUnavailable, format!("Redis gave a strange answer: {error}"))
        })
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        redis::cmd("PING")
            .query_async::<()>(&mut connection)
            .await
            .map_err(|error| unavailable(&error))
    }
}

pub(crate) fn unavailable(error: &redis::RedisError) -> Error {
    Error::new(Kind::StoreUnavailable, format!("Redis: {}", reason(error)))
}

/// A connection that comes back by itself; nothing is connected yet.
///
/// # Errors
/// [`Kind::InvalidRequest`] where the address makes no sense.
pub(crate) fn connect(url: &str, answer_ms: u64) -> Result<ConnectionManager> {
    let client = Client::open(url).map_err(|error| {
        Error::new(Kind::InvalidRequest, format!("store.redis_url: {}", reason(&error)))
            .with_field("store.redis_url")
            .with_hint("write redis://[user:password@]host:port/database, or rediss:// for TLS")
    })?;
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)))
        .set_response_timeout(Some(Duration::from_millis(answer_ms)))
        .set_max_delay(Duration::from_millis(RECONNECT_MS_MAX));
    ConnectionManager::new_lazy_with_config(client, config).map_err(|error| unavailable(&error))
}

/// What went wrong, without the address: it may hold a password.
fn reason(error: &redis::RedisError) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    match error.kind() {
        ErrorKind::Io => "no connection".to_owned(),
        ErrorKind::AuthenticationFailed => "the password is not accepted".to_owned(),
        kind => format!("{kind:?}: {}", error.detail().unwrap_or("no detail")),
    }
}
