//! What did it cost: prices of usage objects, reports, one call, and a provider's own account.

use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch, Ran};
use crate::upstream::{Stub, completion, model, provider};

/// One dear model besides the usual one, so that there is something to compare with.
fn config(url: &str) -> String {
    let dear = "[[models]]\nid = \"o/dear\"\nlayer = \"L3\"\n\
                usd_per_million = { input = 10, output = 50 }\n";
    [provider("o", "openai-chat", url), model("o/m"), dear.to_owned()].concat()
}

async fn price(usage: &Value, more: &[&str]) -> Ran {
    let launch = Launch::new().file("usage.json", &usage.to_string());
    let args = [&["models", "price", "--usage", "usage.json", "--json"], more].concat();
    launch.run(&args, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn any_providers_usage_is_priced_to_the_pico_dollar() {
    let anthropic = json!({"input_tokens": 10, "cache_read_input_tokens": 1000, "output_tokens": 7,
        "cache_creation_input_tokens": 300, "server_tool_use": {"web_search_requests": 1},
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200}});
    let gemini = json!({"promptTokenCount": 100, "candidatesTokenCount": 10,
        "thoughtsTokenCount": 20, "totalTokenCount": 130});
    let bedrock = json!({"inputTokens": 100, "outputTokens": 10, "totalTokens": 110});
    let openai = json!({"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000});
    let batch = json!({"usage": openai, "service_tier": "batch"});
    let sonar = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110,
        "cost": {"total_cost": 0.00507}});
    let searches = json!({"meta": {"billed_units": {"search_units": 2}}});
    for (provider, name, usage, input, output, total) in [
        (
            "anthropic",
            "claude-haiku-4-5",
            &anthropic,
            635_000_000_i64,
            35_000_000,
            10_670_000_000_i64,
        ),
        ("google", "gemini-2.5-flash", &gemini, 30_000_000, 75_000_000, 105_000_000),
        (
            "bedrock",
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            &bedrock,
            // A tenth more than elsewhere: that is what the region's prefix costs.
            110_000_000,
            55_000_000,
            165_000_000,
        ),
        ("openai", "gpt-4o-mini", &openai, 150_000_000, 600_000_000, 750_000_000),
        ("openai", "gpt-4o-mini", &batch, 75_000_000, 300_000_000, 375_000_000),
        ("perplexity", "sonar", &sonar, 100_000_000, 10_000_000, 12_110_000_000),
        ("cohere", "rerank-v3.5", &searches, 0, 0, 4_000_000_000),
    ] {
        let ran =
            price(usage, &["--provider", provider, "--model", name, "--at", "2026-08-20"]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let found = ran.json();
        let figures = ["input_pico_usd", "output_pico_usd", "total_pico_usd"];
        assert_eq!(
            figures.map(|key| found[key].as_i64()),
            [Some(input), Some(output), Some(total)],
            "{provider} {name} {found}"
        );
        let parts: i64 = found["classes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|class| class["amount_pico_usd"].as_i64().unwrap())
            .sum();
        assert_eq!(parts + found["request_fee_pico_usd"].as_i64().unwrap(), total);
    }
    let ran = price(&sonar, &["--provider", "perplexity", "--model", "sonar"]).await;
    assert_eq!(ran.json()["booked_pico_usd"], 5_070_000_000_i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_price_says_so_and_what_is_no_usage_is_refused() {
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 1});
    let ran = price(&usage, &["--provider", "openai", "--model", "gpt-nobody-knows"]).await;
    let found = ran.json();
    assert_eq!((ran.code, &found["total_pico_usd"]), (Some(0), &Value::Null));
    assert!(found["unpriced"].as_str().unwrap().contains("no price is known"), "{found}");
    let tier =
        ["--provider", "anthropic", "--model", "claude-haiku-4-5", "--service-tier", "priority"];
    let found = price(&usage, &tier).await.json();
    assert!(found["unpriced"].as_str().unwrap().contains("service tier `priority`"), "{found}");
    for bad in [json!({"nothing": 1}), json!({"prompt_tokens": "five"})] {
        let ran = price(&bad, &["--provider", "openai", "--model", "gpt-4o-mini"]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    }
    let launch = Launch::new();
    let args =
        ["models", "price", "--provider", "openai", "--model", "gpt-4o-mini", "--usage", "-"];
    let ran = launch.run(&args, Some(&usage.to_string())).await;
    assert!(ran.stdout.contains("total $0.00000135"), "{ran:?}");
}

/// Three calls: 7 tokens read, 3 written each, at one and two dollars a million.
async fn three_calls(launch: &Launch) -> (Gateway, String) {
    let gateway = launch.serve().await;
    let mut id = String::new();
    let headers = [("x-api-key", ADMIN), ("content-type", "application/json")];
    for _ in 0..3 {
        let body = json!({"model": "o/m", "messages": [{"role": "user", "content": "hi"}]});
        let body = bytes::Bytes::from(body.to_string());
        let path = "/v1/chat/completions";
        let reply = crate::http::send(gateway.address, "POST", path, &headers, body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        id = reply.header("x-gateway-call-id").to_owned();
    }
    (gateway, id)
}

const ADMIN: &str = "an-admin-key-of-the-file";
const COST: i64 = 3 * (7 + 3 * 2) * 1_000_000;
const AT_THE_TOP: i64 = 3 * (7 * 10 + 3 * 50) * 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_the_same_here_and_through_a_gateway() {
    let stub = Stub::start(|_| (200, completion("yes"))).await;
    let launch = Launch::new().toml(&config(&stub.url())).env("GATEWAY_SERVER__KEY", ADMIN);
    let (gateway, id) = three_calls(&launch).await;
    let remote = ["-e", &gateway.url(), "-k", ADMIN].map(str::to_owned);
    for by in ["model", "day", "provider,layer", "key,team,user,project,tag", "hour"] {
        let args = ["usage", "--by", by, "--from", "2020-01-01", "--json"];
        let here = launch.run(&args, None).await;
        let there: Vec<&str> = args.into_iter().chain(remote.iter().map(String::as_str)).collect();
        let there = launch.run(&there, None).await;
        assert_eq!(here.json(), there.json(), "{there:?}");
        let total = &here.json()["total"];
        assert_eq!((&total["calls"], &total["cost_pico_usd"]), (&3.into(), &COST.into()));
        assert_eq!(total["baseline_pico_usd"], AT_THE_TOP);
        assert_eq!(total["saved_pico_usd"], AT_THE_TOP - COST);
    }
    let table = launch.run(&["usage", "--by", "model"], None).await.stdout;
    assert!(table.contains("o/m") && table.contains("0.000039"), "{table}");
    assert!(table.contains("always the top layer: $0.00066 instead of $0.000039"), "{table}");
    let csv = launch.run(&["usage", "--by", "provider", "--csv"], None).await.stdout;
    assert!(csv.starts_with("provider,calls,") && csv.contains("\r\no,3,0,0,0,21,"), "{csv}");
    let call = launch.run(&["usage", "call", &id, "--json"], None).await.json();
    assert_eq!((&call["id"], &call["attempts"][0]["provider"]), (&id.as_str().into(), &"o".into()));
    let asked = ["usage", "call", &id, "-e", &gateway.url(), "-k", ADMIN];
    let words = launch.run(&asked, None).await.stdout;
    assert!(words.contains("o/m") && words.contains("$0.000013 (catalogue)"), "{words}");
    assert_eq!(launch.run(&["usage", "call", "nonsense"], None).await.code, Some(2));
    assert_eq!(launch.run(&["usage", "--by", "colour"], None).await.code, Some(2));
    let path = "/admin/v1/usage?by=model&format=csv";
    assert_eq!(gateway.get(path).await.status, 401);
    let key = [("x-api-key", ADMIN)];
    let csv = crate::http::send(gateway.address, "GET", path, &key, bytes::Bytes::new()).await;
    assert!(csv.text().contains("\r\no/m,3,"), "{}", csv.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn our_ledger_is_held_against_the_providers_account() {
    let stub = Stub::start(|_| (200, completion("yes"))).await;
    let launch = Launch::new().toml(&config(&stub.url()));
    let (_gateway, _) = three_calls(&launch).await;
    let report = launch.run(&["usage", "--by", "day", "--json"], None).await.json();
    let day = report["groups"][0]["day"].as_str().unwrap().to_owned();
    let export = |calls: u64, input: u64, cost: &str| {
        format!(
            "date,model,requests,prompt_tokens,completion_tokens,usage\n{day},m,{calls},{input},9,{cost}\n"
        )
    };
    let args = ["usage", "reconcile", "--provider", "o", "--file", "export.csv", "--json"];
    let same = launch.clone().file("export.csv", &export(3, 21, "0.000039"));
    let ran = same.run(&args, None).await;
    assert_eq!((ran.code, &ran.json()["off"]), (Some(0), &0.into()), "{ran:?}");
    let more = launch.clone().file("export.csv", &export(5, 40, "0.00007"));
    let ran = more.run(&args, None).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let line = &ran.json()["lines"][0];
    assert_eq!((&line["calls_we_lack"], &line["token_difference"]), (&2.into(), &(-19).into()));
    assert_eq!(line["cost_difference_pico_usd"], -31_000_000);
    let patient = [&args[..], &["--tolerance", "100"]].concat();
    assert_eq!(more.run(&patient, None).await.code, Some(0));
}
