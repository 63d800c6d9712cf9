//! Replays what redis-server answered to the scripts in `transcripts/`, without redis-server.
//! `cargo xtask record` records anew.

use std::path::Path;

use oxidis_testkit::ServerBuilder;
use oxidis_testkit::rules::{COMPARISON_ARGUMENTS, Comparison};
use oxidis_testkit::transcript::{Encodings, Protocol, arguments_of, file_name, replay};

/// How many differences one failing test shows.
const SHOWN_DIFFERENCES: usize = 25;

#[track_caller]
fn check(name: &str, encodings: Option<Encodings>, protocol: Protocol) {
    let limits = encodings.map_or(&[][..], Encodings::arguments);
    let arguments = COMPARISON_ARGUMENTS
        .iter()
        .flat_map(|&(option, value, _)| [option, value])
        .chain(limits.iter().copied());
    let server = ServerBuilder::oxidis().arguments(arguments);
    check_on(&server, name, encodings, protocol, &Comparison::default());
}

#[track_caller]
fn check_on(
    server: &ServerBuilder,
    name: &str,
    encodings: Option<Encodings>,
    protocol: Protocol,
    comparison: &Comparison,
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let file = folder.join(file_name(name, encodings, protocol));
    let transcript = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let server = server.clone().arguments(arguments_of(&transcript));
    let server = server.start().unwrap();
    let differences = replay(&transcript, &server, protocol, comparison)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
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
    (
        encodings: { $($encoded:ident)* }
        plain: { $($plain:ident)* }
    ) => {
        $(
            mod $encoded {
                use super::*;

                #[test]
                fn small_resp2() {
                    check(stringify!($encoded), Some(Encodings::Small), Protocol::Resp2);
                }

                #[test]
                fn small_resp3() {
                    check(stringify!($encoded), Some(Encodings::Small), Protocol::Resp3);
                }

                #[test]
                fn big_resp2() {
                    check(stringify!($encoded), Some(Encodings::Big), Protocol::Resp2);
                }

                #[test]
                fn big_resp3() {
                    check(stringify!($encoded), Some(Encodings::Big), Protocol::Resp3);
                }
            }
        )*

        $(
            mod $plain {
                use super::*;

                #[test]
                fn resp2() {
                    check(stringify!($plain), None, Protocol::Resp2);
                }

                #[test]
                fn resp3() {
                    check(stringify!($plain), None, Protocol::Resp3);
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
                    let script = std::fs::read_to_string(&path).unwrap();
                    let names = match Encodings::of_script(&script).len() {
                        1 => &[$(stringify!($plain)),*][..],
                        _ => &[$(stringify!($encoded)),*][..],
                    };
                    assert!(names.contains(&name.as_str()), "{name} has no test of its kind");
                }
            }
        }
    };
}

/// Sets have a third form since 7.2, for which there is nothing to record from 7.0.15: what it said
/// of hash tables holds for it, but for its name.
mod listpack_sets {
    use super::*;

    #[track_caller]
    fn check(name: &str, protocol: Protocol) {
        let comparison = Comparison::with_listpack_sets();
        let server = ServerBuilder::oxidis();
        check_on(&server, name, Some(Encodings::Small), protocol, &comparison);
    }

    #[test]
    fn set_resp2() {
        check("set", Protocol::Resp2);
    }

    #[test]
    fn set_resp3() {
        check("set", Protocol::Resp3);
    }

    #[test]
    fn generic_resp2() {
        check("generic", Protocol::Resp2);
    }

    #[test]
    fn generic_resp3() {
        check("generic", Protocol::Resp3);
    }
}

transcripts! {
    encodings: {
        list
        hash
        set
        sorted_set
        generic
        blocking
        geo
        hash_field_expiry
    }
    plain: {
        string
        connection
        transaction
        pubsub
        keyspace_events
        keyspace_events_8
        cluster
        standalone
        hyperloglog
        redis_8
        redis_8_0
        valkey_9
        functions
        scripting
        debugger
        stream
        stream_group
        tracking
        acl
        debug
    }
}
