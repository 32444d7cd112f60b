use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::{add_cors, check_host, check_page, host_of};
use crate::app::ServerOptions;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        })
        .collect()
}

#[test]
fn foreign_hosts_are_refused_on_loopback_only() {
    let options =
        ServerOptions { host_names: vec!["gw.lan".to_owned()], ..ServerOptions::default() };
    let check = |host: &str, expected: bool| {
        let found = check_host(&options, &Uri::from_static("/"), &headers(&[("host", host)]));
        assert_eq!(found.is_ok(), expected, "{host}");
    };
    check("localhost", true);
    check("LOCALHOST:3000", true);
    check("app.localhost:3000", true);
    check("127.0.0.1:3000", true);
    check("[::1]:3000", true);
    check("192.168.1.5", true);
    check("gw.lan:3000", true);
    check("evil.example", false);
    check("localhost.evil.example", false);
    check("127.0.0.1.evil.example:3000", false);
    let open = ServerOptions { is_loopback: false, ..ServerOptions::default() };
    let headers = headers(&[("host", "evil.example")]);
    assert!(check_host(&open, &Uri::from_static("/"), &headers).is_ok());
}

#[test]
fn http2_names_its_host_in_the_address() {
    let options = ServerOptions::default();
    let foreign = Uri::from_static("http://evil.example/v1/route");
    assert!(check_host(&options, &foreign, &HeaderMap::new()).is_err());
    let own = Uri::from_static("http://localhost:3000/v1/route");
    assert!(check_host(&options, &own, &HeaderMap::new()).is_ok());
}

#[test]
fn foreign_pages_are_refused() {
    let options = ServerOptions {
        cors_origins: vec!["https://ui.example".to_owned()],
        ..ServerOptions::default()
    };
    let check = |origin: &str, expected: bool| {
        let headers = headers(&[("origin", origin), ("host", "gateway.lan:3000")]);
        assert_eq!(check_page(&options, &headers).is_ok(), expected, "{origin}");
    };
    check("https://evil.example", false);
    check("null", false);
    check("https://ui.example", true);
    check("http://localhost:5173", true);
    check("http://127.0.0.1:5173", true);
    check("http://gateway.lan:3000", true);
    check("vscode-webview://abc", true);
    assert!(check_page(&options, &HeaderMap::new()).is_ok());
}

#[test]
fn cors_names_the_configured_origin() {
    let cors = |origins: &[&str], asked: &[(&str, &str)]| {
        let cors_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let options = ServerOptions { cors_origins, ..ServerOptions::default() };
        let mut out = HeaderMap::new();
        add_cors(&options, &headers(asked), &mut out);
        let allowed = out.get("access-control-allow-origin").cloned();
        (allowed.map(|value| value.to_str().unwrap_or("?").to_owned()), out)
    };
    assert_eq!(cors(&[], &[("origin", "https://a.example")]).0, None);
    assert_eq!(cors(&["*"], &[]).0.as_deref(), Some("*"));
    assert_eq!(cors(&["https://a.example"], &[]).0.as_deref(), Some("https://a.example"));
    let two = ["https://a.example", "https://b.example"];
    let (origin, out) = cors(&two, &[("origin", "https://b.example")]);
    assert_eq!(origin.as_deref(), Some("https://b.example"));
    assert_eq!(out["vary"], "origin");
    assert_eq!(out["access-control-allow-methods"], "GET, POST, PUT, DELETE, OPTIONS");
    assert_eq!(out["access-control-allow-headers"], "Content-Type, Authorization");
    assert_eq!(cors(&two, &[("origin", "https://c.example")]).0, None);
    let (_, out) = cors(&["*"], &[("access-control-request-headers", "x-stainless-lang")]);
    assert_eq!(
        out["access-control-allow-headers"],
        "Content-Type, Authorization, x-stainless-lang"
    );
}

#[test]
fn hosts_lose_port_and_brackets() {
    for (text, expected) in
        [("a", "a"), ("a:1", "a"), ("[::1]:80", "::1"), ("::1", "::1"), ("a:b", "a:b"), ("", "")]
    {
        assert_eq!(host_of(text), expected, "{text}");
    }
}
