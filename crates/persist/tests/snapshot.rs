//! The forkless snapshot: whatever commands do between the steps of a background save, what is saved is the
//! data set as it was when the save began.

mod harness;

use std::sync::atomic::Ordering;

use harness::{START_MS, Server, command, digest_of};
use proptest::prelude::*;

/// So many cycles of expiry come by every bucket.
const CYCLES: usize = 32;

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
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_background_save_is_of_the_moment_in_which_it_began(
        databases in prop::collection::vec(0usize..1500, 3),
        before in prop::collection::vec(command(), 0..300),
        rounds in prop::collection::vec(prop::collection::vec(event(), 0..120), 1..3),
    ) {
        let mut server = Server::new(&[("maxmemory-policy", "allkeys-random")], START_MS);
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
            // Nothing expires between the digest and the load that is compared with it. One cycle looks at a
            // few buckets of each stripe, and may leave a key that is over elsewhere.
            for _ in 0..CYCLES {
                server.worker.run_cron();
            }
            server.run("CONFIG SET maxmemory 0");
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
            let file = server.take_file().expect("it was saved");
            prop_assert_eq!(digest_of(&file, began_ms), expected);
        }
    }
}

/// What a save under way leaves behind when it fails or is cancelled must not spoil the next.
#[test]
fn a_save_after_one_that_failed_is_whole() {
    let mut server = Server::new(&[("save", "3600 1000000")], START_MS);
    server.run("DEBUG POPULATE 20000 key 40");
    // Creating the file, and appending to it.
    for call in [0, 1, 2] {
        server.host.storage.fail_at(Some(call));
        server.run("BGSAVE");
        server.run("CONFIG SET stop-writes-on-bgsave-error no");
        for n in 0..500 {
            server.run(&format!("SET key:{n} changed:{call}"));
            server.run(&format!("SET new:{n}:{call} x"));
        }
        server.finish_save();
        assert_eq!(server.information("rdb_last_bgsave_status"), "err");
        assert_eq!(server.run("SET a b"), "+OK");
        server.run("CONFIG SET stop-writes-on-bgsave-error yes");
        assert!(server.run("SET a b").starts_with("-MISCONF "));
        assert!(server.run("PING").starts_with("-MISCONF "));
        assert_eq!(server.run("GET key:0"), format!("$9 changed:{call}"));
        server.run("MULTI");
        assert!(server.run("SET a b").starts_with("-MISCONF "));
        assert!(server.run("EXEC").starts_with("-EXECABORT "));
        assert!(server.take_file().is_none());
    }
    server.host.storage.fail_at(None);
    let expected = server.run("DEBUG DIGEST");
    assert_eq!(server.run("BGSAVE"), "+Background saving started");
    assert_eq!(
        server.run("BGSAVE"),
        "-ERR Background save already in progress"
    );
    server.finish_save();
    assert_eq!(server.run("SET a b"), "+OK");
    let file = server.take_file().expect("saved");
    assert_eq!(digest_of(&file, START_MS), expected);
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
    assert!(server.take_file().is_none());
    assert_eq!(server.information("rdb_last_bgsave_status"), "ok");
    let expected = server.run("DEBUG DIGEST");
    server.run("BGSAVE");
    server.finish_save();
    let file = server.take_file().expect("saved");
    assert_eq!(digest_of(&file, START_MS), expected);
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
    let file = server.take_file().expect("saved");
    assert_eq!(digest_of(&file, START_MS), expected);
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
    assert!(server.take_file().is_some());
    assert_eq!(server.information("rdb_changes_since_last_save"), "1");
    let last_save = server.information("rdb_last_save_time");
    assert_eq!(server.run("LASTSAVE"), format!(":{last_save}"));
    wait(&server, 61);
    server.worker.run_cron();
    server.finish_save();
    assert!(server.take_file().is_some());
    assert_eq!(server.information("rdb_changes_since_last_save"), "0");
    // Inside a transaction there is no moment to save; it is made up for.
    server.run("MULTI");
    server.run("BGSAVE");
    assert_eq!(server.run("EXEC"), "*1 +Background saving scheduled");
    server.worker.run_cron();
    server.finish_save();
    assert!(server.take_file().is_some());
}
