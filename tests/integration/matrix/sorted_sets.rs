//! Sorted sets.

use super::case::Case;
use super::expected::{Expected, NIL, NIL_ARRAY, array, nothing, scored};

bodies! {
    SORTED_SETS: [
        members_come_and_go,
        added_under_conditions,
        ranges_by_rank,
        ranges_by_score,
        ranges_by_name,
        ranges_kept,
        removed_by_range,
        popped,
        blocking_commands_that_find_something,
        combined,
        combined_into_others,
        chosen_by_chance,
        scanned,
        scores_of_all_kinds,
        long_and_binary_members,
    ],
}

fn double(text: &'static str) -> Expected {
    Expected::Double(text)
}

fn members_come_and_go(case: &mut Case<'_>) {
    case.expect("ZADD z 1 a 2 b 3 c", 3);
    case.expect("ZADD z 2.5 b 4 d", 1);
    case.encoded("z");
    case.expect("ZCARD z", 4);
    case.expect("ZSCORE z b", double("2.5"));
    case.expect("ZSCORE z absent", NIL);
    case.expect(
        "ZMSCORE z a absent d",
        array([double("1"), NIL, double("4")]),
    );
    case.expect("ZRANK z b", 1);
    case.expect("ZREVRANK z b", 2);
    case.expect("ZRANK z absent", NIL);
    case.expect("ZRANK z b WITHSCORE", array([1.into(), double("2.5")]));
    case.expect("ZREVRANK z absent WITHSCORE", NIL_ARRAY);
    case.expect("ZINCRBY z 2 a", double("3"));
    case.expect("ZINCRBY z -1.5 new", double("-1.5"));
    // Members with equal scores stand by name.
    case.expect("ZRANGE z 0 -1", ["new", "b", "a", "c", "d"]);
    case.expect("ZREM z new absent b", 2);
    case.encoded("z");
    case.expect("ZREM z a c d", 3);
    case.expect("EXISTS z", 0);
    case.expect("ZCARD z", 0);
    case.expect("ZREM z a", 0);
}

fn added_under_conditions(case: &mut Case<'_>) {
    case.expect("ZADD z XX 1 a", 0);
    case.expect("EXISTS z", 0);
    case.expect("ZADD z 5 a 5 b", 2);
    case.expect("ZADD z NX 9 a 9 c", 1);
    case.expect("ZADD z XX CH 6 a 9 absent", 1);
    case.expect("ZADD z GT CH 5 a 7 b", 1);
    case.expect("ZADD z LT CH 5 a 8 b", 1);
    case.encoded("z");
    case.expect(
        "ZRANGE z 0 -1 WITHSCORES",
        scored([("a", "5"), ("b", "7"), ("c", "9")]),
    );
    case.expect("ZADD z INCR 1.5 a", double("6.5"));
    case.expect("ZADD z NX INCR 1 a", NIL);
    case.fails(
        "ZADD z NX XX 1 a",
        "ERR XX and NX options at the same time are not compatible",
    );
    case.fails(
        "ZADD z GT LT 1 a",
        "ERR GT, LT, and/or NX options at the same time are not compatible",
    );
    case.fails("ZADD z x a", "ERR value is not a valid float");
    case.fails(
        "ZADD z INCR 1 a 2 b",
        "ERR INCR option supports a single increment-element pair",
    );
}

fn ranges_by_rank(case: &mut Case<'_>) {
    case.run("ZADD z 1 a 2 b 3 c 4 d");
    case.encoded("z");
    case.expect("ZRANGE z 1 2", ["b", "c"]);
    case.expect(
        "ZRANGE z -2 -1 WITHSCORES",
        scored([("c", "3"), ("d", "4")]),
    );
    case.expect("ZRANGE z 0 1 REV", ["d", "c"]);
    case.expect(
        "ZREVRANGE z 0 1 WITHSCORES",
        scored([("d", "4"), ("c", "3")]),
    );
    case.expect("ZRANGE z 3 1", nothing());
    case.expect("ZRANGE absent 0 -1", nothing());
    case.fails(
        "ZRANGE z 0 -1 LIMIT 0 1",
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
    );
}

fn ranges_by_score(case: &mut Case<'_>) {
    case.run("ZADD z 1 a 2 b 3 c 4 d");
    case.encoded("z");
    case.expect("ZCOUNT z 2 3", 2);
    case.expect("ZCOUNT z (2 +inf", 2);
    case.expect("ZRANGEBYSCORE z (1 3", ["b", "c"]);
    case.expect("ZRANGEBYSCORE z -inf +inf LIMIT 1 2", ["b", "c"]);
    case.expect("ZRANGEBYSCORE z 2 2 WITHSCORES", scored([("b", "2")]));
    case.expect("ZREVRANGEBYSCORE z 3 (1", ["c", "b"]);
    case.expect("ZRANGE z (1 3 BYSCORE", ["b", "c"]);
    case.expect(
        "ZRANGE z 3 (1 BYSCORE REV LIMIT 1 9 WITHSCORES",
        scored([("b", "2")]),
    );
    case.expect("ZRANGEBYSCORE z 5 1", nothing());
    case.fails("ZCOUNT z x 1", "ERR min or max is not a float");
}

fn ranges_by_name(case: &mut Case<'_>) {
    case.run("ZADD z 0 a 0 b 0 c 0 d");
    case.encoded("z");
    case.expect("ZLEXCOUNT z - +", 4);
    case.expect("ZLEXCOUNT z (a [c", 2);
    case.expect("ZRANGEBYLEX z [b (d", ["b", "c"]);
    case.expect("ZRANGEBYLEX z - + LIMIT 2 9", ["c", "d"]);
    case.expect("ZREVRANGEBYLEX z [c -", ["c", "b", "a"]);
    case.expect("ZRANGE z (b + BYLEX", ["c", "d"]);
    case.expect("ZRANGE z + (b BYLEX REV", ["d", "c"]);
    case.expect("ZRANGEBYLEX z + -", nothing());
    case.fails(
        "ZLEXCOUNT z a c",
        "ERR min or max not valid string range item",
    );
}

fn ranges_kept(case: &mut Case<'_>) {
    case.run("ZADD z 1 a 2 b 3 c 4 d");
    case.expect("ZRANGESTORE to z 1 2", 2);
    case.encoded("to");
    case.expect(
        "ZRANGE to 0 -1 WITHSCORES",
        scored([("b", "2"), ("c", "3")]),
    );
    case.expect("ZRANGESTORE to z (2 +inf BYSCORE", 2);
    case.encoded("to");
    case.expect("ZRANGE to 0 -1", ["c", "d"]);
    case.expect("ZRANGESTORE to z 8 9", 0);
    case.expect("EXISTS to", 0);
}

fn removed_by_range(case: &mut Case<'_>) {
    case.run("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f");
    case.expect("ZREMRANGEBYRANK z 0 0", 1);
    case.expect("ZREMRANGEBYSCORE z (5 +inf", 1);
    case.encoded("z");
    case.expect("ZRANGE z 0 -1", ["b", "c", "d", "e"]);
    case.expect("ZREMRANGEBYRANK z -1 -1", 1);
    case.expect("ZREMRANGEBYSCORE z 2 3", 2);
    case.expect("ZREMRANGEBYSCORE z 4 4", 1);
    case.expect("EXISTS z", 0);
    case.run("ZADD z 0 a 0 b 0 c");
    case.expect("ZREMRANGEBYLEX z [a (c", 2);
    case.encoded("z");
    case.expect("ZRANGE z 0 -1", ["c"]);
}

fn popped(case: &mut Case<'_>) {
    case.run("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f");
    case.expect("ZPOPMIN z", array(["a".into(), double("1")]));
    case.expect("ZPOPMAX z", array(["f".into(), double("6")]));
    case.encoded("z");
    case.expect("ZPOPMIN z 2", scored([("b", "2"), ("c", "3")]));
    let lowest = array([array(["d".into(), double("4")])]);
    case.expect("ZMPOP 2 absent z MIN", array(["z".into(), lowest]));
    case.encoded("z");
    let highest = array([array(["e".into(), double("5")])]);
    case.expect("ZMPOP 1 z MAX COUNT 9", array(["z".into(), highest]));
    case.expect("EXISTS z", 0);
    case.expect("ZPOPMIN z", nothing());
    case.expect("ZMPOP 1 z MIN", NIL_ARRAY);
}

fn blocking_commands_that_find_something(case: &mut Case<'_>) {
    case.run("ZADD z 1 a 2 b 3 c 4 d");
    case.expect(
        "BZPOPMIN absent z 0",
        array(["z".into(), "a".into(), double("1")]),
    );
    case.expect("BZPOPMAX z 0", array(["z".into(), "d".into(), double("4")]));
    case.encoded("z");
    let lowest = array([array(["b".into(), double("2")])]);
    case.expect("BZMPOP 0 2 absent z MIN", array(["z".into(), lowest]));
    case.expect("BZPOPMIN absent 0.001", NIL_ARRAY);
    case.expect("BZMPOP 0.001 1 absent MIN", NIL_ARRAY);
    case.expect("ZCARD z", 1);
}

fn combined(case: &mut Case<'_>) {
    case.run("ZADD a 1 x 2 y 3 z");
    case.run("ZADD b 10 y 20 z 30 w");
    case.run("SADD set y");
    case.encoded("a");
    case.expect(
        "ZUNION 2 a b WITHSCORES",
        scored([("x", "1"), ("y", "12"), ("z", "23"), ("w", "30")]),
    );
    case.expect("ZINTER 2 a b", ["y", "z"]);
    case.expect(
        "ZINTER 2 a b WEIGHTS 2 0.5 AGGREGATE MAX WITHSCORES",
        scored([("y", "5"), ("z", "10")]),
    );
    case.expect("ZINTER 2 a set WITHSCORES", scored([("y", "3")]));
    case.expect("ZUNION 2 a b AGGREGATE MIN", ["x", "y", "z", "w"]);
    case.expect("ZINTERCARD 2 a b", 2);
    case.expect("ZINTERCARD 2 a b LIMIT 1", 1);
    case.expect("ZDIFF 2 a b WITHSCORES", scored([("x", "1")]));
    case.expect("ZDIFF 2 absent a", nothing());
    case.encoded("b");
}

fn combined_into_others(case: &mut Case<'_>) {
    case.run("ZADD a 1 x 2 y 3 z");
    case.run("ZADD b 10 y 20 z 30 w");
    case.expect("ZUNIONSTORE to 2 a b", 4);
    case.encoded("to");
    case.expect("ZSCORE to z", double("23"));
    case.expect("ZINTERSTORE to 2 a b AGGREGATE MIN", 2);
    case.encoded("to");
    case.expect(
        "ZRANGE to 0 -1 WITHSCORES",
        scored([("y", "2"), ("z", "3")]),
    );
    case.expect("ZDIFFSTORE to 2 a b", 1);
    case.encoded("to");
    case.expect("ZRANGE to 0 -1", ["x"]);
    case.expect("ZINTERSTORE a 2 a absent", 0);
    case.expect("EXISTS a", 0);
}

fn chosen_by_chance(case: &mut Case<'_>) {
    case.run("ZADD z 1 a 2 b");
    case.encoded("z");
    case.expect_one_of("ZRANDMEMBER z", &["a", "b"]);
    let five = case.run("ZRANDMEMBER z -5");
    assert_eq!(five.elements().map(<[_]>::len), Some(5));
    case.expect("ZRANDMEMBER z 9", super::expected::any_order(["a", "b"]));
    case.expect("ZRANDMEMBER absent", NIL);
    case.expect("ZRANDMEMBER absent 1", nothing());
    case.run("ZADD one 1.5 a");
    case.expect("ZRANDMEMBER one 2 WITHSCORES", scored([("a", "1.5")]));
}

fn scanned(case: &mut Case<'_>) {
    let members: Vec<String> = (100..160).map(|n| n.to_string()).collect();
    let pairs: Vec<String> = members.iter().map(|member| format!("1 {member}")).collect();
    case.expect(&format!("ZADD z {}", pairs.join(" ")), 60);
    case.encoded("z");
    let mut expected = members.clone();
    expected.insert(0, "1".to_owned());
    assert_eq!(case.scan("ZSCAN z CURSOR"), expected);
    assert_eq!(case.scan("ZSCAN z CURSOR COUNT 3"), expected);
    assert_eq!(case.scan("ZSCAN z CURSOR MATCH 11*")[1..], members[10..20]);
    case.run("ZADD one 1.5 a");
    case.expect("ZSCAN one 0", array(["0".into(), ["a", "1.5"].into()]));
}

fn scores_of_all_kinds(case: &mut Case<'_>) {
    // A listpack keeps integers as such, which have one zero.
    let negative_zero = match case.form().encoding {
        "listpack" => "0",
        _ => "-0",
    };
    case.expect("ZADD z inf a -inf b 1e300 c 0.1 d -0 e 17179869184 f", 6);
    case.encoded("z");
    case.expect(
        "ZRANGE z 0 -1 WITHSCORES",
        scored([
            ("b", "-inf"),
            ("e", negative_zero),
            ("d", "0.1"),
            ("f", "17179869184"),
            ("c", "1e+300"),
            ("a", "inf"),
        ]),
    );
    case.fails(
        "ZINCRBY z -inf a",
        "ERR resulting score is not a number (NaN)",
    );
    case.fails("ZADD z nan a", "ERR value is not a valid float");
    case.expect("ZCOUNT z -inf inf", 6);
    case.expect("ZCOUNT z (-inf (inf", 4);
}

fn long_and_binary_members(case: &mut Case<'_>) {
    case.expect("ZADD z 1 \"\" 2 \"\\x00\\xff\\r\\n\" 3 17", 3);
    case.encoded("z");
    case.expect("ZSCORE z \"\"", double("1"));
    case.expect("ZRANK z \"\\x00\\xff\\r\\n\"", 1);
    case.expect("ZSCORE z 17", double("3"));
    let long = "x".repeat(65);
    case.expect(&format!("ZADD z 0 {long}"), 1);
    case.expect("OBJECT ENCODING z", "skiplist");
    case.expect("ZRANK z 17", 3);
    case.expect(&format!("ZRANK z {long}"), 0);
}
