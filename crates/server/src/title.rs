//! The title of the process, as `ps` shows it: `set-proc-title`, `proc-title-template`.
//!
//! Linux shows the memory in which the arguments of the program lie, and if that does not end with a zero
//! byte, the environment behind it too. So a title is written there; that the environment may be used for it,
//! its variables are first set anew, which makes the C library keep them elsewhere. Other systems keep the
//! title that they gave.
//!
//! Unsafe, because of that memory and of the environment.

use std::sync::OnceLock;

use oxidis_engine::config::{Config, expand_template};

/// What the program was called as; not there where no title can be set.
static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();

/// Makes it possible to set titles.
///
/// # Safety
/// There is no other thread yet.
pub unsafe fn prepare() {
    let program = std::env::args_os().next().unwrap_or_default();
    // SAFETY: promised by the caller.
    if unsafe { platform::prepare() } {
        // Only a second call can fail, and changes nothing.
        let _ = PROGRAM.set(program.into_encoded_bytes());
    }
}

/// Shows what the configuration wants to be shown, if it does.
pub(crate) fn show(config: &Config) {
    let Some(program) = PROGRAM.get().filter(|_| config.set_proc_title()) else {
        return;
    };
    let template = config.proc_title_template();
    // The configuration takes no template that cannot be filled in.
    if let Some(title) = expand_template(&template, |name| value_of(config, program, name)) {
        platform::show(&title);
    }
}

fn value_of(config: &Config, program: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let (port, tls_port) = (config.port(), config.tls_port());
    let value = match name {
        b"title" => program.to_vec(),
        b"listen-addr" if port == 0 && tls_port == 0 => {
            [&b"unixsocket:"[..], &config.unixsocket()].concat()
        }
        b"listen-addr" => {
            let addresses = config.bind_addresses();
            let address = addresses.first().map_or(&b"*"[..], Vec::as_slice);
            let port = if port == 0 { tls_port } else { port };
            [address, format!(":{port}").as_bytes()].concat()
        }
        b"server-mode" if config.cluster_enabled() => b"[cluster]".to_vec(),
        b"server-mode" => Vec::new(),
        b"config-file" => config.file().unwrap_or_else(|| b"-".to_vec()),
        b"port" => port.to_string().into_bytes(),
        b"tls-port" => tls_port.to_string().into_bytes(),
        b"unixsocket" => config.unixsocket(),
        _ => return None,
    };
    Some(value)
}

#[cfg(target_os = "linux")]
mod platform {
    use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

    /// Where the memory begins that is shown, and how long it is; 0 if it is not known.
    static START: AtomicUsize = AtomicUsize::new(0);
    static LEN: AtomicUsize = AtomicUsize::new(0);

    /// The numbers of `/proc/self/stat`, counted from the third, that say where the arguments begin, and
    /// where they end and the environment begins and ends.
    const ARGUMENTS_START: usize = 48 - 3;

    /// Answers whether there is a place for a title.
    ///
    /// # Safety
    /// There is no other thread yet.
    pub(super) unsafe fn prepare() -> bool {
        let Some((start, len)) = place() else {
            return false;
        };
        let variables: Vec<_> = std::env::vars_os().collect();
        for (name, value) in variables {
            // SAFETY: promised by the caller.
            unsafe { std::env::set_var(name, value) };
        }
        START.store(start, Ordering::Relaxed);
        LEN.store(len, Ordering::Relaxed);
        true
    }

    /// Where the arguments begin, and how long they are together with the environment behind them.
    fn place() -> Option<(usize, usize)> {
        let text = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name before may have blanks.
        let (_, numbers) = text.rsplit_once(") ")?;
        let numbers = numbers.split_ascii_whitespace().skip(ARGUMENTS_START);
        let numbers: Vec<usize> = numbers.take(4).filter_map(|it| it.parse().ok()).collect();
        let [start, arguments_end, environment_start, end] = numbers[..] else {
            return None;
        };
        let end = if arguments_end == environment_start {
            end
        } else {
            arguments_end
        };
        (start != 0 && start < end).then(|| (start, end - start))
    }

    pub(super) fn show(title: &[u8]) {
        let (start, len) = (START.load(Ordering::Relaxed), LEN.load(Ordering::Relaxed));
        let place = std::ptr::with_exposed_provenance::<AtomicU8>(start);
        for offset in 0..len {
            // The last byte stays zero, so that what lies there is a string.
            let byte = title.get(offset).filter(|_| offset + 1 < len);
            // SAFETY: the system put the arguments and the environment there, which the C library no longer
            // needs; they stay mapped and writable as long as the process lives. Whoever still reads an
            // argument finds other bytes, and a zero at the end. Two threads may write titles at once, byte
            // by byte.
            unsafe { &*place.add(offset) }.store(byte.copied().unwrap_or(0), Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn the_place_of_the_arguments_is_found() {
            let (start, len) = super::place().unwrap();
            let arguments: usize = std::env::args_os().map(|it| it.len() + 1).sum();
            assert!(start != 0 && len >= arguments);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    /// Answers whether there is a place for a title.
    ///
    /// # Safety
    /// None is needed here.
    pub(super) unsafe fn prepare() -> bool {
        false
    }

    pub(super) fn show(_: &[u8]) {}
}
