//! Commands that reach over databases: who watches or waits for a key learns of what they do there.

mod harness;

use harness::Server;
use oxidis_engine::Session;

/// A session in database 1 that watches `k` there and has a transaction open.
fn watcher(server: &mut Server) -> Session {
    let mut session = server.connect();
    let reply = server.run(&mut session, "select 1; watch k; multi; ping");
    assert_eq!(reply, "+OK +OK +OK +QUEUED");
    session
}

/// Whether the watched key counts as changed after `change`, which is made in database 0.
#[track_caller]
fn check_watch(before: &str, change: &str, is_changed: bool) {
    let mut server = Server::new(1, &[]);
    let mut writer = server.connect();
    server.run(&mut writer, before);
    server.run(&mut writer, "select 0");
    let mut session = watcher(&mut server);
    server.run(&mut writer, change);
    let expected = if is_changed { "*-1" } else { "*1 +PONG" };
    assert_eq!(
        server.run(&mut session, "exec"),
        expected,
        "{before}; {change}"
    );
}

#[test]
fn watched_keys_change_across_databases() {
    check_watch("set k 0", "move k 1", true);
    check_watch("set k 0; select 1; set k 1", "move k 1", false);
    check_watch("set x 0", "copy x k db 1", true);
    check_watch("set x 0; select 1; set k 1", "copy x k db 1", false);
    check_watch("set x 0; select 1; set k 1", "copy x k db 1 replace", true);
    check_watch("select 1; set k 1", "flushall", true);
    check_watch("set k 0", "flushall", false);
    check_watch("select 1; set k 1", "flushdb", false);
    check_watch("", "flushall", false);
}

#[test]
fn watched_keys_change_when_databases_are_exchanged() {
    check_watch("set k 0", "swapdb 0 1", true);
    check_watch("select 1; set k 1", "swapdb 0 1", true);
    check_watch("set k 0; select 1; set k 1", "swapdb 1 0", true);
    check_watch("set other 0", "swapdb 0 1", false);
    check_watch("set k 0", "swapdb 0 2", false);
    check_watch("set k 0", "swapdb 1 1", false);
}

#[test]
fn a_watched_key_that_stays_absent_or_past_its_time_has_not_changed() {
    #[track_caller]
    fn check(before: &str, change: &str, is_executed: bool) {
        let mut server = Server::new(1, &[]);
        let (mut watcher, mut writer) = (server.connect(), server.connect());
        server.run(&mut writer, before);
        server.advance_ms(10);
        server.run(&mut watcher, "select 1; watch k");
        server.run(&mut writer, change);
        let reply = server.run(&mut watcher, "multi; ping; exec");
        let executed = "+OK +QUEUED *1 +PONG";
        assert_eq!(reply == executed, is_executed, "{before}; {change}");
    }
    check("set k 0 px 1", "swapdb 0 1", true);
    check("set k 0 px 1; select 1; set k 1 px 1", "swapdb 0 1", true);
    check("select 1; set k 1 px 1", "swapdb 0 1", true);
    check("set k 0 px 1; select 1; set k 1", "swapdb 0 1", false);
    check("set k 0 px 1", "swapdb 0 1; select 1; set k 2", false);
}

#[test]
fn waiters_are_served_by_what_comes_into_their_database() {
    #[track_caller]
    fn check(change: &str) {
        let mut server = Server::new(1, &[]);
        let (mut waiter, mut writer) = (server.connect(), server.connect());
        server.run(&mut writer, "rpush k a b; rpush x a b");
        assert_eq!(server.run(&mut waiter, "select 1; blpop k 0"), "+OK");
        assert!(waiter.is_blocked());
        let reply = server.run(&mut writer, change);
        assert!(!reply.starts_with('-'), "{change}: {reply}");
        assert_eq!(server.deliver(&mut waiter), "*2 $1 k $1 a", "{change}");
        assert!(!waiter.is_blocked());
        assert_eq!(
            server.run(&mut waiter, "lrange k 0 -1"),
            "*1 $1 b",
            "{change}"
        );
    }
    check("move k 1");
    check("copy k k db 1");
    check("swapdb 0 1");
    check("move x 1; select 1; rename x k");
    check("move x 1; select 1; copy x k");
}

#[test]
fn sessions_stay_in_their_database() {
    let mut server = Server::new(1, &[]);
    let mut session = server.connect();
    server.run(&mut session, "set a 0; select 1; set a 1");
    let reply = server.run(&mut session, "swapdb 0 1; get a; dbsize; select 0; get a");
    assert_eq!(reply, "+OK $1 0 :1 +OK $1 1");
    // A copy or move leaves the selected database alone, even when it fails.
    let reply = server.run(
        &mut session,
        "copy a b db 3; copy a b db 3; move b 3; get a; select 3; get b",
    );
    assert_eq!(reply, ":1 :0 :0 $1 1 +OK $1 1");
}

#[test]
fn expiries_travel() {
    let mut server = Server::new(1, &[]);
    let mut session = server.connect();
    server.run(
        &mut session,
        "set a 1 px 1000; copy a b; move b 1; rename a c; swapdb 0 2",
    );
    assert_eq!(
        server.run(&mut session, "select 2; pttl c; select 1; pttl b"),
        "+OK :1000 +OK :1000"
    );
    server.advance_ms(1000);
    assert_eq!(
        server.run(&mut session, "exists b; select 2; exists c"),
        ":0 +OK :0"
    );
    // An expired key is no obstacle, and nothing to move.
    server.run(&mut session, "set x 1 px 1; set y 2");
    server.advance_ms(1);
    assert_eq!(
        server.run(&mut session, "renamenx y x; move nothing 1; rename gone y"),
        ":1 :0 -ERR no such key"
    );
}

#[test]
fn everything_is_freed_and_counted() {
    let mut server = Server::new(4, &[]);
    let mut session = server.connect();
    for number in 0..200 {
        server.run(
            &mut session,
            &format!("rpush k{number} a b; sadd s{number} x"),
        );
    }
    assert_eq!(
        server.run(&mut session, "dbsize; flushdb; dbsize; keys *"),
        ":400 +OK :0 *0"
    );
    assert_eq!(
        server.run(
            &mut session,
            "set a 1; select 5; set a 1; flushall async; dbsize"
        ),
        "+OK +OK +OK +OK :0"
    );
}

#[test]
fn waiting_for_replicas_ends_with_the_time() {
    let mut server = Server::new(1, &[]);
    let mut session = server.connect();
    assert_eq!(
        server.run(&mut session, "wait 0 0; multi; wait 1 0; exec"),
        ":0 +OK +QUEUED *1 :0"
    );
    assert_eq!(server.run(&mut session, "waitaof 0 0 0"), "*2 :0 :0");
    for (command, reply) in [("wait 1 50", ":0"), ("waitaof 0 1 50", "*2 :0 :0")] {
        assert_eq!(server.run(&mut session, command), "");
        assert!(session.is_blocked());
        server.advance_ms(50);
        session.time_out();
        assert_eq!(server.deliver(&mut session), reply);
    }
    let mut admin = server.connect();
    server.run(&mut session, "wait 1 0");
    let unblock = format!("client unblock {} error", session.id());
    assert_eq!(server.run(&mut admin, &unblock), ":1");
    assert_eq!(
        server.deliver(&mut session),
        "-UNBLOCKED client unblocked via CLIENT UNBLOCK"
    );
    assert_eq!(server.run(&mut admin, &unblock), ":0");
}
