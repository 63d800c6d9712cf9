//! What the recorded conversations with Redis 7.0 cannot hold: operations and checks that came
//! later, and BITOP against a naive model.

use std::borrow::Cow;

use proptest::prelude::*;

use super::BitOperation;
use crate::cmd::testing::TestSession;

#[track_caller]
fn check(conversation: &[(&str, &str)]) {
    let mut session = TestSession::new(&[]);
    for (command, reply) in conversation {
        assert_eq!(session.run(command), *reply, "{command}");
    }
}

#[test]
fn ranges_are_checked_even_if_the_key_is_missing() {
    check(&[
        ("BITCOUNT absent 0", "-ERR syntax error"),
        ("BITCOUNT absent 0 1 what", "-ERR syntax error"),
        (
            "BITCOUNT absent a b",
            "-ERR value is not an integer or out of range",
        ),
        ("BITPOS absent 1 0 1 what", "-ERR syntax error"),
        (
            "BITPOS absent 0 a",
            "-ERR value is not an integer or out of range",
        ),
        ("BITCOUNT absent 0 -1 BIT", ":0"),
        ("BITPOS absent 0 5", ":0"),
        ("BITPOS absent 1 5", ":-1"),
    ]);
}

#[test]
fn a_bit_makes_the_string_raw_even_if_nothing_changes() {
    check(&[
        ("SET n 1", "+OK"),
        ("OBJECT ENCODING n", "$3 int"),
        ("SETBIT n 2 1", ":1"),
        ("OBJECT ENCODING n", "$3 raw"),
        ("GET n", "$1 1"),
    ]);
}

#[test]
fn the_limit_of_a_request_is_the_limit_of_offsets() {
    let mut session = TestSession::new(&[("proto-max-bulk-len", "1mb")]);
    let out_of_range = "-ERR bit offset is not an integer or out of range";
    assert_eq!(session.run("SETBIT k 8388607 1"), ":0");
    assert_eq!(session.run("STRLEN k"), ":1048576");
    assert_eq!(session.run("SETBIT k 8388608 1"), out_of_range);
    assert_eq!(session.run("GETBIT k 8388608"), out_of_range);
    assert_eq!(session.run("BITFIELD k GET u8 #1048576"), out_of_range);
    let huge = "BITFIELD k GET u8 #9223372036854775807";
    assert_eq!(session.run(huge), out_of_range);
}

#[test]
fn some_operations_need_two_sources() {
    check(&[
        (
            "BITOP diff1 d a",
            "-ERR BITOP DIFF1 must be called with at least two source keys.",
        ),
        (
            "BITOP ANDOR d a",
            "-ERR BITOP ANDOR must be called with at least two source keys.",
        ),
        ("BITOP ONE d a", ":0"),
        ("BITOP NAND d a b", "-ERR syntax error"),
    ]);
}

/// As Redis 7.0.15 answers.
#[test]
fn far_too_small_numbers_saturate_as_in_redis() {
    check(&[
        (
            "BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775680",
            "*1 :0",
        ),
        ("BITFIELD k GET i8 0", "*1 :-128"),
        (
            "BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775681",
            "*1 :-128",
        ),
        ("BITFIELD k GET i8 0", "*1 :127"),
        (
            "BITFIELD k OVERFLOW SAT SET u8 0 -1 GET u8 0",
            "*2 :127 :255",
        ),
        (
            "BITFIELD k OVERFLOW SAT SET i64 0 -9223372036854775808 GET i64 0",
            "*2 :-72057594037927936 :-9223372036854775808",
        ),
    ]);
}

proptest! {
    #[test]
    fn operations_are_what_their_truth_tables_say(
        sources in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 2..6),
    ) {
        let length = sources.iter().map(Vec::len).max().unwrap_or(0);
        let borrowed: Vec<Cow<'_, [u8]>> =
            sources.iter().map(|source| Cow::Borrowed(&source[..])).collect();
        for (name, operation) in BitOperation::NAMES {
            let result = operation.combine(&borrowed, length);
            prop_assert_eq!(result.len(), length);
            for bit in 0..length * 8 {
                let is_set = |string: &[u8]| {
                    string.get(bit / 8).is_some_and(|byte| byte << (bit % 8) & 0x80 != 0)
                };
                let x = is_set(&sources[0]);
                let ys = sources[1..].iter().filter(|source| is_set(source)).count();
                let expected = match operation {
                    BitOperation::And => x && ys == sources.len() - 1,
                    BitOperation::Or => x || ys > 0,
                    BitOperation::Xor => (ys + usize::from(x)) % 2 == 1,
                    BitOperation::Not => !x,
                    BitOperation::Diff => x && ys == 0,
                    BitOperation::Diff1 => !x && ys > 0,
                    BitOperation::AndOr => x && ys > 0,
                    BitOperation::One => ys + usize::from(x) == 1,
                };
                prop_assert_eq!(is_set(&result), expected, "{} bit {}", name, bit);
            }
        }
    }
}
