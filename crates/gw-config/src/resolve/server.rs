//! `[server]`: an address that others reach is never open by accident.

use std::net::IpAddr;

use secrecy::ExposeSecret as _;
use url::Url;

use super::Resolver;
use crate::load::Purpose;
use crate::section::oidc::Oidc;
use crate::section::server::{CallerKey, RawServer, Server};

/// Shortest key that a caller may have, in characters.
const KEY_CHARS_MIN: usize = 8;

impl Resolver {
    pub(super) fn server(&mut self, raw: RawServer) -> Server {
        let host = raw.host.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
        if !is_host(&host) {
            self.problem(
                "server.host",
                format!("server.host {:?} is neither an IP address nor a host name", raw.host),
                "for example host = \"127.0.0.1\", or \"0.0.0.0\" for every address",
            );
        }
        self.check_origins(&raw.cors_origins);
        let keys = self.keys(raw.key, raw.keys);
        let require_key = raw.require_key.unwrap_or(!raw.allow_open || !keys.is_empty());
        if !require_key && !raw.allow_open && !is_loopback(&host) {
            self.refuse_open(&host);
        }
        self.check_oidc(&raw.oidc);
        Server {
            oidc: raw.oidc,
            host,
            port: raw.port,
            cors_origins: raw.cors_origins,
            body_bytes_max: raw.body_bytes_max,
            request_timeout_ms: raw.request_timeout_ms,
            shutdown_grace_ms: raw.shutdown_grace_ms,
            require_key,
            allow_open: raw.allow_open,
            keys,
        }
    }

    fn check_oidc(&mut self, oidc: &Oidc) {
        if oidc.issuer.is_none() {
            return;
        }
        if let Some(resource) = &oidc.resource {
            self.check_url("server.oidc.resource", resource, "https://gateway.example/mcp");
        }
        if oidc.audience.is_empty() && oidc.resource.is_none() {
            self.problem(
                "server.oidc.audience",
                "server.oidc.issuer is set, and server.oidc.audience is empty".to_owned(),
                "name what tokens for this gateway hold in `aud`: others are not meant for it",
            );
        }
        let sources = [oidc.jwks_url.is_some(), oidc.jwks.is_some(), oidc.hmac_secret.is_some()];
        if !sources.contains(&true) {
            self.problem(
                "server.oidc",
                "server.oidc.issuer is set, and there are no keys to verify tokens with".to_owned(),
                "set jwks_url, jwks or hmac_secret",
            );
        }
        if let Some(url) = &oidc.jwks_url {
            self.check_url("server.oidc.jwks_url", url, "https://login.example/certs");
        }
        let is_short = |secret: &crate::Secret| secret.expose_secret().len() < 32;
        if oidc.hmac_secret.as_ref().is_some_and(is_short) {
            self.problem(
                "server.oidc.hmac_secret",
                "server.oidc.hmac_secret is too short to sign with".to_owned(),
                "use at least 32 random characters",
            );
        }
    }

    fn refuse_open(&mut self, host: &str) {
        let message = format!(
            "server.host {host:?} can be reached from other machines, and callers need no key: \
             anyone could spend your money"
        );
        match self.purpose {
            Purpose::Serve => self.problem(
                "server.host",
                message,
                "leave out server.require_key = false, listen on 127.0.0.1, or set \
                 server.allow_open = true (GATEWAY_SERVER__ALLOW_OPEN=true)",
            ),
            Purpose::Other => {
                self.warning("server.host", format!("{message}; `serve` will refuse to start"));
            }
        }
    }

    fn keys(&mut self, single: Option<crate::Secret>, list: Vec<CallerKey>) -> Vec<CallerKey> {
        let mut keys = list;
        if let Some(key) = single {
            self.derive_source("server.keys", "server.key");
            keys.push(CallerKey { id: "key".to_owned(), name: String::new(), key });
        }
        let list_len = keys.len();
        for at in 0..list_len {
            let is_single = at + 1 == list_len && keys[at].id == "key" && keys[at].name.is_empty();
            let path = match self.sources.get("server.key") {
                Some(_) if is_single => "server.key".to_owned(),
                _ => format!("server.keys[{at}].key"),
            };
            let text = keys[at].key.expose_secret();
            if text.chars().count() < KEY_CHARS_MIN || !text.chars().all(|c| c.is_ascii_graphic()) {
                self.problem(
                    &path,
                    format!("{path} is too short, or has characters that a header cannot carry"),
                    "use at least 8 visible ASCII characters without blanks",
                );
            }
            let earlier = &keys[..at];
            if earlier.iter().any(|other| other.key.expose_secret() == text) {
                self.problem(
                    &path,
                    format!("{path} is the same as another key"),
                    "give each its own",
                );
            }
            if earlier.iter().any(|other| other.id == keys[at].id) {
                let path = path.replace("].key", "].id");
                let message = format!("{path} {:?} is used twice", keys[at].id);
                self.problem(&path, message, "give each key its own id");
            }
        }
        keys
    }

    fn check_origins(&mut self, origins: &[String]) {
        for origin in origins.iter().filter(|origin| *origin != "*") {
            let is_good = Url::parse(origin).is_ok_and(|url| {
                url.has_host() && url.origin().ascii_serialization().eq_ignore_ascii_case(origin)
            });
            if !is_good {
                self.problem(
                    "server.cors_origins",
                    format!("server.cors_origins holds {origin:?}, which is not an origin"),
                    "write scheme, host and port only, like https://app.example, or \"*\"",
                );
            }
        }
    }
}

fn is_host(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
        || (!host.is_empty()
            && host.len() <= 253
            && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')))
}

impl Server {
    /// True where only programs on this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}
