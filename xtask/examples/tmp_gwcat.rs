#![allow(missing_docs)]
#[path="../src/catalog.rs"] mod catalog;
#[path="../src/catalog_source.rs"] mod catalog_source;
use clap::Parser;
#[derive(Parser)] struct Cli { #[command(flatten)] o: catalog::Options }
fn main() -> anyhow::Result<std::process::ExitCode> { catalog::run(&Cli::parse().o) }
