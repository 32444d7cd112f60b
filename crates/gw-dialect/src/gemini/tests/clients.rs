use std::path::Path;

use gw_core::chat::{ChatRequest, Part};
use serde_json::Value;

use super::{decode, encode};

/// Requests that real clients of this format sent.
#[test]
fn requests_of_real_clients_are_read_and_written() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/clients"));
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    };
    let mut count = 0;
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("reads");
        let recorded: Value = serde_json::from_str(&text).expect("JSON");
        let address = recorded["path"].as_str().unwrap_or_default();
        if !address.contains("enerateContent") && !address.contains(":countTokens") {
            continue;
        }
        count += 1;
        let request = decode(&recorded["body"]);
        assert!(!request.messages.is_empty(), "{}", path.display());
        let (_, body, notices) = encode(&request, "gemini-3-flash").expect("encodes");
        assert_eq!(notices, [], "{}", path.display());
        let again = decode(&body);
        // Turns of one role that follow each other become one.
        let said = |request: &ChatRequest| -> Vec<Part> {
            request.messages.iter().flat_map(|message| message.parts.clone()).collect()
        };
        assert_eq!(said(&again), said(&request), "{}", path.display());
        assert_eq!(again.tools, request.tools, "{}", path.display());
        let calls = request.messages.iter().flat_map(|message| &message.parts);
        let calls = calls.filter(|part| matches!(part, Part::ToolCall { .. })).count();
        let results = text.matches("\"functionResponse\"").count();
        assert!(calls >= results, "{}", path.display());
    }
    assert!(count > 0, "no request of a Gemini client in {}", folder.display());
}
