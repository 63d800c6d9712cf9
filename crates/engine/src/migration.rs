//! MIGRATE: keys on their way to another server, who does the talking, and who waits meanwhile.
//!
//! Redis stands still while it sends keys to another server, and so nobody ever finds a key at both or
//! at neither of the two, unless the connection fails. Here the engine does no I/O, and nobody else is to
//! wait for a network: so the session of the command waits, and its keys are *held*. The command takes the
//! keys' values under their locks, notes their names here, and hands a [`Migration`] to the host; every other
//! command that names one of them (in whichever database), or takes all locks, finds it held once it has
//! its locks, lets go of them, and is executed anew when the keys are free. When the other server has
//! acknowledged the keys, they are deleted under their locks, whatever has become of the session.
//!
//! So nothing changes a value between its being sent and its being deleted, which is all that Redis's
//! standing still is for. What expires or is evicted meanwhile would have gone anyway. The alternative,
//! to delete keys only if they have not changed since, has no answer for those that have: the other server
//! may have shown the old value to others already.
//!
//! Inside MULTI and scripts, where nothing may come in between and nothing waits, and where the host cannot
//! talk on the side, the host does the talking while the locks are held, as Redis does.
//!
//! The lock of what is held is below the stripes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oxidis_resp::{Protocol, Writer};
use parking_lot::Mutex;

use crate::client::{Client, ClientShared};
use crate::command::dispatch;
use crate::command::{Args, CommandError, Registered};
use crate::mailbox::Message;
use crate::worker::Worker;

/// A key to be sent.
pub struct MigratedKey {
    /// The key.
    pub key: Vec<u8>,
    /// Its value as DUMP answers it.
    pub payload: Vec<u8>,
    /// When it expires, in milliseconds since 1970. One whose time is over is not sent.
    pub expire_ms: Option<i64>,
}

/// What AUTH gets.
pub struct Credentials {
    /// The user; `None` is the default one, by the older form of AUTH.
    pub user: Option<Vec<u8>>,
    /// The password.
    pub password: Vec<u8>,
}

/// What is to be sent, and where to.
pub struct MigrationRequest {
    /// The name or address of the other server.
    pub host: Vec<u8>,
    /// Its port, as it was given.
    pub port: Vec<u8>,
    /// The database there.
    pub database: i64,
    /// How long connecting, writing and reading may take, each.
    pub timeout: Duration,
    /// Whether keys that are there are overwritten.
    pub replaces: bool,
    /// What to authenticate with, if at all.
    pub credentials: Option<Credentials>,
    /// The keys, in order.
    pub keys: Vec<MigratedKey>,
}

/// Why keys were not migrated. `Display` gives the error reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// The other server was not reached.
    #[error("IOERR error or timeout connecting to the client")]
    Connecting,
    /// What was to be sent could not be.
    #[error("IOERR error or timeout writing to target instance")]
    Writing,
    /// A reply did not come.
    #[error("IOERR error or timeout reading to target instance")]
    Reading,
    /// The other server answered with this error first.
    #[error("ERR Target instance replied with error: {}", String::from_utf8_lossy(.0))]
    Target(Vec<u8>),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct MigrationOutcome {
    /// The places in [`MigrationRequest::keys`] of the keys that the other server has now.
    pub acknowledged: Vec<usize>,
    /// What went wrong, if anything did.
    pub error: Option<MigrationError>,
}

impl MigrationOutcome {
    /// Nothing was migrated.
    pub fn failed(error: MigrationError) -> Self {
        MigrationOutcome {
            acknowledged: Vec::new(),
            error: Some(error),
        }
    }
}

/// A MIGRATE whose session waits, for the host to carry out. It must be ended with [`Self::finish`]: until
/// then its keys are held.
pub struct Migration {
    pub(crate) request: Arc<MigrationRequest>,
    /// COPY: the keys stay here, too.
    pub(crate) is_copy: bool,
    pub(crate) client: Arc<ClientShared>,
    pub(crate) database: usize,
    pub(crate) protocol: Protocol,
    pub(crate) registered: &'static Registered,
    pub(crate) arguments: Vec<Vec<u8>>,
}

impl Migration {
    /// What is to be done.
    pub fn request(&self) -> &Arc<MigrationRequest> {
        &self.request
    }

    /// Ends it: deletes what was acknowledged, unless it was copied, frees the keys, and answers the
    /// session.
    pub fn finish(self, worker: &mut Worker, outcome: &MigrationOutcome) {
        worker.refresh();
        let keyspace = worker.engine.keyspace.clone();
        let keys = self.request.keys.iter();
        let hashes = keys.map(|it| keyspace.key(&it.key).hash);
        // Scripts lock everything, so none runs while keys are held: there is nothing to give up for.
        let locked = worker.view.lock_some(hashes, &|| false);
        debug_assert!(locked.is_ok(), "nothing gives up");
        let mut client = Client::new(self.client.clone());
        client.database = self.database;
        client.protocol = self.protocol;
        let mut reply = Vec::new();
        let mut out = Writer::new(&mut reply, self.protocol);
        worker.current_session = self.client.id;
        let (registered, args) = (self.registered, Args::owned(&self.arguments));
        dispatch::conclude(
            worker,
            &mut client,
            registered,
            args,
            &mut out,
            |cx, out| {
                cx.engine().migrations.release(&self.request);
                crate::cmd::settle_migration(cx, &self.request, self.is_copy, outcome, out)
            },
        );
        worker.current_session = 0;
        worker.broadcast_changes();
        self.client.post(Message::Concluded(reply));
    }
}

#[derive(Default)]
struct State {
    held: BTreeSet<Vec<u8>>,
    /// Sessions with a command that came upon a held key.
    waiting: Vec<Arc<ClientShared>>,
}

/// The keys that are on their way.
#[derive(Default)]
pub(crate) struct Migrations {
    count: AtomicUsize,
    state: Mutex<State>,
}

impl Migrations {
    /// Whether any key is held. Ask while holding the locks of the keys concerned.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Holds the keys of a request, whose locks are held.
    pub(crate) fn hold(&self, request: &MigrationRequest) {
        let mut state = self.state.lock();
        let names = request.keys.iter().map(|it| it.key.clone());
        state.held.extend(names);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets go of them again, and of everyone who waits. Their locks are held.
    pub(crate) fn release(&self, request: &MigrationRequest) {
        let mut state = self.state.lock();
        for it in &request.keys {
            state.held.remove(&it.key);
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        for client in state.waiting.drain(..) {
            client.post(Message::Resume);
        }
    }

    /// Remembers a session whose command has to wait if one of these keys is held (any key, if it has
    /// locked everything); answers whether it has to.
    pub(crate) fn hold_back(
        &self,
        client: &Client,
        takes_all: bool,
        for_each_key: impl FnOnce(&mut dyn FnMut(&[u8])),
    ) -> bool {
        let mut state = self.state.lock();
        let mut is_held = takes_all && !state.held.is_empty();
        if !takes_all {
            for_each_key(&mut |key| is_held |= state.held.contains(key));
        }
        if is_held {
            state.waiting.push(client.shared.clone());
        }
        is_held
    }
}

impl From<MigrationError> for CommandError {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::Target(text) => {
                let before = "ERR Target instance replied with error: ";
                CommandError::quoting(before, &text, "")
            }
            other => other.to_string().into(),
        }
    }
}
