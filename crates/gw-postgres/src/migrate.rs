//! Brings a database to this version's schema: forward only, all steps in one transaction, one
//! replica at a time.
//!
//! A schema `gateway` that another program or a newer gateway made is refused untouched.

use gw_core::{Error, Kind, Result};
use tokio_postgres::Transaction;

use crate::database::Database;
use crate::fault::{Fault, Place};

/// The advisory lock under which replicas that start together take turns (`AIGW`).
const LOCK: i64 = 0x4149_4757;

/// Marks the schema as ours.
const MARK: &str = "ai-mcp-gateway";

struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "init", sql: include_str!("../migrations/0001_init.sql") },
    Migration {
        version: 4,
        name: "responses",
        sql: include_str!("../migrations/0004_responses.sql"),
    },
    Migration { version: 6, name: "context", sql: include_str!("../migrations/0006_context.sql") },
    Migration {
        version: 7,
        name: "response_cache",
        sql: include_str!("../migrations/0007_response_cache.sql"),
    },
    Migration {
        version: 8,
        name: "outcomes",
        sql: include_str!("../migrations/0008_outcomes.sql"),
    },
];

/// Applies what is missing.
///
/// # Errors
/// [`Kind::StoreUnavailable`].
pub(crate) async fn migrate(database: &Database, now_ms: i64) -> Result<()> {
    let outcome = database.within(async {
        let mut client = database.own().await?;
        let transaction = client.transaction().await?;
        let outcome = apply(&transaction, &database.address.place, now_ms).await?;
        if outcome.is_ok() {
            transaction.commit().await?;
        }
        Ok(outcome)
    });
    outcome.await.map_err(|fault| database.error(fault))?
}

async fn apply(
    transaction: &Transaction<'_>,
    place: &Place,
    now_ms: i64,
) -> Result<Result<()>, Fault> {
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let schema = transaction
        .query_opt(
            "SELECT obj_description(oid, 'pg_namespace') AS mark,
                 EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = pg_namespace.oid) AS is_used
             FROM pg_namespace WHERE nspname = 'gateway'",
            &[],
        )
        .await?;
    let version = match &schema {
        None => 0,
        Some(row) if row.try_get::<_, Option<&str>>("mark")? == Some(MARK) => {
            let sql = "SELECT coalesce(max(version), 0) FROM gateway.schema_migrations";
            transaction.query_one(sql, &[]).await?.try_get(0)?
        }
        // Made for us by an administrator.
        Some(row) if !row.try_get("is_used")? => 0,
        Some(_) => return Ok(Err(foreign(place))),
    };
    let newest = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if version > newest {
        return Ok(Err(too_new(place, version, newest)));
    }
    if version == 0 {
        transaction
            .batch_execute(&format!(
                "CREATE SCHEMA IF NOT EXISTS gateway;
                 COMMENT ON SCHEMA gateway IS '{MARK}';
                 CREATE TABLE gateway.schema_migrations (
                     version    BIGINT PRIMARY KEY,
                     name       TEXT NOT NULL,
                     applied_at BIGINT NOT NULL
                 )"
            ))
            .await?;
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > version) {
        transaction.batch_execute(migration.sql).await?;
        transaction
            .execute(
                "INSERT INTO gateway.schema_migrations (version, name, applied_at)
                 VALUES ($1, $2, $3)",
                &[&migration.version, &migration.name, &now_ms],
            )
            .await?;
    }
    Ok(Ok(()))
}

fn foreign(place: &Place) -> Error {
    let message = format!("the database {place} has a schema `gateway` of another program");
    Error::new(Kind::StoreUnavailable, message)
        .with_hint("name another database in store.url, or rename that schema")
}

fn too_new(place: &Place, version: i64, newest: i64) -> Error {
    let message = format!(
        "the schema in {place} was made by a newer gateway (it is version {version}, this one knows \
         up to {newest})"
    );
    Error::new(Kind::StoreUnavailable, message)
        .with_hint("start the newer gateway, or name another database in store.url")
}
