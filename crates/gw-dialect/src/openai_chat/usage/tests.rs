use gw_core::{Money, Usage, UsageReport};
use proptest::prelude::{ProptestConfig, any, proptest};
use serde_json::{Value, json};

use super::{decode, encode};

#[track_caller]
fn check(wire: &Value, wanted: Usage) -> UsageReport {
    let report = decode(wire.as_object().expect("an object"), None);
    assert_eq!(report.usage, wanted);
    let again = encode(&report);
    let again = decode(again.as_object().expect("an object"), report.service_tier.as_deref());
    assert_eq!(again, report, "written and read again");
    report
}

fn units(input: u64, cache_read: u64, output: u64, reasoning: u64) -> Usage {
    Usage { input, cache_read, output, reasoning, ..Usage::default() }
}

#[test]
fn classes_are_disjoint() {
    check(
        &json!({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 30}}),
        units(60, 40, 20, 30),
    );
    check(&json!({"prompt_tokens": 5, "completion_tokens": 6}), units(5, 0, 6, 0));
    check(&json!({}), Usage::default());
    check(
        &json!({"prompt_tokens": 100, "completion_tokens": 0,
            "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 70, "audio_tokens": 15}}),
        Usage { input: 5, cache_read: 10, cache_write: 70, input_audio: 15, ..Usage::default() },
    );
    check(
        &json!({"prompt_tokens": 1, "completion_tokens": 9,
            "completion_tokens_details": {"audio_tokens": 7}}),
        Usage { input: 1, output: 2, output_audio: 7, ..Usage::default() },
    );
}

#[test]
fn cached_tokens_by_every_name() {
    check(
        &json!({"prompt_tokens": 20, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 12}),
        units(12, 8, 0, 0),
    );
    check(&json!({"prompt_tokens": 20, "cached_tokens": 8}), units(12, 8, 0, 0));
}

#[test]
fn xai_counts_thinking_beside_the_completion() {
    check(
        &json!({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94}}),
        units(32, 0, 9, 94),
    );
    // Perplexity: apart although the total does not hold it.
    check(
        &json!({"prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196,
            "num_search_queries": 19, "reasoning_tokens": 73997}),
        Usage { web_search: 19, ..units(33, 0, 7163, 73997) },
    );
}

#[test]
fn mistral_counts_audio_beside_the_prompt() {
    check(
        &json!({"prompt_tokens": 9, "completion_tokens": 201, "total_tokens": 585,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375}}),
        Usage { input: 9, input_audio: 375, output: 201, ..Usage::default() },
    );
}

#[test]
fn more_cached_than_prompt_never_goes_below_zero() {
    check(
        &json!({"prompt_tokens": 10, "completion_tokens": 213, "total_tokens": 223,
            "prompt_tokens_details": {"cached_tokens": 161}}),
        units(0, 10, 213, 0),
    );
    check(&json!({"prompt_tokens": -5, "completion_tokens": 3.0}), units(0, 0, 3, 0));
}

#[test]
fn reported_costs() {
    #[track_caller]
    fn cost(wire: &Value, pico: Option<i64>) {
        let report = decode(wire.as_object().expect("an object"), None);
        assert_eq!(report.reported_cost, pico.map(Money::from_pico), "{wire}");
    }
    cost(&json!({"cost": 0.000427}), Some(427_000_000));
    cost(&json!({"cost": 1.7e-05}), Some(17_000_000));
    cost(&json!({"cost": 0}), Some(0));
    cost(
        &json!({"cost": 0.0001, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.002}}),
        Some(2_100_000_000),
    );
    cost(
        &json!({"cost": 0.002, "is_byok": false, "cost_details": {"upstream_inference_cost": 0.002}}),
        Some(2_000_000_000),
    );
    cost(&json!({"cost": {"total_cost": 0.00507}}), Some(5_070_000_000));
    cost(&json!({"cost_in_usd_ticks": 37_756_000}), Some(3_775_600_000));
    cost(&json!({"cost_in_usd_ticks": 0}), None);
    cost(&json!({"cost": -1}), None);
    cost(&json!({"prompt_tokens": 1}), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_usage_round_trips(counts in any::<[u32; 13]>(), zero in any::<[bool; 13]>()) {
        let at = |place: usize| if zero[place] { 0 } else { u64::from(counts[place]) };
        let usage = Usage {
            input: at(0), cache_read: at(1), cache_write: at(2), cache_write_long: at(3),
            input_audio: at(4), cache_read_audio: at(5), output: at(6), reasoning: at(7),
            output_audio: at(8), web_search: at(9),
            input_image: at(10), cache_read_image: at(11), output_image: at(12),
            ..Usage::default()
        };
        let report = UsageReport { usage, ..UsageReport::default() };
        let wire = encode(&report);
        assert_eq!(decode(wire.as_object().expect("an object"), None), report);
    }

    #[test]
    fn a_prompt_is_never_counted_twice(prompt in 0_u64..1000, cached in 0_u64..2000,
        audio in 0_u64..2000, written in 0_u64..2000) {
        let wire = json!({"prompt_tokens": prompt, "completion_tokens": 1, "total_tokens": prompt + 1,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": audio,
                "cache_write_tokens": written}});
        let report = decode(wire.as_object().expect("an object"), None);
        assert_eq!(report.usage.total_input(), prompt);
    }
}
