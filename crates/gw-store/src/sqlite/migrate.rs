//! Brings a database to this version's schema: forward only, all steps in one transaction.
//!
//! A file that another program or a newer gateway made is refused untouched.

use gw_core::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::fault::Place;

/// Marks a file as ours in its header (`AIGW`), so that no other program's database is changed.
const APPLICATION_ID: i32 = 0x4149_4757;

struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "init",
        sql: include_str!("../../migrations/sqlite/0001_init.sql"),
    },
    Migration {
        version: 2,
        name: "money",
        sql: include_str!("../../migrations/sqlite/0002_money.sql"),
    },
    Migration {
        version: 3,
        name: "savings",
        sql: include_str!("../../migrations/sqlite/0003_savings.sql"),
    },
    Migration {
        version: 4,
        name: "responses",
        sql: include_str!("../../migrations/sqlite/0004_responses.sql"),
    },
    Migration {
        version: 5,
        name: "jobs",
        sql: include_str!("../../migrations/sqlite/0005_jobs.sql"),
    },
    Migration {
        version: 6,
        name: "context",
        sql: include_str!("../../migrations/sqlite/0006_context.sql"),
    },
    Migration {
        version: 7,
        name: "response_cache",
        sql: include_str!("../../migrations/sqlite/0007_response_cache.sql"),
    },
    Migration {
        version: 8,
        name: "outcomes",
        sql: include_str!("../../migrations/sqlite/0008_outcomes.sql"),
    },
    Migration {
        version: 9,
        name: "batches",
        sql: include_str!("../../migrations/sqlite/0009_batches.sql"),
    },
    Migration {
        version: 11,
        name: "summed",
        sql: include_str!("../../migrations/sqlite/0011_summed.sql"),
    },
];

/// Applies what is missing.
pub(super) fn migrate(connection: &mut Connection, place: &Place, now_ms: i64) -> Result<()> {
    // Immediate: two gateways that open a new file at once come one after the other.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| place.fault(error))?;
    refuse_foreign(&transaction, place)?;
    let version = current_version(&transaction).map_err(|error| place.fault(error))?;
    let newest = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if version > newest {
        return Err(too_new(place, version, newest));
    }
    apply_after(&transaction, version, now_ms).map_err(|error| place.fault(error))?;
    transaction.commit().map_err(|error| place.fault(error))
}

fn refuse_foreign(transaction: &Transaction<'_>, place: &Place) -> Result<()> {
    let read = || -> rusqlite::Result<(i32, bool)> {
        let id = transaction.query_one("PRAGMA application_id", [], |row| row.get(0))?;
        let is_empty = transaction.query_one(
            "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)",
            [],
            |row| row.get(0),
        )?;
        Ok((id, is_empty))
    };
    let (id, is_empty) = read().map_err(|error| place.fault(error))?;
    if id == APPLICATION_ID || (is_empty && id == 0) {
        return Ok(());
    }
    Err(place.refused(
        format!("`{}` is a database of another program", place.as_str()),
        "name another file for the gateway's store",
    ))
}

fn too_new(place: &Place, version: i64, newest: i64) -> Error {
    place.refused(
        format!(
            "`{}` was made by a newer gateway (its schema is version {version}, this one knows up \
             to {newest})",
            place.as_str()
        ),
        "start the newer gateway, or name another file for the store",
    )
}

fn current_version(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let exists: Option<i64> = transaction
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if exists.is_none() {
        return Ok(0);
    }
    transaction
        .query_one("SELECT coalesce(max(version), 0) FROM schema_migrations", [], |row| row.get(0))
}

fn apply_after(transaction: &Transaction<'_>, version: i64, now_ms: i64) -> rusqlite::Result<()> {
    if version == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                 version    INTEGER PRIMARY KEY,
                 name       TEXT NOT NULL,
                 applied_at INTEGER NOT NULL
             ) STRICT",
        )?;
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > version) {
        transaction.execute_batch(migration.sql)?;
        transaction.execute(
            "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?1, ?2, ?3)",
            (migration.version, migration.name, now_ms),
        )?;
    }
    Ok(())
}
