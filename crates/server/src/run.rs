//! The life of a server process: configuration, background, log, listening, signals, the end.

use std::process::ExitCode;
use std::sync::Arc;

use oxidis_embedded::{SystemClock, VirtualClock};
use oxidis_engine::config::{CommandLine, Config, ProtectedAction, ShutdownFlags, Supervised};
use oxidis_engine::version::{OXIDIS_VERSION, REDIS_VERSION};
use oxidis_engine::{Clock, ShutdownOptions};

use crate::daemon::{self, PidFile};
use crate::progress::LoadingBar;
use crate::server::{RunningServer, ServerError, ServerOptions, start_empty};
use crate::{Allocator, configuration, crash, descriptors, diagnosis, log, restart, title};

/// The last line of the log.
const BYE: &str = "Oxidis is now ready to exit, bye bye...";

/// Serves as the command line asks, until the process is told to end.
///
/// # Errors
/// What is wrong with the configuration, for the standard error. What fails later is in the log, and
/// in the exit code.
pub fn serve(line: &CommandLine, allocator: Allocator) -> Result<ExitCode, String> {
    restart::prepare();
    let seed = seed();
    let config = Arc::new(Config::new(seed));
    if allocator.mover.is_some() {
        config.allow_defragmentation();
    }
    let cores = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(128);
    config
        .set_default("io-threads", cores.to_string().as_bytes())
        .map_err(|error| error.to_string())?;
    configuration::load(&config, line).map_err(|error| error.to_string())?;
    let supervisor = daemon::supervisor(&config);
    let is_background = config.daemonize() && supervisor == Supervised::No;
    if is_background {
        // Everything that makes threads comes later.
        daemon::detach().map_err(|error| format!("Can't daemonize: {error}"))?;
    }
    log::install(&config);
    crash::install(config.clone(), allocator);
    log_beginning(line);
    make_room(&config);
    let clock: Arc<dyn Clock> = match config.enable_test_commands() {
        ProtectedAction::No => Arc::new(SystemClock),
        // OXIDIS CLOCK may stop it.
        _ => Arc::new(VirtualClock::running()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    // Taken before anybody can connect: who sees the server may send it a signal.
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()
    };
    let server = match start_empty(ServerOptions {
        config: config.clone(),
        clock,
        seed,
        is_seeded: false,
        any_port: false,
        allocator,
        stops_by_itself: false,
    }) {
        Ok(server) => server,
        Err(error) => {
            log_failure(&error);
            return Ok(ExitCode::FAILURE);
        }
    };
    title::show(&config);
    let pid_file = PidFile::write(&config, is_background);
    log_initialized(&config);
    let bar = LoadingBar::show(server.engine());
    let loading = runtime.block_on(load_until_asked_to_end(server, &mut signals));
    drop(bar);
    let Some((server, loaded)) = loading else {
        // What loads goes on until the process has ended.
        runtime.shutdown_background();
        drop(pid_file);
        tracing::warn!("{BYE}");
        return Ok(ExitCode::SUCCESS);
    };
    if let Err(error) = loaded {
        // Why it ends is the last that it says.
        drop(server);
        drop(pid_file);
        log_failure(&error);
        return Ok(ExitCode::FAILURE);
    }
    log_ready(&server);
    daemon::tell_ready(supervisor);
    runtime.block_on(run_until_asked_to_end(server, signals));
    drop(pid_file);
    tracing::warn!("{BYE}");
    Ok(ExitCode::SUCCESS)
}

/// A seed that nobody can guess: the standard library seeds its hash maps from the system.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// What the log of a redis-server begins with; who does not ask for more than notices gets one line, in
/// [`log_ready`].
fn log_beginning(line: &CommandLine) {
    tracing::debug!("oO0OoO0OoO0Oo Oxidis is starting oO0OoO0OoO0Oo");
    tracing::debug!(
        "Oxidis version={OXIDIS_VERSION}, Redis version={REDIS_VERSION}, bits={}, pid={}, just started",
        usize::BITS,
        std::process::id()
    );
    if line.config_file.is_none() && line.options.is_empty() && !line.read_stdin {
        tracing::debug!(
            "Warning: no config file specified, using the default config. `oxidis FILE` reads one."
        );
    } else {
        tracing::debug!("Configuration loaded");
    }
}

/// Gets the file descriptors that `maxclients` needs, or fits `maxclients` to those that there are.
fn make_room(config: &Config) {
    let clients = config.maxclients();
    let possible = descriptors::make_room_for(clients).max(1);
    if possible < clients {
        tracing::warn!(
            "The system has file descriptors for no more than {possible} clients: that many is \
             maxclients, not {clients}."
        );
        config
            .set_default("maxclients", possible.to_string().as_bytes())
            .expect("a smaller number of clients is allowed as well");
    }
}

fn log_failure(error: &ServerError) {
    match error {
        ServerError::Listen { address, source } => {
            tracing::warn!(
                "Warning: Could not create server TCP listening socket {address}: {source}"
            );
            tracing::warn!("Failed listening on port at {address}, aborting.");
        }
        ServerError::Users(lines) => lines.lines().for_each(|line| tracing::warn!("{line}")),
        error => tracing::warn!("{error}"),
    }
}

fn log_initialized(config: &Config) {
    let pid = std::process::id();
    if config.always_show_logo() {
        // Not a line of the log, but what stands before its lines.
        tracing::info!("{}", logo(config.port(), pid));
    }
    if let Some(limit) = diagnosis::backlog_limit().filter(|&limit| limit < config.tcp_backlog()) {
        tracing::warn!(
            "WARNING: The TCP backlog setting of {} cannot be enforced because \
             /proc/sys/net/core/somaxconn is set to the lower value of {limit}.",
            config.tcp_backlog()
        );
    }
    let maxmemory = config.maxmemory();
    if (1..1 << 20).contains(&maxmemory) {
        tracing::warn!(
            "WARNING: maxmemory is less than 1MB ({maxmemory} bytes): is that really what you want?"
        );
    }
    tracing::debug!("Server initialized");
}

fn log_ready(server: &RunningServer) {
    if let Some(address) = server.addresses().first() {
        // Programs that start a redis-server wait for the first four words.
        tracing::info!(
            "Ready to accept connections tcp: Oxidis {OXIDIS_VERSION} listens on {address}; try \
             `redis-cli -p {port}` or `oxidis cli -p {port}`",
            port = server.port(),
        );
    }
    if let Some(address) = server.tls_addresses().first() {
        tracing::info!("Ready to accept connections tls: on {address}");
    }
    if let Some(path) = server.unix_socket() {
        tracing::info!(
            "The server is now ready to accept connections at {}",
            path.display()
        );
    }
}

/// An ox, and what one wants to know.
fn logo(port: u16, pid: u32) -> String {
    format!(
        "\n\
         \n   (__)          Oxidis {OXIDIS_VERSION}, {} bits\
         \n   (oo)-------,  Running in standalone mode\
         \n   /\\_|  OX   |  Port: {port}\
         \n      |,----, |  PID: {pid}\
         \n      ||    ||\n",
        usize::BITS
    )
}

/// Loads the data; answers nothing if the process is asked to end before they are there.
async fn load_until_asked_to_end(
    server: RunningServer,
    signals: &mut Signals,
) -> Option<(RunningServer, Result<(), ServerError>)> {
    let server = Arc::new(server);
    let loading = server.clone();
    let loading = tokio::task::spawn_blocking(move || loading.load());
    tokio::select! {
        loaded = loading => {
            // Nobody cancels it.
            let loaded = loaded.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            let server = Arc::into_inner(server).expect("what has loaded keeps it no longer");
            return Some((server, loaded));
        }
        () = server.wait_for_shutdown() => {}
        _ = signals.next() => {
            tracing::warn!("Received shutdown signal during loading, scheduling shutdown.");
        }
    }
    tracing::warn!("User requested shutdown...");
    None
}

/// Waits for SHUTDOWN or a signal, and ends the server.
async fn run_until_asked_to_end(mut server: RunningServer, mut signals: Signals) {
    loop {
        tokio::select! {
            () = server.wait_for_shutdown() => {
                tracing::warn!("User requested shutdown...");
                break;
            }
            signal = signals.next() => {
                tracing::warn!("Received {} scheduling shutdown...", signal.name());
                let flags = match signal {
                    Signal::Interrupt => server.engine().config().shutdown_on_sigint(),
                    Signal::Terminate => server.engine().config().shutdown_on_sigterm(),
                };
                if signal == Signal::Interrupt && server.engine().is_shutdown_waiting() {
                    tracing::warn!("Interrupted again: ending at once.");
                    std::process::exit(1);
                }
                // Why the server goes on is in the log.
                let _ = server.shut_down(options_of(flags));
            }
        }
    }
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            _ = &mut stopping => return,
            signal = signals.next() => if signal == Signal::Interrupt {
                tracing::warn!("Interrupted again: ending at once.");
                std::process::exit(1);
            }
        }
    }
}

fn options_of(flags: ShutdownFlags) -> ShutdownOptions {
    let save = flags.contains(ShutdownFlags::SAVE);
    let nosave = flags.contains(ShutdownFlags::NOSAVE);
    ShutdownOptions {
        save: (save || nosave).then_some(save),
        now: flags.contains(ShutdownFlags::NOW),
        force: flags.contains(ShutdownFlags::FORCE),
    }
}

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Interrupt,
    /// Only Unix has it.
    #[cfg_attr(not(unix), allow(dead_code))]
    Terminate,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        }
    }
}

/// The signals to the process. SIGHUP is taken and ignored: a terminal that closes does not end the
/// server.
#[cfg(unix)]
struct Signals {
    terminate: Option<tokio::signal::unix::Signal>,
    interrupt: Option<tokio::signal::unix::Signal>,
    _hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    /// Call it inside a runtime. A signal that cannot be taken keeps what the system does on it.
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Signals {
            terminate: signal(SignalKind::terminate()).ok(),
            interrupt: signal(SignalKind::interrupt()).ok(),
            _hangup: signal(SignalKind::hangup()).ok(),
        }
    }

    async fn next(&mut self) -> Signal {
        async fn receive(signal: &mut Option<tokio::signal::unix::Signal>) {
            let received = match signal {
                Some(signal) => signal.recv().await,
                None => None,
            };
            if received.is_none() {
                std::future::pending().await
            }
        }
        tokio::select! {
            () = receive(&mut self.terminate) => Signal::Terminate,
            () = receive(&mut self.interrupt) => Signal::Interrupt,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Signals
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
        Signal::Interrupt
    }
}
