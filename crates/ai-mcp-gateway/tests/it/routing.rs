//! Routing by what was learned, as its users meet it: calls, explanations, feedback, the log as data,
//! and evaluation of any outcome data.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch};
use crate::upstream::{Stub, completion, provider};

/// Three models that the shipped prior knows, in three layers.
fn config(url: &str, learned: &str) -> String {
    let model = |id: &str, layer: &str, input: &str, output: &str| {
        format!(
            "[[models]]\nid = \"o/{id}\"\nlayer = \"{layer}\"\n\
             usd_per_million = {{ input = {input}, output = {output} }}\n\
             capabilities = [\"tools\"]\n"
        )
    };
    [
        provider("o", "openai-chat", url),
        model("gemma-2-2b-it", "L0", "0.02", "0.04"),
        model("gpt-4o-mini-2024-07-18", "L1", "0.15", "0.6"),
        model("gpt-4o-2024-08-06", "L2", "2.5", "10"),
        format!("[routing]\npolicy = \"learned\"\n[routing.learned]\n{learned}"),
    ]
    .concat()
}

async fn asked(gateway: &Gateway, model: &str) -> (String, String) {
    let body =
        json!({"model": model, "messages": [{"role": "user", "content": "Who wrote Faust?"}]});
    let reply = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    (reply.header("x-gateway-model").to_owned(), reply.header("x-gateway-call-id").to_owned())
}

async fn explained(launch: &Launch, model: &str) -> Value {
    let args = ["route", "explain", "Who wrote Faust?", "--model", model, "--json"];
    launch.run(&args, None).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_of_an_answer_decides_within_the_layers_and_explain_says_the_same() {
    let stub = Stub::start(|_| (200, completion("Goethe"))).await;
    for (value, model, wanted) in [
        ("0", "auto", "gemma-2-2b-it"),
        ("0.001", "auto", "gpt-4o-mini-2024-07-18"),
        ("100", "auto", "gpt-4o-2024-08-06"),
        ("100", "auto:L0-L1", "gpt-4o-mini-2024-07-18"),
        ("0", "o/gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
    ] {
        let learned = format!("answer_value_usd = {value}\nexplore_per_thousand = 0\n");
        let launch = Launch::new().toml(&config(&stub.url(), &learned));
        let gateway = launch.serve().await;
        let (answered, id) = asked(&gateway, model).await;
        assert!(answered.ends_with(wanted), "{value} {model}: {answered}");
        let explained = explained(&launch, model).await;
        assert_eq!(explained["candidates"][0]["model"], format!("o/{wanted}"), "{explained}");
        let call = launch.run(&["usage", "call", &id, "--json"], None).await.json();
        let decision = &call["metadata"]["learnedRouting"];
        if model.starts_with("auto") {
            assert_eq!(decision["models"][0]["model"], format!("o/{wanted}"), "{call}");
            assert_eq!(decision["origin"], "the shipped prior");
            assert_eq!(explained["learned"]["isUsed"], true);
        } else {
            assert_eq!(decision, &Value::Null, "a named model is nobody's choice");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_is_kept_for_ones_own_calls_and_the_log_becomes_data() {
    let stub = Stub::start(|_| (200, completion("Goethe"))).await;
    let learned = "answer_value_usd = 0.001\nkeep_prompts = true\n";
    let launch = Launch::new().toml(&config(&stub.url(), learned));
    let gateway = launch.serve().await;
    let (_, first) = asked(&gateway, "auto").await;
    let (_, second) = asked(&gateway, "auto").await;
    let kept = gateway.post("/v1/feedback", &json!({"call_id": first, "good": true})).await.ok();
    assert_eq!((&kept["score"], &kept["source"]), (&json!(1.0), &json!("feedback")));
    let ran = launch.run(&["route", "feedback", &second, "--score", "0.25", "--json"], None).await;
    assert_eq!(ran.json()["score"], 0.25, "{ran:?}");
    for (body, field) in [
        (json!({"call_id": first}), "good"),
        (json!({"call_id": first, "score": 2}), "score"),
        (json!({"call_id": first, "good": "yes"}), "good"),
        (json!({"call_id": first, "good": true, "source": "cross_check"}), "source"),
        (json!({"good": true}), "call_id"),
    ] {
        let reply = gateway.post("/v1/feedback", &body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.text().contains(field), "{body}: {}", reply.text());
    }
    let unknown = json!({"call_id": "0197f0a0-0000-7000-8000-000000000000", "good": true});
    assert_eq!(gateway.post("/v1/feedback", &unknown).await.status, 404);
    let ran = launch.run(&["route", "export", "--out", "log", "--json"], None).await;
    assert_eq!((&ran.json()["calls"], &ran.json()["models"]), (&json!(2), &json!(1)), "{ran:?}");
    let read =
        |name: &str| std::fs::read_to_string(launch.folder().join("log").join(name)).unwrap();
    assert!(read("prompts.jsonl").contains("Who wrote Faust?"));
    let quality = read("quality.csv");
    assert!(quality.contains(&format!("{first},1\n")), "{quality}");
    assert!(quality.contains(&format!("{second},0.25\n")), "{quality}");
    let args = ["route", "learn", "--from-store", "--data", "log", "--out", "learned.bin"];
    let ran = launch.run(&args, None).await;
    assert_eq!(ran.code, Some(2), "two calls teach nothing: {ran:?}");
    assert!(!launch.folder().join("learned.bin").exists());
    assert_eq!(launch.run(&["route", "drift"], None).await.code, Some(2));
}

/// Outcome data: a cheap model that is right on one kind of task, a dear one on nearly all.
fn outcomes(folder: &Path, is_noise: bool) {
    std::fs::create_dir_all(folder).unwrap();
    let (mut prompts, mut quality) = (String::new(), String::from("id,dear/x,cheap y\n"));
    for at in 0..360_u32 {
        let task = ["recall", "sums", "code", "poems", "law", "maps"][at as usize % 6];
        let words = ["What is", "Add up", "def f(x):\n    return", "Rhyme", "May I", "Where lies"];
        let text = format!("{} number {at} of {task}", words[at as usize % 6]);
        // A reproducible die.
        let die = at.wrapping_mul(2_654_435_761) >> 16 & 0xff;
        let cheap = if is_noise { die < 128 } else { at % 6 < 3 || die < 40 };
        let dear = if is_noise { die.rotate_left(3) & 0xff < 140 } else { die < 235 };
        let line = json!({"id": at, "task": task, "sub": "", "prompt": text});
        writeln!(prompts, "{line}").unwrap();
        writeln!(quality, "{at},{},{}", u8::from(dear), if cheap { "1.0" } else { "0" }).unwrap();
    }
    // A prompt that nobody finished, and one that is there twice.
    writeln!(prompts, "{}", json!({"id": "half", "task": "law", "prompt": "half"})).unwrap();
    writeln!(
        prompts,
        "{}",
        json!({"id": "twice", "task": "recall", "prompt": "What is number 0 of recall"})
    )
    .unwrap();
    quality.push_str("half,NaN,1\ntwice,1,1\n");
    std::fs::write(folder.join("prompts.jsonl"), prompts).unwrap();
    std::fs::write(folder.join("quality.csv"), quality).unwrap();
    let prices = json!({"dear/x": {"in": 2.5, "out": 10}, "cheap y": {"in": "0.1", "out": 0.4}});
    std::fs::write(folder.join("models.json"), prices.to_string().replace("\"0.1\"", "0.1"))
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn any_outcome_data_is_judged_by_one_command() {
    let launch = Launch::new();
    outcomes(&launch.folder().join("own"), false);
    outcomes(&launch.folder().join("noise"), true);
    let args = ["route", "eval", "--data", "own", "--train", "noise", "--seeds", "2", "--json"];
    let found = launch.run(&args, None).await.json();
    assert_eq!(found["prompts"], 360, "{found}");
    assert_eq!(found["left_out"]["duplicate_prompts"], 1);
    assert_eq!(found["left_out"]["incomplete_prompts"], 1);
    let of = |name: &str, figure: &str| {
        let routers = found["routers"].as_array().unwrap().clone();
        let router = routers.into_iter().find(|router| router["name"] == name).unwrap();
        router[figure]["mean"].as_f64().unwrap()
    };
    assert!(of("tag", "lift") > 0.05, "who asks tells which model is enough: {found}");
    assert!(of("prior", "aiq") >= of("feature-free", "aiq") - 0.003, "{found}");
    let args = ["route", "eval", "--data", "own", "--seeds", "1", "--savings", "--chart", "c.svg"];
    let words = launch.run(&args, None).await.stdout;
    assert!(words.contains("cheaper at") && words.contains("caveats"), "{words}");
    assert!(std::fs::read_to_string(launch.folder().join("c.svg")).unwrap().starts_with("<svg"));
    let args = ["route", "learn", "--data", "noise", "--seeds", "1", "--out", "learned.bin"];
    let ran = launch.run(&args, None).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("honest lift"), "{ran:?}");
    assert!(!launch.folder().join("learned.bin").exists());
    let ran = launch.run(&["route", "eval", "--data", "nowhere"], None).await;
    assert!(ran.code == Some(2) && ran.stderr.contains("prompts.jsonl"), "{ran:?}");
}
