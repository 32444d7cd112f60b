//! `budgets`: what accounts may spend, and how that stands.

use anyhow::Result;
use serde_json::json;

use crate::cli::BudgetsCommand;
use crate::cmd::governing::{budgets, in_flags, is_scope, meant};
use crate::desk::Desk;
use crate::output::Output;

/// Runs the command.
pub(crate) async fn run(command: BudgetsCommand, desk: &Desk, output: Output) -> Result<()> {
    let list = match command {
        BudgetsCommand::Set(args) => desk.set_budgets(args.into()).await.map_err(in_flags)?,
        BudgetsCommand::List { scope } => {
            let list = desk.budgets(scope.as_deref()).await.map_err(in_flags)?;
            if list.is_empty() && !output.is_json() {
                output.note("No budget. `budgets set team:research --usd 100` makes one.");
                return Ok(());
            }
            list
        }
        BudgetsCommand::Show { budget } => {
            let scope = is_scope(&budget).then_some(&*budget);
            let mut list = desk.budgets(scope).await.map_err(in_flags)?;
            list.retain(|view| scope.is_some() || view.id == budget);
            if list.is_empty() {
                let message = format!("there is no budget `{budget}`");
                return Err(gw_core::Error::new(gw_core::Kind::NotFound, message).into());
            }
            list
        }
        BudgetsCommand::Remove { budget, all } => return remove(&budget, all, desk, output).await,
    };
    if output.is_json() {
        return output.json(&json!({ "budgets": list }));
    }
    output.write(&budgets(&list))
}

async fn remove(budget: &str, all: bool, desk: &Desk, output: Output) -> Result<()> {
    let of_account = match is_scope(budget) {
        true => desk.budgets(Some(budget)).await.map_err(in_flags)?,
        false => Vec::new(),
    };
    let ids = of_account.into_iter().map(|view| view.id).collect();
    let ids = meant(budget, "budget", ids, all)?;
    for id in &ids {
        desk.remove_budget(id).await?;
    }
    if output.is_json() {
        return output.json(&json!({ "removed": ids }));
    }
    output.note(&format!("removed {}", ids.join(", ")));
    Ok(())
}
