use gw_core::{Kind, Layer, ProviderId};

use super::openrouter_free;
use crate::catalog::{Catalog, CatalogOptions};

const LIST: &str = r#"{"data":[
  {"id":"a/small:free","context_length":8192,"pricing":{"prompt":"0","completion":"0"}},
  {"id":"a/paid","context_length":9000000,"pricing":{"prompt":"0.000001","completion":"0"}},
  {"id":"b/numbers","name":"B","context_length":131072,"pricing":{"prompt":0,"completion":0},"supported_parameters":["tools","reasoning"]},
  {"id":"c/half-free","context_length":500000,"pricing":{"prompt":"0","completion":"0.00001"}},
  {"id":"d/big-coder:free","context_length":262144},
  {"id":"e/picture","context_length":262144,"pricing":{"prompt":"0"},"architecture":{"output_modalities":["image"]}},
  {"id":"f/unknown:free","pricing":{"prompt":"0","completion":"0","web_search":"0.01"},"new_field":{"x":1}}
]}"#;

#[test]
fn free_ones_by_window_at_most_so_many() {
    let provider = ProviderId::from("openrouter");
    let names = |limit| -> Vec<String> {
        let found = openrouter_free(&provider, LIST.as_bytes(), limit).unwrap();
        found.iter().map(|offering| offering.name.to_string()).collect()
    };
    assert_eq!(names(5), ["d/big-coder:free", "b/numbers", "a/small:free", "f/unknown:free"]);
    assert_eq!(names(2), ["d/big-coder:free", "b/numbers"]);
    let found = openrouter_free(&provider, LIST.as_bytes(), 5).unwrap();
    assert!(found.iter().all(|offering| offering.is_free && offering.layer == Some(Layer::L0)));
    assert!(
        found[0].capabilities.code
            && found[1].capabilities.tools
            && found[1].capabilities.reasoning
    );
    assert_eq!(found[3].context_window, Some(8192));
}

#[test]
fn bytes_that_are_no_list_are_the_providers_fault() {
    for bytes in ["", "{}", "<html>", r#"{"data":[{"name":"no id"}]}"#] {
        let error = openrouter_free(&"openrouter".into(), bytes.as_bytes(), 5).unwrap_err();
        assert_eq!(error.kind(), Kind::ProviderMalformed);
    }
}

#[test]
fn discovered_models_join_a_layer_after_the_ranked_ones() {
    let provider = ProviderId::from("openrouter");
    let catalog = Catalog::build(&CatalogOptions::default()).unwrap();
    let before = catalog.layer(Layer::L0, std::slice::from_ref(&provider));
    let found = openrouter_free(&provider, LIST.as_bytes(), 5).unwrap();
    let after =
        catalog.with_discovered(found.clone()).layer(Layer::L0, std::slice::from_ref(&provider));
    assert_eq!(after.len(), before.len() + 4);
    assert_eq!(after[before.len()].name.as_str(), "d/big-coder:free");
    let closed = CatalogOptions { layers: vec![(Layer::L0, vec![])], ..CatalogOptions::default() };
    let closed = Catalog::build(&closed).unwrap().with_discovered(found);
    assert!(closed.layer(Layer::L0, &[provider]).is_empty(), "a listed layer takes nothing else");
}
