use serde_json::json;

use super::{Moment, PriceList, charge, matches, prices_at, regex_finds};

#[test]
fn rules_match_literally() {
    let or = json!({"or": [{"equals": "a"}, {"starts_with": "b"}, {"and": [{"contains": "x"}, {"ends_with": "y"}]}]});
    for (name, wanted) in [("a", true), ("ab", false), ("bc", true), ("axy", true), ("axyz", false)]
    {
        assert_eq!(matches(&or, name), wanted, "{name}");
    }
    assert!(regex_finds("^grok-4\\.3-\\d{8}$", "grok-4.3-20260417"));
    assert!(!regex_finds("^grok-4\\.3-\\d{8}$", "grok-4x3-20260417"));
    assert!(regex_finds("\\d-x", "a1-xb") && !regex_finds("^\\d-x", "a1-xb"));
    assert!(!regex_finds("(a|b)", "a"));
}

#[test]
fn extractors_sum_and_prices_follow_the_day() {
    let list = PriceList::read(
        r#"[{"id":"p","extractors":[{"api_flavor":"chat","root":"usage","mappings":[
            {"path":"in","dest":"input_tokens","required":true},
            {"path":"read","dest":"input_tokens","required":false},
            {"path":["details","read"],"dest":"cache_read_tokens","required":false},
            {"path":"out","dest":"output_tokens","required":true}]}],
          "models":[{"match":{"equals":"m"},"prices":[
            {"prices":{"input_mtok":{"base":1,"tiers":[{"start":100,"price":2}]},"output_mtok":4}},
            {"constraint":{"start_date":"2026-09-01"},"prices":{"input_mtok":3,"output_mtok":4,"requests_kcount":5}}]}]}]"#,
    )
    .unwrap();
    let usage = json!({"in": 90, "read": 20, "out": 10, "details": {"read": 20}});
    let answer = json!({ "usage": usage });
    let units = list.extract("p", &["chat"], answer.as_object().unwrap()).unwrap();
    assert_eq!(units["input_tokens"], 110.0);
    let model = list.model("p", "m").unwrap();
    let cost = |day| {
        charge(prices_at(model, Moment { day, time: "12:00:00Z" }).unwrap(), &units).unwrap().0
    };
    assert!((cost("2026-08-31") - (110.0 * 2.0 + 40.0) / 1e6).abs() < 1e-15);
    assert!((cost("2026-09-01") - ((110.0 * 3.0 + 40.0) / 1e6 + 0.005)).abs() < 1e-15);
    assert!(
        list.extract("p", &["chat"], json!({"usage": {"in": 1}}).as_object().unwrap()).is_none()
    );
    assert!(list.model("p", "other").is_none());
}

#[test]
fn counts_that_contradict_are_refused() {
    let prices = json!({"input_mtok": 1, "output_mtok": 1});
    let units = [("input_tokens", 10.0), ("cache_read_tokens", 161.0)];
    let units = units.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    assert!(charge(prices.as_object().unwrap(), &units).is_err());
}
