//! Eviction: which keys go under each policy, what is refused when nothing may go, and what the
//! engine tells of it. The host here knows nothing of memory, so that the engine's own estimate
//! counts, and a run is the same every time.

mod harness;

use harness::Server;

/// A value of 100 bytes: with its entry and its place in the table about 130.
const VALUE: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";

fn field(server: &mut Server, name: &str) -> u64 {
    let mut session = server.connect();
    let text = server.run(&mut session, "info everything");
    session.close(&mut server.worker);
    let start = format!("{name}:");
    text.split(' ')
        .find_map(|line| line.strip_prefix(&start))
        .unwrap_or_else(|| panic!("INFO has no {name}"))
        .parse()
        .expect("a number")
}

fn server(policy: &str, directives: &[(&str, &str)]) -> Server {
    let all: Vec<(&str, &str)> = [("maxmemory-policy", policy)]
        .into_iter()
        .chain(directives.iter().copied())
        .collect();
    Server::new(1, &all)
}

/// Sets keys `prefix:0..count` and answers how many were refused.
fn fill(server: &mut Server, prefix: &str, count: usize, options: &str) -> usize {
    let mut session = server.connect();
    let mut refused = 0;
    for index in 0..count {
        let reply = server.run(
            &mut session,
            &format!("set {prefix}:{index} {VALUE} {options}"),
        );
        refused += usize::from(reply == OOM);
    }
    session.close(&mut server.worker);
    refused
}

fn count(server: &mut Server, pattern: &str) -> usize {
    let mut session = server.connect();
    let reply = server.run(&mut session, &format!("keys {pattern}"));
    session.close(&mut server.worker);
    let number = reply.split(' ').next().and_then(|it| it.strip_prefix('*'));
    number.expect("an array").parse().expect("a number")
}

fn limit(server: &mut Server, bytes: u64) {
    let mut session = server.connect();
    let set = format!("config set maxmemory {bytes}");
    assert_eq!(server.run(&mut session, &set), "+OK");
    session.close(&mut server.worker);
}

#[test]
fn every_policy_that_may_keeps_the_limit() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let mut server = server(policy, &[]);
        fill(&mut server, "a", 500, "ex 1000");
        let used = field(&mut server, "used_memory");
        limit(&mut server, used);
        assert_eq!(fill(&mut server, "b", 500, "ex 1000"), 0, "{policy}");
        let now = field(&mut server, "used_memory");
        assert!(now <= used + 300, "{policy}: {now} of {used}");
        assert!(count(&mut server, "*") >= 490, "{policy}");
        assert!(field(&mut server, "evicted_keys") >= 490, "{policy}");
    }
}

#[test]
fn a_volatile_policy_spares_keys_without_an_expiry() {
    for policy in [
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let mut server = server(policy, &[]);
        // One key in a hundred may go, and is found.
        fill(&mut server, "stays", 2000, "");
        fill(&mut server, "goes", 20, "ex 1000");
        let used = field(&mut server, "used_memory");
        limit(&mut server, used);
        assert_eq!(fill(&mut server, "new", 20, ""), 0, "{policy}");
        assert_eq!(count(&mut server, "stays:*"), 2000, "{policy}");
        assert!(count(&mut server, "goes:*") <= 1, "{policy}");
        // And then none is left.
        assert!(fill(&mut server, "newer", 20, "") >= 18, "{policy}");
    }
}

#[test]
fn what_a_lowered_limit_leaves_to_do_is_done_regularly_and_little_of_it_by_each_request() {
    let mut server = server("allkeys-random", &[]);
    fill(&mut server, "a", 2000, "");
    let half = field(&mut server, "used_memory") / 2;
    limit(&mut server, half);
    server.let_looks_take_us(100);
    // The first request takes the time that it may.
    let first = field(&mut server, "evicted_keys");
    assert!((32..1000).contains(&first), "{first}");
    let mut session = server.connect();
    for _ in 0..50 {
        server.run(&mut session, "ping");
    }
    session.close(&mut server.worker);
    let later = field(&mut server, "evicted_keys");
    assert!(
        (50..150).contains(&(later - first)),
        "{first}, then {later}"
    );
    while server.worker.run_cron() {}
    assert!(field(&mut server, "evicted_keys") > 900);
    // What is too much anew is made room for as ever.
    assert_eq!(fill(&mut server, "b", 100, ""), 0);
    let now = field(&mut server, "used_memory");
    assert!(now <= half + 300, "{now} of {half}");
}

#[test]
fn without_eviction_commands_that_need_memory_are_refused_and_others_run() {
    let mut server = server("noeviction", &[]);
    fill(&mut server, "a", 10, "");
    limit(&mut server, 100);
    let mut session = server.connect();
    assert_eq!(server.run(&mut session, "set b 1"), OOM);
    assert_eq!(server.run(&mut session, "lpush l 1"), OOM);
    assert_eq!(server.run(&mut session, "get nothing"), "$-1");
    assert_eq!(server.run(&mut session, "expire a:1 100"), ":1");
    // What needs no memory is queued; what does is not, and the transaction is lost then.
    assert_eq!(
        server.run(&mut session, "multi; get nothing; exec"),
        "+OK +QUEUED *1 $-1"
    );
    assert_eq!(
        server.run(&mut session, "multi; set b 1; exec"),
        format!("+OK {OOM} -EXECABORT Transaction discarded because of previous errors.")
    );
    assert_eq!(server.run(&mut session, "multi; discard"), "+OK +OK");
    assert_eq!(server.run(&mut session, "del a:1"), ":1");
    limit(&mut server, 0);
    // What was queued while there was room is refused by EXEC when there is none any more.
    assert_eq!(server.run(&mut session, "multi; set b 1"), "+OK +QUEUED");
    limit(&mut server, 100);
    assert_eq!(
        server.run(&mut session, "exec"),
        format!("-EXECABORT Transaction discarded because of: {}", &OOM[1..])
    );
    assert_eq!(server.run(&mut session, "get b"), "$-1");
    limit(&mut server, 0);
    assert_eq!(server.run(&mut session, "set b 1"), "+OK");
    assert_eq!(field(&mut server, "evicted_keys"), 0);
}

#[test]
fn the_least_recently_used_go_first() {
    let mut server = server("allkeys-lru", &[("maxmemory-samples", "10")]);
    fill(&mut server, "a", 1000, "");
    server.advance_ms(10_000);
    let mut session = server.connect();
    for index in (0..1000).step_by(2) {
        server.run(&mut session, &format!("get a:{index}"));
    }
    server.advance_ms(10_000);
    let used = field(&mut server, "used_memory");
    limit(&mut server, used * 3 / 4);
    server.run(&mut session, "ping");
    let left = count(&mut server, "*");
    assert!((740..=760).contains(&left), "{left}");
    let used_left = count(&mut server, "a:*[02468]");
    assert!(
        used_left >= 495,
        "{used_left} of 500 that were used are left"
    );
}

#[test]
fn the_least_frequently_used_go_first() {
    let mut server = server(
        "allkeys-lfu",
        &[("maxmemory-samples", "10"), ("lfu-log-factor", "0")],
    );
    fill(&mut server, "a", 1000, "");
    let mut session = server.connect();
    for _ in 0..20 {
        for index in (0..1000).step_by(2) {
            server.run(&mut session, &format!("get a:{index}"));
        }
    }
    // What is used last is not what is used most.
    for index in (1..1000).step_by(2) {
        server.run(&mut session, &format!("touch a:{index}"));
    }
    let used = field(&mut server, "used_memory");
    limit(&mut server, used * 3 / 4);
    server.run(&mut session, "ping");
    let often = count(&mut server, "a:*[02468]");
    assert!(often >= 480, "{often} of 500 that are used often are left");
}

#[test]
fn the_nearest_expiry_goes_first() {
    let mut server = server("volatile-ttl", &[("maxmemory-samples", "10")]);
    fill(&mut server, "late", 500, "ex 1000");
    fill(&mut server, "soon", 500, "ex 100");
    let used = field(&mut server, "used_memory");
    limit(&mut server, used * 3 / 4);
    let mut session = server.connect();
    server.run(&mut session, "ping");
    let late = count(&mut server, "late:*");
    assert!(late >= 490, "{late} of 500 are left");
}

#[test]
fn random_choices_spare_nobody() {
    let mut server = server("allkeys-random", &[]);
    fill(&mut server, "old", 500, "");
    fill(&mut server, "new", 500, "");
    let used = field(&mut server, "used_memory");
    limit(&mut server, used / 2);
    let mut session = server.connect();
    server.run(&mut session, "ping");
    for prefix in ["old", "new"] {
        let left = count(&mut server, &format!("{prefix}:*"));
        assert!((200..=300).contains(&left), "{prefix}: {left}");
    }
}

#[test]
fn every_database_is_looked_at() {
    let mut server = server("allkeys-lru", &[]);
    let mut session = server.connect();
    for database in [0, 3, 9] {
        server.run(&mut session, &format!("select {database}"));
        for index in 0..100 {
            server.run(&mut session, &format!("set {index} {VALUE}"));
        }
    }
    let used = field(&mut server, "used_memory");
    limit(&mut server, used / 10);
    for database in [0, 3, 9] {
        server.run(&mut session, &format!("select {database}"));
        let left = server.run(&mut session, "dbsize");
        let left: usize = left[1..].parse().unwrap();
        assert!(left < 40, "{left} in {database}");
    }
}

#[test]
fn an_eviction_is_published_and_propagated_and_breaks_a_watch() {
    let mut server = server("allkeys-lru", &[("notify-keyspace-events", "Ee")]);
    let (mut listener, mut watcher) = (server.connect(), server.connect());
    server.run(&mut listener, "psubscribe *");
    server.run(&mut watcher, "set foo bar; watch foo; multi; ping");
    // Nobody need ask for anything.
    limit(&mut server, 1);
    server.worker.run_cron();
    assert_eq!(
        server.deliver(&mut listener),
        "*4 $8 pmessage $1 * $22 __keyevent@0__:evicted $3 foo"
    );
    assert_eq!(server.run(&mut watcher, "exec"), "*-1");
}

#[test]
fn a_pause_of_writes_pauses_eviction() {
    let mut server = server("allkeys-lru", &[]);
    fill(&mut server, "a", 10, "");
    let mut session = server.connect();
    server.run(&mut session, "client pause 1000 write");
    limit(&mut server, 1);
    server.run(&mut session, "ping");
    assert_eq!(count(&mut server, "*"), 10);
    server.advance_ms(1001);
    server.run(&mut session, "ping");
    assert_eq!(count(&mut server, "*"), 0);
}

#[test]
fn the_time_over_the_limit_is_told() {
    let mut server = server("noeviction", &[]);
    fill(&mut server, "a", 10, "");
    limit(&mut server, 1);
    let mut session = server.connect();
    server.run(&mut session, "ping");
    server.advance_ms(70);
    server.run(&mut session, "ping");
    assert_eq!(field(&mut server, "current_eviction_exceeded_time"), 70);
    limit(&mut server, 1 << 30);
    server.run(&mut session, "ping");
    assert_eq!(field(&mut server, "current_eviction_exceeded_time"), 0);
    assert_eq!(field(&mut server, "total_eviction_exceeded_time"), 70);
    server.run(&mut session, "config resetstat");
    assert_eq!(field(&mut server, "total_eviction_exceeded_time"), 0);
}

#[test]
fn frequencies_are_counted_and_fade() {
    let mut server = server("allkeys-lfu", &[("lfu-decay-time", "2")]);
    let mut session = server.connect();
    server.run(&mut session, "set a 1");
    assert_eq!(server.run(&mut session, "object freq a"), ":5");
    // The first uses beyond the start count for certain: 5 -> 6.
    server.run(&mut session, "get a");
    assert_eq!(server.run(&mut session, "object freq a"), ":6");
    // Looking is no use; nor is what a session does that asked not to count.
    server.run(
        &mut session,
        "exists a; type a; client no-touch on; get a; set a 2; client no-touch off",
    );
    assert_eq!(server.run(&mut session, "object freq a"), ":6");
    server.advance_ms(5 * 60_000);
    assert_eq!(server.run(&mut session, "object freq a"), ":4");
    assert_eq!(
        server.run(&mut session, "rename a b; object freq b"),
        "+OK :4"
    );
    let refusal = server.run(&mut session, "object idletime b");
    assert!(refusal.starts_with("-ERR An LFU maxmemory policy is selected"));
    server.run(&mut session, "config set maxmemory-policy allkeys-lru");
    let refusal = server.run(&mut session, "object freq b");
    assert!(refusal.starts_with("-ERR An LFU maxmemory policy is not selected"));
}

#[test]
fn idle_times_are_those_of_the_clock() {
    let mut server = server("noeviction", &[]);
    let mut session = server.connect();
    server.run(&mut session, "set a 1; rpush l 1 2 3");
    server.advance_ms(30_000);
    assert_eq!(
        server.run(&mut session, "object idletime a; object idletime l"),
        ":30 :30"
    );
    server.run(&mut session, "client no-touch on; lrange l 0 -1; get a");
    assert_eq!(server.run(&mut session, "object idletime a"), ":30");
    // TOUCH is asked for by name.
    assert_eq!(
        server.run(&mut session, "touch a; object idletime a"),
        ":1 :0"
    );
    server.run(&mut session, "client no-touch off; lindex l 0");
    assert_eq!(server.run(&mut session, "object idletime l"), ":0");
}
