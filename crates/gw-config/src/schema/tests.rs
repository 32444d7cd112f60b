//! The schema says everything that the reference needs.

use std::collections::BTreeSet;

use crate::env::{ENV_VARS, derived_name};
use crate::reference;
use crate::schema::{self, Kind, schema};
use crate::{WELL_KNOWN, reference_markdown};

#[test]
fn every_key_has_a_description_and_a_kind() {
    for key in reference::keys() {
        assert!(!schema::doc(key.schema).is_empty(), "{} has no description", key.path);
        assert!(!matches!(schema::kind(key.schema), Kind::Any), "{} has no kind", key.path);
        assert!(
            key.schema.get("anyOf").is_none() && key.schema.get("$ref").is_none(),
            "{}",
            key.path
        );
    }
}

#[test]
fn derived_names_are_unique_and_no_variable_has_one_by_accident() {
    let mut names = BTreeSet::new();
    for path in reference::key_paths() {
        assert!(names.insert(derived_name(&path)), "{path}");
    }
    assert!(ENV_VARS.iter().all(|var| !names.contains(var.name.as_ref())));
    assert_eq!(derived_name("layers.L0.models"), "GATEWAY_LAYERS__L0__MODELS");
}

#[test]
fn the_schema_refuses_unknown_keys_and_has_no_null() {
    let text = serde_json::to_string(&schema()).unwrap();
    let null = text.find("null").map(|at| &text[at.saturating_sub(300)..at]);
    assert_eq!(null, None);
    assert_eq!(schema()["additionalProperties"], false);
    assert_eq!(schema()["properties"]["server"]["additionalProperties"], false);
    assert_eq!(schema()["properties"]["server"]["properties"]["port"]["default"], 3000);
}

#[test]
fn the_reference_names_every_key_and_every_variable() {
    let page = reference_markdown();
    for key in reference::keys() {
        assert!(page.contains(&format!("| `{}` |", key.path)), "{}", key.path);
    }
    for var in ENV_VARS.iter() {
        assert!(page.contains(&format!("| `{}` |", var.name)), "{}", var.name);
    }
    assert!(page.contains("`GATEWAY_PROVIDERS__<ID>__API_KEY`"));
    for known in WELL_KNOWN.iter() {
        assert!(
            page.contains(&format!("{}_BASE_URL", known.id.to_uppercase().replace('-', "_"))),
            "{}",
            known.id
        );
    }
}
