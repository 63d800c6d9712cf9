//! The command `oxidis`, which comes with the wheel: what the binary does, in the interpreter's process. And which
//! commands there are to be sent.

use std::ffi::OsString;
use std::process::ExitCode;

use oxidis_engine::command::table;
use oxidis_server::{Allocator, program};
use pyo3::prelude::*;

/// Does what the binary does with these arguments, the first of which is the program's name; answers its exit code.
#[pyfunction]
pub fn run(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    let code = py.detach(|| {
        let mut arguments = arguments.into_iter();
        let program = arguments.next().unwrap_or_default();
        program::run(&program, arguments.collect(), Allocator::UNKNOWN, || {})
    });
    // The standard library does not tell what it is, but whether it is the same.
    (0..=u8::MAX)
        .find(|&number| ExitCode::from(number) == code)
        .unwrap_or(1)
}

/// The names of all commands and subcommands, in capitals, and what they do.
#[pyfunction]
pub fn commands() -> Vec<(String, &'static str)> {
    let all = table().all().iter();
    all.map(|it| {
        let name = it.full_name.to_ascii_uppercase().replace('|', " ");
        (name, it.command.summary)
    })
    .collect()
}
