//! Reference pages made from the code, so that they cannot be wrong: configuration, errors,
//! providers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use gw_core::Kind;
use gw_dialect::providers::specs;

use crate::features;

/// What to do with the pages.
#[derive(Args)]
pub(crate) struct Options {
    /// Fail where a page is not what the code says, and write nothing
    #[arg(long)]
    check: bool,
}

/// Writes or checks every page.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has a parent")?;
    let (features, lost) = features::page();
    let pages = [
        ("docs/configuration.md", gw_config::reference_markdown()),
        ("docs/errors.md", errors()),
        ("docs/features.md", features),
        ("docs/providers.md", providers()),
    ];
    for what in &lost {
        eprintln!("FAILED {what}");
    }
    let mut stale = lost.len();
    for (name, text) in &pages {
        let path = root.join(name);
        if fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        if options.check {
            stale += 1;
            eprintln!("{name} is not what the code says; run `cargo run -p xtask -- docs`");
        } else {
            fs::create_dir_all(path.parent().context("a page has a folder")?)?;
            fs::write(&path, text)?;
        }
    }
    println!("{} passed, {stale} failed", pages.len().saturating_sub(stale));
    if stale == 0 { Ok(()) } else { bail!("stale pages or lost features") }
}

fn errors() -> String {
    let mut text = String::from(
        "# Errors\n\n\
         Every error has one kind. It is told in the caller's dialect, names the field at fault and \
         how to mend it, and carries `x-gateway-call-id`. `x-should-retry: false` is sent where \
         trying again cannot help.\n\n\
         | code | status | on the Anthropic surface | OpenAI type | Anthropic type | exit code | retry helps | meaning |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for kind in Kind::ALL {
        let row = kind.row();
        let retry = if row.client_may_retry { "yes" } else { "no" };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | `{}` | `{}` | {} | {retry} | {} |",
            row.code,
            row.status,
            row.anthropic_status,
            row.openai_type,
            row.anthropic_type,
            row.exit_code,
            row.doc,
        );
    }
    text
}

fn providers() -> String {
    let mut text = String::from(
        "# Providers\n\n\
         A provider comes alive by its key, or by its address where it needs none. Any other \
         endpoint that speaks one of the dialects is configured under `[providers.NAME]` with \
         `dialect` and `base_url`.\n\n\
         | id | provider | dialect | key | address | default address |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    let names = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "-".to_owned() } else { names.join(", ") }
    };
    for spec in specs() {
        let address = if spec.default_base_url.is_empty() { "-" } else { &spec.default_base_url };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {address} |",
            spec.id,
            spec.display_name,
            spec.dialect,
            names(&spec.key_env),
            names(&spec.base_url_env),
        );
    }
    text
}
