//! Chores of the project. One subcommand a file; this one only hands over.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod catalog;
mod catalog_source;
mod context;
mod docs;
mod features;
mod fuzz;
mod prices;
mod prices_answers;
mod prices_rules;
mod prior;
mod recordings;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Chores of the project")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Make the embedded model catalogue from the model registry and the price list.
    Catalog(catalog::Options),
    /// Measure what making conversations short saves and loses.
    Context(context::Options),
    /// Write the reference pages in docs/, or check that they are fresh.
    Docs(docs::Options),
    /// Change bytes for every decoder and reader of streams, for a while.
    Fuzz(fuzz::Options),
    /// Price every recorded usage object twice and compare.
    Prices(prices::Options),
    /// Make the prior of learned routing from public outcome data.
    Prior(prior::Options),
    /// Check the dialects against recorded provider exchanges.
    Recordings(recordings::Options),
    /// Check the rules of the house.
    Tidy,
}

fn main() -> Result<ExitCode> {
    match Cli::parse().chore {
        Chore::Catalog(options) => catalog::run(&options),
        Chore::Context(options) => context::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Docs(options) => docs::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Prices(options) => prices::run(&options),
        Chore::Prior(options) => prior::run(&options).map(|()| ExitCode::SUCCESS),
        Chore::Recordings(options) => recordings::run(&options),
        Chore::Tidy => tidy::run().map(|()| ExitCode::SUCCESS),
    }
}
