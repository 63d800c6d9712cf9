//! The two that are compared: a session on an engine in this process, and a redis-server of our own.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use oxidis_engine::command::Args;
use oxidis_engine::config::Config;
use oxidis_engine::{Clock, Engine, EngineOptions, NoHost, Session, Worker};
use oxidis_resp::{ReplyParser, Value, write_request};
use oxidis_script::Lua;

struct SystemClock;

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A session on an engine of its own.
pub struct Ours {
    worker: Worker,
    session: Session,
}

impl Ours {
    pub fn new() -> Self {
        let config = Arc::new(Config::new(7));
        let engine = Engine::new(EngineOptions {
            interpreter: Some(Arc::new(Lua::new(config.clone(), 7))),
            config,
            clock: Arc::new(SystemClock),
            host: Arc::new(NoHost),
            snapshot_codec: None,
            seed: 7,
            workers: 1,
        });
        Ours {
            worker: Worker::new(&engine),
            session: Session::new(&engine, String::new(), String::new()),
        }
    }

    pub fn ask(&mut self, command: &[&[u8]]) -> Value {
        let mut reply = Vec::new();
        self.session
            .execute_arguments(&mut self.worker, Args::slices(command), &mut reply);
        let parsed = ReplyParser::new().parse(&reply).expect("a reply");
        parsed.value.expect("a whole reply")
    }
}

/// A redis-server of our own and a connection to it, both gone when dropped.
pub struct Redis {
    process: Child,
    socket: PathBuf,
    connection: UnixStream,
    parser: ReplyParser,
    unread: Vec<u8>,
}

impl Redis {
    /// Starts a server; `None` if there is none on this machine.
    pub fn start(name: &str) -> Option<Redis> {
        let socket =
            std::env::temp_dir().join(format!("oxidis-script-{name}-{}.sock", std::process::id()));
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("skipped: there is no redis-server here to compare with");
            return None;
        };
        for _ in 0..500 {
            if let Ok(connection) = UnixStream::connect(&socket) {
                return Some(Redis {
                    process,
                    socket,
                    connection,
                    parser: ReplyParser::new(),
                    unread: Vec::new(),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server did not come up");
    }

    pub fn ask(&mut self, command: &[&[u8]]) -> Value {
        let mut request = Vec::new();
        write_request(command, &mut request);
        self.connection.write_all(&request).expect("it listens");
        let mut room = vec![0; 1 << 16];
        loop {
            let parsed = self.parser.parse(&self.unread).expect("a reply");
            self.unread.drain(..parsed.consumed);
            if let Some(value) = parsed.value {
                return value;
            }
            let count = self.connection.read(&mut room).expect("it answers");
            assert!(count > 0, "redis-server went away on {command:?}");
            self.unread.extend_from_slice(&room[..count]);
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

/// Runs each command in both and compares the replies.
pub fn compare(name: &str, commands: &[&[&str]]) {
    let Some(mut redis) = Redis::start(name) else {
        return;
    };
    let mut ours = Ours::new();
    let mut differences = Vec::new();
    for command in commands {
        let command: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        let (expected, actual) = (redis.ask(&command), ours.ask(&command));
        if expected != actual {
            let words: Vec<_> = command.iter().map(|word| word.escape_ascii()).collect();
            let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
            differences.push(format!(
                "{}\n  redis {expected:?}\n  ours  {actual:?}",
                words.join(" ")
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Runs each script in both, without keys or arguments, and compares the replies.
pub fn compare_scripts(name: &str, scripts: &[&str]) {
    let commands: Vec<[&str; 3]> = scripts.iter().map(|script| ["EVAL", script, "0"]).collect();
    let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
    compare(name, &commands);
}
