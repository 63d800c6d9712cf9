//! The command line: the flags of `redis-cli`, read into [`Options`]. Their
//! meaning lives with the code that they steer.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};
use oxidis_client::flags::{
    bytes, culprit, is_given, leading_number, read_target, switch, target_flags, text,
    trailing_command, value, words,
};
use oxidis_client::{Target, TargetError};
use oxidis_resp::number::leading_integer;

use crate::text::unquote;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Which server, and as whom.
    pub target: Target,
    /// What to do.
    pub mode: Mode,
    /// The command's words, or the keys and arguments of `--eval`.
    pub command: Vec<Vec<u8>>,
    /// How many times a command runs; below zero for ever (`-r`).
    pub repeat: i64,
    /// The pause between repetitions or samples (`-i`).
    pub interval: Duration,
    /// How replies are printed.
    pub output: Output,
    /// What parts the elements of an array in raw output (`-d`).
    pub element_delimiter: Vec<u8>,
    /// What follows each reply in raw output (`-D`).
    pub reply_delimiter: Vec<u8>,
    /// Whether push messages are printed (`--show-pushes`).
    pub show_pushes: bool,
    /// Which protocol version to ask for.
    pub protocol: ProtocolChoice,
    /// Where the command's missing argument comes from (`-x`, `-X`).
    pub standard_input: InputArgument,
    /// Whether the command's words are quoted strings (`--quoted-input`).
    pub quoted_input: bool,
    /// Whether an error reply ends the program with code 1 (`-e`).
    pub fail_on_error: bool,
    /// Whether `MOVED` and `ASK` are followed (`-c`).
    pub follow_redirects: bool,
    /// Which keys the scanning modes look at (`--pattern`).
    pub pattern: Option<Vec<u8>>,
    /// Which type of key `--scan` lists (`--type`).
    pub key_type: Option<Vec<u8>>,
    /// Whether the password is asked for at the terminal (`--askpass`).
    pub ask_password: bool,
    /// Whether a password on the command line deserves a warning.
    pub warn_about_password: bool,
    /// Whether an engine inside this process answers instead of a server.
    pub embedded: bool,
}

/// What the program does.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// Runs the command given, or opens the prompt where none is.
    Command,
    /// Runs a Lua script from a file.
    Eval(PathBuf),
    /// Debugs a Lua script from a file.
    Debug { file: PathBuf, mode: DebugMode },
    /// Sends raw protocol from standard input; the value is how many seconds to
    /// wait for the last reply, 0 for ever.
    Pipe { timeout_seconds: u64 },
    /// Lists keys.
    Scan,
    /// Reports the biggest keys by element count.
    BigKeys,
    /// Reports the biggest keys by memory, with `MEMORY USAGE ... SAMPLES n`.
    MemoryKeys { samples: Option<u64> },
    /// Reports the most frequently used keys.
    HotKeys,
    /// Samples the time of a round trip; with `history`, in spans of time.
    Latency { history: bool },
    /// Shows how round trip times are distributed, in colours or, with `grey`, without.
    LatencySpectrum { grey: bool },
    /// Prints every change that the server makes, as a replica sees it.
    Follow,
    /// Writes the server's data into a file, `-` being standard output; perhaps only its
    /// functions.
    Rdb { file: PathBuf, functions_only: bool },
    /// Reads and writes so many keys as users of a cache do.
    CacheWorkload { key_count: u64 },
    /// Prints a line of server statistics again and again.
    Statistics,
    /// Measures for so many seconds how long the system withholds the processor.
    IntrinsicLatency { seconds: u64 },
}

/// Which data a debugged script works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebugMode {
    /// On a copy, which is gone with the conversation.
    Copy,
    /// On the data themselves, while all others wait.
    Synchronous,
}

/// How replies are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people: types shown, arrays numbered, strings quoted.
    Standard,
    /// The bytes alone.
    Raw,
    /// Comma separated values.
    Csv,
    /// JSON, strings as they are.
    Json,
    /// JSON, strings in printable ASCII.
    QuotedJson,
}

/// Which protocol version the session asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolChoice {
    /// What the server starts with.
    Default,
    /// RESP2, asked for by `-2`.
    Resp2,
    /// RESP3, asked for by `-3`: failing to get it is an error.
    Resp3,
    /// RESP3 because JSON output is better with it: a refusal is only reported.
    PreferResp3,
}

/// Where a command's missing argument comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputArgument {
    /// Every argument is on the command line.
    None,
    /// Standard input is the last argument.
    Last,
    /// Standard input replaces the argument that equals this tag.
    Tagged(Vec<u8>),
}

/// Why the command line does not lead to [`Options`].
#[derive(Debug, thiserror::Error)]
pub enum ArgumentsError {
    /// Help or the version was asked for: this is it.
    #[error("{0}")]
    Asked(String),
    /// A flag that is unknown or lacks its value.
    #[error("Unrecognized option or bad number of args for: '{0}'")]
    Unrecognized(String),
    /// Two flags that exclude each other.
    #[error("Options {0} and {1} are mutually exclusive.")]
    Exclusive(&'static str, &'static str),
    /// A debugger without a script.
    #[error(
        "Options --ldb and --ldb-sync-mode require --eval.\nTry oxidis cli --help for more information."
    )]
    DebuggerWithoutScript,
    /// Both the whole data and the functions alone are asked for.
    #[error("Option --functions-rdb and --rdb are mutually exclusive.")]
    ExclusiveFiles,
    /// `--quoted-pattern` with unbalanced quotes.
    #[error("Invalid quoted string specified for --quoted-pattern.")]
    QuotedPattern,
    /// A flag that is to name the server and names none.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Reads the arguments that follow the program's name. `terminal` says whether
/// standard output is one, which decides how replies are printed unless a flag
/// does.
pub fn parse(
    arguments: impl Iterator<Item = OsString>,
    terminal: bool,
) -> Result<Options, ArgumentsError> {
    let arguments: Vec<OsString> = arguments.collect();
    // As the last word, -h has no host to take and asks for help.
    if arguments.len() == 1 && arguments[0] == "-h" {
        return Err(ArgumentsError::Asked(
            command().render_long_help().to_string(),
        ));
    }
    let matches = command()
        .try_get_matches_from(&arguments)
        .map_err(explain)?;
    read(&matches, terminal)
}

fn read(matches: &ArgMatches, terminal: bool) -> Result<Options, ArgumentsError> {
    let mut show_pushes = terminal;
    if let Some(value) = text(matches, "show-pushes") {
        match value.bytes().next().map(|byte| byte.to_ascii_lowercase()) {
            Some(b'y') => show_pushes = true,
            Some(b'n') => show_pushes = false,
            _ => eprintln!("Unknown --show-pushes value '{value}' (valid: '[y]es', '[n]o')"),
        }
    }
    let standard_input = match bytes(matches, "stdin-tag") {
        Some(_) if is_given(matches, "stdin-last") => {
            return Err(ArgumentsError::Exclusive("-x", "-X"));
        }
        Some(tag) => InputArgument::Tagged(tag),
        None if is_given(matches, "stdin-last") => InputArgument::Last,
        None => InputArgument::None,
    };
    let target = read_target(matches)?;
    let follow_redirects = is_given(matches, "cluster-mode");
    if follow_redirects && target.unix_socket.is_some() {
        return Err(ArgumentsError::Exclusive("-c", "-s"));
    }
    if read_debug_mode(matches).is_some() && !matches.contains_id("eval") {
        return Err(ArgumentsError::DebuggerWithoutScript);
    }
    if matches.contains_id("rdb") && matches.contains_id("functions-rdb") {
        return Err(ArgumentsError::ExclusiveFiles);
    }
    let pattern = match text(matches, "quoted-pattern") {
        Some(quoted) => Some(unquote(quoted.as_bytes()).ok_or(ArgumentsError::QuotedPattern)?),
        None => bytes(matches, "pattern"),
    };
    Ok(Options {
        warn_about_password: target.password.is_some() && !is_given(matches, "no-auth-warning"),
        target,
        mode: read_mode(matches),
        command: words(matches),
        repeat: text(matches, "repeat").map_or(1, |value| leading_integer(&value)),
        interval: text(matches, "interval")
            .and_then(|value| Duration::try_from_secs_f64(leading_number(&value)).ok())
            .unwrap_or_default(),
        output: read_output(matches, terminal),
        element_delimiter: bytes(matches, "element-delimiter").unwrap_or(b"\n".to_vec()),
        reply_delimiter: bytes(matches, "reply-delimiter").unwrap_or(b"\n".to_vec()),
        show_pushes,
        protocol: read_protocol(matches)?,
        standard_input,
        quoted_input: is_given(matches, "quoted-input"),
        fail_on_error: is_given(matches, "fail-on-error"),
        follow_redirects,
        pattern,
        key_type: bytes(matches, "type"),
        ask_password: is_given(matches, "askpass"),
        embedded: is_given(matches, "embedded"),
    })
}

/// Where several modes are asked for, the first in this order is the one.
fn read_mode(matches: &ArgMatches) -> Mode {
    let number = |id| text(matches, id).map(|value| leading_integer(&value).max(0) as u64);
    if is_given(matches, "latency") || is_given(matches, "latency-history") {
        Mode::Latency {
            history: is_given(matches, "latency-history"),
        }
    } else if is_given(matches, "latency-dist") {
        Mode::LatencySpectrum {
            grey: is_given(matches, "mono"),
        }
    } else if is_given(matches, "replica") {
        Mode::Follow
    } else if let Some((file, functions_only)) = read_rdb_file(matches) {
        Mode::Rdb {
            file,
            functions_only,
        }
    } else if is_given(matches, "pipe") {
        Mode::Pipe {
            timeout_seconds: number("pipe-timeout").unwrap_or(30),
        }
    } else if is_given(matches, "bigkeys") {
        Mode::BigKeys
    } else if let samples @ Some(_) = number("memkeys-samples") {
        Mode::MemoryKeys { samples }
    } else if is_given(matches, "memkeys") {
        Mode::MemoryKeys { samples: None }
    } else if is_given(matches, "hotkeys") {
        Mode::HotKeys
    } else if is_given(matches, "stat") {
        Mode::Statistics
    } else if is_given(matches, "scan") {
        Mode::Scan
    } else if let Some(key_count) = number("lru-test") {
        Mode::CacheWorkload { key_count }
    } else if let Some(seconds) = number("intrinsic-latency") {
        Mode::IntrinsicLatency { seconds }
    } else if let Some(file) = matches.get_one::<OsString>("eval") {
        match read_debug_mode(matches) {
            Some(mode) => Mode::Debug {
                file: file.into(),
                mode,
            },
            None => Mode::Eval(file.into()),
        }
    } else {
        Mode::Command
    }
}

fn read_debug_mode(matches: &ArgMatches) -> Option<DebugMode> {
    if is_given(matches, "ldb-sync-mode") {
        Some(DebugMode::Synchronous)
    } else {
        is_given(matches, "ldb").then_some(DebugMode::Copy)
    }
}

/// Where the data of the server goes, if it is asked for, and whether only its functions are.
fn read_rdb_file(matches: &ArgMatches) -> Option<(PathBuf, bool)> {
    let file = |id| matches.get_one::<OsString>(id).map(PathBuf::from);
    let all = file("rdb").map(|file| (file, false));
    all.or_else(|| file("functions-rdb").map(|file| (file, true)))
}

fn read_output(matches: &ArgMatches, terminal: bool) -> Output {
    if is_given(matches, "raw") || read_debug_mode(matches).is_some() {
        Output::Raw
    } else if is_given(matches, "csv") {
        Output::Csv
    } else if is_given(matches, "json") {
        Output::Json
    } else if is_given(matches, "quoted-json") {
        Output::QuotedJson
    } else if terminal || is_given(matches, "no-raw") {
        Output::Standard
    } else {
        Output::Raw
    }
}

fn read_protocol(matches: &ArgMatches) -> Result<ProtocolChoice, ArgumentsError> {
    match (is_given(matches, "resp2"), is_given(matches, "resp3")) {
        (true, true) => Err(ArgumentsError::Exclusive("-2", "-3")),
        (true, false) => Ok(ProtocolChoice::Resp2),
        (false, true) => Ok(ProtocolChoice::Resp3),
        (false, false) if is_given(matches, "json") || is_given(matches, "quoted-json") => {
            Ok(ProtocolChoice::PreferResp3)
        }
        (false, false) => Ok(ProtocolChoice::Default),
    }
}

fn explain(error: clap::Error) -> ArgumentsError {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            ArgumentsError::Asked(error.to_string())
        }
        _ => ArgumentsError::Unrecognized(culprit(&error)),
    }
}

fn command() -> Command {
    let output_flags = ["raw", "no-raw", "csv", "json", "quoted-json"];
    let output = |id: &'static str, help: &'static str| {
        // An argument that overrides itself may be repeated: the last one wins.
        switch(id, help).long(id).overrides_with_all(output_flags)
    };
    Command::new("oxidis-cli")
        .version(env!("CARGO_PKG_VERSION"))
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .override_usage("oxidis cli [OPTIONS] [COMMAND [ARGUMENT ...]]")
        .about("Sends commands to a Redis-compatible server and prints the replies; without a command it opens a prompt.")
        .after_help(AFTER_HELP)
        .next_help_heading("Connection")
        .args(target_flags())
        .mut_arg("password", |password| {
            password
                .visible_alias("pass")
                .help("Password; REDISCLI_AUTH in the environment is a safer place for it")
        })
        .args([
            value("database", "NUMBER", "Database to select").short('n'),
            switch("askpass", "Ask for the password at the terminal").long("askpass"),
            switch("no-auth-warning", "Do not warn about a password on the command line").long("no-auth-warning"),
            switch("resp2", "Speak RESP2").short('2'),
            switch("resp3", "Speak RESP3").short('3'),
            switch("cluster-mode", "Follow MOVED and ASK redirections").short('c'),
            switch("embedded", "Open an engine inside this process, with no server at all").long("embedded"),
        ])
        .next_help_heading("Running a command")
        .args([
            value("repeat", "COUNT", "Run the command so many times; -1 never stops").short('r'),
            value("interval", "SECONDS", "Pause between repetitions or samples; fractions are allowed").short('i'),
            switch("stdin-last", "Take the last argument from standard input").short('x'),
            value("stdin-tag", "TAG", "Take the argument that equals TAG from standard input").short('X'),
            switch("quoted-input", "Read the command's arguments as quoted strings").long("quoted-input"),
            switch("fail-on-error", "End with code 1 when the reply is an error").short('e'),
            value("eval", "FILE", "Run a Lua script; a lone comma parts its keys from its arguments").long("eval"),
            switch("ldb", "Debug the script of --eval, on a copy of the data").long("ldb"),
            switch("ldb-sync-mode", "The same on the data themselves, while all others wait").long("ldb-sync-mode"),
        ])
        .next_help_heading("Printing")
        .args([
            output("raw", "Print the bytes of replies alone (the way when standard output is no terminal)"),
            output("no-raw", "Print for people even when standard output is no terminal"),
            output("csv", "Print comma separated values"),
            output("json", "Print JSON (over RESP3 unless -2 is given)"),
            output("quoted-json", "Print JSON whose strings are printable ASCII"),
            value("element-delimiter", "TEXT", "Delimiter between elements of a raw reply [default: newline]").short('d'),
            value("reply-delimiter", "TEXT", "Delimiter after each raw reply [default: newline]").short('D'),
            value("show-pushes", "YES|NO", "Print RESP3 push messages [default: yes at a terminal]").long("show-pushes"),
        ])
        .next_help_heading("Whole-server modes")
        .args([
            switch("scan", "List keys with SCAN").long("scan"),
            value("pattern", "GLOB", "Only keys that match, in scanning modes").long("pattern").overrides_with("quoted-pattern"),
            value("quoted-pattern", "GLOB", "The same, as a quoted string").long("quoted-pattern").overrides_with("pattern"),
            value("type", "TYPE", "Only keys of this type, with --scan").long("type"),
            switch("bigkeys", "Find the keys with the most elements of each type").long("bigkeys"),
            switch("memkeys", "Find the keys that use the most memory").long("memkeys"),
            value("memkeys-samples", "COUNT", "The same, sampling so many elements a key").long("memkeys-samples"),
            switch("hotkeys", "Find the most used keys (needs an LFU maxmemory-policy)").long("hotkeys"),
            switch("stat", "Print memory, clients and requests, line by line").long("stat"),
            switch("latency", "Sample the time of a round trip").long("latency"),
            switch("latency-history", "The same, a line for each span of time [default: 15 seconds, see -i]").long("latency-history"),
            switch("latency-dist", "Show how the times of round trips are distributed, in colours").long("latency-dist"),
            switch("mono", "The same in shades of grey").long("mono"),
            value("intrinsic-latency", "SECONDS", "Measure how long this system withholds the processor").long("intrinsic-latency"),
            value("lru-test", "KEYS", "Read and write so many keys as users of a cache do, and count the hits").long("lru-test"),
            switch("replica", "Print every change that the server makes").long("replica").alias("slave"),
            value("rdb", "FILE", "Write the server's data into an RDB file, - for standard output").long("rdb"),
            value("functions-rdb", "FILE", "The same with the server's functions alone").long("functions-rdb"),
            switch("pipe", "Send raw protocol from standard input, and count the replies").long("pipe"),
            value("pipe-timeout", "SECONDS", "How long --pipe waits for the last reply, 0 for ever [default: 30]").long("pipe-timeout"),
        ])
        .next_help_heading("Other")
        .args([
            Arg::new("help").long("help").action(ArgAction::Help).help("Print this help"),
            Arg::new("version").short('v').long("version").action(ArgAction::Version).help("Print the version"),
            // Accepted because scripts pass it; nothing here is silent without it.
            switch("verbose", "").long("verbose").hide(true),
        ])
        .arg(trailing_command())
}

const AFTER_HELP: &str = "\
Examples:
  oxidis cli SET greeting hello
  oxidis cli -x SET page < index.html
  oxidis cli -r 10 -i 0.5 INCR ticks
  oxidis cli --scan --pattern 'user:*'
  oxidis cli --json HGETALL user:1
  oxidis cli --embedded

At the prompt, HELP and the tab key show what there is to type.";

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, ArgumentsError> {
        parse(arguments.iter().map(OsString::from), true)
    }

    fn words(options: &Options) -> Vec<&str> {
        options
            .command
            .iter()
            .map(|word| std::str::from_utf8(word).unwrap())
            .collect()
    }

    #[test]
    fn the_parser_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn what_follows_the_command_belongs_to_it() {
        let options = options(&["-p", "7000", "set", "-n", "--raw", "-p", "5"]).unwrap();
        assert_eq!(options.target.port, 7000);
        assert_eq!(options.output, Output::Standard);
        assert_eq!(words(&options), ["set", "-n", "--raw", "-p", "5"]);
    }

    #[test]
    fn values_may_begin_with_a_dash() {
        let options = options(&["-a", "-secret", "-r", "-1", "-n", "-2", "ping"]).unwrap();
        assert_eq!(options.target.password.as_deref(), Some(&b"-secret"[..]));
        assert_eq!(options.repeat, -1);
        assert_eq!(options.target.database, -2);
        assert_eq!(options.protocol, ProtocolChoice::Default);
    }

    #[test]
    fn of_a_flag_given_twice_the_last_wins() {
        assert_eq!(
            options(&["--csv", "--json", "--raw"]).unwrap().output,
            Output::Raw
        );
        assert_eq!(
            options(&["--raw", "--no-raw", "--csv"]).unwrap().output,
            Output::Csv
        );
        assert_eq!(
            options(&["-p", "1", "-p", "2", "-x", "-x"])
                .unwrap()
                .target
                .port,
            2
        );
        let options = options(&["-u", "redis://u:p@h:9/3", "-p", "10"]).unwrap();
        assert_eq!(options.target.port, 10);
        assert_eq!(options.target.database, 3);
    }

    #[test]
    fn refusals_are_worded_as_in_redis_cli() {
        let refusal = |arguments: &[&str]| options(arguments).unwrap_err().to_string();
        let unrecognized = "Unrecognized option or bad number of args for: ";
        assert_eq!(refusal(&["-Z", "ping"]), format!("{unrecognized}'-Z'"));
        assert_eq!(
            refusal(&["--nothing"]),
            format!("{unrecognized}'--nothing'")
        );
        assert_eq!(refusal(&["-p"]), format!("{unrecognized}'-p'"));
        assert_eq!(refusal(&["--user"]), format!("{unrecognized}'--user'"));
        assert_eq!(refusal(&["-p", "port"]), "Invalid server port.");
        assert_eq!(
            refusal(&["-2", "-3"]),
            "Options -2 and -3 are mutually exclusive."
        );
        assert_eq!(
            refusal(&["-x", "-X", "t"]),
            "Options -x and -X are mutually exclusive."
        );
        assert_eq!(
            refusal(&["-c", "-s", "/s"]),
            "Options -c and -s are mutually exclusive."
        );
        assert_eq!(refusal(&["-u", "http://h"]), "Invalid URI scheme");
        for flag in ["--ldb", "--ldb-sync-mode"] {
            let refusal = refusal(&[flag, "ping"]);
            let first = refusal.lines().next();
            let expected = "Options --ldb and --ldb-sync-mode require --eval.";
            assert_eq!(first, Some(expected));
        }
    }

    #[test]
    fn a_script_is_debugged_on_a_copy_unless_asked_otherwise() {
        let mode = |flags: &[&str]| {
            let arguments = [flags, &["--eval", "f", "key", ",", "argument"]].concat();
            options(&arguments).unwrap().mode
        };
        let debug = |mode| Mode::Debug {
            file: "f".into(),
            mode,
        };
        assert_eq!(mode(&[]), Mode::Eval("f".into()));
        assert_eq!(mode(&["--ldb"]), debug(DebugMode::Copy));
        for flags in [&["--ldb-sync-mode"][..], &["--ldb-sync-mode", "--ldb"]] {
            assert_eq!(mode(flags), debug(DebugMode::Synchronous));
        }
    }

    #[test]
    fn output_without_a_terminal_is_raw() {
        let arguments = || ["ping"].iter().map(OsString::from);
        assert_eq!(parse(arguments(), false).unwrap().output, Output::Raw);
        assert!(!parse(arguments(), false).unwrap().show_pushes);
        assert!(options(&["--show-pushes", "y"]).unwrap().show_pushes);
    }

    #[test]
    fn json_prefers_resp3_and_a_flag_decides() {
        assert_eq!(
            options(&["--json"]).unwrap().protocol,
            ProtocolChoice::PreferResp3
        );
        assert_eq!(
            options(&["--json", "-2"]).unwrap().protocol,
            ProtocolChoice::Resp2
        );
        assert_eq!(
            options(&["--quoted-json", "-3"]).unwrap().protocol,
            ProtocolChoice::Resp3
        );
    }

    #[test]
    fn help_is_printed_when_asked_for() {
        for arguments in [["-h"], ["--help"]] {
            match options(&arguments) {
                Err(ArgumentsError::Asked(help)) => assert!(help.contains("--pipe")),
                other => panic!("{other:?}"),
            }
        }
    }
}
