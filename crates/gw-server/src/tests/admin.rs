//! The admin doors: who may open them, what they say, and that every fault names its field.

use serde_json::{Value, json};

use super::fixture::{ADMIN, Gateway, Seen, admin_key, gateway_with, request};
use crate::auth::Scope;
use crate::http::routes;

async fn ask(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Seen {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    gateway.ask(request(method, path, &[("x-api-key", ADMIN)], &body)).await
}

async fn good(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Value {
    let seen = ask(gateway, method, path, body).await;
    assert_eq!(seen.status, 200, "{method} {path}: {}", seen.text());
    seen.json()
}

/// Status, code, field and hint of a refusal.
async fn bad(gateway: &Gateway, method: &str, path: &str, body: &Value) -> (u16, String, String) {
    let seen = ask(gateway, method, path, body).await;
    let answer = seen.json();
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    (seen.status, text("field"), format!("{} {}", text("error"), text("hint")))
}

#[tokio::test]
async fn only_an_admin_key_opens_them() {
    let gateway = gateway_with(admin_key);
    let mut tried = 0;
    for route in routes().iter().filter(|route| route.scope == Scope::Admin) {
        tried += 1;
        let method = route.allow.split(", ").next().expect("a method");
        let path = route.path.replace("{id}", "a").replace("{*scope}", "team:a");
        let anonymous = gateway.ask(request(method, &path, &[], "{}")).await;
        assert_eq!(anonymous.status, 401, "{path}: {}", anonymous.text());
        let plain = [("authorization", "Bearer plain-key")];
        let refused = gateway.ask(request(method, &path, &plain, "{}")).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text());
        assert!(refused.json()["error"].as_str().is_some_and(|text| text.contains("admin")));
        assert!(!matches!(ask(&gateway, method, &path, &Value::Null).await.status, 401 | 403));
    }
    assert_eq!(tried, 13);
}

#[tokio::test]
async fn a_key_is_made_seen_rotated_and_revoked() {
    let gateway = gateway_with(admin_key);
    let body = json!({"name": "ci", "team": "research", "budget_usd": 2.5, "period": "day",
        "rpm": 60, "dollars_per_minute": "0.10", "max_layer": "L1", "expires": "30d"});
    let seen = ask(&gateway, "POST", "/admin/v1/keys", &body).await;
    assert_eq!(seen.header("cache-control"), "no-store");
    let made = seen.json();
    let secret = made["key"].as_str().expect("a secret");
    assert!(secret.starts_with("gw-") && secret.len() == 41);
    assert_eq!(made["budgets"][0]["usd"], "2.5");
    assert_eq!(made["budgets"][0]["remaining"], "2.5");
    let limits = made["limits"].as_array().expect("limits");
    assert!(limits.iter().any(|limit| limit["kind"] == "rpm" && limit["max"] == "60"));
    assert!(limits.iter().any(|limit| limit["max"] == "0.1"));

    let path = format!("/admin/v1/keys/{}", made["id"].as_str().expect("an id"));
    let shown = good(&gateway, "GET", &path, &Value::Null).await;
    assert!(shown.get("key").is_none() && !shown.to_string().contains(secret));
    assert_eq!((&shown["state"], &shown["team"]), (&json!("active"), &json!("research")));
    let rotated =
        good(&gateway, "POST", &format!("{path}/rotate"), &json!({"overlap": "1h"})).await;
    assert_eq!(rotated["id"], made["id"]);
    assert_ne!(rotated["key"], made["key"]);
    good(&gateway, "POST", &format!("{path}/rotate"), &Value::Null).await;
    let revoked = good(&gateway, "POST", &format!("{path}/revoke"), &Value::Null).await;
    assert_eq!(revoked["state"], "revoked");
    let again = bad(&gateway, "POST", &format!("{path}/rotate"), &json!({})).await;
    assert_eq!(again.0, 404);
    assert_eq!(bad(&gateway, "GET", "/admin/v1/keys/nobody", &Value::Null).await.0, 404);
}

#[tokio::test]
async fn every_fault_names_its_field() {
    let gateway = gateway_with(admin_key);
    for (method, path, body, status, field, says) in [
        ("POST", "keys", json!({}), 400, "name", "required"),
        ("POST", "keys", json!({"naem": "x"}), 400, "naem", "did you mean `name`"),
        ("POST", "keys", json!({"zzz": 1}), 400, "zzz", "the fields are"),
        ("POST", "keys", json!({"name": 7}), 400, "name", "string"),
        ("POST", "keys", json!({"name": "x", "rpm": -1}), 400, "rpm", "rpm"),
        ("POST", "keys", json!({"name": "x", "rpm": 1.5}), 400, "rpm", "rpm"),
        ("POST", "keys", json!({"name": "x", "max_layer": "L9"}), 400, "max_layer", "L9"),
        ("POST", "keys", json!({"name": "x", "budget_usd": "-1"}), 400, "budget_usd", "dollars"),
        ("POST", "keys", json!({"name": "x", "expires": "soon"}), 400, "expires", "2027-01-31"),
        ("POST", "keys", json!({"name": "x", "expires": "2001-01-01"}), 400, "expires", "past"),
        ("POST", "keys", json!({"name": "x", "period": "day"}), 409, "period", "budget_usd"),
        (
            "POST",
            "keys",
            json!({"name": "x", "budget_usd": 1, "period": "dya"}),
            400,
            "period",
            "dya",
        ),
        ("PUT", "budgets", json!({"scope": "team:a"}), 400, "usd", "tokens"),
        ("PUT", "budgets", json!({"scope": "a", "usd": "1"}), 400, "scope", "team:research"),
        ("PUT", "budgets", json!({"scope": "key:a", "usd": "1"}), 404, "scope", "no key"),
        (
            "PUT",
            "budgets",
            json!({"scope": "team:a", "tokens": 1, "alerts": [0]}),
            400,
            "alerts",
            "threshold",
        ),
        (
            "PUT",
            "budgets",
            json!({"scope": "team:a", "usd": "1", "period": "sliding:1m"}),
            400,
            "period",
            "5 minutes",
        ),
        ("PUT", "limits", json!({"scope": "team:a"}), 400, "rpm", "concurrent"),
        ("PUT", "accounts", json!({"scope": "tag:a"}), 400, "scope", "tag"),
        (
            "PUT",
            "accounts",
            json!({"scope": "team:a", "parent": "organisation:b"}),
            409,
            "parent",
            "Define it first",
        ),
    ] {
        let path = format!("/admin/v1/{path}");
        let (seen_status, seen_field, seen_text) = bad(&gateway, method, &path, &body).await;
        assert_eq!((seen_status, &*seen_field), (status, field), "{body}: {seen_text}");
        assert!(seen_text.contains(says), "{body}: {seen_text}");
    }
    for path in ["keys?limit=0", "keys?limit=x", "budgets?scope=nonsense", "keys?limit=1001"] {
        let path = format!("/admin/v1/{path}");
        assert_eq!(bad(&gateway, "GET", &path, &Value::Null).await.0, 400, "{path}");
    }
    for path in ["budgets/bud_x", "limits/lim_x", "accounts/team:x"] {
        let path = format!("/admin/v1/{path}");
        assert_eq!(bad(&gateway, "DELETE", &path, &Value::Null).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_child_is_refused_more_than_its_parent_has() {
    let gateway = gateway_with(admin_key);
    for body in [
        json!({"scope": "organisation:acme", "max_layer": "L2", "models": ["gpt-*"]}),
        json!({"scope": "team:a", "parent": "organisation:acme"}),
    ] {
        good(&gateway, "PUT", "/admin/v1/accounts", &body).await;
    }
    let budget =
        json!({"scope": "organisation:acme", "usd": "10", "tokens": 1000, "period": "day"});
    let set = good(&gateway, "PUT", "/admin/v1/budgets", &budget).await;
    assert_eq!(set["data"].as_array().map(Vec::len), Some(2), "one a unit");
    for (body, field) in [
        (json!({"name": "x", "team": "a", "budget_usd": "11", "period": "day"}), "budget_usd"),
        (
            json!({"name": "x", "team": "a", "budget_tokens": 1001, "period": "day"}),
            "budget_tokens",
        ),
        (json!({"name": "x", "team": "a", "max_layer": "L3"}), "max_layer"),
        (json!({"name": "x", "team": "a", "layers": ["L3"]}), "layers"),
        (json!({"name": "x", "team": "a", "models": ["claude-*"]}), "models"),
        (json!({"name": "x", "team": "a", "organisation": "other"}), "organisation"),
    ] {
        let refused = bad(&gateway, "POST", "/admin/v1/keys", &body).await;
        assert_eq!((refused.0, &*refused.1), (409, field), "{body}: {}", refused.2);
    }
    let keys = good(&gateway, "GET", "/admin/v1/keys", &Value::Null).await;
    assert_eq!(keys["data"], json!([]), "nothing of them was made");
    let refused =
        bad(&gateway, "DELETE", "/admin/v1/accounts/organisation:acme", &Value::Null).await;
    assert_eq!((refused.0, &*refused.1), (409, "scope"));
    good(&gateway, "DELETE", "/admin/v1/accounts/team:a", &Value::Null).await;
}

#[tokio::test]
async fn lists_come_in_pages_that_hold_everything_once() {
    let gateway = gateway_with(admin_key);
    for at in 0..7 {
        good(&gateway, "POST", "/admin/v1/keys", &json!({"name": format!("k{at}")})).await;
        let scope = format!("team:t{at}");
        good(&gateway, "PUT", "/admin/v1/budgets", &json!({"scope": scope, "usd": "1"})).await;
        good(&gateway, "PUT", "/admin/v1/limits", &json!({"scope": scope, "rpm": 1})).await;
        good(&gateway, "PUT", "/admin/v1/accounts", &json!({"scope": scope})).await;
    }
    for (what, id) in [("keys", "id"), ("budgets", "id"), ("limits", "id"), ("accounts", "scope")] {
        let mut seen = Vec::new();
        let mut path = format!("/admin/v1/{what}?limit=3");
        loop {
            let page = good(&gateway, "GET", &path, &Value::Null).await;
            let entries = page["data"].as_array().expect("entries");
            seen.extend(entries.iter().map(|entry| entry[id].as_str().expect("an id").to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            assert_eq!(page["has_more"], true);
            path = format!("/admin/v1/{what}?limit=3&after={next}");
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((count, seen.len()), (7, 7), "{what}");
    }
    let one = good(&gateway, "GET", "/admin/v1/budgets?scope=team:t3", &Value::Null).await;
    assert_eq!(one["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_key_sees_itself_and_nobody_is_nobody() {
    let gateway = gateway_with(admin_key);
    let body = json!({"scope": "team:research", "usd": "1"});
    good(&gateway, "PUT", "/admin/v1/budgets", &body).await;
    let plain = [("authorization", "Bearer plain-key")];
    let own = gateway.ask(request("GET", "/v1/key", &plain, "")).await;
    assert_eq!(own.status, 200);
    let own = own.json();
    assert_eq!((&own["id"], &own["admin"]), (&json!("plain"), &json!(false)));
    assert_eq!(own["scopes"], json!(["key:plain"]));
    assert_eq!(own["budgets"], json!([]), "those of others are none of its business");
    assert_eq!(gateway.get("/v1/key").await.status, 401);
}
