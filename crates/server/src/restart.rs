//! Starting the process anew in its own place, as it was started: DEBUG RESTART and CRASH-AND-RECOVER.
//!
//! Files and sockets are closed when a process is replaced by another, all but the three that its starter gave it. What
//! is to be written down before is not known here.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// How this process was started.
struct Origin {
    program: PathBuf,
    /// The name that it was called by, and the words behind it.
    words: Vec<OsString>,
    directory: PathBuf,
}

static ORIGIN: OnceLock<Origin> = OnceLock::new();

/// Remembers how the process was started, which is wholly the server's then. Call it before anything changes the
/// directory.
pub(crate) fn prepare() {
    let (Ok(program), Ok(directory)) = (std::env::current_exe(), std::env::current_dir()) else {
        return;
    };
    // Whoever was there first knows.
    let _ = ORIGIN.set(Origin {
        program,
        words: std::env::args_os().collect(),
        directory,
    });
}

/// Starts the process anew after some time in which nobody is served; `close` is called before that, so that nobody can
/// connect any more. Does not return if it succeeds.
///
/// # Errors
/// Why it cannot; the process is as it was then.
pub(crate) fn restart(delay: Duration, close: impl FnOnce()) -> Result<Infallible, String> {
    let Some(origin) = ORIGIN.get() else {
        return Err("this process is not the server's own".to_owned());
    };
    if !origin.program.is_file() {
        return Err(format!(
            "{} is not there any more",
            origin.program.display()
        ));
    }
    let mut command = Command::new(&origin.program);
    command
        .args(origin.words.iter().skip(1))
        .current_dir(&origin.directory);
    close();
    std::thread::sleep(delay);
    replace(command, origin)
}

#[cfg(unix)]
fn replace(mut command: Command, origin: &Origin) -> Result<Infallible, String> {
    use std::os::unix::process::CommandExt;

    if let Some(name) = origin.words.first() {
        command.arg0(name);
    }
    let error = command.exec();
    // Nobody can connect to this one any more.
    tracing::warn!("Can't restart: {error}");
    std::process::exit(1);
}

/// Where a process cannot be replaced, it starts another one and ends.
#[cfg(not(unix))]
fn replace(mut command: Command, _: &Origin) -> Result<Infallible, String> {
    let code = match command.spawn() {
        Ok(_) => 0,
        Err(error) => {
            tracing::warn!("Can't restart: {error}");
            1
        }
    };
    std::process::exit(code);
}
