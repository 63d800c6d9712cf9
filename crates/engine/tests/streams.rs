//! What of streams depends on the time, and what Redis does since 7.2 and the recorded conversations,
//! which are of 7.0, do not show.

mod harness;

use harness::{START_MS, Server};
use oxidis_engine::Session;

fn start() -> (Server, Session) {
    let server = Server::new(1, &[]);
    let session = server.connect();
    (server, session)
}

/// The value of a field in a reply that names its fields.
fn field(reply: &str, name: &str) -> String {
    let mut words = reply.split(' ').skip_while(|word| *word != name).skip(1);
    words.next().unwrap_or_default().to_owned()
}

#[test]
fn ids_come_from_the_clock_and_never_go_back() {
    let (mut server, mut session) = start();
    let mut add = |server: &mut Server| {
        let reply = server.run(&mut session, "xadd s * f v");
        reply.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(add(&mut server), format!("{START_MS}-0"));
    assert_eq!(add(&mut server), format!("{START_MS}-1"));
    server.advance_ms(1);
    assert_eq!(add(&mut server), format!("{}-0", START_MS + 1));
    server.advance_ms(-100);
    assert_eq!(add(&mut server), format!("{}-1", START_MS + 1));
}

#[test]
fn waiting_ends_when_the_time_is_over() {
    let (mut server, mut session) = start();
    let reply = server.run(&mut session, "xread block 100 streams s $");
    assert_eq!((reply.as_str(), session.is_blocked()), ("", true));
    assert_eq!(session.deadline_ms(), Some(START_MS + 100));
    session.time_out();
    assert_eq!(server.deliver(&mut session), "*-1");
    server.run(&mut session, "xread block 0 streams s $");
    assert_eq!(session.deadline_ms(), None);
}

#[test]
fn consumers_are_seen_when_they_ask_and_active_when_they_get() {
    let (mut server, mut session) = start();
    server.run(&mut session, "xgroup create s g $ mkstream");
    // A consumer comes to be by asking, even in vain.
    server.run(&mut session, "xreadgroup group g a streams s >");
    server.advance_ms(100);
    let consumers = server.run(&mut session, "xinfo consumers s g");
    assert_eq!(field(&consumers, "idle"), ":100");
    assert_eq!(field(&consumers, "inactive"), ":-1");
    server.run(
        &mut session,
        "xadd s 1-1 f v; xreadgroup group g a streams s >",
    );
    server.advance_ms(50);
    server.run(&mut session, "xreadgroup group g a streams s >");
    server.advance_ms(20);
    let consumers = server.run(&mut session, "xinfo consumers s g");
    assert_eq!(field(&consumers, "idle"), ":20");
    assert_eq!(field(&consumers, "inactive"), ":70");
    let full = server.run(&mut session, "xinfo stream s full");
    let now_ms = START_MS + 170;
    assert_eq!(field(&full, "seen-time"), format!(":{}", now_ms - 20));
    assert_eq!(field(&full, "active-time"), format!(":{}", now_ms - 70));
    // Claiming makes a consumer active too, if there is anything to claim.
    server.run(&mut session, "xautoclaim s g b 1000 0");
    let pending = server.run(&mut session, "xpending s g idle 70 - + 10");
    assert!(pending.contains("1-1 $1 a :70 :1"), "{pending}");
    assert!(
        server
            .run(&mut session, "xpending s g idle 71 - + 10")
            .ends_with("*0")
    );
    server.run(&mut session, "xclaim s g b 70 1-1 justid");
    let consumers = server.run(&mut session, "xinfo consumers s g");
    assert!(consumers.ends_with("inactive :0"), "{consumers}");
}

#[test]
fn who_waits_for_a_group_hears_that_it_is_gone() {
    let gone = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for (loss, error) in [
        ("del s", gone),
        ("unlink s", gone),
        ("rename s t", gone),
        ("flushall", gone),
        ("flushdb async", gone),
        ("xgroup destroy s g", gone),
        ("swapdb 0 1", gone),
        ("move s 1", gone),
        ("pexpire s -1", gone),
        ("set s x", wrong),
        ("multi; del s; set s x; exec", wrong),
        ("multi; del s; xadd s 1-1 f v; exec", gone),
    ] {
        let (mut server, mut session) = start();
        let mut waiter = server.connect();
        let mut reader = server.connect();
        server.run(&mut session, "xgroup create s g $ mkstream");
        server.run(&mut reader, "xread block 0 streams s $");
        server.run(&mut waiter, "xreadgroup group g c block 0 streams s >");
        assert!(waiter.is_blocked());
        server.run(&mut session, loss);
        assert_eq!(server.deliver(&mut waiter), error, "{loss}");
        // Who only reads the stream goes on waiting for it.
        let is_back = loss.contains("xadd");
        assert_eq!(server.deliver(&mut reader).is_empty(), !is_back, "{loss}");
    }
}

#[test]
fn a_stream_that_expires_is_lost_too() {
    let (mut server, mut session) = start();
    let mut waiter = server.connect();
    server.run(&mut session, "xgroup create s g $ mkstream; pexpire s 10");
    server.run(&mut waiter, "xreadgroup group g c block 0 streams s >");
    server.advance_ms(20);
    server.run(&mut session, "exists s");
    assert!(server.deliver(&mut waiter).starts_with("-NOGROUP"));
}

#[test]
fn a_stream_that_expires_unasked_is_lost_too() {
    // More stripes than one, so that the next command holds another than that of the stream.
    let mut server = Server::new(4, &[]);
    let mut session = server.connect();
    let mut waiter = server.connect();
    server.run(&mut session, "xgroup create s g $ mkstream; pexpire s 10");
    server.run(&mut waiter, "xreadgroup group g c block 0 streams s >");
    server.advance_ms(20);
    while server.worker.run_cron() || server.run(&mut session, "dbsize") != ":0" {}
    assert!(server.deliver(&mut waiter).starts_with("-NOGROUP"));
    for n in 0..16 {
        assert_eq!(server.run(&mut session, &format!("set {n} x")), "+OK");
    }
}

#[test]
fn the_newest_entry_may_be_asked_for() {
    let (mut server, mut session) = start();
    let read = "xread count 1 streams s +";
    assert_eq!(server.run(&mut session, read), "*-1");
    server.run(&mut session, "xadd s 1-1 f v; xadd s 2-1 f w; xdel s 2-1");
    assert!(server.run(&mut session, read).contains("$3 1-1"));
    let reply = server.run(&mut session, "xreadgroup group g c streams s +");
    assert!(reply.starts_with("-NOGROUP"));
    server.run(&mut session, "xgroup create s g 0");
    assert_eq!(
        server.run(&mut session, "xreadgroup group g c streams s +"),
        "-ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of \
         this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID \
         would just return an empty result set."
    );
    // It waits for a first entry too.
    let mut waiter = server.connect();
    server.run(&mut waiter, "xread block 0 streams t +");
    server.run(&mut session, "xadd t 5-5 f v");
    assert!(server.deliver(&mut waiter).contains("$3 5-5"));
}

#[test]
fn the_last_id_may_not_go_before_a_deleted_one() {
    let (mut server, mut session) = start();
    server.run(
        &mut session,
        "xadd s 1-1 f v; xadd s 5-1 f v; xdel s 5-1; xadd s 6-1 f v; xdel s 6-1",
    );
    assert_eq!(
        server.run(&mut session, "xsetid s 5-5"),
        "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
    );
    assert_eq!(server.run(&mut session, "xsetid s 6-1"), "+OK");
}

/// What Redis 7.4 answers, where 7.0 miscounts.
#[test]
fn lag_is_right_after_deletions() {
    let (mut server, mut session) = start();
    let mut lag = |commands: &str| {
        server.run(&mut session, commands);
        let groups = server.run(&mut session, "xinfo groups s");
        (field(&groups, "entries-read"), field(&groups, "lag"))
    };
    let pair = |read: &str, lag: &str| (read.to_owned(), lag.to_owned());
    let add = "xgroup create s g 0 mkstream; xadd s 1-1 f v; xadd s 2-1 f v; xadd s 3-1 f v; \
               xadd s 4-1 f v; xadd s 5-1 f v";
    assert_eq!(lag(add), pair("$-1", ":5"));
    // The group is before the first entry, and nothing behind that is deleted.
    assert_eq!(lag("xdel s 1-1"), pair("$-1", ":4"));
    assert_eq!(lag("xdel s 2-1"), pair("$-1", ":3"));
    assert_eq!(
        lag("xreadgroup group g c count 1 streams s >"),
        pair(":3", ":2")
    );
    assert_eq!(
        lag("xreadgroup group g c count 1 streams s >"),
        pair(":4", ":1")
    );
    // A hole ahead of it.
    assert_eq!(lag("xadd s 6-1 f v; xdel s 5-1"), pair(":4", "$-1"));
    assert_eq!(
        lag("xreadgroup group g c count 1 streams s >"),
        pair(":6", ":0")
    );
    assert_eq!(lag("xtrim s maxlen 0"), pair(":6", ":0"));
    assert_eq!(lag("xadd s 7-1 f v"), pair(":6", ":1"));
}
