//! What Ctrl-C does. A process has one handler, so it lives in one place: it ends
//! the program, unless something that can be interrupted more gently is going on.
//! Where nothing was installed, as for a single command, the signal kills as it always does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// What is going on.
enum Activity {
    /// Nothing that could be interrupted: Ctrl-C ends the program with code 1.
    None,
    /// A loop that looks at [`requested`] once in a while.
    Loop,
    /// Waiting for messages: this ends the wait.
    Waiting(Box<dyn Fn() + Send>),
}

static ACTIVITY: Mutex<Activity> = Mutex::new(Activity::None);
static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Says that a loop looks at [`requested`] until the end of the program.
pub fn watch_loop() {
    install();
    *activity() = Activity::Loop;
}

/// Says that `end_wait` interrupts what comes next, until the guard goes.
pub fn while_waiting(end_wait: Box<dyn Fn() + Send>) -> WaitGuard {
    install();
    REQUESTED.store(false, Ordering::SeqCst);
    *activity() = Activity::Waiting(end_wait);
    WaitGuard
}

/// Whether Ctrl-C was pressed since the loop or the wait began.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Ends what [`while_waiting`] began.
pub struct WaitGuard;

impl Drop for WaitGuard {
    fn drop(&mut self) {
        *activity() = Activity::None;
    }
}

fn activity() -> MutexGuard<'static, Activity> {
    ACTIVITY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes Ctrl-C what this module says, rather than a signal that kills.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Where there is a handler already, as in a program that embeds the prompt,
        // that one decides.
        let _ = ctrlc::set_handler(handle);
    });
}

fn handle() {
    match &*activity() {
        Activity::None => std::process::exit(1),
        Activity::Loop => REQUESTED.store(true, Ordering::SeqCst),
        Activity::Waiting(end_wait) => {
            REQUESTED.store(true, Ordering::SeqCst);
            end_wait();
        }
    }
}
