//! Forks: what a second engine begins with that is to be as this one is at one moment. Opening it, and the server
//! around it, is for those who opened the first.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::acl::Users;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::config::Config;
use crate::engine::Engine;
use crate::worker::Worker;

/// An engine at one moment: its data set, scripts and functions, its users, its directives, its seed, and the time, if
/// its clock stands still. Sessions, statistics and files stay behind.
pub struct Fork {
    config: Arc<Config>,
    seed: u64,
    draws_secrets: bool,
    users: Arc<Users>,
    checkpoint: Checkpoint,
}

impl Fork {
    /// What the second engine is opened with: the directives as they are, except that it has no files, listens on port
    /// 0 and follows nobody.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The seed that the second engine is opened with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether somebody has chosen the seed.
    pub fn is_seeded(&self) -> bool {
        self.draws_secrets
    }

    /// Gives the second engine, which was just opened, what the first one had. A clock that can be stopped is, if the
    /// first one was.
    ///
    /// # Errors
    /// As of restoring a checkpoint.
    pub fn settle(&self, engine: &Arc<Engine>) -> Result<(), CheckpointError> {
        if self.draws_secrets {
            engine.draw_secrets_from_seed();
        }
        engine.acl.replace(Users::clone(&self.users));
        if let Some(now_us) = self.checkpoint.now_us() {
            engine.set_clock(Some(now_us));
        }
        Worker::new(engine).restore_checkpoint(&self.checkpoint)
    }
}

impl Worker {
    /// Takes down what another engine needs to be as this one is now.
    ///
    /// # Errors
    /// A script is busy.
    pub fn fork(&mut self) -> Result<Fork, CheckpointError> {
        let checkpoint = self.checkpoint()?;
        let engine = &self.engine;
        let seed = engine.seed.load(Ordering::Relaxed);
        Ok(Fork {
            config: Arc::new(engine.config.fork(seed)),
            seed,
            draws_secrets: engine.draws_secrets.load(Ordering::Relaxed),
            users: engine.acl.users(),
            checkpoint,
        })
    }
}
