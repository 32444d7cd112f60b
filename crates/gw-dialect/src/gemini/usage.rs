//! `usageMetadata` to disjoint token classes and back.
//!
//! `promptTokenCount` has cached tokens in it; thoughts and what tools of Google put into the prompt
//! stand apart from the counts of candidates and prompt. The total settles it where a server counts
//! otherwise. Nothing here can go below zero.

use gw_core::{Usage, UsageReport};
use serde_json::{Map, Value, json};

use crate::json::natural;

/// Service tiers of this format, as it writes them in answers.
const TIERS: [&str; 3] = ["standard", "flex", "priority"];

fn count(usage: &Map<String, Value>, key: &str) -> u64 {
    usage.get(key).and_then(natural).unwrap_or(0)
}

/// Tokens of one modality in a list of details.
fn of_modality(usage: &Map<String, Value>, key: &str, modality: &str) -> u64 {
    let details = usage.get(key).and_then(Value::as_array);
    let found = details.into_iter().flatten().filter(|it| it["modality"] == modality);
    found.filter_map(|it| natural(&it["tokenCount"])).fold(0, u64::saturating_add)
}

/// Reads usage. `searches` were counted from the grounding of the answer.
pub(crate) fn read(usage: &Map<String, Value>, searches: u64) -> UsageReport {
    let prompt = count(usage, "promptTokenCount");
    let candidates = match count(usage, "candidatesTokenCount") {
        // The name in answers of the live API and of some servers.
        0 => count(usage, "responseTokenCount"),
        found => found,
    };
    let thoughts = count(usage, "thoughtsTokenCount");
    let tools = count(usage, "toolUsePromptTokenCount");
    let total = usage.get("totalTokenCount").and_then(natural);
    let sum = |parts: &[u64]| parts.iter().copied().fold(0, u64::saturating_add);
    let thoughts_are_inside = thoughts > 0
        && thoughts <= candidates
        && total.is_some_and(|total| total == sum(&[prompt, candidates, tools]));
    let tools_are_inside = tools > 0
        && tools <= prompt
        && total.is_some_and(|total| total == sum(&[prompt, candidates, thoughts]));

    let read = if tools_are_inside { prompt } else { prompt.saturating_add(tools) };
    let cached = count(usage, "cachedContentTokenCount").min(read);
    let cached_audio = of_modality(usage, "cacheTokensDetails", "AUDIO").min(cached);
    let heard = of_modality(usage, "promptTokensDetails", "AUDIO")
        .saturating_add(of_modality(usage, "toolUsePromptTokensDetails", "AUDIO"))
        .saturating_sub(cached_audio)
        .min(read - cached);
    let written = if thoughts_are_inside { candidates - thoughts } else { candidates };
    let spoken = of_modality(usage, "candidatesTokensDetails", "AUDIO").min(written);
    let drawn = of_modality(usage, "candidatesTokensDetails", "IMAGE").min(written - spoken);
    let tier = usage.get("serviceTier").and_then(Value::as_str);
    UsageReport {
        usage: Usage {
            input: read - cached - heard,
            cache_read: cached - cached_audio,
            cache_read_audio: cached_audio,
            input_audio: heard,
            output: written - spoken - drawn,
            reasoning: thoughts,
            output_audio: spoken,
            output_image: drawn,
            web_search: searches,
            ..Usage::default()
        },
        reported_cost: None,
        service_tier: tier.map(str::to_owned),
        is_estimate: false,
    }
}

/// Writes usage. The format counts no writes to a cache: they are plain input.
pub(super) fn write(report: &UsageReport) -> Value {
    let usage = &report.usage;
    let (read, written) =
        (usage.total_input(), usage.total_output().saturating_sub(usage.reasoning));
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("promptTokenCount", json!(read));
    put("candidatesTokenCount", json!(written));
    put("totalTokenCount", json!(read.saturating_add(usage.total_output())));
    let cached = usage.total_cache_read();
    if cached > 0 {
        put("cachedContentTokenCount", json!(cached));
    }
    if usage.reasoning > 0 {
        put("thoughtsTokenCount", json!(usage.reasoning));
    }
    let heard = usage.input_audio.saturating_add(usage.cache_read_audio);
    put("promptTokensDetails", details(read, heard, 0));
    if usage.cache_read_audio > 0 {
        put("cacheTokensDetails", details(cached, usage.cache_read_audio, 0));
    }
    if usage.output_audio > 0 || usage.output_image > 0 {
        let details = details(written, usage.output_audio, usage.output_image);
        put("candidatesTokensDetails", details);
    }
    if let Some(tier) = report.service_tier.as_deref().filter(|tier| TIERS.contains(tier)) {
        put("serviceTier", Value::from(tier));
    }
    Value::Object(out)
}

fn details(all: u64, audio: u64, images: u64) -> Value {
    let text = all.saturating_sub(audio).saturating_sub(images);
    let kinds = [("TEXT", text), ("AUDIO", audio), ("IMAGE", images)];
    let said = kinds.into_iter().filter(|(_, tokens)| *tokens > 0 || all == 0);
    let details = said.map(|(kind, tokens)| json!({"modality": kind, "tokenCount": tokens}));
    Value::Array(details.take(if all == 0 { 1 } else { 3 }).collect())
}

#[cfg(test)]
mod tests {
    use gw_core::{Usage, UsageReport};
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use serde_json::{Value, json};

    use super::{read, write};

    #[track_caller]
    fn check(usage: &Value, wanted: Usage) {
        assert_eq!(read(usage.as_object().expect("an object"), 0).usage, wanted);
    }

    #[test]
    fn classes_are_disjoint() {
        let usage = json!({
            "promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 20,
            "thoughtsTokenCount": 30, "toolUsePromptTokenCount": 7, "totalTokenCount": 157,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 70}, {"modality": "AUDIO", "tokenCount": 30}],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}],
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
        });
        let wanted = Usage {
            input: 27,
            cache_read: 50,
            cache_read_audio: 10,
            input_audio: 20,
            output: 15,
            reasoning: 30,
            output_audio: 5,
            ..Usage::default()
        };
        check(&usage, wanted);
    }

    #[test]
    fn the_total_tells_where_thoughts_are_counted() {
        let inside = json!({"promptTokenCount": 10, "candidatesTokenCount": 50,
            "thoughtsTokenCount": 30, "totalTokenCount": 60});
        check(&inside, Usage { input: 10, output: 20, reasoning: 30, ..Usage::default() });
        let apart = json!({"promptTokenCount": 10, "candidatesTokenCount": 50,
            "thoughtsTokenCount": 30, "totalTokenCount": 90});
        check(&apart, Usage { input: 10, output: 50, reasoning: 30, ..Usage::default() });
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(counts in any::<[u32; 7]>()) {
            let [input, cache_read, cache_read_audio, input_audio, output, reasoning, output_audio] =
                counts.map(u64::from);
            let usage = Usage { input, cache_read, cache_read_audio, input_audio, output, reasoning,
                output_audio, ..Usage::default() };
            let written = write(&UsageReport { usage, ..UsageReport::default() });
            prop_assert_eq!(read(written.as_object().expect("an object"), 0).usage, usage);
        }

        #[test]
        fn nothing_goes_below_zero(counts in any::<[u64; 6]>()) {
            let [a, b, c, d, e, f] = counts;
            let usage = json!({"promptTokenCount": a, "cachedContentTokenCount": b,
                "candidatesTokenCount": c, "thoughtsTokenCount": d, "totalTokenCount": e,
                "toolUsePromptTokenCount": f,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": b}]});
            let _ = read(usage.as_object().expect("an object"), 0);
        }
    }
}
