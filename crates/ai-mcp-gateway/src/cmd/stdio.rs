//! `stdio`: MCP on standard input and output. Nothing but the protocol is written to the output.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use gw_config::Purpose;
use gw_core::seam::{Clock, Entropy};
use gw_mcp::Exposure;
use tokio::io::BufReader;

use crate::cli::StdioArgs;
use crate::output::Output;
use crate::real::{SystemClock, SystemEntropy};
use crate::setup::Setup;
use crate::store::Use;
use crate::{logging, mcp, store};

/// Longest wait for the store at the end.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// Runs the command.
pub(crate) async fn run(args: &StdioArgs, setup: &Setup, output: Output) -> Result<()> {
    let loaded = setup.load(Purpose::Other, &[])?;
    logging::start(&loaded.settings)?;
    for warning in &loaded.warnings {
        output.warning(&warning.to_string());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let opened = store::open(&loaded.settings, &clock, &*entropy, Use::Command).await;
    let store = match opened {
        Ok(store) => Some(store),
        Err(error) => {
            // Tools work without it; jobs do not outlive the process then.
            output.warning(&format!("jobs are kept in memory only: {error}"));
            None
        }
    };
    let jobs = store.as_ref().and_then(|store| store.jobs.clone());
    let hub = mcp::hub(&loaded, setup, clock, entropy, jobs)?;
    let files = mcp::watched(setup, &loaded);
    let following = tokio::spawn(mcp::follow(Arc::clone(&hub), setup.clone(), files));
    let exposure = match args.show.as_deref() {
        None => hub.exposure(),
        Some("all") => Exposure::All,
        Some("search") => Exposure::Search,
        Some(group) => Exposure::Group(group.to_owned()),
    };
    let stopped = super::serve::signals()?;
    let input = BufReader::with_capacity(64 * 1024, tokio::io::stdin());
    let served = tokio::select! {
        served = hub.stdio(input, tokio::io::stdout(), exposure) => served,
        () = stopped => Ok(()),
    };
    following.abort();
    hub.stop().await;
    if let Some(store) = store {
        // The end of the client is the end of this process; what hangs is left behind.
        let _ = tokio::time::timeout(FLUSH_WITHIN, store.health.flush()).await;
    }
    served.context("standard input or output broke")
}
