use crate::{Features, Health, Question, RoutingOptions, Snapshot, plan};
use gw_catalog::{Catalog, CatalogOptions};
use gw_core::ProviderId;
#[test]
fn scratch() {
    let catalog = Catalog::build(&CatalogOptions::default()).unwrap();
    let mut options = RoutingOptions::default();
    options.task_models.code = vec!["claude-sonnet-4-5".into(), "gpt-4o-mini".into()];
    let health = |_: &ProviderId, _: &gw_core::ModelName| Health::Well;
    for providers in [
        vec!["openai"],
        vec!["anthropic"],
        vec!["openrouter"],
        vec!["openai", "anthropic", "openrouter"],
    ] {
        let ids: Vec<ProviderId> = providers.iter().map(|p| (*p).into()).collect();
        for (model, text) in [
            ("auto", "hi"),
            ("", "implement quicksort in rust"),
            ("L3", "hi"),
            ("auto", "prove x"),
            ("claude-sonnet-4-5", "x"),
            ("auto", "change my password please"),
            ("gpt-5", "x"),
            ("openai/gpt-4o", "x"),
        ] {
            let request = gw_core::chat::ChatRequest {
                messages: vec![gw_core::chat::Message::text(gw_core::chat::Role::User, text)],
                ..Default::default()
            };
            let features = Features::of(&request);
            let q = Question {
                features: &features,
                model,
                quality: None,
                complexity: None,
                task: None,
                preferred_layer: None,
                max_layer: gw_core::Layer::L3,
                is_free_only: false,
            };
            let s =
                Snapshot { catalog: &catalog, providers: &ids, health: &health, options: &options };
            let t = std::time::Instant::now();
            let result = plan(&q, &s);
            let t = t.elapsed();
            match result {
                Ok(p) => println!(
                    "{providers:?} {model:?} {text:?} {t:?}\n   {}\n   {}\n   {:?}",
                    p.summary,
                    p.reason,
                    p.candidates
                        .iter()
                        .map(|c| format!("{} {} [{}]", c.offering.id(), c.layer, c.why))
                        .collect::<Vec<_>>()
                ),
                Err(e) => println!("{providers:?} {model:?} {text:?} {t:?}\n   ERR {e}"),
            }
        }
    }
    let t = std::time::Instant::now();
    for _ in 0..100 {
        let _ = Features::of(&gw_core::chat::ChatRequest {
            messages: vec![gw_core::chat::Message::text(
                gw_core::chat::Role::User,
                "hello world how are you ".repeat(800),
            )],
            ..Default::default()
        });
    }
    println!("features {:?}", t.elapsed() / 100);
}
