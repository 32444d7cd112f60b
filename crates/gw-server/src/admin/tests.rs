use gw_core::Money;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use super::words::{dollars, end_instant};
use super::{AccountBody, Body, BudgetBody, KeyBody, LimitBody, RotateBody, Usd, decode};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// What is taken and what is described is the same list.
#[test]
fn bodies_describe_every_field_they_take() {
    fn check<T: Body + PartialSchema>() {
        let schema = serde_json::to_value(T::schema()).expect("a schema");
        let described = schema["properties"].as_object().expect("properties");
        let mut described: Vec<&str> = described.keys().map(String::as_str).collect();
        let mut taken = T::FIELDS.to_vec();
        described.sort_unstable();
        taken.sort_unstable();
        assert_eq!(described, taken);
    }
    check::<KeyBody>();
    check::<RotateBody>();
    check::<AccountBody>();
    check::<BudgetBody>();
    check::<LimitBody>();
}

#[test]
fn money_is_exact_however_it_is_written() {
    let read = |value: Value| {
        let body = decode::<BudgetBody>(object(json!({"scope": "team:a", "usd": value})));
        body.ok().and_then(|body| body.usd).map(|usd| usd.0.pico())
    };
    assert_eq!(read(json!("0.000000000001")), Some(1));
    assert_eq!(read(json!(0.1)), Some(100_000_000_000));
    assert_eq!(read(json!(25)), Some(25_000_000_000_000));
    for wrong in [json!("-1"), json!("abc"), json!("1e30"), json!([1]), json!(true), json!("")] {
        assert_eq!(read(wrong.clone()), None, "{wrong}");
    }
    let usd = Usd(Money::from_pico(1));
    assert_eq!(serde_json::to_value(usd).expect("text"), json!("0.000000000001"));
    assert_eq!(dollars(" 1.5 "), Some(Money::from_pico(1_500_000_000_000)));
}

#[test]
fn a_whole_number_is_whole_however_it_is_written() {
    let read = |tokens: Value| {
        let body = object(json!({"scope": "team:a", "tokens": tokens, "alerts": [80.0]}));
        decode::<BudgetBody>(body).ok().map(|body| (body.tokens, body.alerts))
    };
    assert_eq!(read(json!(737_036_990_746.0)), Some((Some(737_036_990_746), vec![80])));
    assert_eq!(read(json!(7)), Some((Some(7), vec![80])));
    for wrong in [json!(7.5), json!(-1.0), json!(1e300), json!("7")] {
        assert_eq!(read(wrong.clone()), None, "{wrong}");
    }
}

#[test]
fn a_null_counts_as_absent() {
    let body = object(json!({"scope": "team:a", "usd": null, "alerts": null, "soft": null}));
    let body: BudgetBody = decode(body).expect("read");
    assert_eq!((body.usd, body.soft, body.alerts.len()), (None, false, 0));
}

#[test]
fn an_end_is_an_instant_a_day_or_a_time_from_now() {
    let end = |text: &str| end_instant("expires", text, 1_000).ok();
    assert_eq!(end("30d"), Some(1_000 + 30 * 86_400_000));
    assert_eq!(end("1970-01-02"), Some(86_400_000));
    assert_eq!(end("1970-01-01T00:00:01Z"), Some(1_000));
    assert_eq!(end("1970-01-01T02:00:00+02:00"), Some(0));
    for wrong in ["", "soon", "30", "1970-13-01", "99999999999999999w", "99999999999w"] {
        assert_eq!(end(wrong), None, "{wrong}");
    }
}
