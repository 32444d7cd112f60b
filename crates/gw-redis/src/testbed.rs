//! A real Redis server in a temporary folder, for tests that stop, freeze and empty it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A server of one test. It ends with this value.
#[derive(Debug)]
pub struct RedisServer {
    folder: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts an empty server and waits until it answers.
    ///
    /// # Panics
    /// Where `redis-server` is not installed or does not start.
    #[expect(clippy::panic, reason = "a test cannot go on without its server")]
    pub fn start() -> Self {
        let Ok(folder) = tempfile::tempdir() else { panic!("no temporary folder") };
        let mut server = Self { folder, child: None };
        server.run();
        server
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Starts it again, with the data that was saved.
    ///
    /// # Panics
    /// Where it does not start.
    #[expect(clippy::panic, reason = "a test cannot go on without its server")]
    pub fn run(&mut self) {
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(self.socket())
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            panic!("redis-server is not installed: run tests/need.sh redis")
        };
        self.child = Some(child);
        for _ in 0..2_000 {
            if self.answers() {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        panic!("redis-server did not start");
    }

    fn answers(&self) -> bool {
        let client = redis::Client::open(self.url());
        let connection = client.and_then(|client| client.get_connection());
        connection
            .is_ok_and(|mut connection| redis::cmd("PING").query::<()>(&mut connection).is_ok())
    }

    /// Saves the data and stops; `run` brings both back.
    pub fn save(&self) {
        self.command("SAVE");
    }

    /// Kills it; what was not saved is lost.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Forgets all data.
    pub fn flush(&self) {
        self.command("FLUSHALL");
    }

    /// Stops answering, as a machine that hangs.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Goes on after [`RedisServer::freeze`].
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        if let Some(child) = &self.child {
            drop(Command::new("kill").arg(signal).arg(child.id().to_string()).status());
        }
    }

    fn command(&self, name: &str) {
        let client = redis::Client::open(self.url());
        if let Ok(mut connection) = client.and_then(|client| client.get_connection()) {
            drop(redis::cmd(name).query::<()>(&mut connection));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.thaw();
        self.kill();
    }
}
