use gw_core::{Layer, ProviderId, TokenClass};

use crate::catalog::{Catalog, CatalogOptions};
use crate::layers::Bands;
use crate::options::{Decimal, ModelOverride, ModelPrices};

fn price(text: &str) -> Option<Decimal> {
    Some(Decimal(text.to_owned()))
}

fn changed(id: &str, change: ModelOverride) -> gw_core::Result<Catalog> {
    Catalog::build(&CatalogOptions {
        models: vec![(id.to_owned(), change)],
        local_providers: vec!["ollama".into()],
        ..CatalogOptions::default()
    })
}

#[test]
fn a_model_takes_what_configuration_says() {
    let change = ModelOverride {
        layer: Some(Layer::L3),
        context_window: Some(1000),
        max_output_tokens: Some(10),
        tools: Some(false),
        prices: Some(ModelPrices {
            input: price("0.1"),
            output: price("2"),
            ..ModelPrices::default()
        }),
        ..ModelOverride::default()
    };
    let catalog = changed("openai/gpt-4o-mini", change).unwrap();
    let offering = catalog.offering(&"openai".into(), "gpt-4o-mini").unwrap();
    assert_eq!(
        (offering.layer, offering.context_window, offering.max_output_tokens),
        (Some(Layer::L3), Some(1000), Some(10))
    );
    assert!(!offering.capabilities.tools && !offering.is_free);
    let table = offering.price_at(0).unwrap();
    assert_eq!(table.rate(TokenClass::Input, 0).map(gw_core::Rate::pico_per_unit), Some(100_000));
    assert_eq!(
        table.rate(TokenClass::CacheRead, 0),
        table.rate(TokenClass::Input, 0),
        "the old cache price is gone"
    );
}

#[test]
fn a_model_nobody_lists_is_added() {
    let change = ModelOverride { layer: Some(Layer::L1), ..ModelOverride::default() };
    let catalog = changed("openai/gpt-99-turbo", change).unwrap();
    assert_eq!(
        catalog
            .layer(Layer::L1, &["openai".into()])
            .iter()
            .filter(|o| o.name.as_str() == "gpt-99-turbo")
            .count(),
        1
    );
    let local = changed("ollama/llama3:8b", ModelOverride::default()).unwrap();
    let llama = local.offering(&"ollama".into(), "llama3:8b").unwrap();
    assert!(llama.is_free && llama.layer == Some(Layer::L0), "the router may pick it");
    let deployment = ModelOverride { model: Some("gpt-4o".to_owned()), ..ModelOverride::default() };
    let azure = changed("azure/my-deployment", deployment).unwrap();
    let offering = azure.offering(&"azure".into(), "my-deployment").unwrap();
    assert_eq!(offering.name.as_str(), "my-deployment");
    assert_eq!(offering.layer, Some(Layer::L2), "priced and able as the model it is");
}

#[test]
fn zero_prices_are_free_and_belong_to_l0() {
    let prices = ModelPrices { input: price("0"), output: price("0"), ..ModelPrices::default() };
    let catalog = changed(
        "openai/gpt-4o",
        ModelOverride { prices: Some(prices), ..ModelOverride::default() },
    )
    .unwrap();
    let offering = catalog.offering(&"openai".into(), "gpt-4o").unwrap();
    assert!(offering.is_free && offering.layer == Some(Layer::L0));
}

#[test]
fn a_listed_layer_holds_these_and_no_others_in_order() {
    let names = ["openrouter/openai/gpt-4o", "claude-haiku-4-5", "openai/brand-new"];
    let options = CatalogOptions {
        layers: vec![(Layer::L1, names.map(str::to_owned).to_vec())],
        ..CatalogOptions::default()
    };
    let catalog = Catalog::build(&options).unwrap();
    let providers: Vec<ProviderId> = ["anthropic", "openai", "openrouter"].map(Into::into).to_vec();
    let ids: Vec<String> = catalog.layer(Layer::L1, &providers).iter().map(|o| o.id()).collect();
    assert_eq!(
        ids,
        [
            "openrouter/openai/gpt-4o",
            "anthropic/claude-haiku-4-5",
            "anthropic/claude-haiku-4-5-20251001",
            "openrouter/anthropic/claude-haiku-4.5",
            "openai/brand-new"
        ]
    );
    assert!(!catalog.layer(Layer::L2, &providers).is_empty());
    assert!(
        catalog.layer(Layer::L2, &providers).iter().all(|o| o.id() != "openrouter/openai/gpt-4o")
    );
}

#[test]
fn bands_move_models() {
    let mut options = CatalogOptions::default();
    options.bands = Bands { l2_from: gw_core::Rate::FREE, ..options.bands };
    let catalog = Catalog::build(&options).unwrap();
    assert!(catalog.layer(Layer::L1, &["openai".into()]).is_empty());
}

#[test]
fn a_configured_provider_sells_what_its_catalogue_says() {
    let options = CatalogOptions {
        provider_catalogs: vec![("mine".into(), "openai".to_owned())],
        ..CatalogOptions::default()
    };
    let catalog = Catalog::build(&options).unwrap();
    let mine = catalog.offering(&"mine".into(), "gpt-4o").unwrap();
    assert_eq!(mine.prices, catalog.offering(&"openai".into(), "gpt-4o").unwrap().prices);
    assert!(catalog.price_for(&"mine".into(), "gpt-4o-2024-05-13").is_some());
    assert!(catalog.price_for(&"elsewhere".into(), "gpt-4o").is_none());
}

#[test]
fn mistakes_name_their_key() {
    let field = |options: CatalogOptions| {
        Catalog::build(&options).unwrap_err().field().unwrap_or_default().to_owned()
    };
    let with_model = |id: &str, change: ModelOverride| CatalogOptions {
        models: vec![(id.to_owned(), change)],
        ..CatalogOptions::default()
    };
    let with_aliases = |pairs: &[(&str, &str)]| CatalogOptions {
        aliases: pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        ..CatalogOptions::default()
    };
    let with_layers = |layers: &[(Layer, &str)]| CatalogOptions {
        layers: layers.iter().map(|(layer, name)| (*layer, vec![(*name).to_owned()])).collect(),
        ..CatalogOptions::default()
    };
    let bad = ModelPrices { cache_read: price("-1"), ..ModelPrices::default() };
    assert_eq!(field(with_model("nobody/x", ModelOverride::default())), "models.\"nobody/x\"");
    assert_eq!(field(with_model("gpt-4o", ModelOverride::default())), "models.\"gpt-4o\"");
    assert_eq!(
        field(with_model(
            "openai/gpt-4o",
            ModelOverride { prices: Some(bad), ..ModelOverride::default() }
        )),
        "models.\"openai/gpt-4o\".prices.cache_read"
    );
    assert_eq!(
        field(with_model(
            "openai/gpt-4o",
            ModelOverride { context_window: Some(0), ..ModelOverride::default() }
        )),
        "models.\"openai/gpt-4o\""
    );
    assert_eq!(field(with_aliases(&[("a", "b"), ("b", "c"), ("c", "a")])), "aliases.a");
    assert_eq!(field(with_aliases(&[("ok", "gpt-4o"), ("self", "self")])), "aliases.self");
    assert_eq!(field(with_aliases(&[("empty", " ")])), "aliases.empty");
    assert_eq!(field(with_layers(&[(Layer::L1, "gpt-4o-minny")])), "layers.L1.models[0]");
    assert_eq!(
        field(with_layers(&[(Layer::L1, "openai/gpt-4o"), (Layer::L2, "openai/gpt-4o")])),
        "layers.L2.models[0]"
    );
    let error = Catalog::build(&with_layers(&[(Layer::L1, "gpt-4o-minny")])).unwrap_err();
    assert!(error.hint().unwrap_or_default().contains("gpt-4o-mini"), "{error}");
}
