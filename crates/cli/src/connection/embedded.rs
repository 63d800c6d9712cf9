//! An engine inside this process, instead of a server: `--embedded`, and where help comes
//! from when no server can be asked.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;

use oxidis_client::ConnectionError;
use oxidis_embedded::EmbeddedEngine;
use oxidis_engine::config::Config;
use oxidis_resp::Value;

use super::{Connection, Socket};

/// Opens an engine with nothing in it.
///
/// # Errors
/// The system gives no thread.
pub fn open_engine() -> io::Result<EmbeddedEngine> {
    // The standard library seeds its hashers from the system's randomness.
    let seed = RandomState::new().hash_one("engine");
    EmbeddedEngine::open(Arc::new(Config::new(seed)), seed)
}

/// A session with an engine in this process.
pub struct Embedded(oxidis_embedded::Connection);

impl Embedded {
    /// A new session.
    pub fn open(engine: &EmbeddedEngine) -> Embedded {
        Embedded(oxidis_embedded::Connection::open(engine.engine()))
    }
}

impl Connection for Embedded {
    fn send(&mut self, request: &[&[u8]]) {
        self.0.send(request);
    }

    fn receive(&mut self) -> Result<Value, ConnectionError> {
        self.0.receive().map_err(|error| match error {
            oxidis_embedded::ConnectionError::Protocol(error) => ConnectionError::Protocol(error),
            _ => ConnectionError::Closed,
        })
    }

    fn breaker(&self) -> Option<Box<dyn Fn() + Send>> {
        let breaker = self.0.breaker();
        Some(Box::new(move || breaker.break_connection()))
    }

    fn listening(self: Box<Self>) -> io::Result<Box<dyn Connection>> {
        Ok(self)
    }

    fn into_socket(self: Box<Self>) -> Option<Socket> {
        None
    }
}
