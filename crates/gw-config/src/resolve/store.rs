//! `[store]`: SQLite unless a PostgreSQL database is named, by its address or part by part.

use std::path::PathBuf;

use secrecy::ExposeSecret as _;
use url::Url;

use super::Resolver;
use crate::secret::Secret;
use crate::section::store::{MEMORY, Postgres, RawStore, Store};

const EXAMPLE: &str = "write it like postgres://user:password@host:5432/database";

impl Resolver {
    pub(super) fn store(&mut self, mut raw: RawStore) -> Store {
        if raw.redis_url.is_some() {
            self.problem(
                "store.redis_url",
                "store.redis_url is set, but the Redis store is not in this version".to_owned(),
                "remove it",
            );
        }
        let postgres = self.postgres(&mut raw);
        let path = match postgres {
            // Nothing is kept in a file; one that is named does no harm.
            Some(_) => raw.path.take(),
            None => self.sqlite_path(raw.path.take()),
        };
        Store {
            path,
            postgres,
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
        // The parts may hold any character; the address holds them quoted.
        let quoted = |text: &str| -> String {
            let mut quoted = String::with_capacity(text.len());
            for byte in text.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    quoted.push(char::from(byte));
                } else {
                    quoted.push_str(&format!("%{byte:02X}"));
                }
            }
            quoted
        };
        let password = raw.db_password.as_ref();
        let password = password.map(|password| format!(":{}", quoted(password.expose_secret())));
        // An IPv6 address stands in brackets; a folder is that of a socket.
        let host = match host.contains(':') && !host.starts_with('[') {
            true => format!("[{host}]"),
            false if host.starts_with('/') => quoted(host),
            false => host.clone(),
        };
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
}
