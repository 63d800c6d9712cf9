//! From arguments to an exit code: which tests run, one after the other.

use std::ffi::OsString;
use std::io::{self, Read, Stdout, Write};
use std::process::ExitCode;

use oxidis_client::{Stream, Target, describe};

use crate::arguments::{self, ArgumentsError, Options};
use crate::load::{self, Endpoint, Greeting, LoadError, Numbers, Plan};
use crate::report::{Report, Setting};
use crate::request::Template;
use crate::server_configuration::{self, ServerConfiguration};
use crate::suite::{Filling, Test, make_data, tests};

/// Why the program fails.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("Could not connect to Redis at {target}: {}", describe(.error))]
    Connect {
        target: Box<Target>,
        error: io::Error,
    },
    #[error("Node {target} replied with error:\n{refusal}")]
    Refused {
        target: Box<Target>,
        refusal: server_configuration::Refusal,
    },
    #[error(transparent)]
    Load(LoadError),
    #[error("Reading from standard input: {0}")]
    Input(io::Error),
    #[error("Writing to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Runs the benchmark that `arguments` (the program's name not among them) ask for: the flags are
/// those of `redis-benchmark`.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let ended = match arguments::parse(arguments) {
        Ok(options) => start(&options),
        Err(ArgumentsError::Asked(text)) => {
            println!("{}", text.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Who closes the output wants no more of it.
        Err(RunError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Options) -> Result<(), RunError> {
    let (endpoint, configuration) = meet(&options.target)?;
    if configuration.is_none() {
        eprintln!("WARNING: Could not fetch server CONFIG");
    }
    for warning in &options.warnings {
        eprintln!("{warning}");
    }
    if options.is_idle {
        return hold_idle(options, &endpoint);
    }
    let mut random = match options.seed {
        Some(seed) => fastrand::Rng::with_seed(seed),
        None => fastrand::Rng::new(),
    };
    let data = make_data(options.data_bytes, &mut random);
    let filling = Filling {
        data: &data,
        numbers_below: options.numbers_below,
    };
    let mut benchmark = Benchmark {
        options,
        endpoint: &endpoint,
        random,
        report: Report::new(
            io::stdout(),
            options.format,
            Setting {
                clients: options.clients,
                payload_bytes: options.data_bytes,
                keep_alive: options.keep_alive,
                threads: options.threads,
                configuration,
            },
        ),
    };
    benchmark.report.begin()?;
    if options.command.is_empty() {
        benchmark.run_tests(&filling)
    } else {
        benchmark.run_command(&filling)
    }
}

/// Connects to the server, to see that it is there and lets us in, and how it is configured.
fn meet(target: &Target) -> Result<(Endpoint, Option<ServerConfiguration>), RunError> {
    let unreachable = |error| RunError::Connect {
        target: Box::new(target.clone()),
        error,
    };
    let mut stream = Stream::connect(target).map_err(unreachable)?;
    let endpoint = Endpoint::of(target, &stream).map_err(unreachable)?;
    let configuration =
        server_configuration::fetch(&mut stream, target).map_err(|refusal| RunError::Refused {
            target: Box::new(target.clone()),
            refusal,
        })?;
    Ok((endpoint, configuration))
}

fn hold_idle(options: &Options, endpoint: &Endpoint) -> Result<(), RunError> {
    let nothing = Template::raw(b"");
    let plan = Plan {
        clients: options.clients,
        ..Plan::new(endpoint, &nothing, 0)
    };
    println!(
        "Creating {} idle connections and waiting forever (Ctrl+C when done)",
        options.clients
    );
    let opened = || {
        print!("clients: {}\r", options.clients);
        // Nothing depends on it.
        let _ = io::stdout().flush();
    };
    match load::hold_idle(&plan, opened) {
        Err(error) => Err(explain(error, &options.target)),
        Ok(never) => match never {},
    }
}

/// Tests that run one after the other.
struct Benchmark<'a> {
    options: &'a Options,
    endpoint: &'a Endpoint,
    random: fastrand::Rng,
    report: Report<Stdout>,
}

impl Benchmark<'_> {
    fn run_tests(&mut self, filling: &Filling<'_>) -> Result<(), RunError> {
        let mut tests = tests(self.options.numbers_below.is_some());
        if let Some(names) = &self.options.tests {
            for name in names {
                if !tests.iter().any(|test| test.is_called(name)) {
                    eprintln!("WARNING: There is no test called '{name}'.");
                }
            }
            tests.retain(|test: &Test| names.iter().any(|name| test.is_called(name)));
        }
        loop {
            for test in &tests {
                self.measure(test.title, &test.template(filling))?;
            }
            self.report.end()?;
            if !self.options.repeats || tests.is_empty() {
                return Ok(());
            }
        }
    }

    fn run_command(&mut self, filling: &Filling<'_>) -> Result<(), RunError> {
        let mut words = self.options.command.clone();
        let title = String::from_utf8_lossy(&words.join(&b' ')).into_owned();
        if self.options.last_from_input {
            let mut last = Vec::new();
            io::stdin()
                .read_to_end(&mut last)
                .map_err(RunError::Input)?;
            words.push(last);
        }
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let template = filling.command(&words);
        self.report.set_payload_bytes(template.bytes().len());
        loop {
            self.measure(&title, &template)?;
            if !self.options.repeats {
                return Ok(());
            }
        }
    }

    fn measure(&mut self, title: &str, template: &Template) -> Result<(), RunError> {
        let options = self.options;
        let plan = Plan {
            greeting: greeting(options),
            numbers: Numbers::Random(self.random.u64(..)),
            clients: options.clients,
            threads: options.threads.max(1),
            depth: options.depth,
            keep_alive: options.keep_alive,
            latency_digits: options.latency_digits,
            ..Plan::new(self.endpoint, template, options.requests)
        };
        self.report.begin_test();
        let mut told = Ok(());
        let outcome = load::run(&plan, |progress| {
            if told.is_ok() {
                told = self.report.progress(title, progress);
            }
        })
        .map_err(|error| explain(error, &options.target))?;
        told?;
        Ok(self.report.end_test(title, &outcome)?)
    }
}

/// What each connection says before its first request.
fn greeting(options: &Options) -> Greeting {
    let mut greeting = Greeting::default();
    if let Some(arguments) = server_configuration::authentication(&options.target) {
        greeting.push(&arguments);
    }
    if options.resp3 {
        greeting.push(&[b"HELLO", b"3"]);
    }
    if options.target.database != 0 {
        let database = options.target.database.to_string();
        greeting.push(&[b"SELECT", database.as_bytes()]);
    }
    if options.tracking {
        greeting.push(&[b"CLIENT", b"TRACKING", b"on"]);
    }
    greeting
}

fn explain(error: LoadError, target: &Target) -> RunError {
    match error {
        LoadError::Connect(error) => RunError::Connect {
            target: Box::new(target.clone()),
            error,
        },
        error => RunError::Load(error),
    }
}
