//! Servers in this process, talked to over their sockets and past them.

use std::net::TcpStream;
use std::time::Duration;

use oxidis::{Clock, Error, Server};
use oxidis_testkit::{Client, Reply};

fn client(server: &Server) -> Client {
    Client::connect(server.address()).expect("a connection")
}

#[test]
fn many_servers_have_each_their_own_data() {
    let servers: Vec<_> = (0..5).map(|_| Server::start().expect("a server")).collect();
    for (index, server) in servers.iter().enumerate() {
        client(server).run(&format!("SET index {index}"));
    }
    for (index, server) in servers.iter().enumerate() {
        let seen: usize = server.engine().query(["GET", "index"]).expect("a number");
        assert_eq!(seen, index);
    }
}

#[test]
fn a_stopped_server_is_gone() {
    let mut server = Server::start().expect("a server");
    let address = server.address();
    let mut waiting = client(&server);
    waiting.send(&["BLPOP", "queue", "0"]).expect("sent");
    assert!(server.is_running());
    server.stop().expect("it stops");
    server.stop().expect("it has stopped");
    assert!(!server.is_running());
    assert!(waiting.receive().is_err());
    assert!(TcpStream::connect(address).is_err());
    // The port is free again.
    let server = Server::builder().port(address.port()).start();
    assert_eq!(server.expect("a server").port(), address.port());
}

/// What those see who use a server past its socket, when `end` has ended it.
fn outlive(mut server: Server, end: impl FnOnce(&mut Server)) {
    let engine = server.engine();
    engine.string().set(b"k", b"v").expect("set");
    let before = engine.snapshot().expect("a snapshot");
    let mut idle = engine.connect();
    let mut listener = engine.connect();
    listener.execute(["SUBSCRIBE", "news"]).expect("subscribed");
    std::thread::scope(|scope| {
        let popping = scope.spawn(|| engine.execute(["BLPOP", "queue", "0"]));
        let listening = scope.spawn(move || listener.next_message());
        while !engine
            .query::<String>(["INFO", "clients"])
            .expect("a text")
            .contains("blocked_clients:1")
        {}
        end(&mut server);
        let popped = popping.join().expect("it ends");
        assert!(matches!(popped, Err(Error::Closed)), "{popped:?}");
        let heard = listening.join().expect("it ends");
        assert!(matches!(heard, Err(Error::Closed)), "{heard:?}");
    });
    // Which way commands go makes no difference, nor does when the connection was made.
    let closed = [
        idle.execute(["PING"]).map(drop),
        engine.connect().execute(["PING"]).map(drop),
        engine.execute(["GET", "k"]).map(drop),
        engine.string().get(b"k").map(drop),
        engine.string().set(b"k", b"w"),
    ];
    for end in closed {
        assert!(matches!(end, Err(Error::Closed)), "{end:?}");
    }
    // Tests can look back.
    assert!(engine.diff(&before).expect("differences").is_empty());
}

#[test]
fn a_stopped_server_is_gone_for_who_has_no_socket_as_well() {
    let server = Server::start().expect("a server");
    outlive(server, |server| server.stop().expect("it stops"));
}

#[test]
fn a_server_that_was_shut_down_is_gone_for_who_has_no_socket_as_well() {
    let server = Server::start().expect("a server");
    outlive(server, |server| {
        // Nobody answers.
        client(server)
            .send(&["SHUTDOWN", "NOSAVE"])
            .expect("it was sent");
        while server.is_running() {}
    });
}

#[test]
fn a_dropped_server_is_gone() {
    let server = Server::start().expect("a server");
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_password_is_asked_for_and_stands_in_the_url() {
    let server = Server::builder()
        .password("p@ss/word")
        .start()
        .expect("a server");
    let port = server.port();
    assert_eq!(
        server.url(),
        format!("redis://:p%40ss%2Fword@127.0.0.1:{port}/0")
    );
    let mut client = client(&server);
    let refused = client.run("GET k");
    assert!(matches!(refused, Reply::Error(text) if text.starts_with(b"NOAUTH")));
    assert_eq!(client.run("AUTH p@ss/word"), Reply::Simple(b"OK".to_vec()));
}

#[test]
fn the_program_and_its_clients_see_the_same() {
    let server = Server::builder().workers(2).start().expect("a server");
    let engine = server.engine();
    let mut client = client(&server);
    let mut listener = engine.connect();
    listener.execute(["SUBSCRIBE", "news"]).expect("subscribed");
    assert_eq!(client.run("PUBLISH news hello"), Reply::Integer(1));
    let message = listener.next_message().expect("a message");
    assert_eq!(
        (&*message.channel, &*message.payload),
        (&b"news"[..], &b"hello"[..])
    );
    let nothing = listener.next_message_for(Duration::from_millis(5));
    assert_eq!(nothing.expect("a connection"), None);
    // And the other way: a client waits for what the program pushes.
    client.send(&["BLPOP", "queue", "0"]).expect("sent");
    while !engine
        .query::<String>(["INFO", "clients"])
        .expect("a text")
        .contains("blocked_clients:1")
    {}
    engine.execute(["RPUSH", "queue", "x"]).expect("pushed");
    let popped = [&b"queue"[..], b"x"].map(|it| Reply::Bulk(it.to_vec()));
    assert_eq!(
        client.receive().expect("a reply"),
        Reply::Array(popped.to_vec())
    );
}

#[test]
fn every_key_expires_where_there_is_a_default() {
    let server = Server::builder()
        .default_ttl(100)
        .start()
        .expect("a server");
    server.engine().execute(["SET", "k", "v"]).expect("set");
    let seconds: i64 = server.engine().query(["TTL", "k"]).expect("a number");
    assert!((90..=100).contains(&seconds), "{seconds}");
}

#[test]
fn data_last_in_a_file_and_in_a_log() {
    let folder = tempfile::tempdir().expect("a folder");
    for is_appending in [false, true] {
        let path = folder.path().join(format!("data-{is_appending}.rdb"));
        let builder = Server::builder().path(&path).append_only(is_appending);
        let mut server = builder.start().expect("a server");
        client(&server).run("SET kept yes");
        server.stop().expect("saved");
        let server = builder.start().expect("a server");
        assert_eq!(
            client(&server).run("GET kept"),
            Reply::Bulk(b"yes".to_vec())
        );
    }
}

#[test]
fn nothing_is_left_on_disk_unasked() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().to_str().expect("UTF-8");
    let mut server = Server::builder()
        .directive("dir", directory)
        .start()
        .expect("a server");
    client(&server).run("SET k v");
    server.stop().expect("stopped");
    assert_eq!(folder.path().read_dir().expect("a folder").count(), 0);
}

#[test]
fn a_client_may_shut_it_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.rdb");
    for (how, is_kept) in [("SHUTDOWN NOSAVE", false), ("SHUTDOWN", true)] {
        let mut server = Server::builder().path(&path).start().expect("a server");
        let mut client = client(&server);
        client.run("SET k v");
        client
            .send(&how.split(' ').collect::<Vec<_>>())
            .expect("sent");
        while server.is_running() {
            std::thread::yield_now();
        }
        // What it was told holds: this saves nothing.
        server.stop().expect("it has stopped");
        assert_eq!(path.exists(), is_kept, "{how}");
        assert!(Client::connect(server.address()).is_err());
    }
}

#[test]
fn what_is_wrong_is_said() {
    let Err(error) = Server::builder().directive("no-such", "1").start() else {
        panic!("there is no such directive");
    };
    assert!(
        matches!(&error, Error::Option { name, .. } if name == "no-such"),
        "{error}"
    );
    let first = Server::start().expect("a server");
    let Err(error) = Server::builder().port(first.port()).start() else {
        panic!("the port is taken");
    };
    assert!(matches!(error, Error::Start(_)), "{error}");
}

#[test]
fn the_same_seed_makes_the_same_chance() {
    let random = |seed| {
        let server = Server::builder().seed(seed).start().expect("a server");
        let engine = server.engine();
        for n in 0..100 {
            engine
                .execute(["SADD", "set", &format!("member:{n}")])
                .expect("added");
        }
        let members: Vec<String> = engine.query(["SRANDMEMBER", "set", "10"]).expect("members");
        members
    };
    assert_eq!(random(7), random(7));
    assert_ne!(random(7), random(8));
}

#[test]
fn how_many_workers_there_are_makes_no_difference_to_what_a_seed_draws() {
    /// What is left to chance, asked for over one connection after the other: each comes to another worker.
    fn chances(ask: &mut dyn FnMut(&[&str]) -> String, n: usize) -> Vec<String> {
        for index in 0..200 {
            ask(&["SADD", "set", &format!("member:{n}:{index}")]);
            ask(&["SET", &format!("key:{n}:{index}"), "v"]);
        }
        let mut drawn = Vec::new();
        for _ in 0..5 {
            drawn.push(ask(&["SPOP", "set"]));
            drawn.push(ask(&["RANDOMKEY"]));
            drawn.push(ask(&["SRANDMEMBER", "set", "-4"]));
        }
        drawn.push(ask(&["KEYS", "key:*:7*"]));
        drawn.push(ask(&["ACL", "GENPASS"]));
        // And again after a new seed, in the middle of a connection's life.
        ask(&["OXIDIS", "SEED", "5"]);
        drawn.push(ask(&["SPOP", "set", "3"]));
        drawn
    }
    let served = |workers| {
        let builder = Server::builder().seed(1).workers(workers);
        let server = builder.clock(Clock::Manual).start().expect("a server");
        let clients: Vec<_> = (0..3).map(|_| client(&server)).collect();
        let drawn = clients.into_iter().enumerate().map(|(n, mut client)| {
            let mut ask = |words: &[&str]| {
                client.send(words).expect("sent");
                format!("{:?}", client.receive().expect("a reply"))
            };
            chances(&mut ask, n)
        });
        drawn.collect::<Vec<_>>()
    };
    let one = served(1);
    assert_eq!(served(2), one);
    assert_eq!(served(5), one);
}

#[test]
fn what_a_test_holds_can_be_shown() {
    let server = Server::start().expect("a server");
    let engine = server.engine();
    engine.execute(["SET", "k", "v"]).expect("set");
    let fault = server.fault(oxidis::Fault::cut().command("GET"));
    let shown = format!(
        "{server:?} {engine:?} {:?} {fault:?} {:?}",
        engine.snapshot().expect("a snapshot"),
        engine.connect(),
    );
    for part in [
        &server.address().to_string(),
        "is_running: true",
        "len: 1",
        "met: 0",
        "id:",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    // What has a result to be wrong about needs it, too.
    let taken = Server::builder().port(server.port()).start();
    assert!(matches!(taken.unwrap_err(), Error::Start(_)));
}

#[test]
fn passwords_are_not_shown() {
    let server = Server::builder()
        .password("swordfish")
        .directive("masterauth", "marlin")
        .directive("maxclients", "77");
    let shown = format!("{server:?}");
    assert!(
        shown.contains("masterauth") && shown.contains("77"),
        "{shown}"
    );
    assert!(
        !shown.contains("swordfish") && !shown.contains("marlin"),
        "{shown}"
    );
}
