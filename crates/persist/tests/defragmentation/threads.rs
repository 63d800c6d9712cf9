//! Blocks move while threads read and write, keys and fields expire, data sets are thrown away and freed elsewhere, and
//! snapshots are taken, all of it at once.
//!
//! Who writes asks an engine of its own the same, in which nothing moves, and compares each reply, and at the end what
//! there is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;

use oxidis_engine::{Engine, Garbage};

use super::harness::{ManualClock, START_MS, Server, StoredHost, loaded_from};

const DIRECTIVES: &[(&str, &str)] = &[
    ("active-defrag-cycle-min", "99"),
    ("active-defrag-cycle-max", "99"),
    ("active-defrag-max-scan-fields", "50"),
    ("hash-max-listpack-entries", "30"),
    ("set-max-listpack-entries", "30"),
    ("set-max-intset-entries", "30"),
    ("zset-max-listpack-entries", "30"),
    ("list-max-listpack-size", "20"),
    ("list-compress-depth", "1"),
    ("stream-node-max-entries", "20"),
];

const WRITERS: usize = 3;
/// What each of them does.
const COMMANDS: usize = if cfg!(miri) { 60 } else { 8_000 };
/// Keys that nobody changes.
const STILL_KEYS: usize = if cfg!(miri) { 20 } else { 2_000 };
/// Two keys are written together after so many commands, and a snapshot never sees them apart.
const COMMANDS_PER_PAIR: usize = 40;

/// Numbers that are the same in each run (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    /// Text of any length class, of a length that tells it from others.
    fn text(&mut self) -> String {
        let len_max = [8, 60, 200, 2000][self.below(4)];
        let len = 1 + self.below(len_max);
        format!("{len}").repeat(len.div_ceil(2))
    }

    /// A command whose reply depends on nothing but the keys of `owner`.
    fn command(&mut self, owner: usize, number: usize) -> String {
        let key = |kind: &str, index: usize| format!("{kind}:{owner}:{index}");
        let index = self.below(3);
        let (string, list, hash) = (key("string", index), key("list", index), key("hash", index));
        let (set, zset, stream) = (key("set", index), key("zset", index), key("stream", index));
        let (element, other) = (self.below(400), self.below(3));
        let text = self.text();
        match self.below(34) {
            0 => format!("SET {string} {text}"),
            1 => format!("APPEND {string} {text}"),
            2 => format!("SETRANGE {string} {element} {text}"),
            3 => format!("GET {string}"),
            4 => format!("SET {string} {element} KEEPTTL"),
            5 | 6 => format!("RPUSH {list} {text}"),
            7 => format!("LPUSH {list} {element} {text} {element}"),
            8 => format!("LRANGE {list} 0 -1"),
            9 => format!("LPOP {list} 2"),
            10 => format!("LINSERT {list} BEFORE {element} {text}"),
            11 => format!("LSET {list} 0 {text}"),
            12..=14 => format!("HSET {hash} field:{element} {text}"),
            15 => format!("HMGET {hash} field:{element} field:{} field:1", element / 2),
            16 => format!("HDEL {hash} field:{element}"),
            17 => format!("HEXPIRE {hash} 100000 FIELDS 1 field:{element}"),
            18 | 19 => format!("SADD {set} member:{element} {element} {text}"),
            20 => format!("SMISMEMBER {set} member:{element} {element} {text}"),
            21 => format!("SREM {set} member:{element}"),
            22..=24 => format!("ZADD {zset} {number}.5 member:{element} 7 {text}"),
            25 => format!("ZRANGE {zset} 0 -1 WITHSCORES"),
            26 => format!("ZREM {zset} member:{element}"),
            27 => format!("ZREMRANGEBYRANK {zset} 0 3"),
            28 | 29 => format!("XADD {stream} {}-1 field {text}", number + 1),
            30 => format!("XRANGE {stream} - +"),
            31 => format!("XTRIM {stream} MAXLEN 60"),
            32 => format!("RENAME {hash} {}", key("hash", other)),
            _ => format!("COPY {zset} {} REPLACE", key("zset", other)),
        }
    }
}

/// What all threads share.
struct Shared {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    host: Arc<StoredHost>,
    /// Threads that write still.
    writing: AtomicUsize,
    begin: Barrier,
}

impl Shared {
    fn client(&self) -> Server {
        Server::sharing(&self.engine, &self.clock, &self.host)
    }

    /// Does something until nobody writes any more, and at least once.
    fn while_writing(&self, mut act: impl FnMut()) {
        self.begin.wait();
        act();
        while self.writing.load(Ordering::Relaxed) > 0 {
            act();
            thread::yield_now();
        }
    }
}

/// Says that a thread writes no more, however it ends.
struct Ends<'s>(&'s AtomicUsize);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says that there is no more garbage, so that who frees it ends, however the test does.
struct EndsGarbage<'s>(&'s StoredHost);

impl Drop for EndsGarbage<'_> {
    fn drop(&mut self) {
        if let Ok(mut garbage) = self.0.garbage.lock() {
            *garbage = None;
        }
    }
}

/// Writes, and answers the engine to compare with.
fn write(shared: &Shared, owner: usize) -> Server {
    let _ends = Ends(&shared.writing);
    let mut client = shared.client();
    let mut model = Server::new(DIRECTIVES, START_MS);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 + owner as u64);
    shared.begin.wait();
    for number in 0..COMMANDS {
        let command = numbers.command(owner, number);
        assert_eq!(client.run(&command), model.run(&command), "{command}");
        if number % COMMANDS_PER_PAIR == 0 {
            for command in [
                "MULTI".to_owned(),
                format!("SET left:{owner} {number}"),
                format!("RPUSH right:{owner} {number}"),
                "EXEC".to_owned(),
            ] {
                assert_eq!(client.run(&command), model.run(&command), "{command}");
            }
        }
    }
    model
}

/// What comes and goes in other databases: it expires, or is thrown away as a whole.
fn churn(client: &mut Server, numbers: &mut Numbers) {
    let refused = |reply: String| assert!(!reply.starts_with('-'), "{reply}");
    let (index, ms) = (numbers.below(5), 1 + numbers.below(3000));
    let elements: Vec<usize> = (0..60).map(|_| numbers.below(1000)).collect();
    let join = |separator: &str, before: &str| {
        let each = elements
            .iter()
            .map(|it| format!("{separator}{before}{it}:{it}"));
        each.collect::<String>()
    };
    refused(client.run("SELECT 1"));
    refused(client.run(&format!(
        "SET short:{} {} PX {ms}",
        elements[0],
        numbers.text()
    )));
    refused(client.run(&format!("RPUSH list:{index}{}", join(" ", "element:"))));
    refused(client.run(&format!("SADD set:{index}{}", join(" ", "member:"))));
    refused(client.run(&format!("ZADD zset:{index}{}", join(" 5 ", ""))));
    refused(client.run(&format!(
        "HSET hash:{index}{}",
        join(" 5 ", "").replacen(" 5", "", 1) + " 5"
    )));
    refused(client.run(&format!("XADD stream:{index} * field {}", numbers.text())));
    let field = format!("{0}:{0}", elements[0]);
    refused(client.run(&format!("HPEXPIRE hash:{index} {ms} FIELDS 1 {field}")));
    refused(client.run(&format!("PEXPIRE zset:{index} {ms}")));
    match numbers.below(12) {
        0 => refused(client.run("FLUSHDB ASYNC")),
        1 => refused(client.run("SWAPDB 1 3")),
        2 => refused(client.run("FLUSHDB SYNC")),
        3 => refused(client.run(&format!("UNLINK list:{index} set:{index} hash:{index}"))),
        4 => refused(client.run(&format!("MOVE set:{index} 3"))),
        _ => {}
    }
}

/// Looks at everything, whoever's it is.
fn look(client: &mut Server, numbers: &mut Numbers) {
    let (owner, index) = (numbers.below(WRITERS), numbers.below(3));
    for command in [
        "GET string",
        "LRANGE list 0 -1",
        "HGETALL hash",
        "SMEMBERS set",
        "ZRANGE zset 0 -1",
        "XRANGE stream - +",
        "SSCAN set 0",
        "HSCAN hash 0",
        "ZSCAN zset 0",
        "MEMORY USAGE hash",
    ] {
        let mut words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let at = words
            .iter()
            .position(|it| it.as_bytes()[0].is_ascii_lowercase());
        let at = at.expect("each has a key");
        words[at] = format!("{}:{owner}:{index}", words[at]);
        let reply = client.run(&words.join(" "));
        assert!(!reply.starts_with('-'), "{command}: {reply}");
    }
}

/// Takes a snapshot and looks into it.
fn save(client: &mut Server) {
    assert_eq!(client.run("BGSAVE"), "+Background saving started");
    while client.host.step() {
        thread::yield_now();
    }
    let file = client.host.take_file().expect("it was saved");
    let mut loaded = loaded_from(&file, START_MS);
    for owner in 0..WRITERS {
        let left = loaded.run(&format!("GET left:{owner}"));
        assert_eq!(left, loaded.run(&format!("LINDEX right:{owner} -1")));
    }
    loaded.run("SELECT 2");
    assert_eq!(loaded.run("DBSIZE"), format!(":{STILL_KEYS}"));
    assert_eq!(loaded.run("GET still:17"), "$8 value:17");
}

#[test]
fn blocks_move_while_threads_read_and_write_and_snapshots_are_taken() {
    let mut server = Server::new(DIRECTIVES, START_MS);
    assert_eq!(server.run("CONFIG SET activedefrag yes"), "+OK");
    server.run("SELECT 2");
    server.run(&format!("DEBUG POPULATE {STILL_KEYS} still 8"));
    server.run("SELECT 0");
    // Each look at the clock takes a microsecond.
    server.clock.2.store(1, Ordering::Relaxed);
    let (sender, garbage) = channel::<Garbage>();
    *server.host.garbage.lock().expect("nobody panicked") = Some(sender);
    let shared = &Shared {
        engine: server.worker.engine().clone(),
        clock: server.clock.clone(),
        host: server.host.clone(),
        writing: AtomicUsize::new(WRITERS),
        begin: Barrier::new(WRITERS + 4),
    };
    let models: Vec<Server> = thread::scope(|scope| {
        let _ends_garbage = EndsGarbage(&shared.host);
        let writers: Vec<_> = (0..WRITERS)
            .map(|owner| scope.spawn(move || write(shared, owner)))
            .collect();
        let cron = scope.spawn(|| {
            let mut client = shared.client();
            shared.while_writing(|| {
                shared.host.idle_bytes.store(1 << 60, Ordering::Relaxed);
                while client.worker.run_cron() {}
                shared.clock.0.fetch_add(50, Ordering::Relaxed);
            });
        });
        let others = [
            scope.spawn(|| {
                let (mut client, mut numbers) = (shared.client(), Numbers(17));
                shared.while_writing(|| churn(&mut client, &mut numbers));
            }),
            scope.spawn(|| {
                let (mut client, mut numbers) = (shared.client(), Numbers(18));
                shared.while_writing(|| look(&mut client, &mut numbers));
            }),
            scope.spawn(|| {
                let mut client = shared.client();
                shared.while_writing(|| save(&mut client));
            }),
        ];
        scope.spawn(|| garbage.into_iter().for_each(drop));
        let models = writers
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect();
        cron.join().expect("no panic");
        others
            .into_iter()
            .for_each(|it| it.join().expect("no panic"));
        models
    });
    let moved = server.host.moved_blocks.load(Ordering::Relaxed);
    assert!(moved > (STILL_KEYS + COMMANDS) as u64, "{moved}");
    for (owner, mut model) in models.into_iter().enumerate() {
        let keys = model.run("KEYS *");
        for key in keys.split(' ').skip(2).step_by(2) {
            assert!(key.contains(&format!(":{owner}")), "{key}");
            assert_eq!(
                server.dump(key.as_bytes()),
                model.dump(key.as_bytes()),
                "{key}"
            );
            assert_eq!(
                server.run(&format!("OBJECT ENCODING {key}")),
                model.run(&format!("OBJECT ENCODING {key}")),
            );
        }
    }
}
