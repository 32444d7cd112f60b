use gw_core::{Money, Usage};
use proptest::prelude::{any, prop_assert_eq, proptest};
use serde_json::{Value, json};

use super::{UsageFormat, decode};

#[track_caller]
fn check(value: &Value, format: UsageFormat, wanted: Usage) {
    let (found, report) = decode(value).expect("a usage object");
    assert_eq!((found, report.usage), (format, wanted));
}

#[test]
fn every_format_is_told_by_its_keys() {
    check(
        &json!({"prompt_tokens": 97, "completion_tokens": 17, "total_tokens": 114,
            "prompt_tokens_details": {"cached_tokens": 64}, "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 33, "completion_tokens_details": {"reasoning_tokens": 15}}),
        UsageFormat::ChatCompletions,
        Usage { input: 33, cache_read: 64, output: 2, reasoning: 15, ..Usage::default() },
    );
    check(
        &json!({"input_tokens": 10, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 5,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
            "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 2}}),
        UsageFormat::Messages,
        Usage {
            input: 10,
            cache_write: 3,
            cache_write_long: 4,
            cache_read: 5,
            output: 7,
            reasoning: 2,
            ..Usage::default()
        },
    );
    check(
        &json!({"input_tokens": 53, "input_tokens_details": {"cached_tokens": 50},
            "output_tokens": 10, "output_tokens_details": {"reasoning_tokens": 4},
            "total_tokens": 63}),
        UsageFormat::Responses,
        Usage { input: 3, cache_read: 50, output: 6, reasoning: 4, ..Usage::default() },
    );
    check(
        &json!({"promptTokenCount": 10, "candidatesTokenCount": 1290, "totalTokenCount": 1300,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}]}),
        UsageFormat::Gemini,
        Usage { input: 10, output_image: 1290, ..Usage::default() },
    );
    check(
        &json!({"cacheDetails": [{"inputTokens": 51, "ttl": "5m"}, {"inputTokens": 7, "ttl": "1h"}],
            "cacheReadInputTokenCount": 3, "cacheReadInputTokens": 3, "cacheWriteInputTokens": 58,
            "inputTokens": 10, "outputTokens": 4, "serverToolUsage": {}, "totalTokens": 75}),
        UsageFormat::Converse,
        Usage {
            input: 10,
            cache_read: 3,
            cache_write: 51,
            cache_write_long: 7,
            output: 4,
            ..Usage::default()
        },
    );
    check(
        &json!({"billed_units": {"input_tokens": 10, "output_tokens": 104},
            "tokens": {"input_tokens": 505, "output_tokens": 107}, "cached_tokens": 448}),
        UsageFormat::BilledUnits,
        Usage { input: 10, output: 104, ..Usage::default() },
    );
    check(
        &json!({"prompt_eval_count": 26, "eval_count": 298, "total_duration": 5}),
        UsageFormat::Ollama,
        Usage { input: 26, output: 298, ..Usage::default() },
    );
    check(
        &json!({"pages_processed": 3, "doc_size_bytes": 18810}),
        UsageFormat::Pages,
        Usage { page: 3, ..Usage::default() },
    );
}

#[test]
fn embeddings_rerank_and_pictures_are_read() {
    let total = Usage { input: 17, ..Usage::default() };
    check(&json!({"total_tokens": 17, "cost": 3.4e-7}), UsageFormat::ChatCompletions, total);
    let searches = Usage { rerank_search: 1, ..Usage::default() };
    let meta =
        json!({"meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}});
    check(&meta, UsageFormat::BilledUnits, searches);
    check(&json!({"search_units": 1}), UsageFormat::BilledUnits, searches);
    check(
        &json!({"total_tokens": 100, "input_tokens": 50, "output_tokens": 50,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}}),
        UsageFormat::Responses,
        Usage { input: 10, input_image: 40, output_image: 50, ..Usage::default() },
    );
    let (_, charged) = decode(&json!({"cost_in_usd_ticks": 200_000_000})).expect("a charge");
    assert_eq!(charged.reported_cost, Money::from_usd_decimal("0.02"));
}

#[test]
fn a_whole_answer_is_taken_apart() {
    let answer = json!({"type": "response.completed", "response": {"id": "r",
        "service_tier": "flex", "usage": {"input_tokens": 5, "output_tokens": 6,
        "input_tokens_details": {"cached_tokens": 0}},
        "tool_usage": {"web_search": {"num_requests": 2}}}});
    let (format, report) = decode(&answer).expect("an answer");
    assert_eq!((format, report.usage.web_search), (UsageFormat::Responses, 2));
    assert_eq!(report.service_tier.as_deref(), Some("flex"));
    let bedrock = json!({"output": {}, "usage": {"inputTokens": 1, "outputTokens": 2},
        "serviceTier": {"type": "priority"}});
    assert_eq!(decode(&bedrock).expect("an answer").1.service_tier.as_deref(), Some("priority"));
    let python = json!({"usage_metadata": {"prompt_token_count": 9, "candidates_token_count": 4,
        "prompt_tokens_details": [{"modality": "AUDIO", "token_count": 3}]}});
    let usage = Usage { input: 6, input_audio: 3, output: 4, ..Usage::default() };
    check(&python, UsageFormat::Gemini, usage);
}

#[test]
fn what_states_nothing_is_no_free_call() {
    for nothing in
        [json!({}), json!([1]), json!({"trafficType": "ON_DEMAND"}), json!({"usage": null})]
    {
        assert!(decode(&nothing).is_err(), "{nothing}");
    }
    for (bad, field) in [
        (json!({"prompt_tokens": "many"}), "usage.prompt_tokens"),
        (json!({"input_tokens": -1}), "usage.input_tokens"),
        (
            json!({"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 0.5}}),
            "usage.prompt_tokens_details.cached_tokens",
        ),
    ] {
        let error = decode(&bad).expect_err("no count");
        assert_eq!(error.field(), Some(field));
    }
}

proptest! {
    /// The classes are disjoint and lose nothing: their sum is the provider's own total.
    #[test]
    fn classes_sum_to_the_total(counts in any::<[u16; 6]>()) {
        let [input, cached, written, output, thought, extra] = counts.map(u64::from);
        let prompt = input + cached + written;
        let total = prompt + output + thought;
        let chat = json!({"prompt_tokens": prompt, "completion_tokens": output + thought,
            "total_tokens": total, "prompt_tokens_details": {"cached_tokens": cached,
            "cache_write_tokens": written}, "completion_tokens_details": {"reasoning_tokens": thought}});
        let responses = json!({"input_tokens": prompt, "output_tokens": output + thought,
            "total_tokens": total, "input_tokens_details": {"cached_tokens": cached},
            "output_tokens_details": {"reasoning_tokens": thought}});
        let messages = json!({"input_tokens": input, "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": written, "output_tokens": output + thought,
            "output_tokens_details": {"thinking_tokens": thought}});
        let gemini = json!({"promptTokenCount": prompt, "cachedContentTokenCount": cached,
            "candidatesTokenCount": output, "thoughtsTokenCount": thought,
            "toolUsePromptTokenCount": extra, "totalTokenCount": total + extra});
        let converse = json!({"inputTokens": input, "cacheReadInputTokens": cached,
            "cacheWriteInputTokens": written, "outputTokens": output + thought,
            "totalTokens": total});
        for (usage, total) in [
            (chat, total), (responses, total), (messages, total), (gemini, total + extra),
            (converse, total),
        ] {
            let (_, report) = decode(&usage).expect("a usage object");
            let sum = report.usage.total_input() + report.usage.total_output();
            prop_assert_eq!(sum, total, "{}", usage);
        }
    }

    /// No bytes make it panic, and no sum leaves its range.
    #[test]
    fn any_numbers_are_survived(a in any::<u64>(), b in any::<u64>(), c in any::<u64>()) {
        for usage in [
            json!({"prompt_tokens": a, "completion_tokens": b, "total_tokens": c,
                "prompt_tokens_details": {"cached_tokens": c, "audio_tokens": b, "image_tokens": a}}),
            json!({"promptTokenCount": a, "candidatesTokenCount": b, "thoughtsTokenCount": c,
                "cachedContentTokenCount": b, "totalTokenCount": c}),
            json!({"inputTokens": a, "cacheWriteInputTokens": b,
                "cacheDetails": [{"ttl": "1h", "inputTokens": c}]}),
        ] {
            let (_, report) = decode(&usage).expect("a usage object");
            let _ = report.usage.total_input().saturating_add(report.usage.total_output());
        }
    }
}
