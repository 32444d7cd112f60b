//! One transaction: many calls and turns with all their sums, exactly once.
//!
//! Every write has a number that its instance counted up. The transaction first moves the instance's
//! mark past its writes; it goes on only where none of them was committed before. So a write
//! whose first commit went unheard, and which comes again from the journal, is known and left out. The
//! row's lock makes a later transaction wait for one that is still being committed.

use std::collections::{BTreeMap, HashSet};

use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::calls::{self, CallRow};
use crate::conversations::{self, Touch, TurnRow, Turns};
use crate::database::Database;
use crate::fault::Fault;
use crate::sums::{self, Sums};

/// How often a transaction that met another one is tried.
const TRIES: usize = 8;

/// The process that made a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Author {
    /// The instance's id.
    pub(crate) id: String,
    /// Its name for people.
    pub(crate) name: String,
    /// When it started, in milliseconds since 1970.
    pub(crate) started_at_ms: i64,
}

/// Something to be written, with its number.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) seq: i64,
    pub(crate) body: Body,
}

/// What is to be written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Body {
    /// A call.
    Call(Box<CallRow>),
    /// Turns of a conversation.
    Turns(Turns),
}

impl Body {
    /// About how many bytes it adds to a transaction.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Call(call) => call.weight(),
            Self::Turns(turns) => turns.weight(),
        }
    }
}

/// Writes all that were not written before. Numbers grow within `writes`.
pub(crate) async fn commit(
    database: &Database,
    author: &Author,
    writes: &[&Write],
) -> Result<(), Fault> {
    let mut tries = 1;
    loop {
        match attempt(database, author, writes).await {
            Err(fault) if fault.is_collision() && tries < TRIES => tries += 1,
            other => return other,
        }
    }
}

async fn attempt(database: &Database, author: &Author, writes: &[&Write]) -> Result<(), Fault> {
    let (Some(first), Some(last)) = (writes.first(), writes.last()) else {
        return Ok(());
    };
    let mut client = database.own().await?;
    let transaction = client.transaction().await?;
    let mut writes = writes;
    if !move_past(&transaction, author, first.seq, last.seq).await? {
        let sql = "SELECT last_seq FROM gateway.journal_marks WHERE instance_id = $1";
        let known: i64 = transaction.query_one(sql, &[&author.id]).await?.try_get(0)?;
        writes = &writes[writes.partition_point(|write| write.seq <= known)..];
        let Some(first) = writes.first() else {
            return Ok(());
        };
        if !move_past(&transaction, author, first.seq, last.seq).await? {
            // Another process writes for the same author: it has the journal as well.
            return Err(Fault::Slow);
        }
    }
    write(&transaction, author, writes).await?;
    transaction.commit().await?;
    Ok(())
}

/// Claims the numbers `first..=last` for this transaction; false where some were claimed before.
async fn move_past(
    transaction: &Transaction<'_>,
    author: &Author,
    first: i64,
    last: i64,
) -> Result<bool, Fault> {
    let statement = transaction
        .prepare_cached(
            "INSERT INTO gateway.journal_marks AS known (instance_id, last_seq) VALUES ($1, $3)
             ON CONFLICT (instance_id) DO UPDATE SET last_seq = $3, moved_at = clock_timestamp()
             WHERE known.last_seq < $2",
        )
        .await?;
    let claimed = transaction.execute(&statement, &[&author.id, &first, &last]).await?;
    Ok(claimed > 0)
}

async fn write(
    transaction: &Transaction<'_>,
    author: &Author,
    writes: &[&Write],
) -> Result<(), Fault> {
    let calls: Vec<&CallRow> = writes
        .iter()
        .filter_map(|write| match &write.body {
            Body::Call(call) => Some(&**call),
            Body::Turns(_) => None,
        })
        .collect();
    let mut new = insert_calls(transaction, &calls).await?;
    let mut sums = Sums::default();
    let mut touched: BTreeMap<String, Touch> = BTreeMap::new();
    let mut turns: Vec<&TurnRow> = Vec::new();
    for write in writes {
        let touch = match &write.body {
            Body::Turns(added) => {
                turns.extend(&added.turns);
                Some(added.conversation.clone())
            }
            // Each id once: the batch itself may hold it twice.
            Body::Call(call) if new.remove(&call.id) => {
                sums.add(call);
                call.touch()
            }
            Body::Call(_) => None,
        };
        if let Some(touch) = touch {
            match touched.get_mut(&touch.id) {
                Some(known) => known.add(touch),
                None => drop(touched.insert(touch.id.clone(), touch)),
            }
        }
    }
    let touched: Vec<&Touch> = touched.values().collect();
    let (spending, usage) = (json(&sums.spending())?, json(&sums.usage())?);
    // Sent one after the other without waiting for answers. The rows that replicas share come last,
    // so that their locks are held for the shortest time.
    let mut statements = Vec::new();
    if !touched.is_empty() {
        statements.push((conversations::TOUCH, vec![json(&touched)?]));
    }
    if !turns.is_empty() {
        statements.push((conversations::ADD_TURNS, vec![json(&turns)?]));
    }
    if !sums.usage().is_empty() {
        if !sums.spending().is_empty() {
            statements.push((sums::SPEND_OF_INSTANCE, vec![spending.clone(), author.id.clone()]));
            statements.push((sums::SPEND, vec![spending]));
        }
        statements.push((sums::ROLL_UP, vec![usage]));
    }
    run(transaction, &statements, sums.bytes).await
}

async fn insert_calls(
    transaction: &Transaction<'_>,
    calls: &[&CallRow],
) -> Result<HashSet<String>, Fault> {
    if calls.is_empty() {
        return Ok(HashSet::new());
    }
    let statement = transaction.prepare_cached(calls::INSERT).await?;
    let inserted = transaction.query(&statement, &[&json(&calls)?]).await?;
    inserted.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

async fn run(
    transaction: &Transaction<'_>,
    statements: &[(&str, Vec<String>)],
    bytes: i64,
) -> Result<(), Fault> {
    let mut prepared = Vec::with_capacity(statements.len());
    for (sql, values) in statements {
        let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            values.iter().map(|value| value as _).collect();
        prepared.push((transaction.prepare_cached(sql).await?, values));
    }
    try_join_all(prepared.iter().map(|(statement, values)| transaction.execute(statement, values)))
        .await?;
    if bytes != 0 {
        let sql = "UPDATE gateway.store_sizes SET bytes = bytes + $1 WHERE name = 'llm_calls'";
        let statement = transaction.prepare_cached(sql).await?;
        transaction.execute(&statement, &[&bytes]).await?;
    }
    Ok(())
}

fn json(rows: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(rows)
        .map_err(|error| Fault::Unreadable { column: "a row to write", source: Box::new(error) })
}
