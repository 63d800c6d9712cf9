//! Many clients at once on a server with several workers: nothing is lost, nothing is done twice,
//! nothing comes between the commands of a transaction.

use std::thread;

use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

const CLIENTS: usize = 4;

fn server() -> TestServer {
    ServerBuilder::oxidis()
        .arguments(["--io-threads", "3"])
        .start()
        .expect("the server starts")
}

/// Runs `body` in as many threads as there are clients, each with a client of its own.
fn with_clients(server: &TestServer, body: impl Fn(usize, Client) + Sync) {
    thread::scope(|scope| {
        for index in 0..CLIENTS {
            let client = server.client();
            let body = &body;
            scope.spawn(move || body(index, client));
        }
    });
}

fn integer(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(n) => *n,
        other => panic!("expected an integer, got {other:?}"),
    }
}

#[test]
fn no_increment_is_lost() {
    let server = server();
    with_clients(&server, |_, mut client| {
        for _ in 0..50 {
            let commands: Vec<Vec<String>> = (0..40)
                .map(|n| vec!["INCR".to_owned(), format!("counter:{}", n % 8)])
                .collect();
            client.pipeline(&commands).expect("replies");
        }
    });
    let mut client = server.client();
    for n in 0..8 {
        let expected = CLIENTS * 50 * 40 / 8;
        let reply = client.run(&format!("INCRBY counter:{n} 0"));
        assert_eq!(integer(&reply), expected as i64);
    }
}

/// Money moves between accounts in different stripes; whoever looks, inside a transaction, finds
/// the same sum.
#[test]
fn transactions_are_atomic() {
    let server = server();
    let mut client = server.client();
    client.run("MSET account:a 1000 account:b 1000 account:c 1000");
    with_clients(&server, |index, mut client| {
        for round in 0..300 {
            if index % 2 == 0 {
                let (from, to) = [("a", "b"), ("b", "c"), ("c", "a")][round % 3];
                client.run("MULTI");
                client.run(&format!("DECRBY account:{from} 7"));
                client.run(&format!("INCRBY account:{to} 7"));
                client.run("EXEC");
            } else {
                client.run("MULTI");
                for account in ["a", "b", "c"] {
                    client.run(&format!("INCRBY account:{account} 0"));
                }
                let Reply::Array(balances) = client.run("EXEC") else {
                    panic!("EXEC answers an array");
                };
                assert_eq!(balances.iter().map(integer).sum::<i64>(), 3000);
            }
        }
    });
}

/// The optimistic increment of every Redis tutorial.
#[test]
fn watch_notices_every_change() {
    let server = server();
    server.client().run("SET counter 0");
    with_clients(&server, |_, mut client| {
        let mut done = 0;
        while done < 100 {
            client.run("WATCH counter");
            let value = match client.run("GET counter") {
                Reply::Bulk(text) => String::from_utf8(text).expect("digits"),
                other => panic!("expected a string, got {other:?}"),
            };
            let next = value.parse::<i64>().expect("a number") + 1;
            client.run("MULTI");
            client.run(&format!("SET counter {next}"));
            if matches!(client.run("EXEC"), Reply::Array(_)) {
                done += 1;
            }
        }
    });
    let expected = (CLIENTS * 100).to_string().into_bytes();
    assert_eq!(server.client().run("GET counter"), Reply::Bulk(expected));
}

#[test]
fn every_subscriber_gets_every_message_in_order() {
    let server = server();
    let mut subscribers: Vec<Client> = (0..CLIENTS).map(|_| server.client()).collect();
    for subscriber in &mut subscribers {
        subscriber.run("SUBSCRIBE news");
    }
    let mut publisher = server.client();
    for n in 0..500 {
        let reply = publisher.run(&format!("PUBLISH news {n}"));
        assert_eq!(integer(&reply), CLIENTS as i64);
    }
    for subscriber in &mut subscribers {
        for n in 0..500 {
            let bulk = |text: &str| Reply::Bulk(text.as_bytes().to_vec());
            let expected = Reply::Array(vec![bulk("message"), bulk("news"), bulk(&n.to_string())]);
            assert_eq!(subscriber.receive().expect("a message"), expected);
        }
    }
}
