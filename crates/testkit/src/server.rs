//! Starts a server process for a test and ends it with the test: a free port, a directory of its
//! own, its log kept. Knows no command but PING.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Client, RawClient};

/// How often a start is tried anew: another process may take the port between the moment it was
/// seen free and the moment that the server binds it.
const START_ATTEMPTS: u32 = 10;

/// How long a server may take until it answers PING.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The environment variable that names the server binary under test.
pub const BINARY_VARIABLE: &str = "OXIDIS_BIN";

/// The binary under test: `OXIDIS_BIN` if it is set, else `oxidis` of this workspace, built (once a
/// process) in the profile that the tests themselves were built in.
pub fn binary_under_test() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os(BINARY_VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => build_workspace_binary().expect("cargo builds the server binary"),
    })
}

fn build_workspace_binary() -> io::Result<PathBuf> {
    // The test runs from target/PROFILE/deps, the binary lies in target/PROFILE.
    let mut folder = std::env::current_exe()?;
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .current_dir(workspace)
        .args(["build", "--quiet", "--package", "oxidis-server"]);
    build.args(["--bin", "oxidis"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    if !build.status()?.success() {
        return Err(io::Error::other("cargo build of the server failed"));
    }
    Ok(folder
        .join("oxidis")
        .with_extension(std::env::consts::EXE_EXTENSION))
}

/// The reference implementation, if this machine has it: `REDIS_SERVER_BIN` or `redis-server` in
/// the `PATH`.
pub fn redis_server() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("REDIS_SERVER_BIN") {
        return Some(PathBuf::from(path));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|file| file.is_file())
}

/// What a server is started with. The port, the directory and quiet persistence are chosen by
/// [`ServerBuilder::start`]; everything else is as on the command line of redis-server.
#[derive(Debug, Clone)]
pub struct ServerBuilder {
    program: PathBuf,
    arguments: Vec<OsString>,
    has_redis_flags: bool,
}

impl ServerBuilder {
    /// A server of the given program.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            has_redis_flags: true,
        }
    }

    /// A server that has not the flags of redis-server: it is given its arguments only, in which
    /// `{port}` and `{dir}` stand for what [`ServerBuilder::start`] chose.
    pub fn foreign(program: impl Into<PathBuf>) -> Self {
        Self {
            has_redis_flags: false,
            ..Self::new(program)
        }
    }

    /// The binary under test ([`binary_under_test`]).
    pub fn oxidis() -> Self {
        Self::new(binary_under_test())
    }

    /// Adds one argument, such as `--requirepass`.
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }

    /// Adds several arguments.
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().into()),
        );
        self
    }

    /// Starts the server and waits until it answers PING.
    ///
    /// # Errors
    /// When the program cannot be run, or ends, or does not answer, on every port tried. The error
    /// carries the server's log.
    pub fn start(&self) -> io::Result<TestServer> {
        let mut last = io::Error::other("never tried");
        for _ in 0..START_ATTEMPTS {
            match self.start_on(free_port()?) {
                Ok(server) => return Ok(server),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn start_on(&self, port: u16) -> io::Result<TestServer> {
        let dir = tempfile::Builder::new().prefix("oxidis-test-").tempdir()?;
        let log_path = dir.path().join("server.log");
        let log = File::create(&log_path)?;
        let mut command = Command::new(&self.program);
        if self.has_redis_flags {
            command.args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
            ]);
            command.arg(dir.path());
        }
        command.args(
            self.arguments
                .iter()
                .map(|argument| match argument.to_str() {
                    Some(text) if !self.has_redis_flags => {
                        let dir = dir.path().to_string_lossy();
                        text.replace("{port}", &port.to_string())
                            .replace("{dir}", &dir)
                            .into()
                    }
                    _ => argument.clone(),
                }),
        );
        let child = command
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = TestServer {
            child,
            port,
            log_path,
            dir,
        };
        server.wait_until_ready()?;
        Ok(server)
    }
}

/// A port that nothing listens on now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// A running server process. Dropping it kills the process and removes its directory.
#[derive(Debug)]
pub struct TestServer {
    child: Child,
    port: u16,
    log_path: PathBuf,
    dir: TempDir,
}

impl TestServer {
    /// The TCP port that the server listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The directory the server was started in, its `dir`.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new connection that speaks RESP2 until told otherwise.
    ///
    /// # Panics
    /// When the server does not take the connection: a test has nothing better to do.
    pub fn client(&self) -> Client {
        Client::connect(self.address()).expect("the server takes connections")
    }

    /// A new connection for single bytes.
    ///
    /// # Panics
    /// As [`TestServer::client`].
    pub fn raw_client(&self) -> RawClient {
        RawClient::connect(self.address()).expect("the server takes connections")
    }

    /// Everything that the server has written to its standard output and error so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log_path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the process has ended by itself; `None` when it has not within the limit,
    /// else whether it ended with success.
    pub fn wait_for_end(&mut self, limit: Duration) -> Option<bool> {
        let start = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status.success());
            }
            if start.elapsed() > limit {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the process has ended by itself, and answers its exit code; `None` when it has
    /// not within the limit, or was ended by a signal.
    pub fn wait_for_exit_code(&mut self, limit: Duration) -> Option<i32> {
        self.wait_for_end(limit)?;
        // It has ended, so this answers at once.
        self.child.wait().ok()?.code()
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.start_error(&format!("the server ended with {status}")));
            }
            if answers_ping(self.address()).unwrap_or(false) {
                return Ok(());
            }
            if start.elapsed() > START_LIMIT {
                return Err(self.start_error("the server did not answer PING"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn start_error(&self, what: &str) -> io::Error {
        io::Error::other(format!("{what}; its log:\n{}", self.log()))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answers_ping(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"PING\r\n")?;
    let mut first = [0];
    stream.read_exact(&mut first)?;
    // A server that wants a password answers an error, and is ready all the same; one that loads
    // its data set answers -LOADING.
    if first[0] == b'+' {
        return Ok(true);
    }
    let mut rest = [0; 7];
    stream.read_exact(&mut rest)?;
    Ok(&rest != b"LOADING")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = ServerBuilder::new("/nonexistent/server")
            .start()
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_ends_at_once_is_an_error_with_its_status() {
        let error = ServerBuilder::new("/bin/false").start().unwrap_err();
        assert!(error.to_string().contains("ended with"), "{error}");
    }
}
