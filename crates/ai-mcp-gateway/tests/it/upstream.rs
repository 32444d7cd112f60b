//! What stands in the place of providers: simulators, small servers of canned answers, and the
//! configuration that points to them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use gw_simulator::{Fault, FaultRule, Seen, Simulator, SimulatorOptions};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::gateway::PATIENCE;

pub(crate) async fn simulator() -> Simulator {
    Simulator::start(SimulatorOptions::default()).await.unwrap()
}

/// Lets every request with this key fail.
pub(crate) fn fail_key(simulator: &Simulator, key: &str, faults: &str) {
    simulator.set_fault(FaultRule {
        key: Some(key.to_owned()),
        ..FaultRule::always(Fault::parse_all(faults).unwrap())
    });
}

/// Waits for a request at the simulator.
pub(crate) async fn seen(simulator: &Simulator, wanted: impl Fn(&Seen) -> bool) -> Seen {
    let all = timeout(PATIENCE, simulator.wait_for(|all| all.iter().any(&wanted))).await;
    let all = all.expect("the simulator waits in vain");
    all.into_iter().find(|seen| wanted(seen)).unwrap()
}

/// The newest request for a model answer.
pub(crate) fn last(simulator: &Simulator) -> Seen {
    simulator.requests().into_iter().rfind(|seen| seen.method == "POST").expect("no request")
}

/// `[providers.ID]` with one key, named `key-ID`.
pub(crate) fn provider(id: &str, dialect: &str, url: &str) -> String {
    format!(
        "[providers.{id}]\ndialect = \"{dialect}\"\nbase_url = \"{url}\"\napi_key = \"key-{id}\"\n"
    )
}

/// `[[models]]` at one dollar a million tokens read and two written.
pub(crate) fn model(id: &str) -> String {
    format!(
        "[[models]]\nid = \"{id}\"\nlayer = \"L1\"\nusd_per_million = {{ input = 1, output = 2 }}\n\
         capabilities = [\"tools\", \"vision\", \"pdf\", \"structured_output\", \"reasoning\", \"code\"]\n"
    )
}

/// Two providers at one simulator: `o` speaks OpenAI's dialect, `a` Anthropic's; each with the
/// model `sim-small`.
pub(crate) fn both_dialects(url: &str) -> String {
    [
        provider("o", "openai-chat", url),
        provider("a", "anthropic-messages", url),
        model("o/sim-small"),
        model("a/sim-small"),
    ]
    .concat()
}

/// A server that answers as a function says. Dropped, it stops.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

/// What a stub was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The target as it stood in the request line.
    pub(crate) uri: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Stub {
    pub(crate) async fn start(
        answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let answer = Arc::new(answer);
        let journal = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, journal) = (Arc::clone(&answer), Arc::clone(&journal));
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        serve(Arc::clone(&answer), Arc::clone(&journal), request)
                    });
                    let _ =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, seen, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().clone()
    }
}

async fn serve(
    answer: Arc<impl Fn(&Asked) -> (u16, String)>,
    journal: Arc<Mutex<Vec<Asked>>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let headers = request.headers().clone();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked = Asked { method, uri, headers, body };
    journal.lock().push(asked.clone());
    let (status, body) = answer(&asked);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    Ok(response)
}

/// A completion in OpenAI's words.
pub(crate) fn completion(text: &str) -> String {
    serde_json::json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
            "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    })
    .to_string()
}
