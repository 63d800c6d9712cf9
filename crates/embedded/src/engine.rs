//! An engine in this process, and the thread that does for it what is to be done regularly: expired
//! keys go without being asked for, as on a server.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use oxidis_engine::config::Config;
use oxidis_engine::{Clock, Engine, EngineOptions, Host, LargeBlock, Worker};

use crate::clock::SystemClock;
use crate::large_pages;

/// A host that leaves everything to the program but what the engine's own thread can do.
struct HousekeepingHost;

impl Host for HousekeepingHost {
    // It is that thread that asks.
    fn put_into_large_page(&self, block: LargeBlock) {
        large_pages::gather(block);
    }
}

/// An engine with nothing in it and nothing on disk. The thread that keeps it in order ends when it is
/// dropped; the engine itself lives for as long as somebody has it.
pub struct EmbeddedEngine {
    engine: Arc<Engine>,
    /// The thread ends when this is gone.
    _housekeeping: SyncSender<()>,
}

impl EmbeddedEngine {
    /// Opens an engine with a configuration.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open(config: Arc<Config>, seed: u64) -> std::io::Result<Self> {
        Self::open_with_clock(config, Arc::new(SystemClock), seed)
    }

    /// Opens an engine with a configuration and a clock.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open_with_clock(
        config: Arc<Config>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> std::io::Result<Self> {
        let engine = Engine::new(EngineOptions {
            snapshot_codec: Some(Arc::new(oxidis_persist::Rdb)),
            interpreter: Some(Arc::new(oxidis_script::Lua::new(config.clone(), seed))),
            config,
            clock,
            host: Arc::new(HousekeepingHost),
            seed,
            // A program may have several threads.
            workers: EngineOptions::WORKERS_OF_SEEDED,
        });
        let (sender, end) = mpsc::sync_channel(0);
        // Workers draw their seeds one after the other: this one's is always the first.
        let mut worker = Worker::new(&engine);
        let kept = engine.clone();
        thread::Builder::new()
            .name("oxidis-housekeeping".to_owned())
            .spawn(move || {
                loop {
                    let hz = kept.config().hz().clamp(1, 500);
                    let pause = Duration::from_millis(u64::from(1000 / hz));
                    match end.recv_timeout(pause) {
                        Err(RecvTimeoutError::Timeout) => while worker.run_cron() {},
                        Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                    }
                }
            })?;
        Ok(EmbeddedEngine {
            engine,
            _housekeeping: sender,
        })
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}
