//! Amazon's Signature Version 4, as the guide "Create a signed AWS API request" describes it.

use std::fmt::Write as _;
use std::sync::Arc;

use gw_core::seam::{Clock, OutgoingRequest};
use gw_core::{Error, Kind, Result};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Uri};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use super::Signer;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Signs with an access key.
pub struct AwsSigner {
    /// The id of the access key; it may be shown.
    pub access_key_id: String,
    /// The secret of the access key.
    pub secret_access_key: SecretString,
    /// The token of temporary credentials.
    pub session_token: Option<SecretString>,
    /// The region the service is in: `eu-west-1`.
    pub region: String,
    /// The service's name in signatures: `bedrock`.
    pub service: String,
    /// Dates signatures; they are good for five minutes.
    pub clock: Arc<dyn Clock>,
}

impl Signer for AwsSigner {
    fn sign(&self, request: &mut OutgoingRequest) -> Result<()> {
        let uri: Uri = request.url.parse().map_err(|_| unsignable("its address is not a URL"))?;
        let host = uri.authority().ok_or_else(|| unsignable("its address names no host"))?;
        let (date_time, date) = self.now()?;
        request.headers.insert(DATE, header(&date_time, false)?);
        if let Some(token) = &self.session_token {
            request.headers.insert(TOKEN, header(token.expose_secret(), true)?);
        }
        let (names, lines) = signed_headers(&request.headers, host.as_str());
        let canonical = [
            request.method.as_str(),
            &canonical_path(uri.path()),
            &canonical_query(uri.query().unwrap_or_default()),
            &lines,
            &names,
            &hex(digest(&SHA256, &request.body).as_ref()),
        ]
        .join("\n");
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let hash = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
        let to_sign = format!("{ALGORITHM}\n{date_time}\n{scope}\n{hash}");
        let signature = hex(hmac(&self.key(&date), to_sign.as_bytes()).as_ref());
        let id = &self.access_key_id;
        let text = format!(
            "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        request.headers.insert(AUTHORIZATION, header(&text, true)?);
        Ok(())
    }
}

impl AwsSigner {
    /// `20150830T123600Z` and `20150830`.
    fn now(&self) -> Result<(String, String)> {
        let now = Timestamp::from_millisecond(self.clock.unix_ms())
            .map_err(|_| unsignable("the clock is out of range"))?;
        Ok((now.strftime("%Y%m%dT%H%M%SZ").to_string(), now.strftime("%Y%m%d").to_string()))
    }

    /// The key of one day, region and service.
    fn key(&self, date: &str) -> hmac::Tag {
        let start = format!("AWS4{}", self.secret_access_key.expose_secret());
        let first =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, start.as_bytes()), date.as_bytes());
        [self.region.as_str(), self.service.as_str(), "aws4_request"]
            .into_iter()
            .fold(first, |key, word| hmac(&key, word.as_bytes()))
    }
}

fn hmac(key: &hmac::Tag, text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), text)
}

fn unsignable(why: &str) -> Error {
    Error::new(Kind::ProviderAuth, format!("a request to Amazon cannot be signed: {why}"))
        .with_hint("Check base_url and the aws_ keys of this provider")
}

fn header(text: &str, is_secret: bool) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| unsignable("the credentials hold characters that no header can carry"))?;
    value.set_sensitive(is_secret);
    Ok(value)
}

/// Names joined by `;`, and lines of names with values. `host`, the type and everything of Amazon's
/// is signed; what proxies may touch is not.
fn signed_headers(headers: &HeaderMap, host: &str) -> (String, String) {
    let mut signed = vec![("host".to_owned(), host.to_owned())];
    for name in headers.keys() {
        if name == "content-type" || name.as_str().starts_with("x-amz") {
            let values = headers.get_all(name).iter().filter_map(|it| it.to_str().ok());
            let words = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
            let joined: Vec<String> = values.map(words).collect();
            signed.push((name.as_str().to_owned(), joined.join(",")));
        }
    }
    signed.sort();
    let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
    let lines = signed.iter().fold(String::new(), |mut lines, (name, value)| {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{name}:{value}");
        lines
    });
    (names.join(";"), lines)
}

/// The path as it is sent, encoded once more: all services but S3 want it so.
fn canonical_path(path: &str) -> String {
    if path.is_empty() { "/".to_owned() } else { encoded(path, true) }
}

/// Pairs in order of their names, as they are sent.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn encoded(text: &str, keeps_slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if keeps_slashes => out.push('/'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use gw_core::ProviderId;
    use gw_core::seam::{Clock, OutgoingRequest, Timeouts};
    use http::{HeaderMap, HeaderValue, Method};

    use super::{AwsSigner, canonical_path};
    use crate::sign::Signer;

    /// 30 August 2015, 12:36:00 UTC: the date of Amazon's examples.
    struct Then;

    impl Clock for Then {
        fn unix_ms(&self) -> i64 {
            1_440_938_160_000
        }

        fn monotonic_ms(&self) -> u64 {
            0
        }
    }

    fn signer(session_token: Option<&str>) -> AwsSigner {
        AwsSigner {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: session_token.map(Into::into),
            region: "us-east-1".to_owned(),
            service: "iam".to_owned(),
            clock: Arc::new(Then),
        }
    }

    fn request() -> OutgoingRequest {
        let mut headers = HeaderMap::new();
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        headers.insert("content-type", HeaderValue::from_static(form));
        OutgoingRequest {
            provider: ProviderId::from("bedrock"),
            method: Method::GET,
            url: "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08".to_owned(),
            headers,
            body: Bytes::new(),
            timeouts: Timeouts::default(),
            response_bytes_max: 1,
        }
    }

    /// The worked example of Amazon's guide to Signature Version 4.
    #[test]
    fn the_example_of_the_guide_has_its_signature() {
        let mut request = request();
        signer(None).sign(&mut request).expect("is signed");
        assert_eq!(
            request.headers["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
        assert!(request.headers["authorization"].is_sensitive());
    }

    #[test]
    fn a_session_token_is_signed_along() {
        let mut request = request();
        signer(Some("token")).sign(&mut request).expect("is signed");
        assert_eq!(request.headers["x-amz-security-token"], "token");
        let text = request.headers["authorization"].to_str().expect("text");
        assert!(text.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,"));
    }

    #[test]
    fn a_path_is_encoded_once_more() {
        assert_eq!(canonical_path("/model/a%3A0/converse"), "/model/a%253A0/converse");
        assert_eq!(canonical_path(""), "/");
    }
}
