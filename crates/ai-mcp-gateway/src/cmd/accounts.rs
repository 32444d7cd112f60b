//! `accounts`: organisations, teams, users and projects.

use anyhow::Result;
use gw_server::admin::AccountView;
use serde_json::json;

use crate::cli::AccountsCommand;
use crate::cmd::governing::in_flags;
use crate::desk::Desk;
use crate::output::Output;

/// Runs the command.
pub(crate) async fn run(command: AccountsCommand, desk: &Desk, output: Output) -> Result<()> {
    match command {
        AccountsCommand::Set(args) => {
            let account = desk.set_account(args.into()).await.map_err(in_flags)?;
            if output.is_json() {
                return output.json(&serde_json::to_value(&account)?);
            }
            output.write(&line(&account, 0))
        }
        AccountsCommand::List => {
            let all = desk.accounts().await?;
            if output.is_json() {
                return output.json(&json!({ "accounts": all }));
            }
            if all.is_empty() {
                output.note("No account. `accounts set team:research` makes one.");
                return Ok(());
            }
            output.write(&tree(&all))
        }
        AccountsCommand::Remove { scope } => {
            desk.remove_account(&scope).await.map_err(in_flags)?;
            if output.is_json() {
                return output.json(&json!({ "removed": [scope] }));
            }
            output.note(&format!("removed {scope}"));
            Ok(())
        }
    }
}

/// Each account below what it belongs to.
fn tree(all: &[AccountView]) -> String {
    let is_known = |scope: &str| all.iter().any(|account| account.scope == scope);
    let is_root =
        |account: &&AccountView| account.parent.as_deref().is_none_or(|parent| !is_known(parent));
    let mut text = String::new();
    for root in all.iter().filter(is_root) {
        branch(all, root, 0, &mut text);
    }
    text
}

/// Kinds forbid circles; the depth is bounded all the same.
fn branch(all: &[AccountView], account: &AccountView, depth: usize, text: &mut String) {
    text.push_str(&line(account, depth));
    if depth < 8 {
        let of = Some(account.scope.as_str());
        for child in all.iter().filter(|child| child.parent.as_deref() == of) {
            branch(all, child, depth + 1, text);
        }
    }
}

fn line(account: &AccountView, depth: usize) -> String {
    let mut rules = Vec::new();
    if !account.name.is_empty() {
        rules.push(account.name.clone());
    }
    rules.extend(account.max_layer.map(|layer| format!("up to {layer}")));
    rules.extend(account.layers.iter().map(|layer| layer.as_str().to_owned()));
    let lists =
        [("models", &account.models), ("paths", &account.endpoints), ("tools", &account.tools)];
    for (what, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        rules.push(format!("{what}: {}", list.join(" ")));
    }
    let text = format!("{}{}  {}", "  ".repeat(depth), account.scope, rules.join(", "));
    format!("{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use gw_server::admin::AccountView;

    use super::tree;

    #[test]
    fn accounts_stand_below_what_they_belong_to() {
        let account = |scope: &str, parent: Option<&str>| AccountView {
            scope: scope.to_owned(),
            parent: parent.map(str::to_owned),
            ..AccountView::default()
        };
        let all = [
            account("organisation:acme", None),
            account("team:a", Some("organisation:acme")),
            account("team:lost", Some("organisation:gone")),
            account("user:ada", Some("team:a")),
        ];
        assert_eq!(tree(&all), "organisation:acme\n  team:a\n    user:ada\nteam:lost\n");
    }
}
