//! Which targets go through which proxy.

use gw_core::Kind;
use http::Uri;

use super::Proxies;
use crate::options::NetOptions;

fn goes_through(no_proxy: &str, target: &str) -> bool {
    let proxies = Proxies::new(&NetOptions {
        http_proxy: "http://plain:3128".into(),
        https_proxy: "http://secure:3129".into(),
        no_proxy: no_proxy.into(),
        ..NetOptions::default()
    })
    .unwrap();
    let target: Uri = target.parse().unwrap();
    proxies.for_target(&target).is_some()
}

#[test]
fn the_list_of_exceptions_is_read_as_curl_reads_it() {
    let cases = [
        ("", "http://127.0.0.1:1/", true),
        ("*", "https://api.example.com/", false),
        ("example.com", "https://example.com/", false),
        ("example.com", "https://api.example.com/", false),
        ("example.com", "https://badexample.com/", true),
        (".example.com", "https://api.example.com/", false),
        (".example.com", "https://example.com/", false),
        ("*.example.com", "https://api.example.com/", false),
        ("EXAMPLE.com", "https://API.example.COM/", false),
        ("example.com:8080", "http://example.com:8080/", false),
        ("example.com:8080", "http://example.com/", true),
        ("example.com:443", "https://example.com/", false),
        ("localhost, 127.0.0.1", "http://127.0.0.1:11434/", false),
        ("localhost 127.0.0.1", "http://localhost:11434/", false),
        ("127.0.0.1:80", "http://127.0.0.1:81/", true),
        ("10.0.0.0/8", "http://10.9.8.7/", false),
        ("10.0.0.0/8", "http://11.0.0.1/", true),
        ("0.0.0.0/0", "http://11.0.0.1/", false),
        ("10.0.0.0/8:90", "http://10.0.0.1:90/", false),
        ("10.0.0.0/33", "http://10.0.0.1/", true),
        ("fd00::/8", "http://[fd12::1]:80/", false),
        ("::1", "http://[::1]:80/", false),
        ("[::1]:81", "http://[::1]:80/", true),
        ("::/0", "http://10.0.0.1/", true),
        ("1.2.3", "http://5.1.2.3/", true),
        (",, ,", "http://a/", true),
    ];
    for (list, target, expected) in cases {
        assert_eq!(goes_through(list, target), expected, "{list:?} {target}");
    }
}

#[test]
fn each_scheme_has_its_own_proxy_and_logs_in() {
    let options = NetOptions {
        http_proxy: "user:p%40ss@plain".into(),
        https_proxy: String::new(),
        ..NetOptions::default()
    };
    let proxies = Proxies::new(&options).unwrap();
    assert!(proxies.for_target(&"https://x/".parse().unwrap()).is_none());
    let target: Uri = "http://x/".parse().unwrap();
    let proxy = proxies.for_target(&target).unwrap();
    assert_eq!(proxy.uri.to_string(), "http://plain:80/");
    let header = proxy.authorization.as_ref().unwrap();
    assert_eq!(header.to_str().unwrap(), "Basic dXNlcjpwQHNz");
    assert!(header.is_sensitive());
}

#[test]
fn a_bad_proxy_address_is_refused_without_showing_it() {
    for address in ["socks5://user:hunter2@host:1080", "http://user:hunter2@:80", "http://[hunter2"]
    {
        let options = NetOptions { https_proxy: address.into(), ..NetOptions::default() };
        let error = Proxies::new(&options).unwrap_err();
        assert_eq!(error.kind(), Kind::NotConfigured);
        assert_eq!(error.field(), Some("https_proxy"));
        assert!(!format!("{error} {error:?} {options:?}").contains("hunter2"), "{address}");
    }
}
