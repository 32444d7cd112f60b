use gw_core::Layer;

use super::{Catalog, CatalogOptions};
use crate::embedded::Data;

#[test]
fn a_later_offering_replaces_an_earlier_one_in_every_index() {
    let mut first = Data::embedded().unlisted(&"p".into(), "openai", "gpt-4o");
    let mut second = first.clone();
    first.rank = 1;
    second.model = "another".into();
    let catalog = Catalog::from_offerings(vec![first, second]);
    assert_eq!(catalog.offerings().len(), 1);
    assert_eq!(catalog.of_model("gpt-4o").count(), 0);
    assert_eq!(catalog.of_model("another").count(), 1);
}

#[test]
fn an_unlisted_model_is_priced_by_rule_or_unpriced() {
    let catalog = Catalog::build(&CatalogOptions {
        local_providers: vec!["ollama".into()],
        ..CatalogOptions::default()
    })
    .unwrap();
    let priced = catalog.or_unlisted(&"anthropic".into(), "claude-3-5-sonnet-20241022");
    assert_eq!(priced.layer, Some(Layer::L3));
    assert!(catalog.or_unlisted(&"nobody".into(), "x").prices.is_empty());
    assert!(!catalog.or_unlisted(&"nobody".into(), "x").is_free);
    assert!(catalog.or_unlisted(&"ollama".into(), "x").is_free);
    assert!(catalog.or_unlisted(&"openrouter".into(), "a/b:free").is_free);
    let found =
        ["llama3:8b", "nomic-embed-text"].map(|name| catalog.or_unlisted(&"ollama".into(), name));
    let found = found.map(|offering| (*offering).clone()).to_vec();
    let layer = catalog.with_discovered(found).layer(Layer::L0, &["ollama".into()]);
    assert_eq!(layer.len(), 1, "an embedding model is no partner for a chat");
}

#[test]
fn layers_are_ordered_by_rank_and_hold_enabled_models_of_these_providers_only() {
    let catalog = Catalog::build(&CatalogOptions::default()).unwrap();
    let openai = [gw_core::ProviderId::from("openai")];
    for layer in Layer::ALL {
        let models = catalog.layer(layer, &openai);
        assert!(models.windows(2).all(|pair| pair[0].rank < pair[1].rank));
        assert!(models.iter().all(|offering| offering.provider == openai[0]));
    }
    assert!(catalog.layer(Layer::L1, &[]).is_empty());
}
