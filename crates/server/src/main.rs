//! The `oxidis` binary: the server, and under other names or with a first word, the prompt.

use std::process::ExitCode;
use std::sync::Arc;

use oxidis_engine::config::{CommandLine, Config};
use oxidis_server::arguments::{self, Invocation};
use oxidis_server::{
    Allocator, ServerOptions, SystemClock, configuration, descriptors, diagnosis, start,
};

#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let outcome = match arguments::parse(&program, arguments.collect()) {
        Invocation::Cli(arguments) => return oxidis_cli::run(arguments.into_iter()),
        Invocation::Serve(line) => serve(&line),
        Invocation::Version => {
            println!("{}", arguments::version(allocator().name));
            Ok(())
        }
        Invocation::TestMemory(megabytes) => test_memory(megabytes),
        Invocation::CheckSystem => check_system(),
        Invocation::Complain(message) => Err(message),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn test_memory(megabytes: usize) -> Result<(), String> {
    println!("Testing {megabytes} MB of memory.");
    match diagnosis::test_memory(megabytes).len() {
        0 => {
            println!("The memory holds what is written to it.");
            Ok(())
        }
        faults => Err(format!(
            "The memory is faulty: {faults} words were read back wrong."
        )),
    }
}

fn check_system() -> Result<(), String> {
    let findings = diagnosis::check_system();
    print!("{}", diagnosis::report(&findings));
    if findings.iter().any(|finding| finding.advice.is_some()) {
        return Err("Some settings of the system harm a server.".to_owned());
    }
    Ok(())
}

fn serve(line: &CommandLine) -> Result<(), String> {
    let seed = seed();
    let config = Arc::new(Config::new(seed));
    let cores = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(128);
    config
        .set_default("io-threads", cores.to_string().as_bytes())
        .map_err(|error| error.to_string())?;
    configuration::load(&config, line).map_err(|error| error.to_string())?;
    let clients = config.maxclients();
    let possible = descriptors::make_room_for(clients);
    if possible < clients {
        println!(
            "The system has file descriptors for no more than {possible} clients: that many is maxclients, not {clients}."
        );
        config
            .set_default("maxclients", possible.max(1).to_string().as_bytes())
            .map_err(|error| error.to_string())?;
    }
    let mut server = start(ServerOptions {
        config,
        clock: Arc::new(SystemClock),
        seed,
        any_port: false,
        allocator: allocator(),
    })
    .map_err(|error| error.to_string())?;
    let address = server
        .addresses()
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    println!(
        "Oxidis {} listens on {address}: try `redis-cli -p {}` or `oxidis cli -p {}`. PID: {}",
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
fn allocator() -> Allocator {
    use tikv_jemalloc_ctl::{epoch, stats};
    Allocator {
        name: "jemalloc",
        allocated_bytes: || {
            // The numbers are those of the last epoch; without a new one they are merely old.
            let _ = epoch::advance();
            stats::allocated::read().map_or(0, |bytes| bytes as u64)
        },
        active_bytes: || stats::active::read().ok().map(|bytes| bytes as u64),
        resident_bytes: || stats::resident::read().ok().map(|bytes| bytes as u64),
    }
}

#[cfg(target_env = "msvc")]
fn allocator() -> Allocator {
    Allocator {
        name: "system",
        allocated_bytes: || 0,
        active_bytes: || None,
        resident_bytes: || None,
    }
}
