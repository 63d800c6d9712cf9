//! Any reply at all is printed as redis-cli prints it, in every output.

use oxidis_resp::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::canned;
use crate::programs::{Run, ours, theirs};

/// How many random replies are compared in each output.
const REPLIES: usize = 500;

/// Text that may stand on a line of the protocol. redis-cli stops at a NUL byte in some
/// of these; no server sends one.
fn line_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[A-Za-z ]{0,12}".prop_map(String::into_bytes),
        vec(
            prop::num::u8::ANY.prop_filter("a line", |byte| !b"\r\n\0".contains(byte)),
            0..12
        ),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[A-Za-z0-9\"'\\\\ \n\t\u{e9}\u{20ac}]{0,12}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..12),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        line_text().prop_map(Value::Simple),
        line_text().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        bytes().prop_map(Value::Bulk),
        any::<f64>()
            .prop_filter("a number", |number| !number.is_nan())
            .prop_map(|number| Value::Double(format!("{number:e}"))),
        any::<bool>().prop_map(Value::Boolean),
        Just(Value::Null),
        Just(Value::NullBulk),
        Just(Value::NullArray),
        bytes().prop_map(|text| Value::Verbatim {
            format: *b"txt",
            text
        }),
    ]
}

fn reply() -> impl Strategy<Value = Value> {
    // Deeper than seven levels, redis-cli's parser gives up.
    scalar().prop_recursive(4, 40, 12, |inner| {
        let inner = inner.boxed();
        prop_oneof![
            vec(inner.clone(), 0..12).prop_map(Value::Array),
            vec(inner.clone(), 0..12).prop_map(Value::Set),
            vec((inner.clone(), inner), 0..12).prop_map(Value::Map),
        ]
    })
}

/// Random replies, the same in every run, and a few that chance would hardly find.
fn replies() -> Vec<Value> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    let strategy = reply();
    let mut replies: Vec<Value> = (0..REPLIES)
        .map(|_| {
            strategy
                .new_tree(&mut runner)
                .expect("no reply is rejected")
                .current()
        })
        .collect();
    let numbers = |range: std::ops::Range<i64>| range.map(Value::Integer).collect::<Vec<_>>();
    replies.push(Value::Array(numbers(0..1000)));
    replies.push(Value::Set(numbers(0..9)));
    replies.push(Value::Map(
        numbers(0..100).into_iter().zip(numbers(0..100)).collect(),
    ));
    replies.push(Value::Array(vec![
        Value::Array(numbers(0..10)),
        Value::Map(Vec::new()),
    ]));
    replies
}

#[test]
fn every_reply_is_printed_alike() {
    let Some(theirs) = theirs() else { return };
    let replies = replies();
    let encoded: Vec<Vec<u8>> = replies
        .iter()
        .map(|reply| {
            let mut bytes = Vec::new();
            reply.write_to(&mut bytes);
            bytes
        })
        .collect();
    let port = canned::serve(encoded);
    let server = ["-p".to_string(), port.to_string()];
    let outputs: [&[&str]; 7] = [
        &["--no-raw"],
        &["--raw"],
        &["--raw", "-d", ",", "-D", ";"],
        &["--csv"],
        &["--json"],
        &["--quoted-json"],
        &["--json", "-2"],
    ];
    for output in outputs {
        // One process answers for all replies, unless the answer differs somewhere: then
        // the reply is looked for on its own.
        let script: String = (0..replies.len())
            .map(|index| format!("reply {index}\n"))
            .collect();
        let run = Run::new(output).input(script);
        let expected = run.of(&theirs, &server);
        assert_eq!(
            expected.code,
            Some(0),
            "redis-cli understands every reply: {expected:?}"
        );
        if run.of(&ours(), &server) == expected {
            continue;
        }
        for (index, reply) in replies.iter().enumerate() {
            let run = Run::new(output).input(format!("reply {index}\n"));
            assert_eq!(
                run.of(&ours(), &server),
                run.of(&theirs, &server),
                "{output:?} {reply:?}"
            );
        }
        panic!("{output:?} differs only when replies follow each other");
    }
}

#[test]
fn push_messages_are_printed_before_the_reply_where_wanted() {
    let Some(theirs) = theirs() else { return };
    let invalidation = b">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$3\r\nb c\r\n+OK\r\n".to_vec();
    let message = b">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$2\r\nhi\r\n:1\r\n".to_vec();
    let port = canned::serve(vec![invalidation, message]);
    let server = ["-p".to_string(), port.to_string()];
    for flags in [
        &["-3"][..],
        &["-3", "--show-pushes", "no"],
        &["-3", "--csv"],
        &["-3", "--json"],
    ] {
        let run = Run::new(flags).input("reply 0\nreply 1\n").terminal();
        assert_eq!(
            run.of(&ours(), &server),
            run.of(&theirs, &server),
            "{flags:?}"
        );
    }
}

#[test]
fn what_is_no_protocol_ends_the_program() {
    let port = canned::serve(vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec()]);
    let server = ["-p".to_string(), port.to_string()];
    let outcome = Run::new(&["reply", "0"]).of(&ours(), &server);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.errors.starts_with("Error: Protocol error"),
        "{outcome:?}"
    );
}

#[test]
fn redirections_are_followed_where_asked_for() {
    let Some(theirs) = theirs() else { return };
    let other = canned::serve(vec![b"+moved\r\n".to_vec(), b"+asked\r\n".to_vec()]);
    let port = canned::serve(vec![
        format!("-MOVED 5 127.0.0.1:{other}\r\n").into_bytes(),
        format!("-ASK 5 127.0.0.1:{other}\r\n").into_bytes(),
    ]);
    let server = ["-p".to_string(), port.to_string()];
    for run in [
        Run::new(&["-c", "reply", "0"]),
        Run::new(&["-c", "reply", "1"]),
        Run::new(&["reply", "0"]),
        Run::new(&["-c"]).input("reply 1\nreply 0\n"),
        Run::new(&["-c", "-r", "2", "reply", "0"]),
    ] {
        assert_eq!(
            run.of(&ours(), &server),
            run.of(&theirs, &server),
            "{run:?}"
        );
    }
}
