//! Client side caching with several workers: a cache that believes every invalidation never keeps
//! an old value.

use std::collections::HashMap;
use std::thread;

use oxidis_testkit::{Client, Reply, ServerBuilder};

const KEYS: usize = 12;
const WRITERS: usize = 3;
const WRITES: usize = 1500;

/// A client with a cache, as a library with client side caching has it.
struct CachingClient {
    client: Client,
    cache: HashMap<Vec<u8>, Reply>,
}

impl CachingClient {
    fn new(mut client: Client, options: &str) -> Self {
        client.run("HELLO 3");
        let reply = client.run(&format!("CLIENT TRACKING on {options}"));
        assert_eq!(reply.to_string(), "+OK");
        CachingClient {
            client,
            cache: HashMap::new(),
        }
    }

    /// Sends a command and takes in invalidations until its reply comes.
    fn command(&mut self, line: &str) -> Reply {
        let words: Vec<&str> = line.split(' ').collect();
        self.client.send(&words).expect("it is sent");
        loop {
            match self.client.receive().expect("a reply") {
                Reply::Push(message) => self.invalidate(&message),
                reply => return reply,
            }
        }
    }

    fn invalidate(&mut self, message: &[Reply]) {
        match message {
            [Reply::Bulk(kind), Reply::Array(keys)] if kind == b"invalidate" => {
                for key in keys {
                    let Reply::Bulk(key) = key else {
                        panic!("a key is a bulk string: {key:?}");
                    };
                    self.cache.remove(key);
                }
            }
            [Reply::Bulk(kind), Reply::Null] if kind == b"invalidate" => self.cache.clear(),
            other => panic!("not an invalidation: {other:?}"),
        }
    }

    fn read(&mut self, key: &str) {
        if !self.cache.contains_key(key.as_bytes()) {
            let value = self.command(&format!("GET {key}"));
            self.cache.insert(key.as_bytes().to_vec(), value);
        }
    }
}

fn check(options: &str) {
    let server = ServerBuilder::oxidis()
        .arguments(["--io-threads", "3"])
        .start()
        .expect("the server starts");
    let mut cached = CachingClient::new(server.client(), options);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let mut client = server.client();
            scope.spawn(move || {
                for n in 0..WRITES {
                    let key = (n * (writer + 1)) % KEYS;
                    let line = match n % 50 {
                        0 => format!("DEL key:{key}"),
                        1 => format!("EVAL redis.call('incr',KEYS[1]) 1 key:{key}"),
                        2 if writer == 0 => "FLUSHDB".to_owned(),
                        _ => format!("INCR key:{key}"),
                    };
                    let words: Vec<&str> = line.split(' ').collect();
                    client.command(&words).expect("a reply");
                }
            });
        }
        for n in 0..2 * WRITES {
            cached.read(&format!("key:{}", n % KEYS));
        }
    });
    for key in 0..KEYS {
        cached.read(&format!("key:{key}"));
    }
    // What was on its way comes before the reply to the first of these, or right behind it.
    cached.command("PING");
    cached.command("PING");
    let mut client = server.client();
    for (key, value) in &cached.cache {
        let key = String::from_utf8_lossy(key);
        let actual = client.run(&format!("GET {key}"));
        assert!(
            *value == actual || value.is_null() && actual.is_null(),
            "{key} is cached as {value} but is {actual}"
        );
    }
}

#[test]
fn what_was_read_is_never_old() {
    check("");
}

#[test]
fn what_has_a_prefix_is_never_old() {
    check("BCAST PREFIX key:");
}

/// What many are told of an evicted key takes more memory than the key did: if it counted, all keys would go.
#[test]
fn what_trackers_are_told_of_evictions_evicts_nothing() {
    const TRACKERS: usize = 300;
    const CACHED_KEYS: usize = 200;
    let server = ServerBuilder::oxidis()
        .arguments(["--io-threads", "1", "--save", ""])
        .arguments(["--maxmemory-policy", "allkeys-lru"])
        .arguments(["--maxmemory-eviction-tenacity", "100"])
        .start()
        .expect("it starts");
    let mut client = server.client();
    for key in 0..CACHED_KEYS {
        client.run(&format!("SET key:{key} {}", "x".repeat(500)));
    }
    let read_all: Vec<Vec<String>> = (0..CACHED_KEYS)
        .map(|key| vec!["GET".to_owned(), format!("key:{key}")])
        .collect();
    let mut trackers = Vec::new();
    for _ in 0..TRACKERS {
        let mut tracker = server.client();
        tracker.run("HELLO 3");
        tracker.run("CLIENT TRACKING on");
        tracker.pipeline(&read_all).expect("it reads");
        trackers.push(tracker);
    }
    let info = client.run("INFO memory").text();
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    let used: usize = used.and_then(|used| used.parse().ok()).expect("a number");
    let limit = (used - 5_000).to_string();
    let replies = client
        .pipeline(&[
            vec!["CONFIG", "SET", "maxmemory", &limit],
            vec!["PING"],
            vec!["CONFIG", "SET", "maxmemory", "0"],
            vec!["DBSIZE"],
        ])
        .expect("it answers");
    let Reply::Integer(left) = replies[3] else {
        panic!("DBSIZE answers a number: {replies:?}");
    };
    assert!(left < CACHED_KEYS as i64, "{left}");
    assert!(left > CACHED_KEYS as i64 / 2, "{left}");
}
