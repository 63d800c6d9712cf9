//! Strings.

use super::case::{Case, FAR};
use super::expected::{NIL, OK, array, map, nothing};

bodies! {
    STRINGS: [
        read_and_replaced,
        written_under_conditions,
        read_in_part,
        written_in_part,
        many_at_once,
        with_an_expiry,
        longest_common_subsequence,
        deleted_if_equal,
        of_the_wrong_type,
    ],
    INTEGERS: [counted, counted_beyond_the_limits],
}

fn read_and_replaced(case: &mut Case<'_>) {
    let text = case.form().text;
    case.make("s");
    case.expect("GET s", text);
    case.expect("STRLEN s", text.len() as i64);
    case.expect("GETSET s other", text);
    case.expect(&format!("SET s \"{text}\" GET"), "other");
    case.encoded("s");
    case.expect("GETEX s", text);
    case.expect("GETDEL s", text);
    case.expect("GETDEL s", NIL);
    case.expect("GET s", NIL);
    case.expect("STRLEN s", 0);
    case.expect("GETSET s other", NIL);
}

fn written_under_conditions(case: &mut Case<'_>) {
    let text = case.form().text;
    case.expect(&format!("SET s \"{text}\" XX"), NIL);
    case.expect("EXISTS s", 0);
    case.expect(&format!("SET s \"{text}\" NX"), OK);
    case.encoded("s");
    case.expect("SET s other NX", NIL);
    case.expect("SET s other NX GET", text);
    case.expect("SETNX s other", 0);
    case.expect("GET s", text);
    case.expect(&format!("SETNX t \"{text}\""), 1);
    case.encoded("t");
    case.expect("SET s other XX", OK);
    case.expect("GET s", "other");
    case.fails("SET s v NX XX", "ERR syntax error");
}

fn read_in_part(case: &mut Case<'_>) {
    let text = case.form().text;
    let len = text.len();
    case.make("s");
    case.expect("GETRANGE s 0 -1", text);
    case.expect("GETRANGE s 0 2", &text[..3]);
    case.expect("SUBSTR s 1 2", &text[1..3]);
    case.expect("GETRANGE s -2 -1", &text[len - 2..]);
    case.expect("GETRANGE s -100 100", text);
    case.expect("GETRANGE s 3 1", "");
    case.expect("GETRANGE s 100 200", "");
    case.expect("GETRANGE absent 0 -1", "");
    case.encoded("s");
}

fn written_in_part(case: &mut Case<'_>) {
    let text = case.form().text;
    let len = text.len() as i64;
    case.make("s");
    case.expect("APPEND s !", len + 1);
    case.expect("GET s", format!("{text}!"));
    case.expect("OBJECT ENCODING s", "raw");
    case.make("s");
    case.expect("SETRANGE s 1 #", len);
    case.expect("GET s", format!("{}#{}", &text[..1], &text[2..]));
    case.make("s");
    case.expect(&format!("SETRANGE s {} x", len + 2), len + 3);
    case.expect("GET s", format!("{text}\0\0x"));
    case.expect("SETRANGE absent 3 \"\"", 0);
    case.expect("EXISTS absent", 0);
    case.expect("APPEND absent ab", 2);
    case.fails("SETRANGE s -1 x", "ERR offset is out of range");
    case.fails(
        "SETRANGE s 536870912 x",
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
    );
}

fn many_at_once(case: &mut Case<'_>) {
    let text = case.form().text;
    case.ok(&format!("MSET a \"{text}\" b 2 a \"{text}\""));
    case.encoded("a");
    case.expect("MSETNX c 1 b 3", 0);
    case.expect(&format!("MSETNX c \"{text}\" d 4"), 1);
    case.encoded("c");
    case.run("LPUSH list x");
    case.expect(
        "MGET a b c list absent",
        array([text.into(), "2".into(), text.into(), NIL, NIL]),
    );
    case.fails(
        "MSET a 1 b",
        "ERR wrong number of arguments for 'mset' command",
    );
    case.expect(&format!("MSETEX 2 e \"{text}\" f 6 EXAT {FAR}"), 1);
    case.encoded("e");
    case.expect("EXPIRETIME f", FAR);
}

fn with_an_expiry(case: &mut Case<'_>) {
    let text = case.form().text;
    case.ok(&format!("SET s \"{text}\" EXAT {FAR}"));
    case.expect("EXPIRETIME s", FAR);
    case.encoded("s");
    case.ok(&format!("SET s \"{text}\" KEEPTTL"));
    case.expect("EXPIRETIME s", FAR);
    case.expect("APPEND s \"\"", text.len() as i64);
    case.expect("EXPIRETIME s", FAR);
    case.expect("GETEX s PERSIST", text);
    case.expect("TTL s", -1);
    case.expect(&format!("GETEX s PXAT {FAR}000"), text);
    case.expect("EXPIRETIME s", FAR);
    case.ok(&format!("SET s \"{text}\""));
    case.expect("TTL s", -1);
    case.ok(&format!("SETEX s 1000 \"{text}\""));
    case.encoded("s");
    case.expect_within("TTL s", 990..=1000);
    case.ok(&format!("PSETEX s 1000000 \"{text}\""));
    case.encoded("s");
    case.expect_within("PTTL s", 990_000..=1_000_000);
    case.ok(&format!("SET s \"{text}\" PX 1"));
    case.wait_until(|case| case.run("GET s").is_null());
    case.fails("SETEX s 0 v", "ERR invalid expire time in 'setex' command");
}

fn longest_common_subsequence(case: &mut Case<'_>) {
    let text = case.form().text;
    let len = text.len() as i64;
    case.make("a");
    case.ok(&format!("SET b \"<{text}>\""));
    case.expect("LCS a b", text);
    case.expect("LCS a b LEN", len);
    let one_match = array([array([[0, len - 1].into(), [1, len].into(), len.into()])]);
    case.expect(
        "LCS a b IDX WITHMATCHLEN",
        map([("matches", one_match), ("len", len.into())]),
    );
    case.expect(
        "LCS a absent IDX",
        map([("matches", nothing()), ("len", 0.into())]),
    );
    case.encoded("a");
}

fn deleted_if_equal(case: &mut Case<'_>) {
    let text = case.form().text;
    case.make("s");
    case.expect("DELIFEQ s other", 0);
    case.encoded("s");
    case.expect(&format!("SET s \"{text}\" IFEQ other"), NIL);
    case.expect(&format!("SET s new IFEQ \"{text}\""), OK);
    case.expect("DELIFEQ s new", 1);
    case.expect("EXISTS s", 0);
}

fn of_the_wrong_type(case: &mut Case<'_>) {
    const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
    case.make("s");
    for line in ["LPUSH s x", "HGET s f", "SADD s x", "ZADD s 1 x", "LLEN s"] {
        case.fails(line, WRONG_TYPE);
    }
    case.encoded("s");
    case.run("RPUSH list x");
    for line in ["GET list", "INCR list", "APPEND list x", "GETSET list x"] {
        case.fails(line, WRONG_TYPE);
    }
    // SET does not mind what was there before.
    case.ok("SET list x");
    case.expect("TYPE list", super::expected::Expected::Simple("string"));
}

fn counted(case: &mut Case<'_>) {
    case.expect("INCR n", 1);
    case.encoded("n");
    case.expect("INCRBY n 41", 42);
    case.expect("DECR n", 41);
    case.expect("DECRBY n 50", -9);
    case.encoded("n");
    case.expect("GET n", "-9");
    case.expect("STRLEN n", 2);
    case.expect("INCRBYFLOAT n 0.5", "-8.5");
    case.expect("OBJECT ENCODING n", "embstr");
    case.fails("INCR n", "ERR value is not an integer or out of range");
    case.expect("INCRBYFLOAT n 1.5e1", "6.5");
    case.ok("SET n 007");
    case.fails("INCR n", "ERR value is not an integer or out of range");
    case.fails("INCRBY n x", "ERR value is not an integer or out of range");
    case.fails("INCRBYFLOAT n x", "ERR value is not a valid float");
}

fn counted_beyond_the_limits(case: &mut Case<'_>) {
    case.ok("SET n 9223372036854775806");
    case.encoded("n");
    case.expect("INCR n", i64::MAX);
    case.fails("INCR n", "ERR increment or decrement would overflow");
    case.expect("GET n", "9223372036854775807");
    case.ok("SET n -9223372036854775808");
    case.encoded("n");
    case.fails("DECR n", "ERR increment or decrement would overflow");
    case.fails(
        "DECRBY n -9223372036854775808",
        "ERR decrement would overflow",
    );
    case.fails(
        "INCRBYFLOAT n inf",
        "ERR increment would produce NaN or Infinity",
    );
}
