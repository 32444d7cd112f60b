//! Files and batches through the real program: uploaded, answered in the background, read back,
//! withdrawn, and gone on with after kill -9.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Launch, until};
use crate::http;
use crate::keys::Beside;
use crate::upstream::{both_dialects, simulator};

const EDGE: [(&str, &str); 1] = [("content-type", "multipart/form-data; boundary=edge")];

fn upload(text: &str) -> Bytes {
    let part = |head: &str, value: &str| {
        format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    };
    let purpose = part("name=\"purpose\"", "batch");
    let file = part("name=\"file\"; filename=\"requests.jsonl\"", text);
    format!("{purpose}{file}--edge--\r\n").into()
}

fn requests(model: &str, count: usize) -> String {
    (0..count)
        .map(|at| {
            let body = json!({"model": model, "max_tokens": 20,
                "messages": [{"role": "user", "content": format!("question {at}")}]});
            let line = json!({"custom_id": format!("r{at}"), "method": "POST",
                "url": "/v1/chat/completions", "body": body});
            format!("{line}\n")
        })
        .collect()
}

async fn begun(gateway: &Gateway, text: &str) -> Value {
    let file = gateway.post_bytes("/v1/files", &EDGE, upload(text)).await.ok();
    assert_eq!(file["object"], "file");
    let order = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions",
        "completion_window": "24h", "metadata": {"run": "7"}});
    gateway.post("/v1/batches", &order).await.ok()
}

async fn ended(gateway: &Gateway, id: &str) -> Value {
    until("the end of the batch", async || {
        let batch = gateway.get(&format!("/v1/batches/{id}")).await.ok();
        let is_over = batch["status"] != "in_progress"
            && batch["status"] != "finalizing"
            && batch["status"] != "cancelling";
        is_over.then_some(batch)
    })
    .await
}

async fn lines(gateway: &Gateway, file: &Value) -> Vec<Value> {
    let path = format!("/v1/files/{}/content", file.as_str().unwrap());
    let text = gateway.get(&path).await.text();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_billed_and_read_back() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    let mut text = requests("a/sim-small", 5);
    text.push_str(&requests("none-such", 1).replace("r0", "bad"));
    let batch = begun(&gateway, &text).await;
    assert_eq!((&batch["object"], &batch["request_counts"]["total"]), (&json!("batch"), &json!(6)));
    let id = batch["id"].as_str().unwrap();
    let batch = ended(&gateway, id).await;
    assert_eq!(batch["status"], "completed", "{batch}");
    assert_eq!(batch["request_counts"], json!({"total": 6, "completed": 5, "failed": 1}));
    assert_eq!(batch["metadata"], json!({"run": "7"}));

    let answers = lines(&gateway, &batch["output_file_id"]).await;
    let names: Vec<&str> = answers.iter().map(|it| it["custom_id"].as_str().unwrap()).collect();
    assert_eq!(names, ["r0", "r1", "r2", "r3", "r4"]);
    assert!(answers.iter().all(|it| it["response"]["status_code"] == 200));
    assert_eq!(answers[0]["response"]["body"]["object"], "chat.completion");
    let errors = lines(&gateway, &batch["error_file_id"]).await;
    assert_eq!((errors.len(), &errors[0]["response"]["status_code"]), (1, &json!(404)));

    // Every request is a call of its own, with its batch noted.
    let calls = gateway.store().calls();
    assert_eq!(calls.iter().filter(|call| call.is_success).count(), 5);
    assert!(calls.iter().filter(|call| call.is_success).all(|call| call.cost_pico > Some(0)));

    let list = gateway.get("/v1/batches?limit=1").await.ok();
    assert_eq!((&list["data"][0]["id"], &list["has_more"]), (&json!(id), &json!(false)));
    let files = gateway.get("/v1/files").await.ok();
    assert_eq!(files["data"].as_array().unwrap().len(), 3);
    let input = batch["input_file_id"].as_str().unwrap();
    let path = format!("/v1/files/{input}");
    let gone = http::send(gateway.address, "DELETE", &path, &[], Bytes::new()).await;
    assert_eq!(gone.ok()["deleted"], true);
    assert_eq!(gateway.get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_faults_fails_its_batch_and_names_them() {
    let simulator = simulator().await;
    let gateway = Launch::new().toml(&both_dialects(&simulator.base_url())).serve().await;
    let batch = begun(&gateway, "{\"custom_id\": \"a\", \"body\": {}}\nno json\n").await;
    assert_eq!(
        (&batch["status"], &batch["errors"]["data"][0]["line"]),
        (&json!("failed"), &json!(2))
    );
    let unknown = json!({"input_file_id": "file-none", "endpoint": "/v1/chat/completions"});
    let refused = gateway.post("/v1/batches", &unknown).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("input_file_id")));
    let elsewhere = json!({"input_file_id": "file-none", "endpoint": "/v1/files"});
    let refused = gateway.post("/v1/batches", &elsewhere).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("endpoint")));
    assert!(simulator.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_survives_kill_9_without_losing_or_repeating_an_answer() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url()));
    let gateway = launch.serve().await;
    let batch = begun(&gateway, &requests("o/fault:slow=40/sim-small", 60)).await;
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    let seen = until("a part of the answers", async || {
        let counts = gateway.get(&path).await.ok()["request_counts"]["completed"].as_u64().unwrap();
        (10..50).contains(&counts).then_some(counts)
    })
    .await;
    gateway.end("KILL").await;

    let gateway = launch.serve().await;
    let id = path.rsplit('/').next().unwrap();
    let batch = ended(&gateway, id).await;
    assert_eq!(batch["status"], "completed", "{batch}");
    assert_eq!(batch["request_counts"]["completed"], 60);
    let mut names: Vec<String> = lines(&gateway, &batch["output_file_id"])
        .await
        .iter()
        .map(|line| line["custom_id"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 60);
    // Only what was under way at the kill was asked again.
    let asked = simulator.requests().len();
    assert!(asked <= 60 + 8, "{asked} requests, {seen} answered before the kill");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_can_be_withdrawn_and_belongs_to_its_key() {
    let simulator = simulator().await;
    let launch = Launch::new().toml(&both_dialects(&simulator.base_url())).closed();
    let beside = Beside::open(&launch.database()).await;
    let (mine, other) = (beside.key("mine").await.key, beside.key("other").await.key);
    drop(beside);
    let gateway = launch.serve().await;
    let send = async |key: &str, method: &str, path: &str, body: Bytes, kind: &str| {
        let headers = [("x-api-key", key), ("content-type", kind)];
        http::send(gateway.address, method, path, &headers, body).await
    };
    let text = requests("o/fault:slow=100/sim-small", 200);
    let file = send(&mine, "POST", "/v1/files", upload(&text), EDGE[0].1).await.ok();
    let order =
        json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions"}).to_string();
    let stolen =
        send(&other, "POST", "/v1/batches", order.clone().into(), "application/json").await;
    assert_eq!(stolen.status, 400, "{}", stolen.text());
    let batch = send(&mine, "POST", "/v1/batches", order.into(), "application/json").await.ok();
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    let hidden = send(&other, "GET", &path, Bytes::new(), "application/json").await;
    assert_eq!(hidden.status, 404);
    let cancelled =
        send(&mine, "POST", &format!("{path}/cancel"), Bytes::new(), "application/json").await.ok();
    assert!(["cancelling", "cancelled"].contains(&cancelled["status"].as_str().unwrap()));
    let batch = until("the end of the batch", async || {
        let batch = send(&mine, "GET", &path, Bytes::new(), "application/json").await.ok();
        (batch["status"] == "cancelled").then_some(batch)
    })
    .await;
    assert!(batch["request_counts"]["completed"].as_u64().unwrap() < 200);
    let again =
        send(&mine, "POST", &format!("{path}/cancel"), Bytes::new(), "application/json").await;
    assert_eq!(again.status, 409);
}
