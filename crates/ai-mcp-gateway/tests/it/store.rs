//! Looks into the gateway's SQLite file from outside, as an operator would.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row};

use crate::gateway::until;

/// The store's file.
pub(crate) struct Store {
    path: PathBuf,
}

/// What is kept of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) is_success: bool,
    pub(crate) model_id: String,
    pub(crate) layer: Option<String>,
    pub(crate) door: String,
    pub(crate) input_tokens: i64,
    pub(crate) output_tokens: i64,
    pub(crate) cost_pico: Option<i64>,
    pub(crate) cost_state: String,
    pub(crate) attempts: serde_json::Value,
}

const COLUMNS: &str = "id, status, success, model_id, layer, door, input_tokens, output_tokens, \
                       cost_pico, cost_state, attempts";

impl Store {
    pub(crate) fn open(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn connect(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        connection
    }

    pub(crate) fn call(&self, id: &str) -> Option<Kept> {
        let sql = format!("SELECT {COLUMNS} FROM llm_calls WHERE id = ?1");
        self.connect().query_row(&sql, [id], kept).optional().unwrap()
    }

    pub(crate) fn calls(&self) -> Vec<Kept> {
        let connection = self.connect();
        let sql = format!("SELECT {COLUMNS} FROM llm_calls ORDER BY created_at, id");
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], kept).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Waits for the record of a call whose client has left.
    pub(crate) async fn call_in_time(&self, id: &str) -> Kept {
        until(&format!("the record of {id}"), async || self.call(id)).await
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let attempts: String = row.get(10)?;
    Ok(Kept {
        id: row.get(0)?,
        status: row.get(1)?,
        is_success: row.get(2)?,
        model_id: row.get(3)?,
        layer: row.get(4)?,
        door: row.get(5)?,
        input_tokens: row.get(6)?,
        output_tokens: row.get(7)?,
        cost_pico: row.get(8)?,
        cost_state: row.get(9)?,
        attempts: serde_json::from_str(&attempts).unwrap_or_default(),
    })
}
