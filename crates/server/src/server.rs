//! Starting and stopping a server: its worker threads, their runtimes, the listeners, the cron.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oxidis_engine::config::Config;
use oxidis_engine::{Clock, Engine, EngineOptions, ShutdownOptions, Worker};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};

use crate::configuration::path_of;
use crate::descriptors;
use crate::host::ProcessHost;
use crate::listeners::{Listeners, NewListener};
use crate::observer::ServerObserver;
use crate::process::Allocator;
use crate::tls::{TlsError, TlsSettings};
use crate::turn;
use crate::worker::{self, WorkerState};
use crate::workers::Workers;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// TLS cannot be spoken as the configuration asks.
    #[error("Failed to configure TLS: {0}")]
    Tls(#[from] TlsError),
    /// The data set could not be loaded.
    #[error("Fatal error loading the DB: {0}. Exiting.")]
    Load(String),
    /// The users are not as they should be.
    #[error("{0}")]
    Users(String),
    /// A thread or runtime could not be made.
    #[error("cannot start a worker: {0}")]
    Worker(#[from] std::io::Error),
}

/// What a server is started with.
pub struct ServerOptions {
    /// The configuration; `port`, `bind`, `io-threads` and the rest are read from it.
    pub config: Arc<Config>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The seed of everything random.
    pub seed: u64,
    /// Whether somebody has chosen the seed: then secrets follow from it, too, and how many workers there are makes no
    /// difference.
    pub is_seeded: bool,
    /// Whether port 0 means any free port, and not, as in a configuration file, none.
    pub any_port: bool,
    /// The allocator of the process, for INFO and `maxmemory`.
    pub allocator: Allocator,
    /// Whether it stops by itself when a client asks for SHUTDOWN; otherwise somebody has to
    /// [wait](RunningServer::wait_for_shutdown) for that, and stop it.
    pub stops_by_itself: bool,
}

/// A server that runs. It stops when it is dropped.
pub struct RunningServer {
    engine: Arc<Engine>,
    host: Arc<ProcessHost>,
    listeners: Arc<Listeners>,
    stop: watch::Sender<bool>,
    shutdown: Arc<Notify>,
    threads: Vec<JoinHandle<()>>,
    unix_socket: Option<std::path::PathBuf>,
    #[cfg(test)]
    team: Arc<Workers>,
}

/// How long a stop waits for a script that was told to end: what it does in native code does not
/// look up. Its thread is left alone then; it ends with the process.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// The stack of a worker: scripts nest functions, and these functions of ours, 200 deep.
pub(crate) const STACK_BYTES: usize = 8 << 20;

/// A connection on its way to its worker.
pub(crate) enum Accepted {
    Tcp(std::net::TcpStream),
    Secured(std::net::TcpStream, Arc<TlsSettings>),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream, String),
}

impl Accepted {
    /// The number of the socket in CLIENT LIST.
    pub(crate) fn descriptor(&self) -> i64 {
        match self {
            Accepted::Tcp(stream) | Accepted::Secured(stream, _) => descriptors::number_of(stream),
            #[cfg(unix)]
            Accepted::Unix(stream, _) => descriptors::number_of(stream),
        }
    }
}

/// How often it is looked whether connections have arrived, where that decides about another.
const ARRIVAL_CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Starts a server; it accepts connections and has its data when this returns.
pub fn start(options: ServerOptions) -> Result<RunningServer, ServerError> {
    let server = start_empty(options)?;
    server.load()?;
    Ok(server)
}

/// Starts a server; it accepts connections when this returns, but tells everyone that it is loading until
/// [`RunningServer::load`] is done.
pub(crate) fn start_empty(options: ServerOptions) -> Result<RunningServer, ServerError> {
    let config = options.config;
    let workers = config.io_threads().max(1);
    let shutdown = Arc::new(Notify::new());
    let tls = Arc::new(TlsSettings::default());
    if config.tls_port() != 0 {
        tls.reload(&config)?;
    }
    let (accepting, new_listeners) = mpsc::unbounded_channel();
    let listeners = Arc::new(Listeners::open(&config, options.any_port, accepting)?);
    let host = Arc::new(ProcessHost::new(
        config.clone(),
        shutdown.clone(),
        listeners.clone(),
        options.allocator,
    )?);
    if let Some(address) = listeners
        .addresses(false)
        .first()
        .filter(|_| options.any_port)
    {
        // Who asked for any port learns from the configuration too which one it is.
        config
            .set_default("port", address.port().to_string().as_bytes())
            .expect("a port is a port to the configuration");
    }
    let observer = ServerObserver::new(listeners.clone(), tls.clone(), options.allocator);
    // Why it cannot be set is in the log; the server works without.
    let _ = observer.set_oom_score(&config);
    observer.set_background_purging(&config);
    config.observe(Box::new(observer));
    let engine = Engine::new(EngineOptions {
        config: config.clone(),
        clock: options.clock,
        host: host.clone(),
        snapshot_codec: Some(Arc::new(oxidis_persist::Rdb)),
        interpreter: Some(Arc::new(oxidis_script::Lua::new(
            config.clone(),
            options.seed,
        ))),
        seed: options.seed,
        workers: match options.is_seeded {
            true => EngineOptions::WORKERS_OF_SEEDED,
            false => workers,
        },
    });
    if options.is_seeded {
        engine.draw_secrets_from_seed();
    }
    engine.load_users_at_start().map_err(ServerError::Users)?;
    Worker::new(&engine).begin_load_at_start();
    let (stop, stopped) = watch::channel(false);
    let mut team = Workers::default();
    let mut threads = Vec::new();
    for index in 0..workers {
        let (sender, receiver) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(turn::rest)
            .build()?;
        let activity = team.add(sender, runtime.metrics());
        let load = activity.load().clone();
        host.observe(activity);
        // Made here, as workers draw their seeds one after the other.
        let state = WorkerState::new(&engine);
        let engine = engine.clone();
        let stopped = stopped.clone();
        let thread = std::thread::Builder::new().name(format!("oxidis-{index}"));
        let thread = thread.stack_size(STACK_BYTES);
        threads.push(thread.spawn(move || {
            worker::install(index, state, receiver, load);
            runtime.block_on(worker::run(index, engine, stopped));
        })?);
    }
    let unix_path = config.unixsocket();
    let unix_socket =
        (!unix_path.is_empty()).then(|| path_of(&config.dir()).join(path_of(&unix_path)));
    let accepting = std::thread::Builder::new().name("oxidis-accept".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    #[cfg(unix)]
    let unix = match &unix_socket {
        Some(path) => {
            let _guard = runtime.enter();
            Some(listen_unix(path, &config)?)
        }
        None => None,
    };
    let accept_engine = engine.clone();
    let team = Arc::new(team);
    let accept_team = team.clone();
    let asked = options
        .stops_by_itself
        .then(|| (shutdown.clone(), stop.clone()));
    threads.push(accepting.spawn(move || {
        runtime.block_on(async move {
            let team = accept_team;
            if workers > 1 {
                tokio::spawn(team.clone().balance(accept_engine.clone()));
            }
            tokio::spawn(accept_all(
                new_listeners,
                accept_engine.clone(),
                tls,
                team.clone(),
            ));
            #[cfg(unix)]
            if let Some(listener) = unix {
                tokio::spawn(accept_unix(listener, accept_engine.clone(), team.clone()));
            }
            match asked {
                None => wait_for_stop(stopped).await,
                Some((shutdown, stop)) => tokio::select! {
                    () = wait_for_stop(stopped) => {}
                    () = shutdown.notified() => {
                        // Who has no socket is to notice, too, and not after it is known that the server has stopped.
                        accept_engine.close_clients();
                        stop.send_modify(|stop| *stop = true);
                    }
                },
            }
        });
    })?);
    Ok(RunningServer {
        engine: engine.clone(),
        host,
        listeners,
        stop,
        shutdown,
        threads,
        unix_socket,
        #[cfg(test)]
        team,
    })
}

impl RunningServer {
    /// Loads the data set from its file, if there is one.
    pub(crate) fn load(&self) -> Result<(), ServerError> {
        let loaded = Worker::new(&self.engine).load_at_start();
        loaded.map(drop).map_err(ServerError::Load)?;
        self.engine.follow_at_start();
        Ok(())
    }

    /// Its workers.
    #[cfg(test)]
    pub(crate) fn workers(&self) -> &Workers {
        &self.team
    }

    /// The engine behind the server.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The port of the first TCP listener; 0 if there is none.
    pub fn port(&self) -> u16 {
        self.addresses().first().map_or(0, SocketAddr::port)
    }

    /// The addresses that the server listens on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses(false)
    }

    /// The addresses on which the server speaks TLS.
    pub fn tls_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses(true)
    }

    /// The Unix socket that the server listens on, if there is one.
    pub fn unix_socket(&self) -> Option<&std::path::Path> {
        self.unix_socket.as_deref()
    }

    /// Asks for a shutdown as a client does; [`Self::wait_for_shutdown`] then returns.
    ///
    /// # Errors
    /// Why the server goes on.
    pub fn shut_down(&self, options: ShutdownOptions) -> Result<(), String> {
        Worker::new(&self.engine).shut_down(options)
    }

    /// Waits until a client asks for SHUTDOWN.
    pub async fn wait_for_shutdown(&self) {
        self.shutdown.notified().await;
    }

    /// Whether it has been stopped, or has stopped by itself; its threads may still be about to end.
    pub fn has_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Stops: closes every connection, those past the sockets as well, and waits for the threads.
    pub fn stop(&mut self) {
        self.engine.cancel_background_save();
        // Nobody receives any more when the threads have ended already.
        let _ = self.stop.send(true);
        // A script that has written is waited for, as nobody may see half of what it does.
        let may_leave = self.engine.stop_script(false) || self.engine.is_script_stopping();
        let started = Instant::now();
        for thread in self.threads.drain(..) {
            while may_leave && !thread.is_finished() && started.elapsed() < STOP_PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() || !self.engine.is_script_stopping() {
                // A thread that panicked has said so.
                let _ = thread.join();
            }
        }
        self.engine.close_clients();
        self.host.end();
        if let Some(path) = self.unix_socket.take() {
            tracing::info!("Removing the unix socket file.");
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) async fn wait_for_stop(mut stopped: watch::Receiver<bool>) {
    // An error means that the server is gone, which is a stop too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

#[cfg(unix)]
fn listen_unix(
    path: &std::path::Path,
    config: &Config,
) -> Result<tokio::net::UnixListener, ServerError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = config.unixsocketperm();
    let group = String::from_utf8_lossy(&config.unixsocketgroup()).into_owned();
    let failed = |source| ServerError::Listen {
        address: path.to_string_lossy().into_owned(),
        source,
    };
    // A socket that a server left behind; anything else fails below.
    let _ = std::fs::remove_file(path);
    let listener = tokio::net::UnixListener::bind(path).map_err(failed)?;
    if mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    if !group.is_empty() {
        // A name or a number.
        let named = nix::unistd::Group::from_name(&group).ok().flatten();
        let id = named.map(|group| group.gid.as_raw());
        let id = id
            .or_else(|| group.parse().ok())
            .ok_or_else(|| failed(std::io::Error::other(format!("there is no group {group}"))))?;
        std::os::unix::fs::chown(path, None, Some(id)).map_err(failed)?;
    }
    Ok(listener)
}

/// Accepts the connections of every listener that there is or will be.
async fn accept_all(
    mut new_listeners: mpsc::UnboundedReceiver<NewListener>,
    engine: Arc<Engine>,
    tls: Arc<TlsSettings>,
    team: Arc<Workers>,
) {
    while let Some(new) = new_listeners.recv().await {
        let (engine, team) = (engine.clone(), team.clone());
        let tls = new.is_tls.then(|| tls.clone());
        tokio::spawn(async move {
            if let Ok(listener) = TcpListener::from_std(new.listener) {
                tokio::select! {
                    () = accept_tcp(listener, engine, tls, team) => {}
                    // An error means that the server is gone.
                    _ = new.stop => {}
                }
            }
            drop(new.closed);
        });
    }
}

async fn accept_tcp(
    listener: TcpListener,
    engine: Arc<Engine>,
    tls: Option<Arc<TlsSettings>>,
    team: Arc<Workers>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let Ok(stream) = stream.into_std() else {
                    continue;
                };
                if let Some(refusal) = refusal(&engine, &team, address.ip().is_loopback()).await {
                    refuse(stream, refusal);
                    continue;
                }
                tracing::debug!("Accepted {address}");
                let _ = stream.set_nodelay(true);
                keep_alive(&stream, engine.config().tcp_keepalive_seconds());
                let accepted = match &tls {
                    None => Accepted::Tcp(stream),
                    Some(settings) => Accepted::Secured(stream, settings.clone()),
                };
                team.send(accepted);
            }
            // Out of descriptors: wait for some to be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[cfg(unix)]
async fn accept_unix(listener: tokio::net::UnixListener, engine: Arc<Engine>, team: Arc<Workers>) {
    let path = String::from_utf8_lossy(&engine.config().unixsocket()).into_owned();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(stream) = stream.into_std() else {
                    continue;
                };
                if let Some(refusal) = refusal(&engine, &team, true).await {
                    refuse(stream, refusal);
                    continue;
                }
                tracing::debug!("Accepted connection to {path}");
                team.send(Accepted::Unix(stream, path.clone()));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Why a new connection is refused, if it is.
async fn refusal(engine: &Engine, team: &Workers, is_local: bool) -> Option<&'static [u8]> {
    let config = engine.config();
    // Who is about to arrive may count twice for a moment: where that matters the moment is awaited.
    while team.arriving() > 0 && team.arriving() + engine.client_count() >= config.maxclients() {
        tokio::time::sleep(ARRIVAL_CHECK_INTERVAL).await;
    }
    if team.arriving() + engine.client_count() >= config.maxclients() {
        engine.count_rejected_connection();
        return Some(b"-ERR max number of clients reached\r\n");
    }
    if !is_local && config.protected_mode() && engine.is_open() {
        engine.count_rejected_connection();
        return Some(
            b"-DENIED Redis is running in protected mode because protected mode is enabled and no \
              password is set for the default user. In this mode connections are only accepted \
              from the loopback interface. Set a password (requirepass), or turn protected mode \
              off (CONFIG SET protected-mode no) if the server is not reachable from outside.\r\n",
        );
    }
    None
}

fn refuse(mut stream: impl std::io::Write, text: &[u8]) {
    // Best effort, as in Redis: the socket's buffer has room for it.
    let _ = stream.write(text);
}

fn keep_alive(stream: &std::net::TcpStream, seconds: u64) {
    if seconds > 0 {
        let keep_alive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(seconds));
        // A socket without keep-alive still works.
        let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keep_alive);
    }
}
