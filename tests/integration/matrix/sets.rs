//! Sets.

use super::case::Case;
use super::expected::{NIL, any_order, array, nothing, set};

bodies! {
    SETS: [
        members_come_and_go,
        combined,
        combined_into_others,
        moved,
        chosen_by_chance,
        scanned,
        what_does_not_fit_makes_a_set_bigger,
    ],
    SETS_OF_TEXTS: [texts],
}

fn members_come_and_go(case: &mut Case<'_>) {
    case.expect("SADD s 1 2 3 2", 3);
    case.expect("SADD s 3 -4", 1);
    case.encoded("s");
    case.expect("SCARD s", 4);
    case.expect("SMEMBERS s", set(["1", "2", "3", "-4"]));
    case.expect("SISMEMBER s -4", 1);
    case.expect("SISMEMBER s 4", 0);
    case.expect("SISMEMBER s text", 0);
    case.expect("SMISMEMBER s 1 5 3", [1, 0, 1]);
    case.expect("SREM s 1 5", 1);
    case.encoded("s");
    case.expect("SREM s 2 3 -4", 3);
    case.expect("EXISTS s", 0);
    case.expect("SREM s 1", 0);
    case.expect("SCARD s", 0);
    case.expect("SMEMBERS s", set([]));
    case.expect("SMISMEMBER s 1", [0]);
}

fn combined(case: &mut Case<'_>) {
    case.run("SADD a 1 2 3 4");
    case.run("SADD b 3 4 5");
    case.run("SADD c 4 6");
    case.encoded("a");
    case.expect("SINTER a b", set(["3", "4"]));
    case.expect("SINTER a b c", set(["4"]));
    case.expect("SINTER a absent", set([]));
    case.expect("SINTERCARD 2 a b", 2);
    case.expect("SINTERCARD 2 a b LIMIT 1", 1);
    case.expect("SUNION a b c absent", set(["1", "2", "3", "4", "5", "6"]));
    case.expect("SDIFF a b", set(["1", "2"]));
    case.expect("SDIFF a absent c", set(["1", "2", "3"]));
    case.expect("SDIFF absent a", set([]));
    case.encoded("a");
    case.fails("SINTERCARD 0 a", "ERR numkeys should be greater than 0");
}

fn combined_into_others(case: &mut Case<'_>) {
    // Sets of numbers become tables here when they may not be intsets.
    let [one, two, three, four, five] = match case.form().encoding {
        "intset" => ["1", "2", "3", "4", "5"],
        _ => ["one", "two", "three", "four", "five"],
    };
    case.run(&format!("SADD a {one} {two} {three} {four}"));
    case.run(&format!("SADD b {three} {four} {five}"));
    case.expect("SINTERSTORE to a b", 2);
    case.encoded("to");
    case.expect("SMEMBERS to", set([three, four]));
    case.expect("SUNIONSTORE to a b", 5);
    case.encoded("to");
    case.expect("SMEMBERS to", set([one, two, three, four, five]));
    case.expect("SDIFFSTORE a a b", 2);
    case.encoded("a");
    case.expect("SMEMBERS a", set([one, two]));
    case.expect("SINTERSTORE to a b", 0);
    case.expect("EXISTS to", 0);
}

fn moved(case: &mut Case<'_>) {
    case.run("SADD from 1 2");
    case.run("SADD to 2 3");
    case.expect("SMOVE from to 1", 1);
    case.encoded("to");
    case.encoded("from");
    case.expect("SMOVE from to 9", 0);
    case.expect("SMOVE from to 2", 1);
    case.expect("EXISTS from", 0);
    case.expect("SMEMBERS to", set(["1", "2", "3"]));
    case.expect("SMOVE from to 2", 0);
    case.expect("SMOVE to new 3", 1);
    case.encoded("new");
}

fn chosen_by_chance(case: &mut Case<'_>) {
    case.run("SADD s 1 2 3");
    case.expect_one_of("SRANDMEMBER s", &["1", "2", "3"]);
    case.expect("SRANDMEMBER s 9", any_order(["1", "2", "3"]));
    let five = case.run("SRANDMEMBER s -5");
    assert_eq!(five.elements().map(<[_]>::len), Some(5));
    case.expect("SCARD s", 3);
    case.expect_one_of("SPOP s", &["1", "2", "3"]);
    case.encoded("s");
    case.expect("SCARD s", 2);
    case.expect("SPOP s 0", set([]));
    let both = case.run("SPOP s 9");
    assert_eq!(both.elements().map(<[_]>::len), Some(2));
    case.expect("EXISTS s", 0);
    case.expect("SPOP s", NIL);
    case.expect("SRANDMEMBER s", NIL);
    case.expect("SRANDMEMBER s 2", nothing());
}

fn scanned(case: &mut Case<'_>) {
    let expected: Vec<String> = (100..160).map(|n| n.to_string()).collect();
    case.expect(&format!("SADD s {}", expected.join(" ")), 60);
    case.encoded("s");
    assert_eq!(case.scan("SSCAN s CURSOR"), expected);
    assert_eq!(case.scan("SSCAN s CURSOR COUNT 3"), expected);
    let matching = case.scan("SSCAN s CURSOR MATCH 11*");
    assert_eq!(matching, expected[10..20]);
    case.expect("SSCAN absent 0", array(["0".into(), nothing()]));
}

fn what_does_not_fit_makes_a_set_bigger(case: &mut Case<'_>) {
    case.run("SADD s 1 2 3");
    case.encoded("s");
    case.run("SADD s text");
    let with_text = match case.form().encoding {
        "hashtable" => "hashtable",
        _ => "listpack",
    };
    case.expect("OBJECT ENCODING s", with_text);
    case.expect("SMEMBERS s", set(["1", "2", "3", "text"]));
    let long = "x".repeat(65);
    case.run(&format!("SADD s {long}"));
    case.expect("OBJECT ENCODING s", "hashtable");
    case.expect("SISMEMBER s text", 1);
    case.expect("SISMEMBER s 2", 1);
    // It stays one, whatever goes.
    case.run(&format!("SREM s {long} text"));
    case.expect("OBJECT ENCODING s", "hashtable");
    case.expect("SMEMBERS s", set(["1", "2", "3"]));
}

fn texts(case: &mut Case<'_>) {
    case.expect("SADD s a b \"\" \"\\x00\\xff\\r\\n\" 01", 5);
    case.encoded("s");
    case.expect("SISMEMBER s \"\"", 1);
    case.expect("SISMEMBER s \"\\x00\\xff\\r\\n\"", 1);
    case.expect("SISMEMBER s 1", 0);
    case.expect("SREM s 01 \"\"", 2);
    case.run("SADD other a c");
    case.expect("SINTER s other", set(["a"]));
    case.expect("SDIFF other s", set(["c"]));
    case.encoded("s");
}
