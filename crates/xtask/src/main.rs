//! The project's own tools: `cargo xtask COMMAND`. Each command is a room of its own; here is only
//! the command line.

mod bench;
mod compat;
mod fuzz_differential;
mod generate;
mod python;
mod record;
mod style;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tools.")]
struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Measure CPU per request and requests per second beside other servers.
    Bench(bench::Arguments),
    /// Serve as the server that does nothing, which `bench` measures beside the others.
    #[command(hide = true)]
    BenchFloor(bench::FloorArguments),
    /// Run Redis's own Tcl suite against the server, unit by unit.
    Compat(compat::Arguments),
    /// Build the wheel that is published, and test it.
    Dist(python::DistArguments),
    /// Send random commands to Oxidis and to redis-server and compare what they answer.
    FuzzDifferential(fuzz_differential::Arguments),
    /// Write the pages that are written from tables (docs/commands.md).
    Generate(generate::Arguments),
    /// Test the wheel.
    Python(python::TestArguments),
    /// Run the scripts of tests/transcripts against redis-server and keep its replies.
    Record(record::Arguments),
    /// Check the rules of the house.
    Style,
    /// Run every test there is.
    Test(test::Arguments),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().tool) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(tool: &Tool) -> Result<()> {
    match tool {
        Tool::Bench(arguments) => bench::run(arguments),
        Tool::BenchFloor(arguments) => bench::serve_floor(arguments),
        Tool::Compat(arguments) => compat::run(arguments),
        Tool::Dist(arguments) => python::dist(arguments),
        Tool::FuzzDifferential(arguments) => fuzz_differential::run(arguments),
        Tool::Generate(arguments) => generate::run(arguments),
        Tool::Python(arguments) => python::run(arguments),
        Tool::Record(arguments) => record::run(arguments),
        Tool::Style => style::run(),
        Tool::Test(arguments) => test::run(arguments),
    }
}
