//! The keyspace event `new`, which is told when a key comes to be and not when it is overwritten.

mod harness;

use harness::Server;
use oxidis_engine::Session;

/// The keys that `commands` make `new` events of.
fn new_keys(
    server: &mut Server,
    writer: &mut Session,
    listener: &mut Session,
    commands: &str,
) -> Vec<String> {
    let reply = server.run(writer, commands);
    assert!(!reply.contains("-ERR"), "{commands}: {reply}");
    let pushed = server.deliver(listener);
    let words: Vec<&str> = pushed.split(' ').collect();
    // *4 $8 pmessage $n pattern $n channel $n key
    words
        .chunks_exact(9)
        .map(|message| message[8].to_owned())
        .collect()
}

fn start() -> (Server, Session, Session) {
    let mut server = Server::new(1, &[("notify-keyspace-events", "En")]);
    let mut listener = server.connect();
    server.run(&mut listener, "psubscribe __keyevent@*__:new");
    let writer = server.connect();
    (server, writer, listener)
}

#[test]
fn keys_are_new_once() {
    let (mut server, mut writer, mut listener) = start();
    let mut check = |commands: &str, expected: &[&str]| {
        let found = new_keys(&mut server, &mut writer, &mut listener, commands);
        assert_eq!(found, expected, "{commands}");
    };
    check("set a 1; set a 2; append a x; del a; set a 3", &["a", "a"]);
    check("mset a 1 b 2 c 3", &["b", "c"]);
    check(
        "rpush l 1; rpush l 2; sadd s 1; hset h f v",
        &["l", "s", "h"],
    );
    // A collection that is overwritten is not a new key, whatever takes its place.
    check("set l 1; sunionstore h s; setrange n 3 x", &["n"]);
    check(
        "rename a z; rename b z; copy c z replace; copy c d; move c 1",
        &["z", "z", "z", "d", "c"],
    );
    check(
        "incr count; incr count; getset count 1; getset other 1",
        &["count", "other"],
    );
}

#[test]
fn what_was_there_before_anyone_asked_is_not_new() {
    let mut server = Server::new(1, &[]);
    let (mut writer, mut listener) = (server.connect(), server.connect());
    server.run(&mut listener, "psubscribe __keyevent@*__:new");
    server.run(&mut writer, "set a 1; config set notify-keyspace-events En");
    assert_eq!(
        new_keys(
            &mut server,
            &mut writer,
            &mut listener,
            "append a x; set b 1"
        ),
        ["b"]
    );
}
