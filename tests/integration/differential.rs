//! The differential fuzzer in small: `cargo xtask fuzz-differential` runs it in large. These tests
//! need redis-server and say so when it is not installed.

use oxidis_testkit::ServerBuilder;
use oxidis_testkit::differential::{Fuzzer, Options};
use oxidis_testkit::rules::COMPARISON_ARGUMENTS;
use oxidis_testkit::server::redis_server;

fn reference() -> Option<ServerBuilder> {
    let found = redis_server().map(ServerBuilder::new);
    if found.is_none() {
        eprintln!("redis-server is not installed: nothing was compared");
    }
    found
}

#[test]
fn oxidis_answers_random_commands_as_redis_does() {
    let Some(reference) = reference() else { return };
    let arguments = COMPARISON_ARGUMENTS
        .iter()
        .flat_map(|&(option, value, _)| [option, value]);
    let subject = ServerBuilder::oxidis().arguments(arguments);
    let options = Options {
        commands: 2_000,
        seed: 20,
        failures_limit: 3,
        ..Options::default()
    };
    let mut fuzzer = Fuzzer::start(reference, subject, options).unwrap();
    let summary = fuzzer.run().unwrap();
    let report: String = summary
        .failures
        .iter()
        .map(|failure| format!("\n{failure}"))
        .collect();
    assert!(summary.failures.is_empty(), "{report}");
    assert!(
        summary.errors * 2 < summary.commands,
        "{} of {} were errors",
        summary.errors,
        summary.commands
    );
}

/// A fuzzer that finds nothing proves nothing until it is shown that it can: two servers of one
/// kind that count uses differently must be told apart, by a short script.
#[test]
fn a_difference_is_found_and_shrunk() {
    let Some(reference) = reference() else { return };
    let subject = reference.clone();
    let options = Options {
        commands: 20_000,
        failures_limit: 1,
        ..Options::default()
    };
    let reference = reference.arguments(["--maxmemory-policy", "allkeys-lfu"]);
    let mut fuzzer = Fuzzer::start(reference, subject, options).unwrap();
    let summary = fuzzer.run().unwrap();
    let failure = summary.failures.first().expect("the policies differ");
    assert!(failure.reproduced, "{failure}");
    assert!(failure.difference.contains("LFU"), "{failure}");
    assert!(failure.script.len() <= 4, "{failure}");
    let again = fuzzer.replay(&failure.script.join("\n")).unwrap();
    assert!(again.is_some(), "{failure}");
}
