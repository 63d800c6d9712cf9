//! The command line: the flags of `redis-benchmark`, read into [`Options`].

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};
use oxidis_client::flags::{
    culprit, is_given, read_target, switch, target_flags, text, trailing_command, value, words,
};
use oxidis_client::{Target, TargetError};
use oxidis_resp::number::leading_integer;

use crate::report::Format;

/// The most threads that are started, whatever is asked for.
const THREADS_LIMIT: usize = 500;

/// The longest value, in bytes.
const DATA_LIMIT: i64 = 1 << 30;

/// The most significant digits of a latency, whatever is asked for, and how many there are otherwise.
const DIGITS_LIMIT: i64 = 4;
const DEFAULT_DIGITS: u8 = 3;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Which server, and as whom.
    pub target: Target,
    /// How many connections (`-c`).
    pub clients: usize,
    /// How many requests a test sends (`-n`).
    pub requests: u64,
    /// How long values are, in bytes (`-d`).
    pub data_bytes: usize,
    /// Below what the numbers in requests stay; without it there are none (`-r`).
    pub numbers_below: Option<u64>,
    /// The seed of these numbers and of the value (`--seed`); else by chance.
    pub seed: Option<u64>,
    /// How many requests are sent at once (`-P`).
    pub depth: usize,
    /// Whether a connection lasts longer than a batch (`-k`).
    pub keep_alive: bool,
    /// How many threads (`--threads`); 0 where the flag is absent, which is one thread.
    pub threads: usize,
    /// Whether connections speak RESP3 (`-3`).
    pub resp3: bool,
    /// Whether connections ask to be told of changes (`--enable-tracking`).
    pub tracking: bool,
    /// How results are printed (`-q`, `--csv`).
    pub format: Format,
    /// To how many significant digits latencies are told apart (`--precision`).
    pub latency_digits: u8,
    /// Which tests, in lower case; all where absent (`-t`).
    pub tests: Option<Vec<String>>,
    /// Whether it all begins anew for ever (`-l`).
    pub repeats: bool,
    /// Whether connections are held and nothing is sent (`-I`).
    pub is_idle: bool,
    /// Whether the command's last argument is on the standard input (`-x`).
    pub last_from_input: bool,
    /// The command that is measured instead of the tests.
    pub command: Vec<Vec<u8>>,
    /// What is to be said on the standard error before anything is done.
    pub warnings: Vec<String>,
}

/// Why the command line does not lead to [`Options`].
#[derive(Debug, thiserror::Error)]
pub enum ArgumentsError {
    /// Help or the version was asked for: this is it.
    #[error("{0}")]
    Asked(String),
    /// A flag that is unknown or lacks its value.
    #[error(
        "Invalid option \"{0}\" or option argument missing\n\nTry oxidis benchmark --help for the flags."
    )]
    Invalid(String),
    /// Requests are not dealt out to the nodes of a cluster.
    #[error("There is no cluster mode: name one node, and keys that it serves.")]
    Cluster,
    /// A flag that is to name the server and names none.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Reads the arguments that follow the program's name.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Options, ArgumentsError> {
    let matches = command().try_get_matches_from(arguments).map_err(explain)?;
    read(&matches)
}

fn explain(error: clap::Error) -> ArgumentsError {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            ArgumentsError::Asked(error.to_string())
        }
        _ => ArgumentsError::Invalid(culprit(&error)),
    }
}

fn read(matches: &ArgMatches) -> Result<Options, ArgumentsError> {
    let number =
        |id: &str, default: i64| text(matches, id).map_or(default, |value| leading_integer(&value));
    let count = |id: &str, default: i64, least: i64| number(id, default).max(least) as usize;
    if is_given(matches, "cluster") {
        return Err(ArgumentsError::Cluster);
    }
    let mut warnings = Vec::new();
    let mut threads = count("threads", 0, 0);
    if threads > THREADS_LIMIT {
        warnings.push(format!(
            "WARNING: Too many threads, limiting threads to {THREADS_LIMIT}."
        ));
        threads = THREADS_LIMIT;
    }
    if is_given(matches, "show-errors") {
        warnings.push("WARNING: -e has no effect: an error always ends the run.".to_owned());
    }
    let keep_alive = number("keep-alive", 1) != 0;
    if !keep_alive {
        warnings.push(
            "WARNING: Keepalive disabled. Closed connections linger in TIME_WAIT; with many \
             clients or requests the system may run out of ports unless it reuses them."
                .to_owned(),
        );
    }
    let command = words(matches);
    if !command.is_empty() && text(matches, "tests").is_some() {
        warnings.push("WARNING: Option -t is ignored.".to_owned());
    }
    Ok(Options {
        target: read_target(matches)?,
        clients: count("clients", 50, 1),
        requests: number("requests", 100_000).max(0) as u64,
        data_bytes: number("data", 3).clamp(1, DATA_LIMIT) as usize,
        numbers_below: read_numbers_below(matches)?,
        seed: text(matches, "seed").map(|value| leading_integer(&value) as u64),
        depth: count("pipeline", 1, 1),
        keep_alive,
        threads,
        resp3: is_given(matches, "resp3"),
        tracking: is_given(matches, "tracking"),
        format: if is_given(matches, "csv") {
            Format::Csv
        } else if is_given(matches, "quiet") {
            Format::Quiet
        } else {
            Format::Full
        },
        latency_digits: match number("precision", DEFAULT_DIGITS.into()) {
            ..0 => DEFAULT_DIGITS,
            digits => digits.min(DIGITS_LIMIT) as u8,
        },
        tests: text(matches, "tests").map(|names| {
            let names = names.to_lowercase();
            names.split(',').map(str::to_owned).collect()
        }),
        repeats: is_given(matches, "loop"),
        is_idle: is_given(matches, "idle"),
        last_from_input: is_given(matches, "stdin-last"),
        command,
        warnings,
    })
}

/// A number below 0 counts as 0; what looks like a flag is no number.
fn read_numbers_below(matches: &ArgMatches) -> Result<Option<u64>, ArgumentsError> {
    let Some(value) = text(matches, "numbers") else {
        return Ok(None);
    };
    if let Some(rest) = value.strip_prefix('-')
        && !rest.starts_with(|first: char| first.is_ascii_digit())
    {
        return Err(ArgumentsError::Invalid("-r".to_owned()));
    }
    Ok(Some(leading_integer(&value).max(0) as u64))
}

fn command() -> Command {
    Command::new("oxidis-benchmark")
        .version(env!("CARGO_PKG_VERSION"))
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .override_usage("oxidis benchmark [OPTIONS] [COMMAND [ARGUMENT ...]]")
        .about("Sends many requests to a Redis-compatible server and prints how fast it answered; without a command it runs a series of tests.")
        .after_help(AFTER_HELP)
        .next_help_heading("Connection")
        .args(target_flags())
        .args([
            value("database", "NUMBER", "Database to select").long("dbnum"),
            switch("resp3", "Speak RESP3").short('3'),
            switch("tracking", "Ask to be told of changes (CLIENT TRACKING on)").long("enable-tracking"),
        ])
        .next_help_heading("Load")
        .args([
            value("clients", "COUNT", "Connections [default: 50]").short('c'),
            value("requests", "COUNT", "Requests of each test [default: 100000]").short('n'),
            value("pipeline", "COUNT", "Requests that a connection sends at once [default: 1]").short('P'),
            value("threads", "COUNT", "Threads that share the connections [default: one]").long("threads"),
            value("keep-alive", "0|1", "Whether connections last; with 0 each batch has its own [default: 1]").short('k'),
            switch("loop", "Begin anew for ever").short('l'),
            switch("idle", "Open the connections, send nothing and wait").short('I'),
        ])
        .next_help_heading("Requests")
        .args([
            value("tests", "NAMES", "Only these tests, separated by commas; no effect with a command").short('t'),
            value("data", "BYTES", "Length of values, and of __data__ in a command [default: 3]").short('d'),
            value("numbers", "COUNT", "Put a random number of 12 digits, below COUNT, in place of each __rand_int__; without this flag all requests of a test are the same").short('r'),
            value("seed", "NUMBER", "Seed of the random numbers").long("seed"),
            switch("stdin-last", "Take the command's last argument from standard input").short('x'),
        ])
        .next_help_heading("Printing")
        .args([
            switch("quiet", "A line a test").short('q'),
            switch("csv", "Comma separated values").long("csv"),
            value("precision", "DIGITS", "Significant digits of latencies, at most 4 [default: 3]").long("precision"),
        ])
        .next_help_heading("Other")
        .args([
            Arg::new("help").long("help").action(ArgAction::Help).help("Print this help"),
            Arg::new("version").short('v').long("version").action(ArgAction::Version).help("Print the version"),
            // Known, that whoever passes it learns why it is refused.
            switch("cluster", "").long("cluster").hide(true),
            // Accepted because scripts pass it.
            switch("show-errors", "").short('e').hide(true),
        ])
        .arg(trailing_command())
}

const AFTER_HELP: &str = "\
Examples:
  oxidis benchmark                                       all tests on this machine's server
  oxidis benchmark -t get,set -n 1000000 -P 16 -q        two of them, sixteen requests at once
  oxidis benchmark -t set -r 1000000 -d 100 --csv        a million keys, values of 100 bytes
  oxidis benchmark -r 1000 LPUSH list __rand_int__       a command of one's own";

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, ArgumentsError> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn the_parser_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn without_flags_it_is_what_people_know() {
        let options = options(&[]).unwrap();
        assert_eq!(options.target.to_string(), "127.0.0.1:6379");
        assert_eq!((options.clients, options.requests), (50, 100_000));
        assert_eq!(
            (options.data_bytes, options.depth, options.threads),
            (3, 1, 0)
        );
        assert!(options.keep_alive && options.tests.is_none() && options.command.is_empty());
        assert_eq!(options.format, Format::Full);
        assert_eq!(options.numbers_below, None);
    }

    #[test]
    fn what_follows_the_command_belongs_to_it() {
        let options = options(&["-c", "5", "-q", "lpush", "-c", "6", "--csv"]).unwrap();
        assert_eq!(options.clients, 5);
        assert_eq!(options.format, Format::Quiet);
        let words: [&[u8]; 4] = [b"lpush", b"-c", b"6", b"--csv"];
        assert_eq!(options.command, words);
        assert!(options.warnings.is_empty());
    }

    #[test]
    fn numbers_out_of_range_are_brought_into_it() {
        let options = options(&[
            "-c",
            "0",
            "-n",
            "-5",
            "-P",
            "0",
            "-d",
            "0",
            "-r",
            "-7",
            "--threads",
            "1000",
            "--precision",
            "9",
            "-k",
            "0",
        ])
        .unwrap();
        assert_eq!(
            (options.clients, options.requests, options.depth),
            (1, 0, 1)
        );
        assert_eq!((options.data_bytes, options.numbers_below), (1, Some(0)));
        assert_eq!((options.threads, options.latency_digits), (500, 4));
        assert!(!options.keep_alive);
        assert_eq!(options.warnings.len(), 2);
    }

    #[test]
    fn tests_are_named_in_any_case() {
        let options = options(&["-t", "SET,Get", "PING"]).unwrap();
        assert_eq!(
            options.tests,
            Some(vec!["set".to_owned(), "get".to_owned()])
        );
        assert_eq!(options.warnings, ["WARNING: Option -t is ignored."]);
    }

    #[test]
    fn refusals_begin_as_in_redis_benchmark() {
        for (arguments, culprit) in [
            (&["--nothing"][..], "--nothing"),
            (&["-Z"], "-Z"),
            (&["-p"], "-p"),
            (&["-q", "--user"], "--user"),
            (&["-r", "-x"], "-r"),
        ] {
            let refusal = options(arguments).unwrap_err().to_string();
            let expected = format!("Invalid option \"{culprit}\" or option argument missing\n");
            assert!(refusal.starts_with(&expected), "{refusal}");
        }
        assert_eq!(
            options(&["-u", "http://h"]).unwrap_err().to_string(),
            "Invalid URI scheme"
        );
        let refusal = options(&["--cluster", "-q"]).unwrap_err();
        assert!(matches!(refusal, ArgumentsError::Cluster));
    }

    #[test]
    fn help_and_version_are_printed_when_asked_for() {
        for (argument, part) in [
            ("--help", "__rand_int__"),
            ("--version", "oxidis-benchmark"),
        ] {
            match options(&[argument]) {
                Err(ArgumentsError::Asked(text)) => assert!(text.contains(part)),
                other => panic!("{other:?}"),
            }
        }
    }
}
