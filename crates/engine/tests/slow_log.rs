//! The slow log, where a recorded conversation cannot hold it: commands that wait.

mod harness;

use harness::Server;

/// How often a command that waits stands in the slow log.
fn entries(server: &mut Server, arguments: &str) -> usize {
    let mut session = server.connect();
    let log = server.run(&mut session, "slowlog get -1");
    log.matches(arguments).count()
}

#[test]
fn a_command_that_waits_is_logged_when_it_waits_no_more() {
    const SENT: &str = "*4 $5 BLPOP $1 a $1 b $1 0";
    let mut server = Server::new(1, &[("slowlog-log-slower-than", "0")]);
    let (mut waiter, mut writer) = (server.connect(), server.connect());
    server.run(&mut waiter, "BLPOP a b 0");
    assert_eq!(entries(&mut server, SENT), 0);
    server.run(&mut writer, "rpush b x");
    assert_eq!(server.deliver(&mut waiter), "*2 $1 b $1 x");
    assert_eq!(entries(&mut server, SENT), 1);
    // Told to give up.
    server.run(&mut waiter, "BLPOP a b 0");
    server.run(&mut writer, &format!("client unblock {}", waiter.id()));
    assert_eq!(server.deliver(&mut waiter), "*-1");
    assert_eq!(entries(&mut server, SENT), 2);
    // Not waiting at all.
    server.run(&mut writer, "rpush b x");
    server.run(&mut waiter, "BLPOP a b 0");
    assert_eq!(entries(&mut server, SENT), 3);
}

#[test]
fn a_command_that_waited_is_counted_once() {
    let mut server = Server::new(1, &[]);
    let (mut waiter, mut writer) = (server.connect(), server.connect());
    server.run(&mut waiter, "blpop a 0");
    server.run(&mut writer, "rpush a x");
    server.deliver(&mut waiter);
    server.run(&mut waiter, "blpop a 0");
    let unblock = format!("client unblock {} error", waiter.id());
    server.run(&mut writer, &unblock);
    let reply = server.deliver(&mut waiter);
    assert_eq!(reply, "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    let stats = server.run(&mut writer, "info commandstats; info errorstats");
    let blpop = stats
        .split(' ')
        .find(|line| line.starts_with("cmdstat_blpop"));
    let blpop = blpop.unwrap_or_else(|| panic!("{stats}"));
    assert!(blpop.contains("calls=2,"), "{blpop}");
    assert!(blpop.ends_with("failed_calls=1"), "{blpop}");
    assert!(stats.contains("errorstat_UNBLOCKED:count=1"), "{stats}");
}
