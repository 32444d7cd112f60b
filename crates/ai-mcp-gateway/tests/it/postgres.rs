//! Two gateways on one PostgreSQL database, and what callers notice when it goes away: nothing.

use bytes::Bytes;
use gw_postgres::testbed::TestDatabase;
use serde_json::json;

use crate::gateway::{Gateway, Launch, until};
use crate::http::Reply;
use crate::upstream::{both_dialects, simulator};

async fn ask(gateway: &Gateway, key: &str) -> Reply {
    let body = json!({"model": "o/sim-small", "messages": [{"role": "user", "content": "hi"}]});
    let headers = [("authorization", &*format!("Bearer {key}"))];
    gateway.post_bytes("/v1/chat/completions", &headers, Bytes::from(body.to_string())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_database_costs_no_call_and_no_record() {
    let database = TestDatabase::alone().await;
    let simulator = simulator().await;
    let launch = || {
        let launch = Launch::new().closed().toml(&both_dialects(&simulator.base_url()));
        launch.env("DATABASE_URL", database.url.clone())
    };
    let (here, there) = (launch(), launch());
    let one = here.serve().await;
    let key = until("the key", async || {
        let said = one.stderr();
        said.lines().find_map(|line| line.trim().strip_prefix("key    ")).map(str::to_owned)
    })
    .await;
    let two = there.serve().await;
    for gateway in [&one, &two] {
        ask(gateway, &key).await.ok();
    }
    database.server.stop();
    for _ in 0..10 {
        for gateway in [&one, &two] {
            ask(gateway, &key).await.ok();
        }
    }
    assert_eq!(one.get("/readyz").await.status, 200, "calls are still taken");
    // One of them ends in the outage: the next start on its folder brings what it kept.
    assert!(two.end("TERM").await.success());
    database.server.resume_after_stop();
    let again = there.serve().await;
    ask(&again, &key).await.ok();
    let client = database.connect().await;
    until("every record", async || {
        let row = client.query_one("SELECT count(*) FROM gateway.llm_calls", &[]).await.ok()?;
        (row.get::<_, i64>(0) == 23).then_some(())
    })
    .await;
    let sql = "SELECT sum(calls)::bigint FROM gateway.spending WHERE kind = 'key'";
    let spent: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(spent, 23);
    let doctor = here.run(&["doctor", "--json"], None).await;
    assert!(doctor.stdout.contains("PostgreSQL, 127.0.0.1:"), "{doctor:?}");
}
