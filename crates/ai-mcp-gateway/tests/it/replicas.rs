//! Replicas of the program over one real PostgreSQL and one real Redis, and calls whose cost is known
//! before they are made.

use std::net::SocketAddr;

use bytes::Bytes;
use gw_core::Money;
use gw_postgres::testbed::TestDatabase;
use gw_redis::testbed::RedisServer;
use gw_simulator::Simulator;
use serde_json::{Value, json};

use crate::gateway::Launch;
use crate::http::{self, Reply};
use crate::upstream::{provider, simulator};

/// The key of the configuration, which may do everything and is on no account.
pub(crate) const ADMIN: &str = "an-admin-key-of-the-file";

/// What a call of [`fixed_call`] costs, and may cost at worst: 50 tokens written at two dollars a million.
pub(crate) const CALL_COST: Money = Money::from_pico(100_000_000);

/// What replicas share.
pub(crate) struct Shared {
    pub(crate) database: TestDatabase,
    pub(crate) redis: RedisServer,
    pub(crate) simulator: Simulator,
}

impl Shared {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::alone().await;
        Self { database, redis: RedisServer::start(), simulator: simulator().await }
    }

    /// A replica in a folder of its own.
    pub(crate) fn launch(&self) -> Launch {
        alone(&self.simulator)
            .env("DATABASE_URL", self.database.url.clone())
            .env("REDIS_URL", self.redis.url())
    }

    /// What PostgreSQL has on record: calls, and what they cost.
    pub(crate) async fn recorded(&self) -> (i64, Money) {
        let client = self.database.connect().await;
        let sql = "SELECT count(*), coalesce(sum(cost_pico), 0)::bigint FROM gateway.llm_calls \
                   WHERE status = 'ok'";
        let row = client.query_one(sql, &[]).await.unwrap();
        (row.get(0), Money::from_pico(row.get(1)))
    }
}

/// One process with a store of its own.
pub(crate) fn alone(simulator: &Simulator) -> Launch {
    let toml = [
        provider("o", "openai-chat", &simulator.base_url()),
        "[[models]]\nid = \"o/fixed\"\nlayer = \"L1\"\n\
         usd_per_million = { input = 0, output = 2 }\n"
            .to_owned(),
    ];
    Launch::new().closed().env("GATEWAY_SERVER__KEY", ADMIN).toml(&toml.concat())
}

/// The object that a command prints.
pub(crate) async fn say(launch: &Launch, line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().chain(["--json"]).collect();
    let ran = launch.run(&words, None).await;
    assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
    ran.json()
}

/// A key made on the command line.
pub(crate) async fn key(launch: &Launch, rest: &str) -> String {
    let made = say(launch, &format!("keys create --name k {rest}")).await;
    made["key"].as_str().unwrap().to_owned()
}

/// A call that costs exactly [`CALL_COST`]; nothing where nobody answers it to its end.
pub(crate) async fn fixed_call(address: SocketAddr, key: &str) -> Option<Reply> {
    let body = json!({"model": "o/fixed", "max_tokens": 50,
        "messages": [{"role": "user", "content": "sim:words=100"}]});
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let body = Bytes::from(body.to_string());
    let open = http::try_open(address, "POST", "/v1/chat/completions", &headers, body).await?;
    let reply = open.whole().await;
    reply.is_whole.then_some(reply)
}

/// How the only budget stands: spent and held. Nothing where nobody answers.
pub(crate) async fn standing(address: SocketAddr) -> Option<(Money, Money)> {
    let headers = [("x-api-key", ADMIN)];
    let open = http::try_open(address, "GET", "/admin/v1/budgets", &headers, Bytes::new()).await?;
    let reply = open.whole().await;
    if !reply.is_whole {
        return None;
    }
    let page = reply.ok();
    let budget = &page["data"][0];
    let money = |name: &str| Money::from_usd_decimal(budget[name].as_str().unwrap()).unwrap();
    Some((money("spent"), money("reserved")))
}
