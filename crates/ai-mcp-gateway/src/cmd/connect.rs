//! `connect`: takes over the MCP servers that other clients have, and writes the gateway into their
//! settings, tools and models both. `--print` only shows it, `--undo` puts everything back.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gw_config::{Purpose, Settings};
use gw_connect::{Client, Document, Door, Edit, Found, Gateway, KeyUse, NAME, Place, Target};
use gw_core::Error;
use serde_json::{Value, json};

use crate::cli::{ConnectArgs, OnlyChoice};
use crate::connect::files;
use crate::connect::own_file::OwnFile;
use crate::connect::record::{Changed, Record, Restored};
use crate::output::Output;
use crate::setup::Setup;

mod import;

/// The variable in which clients look for the key where nothing else is said.
const KEY_VARIABLE: &str = "GATEWAY_KEY";

/// Where the files are.
struct Places {
    place: Place,
    /// Where records of changes are kept.
    records: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &ConnectArgs, setup: &Setup, output: Output) -> Result<()> {
    let places = places(setup)?;
    let clients = clients(args, &places.place)?;
    if clients.is_empty() {
        return list(&places, output);
    }
    if args.undo {
        return undo_all(&clients, &places, output);
    }
    let loaded = setup.load(Purpose::Other, &[])?;
    let gateway = gateway(args, setup, &loaded.settings)?;
    let mut told = Vec::new();
    for client in clients {
        let plan = plan(client, args, &gateway, &places)?;
        let imported = match args.no_import {
            true => import::Imported::default(),
            false => {
                import::plan(&plan.found, &loaded.settings, |name| setup.env().contains_key(name))
            }
        };
        let leaves = if args.take_out { imported.taken() } else { Vec::new() };
        let files = plan.files(client, &leaves)?;
        if !args.print {
            OwnFile::read(setup)?.change(setup, &imported.edits)?;
            write(client, files.as_slice(), &places)?;
        }
        told.push(tell(client, &plan, &files, &imported, args, output)?);
    }
    if output.is_json() { output.json(&Value::Array(told)) } else { Ok(()) }
}

fn places(setup: &Setup) -> Result<Places> {
    let env = setup.env();
    let home = env.get("HOME").or_else(|| env.get("USERPROFILE")).context("HOME is not set")?;
    let home = PathBuf::from(home);
    let state = env.get("XDG_STATE_HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
    let state = state.unwrap_or_else(|| home.join(".local/state"));
    Ok(Places {
        place: Place::of(&home, |name| env.get(name).cloned()),
        records: state.join("ai-mcp-gateway/connect"),
    })
}

fn clients(args: &ConnectArgs, place: &Place) -> Result<Vec<Client>> {
    if args.all {
        return Ok(Client::ALL.into_iter().filter(|it| is_here(*it, place)).collect());
    }
    let named = args.clients.iter().map(|name| {
        Client::named(name).ok_or_else(|| {
            let known: Vec<&str> = Client::ALL.iter().map(|client| client.id()).collect();
            Error::bad_field("client", format!("`{name}` is no client that is known"))
                .with_hint(format!("Known are {}.", known.join(", ")))
                .into()
        })
    });
    named.collect()
}

fn is_here(client: Client, place: &Place) -> bool {
    client.footprint(place).is_dir()
        || client.files(Target::Servers, place).iter().any(|file| file.is_file())
}

fn list(places: &Places, output: Output) -> Result<()> {
    let mut rows = Vec::new();
    let mut text = String::new();
    for client in Client::ALL {
        let is_here = is_here(client, &places.place);
        let servers = match servers_of(client, &places.place) {
            Ok(servers) => servers,
            Err(error) => {
                output.warning(&format!("{error:#}"));
                Vec::new()
            }
        };
        let is_connected = Record::read(&places.records, client)?.is_some()
            || servers.iter().any(|server| server.name == NAME);
        let state = match (is_here, is_connected) {
            (false, _) => "not set up",
            (true, true) => "connected",
            (true, false) => "not connected",
        };
        let names: Vec<&str> =
            servers.iter().map(|it| it.name.as_str()).filter(|name| *name != NAME).collect();
        text.push_str(&format!("{:<16} {state:<14} {}\n", client.id(), names.join(", ")));
        rows.push(json!({"client": client.id(), "state": state, "servers": names}));
    }
    if output.is_json() {
        return output.json(&Value::Array(rows));
    }
    output.write(&text)?;
    output.note("connect CLIENT... takes their servers over and writes the gateway into them.");
    Ok(())
}

fn servers_of(client: Client, place: &Place) -> Result<Vec<Found>> {
    let Some((path, text)) = chosen(client, Target::Servers, place)? else { return Ok(Vec::new()) };
    let document = Document::read(client.format(), text.as_deref().unwrap_or_default());
    let found = document.and_then(|document| gw_connect::found(client, &document));
    found.with_context(|| path.display().to_string())
}

/// The file that is read and written: the first that is there, else the first of all.
fn chosen(
    client: Client,
    target: Target,
    place: &Place,
) -> Result<Option<(PathBuf, Option<String>)>> {
    let all = client.files(target, place);
    for path in &all {
        if let Some(text) = files::read(path)? {
            return Ok(Some((path.clone(), Some(text))));
        }
    }
    Ok(all.into_iter().next().map(|path| (path, None)))
}

fn gateway(args: &ConnectArgs, setup: &Setup, settings: &Settings) -> Result<Gateway> {
    let server = &settings.server;
    let host = match server.host.as_str() {
        "0.0.0.0" | "::" | "[::]" => "127.0.0.1",
        host => host,
    };
    let url = setup.endpoint().map(str::to_owned).or_else(|| settings.client.endpoint.clone());
    let url = url.unwrap_or_else(|| format!("http://{host}:{}", server.port));
    let program = std::env::current_exe().context("the program's own path is not known")?;
    let mut command = vec![program.display().to_string(), "stdio".to_owned()];
    if let Some(file) = setup.config_file().filter(|file| file.is_file()) {
        command.extend(["--config".to_owned(), file.display().to_string()]);
    }
    Ok(Gateway {
        url,
        key: key(args, setup, server.require_key),
        command,
        door: if args.stdio { Door::Stdio } else { Door::Http },
        models: match args.models.is_empty() {
            true => vec!["auto".to_owned()],
            false => args.models.clone(),
        },
    })
}

/// A key from the environment is written as a reference to it: settings are copied and shared.
fn key(args: &ConnectArgs, setup: &Setup, is_needed: bool) -> KeyUse {
    if let Some(variable) = &args.key_env {
        return KeyUse::Variable(variable.clone());
    }
    match setup.api_key() {
        Some(key) => {
            let names = [KEY_VARIABLE, "MCP_API_KEY"].into_iter();
            let mut names = names.filter(|name| setup.env().get(*name) == Some(&key));
            names.next().map_or(KeyUse::Literal(key.clone()), |name| KeyUse::Variable(name.into()))
        }
        None if is_needed => KeyUse::Variable(KEY_VARIABLE.to_owned()),
        None => KeyUse::None,
    }
}

/// What is done to one client.
struct Plan {
    found: Vec<Found>,
    /// Each file with its text, where it is there, and the edits to it.
    files: Vec<(PathBuf, Option<String>, Vec<Edit>)>,
    notes: Vec<String>,
}

fn plan(client: Client, args: &ConnectArgs, gateway: &Gateway, places: &Places) -> Result<Plan> {
    let targets: &[Target] = match args.only {
        None => &[Target::Servers, Target::Models],
        Some(OnlyChoice::Servers) => &[Target::Servers],
        Some(OnlyChoice::Models) => &[Target::Models],
    };
    let wired = gw_connect::wiring(client, targets, gateway)
        .map_err(|text| Error::bad_field("key", text))?;
    let mut plan = Plan { found: Vec::new(), files: Vec::new(), notes: Vec::new() };
    let before = Record::read(&places.records, client)?.unwrap_or_default();
    for wired in wired {
        let Some((path, text)) = chosen(client, wired.target, &places.place)? else { continue };
        // What an earlier connect wrote is put back first, so that it can be undone as one.
        let earlier = before.files.iter().find(|changed| changed.path == path);
        let text = match earlier {
            Some(changed) => changed.restored(client)?.1,
            None => text,
        };
        if wired.target == Target::Servers {
            let document = Document::read(client.format(), text.as_deref().unwrap_or_default());
            let found = document.and_then(|document| gw_connect::found(client, &document));
            plan.found = found.with_context(|| path.display().to_string())?;
            plan.found.retain(|server| server.name != NAME);
        }
        plan.notes.extend(wired.notes);
        match plan.files.iter_mut().find(|(known, ..)| *known == path) {
            Some((_, _, edits)) => edits.extend(wired.edits),
            None => plan.files.push((path, text, wired.edits)),
        }
    }
    if let KeyUse::Variable(name) = &gateway.key {
        plan.notes.push(format!("{} must see {name} in its environment", client.title()));
    }
    Ok(plan)
}

impl Plan {
    /// The files as they will be. Servers that the gateway took over may leave the client.
    fn files(&self, client: Client, leaves: &[String]) -> Result<Vec<Changed>> {
        let changed = self.files.iter().map(|(path, text, edits)| {
            let mut edits = edits.clone();
            let is_of_servers = edits.iter().any(|edit| edit.path[0] == client.servers_key());
            if is_of_servers {
                edits.extend(leaves.iter().map(|name| Edit {
                    path: vec![client.servers_key().to_owned(), name.clone()],
                    value: None,
                }));
            }
            let before = Document::read(client.format(), text.as_deref().unwrap_or_default());
            let after = before.and_then(|before| before.with(&edits));
            let after = after.with_context(|| path.display().to_string())?;
            Ok(Changed {
                path: path.clone(),
                before: text.clone(),
                after: after.text().to_owned(),
                places: edits.into_iter().map(|edit| edit.path).collect(),
            })
        });
        changed.collect()
    }
}

fn write(client: Client, files: &[Changed], places: &Places) -> Result<()> {
    let mut record = Record::read(&places.records, client)?.unwrap_or_default();
    for file in files {
        record.files.retain(|known| known.path != file.path);
        record.files.push(Changed {
            path: file.path.clone(),
            before: file.before.clone(),
            after: file.after.clone(),
            places: file.places.clone(),
        });
    }
    // Kept first: what is changed can then always be put back.
    record.keep(&places.records, client)?;
    files.iter().try_for_each(|file| files::replace(&file.path, &file.after))
}

fn tell(
    client: Client,
    plan: &Plan,
    files: &[Changed],
    imported: &import::Imported,
    args: &ConnectArgs,
    output: Output,
) -> Result<Value> {
    let mut shown = Vec::new();
    let mut text = format!("{}\n", client.title());
    for (path, _, edits) in &plan.files {
        text.push_str(&format!("  {}\n", path.display()));
        for edit in edits {
            let value = edit.value.clone().unwrap_or_default();
            text.push_str(&format!("    {} = {value}\n", edit.path.join(".")));
            shown.push(json!({"file": path, "place": edit.path, "value": value}));
        }
    }
    for (name, from) in &imported.names {
        text.push_str(&format!("  takes over {from} as [mcp.servers.{name}]\n"));
    }
    for (name, variable) in &imported.unset {
        text.push_str(&format!(
            "  leaves {name} alone: it needs {variable}, which is not set here\n"
        ));
    }
    for name in &imported.known {
        text.push_str(&format!("  {name} stands behind the gateway already\n"));
    }
    let has_both = !args.take_out && !imported.taken().is_empty() && !files.is_empty();
    if has_both {
        text.push_str("  its own servers stay in it too; --move takes them out\n");
    }
    if !output.is_json() {
        output.write(&text)?;
        for note in &plan.notes {
            output.note(&format!("  {note}"));
        }
    }
    let taken: Vec<&str> = imported.names.iter().map(|(name, _)| name.as_str()).collect();
    Ok(json!({
        "client": client.id(),
        "written": !args.print,
        "changes": shown,
        "imported": taken,
        "notes": plan.notes,
    }))
}

fn undo_all(clients: &[Client], places: &Places, output: Output) -> Result<()> {
    let mut told = Vec::new();
    for client in clients {
        let restored = undo(*client, &places.records)?;
        if restored.is_empty() && !output.is_json() {
            output.note(&format!("{}: nothing to undo", client.title()));
        }
        for (path, kind) in restored {
            let word = match kind {
                Restored::Whole => "as it was",
                Restored::Places => "was changed since; only the gateway was taken out",
                Restored::Gone => "removed",
            };
            if !output.is_json() {
                output.note(&format!("{}: {word}", path.display()));
            }
            told.push(json!({"client": client.id(), "file": path, "state": word}));
        }
    }
    if output.is_json() { output.json(&Value::Array(told)) } else { Ok(()) }
}

fn undo(client: Client, records: &Path) -> Result<Vec<(PathBuf, Restored)>> {
    let Some(record) = Record::read(records, client)? else { return Ok(Vec::new()) };
    let mut done = Vec::new();
    for changed in &record.files {
        let (kind, text) = changed.restored(client)?;
        match text {
            Some(text) => files::replace(&changed.path, &text)?,
            None => files::remove(&changed.path)?,
        }
        done.push((changed.path.clone(), kind));
    }
    Record::forget(records, client)?;
    Ok(done)
}
