//! Lists.

use super::case::Case;
use super::expected::{NIL, NIL_ARRAY, array, nothing};

bodies! {
    LISTS: [
        pushed_and_popped,
        counted_from_both_ends,
        changed_inside,
        searched,
        moved_between_lists,
        popped_from_the_first_of_many,
        blocking_commands_that_find_something,
        long_and_binary_elements,
        many_elements,
    ],
}

fn pushed_and_popped(case: &mut Case<'_>) {
    case.expect("LPUSHX l x", 0);
    case.expect("RPUSHX l x", 0);
    case.expect("RPUSH l c d", 2);
    case.expect("LPUSH l b a", 4);
    case.expect("LPUSHX l start", 5);
    case.expect("RPUSHX l 99 end", 7);
    case.encoded("l");
    case.expect("LLEN l", 7);
    case.expect("LRANGE l 0 -1", ["start", "a", "b", "c", "d", "99", "end"]);
    case.expect("LPOP l", "start");
    case.expect("RPOP l", "end");
    case.expect("LPOP l 2", ["a", "b"]);
    case.encoded("l");
    case.expect("RPOP l 0", nothing());
    case.expect("RPOP l 9", ["99", "d", "c"]);
    case.expect("EXISTS l", 0);
    case.expect("LPOP l", NIL);
    case.expect("RPOP l 2", NIL_ARRAY);
    case.fails("LPOP l -1", "ERR value is out of range, must be positive");
}

fn counted_from_both_ends(case: &mut Case<'_>) {
    case.expect("RPUSH l 1 two 3.5 -4", 4);
    case.encoded("l");
    case.expect("LINDEX l 0", "1");
    case.expect("LINDEX l -1", "-4");
    case.expect("LINDEX l 2", "3.5");
    case.expect("LINDEX l 4", NIL);
    case.expect("LINDEX l -5", NIL);
    case.expect("LRANGE l 1 2", ["two", "3.5"]);
    case.expect("LRANGE l -2 -1", ["3.5", "-4"]);
    case.expect("LRANGE l -100 0", ["1"]);
    case.expect("LRANGE l 3 1", nothing());
    case.expect("LRANGE l 4 9", nothing());
    case.expect("LRANGE absent 0 -1", nothing());
}

fn changed_inside(case: &mut Case<'_>) {
    case.expect("RPUSH l a b c b a", 5);
    case.ok("LSET l 0 A");
    case.ok("LSET l -1 Z");
    case.fails("LSET l 5 x", "ERR index out of range");
    case.fails("LSET absent 0 x", "ERR no such key");
    case.expect("LINSERT l BEFORE c 0", 6);
    case.expect("LINSERT l AFTER c 1", 7);
    case.expect("LINSERT l AFTER missing 1", -1);
    case.expect("LINSERT absent BEFORE a 1", 0);
    case.encoded("l");
    case.expect("LRANGE l 0 -1", ["A", "b", "0", "c", "1", "b", "Z"]);
    case.expect("LREM l -1 b", 1);
    case.expect("LRANGE l 0 -1", ["A", "b", "0", "c", "1", "Z"]);
    case.expect("LREM l 0 missing", 0);
    case.expect("LREM l 1 b", 1);
    case.ok("LTRIM l 1 -2");
    case.expect("LRANGE l 0 -1", ["0", "c", "1"]);
    case.encoded("l");
    case.ok("LTRIM l 5 9");
    case.expect("EXISTS l", 0);
    case.ok("LTRIM l 0 1");
}

fn searched(case: &mut Case<'_>) {
    case.expect("RPUSH l a b c 1 2 c c", 7);
    case.encoded("l");
    case.expect("LPOS l c", 2);
    case.expect("LPOS l 1", 3);
    case.expect("LPOS l missing", NIL);
    case.expect("LPOS l c RANK -1", 6);
    case.expect("LPOS l c RANK 2", 5);
    case.expect("LPOS l c COUNT 0", [2, 5, 6]);
    case.expect("LPOS l c COUNT 2 RANK -1", [6, 5]);
    case.expect("LPOS l c COUNT 0 MAXLEN 6", [2, 5]);
    case.expect("LPOS l missing COUNT 1", nothing());
    case.fails(
        "LPOS l c RANK 0",
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
         negative to start from the end of the list",
    );
}

fn moved_between_lists(case: &mut Case<'_>) {
    case.expect("RPUSH from 1 2 3 4", 4);
    case.expect("RPUSH to a b", 2);
    case.expect("LMOVE from to LEFT RIGHT", "1");
    case.expect("RPOPLPUSH from to", "4");
    case.expect("LRANGE to 0 -1", ["4", "a", "b", "1"]);
    case.encoded("to");
    case.encoded("from");
    case.expect("LMOVE to to RIGHT LEFT", "1");
    case.expect("LRANGE to 0 -1", ["1", "4", "a", "b"]);
    case.expect("RPOPLPUSH to to", "b");
    case.expect("LMOVE from new RIGHT LEFT", "3");
    case.expect("LMOVE from new RIGHT LEFT", "2");
    case.expect("EXISTS from", 0);
    case.encoded("new");
    case.expect("LMOVE from new LEFT LEFT", NIL);
    case.expect("LRANGE new 0 -1", ["2", "3"]);
}

fn popped_from_the_first_of_many(case: &mut Case<'_>) {
    case.expect("RPUSH l 1 2 3 4 5", 5);
    case.encoded("l");
    case.expect("LMPOP 2 absent l LEFT", array(["l".into(), ["1"].into()]));
    case.expect(
        "LMPOP 2 absent l RIGHT COUNT 2",
        array(["l".into(), ["5", "4"].into()]),
    );
    case.encoded("l");
    case.expect("LMPOP 1 absent LEFT", NIL_ARRAY);
    case.fails("LMPOP 0 l LEFT", "ERR numkeys should be greater than 0");
    case.fails(
        "LMPOP 1 l LEFT COUNT 0",
        "ERR count should be greater than 0",
    );
}

fn blocking_commands_that_find_something(case: &mut Case<'_>) {
    case.expect("RPUSH l 1 2 3 4 5 6 7", 7);
    case.expect("BLPOP absent l 0", ["l", "1"]);
    case.expect("BRPOP l absent 0", ["l", "7"]);
    case.expect("BLMOVE l to LEFT LEFT 0", "2");
    case.expect("BRPOPLPUSH l to 0", "6");
    case.expect(
        "BLMPOP 0 2 absent l LEFT",
        array(["l".into(), ["3"].into()]),
    );
    case.expect("LRANGE l 0 -1", ["4", "5"]);
    case.expect("LRANGE to 0 -1", ["6", "2"]);
    case.encoded("l");
    case.encoded("to");
    case.expect("BLPOP absent 0.001", NIL_ARRAY);
    case.expect("BLMOVE absent to LEFT LEFT 0.001", NIL_ARRAY);
    case.fails("BLPOP l -1", "ERR timeout is negative");
    case.fails("BLPOP l x", "ERR timeout is not a float or out of range");
}

fn long_and_binary_elements(case: &mut Case<'_>) {
    let long = "x".repeat(3000);
    case.expect(&format!("RPUSH l {long} \"\\x00\\xff\\r\\n\" \"\""), 3);
    case.encoded("l");
    case.expect("LINDEX l 0", long.as_str());
    case.expect("LPOS l \"\\x00\\xff\\r\\n\"", 1);
    case.expect("LINDEX l -1", "");
    case.expect(&format!("LREM l 0 {long}"), 1);
    case.expect("LLEN l", 2);
    case.encoded("l");
}

fn many_elements(case: &mut Case<'_>) {
    for number in 0..200 {
        case.expect(&format!("RPUSH l element:{number}"), number + 1);
    }
    case.encoded("l");
    case.expect("LINDEX l 117", "element:117");
    case.expect("LPOS l element:150", 150);
    case.expect("LREM l -1 element:50", 1);
    case.expect("LRANGE l 49 51", ["element:49", "element:51", "element:52"]);
    case.ok("LTRIM l 20 -20");
    case.expect("LLEN l", 160);
    case.expect("LINDEX l 0", "element:20");
    case.encoded("l");
}
