//! Keys, accounts, budgets and limits by command line and over HTTP, with the gateway running.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch, Ran, until};
use crate::http;
use crate::keys::ask;
use crate::upstream::{both_dialects, simulator};

/// Two seconds are promised; a machine that does other work gets some more.
const SOON: Duration = Duration::from_secs(6);

const ADMIN: &str = "an-admin-key-of-the-file";

fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

async fn say(launch: &Launch, line: &str) -> Ran {
    launch.run(&line.split_whitespace().collect::<Vec<_>>(), None).await
}

async fn say_json(launch: &Launch, line: &str) -> Value {
    fine(say(launch, &format!("{line} --json")).await).json()
}

async fn becomes(gateway: &Gateway, key: &str, status: u16) {
    let began = Instant::now();
    until("the change to hold", async || {
        (ask(gateway, key, "o/sim-small").await.status == status).then_some(())
    })
    .await;
    assert!(began.elapsed() < SOON, "{status} took {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_made_on_the_command_line_works_beside_a_running_gateway_until_it_is_revoked() {
    let simulator = simulator().await;
    let launch = Launch::new().closed().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    let made = say_json(&launch, "keys create --name ci --team research --rpm 1000").await;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(id.starts_with("key_") && key.starts_with("gw-") && key.len() == 41, "{made}");
    ask(&gateway, key, "o/sim-small").await.ok();

    // Both secrets work while they overlap, and none of them stands in any list.
    let rotated = say_json(&launch, "keys rotate ci --overlap 24h").await;
    let second = rotated["key"].as_str().unwrap();
    assert_ne!(second, key);
    for secret in [key, second] {
        ask(&gateway, secret, "o/sim-small").await.ok();
    }
    for list in ["keys list --json", "keys list", "keys show ci", "keys show ci --json"] {
        let ran = fine(say(&launch, list).await);
        assert!(ran.stdout.contains(id), "{ran:?}");
        assert!(!ran.stdout.contains(key) && !ran.stdout.contains(second), "{ran:?}");
    }
    // Without an overlap the others end.
    let third = say_json(&launch, "keys rotate ci").await;
    becomes(&gateway, key, 401).await;
    becomes(&gateway, second, 401).await;
    ask(&gateway, third["key"].as_str().unwrap(), "o/sim-small").await.ok();

    let revoked = say_json(&launch, "keys revoke ci").await;
    assert_eq!(revoked["state"], "revoked");
    becomes(&gateway, third["key"].as_str().unwrap(), 401).await;
    let gone = say(&launch, "keys rotate ci").await;
    assert_eq!(gone.code, Some(2), "{gone:?}");
    let all = say_json(&launch, "keys list --all").await;
    assert!(all["keys"].as_array().unwrap().iter().any(|key| key["id"] == id));
}

/// What binds a key holds at its very first call, although nobody told the gateway of either.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_never_served_before_its_budget() {
    let simulator = simulator().await;
    let launch = Launch::new().closed().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    for _ in 0..5 {
        let made = say_json(&launch, "keys create --name poor --budget-usd 0.000001").await;
        let refused = ask(&gateway, made["key"].as_str().unwrap(), "o/sim-small").await;
        assert_eq!(refused.status, 402, "{}", refused.text());
        assert!(refused.text().contains(made["id"].as_str().unwrap()), "{}", refused.text());
    }
    let slow = say_json(&launch, "keys create --name slow --rpm 1").await;
    let slow = slow["key"].as_str().unwrap();
    ask(&gateway, slow, "o/sim-small").await.ok();
    assert_eq!(ask(&gateway, slow, "o/sim-small").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_set_beside_the_gateway_holds_soon_and_can_be_taken_away() {
    let simulator = simulator().await;
    let launch = Launch::new().closed().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    let made = say_json(&launch, "keys create --name ci --team research").await;
    let key = made["key"].as_str().unwrap();
    ask(&gateway, key, "o/sim-small").await.ok();
    let set =
        "budgets set team:research --usd 0.000001 --period month --alert 80,100 --max-layer L2";
    let set = say_json(&launch, set).await;
    let budget = &set["budgets"][0];
    assert_eq!((&budget["scope"], &budget["usd"]), (&json!("team:research"), &json!("0.000001")));
    assert_eq!((&budget["alerts"], &budget["max_layer"]), (&json!([80, 100]), &json!("L2")));
    assert_ne!(budget["spent"], "0", "what was spent before counts");
    assert_eq!(budget["reserved"], Value::Null, "only the gateway knows");
    becomes(&gateway, key, 402).await;
    let table = fine(say(&launch, "budgets list").await).stdout;
    assert!(table.contains("team:research") && table.contains("alert 80% 100%"), "{table}");
    fine(say(&launch, "budgets remove team:research").await);
    becomes(&gateway, key, 200).await;
    assert_eq!(say(&launch, "budgets remove team:research").await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_beyond_its_parent_is_refused_with_the_flag_at_fault() {
    let launch = Launch::new();
    fine(say(&launch, "accounts set organisation:acme --max-layer L2").await);
    fine(say(&launch, "accounts set team:research --parent organisation:acme").await);
    fine(say(&launch, "budgets set organisation:acme --usd 10 --period day").await);
    fine(say(&launch, "limits set team:research --rpm 60").await);
    for (line, flag) in [
        ("keys create --name x --team research --max-layer L3", "--max-layer"),
        ("keys create --name x --team research --budget-usd 11 --period day", "--budget-usd"),
        ("keys create --name x --team research --rpm 61", "--rpm"),
        ("keys create --name x --team research --org other", "--org"),
        ("keys create --name x --expires yesterday", "--expires"),
        ("keys create --name x --period day", "--period"),
        ("budgets set team:research --usd 11 --period day", "--usd"),
        ("budgets set team:research --usd 1 --period dya", "--period"),
        ("budgets set nonsense --usd 1", "SCOPE"),
        ("accounts set team:b --parent organisation:nobody", "--parent"),
        ("accounts remove organisation:acme", "SCOPE"),
    ] {
        let ran = say(&launch, line).await;
        assert_eq!(ran.code, Some(2), "{line}: {ran:?}");
        assert!(ran.stderr.contains(flag), "{line}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{line}");
        let error = say(&launch, &format!("{line} --json")).await;
        let error: Value = serde_json::from_str(&error.stderr).unwrap();
        assert_eq!(error["error"]["field"], flag, "{line}: {error}");
    }
    assert_eq!(say_json(&launch, "keys list --all").await, json!({"keys": []}));
    let tree = fine(say(&launch, "accounts list").await).stdout;
    assert_eq!(tree, "organisation:acme  up to L2\n  team:research\n");
    assert_eq!(say(&launch, "budgets set team:research").await.code, Some(2));
    assert_eq!(say(&launch, "limits set team:research").await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_words_reach_a_gateway_elsewhere() {
    let simulator = simulator().await;
    let launch = Launch::new()
        .closed()
        .toml(&both_dialects(&simulator.base_url()))
        .env("GATEWAY_SERVER__KEY", ADMIN);
    let gateway = launch.serve().await;
    let there = Launch::new().env("GATEWAY_URL", gateway.url()).env("GATEWAY_KEY", ADMIN);
    fine(say(&there, "accounts set organisation:acme").await);
    fine(say(&there, "accounts set team:research --parent organisation:acme").await);
    fine(say(&there, "budgets set organisation:acme --usd 5 --tokens 100000").await);
    fine(say(&there, "limits set team:research --rpm 60 --concurrent 4").await);
    let made = say_json(&there, "keys create --name ci --team research --budget-usd 2").await;
    let key = made["key"].as_str().unwrap();
    assert_eq!(made["organisation"], "acme");
    ask(&gateway, key, "o/sim-small").await.ok();

    // What is left is known to the gateway, at once.
    let budgets = say_json(&there, "budgets list organisation:acme").await;
    let budgets = budgets["budgets"].as_array().unwrap().clone();
    assert_eq!(budgets.len(), 2);
    assert!(budgets.iter().all(|budget| budget["spent"] != "0" && budget["reserved"] == "0"));
    let own = there.clone().env("GATEWAY_KEY", key);
    let own = say_json(&own, "keys show").await;
    assert_eq!((&own["name"], &own["admin"]), (&json!("ci"), &json!(false)));
    assert_eq!(own["budgets"].as_array().map(Vec::len), Some(3));
    assert_eq!(own["limits"].as_array().map(Vec::len), Some(2));
    let over_http = [("authorization", &*format!("Bearer {key}"))];
    let over_http = http::send(gateway.address, "GET", "/v1/key", &over_http, Bytes::new()).await;
    assert_eq!(over_http.json()["id"], made["id"]);

    // The key is no admin's.
    let refused = say(&there.clone().env("GATEWAY_KEY", key), "keys list").await;
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("admin"), "{refused:?}");
    let too_much = say(&there, "keys create --name x --team research --budget-usd 6").await;
    assert_eq!(too_much.code, Some(2), "{too_much:?}");
    assert!(too_much.stderr.contains("--budget-usd"), "{too_much:?}");
    let rotated = say_json(&there, "keys rotate ci --overlap 1h").await;
    for secret in [key, rotated["key"].as_str().unwrap()] {
        ask(&gateway, secret, "o/sim-small").await.ok();
    }
    fine(say(&there, "keys revoke ci").await);
    assert_eq!(ask(&gateway, key, "o/sim-small").await.status, 401, "at once");
    fine(say(&there, "limits remove team:research --all").await);
    fine(say(&there, "accounts remove team:research").await);
    assert_eq!(say_json(&there, "limits list").await, json!({"limits": []}));
    let nobody = say(&there.env("GATEWAY_URL", "http://127.0.0.1:9"), "keys list").await;
    assert_eq!(nobody.code, Some(6), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_alone_is_on_standard_output() {
    let launch = Launch::new();
    let made = fine(say(&launch, "keys create --name laptop --expires 30d").await);
    assert_eq!(made.stdout.trim().len(), 41, "{made:?}");
    assert!(made.stderr.contains("laptop") && !made.stderr.contains(made.stdout.trim()));
    fine(say(&launch, "keys create --name laptop").await);
    let which = say(&launch, "keys show laptop").await;
    assert_eq!(which.code, Some(2));
    assert!(which.stderr.contains("key_"), "{which:?}");
    for command in ["keys create", "keys rotate", "budgets set", "limits set", "accounts set"] {
        let help = fine(say(&launch, &format!("{command} --help")).await).stdout;
        assert!(help.contains("Example"), "{command}: {help}");
    }
}

/// `make install` links the program under its second name.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_program_answers_to_its_second_name() {
    let launch = Launch::new();
    let link = launch.folder().join("mcp");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ai-mcp-gateway"), &link).unwrap();
    let help = std::process::Command::new(&link).args(["keys", "--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("Usage: mcp keys"), "{text}");
}
