//! The append-only log of real processes: to and from a real redis-server, and after they were killed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use oxidis_testkit::server::redis_server;
use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

use crate::persistence::{digest, execute, fill, functions, start, try_execute};
use crate::random_data;

/// How often a server is killed, if the environment says nothing else.
const KILLS: u64 = 50;

/// What names another number of kills.
const KILLS_VARIABLE: &str = "OXIDIS_KILLS";

fn logging(builder: ServerBuilder, append_fsync: &str, preamble: &str) -> ServerBuilder {
    builder.arguments([
        "--appendonly",
        "yes",
        "--appendfsync",
        append_fsync,
        "--aof-use-rdb-preamble",
        preamble,
    ])
}

fn wait_for_rewrite(client: &mut Client) {
    let is_rewriting = |client: &mut Client| {
        let info = client.run("INFO persistence").text();
        info.contains("aof_rewrite_in_progress:1") || info.contains("aof_rewrite_scheduled:1")
    };
    while is_rewriting(client) {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the folder has a log with files of both kinds.
fn assert_has_log(folder: &Path) {
    let manifest = folder.join("appendonlydir/appendonly.aof.manifest");
    let manifest = std::fs::read_to_string(manifest).expect("there is a manifest");
    assert!(manifest.contains("type b") && manifest.contains("type i"));
}

#[test]
fn logs_go_to_redis_and_come_from_it() {
    let Some(program) = redis_server() else {
        eprintln!("redis-server is not installed: nothing was compared");
        return;
    };
    for (preamble, seed) in [("yes", 11), ("no", 12)] {
        for ours_first in [true, false] {
            let folder = tempfile::tempdir().expect("there is room");
            let ours = logging(ServerBuilder::oxidis(), "no", preamble);
            let theirs = logging(ServerBuilder::new(&program), "no", preamble);
            let (from, to) = if ours_first {
                (ours, theirs)
            } else {
                (theirs, ours)
            };
            let expected = {
                let server = start(from, folder.path());
                let mut client = server.client();
                fill(&mut client, seed);
                client.run("SELECT 0");
                let reply = client.run("BGREWRITEAOF");
                assert!(!reply.is_error(), "{reply:?}");
                wait_for_rewrite(&mut client);
                // What follows goes to the file behind the new base.
                let mut random = fastrand::Rng::with_seed(seed);
                random_data::fill(&mut client, &mut random, "later", 60);
                client.run("XREADGROUP GROUP group carol COUNT 9 STREAMS stream >");
                client.run("XCLAIM stream group carol 0 21-20 22-21");
                client.run("XTRIM stream MAXLEN 200");
                client.run("DEL key1 key2");
                client.run("EXPIRE key4 100000000");
                client.run("SELECT 15");
                client.run("FLUSHDB");
                for name in ["third", "fourth"] {
                    let code = format!(
                        "#!lua name={name}\nredis.register_function('{name}', function() return 1 end)"
                    );
                    let loaded = client.command(&["FUNCTION", "LOAD", &code]);
                    assert!(loaded.is_ok_and(|reply| !reply.is_error()));
                }
                client.run("FUNCTION DELETE third");
                for n in 1..40 {
                    execute(&mut client, 0, n);
                }
                (digest(&mut client), functions(&mut server.client()))
            };
            assert_has_log(folder.path());
            let server = start(to, folder.path());
            let mut client = server.client();
            let found = (digest(&mut client), functions(&mut client));
            assert_eq!(
                found, expected,
                "ours first: {ours_first}, preamble {preamble}"
            );
        }
    }
}

/// What a writer knows of its transactions.
#[derive(Debug, Default, Clone, Copy)]
struct Writer {
    /// How many were acknowledged.
    acknowledged: u64,
    /// How many were sent.
    sent: u64,
}

/// Lets everyone write until the server is killed, `after`.
fn write_until_killed(
    server: TestServer,
    writers: &[Mutex<Writer>],
    random: &mut fastrand::Rng,
    after: Duration,
) {
    let mut clients: Vec<Client> = writers.iter().map(|_| server.client()).collect();
    let mut admin = server.client();
    let rewrites = random.bool();
    thread::scope(|scope| {
        for (index, client) in clients.iter_mut().enumerate() {
            let writer = &writers[index];
            scope.spawn(move || {
                loop {
                    let n = {
                        let mut writer = writer.lock().expect("nobody panics with it");
                        writer.sent += 1;
                        writer.sent
                    };
                    if try_execute(client, index, n).is_err() {
                        break;
                    }
                    writer.lock().expect("nobody panics with it").acknowledged = n;
                }
            });
        }
        let rest = after.mul_f64(random.f64());
        thread::sleep(after - rest);
        if rewrites {
            let reply = admin.run("BGREWRITEAOF");
            assert!(!reply.is_error(), "{reply:?}");
        }
        thread::sleep(rest);
        // SIGKILL.
        drop(server);
    });
}

/// A server under load is killed again and again, while its log is rewritten or not. What it loads then is for every
/// writer all of some first transactions and nothing of those that follow: at least those that were
/// acknowledged, at most those that were sent. That holds for every `appendfsync`: what was written outlives the process.
#[test]
fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    const WRITERS: usize = 3;
    let kills = std::env::var(KILLS_VARIABLE).map_or(KILLS, |text| {
        text.parse().expect("the number of kills is a number")
    });
    let mut random = fastrand::Rng::with_seed(20_260);
    let folder = tempfile::tempdir().expect("there is room");
    let model_folder = tempfile::tempdir().expect("there is room");
    let model = redis_server().map_or_else(ServerBuilder::oxidis, ServerBuilder::new);
    let model = start(model, model_folder.path());
    let mut model = model.client();
    let writers: Vec<Mutex<Writer>> = (0..WRITERS).map(|_| Mutex::default()).collect();
    let mut total = 0;
    for kill in 0..kills {
        let append_fsync = ["always", "everysec", "no"][kill as usize % 3];
        let preamble = ["yes", "no"][random.usize(..2)];
        let server = || {
            let builder = ServerBuilder::oxidis().arguments(["--io-threads", "3"]);
            start(logging(builder, append_fsync, preamble), folder.path())
        };
        let after = Duration::from_millis(random.u64(5..150));
        let before: Vec<Writer> = writers
            .iter()
            .map(|writer| *writer.lock().expect("nobody panics with it"))
            .collect();
        write_until_killed(server(), &writers, &mut random, after);
        let loaded = server();
        let mut loaded = loaded.client();
        for (index, writer) in writers.iter().enumerate() {
            let mut writer = writer.lock().expect("nobody panics with it");
            loaded.run("SELECT 0");
            let count = match loaded.run(&format!("GET {index}:count")) {
                Reply::Bulk(count) => String::from_utf8_lossy(&count)
                    .parse()
                    .expect("it is a number"),
                _ => 0,
            };
            assert!(
                (writer.acknowledged..=writer.sent).contains(&count),
                "kill {kill}, appendfsync {append_fsync}: {count} of {writer:?}"
            );
            for n in before[index].sent + 1..=count {
                execute(&mut model, index, n);
            }
            *writer = Writer {
                acknowledged: count,
                sent: count,
            };
            total += count - before[index].sent;
        }
        assert_eq!(
            digest(&mut loaded),
            digest(&mut model),
            "kill {kill}, appendfsync {append_fsync}, preamble {preamble}"
        );
    }
    eprintln!("{total} transactions outlived {kills} kills");
    assert!(total > kills);
}

/// Everything that a server answers until it closes the connection, which the client does first.
fn answers(mut stream: &TcpStream) -> String {
    stream.shutdown(Shutdown::Write).expect("it is open");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("it answers");
    answers
}

/// Replies wait until what they say is in the log: none may be forgotten there.
#[test]
fn replies_that_wait_for_the_log_come() {
    for append_fsync in ["always", "everysec", "no"] {
        let server = logging(ServerBuilder::oxidis(), append_fsync, "yes")
            .start()
            .expect("it starts");
        let connect = || {
            let stream = TcpStream::connect(server.address()).expect("it listens");
            let limit = Some(Duration::from_secs(30));
            stream.set_read_timeout(limit).expect("it is a limit");
            stream
        };
        // More at once than are written down for together.
        let streams: Vec<TcpStream> = (0..200).map(|_| connect()).collect();
        for (number, mut stream) in streams.iter().enumerate() {
            let requests = format!("SET key:{number} value\r\nGET key:{number}\r\nINCR all\r\n");
            stream.write_all(requests.as_bytes()).expect("it is open");
        }
        let mut sum = 0;
        for stream in &streams {
            let answers = answers(stream);
            let rest = answers.strip_prefix("+OK\r\n$5\r\nvalue\r\n:");
            let number = rest.and_then(|rest| rest.strip_suffix("\r\n"));
            sum += number
                .and_then(|it| it.parse::<u64>().ok())
                .expect(&answers);
        }
        assert_eq!(sum, 200 * 201 / 2);
        // Nothing comes behind these, from either side.
        let mut quitting = connect();
        quitting
            .write_all(b"SET a 1\r\nQUIT\r\n")
            .expect("it is open");
        assert_eq!(answers(&quitting), "+OK\r\n+OK\r\n");
        // One that has a reply to come waits for another session.
        let mut waiting = connect();
        waiting
            .write_all(b"INCR all\r\nBLPOP list 0\r\n")
            .expect("it is open");
        let mut pushing = connect();
        thread::sleep(Duration::from_millis(20));
        pushing
            .write_all(b"RPUSH list x y\r\nDEL list\r\n")
            .expect("it is open");
        assert_eq!(answers(&pushing), ":2\r\n:1\r\n");
        let expected = ":201\r\n*2\r\n$4\r\nlist\r\n$1\r\nx\r\n";
        let mut found = vec![0; expected.len()];
        waiting.read_exact(&mut found).expect("it answers");
        assert_eq!(String::from_utf8_lossy(&found), expected);
    }
}

/// The page that says what survives names the tests that show it.
#[test]
fn what_is_promised_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/persistence.md")).expect("it is there");
    let mut named = 0;
    for (file, test) in page.split('`').filter_map(|text| text.split_once(".rs::")) {
        let file = root.join(format!("{file}.rs"));
        let source = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(source.contains(&format!("fn {test}(")), "{file:?} {test}");
        named += 1;
    }
    assert!(named > 10, "{named}");
}
