//! The history file: one line a command, the oldest first, as `redis-cli` keeps it, so
//! that either program can use the other's. Commands that carry a password are not
//! kept.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// How many commands are kept.
pub const CAPACITY: usize = 1000;

/// The commands typed before, in memory and, where there is one, in a file.
pub struct History {
    path: Option<PathBuf>,
    lines: Vec<String>,
}

impl History {
    /// Reads the file that `OXIDIS_HISTFILE` or `REDISCLI_HISTFILE` names, or that in
    /// the home directory; `/dev/null` keeps none.
    pub fn load() -> History {
        let path = dotfile(&["OXIDIS_HISTFILE", "REDISCLI_HISTFILE"], ".oxidis_history");
        History::load_from(path)
    }

    fn load_from(path: Option<PathBuf>) -> History {
        let text = path
            .as_deref()
            .and_then(|path| fs::read(path).ok())
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        let surplus = lines.len().saturating_sub(CAPACITY);
        lines.drain(..surplus);
        History { path, lines }
    }

    /// The commands, the oldest first.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Adds a command unless it repeats the last one, and saves; answers whether it
    /// was added. A file that cannot be written costs the history and nothing else.
    pub fn add(&mut self, line: &str) -> bool {
        if self.lines.last().is_some_and(|last| last == line) {
            return false;
        }
        self.lines.push(line.into());
        let surplus = self.lines.len().saturating_sub(CAPACITY);
        self.lines.drain(..surplus);
        if let Some(path) = &self.path {
            // The whole file is written only when something was dropped from it.
            let _ = if surplus > 0 {
                rewrite(path, &self.lines)
            } else {
                append(path, line)
            };
        }
        true
    }
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    writeln!(private().append(true).open(path)?, "{line}")
}

fn rewrite(path: &Path, lines: &[String]) -> std::io::Result<()> {
    let mut file: File = private().write(true).truncate(true).open(path)?;
    file.write_all((lines.join("\n") + "\n").as_bytes())
}

/// Commands hold data: nobody else needs to read them.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The file that the first of `variables` names that is set, else `name` in the home
/// directory; none where there is no home or the file is `/dev/null`.
pub fn dotfile(variables: &[&str], name: &str) -> Option<PathBuf> {
    let set = |variable: &&str| env::var_os(variable).filter(|value| !value.is_empty());
    let path = match variables.iter().find_map(set) {
        Some(path) => PathBuf::from(path),
        None => env::home_dir()
            .filter(|home| !home.as_os_str().is_empty())?
            .join(name),
    };
    (path != Path::new("/dev/null")).then_some(path)
}

/// Whether a command carries a password.
pub fn is_sensitive(arguments: &[Vec<u8>]) -> bool {
    let word = |index: usize, word: &str| {
        arguments
            .get(index)
            .is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
    };
    let any = |mut indexes: std::ops::Range<usize>, words: &[&str]| {
        indexes.any(|index| words.iter().any(|candidate| word(index, candidate)))
    };
    let count = arguments.len();
    match () {
        _ if word(0, "auth") => true,
        _ if word(0, "acl") => word(1, "setuser"),
        // CONFIG SET takes many parameters, their names at every second place.
        _ if word(0, "config") && word(1, "set") => (2..count).step_by(2).any(|index| {
            any(
                index..index + 1,
                &[
                    "masterauth",
                    "masteruser",
                    "requirepass",
                    "tls-key-file-pass",
                    "tls-client-key-file-pass",
                ],
            )
        }),
        _ if word(0, "hello") => any(2..count, &["auth"]),
        // In MIGRATE nothing after KEYS is an option.
        _ if word(0, "migrate") => {
            let keys = (6..count)
                .find(|&index| word(index, "keys"))
                .unwrap_or(count);
            any(6..keys, &["auth", "auth2"])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensitive(line: &str) -> bool {
        let words: Vec<Vec<u8>> = line
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        is_sensitive(&words)
    }

    #[test]
    fn passwords_are_noticed() {
        for line in [
            "auth secret",
            "AUTH user secret",
            "acl SETUSER joe >secret",
            "config set requirepass secret",
            "config set maxmemory 1 masterauth secret",
            "hello 3 auth user secret",
            "hello 3 setname me auth user secret",
            "migrate host 1 key 0 10 auth secret",
            "migrate host 1 key 0 10 copy auth2 user secret keys a",
        ] {
            assert!(sensitive(line), "{line}");
        }
        for line in [
            "get auth",
            "acl list",
            "config get requirepass",
            "config set maxmemory masterauth",
            "hello 3 setname me",
            "migrate host 1 key 0 10 keys auth auth2",
            "set acl setuser",
        ] {
            assert!(!sensitive(line), "{line}");
        }
    }

    #[test]
    fn the_file_holds_the_newest_commands() {
        let directory = env::temp_dir().join(format!("oxidis-history-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("history");
        let mut history = History::load_from(Some(path.clone()));
        assert!(history.add("first"));
        assert!(!history.add("first"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
        for number in 0..CAPACITY {
            history.add(&format!("set n {number}"));
        }
        assert_eq!(
            History::load_from(Some(path.clone())).lines(),
            history.lines()
        );
        assert_eq!(history.lines().len(), CAPACITY);
        assert_eq!(history.lines()[0], "set n 0");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}
