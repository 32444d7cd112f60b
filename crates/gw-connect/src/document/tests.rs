use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::{Just, Strategy};
use serde_json::{Map, Value, json};

use super::{Document, DocumentError, Edit};
use crate::client::Format;

const JSON: &str = r#"{
  // mine
  "theme": "dark", /* stays */
  "mcpServers": {
    "files": { "command": "npx" }, // and this
  },
}
"#;

const TOML: &str = "# mine\nmodel = \"gpt-5\" # stays\n\n[mcp_servers.files]\ncommand = \"npx\"\n";

#[test]
fn comments_and_unknown_keys_stay() {
    let document = Document::read(Format::Json, JSON).unwrap();
    let edits = [
        Edit::put(&["mcpServers", "gw"], json!({"url": "http://x/mcp"})),
        Edit::put(&["theme"], json!("light")),
    ];
    let after = document.with(&edits).unwrap();
    for kept in ["// mine", "/* stays */", "// and this", "\"files\": { \"command\": \"npx\" }"] {
        assert!(after.text().contains(kept), "{}", after.text());
    }
    assert_eq!(after.values().unwrap()["mcpServers"]["gw"]["url"], "http://x/mcp");
    assert_eq!(after.values().unwrap()["theme"], "light");
    let document = Document::read(Format::Toml, TOML).unwrap();
    let edits = [
        Edit::put(&["mcp_servers", "gw"], json!({"url": "http://x/mcp", "args": ["a"]})),
        Edit::put(&["model"], json!("auto")),
    ];
    let after = document.with(&edits).unwrap();
    let whole = "# mine\nmodel = \"auto\" # stays\n\n[mcp_servers.files]\ncommand = \"npx\"\n\n\
                 [mcp_servers.gw]\nurl = \"http://x/mcp\"\nargs = [\"a\"]\n";
    assert_eq!(after.text(), whole);
}

#[test]
fn what_was_put_in_can_be_taken_out_of_a_file_that_changed_since() {
    for (format, text) in [(Format::Json, JSON), (Format::Toml, TOML)] {
        let before = Document::read(format, text).unwrap();
        let edits = [
            Edit::put(&["new", "deep", "gw"], json!({"url": "http://x"})),
            Edit::put(&["model"], json!("auto")),
        ];
        let after = before.with(&edits).unwrap();
        let since = after.with(&[Edit::put(&["other"], json!(1))]).unwrap();
        let back = since.with(&before.undoing(&edits).unwrap()).unwrap();
        let mut wanted = before.values().unwrap();
        wanted["other"] = json!(1);
        assert_eq!(back.values().unwrap(), wanted, "{}", back.text());
    }
}

#[test]
fn the_comment_that_heads_a_file_stays_at_its_head() {
    for head in ["# mine\n", "# mine\n\n# all of it\n\n"] {
        let before = Document::read(Format::Toml, head).unwrap();
        let edits = [Edit::put(&["mcp", "servers", "x"], json!({"url": "u"}))];
        let after = before.with(&edits).unwrap();
        let whole = format!("{}\n\n[mcp.servers.x]\nurl = \"u\"\n", head.trim_end());
        assert_eq!(after.text(), whole);
        let back = after.with(&before.undoing(&edits).unwrap()).unwrap();
        assert_eq!(back.text().trim_end(), head.trim_end());
    }
}

#[test]
fn an_empty_file_and_a_bad_one() {
    let edits = [Edit::put(&["a", "b"], json!(1))];
    for format in [Format::Json, Format::Toml] {
        let empty = Document::read(format, "").unwrap();
        assert_eq!(empty.with(&edits).unwrap().values().unwrap(), json!({"a": {"b": 1}}));
        assert!(matches!(Document::read(format, "{"), Err(DocumentError::Unreadable(_))));
        let other = if format == Format::Json { "{\"a\": 7}" } else { "a = 7\n" };
        let other = Document::read(format, other).unwrap();
        assert_eq!(other.with(&edits), Err(DocumentError::NoGroup("a".to_owned())));
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        "[ -~é]{0,12}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[a-z.]{1,6}", inner, 1..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_put_is_read_and_undone(
        format in prop_oneof![Just(Format::Json), Just(Format::Toml)],
        path in prop::collection::vec("[a-z_ ]{1,5}", 1..4),
        value in values(),
    ) {
        let text = if format == Format::Json { JSON } else { TOML };
        let before = Document::read(format, text).unwrap();
        let edits = [Edit { path: path.clone(), value: Some(value.clone()) }];
        // A place may lead through a text of the sample.
        if let Ok(after) = before.with(&edits) {
            prop_assert_eq!(after.get(&path).unwrap(), Some(value));
            let back = after.with(&before.undoing(&edits).unwrap()).unwrap();
            prop_assert_eq!(back.values().unwrap(), before.values().unwrap());
        }
    }
}
