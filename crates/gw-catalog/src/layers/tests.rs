use gw_core::{Layer, Rate};

use super::{Bands, blended, is_plain_chat, layer_of, preferred};
use crate::catalog::{Catalog, CatalogOptions};
use crate::embedded::Data;
use crate::offering::Modality;
use crate::price_text::parse;

/// System A's table, `relativeCost` and all: price for a thousand tokens read and written.
const SYSTEM_A: [(&str, &str, &str, Layer); 11] = [
    ("llama3:8b", "0", "0", Layer::L0),
    ("meta-llama/llama-3.3-70b-instruct:free", "0", "0", Layer::L0),
    ("x-ai/grok-4.1-fast:free", "0", "0", Layer::L0),
    ("google/gemini-flash-1.5-8b", "0.075", "0.3", Layer::L1),
    ("openai/gpt-4o-mini", "0.15", "0.6", Layer::L1),
    ("anthropic/claude-3-haiku", "0.25", "1.25", Layer::L2),
    ("claude-3-haiku-20240307", "0.25", "1.25", Layer::L2),
    ("gpt-4o", "2.5", "10", Layer::L2),
    ("anthropic/claude-3.5-sonnet", "3", "15", Layer::L3),
    ("claude-3-5-sonnet-20241022", "3", "15", Layer::L3),
    ("o1-preview", "15", "60", Layer::L3),
];

#[test]
fn system_a_put_them_into_the_same_layers() {
    for (name, input, output, layer) in SYSTEM_A {
        let mut offering = Data::embedded().unlisted(&"any".into(), "any", name);
        offering.capabilities.input = vec![Modality::Text];
        offering.capabilities.output = vec![Modality::Text];
        offering.prices = parse(&format!("in={input} out={output}")).unwrap();
        offering.is_free = input == "0";
        assert_eq!(layer_of(&offering, &Bands::default()), Some(layer), "{name}");
    }
}

#[test]
fn the_blend_is_three_to_one_at_the_newest_and_dearest() {
    let check = |text: &str, usd: Option<&str>| {
        let wanted = usd.and_then(Rate::from_usd_per_million);
        assert_eq!(blended(&parse(text).unwrap()), wanted, "{text}");
    };
    check("in=1 out=5", Some("2"));
    check("in=2 out=10; from=2026-09-01 in=3 out=15", Some("6"));
    check("in=0.135 out=0.55; daily=00:30-16:30 in=0.27 out=1.1", Some("0.4775"));
    check("in=1", None);
    check("", None);
    let bands = Bands::default();
    let layer = |usd| bands.layer(Rate::from_usd_per_million(usd).unwrap());
    assert_eq!(layer("0.499999"), Layer::L1);
    assert_eq!(layer("0.5"), Layer::L2);
    assert_eq!(layer("4.999999"), Layer::L2);
    assert_eq!(layer("5"), Layer::L3);
}

#[test]
fn every_preferred_model_stands_in_its_layer_and_leads_it() {
    let catalog = Catalog::build(&CatalogOptions::default()).unwrap();
    for layer in Layer::ALL {
        assert!(preferred(layer).len() >= 4, "{layer}");
        for model in preferred(layer) {
            let is_there = catalog.of_model(model).any(|offering| offering.layer == Some(layer));
            let places: Vec<_> = catalog.of_model(model).map(|o| (o.id(), o.layer)).collect();
            assert!(is_there, "{layer} {model}: {places:?}");
        }
        let providers = ["anthropic", "openai", "openrouter", "gemini", "deepseek"].map(Into::into);
        let first = catalog.layer(layer, &providers);
        assert_eq!(first[0].model.as_str(), preferred(layer)[0], "{layer}");
    }
}

#[test]
fn what_is_no_chat_model_stands_in_no_layer() {
    let catalog = Catalog::build(&CatalogOptions::default()).unwrap();
    for id in [
        "openai/text-embedding-3-small",
        "openrouter/openai/gpt-4o:batch",
        "openrouter/openrouter/auto",
        "openrouter/openai/whisper-1",
    ] {
        let (provider, name) = id.split_once('/').unwrap();
        let offering = catalog.offering(&provider.into(), name).unwrap();
        assert_eq!(offering.layer, None, "{id}");
    }
    for offering in catalog.offerings().iter().filter(|offering| offering.layer.is_some()) {
        assert!(
            is_plain_chat(offering) && (offering.is_free || blended(&offering.prices).is_some())
        );
        assert_eq!(offering.layer == Some(Layer::L0), offering.is_free, "{}", offering.id());
    }
}
