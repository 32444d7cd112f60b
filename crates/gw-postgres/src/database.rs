//! The connections, and what is known of the server's health. Nobody waits for a server that was just
//! found gone: reads fail at once until the keeper has found it back.

use std::time::Duration;

use deadpool_postgres::{
    Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime,
};
use gw_core::{Error, Result, limits};
use tokio::sync::{Notify, watch};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::connect::Address;
use crate::fault::Fault;
use crate::options::PostgresOptions;

/// Connections for the writer, the replay of journals, and the keeper: readers never starve them.
const OWN_CONNECTIONS: usize = 3;

/// How often a change that met another transaction is tried.
const TRIES: usize = 8;

/// Values of a statement.
pub(crate) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The server.
pub(crate) struct Database {
    pub(crate) address: Address,
    readers: Pool,
    own: Pool,
    is_up: watch::Sender<bool>,
    /// Wakes the keeper where something is wrong.
    pub(crate) doubt: Notify,
    statement_timeout: Duration,
    pub(crate) slow: Duration,
    pub(crate) retry: Duration,
}

impl Database {
    /// Makes the pools; nothing is connected yet.
    pub(crate) fn new(options: &PostgresOptions) -> Result<Self> {
        let address = Address::new(options)?;
        let connections = options.connections.clamp(2, limits::STORE_CONNECTIONS_MAX);
        Ok(Self {
            readers: pool(&address, options, connections)?,
            own: pool(&address, options, OWN_CONNECTIONS)?,
            address,
            is_up: watch::Sender::new(true),
            doubt: Notify::new(),
            statement_timeout: Duration::from_millis(options.statement_timeout_ms),
            slow: Duration::from_millis(options.slow_ms),
            retry: Duration::from_millis(options.retry_ms),
        })
    }

    /// False where the server was found gone.
    pub(crate) fn is_up(&self) -> bool {
        *self.is_up.borrow()
    }

    /// Waits until the server is not known to be gone.
    pub(crate) async fn wait_until_up(&self) {
        let mut is_up = self.is_up.subscribe();
        // The sender lives in `self`.
        let _ = is_up.wait_for(|is_up| *is_up).await;
    }

    /// Says that it answers; true where it did not before.
    pub(crate) fn mark_up(&self) -> bool {
        !self.is_up.send_replace(true)
    }

    /// Learns from a failure.
    pub(crate) fn note(&self, fault: &Fault) {
        if !fault.is_disconnect() || matches!(fault, Fault::Away) {
            return;
        }
        self.purge();
        if !matches!(fault, Fault::Slow) {
            self.mark_down(fault);
        }
        self.doubt.notify_one();
    }

    /// Says that it is gone.
    pub(crate) fn mark_down(&self, fault: &Fault) {
        self.purge();
        if self.is_up.send_replace(false) {
            tracing::warn!(
                place = self.address.place.as_str(),
                ?fault,
                "PostgreSQL does not answer"
            );
        }
    }

    /// Idle connections to a server that went away would fail one after the other.
    fn purge(&self) {
        self.readers.retain(|_, _| false);
        self.own.retain(|_, _| false);
    }

    /// The failure as callers see it.
    pub(crate) fn error(&self, fault: Fault) -> Error {
        self.note(&fault);
        self.address.place.error(fault)
    }

    /// A connection for the store's own tasks.
    pub(crate) async fn own(&self) -> Result<Client, Fault> {
        Ok(self.own.get().await?)
    }

    /// Runs one statement on the readers' connections.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`], at once where the server is known to be gone.
    pub(crate) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        self.try_query(sql, values).await.map_err(|fault| self.error(fault))
    }

    /// Runs one statement that changes something; once more where it met another transaction.
    ///
    /// # Errors
    /// As [`Database::query`].
    pub(crate) async fn change(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        let mut tries = 1;
        loop {
            match self.try_query(sql, values).await {
                Err(fault) if fault.is_collision() && tries < TRIES => tries += 1,
                other => return other.map_err(|fault| self.error(fault)),
            }
        }
    }

    async fn try_query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        self.while_up(async {
            let client = self.reader().await?;
            let statement = client.prepare_cached(sql).await?;
            Ok(client.query(&statement, values).await?)
        })
        .await
    }

    /// A readers' connection.
    pub(crate) async fn reader(&self) -> Result<Client, Fault> {
        if !self.is_up() {
            return Err(Fault::Away);
        }
        Ok(self.readers.get().await?)
    }

    /// Bounds work that the server itself bounds by its statement timeout.
    pub(crate) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        // The server's own bound comes first where it can answer at all.
        let longest = self.statement_timeout + Duration::from_millis(500);
        tokio::time::timeout(longest, work).await.unwrap_or(Err(Fault::Slow))
    }

    /// The same, given up as soon as the server is found gone.
    pub(crate) async fn while_up<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let mut is_up = self.is_up.subscribe();
        tokio::select! {
            biased;
            outcome = self.within(work) => outcome,
            _ = is_up.wait_for(|is_up| !is_up) => Err(Fault::Away),
        }
    }

    /// Closes every connection.
    pub(crate) fn close(&self) {
        self.readers.close();
        self.own.close();
    }
}

fn pool(address: &Address, options: &PostgresOptions, size: usize) -> Result<Pool> {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(address.config.clone(), address.tls.clone(), config);
    let wait = Duration::from_millis(options.connect_timeout_ms);
    let settings = session(options.statement_timeout_ms);
    Pool::builder(manager)
        .max_size(size)
        .timeouts(deadpool_postgres::Timeouts {
            wait: Some(wait),
            create: Some(wait),
            recycle: Some(wait),
        })
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(move |client, _| {
            let settings = settings.clone();
            Box::pin(
                async move { client.batch_execute(&settings).await.map_err(HookError::Backend) },
            )
        }))
        .build()
        .map_err(|error| {
            Error::internal("the pool of connections cannot be made").with_source(error)
        })
}

/// What every connection says first.
pub(crate) fn session(statement_timeout_ms: u64) -> String {
    format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET TimeZone = 'UTC'",
        statement_timeout_ms.clamp(1, 2_147_483_647),
        statement_timeout_ms.saturating_mul(2).clamp(1, 2_147_483_647),
    )
}
