//! What a host program's signals do is its own affair: nothing of this crate catches or ignores any.
#![cfg(target_os = "linux")]

use oxidis::{Clock, Engine, Server};

/// Which signals are caught and which ignored, as the system has it.
fn dispositions() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").expect("there is /proc");
    let is_about_signals = |line: &&str| line.starts_with("SigCgt:") || line.starts_with("SigIgn:");
    let lines: Vec<_> = status
        .lines()
        .filter(is_about_signals)
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), 2);
    lines
}

#[test]
fn servers_and_engines_leave_signals_alone() {
    let before = dispositions();
    let folder = tempfile::tempdir().expect("a folder");
    let builder = Server::builder().workers(2).append_only(true);
    let builder = builder.path(folder.path().join("data.rdb"));
    let mut server = builder.clock(Clock::Manual).start().expect("a server");
    let engine = Engine::open().expect("an engine");
    for engine in [&server.engine(), &engine] {
        engine.execute(["EVAL", "return 1", "0"]).expect("a reply");
        let mut connection = engine.connect();
        connection
            .execute(["SUBSCRIBE", "news"])
            .expect("subscribed");
        engine.execute(["PUBLISH", "news", "x"]).expect("published");
        connection.next_message().expect("a message");
    }
    server.engine().execute(["BGSAVE"]).expect("it begins");
    let forked = server.fork().expect("another server");
    assert_eq!(dispositions(), before);
    drop(forked);
    server.stop().expect("it stops");
    assert_eq!(dispositions(), before);
}
