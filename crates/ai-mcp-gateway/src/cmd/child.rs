//! `__child`: becomes another program after asking the kernel to end it when the gateway ends, however
//! that ends. Not for people; MCP servers are started through it.

use anyhow::{Result, bail};

/// Replaces this process by the command; returns only where that fails.
pub(crate) fn run(command: &[String]) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else { bail!("no command") };
    become_program(program, arguments)
}

#[cfg(target_os = "linux")]
fn become_program(program: &str, arguments: &[String]) -> Result<()> {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{Signal, set_parent_process_death_signal};

    // Where the kernel refuses, closing the input still ends well-behaved servers.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let error = std::process::Command::new(program).args(arguments).exec();
    bail!("`{program}` does not start: {error}")
}

#[cfg(not(target_os = "linux"))]
fn become_program(program: &str, arguments: &[String]) -> Result<()> {
    let status = std::process::Command::new(program).args(arguments).status()?;
    if status.success() { Ok(()) } else { bail!("`{program}` failed: {status}") }
}
