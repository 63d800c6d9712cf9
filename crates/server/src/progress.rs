//! How far loading is, as a bar on a terminal. The bar is drawn on the standard error, the log goes to the standard
//! output: where both are the same terminal the bar steps aside for each line.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use oxidis_engine::Engine;
use parking_lot::Mutex;

/// How often the bar is drawn anew.
const INTERVAL: Duration = Duration::from_millis(100);

/// The bar that is shown, if there is one.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Shows how far loading is until it is dropped.
pub(crate) struct LoadingBar {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LoadingBar {
    /// A bar, if there is a terminal to show it on.
    pub(crate) fn show(engine: &Arc<Engine>) -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let (engine, ends) = (engine.clone(), is_over.clone());
        let thread = thread::Builder::new()
            .name("oxidis-progress".to_owned())
            .spawn(move || follow(&engine, &ends));
        // Who cannot have a thread goes without a bar.
        Some(LoadingBar {
            is_over,
            thread: thread.ok(),
        })
    }
}

impl Drop for LoadingBar {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        if let Some(bar) = SHOWN.lock().take() {
            bar.finish_and_clear();
        }
    }
}

fn follow(engine: &Engine, is_over: &AtomicBool) {
    // What is loaded at once needs no bar.
    thread::park_timeout(INTERVAL);
    while !is_over.load(Ordering::Relaxed) {
        if let Some(progress) = engine.load_progress().filter(|it| it.bytes_total > 0) {
            let mut shown = SHOWN.lock();
            let bar = shown.get_or_insert_with(|| ProgressBar::new(0).with_style(style()));
            bar.set_length(progress.bytes_total);
            bar.set_position(progress.bytes_done);
        }
        thread::park_timeout(INTERVAL);
    }
}

fn style() -> ProgressStyle {
    let template = "Loading {bar:30} {percent:>3} % of {total_bytes}, {bytes_per_sec}, {eta} to go";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Does what writes to the terminal, with the bar out of the way.
pub(crate) fn aside<R>(write: impl FnOnce() -> R) -> R {
    let shown = SHOWN.lock();
    match &*shown {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}
