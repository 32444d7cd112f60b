//! Finding recordings by request.

use gw_core::Kind;
use serde_json::{Value, json};

use super::{Library, Recording, Wanted, is_same_path, path_and_query};

fn recording(cassette: &str, provider: &str, uri: &str, body: &Value, answer: &str) -> Recording {
    let line = json!({
        "cassette": cassette, "i": 0, "provider": provider,
        "request": {"method": "POST", "uri": uri, "headers": {}, "body": body.to_string()},
        "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": answer},
    });
    Recording::parse(&line.to_string()).unwrap()
}

fn question(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

fn find(library: &Library, path: &str, body: &Value) -> Option<(String, bool)> {
    let text = body.to_string();
    let wanted = Wanted {
        method: "POST",
        path,
        query: "",
        body: text.as_bytes(),
        json: Some(body),
        takes_similar: true,
    };
    library.find(&wanted).map(|(found, is_equal)| (found.name.clone(), is_equal))
}

fn library() -> Library {
    let openai = "https://api.openai.com/v1/chat/completions";
    let deepseek = "https://api.deepseek.com/chat/completions";
    Library::new(vec![
        recording("a", "openai", openai, &question("gpt", "hello"), "1"),
        recording("b", "openai", openai, &question("gpt", "bye"), "2"),
        recording("c", "openai", openai, &question("gpt", "bye"), "3"),
        recording("d", "deepseek", deepseek, &question("chat", "hello"), "4"),
    ])
}

#[test]
fn uris_lose_their_host() {
    let cases = [
        ("https://api.openai.com/v1/models?limit=2", ("/v1/models", "limit=2")),
        ("<OLLAMA_API_BASE>/chat/completions", ("/chat/completions", "")),
        ("https://x.<REGION>.test/model/y:0/converse", ("/model/y:0/converse", "")),
        ("https://host", ("/", "")),
        ("/only/path", ("/only/path", "")),
    ];
    for (uri, (path, query)) in cases {
        assert_eq!(path_and_query(uri), (path.to_owned(), query.to_owned()), "{uri}");
    }
}

#[test]
fn paths_match_by_their_ends() {
    for (recorded, asked, expected) in [
        ("/v1/chat/completions", "/v1/chat/completions", true),
        ("/v1/chat/completions", "/chat/completions", true),
        ("/chat/completions", "/v1/chat/completions", true),
        ("/api/v1/chat/completions", "/v1/chat/completions", true),
        ("/v1/chat/completions", "/v2/chat/completions", false),
        ("/v1/chat/completions", "/v1/messages", false),
        ("/v1/projects/<P>/x", "/v1/projects/any/x", true),
        ("/v1/batches/1", "/v1/batches/2", false),
    ] {
        assert_eq!(is_same_path(recorded, asked), expected, "{recorded} {asked}");
    }
}

#[test]
fn equal_requests_win_whatever_the_order_of_their_keys() {
    let library = library();
    let turned = json!({"messages": [{"content": "hello", "role": "user"}], "model": "gpt"});
    assert_eq!(find(&library, "/v1/chat/completions", &turned), Some(("a#0".into(), true)));
    let bye = question("gpt", "bye");
    let turns: Vec<_> =
        (0..3).map(|_| find(&library, "/openai/v1/chat/completions", &bye).unwrap().0).collect();
    assert_eq!(turns, ["b#0", "c#0", "b#0"]);
    library.rewind();
    assert_eq!(find(&library, "/v1/chat/completions", &bye).unwrap().0, "b#0");
}

#[test]
fn the_first_segment_selects_a_provider() {
    let library = library();
    let hello = question("gpt", "hello");
    let found = find(&library, "/deepseek/v1/chat/completions", &hello);
    assert_eq!(found, Some(("d#0".into(), false)));
    assert_eq!(find(&library, "/anthropic/v1/messages", &hello), None);
}

#[test]
fn a_similar_request_must_be_of_the_same_kind() {
    let library = library();
    let path = "/v1/chat/completions";
    let mut near = question("gpt", "hello");
    near["temperature"] = json!(0.5);
    assert_eq!(find(&library, path, &near), Some(("a#0".into(), false)));
    near["stream"] = json!(true);
    assert_eq!(find(&library, path, &near), None);
    let mut with_tools = question("gpt", "hello");
    with_tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    assert_eq!(find(&library, path, &with_tools), None);
}

#[test]
fn a_folder_is_read_in_order_and_a_bad_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let line = json!({
        "cassette": "x", "provider": "p",
        "request": {"method": "get", "uri": "https://h/v1/models"}, "response": {"status": 200},
    });
    std::fs::write(folder.path().join("b.jsonl"), format!("{line}\n\n{line}\n")).unwrap();
    std::fs::write(folder.path().join("note.txt"), "no json").unwrap();
    let library = Library::load(folder.path()).unwrap();
    assert_eq!(library.recordings().len(), 2);
    assert_eq!(library.recordings()[0].name, "x#0");
    std::fs::write(folder.path().join("a.jsonl"), format!("{line}\nnonsense\n")).unwrap();
    let error = Library::load(folder.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::NotConfigured);
    assert!(error.message().contains("a.jsonl, line 2"), "{error}");
    assert!(Library::load(&folder.path().join("absent")).is_err());
}
