//! Tokens: what they say, that they verify, and how long one serves. The key was made for this test.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use gw_core::seam::{Clock, OutgoingRequest, Timeouts};
use gw_core::{Kind, ProviderId};
use http::{HeaderMap, Method};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use super::{GoogleSigner, LIFE_S, SPARE_S};
use crate::sign::Signer;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn unix_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed) * 1_000
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

fn signer() -> (GoogleSigner, Arc<Hands>) {
    let clock = Arc::new(Hands(AtomicI64::new(1_000_000)));
    let file = json!({"type": "service_account", "client_email": "a@b.iam.gserviceaccount.com",
        "private_key": include_str!("test_key.pem"), "private_key_id": "k1", "project_id": "p"});
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    (GoogleSigner::new(&file.to_string(), shared).expect("a key file"), clock)
}

fn token(signer: &GoogleSigner) -> String {
    let mut request = OutgoingRequest {
        provider: ProviderId::from("vertex"),
        method: Method::POST,
        url: "https://aiplatform.googleapis.com/v1".to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        timeouts: Timeouts::default(),
        response_bytes_max: 1,
    };
    signer.sign(&mut request).expect("is signed");
    let value = &request.headers["authorization"];
    assert!(value.is_sensitive());
    value.to_str().expect("text").strip_prefix("Bearer ").expect("a bearer").to_owned()
}

#[test]
fn a_token_says_who_and_verifies() {
    let (signer, _) = signer();
    let token = token(&signer);
    let (text, signature) = token.rsplit_once('.').expect("three pieces");
    let (head, claims) = text.split_once('.').expect("three pieces");
    let read = |piece: &str| -> Value {
        let bytes = URL_SAFE_NO_PAD.decode(piece).expect("base64");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    assert_eq!(read(head), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let email = "a@b.iam.gserviceaccount.com";
    assert_eq!(
        read(claims),
        json!({"iss": email, "sub": email,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "iat": 1_000_000, "exp": 1_003_600})
    );
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, signer.key.public());
    public.verify(text.as_bytes(), &signature).expect("the signature is good");
    assert_eq!(signer.project(), Some("p"));
}

#[test]
fn a_token_serves_until_shortly_before_its_end() {
    let (signer, clock) = signer();
    let first = token(&signer);
    clock.0.fetch_add(LIFE_S - SPARE_S - 1, Ordering::Relaxed);
    assert_eq!(token(&signer), first);
    clock.0.fetch_add(1, Ordering::Relaxed);
    assert_ne!(token(&signer), first);
    let second = token(&signer);
    clock.0.store(500_000, Ordering::Relaxed);
    assert_ne!(token(&signer), second, "a clock that was set back makes a new token");
}

#[test]
fn a_wrong_key_file_is_refused_without_being_quoted() {
    let clock: Arc<dyn Clock> = Arc::new(Hands(AtomicI64::new(0)));
    for text in ["secret", r#"{"client_email":"x","private_key":"secret"}"#] {
        let error = GoogleSigner::new(text, Arc::clone(&clock)).map(|_| ()).expect_err("refused");
        assert_eq!(error.kind(), Kind::NotConfigured);
        assert!(!error.full_message().contains("secret"), "{error}");
    }
}
