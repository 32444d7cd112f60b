//! Probes, health and figures.

use std::sync::atomic::Ordering;

use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};

use super::fixture::{Script, gateway, question, request};

#[tokio::test]
async fn health_has_system_as_fields() {
    let gateway = gateway();
    let seen = gateway.get("/health").await;
    assert_eq!(seen.status, 200);
    let health = seen.json();
    assert_eq!(health["status"], "ok");
    assert_eq!((&health["redis"], &health["database"]), (&json!(false), &json!(true)));
    assert_eq!(health["providers"], json!({"acme": true}));
    assert_eq!(
        health["layers"]["L0"],
        json!({"enabled": true, "models": ["acme/tiny"], "providers": ["acme"]})
    );
    assert_eq!(health["layers"]["L1"]["enabled"], false);
    assert_eq!(health["healthyProviders"], json!(["acme"]));
    assert_eq!(health["demo"], false);
    for field in [
        "logLevel",
        "defaultLayer",
        "enableCrossCheck",
        "enableAutoEscalate",
        "maxEscalationLayer",
        "enableCostTracking",
        "costAlertThreshold",
        "layerControl",
        "taskSpecificModels",
    ] {
        assert!(health["configuration"].get(field).is_some(), "{field}");
    }
    assert_eq!(health["configuration"]["taskSpecificModels"]["createProject"], "default");
    assert_eq!(
        health["configuration"]["layerControl"],
        json!({"L0": true, "L1": true, "L2": true, "L3": true})
    );
}

#[tokio::test]
async fn a_store_that_is_down_degrades_health_and_readiness_but_not_life() {
    let gateway = gateway();
    assert_eq!(gateway.get("/readyz").await.status, 200);
    gateway.store.is_down.store(true, Ordering::SeqCst);
    let health = gateway.get("/health").await;
    assert_eq!(health.status, 200);
    assert_eq!(
        (&health.json()["status"], &health.json()["database"]),
        (&json!("degraded"), &json!(false))
    );
    assert_eq!(gateway.get("/readyz").await.status, 503);
    assert_eq!(gateway.get("/livez").await.status, 200);
    let seen = gateway.get("/v1/stats").await;
    assert_eq!((seen.status, &seen.json()["code"]), (503, &json!("store_unavailable")));
}

#[tokio::test]
async fn a_stopping_gateway_is_not_ready() {
    let gateway = gateway();
    gateway.lifecycle.stop();
    let seen = gateway.get("/readyz").await;
    assert_eq!((seen.status, &seen.json()["code"]), (503, &json!("shutting_down")));
    assert_eq!(gateway.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_provider_without_valid_keys_is_named() {
    let gateway = gateway();
    let before = gateway.get("/v1/server-stats").await.json();
    assert_eq!(before["providers"]["acme"], true);
    for _ in 0..8 {
        gateway.upstream.then(Script::Whole(503, Vec::new(), "{}".to_owned()));
        gateway.post("/v1/chat/completions", &question("acme/tiny")).await;
    }
    let health = gateway.get("/health").await.json();
    let alerts = health["alerts"].to_string();
    assert!(alerts.contains("acme/tiny"), "{health}");
}

#[tokio::test]
async fn server_stats_are_measured() {
    let gateway = gateway();
    gateway.post("/v1/chat/completions", &question("acme/tiny")).await;
    gateway.get("/health").await;
    gateway.ask(request("OPTIONS", "/v1/route", &[], "")).await;
    gateway.clock.monotonic_ms.store(5_000 + 90_061_000, Ordering::SeqCst);
    let stats = gateway.get("/v1/server-stats").await.json();
    assert_eq!(stats["uptime"], json!({"seconds": 90_061, "formatted": "1d 1h 1m 1s"}));
    assert_eq!(stats["requests"]["total"], 1, "probes and preflights do not count");
    assert_eq!(stats["llm"]["totalCalls"], 1);
    assert_eq!(stats["llm"]["tokens"], json!({"input": 14, "output": 2, "total": 16}));
    assert_eq!(stats["llm"]["cost"]["currency"], "USD");
    assert_eq!(stats["llm"]["cost"]["totalPicoUsd"], 18_000_000);
    for name in ["openai", "anthropic", "openrouter", "ossLocal"] {
        assert_eq!(stats["providers"][name], false, "{name}");
    }
    assert_eq!(stats["memory"]["unit"], "MB");
    assert_eq!(stats["cache"], json!({"redis": false}));
    assert_eq!(stats["database"], json!({"postgres": false, "sqlite": true}));
    if cfg!(target_os = "linux") {
        assert!(stats["memory"]["rss"].as_f64().is_some_and(|rss| rss > 1.0), "{stats}");
    }
    assert_eq!(stats["requests"]["averageDuration"], Value::from(0));
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let seen = gateway().get("/metrics").await;
    assert_eq!(seen.status, 200);
    assert!(seen.header("content-type").starts_with("text/plain"));
}

#[tokio::test]
async fn requests_are_counted_by_pattern_never_by_path() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let gateway = gateway();
    gateway.get("/v1/models/acme/tiny").await;
    gateway.get("/models/auto").await;
    gateway.get("/nowhere/7").await;
    gateway.ask(request("BREW", "/v1/route", &[], "")).await;
    let text = handle.render();
    for line in [
        r#"gateway_http_requests_total{route="/v1/models/{*id}",method="GET",status="200"} 2"#,
        r#"gateway_http_requests_total{route="unmatched",method="GET",status="404"} 1"#,
        r#"gateway_http_requests_total{route="/v1/route",method="other",status="405"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains("gateway_http_request_duration_seconds"), "{text}");
}
