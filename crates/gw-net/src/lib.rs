//! The only outgoing HTTP client: pools, TLS, proxies, timeouts, size caps and the guard on
//! addresses.
//!
//! Clouds whose key is no header have their requests signed here ([`sign`]). It implements [`gw_core::seam::Upstream`] and knows no provider, no wire format and no
//! configuration file; it never retries, never follows a redirect and never reads the environment
//! (but for the certificate variables that `rustls-native-certs` honours).

pub mod guard;
pub mod sign;

mod options;
mod tls;

mod connector;
mod proxy;
mod resolver;

mod body;
mod client;
mod failure;
mod upload;

pub use client::Client;
pub use options::NetOptions;
