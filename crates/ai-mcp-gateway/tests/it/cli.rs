//! The command line: what it prints where, and with which code it ends.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::gateway::{Launch, Ran};
use crate::upstream::{Stub, both_dialects, fail_key, last, simulator};

fn assert_ends(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn help_and_version() {
    let launch = Launch::new();
    let help = launch.run(&["--help"], None).await;
    assert_ends(&help, 0);
    for word in ["serve", "chat", "models", "doctor", "config", "completions", "Exit codes"] {
        assert!(help.stdout.contains(word), "{word}");
    }
    for command in ["serve", "chat", "models", "doctor", "config", "completions"] {
        let help = launch.run(&[command, "--help"], None).await;
        assert_ends(&help, 0);
        assert!(help.stdout.contains("Usage"), "{command}");
    }
    let version = launch.run(&["--version"], None).await;
    assert_ends(&version, 0);
    assert_eq!(version.stdout, format!("ai-mcp-gateway {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_what_went_wrong() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    assert_ends(&launch.run(&["nonsense"], None).await, 2);
    assert_ends(&launch.run(&["chat", "--nonsense"], None).await, 2);
    assert_ends(&launch.run(&["chat", "hi", "--layer", "L9"], None).await, 2);
    let unknown = launch.run(&["chat", "hi", "-m", "sim-smal"], None).await;
    assert_ends(&unknown, 2);
    assert!(unknown.stderr.contains("sim-small"), "{}", unknown.stderr);
    assert_eq!(unknown.stdout, "");
    for command in [&["chat", "hi", "--no-demo"][..], &["serve", "--port", "0", "--no-demo"]] {
        let bare = Launch::new().run(command, None).await;
        assert_ends(&bare, 3);
        assert!(bare.stderr.contains("OPENAI_API_KEY"), "{}", bare.stderr);
    }
    for (fault, code) in [("500", 6), ("bad-key", 4), ("402", 5), ("400", 2), ("reset=0", 6)] {
        // The other one offers the same model.
        fail_key(&simulator, "key-o", fault);
        fail_key(&simulator, "key-a", fault);
        assert_ends(&launch.run(&["chat", "hi", "-m", "o/sim-small"], None).await, code);
    }
    let nobody = launch.run(&["chat", "hi", "-e", "http://127.0.0.1:9"], None).await;
    assert_ends(&nobody, 6);
    assert!(nobody.stderr.contains("no gateway answers at http://127.0.0.1:9"), "{nobody:?}");
    let wrong = Launch::new().toml("[serverr]\nport = 1\n").run(&["chat", "hi"], None).await;
    assert_ends(&wrong, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ran = Launch::new().run(&["serve", "--port", &port], None).await;
    assert_ends(&ran, 3);
    assert!(ran.stderr.contains(&port) && ran.stderr.contains("--port"), "{}", ran.stderr);
}

/// The same words on standard output whether the engine runs here or in a gateway.
#[tokio::test(flavor = "multi_thread")]
async fn chat_answers_alike_in_process_and_through_a_gateway() {
    let simulator = simulator().await;
    let here = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let gateway = here.serve().await;
    let there = Launch::new().env("MCP_ENDPOINT", gateway.url());
    let flagged = ["-e", &gateway.url()].map(str::to_owned);
    for options in [&[][..], &["--no-stream"], &["-m", "a/sim-small"], &["--system", "be brief"]] {
        let mut args = vec!["chat", "how", "deep is the sea?"];
        args.extend(options);
        if !options.contains(&"-m") {
            args.extend(["-m", "o/sim-small"]);
        }
        let local = here.run(&args, None).await;
        assert_ends(&local, 0);
        assert!(local.stdout.contains("how deep is the sea?"), "{local:?}");
        assert!(local.stdout.ends_with(".\n"), "{local:?}");
        let remote = there.run(&args, None).await;
        assert_ends(&remote, 0);
        assert_eq!(local.stdout, remote.stdout);
        // Model, tokens and cost stand on standard error, the same ones.
        assert!(local.stderr.contains("| $0.0"), "{local:?}");
        assert_eq!(local.stderr, remote.stderr);
        args.push("--json");
        let (local, remote) = (here.run(&args, None).await, there.run(&args, None).await);
        let without_id = |ran: &Ran| {
            let mut value = ran.json();
            assert!(value["callId"].as_str().is_some_and(|id| id.len() == 36), "{value}");
            value["callId"] = Value::Null;
            value
        };
        assert_eq!(without_id(&local), without_id(&remote));
        args.extend(flagged.iter().map(String::as_str));
        assert_ends(&here.run(&args, None).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_its_shape_and_quiet_is_quiet() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let ran = launch.run(&["chat", "hi", "--json", "-m", "o/sim-small"], None).await;
    assert_ends(&ran, 0);
    assert_eq!(ran.stderr, "");
    let value = ran.json();
    assert!(value["message"].as_str().unwrap().contains("hi"));
    assert_eq!(value["model"], "o/sim-small");
    assert_eq!(value["layer"], "L1");
    assert_eq!(value["demo"], false);
    assert!(value["tokens"]["input"].as_u64().unwrap() > 0);
    assert!(value["tokens"]["output"].as_u64().unwrap() > 0);
    assert!(value["costUsd"].as_str().unwrap().starts_with("0.0000"), "{value}");
    let quiet = launch.run(&["chat", "hi", "--quiet", "-m", "o/sim-small"], None).await;
    assert_eq!(quiet.stderr, "");
    let failed = launch.run(&["chat", "hi", "--json", "-m", "sim-smal"], None).await;
    assert_ends(&failed, 2);
    assert_eq!(failed.stdout, "");
    let error: Value = serde_json::from_str(&failed.stderr).unwrap();
    assert_eq!(error["error"]["code"], "model_not_found");
    assert_eq!(error["error"]["field"], "model");
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_feed_the_message() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let asked = async |args: &[&str], stdin: Option<&str>| {
        let mut all = vec!["chat", "-m", "o/sim-small"];
        all.extend(args);
        assert_ends(&launch.run(&all, stdin).await, 0);
        let sent = last(&simulator).json();
        sent["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
    };
    assert_eq!(asked(&[], Some("from a pipe\n")).await, "from a pipe");
    assert_eq!(asked(&["-"], Some("from a dash\n")).await, "from a dash");
    assert_eq!(asked(&["explain"], Some("fn main() {}\n")).await, "explain\n\nfn main() {}");
    assert_eq!(asked(&["no", "pipe"], None).await, "no pipe");
    let mut command = launch.command();
    let mut child = command.args(["chat", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\xff\xfe").await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(2));
    let empty = launch.run(&["chat", "-"], Some("")).await;
    assert_ends(&empty, 2);
    assert!(empty.stderr.contains("empty"), "{}", empty.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn colour_only_where_it_is_wanted() {
    let launch = Launch::new();
    let escapes = async |args: &[&str]| {
        let ran = launch.run(args, None).await;
        assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
        ran.stderr.contains('\u{1b}')
    };
    assert!(!escapes(&["chat", "hi"]).await, "not a terminal");
    assert!(escapes(&["chat", "hi", "--color", "always"]).await);
    assert!(!escapes(&["chat", "hi", "--color", "never"]).await);
    let no_color = Launch::new().env("NO_COLOR", "1");
    let ran = no_color.run(&["chat", "hi"], None).await;
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_says_that_it_is_one() {
    let ran = Launch::new().run(&["chat", "hi"], None).await;
    assert_ends(&ran, 0);
    assert!(ran.stdout.starts_with("[demo]"), "{ran:?}");
    assert!(ran.stderr.contains("simulated"), "{ran:?}");
    let gateway = Launch::new().serve().await;
    assert!(gateway.stderr().contains("DEMO"), "{}", gateway.stderr());
    let health = gateway.get("/health").await.ok();
    assert_eq!(health["demo"], true);
    let body = json!({"conversationId": "c", "message": "hi"});
    let reply = gateway.post("/v1/route", &body).await;
    assert_eq!(reply.ok()["demo"], true);
    assert_eq!(reply.header("x-gateway-demo"), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_is_no_fault() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    fail_key(&simulator, "key-o", "pace=5");
    let mut command = launch.command();
    command.args(["chat", "-m", "o/sim-small", "sim:words=3000"]);
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 4];
    stdout.read_exact(&mut first).await.unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
    let status = child.wait().await.unwrap();
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert_eq!(stderr, "");
    // What was said is paid for and on record.
    let calls = crate::store::Store::open(&launch.database()).calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].status, "cancelled");
    assert!(calls[0].cost_pico.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_talk_remembers_its_turns() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    let url = gateway.url();
    for more in [&[][..], &["-e", &url], &["-c", "talk-1"], &["-e", &url, "-c", "talk-2"]] {
        let mut args = vec!["chat", "-i", "-m", "o/sim-small"];
        args.extend(more);
        let typed = "my name is Ada\n\n/help\nwho am I?\n/exit\n";
        let ran = launch.run(&args, Some(typed)).await;
        assert_ends(&ran, 0);
        assert_eq!(ran.stdout.matches("You asked").count(), 2, "{ran:?}");
        let sent = last(&simulator).json();
        let turns = sent["messages"].as_array().unwrap();
        assert_eq!(turns.len(), 3, "{more:?} {sent}");
        assert!(turns[0]["content"].to_string().contains("Ada"), "{sent}");
        assert_eq!(turns[1]["role"], "assistant");
    }
    // A conversation goes on in the next process.
    let ran = launch.run(&["chat", "-c", "talk-1", "-m", "o/sim-small", "and now?"], None).await;
    assert_ends(&ran, 0);
    assert_eq!(last(&simulator).json()["messages"].as_array().unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupting_a_chat_ends_it_with_130() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    fail_key(&simulator, "key-o", "pace=20");
    let mut command = launch.command();
    command.args(["chat", "-m", "o/sim-small", "sim:words=3000"]);
    let mut child = command.spawn().unwrap();
    let mut first = [0; 4];
    child.stdout.as_mut().unwrap().read_exact(&mut first).await.unwrap();
    let id = child.id().unwrap().to_string();
    std::process::Command::new("kill").args(["-s", "INT", &id]).status().unwrap();
    let status = tokio::time::timeout(crate::gateway::PATIENCE, child.wait()).await;
    assert_eq!(status.expect("it goes on").unwrap().code(), Some(130));
    // What was said is paid for and on record.
    let calls = crate::store::Store::open(&launch.database()).calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].status, "cancelled");
    assert!(calls[0].cost_pico.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_shown_and_compared() {
    let launch = Launch::new().env("OPENAI_API_KEY", "k").toml(
        "[[models]]\nid = \"openai/house-model\"\nlayer = \"L1\"\n\
         usd_per_million = { input = 1.5, output = 2 }\n",
    );
    let all = launch.run(&["models", "list", "--json"], None).await;
    assert_ends(&all, 0);
    let all = all.json();
    let rows = all["models"].as_array().unwrap();
    assert!(rows.len() > 20, "{}", rows.len());
    let is_openai = |row: &Value| row["id"].as_str().unwrap().starts_with("openai/");
    assert!(rows.iter().all(is_openai), "only configured providers");
    let one = launch.run(&["models", "list", "gpt-4o-mini", "--layer", "L1", "--json"], None).await;
    assert!(one.json()["models"].to_string().contains("openai/gpt-4o-mini"), "{one:?}");
    let text = launch.run(&["models", "list", "--all"], None).await;
    assert_ends(&text, 0);
    assert!(text.stdout.contains("anthropic/"), "{text:.500?}");
    let show = launch.run(&["models", "show", "gpt-4o-mini", "--json"], None).await;
    assert_ends(&show, 0);
    assert_eq!(show.json()["offerings"][0]["id"], "openai/gpt-4o-mini");
    let dated = launch.run(&["models", "show", "gpt-4o-mini", "--at", "2026-01-01"], None).await;
    assert_ends(&dated, 0);
    assert_ends(&launch.run(&["models", "show", "gpt-4o-mini", "--at", "soon"], None).await, 2);
    let newer = launch.run(&["models", "show", "gpt-77"], None).await;
    assert_ends(&newer, 2);
    assert!(newer.stderr.contains("openai"), "{newer:?}");
    let unknown = launch.run(&["models", "show", "house-modle"], None).await;
    assert_ends(&unknown, 2);
    assert!(unknown.stderr.contains("house-model"), "{unknown:?}");
    let diff = launch.run(&["models", "diff", "--json"], None).await;
    assert_ends(&diff, 0);
    let differences = diff.json()["differences"].to_string();
    assert!(differences.contains("openai/house-model"), "{differences}");
    assert_eq!(diff.json()["differences"].as_array().unwrap().len(), 1, "{differences}");
}

fn finding<'a>(report: &'a Value, what: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["what"].as_str().unwrap().contains(what));
    found.unwrap_or_else(|| panic!("nothing on {what} in {report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_what_is_wrong_and_says_what_to_do() {
    let simulator = simulator().await;
    let well = Launch::new().env("API_PORT", "0").toml(&both_dialects(&simulator.base_url()));
    let ran = well.run(&["doctor", "--json"], None).await;
    assert_ends(&ran, 0);
    let report = ran.json();
    assert_eq!(report["ok"], true, "{report}");
    for what in ["configuration", "port", "store", "provider o", "provider a", "layer L1"] {
        assert_eq!(finding(&report, what)["verdict"], "ok", "{what} {report}");
    }
    let text = well.run(&["doctor"], None).await;
    assert!(text.stdout.contains("ok    store"), "{}", text.stdout);

    fail_key(&simulator, "key-o", "bad-key");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let toml = [
        both_dialects(&simulator.base_url()),
        crate::upstream::provider("gone", "openai-chat", &format!("http://{closed}")),
    ];
    let ill = Launch::new().env("API_PORT", port.to_string()).toml(&toml.concat());
    let ran = ill.run(&["doctor", "--json"], None).await;
    assert_ends(&ran, 3);
    let report = ran.json();
    assert_eq!(report["ok"], false);
    for (what, verdict, fix) in [
        ("provider o", "failed", "key"),
        ("provider a", "ok", ""),
        ("provider gone", "failed", "address"),
        ("port", "warning", "--port"),
    ] {
        let finding = finding(&report, what);
        assert_eq!(finding["verdict"], verdict, "{finding}");
        assert!(finding["fix"].as_str().unwrap_or_default().contains(fix), "{finding}");
    }
    assert!(!ran.stdout.contains("key-o"), "a key is printed");
    let text = ill.run(&["doctor"], None).await;
    assert_ends(&text, 3);
    assert!(text.stdout.contains("FAIL  provider gone"), "{}", text.stdout);
    let broken = Launch::new().toml("[server]\nprt = 1\n").run(&["doctor", "--json"], None).await;
    assert_ends(&broken, 3);
    assert_eq!(finding(&broken.json(), "configuration")["verdict"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_asks_a_running_gateway() {
    let gateway = Launch::new().toml("[server]\nkey = \"sesame-open-1\"\n").serve().await;
    let url = gateway.url();
    let ask = async |key: &str| {
        let args = ["doctor", "--json", "-e", &url, "-k", key];
        Launch::new().env("API_PORT", "0").run(&args, None).await.json()
    };
    assert_eq!(finding(&ask("sesame-open-1").await, "gateway at")["verdict"], "ok");
    assert_eq!(finding(&ask("wrong").await, "gateway at")["verdict"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_is_written_checked_shown_and_described() {
    let launch = Launch::new();
    let init = launch.run(&["config", "init"], None).await;
    assert_ends(&init, 0);
    let file = launch.folder().join("gateway.toml");
    assert!(std::fs::read_to_string(&file).unwrap().contains("[server]"));
    assert_ends(&launch.run(&["config", "init"], None).await, 2);
    assert_ends(&launch.run(&["config", "init", "--force"], None).await, 0);
    assert_ends(&launch.run(&["config", "init", "other.toml"], None).await, 0);
    // The example means the defaults.
    let check = launch.run(&["config", "check"], None).await;
    assert_ends(&check, 0);
    let checked = launch.run(&["config", "check", "--json"], None).await.json();
    assert_eq!(checked["ok"], true);

    let typo = Launch::new().toml("# one\n[server]\n  prot = 3001\n");
    let check = typo.run(&["config", "check"], None).await;
    assert_ends(&check, 2);
    assert!(check.stderr.contains("gateway.toml:3:3"), "{}", check.stderr);
    assert!(check.stderr.contains("prot") && check.stderr.contains("port"), "{}", check.stderr);
    let as_json = typo.run(&["config", "check", "--json"], None).await;
    let error: Value = serde_json::from_str(&as_json.stderr).unwrap();
    assert_eq!(error["error"]["code"], "invalid_configuration");
    let broken = Launch::new().toml("[server\n").run(&["config", "check"], None).await;
    assert_ends(&broken, 2);
    assert!(broken.stderr.contains("gateway.toml:1:"), "{}", broken.stderr);

    let secret = Launch::new()
        .env("OPENAI_API_KEY", "sk-very-secret")
        .toml("[server]\nport = 3999\n[log]\nlevel = \"warn\"\n");
    for args in [&["config", "show"][..], &["config", "show", "--json"]] {
        let show = secret.run(args, None).await;
        assert_ends(&show, 0);
        assert!(show.stdout.contains("3999"), "{}", show.stdout);
        assert!(!show.stdout.contains("very-secret"), "{}", show.stdout);
    }
    let show = secret.run(&["config", "show"], None).await.stdout;
    assert!(show.contains("gateway.toml:2") && show.contains("OPENAI_API_KEY"), "{show}");
    let schema = launch.run(&["config", "schema"], None).await.json();
    assert!(schema["properties"]["server"].is_object(), "{schema:.300}");
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = Launch::new().run(&["completions", shell], None).await;
        assert_ends(&ran, 0);
        assert!(ran.stdout.contains("ai-mcp-gateway") && ran.stdout.contains("doctor"), "{shell}");
    }
    assert_ends(&Launch::new().run(&["completions", "tcl"], None).await, 2);
}

/// Layers, qualities and limits of the command line reach the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn steering_flags_count_on_both_ways() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    let url = gateway.url();
    for more in [&[][..], &["-e", &url]] {
        let mut args = vec![
            "chat",
            "hi",
            "--json",
            "--layer",
            "L1",
            "--max-tokens",
            "3",
            "--temperature",
            "0",
        ];
        args.extend(more);
        let ran = launch.run(&args, None).await;
        assert_ends(&ran, 0);
        let value = ran.json();
        assert_eq!(value["layer"], "L1", "{value}");
        let sent = last(&simulator).json();
        assert_eq!(sent["temperature"].as_f64(), Some(0.0), "{sent}");
        let most = sent.get("max_tokens").or_else(|| sent.get("max_completion_tokens"));
        assert_eq!(most, Some(&json!(3)), "{sent}");
    }
}

/// Errors of a gateway come through in its own words and codes.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateways_refusal_is_told_as_its_own() {
    let gateway = Launch::new().toml("[server]\nkey = \"sesame-open-1\"\n").serve().await;
    let url = gateway.url();
    let ran = Launch::new().run(&["chat", "hi", "-e", &url], None).await;
    assert_ends(&ran, 4);
    assert!(ran.stderr.contains("key"), "{}", ran.stderr);
    let ran = Launch::new().run(&["chat", "hi", "-e", &url, "-k", "sesame-open-1"], None).await;
    assert_ends(&ran, 0);
    let with_key = Launch::new().env("MCP_API_KEY", "sesame-open-1");
    assert_ends(&with_key.run(&["chat", "hi", "-e", &url], None).await, 0);
    let stub = Stub::start(|_| (200, "<html>no gateway</html>".to_owned())).await;
    let ran = Launch::new().run(&["chat", "hi", "-e", &stub.url()], None).await;
    assert_ends(&ran, 6);
}

/// Standard input that never ends does not keep the help from being printed.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_need_no_input_do_not_wait_for_it() {
    let launch = Launch::new();
    let mut command = launch.command();
    let mut child = command.args(["config", "schema"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut held = child.stdin.take().unwrap();
    let ended = tokio::time::timeout(crate::gateway::PATIENCE, child.wait_with_output()).await;
    assert!(ended.expect("it waits").unwrap().status.success());
    let _ = held.write_all(b"x").await;
}
