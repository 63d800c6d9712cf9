//! Faults that tests ask for, over sockets and without.

use std::thread;
use std::time::Duration;

use oxidis::{Clock, Engine, Error, Fault, Server};
use oxidis_testkit::{Client, RawClient, Reply};

fn server() -> Server {
    let server = Server::builder().clock(Clock::Manual).start();
    server.expect("a server")
}

fn client(server: &Server) -> Client {
    Client::connect(server.address()).expect("a connection")
}

fn error(text: &str) -> Reply {
    Reply::Error(text.as_bytes().to_vec())
}

#[test]
fn an_error_is_for_those_for_whom_it_was_asked() {
    let server = server();
    let (mut one, mut other) = (client(&server), client(&server));
    one.run("CLIENT SETNAME worker-1");
    let text = "READONLY You can't write against a read only replica.";
    let fault = Fault::error(text).command("set").key("user:*");
    let guard = server
        .fault(fault.client("worker-*").skip(1).times(2))
        .expect("a fault");
    let expected = [true, false, false, true].map(|passes| match passes {
        true => Reply::Simple(b"OK".to_vec()),
        false => error(text),
    });
    let met = [1, 2, 3, 4].map(|n| one.run(&format!("SET user:{n} v")));
    assert_eq!(met, expected);
    assert_eq!(guard.met(), 2);
    assert_eq!(
        one.run("EXISTS user:1 user:2 user:3 user:4"),
        Reply::Integer(2)
    );
    drop(guard);
    let guard = server
        .fault(Fault::error("OOM no").command("SET").client("worker-*"))
        .expect("a fault");
    assert_eq!(other.run("SET user:5 v"), Reply::Simple(b"OK".to_vec()));
    assert_eq!(one.run("GET user:9"), Reply::NullBulk);
    assert_eq!(one.run("SET user:9 v"), error("OOM no"));
    drop(guard);
    assert_eq!(one.run("SET user:9 v"), Reply::Simple(b"OK".to_vec()));
}

#[test]
fn subcommands_and_transactions_meet_faults() {
    let server = server();
    let mut client = client(&server);
    let guard = server
        .fault(Fault::error("ERR no").command("config get"))
        .expect("a fault");
    assert_eq!(client.run("CONFIG GET port"), error("ERR no"));
    let reply = client.run("CONFIG RESETSTAT");
    assert_eq!(reply, Reply::Simple(b"OK".to_vec()));
    drop(guard);
    let _guard = server
        .fault(Fault::error("LOADING data").command("INCR").times(1))
        .expect("a fault");
    client.run("MULTI");
    assert_eq!(client.run("INCR n"), error("LOADING data"));
    let aborted = client.run("EXEC");
    assert!(matches!(aborted, Reply::Error(text) if text.starts_with(b"EXECABORT")));
}

#[test]
fn a_delay_holds_only_its_client() {
    let server = server();
    let (mut one, mut other) = (client(&server), client(&server));
    let delay = Fault::delay(Duration::from_secs(5))
        .command("GET")
        .key("slow");
    let guard = server.fault(delay).expect("a fault");
    one.run("SET slow v");
    one.send(&["GET", "slow"]).expect("sent");
    one.send(&["GET", "fast"]).expect("sent");
    while guard.met() == 0 {
        thread::yield_now();
    }
    assert_eq!(other.run("GET fast"), Reply::NullBulk);
    server.advance(Duration::from_secs(4)).expect("moved");
    assert_eq!(other.run("SET slow w"), Reply::Simple(b"OK".to_vec()));
    server.advance(Duration::from_secs(1)).expect("moved");
    // It runs only now.
    assert_eq!(one.receive().expect("a reply"), Reply::Bulk(b"w".to_vec()));
    assert_eq!(one.receive().expect("a reply"), Reply::NullBulk);
    assert_eq!(guard.met(), 1);
}

#[test]
fn a_delay_passes_in_real_time_where_time_runs() {
    let server = Server::start().expect("a server");
    let delay = Fault::delay(Duration::from_millis(20)).command("PING");
    let guard = server.fault(delay.times(1)).expect("a fault");
    assert_eq!(client(&server).run("PING"), Reply::Simple(b"PONG".to_vec()));
    assert_eq!(guard.met(), 1);
}

#[test]
fn connections_end_before_in_and_after_the_work() {
    let server = server();
    let faults = [
        (Fault::cut(), &b""[..], 0),
        (Fault::lose_reply(), b"", 1),
        (Fault::cut_reply(), b"$2", 1),
    ];
    for (round, (fault, received, applied)) in faults.into_iter().enumerate() {
        let _guard = server
            .fault(fault.command("HINCRBYFLOAT"))
            .expect("a fault");
        let mut raw = RawClient::connect(server.address()).expect("connected");
        // What was answered before arrives whatever happens then.
        let field = format!("field:{round}");
        raw.send(format!("PING\r\nHINCRBYFLOAT hash {field} 10\r\nPING\r\n").as_bytes())
            .expect("sent");
        let all = raw.read_to_close().expect("an end");
        let rest = all.strip_prefix(b"+PONG\r\n").expect("the first reply");
        assert!(rest.starts_with(received) && rest.len() < 8, "{rest:?}");
        assert_eq!(rest.is_empty(), received.is_empty());
        let exists = client(&server).run(&format!("HEXISTS hash {field}"));
        assert_eq!(exists, Reply::Integer(applied));
    }
}

#[test]
fn the_reply_to_who_waited_is_lost_too() {
    let server = server();
    let _guard = server
        .fault(Fault::lose_reply().command("BLPOP"))
        .expect("a fault");
    let (mut one, mut other) = (client(&server), client(&server));
    one.send(&["BLPOP", "queue", "0"]).expect("sent");
    while !server
        .engine()
        .query::<String>(["INFO", "clients"])
        .expect("a page")
        .contains("blocked_clients:1")
    {
        thread::yield_now();
    }
    assert_eq!(other.run("RPUSH queue x"), Reply::Integer(1));
    assert!(one.receive().is_err());
    // It was applied.
    assert_eq!(other.run("LLEN queue"), Reply::Integer(0));
}

#[test]
fn calls_without_a_socket_meet_faults() {
    let engine = Engine::open().expect("an engine");
    let guard = engine
        .fault(Fault::error("BUSY wait").command("GET"))
        .expect("a fault");
    assert_eq!(
        engine.execute(["GET", "k"]).unwrap_err().code(),
        Some("BUSY")
    );
    let id = guard.keep();
    assert_eq!(
        engine.execute(["GET", "k"]).unwrap_err().code(),
        Some("BUSY")
    );
    assert_eq!(engine.remove_fault(id), Some(2));
    assert_eq!(engine.remove_fault(id), None);
    let _cut = engine.fault(Fault::cut()).expect("a fault");
    assert!(matches!(engine.execute(["GET", "k"]), Err(Error::Closed)));
    engine.clear_faults();
    assert!(engine.execute(["GET", "k"]).is_ok());
}

#[test]
fn a_fault_that_nobody_could_meet_is_refused() {
    let server = server();
    let mut client = client(&server);
    for name in [
        "NOSUCH",
        "",
        "GET x",
        "CONFIG NOSUCH",
        "OXIDIS",
        "OXIDIS|FAULT",
    ] {
        let refused = server.fault(Fault::cut().command(name)).map(drop);
        assert!(matches!(refused, Err(Error::Fault(_))), "{name}");
        let words = ["OXIDIS", "FAULT", "ADD", "CUT", "COMMAND", name];
        client.send(&words).expect("sent");
        let text = format!("ERR there is no command {name} that could meet a fault");
        assert_eq!(client.receive().expect("a reply"), error(&text));
    }
    assert_eq!(client.run("OXIDIS FAULT LIST"), Reply::Array(vec![]));
    for name in ["*", "get", "Config", "CONFIG GET", "config|set"] {
        assert!(server.fault(Fault::cut().command(name)).is_ok(), "{name}");
    }
}
