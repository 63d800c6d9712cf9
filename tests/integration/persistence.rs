//! Data sets in files: to and from a real redis-server, and saved while everything changes.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use oxidis_testkit::server::redis_server;
use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

use crate::random_data;

/// A server whose files are in `folder`.
pub(crate) fn start(builder: ServerBuilder, folder: &Path) -> TestServer {
    let folder = folder
        .to_str()
        .expect("a temporary folder has a plain name");
    let arguments = [
        "--enable-debug-command",
        "yes",
        "--dir",
        folder,
        "--save",
        "",
    ];
    builder.arguments(arguments).start().expect("it starts")
}

pub(crate) fn digest(client: &mut Client) -> Reply {
    client.run("DEBUG DIGEST")
}

/// The libraries of functions, and that they can be called.
pub(crate) fn functions(client: &mut Client) -> [Reply; 3] {
    // Redis lists them in no order.
    let mut list = client.run("FUNCTION LIST WITHCODE");
    if let Reply::Array(libraries) = &mut list {
        libraries.sort_by_key(|library| format!("{library:?}"));
    }
    [
        list,
        client.run("FCALL answer 0"),
        client.run("FCALL read 1 number"),
    ]
}

/// Data of every type, encoding and database, and some with an expiry; and functions.
pub(crate) fn fill(client: &mut Client, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for code in [
        "#!lua name=first\nredis.register_function('answer', function() return 42 end)".to_owned(),
        format!(
            "#!lua name=second\n--{}\nredis.register_function{{function_name='read', \
             callback=function(keys) return redis.call('get', keys[1]) end, flags={{'no-writes'}}}}",
            "long ".repeat(50)
        ),
    ] {
        let loaded = client.command(&["FUNCTION", "LOAD", code.as_str()]);
        assert!(loaded.is_ok_and(|reply| !reply.is_error()));
    }
    for database in [0, 3, 15] {
        client.run(&format!("SELECT {database}"));
        random_data::fill(client, &mut random, "key", 60);
        client.run("PEXPIREAT key3 4102444800123");
        client.run("SETRANGE ranged 5 abc");
        client.run("SET number -12345678901");
        client.run("APPEND number 9");
        client.run("PFADD loglog a b c d e");
        for n in 0..300 {
            client.run(&format!("XADD stream {}-{n} field value:{n} n {n}", n + 1));
        }
        client.run("XDEL stream 5-4 299-298");
        client.run("XGROUP CREATE stream group 0");
        client.run("XGROUP CREATE stream other $");
        client.run("XREADGROUP GROUP group alice COUNT 20 STREAMS stream >");
        client.run("XREADGROUP GROUP group bob COUNT 7 STREAMS stream >");
        client.run("XACK stream group 2-1 23-22");
        client.run("XADD drained 1-1 a b");
        client.run("XDEL drained 1-1");
    }
}

#[test]
fn files_go_to_redis_and_come_from_it() {
    let Some(program) = redis_server() else {
        eprintln!("redis-server is not installed: nothing was compared");
        return;
    };
    for (compresses, seed) in [("yes", 1), ("no", 2)] {
        for ours_first in [true, false] {
            let folder = tempfile::tempdir().expect("there is room");
            let (ours, theirs) = (ServerBuilder::oxidis(), ServerBuilder::new(&program));
            let (from, to) = if ours_first {
                (ours, theirs)
            } else {
                (theirs, ours)
            };
            let (expected, expected_functions) = {
                let server = start(from, folder.path());
                let mut client = server.client();
                client.run(&format!("CONFIG SET rdbcompression {compresses}"));
                fill(&mut client, seed);
                assert_eq!(client.run("SAVE"), Reply::Simple(b"OK".to_vec()));
                client.run("SELECT 3");
                let functions = functions(&mut client);
                assert_eq!(functions[1], Reply::Integer(42));
                (digest(&mut client), functions)
            };
            let server = start(to, folder.path());
            let mut client = server.client();
            let found = digest(&mut client);
            assert_eq!(found, expected, "ours first: {ours_first}");
            client.run("SELECT 3");
            let found = functions(&mut client);
            // The order of libraries is nobody's promise.
            assert_eq!(sorted(found), sorted(expected_functions));
        }
    }
}

fn sorted([list, answer, read]: [Reply; 3]) -> [Reply; 3] {
    let Reply::Array(mut libraries) = list else {
        panic!("not a list of libraries: {list:?}");
    };
    libraries.sort_by_key(|library| format!("{library:?}"));
    [Reply::Array(libraries), answer, read]
}

/// The commands of one writer's transaction number `n`, which touch keys of its own in ways that depend on nothing
/// but `n`. Writer 0 exchanges and empties databases that are its own as well.
fn transaction(writer: usize, n: u64) -> Vec<String> {
    let key = |name: &str| format!("{writer}:{name}");
    let padding = "x".repeat((n % 3) as usize * 600);
    let (left, right) = match n % 2 {
        0 => (key("left"), key("right")),
        _ => (key("right"), key("left")),
    };
    let mut commands = vec![
        "SELECT 0".to_owned(),
        format!("SET {} {n}", key("count")),
        "INCR total".to_owned(),
        format!("SET {} {n}{padding}", key("string")),
        format!("APPEND {} {n}.", key("log")),
        format!("RPUSH {} {n} {n}{padding}", key("list")),
        format!("LPUSH {} {n}", key("other_list")),
        format!("LTRIM {} -90 -1", key("list")),
        format!("RPOPLPUSH {} {}", key("other_list"), key("third_list")),
        format!("HSET {} field:{} {n}", key("hash"), n % 170),
        format!("HDEL {} field:{}", key("hash"), (n + 40) % 170),
        format!("SADD {} {n} member:{}", key("set"), n % 9),
        format!("SREM {} {}", key("set"), n.saturating_sub(30)),
        format!("ZADD {} {n} member:{}", key("sorted_set"), n % 160),
        format!("ZREMRANGEBYSCORE {} -inf {}", key("sorted_set"), n / 2),
        format!("XADD {} {n}-1 field {n}", key("stream")),
        format!("XTRIM {} MAXLEN 40", key("stream")),
        format!("SET {left} {n}"),
        format!("RENAME {left} {right}"),
        format!("COPY {} {} REPLACE", key("list"), key("copy")),
        format!("PEXPIREAT {} {}", key("copy"), 4_102_444_800_000 + n),
        format!("SET key:{} {writer}:{n}", n * 8 + writer as u64),
        format!("DEL key:{}", n * 8 + 4 + writer as u64),
        format!("SET {} {n}", key("moving")),
        format!("MOVE {} 1", key("moving")),
        "SELECT 1".to_owned(),
        format!("RENAME {} {}", key("moving"), key("moved")),
    ];
    if writer == 0 {
        commands.extend(["SELECT 2".to_owned(), format!("SET a:{} {n}", n % 50)]);
        commands.push("SWAPDB 2 3".to_owned());
        if n.is_multiple_of(40) {
            commands.push("FLUSHDB".to_owned());
        }
    }
    commands
}

pub(crate) fn execute(client: &mut Client, writer: usize, n: u64) {
    try_execute(client, writer, n).expect("the server answers");
}

/// Executes the transaction; an error says that the connection was lost, and nothing of what became of it.
pub(crate) fn try_execute(client: &mut Client, writer: usize, n: u64) -> io::Result<()> {
    let words = |line: &String| line.split(' ').map(str::to_owned).collect();
    let commands = transaction(writer, n);
    let framed = [vec!["MULTI".to_owned()], commands, vec!["EXEC".to_owned()]].concat();
    let commands: Vec<Vec<String>> = framed.iter().map(words).collect();
    let replies = client.pipeline(&commands)?;
    let Some(Reply::Array(replies)) = replies.last() else {
        panic!("{replies:?}");
    };
    assert!(!replies.iter().any(Reply::is_error), "{replies:?}");
    Ok(())
}

/// Several sessions change everything while the data set is saved again and again. Each file holds the data of one
/// moment: for every writer all of some first transactions and nothing of those that follow.
#[test]
fn what_is_saved_under_load_is_of_one_moment() {
    const WRITERS: usize = 4;
    const POPULATE: &str = "DEBUG POPULATE 30000 key 30";
    let folder = tempfile::tempdir().expect("there is room");
    let server = start(
        ServerBuilder::oxidis().arguments(["--io-threads", "3"]),
        folder.path(),
    );
    let mut client = server.client();
    client.run(POPULATE);
    let is_over = AtomicBool::new(false);
    let mut files = Vec::new();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let mut client = server.client();
            let is_over = &is_over;
            scope.spawn(move || {
                let mut n = 0;
                while !is_over.load(Ordering::Relaxed) {
                    n += 1;
                    execute(&mut client, writer, n);
                }
            });
        }
        for round in 0..4 {
            thread::sleep(std::time::Duration::from_millis(60 * round));
            client.run("BGSAVE");
            while client
                .run("INFO persistence")
                .text()
                .contains("rdb_bgsave_in_progress:1")
            {
                thread::sleep(std::time::Duration::from_millis(2));
            }
            files.push(std::fs::read(folder.path().join("dump.rdb")).expect("it was saved"));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let mut transactions_before = 0;
    for file in files {
        let folder = tempfile::tempdir().expect("there is room");
        std::fs::write(folder.path().join("dump.rdb"), file).expect("there is room");
        let loaded = start(ServerBuilder::oxidis(), folder.path());
        let mut loaded = loaded.client();
        // What the same transactions make of the same data, one after the other.
        let folder = tempfile::tempdir().expect("there is room");
        let model = redis_server().map_or_else(ServerBuilder::oxidis, ServerBuilder::new);
        let model = start(model, folder.path());
        let mut model = model.client();
        model.run(POPULATE);
        let mut total = 0;
        for writer in 0..WRITERS {
            let count = loaded.run(&format!("GET {writer}:count")).text();
            let count: u64 = count.parse().unwrap_or(0);
            (1..=count).for_each(|n| execute(&mut model, writer, n));
            total += count;
        }
        assert!(total >= transactions_before);
        transactions_before = total;
        assert_eq!(digest(&mut loaded), digest(&mut model), "{total}");
    }
    assert!(transactions_before > 0);
}
