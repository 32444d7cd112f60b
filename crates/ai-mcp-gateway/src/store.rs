//! The configured store behind its seams: SQLite unless a PostgreSQL database is named.

use std::sync::Arc;

use gw_config::section::store::{Durability, Postgres, Tls};
use gw_config::{Settings, section};
use gw_core::Result;
use gw_core::seam::{
    Batches, Budgets, CallLog, Changes, Clock, Conversations, Entropy, Hot, Instances, Jobs, Keys,
    Outcomes, PersonalData, Responses, StoreHealth, UsageReports,
};
use gw_postgres::{JournalOptions, PostgresOptions, PostgresStore};
use gw_store::{Backlog, StoreOptions};

use crate::hot;

const DAY_MS: u64 = 86_400_000;
const MEGABYTE: u64 = 1_000_000;

/// What a process opens the store for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// To answer calls: other replicas see it.
    Replica,
    /// For a command.
    Command,
}

/// The store. Clones are one store.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) calls: Arc<dyn CallLog>,
    /// Records that SQLite does not take now; PostgreSQL has its journal.
    pub(crate) backlog: Option<Arc<Backlog>>,
    pub(crate) conversations: Arc<dyn Conversations>,
    /// What is kept at hand for a while.
    pub(crate) hot: Arc<dyn Hot>,
    pub(crate) responses: Arc<dyn Responses>,
    pub(crate) personal: Arc<dyn PersonalData>,
    pub(crate) health: Arc<dyn StoreHealth>,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) budgets: Arc<dyn Budgets>,
    /// Background jobs; PostgreSQL keeps none yet, so that they live in the process there.
    pub(crate) jobs: Option<Arc<dyn Jobs>>,
    /// Files and batches; SQLite alone keeps them.
    pub(crate) batches: Option<Arc<dyn Batches>>,
    pub(crate) reports: Arc<dyn UsageReports>,
    /// What was said of answers.
    pub(crate) outcomes: Arc<dyn Outcomes>,
    /// The other replicas, where there may be any.
    pub(crate) instances: Option<Arc<dyn Instances>>,
    /// `sqlite` or `postgres`.
    pub(crate) name: &'static str,
    /// What it is and where, for people.
    pub(crate) place: String,
    news: News,
}

/// How changes of definitions by others are noticed.
#[derive(Clone)]
enum News {
    /// By a look.
    Sqlite(gw_store::Store),
    /// By being told.
    Postgres(Arc<dyn Changes>),
}

/// Opens the configured store.
///
/// # Errors
/// [`gw_core::Kind::StoreUnavailable`], [`gw_core::Kind::NotConfigured`].
pub(crate) async fn open(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    entropy: &dyn Entropy,
    purpose: Use,
) -> Result<Store> {
    match &settings.store.postgres {
        Some(postgres) => open_postgres(settings, postgres, clock, entropy, purpose).await,
        None => open_sqlite(settings, clock).await,
    }
}

async fn open_sqlite(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Store> {
    let store = gw_store::Store::open(sqlite_options(&settings.store), Arc::clone(clock))?;
    let (calls_kept_ms, calls_bytes_max) = retention(&settings.store);
    store.set_retention(gw_store::Retention { calls_kept_ms, calls_bytes_max });
    let place = store
        .path()
        .map_or_else(|| "in memory, gone at the end".to_owned(), |path| path.display().to_string());
    let beside = store.path().map(Backlog::path_beside);
    let backlog = Arc::new(Backlog::open(Arc::new(store.clone()), beside.as_deref())?);
    // Before budgets read what was spent: what waited is a part of it.
    backlog.hand_over().await?;
    let news = News::Sqlite(store.clone());
    let jobs: Arc<dyn Jobs> = Arc::new(store.clone());
    let batches: Arc<dyn Batches> = Arc::new(store.clone());
    let hot = hot::open(settings, Some(&store), clock)?;
    let store = behind_seams(Arc::new(store), hot, None, "sqlite", place, news);
    let calls = Arc::<Backlog>::clone(&backlog);
    Ok(Store { calls, backlog: Some(backlog), jobs: Some(jobs), batches: Some(batches), ..store })
}

async fn open_postgres(
    settings: &Settings,
    postgres: &Postgres,
    clock: &Arc<dyn Clock>,
    entropy: &dyn Entropy,
    purpose: Use,
) -> Result<Store> {
    let options = postgres_options(&settings.store, postgres, purpose);
    let store = PostgresStore::open(options, Arc::clone(clock), entropy).await?;
    let (calls_kept_ms, calls_bytes_max) = retention(&settings.store);
    store.set_retention(gw_postgres::Retention { calls_kept_ms, calls_bytes_max });
    let place = format!("PostgreSQL, {}", store.place());
    let shared = Arc::new(store);
    let news = News::Postgres(Arc::<PostgresStore>::clone(&shared));
    let instances: Arc<dyn Instances> = Arc::<PostgresStore>::clone(&shared);
    let hot = hot::open(settings, None, clock)?;
    let mut store =
        behind_seams(shared, Arc::clone(&hot), Some(instances), "postgres", place, news);
    // In front of a database that replicas share only a hot store that they share is right.
    if hot.is_shared() {
        store.conversations = hot::in_front(store.conversations, hot, clock);
    }
    Ok(store)
}

fn behind_seams<S>(
    store: Arc<S>,
    hot: Arc<dyn Hot>,
    instances: Option<Arc<dyn Instances>>,
    name: &'static str,
    place: String,
    news: News,
) -> Store
where
    S: CallLog
        + Conversations
        + PersonalData
        + Responses
        + StoreHealth
        + Keys
        + Budgets
        + UsageReports
        + Outcomes,
{
    Store {
        calls: Arc::<S>::clone(&store),
        backlog: None,
        jobs: None,
        batches: None,
        conversations: Arc::<S>::clone(&store),
        hot,
        responses: Arc::<S>::clone(&store),
        personal: Arc::<S>::clone(&store),
        health: Arc::<S>::clone(&store),
        keys: Arc::<S>::clone(&store),
        budgets: Arc::<S>::clone(&store),
        reports: Arc::<S>::clone(&store),
        outcomes: store,
        instances,
        name,
        place,
        news,
    }
}

impl Store {
    /// A number that changes when another program changed keys or budgets.
    ///
    /// # Errors
    /// [`gw_core::Kind::StoreUnavailable`].
    pub(crate) async fn edition(&self) -> Result<i64> {
        match &self.news {
            News::Sqlite(store) => store.foreign_changes().await,
            News::Postgres(changes) => Ok(i64::try_from(changes.revision()).unwrap_or(i64::MAX)),
        }
    }

    /// Waits until the edition is another than `seen`, where the store tells; else for ever.
    pub(crate) async fn news(&self, seen: Option<i64>) {
        match (&self.news, seen) {
            (News::Postgres(changes), Some(seen)) => {
                changes.changed(u64::try_from(seen).unwrap_or(0)).await;
            }
            _ => std::future::pending().await,
        }
    }
}

fn sqlite_options(store: &section::store::Store) -> StoreOptions {
    StoreOptions {
        path: store.path.clone(),
        durability: match store.durability {
            Durability::Os => gw_store::Durability::Os,
            Durability::Fsync => gw_store::Durability::Fsync,
        },
        readers: store.readers,
        busy_timeout_ms: store.busy_timeout_ms,
    }
}

fn postgres_options(
    store: &section::store::Store,
    postgres: &Postgres,
    purpose: Use,
) -> PostgresOptions {
    PostgresOptions {
        tls: match postgres.tls {
            Tls::Disable => gw_postgres::Tls::Disable,
            Tls::Prefer => gw_postgres::Tls::Prefer,
            Tls::Require => gw_postgres::Tls::Require,
            Tls::Verify => gw_postgres::Tls::Verify,
        },
        ca_file: postgres.tls_ca_file.clone(),
        connections: postgres.connections,
        statement_timeout_ms: postgres.statement_timeout_ms,
        is_replica: purpose == Use::Replica,
        journal: JournalOptions {
            folder: postgres.journal_path.clone(),
            bytes_max: postgres.journal_megabytes_max.saturating_mul(MEGABYTE),
            durability: match store.durability {
                Durability::Os => gw_postgres::Durability::Os,
                Durability::Fsync => gw_postgres::Durability::Fsync,
            },
        },
        ..PostgresOptions::new(postgres.url.clone().into_inner(), &postgres.journal_path)
    }
}

/// How long calls are kept one by one, in milliseconds, and how many bytes of them.
fn retention(store: &section::store::Store) -> (Option<u64>, Option<u64>) {
    let kept_ms = store.calls_kept_days.map(|days| u64::from(days).saturating_mul(DAY_MS));
    (kept_ms, store.calls_megabytes_max.map(|max| max.saturating_mul(MEGABYTE)))
}
