//! Forms of `.env` that people write.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::parse;

fn check(text: &str, expected: &[(&str, &str, usize)]) {
    let found = parse(text);
    let found: Vec<(&str, &str, usize)> =
        found.variables.iter().map(|v| (v.name.as_str(), v.value.as_str(), v.line)).collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn plain_lines() {
    check("A=1\nB = two words \n\n  C=\n", &[("A", "1", 1), ("B", "two words", 2), ("C", "", 4)]);
    check("A=x=y&z", &[("A", "x=y&z", 1)]);
    check("a.b-c=1", &[("a.b-c", "1", 1)]);
}

#[test]
fn comments() {
    check(
        "# a\n  # b=1\nA=1 # one\nB=a#b\nC=#none\n",
        &[("A", "1", 3), ("B", "a#b", 4), ("C", "", 5)],
    );
}

#[test]
fn export_is_left_out() {
    check(
        "export A=1\nexport\tB='2'\nexported=3",
        &[("A", "1", 1), ("B", "2", 2), ("exported", "3", 3)],
    );
}

#[test]
fn quotes() {
    check(r#"A="a # b" # c"#, &[("A", "a # b", 1)]);
    check(r#"A="x\n\t\"y\"\\\q""#, &[("A", "x\n\t\"y\"\\\\q", 1)]);
    check(r"A='x\n $HOME'", &[("A", r"x\n $HOME", 1)]);
    check("A=`it's \"it\"`", &[("A", "it's \"it\"", 1)]);
    check("A=\"\"\nB=''", &[("A", "", 1), ("B", "", 2)]);
}

#[test]
fn values_over_several_lines() {
    check("A=\"one\n# two\n\nthree\"\nB=2", &[("A", "one\n# two\n\nthree", 1), ("B", "2", 5)]);
    check("A='x\ny' # z\nB=2", &[("A", "x\ny", 1), ("B", "2", 3)]);
}

#[test]
fn byte_order_mark_and_line_endings() {
    check(
        "\u{feff}A=1\r\nB=\"2\r\n3\"\r\nC=4\rD=5",
        &[("A", "1", 1), ("B", "2\n3", 2), ("C", "4", 4), ("D", "5", 5)],
    );
}

#[test]
fn odd_lines_are_named() {
    let found = parse("nonsense\n1A=2\nB='3' tail\nC='open\nD=1");
    let lines: Vec<usize> = found.odd_lines.iter().map(|(line, _)| *line).collect();
    assert_eq!((lines, found.open_quote), (vec![1, 2, 3], Some(4)));
    assert_eq!(found.variables[0].value, "3");
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        let lines = text.replace("\r\n", "\n").replace('\r', "\n").split('\n').count();
        let found = parse(&text);
        prop_assert!(found.variables.iter().all(|variable| variable.line <= lines));
    }

    #[test]
    fn what_is_quoted_comes_back(value in "[^\\\\\"\r]*", tail in "[A-Z]{1,5}") {
        let text = format!("A=\"{value}\"\n{tail}=1\n");
        let found = parse(&text);
        prop_assert_eq!(&found.variables[0].value, &value);
        prop_assert_eq!(&found.variables[1].name, &tail);
    }
}
