//! `cargo xtask fuzz-differential`: the command line of the differential fuzzer, which itself lives
//! in the testkit.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use oxidis_testkit::ServerBuilder;
use oxidis_testkit::differential::{Family, Fuzzer, Options};
use oxidis_testkit::rules::COMPARISON_ARGUMENTS;

use crate::workspace;

#[derive(clap::Args)]
pub struct Arguments {
    /// How many commands to compare.
    #[arg(long, default_value_t = 100_000)]
    commands: usize,
    /// Where the random choices start; the same seed gives the same commands.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only commands of these families.
    #[arg(long, value_parser = family, value_delimiter = ',')]
    families: Vec<Family>,
    /// End after so many failures.
    #[arg(long, default_value_t = 10)]
    failures: usize,
    /// Leave the limits between small and big collections at their defaults.
    #[arg(long)]
    default_limits: bool,
    /// The server under test, instead of this workspace's.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Print how often each command came, with how many combinations of options, and which never.
    #[arg(long)]
    coverage: bool,
    /// Print what counts as the same (`docs/differences.md`), and compare nothing.
    #[arg(long)]
    list: bool,
    /// Run the commands of this file (one a line) instead of random ones.
    #[arg(long)]
    replay: Option<PathBuf>,
}

fn family(name: &str) -> Result<Family, String> {
    let found = Family::ALL.into_iter().find(|family| family.name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
        format!("the families are {}", names.join(", "))
    })
}

/// Runs the tool.
///
/// # Errors
/// When the servers do not start, or differ.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        print!("{}", oxidis_testkit::differences::page());
        return Ok(());
    }
    let reference = ServerBuilder::new(workspace::redis_server()?);
    let subject = match &arguments.server {
        Some(path) => std::path::absolute(path)?,
        None => workspace::server_binary()?,
    };
    let mut subject = ServerBuilder::new(subject);
    for &(option, value, reason) in COMPARISON_ARGUMENTS {
        if std::env::var_os("OXIDIS_IS_REDIS_7_0").is_none() {
            println!("the server under test runs with {option} {value}: {reason}");
            subject = subject.arguments([option, value]);
        }
    }
    let options = Options {
        commands: arguments.commands,
        seed: arguments.seed,
        families: arguments.families.clone(),
        failures_limit: arguments.failures,
        small_limits: !arguments.default_limits,
    };
    let mut fuzzer = Fuzzer::start(reference, subject, options)?;
    match &arguments.replay {
        Some(path) => replay(&mut fuzzer, path),
        None => fuzz(&mut fuzzer, arguments),
    }
}

fn fuzz(fuzzer: &mut Fuzzer, arguments: &Arguments) -> Result<()> {
    let start = Instant::now();
    let summary = fuzzer.run()?;
    for failure in &summary.failures {
        println!("\n{failure}");
    }
    if arguments.coverage {
        print!("{}", summary.coverage.table(&fuzzer.common_commands()?));
    }
    let (commands, combinations, fine) = summary.coverage.numbers();
    println!(
        "{} calls compared (seed {}, fingerprint {:016x}, {} answered errors) of {commands} commands in {combinations} combinations with \
         options ({fine} of them not always refused), {} times whole key spaces, {} differences, {:.1} s",
        summary.commands,
        arguments.seed,
        summary.fingerprint,
        summary.errors,
        summary.state_comparisons,
        summary.failures.len(),
        start.elapsed().as_secs_f64()
    );
    if !summary.failures.is_empty() {
        bail!(
            "the servers differ; run a script above with --replay FILE to see one difference again"
        );
    }
    Ok(())
}

fn replay(fuzzer: &mut Fuzzer, path: &PathBuf) -> Result<()> {
    let script = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    if let Some(failure) = fuzzer.replay(&script)? {
        bail!("the servers differ:\n{failure}");
    }
    println!("no difference");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use oxidis_engine::command::{Registered, table};
    use oxidis_testkit::differential::{Generator, NOT_GENERATED};

    /// Whether redis-server 7.0.15, to which is compared, has not got it yet.
    fn is_newer(registered: &Registered) -> bool {
        let mut numbers = registered.command.since.split('.').map(str::parse::<u32>);
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or_default();
        (next(), next()) > (7, 0)
    }

    /// The fuzzer compares what it draws and nothing else: a command that it does not draw is named, with the reason.
    #[test]
    fn every_command_is_drawn_or_named_with_a_reason() {
        const STEPS: usize = 150_000;
        let mut generator = Generator::new(1, &[]);
        let mut drawn: BTreeSet<&str> = BTreeSet::new();
        for _ in 0..STEPS {
            for call in generator.step().calls {
                let Some(mut registered) = table().find(&call.words[0]) else {
                    continue;
                };
                if let Some(name) = call.words.get(1)
                    && let Some(subcommand) = table().find_subcommand(registered, name)
                {
                    registered = subcommand;
                }
                drawn.insert(&registered.full_name);
            }
        }
        let named: BTreeSet<&str> = NOT_GENERATED
            .iter()
            .flat_map(|(names, _)| names.iter().copied())
            .collect();
        let all = table().all().iter();
        let wanted = all.filter(|registered| !registered.is_container() && !is_newer(registered));
        let wanted: BTreeSet<&str> = wanted.map(|registered| &*registered.full_name).collect();
        let missing: Vec<_> = wanted
            .iter()
            .filter(|name| !drawn.contains(*name) && !named.contains(*name))
            .collect();
        assert!(missing.is_empty(), "neither drawn nor named: {missing:?}");
        let needless: Vec<_> = named
            .iter()
            .filter(|name| drawn.contains(*name) || !wanted.contains(*name))
            .collect();
        assert!(
            needless.is_empty(),
            "named, but drawn or no command: {needless:?}"
        );
    }
}
