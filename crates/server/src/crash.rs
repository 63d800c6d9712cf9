//! The last words of a process that a signal of the system ends: which signal, where it was, what is
//! known about the process. In the log, if `crash-log-enabled` says so. Not here: panics, which end one
//! request and are told on the standard error.
//!
//! A handler of signals may do next to nothing: the thread that it interrupts may hold the allocator's lock,
//! or the log's. So it notes the addresses on its stack and wakes a thread that was started for this at the
//! beginning, which turns them into names and writes. It waits for that thread, but not for ever,
//! and then lets the system do what it does on such a signal.
//!
//! Unsafe, because that is what handlers of signals are.

#[cfg(unix)]
pub(crate) use unix::{install, prepare_thread, segmentation_fault};

/// Elsewhere the system has reports of its own.
#[cfg(not(unix))]
pub(crate) fn install(
    _config: std::sync::Arc<oxidis_engine::config::Config>,
    _allocator: crate::Allocator,
) {
}

/// Nothing is to be prepared where nothing is installed.
#[cfg(not(unix))]
pub(crate) fn prepare_thread() {}

/// Ends the process as an access to memory that is not there would.
#[cfg(not(unix))]
pub(crate) fn segmentation_fault() -> ! {
    std::process::abort()
}

#[cfg(unix)]
mod unix {
    use std::ffi::{c_int, c_void};
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicUsize, Ordering};
    use std::time::Duration;

    use nix::libc;
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
    use oxidis_engine::config::{Config, LogLevel};
    use oxidis_engine::version::{OXIDIS_VERSION, REDIS_VERSION};

    use crate::{Allocator, log, process};

    /// What a faulty program is ended by.
    const SIGNALS: [Signal; 5] = [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGABRT,
    ];

    /// How deep a stack is told.
    const FRAMES_MAX: usize = 100;

    /// The stack of the handler. Of memory that is not written to, the system gives none.
    const HANDLER_STACK_BYTES: usize = 64 << 10;

    /// How long the report may take: it reads the program's own file for the names.
    const REPORT_MAX: Duration = Duration::from_secs(20);
    const REPORT_STEP: Duration = Duration::from_millis(10);

    /// Where the thread was that was interrupted, innermost first.
    static FRAMES: [AtomicPtr<c_void>; FRAMES_MAX] =
        [const { AtomicPtr::new(std::ptr::null_mut()) }; FRAMES_MAX];
    static FRAME_COUNT: AtomicUsize = AtomicUsize::new(0);
    static SIGNAL: AtomicI32 = AtomicI32::new(0);
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    /// Where a byte wakes who writes the report.
    static WAKER: OnceLock<OwnedFd> = OnceLock::new();

    /// From now on a crash is told in the log. Call it when there is a log.
    pub(crate) fn install(config: Arc<Config>, allocator: Allocator) {
        let Ok((woken, waker)) = nix::unistd::pipe() else {
            return;
        };
        let reporter = std::thread::Builder::new().name("oxidis-crash".to_owned());
        let reporter = reporter.spawn(move || report_when_woken(woken, &config, &allocator));
        if reporter.is_err() || WAKER.set(waker).is_err() {
            return;
        }
        let handler = SigHandler::Handler(handle);
        // Once only: what goes wrong in the handler ends the process. On a stack of its own, since the thread's
        // may be what is exhausted.
        let flags = SaFlags::SA_RESETHAND | SaFlags::SA_NODEFER | SaFlags::SA_ONSTACK;
        let action = SigAction::new(handler, flags, SigSet::empty());
        prepare_thread();
        for signal in SIGNALS {
            // SAFETY: the handler touches only atomics and file descriptors, walks the stack, sleeps and
            // raises a signal. None of that needs what the interrupted thread may be in the midst of.
            // Without a handler there is no report, and nothing else is amiss.
            let _ = unsafe { sigaction(signal, &action) };
        }
    }

    /// Gives the thread that calls a stack on which the handler has room. The one of the standard library is as big
    /// as the system says that a handler needs, which is for one that does not look at the stack.
    pub(crate) fn prepare_thread() {
        if WAKER.get().is_none() {
            // A server inside another program leaves its signals alone.
            return;
        }
        let memory = vec![0_u8; HANDLER_STACK_BYTES].leak();
        let stack = libc::stack_t {
            ss_sp: memory.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: memory.len(),
        };
        // SAFETY: the memory is nobody else's, and never freed. If it is refused, the old stack stays.
        let _ = unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
    }

    extern "C" fn handle(signal: c_int) {
        // Two threads may crash at once: the first one is told about.
        if SIGNAL.swap(signal, Ordering::AcqRel) == 0 {
            // SAFETY: other threads may walk their stacks meanwhile, which the unwinder of this platform
            // allows; the names, which need more care, are not looked up here.
            unsafe {
                backtrace::trace_unsynchronized(|frame| {
                    let count = FRAME_COUNT.fetch_add(1, Ordering::Relaxed);
                    if let Some(kept) = FRAMES.get(count) {
                        kept.store(frame.ip(), Ordering::Relaxed);
                    }
                    count + 1 < FRAMES_MAX
                });
            }
            if let Some(waker) = WAKER.get() {
                // If nobody can be woken, the wait below ends all the same.
                let _ = nix::unistd::write(waker, b"!");
            }
        }
        let mut waited = Duration::ZERO;
        while !IS_TOLD.load(Ordering::Acquire) && waited < REPORT_MAX {
            std::thread::sleep(REPORT_STEP);
            waited += REPORT_STEP;
        }
        if let Ok(signal) = Signal::try_from(signal) {
            let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
            // SAFETY: no handler is installed, but the last one taken away.
            let _ = unsafe { sigaction(signal, &default) };
            // A signal that cannot be raised is met again where it came from.
            let _ = raise(signal);
        }
    }

    fn report_when_woken(woken: OwnedFd, config: &Config, allocator: &Allocator) {
        let mut byte = [0];
        if File::from(woken).read_exact(&mut byte).is_err() {
            return;
        }
        if config.crash_log_enabled() {
            report(allocator);
        }
        IS_TOLD.store(true, Ordering::Release);
    }

    fn report(allocator: &Allocator) {
        let line = |text: &str| log::line(LogLevel::Warning, text);
        let signal = SIGNAL.load(Ordering::Acquire);
        let name = Signal::try_from(signal).map_or("unknown", Signal::as_str);
        line("=== OXIDIS BUG REPORT START: please keep everything from here to its end ===");
        line(&format!(
            "Oxidis {OXIDIS_VERSION} (Redis {REDIS_VERSION}) crashed by signal: {signal} ({name})"
        ));
        line(&format!("------ STACK TRACE ------\n{}", stack_trace()));
        // Last, since it asks the allocator, which may be what is broken.
        let facts = process::facts(allocator);
        let facts: Vec<String> = facts
            .iter()
            .map(|(_, field, value)| format!("{field}:{value}"))
            .collect();
        line(&format!("------ PROCESS ------\n{}", facts.join("\n")));
        line("=== OXIDIS BUG REPORT END ===");
    }

    /// A line for each function that was being executed, innermost first.
    fn stack_trace() -> String {
        let count = FRAME_COUNT.load(Ordering::Acquire).min(FRAMES_MAX);
        let mut lines = Vec::new();
        for (depth, frame) in FRAMES[..count].iter().enumerate() {
            let address = frame.load(Ordering::Relaxed);
            let before = lines.len();
            backtrace::resolve(address, |symbol| {
                let mut text = format!("{depth:>3}: {address:p}");
                if let Some(name) = symbol.name() {
                    text.push_str(&format!(" {name:#}"));
                }
                if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                    text.push_str(&format!(" at {}:{line}", file.display()));
                }
                lines.push(text);
            });
            if lines.len() == before {
                lines.push(format!("{depth:>3}: {address:p}"));
            }
        }
        lines.join("\n")
    }

    /// Ends the process as an access to memory that is not there would.
    pub(crate) fn segmentation_fault() -> ! {
        // The signal is what a faulty access ends in; that no memory need be touched for it is for the better.
        let _ = raise(Signal::SIGSEGV);
        std::process::abort()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_stack_is_told_by_the_names_of_functions() {
            FRAME_COUNT.store(1, Ordering::Release);
            // As a call leaves it: behind an instruction of the function.
            let inside = (stack_trace as *mut u8).wrapping_add(1);
            FRAMES[0].store(inside.cast(), Ordering::Release);
            let text = stack_trace();
            assert!(text.contains("stack_trace"), "{text}");
        }
    }
}
