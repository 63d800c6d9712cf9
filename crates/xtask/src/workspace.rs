//! Where things lie in the workspace, and how the tools run other programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

/// The cargo that runs this tool.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a program to its end; that it fails is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command
        .status()
        .with_context(|| format!("{shown} cannot be run"))?;
    if !status.success() {
        bail!("{shown} failed: {status}");
    }
    Ok(())
}

/// The server binary that the tools work on: `OXIDIS_BIN` if it is set, else the release build of
/// this workspace, brought up to date.
pub fn server_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(oxidis_testkit::server::BINARY_VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    run(cargo().args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "oxidis-server",
        "--bin",
        "oxidis",
    ]))?;
    Ok(built_binary("release"))
}

/// Where cargo puts the server binary of a profile.
pub fn built_binary(profile: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target
        .join(profile)
        .join("oxidis")
        .with_extension(std::env::consts::EXE_EXTENSION)
}

/// The reference server; tools that need it say how to get it when it is missing.
pub fn redis_server() -> Result<PathBuf> {
    oxidis_testkit::server::redis_server().context(
        "redis-server is not installed (Debian: apt-get install redis-server; it must be 7.0.15)",
    )
}
