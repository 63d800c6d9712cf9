//! A server inside this process.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use oxidis_engine::ShutdownOptions;
use oxidis_engine::config::Config;
use oxidis_server::{Allocator, RunningServer, ServerOptions};

use crate::options::{CommonOptions, Secret, common_options};
use crate::{Differences, Engine, Error, Fault, FaultGuard, RecordedCommand, Snapshot};

/// A server that runs in threads of this process, and stops when it is dropped. There may be many.
pub struct Server {
    engine: Engine,
    /// What it was started with; the seed is there in any case.
    options: CommonOptions,
    running: Option<RunningServer>,
    address: SocketAddr,
    keeps_data: bool,
}

/// What a server is started with. Without anything: on a free port of this machine only, with one worker,
/// and nothing on disk.
///
/// ```
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("data.rdb");
/// let mut server = oxidis::Server::builder().path(&path).default_ttl(3600).start()?;
/// server.engine().execute(["SET", "kept", "yes"])?;
/// server.stop()?;
///
/// let server = oxidis::Server::builder().path(&path).start()?;
/// let kept: String = server.engine().query(["GET", "kept"])?;
/// assert_eq!(kept, "yes");
/// # Ok::<(), oxidis::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ServerBuilder {
    port: u16,
    bind: Option<String>,
    password: Option<Secret>,
    path: Option<PathBuf>,
    is_appending: bool,
    workers: Option<usize>,
    common: CommonOptions,
}

impl ServerBuilder {
    common_options!();

    /// The port; 0, as without this, is any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The address to listen on, instead of 127.0.0.1.
    #[must_use]
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.bind = Some(address.into());
        self
    }

    /// The password that clients must give.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Secret(password.into()));
        self
    }

    /// Seconds that a key written without an expiry lives; 0, as without this, is for ever.
    #[must_use]
    pub fn default_ttl(self, seconds: u64) -> Self {
        self.directive("default-ttl", seconds.to_string())
    }

    /// The file that the data are loaded from at the start, and saved to: when the server stops, and at
    /// the save points.
    #[must_use]
    pub fn path(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// Whether every change is logged to disk as well. The log lies beside the file of
    /// [`path`](Self::path), or in the directory `dir`.
    #[must_use]
    pub fn append_only(mut self, is_appending: bool) -> Self {
        self.is_appending = is_appending;
        self
    }

    /// How many threads read, execute and answer; 1 without this.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Starts the server; it can be connected to, and has its data, when this returns.
    ///
    /// # Errors
    /// An option is wrong, the port is taken, or the data cannot be loaded.
    pub fn start(&self) -> Result<Server, Error> {
        let options = self.common.with_seed();
        let seed = options.seed();
        let config = options.configure(seed, self.own_directives()?)?;
        let any_port = self.port == 0;
        let is_seeded = self.common.seed.is_some();
        let begin = Beginning {
            config,
            seed,
            is_seeded,
            any_port,
            keeps_data: self.keeps_data(),
        };
        Server::run(begin, options)
    }

    fn keeps_data(&self) -> bool {
        self.path.is_some() || self.is_appending
    }

    /// What the options are as directives.
    fn own_directives(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let mut all = Vec::new();
        let mut set = |name, value: String| all.push((name, value));
        set("port", self.port.to_string());
        let bind = self.bind.clone();
        set("bind", bind.unwrap_or_else(|| "127.0.0.1".to_owned()));
        set("io-threads", self.workers.unwrap_or(1).to_string());
        match &self.path {
            Some(path) => {
                let path =
                    std::path::absolute(path).map_err(|error| Error::option("path", error))?;
                let text = |part: &Path| {
                    let text = part.to_str().map(str::to_owned);
                    text.ok_or_else(|| Error::option("path", "it is not UTF-8"))
                };
                let name = path.file_name();
                let name = name.ok_or_else(|| Error::option("path", "it names no file"))?;
                let folder = path.parent();
                let folder = folder.ok_or_else(|| Error::option("path", "it names no file"))?;
                if !folder.is_dir() {
                    let reason = format!("{} is no directory", folder.display());
                    return Err(Error::option("path", reason));
                }
                set("dir", text(folder)?);
                set("dbfilename", text(Path::new(name))?);
            }
            None => {
                set("save", String::new());
                // As a server of its own says it; where there is no current directory, it is still `.`.
                if let Ok(folder) = std::env::current_dir() {
                    set("dir", folder.to_string_lossy().into_owned());
                }
            }
        }
        if self.is_appending {
            set("appendonly", "yes".to_owned());
        }
        if let Some(password) = &self.password {
            set("requirepass", password.0.clone());
        }
        Ok(all)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("is_running", &self.is_running())
            .finish_non_exhaustive()
    }
}

/// What a server begins with beside the options that it keeps.
struct Beginning {
    config: Arc<Config>,
    seed: u64,
    is_seeded: bool,
    any_port: bool,
    keeps_data: bool,
}

impl Server {
    /// Starts a server on a free port, with nothing on disk.
    ///
    /// # Errors
    /// As [`ServerBuilder::start`].
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    fn run(begin: Beginning, options: CommonOptions) -> Result<Self, Error> {
        let running = oxidis_server::start(ServerOptions {
            config: begin.config,
            clock: options.clock(),
            seed: begin.seed,
            is_seeded: begin.is_seeded,
            any_port: begin.any_port,
            allocator: Allocator::UNKNOWN,
            stops_by_itself: true,
        })?;
        let address = running.addresses().first().copied();
        let address = address.ok_or_else(|| Error::option("bind", "there is no address"))?;
        Ok(Server {
            engine: Engine::new(running.engine().clone(), None, options.clone()),
            options,
            running: Some(running),
            address,
            keeps_data: begin.keeps_data,
        })
    }

    /// What a server can be started with.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that clients on this machine connect to, with the password, if there is one.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            // It listens on all addresses, and this one is no place to connect to everywhere.
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let password = self.engine.shared().config().requirepass();
        match password.as_slice() {
            [] => format!("redis://{address}/0"),
            password => format!("redis://:{}@{address}/0", percent_encoded(password)),
        }
    }

    /// The engine behind the server, for direct calls. When the server has stopped, commands end with
    /// [`Error::Closed`], those that are blocked then as well, as they do for clients whose server has gone away; what
    /// is no command ([`Engine::snapshot`], [`Engine::diff`], [`Engine::commands`]) can still be asked. An engine that
    /// is to live without a server is [opened](Engine::open) by itself.
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// Moves the clock on; see [`Engine::advance`].
    ///
    /// # Errors
    /// As there.
    pub fn advance(&self, time: Duration) -> Result<(), Error> {
        self.engine.advance(time)
    }

    /// Moves the clock to a time; see [`Engine::set_time`].
    ///
    /// # Errors
    /// As there.
    pub fn set_time(&self, time: SystemTime) -> Result<(), Error> {
        self.engine.set_time(time)
    }

    /// Another server on a port of its own, with the same data, scripts and time, and with the directives and users as
    /// they are now, but with no files.
    ///
    /// ```
    /// let server = oxidis::Server::start()?;
    /// server.engine().execute(["SET", "k", "v"])?;
    /// let other = server.fork()?;
    /// server.engine().execute(["DEL", "k"])?;
    /// assert_eq!(other.engine().query::<String>(["GET", "k"])?, "v");
    /// # Ok::<(), oxidis::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ServerBuilder::start`]; or a script is busy.
    pub fn fork(&self) -> Result<Server, Error> {
        let fork = self.engine.begin_fork()?;
        let begin = Beginning {
            config: fork.config().clone(),
            seed: fork.seed(),
            is_seeded: fork.is_seeded(),
            any_port: true,
            keeps_data: false,
        };
        let forked = Server::run(begin, self.options.clone())?;
        fork.settle(forked.engine.shared())?;
        Ok(forked)
    }

    /// The data set as it is now; see [`Engine::snapshot`].
    ///
    /// # Errors
    /// As there.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        self.engine.snapshot()
    }

    /// Puts a snapshot in the place of the data set; see [`Engine::restore`].
    ///
    /// # Errors
    /// As there.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<(), Error> {
        self.engine.restore(snapshot)
    }

    /// What has changed since a snapshot.
    ///
    /// # Errors
    /// As [`Engine::diff`].
    pub fn diff(&self, since: &Snapshot) -> Result<Differences, Error> {
        self.engine.diff(since)
    }

    /// Has requests meet a fault for as long as the guard lives.
    ///
    /// # Errors
    /// As [`Engine::fault`].
    pub fn fault(&self, fault: Fault) -> Result<FaultGuard, Error> {
        self.engine.fault(fault)
    }

    /// Keeps what clients send; see [`Engine::record_commands`].
    pub fn record_commands(&self, count_max: usize) {
        self.engine.record_commands(count_max);
    }

    /// What clients have sent, as far as it is kept; see [`Engine::commands`].
    pub fn commands(&self) -> Vec<RecordedCommand> {
        self.engine.commands()
    }

    /// Whether the server runs: it was not [stopped](Self::stop), and no client has asked for SHUTDOWN.
    pub fn is_running(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|running| !running.has_stopped())
    }

    /// Saves, if the server keeps its data, closes every connection, those of its [engine](Self::engine) as well, and
    /// waits for the threads. Does nothing when it has stopped already.
    ///
    /// # Errors
    /// The data could not be saved. The server has stopped nevertheless.
    pub fn stop(&mut self) -> Result<(), Error> {
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        // A client that asked for SHUTDOWN has said whether to save.
        let saved = if self.keeps_data && !running.has_stopped() {
            // Who holds the server waits for it to end, and no longer.
            let options = ShutdownOptions {
                now: true,
                ..ShutdownOptions::default()
            };
            running.shut_down(options)
        } else {
            Ok(())
        };
        running.stop();
        saved.map_err(Error::Stop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Who wants to know whether it was saved calls `stop`.
        let _ = self.stop();
    }
}

/// A password as it may stand in a URL.
fn percent_encoded(text: &[u8]) -> String {
    let mut encoded = String::new();
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
