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

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
#[cfg(target_os = "linux")]
use oxidis_testkit::Reply;
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

/// Sends a signal to a process.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().expect("a process's number fits"));
    kill(pid, signal).expect("the process is there");
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
    // A client may be faster than the log.
    wait_for("it says so", || server.log().contains("* Ready to accept"));
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
    wait_for("it says so", || read(&file).contains("* Ready to accept"));
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
    let pid: u32 = read(&file).trim().parse().expect("a number");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut client = Client::connect(address).expect("it listens");
    let info = client.run("INFO server").text();
    assert!(info.contains(&format!("process_id:{pid}\r\n")), "{info}");
    signal(pid, Signal::SIGTERM);
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
    signal(server.pid(), Signal::SIGHUP);
    signal(server.pid(), Signal::SIGPIPE);
    assert_eq!(client.run("PING").text(), "PONG");
    signal(server.pid(), Signal::SIGINT);
    assert_eq!(server.wait_for_exit_code(LIMIT), Some(0));
    let log = server.log();
    assert!(log.contains("Received SIGINT scheduling shutdown"), "{log}");
    assert!(log.contains("bye bye"), "{log}");
}

#[test]
fn a_server_that_loads_can_be_ended() {
    let directory = tempfile::tempdir().expect("a folder");
    let folder = directory.path().to_str().expect("a plain path");
    let mut full = server(&["--dir", folder, "--enable-debug-command", "yes"]);
    let mut client = full.client();
    client.run("DEBUG POPULATE 1000");
    assert_eq!(client.run("SAVE").text(), "OK");
    client.send(&["SHUTDOWN", "NOSAVE"]).expect("sent");
    assert_eq!(full.wait_for_exit_code(LIMIT), Some(0));
    let saved = fs::read(directory.path().join("dump.rdb")).expect("it was saved");

    let signal_line = "Received shutdown signal during loading, scheduling shutdown.";
    for by_signal in [true, false] {
        // Twenty seconds of loading, if nothing ends it.
        let (log_path, pid_path) = (directory.path().join("log"), directory.path().join("pid"));
        let port = free_port();
        let mut child = Command::new(binary_under_test())
            .args(["--port", &port.to_string(), "--dir", folder, "--pidfile"])
            .arg(&pid_path)
            .args(["--key-load-delay", "20000"])
            .stdout(fs::File::create(&log_path).expect("a log"))
            .spawn()
            .expect("it runs");
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let is_loading = || {
            let Ok(mut stream) = connect() else {
                return false;
            };
            let mut first = [0; 8];
            let asked = stream.write_all(b"PING\r\n");
            asked.is_ok() && stream.read_exact(&mut first).is_ok() && &first == b"-LOADING"
        };
        wait_for("it loads", is_loading);
        signal(child.id(), Signal::SIGHUP);
        wait_for("it loads on", is_loading);
        assert!(pid_path.exists());
        if by_signal {
            signal(child.id(), Signal::SIGTERM);
        } else {
            let mut stream = connect().expect("it listens");
            stream.write_all(b"SHUTDOWN\r\n").expect("sent");
        }
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        let log = read(&log_path);
        assert_eq!(log.contains(signal_line), by_signal, "{log}");
        assert!(log.contains("bye bye"), "{log}");
        assert!(!log.contains("Ready to accept connections"), "{log}");
        assert!(!pid_path.exists());
        let left = fs::read(directory.path().join("dump.rdb")).expect("it is still there");
        assert!(left == saved, "a part of the data was saved");
    }
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
    let beginning = "-DENIED Redis is running in protected mode because protected mode is enabled and no \
                     password is set for the default user. In this mode connections are only accepted \
                     from the loopback interface. ";
    assert!(answer.starts_with(beginning), "{answer}");
    let info = all.client().run("INFO stats").text();
    assert!(info.contains("\r\nrejected_connections:1\r\n"), "{info}");
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
    signal(process.id(), Signal::SIGTERM);
    assert!(process.wait().expect("it ends").success());
    assert!(!path.exists());
}

#[test]
fn a_crash_is_told_in_the_log_unless_that_is_unwanted() {
    for (enabled, command) in [("yes", "SEGFAULT"), ("yes", "PANIC"), ("no", "SEGFAULT")] {
        let arguments = [
            "--crash-log-enabled",
            enabled,
            "--enable-debug-command",
            "yes",
        ];
        let mut server = server(&arguments);
        let mut client = server.client();
        // There is nobody left to answer.
        assert!(client.command(&["DEBUG", command]).is_err());
        assert_eq!(server.wait_for_end(LIMIT), Some(false));
        let log = server.log();
        let is_told = log.contains("crashed by signal: ") && log.contains("STACK TRACE");
        assert_eq!(is_told, enabled == "yes", "{log}");
        assert!(enabled == "no" || log.contains("debug"), "{log}");
    }
}

#[test]
fn a_signal_from_outside_that_means_a_crash_is_told_too() {
    let mut server = server(&[]);
    signal(server.pid(), Signal::SIGABRT);
    assert_eq!(server.wait_for_end(LIMIT), Some(false));
    assert!(server.log().contains("STACK TRACE"), "{}", server.log());
}

#[test]
#[cfg(target_os = "linux")]
fn the_title_of_the_process_follows_the_configuration() {
    let server = server(&["--proc-title-template", "ox {port} {server-mode}"]);
    let path = format!("/proc/{}/cmdline", server.pid());
    let title = || read(Path::new(&path)).trim_end_matches('\0').to_owned();
    assert_eq!(title(), format!("ox {}", server.port()));
    let longer = "x".repeat(200);
    let mut client = server.client();
    client.run(&format!("CONFIG SET proc-title-template {longer}"));
    // The place that there is depends on the arguments and the environment.
    assert!(
        title().len() > 40 && longer.starts_with(&title()),
        "{}",
        title()
    );
}

#[test]
fn clients_and_threads_are_told_as_they_are() {
    let server = server(&["--io-threads", "2"]);
    let mut clients: Vec<Client> = (0..4).map(|_| server.client()).collect();
    for client in &mut clients {
        client.run("PING");
    }
    let list = clients[0].run("CLIENT LIST").text();
    let mut descriptors: Vec<&str> = list.split("fd=").skip(1).collect();
    descriptors
        .iter_mut()
        .for_each(|it| *it = it.split(' ').next().unwrap_or_default());
    descriptors.sort_unstable();
    descriptors.dedup();
    assert_eq!(descriptors.len(), 4, "{list}");
    for descriptor in descriptors {
        let path = format!("/proc/{}/fd/{descriptor}", server.pid());
        assert!(!cfg!(target_os = "linux") || fs::read_link(path).is_ok());
    }
    let info = clients[0].run("INFO everything").text();
    for line in [
        "io_thread_0:clients=",
        "io_thread_1:clients=",
        "listener0:name=tcp,bind=127.0.0.1,",
        "eventloop_cycles:",
        "paused_actions:none",
        "used_memory_peak_time:",
    ] {
        assert!(info.contains(line), "{line}: {info}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_allocator_gives_memory_back_by_itself_unless_it_is_told_not_to() {
    let server = server(&["--enable-debug-command", "yes"]);
    let mut client = server.client();
    let mut has_threads = || client.run("DEBUG MALLCTL background_thread");
    assert_eq!(has_threads(), Reply::Integer(1));
    for (wanted, told) in [("no", 0), ("yes", 1)] {
        let set = format!("CONFIG SET jemalloc-bg-thread {wanted}");
        server.client().run(&set);
        assert_eq!(has_threads(), Reply::Integer(told), "{wanted}");
    }
}

#[test]
fn debug_tells_how_things_lie_in_memory() {
    let server = server(&["--enable-debug-command", "yes", "--maxmemory-clients", "1g"]);
    let mut client = server.client();
    client.run("SET short hello");
    client.run("SET number 12");
    client.run("APPEND long 12");
    client.run(&format!("SETRANGE long 5000 {}", "x".repeat(100)));
    client.run("RPUSH small a b");
    for _ in 0..20 {
        client.run(&format!("RPUSH big {}", "y".repeat(1000)));
    }
    let mut ask = |line: &str| client.run(line).text();
    let short = ask("DEBUG SDSLEN short");
    assert!(short.starts_with("key_sds_len:5, ") && short.contains(" val_sds_len:5, "));
    assert!(ask("DEBUG SDSLEN long").contains("val_sds_len:5100, val_sds_avail:"));
    assert_eq!(ask("DEBUG SDSLEN number"), "ERR Not an sds encoded string.");
    assert_eq!(ask("DEBUG SDSLEN none"), "ERR no such key");
    assert_eq!(
        ask("DEBUG LISTPACK big"),
        "ERR Not a listpack encoded object."
    );
    assert_eq!(
        ask("DEBUG QUICKLIST small"),
        "ERR Not a quicklist encoded object."
    );
    ask("DEBUG LISTPACK small");
    ask("DEBUG QUICKLIST big 1");
    assert!(ask("DEBUG STRUCTSIZE").starts_with("bits:"));
    // The connection that found the server ready may not have ended yet.
    let is_alone = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        ask("DEBUG CLIENT-EVICTION").contains("clients: 1\n")
    });
    assert!(is_alone);
    for line in [
        "DEBUG LEAK text",
        "DEBUG AOF-FLUSH-SLEEP 0",
        "DEBUG DROP-CLUSTER-PACKET-FILTER 1",
        "DEBUG REPLICATE PING",
    ] {
        assert_eq!(ask(line), "OK");
    }
    assert_eq!(ask("REPLICAOF host port"), "ERR Invalid master port");
    let log = server.log();
    assert!(log.contains("DEBUG LISTPACK: 2 elements"), "{log}");
    assert!(
        log.contains("DEBUG QUICKLIST: 20 elements\n node: "),
        "{log}"
    );
}

/// Starts the server anew, and answers a client of the new one, which has the same number.
fn restart(server: &TestServer, command: &str) -> Client {
    let run_id = |client: &mut Client| {
        let information = client.run("INFO server").text();
        let line = |name: &str| {
            let found = information.lines().find(|line| line.starts_with(name));
            found.expect("it is there").to_owned()
        };
        (line("process_id:"), line("run_id:"))
    };
    let mut client = server.client();
    let (process, old) = run_id(&mut client);
    let mut raw = server.raw_client();
    raw.send(format!("{command}\r\n")).expect("sent");
    let answer = raw.read_to_close().expect("the end of the connection");
    assert_eq!(String::from_utf8_lossy(&answer), "");
    let mut new = None;
    wait_for("the server is back", || {
        new = Client::connect(server.address()).ok();
        let pong = new
            .as_mut()
            .and_then(|client| client.command(&["PING"]).ok());
        pong.is_some_and(|reply| reply.text() == "PONG")
    });
    let mut new = new.expect("it was just there");
    let (same, other) = run_id(&mut new);
    assert_eq!(process, same);
    assert_ne!(old, other);
    new
}

/// The data are there afterwards that would be there after SHUTDOWN, or after an end that nobody has prepared for.
#[test]
fn a_server_starts_itself_anew() {
    let debug = ["--enable-debug-command", "yes"];
    for (arguments, kept_by_restart, kept_by_crash) in [
        (&["--save", ""][..], false, false),
        (&["--save", "900 1"], true, false),
        (&["--appendonly", "yes"], true, true),
        (
            &["--appendonly", "yes", "--appendfsync", "always"],
            true,
            true,
        ),
    ] {
        let server = server(&[&debug[..], arguments].concat());
        let mut client = server.client();
        assert_eq!(
            client.run("DEBUG RESTART x").text(),
            "ERR value is not an integer or out of range"
        );
        client.run("SET first 1");
        let mut client = restart(&server, "DEBUG RESTART");
        assert_eq!(!client.run("GET first").is_null(), kept_by_restart);
        assert_eq!(
            client.run("DEBUG CRASH-AND-RECOVER 1.5").text(),
            "ERR value is not an integer or out of range"
        );
        client.run("SET second 1");
        let mut client = restart(&server, "DEBUG CRASH-AND-RECOVER -5 more words");
        assert_eq!(!client.run("GET first").is_null(), kept_by_restart);
        assert_eq!(!client.run("GET second").is_null(), kept_by_crash);
        restart(&server, "debug restart 50");
    }
}

/// What CONFIG SET has changed goes into the file first; the file is found wherever the server is by then.
#[test]
fn a_server_that_starts_itself_anew_keeps_its_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("redis.conf");
    fs::write(&path, "maxmemory 10mb\n").expect("written");
    let path = path.to_str().expect("a plain path");
    let other = tempfile::tempdir().expect("a folder");
    let server = ServerBuilder::foreign(binary_under_test())
        .arguments([path, "--port", "{port}", "--dir", "{dir}", "--save", ""])
        .arguments(["--enable-debug-command", "yes"])
        .start()
        .expect("the server starts");
    let mut client = server.client();
    client.run("CONFIG SET maxmemory 20mb");
    client.run(&format!("CONFIG SET dir {}", other.path().display()));
    let mut client = restart(&server, "DEBUG RESTART");
    let maxmemory = client.run("CONFIG GET maxmemory").to_string();
    assert!(maxmemory.contains("20971520"), "{maxmemory}");
    client.run("CONFIG SET maxmemory 30mb");
    let mut client = restart(&server, "DEBUG CRASH-AND-RECOVER");
    let maxmemory = client.run("CONFIG GET maxmemory").to_string();
    assert!(maxmemory.contains("20971520"), "{maxmemory}");
}
