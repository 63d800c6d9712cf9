//! The `oxidis` binary: the server, and under other names or with a first word, the prompt.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use oxidis_engine::config::{Config, ConfigFileHost, parse_arguments};
use oxidis_server::{ServerOptions, SystemClock, start};

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    let program = program.to_string_lossy();
    if program.ends_with("-cli") {
        return oxidis_cli::run(arguments.into_iter());
    }
    if arguments.first().is_some_and(|first| first == "cli") {
        return oxidis_cli::run(arguments.into_iter().skip(1));
    }
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

struct Files;

impl ConfigFileHost for Files {
    fn include(&mut self, path: &[u8]) -> Result<Vec<u8>, (Vec<u8>, String)> {
        let name = String::from_utf8_lossy(path).into_owned();
        std::fs::read(name).map_err(|error| (path.to_vec(), error.to_string()))
    }
}

fn serve(arguments: &[OsString]) -> Result<(), String> {
    let arguments: Vec<Vec<u8>> = arguments
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned().into_bytes())
        .collect();
    let line = parse_arguments(&arguments);
    let seed = seed();
    let config = Arc::new(Config::new(seed));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    config
        .set_default("io-threads", cores.to_string().as_bytes())
        .map_err(|error| error.to_string())?;
    let file = match &line.config_file {
        Some(path) => {
            let path = String::from_utf8_lossy(path).into_owned();
            std::fs::read(&path)
                .map_err(|error| format!("Fatal error, can't open config file '{path}': {error}"))?
        }
        None => Vec::new(),
    };
    let stdin = if line.read_stdin {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut text)
            .map_err(|error| error.to_string())?;
        text
    } else {
        Vec::new()
    };
    config
        .load(&line.assemble(&file, &stdin), &mut Files)
        .map_err(|error| error.to_string())?;
    let mut server = start(ServerOptions {
        config,
        clock: Arc::new(SystemClock),
        seed,
        any_port: false,
        used_memory,
    })
    .map_err(|error| error.to_string())?;
    let address = server
        .addresses()
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    println!(
        "Oxidis {} listens on {address}: try `redis-cli -p {}` or `oxidis cli -p {}` (PID: {})",
        env!("CARGO_PKG_VERSION"),
        server.port(),
        server.port(),
        std::process::id(),
    );
    println!("Ready to accept connections");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        tokio::select! {
            () = server.wait_for_shutdown() => {}
            () = asked_to_stop() => {}
        }
    });
    server.stop();
    Ok(())
}

#[cfg(unix)]
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// A seed that nobody can guess: the standard library seeds its hash maps from the system.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

#[cfg(not(target_env = "msvc"))]
fn used_memory() -> u64 {
    use tikv_jemalloc_ctl::{epoch, stats};
    // The numbers are those of the last epoch; without a new one they are merely old.
    let _ = epoch::advance();
    stats::allocated::read().map_or(0, |bytes| bytes as u64)
}

#[cfg(target_env = "msvc")]
fn used_memory() -> u64 {
    0
}
