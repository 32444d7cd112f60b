//! What the guard lets through and what it does not.

use std::net::IpAddr;

use gw_core::Kind;

use super::{check_url, is_metadata, is_private};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn private_addresses_are_told_from_public_ones() {
    for text in [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "fec0::1",
    ] {
        assert!(is_private(ip(text)), "{text}");
    }
    for text in
        ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
    {
        assert!(!is_private(ip(text)), "{text}");
    }
}

#[test]
fn metadata_services_are_known_in_every_spelling() {
    for text in [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "fd00:ec2::254",
    ] {
        assert!(is_metadata(ip(text)), "{text}");
    }
    assert!(!is_metadata(ip("169.254.1.1")));
    for address in [
        "http://169.254.169.254/latest/meta-data",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://169.254.43518/",
    ] {
        assert_eq!(check_url(address).unwrap_err().kind(), Kind::NotConfigured, "{address}");
    }
}

#[test]
fn only_plain_http_addresses_pass() {
    for address in ["http://127.0.0.1:11434/v1", "https://api.openai.com/v1", "http://[::1]:80/"] {
        assert!(check_url(address).is_ok(), "{address}");
    }
    for address in [
        "ftp://host/",
        "file:///etc/passwd",
        "gopher://x",
        "data:,x",
        "nonsense",
        "",
        "http://",
        "unix:/x",
    ] {
        assert!(check_url(address).is_err(), "{address}");
    }
    let error = check_url("https://user:hunter2@host/").unwrap_err();
    assert!(!error.full_message().contains("hunter2"));
}
