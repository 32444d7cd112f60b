//! Keys, their secrets' hashes, and the accounts above them as rows.
//!
//! Definitions are kept as JSON beside what is searched for: they are read whole and rarely. Each
//! change is one statement, so that it is there wholly or not at all; triggers count it.

use async_trait::async_trait;
use gw_core::key::{KeyHash, KeyRecord, KeySecret, ScopeNode};
use gw_core::seam::Keys;
use gw_core::{Error, Result, Scope};
use tokio_postgres::Row;

use crate::fault::Fault;
use crate::rows;
use crate::store::PostgresStore;
use crate::text::{self, stored};

const KEY: &str = "key.record, key.shown, key.revoked_at, key.last_used_at";

#[async_trait]
impl Keys for PostgresStore {
    async fn find_key(&self, hash: &KeyHash) -> Result<Option<(KeyRecord, KeySecret)>> {
        let sql = format!(
            "SELECT {KEY}, secret.until_ms
             FROM gateway.api_key_secrets AS secret
             JOIN gateway.api_keys AS key ON key.id = secret.key_id WHERE secret.hash = $1"
        );
        let found = self.database().query(&sql, &[&hash.0.as_slice()]).await?;
        self.read(|| {
            let Some(row) = found.first() else { return Ok(None) };
            let key = read_key(row)?;
            let until_ms = row.try_get("until_ms")?;
            let secret = KeySecret { hash: *hash, key_id: key.id.clone(), until_ms };
            Ok(Some((key, secret)))
        })
    }

    async fn create_key(&self, key: KeyRecord, hash: KeyHash) -> Result<()> {
        let record = rows::to_json(&key)?;
        let sql = "WITH made AS (
                       INSERT INTO gateway.api_keys
                           (id, created_at, revoked_at, last_used_at, shown, record)
                       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING RETURNING id
                   ), kept AS (
                       INSERT INTO gateway.api_key_secrets (hash, key_id)
                       SELECT $7, id FROM made RETURNING 1
                   ) SELECT count(*) FROM kept";
        let made = self
            .changed_rows(
                sql,
                &[
                    &stored(&key.id),
                    &key.created_at_ms,
                    &key.revoked_at_ms,
                    &key.last_used_at_ms,
                    &stored(&key.shown),
                    &record,
                    &hash.0.as_slice(),
                ],
            )
            .await?;
        if made == 0 {
            return Err(Error::bad_field("id", format!("there is a key `{}` already", key.id)));
        }
        Ok(())
    }

    async fn keys(&self) -> Result<Vec<KeyRecord>> {
        let sql =
            format!("SELECT {KEY} FROM gateway.api_keys AS key ORDER BY key.created_at, key.id");
        let found = self.database().query(&sql, &[]).await?;
        self.read(|| found.iter().map(read_key).collect())
    }

    async fn secrets(&self, now_ms: i64) -> Result<Vec<KeySecret>> {
        let sql = "SELECT hash, key_id, until_ms FROM gateway.api_key_secrets
                   WHERE until_ms IS NULL OR until_ms > $1 ORDER BY key_id, hash";
        let found = self.database().query(sql, &[&now_ms]).await?;
        self.read(|| found.iter().map(read_secret).collect())
    }

    async fn revoke_key(&self, id: &str, at_ms: i64) -> Result<bool> {
        let sql = "WITH revoked AS (
                       UPDATE gateway.api_keys SET revoked_at = coalesce(revoked_at, $2)
                       WHERE id = $1 RETURNING 1
                   ) SELECT count(*) FROM revoked";
        Ok(self.changed_rows(sql, &[&stored(id), &at_ms]).await? > 0)
    }

    async fn rotate_key(
        &self,
        id: &str,
        hash: KeyHash,
        shown: &str,
        old_until_ms: i64,
    ) -> Result<bool> {
        let sql = "WITH changed AS (
                       UPDATE gateway.api_keys SET shown = $2
                       WHERE id = $1 AND revoked_at IS NULL RETURNING id
                   ), old AS (
                       UPDATE gateway.api_key_secrets SET until_ms = least(until_ms, $3)
                       WHERE key_id IN (SELECT id FROM changed)
                   ), new AS (
                       INSERT INTO gateway.api_key_secrets (hash, key_id)
                       SELECT $4, id FROM changed RETURNING 1
                   ) SELECT count(*) FROM new";
        let values: crate::database::Values<'_> =
            &[&stored(id), &stored(shown), &old_until_ms, &hash.0.as_slice()];
        Ok(self.changed_rows(sql, values).await? > 0)
    }

    async fn touch_key(&self, id: &str, at_ms: i64) -> Result<()> {
        let sql = "UPDATE gateway.api_keys SET last_used_at = greatest(last_used_at, $2)
                   WHERE id = $1";
        self.database().change(sql, &[&stored(id), &at_ms]).await.map(drop)
    }

    async fn put_scope(&self, node: ScopeNode) -> Result<()> {
        let text = rows::to_json(&node)?;
        let sql = "INSERT INTO gateway.scopes (kind, id, node) VALUES ($1, $2, $3)
                   ON CONFLICT (kind, id) DO UPDATE SET node = excluded.node";
        let scope = &node.scope;
        let values: crate::database::Values<'_> =
            &[&scope.kind.as_str(), &stored(&scope.id), &text];
        self.database().change(sql, values).await.map(drop)
    }

    async fn remove_scope(&self, scope: &Scope) -> Result<bool> {
        let sql = "WITH gone AS (
                       DELETE FROM gateway.scopes WHERE kind = $1 AND id = $2 RETURNING 1
                   ) SELECT count(*) FROM gone";
        Ok(self.changed_rows(sql, &[&scope.kind.as_str(), &stored(&scope.id)]).await? > 0)
    }

    async fn scopes(&self) -> Result<Vec<ScopeNode>> {
        self.defined("SELECT node AS definition FROM gateway.scopes ORDER BY kind, id").await
    }
}

fn read_key(row: &Row) -> Result<KeyRecord, Fault> {
    let key: KeyRecord = rows::json(row, "record")?;
    Ok(KeyRecord {
        shown: rows::text(row, "shown")?,
        revoked_at_ms: row.try_get("revoked_at")?,
        last_used_at_ms: row.try_get("last_used_at")?,
        ..key
    })
}

fn read_secret(row: &Row) -> Result<KeySecret, Fault> {
    let hash: &[u8] = row.try_get("hash")?;
    let hash = hash
        .try_into()
        .map_err(|error| Fault::Unreadable { column: "hash", source: Box::new(error) })?;
    Ok(KeySecret {
        hash: KeyHash(hash),
        key_id: text::read(row.try_get("key_id")?),
        until_ms: row.try_get("until_ms")?,
    })
}
