//! A PostgreSQL server of a test's own: in a temporary folder, on a free port of the loopback
//! address, gone with the value even where the test panics. Faults are real: the server is stopped,
//! killed or halted.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Longest that a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server as long as this process holds the other end of its input, however it ends.
const GUARD: &str =
    r#""$@" </dev/null & server=$!; cat >/dev/null; kill -QUIT "$server"; wait "$server""#;

/// What one binary's tests share.
static SHARED: LazyLock<Mutex<Weak<Server>>> = LazyLock::new(Mutex::default);

/// A server.
pub struct Server {
    folder: TempDir,
    port: u16,
    tools: PathBuf,
    guard: Mutex<Option<Child>>,
    databases: AtomicU32,
}

/// A database of its own on a server, that stays as long as the value.
pub struct TestDatabase {
    /// The server.
    pub server: Arc<Server>,
    /// Its address, as `store.url` takes it.
    pub url: String,
}

impl TestDatabase {
    /// A new, empty database on the server that the tests of this binary share.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed or does not start; the message says what to do.
    pub async fn new() -> Self {
        let server = {
            let mut shared = SHARED.lock();
            shared.upgrade().unwrap_or_else(|| {
                let server = Arc::new(Server::start());
                *shared = Arc::downgrade(&server);
                server
            })
        };
        Self::on(server).await
    }

    /// A new, empty database on a server of its own, for tests that stop it.
    ///
    /// # Panics
    /// As [`TestDatabase::new`].
    pub async fn alone() -> Self {
        Self::on(Arc::new(Server::start())).await
    }

    /// The same on a server that takes encrypted connections alone, with this certificate and key in
    /// PEM.
    ///
    /// # Panics
    /// As [`TestDatabase::new`].
    pub async fn encrypted(certificate: &str, key: &str) -> Self {
        let server = Server::start();
        let admin = server.connect("postgres").await;
        admin.batch_execute("CREATE DATABASE t0").await.expect("a database");
        server.stop();
        server.encrypt(certificate, key);
        server.resume_after_stop();
        Self { url: server.url("t0"), server: Arc::new(server) }
    }

    async fn on(server: Arc<Server>) -> Self {
        let name = format!("t{}", server.databases.fetch_add(1, Ordering::Relaxed));
        let admin = server.connect("postgres").await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
        Self { url: server.url(&name), server }
    }

    /// A connection beside the store.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub async fn connect(&self) -> Client {
        let name = self.url.rsplit('/').next().expect("an address ends with the database");
        self.server.connect(name).await
    }
}

impl Server {
    /// Starts one.
    ///
    /// # Panics
    /// Where PostgreSQL is not installed or does not start; the message says what to do.
    pub fn start() -> Self {
        let tools = tools();
        let folder = TempDir::with_prefix("gw-postgres-").expect("a folder");
        if is_root() {
            let status = Command::new("chown").arg("nobody").arg(folder.path()).status();
            assert!(status.is_ok_and(|status| status.success()), "the folder cannot be given away");
        }
        let data = folder.path().join("data");
        let made = as_nobody(&tools.join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--locale=C", "--no-instructions", "-D"])
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let mut settings = std::fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))
            .expect("the settings");
        write!(
            settings,
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n\
             max_connections = 200\nshared_buffers = '32MB'\nmax_wal_size = '256MB'\n\
             fsync = off\nfull_page_writes = off\nlog_min_messages = warning\n"
        )
        .expect("the settings");
        let server =
            Self { folder, port, tools, guard: Mutex::new(None), databases: AtomicU32::new(0) };
        server.resume_after_stop();
        server
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Stops it at once, as a machine that loses power: nothing in flight is answered.
    ///
    /// # Panics
    /// Where it does not stop.
    pub fn stop(&self) {
        if let Some(mut guard) = self.guard.lock().take() {
            drop(guard.stdin.take());
            guard.wait().expect("ended");
        }
    }

    /// Starts it again on the same port with the same data.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn resume_after_stop(&self) {
        let data = self.folder.path().join("data");
        let log = self.folder.path().join("log");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let server = as_nobody(&self.tools.join("postgres"));
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(&data)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres runs");
        *self.guard.lock() = Some(guard);
        let ready = Command::new(self.tools.join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p"])
            .arg(self.port.to_string())
            .args(["-t", "1"])
            .status_until(PATIENCE);
        assert!(ready, "postgres does not start: {}", self.log());
    }

    /// Halts every process of the server: connections stay open and nobody answers.
    pub fn halt(&self) {
        self.signal_all("-STOP");
    }

    /// Lets a halted server go on.
    pub fn go_on(&self) {
        self.signal_all("-CONT");
    }

    /// Takes encrypted connections alone from the next start on.
    fn encrypt(&self, certificate: &str, key: &str) {
        let data = self.folder.path().join("data");
        let files = [
            ("server.crt", certificate),
            ("server.key", key),
            ("pg_hba.conf", "hostssl all all all trust\nhostnossl all all all reject\n"),
            ("postgresql.auto.conf", "ssl = on\n"),
        ];
        for (name, text) in files {
            let file = data.join(name);
            std::fs::write(&file, text).expect("written");
            let owned = Command::new("chmod").arg("600").arg(&file).status();
            assert!(owned.is_ok_and(|status| status.success()));
            if is_root() {
                let owned = Command::new("chown").arg("nobody").arg(&file).status();
                assert!(owned.is_ok_and(|status| status.success()));
            }
        }
    }

    fn signal_all(&self, name: &str) {
        let file = self.folder.path().join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let Some(parent) = text.lines().next().and_then(|line| line.trim().parse().ok()) else {
            return;
        };
        signal(parent, name);
        for child in children(parent) {
            signal(child, name);
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    async fn connect(&self, database: &str) -> Client {
        let connected = tokio_postgres::connect(&self.url(database), NoTls).await;
        let (client, connection) = connected.expect("the test's server answers");
        tokio::spawn(async move {
            // Ends with the client or with the server.
            let _ = connection.await;
        });
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be halted.
        self.go_on();
        self.stop();
    }
}

/// Waits for a command to succeed.
trait StatusUntil {
    fn status_until(&mut self, longest: Duration) -> bool;
}

impl StatusUntil for Command {
    fn status_until(&mut self, longest: Duration) -> bool {
        // `pg_isready -t 1` gives up at once where nobody listens: the pause is its own process.
        let tries = longest.as_millis() / 20;
        (0..tries).any(|_| {
            self.status().is_ok_and(|status| status.success()) || {
                let _ = Command::new("sleep").arg("0.02").status();
                false
            }
        })
    }
}

/// The folder of `initdb` and `postgres`.
fn tools() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test's own surroundings")]
    let (named, path) = (std::env::var("GW_TEST_PG_BIN"), std::env::var("PATH"));
    let mut folders: Vec<PathBuf> = named.ok().into_iter().map(PathBuf::from).collect();
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    installed.sort();
    folders.extend(installed.into_iter().rev());
    folders.extend(std::env::split_paths(&path.unwrap_or_default()));
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .expect(
            "PostgreSQL is not installed: run `tests/need.sh postgres`, or name the folder of \
             initdb in GW_TEST_PG_BIN",
        )
}

/// The command; as nobody where this is root, whom PostgreSQL refuses.
fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
    command.arg("--").arg(program);
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn signal(process: u32, name: &str) {
    let _ = Command::new("kill").arg(name).arg(process.to_string()).stderr(Stdio::null()).status();
}

fn children(parent: u32) -> Vec<u32> {
    let listed = Command::new("ps").args(["-o", "pid=", "--ppid"]).arg(parent.to_string()).output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listed).split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
