//! The prompt as a program of its own: what `oxidis cli` is, without the server beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    oxidis_cli::run(std::env::args_os().skip(1))
}
