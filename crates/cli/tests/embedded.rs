//! The prompt with an engine inside: no server anywhere.

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs lines in one process and answers what it printed, as at a terminal.
fn run(arguments: &[&str], lines: &[&str]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_oxidis-cli"))
        .arg("--embedded")
        .args(arguments)
        .env("FAKETTY", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the prompt starts");
    let mut input = child.stdin.take().expect("it was piped");
    input
        .write_all((lines.join("\n") + "\n").as_bytes())
        .expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn commands_share_one_engine() {
    let lines = [
        "set key value",
        "get key",
        "multi",
        "append key s",
        "exec",
        "get key",
        "exit",
    ];
    let printed = run(&[], &lines);
    assert_eq!(
        printed,
        "OK\n\"value\"\nOK\nQUEUED\n1) (integer) 6\n\"values\"\n"
    );
}

#[test]
fn a_new_session_finds_the_data_of_the_last() {
    // QUIT as a command, rather than the prompt's own word, ends the session alone.
    let lines = ["set key value", "1 quit", "ping", "get key"];
    assert!(run(&[], &lines).ends_with("\"value\"\n"));
}

#[test]
fn what_needs_a_server_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_oxidis-cli"))
        .args(["--embedded", "--pipe"])
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stderr.is_empty());
}

#[test]
fn help_comes_from_the_command_table() {
    let printed = run(&[], &["help get", "help @transactions"]);
    assert!(
        printed.contains("\x1b[1mGET\x1b[0m \x1b[90mkey\x1b[0m"),
        "{printed}"
    );
    assert!(printed.contains("\x1b[1mMULTI\x1b[0m"), "{printed}");
}

#[test]
fn values_are_dumped_and_restored() {
    let printed = run(
        &[],
        &[
            "rpush list a b",
            "eval \"redis.call('restore', 'copy', 0, redis.call('dump', 'list'))\" 0",
            "lrange copy 0 -1",
        ],
    );
    assert_eq!(printed, "(integer) 2\n(nil)\n1) \"a\"\n2) \"b\"\n");
}
