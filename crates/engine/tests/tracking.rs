//! Client side caching under a clock that stands still: who is told of which change, and when,
//! beside a naive model.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use harness::Server;
use oxidis_engine::{Session, Worker};
use proptest::prelude::*;

/// A session that speaks RESP3.
fn connect(server: &mut Server) -> Session {
    let mut session = server.connect();
    let reply = server.run(&mut session, "hello 3");
    assert!(reply.starts_with("%7"), "{reply}");
    session
}

/// An invalidation of these keys in RESP3.
fn invalidation(keys: &[&str]) -> String {
    let mut text = format!(">2 $10 invalidate *{}", keys.len());
    for key in keys {
        text += &format!(" ${} {key}", key.len());
    }
    text
}

/// What INFO says of tracking: clients, keys, items, prefixes.
fn counts(server: &mut Server) -> Vec<usize> {
    let mut session = server.connect();
    let info = server.run(&mut session, "info all");
    let fields = [
        "tracking_clients:",
        "tracking_total_keys:",
        "tracking_total_items:",
        "tracking_total_prefixes:",
    ];
    let number = |field: &&str| {
        let word = info.split(' ').find_map(|word| word.strip_prefix(field));
        word.expect("a field of INFO").parse().unwrap()
    };
    let counts = fields.iter().map(number).collect();
    session.close(&mut server.worker);
    counts
}

#[test]
fn expiry_is_told_by_whoever_deletes_the_key() {
    let mut server = Server::new(1, &[]);
    let (mut reader, mut other) = (connect(&mut server), connect(&mut server));
    server.run(&mut other, "client tracking on bcast");
    server.run(&mut reader, "set k 1 px 10; client tracking on; get k");
    server.deliver(&mut other);
    server.advance_ms(11);
    assert_eq!(server.deliver(&mut reader), "");
    assert!(!server.worker.run_cron());
    assert_eq!(server.deliver(&mut reader), invalidation(&["k"]));
    assert_eq!(server.deliver(&mut other), invalidation(&["k"]));

    // Whoever meets the key first deletes it, too; the reader is told after its reply, and has the
    // absence of the key cached from then on.
    server.run(&mut reader, "set k 1 px 10; get k");
    server.deliver(&mut other);
    server.advance_ms(11);
    assert_eq!(
        server.run(&mut reader, "get k"),
        format!("_ {}", invalidation(&["k"]))
    );
    assert_eq!(server.deliver(&mut other), invalidation(&["k"]));
    assert_eq!(counts(&mut server), [2, 1, 1, 1]);
    server.run(&mut other, "set k 2");
    assert_eq!(server.deliver(&mut reader), invalidation(&["k"]));
}

#[test]
fn eviction_is_told_before_the_reply() {
    let mut server = Server::new(1, &[("maxmemory-policy", "allkeys-lru")]);
    let mut session = connect(&mut server);
    server.run(&mut session, "set k 1; client tracking on; get k");
    // What a session sets the limit to matters from its next command on.
    server.run(&mut session, "config set maxmemory 1");
    assert_eq!(
        server.run(&mut session, "get k"),
        format!("{} _", invalidation(&["k"]))
    );
    server.run(&mut session, "config set maxmemory 0");
    assert_eq!(counts(&mut server), [1, 1, 1, 0]);
}

#[test]
fn names_beyond_the_limit_are_forgotten_as_if_they_had_changed() {
    let mut server = Server::new(2, &[("tracking-table-max-keys", "10")]);
    let mut session = connect(&mut server);
    server.run(&mut session, "client tracking on");
    let read: Vec<String> = (0..260).map(|n| format!("key:{n}")).collect();
    server.run(&mut session, &format!("mget {}", read.join(" ")));
    // INFO is a request, too, and any session's request works at it: 100 names, then 200.
    assert_eq!(counts(&mut server)[1..3], [160, 160]);
    server.worker.run_cron();
    let forgotten = server.deliver(&mut session);
    assert_eq!(forgotten.matches("invalidate").count(), 250);
    assert_eq!(counts(&mut server)[1..3], [10, 10]);
    for name in &read {
        let told = forgotten.matches(&format!(" {name} ")).count()
            + usize::from(forgotten.ends_with(&format!(" {name}")));
        assert!(told <= 1, "{name} was told {told} times");
    }
}

#[test]
fn what_was_read_is_remembered_while_nobody_tracks() {
    let mut server = Server::new(2, &[]);
    let mut session = connect(&mut server);
    server.run(&mut session, "client tracking on; mget a b c");
    let mut other = connect(&mut server);
    server.run(
        &mut other,
        "client tracking on bcast prefix x prefix y; hello 3",
    );
    assert_eq!(counts(&mut server), [2, 3, 3, 2]);
    session.close(&mut server.worker);
    server.worker.run_cron();
    assert_eq!(counts(&mut server), [1, 3, 3, 2]);
    server.run(&mut other, "reset");
    server.worker.run_cron();
    assert_eq!(counts(&mut server), [0, 3, 3, 0]);
    server.run(&mut other, "set b 1");
    assert_eq!(counts(&mut server), [0, 2, 2, 0]);
    server.run(&mut other, "flushall");
    assert_eq!(counts(&mut server), [0, 0, 0, 0]);
}

/// As redis-server 7.0.15 and 8.0.6 do.
#[test]
fn names_beyond_the_limit_stay_until_somebody_tracks() {
    let mut server = Server::new(2, &[]);
    let mut session = connect(&mut server);
    let read = "client tracking on; mget a b c d e; client tracking off";
    server.run(&mut session, read);
    server.run(&mut session, "config set tracking-table-max-keys 2");
    server.worker.run_cron();
    assert_eq!(counts(&mut server), [0, 5, 5, 0]);
    server.run(&mut session, "client tracking on");
    server.worker.run_cron();
    assert_eq!(counts(&mut server), [1, 2, 2, 0]);
    let told = server.deliver(&mut session);
    assert_eq!(told.matches("invalidate").count(), 3, "{told}");
}

#[test]
fn who_tracks_again_hears_of_what_was_read_before() {
    let mut server = Server::new(1, &[]);
    let (mut reader, mut writer) = (connect(&mut server), connect(&mut server));
    for off in ["client tracking off", "reset; hello 3"] {
        server.run(&mut reader, &format!("client tracking on; get k; {off}"));
        server.worker.run_cron();
        server.run(&mut reader, "client tracking on");
        server.run(&mut writer, "set k 1");
        assert_eq!(server.deliver(&mut reader), invalidation(&["k"]), "{off}");
    }
    // With BCAST it hears of prefixes only, and the name is forgotten.
    server.run(&mut reader, "get k; client tracking off");
    server.run(&mut reader, "client tracking on bcast prefix z");
    server.run(&mut writer, "set k 2");
    assert_eq!(server.deliver(&mut reader), "");
    assert_eq!(counts(&mut server), [1, 0, 0, 1]);
}

#[test]
fn a_change_is_noticed_while_nobody_tracks() {
    let mut server = Server::new(1, &[]);
    let (mut reader, mut writer) = (connect(&mut server), connect(&mut server));
    let reading = "client tracking on; get k; client tracking off";
    server.run(&mut reader, reading);
    server.run(&mut writer, "set k 1");
    assert_eq!(counts(&mut server), [0, 0, 0, 0]);
    server.run(&mut reader, "client tracking on");
    server.run(&mut writer, "set k 2");
    assert_eq!(server.deliver(&mut reader), "");
    // What did not change meanwhile is still remembered, as in Redis.
    server.run(&mut reader, &format!("{reading}; client tracking on"));
    server.run(&mut writer, "set k 3");
    assert_eq!(server.deliver(&mut reader), invalidation(&["k"]));
}

#[test]
fn a_receiver_that_has_gone_is_told_to_who_redirects_to_it() {
    let mut server = Server::new(1, &[]);
    let (mut session, mut receiver) = (connect(&mut server), connect(&mut server));
    let id = receiver.id();
    server.run(
        &mut session,
        &format!("client tracking on redirect {id}; get k"),
    );
    let reply = server.run(&mut session, "client getredir; client info");
    assert!(reply.starts_with(&format!(":{id} ")), "{reply}");
    assert!(reply.contains(" flags=t "), "{reply}");
    assert!(reply.contains(&format!(" redir={id} ")), "{reply}");
    receiver.close(&mut server.worker);
    let mut writer = server.connect();
    server.run(&mut writer, "set k 1");
    let broken = format!(">2 $21 tracking-redir-broken :{id}");
    assert_eq!(server.deliver(&mut session), broken);
    let reply = server.run(&mut session, "client trackinginfo; client info");
    assert!(
        reply.starts_with("%3 $5 flags ~2 $2 on $15 broken_redirect $8 redirect"),
        "{reply}"
    );
    assert!(reply.contains(" flags=tR "), "{reply}");
    server.run(
        &mut session,
        "client tracking off; client tracking on bcast",
    );
    let reply = server.run(
        &mut session,
        "client info; client tracking off; client info",
    );
    assert!(
        reply.contains(" flags=tB ") && reply.contains(" redir=0 "),
        "{reply}"
    );
    assert!(
        reply.contains(" flags=N ") && reply.contains(" redir=-1 "),
        "{reply}"
    );
}

#[test]
fn a_blocked_command_that_reads_is_tracked_when_it_is_served() {
    let mut server = Server::new(1, &[]);
    let (mut session, mut writer) = (connect(&mut server), server.connect());
    server.run(&mut session, "client tracking on optin; client caching yes");
    server.run(&mut session, "xread block 0 streams s $");
    assert!(session.is_blocked());
    server.run(&mut writer, "xadd s 1 f v");
    let served = server.deliver(&mut session);
    // The key was read when the command began to wait, and again when it was served.
    assert!(served.starts_with(&invalidation(&["s"])), "{served}");
    assert!(served.contains("$1 s *1 *2 $3 1-0"), "{served}");
    server.run(&mut writer, "xadd s 2 f v");
    assert_eq!(server.deliver(&mut session), invalidation(&["s"]));
    let reply = server.run(&mut session, "client trackinginfo");
    assert!(!reply.contains("caching-yes"), "{reply}");
}

/// One request or batch of requests of a session.
#[derive(Debug, Clone)]
enum Step {
    Track(Mode),
    Caching,
    Read(Vec<usize>),
    /// Writes or deletes, together in one batch, or in a transaction.
    Change {
        keys: Vec<(usize, bool)>,
        is_transaction: bool,
    },
    ReadInTransaction(Vec<usize>),
    Flush,
    Ping,
}

#[derive(Debug, Clone, PartialEq, Default)]
enum Mode {
    #[default]
    Off,
    Reads {
        no_loop: bool,
    },
    OptIn,
    OptOut {
        no_loop: bool,
    },
    /// The numbers of prefixes.
    Prefixes {
        prefixes: BTreeSet<usize>,
        no_loop: bool,
    },
}

const KEYS: [&str; 6] = ["a", "ab", "ac", "b", "bb", "c"];
/// None begins with another.
const PREFIXES: [&str; 4] = ["a", "bb", "c", "d"];
const SESSIONS: usize = 3;

#[derive(Default)]
struct Model {
    modes: [Mode; SESSIONS],
    caching: [bool; SESSIONS],
    tracked: BTreeMap<&'static str, BTreeSet<usize>>,
    existing: BTreeSet<&'static str>,
    pending: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
    /// What each session is still to be told.
    messages: [Vec<String>; SESSIONS],
}

impl Model {
    fn read(&mut self, session: usize, keys: &[usize]) {
        let remembers = match self.modes[session] {
            Mode::Off | Mode::Prefixes { .. } => false,
            Mode::Reads { .. } => true,
            Mode::OptIn => self.caching[session],
            Mode::OptOut { .. } => !self.caching[session],
        };
        if remembers {
            for &key in keys {
                self.tracked.entry(KEYS[key]).or_default().insert(session);
            }
        }
    }

    fn change(&mut self, session: usize, key: &'static str, is_deletion: bool) {
        if is_deletion && !self.existing.remove(key) {
            return;
        }
        if !is_deletion {
            self.existing.insert(key);
        }
        for prefix in PREFIXES {
            let is_wanted = self.modes.iter().any(|mode| match mode {
                Mode::Prefixes { prefixes, .. } => {
                    prefixes.iter().any(|&number| PREFIXES[number] == prefix)
                }
                _ => false,
            });
            if is_wanted && key.starts_with(prefix) {
                let changes = self.pending.entry(prefix).or_default();
                changes.insert(key, session);
            }
        }
        for reader in self.tracked.remove(key).unwrap_or_default() {
            let is_told = match self.modes[reader] {
                Mode::Off | Mode::Prefixes { .. } => false,
                Mode::OptIn => true,
                Mode::Reads { no_loop } | Mode::OptOut { no_loop } => {
                    !(no_loop && reader == session)
                }
            };
            if is_told {
                self.messages[reader].push(invalidation(&[key]));
            }
        }
    }

    fn flush(&mut self) {
        self.tracked.clear();
        self.existing.clear();
        for (session, mode) in self.modes.iter().enumerate() {
            if *mode != Mode::Off {
                self.messages[session].push(">2 $10 invalidate _".to_owned());
            }
        }
    }

    fn end_batch(&mut self) {
        for (prefix, changes) in std::mem::take(&mut self.pending) {
            for (session, mode) in self.modes.iter().enumerate() {
                let Mode::Prefixes { prefixes, no_loop } = mode else {
                    continue;
                };
                if !prefixes.iter().any(|&number| PREFIXES[number] == prefix) {
                    continue;
                }
                let wanted = changes
                    .iter()
                    .filter(|&(_, &changer)| !(*no_loop && changer == session));
                let keys: Vec<&str> = wanted.map(|(key, _)| *key).collect();
                if !keys.is_empty() {
                    self.messages[session].push(invalidation(&keys));
                }
            }
        }
    }

    /// Does a step; answers the requests that stand for it.
    fn step(&mut self, session: usize, step: &Step) -> String {
        let keys = |numbers: &[usize]| {
            let keys = numbers.iter().map(|&number| KEYS[number]);
            keys.collect::<Vec<_>>().join(" ")
        };
        let mut keeps_caching = false;
        let requests = match step {
            Step::Track(mode) => {
                self.modes[session] = mode.clone();
                keeps_caching = true;
                self.caching[session] = false;
                track(mode)
            }
            Step::Caching => {
                keeps_caching = true;
                match self.modes[session] {
                    Mode::OptIn => {
                        self.caching[session] = true;
                        "client caching yes".to_owned()
                    }
                    Mode::OptOut { .. } => {
                        self.caching[session] = true;
                        "client caching no".to_owned()
                    }
                    _ => "client id".to_owned(),
                }
            }
            Step::Read(numbers) => {
                self.read(session, numbers);
                format!("mget {}", keys(numbers))
            }
            Step::ReadInTransaction(numbers) => {
                self.read(session, numbers);
                format!("multi; ping; mget {}; exec", keys(numbers))
            }
            Step::Change {
                keys,
                is_transaction,
            } => {
                let mut requests = Vec::new();
                for &(key, is_deletion) in keys {
                    self.change(session, KEYS[key], is_deletion);
                    let key = KEYS[key];
                    requests.push(match is_deletion {
                        true => format!("del {key}"),
                        false => format!("set {key} 1"),
                    });
                }
                let requests = requests.join("; ");
                match is_transaction {
                    true => format!("multi; {requests}; exec"),
                    false => requests,
                }
            }
            Step::Flush => {
                self.flush();
                "flushdb".to_owned()
            }
            Step::Ping => "ping".to_owned(),
        };
        if !keeps_caching {
            self.caching[session] = false;
        }
        self.end_batch();
        requests
    }
}

fn track(mode: &Mode) -> String {
    let no_loop = |no_loop: &bool| if *no_loop { " noloop" } else { "" };
    let on = match mode {
        Mode::Off => return "client tracking off".to_owned(),
        Mode::Reads { no_loop: it } => no_loop(it).to_owned(),
        Mode::OptIn => " optin".to_owned(),
        Mode::OptOut { no_loop: it } => format!(" optout{}", no_loop(it)),
        Mode::Prefixes {
            prefixes,
            no_loop: it,
        } => {
            let prefixes = prefixes.iter();
            let prefixes: String = prefixes
                .map(|&number| format!(" prefix {}", PREFIXES[number]))
                .collect();
            format!(" bcast{prefixes}{}", no_loop(it))
        }
    };
    format!("client tracking off; client tracking on{on}")
}

fn mode() -> impl Strategy<Value = Mode> {
    let prefixes = prop::collection::btree_set(0..PREFIXES.len(), 1..4);
    prop_oneof![
        Just(Mode::Off),
        any::<bool>().prop_map(|no_loop| Mode::Reads { no_loop }),
        Just(Mode::OptIn),
        any::<bool>().prop_map(|no_loop| Mode::OptOut { no_loop }),
        (prefixes, any::<bool>())
            .prop_map(|(prefixes, no_loop)| Mode::Prefixes { prefixes, no_loop }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let keys = || prop::collection::vec(0..KEYS.len(), 1..4);
    let changes = prop::collection::vec((0..KEYS.len(), any::<bool>()), 1..5);
    prop_oneof![
        3 => mode().prop_map(Step::Track),
        2 => Just(Step::Caching),
        6 => keys().prop_map(Step::Read),
        2 => keys().prop_map(Step::ReadInTransaction),
        6 => (changes, any::<bool>())
            .prop_map(|(keys, is_transaction)| Step::Change { keys, is_transaction }),
        1 => Just(Step::Flush),
        1 => Just(Step::Ping),
    ]
}

proptest! {
    #[test]
    fn everyone_is_told_what_a_naive_model_says(
        steps in prop::collection::vec((0..SESSIONS, 0..2_usize, step()), 1..60),
    ) {
        let mut server = Server::new(2, &[]);
        // Two workers take turns: what is remembered by one is seen by the other.
        let mut other_worker = Worker::new(&server.engine);
        let mut sessions: Vec<Session> = (0..SESSIONS).map(|_| connect(&mut server)).collect();
        let mut model = Model::default();
        for (session, worker, step) in steps {
            let requests = model.step(session, &step);
            if worker == 1 {
                std::mem::swap(&mut server.worker, &mut other_worker);
            }
            let output = server.run(&mut sessions[session], &requests);
            for (number, told) in model.messages.iter_mut().enumerate() {
                let expected = std::mem::take(told).join(" ");
                let messages = match number == session {
                    // Behind all replies, but for those of a batch: there behind their own.
                    true => messages_in(&output),
                    false => server.deliver(&mut sessions[number]),
                };
                prop_assert_eq!(messages, expected, "session {} after {} of {}", number, requests, session);
            }
        }
    }
}

/// The invalidations in what was sent to a session.
fn messages_in(output: &str) -> String {
    let words: Vec<&str> = output.split(' ').collect();
    let mut messages: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at] != ">2" {
            at += 1;
            continue;
        }
        let len = match words[at + 3].strip_prefix('*') {
            Some(count) => 4 + 2 * count.parse::<usize>().unwrap(),
            None => 4,
        };
        messages.extend(&words[at..at + len]);
        at += len;
    }
    messages.join(" ")
}
