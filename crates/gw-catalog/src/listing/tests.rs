use gw_core::Layer;

use super::{Difference, Filter, diff, list};
use crate::catalog::{Catalog, CatalogOptions};
use crate::options::{Decimal, ModelOverride, ModelPrices};

#[test]
fn a_list_is_filtered_and_ordered() {
    let catalog = Catalog::build(&CatalogOptions::default()).unwrap();
    let filter = Filter {
        providers: vec!["openai".into()],
        text: Some("GPT-4o".to_owned()),
        ..Filter::default()
    };
    let rows = list(&catalog, &filter, 0);
    assert!(rows.iter().all(|row| row.id.starts_with("openai/") && row.id.contains("gpt-4o")));
    let mini = rows.iter().find(|row| row.id == "openai/gpt-4o-mini").unwrap();
    assert_eq!(mini.input_usd_per_million.as_deref(), Some("0.15"));
    assert_eq!(mini.output_usd_per_million.as_deref(), Some("0.6"));
    assert!(mini.abilities.contains(&"tools") && mini.layer == Some(Layer::L1));
    let free = list(&catalog, &Filter { free: true, ..Filter::default() }, 0);
    assert!(!free.is_empty() && free.iter().all(|row| row.is_free));
    let layer = list(&catalog, &Filter { layer: Some(Layer::L2), ..Filter::default() }, 0);
    assert_eq!(layer[0].model, "claude-haiku-4-5");
}

#[test]
fn a_diff_tells_what_an_override_changed() {
    let before = Catalog::build(&CatalogOptions::default()).unwrap();
    let prices = ModelPrices {
        input: Some(Decimal("9".to_owned())),
        output: Some(Decimal("9".to_owned())),
        ..ModelPrices::default()
    };
    let after = Catalog::build(&CatalogOptions {
        models: vec![
            (
                "openai/gpt-4o-mini".to_owned(),
                ModelOverride {
                    prices: Some(prices),
                    context_window: Some(5),
                    ..ModelOverride::default()
                },
            ),
            ("openai/new".to_owned(), ModelOverride::default()),
        ],
        ..CatalogOptions::default()
    })
    .unwrap();
    assert!(diff(&before, &before).is_empty());
    let all = diff(&before, &after);
    let id = "openai/gpt-4o-mini".to_owned();
    let fields: Vec<&str> = all
        .iter()
        .filter_map(|one| match one {
            Difference::Changed { id: at, field, .. } if *at == id => Some(*field),
            _ => None,
        })
        .collect();
    assert_eq!(fields, ["price", "layer", "context_window"]);
    assert!(all.contains(&Difference::Added { id: "openai/new".to_owned() }));
    assert_eq!(all.len(), 4);
    assert!(diff(&after, &before).contains(&Difference::Removed { id: "openai/new".to_owned() }));
}
