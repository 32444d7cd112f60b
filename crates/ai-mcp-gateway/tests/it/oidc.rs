//! Tokens of an identity provider: real signatures, and everything a forger would try.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gw_core::budget::{Amount, Budget, Window};
use gw_core::seam::Clock as _;
use gw_core::{Money, Scope, ScopeKind};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch, until};
use crate::keys::{Beside, Now, ask};
use crate::upstream::{Stub, both_dialects, simulator};

const ISSUER: &str = "https://login.example";

/// A key of the provider: what signs, and what it lists.
struct Signer {
    id: &'static str,
    key: EncodingKey,
    public: Vec<u8>,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let random = ring::rand::SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        Self { id, key: EncodingKey::from_ec_der(document.as_ref()), public }
    }

    fn listed(&self) -> Value {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id,
            "x": part(&self.public[1..33]), "y": part(&self.public[33..])})
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

fn now_s() -> i64 {
    Now.unix_ms() / 1_000
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": ["other", "gateway"], "sub": "alice", "exp": now_s() + 600,
        "team": "search", "realm": {"roles": ["user"]}})
}

/// The claims with one changed; `null` takes it out.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    if claims[name].is_null() {
        claims.as_object_mut().unwrap().remove(name);
    }
    claims
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    ask(gateway, token, "o/sim-small").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_a_key_and_a_forged_one_is_none() {
    let simulator = simulator().await;
    let (first, second) = (Signer::new("k1"), Signer::new("k2"));
    let listed =
        Arc::new(Mutex::new(json!({"keys": [first.listed(), {"kty": "new", "kid": "?"}]})));
    let shown = Arc::clone(&listed);
    let provider = Stub::start(move |_| (200, shown.lock().to_string())).await;
    let settings = format!(
        "[server.oidc]\nissuer = \"{ISSUER}\"\naudience = [\"gateway\"]\njwks_url = \"{}/certs\"\n\
         [server.oidc.claims]\nteam = \"team\"\nadmin = \"realm.roles\"\nadmin_value = \"boss\"\n{}",
        provider.url(),
        both_dialects(&simulator.base_url())
    );
    let launch = Launch::new().closed().toml(&settings);
    let gateway = launch.serve().await;
    until("the keys to be read", async || (!provider.seen().is_empty()).then_some(())).await;
    until("a good token to be taken", async || {
        (status(&gateway, &first.sign(&claims())).await == 200).then_some(())
    })
    .await;

    let refused = async |token: &str, why: &str| {
        let reply = ask(&gateway, token, "o/sim-small").await;
        assert_eq!(reply.status, 401, "{why}");
        assert!(reply.text().contains(why), "{why}: {}", reply.text());
        assert!(!reply.text().contains(token));
    };
    refused(&first.sign(&with("exp", json!(now_s() - 120))), "has expired").await;
    refused(&first.sign(&with("exp", Value::Null)), "lacks").await;
    refused(&first.sign(&with("nbf", json!(now_s() + 300))), "not valid yet").await;
    refused(&first.sign(&with("aud", json!("another"))), "not meant for this gateway").await;
    refused(&first.sign(&with("aud", Value::Null)), "lacks").await;
    refused(&first.sign(&with("iss", json!("https://evil.example"))), "another issuer").await;
    refused(&first.sign(&with("sub", json!(""))), "names no subject").await;

    // No signature at all.
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!("{}.{}.", part(json!({"alg": "none", "kid": "k1"})), part(claims()));
    refused(&none, "cannot be read").await;
    // The public key taken for a shared secret.
    let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) };
    let secret = EncodingKey::from_secret(&first.public);
    let confused = jsonwebtoken::encode(&header, &claims(), &secret).unwrap();
    refused(&confused, "not for").await;
    // Somebody else's key under a known name, and a body that was changed after signing.
    let impostor = Signer { id: "k1", ..Signer::new("k1") };
    refused(&impostor.sign(&claims()), "signature").await;
    let good = first.sign(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let changed = part(with("team", json!("board")));
    refused(&format!("{}.{changed}.{}", parts[0], parts[2]), "signature").await;

    // An unknown key is looked for at most once a minute.
    let looks = provider.seen().len();
    for _ in 0..5 {
        refused(&second.sign(&claims()), "does not list").await;
    }
    assert_eq!(provider.seen().len(), looks, "looked for a moment ago");
    let again = launch.serve().await;
    until("its keys", async || (status(&again, &good).await == 200).then_some(())).await;
    drop(again);
    *listed.lock() = json!({"keys": [second.listed()]});
    let rotated = launch.serve().await;
    until("new keys", async || {
        (status(&rotated, &second.sign(&claims())).await == 200).then_some(())
    })
    .await;
    refused(&"ey.".repeat(8_000), "not known").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_accounts() {
    let simulator = simulator().await;
    let secret = "0123456789abcdef0123456789abcdef";
    let launch = Launch::new()
        .closed()
        .env("GATEWAY_SERVER__OIDC__ISSUER", ISSUER)
        .env("GATEWAY_SERVER__OIDC__AUDIENCE", "gateway")
        .env("GATEWAY_SERVER__OIDC__HMAC_SECRET", secret)
        .env("GATEWAY_SERVER__OIDC__CLAIMS__TEAM", "team")
        .toml(&both_dialects(&simulator.base_url()));
    let beside = Beside::open(&launch.database()).await;
    let budget = Budget {
        id: "poor".into(),
        scope: Scope::new(ScopeKind::Team, "search"),
        cap: Amount::Dollars(Money::ZERO),
        window: Window::Month,
        is_hard: true,
        max_layer: None,
        alerts: Vec::new(),
        when_away: None,
    };
    beside.budgets.put_budget(&beside.store, budget).await.unwrap();
    let gateway = launch.serve().await;
    let sign = |claims: &Value| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
    };
    let reply = ask(&gateway, &sign(&claims()), "o/sim-small").await;
    assert_eq!(reply.status, 402, "{}", reply.text());
    assert!(reply.text().contains("team:search"), "{}", reply.text());
    ask(&gateway, &sign(&with("team", json!("rich"))), "o/sim-small").await.ok();
    ask(&gateway, &sign(&with("team", Value::Null)), "o/sim-small").await.ok();
    let header = Header::new(Algorithm::ES256);
    let signer = Signer::new("x");
    let foreign = jsonwebtoken::encode(&header, &claims(), &signer.key).unwrap();
    assert_eq!(status(&gateway, &foreign).await, 401, "a secret verifies no public key's words");
}

/// An MCP client that is refused finds out where tokens are given, and whether its own was meant for
/// this gateway (RFC 9728, RFC 8707).
#[tokio::test(flavor = "multi_thread")]
async fn mcp_clients_are_told_who_gives_tokens() {
    let signer = Signer::new("k1");
    let listed = json!({"keys": [signer.listed()]}).to_string();
    let resource = "https://gateway.example/mcp";
    let launch = Launch::new().closed().env("JWKS", listed).toml(&format!(
        "[server.oidc]\nissuer = \"{ISSUER}\"\nresource = \"{resource}\"\njwks = \"{{env:JWKS}}\"\n"
    ));
    let gateway = launch.serve().await;
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"}}});
    let accept = ("accept", "application/json, text/event-stream");
    let refused = gateway.post_bytes("/mcp", &[accept], hello.to_string().into()).await;
    assert_eq!(refused.status, 401);
    let address = "https://gateway.example/.well-known/oauth-protected-resource/mcp";
    let wanted = format!("Bearer resource_metadata=\"{address}\"");
    assert_eq!(refused.header("www-authenticate"), wanted);
    for path in ["", "/mcp", "/mcp/all"] {
        let told = gateway.get(&format!("/.well-known/oauth-protected-resource{path}")).await.ok();
        assert_eq!(told["resource"], resource);
        assert_eq!(told["authorization_servers"], json!([ISSUER]));
    }
    for (audience, status) in [(resource, 200), ("https://other.example/mcp", 401)] {
        let token = format!("Bearer {}", signer.sign(&with("aud", json!(audience))));
        let headers = [accept, ("authorization", token.as_str())];
        let answer = gateway.post_bytes("/mcp", &headers, hello.to_string().into()).await;
        assert_eq!(answer.status, status, "{audience}: {}", answer.text());
        if status == 401 {
            assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
        }
    }
    // The other doors keep their own words, and without tokens nothing is advertised.
    let other = gateway.post("/v1/chat/completions", &json!({})).await;
    assert_eq!((other.status, other.header("www-authenticate")), (401, "Bearer"));
    let gateway = Launch::new().serve().await;
    assert_eq!(gateway.get("/.well-known/oauth-protected-resource/mcp").await.status, 404);
}
