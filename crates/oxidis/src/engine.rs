//! An engine as a program uses it: commands as calls, from any thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oxidis_embedded::EmbeddedEngine;
use oxidis_engine::value::ValueRef;
use oxidis_engine::{Differences, DirectCommand, RecordedCommand, Worker};
use oxidis_resp::Value;
use parking_lot::Mutex;

use crate::options::{CommonOptions, common_options, microseconds};
use crate::typed::{Hashes, Keys, Lists, Sets, SortedSets, Streams, Strings};
use crate::{Connection, Error, Fault, FaultGuard, FromValue, Snapshot};

/// Connections that are kept for the next command beside those that have seats.
const SPARE_MAX: usize = 64;

/// Seats for connections: a thread always takes the same one, as long as nobody else sits there, so that threads
/// do not get into each other's way.
const SEATS: usize = 16;

/// A place for a connection, on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Seat(Mutex<Option<Connection>>);

/// The number of the seat of this thread.
fn seat_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SEATS;
    }
    NUMBER.with(|number| *number)
}

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
    seats: [Seat; SEATS],
    /// What did not find its seat free.
    spare: Mutex<Vec<Connection>>,
    /// What is done past every connection is done with it.
    control: Mutex<Worker>,
    /// What it was opened with; the seed is there in any case.
    options: CommonOptions,
}

/// How an engine is opened.
#[derive(Debug, Clone, Default)]
pub struct EngineBuilder {
    common: CommonOptions,
}

impl EngineBuilder {
    common_options!();

    /// Opens the engine.
    ///
    /// # Errors
    /// A directive is not one, or the system gives no thread.
    pub fn open(&self) -> Result<Engine, Error> {
        let options = self.common.with_seed();
        let seed = options.seed();
        let config = options.configure(seed, Vec::new())?;
        let owned = EmbeddedEngine::open_with_clock(config, options.clock(), seed)?;
        if self.common.seed.is_some() {
            owned.engine().draw_secrets_from_seed();
        }
        Ok(Engine::new(owned.engine().clone(), Some(owned), options))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
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

    /// An engine, or that of a server.
    pub(crate) fn new(
        engine: Arc<oxidis_engine::Engine>,
        owned: Option<EmbeddedEngine>,
        options: CommonOptions,
    ) -> Self {
        Engine(Arc::new(Shared {
            owned,
            control: Mutex::new(Worker::new(&engine)),
            engine,
            seats: std::array::from_fn(|_| Seat::default()),
            spare: Mutex::default(),
            options,
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
        if is_personal {
            return self.connect().execute(&words);
        }
        self.with_connection(|connection| connection.execute(&words))
    }

    /// Lends a connection that is as any other.
    #[inline]
    fn with_connection<R>(
        &self,
        body: impl FnOnce(&mut Connection) -> Result<R, Error>,
    ) -> Result<R, Error> {
        if let Some(mut seat) = self.0.seats[seat_number()].0.try_lock() {
            let result = body(seat.get_or_insert_with(|| self.connect()));
            if matches!(result, Err(Error::Closed)) {
                *seat = None;
            }
            return result;
        }
        let spare = self.0.spare.lock().pop();
        let mut connection = spare.unwrap_or_else(|| self.connect());
        let result = body(&mut connection);
        if !matches!(result, Err(Error::Closed)) {
            let mut spare = self.0.spare.lock();
            if spare.len() < SPARE_MAX {
                spare.push(connection);
            }
        }
        result
    }

    /// Gives the string under a key, or that there is none, to `read`, the short way if that is possible. The key may
    /// be locked meanwhile.
    #[inline]
    pub(crate) fn read_string<R>(
        &self,
        key: &[u8],
        read: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<R, Error> {
        self.with_connection(|connection| {
            let mut read = Some(read);
            let mut read = |found: Option<&[u8]>| read.take().map(|read| read(found));
            if let Some(answer) = connection.get_directly(key, &mut read).flatten() {
                return Ok(answer);
            }
            // It was not called above.
            let found: Option<Vec<u8>> = connection.query([&b"GET"[..], key])?;
            read(found.as_deref()).ok_or(Error::Closed)
        })
    }

    /// Gives the strings under keys to `read` one by one, or that there is none, with the numbers of the keys, the short
    /// way if that is possible. The keys may be locked meanwhile.
    pub(crate) fn read_strings<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        mut read: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<(), Error> {
        self.with_connection(|connection| {
            if connection.get_many_directly(keys, &mut read) {
                return Ok(());
            }
            let names = keys.iter().map(AsRef::as_ref);
            let found: Vec<Option<Vec<u8>>> =
                connection.query(std::iter::once(&b"MGET"[..]).chain(names))?;
            for (index, found) in found.iter().enumerate() {
                read(index, found.as_deref());
            }
            Ok(())
        })
    }

    /// What a command answers whose first argument is the only key that it reads: what `read` says of the value, the
    /// short way, or else the reply to the whole request.
    #[inline]
    pub(crate) fn read_value<R: FromValue>(
        &self,
        command: DirectCommand,
        request: &[&[u8]],
        read: impl FnOnce(Option<ValueRef<'_>>) -> Option<R>,
    ) -> Result<R, Error> {
        self.with_connection(|connection| {
            match connection.read_directly(command, request[1], read) {
                Some(answer) => Ok(answer),
                None => connection.query(request),
            }
        })
    }

    /// Sets a string without an expiry, the short way if that is possible.
    #[inline]
    pub(crate) fn set_string(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.with_connection(|connection| match connection.set_directly(key, value) {
            true => Ok(()),
            false => connection.query([&b"SET"[..], key, value]),
        })
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

    /// What another engine needs to be as this one is now.
    pub(crate) fn begin_fork(&self) -> Result<oxidis_engine::Fork, Error> {
        Ok(self.0.control.lock().fork()?)
    }

    /// The engine as drivers have it, for doors that this crate has not.
    #[doc(hidden)]
    pub fn shared(&self) -> &Arc<oxidis_engine::Engine> {
        &self.0.engine
    }

    /// Commands on strings.
    pub fn string(&self) -> Strings<'_> {
        Strings::new(self)
    }

    /// Commands on hashes.
    pub fn hash(&self) -> Hashes<'_> {
        Hashes::new(self)
    }

    /// Commands on lists.
    pub fn list(&self) -> Lists<'_> {
        Lists::new(self)
    }

    /// Commands on sets.
    pub fn set(&self) -> Sets<'_> {
        Sets::new(self)
    }

    /// Commands on sorted sets.
    pub fn sorted_set(&self) -> SortedSets<'_> {
        SortedSets::new(self)
    }

    /// Commands on streams.
    pub fn stream(&self) -> Streams<'_> {
        Streams::new(self)
    }

    /// Commands on keys of any type.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(self)
    }

    /// Whether the engine is kept in order by a thread of its own, and not by a server.
    pub fn is_standalone(&self) -> bool {
        self.0.owned.is_some()
    }

    /// Moves the clock on, and has everything happen on the way that is due, each at its time: keys expire
    /// with their events, commands that wait give up in the order of their deadlines (whoever waits wakes up
    /// in real time), pauses end. All of it has happened when this returns.
    ///
    /// ```
    /// use oxidis::{Clock, Engine};
    /// use std::time::Duration;
    ///
    /// let engine = Engine::builder().clock(Clock::Manual).open()?;
    /// engine.execute(["SET", "session", "anna", "EX", "3600"])?;
    /// engine.advance(Duration::from_secs(3599))?;
    /// assert_eq!(engine.query::<i64>(["TTL", "session"])?, 1);
    /// engine.advance(Duration::from_secs(1))?;
    /// assert_eq!(engine.query::<i64>(["DBSIZE"])?, 0);
    /// # Ok::<(), oxidis::Error>(())
    /// ```
    ///
    /// # Errors
    /// The clock is not [manual](crate::Clock::Manual), or would end up beyond the year 9999.
    pub fn advance(&self, time: Duration) -> Result<(), Error> {
        Ok(self.0.control.lock().advance(time)?)
    }

    /// Moves the clock to a time, as [`advance`](Self::advance) does. To the past it goes without undoing
    /// anything.
    ///
    /// # Errors
    /// The clock is not manual, or the time is before 1970 or beyond the year 9999.
    pub fn set_time(&self, time: SystemTime) -> Result<(), Error> {
        Ok(self.0.control.lock().set_time(microseconds(time))?)
    }

    /// The time on the engine's clock.
    pub fn now(&self) -> SystemTime {
        let now_ms = u64::try_from(self.0.engine.now_ms()).unwrap_or_default();
        UNIX_EPOCH + Duration::from_millis(now_ms)
    }

    /// Has requests meet a fault, of every client, for as long as the guard lives.
    ///
    /// # Errors
    /// None could: there is no such command.
    pub fn fault(&self, fault: Fault) -> Result<FaultGuard, Error> {
        Ok(FaultGuard::begin(&self.0.engine, fault)?)
    }

    /// Ends a fault by its number; answers how many requests met it, if there was one.
    pub fn remove_fault(&self, id: u64) -> Option<u64> {
        let ended = self.0.engine.remove_fault(id);
        ended.map(|it| it.met)
    }

    /// Ends every fault.
    pub fn clear_faults(&self) {
        self.0.engine.clear_faults();
    }

    /// The data set as it is now. For a test's data set it takes well under a millisecond.
    ///
    /// ```
    /// let engine = oxidis::Engine::open()?;
    /// engine.execute(["SET", "kept", "as it was"])?;
    /// let before = engine.snapshot()?;
    /// engine.execute(["SET", "kept", "otherwise"])?;
    /// engine.execute(["RPUSH", "new", "x"])?;
    /// let diff = engine.diff(&before)?;
    /// assert_eq!(diff.changed[0].key, b"kept");
    /// assert_eq!(diff.added[0].key, b"new");
    /// engine.restore(&before)?;
    /// assert!(engine.diff(&before)?.is_empty());
    /// # Ok::<(), oxidis::Error>(())
    /// ```
    ///
    /// # Errors
    /// A script is busy.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let checkpoint = self.0.control.lock().checkpoint()?;
        Ok(Snapshot(Arc::new(checkpoint)))
    }

    /// Puts a snapshot, of this engine or another one, in the place of the data set. Connections go on.
    ///
    /// # Errors
    /// A script is busy; the snapshot has more databases; a log or replicas follow the data set.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<(), Error> {
        Ok(self.0.control.lock().restore_checkpoint(&snapshot.0)?)
    }

    /// What has changed since a snapshot.
    ///
    /// # Errors
    /// A script is busy.
    pub fn diff(&self, since: &Snapshot) -> Result<Differences, Error> {
        Ok(self.0.control.lock().differences(&since.0)?)
    }

    /// Another engine with the directives and users of this one as they are now, the same data and the same time.
    ///
    /// # Errors
    /// A script is busy, or the system gives no thread.
    pub fn fork(&self) -> Result<Engine, Error> {
        let fork = self.begin_fork()?;
        let options = self.0.options.clone();
        let config = fork.config().clone();
        let owned = EmbeddedEngine::open_with_clock(config, options.clock(), fork.seed())?;
        fork.settle(owned.engine())?;
        Ok(Engine::new(owned.engine().clone(), Some(owned), options))
    }

    /// Keeps what clients send from now on, the last `count_max` commands of it; with 0 nothing more is kept.
    pub fn record_commands(&self, count_max: usize) {
        self.0.engine.record_commands(count_max);
    }

    /// What clients have sent since [`record_commands`](Self::record_commands), oldest first: those of this crate,
    /// too, but not OXIDIS.
    ///
    /// ```
    /// let engine = oxidis::Engine::open()?;
    /// engine.record_commands(100);
    /// engine.execute(["SET", "k", "v"])?;
    /// assert_eq!(engine.commands()[0].arguments, [&b"SET"[..], b"k", b"v"]);
    /// # Ok::<(), oxidis::Error>(())
    /// ```
    pub fn commands(&self) -> Vec<RecordedCommand> {
        self.0.engine.recorded_commands()
    }

    /// Forgets what clients have sent so far.
    pub fn clear_commands(&self) {
        self.0.engine.forget_recorded_commands();
    }

    /// Has everything random follow from a seed from now on, in the connections that there are, too.
    pub fn reseed(&self, seed: u64) {
        self.0.engine.reseed(seed);
    }
}
