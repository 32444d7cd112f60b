//! Rules, the control API, the journal, and stopping.

use gw_simulator::{Fault, FaultRule, Simulator, SimulatorOptions};
use http::Request;
use http_body_util::Full;
use serde_json::json;

use crate::client::{CHAT, MESSAGES, ask, asked, connect, post, send, simulator};

#[tokio::test]
async fn rules_meet_what_they_match_as_often_as_they_say() {
    let simulator = simulator().await;
    simulator.set_fault(FaultRule::always(Fault::parse_all("500").unwrap()));
    simulator.set_fault(FaultRule {
        path: Some("/messages".into()),
        faults: Fault::parse_all("529").unwrap(),
        times: Some(2),
        ..FaultRule::default()
    });
    simulator.set_fault(FaultRule {
        model: Some("sim-large".into()),
        key: Some("k".into()),
        ..FaultRule::default()
    });
    let mut statuses = Vec::new();
    for path in [CHAT, MESSAGES, MESSAGES, MESSAGES] {
        statuses.push(asked(&simulator, path, &ask("", false)).await.status);
    }
    assert_eq!(statuses, [500, 529, 529, 500]);
    let mut body = ask("", false);
    body["model"] = json!("sim-large");
    let mut request = post(CHAT, &body);
    assert_eq!(send(&mut connect(simulator.addr()).await, request.clone()).await.status, 500);
    request.headers_mut().insert("authorization", "Bearer k".parse().unwrap());
    assert_eq!(send(&mut connect(simulator.addr()).await, request.clone()).await.status, 200);
    request.headers_mut().insert("x-simulator-fault", "418".parse().unwrap());
    assert_eq!(send(&mut connect(simulator.addr()).await, request).await.status, 418);
    simulator.reset();
    assert_eq!(asked(&simulator, CHAT, &ask("", false)).await.status, 200);
    assert_eq!(simulator.requests().len(), 1);
}

#[tokio::test]
async fn the_control_api_does_the_same_over_http() {
    let simulator = simulator().await;
    let rule = json!({"match": {"model": "sim-small"}, "fault": "429-retry-after=3", "times": 1});
    assert_eq!(asked(&simulator, "/_simulator/faults", &rule).await.json(), json!({"rules": 1}));
    let answer = asked(&simulator, CHAT, &ask("", false)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "3"));
    assert_eq!(asked(&simulator, CHAT, &ask("", false)).await.status, 200);

    let request = Request::get("/_simulator/requests").body(Full::default()).unwrap();
    let requests = send(&mut connect(simulator.addr()).await, request).await.json();
    let first = &requests["requests"][0];
    assert_eq!((&first["status"], &first["faults"]), (&json!(429), &json!("429-retry-after=3")));
    assert_eq!((&first["path"], &first["method"]), (&json!(CHAT), &json!("POST")));
    assert_eq!(first["body"], ask("", false).to_string());
    assert_eq!((&first["finished"], &first["client_left"]), (&json!(true), &json!(false)));
    assert_eq!(requests["requests"].as_array().unwrap().len(), 2);

    assert_eq!(asked(&simulator, "/_simulator/reset", &json!({})).await.status, 200);
    assert!(simulator.requests().is_empty());
    for bad in [json!({"fault": "nonsense"}), json!({"fault": "500", "tims": 1}), json!([])] {
        assert_eq!(asked(&simulator, "/_simulator/faults", &bad).await.status, 400, "{bad}");
    }
    assert_eq!(asked(&simulator, "/_simulator/else", &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_stopped_simulator_refuses_connections() {
    let options = SimulatorOptions {
        faults: Fault::parse_all("503").unwrap(),
        ..SimulatorOptions::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let address = simulator.addr();
    assert_eq!(simulator.base_url(), format!("http://{address}"));
    assert_eq!(asked(&simulator, CHAT, &ask("", false)).await.status, 503);
    simulator.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
