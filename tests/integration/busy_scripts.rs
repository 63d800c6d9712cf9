//! Scripts that never end: others are told BUSY, SCRIPT KILL and SHUTDOWN NOSAVE work, whichever
//! thread the script keeps.

use std::time::Duration;

use oxidis_testkit::{Client, RawClient, Reply, ServerBuilder, TestServer};

const BUSY: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const KILLED: &str = "Script killed by user with SCRIPT KILL";

/// How many workers each test runs with.
const WORKERS: [&str; 2] = ["1", "3"];

fn server(workers: &str) -> TestServer {
    ServerBuilder::oxidis()
        .arguments(["--io-threads", workers, "--busy-reply-threshold", "30"])
        .start()
        .expect("the server starts")
}

/// Connections of which at least one is on each worker.
fn clients(server: &TestServer) -> Vec<Client> {
    (0..6).map(|_| server.client()).collect()
}

/// Starts a script; its reply is still to be read.
fn start(server: &TestServer, request: &str) -> RawClient {
    let mut client = server.raw_client();
    client
        .set_read_limit(Duration::from_secs(20))
        .expect("a limit");
    client.send(request).expect("sent");
    let mut other = server.client();
    for _ in 0..1000 {
        if other.run("PING").text() == BUSY {
            return client;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the server is not busy");
}

#[test]
fn others_are_told_and_may_kill_the_script() {
    for workers in WORKERS {
        let server = server(workers);
        let mut old = clients(&server);
        let mut runner = start(&server, "EVAL 'while true do end' 0\r\nECHO after\r\n");
        let mut new = clients(&server);
        for client in old.iter_mut().chain(&mut new) {
            assert_eq!(client.run("PING").text(), BUSY);
            assert_eq!(client.run("GET key").text(), BUSY);
            assert_eq!(
                client.run("NONSENSE").text(),
                "ERR unknown command 'NONSENSE', with args beginning with: "
            );
            // What is allowed.
            assert!(!client.run("HELLO 3").is_error());
            assert_eq!(client.run("UNWATCH").text(), "OK");
            assert_eq!(client.run("MULTI").text(), "OK");
            assert_eq!(client.run("SET key value").text(), BUSY);
            assert!(client.run("EXEC").text().starts_with("EXECABORT"));
            assert!(client.run("SHUTDOWN").text().starts_with("BUSY"));
            assert_eq!(client.run("RESET").text(), "RESET");
        }
        assert_eq!(new[0].run("SCRIPT KILL").text(), "OK");
        let line = runner.read_line().expect("the script's reply");
        let line = String::from_utf8_lossy(&line);
        assert!(line.starts_with("-ERR") && line.contains(KILLED), "{line}");
        assert_eq!(
            runner.read_exactly(11).expect("a reply"),
            b"$5\r\nafter\r\n"
        );
        for client in old.iter_mut().chain(&mut new) {
            assert_eq!(client.run("PING").text(), "PONG");
            assert!(client.run("SCRIPT KILL").text().starts_with("NOTBUSY"));
        }
        assert!(server.log().contains("Slow script detected"));
    }
}

/// A script cannot keep others from killing it by catching errors, nor by being in a transaction.
#[test]
fn scripts_that_catch_errors_are_killed_too() {
    let script =
        "local f = function() while 1 do redis.call('ping') end end while 1 do pcall(f) end";
    for workers in WORKERS {
        for request in [
            format!("EVAL \"{script}\" 0\r\n"),
            format!("MULTI\r\nEVAL \"{script}\" 0\r\nEXEC\r\n"),
        ] {
            let server = server(workers);
            let mut runner = start(&server, &request);
            let mut client = server.client();
            assert_eq!(client.run("SCRIPT KILL").text(), "OK");
            let mut answer = Vec::new();
            while !answer.starts_with(b"-") {
                answer = runner.read_line().expect("an answer");
            }
            assert!(String::from_utf8_lossy(&answer).contains(KILLED));
            assert_eq!(client.run("PING").text(), "PONG");
        }
    }
}

#[test]
fn a_script_that_has_written_ends_only_with_the_server() {
    for workers in WORKERS {
        let mut server = server(workers);
        let mut old = clients(&server);
        let _runner = start(
            &server,
            "EVAL \"redis.call('set', KEYS[1], 'x') while true do end\" 1 key\r\n",
        );
        for client in &mut old {
            assert!(client.run("SCRIPT KILL").text().starts_with("UNKILLABLE"));
            assert_eq!(client.run("SHUTDOWN SAVE").text(), BUSY);
        }
        let mut last = server.raw_client();
        last.send("SHUTDOWN NOSAVE\r\n").expect("sent");
        assert_eq!(last.read_to_close().expect("closed"), b"");
        assert_eq!(server.wait_for_exit_code(Duration::from_secs(20)), Some(0));
    }
}

#[test]
fn clients_may_leave_while_a_script_is_busy() {
    for workers in WORKERS {
        let server = server(workers);
        let mut leaving: Vec<RawClient> = (0..6).map(|_| server.raw_client()).collect();
        let mut killer = server.client();
        let mut runner = start(&server, "EVAL 'while true do end' 0\r\n");
        for client in &mut leaving {
            client.send("QUIT\r\n").expect("sent");
            assert_eq!(client.read_to_close().expect("closed"), b"+OK\r\n");
        }
        drop(leaving);
        for _ in 0..6 {
            drop(server.client());
        }
        assert_eq!(killer.run("SCRIPT KILL").text(), "OK");
        assert!(runner.read_line().expect("an error").starts_with(b"-ERR"));
        let is_gone = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            killer.run("CLIENT LIST").text().lines().count() == 2
        });
        assert!(is_gone, "{}", killer.run("CLIENT LIST").text());
    }
}

/// Those who wait for a key, or half way through a request, go on afterwards as if nothing was.
#[test]
fn what_waits_goes_on_afterwards() {
    for workers in WORKERS {
        let server = server(workers);
        let mut blocked: Vec<RawClient> = (0..4).map(|_| server.raw_client()).collect();
        for client in &mut blocked {
            client.send("BLPOP list 1\r\n").expect("sent");
        }
        let mut other = server.client();
        let are_blocked = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            other
                .run("INFO clients")
                .text()
                .contains("blocked_clients:4\r\n")
        });
        assert!(are_blocked);
        let mut halves: Vec<RawClient> = (0..4).map(|_| server.raw_client()).collect();
        for client in &mut halves {
            client.send("*2\r\n$4\r\nECHO\r\n$3\r\na").expect("sent");
        }
        let mut runner = start(&server, "EVAL 'while true do end' 0\r\n");
        for client in &mut halves {
            client.send("bc\r\nPI").expect("sent");
            assert_eq!(
                client.read_line().expect("an error"),
                format!("-{BUSY}\r\n").as_bytes()
            );
        }
        std::thread::sleep(Duration::from_millis(1000));
        assert_eq!(server.client().run("SCRIPT KILL").text(), "OK");
        assert!(runner.read_line().expect("an error").starts_with(b"-ERR"));
        for client in &mut blocked {
            client.expect("", "*-1\r\n");
        }
        for client in &mut halves {
            client.expect("NG\r\n", "+PONG\r\n");
        }
        // Nobody who was told that the time is over is served any more.
        let mut client = server.client();
        assert_eq!(client.run("RPUSH list value").text(), "1");
        assert_eq!(client.run("LPOP list"), Reply::bulk("value"));
    }
}

#[test]
fn without_a_threshold_nobody_is_told() {
    let server = server("2");
    let mut client = server.client();
    client.run("CONFIG SET lua-time-limit 0");
    // It ends when its time is over; whoever comes in between waits.
    let script = "local t = os.clock() repeat until os.clock() - t > 0.3 return 'done'";
    let mut runner = server.raw_client();
    runner
        .send(format!("EVAL \"{script}\" 0\r\n"))
        .expect("sent");
    for _ in 0..20 {
        assert_eq!(server.client().run("GET key"), Reply::NullBulk);
    }
    runner.expect("", "$4\r\ndone\r\n");
}

/// Keys are watched while a script has them: what it does to them from then on counts, what it has done before does not.
#[test]
fn keys_are_watched_while_a_script_is_busy() {
    const WATCHED: [&str; 7] = [
        "before",
        "after",
        "gone",
        "other",
        "before other",
        "other after",
        "dead",
    ];
    // It goes on when all of these are watched.
    const SCRIPT: &str = "redis.call('set', 'before', 'x') redis.call('del', 'dead') \
        while not string.find(redis.call('info', 'clients'), 'watching_clients:7') do \
            for count = 1, 100000 do end end \
        redis.call('set', 'after', 'x') redis.call('del', 'gone')";
    const SOME: [bool; 7] = [false, true, true, false, false, true, false];
    const ALL: [bool; 7] = [true, true, true, true, true, true, false];
    for workers in WORKERS {
        for (more, are_changed) in [
            ("", SOME),
            (" redis.call('flushall')", ALL),
            (" redis.call('swapdb', 0, 1)", ALL),
        ] {
            let server = server(workers);
            let mut first = server.client();
            first.run("MSET before 1 after 1 gone 1 other 1 dead 1");
            let mut watching: Vec<Client> = WATCHED.iter().map(|_| server.client()).collect();
            let mut runner = start(&server, &format!("EVAL \"{SCRIPT}{more}\" 0\r\n"));
            for (client, keys) in watching.iter_mut().zip(WATCHED) {
                // What is watched no more does not count.
                assert_eq!(client.run("WATCH after").text(), "OK");
                assert_eq!(client.run("UNWATCH").text(), "OK");
                assert_eq!(client.run(&format!("WATCH {keys}")).text(), "OK");
                assert_eq!(client.run("MULTI").text(), "OK");
                let refusal = "ERR WATCH inside MULTI is not allowed";
                assert_eq!(client.run("WATCH after").text(), refusal);
                client.run("DISCARD");
                assert_eq!(client.run(&format!("WATCH {keys}")).text(), "OK");
            }
            assert_eq!(runner.read_line().expect("a reply"), b"$-1\r\n");
            for (client, is_changed) in watching.iter_mut().zip(are_changed) {
                client.run("MULTI");
                assert_eq!(client.run("SET result 1").text(), "QUEUED");
                let reply = client.run("EXEC");
                assert_eq!(reply.is_null(), is_changed, "{more}: {reply:?}");
            }
        }
    }
}

#[test]
fn what_was_executed_before_the_script_in_the_same_turn_is_answered() {
    // Long requests are executed at once, short ones at the end of the turn.
    for value in ["1".to_owned(), "1".repeat(400)] {
        answered_before_the_script(&value);
    }
}

fn answered_before_the_script(value: &str) {
    let server = ServerBuilder::oxidis()
        .arguments(["--io-threads", "1", "--busy-reply-threshold", "600"])
        .start()
        .expect("the server starts");
    let mut first = server.raw_client();
    let mut runner = server.raw_client();
    let mut others = [(); 4].map(|()| server.raw_client());
    for client in others.iter_mut().chain([&mut runner]) {
        let limit = Duration::from_secs(20);
        client.set_read_limit(limit).expect("a limit");
        client.expect("PING\r\n", "+PONG\r\n");
    }
    // While the worker is not to be reached, all these requests come.
    let script = "local start = os.clock() while os.clock() < start + 0.3 do end return 'done'";
    let request = format!("EVAL \"{script}\" 0\r\n");
    first.send(request).expect("sent");
    std::thread::sleep(Duration::from_millis(50));
    let requests = [
        format!("SET a {value}\r\n"),
        format!("SET b {value}\r\nBLPOP list 0\r\n"),
    ];
    for (client, request) in others.iter_mut().zip(&requests) {
        client.send(request).expect("sent");
    }
    runner.send("EVAL 'while true do end' 0\r\n").expect("sent");
    for (client, request) in others[2..].iter_mut().zip(&requests) {
        client.send(request).expect("sent");
    }
    // Which of them come before the script is the system's choice; it still runs.
    let busy = format!("-{BUSY}\r\n");
    let replies = others
        .each_mut()
        .map(|it| it.read_line().expect("a reply while the script runs"));
    let [is_early, is_late] = [&b"+OK\r\n"[..], busy.as_bytes()].map(|line| {
        let is_it = |reply: &Vec<u8>| reply == line;
        [
            is_it(&replies[0]) && is_it(&replies[1]),
            is_it(&replies[2]) && is_it(&replies[3]),
        ]
    });
    assert!(is_early[0] || is_early[1], "{replies:?}");
    assert_eq!(is_late, [is_early[1], is_early[0]], "{replies:?}");
    first.expect("", "$4\r\ndone\r\n");
    first.expect("GET a\r\n", &busy);
    first.expect("SCRIPT KILL\r\n", "+OK\r\n");
    assert!(runner.read_line().expect("a reply").starts_with(b"-ERR "));
    first.expect("RPUSH list x\r\n", ":1\r\n");
    let waiting = if is_early[0] { 1 } else { 3 };
    others[waiting].expect("", "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
}
