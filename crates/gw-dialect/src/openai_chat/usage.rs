//! Consumption as chat-completions providers report it, to and from disjoint classes.
//!
//! The format counts cached and audio input inside `prompt_tokens` and thinking inside
//! `completion_tokens`, but not every provider follows: xAI leaves thinking out, Mistral leaves audio
//! out. `total_tokens` settles which it is. Nothing here can go below zero.

use gw_core::{Money, Usage, UsageReport};
use serde_json::{Map, Value, json};

use super::value::{count, object, text};

/// xAI's `cost_in_usd_ticks`: one tick is 10⁻¹⁰ dollars.
const PICO_PER_TICK: i64 = 100;

/// Reads a `usage` object. `service_tier` is the reply's own, which stands beside it.
pub(crate) fn decode(usage: &Map<String, Value>, service_tier: Option<&str>) -> UsageReport {
    let tier = service_tier.or_else(|| text(usage, "service_tier"));
    UsageReport {
        usage: decode_units(usage),
        reported_cost: decode_cost(usage),
        service_tier: tier.map(str::to_owned),
        is_estimate: false,
    }
}

/// The counts as they stand on the wire, before they are made disjoint.
struct Counts {
    prompt: u64,
    completion: u64,
    total: Option<u64>,
    audio_in: u64,
    audio_out: u64,
    image_in: u64,
    image_out: u64,
    reasoning: u64,
}

impl Counts {
    fn read(usage: &Map<String, Value>) -> Self {
        let input = object(usage, "prompt_tokens_details");
        let output = object(usage, "completion_tokens_details");
        Self {
            prompt: count(Some(usage), "prompt_tokens"),
            completion: count(Some(usage), "completion_tokens"),
            total: usage.get("total_tokens").map(|_| count(Some(usage), "total_tokens")),
            audio_in: count(input, "audio_tokens"),
            audio_out: count(output, "audio_tokens"),
            image_in: count(input, "image_tokens"),
            image_out: count(output, "image_tokens"),
            reasoning: first_of(output, usage, "reasoning_tokens"),
        }
    }

    /// Tokens that the total holds beyond prompt and completion.
    fn unaccounted(&self) -> u64 {
        let known = self.prompt.saturating_add(self.completion);
        self.total.map_or(0, |total| total.saturating_sub(known))
    }

    fn reasoning_is_apart(&self) -> bool {
        let rest = self.unaccounted();
        let explained =
            rest == self.reasoning || rest == self.reasoning.saturating_add(self.audio_in);
        self.reasoning > self.completion || self.reasoning > 0 && explained
    }

    fn audio_is_apart(&self) -> bool {
        let rest = self.unaccounted();
        let explained =
            rest == self.audio_in || rest == self.audio_in.saturating_add(self.reasoning);
        self.audio_in > 0 && explained
    }
}

fn decode_units(usage: &Map<String, Value>) -> Usage {
    let counts = Counts::read(usage);
    let input = object(usage, "prompt_tokens_details");
    let mut units = Usage::default();

    let mut rest = counts.prompt;
    if counts.audio_is_apart() {
        rest = rest.saturating_add(counts.audio_in);
    }
    // A provider that counts more cached tokens than prompt tokens (Grok on Azure counts a hidden
    // prefix) charges for the prompt it states.
    let cached = take(&mut rest, cached_tokens(usage, input));
    let cached_details = input.and_then(|input| object(input, "cached_tokens_details"));
    let mut plain = cached;
    units.cache_read_audio = take(&mut plain, count(cached_details, "audio_tokens"));
    units.cache_read_image = take(&mut plain, count(cached_details, "image_tokens"));
    units.cache_read = plain;
    let written = take(&mut rest, written_tokens(input));
    units.cache_write_long = count(input, "cache_write_long_tokens").min(written);
    units.cache_write = written - units.cache_write_long;
    let heard = counts.audio_in.saturating_sub(units.cache_read_audio);
    units.input_audio = take(&mut rest, heard);
    let seen = counts.image_in.saturating_sub(units.cache_read_image);
    units.input_image = take(&mut rest, seen);
    units.input = rest;

    let mut rest = counts.completion;
    if counts.reasoning_is_apart() {
        units.reasoning = counts.reasoning;
    } else {
        units.reasoning = take(&mut rest, counts.reasoning);
    }
    units.output_audio = take(&mut rest, counts.audio_out);
    units.output_image = take(&mut rest, counts.image_out);
    units.output = rest;

    units.web_search = web_searches(usage);
    units
}

/// Takes at most `wanted` from `rest`.
fn take(rest: &mut u64, wanted: u64) -> u64 {
    let taken = wanted.min(*rest);
    *rest -= taken;
    taken
}

fn first_of(details: Option<&Map<String, Value>>, usage: &Map<String, Value>, key: &str) -> u64 {
    match count(details, key) {
        0 => count(Some(usage), key),
        found => found,
    }
}

/// `prompt_tokens_details.cached_tokens`, DeepSeek's `prompt_cache_hit_tokens`, Moonshot's top-level
/// `cached_tokens`: the same number under three names.
fn cached_tokens(usage: &Map<String, Value>, input: Option<&Map<String, Value>>) -> u64 {
    let spellings = [
        count(input, "cached_tokens"),
        count(Some(usage), "prompt_cache_hit_tokens"),
        count(Some(usage), "cached_tokens"),
    ];
    spellings.into_iter().find(|found| *found > 0).unwrap_or(0)
}

fn written_tokens(input: Option<&Map<String, Value>>) -> u64 {
    let spellings = [
        count(input, "cache_write_tokens"),
        count(input, "cache_creation_tokens"),
        count(input, "cache_creation_input_tokens"),
    ];
    spellings.into_iter().find(|found| *found > 0).unwrap_or(0)
}

fn web_searches(usage: &Map<String, Value>) -> u64 {
    let nested = ["server_tool_use", "server_tool_use_details"]
        .into_iter()
        .map(|key| count(object(usage, key), "web_search_requests"))
        .find(|found| *found > 0);
    nested.unwrap_or_else(|| count(Some(usage), "num_search_queries"))
}

fn decode_cost(usage: &Map<String, Value>) -> Option<Money> {
    match usage.get("cost") {
        // Perplexity: an object of amounts.
        Some(Value::Object(cost)) => cost.get("total_cost").and_then(money),
        Some(cost @ Value::Number(_)) => {
            let charged = money(cost)?;
            // With the customer's own key at the provider, OpenRouter's `cost` is only its fee.
            let is_byok = usage.get("is_byok").and_then(Value::as_bool) == Some(true);
            let upstream = object(usage, "cost_details")
                .and_then(|details| details.get("upstream_inference_cost"))
                .and_then(money)
                .filter(|_| is_byok);
            Some(charged + upstream.unwrap_or(Money::ZERO))
        }
        _ => {
            let ticks = usage.get("cost_in_usd_ticks").and_then(Value::as_i64);
            // Resellers of Grok leave the field at zero: that says nothing about their price.
            ticks
                .filter(|ticks| *ticks > 0)
                .map(|ticks| Money::from_pico(ticks.saturating_mul(PICO_PER_TICK)))
        }
    }
}

fn money(amount: &Value) -> Option<Money> {
    let Value::Number(amount) = amount else { return None };
    Money::from_usd_decimal(&amount.to_string()).filter(|amount| *amount >= Money::ZERO)
}

/// Writes a `usage` object that [`decode`] reads back without loss.
pub(crate) fn encode(report: &UsageReport) -> Value {
    let usage = &report.usage;
    let cached = usage.total_cache_read();
    let heard = usage.input_audio.saturating_add(usage.cache_read_audio);
    let written = usage.cache_write.saturating_add(usage.cache_write_long);
    let mut input = json!({ "cached_tokens": cached, "audio_tokens": heard });
    if written > 0 {
        input["cache_write_tokens"] = json!(written);
    }
    if usage.cache_write_long > 0 {
        input["cache_write_long_tokens"] = json!(usage.cache_write_long);
    }
    let seen = usage.input_image.saturating_add(usage.cache_read_image);
    if seen > 0 {
        input["image_tokens"] = json!(seen);
    }
    if usage.cache_read_audio > 0 || usage.cache_read_image > 0 {
        input["cached_tokens_details"] = json!({
            "audio_tokens": usage.cache_read_audio,
            "image_tokens": usage.cache_read_image,
        });
    }
    let (read, wrote) = (usage.total_input(), usage.total_output());
    let mut body = json!({
        "prompt_tokens": read,
        "completion_tokens": wrote,
        "total_tokens": read.saturating_add(wrote),
        "prompt_tokens_details": input,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.output_audio,
        },
    });
    if usage.output_image > 0 {
        body["completion_tokens_details"]["image_tokens"] = json!(usage.output_image);
    }
    if usage.web_search > 0 {
        body["server_tool_use"] = json!({ "web_search_requests": usage.web_search });
    }
    if let Some(cost) = report.reported_cost {
        body["cost"] = json!(cost.as_usd_f64());
    }
    body
}

#[cfg(test)]
mod tests;
