//! Calls a server as fast as it answers and says how long that took; also the fixed provider that
//! such a measurement wants behind the gateway. `bench/governance.py` drives both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::{Args, Parser, Subcommand};
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

/// Most calls of one run: a measurement ends by itself.
const CALLS_MAX: usize = 1_000_000;

/// Load for measurements on this machine: many connections, one call after another on each.
#[derive(Parser)]
#[command(name = "gw-load", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer every request with the same chat completion.
    Answer {
        /// Port on 127.0.0.1; 0 for a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Call, and print rates and times as JSON.
    Call(Call),
}

#[derive(Args)]
struct Call {
    /// Address on this machine, such as 127.0.0.1:3000.
    #[arg(long)]
    to: SocketAddr,
    /// Path to post to.
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// Body to post.
    #[arg(long)]
    body: String,
    /// Key to present.
    #[arg(long)]
    bearer: Option<String>,
    /// Present another made-up key with every call.
    #[arg(long, conflicts_with = "bearer")]
    made_up_keys: bool,
    /// Connections at one time.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Calls in all.
    #[arg(long, default_value_t = 2_000)]
    calls: usize,
    /// Status that every answer must have.
    #[arg(long, default_value_t = 200)]
    expect: u16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Answer { port } => answer(port).await,
        Command::Call(call) => run(call).await,
    }
}

#[expect(clippy::print_stdout, reason = "the address is the program's output")]
async fn answer(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("{}", listener.local_addr()?);
    let body = Bytes::from(
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{
                "index": 0, "finish_reason": "stop", "logprobs": null,
                "message": { "role": "assistant", "content": "The capital of France is Paris." }
            }],
            "usage": { "prompt_tokens": 14, "completion_tokens": 8, "total_tokens": 22 }
        })
        .to_string(),
    );
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let body = body.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let body = body.clone();
                async move {
                    request.into_body().collect().await?;
                    let response = Response::builder()
                        .header(header::CONTENT_TYPE, "application/json")
                        .body(Full::new(body))
                        .expect("a fixed head is valid");
                    Ok::<_, hyper::Error>(response)
                }
            });
            let io = TokioIo::new(stream);
            let served =
                server::Builder::new().timer(TokioTimer::new()).serve_connection(io, service);
            // A client that goes away is no news here.
            drop(served.await);
        });
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
async fn run(call: Call) -> Result<()> {
    if call.calls > CALLS_MAX || call.connections == 0 || call.connections > call.calls {
        bail!("--calls is at most {CALLS_MAX}, --connections is between 1 and --calls");
    }
    let call = Arc::new(call);
    let each = call.calls / call.connections;
    let began = Instant::now();
    let workers: Vec<_> = (0..call.connections)
        .map(|at| tokio::spawn(connection(Arc::clone(&call), each, at)))
        .collect();
    let mut times = Vec::with_capacity(call.calls);
    for worker in workers {
        times.extend(worker.await??);
    }
    let seconds = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 1000] as f64 / 1e3;
    let figures = json!({
        "calls": times.len(), "seconds": seconds, "per_s": times.len() as f64 / seconds,
        "p50_us": at(500), "p90_us": at(900), "p99_us": at(990), "p999_us": at(999),
    });
    println!("{figures}");
    Ok(())
}

/// A text that looks like a key of the gateway: a prefix and 38 letters and digits that say nothing.
fn made_up_key(number: usize) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut state = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let letters = (0..38).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[usize::try_from(state % 62).unwrap_or(0)])
    });
    "gw-".chars().chain(letters).collect()
}

/// Nanoseconds of each call, one after another on one connection.
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
async fn connection(call: Arc<Call>, calls: usize, at: usize) -> Result<Vec<u64>> {
    let stream = TcpStream::connect(call.to).await.context("nothing listens there")?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let body = Bytes::from(call.body.clone());
    let mut times = Vec::with_capacity(calls);
    for number in 0..calls {
        let mut request = Request::post(&call.path)
            .header(header::HOST, call.to.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &call.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        if call.made_up_keys {
            let key = made_up_key(at * CALLS_MAX + number);
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = request.body(Full::new(body.clone()))?;
        let began = Instant::now();
        let response = sender.send_request(request).await?;
        let status = response.status();
        let text = response.into_body().collect().await?.to_bytes();
        times.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if status.as_u16() != call.expect {
            bail!("{status}: {}", String::from_utf8_lossy(&text[..text.len().min(500)]));
        }
    }
    drop(sender);
    driver.await??;
    Ok(times)
}
