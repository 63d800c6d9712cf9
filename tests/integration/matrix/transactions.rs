//! Transactions: MULTI, EXEC, DISCARD, WATCH.

use oxidis_testkit::Reply;

use super::case::Case;
use super::expected::{Expected, NIL_ARRAY, OK, QUEUED, array, nothing};

bodies! {
    ALL: [executed_at_once, ended_by_a_change_of_a_watched_key, not_ended_by_less],
    PLAIN: [discarded, with_errors],
}

fn executed_at_once(case: &mut Case<'_>) {
    case.make("k");
    let content = case.content("k");
    let mut other = case.peer();
    case.ok("MULTI");
    case.expect("COPY k to", QUEUED);
    case.expect("DEL k", QUEUED);
    case.expect("EXISTS k to", QUEUED);
    other.expect("EXISTS k to", 1);
    case.expect("EXEC", [1, 1, 1]);
    other.expect("EXISTS k", 0);
    case.has_content("to", &content);
    case.ok("MULTI");
    case.expect("EXEC", nothing());
}

fn ended_by_a_change_of_a_watched_key(case: &mut Case<'_>) {
    let mut other = case.peer();
    let changes: [fn(&mut Case<'_>); 5] = [
        |case| case.change("k"),
        |case| case.expect("DEL k", 1),
        |case| case.expect("EXPIRE k 1000", 1),
        |case| case.ok("RENAME k elsewhere"),
        |case| case.ok("FLUSHALL"),
    ];
    for change in changes {
        case.run("DEL k");
        case.make("k");
        other.expect("WATCH absent k", OK);
        other.expect("MULTI", OK);
        other.expect("SET was-executed 1", QUEUED);
        change(case);
        other.expect("EXEC", NIL_ARRAY);
        case.expect("EXISTS was-executed", 0);
    }
    // A key that comes into being has changed.
    other.expect("WATCH absent", OK);
    other.expect("MULTI", OK);
    case.make("absent");
    other.expect("EXEC", NIL_ARRAY);
}

fn not_ended_by_less(case: &mut Case<'_>) {
    case.make("k");
    let mut other = case.peer();
    other.expect("WATCH k", OK);
    case.content("k");
    case.make("another");
    case.expect("EXPIRE absent 10", 0);
    case.expect("COPY k another", 0);
    other.expect("MULTI", OK);
    other.expect("EXISTS k", QUEUED);
    other.expect("EXEC", [1]);
    other.expect("WATCH k", OK);
    case.change("k");
    other.expect("UNWATCH", OK);
    other.expect("MULTI", OK);
    other.expect("EXEC", nothing());
}

fn discarded(case: &mut Case<'_>) {
    case.ok("MULTI");
    case.expect("SET k v", QUEUED);
    case.ok("DISCARD");
    case.expect("EXISTS k", 0);
    case.fails("DISCARD", "ERR DISCARD without MULTI");
    case.fails("EXEC", "ERR EXEC without MULTI");
    case.ok("WATCH k");
    let mut other = case.peer();
    other.expect("SET k v", OK);
    case.ok("MULTI");
    case.fails("MULTI", "ERR MULTI calls can not be nested");
    case.fails("WATCH k", "ERR WATCH inside MULTI is not allowed");
    case.ok("DISCARD");
    // Nothing is watched any more.
    case.ok("MULTI");
    case.expect("EXEC", nothing());
}

fn with_errors(case: &mut Case<'_>) {
    case.ok("MULTI");
    case.fails("SET k", "ERR wrong number of arguments for 'set' command");
    case.expect("SET k v", QUEUED);
    case.fails(
        "EXEC",
        "EXECABORT Transaction discarded because of previous errors.",
    );
    case.expect("EXISTS k", 0);
    // What fails when it is executed does not keep the rest from it.
    case.ok("SET k v");
    case.ok("MULTI");
    case.expect("INCR k", QUEUED);
    case.expect("APPEND k w", QUEUED);
    let expected = Reply::Array(vec![
        Reply::Error(b"ERR value is not an integer or out of range".to_vec()),
        Reply::Integer(2),
    ]);
    assert_eq!(case.run("EXEC"), expected);
    case.expect("GET k", "vw");
    case.ok("MULTI");
    case.expect("HSET h f v", QUEUED);
    case.expect("HGETALL h", QUEUED);
    case.expect("PING", QUEUED);
    case.expect(
        "EXEC",
        array([
            1.into(),
            super::expected::map([("f", "v")]),
            Expected::Simple("PONG"),
        ]),
    );
}
