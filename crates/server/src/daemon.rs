//! The process among others: into the background, the file with its number, word to its supervisor.
//!
//! Unsafe because of `fork`, which is called before there is any thread.

#[cfg(unix)]
pub use unix::{detach, tell_ready};

use std::path::PathBuf;

use oxidis_engine::config::{Config, Supervised};
use oxidis_persist::storage::reason_of;

use crate::configuration::path_of;

/// The file for the number of a process in the background that names no other.
const DEFAULT_PID_FILE: &str = "/var/run/redis.pid";

/// The supervisor that started this process, if it is one that wants to be told things.
///
/// `supervised auto` goes by what supervisors put into the environment.
pub fn supervisor(config: &Config) -> Supervised {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let (upstart, systemd) = (is_set("UPSTART_JOB"), is_set("NOTIFY_SOCKET"));
    match config.supervised() {
        Supervised::Auto if upstart => Supervised::Upstart,
        Supervised::Auto if systemd => Supervised::Systemd,
        Supervised::Upstart if upstart => Supervised::Upstart,
        Supervised::Systemd if systemd => Supervised::Systemd,
        _ => Supervised::No,
    }
}

/// A file with the number of this process; it is removed on drop.
#[derive(Debug)]
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file that the configuration names, if it names one or the process is in the
    /// background. That it cannot be written is logged, and no reason not to serve.
    pub fn write(config: &Config, is_background: bool) -> Option<Self> {
        let named = config.pidfile();
        let path = match (named.is_empty(), is_background) {
            (false, _) => path_of(&config.dir()).join(path_of(&named)),
            (true, true) => PathBuf::from(DEFAULT_PID_FILE),
            (true, false) => return None,
        };
        match std::fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => Some(PidFile(path)),
            Err(error) => {
                tracing::warn!("Failed to write PID file: {}", reason_of(&error));
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        tracing::info!("Removing the pid file.");
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::OpenOptions;
    use std::io;

    use nix::sys::signal::{Signal, raise};
    use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};
    use oxidis_engine::config::Supervised;

    /// Goes on in a child that has no terminal; the process that was called ends here with success.
    ///
    /// Call it before there are threads: a fork has only the one that called.
    ///
    /// # Errors
    /// The operating system's.
    pub fn detach() -> io::Result<()> {
        // SAFETY: no other thread has been started yet, so none can hold a lock for ever in the
        // child.
        match unsafe { fork() }? {
            ForkResult::Parent { .. } => std::process::exit(0),
            ForkResult::Child => {}
        }
        setsid()?;
        // The log goes to a file or nowhere. Without the null device the old streams stay.
        if let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
            dup2_stdin(&null)?;
            dup2_stdout(&null)?;
            dup2_stderr(&null)?;
        }
        Ok(())
    }

    /// Tells the supervisor that the server accepts connections.
    pub fn tell_ready(supervisor: Supervised) {
        match supervisor {
            Supervised::Systemd => {
                let state = [
                    sd_notify::NotifyState::Status("Ready to accept connections"),
                    sd_notify::NotifyState::Ready,
                ];
                if let Err(error) = sd_notify::notify(&state) {
                    tracing::warn!("systemd cannot be told that the server is ready: {error}");
                }
            }
            // Upstart waits for the process to stop itself, and lets it go on.
            Supervised::Upstart => {
                if raise(Signal::SIGSTOP).is_err() {
                    tracing::warn!("upstart cannot be told that the server is ready");
                }
            }
            Supervised::Auto | Supervised::No => {}
        }
    }
}

/// There is no background to go to.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub fn detach() -> std::io::Result<()> {
    Err(std::io::Error::other(
        "this system has no daemons; use its services",
    ))
}

/// There are no supervisors that want to be told.
#[cfg(not(unix))]
pub fn tell_ready(_: Supervised) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_number_while_the_process_lives() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::new(0);
        assert!(PidFile::write(&config, false).is_none());
        let dir = crate::configuration::bytes_of(folder.path());
        config.set_default("dir", &dir).unwrap();
        config.set_default("pidfile", b"server.pid").unwrap();
        let file = PidFile::write(&config, false).unwrap();
        let path = folder.path().join("server.pid");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
        config
            .set_default("pidfile", b"no/such/folder/pid")
            .unwrap();
        assert!(PidFile::write(&config, false).is_none());
    }
}
