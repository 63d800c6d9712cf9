//! The prompt at a terminal: what a person sees while typing. Needs a real pseudo-terminal
//! and, for the server, `redis-server`.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oxidis_testkit::server::redis_server;
use oxidis_testkit::{ServerBuilder, TestServer};

/// A text that does not come within this time will never come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The prompt on a terminal of its own.
struct Terminal {
    child: Child,
    keys: File,
    output: Receiver<Vec<u8>>,
    seen: String,
    home: PathBuf,
}

impl Terminal {
    fn open(arguments: &[&str]) -> Terminal {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let terminal = openpty(Some(&size), None).expect("there are pseudo-terminals");
        let home = tempfile::tempdir()
            .expect("there is a temporary directory")
            .keep();
        let side = || terminal.slave.try_clone().expect("it can be duplicated");
        let child = Command::new(env!("CARGO_BIN_EXE_oxidis-cli"))
            .args(arguments)
            .env("TERM", "xterm")
            .env("HOME", &home)
            .env_remove("OXIDIS_HISTFILE")
            .env_remove("REDISCLI_HISTFILE")
            .env_remove("NO_COLOR")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("the prompt starts");
        let keys = File::from(terminal.master);
        let mut screen = keys.try_clone().expect("it can be duplicated");
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut chunk) {
                if sender.send(chunk[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal {
            child,
            keys,
            output,
            seen: String::new(),
            home,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("the terminal is open");
    }

    /// Waits until `text` appears, and forgets everything up to its end.
    fn expect(&mut self, text: &str) {
        self.until(text);
    }

    /// Does what [`Terminal::expect`] does, and answers what came before the text.
    fn until(&mut self, text: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(at) = self.seen.find(text) {
                let mut before: String = self.seen.drain(..at + text.len()).collect();
                before.truncate(at);
                return before;
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} does not come after {:?}", self.seen),
            }
        }
    }

    fn interrupt(&self) {
        let pid = Pid::from_raw(self.child.id() as i32);
        kill(pid, Signal::SIGINT).expect("it runs");
    }

    fn code(&mut self) -> Option<i32> {
        self.child.wait().expect("it was started").code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself, as most tests have it do.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn server() -> Option<TestServer> {
    let Some(program) = redis_server() else {
        eprintln!("skipped: no redis-server on this machine");
        return None;
    };
    Some(
        ServerBuilder::new(program)
            .start()
            .expect("redis-server starts"),
    )
}

#[test]
fn the_prompt_shows_database_and_transaction() {
    let Some(server) = server() else { return };
    let port = server.port();
    let mut terminal = Terminal::open(&["-p", &port.to_string()]);
    terminal.expect(&format!("127.0.0.1:{port}> "));
    terminal.press("select 2\r");
    terminal.expect(&format!("127.0.0.1:{port}[2]> "));
    terminal.press("multi\r");
    terminal.expect(&format!("127.0.0.1:{port}[2](TX)> "));
    terminal.press("get a\r");
    terminal.expect("QUEUED");
    terminal.press("discard\r");
    terminal.expect("OK");
    terminal.expect(&format!("127.0.0.1:{port}[2]> "));
    terminal.press("reset\r");
    terminal.expect("RESET");
    terminal.expect(&format!("127.0.0.1:{port}> "));
    terminal.press("quit\r");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn hints_and_completion_follow_what_is_typed() {
    let Some(server) = server() else { return };
    let mut terminal = Terminal::open(&["-p", &server.port().to_string()]);
    terminal.expect("> ");
    terminal.press("getrange");
    terminal.expect("\x1b[90m key start end\x1b[0m");
    terminal.press(" k ");
    terminal.expect("\x1b[90mstart end\x1b[0m");
    terminal.press("\x15:set nohints\r");
    terminal.expect("nohints");
    terminal.expect("> ");
    terminal.press("getrange ");
    terminal.press("\x15config g\t");
    terminal.expect("\x1b[1mGET\x1b[0m");
    terminal.press(" 'open");
    terminal.expect("\x1b[31m'open\x1b[0m");
    assert!(!terminal.seen.contains("\x1b[90m"), "{:?}", terminal.seen);
    // Ctrl-C leaves.
    terminal.press("\x03");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn hints_end_at_the_edge_of_the_terminal() {
    let Some(server) = server() else { return };
    let port = server.port();
    let mut terminal = Terminal::open(&["-p", &port.to_string()]);
    terminal.expect("> ");
    terminal.press("set ");
    terminal.expect("set\x1b[0m \x1b[90mkey value ");
    terminal.expect("\x1b[0m");
    terminal.press("key ");
    terminal.expect("set\x1b[0m key \x1b[90m");
    let before = format!("127.0.0.1:{port}> set key ").len();
    let hint = terminal.until("\x1b[0m");
    assert_eq!(before + hint.len(), 79, "{hint}");
}

#[test]
fn ctrl_c_kills_a_single_command() {
    let Some(server) = server() else { return };
    let port = server.port().to_string();
    for (command, first) in [("subscribe", "(integer) 1"), ("monitor", "OK")] {
        let arguments = ["-p", &port, command, "channel"];
        let count = if command == "monitor" { 3 } else { 4 };
        let mut terminal = Terminal::open(&arguments[..count]);
        terminal.expect(first);
        terminal.interrupt();
        let ended = terminal.child.wait().expect("it was started");
        assert_eq!(ended.signal(), Some(Signal::SIGINT as i32));
    }
}

#[test]
fn push_messages_show_while_nobody_types() {
    let Some(server) = server() else { return };
    let port = server.port().to_string();
    let mut terminal = Terminal::open(&["-3", "-p", &port]);
    terminal.expect("> ");
    terminal.press("client tracking on\r");
    terminal.expect("OK");
    terminal.press("get key\r");
    terminal.expect("(nil)");
    terminal.expect("> ");
    let mut other = server.client();
    other.run("SET key value");
    terminal.expect("-> invalidate: 'key'");
    terminal.press("get key\r");
    terminal.expect("\"value\"");
}

#[test]
fn ctrl_c_ends_a_subscription_and_not_the_prompt() {
    let Some(server) = server() else { return };
    let port = server.port().to_string();
    for command in ["subscribe channel", "monitor"] {
        let mut terminal = Terminal::open(&["-n", "1", "-p", &port]);
        terminal.expect("[1]> ");
        terminal.press(&format!("{command}\r"));
        terminal.expect(if command == "monitor" {
            "OK"
        } else {
            "(integer) 1"
        });
        let mut other = server.client();
        other.run("PUBLISH channel news");
        terminal.expect("\"news\"");
        terminal.interrupt();
        // The new connection has selected the database again.
        terminal.expect("[1]> ");
        terminal.press("ping\r");
        terminal.expect("PONG");
        terminal.press("exit\r");
        assert_eq!(terminal.code(), Some(0));
    }
}

#[test]
fn a_lost_server_is_found_again() {
    let Some(server) = server() else { return };
    let port = server.port().to_string();
    let mut terminal = Terminal::open(&["-n", "3", "-p", &port]);
    terminal.expect("[3]> ");
    server.client().run("CLIENT KILL TYPE normal");
    terminal.press("ping\r");
    terminal.expect("Error: Server closed the connection");
    terminal.expect("not connected> ");
    terminal.press("ping\r");
    terminal.expect("PONG");
    terminal.expect("[3]> ");
    // Ctrl-D leaves as well.
    terminal.press("\x04");
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn history_is_kept_without_passwords() {
    let Some(server) = server() else { return };
    let port = server.port().to_string();
    let mut terminal = Terminal::open(&["-p", &port]);
    terminal.expect("> ");
    terminal.press("auth user secret\r");
    terminal.expect("WRONGPASS");
    terminal.press("set key value\r");
    terminal.expect("OK");
    // Up and Return runs it again, and is no new line of history.
    terminal.expect("> ");
    terminal.press("\x1b[A\r");
    terminal.expect("\x1b[1mset\x1b[0m key value");
    terminal.expect("OK");
    terminal.press("quit\r");
    assert_eq!(terminal.code(), Some(0));
    let kept = fs::read_to_string(terminal.home.join(".oxidis_history")).expect("it was written");
    assert_eq!(kept, "set key value\nquit\n");
}

#[test]
fn ctrl_c_ends_a_command_that_waits() {
    let Some(server) = server() else { return };
    let mut terminal = Terminal::open(&["-p", &server.port().to_string()]);
    terminal.expect("> ");
    terminal.press("blpop nothing 0\r");
    let mut other = server.client();
    while !other
        .run("INFO clients")
        .to_string()
        .contains("blocked_clients:1")
    {
        thread::sleep(Duration::from_millis(5));
    }
    terminal.interrupt();
    assert_eq!(terminal.code(), Some(1));
}

#[test]
fn an_embedded_engine_outlives_an_interrupted_subscription() {
    let mut terminal = Terminal::open(&["--embedded"]);
    terminal.expect("oxidis> ");
    terminal.press("set key value\r");
    terminal.expect("OK");
    terminal.expect("oxidis> ");
    terminal.press("subscribe channel\r");
    terminal.expect("(integer) 1");
    terminal.interrupt();
    terminal.expect("oxidis> ");
    terminal.press("get key\r");
    terminal.expect("\"value\"");
    terminal.press("exit\r");
    assert_eq!(terminal.code(), Some(0));
}
