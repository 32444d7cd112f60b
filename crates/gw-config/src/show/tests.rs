//! `config show` names every source and reads as TOML again.

use crate::load::tests::Bench;
use crate::show;

#[test]
fn settings_are_shown_with_their_sources() {
    let loaded = Bench::new()
        .toml("[server]\nport = 4000\n[[server.keys]]\nid = \"a\"\nkey = \"secret-key-1\"\n[[models]]\nid = \"ollama/x\"\nusd_per_million.input = 0.15\n")
        .write(".env", "OPENAI_API_KEY=sk-1\n")
        .env("CODE_MODELS", "a,b")
        .flag("log.level", "debug")
        .good();
    let text = show(&loaded);
    for line in [
        "port = 4000                                      # gateway.toml:2:8",
        "host = \"127.0.0.1\"                               # default",
        "level = \"debug\"                                  # flag: log.level",
        "code = [\"a\", \"b\"]                                # environment: CODE_MODELS",
        "api_keys = [\"***\"]                               # .env:1: OPENAI_API_KEY",
        "key = \"***\"                                      # gateway.toml:5:7",
        "[providers.openai]",
        "[[models]]",
        "usd_per_million = { input = 0.15 }               # gateway.toml:8:1",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    toml::from_str::<toml::Table>(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
}

#[test]
fn what_is_shown_loads_again() {
    let shown =
        show(&Bench::new().env("OPENAI_API_KEY", "sk-1").env("HTTP_PROXY", "http://p").good());
    // Secrets are lost on purpose, so a proxy's address no longer is one.
    let errors = Bench::new().toml(&shown).errors();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("proxy.http is not the address"), "{errors}");
}
