//! From arguments to an exit code: which mode, and the one-shot use.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use crate::arguments::{self, ArgumentsError, InputArgument, Mode, Options};
use crate::client::{Client, Disconnected, Exit, Report};
use crate::text::unquote;
use crate::{modes, prompt};

/// Runs the prompt, or whatever else `arguments` (the program's name not among them) ask
/// for: the flags are those of `redis-cli`.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    // A test that wants to see what a terminal would sets this, as for redis-cli.
    let terminal = io::stdout().is_terminal() || env::var_os("FAKETTY").is_some();
    let ended = match arguments::parse(arguments, terminal) {
        Ok(options) => start(options),
        Err(ArgumentsError::Asked(text)) => {
            println!("{}", text.trim_end());
            Ok(())
        }
        Err(error) => {
            eprintln!("{error}");
            Err(Exit(1))
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit(code)) => ExitCode::from(code),
    }
}

fn start(mut options: Options) -> Result<(), Exit> {
    if options.warn_about_password {
        eprintln!(
            "Warning: Using a password with '-a' or '-u' option on the command line interface \
             may not be safe."
        );
    }
    if options.ask_password {
        let password = rpassword::prompt_password("Please input password: ");
        options.target.password = Some(password.map_err(|_| Exit(1))?.into_bytes());
    } else if options.target.password.is_none() {
        let password = env::var_os("REDISCLI_AUTH");
        options.target.password = password.map(|password| password.into_encoded_bytes());
    }
    let mode = options.mode.clone();
    let mut client = Client::new(options);
    match mode {
        Mode::Command if client.options.command.is_empty() => prompt::open(client),
        Mode::Command => one_shot(&mut client),
        Mode::IntrinsicLatency { seconds } => modes::measure_intrinsic_latency(seconds),
        mode => {
            client
                .connect(Report::Loud)
                .map_err(|Disconnected| Exit(1))?;
            match mode {
                Mode::Eval(file) => outcome(modes::eval(&mut client, &file)?),
                Mode::Debug { file, mode } => modes::debug(&mut client, &file, mode),
                Mode::Pipe { timeout_seconds } => modes::pipe(&mut client, timeout_seconds),
                Mode::Scan => modes::list_keys(&mut client),
                Mode::BigKeys => modes::find_big_keys(&mut client, modes::Measure::Elements),
                Mode::MemoryKeys { samples } => {
                    modes::find_big_keys(&mut client, modes::Measure::Memory { samples })
                }
                Mode::HotKeys => modes::find_hot_keys(&mut client),
                Mode::Latency { history } => modes::sample_latency(&mut client, history),
                Mode::LatencySpectrum { grey } => modes::show_latency_spectrum(&mut client, grey),
                Mode::Follow => modes::follow(&mut client),
                Mode::Rdb {
                    file,
                    functions_only,
                } => modes::fetch_rdb(&mut client, &file, functions_only),
                Mode::CacheWorkload { key_count } => modes::imitate_cache(&mut client, key_count),
                Mode::Statistics => modes::print_statistics(&mut client),
                Mode::Command | Mode::IntrinsicLatency { .. } => unreachable!("handled above"),
            }
        }
    }
}

/// Runs the command that the command line holds.
fn one_shot(client: &mut Client) -> Result<(), Exit> {
    // A failure is reported when the command finds no connection.
    let _ = client.connect(Report::Quiet);
    let mut command = client.options.command.clone();
    if client.options.quoted_input {
        let unquoted: Option<Vec<_>> = command.iter().map(|word| unquote(word)).collect();
        command = unquoted.ok_or_else(|| {
            println!("Invalid quoted string");
            Exit(1)
        })?;
    }
    match &client.options.standard_input {
        InputArgument::None => {}
        InputArgument::Last => command.push(read_standard_input()?),
        InputArgument::Tagged(tag) => {
            let place = command.iter().position(|word| word == tag).ok_or_else(|| {
                eprintln!("Using -X option but stdin tag not match.");
                Exit(1)
            })?;
            command[place] = read_standard_input()?;
        }
    }
    outcome(client.run(&command, client.options.repeat)?)
}

fn outcome(result: Result<(), Disconnected>) -> Result<(), Exit> {
    result.map_err(|Disconnected| Exit(1))
}

fn read_standard_input() -> Result<Vec<u8>, Exit> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map_err(|error| {
        eprintln!("Reading from standard input: {error}");
        Exit(1)
    })?;
    Ok(bytes)
}
