//! `limits`: how fast accounts may call.

use anyhow::Result;
use serde_json::json;

use crate::cli::LimitsCommand;
use crate::cmd::governing::{in_flags, is_scope, limits, meant};
use crate::desk::Desk;
use crate::output::Output;

/// Runs the command.
pub(crate) async fn run(command: LimitsCommand, desk: &Desk, output: Output) -> Result<()> {
    let list = match command {
        LimitsCommand::Set(args) => desk.set_limits(args.into()).await.map_err(in_flags)?,
        LimitsCommand::List { scope } => {
            let list = desk.limits(scope.as_deref()).await.map_err(in_flags)?;
            if list.is_empty() && !output.is_json() {
                output.note("No limit. `limits set team:research --rpm 600` makes one.");
                return Ok(());
            }
            list
        }
        LimitsCommand::Remove { limit, all } => return remove(&limit, all, desk, output).await,
    };
    if output.is_json() {
        return output.json(&json!({ "limits": list }));
    }
    output.write(&limits(&list))
}

async fn remove(limit: &str, all: bool, desk: &Desk, output: Output) -> Result<()> {
    let of_account = match is_scope(limit) {
        true => desk.limits(Some(limit)).await.map_err(in_flags)?,
        false => Vec::new(),
    };
    let ids = of_account.into_iter().map(|view| view.id).collect();
    let ids = meant(limit, "limit", ids, all)?;
    for id in &ids {
        desk.remove_limit(id).await?;
    }
    if output.is_json() {
        return output.json(&json!({ "removed": ids }));
    }
    output.note(&format!("removed {}", ids.join(", ")));
    Ok(())
}
