//! What the engine asks of the process around it.

use std::sync::mpsc::{Receiver, Sender, channel};

use oxidis_engine::{Garbage, Host, ShutdownOptions};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The process of a server: frees garbage on a thread of its own, and knows its memory.
pub struct ProcessHost {
    garbage: Mutex<Sender<Garbage>>,
    shutdown: std::sync::Arc<Notify>,
    used_memory: fn() -> u64,
}

impl ProcessHost {
    /// A host whose garbage goes to a thread that this starts, and whose SHUTDOWN wakes `shutdown`.
    pub fn new(
        shutdown: std::sync::Arc<Notify>,
        used_memory: fn() -> u64,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        std::thread::Builder::new()
            .name("oxidis-lazyfree".to_owned())
            .spawn(move || free_all(&receiver))?;
        Ok(ProcessHost {
            garbage: Mutex::new(sender),
            shutdown,
            used_memory,
        })
    }
}

/// Frees until the host is gone.
fn free_all(receiver: &Receiver<Garbage>) {
    while let Ok(garbage) = receiver.recv() {
        drop(garbage);
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

    fn used_memory_bytes(&self) -> u64 {
        (self.used_memory)()
    }

    fn shut_down(&self, _options: ShutdownOptions) -> Result<(), String> {
        self.shutdown.notify_one();
        Ok(())
    }
}
