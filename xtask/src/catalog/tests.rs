use std::path::PathBuf;

use gw_catalog::price_text;
use gw_catalog::rules::Clause;

use super::make;
use crate::catalog_source::{digits_pattern, read_prices};

const MODELS: &str = concat!(
    r#"{"id":"claude-x-1","provider":"anthropic","name":"Claude X 1 (latest)","family":"claude-x","created_at":"2026-01-02 00:00:00 UTC","context_window":1000,"max_output_tokens":100,"modalities":{"input":["text","image"],"output":["text"]},"capabilities":["function_calling","reasoning"],"pricing":{"text_tokens":{"standard":{"input_per_million":4,"output_per_million":20}}},"reasoning_options":[{"type":"effort","values":["low","high"]}],"temperature":false}"#,
    "\n",
    r#"{"id":"anthropic/claude-x.1","provider":"openrouter","name":"Anthropic: Claude X 1","family":"claude-x","created_at":null,"context_window":500,"max_output_tokens":100,"modalities":{"input":["text","image","file"],"output":["text"]},"capabilities":["function_calling","reasoning"],"pricing":{"text_tokens":{"standard":{"input_per_million":0.1,"output_per_million":0.09999999999999999,"cache_write_input_per_million":0.125},"long_context_threshold":200000,"long_context":{"input_per_million":0.2}}}}"#,
    "\n",
    r#"{"id":"guess","provider":"azure","name":"guess","family":null,"created_at":null,"context_window":4096,"max_output_tokens":16384,"modalities":{"input":[],"output":[]},"capabilities":["streaming"],"pricing":{"text_tokens":{"standard":{"input_per_million":0.5,"output_per_million":1.5}}}}"#,
    "\n",
);

const PRICES: &str = r#"[
 {"id":"anthropic","models":[{"id":"claude-x","match":{"or":[{"starts_with":"claude-x"},{"regex":"(a|b)"}]},"context_window":9,
   "prices":[{"prices":{"input_mtok":{"base":3,"tiers":[{"start":200000,"price":6}]},"cache_write_mtok":3.75,"output_mtok":15}},
             {"constraint":{"start_date":"2026-09-01"},"prices":{"input_mtok":2,"output_mtok":10}}]}]},
 {"id":"azure","fallback_model_providers":["openai","anthropic"],"models":[]},
 {"id":"onlyhere","models":[{"id":"vendor/m","match":{"equals":"vendor/m"},"prices":{"input_mtok":1,"output_mtok":2,"requests_kcount":12},"deprecated":true},
   {"id":"other-id","match":{"or":[{"equals":"real-name"}]},"prices":{"input_mtok":0.08333333333333334}}]}]"#;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("xtask-catalog-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("models.jsonl"), MODELS).unwrap();
    std::fs::write(folder.join("prices.json"), PRICES).unwrap();
    folder
}

#[test]
fn two_sources_become_three_tables() {
    let folder = folder("tables");
    let tables = make(&folder).unwrap();
    let table =
        |name: &str| tables.files.iter().find(|(file, _)| *file == name).unwrap().1.as_str();
    assert_eq!(
        table("models.tsv"),
        "claude-x-1\tClaude X 1\tclaude-x\t2026-01-02\t1000\t100\tti\tt\tfrn\tlow high\n\
         guess\tguess\tguess\t\t\t\t\t\t-\n"
    );
    assert_eq!(
        table("offerings.tsv"),
        "anthropic\tclaude-x-1\tclaude-x-1\n\
         azure\tguess\tguess\n\
         onlyhere\treal-name\treal-name\n\
         onlyhere\tvendor/m\tm\n\
         openrouter\tanthropic/claude-x.1\tclaude-x-1\tcontext:500\treads:tip\tprice:in=0.1 cw=0.125 cw1h=0.2 out=0.1 >200000 in=0.2\n"
    );
    assert_eq!(
        table("rules.tsv"),
        "anthropic\tclaude-x\t^claude-x\tin=3 cw=3.75 cw1h=6 out=15 >200000 in=6; from=2026-09-01 in=2 out=10\t9\n\
         !fallback\tazure\topenai anthropic\n\
         onlyhere\tvendor/m\t=vendor/m\tin=1 out=2 req=0.012\t\tdeprecated\n\
         onlyhere\tother-id\t=real-name\tin=0.083333\n"
    );
    assert_eq!(tables.notices.len(), 1, "{:?}", tables.notices);
    assert_eq!(tables.differences.len(), 2, "{:?}", tables.differences);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn hours_stay_hours() {
    let folder = folder("hours");
    let prices = r#"[{"id":"d","models":[{"id":"m","match":{"equals":"m"},"prices":[{"prices":{"input_mtok":1}},
        {"constraint":{"start_time":"00:30:00Z","end_time":"16:30:00Z"},"prices":{"input_mtok":2}}]}]}]"#;
    std::fs::write(folder.join("prices.json"), prices).unwrap();
    let list = read_prices(&folder, &mut Vec::new()).unwrap();
    assert_eq!(price_text::format(&list[0].rules[0].prices), "in=1; daily=00:30-16:30 in=2");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn patterns_with_digits_are_kept_and_richer_ones_are_not() {
    let whole = |text: &str| Some(Clause::Digits(text.to_owned(), true));
    assert_eq!(digits_pattern("^grok-4\\.3-\\d{3}$"), whole("grok-4.3-###"));
    assert_eq!(digits_pattern("^a\\d"), Some(Clause::Digits("a#".to_owned(), false)));
    for rich in ["grok", "^a.b", "^(a|b)$", "^a+", "^[ab]", "^a\\w", "^a\\d*", "^a\\d{x}"] {
        assert_eq!(digits_pattern(rich), None, "{rich}");
    }
}
