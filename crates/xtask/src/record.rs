//! `cargo xtask record`: runs the scripts `tests/transcripts/*.commands` against redis-server 7.0.15
//! and keeps commands with replies beside them, as `*.resp2.transcript` and `*.resp3.transcript`; scripts
//! that say `@encodings` once with small and once with big collections.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use oxidis_testkit::ServerBuilder;
use oxidis_testkit::transcript::{Encodings, Protocol, file_name, record};

use crate::workspace;

/// The version whose replies are kept.
const VERSION: &str = "7.0.15";

#[derive(clap::Args)]
pub struct Arguments {
    /// Only these scripts (names without folder and ending).
    names: Vec<String>,
}

/// Runs the tool.
///
/// # Errors
/// When redis-server is missing or of another version, or a script cannot be run.
pub fn run(arguments: &Arguments) -> Result<()> {
    let program = workspace::redis_server()?;
    let version = Command::new(&program).arg("--version").output()?;
    if !String::from_utf8_lossy(&version.stdout).contains(&format!("v={VERSION} ")) {
        bail!(
            "transcripts are recorded from redis-server {VERSION}, this is another: {}",
            program.display()
        );
    }
    for script in scripts(&arguments.names)? {
        let commands = std::fs::read_to_string(&script)?;
        for encodings in Encodings::of_script(&commands) {
            for protocol in Protocol::ALL {
                record_script(&program, &script, &commands, encodings, protocol)
                    .with_context(|| script.display().to_string())?;
            }
        }
    }
    Ok(())
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
    script: &Path,
    commands: &str,
    encodings: Option<Encodings>,
    protocol: Protocol,
) -> Result<()> {
    let limits = encodings.map_or(&[][..], Encodings::arguments);
    let server = ServerBuilder::new(program).arguments(limits).start()?;
    let transcript = record(commands, &server, protocol)?;
    let head = format!(
        "# Recorded from redis-server {VERSION} by `cargo xtask record`: edit the script, not this.\n"
    );
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
