//! `cache`: the response cache of a running gateway.

use anyhow::Result;
use gw_core::{Error, Kind};
use http::Method;
use serde_json::{Value, json};

use crate::cli::CacheCommand;
use crate::output::Output;
use crate::setup::Setup;

/// All answers.
const ANSWERS: &str = "llm:cache:*";

/// Runs the command.
pub(crate) async fn run(command: &CacheCommand, setup: &Setup, output: Output) -> Result<()> {
    let Some(remote) = setup.remote()? else {
        let message = "no running gateway is named, and the cache is a gateway's";
        return Err(Error::new(Kind::NotConfigured, message)
            .with_hint("Name it: --endpoint http://localhost:3000, or GATEWAY_URL.")
            .into());
    };
    match command {
        CacheCommand::Stats => {
            let stats = remote.admin(Method::GET, "/v1/cache/stats", None).await?;
            if output.is_json() { output.json(&stats) } else { output.write(&told(&stats)) }
        }
        CacheCommand::Clear { pattern, conversation } => {
            let body = match conversation {
                Some(id) => json!({"conversationId": id}),
                None => json!({"pattern": pattern.as_deref().unwrap_or(ANSWERS)}),
            };
            let body = Some(bytes::Bytes::from(body.to_string()));
            let cleared = remote.admin(Method::POST, "/v1/cache/clear", body).await?;
            if output.is_json() {
                return output.json(&cleared);
            }
            let (count, what) = (&cleared["clearedCount"], &cleared["pattern"]);
            output.write(&format!("forgot {count} ({})\n", what.as_str().unwrap_or_default()))
        }
    }
}

fn told(stats: &Value) -> String {
    let count = |name: &str| stats[name].as_u64().map_or("?".to_owned(), |it| it.to_string());
    let text = |name: &str| stats[name].as_str().unwrap_or_default().to_owned();
    let rate = stats["hitRate"].as_f64().map_or("-".to_owned(), |it| format!("{:.1} %", it * 1e2));
    let mut lines = format!(
        "mode      {}, in {}\n\
         kept      {} answers, {} bytes\n\
         answered  {} from the cache, {} shared with an equal call, {} by models, {} not asked\n\
         hit rate  {rate}\n\
         saved     ${}\n",
        text("mode"),
        text("store"),
        count("entries"),
        count("bytes"),
        count("hits"),
        count("sharedAnswers"),
        count("misses"),
        count("bypassed"),
        text("savedUsd"),
    );
    if stats["mode"] == "off" {
        lines.push_str("The cache is off: `[cache] mode = \"on\"` in gateway.toml uses it.\n");
    }
    lines
}
