//! What can be done with a key whatever its type is.

use super::case::{Case, FAR};
use super::expected::{Expected, NIL, OK, any_order, array, nothing};
use super::forms::Kind;

bodies! {
    ALL: [
        copied,
        renamed,
        moved_to_another_database,
        dumped_and_restored,
        deleted,
        looked_at,
        found_by_scanning,
        given_a_time_to_live,
        expired,
        replaced,
    ],
    SORTABLE: [sorted, sorted_by_other_keys, sorted_into_a_list],
    PLAIN: [acknowledgements],
}

fn copied(case: &mut Case<'_>) {
    case.make("k");
    let content = case.content("k");
    case.expect("COPY k to", 1);
    case.has_content("to", &content);
    case.expect("COPY k to", 0);
    // What is done to the one is not done to the other.
    case.change("to");
    case.has_content("k", &content);
    assert_ne!(case.content("to"), content);
    case.expect("COPY k to REPLACE", 1);
    case.has_content("to", &content);
    case.expect("COPY k k DB 3", 1);
    case.ok("SELECT 3");
    case.has_content("k", &content);
    case.ok("SELECT 0");
    case.expect("COPY absent new", 0);
    case.fails(
        "COPY k k",
        "ERR source and destination objects are the same",
    );
}

fn renamed(case: &mut Case<'_>) {
    case.make("k");
    let content = case.content("k");
    case.expect(&format!("EXPIREAT k {FAR}"), 1);
    case.ok("RENAME k to");
    case.has_content("to", &content);
    case.expect("EXPIRETIME to", FAR);
    case.expect("EXISTS k", 0);
    case.ok("SET other x");
    case.expect("RENAMENX to other", 0);
    case.ok("RENAME to other");
    case.expect("RENAMENX other k", 1);
    case.ok("RENAME k k");
    case.has_content("k", &content);
    case.expect("EXPIRETIME k", FAR);
    case.fails("RENAME absent to", "ERR no such key");
}

fn moved_to_another_database(case: &mut Case<'_>) {
    case.make("k");
    let content = case.content("k");
    case.expect(&format!("EXPIREAT k {FAR}"), 1);
    case.expect("MOVE k 5", 1);
    case.expect("EXISTS k", 0);
    case.ok("SELECT 5");
    case.has_content("k", &content);
    case.expect("EXPIRETIME k", FAR);
    case.ok("SWAPDB 5 0");
    case.expect("EXISTS k", 0);
    case.ok("SELECT 0");
    case.has_content("k", &content);
    case.expect("MOVE absent 5", 0);
}

fn dumped_and_restored(case: &mut Case<'_>) {
    case.make("k");
    let content = case.content("k");
    let payload = case.run("DUMP k");
    let quoted: String = payload
        .bytes()
        .expect("a payload")
        .iter()
        .map(|byte| format!("\\x{byte:02x}"))
        .collect();
    case.ok(&format!("RESTORE to 0 \"{quoted}\""));
    case.has_content("to", &content);
    case.expect("TTL to", -1);
    case.fails(
        &format!("RESTORE to 0 \"{quoted}\""),
        "BUSYKEY Target key name already exists.",
    );
    case.ok(&format!("RESTORE to {FAR}000 \"{quoted}\" ABSTTL REPLACE"));
    case.has_content("to", &content);
    case.expect("EXPIRETIME to", FAR);
    case.ok(&format!("RESTORE-ASKING idle 0 \"{quoted}\" IDLETIME 100"));
    case.expect_within("OBJECT IDLETIME idle", 100..=110);
    case.expect("DUMP absent", NIL);
    // One bit is another.
    let broken = match quoted.strip_suffix('0') {
        Some(start) => format!("{start}1"),
        None => format!("{}0", &quoted[..quoted.len() - 1]),
    };
    case.fails(
        &format!("RESTORE new 0 \"{broken}\""),
        "ERR DUMP payload version or checksum are wrong",
    );
}

fn deleted(case: &mut Case<'_>) {
    for command in ["DEL", "UNLINK"] {
        case.make("a");
        case.make("b");
        case.expect(&format!("{command} a absent b a"), 2);
        case.expect("EXISTS a b", 0);
    }
    case.make("a");
    case.expect("EXISTS a a absent", 2);
    case.expect("TOUCH a a absent", 2);
    case.ok("FLUSHDB");
    case.expect("DBSIZE", 0);
}

fn looked_at(case: &mut Case<'_>) {
    case.make("k");
    let kind = match case.form().kind {
        Kind::String => "string",
        Kind::List => "list",
        Kind::Hash => "hash",
        Kind::Set => "set",
        Kind::SortedSet | Kind::None => "zset",
    };
    case.expect("TYPE k", Expected::Simple(kind));
    case.expect("TYPE absent", Expected::Simple("none"));
    case.expect("OBJECT REFCOUNT k", 1);
    case.expect_within("OBJECT IDLETIME k", 0..=10);
    case.expect("OBJECT ENCODING absent", NIL);
    case.fails(
        "OBJECT FREQ k",
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note \
         that when switching between policies at runtime LRU and LFU data will take some time to \
         adjust.",
    );
    case.ok("CONFIG SET maxmemory-policy allkeys-lfu");
    case.expect("DEL k", 1);
    case.make("k");
    case.expect_within("OBJECT FREQ k", 0..=10);
    case.ok("CONFIG SET maxmemory-policy noeviction");
    case.expect("RANDOMKEY", "k");
    case.ok("FLUSHALL");
    case.expect("RANDOMKEY", NIL);
}

fn found_by_scanning(case: &mut Case<'_>) {
    let names: Vec<String> = (10..60).map(|n| format!("k:{n}")).collect();
    names.iter().for_each(|name| case.make(name));
    case.run("XADD another * f v");
    let mut all = names.clone();
    all.insert(0, "another".to_owned());
    assert_eq!(case.scan("SCAN CURSOR"), all);
    assert_eq!(case.scan("SCAN CURSOR COUNT 7 MATCH k:*"), names);
    let kind = case.run("TYPE k:10").text();
    assert_eq!(case.scan(&format!("SCAN CURSOR TYPE {kind}")), names);
    case.expect(
        "KEYS k:1?",
        Expected::AnyOrder((10..20).map(|n| format!("k:{n}").into()).collect()),
    );
    case.expect("KEYS [ab]*", any_order(["another"]));
    case.expect("KEYS nothing", nothing());
    case.expect("DBSIZE", 51);
}

fn given_a_time_to_live(case: &mut Case<'_>) {
    case.make("k");
    let content = case.content("k");
    case.expect("TTL k", -1);
    case.expect("PTTL absent", -2);
    case.expect("EXPIRETIME k", -1);
    case.expect("EXPIRE k 1000", 1);
    case.expect_within("TTL k", 990..=1000);
    case.expect("PEXPIRE k 2000000", 1);
    case.expect_within("PTTL k", 1_990_000..=2_000_000);
    case.expect("EXPIRE k 1000 GT", 0);
    case.expect("EXPIRE k 5000 NX", 0);
    case.expect("EXPIRE k 1000 LT", 1);
    case.expect(&format!("EXPIREAT k {FAR} XX"), 1);
    case.expect("PEXPIRETIME k", FAR * 1000);
    case.expect(&format!("PEXPIREAT k {FAR}001 GT"), 1);
    case.expect("PEXPIRETIME k", FAR * 1000 + 1);
    case.has_content("k", &content);
    case.expect("PERSIST k", 1);
    case.expect("PERSIST k", 0);
    case.expect("PERSIST absent", 0);
    case.expect("EXPIRE k 1000 XX", 0);
    case.has_content("k", &content);
    case.expect("EXPIRE absent 1000", 0);
    case.fails("EXPIRE k x", "ERR value is not an integer or out of range");
    case.fails(
        "EXPIRE k 1 NX XX",
        "ERR NX and XX, GT or LT options at the same time are not compatible",
    );
}

fn expired(case: &mut Case<'_>) {
    case.make("k");
    case.expect("EXPIRE k -1", 1);
    case.expect("EXISTS k", 0);
    case.make("k");
    case.expect("PEXPIRE k 1", 1);
    case.wait_until(|case| case.run("TYPE k").text() == "none");
    case.expect("TTL k", -2);
    case.expect("COPY k to", 0);
    case.make("k");
    // Those go whom nobody asks for, too.
    case.expect("PEXPIRE k 1", 1);
    case.wait_until(|case| case.run("DBSIZE").text() == "0");
}

fn replaced(case: &mut Case<'_>) {
    case.make("k");
    case.expect("SET k x", OK);
    case.expect("GET k", "x");
    case.make("k2");
    case.ok("RENAME k2 k");
    case.encoded("k");
    case.run("SADD set 1");
    case.expect("SINTERSTORE k set", 1);
    case.expect("TYPE k", Expected::Simple("set"));
    case.make("k3");
    case.expect("SORT set STORE k3", 1);
    case.expect("TYPE k3", Expected::Simple("list"));
}

fn sorted(case: &mut Case<'_>) {
    case.make("k");
    case.expect("SORT k", ["1", "2", "3"]);
    case.expect("SORT k DESC", ["3", "2", "1"]);
    case.expect("SORT k LIMIT 1 1", ["2"]);
    case.expect("SORT_RO k ALPHA DESC", ["3", "2", "1"]);
    case.expect("SORT absent", nothing());
    case.change("k");
    case.expect("SORT k DESC LIMIT 0 1", ["4"]);
    case.ok("SET s x");
    case.fails(
        "SORT s",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    );
}

fn sorted_by_other_keys(case: &mut Case<'_>) {
    case.make("k");
    case.ok("MSET weight:1 30 weight:2 10 weight:3 20 name:1 one name:3 three");
    case.expect("SORT k BY weight:*", ["2", "3", "1"]);
    case.expect(
        "SORT k BY weight:* GET # GET name:*",
        array([
            "2".into(),
            NIL,
            "3".into(),
            "three".into(),
            "1".into(),
            "one".into(),
        ]),
    );
    case.run("HSET h:1 w 1");
    case.run("HSET h:2 w 3");
    case.run("HSET h:3 w 2");
    case.expect("SORT_RO k BY h:*->w", ["1", "3", "2"]);
    case.expect("SORT k GET h:*->w", ["1", "3", "2"]);
    case.ok("SET weight:1 x");
    case.fails(
        "SORT k BY weight:*",
        "ERR One or more scores can't be converted into double",
    );
}

fn sorted_into_a_list(case: &mut Case<'_>) {
    case.make("k");
    case.encoded("k");
    case.expect("SORT k DESC STORE to", 3);
    case.expect("LRANGE to 0 -1", ["3", "2", "1"]);
    if case.form().kind == Kind::List {
        case.encoded("to");
    }
    case.expect("SORT absent STORE to", 0);
    case.expect("EXISTS to", 0);
    case.expect("SORT k STORE k", 3);
    case.expect("LRANGE k 0 -1", ["1", "2", "3"]);
}

fn acknowledgements(case: &mut Case<'_>) {
    case.ok("SET k v");
    case.expect("WAIT 0 100", 0);
    case.expect("WAIT 1 1", 0);
    case.expect("WAITAOF 0 0 100", [0, 0]);
}
