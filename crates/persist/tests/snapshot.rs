//! The forkless snapshot: whatever commands do between the steps of a background save, what is saved is the
//! data set as it was when the save began.

use std::io::Read;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use oxidis_engine::command::Args;
use oxidis_engine::config::Config;
use oxidis_engine::snapshot::{BackgroundWork, SnapshotFile, SnapshotSource};
use oxidis_engine::{Clock, Engine, EngineOptions, Host, Session, Worker};
use oxidis_persist::Rdb;
use proptest::prelude::*;

const START_MS: i64 = 1_700_000_000_000;

struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed) * 1000
    }
}

/// A host that keeps one file in memory, and the work of the background until it is told to do it.
#[derive(Default)]
struct MemoryHost {
    saved: Arc<Mutex<Option<Vec<u8>>>>,
    work: Mutex<Option<BackgroundWork>>,
    /// How many appends succeed before one fails.
    appends: Arc<Mutex<Option<usize>>>,
}

struct MemoryFile {
    bytes: Vec<u8>,
    saved: Arc<Mutex<Option<Vec<u8>>>>,
    appends: Arc<Mutex<Option<usize>>>,
}

impl SnapshotFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        if let Some(left) = &mut *self.appends.lock().unwrap() {
            *left = left.checked_sub(1).ok_or("No space left on device")?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), String> {
        *self.saved.lock().unwrap() = Some(self.bytes);
        Ok(())
    }
}

impl Host for MemoryHost {
    fn keeps_files(&self) -> bool {
        true
    }

    fn create_snapshot_file(&self, _: &Config) -> Result<Box<dyn SnapshotFile>, String> {
        Ok(Box::new(MemoryFile {
            bytes: Vec::new(),
            saved: self.saved.clone(),
            appends: self.appends.clone(),
        }))
    }

    fn open_snapshot_file(&self, _: &Config) -> Result<Option<SnapshotSource>, String> {
        let saved = self.saved.lock().unwrap().clone();
        Ok(saved.map(|bytes| SnapshotSource {
            len: bytes.len() as u64,
            bytes: Box::new(std::io::Cursor::new(bytes)) as Box<dyn Read + Send>,
        }))
    }

    fn run_in_background(&self, work: BackgroundWork) -> bool {
        *self.work.lock().unwrap() = Some(work);
        true
    }
}

struct Server {
    host: Arc<MemoryHost>,
    clock: Arc<ManualClock>,
    worker: Worker,
    session: Session,
}

impl Server {
    fn new(directives: &[(&str, &str)], now_ms: i64) -> Self {
        let config = Arc::new(Config::new(11));
        let own = [
            ("enable-debug-command", "yes"),
            ("save", ""),
            ("databases", "4"),
        ];
        for (name, value) in own.iter().chain(directives) {
            config
                .set_default(name, value.as_bytes())
                .unwrap_or_else(|error| panic!("{name} {value}: {error}"));
        }
        let clock = Arc::new(ManualClock(AtomicI64::new(now_ms)));
        let host = Arc::new(MemoryHost::default());
        let engine = Engine::new(EngineOptions {
            config,
            clock: clock.clone(),
            host: host.clone(),
            snapshot_codec: Some(Arc::new(Rdb)),
            interpreter: None,
            seed: 5,
            workers: 1,
        });
        Server {
            worker: Worker::new(&engine),
            session: Session::new(&engine, String::new(), String::new()),
            clock,
            host,
        }
    }

    fn run(&mut self, command: &str) -> String {
        let arguments: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        self.session
            .execute_arguments(&mut self.worker, Args::slices(&arguments), &mut reply);
        String::from_utf8_lossy(&reply)
            .trim_end()
            .replace("\r\n", " ")
    }

    /// Does a step of the background save; answers whether there are more.
    fn step(&mut self) -> bool {
        let mut work = self.host.work.lock().unwrap();
        let goes_on = work.as_mut().is_some_and(BackgroundWork::step);
        if !goes_on {
            *work = None;
        }
        goes_on
    }

    fn finish_save(&mut self) {
        while self.step() {}
    }

    fn information(&mut self, field: &str) -> String {
        let text = self.run("INFO persistence");
        let line = text.split(' ').find_map(|line| line.strip_prefix(field));
        line.unwrap_or_default().trim_start_matches(':').to_owned()
    }
}

/// The digest of a data set that was saved, loaded at `now_ms`.
fn digest_of(file: Vec<u8>, now_ms: i64) -> String {
    let mut server = Server::new(&[], now_ms);
    *server.host.saved.lock().unwrap() = Some(file);
    server
        .worker
        .load_at_start()
        .expect("what was saved is loaded");
    server.run("DEBUG DIGEST")
}

const KEYS: u32 = 400;

/// A command on one of some keys: every way in which an entry can change, come and go.
fn command() -> impl Strategy<Value = String> {
    let key = || (0..KEYS).prop_map(|n| format!("key:{n}"));
    let small = 0u32..50;
    prop_oneof![
        4 => (key(), small.clone()).prop_map(|(key, n)| format!("SET {key} value:{n}")),
        1 => key().prop_map(|key| format!("SET {key} {}", "long ".trim().repeat(400))),
        2 => key().prop_map(|key| format!("INCR {key}")),
        2 => key().prop_map(|key| format!("APPEND {key} more")),
        2 => (key(), small.clone()).prop_map(|(key, n)| format!("SETRANGE {key} {n} x")),
        3 => (key(), small.clone()).prop_map(|(key, n)| format!("RPUSH {key} element:{n}")),
        1 => key().prop_map(|key| format!("LPOP {key}")),
        3 => (key(), small.clone()).prop_map(|(key, n)| format!("SADD {key} {n}")),
        1 => (key(), small.clone()).prop_map(|(key, n)| format!("SREM {key} {n}")),
        3 => (key(), small.clone()).prop_map(|(key, n)| format!("HSET {key} field:{n} {n}")),
        3 => (key(), small.clone()).prop_map(|(key, n)| format!("ZADD {key} {n} member:{n}")),
        4 => key().prop_map(|key| format!("DEL {key}")),
        2 => (key(), 1u32..2000).prop_map(|(key, ms)| format!("PEXPIRE {key} {ms}")),
        2 => key().prop_map(|key| format!("PERSIST {key}")),
        3 => (key(), key()).prop_map(|(from, to)| format!("RENAME {from} {to}")),
        2 => (key(), key()).prop_map(|(from, to)| format!("COPY {from} {to} REPLACE")),
        3 => (key(), 0u32..3).prop_map(|(key, db)| format!("MOVE {key} {db}")),
        2 => (0u32..3).prop_map(|db| format!("SELECT {db}")),
        1 => (0u32..3, 0u32..3).prop_map(|(a, b)| format!("SWAPDB {a} {b}")),
        1 => Just("FLUSHDB".to_owned()),
        1 => (key(), key()).prop_map(|(a, b)| format!("SUNIONSTORE {a} {b}")),
        // Many at once, so that tables grow between two steps; and shrink again.
        1 => (0u32..4).prop_map(|n| format!("DEBUG POPULATE 3000 many:{n} 8")),
        1 => Just("FLUSHDB ASYNC".to_owned()),
    ]
}

/// What happens between two steps.
#[derive(Debug, Clone)]
enum Event {
    Command(String),
    Steps(usize),
    Milliseconds(i64),
    Cron,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => command().prop_map(Event::Command),
        6 => (1usize..4).prop_map(Event::Steps),
        1 => (1i64..500).prop_map(Event::Milliseconds),
        1 => Just(Event::Cron),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_background_save_is_of_the_moment_in_which_it_began(
        databases in prop::collection::vec(0usize..2500, 3),
        before in prop::collection::vec(command(), 0..300),
        rounds in prop::collection::vec(prop::collection::vec(event(), 0..120), 1..3),
    ) {
        let mut server = Server::new(&[], START_MS);
        for (db, count) in databases.iter().enumerate() {
            server.run(&format!("SELECT {db}"));
            server.run(&format!("DEBUG POPULATE {count} old"));
        }
        for command in before {
            server.run(&command);
        }
        // Every round begins a snapshot where the one before has left its marks, or not.
        for events in rounds {
            let began_ms = server.clock.0.load(Ordering::Relaxed);
            // Nothing expires between the digest and the load that is compared with it.
            server.worker.run_cron();
            let expected = server.run("DEBUG DIGEST");
            prop_assert_eq!(server.run("BGSAVE"), "+Background saving started");
            for event in events {
                match event {
                    Event::Command(command) => { server.run(&command); }
                    Event::Steps(count) => (0..count).for_each(|_| { server.step(); }),
                    Event::Milliseconds(ms) => { server.clock.0.fetch_add(ms, Ordering::Relaxed); }
                    Event::Cron => { server.worker.run_cron(); }
                }
            }
            server.finish_save();
            prop_assert_eq!(server.information("rdb_last_bgsave_status"), "ok");
            prop_assert_eq!(server.information("rdb_bgsave_in_progress"), "0");
            let file = server.host.saved.lock().unwrap().take().expect("it was saved");
            prop_assert_eq!(digest_of(file, began_ms), expected);
        }
    }
}

/// What a save under way leaves behind when it fails or is cancelled must not spoil the next.
#[test]
fn a_save_after_one_that_failed_is_whole() {
    let mut server = Server::new(&[("save", "3600 1000000")], START_MS);
    server.run("DEBUG POPULATE 20000 key 40");
    for appends in [0, 1, 2] {
        *server.host.appends.lock().unwrap() = Some(appends);
        server.run("BGSAVE");
        server.run("CONFIG SET stop-writes-on-bgsave-error no");
        for n in 0..500 {
            server.run(&format!("SET key:{n} changed:{appends}"));
            server.run(&format!("SET new:{n}:{appends} x"));
        }
        server.finish_save();
        assert_eq!(server.information("rdb_last_bgsave_status"), "err");
        assert_eq!(server.run("SET a b"), "+OK");
        server.run("CONFIG SET stop-writes-on-bgsave-error yes");
        assert!(server.run("SET a b").starts_with("-MISCONF "));
        assert!(server.run("PING").starts_with("-MISCONF "));
        assert_eq!(server.run("GET key:0"), format!("$9 changed:{appends}"));
        server.run("MULTI");
        assert!(server.run("SET a b").starts_with("-MISCONF "));
        assert!(server.run("EXEC").starts_with("-EXECABORT "));
        assert!(server.host.saved.lock().unwrap().is_none());
    }
    *server.host.appends.lock().unwrap() = None;
    let expected = server.run("DEBUG DIGEST");
    assert_eq!(server.run("BGSAVE"), "+Background saving started");
    assert_eq!(
        server.run("BGSAVE"),
        "-ERR Background save already in progress"
    );
    server.finish_save();
    assert_eq!(server.run("SET a b"), "+OK");
    let file = server.host.saved.lock().unwrap().take().expect("saved");
    assert_eq!(digest_of(file, START_MS), expected);
}

#[test]
fn a_save_that_is_cancelled_leaves_no_file_and_no_marks() {
    let mut server = Server::new(&[], START_MS);
    server.run("DEBUG POPULATE 20000 key 40");
    server.run("BGSAVE");
    server.step();
    server.run("SET key:1 changed");
    server.worker.engine().cancel_background_save();
    server.finish_save();
    assert!(server.host.saved.lock().unwrap().is_none());
    assert_eq!(server.information("rdb_last_bgsave_status"), "ok");
    let expected = server.run("DEBUG DIGEST");
    server.run("BGSAVE");
    server.finish_save();
    let file = server.host.saved.lock().unwrap().take().expect("saved");
    assert_eq!(digest_of(file, START_MS), expected);
}

/// Work that the host throws away undoes what it has begun.
#[test]
fn a_save_that_is_dropped_leaves_no_marks() {
    let mut server = Server::new(&[], START_MS);
    server.run("DEBUG POPULATE 5000 key 40");
    server.run("BGSAVE");
    server.step();
    for n in 0..5000 {
        server.run(&format!("SET key:{n} changed"));
    }
    *server.host.work.lock().unwrap() = None;
    assert_eq!(server.information("rdb_bgsave_in_progress"), "0");
    let expected = server.run("DEBUG DIGEST");
    server.run("BGSAVE");
    server.finish_save();
    let file = server.host.saved.lock().unwrap().take().expect("saved");
    assert_eq!(digest_of(file, START_MS), expected);
}

#[test]
fn save_points_save_by_themselves() {
    let mut server = Server::new(&[("save", "10 3 60 1")], START_MS);
    let wait = |server: &Server, seconds: i64| {
        server.clock.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    };
    server.worker.run_cron();
    server.run("SET a 1");
    server.run("SET b 2");
    wait(&server, 11);
    server.worker.run_cron();
    assert!(server.host.work.lock().unwrap().is_none());
    server.run("SET c 3");
    assert_eq!(server.information("rdb_changes_since_last_save"), "3");
    server.run("CONFIG RESETSTAT");
    server.worker.run_cron();
    server.run("SET d 4");
    server.finish_save();
    assert!(server.host.saved.lock().unwrap().take().is_some());
    assert_eq!(server.information("rdb_changes_since_last_save"), "1");
    let last_save = server.information("rdb_last_save_time");
    assert_eq!(server.run("LASTSAVE"), format!(":{last_save}"));
    wait(&server, 61);
    server.worker.run_cron();
    server.finish_save();
    assert!(server.host.saved.lock().unwrap().take().is_some());
    assert_eq!(server.information("rdb_changes_since_last_save"), "0");
    // Inside a transaction there is no moment to save; it is made up for.
    server.run("MULTI");
    server.run("BGSAVE");
    assert_eq!(server.run("EXEC"), "*1 +Background saving scheduled");
    server.worker.run_cron();
    server.finish_save();
    assert!(server.host.saved.lock().unwrap().take().is_some());
}
