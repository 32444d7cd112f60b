//! Keys, the accounts above them, budgets, limits and spending as rows.
//!
//! Definitions are kept as JSON beside what is searched for: they are read whole and rarely.

use async_trait::async_trait;
use gw_core::budget::{Budget, Limit, Spending, slot_of};
use gw_core::key::{KeyHash, KeyRecord, KeySecret, ScopeNode};
use gw_core::seam::{Budgets, Keys};
use gw_core::{Error, Money, Result, Scope};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;

use super::{Store, rows};

const KEY_COLUMNS: &str = "api_keys.record, api_keys.revoked_at, api_keys.last_used_at";

#[async_trait]
impl Keys for Store {
    async fn find_key(&self, hash: &KeyHash) -> Result<Option<(KeyRecord, KeySecret)>> {
        let hash = *hash;
        let sql = format!(
            "SELECT {KEY_COLUMNS}, api_key_secrets.until_ms
             FROM api_key_secrets JOIN api_keys ON api_keys.id = api_key_secrets.key_id
             WHERE api_key_secrets.hash = ?1"
        );
        let find = move |connection: &Connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([hash.0], |row| {
                    let key = read_key(row)?;
                    let secret =
                        KeySecret { hash, key_id: key.id.clone(), until_ms: row.get("until_ms")? };
                    Ok((key, secret))
                })
                .optional()
        };
        self.inner.readers.read(find).await
    }

    async fn create_key(&self, key: KeyRecord, hash: KeyHash) -> Result<()> {
        let (id, record) = (key.id.clone(), rows::to_json(&key)?);
        let made = self
            .define(move |connection| {
                let made = connection
                    .prepare_cached(
                        "INSERT INTO api_keys (id, created_at, revoked_at, last_used_at, record)
                         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING",
                    )?
                    .execute((
                        &key.id,
                        key.created_at_ms,
                        key.revoked_at_ms,
                        key.last_used_at_ms,
                        &record,
                    ))?;
                if made > 0 {
                    insert_secret(connection, &key.id, hash)?;
                }
                Ok(made)
            })
            .await?;
        if made == 0 {
            return Err(Error::bad_field("id", format!("there is a key `{id}` already")));
        }
        Ok(())
    }

    async fn keys(&self) -> Result<Vec<KeyRecord>> {
        let sql = format!("SELECT {KEY_COLUMNS} FROM api_keys ORDER BY created_at, id");
        let list = move |connection: &Connection| {
            connection.prepare_cached(&sql)?.query_map([], read_key)?.collect()
        };
        self.inner.readers.read(list).await
    }

    async fn secrets(&self, now_ms: i64) -> Result<Vec<KeySecret>> {
        let list = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "SELECT hash, key_id, until_ms FROM api_key_secrets
                     WHERE until_ms IS NULL OR until_ms > ?1 ORDER BY key_id, hash",
                )?
                .query_map([now_ms], |row| {
                    let hash = KeyHash(row.get("hash")?);
                    Ok(KeySecret {
                        hash,
                        key_id: row.get("key_id")?,
                        until_ms: row.get("until_ms")?,
                    })
                })?
                .collect()
        };
        self.inner.readers.read(list).await
    }

    async fn revoke_key(&self, id: &str, at_ms: i64) -> Result<bool> {
        let id = id.to_owned();
        let revoke = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1",
                )?
                .execute((&id, at_ms))
        };
        Ok(self.define(revoke).await? > 0)
    }

    async fn rotate_key(
        &self,
        id: &str,
        hash: KeyHash,
        shown: &str,
        old_until_ms: i64,
    ) -> Result<bool> {
        let (id, shown) = (id.to_owned(), shown.to_owned());
        let rotate = move |connection: &Connection| {
            let changed = connection
                .prepare_cached(
                    "UPDATE api_keys SET record = json_set(record, '$.shown', ?2)
                     WHERE id = ?1 AND revoked_at IS NULL",
                )?
                .execute((&id, &shown))?;
            if changed > 0 {
                connection
                    .prepare_cached(
                        "UPDATE api_key_secrets SET until_ms = min(coalesce(until_ms, ?2), ?2)
                         WHERE key_id = ?1",
                    )?
                    .execute((&id, old_until_ms))?;
                insert_secret(connection, &id, hash)?;
            }
            Ok(changed)
        };
        Ok(self.define(rotate).await? > 0)
    }

    async fn touch_key(&self, id: &str, at_ms: i64) -> Result<()> {
        let id = id.to_owned();
        let touch = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, ?2), ?2)
                     WHERE id = ?1",
                )?
                .execute((&id, at_ms))
        };
        self.define(touch).await.map(drop)
    }

    async fn put_scope(&self, node: ScopeNode) -> Result<()> {
        let text = rows::to_json(&node)?;
        let put = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT INTO scopes (kind, id, node) VALUES (?1, ?2, ?3)
                     ON CONFLICT (kind, id) DO UPDATE SET node = excluded.node",
                )?
                .execute((node.scope.kind.as_str(), &*node.scope.id, &text))
        };
        self.define(put).await.map(drop)
    }

    async fn remove_scope(&self, scope: &Scope) -> Result<bool> {
        let scope = scope.clone();
        let remove = move |connection: &Connection| {
            connection
                .prepare_cached("DELETE FROM scopes WHERE kind = ?1 AND id = ?2")?
                .execute((scope.kind.as_str(), &*scope.id))
        };
        Ok(self.define(remove).await? > 0)
    }

    async fn scopes(&self) -> Result<Vec<ScopeNode>> {
        self.defined("SELECT node AS definition FROM scopes ORDER BY kind, id").await
    }
}

#[async_trait]
impl Budgets for Store {
    async fn put_budget(&self, budget: Budget) -> Result<()> {
        let text = rows::to_json(&budget)?;
        self.put_definition(
            "INSERT INTO budgets (id, definition) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET definition = excluded.definition",
            budget.id,
            text,
        )
        .await
    }

    async fn remove_budget(&self, id: &str) -> Result<bool> {
        self.remove_definition("DELETE FROM budgets WHERE id = ?1", id).await
    }

    async fn budgets(&self) -> Result<Vec<Budget>> {
        self.defined("SELECT definition FROM budgets ORDER BY id").await
    }

    async fn put_limit(&self, limit: Limit) -> Result<()> {
        let text = rows::to_json(&limit)?;
        self.put_definition(
            "INSERT INTO limits (id, definition) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET definition = excluded.definition",
            limit.id,
            text,
        )
        .await
    }

    async fn remove_limit(&self, id: &str) -> Result<bool> {
        self.remove_definition("DELETE FROM limits WHERE id = ?1", id).await
    }

    async fn limits(&self) -> Result<Vec<Limit>> {
        self.defined("SELECT definition FROM limits ORDER BY id").await
    }

    async fn spending(&self, scope: &Scope, from_ms: i64) -> Result<Vec<Spending>> {
        self.add_up().await?;
        let (scope, from_ms) = (scope.clone(), slot_of(from_ms).max(i64::MIN + 1));
        let list = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "SELECT slot_ms, pico, tokens, calls FROM spending
                     WHERE kind = ?1 AND id = ?2 AND slot_ms >= ?3 ORDER BY slot_ms",
                )?
                .query_map((scope.kind.as_str(), &*scope.id, from_ms), read_spending)?
                .collect()
        };
        self.inner.readers.read(list).await
    }

    async fn lifetime_spending(&self, scope: &Scope) -> Result<Spending> {
        self.add_up().await?;
        let scope = scope.clone();
        let sum = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT slot_ms, pico, tokens, calls FROM spending WHERE kind = ?1 AND id = ?2",
            )?;
            let mut slots = statement.query((scope.kind.as_str(), &*scope.id))?;
            let (mut sum, mut pico) = (Spending::default(), 0_i128);
            while let Some(row) = slots.next()? {
                let slot = read_spending(row)?;
                pico += i128::from(slot.spent.pico());
                sum.tokens = sum.tokens.saturating_add(slot.tokens);
                sum.calls = sum.calls.saturating_add(slot.calls);
            }
            let end = if pico < 0 { i64::MIN } else { i64::MAX };
            sum.spent = Money::from_pico(i64::try_from(pico).unwrap_or(end));
            Ok(sum)
        };
        self.inner.readers.read(sum).await
    }
}

impl Store {
    async fn put_definition(&self, sql: &'static str, id: String, text: String) -> Result<()> {
        let put =
            move |connection: &Connection| connection.prepare_cached(sql)?.execute((&id, &text));
        self.define(put).await.map(drop)
    }

    async fn remove_definition(&self, sql: &'static str, id: &str) -> Result<bool> {
        let id = id.to_owned();
        let remove = move |connection: &Connection| connection.prepare_cached(sql)?.execute([&id]);
        Ok(self.define(remove).await? > 0)
    }

    async fn defined<T>(&self, sql: &'static str) -> Result<Vec<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let list = move |connection: &Connection| {
            connection
                .prepare_cached(sql)?
                .query_map([], |row| rows::json(row, "definition"))?
                .collect()
        };
        self.inner.readers.read(list).await
    }
}

fn insert_secret(connection: &Connection, key_id: &str, hash: KeyHash) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO api_key_secrets (hash, key_id) VALUES (?1, ?2)")?
        .execute((hash.0, key_id))
        .map(drop)
}

fn read_key(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let key: KeyRecord = rows::json(row, "record")?;
    Ok(KeyRecord {
        revoked_at_ms: row.get("revoked_at")?,
        last_used_at_ms: row.get("last_used_at")?,
        ..key
    })
}

fn read_spending(row: &Row<'_>) -> rusqlite::Result<Spending> {
    Ok(Spending {
        slot_ms: row.get("slot_ms")?,
        spent: Money::from_pico(row.get("pico")?),
        tokens: rows::unsigned(row, "tokens")?,
        calls: rows::unsigned(row, "calls")?,
    })
}
