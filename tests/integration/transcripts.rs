//! Replays what redis-server answered to the scripts in `transcripts/`, without redis-server.
//! `cargo xtask record` records anew.

use std::path::Path;

use oxidis_testkit::ServerBuilder;
use oxidis_testkit::rules::COMPARISON_ARGUMENTS;
use oxidis_testkit::transcript::{Protocol, replay};

/// How many differences one failing test shows.
const SHOWN_DIFFERENCES: usize = 25;

#[track_caller]
fn check(name: &str, protocol: Protocol) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let file = folder.join(format!("{name}.{}.transcript", protocol.name()));
    let transcript = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let arguments = COMPARISON_ARGUMENTS
        .iter()
        .flat_map(|&(option, value, _)| [option, value]);
    let server = ServerBuilder::oxidis()
        .arguments(arguments)
        .start()
        .unwrap();
    let differences =
        replay(&transcript, &server, protocol).unwrap_or_else(|error| panic!("{name}: {error}"));
    let shown: Vec<&str> = differences
        .iter()
        .take(SHOWN_DIFFERENCES)
        .map(String::as_str)
        .collect();
    assert!(
        differences.is_empty(),
        "{} replies differ:\n{}",
        differences.len(),
        shown.join("\n")
    );
}

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(
            mod $name {
                use super::*;

                #[test]
                fn resp2() {
                    check(stringify!($name), Protocol::Resp2);
                }

                #[test]
                fn resp3() {
                    check(stringify!($name), Protocol::Resp3);
                }
            }
        )*

        #[test]
        fn every_script_is_replayed() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|ending| ending == "commands") {
                    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                    assert!([$(stringify!($name)),*].contains(&name.as_str()), "{name} has no test");
                }
            }
        }
    };
}

transcripts!(
    string
    list
    hash
    set
    sorted_set
    generic
    connection
    transaction
    blocking
    pubsub
    keyspace_events
    cluster
    hyperloglog
    scripting
    geo
    stream
    stream_group
);
