//! Tokens of Google's service accounts: a JWT that the account signs itself, which Google's APIs take
//! as a bearer token without an exchange (AIP-4111). One serves until five minutes before its end.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gw_core::seam::{Clock, OutgoingRequest};
use gw_core::{Error, Kind, Result};
use http::header::{AUTHORIZATION, HeaderValue};
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;

use super::Signer;

/// What the tokens are for: everything that the account may do in Google Cloud.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a token is good for, in seconds: the most that Google takes.
const LIFE_S: i64 = 3_600;
/// How long before its end a token is replaced, in seconds.
const SPARE_S: i64 = 300;

/// The key file of a service account; other members are not needed.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    project_id: Option<String>,
}

/// Signs as a service account.
pub struct GoogleSigner {
    email: String,
    key_id: Option<String>,
    project: Option<String>,
    key: RsaKeyPair,
    clock: Arc<dyn Clock>,
    token: Mutex<Option<Token>>,
}

struct Token {
    header: HeaderValue,
    ends_s: i64,
}

impl GoogleSigner {
    /// Reads a key file (JSON, as the console gives it).
    ///
    /// # Errors
    /// [`Kind::NotConfigured`] where it is no key file of a service account; the message quotes
    /// nothing of it.
    pub fn new(key_file: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let file: KeyFile = serde_json::from_str(key_file)
            .map_err(|_| unusable("it is not the JSON key file of a service account"))?;
        let key = read_pem(&file.private_key)
            .and_then(|der| RsaKeyPair::from_pkcs8(&der).ok())
            .ok_or_else(|| unusable("its `private_key` is no RSA key in PKCS #8"))?;
        Ok(Self {
            email: file.client_email,
            key_id: file.private_key_id,
            project: file.project_id,
            key,
            clock,
            token: Mutex::new(None),
        })
    }

    /// The project that the account belongs to.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    fn make(&self, now_s: i64) -> Result<Token> {
        let mut head = json!({"alg": "RS256", "typ": "JWT"});
        if let Some(id) = &self.key_id {
            head["kid"] = json!(id);
        }
        let ends_s = now_s + LIFE_S;
        let claims = json!({"iss": self.email, "sub": self.email, "scope": SCOPE,
            "iat": now_s, "exp": ends_s});
        let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
        let text = format!("{}.{}", encode(head.to_string()), encode(claims.to_string()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| Error::new(Kind::ProviderAuth, "the service account's key cannot sign"))?;
        let bearer = format!("Bearer {text}.{}", URL_SAFE_NO_PAD.encode(signature));
        let mut header = HeaderValue::from_str(&bearer)
            .map_err(|_| Error::new(Kind::ProviderAuth, "the token does not fit a header"))?;
        header.set_sensitive(true);
        Ok(Token { header, ends_s })
    }
}

impl Signer for GoogleSigner {
    fn sign(&self, request: &mut OutgoingRequest) -> Result<()> {
        let now_s = self.clock.unix_ms().div_euclid(1_000);
        let mut held = self.token.lock();
        let header = match &*held {
            // A clock that was set back makes tokens of the future, which Google refuses.
            Some(token) if token.ends_s - now_s > SPARE_S && token.ends_s - now_s <= LIFE_S => {
                token.header.clone()
            }
            _ => {
                let token = self.make(now_s)?;
                let header = token.header.clone();
                *held = Some(token);
                header
            }
        };
        drop(held);
        request.headers.insert(AUTHORIZATION, header);
        Ok(())
    }
}

fn unusable(why: &str) -> Error {
    Error::new(Kind::NotConfigured, format!("the service account cannot be used: {why}"))
        .with_hint("Give the key file that the Google Cloud console made for the account")
}

/// The bytes between the marks of a PEM text.
fn read_pem(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
mod tests;
