//! What observers see: MONITOR, the logs of commands, LATENCY.

use oxidis_testkit::{Client, Reply, ServerBuilder};

/// What is shown of a command, without the time and the address.
fn shown(line: &str) -> &str {
    line.split_once(']').map_or(line, |(_, shown)| shown.trim())
}

#[test]
fn a_script_is_shown_before_its_commands() {
    let server = ServerBuilder::oxidis().start().expect("the server starts");
    let mut monitor = server.raw_client();
    monitor.expect("MONITOR\r\n", "+OK\r\n");
    let mut client = server.client();
    client.run("EVAL \"return redis.call('set', KEYS[1], 'v')\" 1 k");
    client.run("PING");
    let mut lines: Vec<String> = Vec::new();
    while lines.last().is_none_or(|line| shown(line) != "\"PING\"") {
        let line = monitor.read_line().expect("a line");
        lines.push(String::from_utf8(line).expect("text"));
    }
    let found: Vec<&str> = lines.iter().map(|line| shown(line)).collect();
    let expected = [
        "\"EVAL\" \"return redis.call('set', KEYS[1], 'v')\" \"1\" \"k\"",
        "\"set\" \"k\" \"v\"",
        "\"PING\"",
    ];
    assert_eq!(found, expected);
    assert!(lines[1].contains(" [0 lua] "), "{}", lines[1]);
}

/// One level of a reply as text.
fn texts(reply: &Reply) -> Vec<String> {
    let elements = reply.elements().expect("an array");
    elements.iter().map(Reply::text).collect()
}

#[test]
fn large_requests_and_replies_are_logged() {
    let server = ServerBuilder::oxidis()
        .arguments(["--commandlog-request-larger-than", "200"])
        .arguments(["--commandlog-reply-larger-than", "200"])
        .start()
        .expect("the server starts");
    let mut client = server.client();
    client.run("CLIENT SETNAME ann");
    let value = "x".repeat(150);
    client.run(&format!("SET k {value}"));
    client.run(&format!("APPEND k {value}"));
    client.run(&format!("MSET a {value} b {value}"));
    client.run("GET k");
    client.run("GET a");
    // Number, time, bytes, arguments, address, name.
    let check = |client: &mut Client, kind: &str, bytes: i64, words: &[String]| {
        let entries = client.run(&format!("COMMANDLOG GET -1 {kind}"));
        let [entry] = entries.elements().expect("an array") else {
            panic!("not one entry: {entries}");
        };
        let entry = entry.elements().expect("an array");
        assert_eq!(entry[0], Reply::Integer(0));
        assert_eq!(entry[2], Reply::Integer(bytes));
        assert_eq!(texts(&entry[3]), words);
        assert_eq!(entry[5], Reply::bulk("ann"));
        assert_eq!(entry.len(), 6);
        assert_eq!(
            client.run(&format!("COMMANDLOG LEN {kind}")),
            Reply::Integer(1)
        );
        client.run(&format!("COMMANDLOG RESET {kind}"));
        assert_eq!(
            client.run(&format!("COMMANDLOG LEN {kind}")),
            Reply::Integer(0)
        );
    };
    let short = format!("{}... (22 more bytes)", "x".repeat(128));
    // This one first: what COMMANDLOG answers is large itself.
    let reply = format!("$300\r\n{value}{value}\r\n");
    let words = ["GET", "k"].map(str::to_owned);
    check(&mut client, "Large-Reply", reply.len() as i64, &words);
    let request =
        format!("*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$150\r\n{value}\r\n$1\r\nb\r\n$150\r\n{value}\r\n");
    let words = ["MSET", "a", &short, "b", &short].map(str::to_owned);
    check(&mut client, "large-request", request.len() as i64, &words);
    let error = client.run("COMMANDLOG LEN other");
    let expected = "ERR type should be one of the following: slow, large-request, large-reply";
    assert_eq!(error, Reply::Error(expected.into()));
}

/// What LATENCY HISTOGRAM says: each command with its calls and the last of its cumulated counts.
fn histogram(client: &mut Client, commands: &str) -> Vec<(String, i64, i64)> {
    let reply = client.run(&format!("LATENCY HISTOGRAM {commands}"));
    let Reply::Map(commands) = reply else {
        panic!("not a map: {reply}");
    };
    let figures = commands.into_iter().map(|(name, facts)| match facts {
        Reply::Map(facts) => match &facts[..] {
            [(_, Reply::Integer(calls)), (_, Reply::Map(cumulated))] => {
                let last = cumulated
                    .last()
                    .map(|(_, count)| count.text().parse().unwrap());
                (name.text(), *calls, last.unwrap_or(0))
            }
            other => panic!("not the facts of a command: {other:?}"),
        },
        other => panic!("not a map: {other}"),
    });
    figures.collect()
}

#[test]
fn the_durations_of_every_call_are_counted() {
    let server = ServerBuilder::oxidis().start().expect("the server starts");
    let mut client = server.client();
    client.run("HELLO 3");
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut requests = vec![words("GET k"); 100];
    requests.extend(vec![words("SET k v"); 30]);
    requests.extend([words("GET k"), words("KEYS *"), words("CONFIG GET port")]);
    requests.extend([words("BLPOP none 0.001"), words("GET")]);
    client.pipeline(&requests).expect("replies");
    let all = |name: &str, calls| (name.to_owned(), calls, calls);
    assert_eq!(
        histogram(&mut client, "get set KEYS nonsense blpop"),
        [
            all("get", 101),
            all("set", 30),
            all("keys", 1),
            all("blpop", 1)
        ]
    );
    assert_eq!(histogram(&mut client, "config"), [all("config|get", 1)]);
    let info = client.run("INFO latencystats").text();
    assert!(info.contains("# Latencystats"), "{info}");
    for start in [
        "latency_percentiles_usec_get:p50=",
        "latency_percentiles_usec_config|get:p50=",
    ] {
        let line = info.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start} in {info}"));
        assert!(line.contains(",p99=") && line.contains(",p99.9="), "{line}");
    }
    client.run("CONFIG RESETSTAT");
    client.run("CONFIG SET latency-tracking no");
    client.run("GET k");
    assert_eq!(histogram(&mut client, "get set keys"), []);
    let info = client.run("INFO latencystats").text();
    assert!(!info.contains("percentiles_usec"), "{info}");
}

#[test]
fn what_takes_too_long_is_remembered() {
    let server = ServerBuilder::oxidis()
        .arguments(["--enable-debug-command", "yes"])
        .start()
        .expect("the server starts");
    let mut client = server.client();
    client.run("DEBUG SLEEP 0.02");
    assert_eq!(client.run("LATENCY LATEST"), Reply::Array(Vec::new()));
    client.run("CONFIG SET latency-monitor-threshold 10");
    client.run("DEBUG SLEEP 0.02");
    let latest = client.run("LATENCY LATEST");
    let events: Vec<Vec<String>> = latest
        .elements()
        .expect("an array")
        .iter()
        .map(texts)
        .collect();
    let event = events
        .iter()
        .find(|event| event[0] == "command")
        .expect("the event");
    let [last_ms, longest_ms] = [&event[2], &event[3]].map(|text| text.parse::<i64>().unwrap());
    assert!(last_ms >= 20 && longest_ms >= last_ms, "{event:?}");
    let history = client.run("LATENCY HISTORY command");
    let moments: Vec<Vec<String>> = history
        .elements()
        .expect("an array")
        .iter()
        .map(texts)
        .collect();
    assert_eq!(moments.last().expect("a moment"), &event[1..3]);
    let graph = client.run("LATENCY GRAPH command").text();
    assert!(graph.contains("command - high "), "{graph}");
    let report = client.run("LATENCY DOCTOR").text();
    assert!(report.contains("1. command: "), "{report}");
    assert_eq!(
        client.run("LATENCY RESET command nonsense"),
        Reply::Integer(1)
    );
    let error = client.run("LATENCY GRAPH command");
    let expected = "ERR No samples available for event 'command'";
    assert_eq!(error, Reply::Error(expected.into()));
    assert_eq!(
        client.run("LATENCY HISTORY nonsense"),
        Reply::Array(Vec::new())
    );
}
