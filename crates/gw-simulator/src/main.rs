//! The simulator as a program: `gw-simulator --recordings DIR --port N`.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use gw_simulator::{Fault, Simulator, SimulatorOptions};

/// A simulated LLM provider: replays recordings, answers as a model, fails on demand.
///
/// Base URLs: http://HOST:PORT/v1 for the simulated model, http://HOST:PORT/<provider>/... for one
/// provider's recordings. Control: POST /_simulator/faults, GET /_simulator/requests, POST
/// /_simulator/reset.
#[derive(Parser)]
#[command(name = "gw-simulator", version)]
struct Arguments {
    /// Folder of *.jsonl recordings to replay.
    #[arg(long, value_name = "DIR")]
    recordings: Option<PathBuf>,
    /// Port to listen on; 0 for a free one.
    #[arg(long, default_value_t = 4010)]
    port: u16,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Changes the ids in the model's answers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Answer only requests equal to a recorded one from the recordings.
    #[arg(long)]
    exact: bool,
    /// Faults of every request, such as `slow=200+split=7` or `429-retry-after=1`.
    #[arg(long, value_name = "SPEC", default_value = "")]
    fault: String,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the address is the program's output")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let faults = Fault::parse_all(&arguments.fault).map_err(anyhow::Error::msg)?;
    let options = SimulatorOptions {
        host: arguments.host,
        port: arguments.port,
        recordings: arguments.recordings,
        is_exact: arguments.exact,
        seed: arguments.seed,
        faults,
    };
    let simulator = Simulator::start(options).await?;
    let count = simulator.library().recordings().len();
    println!("listening on {} with {count} recordings", simulator.base_url());
    tokio::signal::ctrl_c().await.context("cannot wait for the interrupt")?;
    simulator.shutdown().await;
    Ok(())
}
