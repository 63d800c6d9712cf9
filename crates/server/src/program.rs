//! What the binary does, for whoever has its arguments: the server, and under other names or with a first word, the
//! prompt, the benchmark, or what is done with files.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use crate::arguments::{self, Invocation};
use crate::{Allocator, diagnosis, files, run};

/// Does what the program's name and its arguments ask for; `before_serving` is called before a server makes its
/// first thread.
pub fn run(
    program: &OsStr,
    arguments: Vec<OsString>,
    allocator: Allocator,
    before_serving: impl FnOnce(),
) -> ExitCode {
    let outcome = match arguments::parse(program, arguments) {
        Invocation::Cli(arguments) => return oxidis_cli::run(arguments.into_iter()),
        Invocation::Benchmark(arguments) => return oxidis_benchmark::run(arguments.into_iter()),
        Invocation::Serve(line) => {
            before_serving();
            run::serve(&line, allocator)
        }
        Invocation::Check(options) => files::check(&options).map(exit_code),
        Invocation::Convert(options) => files::convert(&options).map(|()| ExitCode::SUCCESS),
        Invocation::Tell(text) => {
            print!("{text}");
            Ok(ExitCode::SUCCESS)
        }
        Invocation::Version => {
            println!("{}", arguments::version(allocator.name));
            Ok(ExitCode::SUCCESS)
        }
        Invocation::TestMemory(megabytes) => test_memory(megabytes),
        Invocation::CheckSystem => check_system(),
        Invocation::Complain(message) => Err(message),
    };
    match outcome {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn exit_code(is_well: bool) -> ExitCode {
    match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn test_memory(megabytes: usize) -> Result<ExitCode, String> {
    println!("Testing {megabytes} MB of memory.");
    match diagnosis::test_memory(megabytes).len() {
        0 => {
            println!("The memory holds what is written to it.");
            Ok(ExitCode::SUCCESS)
        }
        faults => Err(format!(
            "The memory is faulty: {faults} words were read back wrong."
        )),
    }
}

fn check_system() -> Result<ExitCode, String> {
    let findings = diagnosis::check_system();
    print!("{}", diagnosis::report(&findings));
    if findings.iter().any(|finding| finding.advice.is_some()) {
        return Err("Some settings of the system harm a server.".to_owned());
    }
    Ok(ExitCode::SUCCESS)
}
