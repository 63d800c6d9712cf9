//! The benchmark mode of the binary against a server: what it prints in each format, what it does to
//! the server, and how it fails.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Output, Stdio};

use oxidis_testkit::server::binary_under_test;
use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

fn server(arguments: &[&str]) -> TestServer {
    ServerBuilder::oxidis()
        .arguments(arguments)
        .start()
        .expect("the server starts")
}

fn benchmark(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary_under_test());
    command.arg("benchmark").args(arguments);
    command
}

/// Runs the benchmark against a server, with few requests unless told otherwise.
fn run(server: &TestServer, arguments: &[&str]) -> Output {
    let port = server.port().to_string();
    let mut command = benchmark(&["-p", &port, "-c", "5", "-n", "100"]);
    command.args(arguments);
    command.output().expect("the benchmark runs")
}

fn output_of(server: &TestServer, arguments: &[&str]) -> String {
    let output = run(server, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("the output is text")
}

fn failure_of(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).expect("what is wrong is text")
}

/// The lines that stay: what a carriage return takes back was progress.
fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| line.rsplit('\r').next().unwrap_or_default())
        .collect()
}

/// How often the server was asked for a command, by its own account.
fn calls(client: &mut Client, command: &str) -> u64 {
    let Reply::Bulk(info) = client.run("INFO commandstats") else {
        panic!("INFO answers a text");
    };
    let info = String::from_utf8(info).expect("INFO is text");
    let prefix = format!("cmdstat_{command}:calls=");
    info.lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .and_then(|rest| rest.split(',').next())
        .map_or(0, |count| count.parse().expect("a count"))
}

const TITLES: [&str; 20] = [
    "PING_INLINE",
    "PING_MBULK",
    "SET",
    "GET",
    "INCR",
    "LPUSH",
    "RPUSH",
    "LPOP",
    "RPOP",
    "SADD",
    "HSET",
    "SPOP",
    "ZADD",
    "ZPOPMIN",
    "LPUSH (needed to benchmark LRANGE)",
    "LRANGE_100 (first 100 elements)",
    "LRANGE_300 (first 300 elements)",
    "LRANGE_500 (first 500 elements)",
    "LRANGE_600 (first 600 elements)",
    "MSET (10 keys)",
];

#[test]
fn all_tests_run_in_their_order_and_reach_the_server() {
    let server = server(&[]);
    let text = output_of(&server, &["-q"]);
    let shown = lines(&text);
    assert_eq!(shown.len(), TITLES.len() + 1);
    for (line, title) in shown.iter().zip(TITLES) {
        let rest = line.strip_prefix(&format!("{title}: ")).expect(line);
        let (rate, p50) = rest
            .split_once(" requests per second, p50=")
            .expect("a rate and a latency");
        assert!(rate.parse::<f64>().expect("a number") > 0.0);
        let p50 = p50.strip_suffix(" msec").expect("in milliseconds");
        assert!(p50.parse::<f64>().expect("a number") >= 0.0);
    }
    assert_eq!(shown.last(), Some(&""));
    let mut client = server.client();
    for (command, expected) in [
        ("ping", 200),
        ("set", 100),
        ("get", 100),
        ("incr", 100),
        ("lpush", 200),
        ("rpush", 100),
        ("lpop", 100),
        ("rpop", 100),
        ("sadd", 100),
        ("hset", 100),
        ("spop", 100),
        ("zadd", 100),
        ("zpopmin", 100),
        ("lrange", 400),
        ("mset", 100),
    ] {
        // The server was asked for PING when it started, too.
        let counted = calls(&mut client, command);
        assert!(counted >= expected, "{command}: {counted}");
        assert!(
            command == "ping" || counted == expected,
            "{command}: {counted}"
        );
    }
}

#[test]
fn comma_separated_values_are_what_tools_read() {
    let server = server(&[]);
    let text = output_of(&server, &["--csv", "-t", "get,PING", "-P", "10"]);
    let shown: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.trim_matches('"').split("\",\"").collect())
        .collect();
    assert_eq!(
        shown[0],
        [
            "test",
            "rps",
            "avg_latency_ms",
            "min_latency_ms",
            "p50_latency_ms",
            "p95_latency_ms",
            "p99_latency_ms",
            "max_latency_ms"
        ]
    );
    let titles: Vec<&str> = shown[1..].iter().map(|row| row[0]).collect();
    assert_eq!(titles, ["PING_INLINE", "PING_MBULK", "GET"]);
    for row in &shown[1..] {
        let figures: Vec<f64> = row[1..]
            .iter()
            .map(|figure| figure.parse().expect("a number"))
            .collect();
        let [rate, mean, shortest, p50, p95, p99, longest] = figures[..] else {
            panic!("seven figures: {row:?}");
        };
        assert!(rate > 0.0 && shortest <= mean && mean <= longest, "{row:?}");
        assert!(shortest <= p50 && p50 <= p95 && p95 <= p99 && p99 <= longest);
    }
}

#[test]
fn the_full_format_tells_how_it_was_measured() {
    let server = server(&["--save", "3600 1"]);
    let text = output_of(&server, &["-t", "set", "-d", "10", "--threads", "2"]);
    let shown = lines(&text);
    assert_eq!(shown[0], "====== SET ======");
    assert!(
        shown[1].starts_with("  100 requests completed in "),
        "{}",
        shown[1]
    );
    assert_eq!(
        shown[2..10],
        [
            "  5 parallel clients",
            "  10 bytes payload",
            "  keep alive: 1",
            "  host configuration \"save\": 3600 1",
            "  host configuration \"appendonly\": no",
            "  multi-thread: yes",
            "  threads: 2",
            "",
        ]
    );
    assert_eq!(shown[10], "Latency by percentile distribution:");
    let ends: Vec<&&str> = shown
        .iter()
        .filter(|line| line.starts_with("100.000% <= "))
        .collect();
    assert_eq!(ends.len(), 2);
    for line in ends {
        assert!(
            line.ends_with(" milliseconds (cumulative count 100)"),
            "{line}"
        );
    }
    assert!(text.contains("\nCumulative distribution of latencies:\n"));
    let summary = shown.iter().position(|line| *line == "Summary:");
    let summary = &shown[summary.expect("a summary")..];
    assert!(summary[1].starts_with("  throughput summary: "));
    assert!(summary[1].ends_with(" requests per second"));
    assert_eq!(
        summary[2..4],
        [
            "  latency summary (msec):",
            "          avg       min       p50       p95       p99       max",
        ]
    );
    assert_eq!(summary[4].split_whitespace().count(), 6);
    let mut client = server.client();
    assert_eq!(client.run("STRLEN key:__rand_int__"), Reply::Integer(10));
}

#[test]
fn keys_are_random_below_the_number_given() {
    let server = server(&[]);
    output_of(
        &server,
        &["-q", "-t", "set", "-r", "50", "-n", "2000", "-P", "16"],
    );
    let mut client = server.client();
    // 2000 draws miss one of 50 numbers once in 10^16 times.
    assert_eq!(client.run("DBSIZE"), Reply::Integer(50));
    assert_eq!(client.run("STRLEN key:000000000049"), Reply::Integer(3));
    assert_eq!(calls(&mut client, "set"), 2000);
}

#[test]
fn a_command_of_ones_own() {
    let server = server(&[]);
    let text = output_of(&server, &["-n", "150", "INCRBYFLOAT", "mykey", "10.0"]);
    let shown = lines(&text);
    assert_eq!(shown[0], "====== INCRBYFLOAT mykey 10.0 ======");
    assert_eq!(shown[3], "  43 bytes payload");
    let mut client = server.client();
    assert_eq!(client.run("GET mykey"), Reply::Bulk(b"1500".to_vec()));

    output_of(
        &server,
        &[
            "-q",
            "-d",
            "20",
            "-r",
            "10",
            "HSET",
            "h:__rand_int__",
            "f",
            "<__data__>",
        ],
    );
    assert_eq!(client.run("HSTRLEN h:000000000000 f"), Reply::Integer(22));

    let port = server.port().to_string();
    let mut from_input = benchmark(&["-p", &port, "-n", "10", "-q", "-x", "SET", "k"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the benchmark runs");
    let mut input = from_input.stdin.take().expect("a pipe");
    input.write_all(b"from input\n").expect("it reads");
    drop(input);
    assert!(from_input.wait().expect("it ends").success());
    assert_eq!(client.run("GET k"), Reply::Bulk(b"from input\n".to_vec()));
}

#[test]
fn connections_can_be_given_another_database_protocol_and_life() {
    let server = server(&[]);
    let mut client = server.client();
    output_of(&server, &["-q", "--dbnum", "3", "-t", "set"]);
    let uri = format!("redis://127.0.0.1:{}/4", server.port());
    output_of(&server, &["-q", "-p", "1", "-u", &uri, "-t", "set"]);
    assert_eq!(client.run("DBSIZE"), Reply::Integer(0));
    for database in ["3", "4"] {
        client.run(&format!("SELECT {database}"));
        assert_eq!(client.run("DBSIZE"), Reply::Integer(1));
    }
    // RESP3 has replies of its own.
    output_of(&server, &["-q", "-3", "HGETALL", "h"]);
    let before = calls(&mut client, "get");
    output_of(&server, &["-q", "-k", "0", "-t", "get", "-P", "4"]);
    assert_eq!(calls(&mut client, "get"), before + 100);
}

#[test]
fn a_password_is_needed_and_used() {
    let server = server(&["--requirepass", "secret"]);
    let node = format!("Node 127.0.0.1:{} replied with error:\n", server.port());
    let without = failure_of(run(&server, &["-q"]));
    assert_eq!(without, format!("{node}NOAUTH Authentication required.\n"));
    let wrong = failure_of(run(&server, &["-q", "-a", "other"]));
    assert_eq!(
        wrong,
        format!("{node}WRONGPASS invalid username-password pair or user is disabled.\n")
    );
    for arguments in [
        &["-a", "secret"][..],
        &["--user", "default", "-a", "secret"],
    ] {
        let arguments: Vec<&str> = ["-q", "-t", "get"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        assert!(output_of(&server, &arguments).contains("GET: "));
    }
    let uri = format!("redis://default:secret@127.0.0.1:{}", server.port());
    assert!(output_of(&server, &["-q", "-t", "get", "-u", &uri]).contains("GET: "));
}

#[test]
fn an_error_of_the_server_ends_it() {
    let server = server(&[]);
    let unknown = failure_of(run(&server, &["-q", "NOSUCH", "a"]));
    assert_eq!(
        unknown,
        "Error from server: ERR unknown command 'NOSUCH', with args beginning with: 'a' \n"
    );
    let database = failure_of(run(&server, &["--dbnum", "99", "-t", "set"]));
    assert_eq!(
        database,
        "Error from server: ERR DB index is out of range\n"
    );
    server.client().run("SET s text");
    let wrong_type = failure_of(run(
        &server,
        &["-P", "8", "--threads", "2", "LPUSH", "s", "x"],
    ));
    assert!(
        wrong_type.starts_with("Error from server: WRONGTYPE "),
        "{wrong_type}"
    );
}

#[test]
fn where_there_is_no_server_it_says_so() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let output = benchmark(&["-p", &port.to_string(), "-q"]).output();
    let message = failure_of(output.expect("the benchmark runs"));
    let expected = format!("Could not connect to Redis at 127.0.0.1:{port}: Connection refused\n");
    assert_eq!(message, expected);
    let output = benchmark(&["-s", "/nonexistent/socket"]).output();
    let message = failure_of(output.expect("the benchmark runs"));
    assert!(message.starts_with("Could not connect to Redis at /nonexistent/socket: "));
}

#[test]
fn wrong_arguments_are_named() {
    for (arguments, culprit) in [(&["--nothing"][..], "--nothing"), (&["-q", "-n"], "-n")] {
        let output = benchmark(arguments).output().expect("the benchmark runs");
        assert!(output.stdout.is_empty());
        let message = failure_of(output);
        let expected = format!("Invalid option \"{culprit}\" or option argument missing\n");
        assert!(message.starts_with(&expected), "{message}");
    }
    let cluster = benchmark(&["--cluster"]).output();
    let message = failure_of(cluster.expect("the benchmark runs"));
    assert!(message.starts_with("There is no cluster mode"), "{message}");
    let help = benchmark(&["--help"]).output().expect("the benchmark runs");
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("--csv"));
    let server = server(&[]);
    let output = run(&server, &["-t", "nosuch", "-q"]);
    assert!(output.status.success());
    let warning = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(warning, "WARNING: There is no test called 'nosuch'.\n");
}

#[test]
fn idle_connections_are_held_until_the_server_refuses_one() {
    let server = server(&["--maxclients", "5"]);
    let refused = failure_of(run(&server, &["-I", "-c", "20"]));
    assert_eq!(
        refused,
        "Error from server: ERR max number of clients reached\n"
    );

    let port = server.port().to_string();
    let mut idle = benchmark(&["-p", &port, "-I", "-c", "3"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the benchmark runs");
    let mut output = BufReader::new(idle.stdout.take().expect("a pipe"));
    let mut line = Vec::new();
    output.read_until(b'\n', &mut line).expect("it prints");
    let text = String::from_utf8_lossy(&line).into_owned();
    assert!(text.starts_with("Creating 3 idle connections"), "{text}");
    line.clear();
    output.read_until(b'\r', &mut line).expect("it prints");
    assert_eq!(line, b"clients: 3\r");
    // The server may not have accepted yet what is connected already.
    let mut client = server.client();
    let mut clients = String::new();
    for _ in 0..1000 {
        clients = client.run("CLIENT LIST").text();
        if clients.lines().count() >= 4 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(clients.lines().count(), 4, "{clients}");
    idle.kill().expect("it runs");
    idle.wait().expect("it ends");
}

#[cfg(unix)]
#[test]
fn a_link_with_the_name_is_the_mode_and_sockets_may_be_unix_ones() {
    let server = server(&["--unixsocket", "s"]);
    let link = server.dir().join("redis-benchmark");
    std::os::unix::fs::symlink(binary_under_test(), &link).expect("links can be made");
    let socket = server.dir().join("s");
    let port = server.port().to_string();
    for way in [
        ["-p", &port],
        ["-s", socket.to_str().expect("a path of text")],
    ] {
        let output = Command::new(&link)
            .args(way)
            .args(["-n", "100", "-t", "set,lrange_100", "-k", "0", "--csv"])
            .output()
            .expect("the benchmark runs");
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let titles: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split(',').next())
            .collect();
        let expected = [
            "\"test\"",
            "\"SET\"",
            "\"LPUSH (needed to benchmark LRANGE)\"",
            "\"LRANGE_100 (first 100 elements)\"",
        ];
        assert_eq!(titles, expected, "{text}");
    }
    let version = Command::new(&link).arg("--version").output();
    let version = version.expect("the benchmark runs").stdout;
    assert!(version.starts_with(b"oxidis-benchmark "));
}
