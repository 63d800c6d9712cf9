//! Compares how texts are read and written with a real redis-server, on random texts.
//!
//! Where there is no redis-server these tests say so and check nothing.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oxidis_engine::random::Random;
use oxidis_engine::text::{Case, LongDouble, glob_matches, parse_double, parse_memory_size};
use oxidis_resp::{ReplyParser, Value, write_request};

/// A redis-server of our own and a connection to it, both gone when dropped.
struct Redis {
    process: Child,
    socket: PathBuf,
    connection: UnixStream,
}

impl Redis {
    /// Starts a server; `None` if there is none on this machine.
    fn start(name: &str) -> Option<Redis> {
        let socket =
            std::env::temp_dir().join(format!("oxidis-text-{name}-{}.sock", std::process::id()));
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
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server did not come up");
    }

    /// Sends requests in one go and returns the replies.
    fn ask(&mut self, requests: &[Vec<Vec<u8>>]) -> Vec<Value> {
        let mut stream = Vec::new();
        for request in requests {
            write_request(request, &mut stream);
        }
        let mut writer = self.connection.try_clone().expect("a second handle");
        let sender = std::thread::spawn(move || writer.write_all(&stream));
        let (mut parser, mut buffer, mut replies) = (ReplyParser::new(), Vec::new(), Vec::new());
        let mut room = vec![0; 1 << 16];
        while replies.len() < requests.len() {
            let length = self.connection.read(&mut room).expect("the server answers");
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
        sender.join().expect("no panic").expect("all was sent");
        replies
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn request(arguments: &[&[u8]]) -> Vec<Vec<u8>> {
    arguments.iter().map(|argument| argument.to_vec()).collect()
}

fn below(random: &mut Random, n: u64) -> usize {
    random.below(n) as usize
}

/// Some number, mostly as people write them, sometimes as nobody does.
fn number_text(random: &mut Random) -> Vec<u8> {
    let digits = |random: &mut Random, most: u64| {
        let count = below(random, most);
        (0..count)
            .map(|_| char::from(b'0' + random.below(10) as u8))
            .collect::<String>()
    };
    let sign = ["", "", "", "-", "-", "+"][below(random, 6)];
    let text = match random.below(20) {
        0 => format!(
            "{sign}0x{:x}.{:x}p{}",
            random.next(),
            random.next(),
            random.below(200) as i64 - 100
        ),
        1 => format!("{sign}0x{:x}", random.next() >> random.below(64)),
        2 => format!(
            "{sign}{}e{}",
            digits(random, 25),
            random.below(10000) as i64 - 5000
        ),
        3 => format!("{sign}{}.{}", digits(random, 400), digits(random, 400)),
        4 => format!("{sign}{:e}", f64::from_bits(random.next())),
        5 => format!(
            "{sign}{}.{}e{}",
            digits(random, 5),
            digits(random, 25),
            random.below(60) as i64 - 30
        ),
        6 => format!("{}", random.next() as i64),
        7 => {
            let noise = b"0123456789.eExXpP+-naifINF \0";
            let count = below(random, 8);
            return (0..count)
                .map(|_| noise[below(random, noise.len() as u64)])
                .collect();
        }
        8..=12 => format!("{sign}{}.{}", digits(random, 8), digits(random, 20)),
        _ => format!("{sign}{}.{}", digits(random, 5), digits(random, 4)),
    };
    text.into_bytes()
}

#[test]
fn sums_of_long_doubles_are_those_of_redis() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: a long double is another type on this platform");
        return;
    }
    let Some(mut redis) = Redis::start("sums") else {
        return;
    };
    let mut random = Random::new(1);
    let pairs: Vec<_> = (0..20_000)
        .map(|_| (number_text(&mut random), number_text(&mut random)))
        .collect();
    let requests: Vec<_> = pairs
        .iter()
        .flat_map(|(one, other)| {
            [
                request(&[b"SET", b"k", one]),
                request(&[b"INCRBYFLOAT", b"k", other]),
            ]
        })
        .collect();
    let replies = redis.ask(&requests);
    let mut sums = 0;
    for ((one, other), reply) in pairs.iter().zip(replies.chunks(2)) {
        let expected = match (LongDouble::parse(one), LongDouble::parse(other)) {
            (Some(one), Some(other)) if !(one + other).is_finite() => {
                Value::Error(b"ERR increment would produce NaN or Infinity".to_vec())
            }
            (Some(one), Some(other)) => {
                sums += 1;
                Value::Bulk((one + other).to_string().into_bytes())
            }
            _ => Value::Error(b"ERR value is not a valid float".to_vec()),
        };
        assert_eq!(
            reply[1],
            expected,
            "{} + {}",
            one.escape_ascii(),
            other.escape_ascii()
        );
    }
    assert!(sums >= 10_000, "only {sums} of the texts were numbers");
}

#[test]
fn doubles_are_read_as_redis_reads_them() {
    let Some(mut redis) = Redis::start("doubles") else {
        return;
    };
    let mut random = Random::new(2);
    let texts: Vec<_> = (0..20_000).map(|_| number_text(&mut random)).collect();
    let requests: Vec<_> = texts
        .iter()
        .flat_map(|text| {
            [
                request(&[b"ZADD", b"z", text, b"m"]),
                request(&[b"ZSCORE", b"z", b"m"]),
            ]
        })
        .collect();
    let replies = redis.ask(&requests);
    for (text, reply) in texts.iter().zip(replies.chunks(2)) {
        // Seventeen digits or the shortest ones: either reads back as the same double.
        let score = (!reply[0].is_error()).then(|| {
            let score = std::str::from_utf8(reply[1].as_bytes().expect("a score")).expect("ASCII");
            score.parse::<f64>().expect("a number")
        });
        assert_eq!(parse_double(text), score, "{}", text.escape_ascii());
    }
}

#[test]
fn patterns_match_the_keys_that_redis_matches() {
    let Some(mut redis) = Redis::start("patterns") else {
        return;
    };
    let mut random = Random::new(3);
    let letters = b"abcABC]^-\\[?*\x00\x7f\x80\xff";
    let keys: BTreeSet<Vec<u8>> = (0..300)
        .map(|_| {
            let length = 1 + below(&mut random, 6);
            (0..length)
                .map(|_| letters[below(&mut random, letters.len() as u64)])
                .collect()
        })
        .collect();
    let sets: Vec<_> = keys
        .iter()
        .map(|key| request(&[b"SET", key, b""]))
        .collect();
    redis.ask(&sets);

    let signs = b"abcABC]]^^--\\[[[??***\x80\xff";
    let patterns: Vec<Vec<u8>> = (0..20_000)
        .map(|_| {
            let length = below(&mut random, 9);
            (0..length)
                .map(|_| signs[below(&mut random, signs.len() as u64)])
                .collect()
        })
        .collect();
    let requests: Vec<_> = patterns
        .iter()
        .map(|pattern| request(&[b"KEYS", pattern]))
        .collect();
    let mut matches = 0;
    for (pattern, reply) in patterns.iter().zip(redis.ask(&requests)) {
        let theirs: BTreeSet<Vec<u8>> = reply
            .as_elements()
            .expect("an array")
            .iter()
            .map(|key| key.as_bytes().expect("a key").to_vec())
            .collect();
        let ours: BTreeSet<Vec<u8>> = keys
            .iter()
            .filter(|key| glob_matches(pattern, key, Case::Sensitive))
            .cloned()
            .collect();
        matches += ours.len();
        assert!(
            ours == theirs,
            "{}: {:?}",
            pattern.escape_ascii(),
            ours.symmetric_difference(&theirs)
        );
    }
    assert!(matches > 10_000, "only {matches} matches");
}

#[test]
fn patterns_without_case_match_the_names_that_redis_matches() {
    let Some(mut redis) = Redis::start("names") else {
        return;
    };
    let mut random = Random::new(4);
    let names = |reply: &Value| -> BTreeSet<Vec<u8>> {
        let elements = reply.as_elements().expect("an array");
        elements
            .iter()
            .map(|name| name.as_bytes().expect("a name").to_vec())
            .collect()
    };
    let all = names(&redis.ask(&[request(&[b"COMMAND", b"LIST"])])[0]);
    let signs = b"aeghlmprstAEGHLMPRSTZ]^-\\[[??*****";
    let patterns: Vec<Vec<u8>> = (0..5_000)
        .map(|_| {
            let length = below(&mut random, 8);
            (0..length)
                .map(|_| signs[below(&mut random, signs.len() as u64)])
                .collect()
        })
        .collect();
    let requests: Vec<_> = patterns
        .iter()
        .map(|pattern| request(&[b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", pattern]))
        .collect();
    for (pattern, reply) in patterns.iter().zip(redis.ask(&requests)) {
        let ours: BTreeSet<Vec<u8>> = all
            .iter()
            .filter(|name| glob_matches(pattern, name, Case::Insensitive))
            .cloned()
            .collect();
        assert!(ours == names(&reply), "{}", pattern.escape_ascii());
    }
}

#[test]
fn memory_sizes_are_read_as_redis_reads_them() {
    let Some(mut redis) = Redis::start("sizes") else {
        return;
    };
    // None above 2^63: whether those are allowed is the directive's business, and depends on
    // the version.
    for text in [
        "0",
        "1024",
        "1b",
        "1B",
        "1k",
        "1kb",
        "2M",
        "2mB",
        "3g",
        "3GB",
        "",
        "kb",
        "20000000000gb",
        "1.5gb",
        "1 kb",
        "1tb",
        "1kbb",
        "a",
        "0x10",
        "1e3",
        &"0".repeat(127),
        &"0".repeat(128),
    ] {
        let replies = redis.ask(&[
            request(&[b"CONFIG", b"SET", b"maxmemory", b"7"]),
            request(&[b"CONFIG", b"SET", b"maxmemory", text.as_bytes()]),
            request(&[b"CONFIG", b"GET", b"maxmemory"]),
        ]);
        let theirs = (!replies[1].is_error()).then(|| {
            let size = replies[2].as_elements().expect("a pair")[1]
                .as_bytes()
                .expect("a size");
            std::str::from_utf8(size)
                .expect("ASCII")
                .parse::<u64>()
                .expect("a number")
        });
        assert_eq!(parse_memory_size(text.as_bytes()), theirs, "{text:?}");
    }
}
