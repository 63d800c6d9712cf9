//! The append-only log: what was acknowledged is found again, whenever the machine stops and whichever call fails.

mod harness;

use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering;

use harness::{START_MS, Server, command};
use oxidis_engine::random::Random;
use oxidis_persist::storage::Storage;
use oxidis_testkit::storage::{FaultyStorage, Survives};
use proptest::prelude::*;

/// What a crash may leave of what was not durable.
const SURVIVALS: [Survives; 3] = [
    Survives::Nothing,
    Survives::Everything,
    Survives::Percent(50),
];

const ALWAYS: &[(&str, &str)] = &[("appendonly", "yes"), ("appendfsync", "always")];

/// A server that has loaded what the storage holds.
fn start(
    directives: &[(&str, &str)],
    storage: FaultyStorage,
    now_ms: i64,
) -> Result<Server, String> {
    let mut server = Server::with_storage(directives, now_ms, storage);
    server.worker.load_at_start()?;
    Ok(server)
}

fn digest(server: &mut Server) -> String {
    server.run("DEBUG DIGEST")
}

fn loaded_digest(storage: FaultyStorage) -> Result<String, String> {
    Ok(digest(&mut start(ALWAYS, storage, START_MS)?))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    /// Chance and time are in no command of the log: what it makes is what was there.
    #[test]
    fn what_is_logged_makes_the_same_data(
        commands in prop::collection::vec((command(), 0i64..40, 0usize..12), 1..400),
        appendfsync in prop::sample::select(vec!["always", "everysec", "no"]),
        base_is_rdb in any::<bool>(),
    ) {
        let directives = [
            ("appendonly", "yes"),
            ("aof-use-rdb-preamble", if base_is_rdb { "yes" } else { "no" }),
            ("appendfsync", appendfsync),
            ("maxmemory-policy", "allkeys-random"),
        ];
        let storage = FaultyStorage::new();
        let mut server = start(&directives, storage.clone(), START_MS).expect("it starts");
        for (command, ms, event) in commands {
            // DEBUG is not logged, as in Redis.
            match command.strip_prefix("DEBUG POPULATE 1500 ") {
                Some(rest) => {
                    let prefix = rest.split(' ').next().unwrap_or_default();
                    let pairs = (0..1500).map(|n| format!(" {prefix}:{n} 12345678"));
                    server.run(&format!("MSET{}", pairs.collect::<String>()));
                }
                None => { server.run(&command); }
            }
            server.clock.0.fetch_add(ms, Ordering::Relaxed);
            match event {
                0 => { server.worker.run_cron(); }
                1 => { server.run("BGREWRITEAOF"); }
                2..5 => { server.step(); }
                _ => {}
            }
        }
        server.run("CONFIG SET maxmemory 0");
        server.run("SELECT 0");
        // Nothing that is over is there any more.
        (0..4).for_each(|_| { server.worker.run_cron(); });
        let expected = digest(&mut server);
        let now_ms = server.clock.0.load(Ordering::Relaxed);
        let after = storage.after_crash(Survives::Everything);
        let mut again = start(&directives, after, now_ms).expect("it is loaded");
        prop_assert_eq!(digest(&mut again), expected.clone());
        server.finish_save();
        let after = storage.after_crash(Survives::Everything);
        let mut again = start(&directives, after, now_ms).expect("it is loaded");
        prop_assert_eq!(digest(&mut again), expected.clone());
        prop_assert_eq!(server.run("DEBUG LOADAOF"), "+OK");
        prop_assert_eq!(digest(&mut server), expected);
    }
}

/// What the crash tests do: writes, a transaction, two rewrites, of which one is under way while writes go on.
const WORKLOAD: &[&str] = &[
    "SET a 1",
    "RPUSH list a b c",
    "INCRBYFLOAT f 1.5",
    "BGREWRITEAOF",
    "HSET hash f v g w",
    "step",
    "SADD set x y z",
    "SPOP set",
    "step",
    "MULTI",
    "SET in transaction",
    "RPUSH list d",
    "EXEC",
    "finish",
    "SELECT 2",
    "ZADD zset 1 a 2 b",
    "BGREWRITEAOF",
    "XADD stream 1-1 f v",
    "DEL zset",
    "finish",
    "EXPIRE stream 100",
    "SWAPDB 0 2",
    "SET last value",
];

/// The lines above, and workloads by chance, in which a snapshot is made now and then, too.
fn workloads(count: u64) -> Vec<Vec<String>> {
    let fixed = WORKLOAD.iter().map(|&line| line.to_owned()).collect();
    let by_chance = (0..count).map(|seed| {
        let mut random = Random::new(seed);
        (0..30).flat_map(|_| some_lines(&mut random)).collect()
    });
    std::iter::once(fixed).chain(by_chance).collect()
}

fn some_lines(random: &mut Random) -> Vec<String> {
    let n = random.below(9);
    let change = |kind: u64| match kind {
        0 => format!("SET s{n} {n}{n}"),
        1 => format!("RPUSH list {n} x"),
        2 => format!("HSET hash f{n} v"),
        3 => format!("ZADD zset {n} m{n}"),
        4 => "INCRBYFLOAT float 0.1".to_owned(),
        5 => format!("SADD set {n}"),
        6 => "XADD stream * f v".to_owned(),
        7 => "SPOP set".to_owned(),
        8 => format!("DEL s{n}"),
        9 => format!("PEXPIRE s{n} 100000"),
        _ => "LPOP list".to_owned(),
    };
    let kind = random.below(18);
    let other = random.below(11);
    match kind {
        11 => vec!["BGREWRITEAOF".to_owned()],
        12 => vec!["BGSAVE".to_owned()],
        13 => vec!["step".to_owned()],
        14 => vec!["finish".to_owned()],
        15 => vec![format!("SELECT {}", n % 3)],
        16 => vec!["SWAPDB 0 1".to_owned()],
        17 => [
            "MULTI".to_owned(),
            change(other),
            change(0),
            "EXEC".to_owned(),
        ]
        .into(),
        _ => vec![change(kind)],
    }
}

/// Runs the workload until a reply is withheld; answers how many lines were done, and gives the digest after each
/// to `look`.
fn work(
    server: &mut Server,
    workload: &[String],
    look: &mut dyn FnMut(&mut Server, usize),
) -> usize {
    for (index, line) in workload.iter().enumerate() {
        match line.as_str() {
            "step" => {
                server.step();
            }
            "finish" => server.finish_save(),
            command => {
                let reply = server.run(command);
                // One that is refused while another is under way changes nothing, nor does one that fails.
                let is_rewrite = matches!(command, "BGREWRITEAOF" | "BGSAVE");
                if !is_rewrite && (reply.is_empty() || reply.starts_with('-')) {
                    return index;
                }
            }
        }
        look(server, index);
    }
    workload.len()
}

/// Lets time pass, and does what is done regularly.
fn pass_time(server: &mut Server, ms: i64) {
    server.clock.0.fetch_add(ms, Ordering::Relaxed);
    server.worker.run_cron();
}

/// The digests before the first line and after each, and how many calls the storage gets.
fn digests(workload: &[String]) -> (Vec<String>, usize) {
    digests_with(workload, &|_| {})
}

/// The same where `meanwhile` is done after each line.
fn digests_with(workload: &[String], meanwhile: &dyn Fn(&mut Server)) -> (Vec<String>, usize) {
    let storage = FaultyStorage::new();
    let mut server = start(ALWAYS, storage.clone(), START_MS).expect("it starts");
    let before = storage.calls();
    let mut digests = vec![digest(&mut server)];
    let mut is_in_transaction = false;
    let done = work(&mut server, workload, &mut |server, index| {
        meanwhile(server);
        match workload[index].as_str() {
            "MULTI" => is_in_transaction = true,
            "EXEC" => is_in_transaction = false,
            _ => {}
        }
        // Inside a transaction nothing changes yet, and one cannot ask.
        let now = match is_in_transaction {
            true => digests.last().cloned().unwrap_or_default(),
            false => digest(server),
        };
        digests.push(now);
    });
    assert_eq!(done, workload.len(), "{:?}", workload.get(done));
    (digests, storage.calls() - before)
}

/// Every point of every workload at which the machine can go off, with more or less of what was not synced.
#[test]
fn no_crash_loses_what_was_acknowledged() {
    let mut points = 0;
    for (number, workload) in workloads(14).iter().enumerate() {
        let (digests, calls) = digests(workload);
        assert!(calls > 30, "{number}: {calls}");
        for call in 0..=calls {
            let storage = FaultyStorage::new();
            let mut server = start(ALWAYS, storage.clone(), START_MS).expect("it starts");
            storage.crash_at(call);
            let done = work(&mut server, workload, &mut |_, _| {});
            let may_be = &digests[done..(done + 2).min(digests.len())];
            let parts = (0..10).map(|n| Survives::Percent(n * 11));
            for survives in [Survives::Nothing, Survives::Everything]
                .into_iter()
                .chain(parts)
            {
                let found = loaded_digest(storage.after_crash(survives));
                let found =
                    found.unwrap_or_else(|error| panic!("{number}, {call} {survives:?}: {error}"));
                assert!(
                    may_be.contains(&found),
                    "{number}, call {call}, {survives:?}, after {done}"
                );
                points += 1;
            }
        }
    }
    assert!(points > 10_000, "{points}");
}

/// A crash while the log is made for the first time, or turned on.
#[test]
fn no_crash_at_the_start_keeps_the_next_start_from_succeeding() {
    for call in 0..40 {
        let storage = FaultyStorage::new();
        storage.crash_at(call);
        let started = start(ALWAYS, storage.clone(), START_MS).is_ok();
        for survives in SURVIVALS {
            let found = loaded_digest(storage.after_crash(survives));
            assert!(found.is_ok(), "{call} {survives:?}: {found:?}");
        }
        if started {
            return;
        }
    }
    panic!("a start makes fewer calls");
}

/// A call that fails stops writes until writing succeeds again, and nothing that was acknowledged is lost.
#[test]
fn a_call_that_fails_is_made_good() {
    let workload = &workloads(0)[0];
    let (_, calls) = digests(workload);
    for call in 0..calls {
        let storage = FaultyStorage::new();
        let mut server = start(ALWAYS, storage.clone(), START_MS).expect("it starts");
        storage.fail_at(Some(call));
        work(&mut server, workload, &mut |_, _| {});
        storage.fail_at(None);
        server.run("DISCARD");
        // What is acknowledged before that is in no file of which nobody knows what it holds.
        if server.run("SET between 1") == "+OK" {
            let expected = digest(&mut server);
            let found = loaded_digest(storage.after_crash(Survives::Nothing));
            assert_eq!(found.expect("it is loaded"), expected, "{call}");
        }
        // What cannot be written is tried again, in another file if need be.
        for _ in 0..4 {
            server.clock.0.fetch_add(1000, Ordering::Relaxed);
            server.worker.run_cron();
            server.finish_save();
        }
        assert_eq!(server.information("aof_last_write_status"), "ok", "{call}");
        assert_eq!(server.run("SET after 1"), "+OK", "{call}");
        let expected = digest(&mut server);
        let found = loaded_digest(storage.after_crash(Survives::Nothing));
        assert_eq!(found.expect("it is loaded"), expected, "{call}");
    }
}

/// With less than `always` the machine keeps some beginning of history, whenever it goes off and whatever of what was
/// not synced it keeps.
#[test]
fn a_beginning_of_history_survives_without_always() {
    let mut points = 0;
    for appendfsync in ["everysec", "no"] {
        let directives = [("appendonly", "yes"), ("appendfsync", appendfsync)];
        for (number, workload) in workloads(3).iter().enumerate() {
            // Times are in the data.
            let (digests, calls) = digests_with(workload, &|server| pass_time(server, 400));
            for call in 0..=calls {
                let storage = FaultyStorage::new();
                let mut server = start(&directives, storage.clone(), START_MS).expect("it starts");
                storage.crash_at(call);
                let done = work(&mut server, workload, &mut |server, _| {
                    pass_time(server, 400);
                });
                let history = &digests[..(done + 2).min(digests.len())];
                for survives in SURVIVALS {
                    let found = loaded_digest(storage.after_crash(survives));
                    let found = found.unwrap_or_else(|error| {
                        panic!("{appendfsync} {number} {call} {survives:?}: {error}")
                    });
                    assert!(
                        history.contains(&found),
                        "{appendfsync}, {number}, call {call}, {survives:?}, after {done}"
                    );
                    points += 1;
                }
            }
        }
    }
    assert!(points > 500, "{points}");
}

/// As [`a_call_that_fails_is_made_good`], where replies do not wait for the disk: once something cannot be written or
/// synced, writes are refused until it can, and what was acknowledged before is written then.
#[test]
fn a_call_that_fails_is_made_good_without_always() {
    let workload = &workloads(0)[0];
    let (_, calls) = digests(workload);
    for appendfsync in ["everysec", "no"] {
        let directives = [("appendonly", "yes"), ("appendfsync", appendfsync)];
        let mut refusals = 0;
        for call in 0..calls {
            let storage = FaultyStorage::new();
            let mut server = start(&directives, storage.clone(), START_MS).expect("it starts");
            storage.fail_at(Some(call));
            work(&mut server, workload, &mut |server, index| {
                if index % 3 == 2 {
                    pass_time(server, 1000);
                }
            });
            server.run("DISCARD");
            if server.information("aof_last_write_status") == "err" {
                let reply = server.run("SET refused 1");
                assert!(
                    reply.starts_with("-MISCONF"),
                    "{appendfsync} {call}: {reply}"
                );
                refusals += 1;
            }
            storage.fail_at(None);
            for _ in 0..4 {
                server.clock.0.fetch_add(1000, Ordering::Relaxed);
                server.worker.run_cron();
                server.finish_save();
            }
            let status = server.information("aof_last_write_status");
            assert_eq!(status, "ok", "{appendfsync} {call}");
            assert_eq!(server.run("SET after 1"), "+OK", "{appendfsync} {call}");
            let expected = digest(&mut server);
            let found = loaded_digest(storage.after_crash(Survives::Everything));
            let found = found.expect("it is loaded");
            assert_eq!(found, expected, "{appendfsync} {call}");
        }
        assert!(refusals > 0, "{appendfsync}: no call failed that matters");
    }
}

/// The errors are those of redis-server 7.0.15 with its files on a file system that is full.
#[test]
fn a_full_disk_refuses_writes_in_the_words_of_redis() {
    const LOG: &str = "-MISCONF Errors writing to the AOF file: No space left on device";
    const SNAPSHOT: &str = "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to \
         disk. Commands that may modify the data set are disabled, because this instance is configured to report \
         errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis \
         logs for details about the RDB error.";
    const CALLS: &str = "return redis.call('set', 'a', 'b')";
    const TRIES: &str = "return redis.pcall('set', 'a', 'b')";
    const DECLARED: &str = "#!lua\nreturn redis.call('set', 'a', 'b')";
    const READS: &str = "#!lua flags=no-writes\nreturn redis.call('get', 'b')";
    const LIBRARY: &str = "#!lua name=l\nredis.register_function('f', function() return 1 end)";
    let logs = [("appendonly", "yes"), ("appendfsync", "everysec")];
    for (directives, expected) in [(&logs[..], LOG), (&[("save", "3600 1000")], SNAPSHOT)] {
        let storage = FaultyStorage::new();
        let mut server = start(directives, storage.clone(), START_MS).expect("it starts");
        storage.fail_at(Some(0));
        // What does not wait for the disk is done, and the last that is.
        assert_eq!(server.run("SET a 1"), "+OK");
        if expected == SNAPSHOT {
            server.run("BGSAVE");
            server.finish_save();
        }
        let mut run = |words: &[&str]| {
            // Whatever each of them makes the server write.
            storage.fail_at(Some(0));
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            server.run_arguments(&words)
        };
        for words in [
            &["SET", "a", "b"][..],
            &["PING"],
            &["DEL", "nothing"],
            &["FLUSHALL"],
            &["FUNCTION", "LOAD", LIBRARY],
        ] {
            assert_eq!(run(words), expected, "{words:?}");
        }
        for (script, is_raised) in [(CALLS, true), (TRIES, false), (DECLARED, false)] {
            let reply = run(&["EVAL", script, "0"]);
            let raised = format!("{expected} script: ");
            assert_eq!(reply.starts_with(&raised), is_raised, "{script}: {reply}");
            assert!(is_raised || reply == expected, "{script}: {reply}");
        }
        assert_eq!(run(&["EVAL", READS, "0"]), "$-1");
        assert_eq!(run(&["GET", "a"]), "$1 1");
        assert_eq!(run(&["PUBLISH", "channel", "message"]), ":0");
        run(&["MULTI"]);
        assert_eq!(run(&["SET", "a", "b"]), expected);
        assert!(run(&["EXEC"]).starts_with("-EXECABORT "));
    }
}

#[test]
fn everysec_loses_no_more_than_was_not_synced() {
    let directives = [("appendonly", "yes"), ("appendfsync", "everysec")];
    let storage = FaultyStorage::new();
    let mut server = start(&directives, storage.clone(), START_MS).expect("it starts");
    server.run("SET a 1");
    server.clock.0.fetch_add(1000, Ordering::Relaxed);
    server.worker.run_cron();
    let synced = digest(&mut server);
    server.run("SET a 2");
    let written = digest(&mut server);
    server.worker.run_cron();
    let found = loaded_digest(storage.after_crash(Survives::Nothing));
    assert_eq!(found, Ok(synced));
    let found = loaded_digest(storage.after_crash(Survives::Everything));
    assert_eq!(found, Ok(written));
    assert_eq!(server.run("WAITAOF 1 0 0"), "*2 :1 :0");
    assert!(loaded_digest(storage.after_crash(Survives::Nothing)).is_ok());
}

fn contents(storage: &FaultyStorage, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut file, _) = storage.read(Path::new(path)).expect("it is there");
    file.read_to_end(&mut bytes).expect("it is read");
    bytes
}

fn store(storage: &FaultyStorage, path: &str, bytes: &[u8]) {
    let mut file = storage.create(Path::new(path)).expect("it may");
    file.append(bytes).expect("it may");
    file.sync().expect("it may");
    let directory = Path::new(path).parent().expect("it has one");
    storage.sync_directory(directory).expect("it may");
}

const INCREMENTAL: &str = "/data/appendonlydir/appendonly.aof.1.incr.aof";

#[test]
fn a_torn_end_is_cut_and_damage_is_refused() {
    let storage = FaultyStorage::new();
    let mut server = start(ALWAYS, storage.clone(), START_MS).expect("it starts");
    server.run("SET a 1");
    let whole = digest(&mut server);
    let len = contents(&storage, INCREMENTAL).len();
    for command in ["MULTI", "SET b 2", "SET c 3", "EXEC"] {
        server.run(command);
    }
    let bytes = contents(&storage, INCREMENTAL);
    for end in len..bytes.len() {
        store(&storage, INCREMENTAL, &bytes[..end]);
        let strict = [("appendonly", "yes"), ("aof-load-truncated", "no")];
        let after = storage.after_crash(Survives::Everything);
        let refused = start(&strict, after, START_MS).err();
        assert_eq!(refused.is_none(), end == len, "{end}");
        let after = storage.after_crash(Survives::Everything);
        assert_eq!(loaded_digest(after.clone()), Ok(whole.clone()), "{end}");
        // It was cut, so that what follows is read.
        assert_eq!(contents(&after, INCREMENTAL).len(), len);
    }
    let mut damaged = bytes.clone();
    damaged[len + 1] = b'x';
    store(&storage, INCREMENTAL, &damaged);
    let error =
        loaded_digest(storage.after_crash(Survives::Everything)).expect_err("it is damaged");
    assert!(error.contains(&format!("byte {len}")), "{error}");
}

/// Long rows of commands with one key each, of which the order matters key by key, and in between what touches several keys.
fn long_history(random: &mut Random) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..6 {
        for _ in 0..1500 {
            let (n, key) = (random.below(10), random.below(60));
            lines.push(match random.below(11) {
                0 => format!("SELECT {}", n % 3),
                1 => format!("SET s{key} {n}"),
                2..4 => format!("APPEND s{key} {n}"),
                4 => format!("RPUSH l{key} {n}"),
                5 => format!("LPUSH l{key} {n}"),
                6 => format!("LPOP l{key}"),
                7 => format!("HSET h{key} f{n} {}", random.below(100)),
                8 => format!("DEL s{key}"),
                9 => format!("SET n{key} {n} EX {}", 100 + n),
                _ => format!("INCRBY n{key} {n}"),
            });
        }
        for _ in 0..random.below(40) {
            let (from, to) = (random.below(60), random.below(60));
            lines.extend(match random.below(6) {
                0 => vec![format!("COPY s{from} s{to} REPLACE")],
                1 => vec![format!("LMOVE l{from} l{to} LEFT RIGHT")],
                2 => vec![format!("DEL s{from} h{to}")],
                3 => vec!["SWAPDB 0 1".to_owned()],
                4 => vec![format!("MSET s{from} 1 n{to} 2")],
                _ => ["MULTI", "INCR n1", "SELECT 2", "INCR n1", "EXEC"]
                    .map(str::to_owned)
                    .into(),
            });
            lines.push(format!("APPEND s{to} x"));
        }
    }
    lines
}

/// Commands with one key each are executed by several threads at a start, and others when nobody else does anything.
#[test]
fn several_threads_load_what_one_does() {
    for seed in 0..4 {
        let storage = FaultyStorage::new();
        let log = [("appendonly", "yes"), ("appendfsync", "no")];
        let mut server = start(&log, storage.clone(), START_MS).expect("it starts");
        for line in long_history(&mut Random::new(seed)) {
            server.run(&line);
        }
        let expected = digest(&mut server);
        for threads in ["1", "2", "5"] {
            let directives = [log[0], log[1], ("io-threads", threads)];
            let storage = storage.after_crash(Survives::Everything);
            let mut again = start(&directives, storage, START_MS).expect("it loads");
            assert_eq!(
                digest(&mut again),
                expected,
                "seed {seed}, {threads} threads"
            );
        }
    }
}

/// The file of a version before 7.0 becomes the base.
#[test]
fn an_old_file_is_taken_over() {
    let old = b"*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    let storage = FaultyStorage::new();
    store(&storage, "/data/appendonly.aof", old);
    let mut server = start(ALWAYS, storage.clone(), START_MS).expect("it starts");
    server.run("SELECT 1");
    assert_eq!(server.run("INCR a"), ":2");
    let mut again =
        start(ALWAYS, storage.after_crash(Survives::Everything), START_MS).expect("it starts");
    again.run("SELECT 1");
    assert_eq!(again.run("GET a"), "$1 2");
    // Data and commands in one file, as 4.0 to 6.2 wrote them.
    let mut data = Server::new(&[], START_MS);
    data.run("SET b 5");
    data.run("SAVE");
    let mut file = data.take_file().expect("it was saved");
    file.extend_from_slice(old);
    let storage = FaultyStorage::new();
    store(&storage, "/data/appendonly.aof", &file);
    let mut server = start(ALWAYS, storage, START_MS).expect("it starts");
    assert_eq!(server.run("GET b"), "$1 5");
    server.run("SELECT 1");
    assert_eq!(server.run("GET a"), "$1 1");
}

/// Taking it over may be cut off anywhere: the next start goes on.
#[test]
fn an_old_file_is_taken_over_though_the_machine_stops() {
    let old = b"*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    for call in 0..40 {
        let storage = FaultyStorage::new();
        store(&storage, "/data/appendonly.aof", old);
        storage.crash_at(call);
        let started = start(ALWAYS, storage.clone(), START_MS).is_ok();
        for survives in SURVIVALS {
            let again = start(ALWAYS, storage.after_crash(survives), START_MS);
            let mut again = again.unwrap_or_else(|error| panic!("{call} {survives:?}: {error}"));
            again.run("SELECT 1");
            assert_eq!(again.run("GET a"), "$1 1", "{call} {survives:?}");
        }
        if started {
            return;
        }
    }
    panic!("a start makes fewer calls");
}

#[test]
fn the_time_is_noted_once_a_second() {
    let directives = [("appendonly", "yes"), ("aof-timestamp-enabled", "yes")];
    let storage = FaultyStorage::new();
    let mut server = start(&directives, storage.clone(), START_MS).expect("it starts");
    for ms in [0, 400, 400, 400] {
        server.clock.0.fetch_add(ms, Ordering::Relaxed);
        server.run("INCR a");
    }
    let text = String::from_utf8(contents(&storage, INCREMENTAL)).expect("it is text");
    let notes: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(notes, ["#TS:1700000000", "#TS:1700000001"]);
    let mut again = start(
        &directives,
        storage.after_crash(Survives::Everything),
        START_MS,
    )
    .expect("it starts");
    assert_eq!(again.run("GET a"), "$1 4");
}

#[test]
fn it_is_turned_on_and_off() {
    let storage = FaultyStorage::new();
    let mut server = Server::with_storage(&[("appendfsync", "always")], START_MS, storage.clone());
    server.run("SET a 1");
    assert_eq!(server.run("CONFIG SET appendonly yes"), "+OK");
    server.run("SET b 2");
    assert!(
        storage
            .after_crash(Survives::Nothing)
            .files()
            .iter()
            .all(|path| !path.ends_with(".manifest"))
    );
    server.finish_save();
    server.run("SET c 3");
    let expected = digest(&mut server);
    assert_eq!(
        loaded_digest(storage.after_crash(Survives::Nothing)),
        Ok(expected.clone())
    );
    assert_eq!(server.information("aof_enabled"), "1");
    assert_eq!(server.run("CONFIG SET appendonly no"), "+OK");
    server.run("SET d 4");
    assert_eq!(
        loaded_digest(storage.after_crash(Survives::Everything)),
        Ok(expected)
    );
    assert_eq!(server.information("aof_enabled"), "0");
    assert!(server.run("WAITAOF 1 0 0").starts_with("-ERR WAITAOF"));
    // On, off and on again, with nothing written in between: each change is logged once.
    for is_on in ["yes", "no", "yes"] {
        server.run(&format!("CONFIG SET appendonly {is_on}"));
        server.finish_save();
    }
    server.run("RPUSH list a b c");
    let expected = digest(&mut server);
    assert_eq!(
        loaded_digest(storage.after_crash(Survives::Everything)),
        Ok(expected)
    );
}

#[test]
fn it_is_rewritten_when_it_has_grown() {
    let directives = [
        ("appendonly", "yes"),
        ("auto-aof-rewrite-percentage", "100"),
        ("auto-aof-rewrite-min-size", "4kb"),
    ];
    let storage = FaultyStorage::new();
    let mut server = start(&directives, storage, START_MS).expect("it starts");
    for n in 0..300 {
        server.run(&format!("SET a {n}"));
    }
    server.worker.run_cron();
    assert_eq!(server.information("aof_rewrite_in_progress"), "1");
    server.finish_save();
    assert_eq!(server.information("aof_rewrites"), "1");
    assert_eq!(server.information("aof_last_bgrewrite_status"), "ok");
    let size: u64 = server
        .information("aof_current_size")
        .parse()
        .expect("a number");
    assert!(size < 1000, "{size}");
}

/// Each rewrite that fails leaves another file in the log, so they must not follow each other for ever.
#[test]
fn rewrites_that_keep_failing_are_tried_less_and_less() {
    let directives = [
        ("appendonly", "yes"),
        ("auto-aof-rewrite-percentage", "1"),
        ("auto-aof-rewrite-min-size", "100"),
    ];
    let storage = FaultyStorage::new();
    let mut server = start(&directives, storage.clone(), START_MS).expect("it starts");
    let is_begun_after = |server: &mut Server, ms| {
        server.clock.0.fetch_add(ms, Ordering::Relaxed);
        server.worker.run_cron();
        server.information("aof_rewrite_in_progress") == "1"
    };
    for minutes in [0, 0, 0, 1, 2, 4] {
        for n in 0..30 {
            server.run(&format!("SET a {n}"));
        }
        if minutes > 0 {
            assert!(!is_begun_after(&mut server, minutes * 60_000 - 1));
        }
        assert!(is_begun_after(&mut server, 1), "{minutes}");
        storage.fail_at(Some(0));
        server.finish_save();
        storage.fail_at(None);
        assert_eq!(server.information("aof_last_bgrewrite_status"), "err");
    }
    // Who asks for one gets it at once.
    assert!(server.run("BGREWRITEAOF").starts_with('+'));
    server.finish_save();
    assert_eq!(server.information("aof_last_bgrewrite_status"), "ok");
    assert_eq!(server.information("aof_rewrites_consecutive_failures"), "0");
}
