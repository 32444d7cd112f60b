//! The guard on addresses: which a request may go to.
//!
//! Hosts of provider requests come from configuration, so private hosts (a local Ollama) are
//! allowed. Never allowed are cloud metadata services, which hand out credentials to whoever asks,
//! whether named by address or by a name that resolves to one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gw_core::{Error, Kind, Result, Retry};
use url::{Host, Url};

/// Says whether an address is anything but public: loopback, private, link-local, shared, reserved,
/// documentation, multicast or unspecified (the IANA special-purpose registries, RFC 6890).
pub fn is_private(ip: IpAddr) -> bool {
    match unmapped(ip) {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => is_private_v6(ip),
    }
}

/// Says whether an address is a cloud metadata service. These are refused always.
pub fn is_metadata(ip: IpAddr) -> bool {
    match unmapped(ip) {
        IpAddr::V4(ip) => {
            // AWS, GCP, Azure and most others; AWS ECS and EKS; Alibaba; Oracle's older one.
            let octets = ip.octets();
            matches!(
                octets,
                [169, 254, 169, 254]
                    | [169, 254, 170, 2 | 23]
                    | [100, 100, 100, 200]
                    | [192, 0, 0, 192]
            )
        }
        IpAddr::V6(ip) => {
            // AWS IMDS and EKS over IPv6; GCP's IPv6 metadata address.
            let known: [Ipv6Addr; 3] = [
                Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
                Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
                Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
            ];
            known.contains(&ip)
        }
    }
}

/// Reads an address to send to.
///
/// # Errors
/// [`Kind::NotConfigured`] for what is no URL, a scheme other than `http` and `https`, a user name
/// or password in the URL, or a metadata service.
pub fn check_url(address: &str) -> Result<Url> {
    let url = Url::parse(address)
        .map_err(|error| refused(format!("the provider's address is no URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused(format!("the scheme `{}` is not http or https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("the provider's address holds a user name or password")
            .with_hint("Give the key as the provider's key, not in its base URL."));
    }
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        Some(Host::Domain(name)) => {
            if name.is_empty() {
                return Err(refused("the provider's address has no host"));
            }
            None
        }
        None => return Err(refused("the provider's address has no host")),
    };
    match ip {
        Some(ip) if is_metadata(ip) => {
            Err(refused(format!("`{ip}` is a cloud metadata service, never a provider")))
        }
        _ => Ok(url),
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Kind::NotConfigured, message)
        .with_hint("Check the base URL of this provider in the configuration.")
        .with_retry(Retry::Next)
}

/// The IPv4 address inside an IPv6 one (mapped, or translated by NAT64's well-known prefix).
fn unmapped(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let bits = (u32::from(high) << 16) | u32::from(low);
            IpAddr::V4(Ipv4Addr::from_bits(bits))
        }
        _ => ip,
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && matches!(b, 18 | 19))
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_unique_local()
        || ip.is_unicast_link_local()
        || (segments[0] == 0x2001 && segments[1] == 0xdb8)
        || (segments[0] & 0xffc0) == 0xfec0
}

#[cfg(test)]
mod tests;
