//! Who calls: keys presented in headers, against the keys configured and then the key ring.
//!
//! Configured keys are kept as hashes and compared in constant time. What a route needs stands in
//! its row of the table ([`Scope`]), never in a handler.

use std::sync::Arc;

use blake3::Hash;
use gw_core::principal::Principal;
use gw_core::seam::Authenticator;
use gw_core::{Error, Kind};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::ExposeSecret;

use crate::app::ServerOptions;

/// What a caller must be to use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Anyone; probes and the description of the API.
    Public,
    /// Someone with a key, or anyone where anonymous callers are served.
    Caller,
    /// Someone with an admin key.
    Admin,
}

/// Who called, as the edge found; in the request's extensions for every matched route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// For the engine.
    pub(crate) principal: Principal,
    /// False for a caller on a public route that a closed door would have refused.
    pub(crate) is_trusted: bool,
}

/// The keys that are accepted.
pub(crate) struct Keys {
    known: Vec<Known>,
    ring: Arc<dyn Authenticator>,
    allows_anonymous: bool,
}

struct Known {
    hash: Hash,
    id: String,
    is_admin: bool,
}

impl Keys {
    pub(crate) fn new(options: &ServerOptions, ring: Arc<dyn Authenticator>) -> Self {
        let known = options
            .keys
            .iter()
            .map(|key| Known {
                hash: blake3::hash(key.secret.expose_secret().as_bytes()),
                id: key.id.clone(),
                is_admin: key.is_admin,
            })
            .collect();
        Self { known, ring, allows_anonymous: options.allow_anonymous }
    }

    /// Finds the caller, or says why there is none. Nothing of the request but its headers is read.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] for a missing or unknown key where one is needed, and for a key of
    /// this gateway that is not good any more, wherever it is presented; [`Kind::Forbidden`] for a
    /// key that is not an admin's where one is needed.
    pub(crate) async fn caller(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Error> {
        if scope == Scope::Admin {
            let caller = Box::pin(self.caller(headers, Scope::Caller)).await?;
            return check_admin(&caller.principal).map(|()| caller);
        }
        if let Some(known) = presented(headers).find_map(|key| self.find(key)) {
            let principal = Principal {
                key_id: Some(known.id.clone()),
                is_admin: known.is_admin,
                ..Principal::default()
            };
            return Ok(Caller { principal, is_trusted: true });
        }
        let mut refused: Option<Error> = None;
        for key in presented(headers) {
            let is_meant = self.ring.is_meant(key);
            if self.allows_anonymous && !is_meant {
                continue;
            }
            match self.ring.authenticate(key).await {
                Ok(principal) => {
                    return Ok(Caller { principal: (*principal).clone(), is_trusted: true });
                }
                // What is said of a key that was meant for this gateway explains more.
                Err(error) if refused.is_none() || is_meant => refused = Some(error),
                Err(_) => {}
            }
        }
        match (scope, refused) {
            (Scope::Public, Some(_)) => Ok(Caller::default()),
            (_, Some(error)) => Err(error),
            (_, None) if self.allows_anonymous => {
                Ok(Caller { principal: Principal::default(), is_trusted: true })
            }
            (Scope::Public, None) => Ok(Caller::default()),
            (_, None) => Err(Error::new(Kind::Unauthenticated, "a key is needed").with_hint(
                "send it as `Authorization: Bearer <key>` or `x-api-key: <key>`; \
                     `serve --open` serves callers without one",
            )),
        }
    }

    /// Looks at every key, so that time tells nothing of which one matched.
    fn find(&self, key: &str) -> Option<&Known> {
        if self.known.is_empty() {
            return None;
        }
        let hash = blake3::hash(key.as_bytes());
        self.known
            .iter()
            .fold(None, |found, known| if known.hash == hash { Some(known) } else { found })
    }
}

/// Refuses a caller without an admin key.
///
/// # Errors
/// [`Kind::Unauthenticated`] or [`Kind::Forbidden`].
pub(crate) fn check_admin(principal: &Principal) -> Result<(), Error> {
    if principal.is_admin {
        return Ok(());
    }
    if *principal == Principal::default() {
        return Err(Error::new(Kind::Unauthenticated, "an admin key is needed")
            .with_hint("send it as `Authorization: Bearer <key>` or `x-api-key: <key>`"));
    }
    Err(Error::new(Kind::Forbidden, "this key is not an admin key, which this path needs")
        .with_hint(
            "the first start of the gateway prints an admin key; `keys create --admin` makes one",
        ))
}

fn presented(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let bearer =
        headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| {
            let (scheme, key) = text.trim().split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
        });
    let named = ["x-api-key", "x-goog-api-key"]
        .into_iter()
        .filter_map(|name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim));
    bearer.into_iter().chain(named).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests;
