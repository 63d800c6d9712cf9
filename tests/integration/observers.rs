//! What observers see: MONITOR.

use oxidis_testkit::ServerBuilder;

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
