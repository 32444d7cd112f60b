//! From library errors to the gateway's: what broke, at whose end, and what to do about it.
//!
//! Texts name the host but never the path or query: some providers take keys there.

use std::error::Error as StdError;
use std::io;

use gw_core::{Error, Kind, ProviderId, Retry};

use crate::connector::WayError;

/// Whom the exchange is with, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) provider: ProviderId,
    /// Host and, where it is unusual, port.
    pub(crate) host: String,
}

/// Which timeout ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Connect,
    Upload,
    FirstByte,
    Idle,
    Total,
}

impl Peer {
    /// An error of running out of time.
    pub(crate) fn timeout(&self, waited: Waited, limit_ms: u64) -> Error {
        let Self { provider, host } = self;
        let (what, which) = match waited {
            Waited::Connect => ("gave no connection", "connect timeout"),
            Waited::Upload => ("took no more of the request", "idle timeout"),
            Waited::FirstByte => ("gave no first byte of an answer", "first-byte timeout"),
            Waited::Idle => ("sent no more of its answer", "idle timeout"),
            Waited::Total => ("was not done", "total timeout"),
        };
        Error::new(
            Kind::ProviderTimeout,
            format!("provider `{provider}` ({host}) {what} within {limit_ms} ms ({which})"),
        )
        .with_provider(provider.clone())
    }

    /// An error of an answer over the size limit.
    pub(crate) fn too_large(&self, bytes_max: usize) -> Error {
        let Self { provider, .. } = self;
        Error::new(
            Kind::ProviderTooLarge,
            format!("the answer of provider `{provider}` is over the limit of {bytes_max} bytes"),
        )
        .with_provider(provider.clone())
    }

    /// An error of a compressed answer, which was not asked for.
    pub(crate) fn compressed(&self, encoding: &str) -> Error {
        let Self { provider, .. } = self;
        Error::new(
            Kind::ProviderMalformed,
            format!("provider `{provider}` sent a body in encoding `{encoding}` unasked"),
        )
        .with_hint("Turn compression off at the endpoint or at the proxy before it.")
        .with_provider(provider.clone())
    }

    /// An error of the way there, or of the connection before the answer began.
    pub(crate) fn unreachable(&self, error: hyper_util::client::legacy::Error) -> Error {
        let cause = cause_of(&error);
        self.explain(cause.unwrap_or(Cause::Other), "before answering", error)
    }

    /// An error of the connection while the answer was arriving.
    pub(crate) fn broke_off(&self, error: hyper::Error) -> Error {
        let cause = cause_of(&error);
        self.explain(cause.unwrap_or(Cause::Other), "in the middle of its answer", error)
    }

    fn explain(
        &self,
        cause: Cause,
        when: &str,
        source: impl StdError + Send + Sync + 'static,
    ) -> Error {
        let Self { provider, host } = self;
        let kind = match cause {
            Cause::TimedOut => Kind::ProviderTimeout,
            _ => Kind::ProviderUnreachable,
        };
        let (what, hint, retry) = explain_way(cause, host, when);
        let error = Error::new(kind, format!("provider `{provider}` {what}"))
            .with_hint(hint)
            .with_provider(provider.clone())
            .with_source(source);
        match retry {
            Some(retry) => error.with_retry(retry),
            None => error,
        }
    }
}

/// What happened, how to mend it, and what to try where that is not the kind's own verdict.
type Explanation = (String, &'static str, Option<Retry>);

/// Explains what keeps a connection from being made.
fn explain_way(cause: Cause, host: &str, when: &str) -> Explanation {
    match cause {
        Cause::Refused => (
            format!("refused the connection at {host}"),
            "Nothing listens there: check that it runs, and the base URL.",
            None,
        ),
        Cause::Dns => (
            format!("has the host {host}, which does not resolve"),
            "Check the base URL for typing errors, and the name server.",
            None,
        ),
        Cause::Metadata => (
            format!("has the host {host}, which resolves to a cloud metadata service"),
            "Such addresses are never sent to; check the base URL.",
            Some(Retry::Next),
        ),
        Cause::Tls(detail) => (
            format!("could not be spoken to securely at {host}: {detail}"),
            "Where the certificate comes from a company's own authority, set SSL_CERT_FILE; \
             where the port does not speak TLS, use http:// in the base URL.",
            Some(Retry::Next),
        ),
        Cause::Unroutable => (
            format!("has the host {host}, to which there is no route"),
            "Check the network connection, and whether a proxy is needed (HTTPS_PROXY).",
            None,
        ),
        Cause::TimedOut => (
            format!("gave no connection at {host} in time (connect timeout)"),
            "Check the network connection, and whether a proxy is needed (HTTPS_PROXY).",
            Some(Retry::Next),
        ),
        broken => explain_break(&broken, host, when),
    }
}

/// Explains what ends a connection, and what a proxy does.
fn explain_break(cause: &Cause, host: &str, when: &str) -> Explanation {
    match cause {
        Cause::Reset => (
            format!("reset the connection to {host} {when}"),
            "The provider or something on the way broke off; trying again may help.",
            None,
        ),
        Cause::Closed => (
            format!("closed the connection to {host} {when}"),
            "The provider or something on the way broke off; trying again may help.",
            None,
        ),
        Cause::NotHttp => (
            format!("sent what is no HTTP from {host}"),
            "Check the scheme and port of the base URL.",
            Some(Retry::Next),
        ),
        Cause::Tunnel(status) => explain_tunnel(*status),
        Cause::Proxy => (
            "is behind a proxy that cannot be reached".to_owned(),
            "Check HTTP_PROXY and HTTPS_PROXY, or name the host in NO_PROXY.",
            None,
        ),
        _ => (
            format!("could not be reached at {host} or broke off {when}"),
            "Trying again may help; the log has the cause.",
            None,
        ),
    }
}

fn explain_tunnel(status: u16) -> Explanation {
    match status {
        407 => (
            "is behind a proxy that wants a login".to_owned(),
            "Write user and password into HTTPS_PROXY: http://user:password@host:port.",
            Some(Retry::Next),
        ),
        0 => (
            "is behind a proxy that does not speak HTTP".to_owned(),
            "Check HTTPS_PROXY.",
            Some(Retry::Next),
        ),
        status => (
            format!("is behind a proxy that refused the tunnel with status {status}"),
            "The proxy may not allow this host or port; NO_PROXY names hosts to reach without it.",
            Some(Retry::Next),
        ),
    }
}

#[derive(Debug)]
enum Cause {
    Refused,
    Dns,
    Metadata,
    Tls(String),
    Unroutable,
    TimedOut,
    Reset,
    Closed,
    NotHttp,
    Tunnel(u16),
    Proxy,
    Other,
}

/// The first error of the chain that says something definite.
fn cause_of(error: &(dyn StdError + 'static)) -> Option<Cause> {
    if let Some(way) = error.downcast_ref::<WayError>() {
        return Some(match way {
            WayError::Dns(_) => Cause::Dns,
            WayError::Metadata => Cause::Metadata,
            WayError::Tunnel(status) => Cause::Tunnel(*status),
            WayError::Proxy(_) => Cause::Proxy,
        });
    }
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(Cause::Tls(tls.to_string()));
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return cause_of_io(io);
    }
    if let Some(http) = error.downcast_ref::<hyper::Error>() {
        if http.is_parse() {
            return Some(Cause::NotHttp);
        }
        if http.is_incomplete_message() || http.is_closed() || http.is_canceled() {
            return Some(Cause::Closed);
        }
    }
    error.source().and_then(cause_of)
}

fn cause_of_io(error: &io::Error) -> Option<Cause> {
    // `io::Error::source` skips the error that it wraps, so that is asked first.
    if let Some(inner) = error.get_ref()
        && let Some(cause) = cause_of(inner)
    {
        return Some(cause);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(Cause::Refused),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Some(Cause::Reset),
        io::ErrorKind::UnexpectedEof => Some(Cause::Closed),
        io::ErrorKind::TimedOut => Some(Cause::TimedOut),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Some(Cause::Unroutable),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
