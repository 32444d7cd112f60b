//! Budgets and limits as rows, and what accounts spent.

use async_trait::async_trait;
use gw_core::budget::{Budget, Limit, Spending, slot_of};
use gw_core::seam::Budgets;
use gw_core::{Money, Result, Scope};
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use crate::database::Values;
use crate::fault::Fault;
use crate::rows;
use crate::store::PostgresStore;
use crate::text::{key, stored};

#[async_trait]
impl Budgets for PostgresStore {
    async fn put_budget(&self, budget: Budget) -> Result<()> {
        let text = rows::to_json(&budget)?;
        let sql = "INSERT INTO gateway.budgets (id, definition) VALUES ($1, $2)
                   ON CONFLICT (id) DO UPDATE SET definition = excluded.definition";
        self.database().change(sql, &[&stored(&budget.id), &text]).await.map(drop)
    }

    async fn remove_budget(&self, id: &str) -> Result<bool> {
        let sql = "WITH gone AS (DELETE FROM gateway.budgets WHERE id = $1 RETURNING 1)
                   SELECT count(*) FROM gone";
        Ok(self.changed_rows(sql, &[&stored(id)]).await? > 0)
    }

    async fn budgets(&self) -> Result<Vec<Budget>> {
        self.defined("SELECT definition FROM gateway.budgets ORDER BY id").await
    }

    async fn put_limit(&self, limit: Limit) -> Result<()> {
        let text = rows::to_json(&limit)?;
        let sql = "INSERT INTO gateway.limits (id, definition) VALUES ($1, $2)
                   ON CONFLICT (id) DO UPDATE SET definition = excluded.definition";
        self.database().change(sql, &[&stored(&limit.id), &text]).await.map(drop)
    }

    async fn remove_limit(&self, id: &str) -> Result<bool> {
        let sql = "WITH gone AS (DELETE FROM gateway.limits WHERE id = $1 RETURNING 1)
                   SELECT count(*) FROM gone";
        Ok(self.changed_rows(sql, &[&stored(id)]).await? > 0)
    }

    async fn limits(&self) -> Result<Vec<Limit>> {
        self.defined("SELECT definition FROM gateway.limits ORDER BY id").await
    }

    async fn spending(&self, scope: &Scope, from_ms: i64) -> Result<Vec<Spending>> {
        // Not the row that stands for all slots which are no longer kept.
        let from_ms = slot_of(from_ms).max(i64::MIN + 1);
        let sql = "SELECT slot_ms, pico, tokens, calls FROM gateway.spending
                   WHERE kind = $1 AND id = $2 AND slot_ms >= $3 ORDER BY slot_ms";
        let values: Values<'_> = &[&scope.kind.as_str(), &key(&scope.id), &from_ms];
        let found = self.kept(sql, values).await?;
        self.read(|| found.iter().map(read_spending).collect())
    }

    async fn lifetime_spending(&self, scope: &Scope) -> Result<Spending> {
        let sql = "SELECT coalesce(sum(pico), 0)::text, coalesce(sum(tokens), 0)::text,
                       coalesce(sum(calls), 0)::text
                   FROM gateway.spending WHERE kind = $1 AND id = $2";
        let found = self.kept(sql, &[&scope.kind.as_str(), &key(&scope.id)]).await?;
        self.read(|| {
            let Some(row) = found.first() else { return Ok(Spending::default()) };
            Ok(Spending {
                slot_ms: 0,
                spent: Money::from_pico(rows::pico(rows::wide(row, 0)?)),
                tokens: rows::count(rows::wide(row, 1)?),
                calls: rows::count(rows::wide(row, 2)?),
            })
        })
    }
}

impl PostgresStore {
    /// Definitions kept as JSON in a column `definition`.
    pub(crate) async fn defined<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>> {
        let found = self.database().query(sql, &[]).await?;
        self.read(|| found.iter().map(|row| rows::json(row, "definition")).collect())
    }

    /// Runs a change that gives the number of rows changed.
    pub(crate) async fn changed_rows(&self, sql: &str, values: Values<'_>) -> Result<i64> {
        let found = self.database().change(sql, values).await?;
        self.read(|| found.first().map_or(Ok(0), |row| Ok(row.try_get(0)?)))
    }
}

pub(crate) fn read_spending(row: &Row) -> Result<Spending, Fault> {
    Ok(Spending {
        slot_ms: row.try_get("slot_ms")?,
        spent: Money::from_pico(row.try_get("pico")?),
        tokens: rows::unsigned(row, "tokens")?,
        calls: rows::unsigned(row, "calls")?,
    })
}
