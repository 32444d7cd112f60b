//! Starts the real program in a folder of its own and ends it with the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::http::{self, Open, Reply};
use crate::store::Store;

/// The most a single wait may take before it counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How the program is to be started. Copies share one folder.
#[derive(Clone)]
pub(crate) struct Launch {
    folder: Arc<TempDir>,
    env: Vec<(String, String)>,
    args: Vec<String>,
    is_closed: bool,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Launch {
    pub(crate) fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let args = ["serve", "--port", "0"].map(str::to_owned).to_vec();
        Self { folder, env: Vec::new(), args, is_closed: false }
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// As it is without a word about keys: every caller needs one.
    pub(crate) fn closed(mut self) -> Self {
        self.is_closed = true;
        self
    }

    /// Another command line than `serve --port 0`.
    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn toml(self, text: &str) -> Self {
        self.file("gateway.toml", text)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("gateway.sqlite")
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ai-mcp-gateway"));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("GATEWAY_STORE__PATH", self.database())
            // What happens to run on this machine is no part of a test.
            .env("GATEWAY_DEMO__LOCAL_ADDRESS", "off")
            // Most tests are about something else than keys.
            .envs((!self.is_closed).then_some(("GATEWAY_SERVER__ALLOW_OPEN", "true")))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str], stdin: Option<&str>) -> Ran {
        let mut command = self.command();
        command.args(args);
        if stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let Some(text) = stdin {
            let mut pipe = child.stdin.take().unwrap();
            let _ = pipe.write_all(text.as_bytes()).await;
        }
        let output = timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("{args:?} hangs")).unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the gateway and waits until it listens.
    pub(crate) async fn serve(&self) -> Gateway {
        let mut child = self.command().args(&self.args).spawn().unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::clone(&stderr);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut said = said.lock();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            if let Some(address) = address_in(&stderr.lock()) {
                break address;
            }
            let has_ended = child.try_wait().unwrap().is_some();
            if has_ended || Instant::now() > deadline {
                // What it said last may still be on its way.
                sleep(Duration::from_millis(100)).await;
                panic!("the gateway does not start: {}", stderr.lock());
            }
            sleep(Duration::from_millis(5)).await;
        };
        Gateway { child, address, stderr, launch: self.clone() }
    }
}

fn address_in(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once(" on http://")?;
    rest.split_once('\n')?.0.trim().parse().ok()
}

/// A running gateway.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
    stderr: Arc<Mutex<String>>,
    launch: Launch,
}

impl Gateway {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().clone()
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.launch.database())
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        http::send(self.address, "GET", path, &[], Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_bytes(path, &[], body.to_string().into()).await
    }

    pub(crate) async fn post_bytes(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Reply {
        http::send(self.address, "POST", path, headers, body).await
    }

    /// Sends a request and gives the answer as soon as its head is there.
    pub(crate) async fn open(&self, path: &str, body: &Value) -> Open {
        http::open(self.address, "POST", path, &[], body.to_string().into()).await
    }

    /// Ends the process with a signal (`TERM`, `KILL`), and gives how it ended.
    pub(crate) async fn end(mut self, signal: &str) -> ExitStatus {
        let id = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert!(sent.success());
        timeout(PATIENCE, self.child.wait()).await.expect("the gateway does not end").unwrap()
    }

    /// True while the process runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// Waits until something holds.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
