//! Every recorded request of a real client to this format. Skipped where the data is absent.

use std::fs;

use gw_core::chat::Tool;
use gw_core::seam::{Dialect, Quirks, Target};
use serde_json::Value;

use crate::anthropic::AnthropicMessages;
use crate::openai_responses::OpenAiResponses;

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/clients");

/// The tools, with what is meant where nothing is said of strictness.
fn said(tools: &[Tool]) -> Vec<Tool> {
    let mut tools = tools.to_vec();
    for tool in &mut tools {
        if let Tool::Function { strict, .. } = tool {
            strict.get_or_insert(false);
        }
    }
    tools
}

#[test]
fn requests_of_real_clients_round_trip_and_can_be_asked_of_anthropic() {
    let Ok(folder) = fs::read_dir(CLIENTS) else {
        eprintln!("skipped: no recorded client requests");
        return;
    };
    let mut count = 0;
    for entry in folder.flatten().filter(|it| it.path().extension().is_some_and(|it| it == "json"))
    {
        let text = fs::read_to_string(entry.path()).expect("readable");
        let recorded: Value = serde_json::from_str(&text).expect("JSON");
        let path = recorded["path"].as_str().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        if recorded["method"] != "POST" || !path.ends_with("/responses") {
            continue;
        }
        count += 1;
        let name = entry.file_name();
        let body = match &recorded["body"] {
            Value::String(body) => body.clone(),
            body => body.to_string(),
        };
        let request = OpenAiResponses.decode_request(body.as_bytes());
        let request = request.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let quirks = Quirks::default();
        let target = Target { model: &request.model, quirks: &quirks, max_output_tokens: None };
        let wire = OpenAiResponses.encode_request(&request, &target);
        let wire = wire.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let again = OpenAiResponses.decode_request(&wire.body);
        let again = again.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(again.messages, request.messages, "{name:?}");
        // A request without any field of this format alone is not known to be of it.
        assert_eq!(said(&again.tools), said(&request.tools), "{name:?}");
        let foreign = AnthropicMessages.encode_request(&request, &target);
        let foreign = foreign.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let asked = AnthropicMessages.decode_request(&foreign.body).expect("its own words");
        let functions = |tools: &[Tool]| {
            tools.iter().filter(|tool| matches!(tool, Tool::Function { .. })).count()
        };
        assert_eq!(functions(&asked.tools), functions(&request.tools), "{name:?}");
        // What its answers repeat is what the client sent.
        let sent: Value = serde_json::from_str(&body).expect("JSON");
        let echo = OpenAiResponses.echo(&request);
        if let (Some(sent), Some(echoed)) = (sent["tools"].as_array(), echo.get("tools")) {
            let names = |tools: &[Value]| -> Vec<Value> {
                tools.iter().map(|tool| tool["name"].clone()).collect()
            };
            assert_eq!(names(sent), names(echoed.as_array().expect("a list")), "{name:?}");
        }
    }
    assert!(count >= 20, "{count} requests found");
}
