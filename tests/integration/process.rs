//! What an administrator expects of a server process: its log, its pid file, the background, where
//! it listens, signals and exit codes.

#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use oxidis_testkit::server::binary_under_test;
use oxidis_testkit::{Client, ServerBuilder, TestServer};

const LIMIT: Duration = Duration::from_secs(20);

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

fn signal(pid: &str, name: &str) {
    let status = Command::new("kill").args(["-s", name, pid]).status();
    assert!(status.expect("kill runs").success());
}

/// Waits until something holds.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: not within twenty seconds");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_verbose_log_tells_how_the_server_began() {
    let server = server(&["--loglevel", "verbose"]);
    let log = server.log();
    for line in [
        "- oO0OoO0OoO0Oo Oxidis is starting",
        "- Configuration loaded",
        "- Server initialized",
        "* Ready to accept connections tcp",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn the_log_is_a_file_that_may_be_rotated_and_its_level_may_change() {
    let server = server(&["--logfile", "redis.log", "--enable-debug-command", "yes"]);
    let file = server.dir().join("redis.log");
    let mut client = server.client();
    let log = read(&file);
    let notices: Vec<&str> = log.lines().filter(|line| line.contains(" * ")).collect();
    let [ready] = notices[..] else {
        panic!("one line says that the server runs: {log}");
    };
    let try_it = format!("try `redis-cli -p {}`", server.port());
    assert!(
        ready.contains("* Ready to accept connections tcp") && ready.contains(&try_it),
        "{ready}"
    );
    let first = log.lines().next().expect("a line");
    assert!(
        first.starts_with(&format!("{}:M ", server.pid())),
        "{first}"
    );
    assert!(!log.contains("Accepted"), "{log}");
    assert_eq!(server.log(), "");
    // Who rotates it moves it away.
    fs::rename(&file, server.dir().join("old.log")).expect("it is there");
    client.run("CONFIG SET loglevel verbose");
    drop(server.client());
    wait_for("the connection is logged", || {
        let log = read(&file);
        log.contains(" - Accepted 127.0.0.1:") && log.contains(" - Client closed connection id=")
    });
    client.run("CONFIG SET loglevel nothing");
    client.run("DEBUG LOG unheard");
    client.run("CONFIG SET loglevel warning log-format logfmt");
    client.run("DEBUG LOG heard");
    let log = read(&file);
    assert!(!log.contains("unheard"), "{log}");
    assert!(
        log.contains("level=warning message=\"DEBUG LOG: heard\""),
        "{log}"
    );
    assert!(client.run("CONFIG SET logfile other.log").is_error());
}

#[test]
fn a_server_goes_into_the_background_and_leaves_its_number() {
    let dir = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let status = Command::new(binary_under_test())
        .args(["--daemonize", "yes", "--bind", "127.0.0.1", "--save", ""])
        .args(["--pidfile", "redis.pid", "--logfile", "redis.log"])
        .args(["--port", &port.to_string(), "--dir"])
        .arg(dir.path())
        .status();
    assert!(status.expect("it runs").success());
    let file = dir.path().join("redis.pid");
    wait_for("the pid file is written", || read(&file).ends_with('\n'));
    let pid = read(&file).trim().to_owned();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut client = Client::connect(address).expect("it listens");
    let info = client.run("INFO server").text();
    assert!(info.contains(&format!("process_id:{pid}\r\n")), "{info}");
    signal(&pid, "TERM");
    wait_for("the pid file is removed", || !file.exists());
    let log = dir.path().join("redis.log");
    wait_for("the end is logged", || read(&log).contains("bye bye"));
    for line in ["Received SIGTERM", "Removing the pid file"] {
        assert!(read(&log).contains(line), "{line}: {}", read(&log));
    }
}

#[test]
fn signals_end_the_server_or_do_not() {
    let mut server = server(&[]);
    let mut client = server.client();
    signal(&server.pid().to_string(), "HUP");
    signal(&server.pid().to_string(), "PIPE");
    assert_eq!(client.run("PING").text(), "PONG");
    signal(&server.pid().to_string(), "INT");
    assert_eq!(server.wait_for_exit_code(LIMIT), Some(0));
    let log = server.log();
    assert!(log.contains("Received SIGINT scheduling shutdown"), "{log}");
    assert!(log.contains("bye bye"), "{log}");
}

#[test]
fn shutdown_ends_the_server_with_success() {
    let mut server = server(&[]);
    let mut client = server.raw_client();
    client.send("SHUTDOWN NOSAVE\r\n").expect("sent");
    assert_eq!(client.read_to_close().expect("closed"), b"");
    let refused = TcpStream::connect(server.address()).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(server.wait_for_exit_code(LIMIT), Some(0));
    assert!(server.log().contains("User requested shutdown"));
}

#[test]
fn a_port_that_is_taken_is_an_error_in_the_log() {
    let occupied = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    let port = occupied
        .local_addr()
        .expect("it is bound")
        .port()
        .to_string();
    let output = Command::new(binary_under_test())
        .args(["--bind", "127.0.0.1", "--port", &port])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(log.contains("Failed listening on port"), "{log}");
}

#[test]
fn addresses_may_be_missing_and_stars_are_all_of_them() {
    // The last `--bind` wins.
    let one = server(&["--bind", "127.0.0.1", "-192.0.2.1", "-::1"]);
    assert_eq!(one.client().run("PING").text(), "PONG");
    let all = server(&["--bind", "*", "-::*"]);
    let port = all.port();
    assert_eq!(all.client().run("PING").text(), "PONG");
    // Is there an address that others could come from?
    let probe = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let Ok(()) = probe.connect("192.0.2.1:9") else {
        return;
    };
    let ours = probe.local_addr().expect("it is connected").ip();
    if ours.is_loopback() {
        return;
    }
    let mut stranger = TcpStream::connect((ours, port)).expect("it listens everywhere");
    stranger.set_read_timeout(Some(LIMIT)).expect("a limit");
    let mut answer = String::new();
    stranger.read_to_string(&mut answer).expect("a refusal");
    assert!(answer.starts_with("-DENIED "), "{answer}");
    all.client().run("CONFIG SET protected-mode no");
    let mut welcome = Client::connect((ours, port).into()).expect("it listens");
    assert_eq!(welcome.run("PING").text(), "PONG");
}

#[test]
fn a_unix_socket_may_be_the_only_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut process = Command::new(binary_under_test())
        .args(["--port", "0", "--unixsocket", "redis.sock"])
        .args(["--unixsocketperm", "700", "--dir"])
        .arg(dir.path())
        .args(["--logfile", "redis.log"])
        .spawn()
        .expect("it runs");
    let path = dir.path().join("redis.sock");
    wait_for("it listens", || {
        read(&dir.path().join("redis.log")).contains("now ready to accept connections at")
    });
    let mode = fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut stream = UnixStream::connect(&path).expect("it listens");
    stream.write_all(b"PING\r\n").expect("sent");
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).expect("answered");
    assert_eq!(&answer, b"+PONG\r\n");
    signal(&process.id().to_string(), "TERM");
    assert!(process.wait().expect("it ends").success());
    assert!(!path.exists());
}
