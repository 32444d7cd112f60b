//! Tokens of an identity provider as keys: signature, issuer, audience and time are checked, then its
//! claims name the accounts.
//!
//! A key decides which algorithms it verifies, never the token: a public key is no HMAC secret.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use gw_config::section::oidc::{Claims, Oidc as Options};
use gw_core::key::KeyRecord;
use gw_core::principal::Principal;
use gw_core::seam::{Authenticator, Clock, OutgoingRequest, Timeouts, Upstream};
use gw_core::{Error, Kind, ProviderId, Result};
use gw_ledger::Keyring;
use gw_net::Client;
use http::{HeaderMap, Method};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use parking_lot::{Mutex, RwLock};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

/// Difference of clocks that is forgiven, in seconds.
const LEEWAY_S: i64 = 60;

/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Keys of a provider, and most bytes of their list.
const KEYS_MAX: usize = 128;
const LIST_BYTES_MAX: usize = 1024 * 1024;

/// Shortest time between two looks at the provider's keys, in milliseconds.
const AGAIN_AFTER_MS: u64 = 60_000;

const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Finds callers by the gateway's own keys, and by tokens where a provider of them is configured.
pub(crate) struct Callers {
    ring: Arc<Keyring>,
    tokens: Option<Arc<Tokens>>,
}

/// Tokens of one provider.
pub(crate) struct Tokens {
    ring: Arc<Keyring>,
    issuer: String,
    audience: Vec<String>,
    claims: Claims,
    jwks_url: Option<String>,
    client: Client,
    clock: Arc<dyn Clock>,
    /// Keys of the configuration itself.
    own: Vec<Key>,
    /// Those, and what the provider listed last.
    keys: RwLock<Arc<Vec<Key>>>,
    looked_ms: Mutex<Option<u64>>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl Callers {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`Kind::NotConfigured`] for keys that cannot be read.
    pub(crate) fn new(
        options: &Options,
        ring: Arc<Keyring>,
        client: Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let tokens = match &options.issuer {
            Some(issuer) => Some(Tokens::new(issuer, options, Arc::clone(&ring), client, clock)?),
            None => None,
        };
        Ok(Self { ring, tokens: tokens.map(Arc::new) })
    }

    /// Reads the provider's keys before the first token comes, where they are at an address.
    pub(crate) fn warm_up(&self) -> impl Future<Output = ()> + Send + 'static {
        let tokens = self.tokens.clone();
        async move {
            if let Some(tokens) = tokens.filter(|tokens| tokens.may_look()) {
                tokens.look().await;
            }
        }
    }
}

#[async_trait]
impl Authenticator for Callers {
    async fn authenticate(&self, key: &str) -> Result<Arc<Principal>> {
        match &self.tokens {
            Some(tokens) if is_token(key) => tokens.caller(key).await.map(Arc::new),
            _ => self.ring.authenticate(key).await,
        }
    }

    fn is_meant(&self, key: &str) -> bool {
        (self.tokens.is_some() && is_token(key)) || self.ring.is_meant(key)
    }
}

/// Three parts with dots between them, the first of which begins as JSON does in base64.
fn is_token(text: &str) -> bool {
    text.starts_with("ey") && text.matches('.').count() == 2
}

impl Tokens {
    fn new(
        issuer: &str,
        options: &Options,
        ring: Arc<Keyring>,
        client: Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let mut own = Vec::new();
        if let Some(jwks) = &options.jwks {
            own = keys_of(jwks.expose_secret().as_bytes()).ok_or_else(|| {
                Error::new(Kind::NotConfigured, "server.oidc.jwks is no list of keys")
                    .with_hint("It is the provider's JWKS document: {\"keys\": [...]}.")
            })?;
        }
        if let Some(secret) = &options.hmac_secret {
            let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
            own.push(Key { id: None, algorithms: HMAC.to_vec(), key });
        }
        Ok(Self {
            ring,
            issuer: issuer.to_owned(),
            audience: options.audience.iter().chain(&options.resource).cloned().collect(),
            claims: options.claims.clone(),
            jwks_url: options.jwks_url.clone(),
            client,
            clock,
            keys: RwLock::new(Arc::new(own.clone())),
            own,
            looked_ms: Mutex::new(None),
        })
    }

    async fn caller(&self, token: &str) -> Result<Principal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(refused("is too long"));
        }
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| refused("has a header that cannot be read, or no signature"))?;
        let key = match self.find(&header) {
            Some(found) => found,
            None => {
                if self.may_look() {
                    self.look().await;
                }
                self.find(&header).ok_or_else(|| {
                    refused("is signed with a key that its provider does not list")
                })?
            }
        };
        let (keys, at) = key;
        let key = &keys[at];
        if !key.algorithms.contains(&header.alg) {
            return Err(refused("is signed in a way that its key is not for"));
        }
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&self.audience);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // Times are judged by the gateway's own clock below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &validation);
        let claims = decoded.map_err(|error| refused(words(&error)))?.claims;
        self.check_time(&claims)?;
        self.principal(&claims)
    }

    fn check_time(&self, claims: &Map<String, Value>) -> Result<()> {
        let now_s = self.clock.unix_ms().div_euclid(1_000);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates; seconds may have a fraction"
        )]
        let instant = |name: &str| {
            let value = claims.get(name)?;
            value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
        };
        let ends_s = instant("exp").ok_or_else(|| refused("does not say when it ends"))?;
        if ends_s.saturating_add(LEEWAY_S) <= now_s {
            return Err(refused("has expired"));
        }
        if instant("nbf").is_some_and(|begins_s| begins_s.saturating_sub(LEEWAY_S) > now_s) {
            return Err(refused("is not valid yet"));
        }
        Ok(())
    }

    /// The caller that the claims describe, with what stands above the accounts that they name.
    fn principal(&self, claims: &Map<String, Value>) -> Result<Principal> {
        let names = &self.claims;
        let subject = text(claims, "sub").ok_or_else(|| refused("names no subject"))?;
        let record = KeyRecord {
            id: format!("oidc:{subject}"),
            owner: Some(subject),
            organisation: text(claims, &names.organisation),
            team: text(claims, &names.team),
            user_id: text(claims, &names.user),
            project_id: text(claims, &names.project),
            tags: texts(at(claims, &names.tags)),
            is_admin: is_admin(claims, names),
            ..KeyRecord::default()
        };
        self.ring.principal(record).map_err(|error| {
            Error::new(Kind::Forbidden, format!("the token's accounts: {}", error.message()))
        })
    }

    /// The key of the token's key id; without such a key, one that has no id and is for the token's
    /// algorithm; of a token without an id, the only key there is.
    fn find(&self, header: &Header) -> Option<(Arc<Vec<Key>>, usize)> {
        let keys = Arc::clone(&self.keys.read());
        let by_id = |key: &Key| key.id.is_some() && key.id == header.kid;
        let by_algorithm = |key: &Key| key.id.is_none() && key.algorithms.contains(&header.alg);
        let at = keys
            .iter()
            .position(by_id)
            .or_else(|| keys.iter().position(by_algorithm))
            .or_else(|| (header.kid.is_none() && keys.len() == 1).then_some(0));
        at.map(|at| (keys, at))
    }

    /// True for the one that looks now; tokens with made-up ids must not make the gateway a nuisance.
    fn may_look(&self) -> bool {
        if self.jwks_url.is_none() {
            return false;
        }
        let now_ms = self.clock.monotonic_ms();
        let mut looked_ms = self.looked_ms.lock();
        let is_due = looked_ms.is_none_or(|at_ms| now_ms.saturating_sub(at_ms) >= AGAIN_AFTER_MS);
        if is_due {
            *looked_ms = Some(now_ms);
        }
        is_due
    }

    async fn look(&self) {
        let Some(url) = self.jwks_url.clone() else { return };
        let keys = match self.fetch(url).await {
            Ok(body) => keys_of(&body).ok_or_else(|| "not a list of keys".to_owned()),
            Err(error) => Err(error.message().to_owned()),
        };
        match keys {
            Ok(keys) => *self.keys.write() = Arc::new([&self.own[..], &keys[..]].concat()),
            // The keys that are known stay good.
            Err(why) => tracing::warn!(why, "the keys of server.oidc.jwks_url could not be read"),
        }
    }

    async fn fetch(&self, url: String) -> Result<Vec<u8>> {
        let answer = self.client.fetch(OutgoingRequest {
            provider: ProviderId::from("server.oidc"),
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            timeouts: Timeouts {
                connect_ms: 5_000,
                first_byte_ms: 5_000,
                idle_ms: 5_000,
                total_ms: 8_000,
            },
            response_bytes_max: LIST_BYTES_MAX,
        });
        let mut answer = tokio::time::timeout(Duration::from_secs(10), answer)
            .await
            .map_err(|_| Error::new(Kind::ProviderTimeout, "no answer"))??;
        if answer.status != 200 {
            let message = format!("status {}", answer.status);
            return Err(Error::new(Kind::ProviderFailed, message));
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.body.next().await {
            body.extend_from_slice(&piece?);
        }
        Ok(body)
    }
}

fn keys_of(text: &[u8]) -> Option<Vec<Key>> {
    // Keys of kinds that are not known here are passed over, not fatal to the others.
    let document: Value = serde_json::from_slice(text).ok()?;
    let listed = document.get("keys")?.as_array()?;
    let known = listed.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    let set = JwkSet { keys: known.take(KEYS_MAX).collect() };
    Some(set.keys.iter().filter_map(key_of).collect())
}

fn key_of(jwk: &Jwk) -> Option<Key> {
    let all: Vec<Algorithm> = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => RSA.to_vec(),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
        // A secret has no place in a list that anybody may read.
        AlgorithmParameters::OctetKey(_) => return None,
    };
    let named = jwk.common.key_algorithm.and_then(|name| name.to_string().parse().ok());
    let algorithms = match named {
        Some(named) => all.into_iter().filter(|algorithm| *algorithm == named).collect(),
        None => all,
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(Key { id: jwk.common.key_id.clone(), algorithms, key })
}

/// What lies at a path of names with dots; a claim whose own name holds the dots goes first.
fn at<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return None;
    }
    claims.get(path).or_else(|| {
        let mut names = path.split('.');
        let first = claims.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    })
}

fn text(claims: &Map<String, Value>, path: &str) -> Option<String> {
    let text = at(claims, path)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
    .into_iter()
    .take(gw_core::limits::CLIENT_TAGS_MAX)
    .collect()
}

fn is_admin(claims: &Map<String, Value>, names: &Claims) -> bool {
    match at(claims, &names.admin) {
        Some(Value::Bool(is_admin)) => *is_admin && names.admin_value.is_empty(),
        value if !names.admin_value.is_empty() => texts(value).contains(&names.admin_value),
        _ => false,
    }
}

fn refused(why: &str) -> Error {
    Error::new(Kind::Unauthenticated, format!("the token {why}"))
        .with_hint("get a new one from its provider; server.oidc says which tokens are taken")
}

fn words(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidAudience => "is not meant for this gateway (`aud`)",
        ErrorKind::InvalidIssuer => "is from another issuer (`iss`)",
        ErrorKind::InvalidSignature => "has a signature that does not fit",
        ErrorKind::MissingRequiredClaim(_) => "lacks `iss`, `aud` or `exp`",
        _ => "cannot be verified",
    }
}
