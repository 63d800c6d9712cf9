//! Who is measured: Oxidis, redis-server, the servers that `--peer` names, and one that does nothing.

use anyhow::{Context, Result, bail};
use oxidis_testkit::ServerBuilder;

use super::run::Arguments;
use crate::workspace;

/// The name of the server under test in the tables.
pub const OXIDIS: &str = "oxidis";

/// The name of the reference in the tables.
pub const REFERENCE: &str = "redis-server";

/// The name of the server that does nothing.
pub const FLOOR: &str = "floor (answers +OK)";

/// A server with a number of workers.
pub struct Contender {
    /// Its name in the tables.
    pub name: String,
    /// How many workers it is told to have, or has where nobody can tell it.
    pub workers: u32,
    /// How it is started.
    pub builder: ServerBuilder,
}

/// Those of the comparison by workers: Oxidis and peers with each number of workers, the others with one.
///
/// # Errors
/// When a peer's command cannot be understood, or Oxidis cannot be built.
pub fn by_workers(arguments: &Arguments) -> Result<Vec<Contender>> {
    let ours = oxidis(arguments)?;
    let mut contenders = Vec::new();
    for &workers in &arguments.workers {
        let builder = ours
            .clone()
            .arguments(["--io-threads", &workers.to_string()]);
        contenders.push(contender(OXIDIS, workers, builder));
    }
    contenders.extend(reference());
    contenders.push(floor()?);
    contenders.extend(peers(arguments, &arguments.workers)?);
    Ok(contenders)
}

/// The same servers with the settings that they have by themselves, a peer with as many workers as there are cores; without
/// the one that does nothing.
///
/// # Errors
/// As [`by_workers`].
pub fn as_they_come(arguments: &Arguments) -> Result<Vec<Contender>> {
    let mut contenders = vec![contender(OXIDIS, 1, oxidis(arguments)?)];
    contenders.extend(reference());
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    contenders.extend(peers(arguments, &[cores])?);
    Ok(contenders)
}

/// The server that does nothing.
///
/// # Errors
/// When this program does not know where it lies.
pub fn floor() -> Result<Contender> {
    let program = std::env::current_exe()?;
    let builder = ServerBuilder::foreign(program).arguments(["bench-floor", "--port", "{port}"]);
    Ok(contender(FLOOR, 1, builder))
}

fn contender(name: &str, workers: u32, builder: ServerBuilder) -> Contender {
    Contender {
        name: name.to_owned(),
        workers,
        builder,
    }
}

fn oxidis(arguments: &Arguments) -> Result<ServerBuilder> {
    let program = match &arguments.server {
        Some(path) => std::path::absolute(path)?,
        None => workspace::server_binary()?,
    };
    Ok(ServerBuilder::new(program).arguments(["--appendonly", "no"]))
}

fn reference() -> Option<Contender> {
    match workspace::redis_server() {
        Ok(path) => {
            let builder = ServerBuilder::new(path).arguments(["--appendonly", "no"]);
            Some(contender(REFERENCE, 1, builder))
        }
        Err(error) => {
            println!("{error:#}: there is nothing to compare with");
            None
        }
    }
}

fn peers(arguments: &Arguments, workers: &[u32]) -> Result<Vec<Contender>> {
    let mut contenders = Vec::new();
    for peer in &arguments.peers {
        let (name, command) = peer
            .split_once('=')
            .context("a peer is given as NAME=COMMAND")?;
        if !command.contains("{port}") {
            bail!("the command of {name} does not say {{port}}");
        }
        let workers = if command.contains("{workers}") {
            workers
        } else {
            &[1]
        };
        for &workers in workers {
            let command = command.replace("{workers}", &workers.to_string());
            let mut words = command.split_whitespace();
            let program = words.next().context("a peer's command is empty")?;
            let builder = ServerBuilder::foreign(program).arguments(words);
            contenders.push(contender(name, workers, builder));
        }
    }
    Ok(contenders)
}
