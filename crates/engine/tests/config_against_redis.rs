//! Compares the configuration with that of a real redis-server: names, defaults, what is accepted,
//! what is said to what is not, how files and command lines are read.
//!
//! Where there is no redis-server these tests say so and check nothing.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oxidis_engine::config::{Config, ConfigFileHost, RewriteScope, Setter, parse_arguments};
use oxidis_resp::{ReplyParser, Value, write_request};

/// Directives of redis-server 7.0.15 whose default is another here, and why.
const OTHER_DEFAULTS: [(&str, &str); 1] = [(
    "dir",
    "ours is made absolute by the server that holds the configuration",
)];

/// What is not set on the server that we talk to: it would move it, make it open files, or ask the
/// operating system for what it may refuse; or it takes other values since 7.0.15 (no more than 64
/// samples).
const NOT_SET: [&str; 11] = [
    "maxmemory-samples",
    "dir",
    "port",
    "bind",
    "tls-port",
    "tls-cluster",
    "tls-replication",
    "appendonly",
    "oom-score-adj",
    "oom-score-adj-values",
    "maxclients",
];

struct Redis {
    process: Child,
    socket: PathBuf,
    connection: UnixStream,
}

impl Redis {
    /// Starts a server with these arguments; `None` if there is none on this machine.
    fn start(name: &str, arguments: &[&str]) -> Option<Self> {
        let socket =
            std::env::temp_dir().join(format!("oxidis-config-{name}-{}.sock", std::process::id()));
        let started = Command::new("redis-server")
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .args(["--port", "0", "--unixsocket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("skipped: there is no redis-server here to compare with");
            return None;
        };
        for _ in 0..500 {
            if let Ok(connection) = UnixStream::connect(&socket) {
                connection
                    .set_read_timeout(Some(Duration::from_secs(10)))
                    .expect("not zero");
                return Some(Self {
                    process,
                    socket,
                    connection,
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server did not come up");
    }

    fn ask(&mut self, command: &[&str]) -> Value {
        let mut request = Vec::new();
        write_request(command, &mut request);
        self.connection
            .write_all(&request)
            .expect("the server listens");
        let (mut parser, mut buffer, mut room) = (ReplyParser::new(), Vec::new(), vec![0; 1 << 16]);
        loop {
            let length = self.connection.read(&mut room).expect("the server answers");
            assert_ne!(length, 0, "the server hung up after {command:?}");
            buffer.extend_from_slice(&room[..length]);
            let parsed = parser.parse(&buffer).expect("the server answers replies");
            buffer.drain(..parsed.consumed);
            if let Some(value) = parsed.value {
                return value;
            }
        }
    }

    fn config_get(&mut self, pattern: &str) -> BTreeMap<String, String> {
        let reply = self.ask(&["CONFIG", "GET", pattern]);
        let texts: Vec<String> = reply
            .as_elements()
            .expect("CONFIG GET answers an array")
            .iter()
            .map(|text| String::from_utf8_lossy(text.as_bytes().expect("of strings")).into_owned())
            .collect();
        texts
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    }

    /// The error of CONFIG SET without its code word, or nothing.
    fn config_set(&mut self, pairs: &[&str]) -> Result<(), String> {
        match self.ask(&[&["CONFIG", "SET"], pairs].concat()) {
            Value::Error(text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                Err(text
                    .strip_prefix("ERR ")
                    .map_or(text.clone(), str::to_owned))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

struct NoFiles;

impl ConfigFileHost for NoFiles {
    fn include(&mut self, pattern: &[u8]) -> Result<Vec<u8>, (Vec<u8>, String)> {
        Err((pattern.to_vec(), "No such file or directory".into()))
    }
}

fn get(config: &Config, pattern: &str) -> BTreeMap<String, String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    config
        .get(&[pattern.as_bytes()])
        .into_iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn set(config: &Config, pairs: &[&str]) -> Result<(), String> {
    let pairs: Vec<(&[u8], &[u8])> = pairs
        .chunks_exact(2)
        .map(|pair| (pair[0].as_bytes(), pair[1].as_bytes()))
        .collect();
    config
        .set(&pairs, Setter::default())
        .map_err(|error| error.to_string())
}

#[test]
fn names_and_defaults_are_those_of_redis() {
    let Some(mut redis) = Redis::start("defaults", &[]) else {
        return;
    };
    let ours = get(&Config::new(0), "*");
    for (name, value) in redis.config_get("*") {
        let here = ours.get(&name);
        assert!(here.is_some(), "{name} is missing");
        let differs = ["port", "unixsocket"].contains(&name.as_str())
            || OTHER_DEFAULTS.iter().any(|(other, _)| *other == name);
        if !differs {
            assert_eq!(here, Some(&value), "{name}");
        }
    }
    for hidden in [
        "watchdog-period",
        "rdb-key-save-delay",
        "key-load-delay",
        "use-exit-on-panic",
        "loading-process-events-interval-bytes",
        "lua-enable-deprecated-api",
    ] {
        assert!(!ours.contains_key(hidden));
        assert_eq!(redis.config_get(hidden), get(&Config::new(0), hidden));
    }
}

/// Every directive, each with many values: both accept it or say the same, and show the same then.
#[test]
fn every_directive_takes_and_refuses_what_redis_does() {
    const VALUES: [&str; 33] = [
        "",
        " ",
        "0",
        "1",
        "-1",
        "2",
        "64",
        "100",
        "+1",
        "01",
        " 1",
        "1 ",
        "x",
        "yes",
        "NO",
        "No",
        "local",
        "1kb",
        "2GB",
        "3m",
        "1x",
        "99999999999999999999",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "4294967296",
        "50%",
        "101%",
        "-5%",
        "%",
        "1.5",
        "a b",
        "10 20 30",
    ];
    let Some(mut redis) = Redis::start(
        "matrix",
        &["--enable-protected-configs", "yes", "--save", ""],
    ) else {
        return;
    };
    let config = Config::new(0);
    config
        .set_default("enable-protected-configs", b"yes")
        .unwrap();
    config.set_default("save", b"").unwrap();
    let names: Vec<String> = redis
        .config_get("*")
        .into_keys()
        .filter(|name| !NOT_SET.contains(&name.as_str()))
        .collect();
    assert!(names.len() > 150);
    for name in &names {
        for value in VALUES {
            // So little memory for clients disconnects the one that asks.
            let disconnects =
                name == "maxmemory-clients" && !value.contains(['x', 'y', 'N', '%', '.', ' ', '-']);
            if disconnects && value != "0" {
                continue;
            }
            let theirs = redis.config_set(&[name, value]);
            let ours = set(&config, &[name, value]);
            // `loglevel nothing` came with Redis 7.2.
            let ours = ours.map_err(|text| text.replace(", nothing", ""));
            assert_eq!(ours, theirs, "CONFIG SET {name} '{value}'");
            if name != "unixsocket" {
                assert_eq!(
                    get(&config, name),
                    redis.config_get(name),
                    "after CONFIG SET {name} '{value}'"
                );
            }
        }
    }
}

#[test]
fn directives_with_many_arguments_take_and_refuse_what_redis_does() {
    let sets: &[&[&str]] = &[
        &["save", "900 1"],
        &["save", "900 1 300 10"],
        &["save", "900  1"],
        &["save", "0 1"],
        &["save", "1 0"],
        &["save", "1"],
        &["save", "+1 +1"],
        &[
            "client-output-buffer-limit",
            "normal 0 0 0 replica 1mb 2mb 3",
        ],
        &["client-output-buffer-limit", "SLAVE 100mb 200mb 300"],
        &["client-output-buffer-limit", "master 1 2 3"],
        &["client-output-buffer-limit", "pubsub 1g 2k -3"],
        &["client-output-buffer-limit", "pubsub 1g 2x 3"],
        &["client-output-buffer-limit", "pubsub 1g 2k 3x"],
        &["client-output-buffer-limit", "pubsub 1 2"],
        &["notify-keyspace-events", "KEA"],
        &["notify-keyspace-events", "g$lshzxetdKEmn"],
        &["notify-keyspace-events", "Kmg$"],
        &["notify-keyspace-events", "K?"],
        &["oom-score-adj-values", "1 2"],
        &["oom-score-adj-values", "1 2 3000"],
        &["oom-score-adj-values", "1 2 x"],
        &["latency-tracking-info-percentiles", "50 99.9 1e1 0.1234567"],
        &["latency-tracking-info-percentiles", "101"],
        &["latency-tracking-info-percentiles", "-1"],
        &["latency-tracking-info-percentiles", "50 x"],
        &["shutdown-on-sigterm", "now force"],
        &["shutdown-on-sigterm", "force NOW nosave"],
        &["shutdown-on-sigterm", "default save"],
        &["shutdown-on-sigterm", "save nosave"],
        &["shutdown-on-sigint", "what"],
        &["dbfilename", "a/b"],
        &["dbfilename", "a\\b"],
        &["cluster-announce-hostname", "a.b-c"],
        &["cluster-announce-hostname", "a_b"],
        &["proc-title-template", "{title} {port}"],
        &["proc-title-template", "{title}"],
        &["proc-title-template", "{title} {what}"],
        &["proc-title-template", "{title"],
        &["proc-title-template", "{{ x"],
        &["proc-title-template", "   "],
        &["hz", "1000"],
        &["hz", "0"],
        &["maxmemory", "18446744073709551615"],
        &["maxmemory-clients", "50%"],
        &["maxmemory-policy", "allkeys-LRU"],
        &["activedefrag", "yes"],
        &["nonsense", "1"],
        &["Nonsense", "1", "databases", "1"],
        &["databases", "1", "nonsense", "1"],
        &["maxmemory", "1gb", "MAXMEMORY", "2gb"],
        &["maxmemory", "1gb", "hz", "x"],
        &["slave-priority", "3", "replica-priority", "4"],
        &["replica-priority", "5", "slave-priority", "6"],
        &["SLAVE-priority", "x"],
        &["REPLICAOF", "no one"],
        &["dbfilename", "x", "daemonize", "yes"],
    ];
    let Some(mut redis) = Redis::start("many", &["--save", ""]) else {
        return;
    };
    let config = Config::new(0);
    config.set_default("save", b"").unwrap();
    for pairs in sets {
        assert_eq!(
            set(&config, pairs),
            redis.config_set(pairs),
            "CONFIG SET {pairs:?}"
        );
        for name in pairs.iter().step_by(2) {
            assert_eq!(
                get(&config, name),
                redis.config_get(name),
                "after CONFIG SET {pairs:?}"
            );
        }
    }
    for pattern in [
        "max*y", "MAX*", "*slave*", "[lh]z", "hz?", "\\hz", "h[a-z]", "h[^z]", "**", "nothing",
        "Hz",
    ] {
        let ours = get(&config, pattern);
        for (name, value) in redis.config_get(pattern) {
            if name != "dir" && name != "port" && name != "unixsocket" {
                assert_eq!(ours.get(&name), Some(&value), "CONFIG GET {pattern}");
            }
        }
    }
}

/// What redis-server prints before it gives up, without its version.
fn complaint_of_redis(arguments: &[&str], stdin: &str) -> Option<String> {
    let mut process = Command::new("redis-server")
        .current_dir(std::env::temp_dir())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    // It may exit before it has read all of it.
    let _ = process
        .stdin
        .take()
        .expect("it is piped")
        .write_all(stdin.as_bytes());
    for _ in 0..1000 {
        if let Some(status) = process.try_wait().expect("it was started") {
            assert_eq!(status.code(), Some(1), "{arguments:?} {stdin}");
            let mut text = String::new();
            let mut stderr = process.stderr.take().expect("it is piped");
            stderr.read_to_string(&mut text).expect("it is text");
            return Some(without_version(text.trim()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = process.kill();
    panic!("redis-server accepts {arguments:?} {stdin}");
}

fn complaint_of_ours(arguments: &[&str], stdin: &str) -> String {
    let arguments: Vec<Vec<u8>> = arguments
        .iter()
        .map(|argument| argument.as_bytes().to_vec())
        .collect();
    let line = parse_arguments(&arguments);
    let stdin = if line.read_stdin { stdin } else { "" };
    let text = line.assemble(b"", stdin.as_bytes());
    let error = Config::new(0)
        .load(&text, &mut NoFiles)
        .expect_err("redis-server refuses it");
    without_version(&error.to_string())
}

fn without_version(text: &str) -> String {
    let (head, rest) = text.split_once('\n').expect("more than one line");
    assert!(
        head.starts_with("*** FATAL CONFIG FILE ERROR (Redis "),
        "{head}"
    );
    rest.to_owned()
}

#[test]
fn wrong_files_and_command_lines_get_the_complaint_of_redis() {
    // Each ends with a line that is wrong in any case, lest a server be started by what should
    // have been refused.
    let texts = [
        "bogus",
        "port",
        "port 1 2",
        "port x",
        "port 70000",
        "\n# comment\n   \nPORT 70000   \t",
        "maxmemory 'a",
        "maxmemory \"1mb\"x",
        "maxmemory 1mb\nmaxmemory-policy maybe",
        "save 1",
        "save 1 x",
        "save \"\"\nsave '1 2'\nsave \"1 2 3\"",
        "client-output-buffer-limit pubsub 1 2",
        "client-output-buffer-limit bogus 1 2 3",
        "list-max-ziplist-entries 1\nlist-max-ziplist-entries 1 2",
        "lua-replicate-commands yes\nbogus",
        "include a b",
        "rename-command a",
        "user",
        "loadmodule",
        "bf.size",
        "sentinel\nsentinel x",
        "bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
        "replicaof a",
        "replicaof a x",
        "replicaof a 70000",
        "slaveof no one\nslaveof no two",
        "unixsocketperm 8",
        "unixsocketperm 1000",
        "appendfilename ''",
        "appendfilename a/b",
        "appenddirname ''",
        "appenddirname a/b",
        "syslog-facility kern",
        "supervised perhaps",
        "io-threads 0",
        "io-threads 129",
        "databases 0",
        "shutdown-on-sigterm save nosave",
        "shutdown-on-sigterm",
        "oom-score-adj-values 1 2",
        "latency-tracking-info-percentiles 1 2 300",
        "daemonize maybe",
        "tls-auth-clients maybe\n",
        "cluster-enabled yes\nreplicaof a 1",
        "hash-max-ziplist-value 1x",
        "aclfile a b",
        "notify-keyspace-events K?",
        "maxclients 0",
    ];
    for text in texts {
        let Some(theirs) = complaint_of_redis(&["-"], text) else {
            eprintln!("skipped: there is no redis-server here to compare with");
            return;
        };
        assert_eq!(complaint_of_ours(&["-"], text), theirs, "{text}");
    }
    let lines: [&[&str]; 14] = [
        &["--bogus", "1"],
        &["--bogus"],
        &["--port=1"],
        &["--port", "1", "--hz"],
        &["--port", "1", "2"],
        &["--port", "--hz", "--hz", "1"],
        &["--save", "--port", "x"],
        &["--save", "1 2", "--save", "1"],
        &["--save", "1", "2", "--bogus"],
        &["--requirepass", "-", "--bogus", "a\"b"],
        &["--port 1", "--bogus 2"],
        &["--client-output-buffer-limit", "pubsub", "1", "2"],
        &[
            "--shutdown-on-sigterm",
            "now force",
            "--shutdown-on-sigint",
            "x y",
        ],
        &["--replicaof", "a", "b"],
    ];
    for line in lines {
        let theirs = complaint_of_redis(line, "").expect("it was there a moment ago");
        assert_eq!(complaint_of_ours(line, ""), theirs, "{line:?}");
    }
}

/// The configuration file that Debian ships, and ours after it was rewritten, mean the same to both.
#[test]
fn files_and_rewritten_files_mean_to_redis_what_they_mean_to_us() {
    let text = "maxmemory 100mb\nsave 60 1\nsave 30 2\nmaxmemory-policy allkeys-lru\nclient-output-buffer-limit replica 1mb 1kb 3\n\
                requirepass \"\"\nnotify-keyspace-events KEA\nlatency-tracking-info-percentiles 10 20\nshutdown-on-sigterm now force\n\
                proc-title-template '{title} \"x\" {port}'\nhz 7\nunixsocketperm 700\nslave-priority 3\noom-score-adj-values 1 2 3\n\
                maxmemory-clients 5%\nbind 127.0.0.1 -::1\nlua-time-limit 3\n";
    let ours = Config::new(0);
    ours.load(text.as_bytes(), &mut NoFiles).unwrap();
    // Names that redis-server 7.0 does not know are at their defaults and therefore not written.
    let rewritten = ours.rewrite(b"# nothing yet\n", None, RewriteScope::Changed);
    let path = std::env::temp_dir().join(format!("oxidis-config-{}.conf", std::process::id()));
    for file in [text.as_bytes().to_vec(), rewritten] {
        std::fs::write(&path, &file).unwrap();
        let Some(mut redis) = Redis::start("file", &[path.to_str().unwrap()]) else {
            return;
        };
        let here = get(&ours, "*");
        for (name, value) in redis.config_get("*") {
            if !["dir", "port", "unixsocket"].contains(&name.as_str()) {
                assert_eq!(here.get(&name), Some(&value), "{name}");
            }
        }
    }
    std::fs::remove_file(&path).unwrap();
}
