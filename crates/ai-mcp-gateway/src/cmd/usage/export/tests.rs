use gw_core::Money;
use gw_ledger::reconcile::Statement;
use serde_json::json;

use super::{Line, read};
use crate::cli::ColumnArgs;

fn line(
    day: &str,
    model: &str,
    numbers: (Option<u64>, Option<u64>, Option<u64>),
    usd: Option<&str>,
) -> Line {
    let (calls, input_tokens, output_tokens) = numbers;
    let cost = usd.and_then(Money::from_usd_decimal);
    let statement = Statement { calls, input_tokens, output_tokens, cost };
    Line { day: day.to_owned(), model: model.to_owned(), statement }
}

#[track_caller]
fn check(text: &str, wanted: &[Line]) {
    assert_eq!(read(text, &ColumnArgs::default()).expect("an export"), wanted);
}

#[test]
fn openai_usage_and_costs() {
    let usage = json!({"object": "page", "has_more": false, "next_page": null, "data": [{
        "object": "bucket", "start_time": 1_788_134_400, "end_time": 1_788_220_800, "results": [
            {"object": "organization.usage.completions.result", "input_tokens": 1000,
             "input_cached_tokens": 800, "output_tokens": 500, "num_model_requests": 5,
             "project_id": null, "model": "gpt-4o-mini-2024-07-18", "batch": null}]},
        {"object": "bucket", "start_time": 1_788_220_800, "results": []}]});
    let wanted =
        line("2026-08-31", "gpt-4o-mini-2024-07-18", (Some(5), Some(1000), Some(500)), None);
    check(&usage.to_string(), &[wanted]);
    let costs = json!({"object": "page", "data": [{"start_time": 1_788_134_400, "results": [
        {"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"},
         "line_item": "gpt-4o-mini-2024-07-18, input", "project_id": null}]}]});
    let wanted = line("2026-08-31", "gpt-4o-mini-2024-07-18", (None, None, None), Some("0.06"));
    check(&costs.to_string(), &[wanted]);
}

#[test]
fn anthropic_usage_and_costs() {
    let usage = json!({"has_more": false, "next_page": null, "data": [{
        "starting_at": "2026-08-31T00:00:00Z", "ending_at": "2026-09-01T00:00:00Z", "results": [{
            "uncached_input_tokens": 1500, "cache_read_input_tokens": 200, "output_tokens": 500,
            "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
            "server_tool_use": {"web_search_requests": 10}, "model": "claude-sonnet-4-5",
            "service_tier": "standard", "workspace_id": null}]}]});
    let wanted = line("2026-08-31", "claude-sonnet-4-5", (None, Some(3200), Some(500)), None);
    check(&usage.to_string(), &[wanted]);
    // Amounts are in cents.
    let costs = json!({"data": [{"starting_at": "2026-08-31T00:00:00Z", "results": [{
        "amount": "123.78912", "currency": "USD", "model": "claude-sonnet-4-5",
        "token_type": "output_tokens", "cost_type": "tokens"}]}]});
    let wanted = line("2026-08-31", "claude-sonnet-4-5", (None, None, None), Some("1.2378912"));
    check(&costs.to_string(), &[wanted]);
    let table = "usage_date_utc,model_version,usage_input_tokens_no_cache,\
        usage_input_tokens_cache_write_5m,usage_input_tokens_cache_read,usage_output_tokens\n\
        2026-08-31,claude-sonnet-4-5,10,5,1,\"1,000\"\n";
    let wanted = line("2026-08-31", "claude-sonnet-4-5", (None, Some(16), Some(1000)), None);
    check(table, &[wanted]);
}

#[test]
fn openrouter_activity() {
    let wanted =
        || line("2025-08-24", "openai/gpt-4.1", (Some(5), Some(50), Some(125)), Some("0.015"));
    let json = json!({"data": [{"date": "2025-08-24", "model": "openai/gpt-4.1",
        "model_permaslug": "openai/gpt-4.1-2025-04-14", "provider_name": "OpenAI", "usage": 0.015,
        "byok_usage_inference": 0.012, "requests": 5, "prompt_tokens": 50,
        "completion_tokens": 125, "reasoning_tokens": 25}]});
    check(&json.to_string(), &[wanted()]);
    let csv = "date,model,usage,requests,prompt_tokens,completion_tokens,reasoning_tokens\n\
        2025-08-24 00:00:00,openai/gpt-4.1,0.015,5,50,125,25\n";
    check(csv, &[wanted()]);
}

#[test]
fn columns_can_be_named_and_what_is_missing_is_said() {
    let csv = "When;Which\n";
    let error = read(csv, &ColumnArgs::default()).map(|lines| lines.len());
    assert_eq!(error.expect("nothing in it"), 0);
    let csv = "When,Which,In,Paid\n2026-08-31,m,7,$1.50\n";
    let columns = ColumnArgs {
        day_column: Some("When".into()),
        model_column: Some("Which".into()),
        input_column: Some("In".into()),
        cost_column: Some("Paid".into()),
        ..ColumnArgs::default()
    };
    let wanted = line("2026-08-31", "m", (None, Some(7), None), Some("1.5"));
    assert_eq!(read(csv, &columns).expect("an export"), [wanted]);
    for (text, says) in [
        ("date,input_tokens\n2026-08-31,7\n", "no model"),
        ("model,input_tokens\nm,7\n", "no day"),
        ("date,model,input_tokens\n2026-08-31,m,many\n", "no count"),
        ("{\"has_more\": true, \"data\": []}", "one page"),
        ("{\"data\": ", "not JSON"),
    ] {
        let error = read(text, &ColumnArgs::default()).expect_err("incomplete").to_string();
        assert!(error.contains(says), "{error}");
    }
}
