//! Chores of the project. One subcommand a file; this one only hands over.

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
    /// Check the dialects against recorded provider exchanges.
    Recordings(recordings::Options),
    /// Check the rules of the house.
    Tidy,
}

fn main() -> Result<ExitCode> {
    match Cli::parse().chore {
        Chore::Recordings(options) => recordings::run(&options),
        Chore::Tidy => tidy::run().map(|()| ExitCode::SUCCESS),
    }
}
