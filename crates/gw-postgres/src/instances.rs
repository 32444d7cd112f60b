//! Which replicas there are, what each spent, and news of changed definitions.

use async_trait::async_trait;
use gw_core::budget::Spending;
use gw_core::seam::{Changes, Instance, Instances};
use gw_core::{InstanceId, Result, Scope};

use crate::budgets::read_spending;
use crate::rows;
use crate::store::PostgresStore;

#[async_trait]
impl Instances for PostgresStore {
    fn instance(&self) -> &InstanceId {
        self.own_id()
    }

    async fn instances(&self) -> Result<Vec<Instance>> {
        let sql = "SELECT id, name, started_at_ms,
                       greatest(0, extract(epoch FROM clock_timestamp() - heartbeat_at) * 1000)::bigint
                           AS silent_ms
                   FROM gateway.instances ORDER BY started_at_ms, id";
        let found = self.database().query(sql, &[]).await?;
        self.read(|| {
            found
                .iter()
                .map(|row| {
                    Ok(Instance {
                        id: InstanceId::from(row.try_get::<_, &str>("id")?),
                        name: rows::text(row, "name")?,
                        started_at_ms: row.try_get("started_at_ms")?,
                        silent_ms: rows::unsigned(row, "silent_ms")?,
                    })
                })
                .collect()
        })
    }

    async fn instance_spending(&self, id: &InstanceId) -> Result<Vec<(Scope, Spending)>> {
        let sql = "SELECT kind, id, slot_ms, pico, tokens, calls FROM gateway.instance_spending
                   WHERE instance_id = $1 ORDER BY kind, id, slot_ms";
        let found = self.kept(sql, &[&id.as_str()]).await?;
        self.read(|| {
            found
                .iter()
                .map(|row| {
                    let kind = rows::word(row, "kind", |word| word.parse().ok())?;
                    Ok((Scope::new(kind, rows::text(row, "id")?), read_spending(row)?))
                })
                .collect()
        })
    }

    async fn forget_instance(&self, id: &InstanceId) -> Result<bool> {
        // The mark of its journal stays: a journal that turns up later is not counted twice.
        let sql = "WITH gone AS (DELETE FROM gateway.instances WHERE id = $1 RETURNING 1),
                       spent AS (DELETE FROM gateway.instance_spending WHERE instance_id = $1)
                   SELECT count(*) FROM gone";
        Ok(self.changed_rows(sql, &[&id.as_str()]).await? > 0)
    }
}

#[async_trait]
impl Changes for PostgresStore {
    fn revision(&self) -> u64 {
        self.changes().get()
    }

    async fn changed(&self, seen: u64) -> u64 {
        self.changes().changed(seen).await
    }
}
