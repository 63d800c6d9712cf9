//! Commands, scripts and whole-server modes against a real server, by both programs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use oxidis_testkit::server::redis_server;
use oxidis_testkit::{ServerBuilder, TestServer};

use crate::programs::{Outcome, Run, ours, theirs};

/// A server of its own for each program, so that both find the same state, and the
/// program to compare with.
pub struct Pair {
    theirs: std::path::PathBuf,
    servers: [TestServer; 2],
}

impl Pair {
    /// `None` where there is nothing to compare with.
    pub fn start(flags: &[&str]) -> Option<Pair> {
        let theirs = theirs()?;
        let Some(program) = redis_server() else {
            eprintln!("skipped: no redis-server on this machine");
            return None;
        };
        let start = || {
            let builder = ServerBuilder::new(&program).arguments(flags);
            builder.start().expect("redis-server starts")
        };
        Some(Pair {
            theirs,
            servers: [start(), start()],
        })
    }

    /// What both programs make of a run: ours, then theirs. Ports are blanked out: the
    /// servers have different ones.
    fn outcomes(&self, run: &Run) -> [Outcome; 2] {
        let programs = [ours(), self.theirs.clone()];
        [0, 1].map(|index| {
            let port = self.servers[index].port().to_string();
            let mut run = run.clone();
            for argument in &mut run.arguments {
                *argument = argument.replace("PORT", &port);
            }
            let mut outcome = run.of(&programs[index], &["-p".into(), port.clone()]);
            outcome.output = outcome.output.replace(&port, "PORT");
            outcome.errors = outcome.errors.replace(&port, "PORT");
            // How the end of a connection shows is a matter of who was quicker.
            for end in ["Connection reset by peer", "Broken pipe"] {
                outcome.errors = outcome.errors.replace(end, "Server closed the connection");
            }
            outcome
        })
    }

    pub fn compare(&self, run: &Run) {
        let [ours, theirs] = self.outcomes(run);
        assert_eq!(
            ours,
            theirs,
            "{run:?} with {:?}",
            String::from_utf8_lossy(&run.input)
        );
    }
}

const KEYS: &str = "\
SET string abc
SET \"bin\\x00ary\\xff\" \"\\x00\\r\\n\\\"quoted\\\" \\\\\"
SET unicode \u{e9}\u{20ac}
RPUSH list 1 2 3
SADD set one
HSET hash field value
ZADD zset 1.5 member
XADD stream 1-1 field value
";

#[test]
fn commands_print_and_end_alike() {
    let Some(pair) = Pair::start(&["--enable-debug-command", "yes"]) else {
        return;
    };
    pair.compare(&Run::new(&[]).input(KEYS));
    let commands: &[&[&str]] = &[
        &["PING"],
        &["get", "string"],
        &["GET", "missing"],
        &["get", "unicode"],
        &["HGETALL", "hash"],
        &["LRANGE", "list", "0", "-1"],
        &["XRANGE", "stream", "-", "+"],
        &["ZRANGE", "zset", "0", "-1", "WITHSCORES"],
        &["COMMAND", "INFO", "get", "nothing"],
        &["CONFIG", "GET", "maxmemory-policy"],
        &["INFO", "errorstats"],
        &["CLUSTER", "INFO"],
        &["MEMORY", "DOCTOR"],
        &["LATENCY", "DOCTOR"],
        &["NOTHING"],
        &["GET"],
        &["SELECT", "100"],
        &["EVAL", "return {1, {2, {3, 'x'}, {}}, 'y'}", "0"],
        &["EVAL", "return {ok='fine'}", "0"],
        &["DEBUG", "PROTOCOL", "verbatim"],
        &["DEBUG", "PROTOCOL", "map"],
        &["DEBUG", "PROTOCOL", "set"],
        &["DEBUG", "PROTOCOL", "double"],
        &["DEBUG", "PROTOCOL", "true"],
        &["DEBUG", "PROTOCOL", "push"],
        &["HELP", "get"],
        &["help", "config"],
        &["help", "CONFIG", "GET"],
        &["help", "@hyperloglog"],
        &["?", "nothing"],
    ];
    let outputs: &[&[&str]] = &[
        &[],
        &["--no-raw"],
        &["-3", "--no-raw"],
        &["-3"],
        &["--csv"],
        &["--json"],
        &["--quoted-json"],
        &["--json", "-2"],
        &["-e"],
    ];
    for command in commands {
        for output in outputs {
            pair.compare(&Run::new(&[*output, *command].concat()));
        }
    }
}

#[test]
fn flags_mean_the_same() {
    let Some(pair) = Pair::start(&["--user", "joe", "on", "+@all", "~*", ">secret"]) else {
        return;
    };
    pair.compare(&Run::new(&[]).input(KEYS));
    let runs: &[&[&str]] = &[
        &["-n", "3", "SET", "in-three", "1"],
        &["-n", "3", "KEYS", "*"],
        &["-n", "99", "PING"],
        &["-n", "99", "-e", "PING"],
        &["-r", "3", "INCR", "counter"],
        &["-r", "2", "-i", "0.01", "INCR", "counter"],
        &["-r", "0", "INCR", "counter"],
        &["-a", "wrong", "PING"],
        &["--pass", "wrong", "--no-auth-warning", "PING"],
        &["--user", "joe", "-a", "secret", "ACL", "WHOAMI"],
        &["-u", "redis://joe:secret@127.0.0.1:PORT/2", "ACL", "WHOAMI"],
        &[
            "-u",
            "redis://joe:s%65cret@127.0.0.1:PORT",
            "--no-auth-warning",
            "ACL",
            "WHOAMI",
        ],
        &["-u", "http://127.0.0.1", "PING"],
        &["-d", ", ", "LRANGE", "list", "0", "-1"],
        &["-D", "--", "-r", "3", "GET", "string"],
        &["--quoted-input", "GET", r#""bin\x00ary\xff""#],
        &["--quoted-input", "GET", r#""open"#],
        &["--raw", "--no-raw", "GET", "string"],
        &["--no-raw", "--csv", "LRANGE", "list", "0", "-1"],
        &["-c", "GET", "string"],
        &["--verbose", "PING"],
        &["--show-pushes", "what", "PING"],
        &["-Z", "PING"],
        &["--nothing"],
        &["-p"],
        &["-2", "-3", "PING"],
        &["-x", "-X", "tag", "PING"],
        &["-c", "-s", "/nothing", "PING"],
        &["-s", "/nothing/at/all", "PING"],
        &["-h", "127.0.0.1", "-p", "1", "PING"],
        &["-h", "nothing.invalid", "PING"],
    ];
    for arguments in runs {
        pair.compare(&Run::new(arguments));
        pair.compare(&Run::new(arguments).terminal());
    }
}

#[test]
fn standard_input_can_be_an_argument() {
    let Some(pair) = Pair::start(&[]) else { return };
    let input = b"two words\n\0binary\xff\n".to_vec();
    for arguments in [
        &["-x", "SET", "last"][..],
        &["-X", "here", "SET", "tagged", "here", "GET"],
        &["-X", "here", "SET", "tagged", "there"],
        &["-x", "-r", "2", "APPEND", "last"],
        &["--no-raw", "MGET", "last", "tagged"],
    ] {
        pair.compare(&Run::new(arguments).input(input.clone()));
    }
}

#[test]
fn scripts_on_standard_input_run_alike() {
    let Some(pair) = Pair::start(&["--enable-debug-command", "yes"]) else {
        return;
    };
    let scripts = [
        KEYS.to_string(),
        "PING\n\n   \nGET \"a b\nGET 'x'y\n2 PING\n0 PING\n-1 PING\n1x PING\nPING".into(),
        "MULTI\nINCR a\nNOTHING\nEXEC\nMULTI\nSELECT 3\nSET b 1\nDISCARD\nGET b\n".into(),
        "MULTI\nSELECT 3\nSET b 1\nEXEC\nGET b\nRESET\nGET b\n".into(),
        ":set hints\n:set other\n:other\nRESTART\nCLEAR\nQUIT\nPING\n".into(),
        "SET a 1\nEXIT\nSET a 2\n".into(),
        "SUBSCRIBE\nPSUBSCRIBE\nMONITOR x\nPING\n".into(),
        "HELLO 3\nHELLO 9\nHELLO 2\nCLIENT GETNAME\n".replace("HELLO 3\n", "CONFIG GET port\n"),
        "SELECT 4\nCLIENT KILL TYPE normal SKIPME no\nPING\nCLIENT INFO x\nPING\n".into(),
        "CONNECT 127.0.0.1 1\nPING\n".into(),
        "DEBUG PROTOCOL push\nPING\n".into(),
        "\"set\" \"\\x6bey\" 'it\\'s'\nget key\n".into(),
    ];
    for script in scripts {
        for flags in [
            &[][..],
            &["--no-raw"],
            &["-3", "--no-raw"],
            &["--csv"],
            &["--json"],
        ] {
            pair.compare(&Run::new(flags).input(script.clone()));
            pair.compare(&Run::new(flags).input(script.clone()).terminal());
        }
    }
}

#[test]
fn a_server_that_goes_away_is_reported_alike() {
    let Some(pair) = Pair::start(&[]) else { return };
    pair.compare(&Run::new(&[
        "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no",
    ]));
    pair.compare(&Run::new(&[
        "-r", "3", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no",
    ]));
    let script = "PING\nSHUTDOWN NOSAVE\nPING\n";
    pair.compare(&Run::new(&["--no-raw"]).input(script));
    pair.compare(&Run::new(&["PING"]));
}

#[test]
fn scripts_in_files_get_their_keys_and_arguments() {
    let Some(pair) = Pair::start(&[]) else { return };
    let file = std::env::temp_dir().join(format!("oxidis-cli-eval-{}.lua", std::process::id()));
    fs::write(&file, "return {KEYS, ARGV}").expect("the temporary directory is writable");
    let path = file.to_str().expect("a plain path");
    for words in [
        &[][..],
        &["a", "b"],
        &["a", ",", "b", "c"],
        &[",", "b", ",", "c"],
    ] {
        pair.compare(&Run::new(&[&["--no-raw", "--eval", path], words].concat()));
    }
    pair.compare(&Run::new(&["--eval", "/nothing/at/all", "a"]));
    fs::remove_file(&file).expect("it was written");
}

#[test]
fn keys_are_listed_alike() {
    let Some(pair) = Pair::start(&["--hz", "1"]) else {
        return;
    };
    pair.compare(&Run::new(&[]).input(KEYS));
    // A key with a NUL byte is cut short there by redis-cli; and of two strings the order
    // decides whether the smaller was ever the biggest.
    let spoilers = ["DEL", r#""bin\x00ary\xff""#, "unicode"];
    pair.compare(&Run::new(&[&["--quoted-input"], &spoilers[..]].concat()));
    let comparable = |outcome: Outcome| {
        // How far the walk has come when a key is found depends on the order too.
        let lines = outcome.output.lines();
        let mut lines: Vec<_> = lines
            .map(|line| line.split("%] ").last().unwrap_or("").to_string())
            .collect();
        lines.sort();
        (lines, outcome.errors, outcome.code)
    };
    // The order in which a server scans depends on its hash seed.
    for arguments in [
        &["--scan"][..],
        &["--scan", "--no-raw"],
        &["--scan", "--pattern", "s*"],
        &["--scan", "--quoted-pattern", "\"s*\""],
        &["--scan", "--quoted-pattern", "\"s*"],
        &["--bigkeys"],
        &["--memkeys-samples", "5", "--pattern", "[hl]*"],
        &["--hotkeys"],
    ] {
        let [ours, theirs] = pair.outcomes(&Run::new(arguments)).map(comparable);
        assert_eq!(ours, theirs, "{arguments:?}");
    }
}

#[test]
fn types_can_be_told_apart_when_listing() {
    let Some(pair) = Pair::start(&[]) else { return };
    pair.compare(&Run::new(&[]).input(KEYS));
    // redis-cli 7.0 has no --type.
    let [outcome, _] = pair.outcomes(&Run::new(&["--scan", "--type", "list"]));
    assert_eq!((outcome.output.as_str(), outcome.code), ("list\n", Some(0)));
}

#[test]
fn pipes_count_replies_and_errors_alike() {
    let Some(pair) = Pair::start(&[]) else { return };
    let many: String = (0..50_000)
        .map(|number| format!("SET key:{number} {number}\r\n"))
        .collect();
    for input in [
        String::new(),
        "*1\r\n$4\r\nPING\r\n".into(),
        "PING\r\nNOTHING\r\nGET a\r\n".into(),
        "PING".into(),
        many,
    ] {
        pair.compare(&Run::new(&["--pipe"]).input(input));
    }
    pair.compare(&Run::new(&["DBSIZE"]));
}

#[test]
fn latency_is_one_line_where_nobody_watches() {
    let Some(pair) = Pair::start(&[]) else { return };
    for (flags, separator) in [(&["--raw"][..], ' '), (&["--csv"], ','), (&["--json"], ' ')] {
        let run = Run::new(&[&["--latency", "-i", "0.05"], flags].concat());
        let shapes = pair.outcomes(&run).map(|outcome| {
            let words = outcome.output.split(separator).count();
            (words, outcome.output.lines().count(), outcome.code)
        });
        assert_eq!(shapes[0], shapes[1], "{flags:?}");
    }
}

#[test]
fn data_sets_are_fetched_alike() {
    let Some(pair) = Pair::start(&["--repl-diskless-sync-delay", "0"]) else {
        return;
    };
    pair.compare(&Run::new(&[]).input(KEYS));
    let library = "#!lua name=l\nredis.register_function('f', function() return 1 end)";
    pair.compare(&Run::new(&["FUNCTION", "LOAD", library]));
    let file = std::env::temp_dir().join(format!("oxidis-cli-{}.rdb", std::process::id()));
    let path = file.to_str().expect("a plain path");
    let without_digits = |mut outcome: Outcome| {
        outcome
            .errors
            .retain(|character| !character.is_ascii_digit());
        outcome
    };
    // Redis sends a data set in one way or in the other.
    for diskless in ["no", "yes"] {
        pair.compare(&Run::new(&[
            "CONFIG",
            "SET",
            "repl-diskless-sync",
            diskless,
        ]));
        let mut sizes = Vec::new();
        for flag in ["--rdb", "--functions-rdb"] {
            let [ours, theirs] = pair.outcomes(&Run::new(&[flag, path])).map(without_digits);
            assert_eq!(ours, theirs, "{flag}");
            let data = fs::read(&file).expect("it was written");
            assert!(data.starts_with(b"REDIS"));
            sizes.push(data.len());
            fs::remove_file(&file).expect("it was written");
            let [ours, theirs] = pair.outcomes(&Run::new(&[flag, "-"]));
            assert!(ours.output.starts_with("REDIS"), "{ours:?}");
            assert_eq!(without_digits(ours).errors, without_digits(theirs).errors);
        }
        assert!(sizes[1] < sizes[0], "{sizes:?}");
    }
    pair.compare(&Run::new(&["--rdb", path, "--functions-rdb", path]));
    for flag in ["--rdb", "--functions-rdb"] {
        let run = Run::new(&[flag, "/nothing/at/all"]);
        let [ours, theirs] = pair.outcomes(&run).map(without_digits);
        assert_eq!(ours, theirs, "{flag}");
    }
}

/// What a program that follows the server prints of what happens then.
fn followed(program: &Path, server: &TestServer) -> Vec<String> {
    let port = server.port().to_string();
    let mut child = Command::new(program)
        .args(["-p", &port, "--replica"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut client = server.client();
    // Changes are sent from the moment on at which it says where the data end.
    let errors = BufReader::new(child.stderr.take().expect("it was piped"));
    let mut errors = errors.lines().map_while(Result::ok);
    assert!(errors.any(|line| line.starts_with("SYNC with master")));
    let commands = [
        r#"SET a"b value"#,
        r#"MSET a "\x00\xff" b "two words" c """#,
        "EVAL \"redis.call('set', 'x', '1') redis.call('incr', 'x')\" 0",
        "SET end 1",
    ];
    for command in commands {
        client.run(command);
    }
    // It does not hang when the program writes more there.
    let rest = std::thread::spawn(move || errors.count());
    let output = BufReader::new(child.stdout.take().expect("it was piped"));
    let mut lines = Vec::new();
    for line in output.lines().map_while(Result::ok) {
        let is_last = line.contains("end");
        // Where the stream selects its database is the server's choice.
        if !line.contains("SELECT") {
            lines.push(line);
        }
        if is_last {
            break;
        }
    }
    child.kill().expect("it runs until it is told");
    child.wait().expect("it was started");
    rest.join().expect("counting does not panic");
    lines
}

#[test]
fn a_server_is_followed_alike() {
    let Some(pair) = Pair::start(&["--repl-diskless-sync-delay", "0"]) else {
        return;
    };
    let lines = [ours(), pair.theirs.clone()].map(|program| followed(&program, &pair.servers[0]));
    assert_eq!(lines[0], lines[1]);
    assert!(lines[0].len() >= 7, "{lines:?}");
}

/// The modes that go on until they are ended: the lines that each program prints of a second or so.
#[test]
fn endless_modes_print_and_go_on() {
    let Some(program) = redis_server() else {
        return;
    };
    let server = ServerBuilder::new(&program).start().expect("it starts");
    let port = server.port().to_string();
    for (flags, expected) in [
        (&["--lru-test", "100"][..], "Gets/sec | Hits: "),
        (&["--latency-dist", "-i", "0.1"], "\x1b[38;5;0m\x1b[48;5;"),
        (
            &["--latency-dist", "--mono", "-i", "0.1"],
            "\x1b[38;5;0m\x1b[48;5;",
        ),
    ] {
        let mut child = Command::new(ours())
            .args(["-p", &port])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("it was piped"));
        let lines = output.lines().map_while(Result::ok);
        let found = lines.filter(|line| line.contains(expected)).take(2).count();
        assert_eq!(found, 2, "{flags:?}");
        child.kill().expect("it runs until it is told");
        child.wait().expect("it was started");
    }
}
