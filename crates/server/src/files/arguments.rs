//! The command lines of `check`, `dump` and `load`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use oxidis_engine::version::OXIDIS_VERSION;

/// Whose output and habits `check` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Our own.
    Own,
    /// Those of redis-check-aof, for links whose name ends so.
    CheckAof,
    /// Those of redis-check-rdb, likewise.
    CheckRdb,
}

/// What `check` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOptions {
    /// The file, or the directory with a manifest.
    pub path: PathBuf,
    /// Whether a torn end is cut off.
    pub fixes: bool,
    /// Whether everything after this second is cut off.
    pub until_s: Option<i64>,
    /// Whether it is done without asking.
    pub assumes_yes: bool,
    /// How it is said.
    pub manner: Manner,
}

/// In what a data set is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RDB.
    Rdb,
    /// Commands; in a directory RDB and a manifest.
    Aof,
    /// JSON.
    Json,
}

/// What `dump` and `load` are to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertOptions {
    /// The file, or the directory with a manifest; `-` is the standard input.
    pub source: PathBuf,
    /// The file, or directory with a manifest; `-` is the standard output.
    pub target: PathBuf,
    /// In what it is written, if the target's name does not say so.
    pub format: Option<Format>,
    /// Whether the target may be there already.
    pub replaces: bool,
    /// Whether nothing is said but what goes wrong.
    pub is_quiet: bool,
}

/// Why a command line leads to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// This was asked for.
    Asked(String),
    /// Something is wrong with it.
    Wrong(String),
}

/// Reads the arguments that follow `check`, or the name of a link.
///
/// # Errors
/// When help or the version is asked for, or when they are wrong.
pub fn parse_check(manner: Manner, arguments: Vec<OsString>) -> Result<CheckOptions, Refusal> {
    let matches = matches(check_command(manner), arguments)?;
    Ok(CheckOptions {
        path: path(&matches, "file"),
        fixes: manner != Manner::CheckRdb && matches.get_flag("fix"),
        until_s: match manner {
            Manner::CheckRdb => None,
            _ => matches.get_one("truncate-to-timestamp").copied(),
        },
        assumes_yes: manner != Manner::CheckRdb && matches.get_flag("yes"),
        manner,
    })
}

/// Reads the arguments that follow `dump`.
///
/// # Errors
/// As of [`parse_check`].
pub fn parse_dump(arguments: Vec<OsString>) -> Result<ConvertOptions, Refusal> {
    parse_convert(dump_command(), arguments, "-", Some(Format::Json))
}

/// Reads the arguments that follow `load`.
///
/// # Errors
/// As of [`parse_check`].
pub fn parse_load(arguments: Vec<OsString>) -> Result<ConvertOptions, Refusal> {
    parse_convert(load_command(), arguments, "dump.rdb", None)
}

fn parse_convert(
    command: Command,
    arguments: Vec<OsString>,
    default_target: &str,
    default_format: Option<Format>,
) -> Result<ConvertOptions, Refusal> {
    let matches = matches(command, arguments)?;
    let target = matches.get_one::<PathBuf>("target").cloned();
    let format = matches.get_one::<String>("format");
    let format = format.and_then(|name| match name.as_str() {
        "rdb" => Some(Format::Rdb),
        "aof" => Some(Format::Aof),
        "json" => Some(Format::Json),
        _ => None,
    });
    Ok(ConvertOptions {
        source: path(&matches, "source"),
        format: format.or(default_format.filter(|_| target.is_none())),
        target: target.unwrap_or_else(|| default_target.into()),
        replaces: matches.get_flag("force"),
        is_quiet: matches.get_flag("quiet"),
    })
}

fn path(matches: &ArgMatches, id: &str) -> PathBuf {
    // Whoever leaves it out gets to know before this.
    matches.get_one::<PathBuf>(id).cloned().unwrap_or_default()
}

fn matches(command: Command, arguments: Vec<OsString>) -> Result<ArgMatches, Refusal> {
    command
        .try_get_matches_from(arguments)
        .map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Refusal::Asked(error.to_string()),
            _ => Refusal::Wrong(error.to_string()),
        })
}

fn command(name: &'static str, about: &'static str) -> Command {
    Command::new(name)
        .no_binary_name(true)
        .disable_version_flag(true)
        .about(about)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

fn file(id: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(id)
        .value_name(name)
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

fn check_command(manner: Manner) -> Command {
    let name = match manner {
        Manner::Own => "oxidis check",
        Manner::CheckAof => "redis-check-aof",
        Manner::CheckRdb => "redis-check-rdb",
    };
    let command = command(
        name,
        "Says whether a data file is whole, and if not, what is wrong and where",
    )
    .version(OXIDIS_VERSION)
    .arg(
        Arg::new("version")
            .short('v')
            .long("version")
            .action(ArgAction::Version)
            .help("The version"),
    )
    .arg(
        file(
            "file",
            "FILE",
            "RDB, AOF or JSON, a manifest, or a directory in which one lies",
        )
        .required(true),
    )
    .after_help("Ends with 0 if everything is whole (or was made so), with 1 if not.");
    if manner == Manner::CheckRdb {
        return command;
    }
    command
        .arg(switch(
            "fix",
            "Cut off the torn end of an AOF, after saying what that takes away",
        ))
        .arg(
            Arg::new("truncate-to-timestamp")
                .long("truncate-to-timestamp")
                .value_name("SECOND")
                .value_parser(value_parser!(i64))
                .conflicts_with("fix")
                .help("Cut off what was written after that second (of Unix time), where the AOF has times in it"),
        )
        .arg(switch("yes", "Cut without asking").short('y'))
}

fn convert_arguments(command: Command, target: Arg) -> Command {
    command
        .arg(
            file(
                "source",
                "SOURCE",
                "RDB, AOF or JSON, a manifest, or a directory in which one lies; - is the standard input",
            )
            .required(true),
        )
        .arg(target)
        .arg(
            Arg::new("format")
                .long("format")
                .short('f')
                .value_name("FORMAT")
                .value_parser(["rdb", "aof", "json"])
                .help("In what to write; by default as TARGET's ending says"),
        )
        .arg(switch("force", "Take the place of a TARGET that is there"))
        .arg(switch("quiet", "Say nothing but what goes wrong").short('q'))
}

const TARGETS: &str = "TARGET is RDB, AOF (commands) or JSON by its ending: .rdb, .aof, .json. A directory, or a name that ends \
in /, becomes an AOF directory with its manifest, as a server with `appendonly yes` has one.";

fn dump_command() -> Command {
    let command = command(
        "oxidis dump",
        "Writes the data of a file in another format, JSON by default",
    );
    let target = file(
        "target",
        "TARGET",
        "Where to [default: -, the standard output]",
    );
    convert_arguments(command, target).after_help(format!(
        "{TARGETS}\n\n\
         Examples:\n  \
         oxidis dump dump.rdb                         as JSON, to look at\n  \
         oxidis dump appendonlydir backup.rdb         an AOF as one RDB file\n  \
         oxidis cli -h db1 --rdb - | oxidis dump -    the data of a server that runs\n  \
         oxidis dump dump.rdb - -f aof | oxidis cli --pipe    into a server that runs"
    ))
}

fn load_command() -> Command {
    let command = command(
        "oxidis load",
        "Makes what a server starts with out of a file in any format: RDB by default",
    );
    let target = file("target", "TARGET", "Where to [default: dump.rdb]");
    convert_arguments(command, target).after_help(format!(
        "{TARGETS}\n\n\
         Examples:\n  \
         oxidis load data.json                        dump.rdb, which `oxidis` loads here\n  \
         oxidis load data.json appendonlydir/         for `oxidis --appendonly yes`\n  \
         oxidis load old.aof dump.rdb --force         in the place of a dump.rdb that is there"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn links_take_the_arguments_of_redis() {
        let fix = parse_check(Manner::CheckAof, words(&["--fix", "a.aof"])).unwrap();
        assert_eq!((fix.fixes, fix.path), (true, "a.aof".into()));
        let cut = words(&["--truncate-to-timestamp", "12", "a"]);
        let cut = parse_check(Manner::CheckAof, cut).unwrap();
        assert_eq!((cut.until_s, cut.path), (Some(12), "a".into()));
        for wrong in [
            &[][..],
            &["a", "b"],
            &["--fix"],
            &["--truncate-to-timestamp", "x", "a"],
        ] {
            let refusal = parse_check(Manner::CheckAof, words(wrong));
            assert!(matches!(refusal, Err(Refusal::Wrong(_))), "{wrong:?}");
        }
        let refusal = parse_check(Manner::CheckRdb, words(&["--fix", "a"]));
        assert!(matches!(refusal, Err(Refusal::Wrong(_))));
        for asked in ["--version", "-v", "--help"] {
            let refusal = parse_check(Manner::CheckRdb, words(&[asked]));
            assert!(matches!(refusal, Err(Refusal::Asked(_))), "{asked}");
        }
    }

    #[test]
    fn what_is_left_out_is_chosen() {
        let dump = parse_dump(words(&["dump.rdb"])).unwrap();
        assert_eq!((dump.target, dump.format), ("-".into(), Some(Format::Json)));
        let dump = parse_dump(words(&["dump.rdb", "x.aof"])).unwrap();
        assert_eq!((dump.target, dump.format), ("x.aof".into(), None));
        let load = parse_load(words(&["data.json", "--force"])).unwrap();
        assert_eq!((load.target, load.replaces), ("dump.rdb".into(), true));
        let load = parse_load(words(&["data.json", "x", "-f", "aof"])).unwrap();
        assert_eq!(load.format, Some(Format::Aof));
        assert!(parse_load(words(&["data.json", "-f", "xml"])).is_err());
    }
}
