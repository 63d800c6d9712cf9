//! Hashes, with and without times to live of their fields.

use super::case::{Case, FAR};
use super::expected::{NIL, OK, any_order, array, map, nothing, pairs};

bodies! {
    HASHES: [
        written_and_read,
        read_whole,
        deleted,
        counted,
        chosen_by_chance,
        scanned,
        fields_with_times_to_live,
        fields_read_and_written_with_expiry,
        fields_that_expire,
        long_and_binary_fields,
        many_fields,
    ],
}

fn written_and_read(case: &mut Case<'_>) {
    case.hash("h", "a 1 b two c 3.5");
    case.encoded("h");
    case.expect("HSET h a 10 d 4", 1);
    case.expect("HGET h a", "10");
    case.expect("HGET h absent", NIL);
    case.expect("HGET absent a", NIL);
    case.ok("HMSET h a 1 e 5");
    case.expect("HMGET h a absent e", array(["1".into(), NIL, "5".into()]));
    case.expect("HMGET absent a b", array([NIL, NIL]));
    case.expect("HSETNX h a 2", 0);
    case.expect("HSETNX h f 6", 1);
    case.expect("HLEN h", 6);
    case.expect("HEXISTS h f", 1);
    case.expect("HEXISTS h g", 0);
    case.expect("HSTRLEN h b", 3);
    case.expect("HSTRLEN h g", 0);
    case.encoded("h");
    case.fails(
        "HSET h a",
        "ERR wrong number of arguments for 'hset' command",
    );
}

fn read_whole(case: &mut Case<'_>) {
    case.hash("h", "a 1 b 2 c 3");
    case.expect("HGETALL h", map([("a", "1"), ("b", "2"), ("c", "3")]));
    case.expect("HKEYS h", any_order(["a", "b", "c"]));
    case.expect("HVALS h", any_order(["1", "2", "3"]));
    case.encoded("h");
    case.expect("HGETALL absent", map::<&str, 0>([]));
    case.expect("HKEYS absent", nothing());
    case.expect("HVALS absent", nothing());
    case.expect("HLEN absent", 0);
}

fn deleted(case: &mut Case<'_>) {
    case.hash("h", "a 1 b 2 c 3 d 4");
    case.expect("HDEL h a absent", 1);
    case.expect("HGETDEL h FIELDS 2 b absent", array(["2".into(), NIL]));
    case.encoded("h");
    case.expect("HDEL h c d", 2);
    case.expect("EXISTS h", 0);
    case.expect("HDEL h c", 0);
    case.expect("HGETDEL h FIELDS 1 c", array([NIL]));
}

fn counted(case: &mut Case<'_>) {
    case.hash("h", "n 10 text x");
    case.expect("HINCRBY h n 5", 15);
    case.expect("HINCRBY h n -20", -5);
    case.expect("HINCRBY h new 3", 3);
    case.expect("HINCRBYFLOAT h n 0.25", "-4.75");
    case.encoded("h");
    case.fails("HINCRBY h text 1", "ERR hash value is not an integer");
    case.fails("HINCRBYFLOAT h text 1", "ERR hash value is not a float");
    case.run("HSET h n 9223372036854775807");
    case.fails("HINCRBY h n 1", "ERR increment or decrement would overflow");
}

fn chosen_by_chance(case: &mut Case<'_>) {
    case.hash("h", "a 1 b 2 c 3");
    case.expect_one_of("HRANDFIELD h", &["a", "b", "c"]);
    case.expect("HRANDFIELD h 9", any_order(["a", "b", "c"]));
    let five = case.run("HRANDFIELD h -5");
    assert_eq!(five.elements().map(<[_]>::len), Some(5));
    case.expect("HRANDFIELD h 0", nothing());
    case.encoded("h");
    case.expect("HRANDFIELD absent", NIL);
    case.expect("HRANDFIELD absent 2", nothing());
    case.hash("one", "a 1");
    case.expect("HRANDFIELD one 2 WITHVALUES", pairs([("a", "1")]));
    case.expect(
        "HRANDFIELD one -2 WITHVALUES",
        pairs([("a", "1"), ("a", "1")]),
    );
}

fn scanned(case: &mut Case<'_>) {
    let expected: Vec<String> = (100..160).map(|n| n.to_string()).collect();
    let fields: Vec<String> = (100..160).map(|n| format!("{n} v")).collect();
    case.hash("h", &fields.join(" "));
    case.encoded("h");
    assert_eq!(case.scan("HSCAN h CURSOR NOVALUES"), expected);
    assert_eq!(case.scan("HSCAN h CURSOR COUNT 3 NOVALUES"), expected);
    let matching = case.scan("HSCAN h CURSOR MATCH 11* NOVALUES");
    assert_eq!(matching, expected[10..20]);
    case.hash("one", "a 1");
    case.expect("HSCAN one 0", array(["0".into(), ["a", "1"].into()]));
    case.expect("HSCAN absent 0", array(["0".into(), nothing()]));
    case.fails("HSCAN h x", "ERR invalid cursor");
}

fn fields_with_times_to_live(case: &mut Case<'_>) {
    case.hash("h", "a 1 b 2 c 3");
    case.encoded("h");
    case.expect(&format!("HEXPIREAT h {FAR} FIELDS 2 a absent"), [1, -2]);
    case.expect(&format!("HPEXPIREAT h {FAR}000 NX FIELDS 1 a"), [0]);
    case.expect("HEXPIRETIME h FIELDS 2 a absent", [FAR, -2]);
    case.expect("HPEXPIRETIME h FIELDS 1 a", [FAR * 1000]);
    case.expect("HPERSIST h FIELDS 2 a absent", [1, -2]);
    case.expect("HTTL h FIELDS 1 a", [-1]);
    case.expect("HPTTL h FIELDS 1 a", [-1]);
    case.expect("HPERSIST h FIELDS 1 a", [-1]);
    case.expect("HEXPIRE h 1000 FIELDS 1 a", [1]);
    case.expect("HPEXPIRE h 2000000 GT FIELDS 1 a", [1]);
    case.expect("HEXPIRE h 1000 GT FIELDS 1 a", [0]);
    case.expect("HEXPIRE h 0 FIELDS 1 a", [2]);
    case.expect("HLEN h", 2);
    case.expect("HTTL absent FIELDS 1 a", [-2]);
    // Writing a field takes its time to live away.
    case.expect(&format!("HEXPIREAT h {FAR} FIELDS 1 b"), [1]);
    case.expect("HINCRBY h b 1", 3);
    case.expect("HEXPIRETIME h FIELDS 1 b", [FAR]);
    case.expect("HSET h b 4", 0);
    case.expect("HEXPIRETIME h FIELDS 1 b", [-1]);
}

fn fields_read_and_written_with_expiry(case: &mut Case<'_>) {
    case.hash("h", "a 1 b 2 c 3");
    case.encoded("h");
    case.expect("HGETEX h FIELDS 2 a absent", array(["1".into(), NIL]));
    case.expect(&format!("HGETEX h EXAT {FAR} FIELDS 1 a"), ["1"]);
    case.expect("HEXPIRETIME h FIELDS 1 a", [FAR]);
    case.expect("HGETEX h PERSIST FIELDS 1 a", ["1"]);
    case.expect("HTTL h FIELDS 1 a", [-1]);
    case.expect(&format!("HSETEX h EXAT {FAR} FIELDS 2 a 10 d 4"), 1);
    case.expect("HEXPIRETIME h FIELDS 2 a d", [FAR, FAR]);
    case.expect("HSETEX h FXX KEEPTTL FIELDS 1 a 11", 1);
    case.expect("HEXPIRETIME h FIELDS 1 a", [FAR]);
    case.expect("HSETEX h FNX FIELDS 2 a 12 e 5", 0);
    case.expect("HMGET h a d", ["11", "4"]);
}

fn fields_that_expire(case: &mut Case<'_>) {
    case.hash("h", "a 1 b 2 c 3");
    case.encoded("h");
    case.expect("HPEXPIRE h 1 FIELDS 1 a", [1]);
    case.wait_until(|case| case.run("HGET h a").is_null());
    case.expect("HGETALL h", map([("b", "2"), ("c", "3")]));
    case.expect("HPEXPIRE h 1 FIELDS 2 b c", [1, 1]);
    case.wait_until(|case| case.run("EXISTS h").text() == "0");
}

fn long_and_binary_fields(case: &mut Case<'_>) {
    case.hash("h", "a 1");
    case.encoded("h");
    case.expect("HSET h \"\" empty \"\\x00\\xff\\r\\n\" \"\\x00\"", 2);
    case.expect("HGET h \"\"", "empty");
    case.expect("HGET h \"\\x00\\xff\\r\\n\"", "\0");
    case.encoded("h");
    // What is longer than hash-max-listpack-value makes any hash a table.
    let long = "x".repeat(65);
    case.expect(&format!("HSET h long {long}"), 1);
    case.expect("OBJECT ENCODING h", "hashtable");
    case.expect("HGET h long", long.as_str());
    case.expect("HGET h a", "1");
    if case.form().has_field_expiry {
        case.expect("HEXPIRETIME h FIELDS 1 a", [FAR]);
    }
}

fn many_fields(case: &mut Case<'_>) {
    let has_table = case.form().encoding == "hashtable";
    for number in 0..120 {
        case.hash("h", &format!("f:{number} {number}"));
    }
    case.encoded("h");
    for number in (0..120).step_by(2) {
        case.expect(&format!("HDEL h f:{number}"), 1);
    }
    case.expect("HLEN h", 60);
    case.expect("HGET h f:117", "117");
    case.expect("HGET h f:118", NIL);
    case.encoded("h");
    if !has_table {
        case.expect("CONFIG SET hash-max-listpack-entries 60", OK);
        case.expect("HSET h one more", 1);
        case.expect("OBJECT ENCODING h", "hashtable");
        case.expect("HGET h f:117", "117");
    }
}
