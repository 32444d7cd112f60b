//! The binary: the command line, and the one place where the environment, the real clock, sockets
//! and signals enter.

mod cli;
mod output;
mod real;

mod alerts;
mod assemble;
mod connect;
mod discovery;
mod hot;
mod learned;
mod local;
mod logging;
mod mcp;
mod money;
mod oidc;
mod policies;
mod providers;
mod queue;
mod setup;
mod store;

mod desk;
mod remote;
mod talk;

mod table;

mod cmd;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use gw_core::Error;

use crate::cli::{Cli, Command, ServeArgs, StdioArgs};
use crate::output::{Output, ReaderLeft};
use crate::setup::Setup;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let setup = Setup::from_process(&cli.global);
    let output = Output::new(cli.global.json, cli.global.color, setup.has_no_color());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.error(&anyhow::Error::new(error).context("the runtime does not start"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(cli, &setup, output));
    // A thread that waits for the terminal must not hold the process.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ReaderLeft>() => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(exit_code(&error))
        }
    }
}

async fn run(cli: Cli, setup: &Setup, output: Output) -> anyhow::Result<()> {
    let Some(command) = cli.command else { return bare(setup, output).await };
    match command {
        Command::Serve(args) => cmd::serve::run(&args, setup, output).await,
        Command::Stdio(args) => cmd::stdio::run(&args, setup, output).await,
        Command::Mcp(command) => Box::pin(cmd::mcp::run(&command, setup, output)).await,
        Command::Connect(args) => cmd::connect::run(&args, setup, output),
        Command::Child { command } => cmd::child::run(&command),
        Command::Chat(args) => {
            let talk = setup.talk().await?;
            let result = Box::pin(cmd::chat::run(args, &talk, output)).await;
            talk.close().await;
            result
        }
        Command::Models(command) => cmd::models::run(&command, setup, output),
        Command::Usage(args) => cmd::usage::run(&args, setup, output).await,
        Command::Keys(command) => {
            let desk = setup.desk().await?;
            Box::pin(cmd::keys::run(command, &desk, output)).await?;
            Ok(desk.close().await?)
        }
        Command::Budgets(command) => {
            let desk = setup.desk().await?;
            Box::pin(cmd::budgets::run(command, &desk, output)).await?;
            Ok(desk.close().await?)
        }
        Command::Limits(command) => {
            let desk = setup.desk().await?;
            Box::pin(cmd::limits::run(command, &desk, output)).await?;
            Ok(desk.close().await?)
        }
        Command::Accounts(command) => {
            let desk = setup.desk().await?;
            Box::pin(cmd::accounts::run(command, &desk, output)).await?;
            Ok(desk.close().await?)
        }
        Command::Conversations(command) => {
            Box::pin(cmd::conversations::run(command, setup, output)).await
        }
        Command::Cache(command) => cmd::cache::run(&command, setup, output).await,
        Command::Route(command) => cmd::route::run(&command, setup, output).await,
        Command::Doctor => cmd::doctor::run(setup, output).await,
        Command::Config(command) => cmd::config::run(&command, setup, output),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ai-mcp-gateway", &mut text);
            output.write(&String::from_utf8_lossy(&text))
        }
    }
}

/// Without a command: `MODE=api` serves and all else is MCP, as in system A; on a terminal the help
/// is printed.
async fn bare(setup: &Setup, output: Output) -> anyhow::Result<()> {
    if let Some(open) = setup.api_mode()? {
        return cmd::serve::run(&ServeArgs { open, ..ServeArgs::default() }, setup, output).await;
    }
    if setup.is_terminal() {
        return output.write(&format!("{}\n", Cli::command().render_help()));
    }
    cmd::stdio::run(&StdioArgs::default(), setup, output).await
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>() {
        Some(known) => known.kind().row().exit_code,
        None if error.is::<gw_config::ConfigErrors>() => 2,
        None => 1,
    }
}
