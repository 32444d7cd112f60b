//! `[store]`: SQLite unless a PostgreSQL database is named, by its address or part by part.

use std::path::PathBuf;

use gw_core::{Scope, ScopeKind};
use secrecy::ExposeSecret as _;
use url::Url;

use super::Resolver;
use crate::secret::Secret;
use crate::section::store::{Hot, MEMORY, Postgres, RawStore, Redis, Store};

const REDIS_EXAMPLE: &str = "write it like redis://:password@host:6379/0, rediss:// for TLS";

const EXAMPLE: &str = "write it like postgres://user:password@host:5432/database";

impl Resolver {
    pub(super) fn store(&mut self, mut raw: RawStore) -> Store {
        let postgres = self.postgres(&mut raw);
        let hot = self.redis_url(&mut raw).map(|(url, is_named)| {
            (Hot { url, key_prefix: std::mem::take(&mut raw.redis_key_prefix) }, is_named)
        });
        let redis = hot.as_ref().and_then(|(hot, is_named)| {
            self.redis(&mut raw, &hot.url, *is_named, postgres.is_some())
        });
        let path = match postgres {
            // Nothing is kept in a file; one that is named does no harm.
            Some(_) => raw.path.take(),
            None => self.sqlite_path(raw.path.take()),
        };
        Store {
            path,
            postgres,
            redis,
            hot: hot.map(|(hot, _)| hot),
            durability: raw.durability,
            readers: raw.readers,
            busy_timeout_ms: raw.busy_timeout_ms,
            calls_kept_days: raw.calls_kept_days,
            calls_megabytes_max: raw.calls_megabytes_max,
        }
    }

    fn sqlite_path(&mut self, path: Option<PathBuf>) -> Option<PathBuf> {
        match path {
            Some(path) if path.as_os_str() == MEMORY => None,
            Some(path) if path.as_os_str().is_empty() => {
                self.problem(
                    "store.path",
                    "store.path is empty".to_owned(),
                    "name a file, or write \":memory:\"",
                );
                None
            }
            Some(path) => Some(path),
            None => {
                let folder = self.data_folder.clone();
                if folder.is_none() {
                    self.problem(
                        "store.path",
                        "store.path is not set and there is no home folder to put the file in"
                            .to_owned(),
                        "set store.path, or GATEWAY_STORE__PATH",
                    );
                }
                folder.map(|folder| folder.join("ai-mcp-gateway").join("gateway.sqlite"))
            }
        }
    }

    fn postgres(&mut self, raw: &mut RawStore) -> Option<Postgres> {
        let url = match raw.url.take() {
            Some(url) => {
                let text = url.expose_secret();
                if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
                    let message = "store.url is not the address of a PostgreSQL database";
                    self.problem("store.url", message.to_owned(), EXAMPLE);
                    return None;
                }
                url
            }
            None => self.postgres_of_parts(raw)?,
        };
        let journal_path = raw.journal_path.take().or_else(|| {
            let folder = self.data_folder.clone()?;
            Some(folder.join("ai-mcp-gateway").join("journal"))
        });
        let Some(journal_path) = journal_path else {
            self.problem(
                "store.journal_path",
                "store.journal_path is not set and there is no home folder to put the journal in"
                    .to_owned(),
                "set store.journal_path, or GATEWAY_STORE__JOURNAL_PATH",
            );
            return None;
        };
        Some(Postgres {
            url,
            tls: raw.tls.unwrap_or_default(),
            tls_ca_file: raw.tls_ca_file.take(),
            connections: raw.connections,
            statement_timeout_ms: raw.statement_timeout_ms,
            journal_path,
            journal_megabytes_max: raw.journal_megabytes_max,
        })
    }

    /// System A's way: the database counts where host, database and user are all named.
    fn postgres_of_parts(&mut self, raw: &RawStore) -> Option<Secret> {
        let said = [
            ("store.db_host", raw.db_host.is_some()),
            ("store.db_name", raw.db_name.is_some()),
            ("store.db_user", raw.db_user.is_some()),
            ("store.db_port", raw.db_port.is_some()),
            ("store.db_password", raw.db_password.is_some()),
            ("store.tls", raw.tls.is_some()),
        ];
        let (Some(host), Some(database), Some(user)) = (&raw.db_host, &raw.db_name, &raw.db_user)
        else {
            if let Some((key, _)) = said.iter().find(|(_, is_said)| *is_said) {
                let message = "a PostgreSQL database takes store.url, or store.db_host, \
                               store.db_name and store.db_user; SQLite is used";
                self.warning(key, message.to_owned());
            }
            return None;
        };
        let password = raw.db_password.as_ref();
        let password = password.map(|password| format!(":{}", quoted(password.expose_secret())));
        // A folder is that of a socket.
        let host = if host.starts_with('/') { quoted(host) } else { bracketed(host) };
        let url = format!(
            "postgres://{}{}@{host}:{}/{}",
            quoted(user),
            password.unwrap_or_default(),
            raw.db_port.unwrap_or(5432),
            quoted(database)
        );
        if Url::parse(&url).is_err() {
            let message = "store.db_host is not the name of a host".to_owned();
            self.problem("store.db_host", message, "write it like db.example, without a port");
            return None;
        }
        Some(Secret::new(url))
    }

    /// The address of the Redis server, and whether it was given as such.
    fn redis_url(&mut self, raw: &mut RawStore) -> Option<(Secret, bool)> {
        let is_named = raw.redis_url.is_some();
        let url = match raw.redis_url.take() {
            Some(url) => {
                let known = ["redis://", "rediss://", "redis+unix://", "unix://"];
                let text = url.expose_secret();
                if !known.iter().any(|scheme| text.starts_with(scheme)) {
                    let message = "store.redis_url is not the address of a Redis server";
                    self.problem("store.redis_url", message.to_owned(), REDIS_EXAMPLE);
                    return None;
                }
                url
            }
            None => match redis_of_parts(raw) {
                Some(url) => url,
                None => {
                    self.redis_without_host(raw);
                    return None;
                }
            },
        };
        Some((url, is_named))
    }

    /// Counters that gateways share: what dead ones spent is found in the database they share too.
    fn redis(
        &mut self,
        raw: &mut RawStore,
        url: &Secret,
        is_named: bool,
        has_postgres: bool,
    ) -> Option<Redis> {
        if !has_postgres {
            let message = "budgets and limits are shared through Redis only with a PostgreSQL \
                           database; this gateway counts for itself, and keeps answers of the \
                           response cache there";
            let key = if is_named { "store.redis_url" } else { "store.redis_host" };
            self.warning(key, message.to_owned());
            return None;
        }
        let (mut except_kinds, mut except_scopes) = (Vec::new(), Vec::new());
        for text in std::mem::take(&mut raw.redis_loss_except) {
            if let Ok(kind) = text.parse::<ScopeKind>() {
                except_kinds.push(kind);
            } else if let Ok(scope) = text.parse::<Scope>() {
                except_scopes.push(scope);
            } else {
                let message = format!("store.redis_loss_except: `{text}` is no account");
                let fix = "write a kind like team, or kind:id like team:search";
                self.problem("store.redis_loss_except", message, fix);
            }
        }
        let prefix = std::mem::take(&mut raw.redis_prefix);
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            let message = "store.redis_prefix is empty or holds a brace".to_owned();
            self.problem("store.redis_prefix", message, "write a word like ai-mcp-gateway");
        }
        Some(Redis { url: url.clone(), prefix, loss: raw.redis_loss, except_kinds, except_scopes })
    }

    fn redis_without_host(&mut self, raw: &RawStore) {
        let said = [
            ("store.redis_port", raw.redis_port.is_some()),
            ("store.redis_db", raw.redis_db.is_some()),
            ("store.redis_password", raw.redis_password.is_some()),
        ];
        if let Some((key, _)) = said.iter().find(|(_, is_said)| *is_said) {
            let message = "a Redis server takes store.redis_url or store.redis_host; this gateway \
                           counts for itself";
            self.warning(key, message.to_owned());
        }
    }
}

/// System A's way.
fn redis_of_parts(raw: &RawStore) -> Option<Secret> {
    let host = raw.redis_host.as_ref().filter(|host| !host.is_empty())?;
    let password = raw.redis_password.as_ref().map(|word| word.expose_secret().to_owned());
    let password = password.filter(|word| !word.is_empty());
    let password = password.map(|word| format!(":{}@", quoted(&word))).unwrap_or_default();
    let (port, database) = (raw.redis_port.unwrap_or(6379), raw.redis_db.unwrap_or(0));
    Some(Secret::new(format!("redis://{password}{}:{port}/{database}", bracketed(host))))
}

/// Text of any characters as a part of an address.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

/// An IPv6 address stands in brackets.
fn bracketed(host: &str) -> String {
    match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}
