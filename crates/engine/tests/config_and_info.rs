//! CONFIG and INFO as a client meets them, in an engine whose clock and host are ours.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use oxidis_engine::command::Args;
use oxidis_engine::config::{Config, RewriteScope};
use oxidis_engine::{Clock, Engine, EngineOptions, Host, Session, Worker};
use oxidis_resp::{ReplyParser, Value};
use parking_lot::Mutex;

struct FixedClock(AtomicI64);

impl Clock for FixedClock {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct TestHost {
    rewritten: Mutex<Vec<Vec<u8>>>,
}

impl Host for TestHost {
    fn used_memory_bytes(&self) -> u64 {
        1_000_000
    }

    fn information(&self) -> Vec<(&'static str, &'static str, String)> {
        vec![
            ("memory", "used_memory_rss", "2000000".to_owned()),
            ("server", "process_id", "77".to_owned()),
            ("server", "tcp_port", "7".to_owned()),
            ("cpu", "used_cpu_user", "1.5".to_owned()),
            ("stats", "something_new", "3".to_owned()),
        ]
    }

    fn rewrite_config(
        &self,
        config: &Config,
        path: &[u8],
        users: &[Vec<u8>],
        scope: RewriteScope,
    ) -> Result<(), String> {
        if path == b"/forbidden" {
            return Err("Permission denied".to_owned());
        }
        self.rewritten
            .lock()
            .push(config.rewrite(b"", Some(users), scope));
        Ok(())
    }
}

struct Client {
    engine: Arc<Engine>,
    clock: Arc<FixedClock>,
    host: Arc<TestHost>,
    worker: Worker,
    session: Session,
}

impl Client {
    fn new() -> Self {
        let clock = Arc::new(FixedClock(AtomicI64::new(1_700_000_000_000_000)));
        let host = Arc::new(TestHost::default());
        let engine = Engine::new(EngineOptions {
            config: Arc::new(Config::new(1)),
            clock: clock.clone(),
            host: host.clone(),
            snapshot_codec: None,
            interpreter: None,
            seed: 1,
            workers: 1,
        });
        let worker = Worker::new(&engine);
        let session = Session::new(&engine, "127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned());
        Self {
            engine,
            clock,
            host,
            worker,
            session,
        }
    }

    fn ask(&mut self, command: &[&str]) -> Value {
        let command: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        let mut output = Vec::new();
        self.session
            .execute_arguments(&mut self.worker, Args::slices(&command), &mut output);
        ReplyParser::new().parse(&output).unwrap().value.unwrap()
    }

    fn error(&mut self, command: &[&str]) -> String {
        match self.ask(command) {
            Value::Error(text) => String::from_utf8_lossy(&text).into_owned(),
            other => panic!("{command:?} answers {other:?}"),
        }
    }

    fn info(&mut self, sections: &[&str]) -> String {
        let reply = self.ask(&[&["INFO"], sections].concat());
        String::from_utf8(reply.as_bytes().expect("INFO answers a string").to_vec()).unwrap()
    }
}

/// The names of the fields, in their order.
fn fields(info: &str) -> Vec<String> {
    info.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .collect()
}

#[test]
fn config_reads_and_changes() {
    let mut client = Client::new();
    let names = |reply: Value| reply.as_elements().map(<[Value]>::len);
    assert_eq!(
        names(client.ask(&["CONFIG", "GET", "hz", "maxmemory", "none", "h?"])),
        Some(4)
    );
    assert_eq!(
        client
            .ask(&["CONFIG", "SET", "hz", "33", "maxmemory", "1gb"])
            .as_bytes(),
        Some(&b"OK"[..])
    );
    assert_eq!(
        (
            client.engine.config().hz(),
            client.engine.config().maxmemory()
        ),
        (33, 1 << 30)
    );
    assert_eq!(
        client.error(&["CONFIG", "SET", "hz", "33", "maxmemory"]),
        "ERR syntax error"
    );
    assert_eq!(
        client.error(&["CONFIG", "SET", "hz"]),
        "ERR wrong number of arguments for 'config|set' command"
    );
    assert_eq!(
        client.error(&["CONFIG", "SET", "nope", "1"]),
        "ERR Unknown option or number of arguments for CONFIG SET - 'nope'"
    );
    assert_eq!(
        client.error(&["CONFIG", "SET", "databases", "1"]),
        "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"
    );
    assert_eq!(
        client.error(&["CONFIG", "NOPE"]),
        "ERR unknown subcommand 'NOPE'. Try CONFIG HELP."
    );
}

#[test]
fn config_rewrite_needs_a_file_that_can_be_written() {
    let mut client = Client::new();
    assert_eq!(
        client.error(&["CONFIG", "REWRITE"]),
        "ERR The server is running without a config file"
    );
    client
        .engine
        .config()
        .set_file(Some(b"/forbidden".to_vec()));
    assert_eq!(
        client.error(&["CONFIG", "REWRITE"]),
        "ERR Rewriting config file: Permission denied"
    );
    client
        .engine
        .config()
        .set_file(Some(b"/tmp/redis.conf".to_vec()));
    client.ask(&["CONFIG", "SET", "timeout", "5"]);
    assert_eq!(
        client.ask(&["CONFIG", "REWRITE"]).as_bytes(),
        Some(&b"OK"[..])
    );
    let text = String::from_utf8(client.host.rewritten.lock()[0].clone()).unwrap();
    assert!(text.lines().any(|line| line == "timeout 5"), "{text}");
}

#[test]
fn changed_encoding_limits_hold_for_the_next_command() {
    let mut client = Client::new();
    client.ask(&["CONFIG", "SET", "hash-max-listpack-entries", "1"]);
    client.ask(&["HSET", "h", "a", "1", "b", "2"]);
    assert_eq!(
        client
            .engine
            .config()
            .encoding_limits()
            .hash_max_listpack_entries,
        1
    );
}

#[test]
fn statistics_count_and_are_reset() {
    let mut client = Client::new();
    client.ask(&["SET", "a", "1"]);
    client.ask(&["GET", "a"]);
    client.ask(&["GET", "b"]);
    client.ask(&["HGET", "a", "f"]);
    let info = client.info(&["stats", "commandstats", "errorstats"]);
    for line in [
        "keyspace_hits:2",
        "keyspace_misses:1",
        "cmdstat_get:calls=2,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0",
        "cmdstat_hget:calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1",
        "errorstat_WRONGTYPE:count=1",
        "something_new:3",
    ] {
        assert!(
            info.lines().any(|found| found == line),
            "{line} is not in\n{info}"
        );
    }
    client.ask(&["CONFIG", "RESETSTAT"]);
    let info = client.info(&["all"]);
    assert!(
        info.contains("keyspace_hits:0\r\n")
            && !info.contains("cmdstat_get")
            && !info.contains("errorstat_")
    );
}

#[test]
fn sections_are_chosen_as_in_redis() {
    let mut client = Client::new();
    client.ask(&["GET", "a"]);
    for (sections, with_calls) in [
        (&[][..], false),
        (&["default"], false),
        (&["all"], true),
        (&["everything"], true),
    ] {
        let info = client.info(sections);
        for part in [
            "redis_version:",
            "used_cpu_user:1.5\r\n",
            "used_memory:",
            "# Keyspace\r\n",
        ] {
            assert!(info.contains(part), "{sections:?} lacks {part}");
        }
        assert_eq!(info.contains("rejected_calls"), with_calls, "{sections:?}");
        assert!(info.contains("# Modules\r\n"), "{sections:?}");
    }
    assert_eq!(client.info(&["nonsense"]), "");
    assert_eq!(
        client.info(&["CPU", "nonsense"]),
        "# CPU\r\nused_cpu_user:1.5\r\n"
    );
    let two = client.info(&["keyspace", "Server", "server"]);
    assert!(
        two.starts_with("# Server\r\n") && two.ends_with("\r\n\r\n# Keyspace\r\n"),
        "{two}"
    );
    assert!(two.contains("tcp_port:7\r\n") && two.contains("process_id:77\r\n"));
    let all = fields(&client.info(&["everything"]));
    assert_eq!(
        all.len(),
        all.iter().collect::<BTreeSet<_>>().len(),
        "a field is there twice: {all:?}"
    );
}

#[test]
fn keys_that_expire_at_the_end_of_all_time_are_told_of() {
    let mut client = Client::new();
    for key in ["one", "two", "three"] {
        client.ask(&["SET", key, "value", "PXAT", "9223372036854775807"]);
    }
    let page = client.info(&["keyspace"]);
    let start = "# Keyspace\r\ndb0:keys=3,expires=3,avg_ttl=";
    let ttl_ms = page
        .strip_prefix(start)
        .and_then(|rest| rest.split(',').next());
    let ttl_ms: i64 = ttl_ms.expect("a number").parse().expect("a number");
    assert!(ttl_ms > 0, "{page}");
    client.ask(&["MEMORY", "STATS"]);
}

#[test]
fn memory_is_told_of_in_transactions_too() {
    let mut client = Client::new();
    client.ask(&["MULTI"]);
    client.ask(&["SET", "key", "value"]);
    client.ask(&["MEMORY", "DOCTOR"]);
    client.ask(&["MEMORY", "STATS"]);
    let reply = client.ask(&["EXEC"]);
    assert_eq!(reply.as_elements().unwrap().len(), 3);
}

#[test]
fn keyspace_and_memory_tell_what_there_is() {
    let mut client = Client::new();
    for index in 0..100 {
        client.ask(&["SET", &format!("key{index}"), "value"]);
        client.ask(&["SET", &format!("volatile{index}"), "value", "PX", "5000"]);
    }
    client.clock.0.fetch_add(2_000_000, Ordering::Relaxed);
    assert_eq!(
        client.info(&["keyspace"]),
        "# Keyspace\r\ndb0:keys=200,expires=100,avg_ttl=3000,subexpiry=0\r\n"
    );
    client.ask(&["MULTI"]);
    client.ask(&["INFO", "keyspace"]);
    let reply = client.ask(&["EXEC"]);
    let inside = reply.as_elements().unwrap()[0].as_bytes().unwrap();
    assert!(inside.starts_with(b"# Keyspace\r\ndb0:keys=200,"));
    let memory = client.info(&["memory"]);
    for line in [
        "used_memory:1000000",
        "used_memory_human:976.56K",
        "used_memory_rss:2000000",
        "mem_fragmentation_ratio:2.00",
        "maxmemory_policy:noeviction",
    ] {
        assert!(
            memory.lines().any(|found| found == line),
            "{line} is not in\n{memory}"
        );
    }
    assert!(client.info(&["server"]).contains("uptime_in_seconds:2\r\n"));
}

/// Fields of redis-server 7.0.15 that are not here, and why.
#[cfg(unix)]
const LEFT_OUT: [(&str, &str); 23] = [
    ("atomicvar_api", "how Redis was compiled"),
    ("gcc_version", "how Redis was compiled"),
    ("monotonic_clock", "the host's"),
    ("executable", "the host's"),
    ("os", "the host's"),
    ("multiplexing_api", "the host's"),
    ("mem_allocator", "the host's"),
    ("total_system_memory", "the host's"),
    ("total_system_memory_human", "the host's"),
    ("used_cpu_sys", "the host's"),
    ("used_cpu_sys_children", "the host's"),
    ("used_cpu_sys_main_thread", "the host's"),
    ("used_cpu_user_children", "the host's"),
    ("used_cpu_user_main_thread", "the host's"),
    ("allocator_allocated", "the host's"),
    ("allocator_active", "the host's"),
    ("allocator_resident", "the host's"),
    ("allocator_frag_bytes", "the host's"),
    ("allocator_frag_ratio", "the host's"),
    ("allocator_rss_bytes", "the host's"),
    ("allocator_rss_ratio", "the host's"),
    ("rss_overhead_bytes", "the host's"),
    ("rss_overhead_ratio", "the host's"),
];

#[cfg(unix)]
#[test]
fn every_field_of_redis_is_there_or_its_absence_has_a_reason() {
    let socket = std::env::temp_dir().join(format!("oxidis-info-{}.sock", std::process::id()));
    let started = std::process::Command::new("redis-server")
        .current_dir(std::env::temp_dir())
        // A name that no file has: there is nothing to load.
        .args(["--dbfilename", "oxidis-info-none.rdb"])
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn();
    let Ok(mut process) = started else {
        eprintln!("skipped: there is no redis-server here to compare with");
        return;
    };
    let connection = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::os::unix::net::UnixStream::connect(&socket).ok()
    });
    let theirs = ask_info(connection.expect("redis-server comes up"));
    process.kill().unwrap();
    process.wait().unwrap();
    std::fs::remove_file(&socket).ok();
    let ours: BTreeSet<String> = fields(&Client::new().info(&["everything"]))
        .into_iter()
        .collect();
    let left_out: BTreeSet<&str> = LEFT_OUT.iter().map(|(field, _)| *field).collect();
    let of_commands = |field: &str| {
        ["cmdstat_", "errorstat_", "latency_"]
            .iter()
            .any(|prefix| field.starts_with(prefix))
    };
    for field in fields(&theirs).iter().filter(|field| !of_commands(field)) {
        assert_ne!(
            ours.contains(field),
            left_out.contains(field.as_str()),
            "{field}"
        );
    }
}

#[cfg(unix)]
fn ask_info(mut connection: std::os::unix::net::UnixStream) -> String {
    use std::io::{Read, Write};
    connection.write_all(b"INFO everything\r\n").unwrap();
    let (mut parser, mut buffer, mut room) = (ReplyParser::new(), Vec::new(), vec![0; 1 << 16]);
    loop {
        let length = connection.read(&mut room).unwrap();
        assert_ne!(length, 0, "redis-server hung up");
        buffer.extend_from_slice(&room[..length]);
        let parsed = parser.parse(&buffer).unwrap();
        buffer.drain(..parsed.consumed);
        if let Some(value) = parsed.value {
            return String::from_utf8_lossy(value.as_bytes().unwrap()).into_owned();
        }
    }
}
