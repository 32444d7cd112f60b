//! Keeps what grows with every call in bounds: the calls' own rows, the slots of spending, and what is
//! known of replicas long gone. One replica at a time, a little at a time, oldest first; sums stay.

use std::sync::Arc;
use std::time::Duration;

use gw_core::Result;
use gw_core::budget::slot_of;
use gw_core::limits;
use gw_core::seam::Clock;
use parking_lot::Mutex;

use crate::database::Database;
use crate::fault::Fault;

/// Rows removed, and slots folded, in one transaction at most.
const A_STEP: i64 = 2_000;

/// Steps before others have their turn.
const STEPS_MAX: usize = 50;

/// How often it is looked whether something is too old.
const EVERY: Duration = Duration::from_secs(15);

/// The slot that stands for all that came before.
const BEFORE_ALL: i64 = i64::MIN;

/// The advisory lock of the replica that trims (`AIGT`).
const LOCK: i64 = 0x4149_4754;

/// How long a replica that is silent is remembered, and with it what it spent.
const SILENT_DAYS: i32 = 30;

/// How long and how many calls are kept with all they say. `None`: without end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds since the call began.
    pub calls_kept_ms: Option<u64>,
    /// Bytes that all of them take together, about.
    pub calls_bytes_max: Option<u64>,
}

/// Trims again and again. Never ends.
pub(crate) async fn run(
    database: Arc<Database>,
    retention: Arc<Mutex<Retention>>,
    clock: Arc<dyn Clock>,
) {
    loop {
        tokio::time::sleep(EVERY).await;
        database.wait_until_up().await;
        let retention = *retention.lock();
        if let Err(error) = trim(&database, retention, clock.unix_ms()).await {
            tracing::debug!(%error, "old rows are not removed yet");
        }
    }
}

/// Removes what is too old or too much.
pub(crate) async fn trim(database: &Database, retention: Retention, now_ms: i64) -> Result<()> {
    for _ in 0..STEPS_MAX {
        let step = database.within(step(database, retention, now_ms)).await;
        if !step.map_err(|fault| database.error(fault))? {
            break;
        }
    }
    Ok(())
}

/// One transaction; true where there may be more to do.
async fn step(database: &Database, retention: Retention, now_ms: i64) -> Result<bool, Fault> {
    let mut client = database.own().await?;
    let transaction = client.transaction().await?;
    let sql = "SELECT pg_try_advisory_xact_lock($1)";
    if !transaction.query_one(sql, &[&LOCK]).await?.try_get::<_, bool>(0)? {
        return Ok(false);
    }
    let mut changed = 0;
    if let Some(kept_ms) = retention.calls_kept_ms {
        let oldest_ms = now_ms.saturating_sub(i64::try_from(kept_ms).unwrap_or(i64::MAX));
        changed += transaction.execute(REMOVE_OLD, &[&oldest_ms, &A_STEP]).await?;
    }
    if let Some(max) = retention.calls_bytes_max {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        changed += transaction.execute(REMOVE_MUCH, &[&max, &A_STEP]).await?;
    }
    let oldest_ms = slot_of(now_ms.saturating_sub(limits::SPENDING_KEPT_MS));
    changed += transaction.execute(FOLD, &[&oldest_ms, &BEFORE_ALL, &A_STEP]).await?;
    let oldest_ms = slot_of(now_ms.saturating_sub(limits::INSTANCE_SPENDING_KEPT_MS));
    changed += transaction.execute(FORGET_SLOTS, &[&oldest_ms, &A_STEP]).await?;
    changed += transaction.execute(FORGET_INSTANCES, &[&SILENT_DAYS]).await?;
    transaction.commit().await?;
    Ok(changed >= u64::try_from(A_STEP).unwrap_or(u64::MAX))
}

/// Calls that began before `$1`, at most `$2`. It counts the rows removed.
const REMOVE_OLD: &str = "
    WITH old AS (
        DELETE FROM gateway.llm_calls WHERE id IN (
            SELECT id FROM gateway.llm_calls WHERE created_at < $1
            ORDER BY created_at, id LIMIT $2
        ) RETURNING row_bytes
    ), shrunk AS (
        UPDATE gateway.store_sizes
        SET bytes = greatest(0, bytes - (SELECT coalesce(sum(row_bytes), 0) FROM old)::bigint)
        WHERE name = 'llm_calls' AND EXISTS (SELECT 1 FROM old)
    ) SELECT 1 FROM old";

/// The oldest calls, as long as those before them do not free enough to come under `$1` bytes, at
/// most `$2`.
const REMOVE_MUCH: &str = "
    WITH much AS (
        SELECT id, sum(row_bytes) OVER (ORDER BY created_at, id) - row_bytes AS freed
        FROM (
            SELECT id, created_at, row_bytes FROM gateway.llm_calls
            WHERE (SELECT bytes FROM gateway.store_sizes WHERE name = 'llm_calls') > $1
            ORDER BY created_at, id LIMIT $2
        ) AS oldest
    ), old AS (
        DELETE FROM gateway.llm_calls WHERE id IN (
            SELECT id FROM much
            WHERE freed < (SELECT bytes FROM gateway.store_sizes WHERE name = 'llm_calls') - $1
        ) RETURNING row_bytes
    ), shrunk AS (
        UPDATE gateway.store_sizes
        SET bytes = greatest(0, bytes - (SELECT coalesce(sum(row_bytes), 0) FROM old)::bigint)
        WHERE name = 'llm_calls' AND EXISTS (SELECT 1 FROM old)
    ) SELECT 1 FROM old";

/// Adds slots that no window reaches any more to the sum of what came before. Rows are locked in the
/// order in which writers lock them.
const FOLD: &str = "
    WITH old AS (
        SELECT kind, id, slot_ms FROM gateway.spending
        WHERE slot_ms < $1 AND slot_ms > $2 ORDER BY kind, id, slot_ms LIMIT $3 FOR UPDATE
    ), gone AS (
        DELETE FROM gateway.spending AS spending USING old
        WHERE spending.kind = old.kind AND spending.id = old.id AND spending.slot_ms = old.slot_ms
        RETURNING spending.kind, spending.id, pico, tokens, calls
    ), sums AS (
        SELECT kind, id, gateway.within(sum(pico)) AS pico, gateway.within(sum(tokens)) AS tokens,
            gateway.within(sum(calls)) AS calls
        FROM gone GROUP BY kind, id ORDER BY kind, id
    ), folded AS (
        INSERT INTO gateway.spending AS known (kind, id, slot_ms, pico, tokens, calls)
        SELECT kind, id, $2, pico, tokens, calls FROM sums
        ON CONFLICT (kind, id, slot_ms) DO UPDATE SET
            pico = gateway.plus(known.pico, excluded.pico),
            tokens = gateway.plus(known.tokens, excluded.tokens),
            calls = gateway.plus(known.calls, excluded.calls)
    ) SELECT 1 FROM gone";

/// Totals of replicas by slot that every other ledger has taken in. Those of a replica that is silent
/// stay: nobody may have seen them.
const FORGET_SLOTS: &str = "
    DELETE FROM gateway.instance_spending WHERE (instance_id, kind, id, slot_ms) IN (
        SELECT instance_id, kind, id, slot_ms FROM gateway.instance_spending
        WHERE slot_ms < $1 AND instance_id IN (
            SELECT id FROM gateway.instances
            WHERE heartbeat_at > clock_timestamp() - interval '10 minutes'
        ) LIMIT $2
    )";

/// Replicas that are silent for `$1` days, and marks of journals that nobody will bring any more.
const FORGET_INSTANCES: &str = "
    WITH gone AS (
        DELETE FROM gateway.instances
        WHERE heartbeat_at < clock_timestamp() - make_interval(days => $1)
        RETURNING id
    ), marks AS (
        DELETE FROM gateway.journal_marks
        WHERE moved_at < clock_timestamp() - make_interval(days => 4 * $1)
    ) DELETE FROM gateway.instance_spending WHERE instance_id IN (SELECT id FROM gone)";
