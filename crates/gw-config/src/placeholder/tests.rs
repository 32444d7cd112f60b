//! What counts as a placeholder.

use std::collections::BTreeMap;
use std::path::Path;

use super::Placeholders;
use crate::source::Source;

#[test]
fn only_whole_placeholders_are_filled() {
    let variables =
        BTreeMap::from([("A".to_owned(), "1".to_owned()), ("E".to_owned(), String::new())]);
    let mut placeholders =
        Placeholders { variables: &variables, folder: Path::new("."), files: Vec::new() };
    let mut fill = |text: &str| placeholders.fill(text, &Source::Default, "k").ok();
    for (text, expected) in [
        ("plain", Some("plain")),
        ("{env:A}", Some("1")),
        ("x{env:A}y{env:A}z", Some("x1y1z")),
        ("{A} {env:A", Some("{A} {env:A")),
        ("{{env:A}}", Some("{1}")),
        ("é{env:A}", Some("é1")),
        ("{env:B}", None),
        ("{env:E}", None),
        ("{file:no/such/file}", None),
    ] {
        assert_eq!(fill(text).as_deref(), expected, "{text}");
    }
}
