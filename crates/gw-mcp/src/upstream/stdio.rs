//! A server as a child process: lines of JSON on its standard input and output.
//!
//! A child has a process group of its own, and the whole group ends with the connection: servers are
//! often started by wrappers (npx, uvx) that leave theirs behind.

use std::collections::{BTreeMap, VecDeque};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::limits::{
    CHILD_GRACE_MS, CHILD_LINES_WAITING_MAX, MESSAGE_BYTES_MAX, STDERR_LINE_BYTES_MAX,
    STDERR_LINES_MAX,
};
use crate::upstream::link::Link;
use crate::upstream::wire::{Delivered, Failure, Outgoing, Wire};
use crate::version::Version;

/// Variables of the gateway's own environment that a child inherits: what programs need to run, and
/// nothing that could be a secret.
const INHERITED: [&str; 16] = [
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "SYSTEMROOT",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
];

/// The last lines that a child wrote to its standard error.
#[derive(Clone, Default)]
pub(crate) struct Ring(Arc<Mutex<VecDeque<String>>>);

impl Ring {
    pub(crate) fn push(&self, line: &str) {
        let shown: String = line
            .chars()
            .filter(|c| !c.is_control() || *c == '\t')
            .take(STDERR_LINE_BYTES_MAX)
            .collect();
        let mut lines = self.0.lock();
        if lines.len() == STDERR_LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(shown);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().iter().cloned().collect()
    }

    fn last(&self) -> Option<String> {
        self.0.lock().iter().rev().find(|line| !line.trim().is_empty()).cloned()
    }
}

/// What starting a child takes.
pub(crate) struct ChildOptions<'a> {
    pub(crate) launcher: &'a [String],
    pub(crate) command: &'a [String],
    pub(crate) environment: &'a BTreeMap<String, SecretString>,
    pub(crate) inherited: &'a BTreeMap<String, String>,
    pub(crate) cwd: Option<&'a std::path::Path>,
}

/// A running child.
pub(crate) struct StdioWire {
    lines: mpsc::Sender<String>,
    /// Ends the writer, and so closes the child's input.
    input_closed: CancellationToken,
    /// Told when the child's output has ended.
    output_ended: CancellationToken,
    group: Group,
    child: Mutex<Option<Child>>,
    stderr: Ring,
}

/// Kills what is left of a process group when it goes.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // A group that is gone is what is wanted.
            let _ = kill_process_group(pid, signal);
        }
    }
}

/// A child whose output is not yet read: reading begins once there is a connection to give it to.
pub(crate) struct Started {
    pub(crate) wire: StdioWire,
    output: tokio::process::ChildStdout,
}

/// Starts a child.
pub(crate) fn start(options: &ChildOptions<'_>, stderr: Ring) -> Result<Started, Failure> {
    let argv: Vec<&String> = options.launcher.iter().chain(options.command).collect();
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Failure::NotSent("its command is empty".to_owned()));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(options.inherited.iter().filter(|(name, _)| INHERITED.contains(&name.as_str())))
        .envs(options.environment.iter().map(|(name, value)| (name, value.expose_secret())))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    if let Some(cwd) = options.cwd {
        command.current_dir(cwd);
    }
    let mut child = command.spawn().map_err(|error| {
        let program = options.command.first().map_or("", String::as_str);
        Failure::NotSent(format!("its command `{program}` does not start: {error}"))
    })?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let (Some(input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failure::NotSent("its pipes are missing".to_owned()));
    };
    let (lines, queue) = mpsc::channel(CHILD_LINES_WAITING_MAX);
    let input_closed = CancellationToken::new();
    tokio::spawn(write_lines(input, queue, input_closed.clone()));
    tokio::spawn(keep_errors(BufReader::new(errors), stderr.clone()));
    let wire = StdioWire {
        lines,
        input_closed,
        output_ended: CancellationToken::new(),
        group: Group(pid),
        child: Mutex::new(Some(child)),
        stderr,
    };
    Ok(Started { wire, output })
}

/// Hands what a child says to its connection until it says no more.
pub(crate) fn listen(
    link: Arc<Link>,
    output: tokio::process::ChildStdout,
    ended: CancellationToken,
    ring: Ring,
) {
    tokio::spawn(async move {
        let mut reader = BufReader::with_capacity(64 * 1024, output);
        let mut buffer = Vec::new();
        let why = loop {
            match read_line(&mut reader, &mut buffer, MESSAGE_BYTES_MAX).await {
                Ok(Some(true)) => match std::str::from_utf8(&buffer) {
                    Ok(text) if text.trim().is_empty() => {}
                    Ok(text) if text.trim_start().starts_with(['{', '[']) => {
                        link.incoming_text(text.trim(), None);
                    }
                    Ok(text) => ring.push(text),
                    Err(_) => ring.push("(a line that is not UTF-8)"),
                },
                Ok(Some(false)) => break "sent a message over the size limit".to_owned(),
                Ok(None) => break ended_text(&ring),
                Err(error) => break format!("cannot be read from: {error}"),
            }
        };
        ended.cancel();
        link.fail(&why);
    });
}

impl Started {
    /// Takes the child apart into what sends and what listens.
    pub(crate) fn split(self) -> (StdioWire, impl FnOnce(Arc<Link>)) {
        let (output, ended) = (self.output, self.wire.output_ended.clone());
        let ring = self.wire.stderr.clone();
        (self.wire, move |link| listen(link, output, ended, ring))
    }
}

fn ended_text(ring: &Ring) -> String {
    match ring.last() {
        Some(last) => format!("ended; the last it said: {last}"),
        None => "ended without a word".to_owned(),
    }
}

/// Reads up to a line break: true for a line, false for one that is too long, `None` at the end.
pub(crate) async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    bytes_max: usize,
) -> std::io::Result<Option<bool>> {
    line.clear();
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok((!line.is_empty()).then_some(true));
        }
        let (taken, is_end) = match available.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (available.len(), false),
        };
        if line.len() + taken > bytes_max {
            return Ok(Some(false));
        }
        line.extend_from_slice(&available[..taken]);
        reader.consume(taken);
        if is_end {
            return Ok(Some(true));
        }
    }
}

async fn write_lines(
    mut input: ChildStdin,
    mut queue: mpsc::Receiver<String>,
    closed: CancellationToken,
) {
    loop {
        let line = tokio::select! {
            biased;
            () = closed.cancelled() => return,
            line = queue.recv() => line,
        };
        let Some(mut line) = line else { return };
        line.push('\n');
        let write = async {
            input.write_all(line.as_bytes()).await?;
            input.flush().await
        };
        let written = tokio::select! {
            biased;
            () = closed.cancelled() => return,
            written = write => written,
        };
        if written.is_err() {
            // The reader sees the end too, and says so.
            return;
        }
    }
}

async fn keep_errors(mut reader: BufReader<tokio::process::ChildStderr>, ring: Ring) {
    let mut line = Vec::new();
    while let Ok(Some(is_whole)) = read_line(&mut reader, &mut line, 64 * 1024).await {
        ring.push(String::from_utf8_lossy(&line).trim_end());
        if !is_whole {
            // What is left of the line counts as the next one.
            let length = reader.buffer().len();
            reader.consume(length);
        }
    }
}

#[async_trait]
impl Wire for StdioWire {
    async fn deliver(&self, _: &Arc<Link>, out: Outgoing<'_>) -> Result<Delivered, Failure> {
        match self.lines.send(out.line).await {
            Ok(()) => Ok(Delivered::Queued),
            Err(_) => Err(Failure::NotSent(ended_text(&self.stderr))),
        }
    }

    fn cancels_by_closing(&self, _: Option<Version>) -> bool {
        false
    }

    fn has_exchanges(&self) -> bool {
        false
    }

    async fn close(&self) {
        let child = self.child.lock().take();
        let Some(mut child) = child else { return };
        let grace = Duration::from_millis(CHILD_GRACE_MS);
        self.input_closed.cancel();
        // The output ends when the last process of the group that holds it does.
        if tokio::time::timeout(grace, self.output_ended.cancelled()).await.is_err() {
            self.group.signal(Signal::TERM);
            let _ = tokio::time::timeout(grace, self.output_ended.cancelled()).await;
        }
        self.group.signal(Signal::KILL);
        let _ = child.wait().await;
    }
}

impl Drop for StdioWire {
    fn drop(&mut self) {
        // Once the child was waited for, its number may belong to somebody else.
        if self.child.lock().is_some() {
            self.group.signal(Signal::KILL);
        }
        self.input_closed.cancel();
    }
}
