//! No secret ever leaves by way of a text that this room writes.

use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert, proptest};

use super::Bench;
use crate::env::ENV_VARS;
use crate::reference;
use crate::schema::{self, Kind};
use crate::show;

/// Everything that the room can print about a load.
fn printed(bench: &Bench) -> String {
    match bench.load() {
        Ok(loaded) => {
            let json = serde_json::to_string(loaded.settings.as_ref()).unwrap();
            format!("{}\n{loaded:?}\n{json}", show(&loaded))
        }
        Err(errors) => format!("{errors}\n{errors:?}"),
    }
}

/// Texts long and odd enough not to occur by themselves.
fn secret() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(b"zqxjk0189_-".to_vec()), 12..40)
        .prop_map(|bytes| format!("Zq{}", String::from_utf8(bytes).unwrap()))
}

/// A value of the key with the secret inside, in TOML; some are of the wrong type.
fn placed(path: &str, secret: &str, shape: usize) -> String {
    let value = match shape {
        0 => format!("\"{secret}\""),
        1 => format!("[\"{secret}\"]"),
        2 => format!("{{ x-a = \"{secret}\" }}"),
        3 => format!("\"{secret}"),
        4 => secret.to_owned(),
        _ => format!("\"http://u:{secret}@host.example/\""),
    };
    format!("{path} = {value}\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn secrets_in_the_file_are_never_printed(secret in secret(), key in 0_usize..1000, shape in 0_usize..6) {
        let keys: Vec<String> = reference::keys()
            .into_iter()
            .filter(|key| schema::holds_secret(key.schema) && !key.path.contains("[]"))
            .filter(|key| !matches!(schema::kind(key.schema), Kind::FreeTable))
            .map(|key| key.path.replace("<id>", "vllm"))
            .collect();
        let path = &keys[key % keys.len()];
        let bench = Bench::new().toml(&placed(path, &secret, shape));
        let text = printed(&bench);
        prop_assert!(!text.contains(&secret), "{}\n{}", path, text);
    }

    #[test]
    fn secrets_in_variables_are_never_printed(secret in secret(), at in 0_usize..1000, spaced in prop::bool::ANY) {
        let is_secret = |name: &str| {
            ["KEY", "PASSWORD", "HF_TOKEN", "PROXY", "DATABASE_URL"].iter().any(|word| name.to_uppercase().contains(word))
                && !name.to_uppercase().contains("NO_PROXY")
        };
        let names: Vec<&str> =
            ENV_VARS.iter().map(|var| var.name.as_ref()).filter(|name| is_secret(name)).collect();
        let value = if spaced { format!("{secret} {secret}") } else { secret.clone() };
        let name = names[at % names.len()];
        let text = printed(&Bench::new().env(name, &value));
        prop_assert!(!text.contains(&secret), "{}\n{}", name, text);
        let text = printed(&Bench::new().write(".env", &format!("{name}=\"{value}\"\n")));
        prop_assert!(!text.contains(&secret), "{}\n{}", name, text);
    }
}

#[test]
fn the_property_looks_at_the_keys_that_matter() {
    let secret: Vec<String> = reference::keys()
        .into_iter()
        .filter(|key| schema::holds_secret(key.schema))
        .map(|key| key.path)
        .collect();
    for path in [
        "server.key",
        "server.keys[].key",
        "providers.<id>.api_key",
        "providers.<id>.api_keys",
        "providers.<id>.headers",
        "proxy.https",
        "client.api_key",
        "endpoint.api_key",
        "store.url",
        "store.db_password",
    ] {
        assert!(secret.iter().any(|key| key == path), "{path} in {secret:?}");
    }
}
