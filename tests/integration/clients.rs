//! What is said of sessions, keys and the server, and what a session that monitors may do. What is expected is what
//! redis-server 7.0.15 answers, but `watch` and keysizes 8.0.6, `tot-cmds` and the availability zone valkey-server 9.1.2.

use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

fn server() -> TestServer {
    ServerBuilder::oxidis().start().expect("the server starts")
}

/// A session's line in CLIENT LIST.
fn line(observer: &mut Client, id: i64) -> String {
    let found = observer.run(&format!("CLIENT LIST ID {id}")).text();
    assert_eq!(found.lines().count(), 1, "{found}");
    found
}

/// What stands behind a field's name in a line.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let values = line.split_whitespace().filter_map(|it| it.split_once('='));
    let mut values = values.filter(|(found, _)| *found == name);
    values.next().unwrap_or_else(|| panic!("{name}: {line}")).1
}

/// Flags, length of the queue, watched keys and the last command.
fn fields(line: &str) -> [&str; 4] {
    ["flags", "multi", "watch", "cmd"].map(|name| field(line, name))
}

#[test]
fn the_last_command_is_the_one_that_was_sent_last() {
    let server = server();
    let (mut session, mut observer) = (server.client(), server.client());
    let id: i64 = session.run("CLIENT ID").text().parse().expect("a number");
    let script = "EVAL \"return redis.call('ping')\" 0";
    for (command, expected) in [
        ("GET k", "get"),
        ("SET", "set"),
        ("NOSUCH", "NULL"),
        (script, "eval"),
        ("CONFIG NOSUCH", "NULL"),
        ("ACL WHOAMI", "acl|whoami"),
    ] {
        session.run(command);
        let line = line(&mut observer, id);
        assert_eq!(
            fields(&line),
            ["N", "-1", "0", expected],
            "{command}: {line}"
        );
    }
}

#[test]
fn a_transaction_shows_what_is_queued_and_whether_it_is_lost() {
    let server = server();
    let (mut session, mut observer) = (server.client(), server.client());
    let id: i64 = session.run("CLIENT ID").text().parse().expect("a number");
    let mut check = |session: &mut Client, command: &str, expected: [&str; 4]| {
        session.run(command);
        let line = line(&mut observer, id);
        assert_eq!(fields(&line), expected, "{command}: {line}");
        observer.run("INCR k");
    };
    check(&mut session, "MULTI", ["x", "0", "0", "multi"]);
    check(&mut session, "GET a", ["x", "1", "0", "get"]);
    check(&mut session, "GET", ["x", "1", "0", "get"]);
    // It will not be executed, so it is not kept.
    check(&mut session, "SET a 1", ["x", "1", "0", "set"]);
    check(&mut session, "EXEC", ["N", "-1", "0", "exec"]);
    check(&mut session, "WATCH j l", ["N", "-1", "2", "watch"]);
    check(&mut session, "UNWATCH", ["N", "-1", "0", "unwatch"]);
    check(&mut session, "WATCH k l", ["N", "-1", "2", "watch"]);
    check(&mut session, "PING", ["d", "-1", "0", "ping"]);
    check(&mut session, "MULTI", ["xd", "0", "0", "multi"]);
    check(&mut session, "SET a 1", ["xd", "0", "0", "set"]);
    check(&mut session, "EXEC", ["N", "-1", "0", "exec"]);
    session.run("MULTI");
    session.run("CLIENT INFO");
    session.run("PING");
    let replies = session.run("EXEC");
    let info = replies.elements().expect("an array")[0].text();
    assert_eq!(fields(&info), ["x", "2", "0", "exec"], "{info}");
}

#[test]
fn commands_are_counted_that_were_executed() {
    let server = server();
    let (mut session, mut observer) = (server.client(), server.client());
    let id: i64 = session.run("CLIENT ID").text().parse().expect("a number");
    let mut count = || field(&line(&mut observer, id), "tot-cmds").to_owned();
    assert_eq!(count(), "1");
    session.run("NOSUCH");
    session.run("GET");
    assert_eq!(count(), "1");
    session.run("MULTI");
    session.run("GET a");
    session.run("GET b");
    assert_eq!(count(), "2");
    session.run("EXEC");
    assert_eq!(count(), "5");
    session.run("EVAL \"redis.call('get','a') return redis.call('get','a')\" 0");
    assert_eq!(count(), "8");
}

/// The commands of pauses do not hold them back, so they may not use that to get at the data.
#[test]
fn a_session_that_monitors_keeps_away_from_the_data_and_is_not_paused() {
    let server = server();
    let mut monitor = server.raw_client();
    monitor.expect("MONITOR\r\n", "+OK\r\n");
    let refusal = "-ERR Replica can't interact with the keyspace\r\n";
    for command in ["GET k", "SET k v", "PUBLISH c m", "EVAL 'return 1' 0"] {
        monitor.expect(format!("{command}\r\n"), refusal);
    }
    let mut client = server.client();
    client.run("CLIENT PAUSE 600000");
    monitor.expect("GET k\r\n", refusal);
    monitor.expect("CLIENT UNPAUSE\r\n", "+OK\r\n");
    monitor.expect("RESET\r\n", "+RESET\r\n");
    monitor.expect("GET k\r\n", "$-1\r\n");
}

/// The values of HELLO by their names.
fn greeting(client: &mut Client, name: &str) -> Option<String> {
    let reply = client.run("HELLO 2");
    let words: Vec<String> = (reply.elements().expect("an array").iter())
        .map(oxidis_testkit::Reply::text)
        .collect();
    let mut pairs = words.chunks(2);
    let pair = pairs.find(|pair| pair[0] == name)?;
    Some(pair[1].clone())
}

#[test]
fn hello_tells_the_role_and_the_availability_zone() {
    let server = server();
    let mut client = server.client();
    assert_eq!(greeting(&mut client, "availability_zone"), None);
    client.run("CONFIG SET availability-zone east");
    let zone = greeting(&mut client, "availability_zone");
    assert_eq!(zone.as_deref(), Some("east"));
    let information = client.run("INFO server").text();
    assert!(information.contains("\r\navailability_zone:east\r\n"));
    assert_eq!(greeting(&mut client, "role").as_deref(), Some("master"));
    client.run("REPLICAOF 127.0.0.1 1");
    assert_eq!(greeting(&mut client, "role").as_deref(), Some("replica"));
    client.run("REPLICAOF NO ONE");
    assert_eq!(greeting(&mut client, "role").as_deref(), Some("master"));
}

#[test]
fn keys_are_counted_by_type_and_length() {
    let server = server();
    let mut client = server.client();
    let sizes = |client: &mut Client| client.run("INFO keysizes").text();
    assert_eq!(sizes(&mut client), "# Keysizes\r\n");
    client.run("SET empty \"\"");
    for length in [
        1, 2, 3, 4, 7, 8, 9, 100, 1023, 1024, 1025, 2000, 2048, 70_000,
    ] {
        client.run(&format!("SET s:{length} {}", "x".repeat(length)));
    }
    for command in [
        "SET integer 12345",
        "RPUSH list a b c",
        "SADD set 1",
        "SADD set2 a b c d e f g h i",
        "HSET hash a 1 b 2",
        "ZADD zset 1 a 2 b 3 c 4 d",
        "XADD stream * a b",
        "PFADD log a",
        "SELECT 3",
        "SET k v",
        "HSET hash a 1",
    ] {
        client.run(command);
    }
    let first = "# Keysizes\r\n\
                 db0_distrib_strings_sizes:0=1,1=1,2=2,4=3,8=2,16=1,64=1,512=1,1K=3,2K=1,64K=1\r\n\
                 db0_distrib_lists_items:2=1\r\ndb0_distrib_sets_items:1=1,8=1\r\n\
                 db0_distrib_zsets_items:4=1\r\ndb0_distrib_hashes_items:2=1\r\n";
    let second = "db3_distrib_strings_sizes:1=1\r\ndb3_distrib_hashes_items:1=1\r\n";
    assert_eq!(sizes(&mut client), format!("{first}{second}"));
    client.run("DEL k hash");
    assert_eq!(sizes(&mut client), first);
    let everything = client.run("INFO everything").text();
    assert!(!everything.contains("Keysizes"));
}

/// An example of a message that nobody waits for; RESP2 has no way to send one. What Redis 8.0.6 and Valkey 9.1.2 answer.
#[test]
fn debug_shows_a_push_message_where_there_are_such() {
    let server = ServerBuilder::oxidis()
        .arguments(["--enable-debug-command", "yes"])
        .start()
        .expect("the server starts");
    let mut client = server.raw_client();
    let ask = "DEBUG PROTOCOL push\r\n";
    client.expect(ask, "-ERR RESP2 is not supported by this command\r\n");
    client.send("HELLO 3\r\n").expect("sent");
    client.read_until("modules\r\n*0\r\n").expect("a greeting");
    client.expect(
        ask,
        "$40\r\nSome real reply following the push reply\r\n>2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n",
    );
    client.expect("PING\r\n", "+PONG\r\n");
}

/// Of incomplete requests, commands that wait and the command that asks, the arguments are counted as by Redis 8.0.6 and
/// Valkey 9.1.2. How large buffers are is each server's own.
#[test]
fn what_arguments_and_buffers_take_is_told() {
    let server = server();
    let mut observer = server.client();
    let mut idle = server.client();
    let id = |client: &mut Client| -> i64 {
        let reply = client.run("CLIENT ID").text();
        reply.parse().expect("a number")
    };
    let idle_id = id(&mut idle);
    let line_where = |observer: &mut Client, id: i64, name: &str, wanted: &str| loop {
        let line = line(observer, id);
        if field(&line, name) == wanted {
            return line;
        }
    };
    let numbers = |line: &str, names: &[&str]| -> Vec<usize> {
        let number = |name: &&str| field(line, name).parse().expect("a number");
        names.iter().map(number).collect()
    };
    let found = line_where(&mut observer, idle_id, "qbuf", "0");
    let names = ["qbuf", "qbuf-free", "argv-mem", "rbs", "rbp", "omem"];
    assert_eq!(numbers(&found, &names), [0; 6], "{found}");
    let own = idle.run("CLIENT INFO").text();
    assert_eq!(field(&own, "argv-mem"), "10", "{own}");
    idle.send(&["BLPOP", "nolist", "0"]).expect("sent");
    let found = line_where(&mut observer, idle_id, "flags", "b");
    assert_eq!(field(&found, "argv-mem"), "12", "{found}");
    observer.run("RPUSH nolist a");
    idle.receive().expect("what it waited for");
    let found = line(&mut observer, idle_id);
    assert_eq!(field(&found, "argv-mem"), "0", "{found}");

    let mut partial = server.client();
    let partial_id = id(&mut partial);
    let (key, value) = ("k".repeat(1000), "x".repeat(5000));
    let request = format!("*4\r\n$4\r\nMSET\r\n$1000\r\n{key}\r\n$5000\r\n{value}\r\n$10\r\n123");
    partial.send_bytes(request.as_bytes()).expect("sent");
    let found = line_where(&mut observer, partial_id, "qbuf", "3");
    assert_eq!(field(&found, "argv-mem"), "6004", "{found}");
    assert!(numbers(&found, &["tot-mem"])[0] > 6004, "{found}");

    observer.run(&format!("SET big {}", "z".repeat(1_000_000)));
    let mut greedy = server.client();
    let greedy_id = id(&mut greedy);
    for _ in 0..20 {
        greedy.send(&["GET", "big"]).expect("sent");
    }
    let found = loop {
        let line = line_where(&mut observer, greedy_id, "tot-cmds", "21");
        if field(&line, "omem") != "0" {
            break line;
        }
    };
    let [rbs, rbp, omem, total] = numbers(&found, &["rbs", "rbp", "omem", "tot-mem"])[..] else {
        unreachable!("four were asked for");
    };
    assert!(
        omem > 0 && rbs >= omem && rbp >= omem && total >= rbs,
        "{found}"
    );
    for _ in 0..20 {
        greedy.receive().expect("what was asked for");
    }
    let found = line_where(&mut observer, greedy_id, "omem", "0");
    assert_eq!(field(&found, "rbs"), "0", "{found}");
    assert!(numbers(&found, &["rbp"])[0] >= rbp, "{found}");
}

/// Sends commands one behind the other, as a transaction or not, and answers what is answered to each.
fn together(client: &mut Client, commands: &[String], is_transaction: bool) -> Vec<Reply> {
    let mut lines: Vec<&str> = commands.iter().map(String::as_str).collect();
    if is_transaction {
        lines.insert(0, "MULTI");
        lines.push("EXEC");
    }
    let words: Vec<Vec<&str>> = lines.iter().map(|it| it.split(' ').collect()).collect();
    let mut replies = client.pipeline(&words).expect("the server answers");
    match is_transaction {
        true => {
            let last = replies.pop().expect("EXEC is answered");
            last.elements().expect("an array").to_vec()
        }
        false => replies,
    }
}

#[test]
fn who_is_killed_takes_and_hears_nothing_more() {
    for is_transaction in [false, true] {
        let server = server();
        let mut observer = server.client();
        let id = |client: &mut Client| client.run("CLIENT ID").text();
        // Two wait, and the first of them is killed.
        let (mut first, mut second) = (server.client(), server.client());
        let first_id = id(&mut first);
        for waiting in [&mut first, &mut second] {
            let id = id(waiting).parse().expect("a number");
            waiting.send(&["BLPOP", "list", "0"]).expect("sent");
            while !field(&line(&mut observer, id), "flags").contains('b') {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        let commands = [
            format!("CLIENT KILL ID {first_id}"),
            format!("CLIENT UNBLOCK {first_id}"),
            "RPUSH list value".to_owned(),
        ];
        let one = Reply::Integer(1);
        let nothing = Reply::Integer(0);
        assert_eq!(
            together(&mut observer, &commands, is_transaction),
            [one.clone(), nothing.clone(), one.clone()]
        );
        let served = second.receive().expect("it is served");
        assert_eq!(served.elements().map(<[Reply]>::len), Some(2));
        assert!(first.receive().is_err());
        // A subscriber.
        let mut subscriber = server.client();
        let subscriber_id = id(&mut subscriber);
        subscriber.run("SUBSCRIBE channel");
        let commands = [
            format!("CLIENT KILL ID {subscriber_id}"),
            "PUBLISH channel message".to_owned(),
            "PUBSUB NUMSUB channel".to_owned(),
            "PUBSUB CHANNELS".to_owned(),
        ];
        let none = Reply::Array(vec![Reply::bulk("channel"), nothing.clone()]);
        assert_eq!(
            together(&mut observer, &commands, is_transaction),
            [one, nothing, none, Reply::Array(Vec::new())]
        );
    }
}

#[test]
fn a_transaction_sends_what_client_reply_leaves() {
    let server = server();
    for (lines, replies) in [
        (
            "MULTI|CLIENT REPLY OFF|ECHO a|EXEC|ECHO b|CLIENT REPLY ON|ECHO c",
            "+OK|+QUEUED|+QUEUED|*2|+OK|$1|c",
        ),
        (
            "MULTI|CLIENT REPLY SKIP|ECHO a|EXEC|ECHO b|ECHO c",
            "+OK|+QUEUED|+QUEUED|*2|$1|a|$1|c",
        ),
        (
            "CLIENT REPLY OFF|MULTI|ECHO a|CLIENT REPLY ON|ECHO b|EXEC|ECHO c",
            "+OK|$1|b|$1|c",
        ),
        (
            "CLIENT REPLY OFF|MULTI|ECHO a|EXEC|EXEC|CLIENT REPLY ON|ECHO c",
            "+OK|$1|c",
        ),
        (
            "MULTI|CLIENT REPLY SKIP|EXEC|MULTI|ECHO b|EXEC",
            "+OK|+QUEUED|*1|+QUEUED|*1|$1|b",
        ),
    ] {
        let wire = |text: &str| text.replace('|', "\r\n") + "\r\n";
        server.raw_client().expect(wire(lines), wire(replies));
    }
}
