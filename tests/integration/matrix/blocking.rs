//! Commands that wait: what they are served by, in which order, and what ends them.

use super::case::Case;
use super::expected::{Expected, NIL_ARRAY, OK, QUEUED, array};

bodies! {
    LISTS: [
        served_by_a_push,
        served_in_the_order_of_arrival,
        served_one_by_another,
        served_after_a_transaction,
        served_by_whatever_makes_a_list,
        ended_by_others,
    ],
    SORTED_SETS: [served_by_an_addition],
}

/// A list that has the encoding of the form even after it lost an element.
const ELEMENTS: &str = "1 2 3";

fn served_by_a_push(case: &mut Case<'_>) {
    let commands: [(&str, Expected); 5] = [
        ("BLPOP none l 0", ["l", "1"].into()),
        ("BRPOP l none 0", ["l", "3"].into()),
        ("BLMOVE l to RIGHT LEFT 0", "3".into()),
        ("BRPOPLPUSH l to 0", "3".into()),
        ("BLMPOP 0 2 none l LEFT", array(["l".into(), ["1"].into()])),
    ];
    for (command, served) in commands {
        case.expect("DEL l", 0);
        let mut waiter = case.block(command);
        case.expect(&format!("RPUSH l {ELEMENTS}"), 3);
        waiter.receive(served);
        case.expect("LLEN l", 2);
        case.encoded("l");
        case.expect("DEL l", 1);
        waiter.expect("PING", Expected::Simple("PONG"));
    }
    case.expect("LRANGE to 0 -1", ["3", "3"]);
    case.encoded("to");
}

fn served_in_the_order_of_arrival(case: &mut Case<'_>) {
    let mut first = case.block("BLPOP l 0");
    let mut second = case.block("BRPOP l 0");
    let mut third = case.block("BLMPOP 0 1 l LEFT COUNT 9");
    case.expect("RPUSH l 1 2 3 4", 4);
    first.receive(["l", "1"]);
    second.receive(["l", "4"]);
    third.receive(array(["l".into(), ["2", "3"].into()]));
    case.expect("EXISTS l", 0);
    // Of the keys of one command the first that has something counts.
    let mut waiter = case.block("BLPOP b a 0");
    case.ok("MULTI");
    case.expect("RPUSH a 1 2 3", QUEUED);
    case.expect("RPUSH b 4 5 6", QUEUED);
    case.expect("EXEC", [3, 3]);
    waiter.receive(["b", "4"]);
    case.encoded("a");
    case.encoded("b");
}

fn served_one_by_another(case: &mut Case<'_>) {
    let mut last = case.block("BLPOP c 0");
    let mut middle = case.block("BLMOVE b c LEFT LEFT 0");
    let mut first = case.block("BLMOVE a b LEFT LEFT 0");
    case.expect("RPUSH a 1 2 3", 3);
    first.receive("1");
    middle.receive("1");
    last.receive(["c", "1"]);
    case.expect("EXISTS b c", 0);
    case.encoded("a");
}

fn served_after_a_transaction(case: &mut Case<'_>) {
    let mut waiter = case.block("BLPOP l 0");
    case.ok("MULTI");
    case.expect("RPUSH l 1 2", QUEUED);
    case.expect("DEL l", QUEUED);
    case.expect("RPUSH l 3 4 5", QUEUED);
    case.expect("LLEN l", QUEUED);
    case.expect("EXEC", [2, 1, 3, 3]);
    waiter.receive(["l", "3"]);
    case.encoded("l");
    // Inside a transaction nothing waits.
    case.ok("MULTI");
    case.expect("BLPOP none 0", QUEUED);
    case.expect("EXEC", array([NIL_ARRAY]));
}

fn served_by_whatever_makes_a_list(case: &mut Case<'_>) {
    case.make("source");
    let mut waiter = case.block("BLPOP l 0");
    case.ok("RENAME source l");
    waiter.receive(["l", "3"]);
    case.encoded("l");
    let mut waiter = case.block("BLPOP copy 0");
    case.make("source");
    case.expect("COPY source copy", 1);
    waiter.receive(["copy", "3"]);
    let mut waiter = case.block("BLPOP sorted 0");
    case.expect("SORT source STORE sorted", 3);
    waiter.receive(["sorted", "1"]);
    // Something else under the key is no list.
    let mut waiter = case.block("BLPOP x 0");
    case.ok("SET x text");
    case.expect("DEL x", 1);
    case.expect("RPUSH x 1 2 3", 3);
    waiter.receive(["x", "1"]);
}

fn ended_by_others(case: &mut Case<'_>) {
    case.make("l");
    for (how, with_error) in [("TIMEOUT", false), ("ERROR", true)] {
        let mut waiter = case.peer();
        let id = waiter.run("CLIENT ID").text();
        waiter.send("BLPOP none 0");
        case.wait_until(|case| case.run(&format!("CLIENT UNBLOCK {id} {how}")).text() == "1");
        match with_error {
            true => waiter.receive_error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            false => waiter.receive(NIL_ARRAY),
        }
        case.expect(&format!("CLIENT UNBLOCK {id}"), 0);
    }
    case.expect("BLPOP none 0.01", NIL_ARRAY);
    case.expect("BLMOVE none to LEFT LEFT 0.01", NIL_ARRAY);
}

fn served_by_an_addition(case: &mut Case<'_>) {
    let score = |score: &'static str| Expected::Double(score);
    let lowest = array([array(["a".into(), score("1")])]);
    let commands: [(&str, Expected); 3] = [
        (
            "BZPOPMIN none z 0",
            array(["z".into(), "a".into(), score("1")]),
        ),
        (
            "BZPOPMAX z 0",
            array(["z".into(), "c".into(), score("2.5")]),
        ),
        ("BZMPOP 0 2 none z MIN", array(["z".into(), lowest])),
    ];
    for (command, served) in commands {
        let mut waiter = case.block(command);
        case.expect("ZADD z 2 b 1 a 2.5 c", 3);
        waiter.receive(served);
        case.expect("ZCARD z", 2);
        case.encoded("z");
        case.expect("DEL z", 1);
    }
    let mut waiter = case.block("BZPOPMIN z 0");
    case.run("ZADD other 1 a 2 b");
    case.expect("ZUNIONSTORE z 1 other", 2);
    waiter.receive(array(["z".into(), "a".into(), score("1")]));
    case.encoded("z");
    case.expect("FLUSHALL", OK);
}
