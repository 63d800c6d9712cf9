//! CLIENT PAUSE: who is held back, for how long, and that nothing is lost meanwhile.

mod harness;

use harness::{START_MS, Server};

#[test]
fn a_pause_holds_commands_back_until_its_time_is_over() {
    let mut server = Server::new(1, &[]);
    let (mut admin, mut client) = (server.connect(), server.connect());
    assert_eq!(server.run(&mut admin, "client pause 100"), "+OK");
    let input = b"set a 1\r\nget a\r\n";
    let mut output = Vec::new();
    let progress = client.process(&mut server.worker, input, &mut output);
    assert_eq!((progress.consumed, output.len()), (0, 0));
    assert!(client.is_blocked());
    assert_eq!(client.deadline_ms(), Some(START_MS + 100));
    server.advance_ms(100);
    client.time_out();
    let progress = client.process(&mut server.worker, input, &mut output);
    assert_eq!(progress.consumed, input.len());
    assert_eq!(output, b"+OK\r\n$1\r\n1\r\n");
    assert!(!client.is_blocked());
}

#[test]
fn what_came_before_the_pause_in_a_batch_is_done() {
    let mut server = Server::new(1, &[]);
    let mut client = server.connect();
    let input = b"set a 1\r\nclient pause 50 write\r\nget a\r\nset a 2\r\nget a\r\n";
    let mut output = Vec::new();
    let progress = client.process(&mut server.worker, input, &mut output);
    assert_eq!(output, b"+OK\r\n+OK\r\n$1\r\n1\r\n");
    assert_eq!(&input[progress.consumed..], b"set a 2\r\nget a\r\n");
}

#[test]
fn a_pause_of_writes_lets_reads_through() {
    let mut server = Server::new(1, &[]);
    let (mut admin, mut client) = (server.connect(), server.connect());
    server.run(&mut admin, "client pause 1000 write");
    assert_eq!(server.run(&mut client, "get a"), "$-1");
    // What will be refused is not kept waiting.
    let refusal = server.run(&mut client, "set a");
    assert!(refusal.starts_with("-ERR wrong number"), "{refusal}");
    assert_eq!(
        server.run(&mut client, "multi; get a; exec"),
        "+OK +QUEUED *1 $-1"
    );
    assert_eq!(server.run(&mut client, "publish a b"), "");
    assert!(client.is_blocked());
    assert!(server.run(&mut admin, "client list").contains("flags=b"));
    assert_eq!(server.run(&mut admin, "client unpause"), "+OK");
    server.deliver(&mut client);
    assert!(!client.is_blocked());
    assert_eq!(server.run(&mut client, "publish a b"), ":0");
}

#[test]
fn pauses_only_become_longer_and_stricter() {
    let mut server = Server::new(1, &[]);
    let (mut admin, mut client) = (server.connect(), server.connect());
    server.run(&mut admin, "client pause 1000 write; client pause 10 write");
    server.run(&mut client, "set a 1");
    assert_eq!(client.deadline_ms(), Some(START_MS + 1000));
    let mut reader = server.connect();
    server.run(&mut admin, "client pause 10 all; get a");
    assert_eq!(admin.deadline_ms(), Some(START_MS + 1000));
    assert_eq!(server.run(&mut reader, "get a"), "");
    // A pause that is over counts for nothing.
    server.advance_ms(1000);
    admin.time_out();
    assert_eq!(
        server.run(&mut admin, "client pause 10 write; get a"),
        "+OK $-1"
    );
}

#[test]
fn nothing_expires_during_a_pause() {
    let mut server = Server::new(1, &[]);
    let mut admin = server.connect();
    server.run(
        &mut admin,
        "set a 1 px 10; set b 1 px 10; client pause 1000 write",
    );
    server.advance_ms(20);
    assert_eq!(
        server.run(&mut admin, "get a; scan 0; dbsize"),
        "$-1 *2 $1 0 *0 :2"
    );
    server.worker.run_cron();
    assert_eq!(server.run(&mut admin, "dbsize"), ":2");
    let any = server.run(&mut admin, "randomkey");
    assert!(any == "$1 a" || any == "$1 b", "{any}");
    server.advance_ms(1000);
    assert_eq!(
        server.run(&mut admin, "get a; randomkey; dbsize"),
        "$-1 $-1 :0"
    );
}

#[test]
fn the_reply_mode_is_kept_for_a_command_that_is_held_back() {
    let mut server = Server::new(1, &[]);
    let (mut admin, mut client) = (server.connect(), server.connect());
    server.run(&mut client, "client reply skip");
    server.run(&mut admin, "client pause 10");
    assert_eq!(server.run(&mut client, "set a 1"), "");
    server.advance_ms(10);
    client.time_out();
    assert_eq!(server.run(&mut client, "set a 1; get a"), "$1 1");
}
