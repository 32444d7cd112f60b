//! The `NO_PROXY` list, in the reading that curl, Go and Python share.

use std::net::IpAddr;

#[derive(Clone, Debug, Default)]
pub(super) struct NoProxy {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Host {
    Any,
    /// The name itself and everything below it, lower case, without leading dot.
    Name(String),
    Block {
        network: IpAddr,
        prefix_bits: u8,
    },
}

impl NoProxy {
    /// Reads a list; an entry that means nothing matches nothing.
    pub(super) fn parse(list: &str) -> Self {
        let entries = list
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|entry| !entry.is_empty())
            .filter_map(entry)
            .collect();
        Self { entries }
    }

    /// Says whether a target (host as in a URI, so an IPv6 address has brackets) is excepted.
    pub(super) fn matches(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let host = host.to_ascii_lowercase();
        let ip: Option<IpAddr> = host.parse().ok();
        self.entries.iter().any(|entry| {
            entry.port.is_none_or(|wanted| wanted == port)
                && match (&entry.host, ip) {
                    (Host::Any, _) => true,
                    (Host::Block { network, prefix_bits }, Some(ip)) => {
                        is_within(ip, *network, *prefix_bits)
                    }
                    (Host::Name(name), None) => is_below(&host, name),
                    _ => false,
                }
        })
    }
}

fn entry(text: &str) -> Option<Entry> {
    if text == "*" {
        return Some(Entry { host: Host::Any, port: None });
    }
    if let Some(block) = block(text) {
        return Some(Entry { host: block, port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    if host == "*" {
        return Some(Entry { host: Host::Any, port });
    }
    if let Some(block) = block(host) {
        return Some(Entry { host: block, port });
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    let name = name.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    (!name.is_empty()).then_some(Entry { host: Host::Name(name), port })
}

/// An address or a block of them: `10.0.0.0/8`, `::1`, `[fe80::]/10`, `[::1]`.
fn block(text: &str) -> Option<Host> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let network: IpAddr = bare.parse().ok()?;
    let most: u8 = if network.is_ipv4() { 32 } else { 128 };
    let prefix_bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
        None => most,
    };
    Some(Host::Block { network, prefix_bits })
}

fn is_within(ip: IpAddr, network: IpAddr, prefix_bits: u8) -> bool {
    let bits = u32::from(prefix_bits);
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

fn is_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
