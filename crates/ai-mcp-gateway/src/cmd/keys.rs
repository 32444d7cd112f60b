//! `keys`: hand them out, look at them, replace them, take them back.

use anyhow::Result;
use gw_core::{Error, Kind};
use gw_server::admin::{BudgetView, KeyView, LimitView, NewKeyView, RotateBody};
use serde_json::json;

use crate::cli::KeysCommand;
use crate::cmd::governing::{budgets, in_flags, limits};
use crate::desk::Desk;
use crate::output::Output;
use crate::table::{minute, table};

/// How an id begins.
const ID: &str = "key_";

/// Runs the command.
pub(crate) async fn run(command: KeysCommand, desk: &Desk, output: Output) -> Result<()> {
    match command {
        KeysCommand::Create(args) => {
            let made = desk.create_key((*args).into()).await.map_err(in_flags)?;
            print_new(&made, "made", output)
        }
        KeysCommand::List { all } => {
            let mut keys = desk.keys().await?;
            keys.retain(|key| all || key.state == "active");
            print_list(&keys, output)
        }
        KeysCommand::Show { key: Some(key) } => show(desk, &key, output).await,
        KeysCommand::Show { key: None } => show_own(desk, output).await,
        KeysCommand::Rotate { key, overlap } => {
            let id = id_of(desk, &key).await?;
            let is_at_once = overlap.is_none();
            let made = desk.rotate_key(&id, &RotateBody { overlap }).await.map_err(in_flags)?;
            print_new(&made, "rotated", output)?;
            if is_at_once && !output.is_json() {
                output
                    .note("The old secret has ended; --overlap 24h would have kept it for a day.");
            }
            Ok(())
        }
        KeysCommand::Revoke { key } => {
            let id = id_of(desk, &key).await?;
            let revoked = desk.revoke_key(&id).await?;
            if output.is_json() {
                return output.json(&serde_json::to_value(&revoked)?);
            }
            output.note(&format!("key {} ({}) is revoked", revoked.id, revoked.name));
            Ok(())
        }
    }
}

/// An id, or the id of the only usable key of that name.
async fn id_of(desk: &Desk, word: &str) -> Result<String, Error> {
    if word.starts_with(ID) {
        return Ok(word.to_owned());
    }
    let mut named = desk.keys().await?;
    named.retain(|key| key.name == word || key.id == word);
    // One that is in use is meant before one that is gone.
    if named.iter().any(|key| key.state == "active") {
        named.retain(|key| key.state == "active");
    }
    match &named[..] {
        [only] => Ok(only.id.clone()),
        [] => Err(Error::new(Kind::NotFound, format!("there is no key `{word}`"))
            .with_hint("`keys list` shows those there are.")),
        several => {
            let ids: Vec<&str> = several.iter().take(5).map(|key| &*key.id).collect();
            Err(Error::bad_field("KEY", format!("{} keys are called `{word}`", several.len()))
                .with_hint(format!("Name one by its id: {}.", ids.join(", "))))
        }
    }
}

/// The secret alone on standard output, so that a script can take it.
fn print_new(made: &NewKeyView, did: &str, output: Output) -> Result<()> {
    if output.is_json() {
        return output.json(&serde_json::to_value(made)?);
    }
    output.write(&format!("{}\n", made.key))?;
    let key = &made.detail.key;
    output
        .note(&format!("key {} ({}) is {did}. It is shown this once: keep it.", key.id, key.name));
    Ok(())
}

fn print_list(keys: &[KeyView], output: Output) -> Result<()> {
    if output.is_json() {
        return output.json(&json!({ "keys": keys }));
    }
    if keys.is_empty() {
        output.note("No key is in use. `keys create --name N` makes one.");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            vec![
                key.name.clone(),
                key.state.clone(),
                accounts_of(key),
                rules_of(key),
                key.last_used_at.as_deref().map(minute).unwrap_or_default(),
                key.expires_at.as_deref().map(minute).unwrap_or_default(),
                key.shown.clone(),
                key.id.clone(),
            ]
        })
        .collect();
    let heading = ["NAME", "STATE", "ACCOUNTS", "RULES", "LAST USED", "EXPIRES", "KEY", "ID"];
    output.write(&table(&heading, &rows))
}

async fn show(desk: &Desk, word: &str, output: Output) -> Result<()> {
    let id = id_of(desk, word).await?;
    let detail = desk.key(&id).await?;
    if output.is_json() {
        return output.json(&serde_json::to_value(&detail)?);
    }
    let key = &detail.key;
    let list = |list: &[String]| list.join(" ");
    let lines = [
        ("id", key.id.clone()),
        ("name", key.name.clone()),
        ("state", key.state.clone()),
        ("key", key.shown.clone()),
        ("owner", key.owner.clone().unwrap_or_default()),
        ("accounts", accounts_of(key)),
        ("rules", rules_of(key)),
        ("models", list(&key.models)),
        ("paths", list(&key.endpoints)),
        ("tools", list(&key.tools)),
        ("made", minute(&key.created_at)),
        ("last used", key.last_used_at.as_deref().map(minute).unwrap_or_default()),
        ("expires", key.expires_at.as_deref().map(minute).unwrap_or_default()),
        ("revoked", key.revoked_at.as_deref().map(minute).unwrap_or_default()),
    ];
    let mut text = named(&lines);
    text.push_str(&standing(&detail.budgets, &detail.limits));
    output.write(&text)
}

/// What the key that this command was given may still do.
async fn show_own(desk: &Desk, output: Output) -> Result<()> {
    let own = desk.own_key().await?;
    if output.is_json() {
        return output.json(&serde_json::to_value(&own)?);
    }
    let lines = [
        ("id", own.id.unwrap_or_default()),
        ("name", own.name.unwrap_or_default()),
        ("key", own.shown.unwrap_or_default()),
        ("accounts", own.scopes.join(" ")),
        ("up to", own.max_layer.map(|layer| layer.to_string()).unwrap_or_default()),
        ("admin", if own.admin { "yes".to_owned() } else { String::new() }),
        ("expires", own.expires_at.as_deref().map(minute).unwrap_or_default()),
    ];
    let mut text = named(&lines);
    text.push_str(&standing(&own.budgets, &own.limits));
    output.write(&text)
}

fn named(lines: &[(&str, String)]) -> String {
    let shown = lines.iter().filter(|(_, value)| !value.is_empty());
    shown.map(|(name, value)| format!("{name:10} {value}\n")).collect()
}

fn standing(own_budgets: &[BudgetView], own_limits: &[LimitView]) -> String {
    let mut text = String::new();
    if !own_budgets.is_empty() {
        text.push_str(&format!("\n{}", budgets(own_budgets)));
    }
    if !own_limits.is_empty() {
        text.push_str(&format!("\n{}", limits(own_limits)));
    }
    text
}

fn accounts_of(key: &KeyView) -> String {
    let named = [
        ("organisation", &key.organisation),
        ("team", &key.team),
        ("user", &key.user),
        ("project", &key.project),
    ];
    let mut accounts: Vec<String> = named
        .into_iter()
        .filter_map(|(kind, id)| id.as_ref().map(|id| format!("{kind}:{id}")))
        .collect();
    accounts.extend(key.tags.iter().map(|tag| format!("tag:{tag}")));
    accounts.join(" ")
}

fn rules_of(key: &KeyView) -> String {
    let mut rules = Vec::new();
    if key.admin {
        rules.push("admin".to_owned());
    }
    rules.extend(key.max_layer.map(|layer| format!("up to {layer}")));
    rules.extend(key.layers.iter().map(|layer| layer.as_str().to_owned()));
    let lists = [("model", &key.models), ("path", &key.endpoints), ("tool", &key.tools)];
    for (what, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let plural = if list.len() == 1 { "" } else { "s" };
        rules.push(format!("{} {what}{plural}", list.len()));
    }
    rules.join(", ")
}
