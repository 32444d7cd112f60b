//! `stdio`: MCP on standard input and output. Nothing but the protocol is written to the output.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use gw_config::{Loaded, Purpose};
use gw_core::seam::{Clock, Entropy};
use gw_mcp::{Exposure, Hub};
use tokio::io::BufReader;

use crate::assemble::{self, Gateway};
use crate::cli::StdioArgs;
use crate::output::Output;
use crate::real::{SystemClock, SystemEntropy};
use crate::setup::Setup;
use crate::store::Use;
use crate::{discovery, logging, mcp};

/// Longest wait for the store at the end.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// Runs the command.
pub(crate) async fn run(args: &StdioArgs, setup: &Setup, output: Output) -> Result<()> {
    let loaded = setup.load(Purpose::Other, &[])?;
    logging::start(&loaded.settings)?;
    for warning in &loaded.warnings {
        output.warning(&warning.to_string());
    }
    let gateway = match assemble::gateway(&loaded, Use::Command).await {
        Ok(gateway) => Some(gateway),
        Err(error) => {
            // Tools of servers work without it; jobs do not outlive the process then.
            output.warning(&format!("no models, and jobs are kept in memory only: {error}"));
            None
        }
    };
    let hub = hub(&loaded, setup, gateway.as_ref())?;
    let files = mcp::watched(setup, &loaded);
    let mut beside = vec![tokio::spawn(mcp::follow(Arc::clone(&hub), setup.clone(), files))];
    if let Some(gateway) = &gateway {
        let (engine, settings) = (Arc::clone(&gateway.engine), Arc::clone(&loaded.settings));
        beside.push(tokio::spawn(discovery::until_found(engine, settings)));
        let in_step = gateway.governance.clone().keep_in_step(gateway.store.clone());
        beside.push(tokio::spawn(async move {
            in_step.await;
        }));
    }
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
    for task in beside {
        task.abort();
    }
    hub.stop().await;
    if let Some(gateway) = gateway {
        // The end of the client is the end of this process; what hangs is left behind.
        let _ = tokio::time::timeout(FLUSH_WITHIN, close(&gateway)).await;
    }
    served.context("standard input or output broke")
}

fn hub(loaded: &Loaded, setup: &Setup, gateway: Option<&Gateway>) -> Result<Arc<Hub>> {
    let Some(gateway) = gateway else {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        return Ok(mcp::hub(loaded, setup, clock, entropy, None, None)?);
    };
    let resources = gateway.engine.resources();
    let (clock, entropy) = (Arc::clone(&resources.clock), Arc::clone(&resources.entropy));
    let own = mcp::own_tools(loaded, &gateway.engine, gateway.is_demo);
    Ok(mcp::hub(loaded, setup, clock, entropy, gateway.store.jobs.clone(), own)?)
}

/// Waits until calls that were cut short are settled and on record.
async fn close(gateway: &Gateway) {
    gateway.engine.drain().await;
    gateway.governance.budgets.stop().await;
    if let Err(error) = gateway.store.health.flush().await {
        tracing::warn!(message = error.message(), "the last records were not kept");
    }
}
