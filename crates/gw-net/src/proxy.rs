//! Which proxy a request goes through, if any. Pure: values in, a decision out.

mod no_proxy;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gw_core::{Error, Kind, Result};
use http::{HeaderValue, Uri};
use url::Url;

use crate::options::NetOptions;
use no_proxy::NoProxy;

/// A proxy: where it is and how to log in.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// Scheme, host and port, without credentials.
    pub(crate) uri: Uri,
    /// The `Proxy-Authorization` header, marked sensitive.
    pub(crate) authorization: Option<HeaderValue>,
}

/// The proxies of both schemes and the exceptions.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: NoProxy,
}

impl Proxies {
    pub(crate) fn new(options: &NetOptions) -> Result<Self> {
        Ok(Self {
            http: parse("http_proxy", &options.http_proxy)?,
            https: parse("https_proxy", &options.https_proxy)?,
            exceptions: NoProxy::parse(&options.no_proxy),
        })
    }

    /// The proxy for a target.
    pub(crate) fn for_target(&self, target: &Uri) -> Option<&Proxy> {
        let is_https = target.scheme_str() == Some("https");
        let proxy = if is_https { self.https.as_ref() } else { self.http.as_ref() }?;
        let port = target.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let host = target.host()?;
        (!self.exceptions.matches(host, port)).then_some(proxy)
    }
}

fn parse(field: &str, address: &str) -> Result<Option<Proxy>> {
    let address = address.trim();
    if address.is_empty() {
        return Ok(None);
    }
    // The usual short form `host:port` means http, as with curl.
    let full =
        if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    // The message never repeats the address: it may hold a password.
    let wrong = |what: &str| {
        Error::new(Kind::NotConfigured, format!("the proxy address {what}"))
            .with_field(field)
            .with_hint("Write it as http://user:password@host:port.")
    };
    let url = Url::parse(&full).map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(&format!("has the scheme `{}`; only http and https work", url.scheme())));
    }
    let host =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("has no host"))?;
    let port = url.port_or_known_default().unwrap_or(80);
    let uri =
        format!("{}://{host}:{port}", url.scheme()).parse().map_err(|_| wrong("is no URL"))?;
    Ok(Some(Proxy { uri, authorization: authorization(&url) }))
}

fn authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut login = percent_decoded(url.username());
    login.push(b':');
    login.extend(percent_decoded(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(login))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (bytes[at], byte) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (other, _) => {
                decoded.push(other);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests;
