//! Texts that people read when something is wrong.

use super::{Bench, warnings};

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let bench = Bench::new()
        .toml(
            r#"port = 8080
[server]
port = "eighty"
host = "not a host"
[routing]
defualt_layer = "L1"
max_escalation_layer = "L9"
[log]
level = "loud"
[cost]
alert_threshold_usd = "a lot"
[providers.opnai]
api_key = "sk-secret"
[providers.openai]
api_key = 12345
timeouts = { connect_ms = 0 }
[[models]]
layer = "L0"
[[models]]
id = "gpt-5"
"#,
        )
        .write(".env", "API_CORS_ORIGIN=not-an-origin\nREQUEST_TIMEOUT=soon\n")
        .env("LAYER_L0_ENABLED", "perhaps")
        .env("GATEWAY_SERVER_PORT", "1")
        .env("GATEWAY_RUOTING__CLASSIFY", "model")
        .flag("server.prot", "1");
    insta::assert_snapshot!(bench.errors());
}

#[test]
fn syntax_errors_name_their_place_and_not_their_text() {
    let bench = Bench::new().toml("[server]\nport = \n[log\nlevel = \"info\"\n[providers.openai]\napi_key = \"sk-very-secret\n");
    let errors = bench.errors();
    assert!(!errors.contains("sk-very-secret"), "{errors}");
    insta::assert_snapshot!(errors);
}

#[test]
fn a_key_that_stands_twice_is_an_error() {
    let errors = Bench::new().toml("[server]\nport = 1\nport = 2\n").errors();
    assert!(errors.starts_with("gateway.toml:3:1: "), "{errors}");
}

#[test]
fn columns_count_characters() {
    let bench = Bench::new().toml("aliases = { \"grün\" = \"L1\", b = 1 }\n");
    assert!(bench.errors().starts_with("gateway.toml:1:32: aliases.b is 1"), "{}", bench.errors());
}

#[test]
fn keys_in_the_wrong_section_are_sent_to_the_right_one() {
    let errors = Bench::new().toml("[log]\nport = 1\n").errors();
    assert_eq!(errors, "gateway.toml:2:1: log.port is not a known key; did you mean server.port?");
}

#[test]
fn the_last_word_of_a_key_is_enough_to_find_it() {
    let errors = Bench::new().env("GATEWAY_PORT", "8080").flag("port", "1").errors();
    insta::assert_snapshot!(errors, @r"
    environment: GATEWAY_PORT: GATEWAY_PORT is not a known variable; did you mean GATEWAY_SERVER__PORT?
    flag: port: port is not a known key; did you mean server.port?
    ");
}

#[test]
fn sections_cannot_be_set_as_a_whole() {
    assert!(Bench::new().env("GATEWAY_SERVER", "{ port = 1 }").load().is_err());
    assert!(Bench::new().flag("providers.openai", "{}").load().is_err());
    assert!(Bench::new().flag("", "").load().is_err());
}

#[test]
fn placeholders_that_lead_nowhere_are_errors() {
    let bench = Bench::new().toml(
        "[providers.openai]\napi_key = \"{env:ABSENT}\"\n[server]\nkey = \"{file:absent}\"\n",
    );
    insta::assert_snapshot!(bench.errors(), @r"
    gateway.toml:2:11: providers.openai.api_key refers to the environment variable ABSENT, which is not set; set ABSENT, or remove the key
    gateway.toml:4:7: server.key refers to the file absent, which cannot be read: there is no such file; check the path; relative ones start at the folder of this file
    ");
}

#[test]
fn databases_of_other_kinds_are_refused() {
    let bench =
        Bench::new().toml("[store]\nurl = \"mysql://u:pw@h/d\"\nredis_url = \"redis://h\"\n");
    insta::assert_snapshot!(bench.errors(), @r"
    gateway.toml:2:7: store.url is not the address of a PostgreSQL database; write it like postgres://user:password@host:5432/database
    gateway.toml:3:13: store.redis_url is set, but the Redis store is not in this version; remove it
    ");
}

#[test]
fn relations_between_keys_are_checked() {
    for (toml, expected) in [
        ("[server]\nkey = \"short\"\n", "gateway.toml:2:7: server.key is too short"),
        (
            "[[server.keys]]\nid = \"a\"\nkey = \"12345678\"\n[[server.keys]]\nid = \"a\"\nkey = \"12345678\"\n",
            "gateway.toml:6:7: server.keys[1].key is the same as another key",
        ),
        (
            "[providers.openai]\nenabled = true\n",
            "providers.openai is on and has no api_key; set providers.openai.api_key, or OPENAI_API_KEY",
        ),
        (
            "[providers.mine]\ndialect = \"openai-chat\"\n",
            "providers.mine is on and has no base_url; set providers.mine.base_url",
        ),
        ("[providers.\"A/b\"]\nenabled = true\n", "is not an id that a provider can have"),
        (
            "[providers.vllm]\nbase_url = \"http://u:pw@h/v1\"\n",
            "gateway.toml:2:12: providers.vllm.base_url holds a user name or password",
        ),
        (
            "[providers.openai]\napi_key = \"a b\"\n",
            "providers.openai.api_key has characters that a header cannot carry",
        ),
        ("[providers.vllm]\nheaders = { \"a b\" = \"c\" }\n", "cannot be an HTTP header"),
        ("[aliases]\na = \"b\"\nb = \"a\"\n", "gateway.toml:2:5: aliases.a leads back to itself"),
        ("[aliases]\nL1 = \"b\"\n", "aliases.L1 has a meaning of its own"),
        (
            "[layers.bands]\nl1_below_usd_per_million = 5\nl2_below_usd_per_million = 5.0\n",
            "is not below",
        ),
        ("[[models]]\nid = \"opnai/x\"\n", "did you mean \"openai/x\"?"),
        ("[defaults]\nprovider = \"opnai\"\n", "did you mean \"openai\"?"),
        (
            "[defaults]\ntemperature = 3\n",
            "defaults.temperature is 3, expected a number from 0 to 2",
        ),
        ("[proxy]\nhttp = \"proxy:3128\"\n", "proxy.http is not the address of an HTTP proxy"),
        ("[models]\n", "models is a table, expected a list of tables"),
        ("[cost]\nalert_threshold_usd = -1\n", "cost.alert_threshold_usd is -1, expected"),
        (
            "[server]\nport = 70000\n",
            "server.port is 70000, expected a whole number from 0 to 65535; for example port = 3000",
        ),
        (
            "[server]\nport = 99999999999999999999999999999999999999999999\n",
            "expected a whole number",
        ),
    ] {
        let errors = Bench::new().toml(toml).errors();
        assert!(errors.contains(expected), "{toml}\n{errors}");
        assert!(!errors.contains("pw"), "{errors}");
    }
}

#[test]
fn aliases_of_aliases_are_followed() {
    let settings = Bench::new().toml("[aliases]\na = \"b\"\nb = \"openai/x\"\n").good().settings;
    assert_eq!(settings.aliases["a"], "openai/x");
}

#[test]
fn prices_stay_exact() {
    let bench = Bench::new().toml(
        "[[models]]\nid = \"ollama/x\"\nlayer = \"l1\"\nusd_per_million = { input = 0.075, cache_read = \"0.0000001\", output = 3 }\nweb_search_usd_per_thousand = 10\n",
    );
    let settings = bench.good().settings;
    let model = &settings.models[0];
    let prices: Vec<u64> = model.usd_per_million.0.values().map(|p| p.0.pico_per_unit()).collect();
    assert_eq!(prices, [75_000, 0, 3_000_000]);
    assert_eq!(model.web_search_usd_per_thousand.unwrap().0.pico_per_unit(), 10_000_000_000);
}

#[test]
fn a_provider_without_its_key_is_off_and_says_so() {
    let loaded = Bench::new().toml("[providers.mistral]\nmodels_allow = [\"a\"]\n").good();
    assert!(!loaded.settings.providers["mistral"].enabled);
    assert_eq!(
        warnings(&loaded),
        ["gateway.toml:1:1: providers.mistral has no api_key, so it is off; set MISTRAL_API_KEY"]
    );
}

#[test]
fn odd_lines_of_dotenv_are_named() {
    let bench = Bench::new().write(".env", "A=1\nnonsense\nB='open\n");
    assert_eq!(
        bench.errors(),
        ".env:3:1: the quote that opens here is never closed; close the quote"
    );
    let loaded = Bench::new().write(".env", "nonsense\n").good();
    assert_eq!(warnings(&loaded), [".env:1:1: this line is not NAME=value"]);
}

#[test]
fn files_that_are_not_text_or_too_large_are_refused() {
    let bench = Bench::new();
    std::fs::write(bench.dir.path().join("gateway.toml"), b"a = 1\nb = \"\xff\"\n").unwrap();
    assert!(bench.errors().contains("line 2 is not UTF-8 text"), "{}", bench.errors());
    let large = "#".repeat(gw_core::limits::CONFIG_FILE_BYTES_MAX + 1);
    assert!(Bench::new().toml(&large).errors().contains("is larger than"));
}
