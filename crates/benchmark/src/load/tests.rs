//! Runs against a server in the test itself, which answers what it is told to answer.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use oxidis_client::ReplyReader;
use oxidis_resp::Value;

use super::{Endpoint, Greeting, LoadError, Numbers, Outcome, Plan, hold_idle, run};
use crate::request::{Part, Template};

/// What a server has received: the requests of each connection.
type Received = Arc<Mutex<Vec<Vec<Vec<u8>>>>>;

/// A server that answers the last words of requests by a function; where that answers nothing, it
/// closes the connection.
fn server(
    answer: impl Fn(&[u8]) -> Option<&'static [u8]> + Copy + Send + 'static,
) -> (Endpoint, Received) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    let received = Received::default();
    let all = Arc::clone(&received);
    // The threads end with the process of the tests.
    thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            all.lock().unwrap().push(Vec::new());
            let all = Arc::clone(&all);
            thread::spawn(move || {
                let mut requests = ReplyReader::default();
                // An array of strings is what a request is, too.
                while let Ok(Value::Array(words)) = requests.receive(&mut stream) {
                    let word = words.last().and_then(Value::as_bytes).unwrap().to_vec();
                    let Some(reply) = answer(&word) else { return };
                    all.lock().unwrap()[index].push(word);
                    if stream.write_all(reply).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (endpoint, received)
}

fn ok(_: &[u8]) -> Option<&'static [u8]> {
    Some(b"+OK\r\n")
}

fn numbered() -> Template {
    Template::command(&[
        vec![Part::Text(b"INCR")],
        vec![Part::Number { below: 1_000_000 }],
    ])
}

fn run_quietly(plan: &Plan<'_>) -> Result<Outcome, LoadError> {
    run(plan, |_| {})
}

fn failure(plan: &Plan<'_>) -> LoadError {
    run_quietly(plan)
        .map(|outcome| outcome.requests)
        .unwrap_err()
}

#[test]
fn every_request_is_sent_once_whatever_the_threads() {
    for (threads, clients) in [(1, 1), (1, 7), (3, 7), (9, 2)] {
        let (endpoint, received) = server(ok);
        let template = numbered();
        let plan = Plan {
            numbers: Numbers::Counting,
            clients,
            threads,
            depth: 4,
            ..Plan::new(&endpoint, &template, 101)
        };
        let outcome = run_quietly(&plan).unwrap();
        assert_eq!((outcome.requests, outcome.latencies.requests()), (104, 104));
        let received = received.lock().unwrap();
        assert_eq!(received.len(), clients);
        let mut numbers: Vec<u64> = received
            .iter()
            .flatten()
            .map(|word| std::str::from_utf8(word).unwrap().parse().unwrap())
            .collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..104));
    }
}

#[test]
fn a_greeting_comes_first_and_is_not_counted() {
    let (endpoint, received) = server(ok);
    let template = numbered();
    let mut greeting = Greeting::default();
    greeting.push(&[b"AUTH", b"secret"]);
    greeting.push(&[b"SELECT", b"3"]);
    let plan = Plan {
        greeting,
        clients: 3,
        ..Plan::new(&endpoint, &template, 30)
    };
    assert_eq!(run_quietly(&plan).unwrap().requests, 30);
    let received = received.lock().unwrap();
    assert_eq!(received.len(), 3);
    for requests in received.iter() {
        assert_eq!(requests[..2], [b"secret".to_vec(), b"3".to_vec()]);
    }
    assert_eq!(received.iter().flatten().count(), 30 + 3 * 2);
}

#[test]
fn without_keep_alive_each_batch_has_a_connection() {
    let (endpoint, received) = server(ok);
    let template = numbered();
    let mut greeting = Greeting::default();
    greeting.push(&[b"SELECT", b"3"]);
    let plan = Plan {
        greeting,
        clients: 2,
        depth: 5,
        keep_alive: false,
        ..Plan::new(&endpoint, &template, 50)
    };
    assert_eq!(run_quietly(&plan).unwrap().requests, 50);
    let received = received.lock().unwrap();
    let busy = received.iter().filter(|requests| requests.len() > 1);
    assert!(busy.clone().all(|requests| requests.len() == 6));
    assert_eq!(busy.count(), 10);
}

#[test]
fn equal_seeds_make_equal_requests() {
    let words = |seed| {
        let (endpoint, received) = server(ok);
        let template = numbered();
        let plan = Plan {
            numbers: Numbers::Random(seed),
            ..Plan::new(&endpoint, &template, 20)
        };
        run_quietly(&plan).unwrap();
        let received = received.lock().unwrap();
        received[0].clone()
    };
    assert_eq!(words(1), words(1));
    assert_ne!(words(1), words(2));
}

#[test]
fn an_error_of_the_server_ends_the_run() {
    let template = numbered();
    let (endpoint, _) = server(|_| Some(b"-ERR no\r\n"));
    let plan = Plan {
        clients: 4,
        threads: 2,
        ..Plan::new(&endpoint, &template, 100)
    };
    assert_eq!(failure(&plan).to_string(), "Error from server: ERR no");

    let (endpoint, _) = server(|word| {
        Some(match word {
            b"secret" => b"-WRONGPASS no\r\n",
            _ => b"+OK\r\n",
        })
    });
    let mut greeting = Greeting::default();
    greeting.push(&[b"AUTH", b"secret"]);
    let plan = Plan {
        greeting,
        ..Plan::new(&endpoint, &template, 100)
    };
    assert_eq!(
        failure(&plan).to_string(),
        "Error from server: WRONGPASS no"
    );
}

#[test]
fn a_server_that_misbehaves_ends_the_run() {
    let template = numbered();
    let fails_with = |answer: fn(&[u8]) -> Option<&'static [u8]>| {
        let (endpoint, _) = server(answer);
        failure(&Plan {
            silence_limit: Some(Duration::from_millis(200)),
            ..Plan::new(&endpoint, &template, 10)
        })
    };
    assert!(matches!(
        fails_with(|_| None),
        LoadError::Closed | LoadError::Io(_)
    ));
    assert!(matches!(
        fails_with(|_| Some(b"HTTP/1.1 400\r\n")),
        LoadError::Protocol(b'H')
    ));
    assert!(matches!(
        fails_with(|_| Some(b"+OK\r\n+OK\r\n")),
        LoadError::TooManyReplies
    ));
    assert!(matches!(
        fails_with(|_| Some(b"+OK")),
        LoadError::Silence(_)
    ));
}

#[test]
fn where_nobody_listens_the_run_does_not_begin() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    drop(listener);
    let template = numbered();
    let error = failure(&Plan::new(&endpoint, &template, 10));
    assert!(matches!(error, LoadError::Connect(_)), "{error}");
}

#[test]
fn idle_connections_hear_of_errors() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut streams: Vec<_> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        streams[1].write_all(b"-ERR enough\r\n").unwrap();
        streams
    });
    let nothing = Template::raw(b"");
    let plan = Plan {
        clients: 3,
        ..Plan::new(&endpoint, &nothing, 0)
    };
    let Err(error) = hold_idle(&plan, || {});
    assert_eq!(error.to_string(), "Error from server: ERR enough");
    drop(server.join().unwrap());
}

#[test]
fn a_pause_of_the_server_is_in_all_latencies_that_fell_into_it() {
    const PAUSE: Duration = Duration::from_millis(300);
    let (endpoint, _) = server(|word| {
        if word.ends_with(b"000000") {
            thread::sleep(PAUSE);
        }
        Some(b"+OK\r\n")
    });
    let template = numbered();
    let plan = Plan {
        numbers: Numbers::Counting,
        rate: Some(100.0),
        ..Plan::new(&endpoint, &template, 20)
    };
    let outcome = run_quietly(&plan).unwrap();
    assert_eq!(outcome.requests, 20);
    // The last is due after 190 ms, and the only connection is free after 300.
    assert!(outcome.latencies.shortest_ms() >= 100.0);
}

#[test]
fn a_run_that_is_told_to_end_ends() {
    let (endpoint, received) = server(ok);
    let template = numbered();
    let stop = AtomicBool::new(false);
    let plan = Plan {
        clients: 3,
        rate: Some(1000.0),
        stop: Some(&stop),
        ..Plan::new(&endpoint, &template, u64::MAX)
    };
    let outcome = thread::scope(|scope| {
        let running = scope.spawn(|| run_quietly(&plan));
        while received.lock().unwrap().iter().flatten().count() < 20 {
            thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        running.join().unwrap().unwrap()
    });
    let sent = received.lock().unwrap().iter().flatten().count();
    assert_eq!(outcome.requests, sent as u64);
}
