//! The command line, the configuration file and CONFIG, on the binary itself.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use oxidis_testkit::server::binary_under_test;
use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

fn server(arguments: &[&str]) -> TestServer {
    ServerBuilder::oxidis()
        .arguments(arguments)
        .start()
        .expect("the server starts")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    listener.local_addr().expect("it is bound").port()
}

fn connect(port: u16) -> std::io::Result<Client> {
    Client::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// What CONFIG GET shows of one directive.
fn shown(client: &mut Client, name: &str) -> String {
    let reply = client.run(&format!("CONFIG GET {name}"));
    let pair = reply.elements().expect("CONFIG GET answers pairs");
    String::from_utf8_lossy(pair[1].bytes().expect("of strings")).into_owned()
}

/// Runs the binary in `dir` until it ends by itself.
fn run(dir: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut process = Command::new(binary_under_test())
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut pipe = process.stdin.take().expect("it is piped");
    // It may end before it has read all of it.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    process.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_command_line_answers_and_refuses() {
    let dir = tempfile::tempdir().expect("a directory");
    let version = run(dir.path(), &["--version"], "");
    assert!(version.status.success() && text(&version.stdout).contains("Redis server v="));
    let help = run(dir.path(), &["--help"], "");
    assert!(help.status.code() == Some(1) && text(&help.stderr).starts_with("Usage: "));
    let unknown = run(dir.path(), &["--port", "1", "--bogus", "1"], "");
    assert_eq!(unknown.status.code(), Some(1));
    let complaint = text(&unknown.stderr);
    assert!(
        complaint.starts_with("\n*** FATAL CONFIG FILE ERROR (Redis "),
        "{complaint}"
    );
    assert!(
        complaint.ends_with(
            "\nReading the configuration file, at line 3\n>>> 'bogus \"1\"'\n\
             Bad directive or wrong number of arguments\n"
        ),
        "{complaint}"
    );
    let stdin = run(dir.path(), &["-"], "hz 1\nport nowhere\n");
    assert!(text(&stdin.stderr).contains("at line 2\n>>> 'port nowhere'\n"));
    let module = run(dir.path(), &["--loadmodule", "/some.so", "argument"], "");
    assert_eq!(module.status.code(), Some(1));
    assert!(text(&module.stderr).starts_with("Can't load module from /some.so: "));
    let of_module = run(dir.path(), &["--some.directive", "1"], "");
    assert_eq!(of_module.status.code(), Some(1));
    assert!(text(&of_module.stderr).starts_with("'some.directive' belongs to a module"));
    let missing = run(dir.path(), &["missing.conf"], "");
    assert!(text(&missing.stderr).starts_with("Fatal error, can't open config file '"));
    assert_eq!(missing.status.code(), Some(1));
}

#[test]
fn a_configuration_file_is_read_and_rewritten() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("redis.conf");
    fs::write(
        &file,
        "# mine\nmaxmemory 100mb\nrename-command SET put\ninclude more.conf\n",
    )
    .expect("written");
    // What the allocator of the binary can do is known before the file is read.
    let more = "timeout 77\nactivedefrag yes\n";
    fs::write(dir.path().join("more.conf"), more).expect("written");
    let port = free_port();
    let mut process = Command::new(binary_under_test())
        .args(["redis.conf", "--port", &port.to_string(), "--hz", "20"])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut client = (0..500)
        .find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            connect(port).ok()
        })
        .expect("the server listens");
    assert_eq!(shown(&mut client, "timeout"), "77");
    assert_eq!(shown(&mut client, "activedefrag"), "yes");
    assert_eq!(
        shown(&mut client, "dir"),
        fs::canonicalize(dir.path())
            .expect("it exists")
            .to_string_lossy()
    );
    assert_eq!(client.run("PUT key value").text(), "OK");
    assert!(client.run("SET key value").is_error());
    client.run("CONFIG SET maxmemory 5mb");
    assert_eq!(client.run("CONFIG REWRITE").text(), "OK");
    let rewritten = fs::read_to_string(&file).expect("it is there");
    assert!(
        rewritten.starts_with("# mine\nmaxmemory 5mb\nrename-command SET put\ninclude more.conf\n"),
        "{rewritten}"
    );
    assert!(rewritten.contains("\nhz 20\n"), "{rewritten}");
    assert!(rewritten.contains("\nactivedefrag yes\n"), "{rewritten}");
    process.kill().expect("it runs");
    process.wait().expect("it ends");
}

#[test]
fn port_and_addresses_change_while_clients_are_connected() {
    let server = server(&[]);
    let mut client = server.client();
    let port = free_port();
    assert_eq!(client.run(&format!("CONFIG SET port {port}")).text(), "OK");
    assert_eq!(
        connect(port).expect("it listens there").run("PING").text(),
        "PONG"
    );
    assert!(connect(server.port()).is_err());
    assert_eq!(client.run("PING").text(), "PONG");
    let occupied = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    let taken = occupied.local_addr().expect("it is bound").port();
    assert_eq!(
        client.run(&format!("CONFIG SET hz 77 port {taken}")).text(),
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. \
         Check server logs."
    );
    assert_eq!(shown(&mut client, "hz"), "10");
    assert_eq!(shown(&mut client, "port"), port.to_string());
    assert_eq!(
        connect(port)
            .expect("it listens there still")
            .run("PING")
            .text(),
        "PONG"
    );
    if !cfg!(target_os = "linux") {
        // Elsewhere the loopback interface has but one address.
        return;
    }
    for addresses in ["127.0.0.1 127.0.0.1", "127.0.0.1 -no.such.host.invalid"] {
        let words = ["CONFIG", "SET", "bind", addresses];
        client.send(&words).expect("it is sent");
        assert_eq!(
            client.receive().expect("a reply").text(),
            "ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified \
             addresses.",
            "{addresses}"
        );
    }
    assert_eq!(client.run("CONFIG SET bind 127.0.0.2").text(), "OK");
    assert!(connect(port).is_err());
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], port));
    assert_eq!(
        Client::connect(elsewhere)
            .expect("it listens there")
            .run("PING")
            .text(),
        "PONG"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let server = server(&["--enable-protected-configs", "local"]);
    let mut client = server.client();
    let mut refusal = |line: &str| match client.run(line) {
        reply if reply.is_error() => reply.text(),
        reply => panic!("{line} answers {reply:?}"),
    };
    assert_eq!(
        refusal("CONFIG SET dir /no/such/place"),
        "ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory"
    );
    assert!(refusal("CONFIG SET maxclients 4000000000").contains("try with "));
    assert!(refusal("CONFIG SET tls-port 1").contains("Unable to update TLS configuration"));
    assert_eq!(
        refusal("CONFIG REWRITE"),
        "ERR The server is running without a config file"
    );
}

#[test]
fn information_has_the_facts_of_the_process() {
    let server = server(&[]);
    let Reply::Bulk(info) = server.client().run("INFO") else {
        panic!("INFO answers a string");
    };
    let info = text(&info);
    let value = |field: &str| {
        let line = info
            .lines()
            .find(|line| line.split(':').next() == Some(field));
        line.unwrap_or_else(|| panic!("{field} is missing"))
            .split_once(':')
            .expect("it was split")
            .1
            .to_owned()
    };
    assert_eq!(value("process_id"), server.pid().to_string());
    assert_eq!(value("tcp_port"), server.port().to_string());
    assert!(value("used_memory").parse::<u64>().expect("a number") > 0);
    assert!(value("used_memory_peak").parse::<u64>().expect("a number") > 0);
}
