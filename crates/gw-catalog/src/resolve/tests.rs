use std::sync::LazyLock;

use gw_core::ProviderId;

use super::{MatchedBy, Resolution};
use crate::catalog::{Catalog, CatalogOptions};
use crate::options::ModelOverride;

fn catalog() -> Catalog {
    let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    Catalog::build(&CatalogOptions {
        models: vec![(
            "openai/gpt-4.1".to_owned(),
            ModelOverride { enabled: Some(false), ..ModelOverride::default() },
        )],
        aliases: vec![
            text("fast", "quick"),
            text("quick", "gpt-4o-mini"),
            text("gpt-4o", "openrouter/openai/gpt-4o"),
            text("cheap", "L1"),
        ],
        provider_catalogs: vec![("my-openai".into(), "openai".to_owned())],
        local_providers: vec!["ollama".into()],
        ..CatalogOptions::default()
    })
    .unwrap()
}

fn ids(name: &str, providers: &[&str]) -> (Vec<String>, Option<MatchedBy>) {
    let providers: Vec<ProviderId> = providers.iter().map(|provider| (*provider).into()).collect();
    match catalog().resolve(name, &providers) {
        Resolution::Found { candidates, by } => {
            (candidates.iter().map(|offering| offering.id()).collect(), Some(by))
        }
        Resolution::NotFound { nearest } => (nearest, None),
    }
}

#[test]
fn names_mean_what_the_module_says() {
    use MatchedBy::{Identity, Name, ProviderAndModel, Unlisted};
    let check = |name: &str, providers: &[&str], first: &str, by: MatchedBy| {
        let (found, how) = ids(name, providers);
        assert_eq!(how, Some(by), "{name} at {providers:?}: {found:?}");
        assert_eq!(found.first().map(String::as_str), Some(first), "{name} at {providers:?}");
    };
    // Provider and model.
    check("openai/gpt-4o", &["openrouter", "openai"], "openai/gpt-4o", ProviderAndModel);
    check("openai/gpt-4o", &["openrouter"], "openrouter/openai/gpt-4o", Name);
    check(
        "openrouter/openai/gpt-4o",
        &["openrouter", "openai"],
        "openrouter/openai/gpt-4o",
        ProviderAndModel,
    );
    check(
        "anthropic/claude-sonnet-4.5",
        &["openrouter", "anthropic"],
        "anthropic/claude-sonnet-4-5",
        ProviderAndModel,
    );
    check("my-openai/gpt-4o-mini", &["my-openai"], "my-openai/gpt-4o-mini", ProviderAndModel);
    check("ollama/llama3:8b", &["ollama"], "ollama/llama3:8b", Unlisted);
    check("openai/gpt-99", &["openai", "openrouter"], "openai/gpt-99", Unlisted);
    check("openrouter/new/model:free", &["openrouter"], "openrouter/new/model:free", Unlisted);
    check(
        "openai/gpt-oss-20b:free",
        &["openai", "openrouter"],
        "openrouter/openai/gpt-oss-20b:free",
        Name,
    );
    // Exact names, the maker first.
    check("gpt-4o-mini", &["openrouter", "azure", "openai"], "openai/gpt-4o-mini", Name);
    check(
        "claude-sonnet-4-5",
        &["perplexity", "vertexai", "anthropic"],
        "anthropic/claude-sonnet-4-5",
        Name,
    );
    // Identity.
    check("claude-sonnet-4-5", &["openrouter"], "openrouter/anthropic/claude-sonnet-4.5", Identity);
    check(
        "claude-sonnet-4-5-20250929",
        &["openrouter"],
        "openrouter/anthropic/claude-sonnet-4.5",
        Identity,
    );
    check(
        "anthropic/claude-sonnet-4.5",
        &["bedrock"],
        "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
        Identity,
    );
    // Newer than the catalogue.
    check(
        "gpt-4o-mini-2031-01-01",
        &["openrouter", "openai"],
        "openai/gpt-4o-mini-2031-01-01",
        Unlisted,
    );
    check("claude-saga-9", &["anthropic", "openai"], "anthropic/claude-saga-9", Unlisted);
    check("o4-huge", &["openai"], "openai/o4-huge", Unlisted);
}

#[test]
fn a_bare_name_has_everyone_who_sells_it_as_candidates() {
    let (found, _) = ids("gpt-4o-mini", &["openrouter", "openai"]);
    assert_eq!(found, ["openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini"]);
    let (found, _) = ids("openai/gpt-4o-mini", &["openrouter", "openai"]);
    assert_eq!(found, ["openai/gpt-4o-mini"], "who names the provider means it");
}

#[test]
fn aliases_lead_to_models_and_to_words_of_the_router() {
    assert_eq!(ids("fast", &["openai"]).0, ["openai/gpt-4o-mini"]);
    assert_eq!(ids("gpt-4o", &["openai", "openrouter"]).0, ["openrouter/openai/gpt-4o"]);
    assert_eq!(catalog().alias("fast"), Some("gpt-4o-mini"));
    assert_eq!(catalog().alias("cheap"), Some("L1"));
    assert_eq!(catalog().alias("gpt-4o-mini"), None);
    assert_eq!(catalog().aliases().len(), 4);
}

#[test]
fn nothing_else_is_found() {
    let none = |name: &str, providers: &[&str]| {
        let (near, how) = ids(name, providers);
        assert_eq!(how, None, "{name}: {near:?}");
        assert!(near.len() <= 3);
        near
    };
    assert_eq!(none("gpt4o-mini", &["openrouter"])[0], "openai/gpt-4o-mini");
    none("", &["openai"]);
    none("/", &["openai"]);
    none("openai/", &["openai"]);
    none("llama-3.3-70b-instruct", &["openai"]);
    none("bedrock/claude-sonnet-4-5", &["anthropic"]);
    none("gpt-4o-mini", &[]);
    none("gpt-4.1", &["openai"]);
    none("openai/gpt-4.1", &["openai"]);
    none(&"x".repeat(100_000), &["openai"]);
}

proptest::proptest! {
    // Each miss is compared with every name of the catalogue, which is slow in a debug build.
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

    #[test]
    fn any_name_has_an_answer(name in ".{0,24}") {
        static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);
        let catalog = &*CATALOG;
        let all: Vec<ProviderId> = ["openai", "anthropic", "openrouter"].map(Into::into).to_vec();
        if let Resolution::Found { candidates, .. } = catalog.resolve(&name, &all) {
            proptest::prop_assert!(!candidates.is_empty());
        }
    }
}
