//! Places and layers.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Lines, Node, Tree, parse};
use crate::source::Source;

#[test]
fn lines_and_columns_start_at_one() {
    let text = "ab\ncé d\n";
    let lines = Lines::new(text);
    for (offset, expected) in
        [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (6, (2, 3)), (8, (2, 5)), (9, (3, 1))]
    {
        assert_eq!(lines.at(text, offset), expected, "{offset}");
    }
}

#[test]
fn every_key_and_value_knows_its_place() {
    let root = parse("[a.b]\nc = [1, 0x1f]\n", &Arc::new(PathBuf::from("f"))).unwrap();
    let b = &root.entries().unwrap()["a"].node.entries().unwrap()["b"].node;
    let c = &b.entries().unwrap()["c"];
    assert_eq!(
        (c.key_source.to_string().as_str(), c.node.source.to_string().as_str()),
        ("f:2:1", "f:2:5")
    );
    let Tree::List(items) = &c.node.tree else { panic!("a list") };
    assert_eq!(items[1].source.to_string(), "f:2:9");
    assert!(matches!(items[1].tree, Tree::Integer(31)));
}

#[test]
fn laying_over_keeps_what_stands_beside() {
    let mut root = Node::table();
    let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    root.set(&path("a.b"), Node::text("1", Source::Default));
    root.set(&path("a.c"), Node::text("2", Source::Default));
    root.set(&path("a.b"), Node::text("3", Source::Default));
    let a = root.entries().unwrap()["a"].node.entries().unwrap();
    assert_eq!(
        (a["b"].node.tree.shown(), a["c"].node.tree.shown()),
        ("\"3\"".into(), "\"2\"".into())
    );
}
