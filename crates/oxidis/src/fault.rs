//! Faults that tests ask for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oxidis_engine::{FaultEffect, FaultError};

/// Something that goes wrong for the requests that it is for: all, unless it says for which.
///
/// ```
/// use oxidis::{Engine, Fault};
///
/// let engine = Engine::open()?;
/// let fault = engine.fault(Fault::error("LOADING please wait").command("GET").key("user:*").times(1))?;
/// assert!(engine.execute(["GET", "other"]).is_ok());
/// assert_eq!(engine.execute(["GET", "user:1"]).unwrap_err().code(), Some("LOADING"));
/// assert!(engine.execute(["GET", "user:1"]).is_ok());
/// assert_eq!(fault.met(), 1);
/// # Ok::<(), oxidis::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Fault(pub(crate) oxidis_engine::Fault);

impl Fault {
    fn new(effect: FaultEffect) -> Self {
        Fault(oxidis_engine::Fault::new(effect))
    }

    /// The request is not executed, and answered with this error, whose first word is its code (`OOM`, `READONLY`,
    /// `BUSY` ...).
    pub fn error(text: impl Into<String>) -> Self {
        Self::new(FaultEffect::Error(text.into()))
    }

    /// The request is executed after so long on the instance's clock; only its client waits.
    pub fn delay(time: Duration) -> Self {
        Self::new(FaultEffect::Delay(time))
    }

    /// The request is not executed, and its connection ends.
    pub fn cut() -> Self {
        Self::new(FaultEffect::Cut)
    }

    /// The request is executed, but the connection ends in the middle of the reply.
    pub fn cut_reply() -> Self {
        Self::new(FaultEffect::CutReply)
    }

    /// The request is executed, but the connection ends before the reply.
    pub fn lose_reply() -> Self {
        Self::new(FaultEffect::LoseReply)
    }

    /// Only for a command, such as `GET`, `CONFIG` or `CONFIG GET`, by its own name also where `rename-command` has given
    /// it another one.
    pub fn command(mut self, name: impl Into<String>) -> Self {
        self.0.command = Some(name.into());
        self
    }

    /// Only for requests with a key that matches a pattern, as for KEYS.
    pub fn key(mut self, pattern: impl AsRef<[u8]>) -> Self {
        self.0.key = Some(pattern.as_ref().to_vec());
        self
    }

    /// Only for a client, by its number, or by a pattern that its name matches.
    pub fn client(mut self, client: impl AsRef<[u8]>) -> Self {
        self.0.client = Some(client.as_ref().to_vec());
        self
    }

    /// Not for the first requests that it would be for.
    pub fn skip(mut self, count: u64) -> Self {
        self.0.skip = count;
        self
    }

    /// Only so many times.
    pub fn times(mut self, count: u64) -> Self {
        self.0.count = Some(count);
        self
    }
}

/// A fault that requests meet for as long as this lives.
#[must_use = "the fault ends when this is dropped"]
pub struct FaultGuard {
    /// `None` if the fault is to go on without this.
    engine: Option<Arc<oxidis_engine::Engine>>,
    id: u64,
}

impl fmt::Debug for FaultGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultGuard")
            .field("id", &self.id)
            .field("met", &self.met())
            .finish_non_exhaustive()
    }
}

impl FaultGuard {
    pub(crate) fn begin(
        engine: &Arc<oxidis_engine::Engine>,
        fault: Fault,
    ) -> Result<Self, FaultError> {
        Ok(FaultGuard {
            id: engine.add_fault(fault.0)?,
            engine: Some(engine.clone()),
        })
    }

    /// How many requests have met it.
    pub fn met(&self) -> u64 {
        let faults = self.engine.as_ref().map(|engine| engine.faults());
        let faults = faults.unwrap_or_default();
        let fault = faults.iter().find(|it| it.id == self.id);
        fault.map_or(0, |it| it.met)
    }

    /// Lets it go on without this; [`Engine::remove_fault`](crate::Engine::remove_fault) ends it, by the number that
    /// is answered.
    pub fn keep(mut self) -> u64 {
        self.engine = None;
        self.id
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        if let Some(engine) = &self.engine {
            engine.remove_fault(self.id);
        }
    }
}
