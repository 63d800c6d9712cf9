//! Typed calls that need no request: nobody can tell them from the commands, by what they answer, change, count or
//! tell others.
//!
//! Two engines are opened alike and treated alike, but for this: what one is asked by typed calls, the other one is
//! asked by requests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use oxidis::{Clock, Connection, Engine, Error, Fault, FaultGuard, FromValue, Value};
use proptest::prelude::*;

const KEYS: [&str; 6] = ["a", "b", "c", "", "user:1", "a key longer than most"];
const WORDS: [&str; 5] = ["name", "1", "x", "", "12"];

/// What can be asked by a typed call.
#[derive(Debug, Clone, Copy)]
enum Question {
    Get,
    GetInto,
    GetWith,
    GetMany,
    GetManyWith,
    StrLen,
    Exists,
    HGet,
    HExists,
    HLen,
    SIsMember,
    SCard,
    LLen,
    ZScore,
    ZCard,
}

#[derive(Debug, Clone)]
enum Step {
    Ask(Question, usize, usize),
    Set(usize, Vec<u8>),
    /// The same request to both.
    Request(Vec<String>),
    Advance(u64),
    /// Somebody looks on, or does no more.
    Record(bool),
    Fault(bool),
    Monitor(bool),
    Track(bool),
    Watch(usize),
    Exec,
}

fn question() -> impl Strategy<Value = Question> {
    use Question::*;
    prop::sample::select(vec![
        Get,
        Get,
        GetInto,
        GetWith,
        GetMany,
        GetManyWith,
        StrLen,
        Exists,
        HGet,
        HExists,
        HLen,
        SIsMember,
        SCard,
        LLen,
        ZScore,
        ZCard,
    ])
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..40),
        (65_530_usize..65_545).prop_map(|len| vec![b'x'; len]),
    ]
}

fn request() -> impl Strategy<Value = Vec<String>> {
    let key = || prop::sample::select(KEYS.to_vec());
    let word = || prop::sample::select(WORDS.to_vec());
    let of = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    prop_oneof![
        (key(), 1_u32..3000).prop_map(move |(key, ms)| of(&[
            "SET",
            key,
            "v",
            "PX",
            &ms.to_string()
        ])),
        (key(), 1_u32..3000).prop_map(move |(key, ms)| of(&["PEXPIRE", key, &ms.to_string()])),
        key().prop_map(move |key| of(&["DEL", key])),
        (key(), word()).prop_map(move |(key, word)| of(&["HSET", key, word, "1", "other", "z"])),
        (key(), word(), 1_u32..3000).prop_map(move |(key, word, ms)| {
            of(&["HPEXPIRE", key, &ms.to_string(), "FIELDS", "1", word])
        }),
        (key(), word()).prop_map(move |(key, word)| of(&["SADD", key, word, "member"])),
        (key(), word()).prop_map(move |(key, word)| of(&["RPUSH", key, word])),
        (key(), word()).prop_map(move |(key, word)| of(&["ZADD", key, "1.5", word])),
        (key(), word()).prop_map(move |(key, word)| of(&["APPEND", key, word])),
        key().prop_map(move |key| of(&["OBJECT", "FREQ", key])),
        key().prop_map(move |key| of(&["OBJECT", "IDLETIME", key])),
        prop::sample::select(vec!["", "KEA", "KEAmn", "Km"]).prop_map(move |it| of(&[
            "CONFIG",
            "SET",
            "notify-keyspace-events",
            it
        ])),
        prop::sample::select(vec!["allkeys-lfu", "noeviction", "volatile-lru"])
            .prop_map(move |it| of(&["CONFIG", "SET", "maxmemory-policy", it])),
        prop::sample::select(vec!["0", "2"]).prop_map(move |it| of(&[
            "CONFIG",
            "SET",
            "default-ttl",
            it
        ])),
        prop::sample::select(vec!["0", "1000000000"]).prop_map(move |it| of(&[
            "CONFIG",
            "SET",
            "maxmemory",
            it
        ])),
        prop::sample::select(vec!["0", "10000"]).prop_map(move |it| of(&[
            "CONFIG",
            "SET",
            "slowlog-log-slower-than",
            it
        ])),
        prop::sample::select(vec!["-@string", "+@all"])
            .prop_map(move |it| of(&["ACL", "SETUSER", "default", it])),
        Just(of(&["CONFIG", "RESETSTAT"])),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (question(), 0..KEYS.len(), 0..WORDS.len())
            .prop_map(|(question, key, word)| Step::Ask(question, key, word)),
        5 => (0..KEYS.len(), value()).prop_map(|(key, value)| Step::Set(key, value)),
        10 => request().prop_map(Step::Request),
        2 => (1_u64..2000).prop_map(Step::Advance),
        1 => any::<bool>().prop_map(Step::Record),
        1 => any::<bool>().prop_map(Step::Fault),
        1 => any::<bool>().prop_map(Step::Monitor),
        1 => any::<bool>().prop_map(Step::Track),
        1 => (0..KEYS.len()).prop_map(Step::Watch),
        1 => Just(Step::Exec),
    ]
}

/// One of the two engines, and those who look on.
struct Side {
    engine: Engine,
    by_calls: bool,
    listener: Connection,
    watcher: Connection,
    monitor: Option<Connection>,
    tracker: Option<Connection>,
    fault: Option<FaultGuard>,
}

impl Side {
    fn new(by_calls: bool) -> Self {
        let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let builder = Engine::builder().seed(7).clock(Clock::ManualAt(start));
        let engine = builder.open().expect("an engine");
        let mut listener = engine.connect();
        listener.execute(["PSUBSCRIBE", "__key*"]).expect("heard");
        Side {
            watcher: engine.connect(),
            engine,
            by_calls,
            listener,
            monitor: None,
            tracker: None,
            fault: None,
        }
    }

    fn ask<T: FromValue + std::fmt::Debug>(
        &self,
        request: &[&str],
        call: impl FnOnce() -> Result<T, Error>,
    ) -> String {
        let answer = match self.by_calls {
            true => call(),
            false => self.engine.query(request),
        };
        match answer {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => format!("{error}"),
        }
    }

    fn question(&self, question: Question, key: &str, word: &str) -> String {
        let engine = &self.engine;
        match question {
            Question::Get => self.ask(&["GET", key], || engine.string().get(key)),
            Question::GetInto => self.ask(&["GET", key], || {
                let mut value = b"before".to_vec();
                let is_there = engine.string().get_into(key, &mut value)?;
                Ok(is_there.then_some(value))
            }),
            Question::GetWith => self.ask(&["GET", key], || {
                engine.string().get_with(key, <[u8]>::to_vec)
            }),
            Question::GetMany => self.ask(&["MGET", key, "a", "user:1", key], || {
                engine.string().get_many([key, "a", "user:1", key])
            }),
            Question::GetManyWith => {
                let keys = ["b", key, "c", "a", ""];
                let request = [&["MGET"], &keys[..]].concat();
                self.ask(&request, || {
                    let mut values = Vec::new();
                    engine.string().get_many_with(&keys, |index, value| {
                        assert_eq!(index, values.len());
                        values.push(value.map(<[u8]>::to_vec));
                    })?;
                    Ok(values)
                })
            }
            Question::StrLen => self.ask(&["STRLEN", key], || engine.string().len(key)),
            Question::Exists => self.ask(&["EXISTS", key], || engine.keys().contains(key)),
            Question::HGet => self.ask(&["HGET", key, word], || engine.hash().get(key, word)),
            Question::HExists => self.ask(&["HEXISTS", key, word], || {
                engine.hash().contains(key, word)
            }),
            Question::HLen => self.ask(&["HLEN", key], || engine.hash().len(key)),
            Question::SIsMember => self.ask(&["SISMEMBER", key, word], || {
                engine.set().contains(key, word)
            }),
            Question::SCard => self.ask(&["SCARD", key], || engine.set().len(key)),
            Question::LLen => self.ask(&["LLEN", key], || engine.list().len(key)),
            Question::ZScore => self.ask(&["ZSCORE", key, word], || {
                engine.sorted_set().score(key, word)
            }),
            Question::ZCard => self.ask(&["ZCARD", key], || engine.sorted_set().len(key)),
        }
    }

    fn take(&mut self, step: &Step) -> String {
        let engine = &self.engine;
        let shown = |reply: Result<Value, Error>| format!("{reply:?}");
        match step {
            Step::Ask(question, key, word) => self.question(*question, KEYS[*key], WORDS[*word]),
            Step::Set(key, value) => match self.by_calls {
                true => format!("{:?}", engine.string().set(KEYS[*key], value)),
                false => {
                    let request: [&[u8]; 3] = [b"SET", KEYS[*key].as_bytes(), value];
                    format!("{:?}", engine.query::<()>(request))
                }
            },
            Step::Request(words) => shown(engine.execute(words)),
            Step::Advance(ms) => {
                format!("{:?}", engine.advance(Duration::from_millis(*ms)))
            }
            Step::Record(is_on) => {
                engine.record_commands(if *is_on { 1000 } else { 0 });
                String::new()
            }
            Step::Fault(is_on) => {
                let fault = || Fault::error("LOADING Not yet.").key("a*");
                self.fault = is_on.then(|| engine.fault(fault()).expect("a fault"));
                String::new()
            }
            Step::Monitor(is_on) => {
                self.monitor = is_on.then(|| {
                    let mut monitor = engine.connect();
                    monitor.execute(["MONITOR"]).expect("on");
                    monitor
                });
                String::new()
            }
            Step::Track(is_on) => {
                self.tracker = is_on.then(|| {
                    let mut tracker = engine.connect();
                    tracker.execute(["CLIENT", "TRACKING", "ON"]).expect("on");
                    for key in KEYS {
                        // Whatever is there.
                        let _ = tracker.execute(["GET", key]);
                    }
                    tracker
                });
                String::new()
            }
            Step::Watch(key) => shown(self.watcher.execute(["WATCH", KEYS[*key]])),
            Step::Exec => {
                let opened = shown(self.watcher.execute(["MULTI"]));
                let executed = shown(self.watcher.execute(["EXEC"]));
                opened + &executed
            }
        }
    }

    /// All that can be told of it.
    fn state(&mut self) -> Vec<String> {
        self.fault = None;
        let mut state = Vec::new();
        while let Ok(Some(event)) = self.listener.next_message_for(Duration::ZERO) {
            state.push(format!("{event:?}"));
        }
        for (number, command) in self.engine.commands().into_iter().enumerate() {
            state.push(format!("{number}: {:?}", command.arguments));
        }
        self.engine.record_commands(0);
        let info = |section: &str| -> String {
            let page: String = self.engine.query(["INFO", section]).expect("a page");
            page
        };
        let counts = [
            "keyspace_hits",
            "keyspace_misses",
            "expired_keys",
            "total_commands_processed",
            "total_error_replies",
            "acl_access_denied_cmd",
        ];
        let stats = info("stats");
        let counted = stats
            .lines()
            .filter(|line| counts.iter().any(|name| line.starts_with(name)));
        state.extend(counted.map(str::to_owned));
        state.push(info("commandstats"));
        state.push(info("errorstats"));
        state.push(info("keyspace"));
        let ask = |request: &[&str]| format!("{:?}", self.engine.execute(request));
        ask(&["ACL", "SETUSER", "default", "+@all"]);
        for key in KEYS {
            state.push(ask(&["OBJECT", "FREQ", key]));
            state.push(ask(&["OBJECT", "IDLETIME", key]));
            state.push(ask(&["PTTL", key]));
            state.push(ask(&["DUMP", key]));
        }
        state
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn typed_calls_do_what_commands_do(steps in prop::collection::vec(step(), 0..60)) {
        let mut calls = Side::new(true);
        let mut requests = Side::new(false);
        for step in &steps {
            prop_assert_eq!(calls.take(step), requests.take(step), "{:?}", step);
        }
        prop_assert_eq!(calls.state(), requests.state());
    }
}

#[test]
fn what_is_over_is_over_for_typed_calls_by_the_exact_time() {
    let engine = Engine::builder()
        .clock(Clock::Manual)
        .open()
        .expect("an engine");
    engine
        .string()
        .set_for("k", "v", Duration::from_millis(5))
        .expect("set");
    engine.advance(Duration::from_millis(4)).expect("moved");
    assert_eq!(engine.string().len("k").expect("asked"), 1);
    engine.advance(Duration::from_millis(1)).expect("moved");
    assert_eq!(engine.string().get("k").expect("asked"), None);

    // Where time runs, too, between two looks of the housekeeping.
    let engine = Engine::builder()
        .directive("hz", "1")
        .open()
        .expect("an engine");
    for _ in 0..20 {
        engine
            .string()
            .set_for("k", "v", Duration::from_millis(3))
            .expect("set");
        thread::sleep(Duration::from_millis(3));
        assert_eq!(engine.string().get("k").expect("asked"), None);
    }
}

#[test]
fn a_reader_that_panics_leaves_the_engine_usable() {
    let engine = Engine::open().expect("an engine");
    engine.string().set("k", "v").expect("set");
    engine.string().get("k").expect("asked");
    for _ in 0..2 {
        let read = || engine.string().get_with("k", |_| panic!("a reader's own"));
        assert!(catch_unwind(AssertUnwindSafe(read)).is_err());
        assert_eq!(
            engine.string().get("k").expect("asked").as_deref(),
            Some(&b"v"[..])
        );
        engine.string().set("k", "v").expect("set");
    }
    assert_eq!(engine.keys().count().expect("asked"), 1);
}

#[test]
fn who_reads_meanwhile_sees_whole_values() {
    let engine = Engine::open().expect("an engine");
    let values = [vec![b'a'; 10], vec![b'b'; 2000], vec![b'c'; 100]];
    engine.string().set("k", &values[0]).expect("set");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut found = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    assert!(engine.string().get_into("k", &mut found).expect("asked"));
                    assert!(values.contains(&found));
                }
            });
        }
        for n in 0..20_000 {
            engine
                .string()
                .set("k", &values[n % values.len()])
                .expect("set");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
