//! `cargo xtask test`: every test there is, with nothing but cargo, a C compiler and python3.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::{python, style, workspace};

#[derive(clap::Args)]
pub struct Arguments {
    /// Test the release build instead of the debug build (whose checks of overflow find more).
    #[arg(long)]
    release: bool,
}

/// Runs the tool.
///
/// # Errors
/// When a test fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    style::run()?;
    let profile: &[&str] = if arguments.release {
        &["--release"]
    } else {
        &[]
    };
    // The integration tests start the binary: built once here, they need not ask cargo for it.
    workspace::run(
        workspace::cargo()
            .args(["build", "--package", "oxidis-server", "--bin", "oxidis"])
            .args(profile),
    )?;
    let binary = workspace::built_binary(if arguments.release {
        "release"
    } else {
        "debug"
    });
    let tested = |command: &mut Command| {
        command.env(oxidis_testkit::server::BINARY_VARIABLE, &binary);
        workspace::run(command)
    };
    if has_nextest() {
        tested(
            workspace::cargo()
                .args(["nextest", "run", "--workspace"])
                .args(nextest_profile(arguments.release)),
        )?;
    } else {
        tested(
            workspace::cargo()
                .args(["test", "--workspace", "--all-targets"])
                .args(profile),
        )?;
    }
    tested(
        workspace::cargo()
            .args(["test", "--workspace", "--doc"])
            .args(profile),
    )?;
    python::test()?;
    println!("every test passed");
    Ok(())
}

fn has_nextest() -> bool {
    let mut version = workspace::cargo();
    version
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

fn nextest_profile(release: bool) -> &'static [&'static str] {
    if release { &["--release"] } else { &[] }
}
