//! Rules of the house that no compiler checks: who may import whom, module docs, file sizes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Who may import whom, dev-dependencies apart. A crate that is missing here fails.
const IMPORTS: &[(&str, &[&str])] = &[
    ("gw-core", &[]),
    ("gw-context", &["gw-core"]),
    ("gw-dialect", &["gw-core"]),
    ("gw-catalog", &["gw-core"]),
    ("gw-ledger", &["gw-core", "gw-catalog"]),
    ("gw-redis", &["gw-core", "gw-ledger"]),
    ("gw-routing", &["gw-core", "gw-catalog"]),
    ("gw-learn", &["gw-core", "gw-routing"]),
    ("gw-net", &["gw-core"]),
    ("gw-mcp", &["gw-core", "gw-net"]),
    ("gw-store", &["gw-core", "gw-ledger"]),
    ("gw-postgres", &["gw-core"]),
    ("gw-engine", &["gw-core", "gw-catalog", "gw-context", "gw-ledger", "gw-routing"]),
    ("gw-connect", &[]),
    ("gw-config", &["gw-core", "gw-dialect"]),
    (
        "gw-server",
        &["gw-core", "gw-catalog", "gw-context", "gw-dialect", "gw-engine", "gw-mcp", "gw-routing"],
    ),
    ("gw-simulator", &["gw-core", "gw-dialect"]),
    (
        "xtask",
        &[
            "gw-core",
            "gw-catalog",
            "gw-config",
            "gw-context",
            "gw-dialect",
            "gw-learn",
            "gw-ledger",
            "gw-routing",
        ],
    ),
];

/// The binary wires everything, so it alone may import everything.
const BINARY: &str = "ai-mcp-gateway";

/// Files longer than this hold more than one idea.
const LINES_MAX: usize = 700;

/// Checks the tree and lists every breach.
pub(crate) fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has a parent")?;
    let mut breaches = Vec::new();
    imports(root, &mut breaches)?;
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        rust_files(&root.join(folder), &mut files)?;
    }
    files.sort();
    for file in &files {
        let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
        source(&name, &fs::read_to_string(file)?, &mut breaches);
    }
    for breach in &breaches {
        println!("{breach}");
    }
    println!("{} passed, {} failed", files.len(), breaches.len());
    if breaches.is_empty() { Ok(()) } else { bail!("the house is not tidy") }
}

fn imports(root: &Path, breaches: &mut Vec<String>) -> Result<()> {
    let allowed: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    for entry in fs::read_dir(root.join("crates"))?.chain(fs::read_dir(root)?) {
        let folder = entry?.path();
        let manifest = folder.join("Cargo.toml");
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !manifest.is_file() || name == BINARY {
            continue;
        }
        let table: toml::Table = fs::read_to_string(&manifest)?.parse()?;
        if table
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(toml::Value::as_str)
            != Some(&name)
        {
            breaches.push(format!("{}: folder and crate differ in name", manifest.display()));
        }
        let Some(may) = allowed.get(name.as_str()) else {
            breaches.push(format!("{name}: not in the import table of xtask/src/tidy.rs"));
            continue;
        };
        let empty = toml::Table::new();
        let uses = table.get("dependencies").and_then(toml::Value::as_table).unwrap_or(&empty);
        for used in uses.keys().filter(|used| used.starts_with("gw-")) {
            if !may.contains(&used.as_str()) {
                breaches.push(format!("{name} imports {used}, which the table does not allow"));
            }
        }
    }
    Ok(())
}

fn source(name: &str, text: &str, breaches: &mut Vec<String>) {
    let is_test =
        name.ends_with("tests.rs") || name.contains("/tests/") || name.contains("/tests_");
    if !text.starts_with("//!") && !is_test {
        breaches.push(format!("{name}: no module doc on its first line"));
    }
    if name.ends_with("/mod.rs") {
        breaches.push(format!("{name}: name the file after its module, not mod.rs"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX && !is_test {
        breaches.push(format!("{name}: {lines} lines; split it by meaning"));
    }
    for (at, line) in text.lines().enumerate() {
        let code = line.trim_start();
        if code.starts_with("use ") && code.contains("::*;") && !code.contains("prelude::*") {
            breaches.push(format!("{name}:{}: glob import", at + 1));
        }
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
