//! The example loads as it is, and with every key uncommented.

use crate::example;
use crate::load::tests::Bench;

/// Removes the marks before keys and headings; documentation has a blank after its mark.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_example_means_the_defaults() {
    let plain = serde_json::to_string(Bench::new().good().settings.as_ref()).unwrap();
    let loaded = Bench::new().toml(&example()).good();
    assert_eq!(serde_json::to_string(loaded.settings.as_ref()).unwrap(), plain);
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_example_loads_with_every_key_uncommented() {
    let text = uncommented(&example());
    let loaded = Bench::new()
        .env("OPENAI_API_KEY", "sk-1")
        .env("MY_GATEWAY_KEY", "gateway-key")
        .env("MY_PROVIDER_KEY", "provider-key")
        .env("LAPTOP_KEY", "laptop-key")
        .env("OIDC_JWKS", "{\"keys\": []}")
        .env("OIDC_SECRET", "0123456789abcdef0123456789abcdef")
        .env("ALERT_URL", "https://alerts.example/gateway")
        .env("ALERT_SECRET", "between-us")
        .toml(&text)
        .load();
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert!(loaded.settings.providers["my-endpoint"].enabled);
    // Every key that can be used is there.
    for key in crate::reference::keys() {
        let last = key.path.rsplit('.').next().unwrap();
        let is_there = last.starts_with('<') || text.contains(&format!("{last} = "));
        let is_table = text.contains(&format!("[{}]", key.path));
        let is_unavailable = crate::schema::is_unavailable(key.schema);
        assert!(is_there || is_table || is_unavailable, "{}", key.path);
    }
}

#[test]
fn the_example_reads_well() {
    insta::assert_snapshot!(example());
}
