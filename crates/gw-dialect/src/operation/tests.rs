//! Recorded answers of real providers: every embedding, order, verdict and picture is read, with what
//! it was billed by. They lie beside the checkout; where they are absent the test says so and passes.

use bytes::Bytes;
use gw_core::operation::{OperationInput, OperationKind, OperationOutput};
use gw_core::seam::{OperationFormatId, Quirks, Target};
use gw_core::{Money, Result};
use serde_json::Value;

use super::{cohere, format, gemini, openai};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings");

struct Exchange {
    uri: String,
    request: Bytes,
    status: u64,
    response: Bytes,
}

fn exchanges() -> Vec<Exchange> {
    let Ok(folder) = std::fs::read_dir(FOLDER) else { return Vec::new() };
    let mut all = Vec::new();
    for entry in folder {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("a recording");
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).expect("JSON");
            let bytes = |value: &Value| Bytes::from(value.as_str().unwrap_or_default().to_owned());
            all.push(Exchange {
                uri: value["request"]["uri"].as_str().unwrap_or_default().to_owned(),
                request: bytes(&value["request"]["body"]),
                status: value["response"]["status"].as_u64().unwrap_or(0),
                response: bytes(&value["response"]["body"]),
            });
        }
    }
    all
}

fn read(
    uri: &str,
    body: &Bytes,
) -> Option<(OperationFormatId, Result<gw_core::operation::Operation>)> {
    use OperationFormatId::{Cohere, Gemini, Jina, OpenAi, OpenAiInt8};
    let path = uri.split('?').next().unwrap_or_default();
    let openai = |read: Result<_>| Some((OpenAi, read));
    if path.ends_with("/v2/embed") {
        Some((Cohere, cohere::read_embed(body).map(|(operation, _)| operation)))
    } else if path.ends_with("/v2/rerank") {
        Some((Cohere, cohere::read_rerank(body)))
    } else if path.ends_with("/rerank") {
        Some((Jina, cohere::read_rerank(body)))
    } else if path.ends_with("/embeddings") {
        let id = if uri.contains("perplexity") { OpenAiInt8 } else { OpenAi };
        Some((id, openai::read_embeddings(body).map(|(operation, _)| operation)))
    } else if path.ends_with(":batchEmbedContents") {
        Some((Gemini, gemini::read_embed("m", true, body)))
    } else if path.ends_with("/moderations") {
        openai(openai::read_moderations(body))
    } else if path.ends_with("/images/generations") {
        openai(openai::read_images(OperationKind::Images, body))
    } else if path.ends_with("/images/edits") {
        openai(openai::read_images(OperationKind::ImageEdits, body))
    } else {
        None
    }
}

#[test]
fn recorded_answers_are_read_with_their_bill() {
    let all = exchanges();
    if all.is_empty() {
        println!("skipped: the recordings are not beside this checkout");
        return;
    }
    let quirks = Quirks::default();
    let (mut count, mut reported) = (0, 0);
    for exchange in all.iter().filter(|exchange| exchange.status == 200) {
        let Some((id, operation)) = read(&exchange.uri, &exchange.request) else { continue };
        let what = &exchange.uri;
        let operation = match operation {
            Ok(operation) => operation,
            // Vectors of pictures are not made here, and say so.
            Err(error) => {
                assert_eq!(error.kind(), gw_core::Kind::UnsupportedFeature, "{what}: {error}");
                continue;
            }
        };
        count += 1;
        let target = Target { model: "m", quirks: &quirks, max_output_tokens: None };
        let wire = format(id).encode(&operation, &target).expect("the same format takes it");
        assert!(!wire.body.is_empty(), "{what}");
        let wants_output = !matches!(operation.input, OperationInput::Raw);
        let reply = format(id).decode(&operation, &exchange.response, wants_output);
        let reply = reply.unwrap_or_else(|error| std::panic::panic_any(format!("{what}: {error}")));
        let usage = reply.usage.unwrap_or_default();
        reported += u32::from(usage.usage.total_input() > 0 || usage.usage.rerank_search > 0);
        match (&operation.input, reply.output) {
            (OperationInput::Embed(request), OperationOutput::Vectors(vectors)) => {
                assert_eq!(vectors.len(), request.inputs.len(), "{what}");
                assert!(vectors.iter().all(|vector| vector.len() >= 64), "{what}");
            }
            (OperationInput::Rerank(_), OperationOutput::Ranks(ranks)) => {
                assert!(!ranks.is_empty(), "{what}");
                assert!(ranks.windows(2).all(|pair| pair[0].score >= pair[1].score), "{what}");
            }
            (OperationInput::Raw, OperationOutput::Raw) => {}
            (input, output) => std::panic::panic_any(format!("{what}: {input:?} {output:?}")),
        }
        if what.contains("x.ai") {
            let paid = usage.reported_cost.expect("xAI says what it charged");
            assert!(paid > Money::ZERO && usage.usage.image == 1, "{usage:?}");
        }
        if what.contains("perplexity") {
            assert!(usage.reported_cost.is_some_and(|paid| paid > Money::ZERO), "{usage:?}");
        }
    }
    println!("{count} recorded answers read, {reported} of them say what was used");
    assert!(count >= 35, "{count}");
}
