//! `cargo xtask record`: runs the scripts `tests/transcripts/*.commands` against redis-server 7.0.15
//! and keeps commands with replies beside them, as `*.resp2.transcript` and `*.resp3.transcript`; scripts
//! that say `@encodings` once with small and once with big collections.
//!
//! Scripts that say `@server` are about commands that 7.0.15 does not have: they are run against the
//! server that they name, which `--server` gives.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use oxidis_testkit::ServerBuilder;
use oxidis_testkit::transcript::{
    DEFAULT_SERVER, Encodings, Protocol, arguments_of, file_name, record, server_of,
};

use crate::workspace;

#[derive(clap::Args)]
pub struct Arguments {
    /// The server to record from, a redis-server or valkey-server; scripts about another are left alone.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Only these scripts (names without folder and ending).
    names: Vec<String>,
}

/// Runs the tool.
///
/// # Errors
/// When the server is missing or of a version that no script is about, or a script cannot be run.
pub fn run(arguments: &Arguments) -> Result<()> {
    let program = match &arguments.server {
        Some(path) => path.clone(),
        None => workspace::redis_server()?,
    };
    let server = name_of(&program)?;
    let mut recorded = 0;
    for script in scripts(&arguments.names)? {
        let commands = std::fs::read_to_string(&script)?;
        if server_of(&commands) != server {
            continue;
        }
        recorded += 1;
        for encodings in Encodings::of_script(&commands) {
            for protocol in Protocol::ALL {
                record_script(&program, &server, &script, &commands, encodings, protocol)
                    .with_context(|| script.display().to_string())?;
            }
        }
    }
    if recorded == 0 {
        bail!(
            "{} is {server}; no such script is about it (most are about {DEFAULT_SERVER})",
            program.display()
        );
    }
    Ok(())
}

/// Name and version of a server, as scripts say them.
fn name_of(program: &Path) -> Result<String> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| program.display().to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text.split_whitespace();
    let name = words.next();
    let version = words.find_map(|word| word.strip_prefix("v="));
    match (name, version) {
        (Some(name), Some(version)) => Ok(format!("{}-server {version}", name.to_lowercase())),
        _ => bail!(
            "{} does not say which server it is: {text}",
            program.display()
        ),
    }
}

fn scripts(names: &[String]) -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join("tests/transcripts");
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.extension().is_some_and(|ending| ending == "commands")
            && (names.is_empty() || names.contains(&name))
        {
            scripts.push(path);
        }
    }
    scripts.sort();
    Ok(scripts)
}

fn record_script(
    program: &Path,
    server: &str,
    script: &Path,
    commands: &str,
    encodings: Option<Encodings>,
    protocol: Protocol,
) -> Result<()> {
    let limits = encodings.map_or(&[][..], Encodings::arguments);
    let started = ServerBuilder::new(program)
        .arguments(limits)
        .arguments(arguments_of(commands))
        .start()?;
    let transcript = record(commands, &started, protocol)?;
    let head =
        format!("# Recorded from {server} by `cargo xtask record`: edit the script, not this.\n");
    let name = script.file_stem().unwrap_or_default().to_string_lossy();
    let file = script.with_file_name(file_name(&name, encodings, protocol));
    let count = transcript
        .lines()
        .filter(|line| !line.starts_with([' ', '#']) && !line.is_empty())
        .count();
    println!("{}: {count} commands", file.display());
    std::fs::write(&file, head + &transcript)?;
    Ok(())
}
