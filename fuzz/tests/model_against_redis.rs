//! The naive model must be right before anything is measured by it: random commands to it and to
//! a real redis-server must be answered alike.
//!
//! Where there is no redis-server this test says so and checks nothing.
#![cfg(unix)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oxidis_engine::random::Random;
use oxidis_fuzz::commands::Choices;
use oxidis_fuzz::model::Model;
use oxidis_resp::{ReplyParser, Value, write_request};

/// A redis-server of our own, gone when dropped.
struct Redis {
    process: Child,
    socket: PathBuf,
}

impl Redis {
    fn start() -> Option<Redis> {
        let socket = std::env::temp_dir().join(format!("oxidis-model-{}.sock", std::process::id()));
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .args([
                "--hash-max-listpack-entries",
                "4",
                "--zset-max-listpack-entries",
                "4",
            ])
            .args([
                "--set-max-intset-entries",
                "3",
                "--list-max-listpack-size",
                "3",
            ])
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("skipped: there is no redis-server here to compare with");
            return None;
        };
        let server = Redis { process, socket };
        for _ in 0..500 {
            if UnixStream::connect(&server.socket).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server did not come up");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn read_replies(connection: &mut UnixStream, count: usize) -> Vec<Value> {
    let (mut parser, mut buffer, mut replies) = (ReplyParser::new(), Vec::new(), Vec::new());
    let mut room = vec![0; 1 << 16];
    while replies.len() < count {
        let length = connection.read(&mut room).expect("the server answers");
        assert_ne!(length, 0, "the server hung up");
        buffer.extend_from_slice(&room[..length]);
        let mut at = 0;
        loop {
            let parsed = parser.parse(&buffer[at..]).expect("replies");
            at += parsed.consumed;
            match parsed.value {
                Some(value) => replies.push(value),
                None => break,
            }
        }
        buffer.drain(..at);
    }
    replies
}

#[test]
fn the_model_answers_as_redis_does() {
    let Some(redis) = Redis::start() else { return };
    let mut connection = UnixStream::connect(&redis.socket).expect("the server listens");
    let mut random = Random::new(1);
    for round in 0..300 {
        let bytes: Vec<u8> = (0..2000).map(|_| random.next() as u8).collect();
        let mut choices = Choices::new(&bytes, 0);
        let commands: Vec<_> = std::iter::from_fn(|| choices.command()).collect();
        let mut stream = Vec::new();
        write_request(&["FLUSHALL"], &mut stream);
        for command in &commands {
            write_request(command, &mut stream);
        }
        connection.write_all(&stream).expect("the server listens");
        let replies = read_replies(&mut connection, commands.len() + 1);
        let mut model = Model::default();
        for (index, (command, reply)) in commands.iter().zip(&replies[1..]).enumerate() {
            let expected = model.execute(command);
            assert!(
                expected.is_met_by(reply),
                "round {round}: {reply:?} instead of {expected:?} after\n{}",
                shown(&commands[..=index]),
            );
        }
    }
}

fn shown(commands: &[Vec<Vec<u8>>]) -> String {
    let last = &commands[commands.len().saturating_sub(12)..];
    let line = |command: &Vec<Vec<u8>>| {
        let words: Vec<_> = command
            .iter()
            .map(|word| format!("{:?}", word.escape_ascii().to_string()))
            .collect();
        words.join(" ")
    };
    last.iter().map(line).collect::<Vec<_>>().join("\n")
}
