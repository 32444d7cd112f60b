//! Causes that no loopback server can provoke.

use std::io;

use gw_core::{Kind, Retry};

use super::{Cause, Peer, cause_of};
use crate::connector::WayError;

fn peer() -> Peer {
    Peer { provider: "sim".into(), host: "host.test".into() }
}

#[test]
fn a_name_without_address_is_told_apart() {
    let error = io::Error::other(WayError::Dns(io::ErrorKind::NotFound.into()));
    assert!(matches!(cause_of(&error), Some(Cause::Dns)));
    let error = peer().explain(Cause::Dns, "before answering", error);
    assert_eq!(error.kind(), Kind::ProviderUnreachable);
    assert!(error.message().contains("host.test, which does not resolve"), "{error}");
}

#[test]
fn nested_io_errors_are_looked_into() {
    let inner = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
    let error = io::Error::other(inner);
    assert!(matches!(cause_of(&error), Some(Cause::Tls(_))));
    let error = io::Error::other(io::Error::from(io::ErrorKind::ConnectionReset));
    assert!(matches!(cause_of(&error), Some(Cause::Reset)));
    assert!(cause_of(&io::Error::other("anything")).is_none());
}

#[test]
fn a_metadata_name_is_never_tried_again() {
    let error = peer().explain(Cause::Metadata, "", WayError::Metadata);
    assert_eq!(error.retry(), Retry::Next);
    let error = peer().explain(Cause::TimedOut, "", io::Error::from(io::ErrorKind::TimedOut));
    assert_eq!(error.kind(), Kind::ProviderTimeout);
}
