//! Determinism of what is propagated: for every command that writes, repeating the log makes the data that are
//! there, whatever chance and time had to do with it.

mod harness;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use harness::{START_MS, Server};
use oxidis_engine::Session;
use oxidis_engine::command::Args;
use oxidis_testkit::storage::{FaultyStorage, Survives};
use proptest::prelude::*;

/// Commands that write, each in the forms in which it may go astray. What stands for an argument: a letter in
/// braces for a key of that type (`k` of any), `n` a small number, `ms` a time to live, `at` and `ats` a time in
/// milliseconds and seconds, `v` a value, `f` a field or member, `d` a number with a fraction, `id` an entry's ID.
const COMMANDS: &[&str] = &[
    "APPEND {s} {v}",
    "DECR {s}",
    "DECRBY {s} {n}",
    "DELIFEQ {s} {n}",
    "GETDEL {s}",
    "GETEX {s} PX {ms}",
    "GETEX {s} EX 1",
    "GETEX {s} PXAT {at}",
    "GETEX {s} PERSIST",
    "GETSET {s} {v}",
    "INCR {s}",
    "INCRBY {s} {n}",
    "INCRBYFLOAT {s} {d}",
    "MSET {s} {v} {s} {v}",
    "MSETEX 2 {s} {v} {s} {v} PX {ms}",
    "MSETEX 2 {s} {v} {s} {v} NX EX 1",
    "MSETNX {s} {v} {s} {v}",
    "PSETEX {s} {ms} {v}",
    "SET {k} {v}",
    "SET {s} {v} PX {ms}",
    "SET {s} {v} EX 1 GET",
    "SET {s} {v} PXAT {at}",
    "SET {s} {v} EXAT {ats} XX",
    "SET {s} {v} KEEPTTL",
    "SET {s} {n} NX PX {ms}",
    "SETEX {s} 1 {v}",
    "SETNX {s} {v}",
    "SETRANGE {s} {n} x",
    "SETBIT {s} {n} 1",
    "BITFIELD {s} INCRBY u8 {n} 3 OVERFLOW SAT INCRBY i5 3 {n}",
    "BITOP OR {s} {s} {s}",
    "BITOP NOT {s} {s}",
    "PFADD {p} {f} {f}",
    "PFCOUNT {p}",
    "PFMERGE {p} {p} {p}",
    "PFDEBUG TODENSE {p}",
    "LPUSH {l} {v} {v}",
    "RPUSH {l} {v} {v}",
    "LPUSHX {l} {v}",
    "RPUSHX {l} {v}",
    "LPOP {l} 2",
    "RPOP {l}",
    "LSET {l} 0 {v}",
    "LINSERT {l} BEFORE {v} {v}",
    "LREM {l} 1 {v}",
    "LTRIM {l} 0 {n}",
    "LMOVE {l} {l} LEFT RIGHT",
    "RPOPLPUSH {l} {l}",
    "LMPOP 2 {l} {l} LEFT COUNT 2",
    "BLPOP {l} {l} 0",
    "BRPOP {l} 0.02",
    "BLMOVE {l} {l} RIGHT LEFT 0",
    "BRPOPLPUSH {l} {l} 0",
    "BLMPOP 0 2 {l} {l} RIGHT COUNT 3",
    "SADD {e} {f} {f} {f}",
    "SREM {e} {f}",
    "SPOP {e}",
    "SPOP {e} {n}",
    "SMOVE {e} {e} {f}",
    "SINTERSTORE {e} {e} {e}",
    "SUNIONSTORE {e} {e} {e}",
    "SUNIONSTORE {e} {k}",
    "SDIFFSTORE {e} {e} {e}",
    "HSET {h} {f} {v} {f} {n}",
    "HMSET {h} {f} {v}",
    "HSETNX {h} {f} {v}",
    "HDEL {h} {f}",
    "HGETDEL {h} FIELDS 2 {f} {f}",
    "HINCRBY {h} {f} {n}",
    "HINCRBYFLOAT {h} {f} {d}",
    "HEXPIRE {h} 1 FIELDS 1 {f}",
    "HPEXPIRE {h} {ms} FIELDS 2 {f} {f}",
    "HPEXPIRE {h} {ms} GT FIELDS 1 {f}",
    "HEXPIREAT {h} {ats} FIELDS 1 {f}",
    "HPEXPIREAT {h} {at} FIELDS 1 {f}",
    "HPERSIST {h} FIELDS 1 {f}",
    "HGETEX {h} PX {ms} FIELDS 1 {f}",
    "HGETEX {h} PXAT {at} FIELDS 1 {f}",
    "HGETEX {h} PERSIST FIELDS 1 {f}",
    "HSETEX {h} PX {ms} FIELDS 2 {f} {v} {f} {n}",
    "HSETEX {h} FNX EX 1 FIELDS 1 {f} {v}",
    "HSETEX {h} PXAT {at} FIELDS 1 {f} {n}",
    "HSETEX {h} KEEPTTL FIELDS 1 {f} {n}",
    "ZADD {z} {n} {f} {d} {f}",
    "ZADD {z} GT CH {n} {f}",
    "ZADD {z} INCR {d} {f}",
    "ZINCRBY {z} {d} {f}",
    "ZREM {z} {f}",
    "ZREMRANGEBYLEX {z} [a [c",
    "ZREMRANGEBYRANK {z} 0 0",
    "ZREMRANGEBYSCORE {z} 0 {n}",
    "ZPOPMIN {z} 2",
    "ZPOPMAX {z}",
    "ZMPOP 2 {z} {z} MAX COUNT 2",
    "BZPOPMIN {z} {z} 0",
    "BZPOPMAX {z} 0.02",
    "BZMPOP 0 2 {z} {z} MIN COUNT 2",
    "ZUNIONSTORE {z} 2 {z} {z} WEIGHTS 2 {d}",
    "ZINTERSTORE {z} 2 {z} {e} AGGREGATE MAX",
    "ZDIFFSTORE {z} 2 {z} {z}",
    "ZRANGESTORE {z} {z} 0 {n}",
    "GEOADD {g} 13.{n} 38.{n} {f} 15.{n} 37.{n} {f}",
    "GEORADIUS {g} 15 37 200 km STORE {z}",
    "GEORADIUS {g} 15 37 200 km COUNT 2 STOREDIST {z}",
    "GEORADIUSBYMEMBER {g} {f} 100 km STORE {g}",
    "GEOSEARCHSTORE {g} {g} FROMLONLAT 15 37 BYRADIUS 200 km COUNT 2 ANY",
    "XADD {x} * {f} {v}",
    "XADD {x} MAXLEN ~ 3 * {f} {v}",
    "XADD {x} NOMKSTREAM MINID ~ {id} LIMIT 100 * {f} {v}",
    "XADD {x} {id} {f} {v}",
    "XADD {x} MAXLEN = 4 {at}-* {f} {v}",
    "XTRIM {x} MAXLEN ~ 2",
    "XTRIM {x} MINID {id}",
    "XDEL {x} {id}",
    "XSETID {x} {at}-9",
    "XGROUP CREATE {x} {f} 0 MKSTREAM",
    "XGROUP CREATE {x} {f} $",
    "XGROUP CREATECONSUMER {x} {f} {f}",
    "XGROUP DELCONSUMER {x} {f} {f}",
    "XGROUP DESTROY {x} {f}",
    "XGROUP SETID {x} {f} {id}",
    "XGROUP SETID {x} {f} $ ENTRIESREAD {n}",
    "XREADGROUP GROUP {f} {f} COUNT 2 STREAMS {x} >",
    "XREADGROUP GROUP {f} {f} NOACK STREAMS {x} >",
    "XREADGROUP GROUP {f} {f} BLOCK 0 STREAMS {x} {x} > >",
    "XREADGROUP GROUP {f} {f} COUNT 3 STREAMS {x} 0",
    "XACK {x} {f} {id} {id}",
    "XCLAIM {x} {f} {f} 0 {id} {id}",
    "XCLAIM {x} {f} {f} 0 {id} IDLE {ms} FORCE JUSTID",
    "XCLAIM {x} {f} {f} 10 {id} RETRYCOUNT {n}",
    "XAUTOCLAIM {x} {f} {f} 0 0 COUNT 3",
    "EXPIRE {k} 1",
    "EXPIRE {k} 1 NX",
    "PEXPIRE {k} {ms}",
    "PEXPIRE {k} -1",
    "EXPIREAT {k} {ats}",
    "PEXPIREAT {k} {at} LT",
    "PERSIST {k}",
    "COPY {s} {s} REPLACE",
    "COPY {h} {h} REPLACE",
    "COPY {k} {k} DB 1 REPLACE",
    "DEL {k} {k}",
    "UNLINK {k}",
    "MOVE {k} 1",
    "RENAME {h} {h}",
    "RENAME {k} {k}",
    "RENAMENX {k} {k}",
    "RESTORE {k} {ms} from {k}",
    "RESTORE {k} {at} from {k} ABSTTL IDLETIME 5",
    "RESTORE-ASKING {k} 0 from {k}",
    "SORT {e} ALPHA STORE {l}",
    "SORT {l} BY nosort GET s:* GET # STORE {l}",
    "SORT {e} BY nosort STORE {l}",
    "SORT {e} BY s:* ALPHA GET h:a->* GET # STORE {l}",
    "FLUSHDB",
    "FLUSHALL ASYNC",
    "SWAPDB 0 1",
    // What is not a command that writes, but has to do with those that are.
    "SELECT 0",
    "SELECT 1",
    "MULTI",
    "EXEC",
    "EXEC",
    "DISCARD",
    "GET {s}",
    "HGETALL {h}",
    "PUBLISH channel {v}",
];

/// Commands that write and are none of the above.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "cluster|flushslot",
        "it is refused where there is no cluster",
    ),
    ("migrate", "it wants another server, and is logged as DEL"),
    ("function|delete", FUNCTIONS),
    ("function|flush", FUNCTIONS),
    ("function|load", FUNCTIONS),
    ("function|restore", FUNCTIONS),
];
const FUNCTIONS: &str = "it wants an interpreter; tests/integration/append_only.rs has one";

const NAMES: &[&str] = &["a", "b", "c", "d", "e"];
const VALUES: &[&str] = &["1", "7", "-3", "text", "a", "3.0e3", "0.1"];

/// The rows above with their arguments chosen by the digits of `choice`.
fn fill(pattern: &str, mut choice: u64, now_ms: i64) -> Vec<Vec<u8>> {
    let mut draw = |n: usize| {
        choice = choice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (choice >> 33) as usize % n
    };
    let mut filled = String::new();
    let mut rest = pattern;
    while let Some(start) = rest.find('{') {
        let end = rest[start..].find('}').expect("it is closed") + start;
        filled.push_str(&rest[..start]);
        let text = match &rest[start + 1..end] {
            "n" => draw(9).to_string(),
            "ms" => (draw(120) + 1).to_string(),
            "at" => (now_ms - 20 + draw(200) as i64).to_string(),
            "ats" => (now_ms / 1000 + draw(3) as i64).to_string(),
            "v" => VALUES[draw(VALUES.len())].to_owned(),
            "d" => format!("{}.{}", draw(20), draw(1000)),
            "f" => NAMES[draw(NAMES.len())].to_owned(),
            "id" => format!("{}-{}", now_ms - draw(100) as i64, draw(2)),
            "k" => {
                let types = ["s", "l", "h", "e", "z", "x", "p", "g"];
                format!("{}:{}", types[draw(types.len())], NAMES[draw(2)])
            }
            letter => format!("{letter}:{}", NAMES[draw(3)]),
        };
        filled.push_str(&text);
        rest = &rest[end + 1..];
    }
    filled.push_str(rest);
    filled
        .split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// A second session, which may block.
struct Other(Session);

impl Other {
    fn run(&mut self, server: &mut Server, arguments: &[Vec<u8>]) {
        let mut reply = Vec::new();
        self.0.deliver(&mut server.worker, &mut reply);
        if !self.0.is_blocked() {
            self.0
                .execute_arguments(&mut server.worker, Args::owned(arguments), &mut reply);
        }
    }
}

/// Everything that can be seen of the data, a line for each thing.
fn picture(server: &mut Server) -> Vec<String> {
    let mut lines = Vec::new();
    let words = |reply: String| -> Vec<String> {
        let words = reply
            .split(' ')
            .filter(|word| !word.starts_with(['*', '$']));
        words.map(str::to_owned).collect()
    };
    for database in 0..3 {
        server.run(&format!("SELECT {database}"));
        let mut keys = words(server.run("KEYS *"));
        keys.sort();
        for key in keys {
            let mut look = |command: String| {
                let reply = server.run(&command);
                lines.push(format!("{database} {command}: {reply}"));
            };
            look(format!("PEXPIRETIME {key}"));
            look(format!("DEBUG DIGEST-VALUE {key}"));
            look(format!("TYPE {key}"));
            if key.starts_with('h') {
                let fields = NAMES.join(" ");
                look(format!(
                    "HPEXPIRETIME {key} FIELDS {} {fields}",
                    NAMES.len()
                ));
            }
            if key.starts_with('x') {
                look(format!("XINFO GROUPS {key}"));
                for group in NAMES {
                    look(format!("XPENDING {key} {group} - + 100"));
                }
                let stream = server.run(&format!("XINFO STREAM {key}"));
                // Not how it is laid out in memory.
                let facts = stream
                    .split(' ')
                    .filter(|word| !word.starts_with(['*', '$']));
                let facts: Vec<&str> = facts
                    .skip_while(|word| *word != "last-generated-id")
                    .collect();
                lines.push(format!("{database} {key}: {facts:?}"));
            }
        }
    }
    lines.sort();
    lines
}

fn execute(server: &mut Server, other: &mut Other, arguments: Vec<Vec<u8>>, by_other: bool) {
    let arguments = match arguments.iter().position(|argument| argument == b"from") {
        Some(at) => {
            let payload = server.dump(&arguments[at + 1]);
            let Some(payload) = payload else { return };
            let options = arguments[at + 2..].iter().cloned();
            let start = arguments[..at].iter().cloned();
            let replace = std::iter::once(b"REPLACE".to_vec());
            start
                .chain([payload])
                .chain(replace)
                .chain(options)
                .collect()
        }
        None => arguments,
    };
    if by_other {
        other.run(server, &arguments);
    } else {
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        server.run_arguments(&arguments);
    }
}

const DIRECTIVES: &[(&str, &str)] = &[
    ("appendonly", "yes"),
    ("appendfsync", "no"),
    ("stream-node-max-entries", "2"),
    ("hash-max-listpack-entries", "3"),
    ("zset-max-listpack-entries", "3"),
    ("set-max-listpack-entries", "3"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_log_makes_the_same_data(
        steps in prop::collection::vec(
            (0..COMMANDS.len(), any::<u32>(), 0i64..30, 0u32..40), 1..300,
        ),
        has_preamble in any::<bool>(),
    ) {
        let storage = FaultyStorage::new();
        let preamble = if has_preamble { "yes" } else { "no" };
        let mut directives = DIRECTIVES.to_vec();
        directives.push(("aof-use-rdb-preamble", preamble));
        let mut server = Server::with_storage(&directives, START_MS, storage.clone());
        server.worker.load_at_start().expect("it starts");
        let mut other = Other(Session::new(server.worker.engine(), String::new(), String::new()));
        let mut history = Vec::new();
        for (command, choice, ms, event) in steps {
            let now_ms = server.clock.0.load(Ordering::Relaxed);
            let arguments = fill(COMMANDS[command], u64::from(choice), now_ms);
            history.push(format!("{} {:?}", now_ms - START_MS, arguments.iter().map(|it| String::from_utf8_lossy(it)).collect::<Vec<_>>().join(" ")));
            // What blocks does so in a session apart, so that somebody goes on.
            let blocks = arguments[0].starts_with(b"B") && !arguments[0].starts_with(b"BIT")
                || arguments.iter().any(|it| it == b"BLOCK");
            execute(&mut server, &mut other, arguments, blocks || event < 5);
            server.clock.0.fetch_add(ms, Ordering::Relaxed);
            match event {
                6 => { server.worker.run_cron(); }
                7 => { server.run("BGREWRITEAOF"); }
                8..12 => { server.step(); }
                _ => {}
            }
        }
        server.run("DISCARD");
        let mut late = Vec::new();
        other.0.deliver(&mut server.worker, &mut late);
        if !other.0.is_blocked() {
            other.run(&mut server, &[b"DISCARD".to_vec()]);
        }
        let after = storage.after_crash(Survives::Everything);
        // By when it is loaded, more is over than when it was written.
        let now_ms = server.clock.0.fetch_add(50, Ordering::Relaxed) + 50;
        (0..8).for_each(|_| { server.worker.run_cron(); });
        let expected = picture(&mut server);
        let mut again = Server::with_storage(&directives, now_ms, after);
        again.worker.load_at_start().expect("it is loaded");
        (0..8).for_each(|_| { again.worker.run_cron(); });
        let found = picture(&mut again);
        let differing: Vec<_> = expected.iter().filter(|line| !found.contains(line))
            .chain(found.iter().filter(|line| !expected.contains(line))).collect();
        prop_assert!(differing.is_empty(), "{differing:#?} after {history:#?}");
        // And once it is rewritten.
        server.finish_save();
        server.run("BGREWRITEAOF");
        server.finish_save();
        let after = storage.after_crash(Survives::Everything);
        let mut again = Server::with_storage(&directives, now_ms, after);
        again.worker.load_at_start().expect("it is loaded");
        let found = picture(&mut again);
        let differing: Vec<_> = expected.iter().filter(|line| !found.contains(line))
            .chain(found.iter().filter(|line| !expected.contains(line))).collect();
        prop_assert!(differing.is_empty(), "rewritten: {differing:#?} after {history:#?}");
    }
}

/// A new command that writes has to be put to the test above.
#[test]
fn every_command_that_writes_is_among_them() {
    let mut server = Server::new(&[], START_MS);
    let listed = server.run("COMMAND LIST FILTERBY ACLCAT write");
    let listed: BTreeSet<&str> = listed
        .split(' ')
        .filter(|word| !word.starts_with(['*', '$']))
        .collect();
    assert!(listed.len() > 100, "{listed:?}");
    let tested: BTreeSet<String> = COMMANDS
        .iter()
        .map(|pattern| {
            let mut words = pattern.split(' ').map(str::to_ascii_lowercase);
            let name = words.next().unwrap_or_default();
            match name == "xgroup" {
                true => format!("{name}|{}", words.next().unwrap_or_default()),
                false => name,
            }
        })
        .collect();
    let missing: Vec<&&str> = listed
        .iter()
        .filter(|name| !tested.contains(**name))
        .filter(|name| !ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == *name))
        .filter(|name| **name != "xgroup")
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Every form is one that is understood.
    let mut wrong = Vec::new();
    for pattern in COMMANDS {
        let mut server = Server::new(&[], START_MS);
        let arguments = fill(pattern, 1, START_MS);
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let reply = server.run_arguments(&arguments);
        let is_misunderstood = [
            "syntax",
            "wrong number",
            "unknown",
            "nvalid",
            "not an integer",
        ]
        .iter()
        .any(|word| reply.starts_with('-') && reply.contains(word));
        if is_misunderstood && !pattern.starts_with("RESTORE") {
            wrong.push(format!("{pattern}: {reply}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
