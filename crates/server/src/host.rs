//! What the engine asks of the process around it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use oxidis_engine::config::{Config, LogLevel, RewriteScope};
use oxidis_engine::{Engine, Garbage, Host, ShutdownOptions};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::configuration::{self, path_of, reason_of};
use crate::listeners::Listeners;
use crate::process::{self, Allocator};
use crate::worker;
use crate::{log, memory};

/// The process of a server: frees garbage on a thread of its own, and knows its memory.
pub struct ProcessHost {
    garbage: Mutex<Sender<Garbage>>,
    shutdown: Arc<Notify>,
    listeners: Arc<Listeners>,
    allocator: Allocator,
}

impl ProcessHost {
    /// A host whose garbage goes to a thread that this starts, and whose SHUTDOWN closes `listeners`
    /// and wakes `shutdown`.
    pub(crate) fn new(
        shutdown: Arc<Notify>,
        listeners: Arc<Listeners>,
        allocator: Allocator,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("oxidis-lazyfree".to_owned())
            .spawn(move || free_all(&receiver, &allocator))?;
        Ok(ProcessHost {
            garbage: Mutex::new(sender),
            shutdown,
            listeners,
            allocator,
        })
    }
}

/// Frees until the host is gone.
fn free_all(receiver: &Receiver<Garbage>, allocator: &Allocator) {
    while let Ok(garbage) = receiver.recv() {
        garbage.free(|| publish(allocator));
    }
}

/// Tells the other threads how much memory this one uses.
#[inline]
fn publish(allocator: &Allocator) {
    if let Some(thread_balance) = allocator.thread_balance {
        memory::publish(thread_balance());
    }
}

impl Host for ProcessHost {
    fn reclaim(&self, garbage: Garbage) {
        if !garbage.is_large() {
            return drop(garbage);
        }
        // The thread lives as long as the sender does.
        if let Err(returned) = self.garbage.lock().send(garbage) {
            drop(returned);
        }
    }

    fn sleep(&self, duration: std::time::Duration) {
        std::thread::sleep(duration);
    }

    fn serve_while_busy(&self, engine: &Arc<Engine>) {
        worker::serve_while_busy(engine);
    }

    fn log(&self, level: LogLevel, message: &str) {
        log::line(level, message);
    }

    fn used_memory_bytes(&self) -> u64 {
        match self.allocator.thread_balance {
            Some(thread_balance) => {
                memory::publish(thread_balance());
                memory::used_bytes()
            }
            None => (self.allocator.allocated_bytes)(),
        }
    }

    fn note_thread_memory(&self) {
        publish(&self.allocator);
    }

    fn purge_memory(&self) {
        (self.allocator.purge)();
    }

    fn allocator_control(&self, name: &[u8]) -> Result<u64, String> {
        (self.allocator.control)(name)
    }

    fn allocator_command(&self, name: &[u8]) -> Result<(), String> {
        (self.allocator.command)(name)
    }

    fn allocator_report(&self) -> Option<String> {
        (self.allocator.statistics)()
    }

    fn information(&self) -> Vec<(&'static str, &'static str, String)> {
        process::facts(&self.allocator)
    }

    fn rewrite_config(
        &self,
        config: &Config,
        path: &[u8],
        scope: RewriteScope,
    ) -> Result<(), String> {
        configuration::rewrite(config, &path_of(path), None, scope)
            .map_err(|error| reason_of(&error))
    }

    fn shut_down(&self, _options: ShutdownOptions) -> Result<(), String> {
        // Who sees his connection end must not be able to connect again.
        self.listeners.close_all();
        self.shutdown.notify_one();
        Ok(())
    }
}
