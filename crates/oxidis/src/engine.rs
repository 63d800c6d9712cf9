//! An engine as a program uses it: commands as calls, from any thread.

use std::sync::Arc;

use oxidis_embedded::EmbeddedEngine;
use oxidis_engine::config::Config;
use oxidis_resp::Value;
use parking_lot::Mutex;

use crate::{Connection, Error, FromValue};

/// Connections that are kept for the next command.
const SPARE_MAX: usize = 64;

/// Commands after which a connection is not as any other: what they do belongs to one client.
const PERSONAL: &[&str] = &[
    "ASKING",
    "AUTH",
    "CLIENT",
    "DISCARD",
    "EXEC",
    "HELLO",
    "MONITOR",
    "MULTI",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "READWRITE",
    "REPLCONF",
    "RESET",
    "SELECT",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WATCH",
];

/// An engine in this process. Clones are the same engine; it goes with the last one.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    /// Where an engine of its own comes from, which is kept in order.
    owned: Option<EmbeddedEngine>,
    engine: Arc<oxidis_engine::Engine>,
    spare: Mutex<Vec<Connection>>,
}

/// How an engine is opened.
#[derive(Debug, Default)]
pub struct EngineBuilder {
    seed: Option<u64>,
    directives: Vec<(String, String)>,
}

impl EngineBuilder {
    /// The seed of everything random: hashes, SPOP, RANDOMKEY. Without one each engine is different.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// A directive of redis.conf.
    #[must_use]
    pub fn directive(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.directives.push((name.into(), value.into()));
        self
    }

    /// Opens the engine.
    ///
    /// # Errors
    /// A directive is not one, or the system gives no thread.
    pub fn open(self) -> Result<Engine, Error> {
        let seed = seed_or_chance(self.seed);
        let config = configure(seed, &self.directives)?;
        let owned = EmbeddedEngine::open(config, seed)?;
        Ok(Engine(Arc::new(Shared {
            engine: owned.engine().clone(),
            owned: Some(owned),
            spare: Mutex::default(),
        })))
    }
}

/// The seed, or one that nobody knows.
pub(crate) fn seed_or_chance(seed: Option<u64>) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // The standard library seeds its hashers from the system's randomness.
    seed.unwrap_or_else(|| RandomState::new().hash_one("seed"))
}

/// A configuration with directives set, in their order.
pub(crate) fn configure(seed: u64, directives: &[(String, String)]) -> Result<Arc<Config>, Error> {
    let config = Config::new(seed);
    for (name, value) in directives {
        config
            .set_default(name, value.as_bytes())
            .map_err(|error| Error::option(name, error))?;
    }
    Ok(Arc::new(config))
}

impl Engine {
    /// Opens an engine with nothing in it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open() -> Result<Self, Error> {
        Self::builder().open()
    }

    /// How an engine is opened otherwise.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The engine of a server.
    pub(crate) fn of(engine: Arc<oxidis_engine::Engine>) -> Self {
        Engine(Arc::new(Shared {
            owned: None,
            engine,
            spare: Mutex::default(),
        }))
    }

    /// A connection, for what belongs to one client.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.0.engine)
    }

    /// Executes a command. One that blocks, blocks the thread. What would belong to one client (SELECT,
    /// MULTI, SUBSCRIBE ...) is over with the command; for that, [`connect`](Self::connect).
    ///
    /// # Errors
    /// The command's.
    pub fn execute<A: AsRef<[u8]>>(
        &self,
        command: impl IntoIterator<Item = A>,
    ) -> Result<Value, Error> {
        let words: Vec<A> = command.into_iter().collect();
        let name = words.first().map_or(&b""[..], |word| word.as_ref());
        let is_personal = PERSONAL
            .iter()
            .any(|it| it.as_bytes().eq_ignore_ascii_case(name));
        let spare = self.0.spare.lock().pop();
        let mut connection = spare.unwrap_or_else(|| self.connect());
        let reply = connection.execute(&words);
        if !is_personal && !matches!(reply, Err(Error::Closed)) {
            let mut spare = self.0.spare.lock();
            if spare.len() < SPARE_MAX {
                spare.push(connection);
            }
        }
        reply
    }

    /// Executes a command, and answers its reply as a type of Rust.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); and the reply may be something else.
    pub fn query<T: FromValue>(
        &self,
        command: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<T, Error> {
        T::from_value(self.execute(command)?)
    }

    /// Whether the engine is kept in order by a thread of its own, and not by a server.
    pub fn is_standalone(&self) -> bool {
        self.0.owned.is_some()
    }
}
