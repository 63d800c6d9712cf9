//! The two programs that are compared, run the same way.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// What a program printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub output: String,
    pub errors: String,
    pub code: Option<i32>,
}

/// One run: arguments, standard input, and whether the program believes that its output
/// is a terminal.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub arguments: Vec<String>,
    pub input: Vec<u8>,
    pub terminal: bool,
}

impl Run {
    pub fn new(arguments: &[&str]) -> Run {
        Run {
            arguments: arguments
                .iter()
                .map(|argument| argument.to_string())
                .collect(),
            ..Run::default()
        }
    }

    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Run {
        self.input = input.into();
        self
    }

    pub fn terminal(mut self) -> Run {
        self.terminal = true;
        self
    }

    /// Runs a program; `server` are the flags that name the server.
    pub fn of(&self, program: &Path, server: &[String]) -> Outcome {
        let mut command = Command::new(program);
        command.args(server).args(&self.arguments);
        for variable in ["REDISCLI_AUTH", "FAKETTY"] {
            command.env_remove(variable);
        }
        if self.terminal {
            command.env("FAKETTY", "1");
        }
        // What a debugger says has colours then.
        command.env("TERM", "xterm").env_remove("NO_COLOR");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("it was piped");
        let input = self.input.clone();
        // A program that does not read its input is no mistake.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("the program ends");
        writer.join().expect("writing does not panic");
        Outcome {
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code(),
        }
    }
}

/// The program that this crate builds.
pub fn ours() -> PathBuf {
    env!("CARGO_BIN_EXE_oxidis-cli").into()
}

/// The real one, where this machine has version 7.0: later ones print some things
/// differently.
pub fn theirs() -> Option<PathBuf> {
    let path = std::env::var_os("REDIS_CLI_BIN").map_or("redis-cli".into(), PathBuf::from);
    let version = Command::new(&path).arg("--version").output().ok()?;
    if String::from_utf8_lossy(&version.stdout).starts_with("redis-cli 7.0.") {
        return Some(path);
    }
    eprintln!("skipped: no redis-cli 7.0 on this machine");
    None
}
