use bytes::Bytes;
use proptest::prelude::{any, prop_assert_eq, proptest};
use serde_json::{Map, Value, json};

use super::{member, splice};

#[track_caller]
fn check(body: &'static str, edits: &[(&str, Option<Value>)], expected: &str) {
    let spliced = splice(&Bytes::from_static(body.as_bytes()), edits).expect("an object");
    assert_eq!(std::str::from_utf8(&spliced).expect("UTF-8"), expected);
}

#[test]
fn sets() {
    let model = [("model", Some(json!("b")))];
    check(r#"{"model":"a","x":1}"#, &model, r#"{"model":"b","x":1}"#);
    check(r#"{ "x" : 1.0e2 ,"model" :  "a" }"#, &model, r#"{ "x" : 1.0e2 ,"model" :  "b" }"#);
    check(r#"{"mod\u0065l":"a"}"#, &model, r#"{"mod\u0065l":"b"}"#);
    check(r#"{"model":"a","model":"c"}"#, &model, r#"{"model":"b","model":"b"}"#);
    check(r#"{"x":{"model":"a"},"model":"a"}"#, &model, r#"{"x":{"model":"a"},"model":"b"}"#);
    check("{ }", &model, r#"{"model":"b" }"#);
    check(" {\"x\":1}\n", &model, " {\"x\":1,\"model\":\"b\"}\n");
    check(r#"{"model":  "b"}"#, &model, r#"{"model":  "b"}"#);
    check(r#"{"a":"}\"{,","model":1}"#, &model, r#"{"a":"}\"{,","model":"b"}"#);
}

#[test]
fn removes() {
    let remove = [("b", None)];
    check(r#"{"a":1, "b":2 , "c":3}"#, &remove, r#"{"a":1 , "c":3}"#);
    check(r#"{"b":2,"c":3}"#, &remove, r#"{"c":3}"#);
    check(r#"{"a":1,"b":2}"#, &remove, r#"{"a":1}"#);
    check(r#"{"b":2,"b":3}"#, &remove, r#"{}"#);
    check(r#"{"b":2}"#, &[("b", None), ("n", Some(json!(1)))], r#"{"n":1}"#);
    check(r#"{"b":1,"b":2,"c":3,"d":4}"#, &[("b", None), ("d", None)], r#"{"c":3}"#);
}

#[test]
fn an_unchanged_body_is_itself() {
    let body = Bytes::from_static(br#"{"model":"a"}"#);
    let same = splice(&body, &[("model", Some(json!("a"))), ("gone", None)]).expect("an object");
    assert_eq!(same.as_ptr(), body.as_ptr());
}

#[test]
fn other_types_are_refused() {
    for body in ["[]", "1", "", "{", "{}x", "\"a\""] {
        assert!(splice(&Bytes::from_static(body.as_bytes()), &[]).is_err(), "{body}");
    }
    assert!(splice(&Bytes::from_static(b"{\"a\":\"\xff\"}"), &[]).is_err());
}

#[test]
fn the_last_of_a_name_is_read() {
    assert_eq!(member(br#"{"a":1,"a":[2, 3]}"#, "a").expect("an object"), Some("[2, 3]"));
    assert_eq!(member(br#"{"a":1}"#, "b").expect("an object"), None);
}

proptest! {
    #[test]
    fn means_what_map_edits_mean(
        have in proptest::collection::btree_map("[a-e\"\\\\é]{0,2}", any::<i32>(), 0..6),
        edits in proptest::collection::btree_map("[a-e\"\\\\é]{0,2}", any::<Option<i32>>(), 0..4),
    ) {
        let mut map: Map<String, Value> = have.into_iter().map(|(k, v)| (k, json!(v))).collect();
        let body = Bytes::from(serde_json::to_vec_pretty(&map).expect("JSON"));
        let edits: Vec<(&str, Option<Value>)> =
            edits.iter().map(|(key, value)| (key.as_str(), value.map(|v| json!(v)))).collect();
        let spliced = splice(&body, &edits).expect("an object");
        for (key, value) in &edits {
            match value {
                Some(value) => {
                    map.insert((*key).to_owned(), value.clone());
                }
                None => {
                    map.shift_remove(*key);
                }
            }
        }
        let read: Map<String, Value> = serde_json::from_slice(&spliced).expect("JSON");
        prop_assert_eq!(read, map);
    }
}
