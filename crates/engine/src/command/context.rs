//! What a handler sees: its arguments, the keys that its row names, its session, the engine.
//!
//! The context is where expiry, key statistics, keyspace events and the signals to watchers and
//! waiters meet the bare key space; a handler thinks of none of them.

use std::ops::RangeInclusive;

use oxidis_resp::{Span, plain_request};

use super::table::Registered;
use super::{CommandError, CommandResult, Reply};
use crate::acl;
use crate::blocking::{Blocked, BlockedState, Blocking};
use crate::client::Client;
use crate::engine::Engine;
use crate::keyspace::{
    Collection, CollectionMut, Entry, EntryRef, Key, RawStringMut, access, collection_ref,
};
use crate::random::Random;
use crate::text::parse_integer;
use crate::tracking;
use crate::value::{
    EncodingLimits, Hash, HashRef, List, ListRef, Set, SetRef, SortedSet, SortedSetRef, Stream,
    StringRef, Value, ValueType,
};
use crate::worker::{ExpiredKey, ReadyKey, Worker};

/// So many bytes of replies are never too many; in Redis they have a buffer that does not count.
pub(crate) const OUTPUT_UNLIMITED_BYTES: usize = 16 << 10;

/// The arguments of a command, its name first.
#[derive(Clone, Copy)]
pub struct Args<'a>(ArgsKind<'a>);

#[derive(Clone, Copy)]
enum ArgsKind<'a> {
    /// Places in the buffer that the request was read into.
    Spans { buffer: &'a [u8], spans: &'a [Span] },
    /// Owned elsewhere: queued, retried, or made by a program.
    Owned(&'a [Vec<u8>]),
    /// Borrowed one by one, from an embedding program.
    Slices(&'a [&'a [u8]]),
}

impl<'a> Args<'a> {
    /// Arguments that lie in `buffer`.
    pub fn spans(buffer: &'a [u8], spans: &'a [Span]) -> Self {
        Args(ArgsKind::Spans { buffer, spans })
    }

    /// Arguments that somebody owns.
    pub fn owned(arguments: &'a [Vec<u8>]) -> Self {
        Args(ArgsKind::Owned(arguments))
    }

    /// Arguments borrowed one by one.
    pub fn slices(arguments: &'a [&'a [u8]]) -> Self {
        Args(ArgsKind::Slices(arguments))
    }

    /// How many there are, the name included.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "there is always a name")]
    pub fn len(self) -> usize {
        match self.0 {
            ArgsKind::Spans { spans, .. } => spans.len(),
            ArgsKind::Owned(arguments) => arguments.len(),
            ArgsKind::Slices(arguments) => arguments.len(),
        }
    }

    /// The argument at `index`; empty if there is none.
    #[inline]
    pub fn get(self, index: usize) -> &'a [u8] {
        match self.0 {
            ArgsKind::Spans { buffer, spans } => {
                spans.get(index).map_or(&[], |span| span.of(buffer))
            }
            ArgsKind::Owned(arguments) => arguments.get(index).map_or(&[], Vec::as_slice),
            ArgsKind::Slices(arguments) => arguments.get(index).copied().unwrap_or_default(),
        }
    }

    /// All of them in order, the name first.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        (0..self.len()).map(move |index| self.get(index))
    }

    /// Those from `index` on, in order.
    pub fn iter_from(self, index: usize) -> impl Iterator<Item = &'a [u8]> + Clone {
        (index..self.len()).map(move |index| self.get(index))
    }

    /// The request that they came in, if it stands in the buffer as it would be written again.
    #[inline]
    pub(crate) fn plain_request(self) -> Option<&'a [u8]> {
        match self.0 {
            ArgsKind::Spans { buffer, spans } => plain_request(buffer, spans),
            ArgsKind::Owned(_) | ArgsKind::Slices(_) => None,
        }
    }

    /// Copies of all of them.
    pub fn to_owned(self) -> Vec<Vec<u8>> {
        self.iter().map(<[u8]>::to_vec).collect()
    }
}

/// The classes of keyspace events, as `notify-keyspace-events` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventClass(u32);

impl EventClass {
    /// `K`: publish to `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: EventClass = EventClass(1);
    /// `E`: publish to `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: EventClass = EventClass(1 << 1);
    /// `g`: commands of any type.
    pub const GENERIC: EventClass = EventClass(1 << 2);
    /// `$`
    pub const STRING: EventClass = EventClass(1 << 3);
    /// `l`
    pub const LIST: EventClass = EventClass(1 << 4);
    /// `s`
    pub const SET: EventClass = EventClass(1 << 5);
    /// `h`
    pub const HASH: EventClass = EventClass(1 << 6);
    /// `z`
    pub const SORTED_SET: EventClass = EventClass(1 << 7);
    /// `x`: a key was deleted because its time was over.
    pub const EXPIRED: EventClass = EventClass(1 << 8);
    /// `e`: a key was deleted to free memory.
    pub const EVICTED: EventClass = EventClass(1 << 9);
    /// `t`
    pub const STREAM: EventClass = EventClass(1 << 10);
    /// `m`: a key was looked for and not found; not part of `A`.
    pub const KEY_MISS: EventClass = EventClass(1 << 11);
    /// `d`: of a module.
    pub const MODULE: EventClass = EventClass(1 << 13);
    /// `n`: a key was made; not part of `A`.
    pub const NEW: EventClass = EventClass(1 << 14);

    pub(crate) fn is_in(self, enabled: u32) -> bool {
        enabled & self.0 != 0
    }
}

/// In which circumstances a handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As a request of its own.
    Direct,
    /// Inside EXEC or a script: nothing may block.
    Nested,
    /// For a session that is blocked, by a writer; `still_blocked` is set when there is still
    /// nothing to take.
    Serving { still_blocked: bool },
}

/// What a handler sees.
pub struct Context<'a> {
    args: Args<'a>,
    pub(crate) registered: &'static Registered,
    pub(crate) client: &'a mut Client,
    pub(crate) worker: &'a mut Worker,
    pub(crate) mode: Mode,
    /// The key argument whose hash is known already, and the hash.
    hashed: (usize, u64),
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        registered: &'static Registered,
        args: Args<'a>,
        client: &'a mut Client,
        worker: &'a mut Worker,
        mode: Mode,
        hashed: (usize, u64),
    ) -> Self {
        Context {
            args,
            registered,
            client,
            worker,
            mode,
            hashed,
        }
    }

    // Arguments.

    /// All arguments, the command's name first.
    #[inline]
    pub fn args(&self) -> Args<'a> {
        self.args
    }

    /// The argument at `index` (0 is the command's name); empty if there is none.
    #[inline]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.args.get(index)
    }

    /// How many arguments there are, the command's name included.
    #[inline]
    pub fn argc(&self) -> usize {
        self.args.len()
    }

    /// Whether the argument at `index` is this word, in any case.
    #[inline]
    pub fn arg_is(&self, index: usize, word: &str) -> bool {
        self.arg(index).eq_ignore_ascii_case(word.as_bytes())
    }

    /// The argument at `index` as an integer.
    #[inline]
    pub fn integer(&self, index: usize) -> Result<i64, CommandError> {
        parse_integer(self.arg(index)).ok_or(CommandError::NotInteger)
    }

    /// The argument at `index` as an integer of this range.
    pub(crate) fn integer_between(
        &self,
        index: usize,
        range: RangeInclusive<i64>,
    ) -> Result<i64, CommandError> {
        let number = self.integer(index)?;
        if range.contains(&number) {
            return Ok(number);
        }
        let (least, most) = range.into_inner();
        Err(format!("ERR value is out of range, value must between {least} and {most}").into())
    }

    /// The argument at `index` as the number of a database.
    pub(crate) fn database_argument(&self, index: usize) -> Result<usize, CommandError> {
        let number = self.integer_between(index, i32::MIN.into()..=i32::MAX.into())?;
        usize::try_from(number)
            .ok()
            .filter(|&number| number < self.worker.engine.databases)
            .ok_or(CommandError::DatabaseOutOfRange)
    }

    /// The argument at `index` as a key.
    #[inline]
    pub fn key(&self, index: usize) -> Key<'a> {
        let bytes = self.args.get(index);
        if index == self.hashed.0 {
            return Key {
                bytes,
                hash: self.hashed.1,
            };
        }
        self.worker.view.key(bytes)
    }

    /// Any bytes as a key. Its stripe is locked only if the row's key specifications name it.
    pub fn key_of<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        self.worker.view.key(bytes)
    }

    // Surroundings.

    /// The session.
    pub fn client(&mut self) -> &mut Client {
        self.client
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.worker.engine
    }

    /// The name of the command, `container|subcommand` for a subcommand.
    pub fn command_name(&self) -> &'static str {
        &self.registered.full_name
    }

    /// The selected database.
    #[inline]
    pub fn database_index(&self) -> usize {
        self.client.database
    }

    /// Whether the session's user may execute this command and read every key there is, for commands whose keys
    /// only the data tell.
    pub fn may_read_all_keys(&mut self) -> bool {
        let engine = self.worker.engine.clone();
        self.client.unrestricted_generation == engine.acl.generation()
            || acl::refresh(&engine, self.client).reads_all_keys(self.registered, self.args)
    }

    /// Milliseconds since 1970; the same throughout the command.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.worker.now_ms()
    }

    /// Microseconds since 1970; the same throughout the command.
    pub fn now_us(&self) -> i64 {
        self.worker.now_us
    }

    /// The thresholds of compact encodings.
    #[inline]
    pub fn limits(&self) -> EncodingLimits {
        self.worker.limits
    }

    /// The source of chance.
    pub fn random(&mut self) -> &mut Random {
        &mut self.worker.random
    }

    // Looking at keys.

    #[inline]
    fn find(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let stripe = self.worker.view.stripe(key.hash);
        let entry = stripe
            .database(self.client.database)?
            .get(key.hash, key.bytes)?;
        if let Some(expire_ms) = entry.expire_ms()
            && expire_ms <= self.worker.now_ms()
            && !self.sees_expired()
        {
            self.meet_expired(key);
            return None;
        }
        Some(entry)
    }

    /// Whether the client finds keys whose time is over as if it were not: it imports data, and says itself when they go
    /// (CLIENT IMPORT-SOURCE).
    pub(crate) fn sees_expired(&self) -> bool {
        self.client.is_import_source && self.engine().is_importing()
    }

    /// As of when the client sees fields of hashes, in milliseconds since 1970: who finds keys whose time is over finds
    /// such fields, too.
    pub(crate) fn fields_as_of_ms(&self) -> i64 {
        if self.sees_expired() {
            i64::MIN
        } else {
            self.now_ms()
        }
    }

    /// Whether a time that is given to a key and is over already ends it at once. While data are imported the key stays
    /// like others.
    pub(crate) fn ends_at_once(&self, at_ms: i64) -> bool {
        at_ms <= self.now_ms() && !self.engine().is_importing()
    }

    /// Notes an expired key, to be deleted when the command is over. Observers are told now: what
    /// the command tells them later came of it.
    #[cold]
    fn meet_expired(&self, key: Key<'_>) {
        let worker = &self.worker;
        if worker.engine.keeps_expired(worker.now_ms()) {
            return;
        }
        let database = self.client.database;
        let mut expired = worker.expired.borrow_mut();
        if expired.iter().any(|met| met.is(database, key)) {
            return;
        }
        expired.push(ExpiredKey {
            database,
            key: key.bytes.to_vec(),
            hash: key.hash,
        });
        worker.has_expired.set(true);
        notify_expired(worker, database, key);
    }

    /// The entry of a key for reading, counted as a hit or a miss and as a use of the key.
    #[inline]
    pub(crate) fn read(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let found = self.look(key);
        if let Some(entry) = found {
            self.touch(entry);
        }
        found
    }

    /// As [`Self::read`], but looking at the key does not make it look used.
    #[inline]
    pub(crate) fn look(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let found = self.look_quietly(key);
        if found.is_none() {
            self.notify_miss(key);
        }
        found
    }

    /// As [`Self::look`], without an event when the key is not there.
    #[inline]
    pub(crate) fn look_quietly(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let found = self.find(key);
        let counters = &self.worker.counters;
        match found {
            Some(_) => counters.keyspace_hits.add(1),
            None => counters.keyspace_misses.add(1),
        }
        found
    }

    /// The entry of a key even if its time is over, as DEBUG shows it.
    pub(crate) fn entry_even_if_expired(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let stripe = self.worker.view.stripe(key.hash);
        let database = stripe.database(self.client.database)?;
        database.get(key.hash, key.bytes)
    }

    /// The entry of a key, without counting or using it.
    #[inline]
    pub(crate) fn peek(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        self.find(key)
    }

    /// Notes the use of an entry, for eviction and OBJECT IDLETIME.
    #[inline]
    pub(crate) fn touch(&self, entry: EntryRef<'_>) {
        if self.touches() {
            self.worker.touch(entry);
        }
    }

    /// Whether the command makes the keys that it reaches look used.
    #[inline]
    fn touches(&self) -> bool {
        !self.client.no_touch || self.registered.command.name == "touch"
    }

    /// The type of the value under a key.
    pub fn value_type(&self, key: Key<'_>) -> Option<ValueType> {
        self.find(key).map(EntryRef::value_type)
    }

    /// Whether the key is there.
    pub fn exists(&self, key: Key<'_>) -> bool {
        self.find(key).is_some()
    }

    /// When the key expires, in milliseconds since 1970: `None` if it is not there, `Some(None)` if
    /// it never does.
    pub fn expire_ms(&self, key: Key<'_>) -> Option<Option<i64>> {
        self.find(key).map(EntryRef::expire_ms)
    }

    /// The string under a key, for reading.
    #[inline]
    pub fn string(&self, key: Key<'_>) -> Result<Option<StringRef<'_>>, CommandError> {
        match self.read(key) {
            None => Ok(None),
            Some(entry) => entry.string().map(Some).ok_or(CommandError::WrongType),
        }
    }

    /// The string under a key that is about to be written: looking it up is neither a hit nor a
    /// miss.
    #[inline]
    pub(crate) fn string_to_write(
        &self,
        key: Key<'_>,
    ) -> Result<Option<StringRef<'_>>, CommandError> {
        match self.find(key) {
            None => Ok(None),
            Some(entry) => {
                self.touch(entry);
                entry.string().map(Some).ok_or(CommandError::WrongType)
            }
        }
    }

    #[inline]
    fn collection<T: Collection>(&self, key: Key<'_>) -> Result<Option<T::Ref<'_>>, CommandError> {
        let Some(entry) = self.read(key) else {
            return Ok(None);
        };
        if entry.value_type() != T::TYPE {
            return Err(CommandError::WrongType);
        }
        Ok(Some(collection_ref::<T>(entry)))
    }

    /// The list under a key, for reading.
    pub fn list(&self, key: Key<'_>) -> Result<Option<ListRef<'_>>, CommandError> {
        self.collection::<List>(key)
    }

    /// The set under a key, for reading.
    pub fn set(&self, key: Key<'_>) -> Result<Option<SetRef<'_>>, CommandError> {
        self.collection::<Set>(key)
    }

    /// The hash under a key, for reading, without the fields whose time is over.
    pub fn hash(&self, key: Key<'_>) -> Result<Option<HashRef<'_>>, CommandError> {
        let hash = self.collection::<Hash>(key)?;
        Ok(hash.map(|hash| hash.at(self.fields_as_of_ms())))
    }

    /// The sorted set under a key, for reading.
    pub fn sorted_set(&self, key: Key<'_>) -> Result<Option<SortedSetRef<'_>>, CommandError> {
        self.collection::<SortedSet>(key)
    }

    /// The stream under a key, for reading.
    pub fn stream(&self, key: Key<'_>) -> Result<Option<&Stream>, CommandError> {
        self.collection::<Stream>(key)
    }

    // Changing keys. None of these tells anyone: that is `changed`.

    /// Deletes the key now if its time is over.
    #[inline]
    pub(crate) fn expire_if_needed(&mut self, key: Key<'_>) {
        let now_ms = self.worker.now_ms();
        let stripe = self.worker.view.stripe(key.hash);
        let Some(database) = stripe.database(self.client.database) else {
            return;
        };
        if database.volatile_len() == 0 {
            return;
        }
        let entry = database.get(key.hash, key.bytes);
        if entry
            .and_then(EntryRef::expire_ms)
            .is_some_and(|expire_ms| expire_ms <= now_ms)
            && !self.sees_expired()
        {
            delete_expired(self.worker, self.client.database, key);
        }
    }

    fn writable_type(&mut self, key: Key<'_>) -> Option<ValueType> {
        self.expire_if_needed(key);
        let entry = self.find(key)?;
        self.touch(entry);
        Some(entry.value_type())
    }

    #[inline]
    fn collection_mut<'k, T: Collection>(
        &'k mut self,
        key: Key<'k>,
        create: bool,
    ) -> Result<Option<CollectionMut<'k, T>>, CommandError> {
        self.expire_if_needed(key);
        let touches = self.touches();
        let Worker {
            view,
            access_rules,
            access_random,
            now_us,
            ..
        } = &mut *self.worker;
        let database = view.stripe_mut(key.hash).database_mut(self.client.database);
        database.set_access_clock(access_rules.of_new(*now_us));
        let admit = |found: Option<EntryRef<'_>>| match found {
            Some(entry) => {
                if touches {
                    access_rules.touch(entry, *now_us, access_random.get_mut());
                }
                let fits = entry.value_type() == T::TYPE;
                fits.then_some(()).ok_or(Some(CommandError::WrongType))
            }
            None if create => Ok(()),
            None => Err(None),
        };
        match database.collection_mut_if(key.hash, key.bytes, admit) {
            Ok(collection) => Ok(Some(collection)),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    fn collection_or_create<'k, T: Collection>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<CollectionMut<'k, T>, CommandError> {
        Ok(self
            .collection_mut(key, true)?
            .expect("a missing key was asked to be created"))
    }

    /// The list under a key, for changing it.
    pub fn list_mut<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<Option<CollectionMut<'k, List>>, CommandError> {
        self.collection_mut(key, false)
    }

    /// The list under a key, or an empty one that gets the key once something is in it.
    pub fn list_or_create<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<CollectionMut<'k, List>, CommandError> {
        self.collection_or_create(key)
    }

    /// The set under a key, for changing it.
    pub fn set_mut<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<Option<CollectionMut<'k, Set>>, CommandError> {
        self.collection_mut(key, false)
    }

    /// The set under a key, or an empty one that gets the key once something is in it.
    pub fn set_or_create<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<CollectionMut<'k, Set>, CommandError> {
        self.collection_or_create(key)
    }

    /// The hash under a key, for changing it.
    pub fn hash_mut<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<Option<CollectionMut<'k, Hash>>, CommandError> {
        self.collection_mut(key, false)
    }

    /// The hash under a key, or an empty one that gets the key once something is in it.
    pub fn hash_or_create<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<CollectionMut<'k, Hash>, CommandError> {
        self.collection_or_create(key)
    }

    /// The sorted set under a key, for changing it.
    pub fn sorted_set_mut<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<Option<CollectionMut<'k, SortedSet>>, CommandError> {
        self.collection_mut(key, false)
    }

    /// The sorted set under a key, or an empty one that gets the key once something is in it.
    pub fn sorted_set_or_create<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<CollectionMut<'k, SortedSet>, CommandError> {
        self.collection_or_create(key)
    }

    /// The stream under a key, for changing it.
    pub fn stream_mut<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<Option<CollectionMut<'k, Stream>>, CommandError> {
        self.collection_mut(key, false)
    }

    /// The stream under a key, or an empty one, which gets the key even if it stays empty.
    pub fn stream_or_create<'k>(
        &'k mut self,
        key: Key<'k>,
    ) -> Result<CollectionMut<'k, Stream>, CommandError> {
        self.collection_or_create(key)
    }

    /// Sets a string whatever was there, with this expiry or none. A big old value is freed later.
    #[inline]
    pub fn set_string(&mut self, key: Key<'_>, bytes: &[u8], expire_ms: Option<i64>) {
        self.discard_big(key);
        let keeps_access = self.client.no_touch && self.worker.access_rules.is_lfu;
        let Worker {
            view,
            access_rules,
            access_random,
            now_us,
            ..
        } = self.worker;
        let database = view.stripe_mut(key.hash).database_mut(self.client.database);
        database.set_access_clock(access_rules.of_new(*now_us));
        database.set_string(key.hash, key.bytes, bytes, expire_ms, |overwritten| {
            if !keeps_access {
                let random = access_random.get_mut();
                let access = access_rules.of_used(overwritten.access(), *now_us, random);
                overwritten.set_access(access);
            }
        });
    }

    /// Sets a string, keeping the key's expiry.
    pub fn set_string_keeping_expire(&mut self, key: Key<'_>, bytes: &[u8]) {
        self.expire_if_needed(key);
        let discarded_expire_ms = self.discard_big(key);
        let database = self.database_mut(key);
        database.set_string_keeping_expire(key.hash, key.bytes, bytes);
        if discarded_expire_ms.is_some() {
            database.set_expire(key.hash, key.bytes, discarded_expire_ms);
        }
    }

    /// Sets a short string that is kept as text even if it spells an integer, keeping the key's
    /// expiry.
    pub fn set_text_keeping_expire(&mut self, key: Key<'_>, text: &[u8]) {
        self.expire_if_needed(key);
        self.discard_big(key);
        self.database_mut(key)
            .set_text_keeping_expire(key.hash, key.bytes, text);
    }

    /// Sets an integer, keeping the key's expiry.
    pub fn set_integer_keeping_expire(&mut self, key: Key<'_>, n: i64) {
        self.expire_if_needed(key);
        self.database_mut(key)
            .set_integer_keeping_expire(key.hash, key.bytes, n);
    }

    /// The string under a key as a growable one; an empty one if the key is not there, which the
    /// caller must not leave empty.
    pub fn raw_string_or_create(&mut self, key: Key<'_>) -> Result<RawStringMut<'_>, CommandError> {
        match self.writable_type(key) {
            Some(ValueType::String) => {}
            Some(_) => return Err(CommandError::WrongType),
            None => {
                let entry = Entry::from_value(key.bytes, Value::RawString(Vec::new()), None);
                self.database_mut(key).insert_new(key.hash, entry);
            }
        }
        let string = self.database_mut(key).raw_string_mut(key.hash, key.bytes);
        Ok(string.expect("the key holds a string by now"))
    }

    /// Stores any value, with this expiry or none, whatever was there.
    pub fn store(&mut self, key: Key<'_>, value: Value, expire_ms: Option<i64>) {
        self.expire_if_needed(key);
        let entry = Entry::from_value(key.bytes, value, expire_ms);
        entry.as_ref().set_access(self.worker.new_access());
        let is_lfu = self.worker.access_rules.is_lfu;
        let database = self.database_mut(key);
        // What is used often is, whatever is stored there.
        if is_lfu && let Some(old) = database.get(key.hash, key.bytes) {
            entry.as_ref().set_access(old.access());
        }
        if let Some(old) = database.insert(key.hash, entry) {
            self.discard(old);
        }
    }

    /// Deletes a key; answers whether it was there (and not expired).
    pub fn delete(&mut self, key: Key<'_>) -> bool {
        let is_lazy = self.worker.engine.config.lazyfree_lazy_server_del();
        self.delete_as(key, is_lazy)
    }

    /// As [`Self::delete`]; `is_lazy` says whether INFO counts the value as freed lazily.
    pub(crate) fn delete_as(&mut self, key: Key<'_>, is_lazy: bool) -> bool {
        self.expire_if_needed(key);
        match self.take(key) {
            Some(entry) => {
                discard(self.worker, entry, is_lazy);
                true
            }
            None => false,
        }
    }

    /// Deletes the key under which a command that came to nothing would have put its result;
    /// answers whether it was there. Unless the command met it, its time may be over: it is
    /// deleted as any other then, not expired.
    pub(crate) fn delete_destination(&mut self, key: Key<'_>) -> bool {
        let database = self.client.database;
        let expired = self.worker.expired.get_mut();
        if expired.iter().any(|met| met.is(database, key)) {
            delete_expired(self.worker, database, key);
        }
        let found = self.take(key);
        let is_found = found.is_some();
        if let Some(entry) = found {
            self.discard(entry);
        }
        is_found
    }

    /// Takes an entry out of the key space.
    pub(crate) fn take(&mut self, key: Key<'_>) -> Option<Entry> {
        self.database_mut(key).remove(key.hash, key.bytes)
    }

    /// Puts an entry into the key space, whatever was there.
    pub(crate) fn insert(&mut self, key: Key<'_>, entry: Entry) {
        if let Some(old) = self.database_mut(key).insert(key.hash, entry) {
            self.discard(old);
        }
    }

    /// Runs `body` as if the session had selected another database.
    pub(crate) fn in_database<R>(
        &mut self,
        database: usize,
        body: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let selected = std::mem::replace(&mut self.client.database, database);
        let answer = body(self);
        self.client.database = selected;
        answer
    }

    /// Makes a key look as if it had not been used for so long, where idle times are kept (as
    /// RESTORE does).
    pub fn set_idle_seconds(&mut self, key: Key<'_>, seconds: i64) {
        let access = access::of_idle_seconds(self.worker.now_us, seconds);
        if !self.worker.access_rules.is_lfu {
            self.set_access(key, access);
        }
    }

    /// Makes a key look as if it were used so often (a logarithmic count), where frequencies are
    /// kept (as RESTORE does).
    pub fn set_frequency(&mut self, key: Key<'_>, counter: u8) {
        let rules = self.worker.access_rules;
        if rules.is_lfu {
            self.set_access(key, rules.of_frequency(self.worker.now_us, counter));
        }
    }

    fn set_access(&mut self, key: Key<'_>, access: u32) {
        let database = self.database_mut(key);
        if let Some(entry) = database.get(key.hash, key.bytes) {
            entry.set_access(access);
        }
    }

    /// Sets or removes the expiry of a key; answers whether the key is there.
    pub fn set_expire(&mut self, key: Key<'_>, expire_ms: Option<i64>) -> bool {
        self.expire_if_needed(key);
        self.database_mut(key)
            .set_expire(key.hash, key.bytes, expire_ms)
    }

    #[inline]
    pub(crate) fn database_mut(&mut self, key: Key<'_>) -> &mut crate::keyspace::Database {
        let access = self.worker.new_access();
        let database = self.client.database;
        let database = self.worker.view.stripe_mut(key.hash).database_mut(database);
        database.set_access_clock(access);
        database
    }

    /// Throws a big value under the key away before it is overwritten, so that it is freed later.
    /// Answers the expiry that goes with it. A value whose time is over is deleted as such.
    #[inline]
    fn discard_big(&mut self, key: Key<'_>) -> Option<i64> {
        let stripe = self.worker.view.stripe(key.hash);
        let entry = stripe
            .database(self.client.database)
            .and_then(|database| database.get(key.hash, key.bytes))?;
        if entry
            .expire_ms()
            .is_some_and(|expire_ms| expire_ms <= self.worker.now_ms())
            && !self.sees_expired()
        {
            delete_expired(self.worker, self.client.database, key);
            return None;
        }
        if entry.value_type() != ValueType::String
            && let Some(entry) = self
                .database_mut(key)
                .remove_to_replace(key.hash, key.bytes)
        {
            let expire_ms = entry.as_ref().expire_ms();
            self.discard(entry);
            return expire_ms;
        }
        None
    }

    /// Frees an entry that something else takes the place of: at once if it is small, without the
    /// locks if not.
    pub(crate) fn discard(&mut self, entry: Entry) {
        let is_lazy = self.worker.engine.config.lazyfree_lazy_server_del();
        discard(self.worker, entry, is_lazy);
    }

    // Telling of changes.

    /// Tells everyone that `key` was changed: counts it, marks transactions that watch it,
    /// publishes `event`, and wakes those who wait for the key. Call it once a change, with the
    /// locks still held and no borrow of the value left.
    #[inline]
    pub fn changed(&mut self, key: Key<'_>, class: EventClass, event: &str) {
        self.modified(key);
        self.notify(key.bytes, class, event);
    }

    /// As [`Self::changed`], without an event.
    #[inline]
    pub fn modified(&mut self, key: Key<'_>) {
        self.worker.dirty += 1;
        if EventClass::NEW.is_in(self.worker.engine.config.notify_keyspace_events()) {
            self.notify_if_new(key);
        }
        let default_ttl = self.worker.engine.config.default_ttl_seconds();
        if default_ttl > 0 {
            let expire_ms = self.worker.engine.now_ms() + default_ttl as i64 * 1000;
            let database = self.database_mut(key);
            let entry = database.get(key.hash, key.bytes);
            if entry.is_some_and(|entry| entry.expire_ms().is_none()) {
                database.set_expire(key.hash, key.bytes, Some(expire_ms));
            }
        }
        let stripe = self.worker.view.stripe_mut(key.hash);
        let is_awaited = !stripe.watchers.is_empty() || !stripe.waiters.is_empty();
        if is_awaited || self.worker.is_tracking {
            self.signal(key);
        }
    }

    /// Publishes that `key` is new, if the command made it; [`Self::changed`] does that too.
    #[cold]
    pub(crate) fn notify_if_new(&mut self, key: Key<'_>) {
        if self.database_mut(key).take_newest(key.hash) {
            self.notify(key.bytes, EventClass::NEW, "new");
        }
    }

    /// Marks the transactions that watch `key`, wakes those who wait for it and tells those who
    /// track it, and nothing else.
    pub(crate) fn signal(&mut self, key: Key<'_>) {
        // To NOLOOP a script is somebody else, as in Redis: its caller may not know what it changed.
        let changer = if self.worker.is_tracking && !self.is_in_script() {
            self.client.id()
        } else {
            0
        };
        signal(self.worker, self.client.database, key, changer);
    }

    /// Counts `n` more changes, for commands that make many at once.
    pub fn count_changes(&mut self, n: u64) {
        self.worker.dirty += n;
    }

    /// Takes a change back that changed nothing after all: everyone was told of it, but it neither
    /// counts nor is propagated.
    pub fn discount_change(&mut self) {
        self.worker.dirty = self.worker.dirty.saturating_sub(1);
    }

    /// Publishes a keyspace event, if anyone asked for its class.
    #[inline]
    pub fn notify(&mut self, key: &[u8], class: EventClass, event: &str) {
        notify(&self.worker.engine, self.client.database, key, class, event);
    }

    #[inline]
    fn notify_miss(&self, key: Key<'_>) {
        notify(
            &self.worker.engine,
            self.client.database,
            key.bytes,
            EventClass::KEY_MISS,
            "keymiss",
        );
    }

    /// What the propagation log gets instead of the command as it was sent: one command a slice.
    /// Calling it again adds another.
    pub fn rewrite(&mut self, command: &[&[u8]]) {
        if self.worker.engine.propagation.is_heard() {
            let command = command.iter().map(|argument| argument.to_vec()).collect();
            self.worker.rewritten.get_or_insert_default().push(command);
        }
    }

    /// Whether anyone hears what is propagated, so that it need not be put together otherwise.
    pub fn is_propagated(&self) -> bool {
        self.worker.engine.propagation.is_heard()
    }

    /// As [`Self::rewrite`], all commands at once. If there are none, nothing is propagated, whatever was
    /// changed.
    pub fn rewrite_all(&mut self, commands: Vec<Vec<Vec<u8>>>) {
        if self.is_propagated() {
            let rewritten = self.worker.rewritten.get_or_insert_default();
            rewritten.extend(commands);
        }
    }

    /// Whether the command is called by a script. While one runs it has all locks, so no command of
    /// another session is in the middle of its work.
    pub(crate) fn is_in_script(&self) -> bool {
        self.mode == Mode::Nested && self.engine().scripting.running.since_ms().is_some()
    }

    /// Whether the reply is already more than may wait for the client, so that the session is going
    /// to be closed and writing on is in vain. What a script gets is not limited.
    #[inline]
    pub(crate) fn exceeds_output_limit(&self, out: &Reply<'_>) -> bool {
        let waiting = out.position();
        waiting > OUTPUT_UNLIMITED_BYTES
            && !self.is_in_script()
            && self
                .engine()
                .exceeds_hard_limit(&self.client.shared, waiting as u64)
    }

    /// Shows the command to those who watch all commands.
    #[cold]
    pub(crate) fn feed_monitors(&self, now_us: i64) {
        let by_script = self.is_in_script();
        let monitors = &self.engine().monitors;
        monitors.feed(
            now_us,
            self.client,
            by_script,
            self.registered.command,
            self.args,
        );
    }

    // Blocking.

    /// Whether the command may block; if not it must answer as if its time were over.
    pub fn may_block(&self) -> bool {
        self.mode != Mode::Nested
    }

    /// Blocks the session until one of the keys is ready or the time is over. Inside a transaction
    /// or script nothing blocks: the reply is that of the time being over.
    pub fn block(&mut self, blocking: Blocking, out: &mut Reply<'_>) -> CommandResult {
        match &mut self.mode {
            Mode::Nested => {
                if let Some(reply) = &blocking.on_timeout {
                    reply.write(out);
                }
                return Ok(());
            }
            Mode::Serving { still_blocked } => {
                *still_blocked = true;
                return Ok(());
            }
            Mode::Direct => {}
        }
        let blocked = std::sync::Arc::new(Blocked {
            client: self.client.shared.clone(),
            database: self.client.database,
            protocol: self.client.protocol,
            tracks_reads: self.client.tracks_reads,
            unrestricted_generation: self.client.unrestricted_generation,
            registered: self.registered,
            arguments: self.args.to_owned(),
            blocking,
            state: parking_lot::Mutex::new(BlockedState::Waiting),
        });
        let mut queued: Vec<&[u8]> = Vec::new();
        for blocked_key in &blocked.blocking.keys {
            let key = &blocked_key.key[..];
            if !queued.contains(&key) {
                queued.push(key);
                let key = self.worker.view.key(key);
                self.worker
                    .view
                    .stripe_mut(key.hash)
                    .waiters
                    .add(key.bytes, blocked.clone());
            }
        }
        let argument_bytes = blocked.arguments.iter().map(Vec::len).sum();
        self.client.shared.note_blocked(argument_bytes);
        *self.client.shared.blocked.lock() = Some(blocked.clone());
        self.client.blocked = Some(blocked);
        Ok(())
    }

    /// Executes another command on behalf of the session, with the locks that are held.
    pub(crate) fn nested(
        &mut self,
        registered: &'static Registered,
        args: Args<'_>,
        out: &mut Reply<'_>,
    ) {
        super::dispatch::run(
            self.worker,
            self.client,
            registered,
            args,
            Mode::Nested,
            out,
        );
    }
}

/// Deletes a key whose time is over, and tells everyone who was not told when it was met.
pub(crate) fn delete_expired(worker: &mut Worker, database: usize, key: Key<'_>) {
    let expired = worker.expired.get_mut();
    let met = expired.iter().position(|met| met.is(database, key));
    if let Some(met) = met {
        expired.swap_remove(met);
    }
    let is_lazy = worker.engine.config.lazyfree_lazy_expire();
    if delete_unasked(worker, database, key, is_lazy) {
        worker.counters.expired_keys.add(1);
        if met.is_none() {
            notify_expired(worker, database, key);
        }
    }
}

/// Deletes a key to free memory, and tells everyone.
pub(crate) fn delete_evicted(worker: &mut Worker, database: usize, key: Key<'_>, is_lazy: bool) {
    if !remove_unasked(worker, database, key, is_lazy) {
        return;
    }
    let before_bytes = worker.engine.host.thread_memory_bytes();
    signal(worker, database, key, 0);
    worker.counters.evicted_keys.add(1);
    let class = EventClass::EVICTED;
    notify(&worker.engine, database, key.bytes, class, "evicted");
    worker.told_bytes += worker.engine.host.thread_memory_bytes() - before_bytes;
}

fn notify_expired(worker: &Worker, database: usize, key: Key<'_>) {
    let class = EventClass::EXPIRED;
    notify(&worker.engine, database, key.bytes, class, "expired");
}

/// Deletes a key that no command deletes; answers whether it was there.
fn delete_unasked(worker: &mut Worker, database: usize, key: Key<'_>, is_lazy: bool) -> bool {
    let was_there = remove_unasked(worker, database, key, is_lazy);
    if was_there {
        signal(worker, database, key, 0);
    }
    was_there
}

/// As [`delete_unasked`], but tells nobody in this process.
fn remove_unasked(worker: &mut Worker, database: usize, key: Key<'_>, is_lazy: bool) -> bool {
    let stripe = worker.view.stripe_mut(key.hash);
    let Some(entry) = stripe.database_mut(database).remove(key.hash, key.bytes) else {
        return false;
    };
    discard(worker, entry, is_lazy);
    if worker.engine.propagation.is_heard() {
        let name = if is_lazy { "UNLINK" } else { "DEL" };
        let arguments = [name.as_bytes(), key.bytes].into_iter();
        worker.propagated.push(database, false, arguments);
    }
    true
}

fn discard(worker: &mut Worker, entry: Entry, is_lazy: bool) {
    if entry.as_ref().is_costly_to_drop() {
        worker.lazily_freed += u64::from(is_lazy && entry.as_ref().is_freed_lazily());
        worker.garbage.push(entry);
    }
}

/// Marks the transactions that watch a key, notes it as ready for those who wait for it, and tells
/// those who track it. `changer` is the session whose command changed it, 0 if none did.
pub(crate) fn signal(worker: &mut Worker, database: usize, key: Key<'_>, changer: u64) {
    if worker.engine.tracking.is_on() {
        tracking::invalidate(worker, key, changer);
    }
    let stripe = worker.view.stripe_mut(key.hash);
    if stripe.watchers.is_empty() && stripe.waiters.is_empty() {
        return;
    }
    let exists = stripe
        .database(database)
        .is_some_and(|database| database.get(key.hash, key.bytes).is_some());
    if !stripe.watchers.is_empty() {
        stripe.watchers.touch(database, key.bytes, exists);
    }
    if exists || stripe.waiters.watch_for_loss() {
        note_ready(worker, database, key);
    }
}

/// Notes a key as ready for those who wait for it, if anyone does.
pub(crate) fn note_ready(worker: &mut Worker, database: usize, key: Key<'_>) {
    if !worker
        .view
        .stripe(key.hash)
        .waiters
        .has(database, key.bytes)
    {
        return;
    }
    let is_noted = |ready: &ReadyKey| ready.database == database && ready.key == key.bytes;
    if !worker.ready.iter().any(is_noted) {
        worker.ready.push_back(ReadyKey {
            database,
            key: key.bytes.to_vec(),
            hash: key.hash,
        });
    }
}

/// Publishes a keyspace event, if anyone asked for its class.
#[inline]
pub(crate) fn notify(engine: &Engine, database: usize, key: &[u8], class: EventClass, event: &str) {
    let enabled = engine.config.notify_keyspace_events();
    if enabled != 0 && class.is_in(enabled) {
        publish_event(engine, database, key, enabled, event);
    }
}

#[cold]
fn publish_event(engine: &Engine, database: usize, key: &[u8], enabled: u32, event: &str) {
    if EventClass::KEYSPACE.is_in(enabled) {
        let mut channel = format!("__keyspace@{database}__:").into_bytes();
        channel.extend_from_slice(key);
        engine.pubsub.publish(&channel, event.as_bytes());
    }
    if EventClass::KEYEVENT.is_in(enabled) {
        let channel = format!("__keyevent@{database}__:{event}");
        engine.pubsub.publish(channel.as_bytes(), key);
    }
}

/// Marks the session's transaction as one that EXEC must abort, if it is queueing.
pub(crate) fn fail_transaction(client: &mut Client) {
    if client.transaction.is_open {
        client.transaction.has_failed = true;
    }
}
