//! The command line of the binary: which mode a program name and its arguments select. Deciding
//! only; what is decided is done in `main`.

use std::ffi::{OsStr, OsString};

use oxidis_engine::config::{CommandLine, parse_arguments};
use oxidis_engine::version::{OXIDIS_VERSION, REDIS_VERSION};

use crate::files::arguments::{
    CheckOptions, ConvertOptions, Manner, Refusal, parse_check, parse_dump, parse_load,
};

/// What the binary is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Run a server with this configuration.
    Serve(CommandLine),
    /// Run the prompt with these arguments.
    Cli(Vec<OsString>),
    /// Run the benchmark with these arguments.
    Benchmark(Vec<OsString>),
    /// Test this many mebibytes of memory.
    TestMemory(usize),
    /// Look for settings of the system that make a server slow or unsafe.
    CheckSystem,
    /// Say whether files are whole.
    Check(CheckOptions),
    /// Write data in another format.
    Convert(ConvertOptions),
    /// Say this, which was asked for.
    Tell(String),
    /// Tell the version, as [`version`] has it.
    Version,
    /// Say on the standard error what is wrong, and fail.
    Complain(String),
}

/// The modes that a program name can select, by its ending.
enum Mode {
    Server,
    Cli,
    Benchmark,
    Check(Manner),
    Missing(&'static str),
    Any,
}

/// Decides by the program's name and its arguments.
///
/// A name that ends in `-server`, `-cli`, `-benchmark`, `-check-aof` or `-check-rdb` selects that mode, so
/// that a link called `redis-server` behaves as one would expect; under any other name a first argument
/// `cli`, `benchmark`, `check`, `dump` or `load` does. The rest is as redis-server has it, exit codes included: `--help` and mistakes go
/// to the standard error and fail.
pub fn parse(program: &OsStr, arguments: Vec<OsString>) -> Invocation {
    let rest = |arguments: Vec<OsString>| arguments.into_iter().skip(1).collect();
    let first_is = |word: &str| arguments.first().is_some_and(|first| first == word);
    match mode_of(program) {
        Mode::Cli => Invocation::Cli(arguments),
        Mode::Benchmark => Invocation::Benchmark(arguments),
        Mode::Missing(what) => {
            Invocation::Complain(format!("Oxidis {OXIDIS_VERSION} has no {what} mode."))
        }
        Mode::Any if first_is("cli") => Invocation::Cli(rest(arguments)),
        Mode::Any if first_is("benchmark") => Invocation::Benchmark(rest(arguments)),
        Mode::Check(manner) => invoke(parse_check(manner, arguments), Invocation::Check),
        Mode::Any if first_is("check") => {
            invoke(parse_check(Manner::Own, rest(arguments)), Invocation::Check)
        }
        Mode::Any if first_is("dump") => invoke(parse_dump(rest(arguments)), Invocation::Convert),
        Mode::Any if first_is("load") => invoke(parse_load(rest(arguments)), Invocation::Convert),
        Mode::Any | Mode::Server => parse_server(&arguments),
    }
}

fn invoke<O>(options: Result<O, Refusal>, invocation: impl FnOnce(O) -> Invocation) -> Invocation {
    match options {
        Ok(options) => invocation(options),
        Err(Refusal::Asked(text)) => Invocation::Tell(text),
        Err(Refusal::Wrong(text)) => Invocation::Complain(text),
    }
}

fn mode_of(program: &OsStr) -> Mode {
    let name = program.to_string_lossy();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.strip_suffix(".exe").unwrap_or(name);
    let ends_in = |ending: &str| name.ends_with(ending);
    if ends_in("-cli") {
        Mode::Cli
    } else if ends_in("-server") {
        Mode::Server
    } else if ends_in("-benchmark") {
        Mode::Benchmark
    } else if ends_in("-sentinel") {
        Mode::Missing("Sentinel")
    } else if ends_in("-check-rdb") {
        Mode::Check(Manner::CheckRdb)
    } else if ends_in("-check-aof") {
        Mode::Check(Manner::CheckAof)
    } else {
        Mode::Any
    }
}

fn parse_server(arguments: &[OsString]) -> Invocation {
    let words: Vec<&str> = arguments
        .iter()
        .map(|argument| argument.to_str().unwrap_or(""))
        .collect();
    match words.as_slice() {
        ["-v" | "--version", ..] => Invocation::Version,
        ["-h" | "--help", ..] => Invocation::Complain(usage()),
        ["--test-memory", megabytes] => Invocation::TestMemory(megabytes.parse().unwrap_or(0)),
        ["--test-memory", ..] => Invocation::Complain(
            "--test-memory needs the number of megabytes to test, as in: oxidis --test-memory 4096"
                .to_owned(),
        ),
        ["--check-system", ..] => Invocation::CheckSystem,
        words if words.contains(&"--sentinel") => {
            Invocation::Complain(format!("Oxidis {OXIDIS_VERSION} has no Sentinel mode."))
        }
        _ => {
            let bytes: Vec<Vec<u8>> = arguments
                .iter()
                .map(|argument| bytes_of(argument))
                .collect();
            Invocation::Serve(parse_arguments(&bytes))
        }
    }
}

/// One line in which tools that look for redis-server's find the version of Redis that we behave like.
pub fn version(allocator: &str) -> String {
    format!(
        "Oxidis {OXIDIS_VERSION}, a Redis server v={REDIS_VERSION} sha=00000000:0 malloc={allocator} \
         bits={} build=0",
        usize::BITS
    )
}

fn usage() -> String {
    [
        "Usage: oxidis [FILE] [--DIRECTIVE VALUE ...] [-]",
        "       oxidis cli [OPTIONS] [COMMAND ...]",
        "       oxidis benchmark [OPTIONS] [COMMAND ...]",
        "       oxidis check [--fix] FILE",
        "       oxidis dump SOURCE [TARGET]",
        "       oxidis load SOURCE [TARGET]",
        "",
        "The server reads FILE (a redis.conf), then, for a -, its standard input, then the",
        "directives given as options; the last word wins.",
        "",
        "  -h, --help            this text",
        "  -v, --version         the version",
        "  --test-memory MB      tests that much memory",
        "  --check-system        looks for settings of the system that harm a server",
        "",
        "  oxidis                                     everything by default",
        "  oxidis --port 7000 --requirepass secret    another port, a password",
        "  oxidis /etc/redis/redis.conf --save ''     a file, but without saving",
        "  echo 'maxmemory 1gb' | oxidis -            from the standard input",
        "  oxidis cli SET key value                   one command to a server",
        "",
        "A link to this program whose name ends in -server, -cli, -benchmark, -check-aof or -check-rdb",
        "is that mode. Each mode has its own --help.",
    ]
    .join("\n")
}

/// The bytes of an argument, whatever they are where any are allowed.
fn bytes_of(argument: &OsStr) -> Vec<u8> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        argument.as_bytes().to_vec()
    }
    #[cfg(not(unix))]
    {
        argument.to_string_lossy().into_owned().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(program: &str, arguments: &[&str]) -> Invocation {
        parse(
            OsStr::new(program),
            arguments.iter().map(OsString::from).collect(),
        )
    }

    #[test]
    fn the_name_selects_the_mode() {
        let words = vec![OsString::from("cli"), OsString::from("PING")];
        assert_eq!(
            invocation("/usr/bin/redis-cli", &["cli", "PING"]),
            Invocation::Cli(words.clone())
        );
        assert_eq!(
            invocation(r"C:\oxidis-cli.exe", &["cli", "PING"]),
            Invocation::Cli(words)
        );
        assert_eq!(
            invocation("oxidis", &["cli", "PING"]),
            Invocation::Cli(vec!["PING".into()])
        );
        let Invocation::Serve(line) = invocation("./redis-server", &["cli", "--port", "1"]) else {
            panic!("a link called redis-server serves");
        };
        assert_eq!(line.config_file, Some(b"cli".to_vec()));
        let arguments = vec![OsString::from("-q")];
        assert_eq!(
            invocation("redis-benchmark", &["-q"]),
            Invocation::Benchmark(arguments.clone())
        );
        assert_eq!(
            invocation("oxidis", &["benchmark", "-q"]),
            Invocation::Benchmark(arguments)
        );
        assert!(matches!(
            invocation("redis-check-aof", &[]),
            Invocation::Complain(_)
        ));
        assert!(matches!(
            invocation("redis-check-rdb", &["dump.rdb"]),
            Invocation::Check(options) if options.manner == Manner::CheckRdb
        ));
        assert!(matches!(
            invocation("oxidis", &["dump", "dump.rdb"]),
            Invocation::Convert(_)
        ));
        assert!(matches!(
            invocation("oxidis", &["load", "--help"]),
            Invocation::Tell(_)
        ));
        assert!(matches!(
            invocation("oxidis", &["--sentinel"]),
            Invocation::Complain(_)
        ));
    }

    #[test]
    fn the_first_argument_may_ask_for_something_else() {
        assert_eq!(invocation("oxidis", &["--version"]), Invocation::Version);
        assert!(version("libc").contains(&format!("Redis server v={REDIS_VERSION} ")));
        assert!(matches!(
            invocation("oxidis", &["-h"]),
            Invocation::Complain(_)
        ));
        assert_eq!(
            invocation("oxidis", &["--test-memory", "12"]),
            Invocation::TestMemory(12)
        );
        assert!(matches!(
            invocation("oxidis", &["--test-memory"]),
            Invocation::Complain(_)
        ));
        assert_eq!(
            invocation("oxidis", &["--check-system"]),
            Invocation::CheckSystem
        );
        // Only the first: elsewhere it is a directive like others, which will not be known.
        assert!(matches!(
            invocation("oxidis", &["--port", "1", "--version"]),
            Invocation::Serve(_)
        ));
    }
}
