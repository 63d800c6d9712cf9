//! The wheel: `cargo xtask dist` builds it, `cargo xtask python` (and `cargo xtask test`) tests it. Everything that
//! takes from the Python package index goes into environments under `target/python`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// What the tests and the build need, by exact versions.
const REQUIREMENTS: &str = "crates/python/requirements.txt";

#[derive(clap::Args)]
pub struct DistArguments {
    /// Do not run the tests with the wheel.
    #[arg(long)]
    untested: bool,
}

#[derive(clap::Args)]
pub struct TestArguments {
    /// Test this wheel, instead of one built from the sources as they are.
    #[arg(long)]
    wheel: Option<PathBuf>,
    /// What pytest is told, such as `-k NAME`; then nothing but pytest runs.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pytest: Vec<String>,
}

/// Builds the wheel that is published, and tests it in an environment that has nothing else.
///
/// # Errors
/// When it cannot be built, or a test fails.
pub fn dist(arguments: &DistArguments) -> Result<()> {
    let tools = Environment::with_requirements()?;
    let wheel = build(&tools, "release", &folder().join("dist"))?;
    if !arguments.untested {
        test_in(&Environment::clean()?.and_wheel(&wheel)?)?;
    }
    let size = fs::metadata(&wheel)?.len();
    println!("{} ({} KiB)", wheel.display(), size / 1024);
    Ok(())
}

/// The tool `cargo xtask python`.
///
/// # Errors
/// When a test fails.
pub fn run(arguments: &TestArguments) -> Result<()> {
    let wheel = match &arguments.wheel {
        Some(wheel) => wheel.clone(),
        None => build_for_tests()?,
    };
    if arguments.pytest.is_empty() {
        return test_wheel(&wheel);
    }
    let environment = Environment::with_wheel(&wheel)?;
    workspace::run(pytest(&environment).args(&arguments.pytest))
}

/// Tests a wheel built as quickly as can be.
///
/// # Errors
/// When a test fails.
pub fn test() -> Result<()> {
    test_wheel(&build_for_tests()?)
}

fn build_for_tests() -> Result<PathBuf> {
    let tools = Environment::with_requirements()?;
    build(&tools, "dev", &folder().join("wheels"))
}

fn test_wheel(wheel: &Path) -> Result<()> {
    test_in(&Environment::with_wheel(wheel)?)
}

/// Types, then the tests in two processes, then those of the fixtures in one.
fn test_in(environment: &Environment) -> Result<()> {
    workspace::run(
        environment
            .module("mypy")
            .args(["--strict", "--package", "oxidis"]),
    )?;
    workspace::run(environment.module("mypy.stubtest").arg("oxidis._native"))?;
    let quietly = ["-q", "-p", "no:cacheprovider"];
    workspace::run(pytest(environment).args(quietly).args(["-n", "2"]))?;
    // The fixtures once more where all tests share one server.
    let plugin = "tests/test_pytest_plugin.py";
    workspace::run(pytest(environment).args(quietly).arg(plugin))
}

fn pytest(environment: &Environment) -> Command {
    let mut command = environment.module("pytest");
    command.current_dir(workspace::root().join("crates/python"));
    command
}

/// Builds a wheel with a profile of cargo's into a folder that then holds only that.
fn build(tools: &Environment, profile: &str, into: &Path) -> Result<PathBuf> {
    if into.is_dir() {
        fs::remove_dir_all(into)?;
    }
    workspace::run(
        tools
            .module("maturin")
            .args(["build", "--quiet", "--profile", profile, "--manifest-path"])
            .arg("crates/python/Cargo.toml")
            .arg("--out")
            .arg(into),
    )?;
    let wheels = fs::read_dir(into)?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut wheels = wheels.filter(|path| path.extension().is_some_and(|ending| ending == "whl"));
    wheels.next().context("maturin has built no wheel")
}

/// Where all of this lies.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace::root().join("target"), PathBuf::from);
    target.join("python")
}

/// Who is measured beside Oxidis.
const PEERS: &str = "crates/python/bench/requirements.txt";

/// A virtual environment of Python.
pub struct Environment(PathBuf);

impl Environment {
    /// One with all that is in the list of requirements. It is made anew when that changes.
    fn with_requirements() -> Result<Self> {
        let requirements = fs::read_to_string(workspace::root().join(REQUIREMENTS))?;
        let environment = Environment(folder().join("environment"));
        let mark = environment.0.join("requirements.txt");
        if !fs::read_to_string(&mark).is_ok_and(|installed| installed == requirements) {
            environment.make()?;
            fs::write(mark, requirements)?;
        }
        Ok(environment)
    }

    /// The same made anew in any case, so that there is nothing else in it.
    fn clean() -> Result<Self> {
        let environment = Environment(folder().join("clean"));
        environment.make()?;
        Ok(environment)
    }

    fn make(&self) -> Result<()> {
        if self.0.is_dir() {
            fs::remove_dir_all(&self.0)?;
        }
        let made = Command::new("python3")
            .args(["-m", "venv"])
            .arg(&self.0)
            .status()
            .context("python3 cannot be run")?;
        if !made.success() {
            bail!("python3 -m venv failed (Debian: apt-get install python3-venv)");
        }
        workspace::run(self.pip_install().arg("-r").arg(REQUIREMENTS))
    }

    /// The one with the requirements and with this wheel.
    fn with_wheel(wheel: &Path) -> Result<Self> {
        Self::with_requirements()?.and_wheel(wheel)
    }

    /// It with this wheel.
    fn and_wheel(self, wheel: &Path) -> Result<Self> {
        workspace::run(
            self.pip_install()
                .args(["--force-reinstall", "--no-deps"])
                .arg(wheel),
        )?;
        Ok(self)
    }

    /// One with the wheel that is published and those that it is measured beside.
    pub fn for_bench() -> Result<Self> {
        let tools = Self::with_requirements()?;
        let wheel = build(&tools, "release", &folder().join("dist"))?;
        // They do not get into the way of the tests.
        let environment = Environment(folder().join("bench"));
        if !environment.0.is_dir() {
            environment.make()?;
        }
        let environment = environment.and_wheel(&wheel)?;
        workspace::run(environment.pip_install().arg("-r").arg(PEERS))?;
        Ok(environment)
    }

    /// Its interpreter.
    pub fn python(&self) -> Command {
        let mut command = Command::new(self.0.join("bin/python"));
        command.env_remove("PYTHONPATH");
        command
    }

    fn pip_install(&self) -> Command {
        let mut command = self.module("pip");
        command.args(["install", "--quiet", "--disable-pip-version-check"]);
        command
    }

    /// Runs a module of it, at the root of the workspace.
    fn module(&self, name: &str) -> Command {
        let mut command = self.python();
        command
            .args(["-m", name])
            .current_dir(workspace::root())
            .env("VIRTUAL_ENV", &self.0);
        command
    }
}
