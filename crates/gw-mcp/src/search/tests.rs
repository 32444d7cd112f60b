use serde_json::Value;

use super::{Document, Index};

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

/// `minisearch_golden.json` holds what system C's own engine answered.
#[test]
fn every_score_of_the_recorded_engine_comes_out_the_same() {
    let golden: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let index = Index::build(golden["tools"].as_array().unwrap().iter().map(|tool| Document {
        id: text(tool, "id").unwrap(),
        name: text(tool, "name").unwrap(),
        title: text(tool, "title"),
        description: text(tool, "description"),
        server: text(tool, "server").unwrap(),
    }));
    let mut compared = 0;
    for query in golden["queries"].as_array().unwrap() {
        let (_, hits) = index.search(query["query"].as_str().unwrap(), |_, _| true, 50);
        for (place, expected) in query["results"].as_array().unwrap().iter().enumerate() {
            let (id, score) = (text(expected, "id").unwrap(), expected["score"].as_f64().unwrap());
            let hit = hits.iter().find(|hit| hit.id == id).unwrap();
            assert!((hit.score - score).abs() < 1e-9, "{query} {id} {}", hit.score);
            assert!((hits[place].score - score).abs() < 1e-9, "{query} {place}");
            compared += 1;
        }
    }
    assert!(compared > 50);
}

#[test]
fn a_small_servers_tool_is_found_behind_a_hundred_others() {
    let many = (0..150).map(|at| Document {
        id: format!("big::list_{at}"),
        name: format!("list_{at}"),
        title: None,
        description: Some("list list list".to_owned()),
        server: "big".to_owned(),
    });
    let one = Document {
        id: "small::other".to_owned(),
        name: "other".to_owned(),
        title: None,
        description: Some("may also give a list of a great many things".to_owned()),
        server: "small".to_owned(),
    };
    let index = Index::build(many.chain([one]));
    let (found, hits) = index.search("list", |_, server| server == "small", 10);
    assert_eq!((found, hits[0].id.as_str()), (1, "small::other"));
}
