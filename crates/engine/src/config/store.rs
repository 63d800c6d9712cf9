//! [`Config`]: the values, shared by all workers; CONFIG GET and CONFIG SET.
//!
//! Two kinds of readers want two things. A command that asks for `maxmemory` or a slow log
//! threshold wants a plain load: numbers, words and switches are mirrored in atomics, one per row.
//! Everybody else (CONFIG GET, CONFIG REWRITE, who starts listeners) takes the lock.
//!
//! Writers are rare and come one at a time. CONFIG SET parses all its pairs against a copy, makes
//! the copy the truth, lets the [`ConfigObserver`] apply what changed, and puts the old values back
//! if that fails: all pairs take effect or none does.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use super::directive::{Directive, DirectiveId, Flags, Kind};
use super::error::ConfigError;
use super::rewrite::{self, RewriteScope};
use super::value::{OutputBufferLimit, Value};
use super::{enumerations::ProtectedAction, typed};
use crate::text::{Case, glob_matches};
use crate::value::EncodingLimits;

/// The configuration of one server.
pub struct Config {
    /// Of each row: its number, if its value is one.
    pub(super) numbers: Box<[AtomicI64]>,
    pub(super) output_buffer_limits: [AtomicOutputBufferLimit; 3],
    pub(super) encoding_limits: RwLock<Arc<EncodingLimits>>,
    /// Counts the changes, so that readers of snapshots know when theirs is old.
    pub(super) generation: AtomicU64,
    pub(super) state: RwLock<State>,
    /// Held while the values change, so that changes come one at a time.
    pub(super) changing: Mutex<()>,
    hash_seed: u64,
    observer: OnceLock<Box<dyn ConfigObserver>>,
    /// Whether the allocator of the process can move blocks.
    moves_blocks: AtomicBool,
}

/// What stands behind the lock.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub values: Vec<Value>,
    /// What CONFIG REWRITE need not write.
    pub defaults: Vec<Value>,
    pub file_only: super::file::FileOnly,
    /// The absolute path of the configuration file.
    pub file: Option<Vec<u8>>,
}

/// Applies changed values to the world outside the engine: listeners, log level, signal handlers.
pub trait ConfigObserver: Send + Sync {
    /// Makes the new values true; they can be read from `config` already. On an error the old
    /// values are put back, and this is called once more so that they become true again.
    ///
    /// # Errors
    /// Names the directive that cannot be applied, and why.
    fn apply(&self, config: &Config, changed: &[DirectiveId]) -> Result<(), ApplyError>;

    /// Makes a `dir` absolute.
    ///
    /// # Errors
    /// The operating system's word for why it cannot be entered.
    fn resolve_directory(&self, _config: &Config, path: &[u8]) -> Result<Vec<u8>, String> {
        Ok(path.to_vec())
    }
}

/// Why a new value could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyError {
    /// The directive at fault.
    pub directive: DirectiveId,
    /// What the client reads.
    pub reason: String,
}

/// Who sends CONFIG SET, and when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setter {
    /// The connection comes from this machine.
    pub is_local: bool,
    /// The data set is being loaded.
    pub is_loading: bool,
}

/// What belongs to one server among others, where it listens and where its files are, as a fork has it.
const PLACES: [(&str, &[u8]); 7] = [
    ("aclfile", b""),
    ("appendonly", b"no"),
    ("pidfile", b""),
    ("port", b"0"),
    ("save", b""),
    ("tls-port", b"0"),
    ("unixsocket", b""),
];

impl Config {
    /// The defaults of the table. `hash_seed` goes into [`EncodingLimits`], which carries it to the
    /// tables inside values.
    pub fn new(hash_seed: u64) -> Self {
        let values: Vec<Value> = Directive::all()
            .iter()
            .map(|directive| Value::default_of(&directive.kind))
            .collect();
        let config = Self {
            numbers: values.iter().map(|_| AtomicI64::new(0)).collect(),
            output_buffer_limits: Default::default(),
            encoding_limits: RwLock::new(Arc::new(EncodingLimits::default())),
            generation: AtomicU64::new(0),
            state: RwLock::new(State {
                values: values.clone(),
                defaults: values.clone(),
                file_only: super::file::FileOnly::default(),
                file: None,
            }),
            changing: Mutex::new(()),
            hash_seed,
            observer: OnceLock::new(),
            moves_blocks: AtomicBool::new(false),
        };
        config.commit(values);
        config
    }

    /// The values as they are, for another server beside this one: it has no files, follows nobody, and listens where
    /// nobody else does.
    pub(crate) fn fork(&self, hash_seed: u64) -> Config {
        let forked = Config::new(hash_seed);
        if self.moves_blocks() {
            forked.allow_defragmentation();
        }
        let mut state = self.state.read().clone();
        state.file = None;
        // They are in the list of users, as they are now.
        state.file_only.users.clear();
        let values = state.values.clone();
        *forked.state.write() = state;
        forked.commit(values);
        for (name, value) in PLACES {
            let set = forked.set_default(name, value);
            set.expect("a directive of the table, and a value that it takes");
        }
        forked.set_replica_of(b"no one");
        forked
    }

    /// Changes the default of a directive for this server, and with it its value: one worker a
    /// core, the directory in which the process was started.
    ///
    /// # Errors
    /// As CONFIG SET, except that immutable directives may be changed.
    pub fn set_default(&self, name: &str, value: &[u8]) -> Result<(), ConfigError> {
        let _changing = self.changing.lock();
        let (id, _) = find(name.as_bytes())?;
        let mut values = self.state.read().values.clone();
        let directive = id.directive();
        values[id.index()] = Value::parse(
            directive,
            &command_arguments(directive, value),
            &values[id.index()],
            false,
        )
        .map_err(|reason| ConfigError::refused(name.as_bytes(), reason))?;
        self.state.write().defaults[id.index()] = values[id.index()].clone();
        self.commit(values);
        Ok(())
    }

    /// Notes whom REPLICAOF has made the server follow: host and port, or `no one`.
    pub(crate) fn set_replica_of(&self, words: &[u8]) {
        let _changing = self.changing.lock();
        let Ok((id, _)) = find(b"replicaof") else {
            return;
        };
        let mut values = self.state.read().values.clone();
        let directive = id.directive();
        let arguments = command_arguments(directive, words);
        let parsed = Value::parse(directive, &arguments, &values[id.index()], false);
        // REPLICAOF has looked at the port; a host is any word.
        if let Ok(value) = parsed {
            values[id.index()] = value;
            self.commit(values);
        }
    }

    /// Says that the allocator of the process can move blocks, so that `activedefrag` can be had.
    pub fn allow_defragmentation(&self) {
        self.moves_blocks.store(true, Ordering::Relaxed);
    }

    /// Whether `activedefrag` can be had.
    pub(super) fn moves_blocks(&self) -> bool {
        self.moves_blocks.load(Ordering::Relaxed)
    }

    /// Appoints who applies changes. Only the first call counts.
    pub fn observe(&self, observer: Box<dyn ConfigObserver>) {
        // A second observer would have to be told of half-applied changes: there is one.
        let _ = self.observer.set(observer);
    }

    /// CONFIG GET: the names that match any of the patterns, with their values, each once. A pattern
    /// without wildcards is a name, shown as it was asked for, and finds hidden directives too.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let state = self.state.read();
        let mut found: Vec<(Vec<u8>, DirectiveId)> = Vec::new();
        for &pattern in patterns {
            if !pattern
                .iter()
                .any(|byte| matches!(byte, b'*' | b'?' | b'['))
            {
                if let Some((id, _)) = DirectiveId::find(pattern) {
                    add_once(&mut found, pattern, id);
                }
                continue;
            }
            for id in DirectiveId::all() {
                let directive = id.directive();
                if directive.flags.contains(Flags::HIDDEN) {
                    continue;
                }
                let hides_alias = directive.flags.contains(Flags::HIDDEN_ALIAS);
                let alias = directive.alias.filter(|_| !hides_alias);
                for name in [Some(directive.name), alias].into_iter().flatten() {
                    if glob_matches(pattern, name.as_bytes(), Case::Insensitive) {
                        add_once(&mut found, name.as_bytes(), id);
                    }
                }
            }
        }
        let show = |(name, id): (Vec<u8>, DirectiveId)| {
            (name, state.values[id.index()].show(id.directive()))
        };
        found.into_iter().map(show).collect()
    }

    /// CONFIG SET: sets all of the pairs, or none.
    ///
    /// # Errors
    /// What is wrong with the first pair that is wrong; nothing has changed then.
    pub fn set(&self, pairs: &[(&[u8], &[u8])], setter: Setter) -> Result<(), ConfigError> {
        let _changing = self.changing.lock();
        let targets = self.check_names(pairs, setter)?;
        let old = self.state.read().values.clone();
        let mut new = old.clone();
        for (&(id, name), (_, text)) in targets.iter().zip(pairs) {
            new[id.index()] = self
                .parse(
                    id,
                    &command_arguments(id.directive(), text),
                    &old[id.index()],
                )
                .map_err(|reason| ConfigError::refused(name.as_bytes(), reason))?;
        }
        let is_change = |id: &DirectiveId| {
            old[id.index()] != new[id.index()] || id.directive().flags.contains(Flags::VOLATILE)
        };
        let changed: Vec<DirectiveId> = targets
            .iter()
            .map(|(id, _)| *id)
            .filter(is_change)
            .collect();
        self.commit(new);
        self.apply(&changed).map_err(|error| {
            self.commit(old);
            // What was true a moment ago can be made true again; if not, the observer has said so.
            let _ = self.apply(&changed);
            let named = targets.iter().find(|(id, _)| *id == error.directive);
            let name = named.map_or(error.directive.directive().name, |(_, name)| name);
            ConfigError::refused(name.as_bytes(), error.reason)
        })
    }

    /// CONFIG REWRITE: `old`, the text of the configuration file, with every value that differs from
    /// it or from the default brought up to date. Comments, order and lines that are not ours stay.
    ///
    /// `users` are the users as `user` lines have them after the word `user`; without them the
    /// lines that define users stay as they are.
    pub fn rewrite(&self, old: &[u8], users: Option<&[Vec<u8>]>, scope: RewriteScope) -> Vec<u8> {
        rewrite::rewrite(&self.state.read(), old, users, scope)
    }

    /// The path of the file that CONFIG REWRITE writes and INFO shows, if there is one.
    pub fn file(&self) -> Option<Vec<u8>> {
        self.state.read().file.clone()
    }

    /// Tells which file the configuration was read from, by its absolute path.
    pub fn set_file(&self, path: Option<Vec<u8>>) {
        self.state.write().file = path;
    }

    /// Whether the value of this directive must not appear in MONITOR, logs and the slow log.
    pub fn is_sensitive(name: &[u8]) -> bool {
        DirectiveId::find(name)
            .is_some_and(|(id, _)| id.directive().flags.contains(Flags::SENSITIVE))
    }

    /// Makes `values` the truth for all readers.
    pub(super) fn commit(&self, values: Vec<Value>) {
        for (number, value) in self.numbers.iter().zip(&values) {
            if let Value::Number(value) = value {
                number.store(*value, Ordering::Relaxed);
            }
        }
        if let Value::OutputBufferLimits(limits) = &values[typed::OUTPUT_BUFFER_LIMITS.index()] {
            for (mirror, limit) in self.output_buffer_limits.iter().zip(limits) {
                mirror.store(*limit);
            }
        }
        self.state.write().values = values;
        let mut limits = self.encoding_limits.write();
        let fresh = self.fresh_encoding_limits(self.hash_seed);
        if **limits != fresh {
            *limits = Arc::new(fresh);
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Has everyone look anew who goes by a copy.
    pub(crate) fn note_change(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Finds what each pair sets, in the order in which Redis complains: an error that stands
    /// further left wins.
    fn check_names(
        &self,
        pairs: &[(&[u8], &[u8])],
        setter: Setter,
    ) -> Result<Vec<(DirectiveId, &'static str)>, ConfigError> {
        let mut targets: Vec<(DirectiveId, &'static str)> = Vec::with_capacity(pairs.len());
        for &(name, _) in pairs {
            let target = find(name)?;
            let flags = target.0.directive().flags;
            if flags.contains(Flags::IMMUTABLE) {
                return Err(ConfigError::refused(name, "can't set immutable config"));
            }
            if flags.contains(Flags::PROTECTED)
                && !self.allows(self.enable_protected_configs(), setter)
            {
                return Err(ConfigError::refused(name, "can't set protected config"));
            }
            if flags.contains(Flags::DENY_LOADING) && setter.is_loading {
                return Err(ConfigError::Loading);
            }
            // An alias counts as a directive of its own: the last pair wins, as in Redis.
            if targets.contains(&target) {
                return Err(ConfigError::refused(name, "duplicate parameter"));
            }
            targets.push(target);
        }
        Ok(targets)
    }

    fn allows(&self, action: ProtectedAction, setter: Setter) -> bool {
        match action {
            ProtectedAction::No => false,
            ProtectedAction::Yes => true,
            ProtectedAction::Local => setter.is_local,
        }
    }

    fn parse(
        &self,
        id: DirectiveId,
        arguments: &[Vec<u8>],
        old: &Value,
    ) -> Result<Value, super::value::Complaint> {
        let value = Value::parse(id.directive(), arguments, old, false)?;
        if let Some(reason) = value.refusal_without_mover(id.directive())
            && !self.moves_blocks()
        {
            return Err(reason.into());
        }
        match (&id.directive().kind, value, self.observer.get()) {
            (Kind::Directory, Value::Text(Some(path)), Some(observer)) => {
                Ok(Value::Text(Some(observer.resolve_directory(self, &path)?)))
            }
            (_, value, _) => Ok(value),
        }
    }

    fn apply(&self, changed: &[DirectiveId]) -> Result<(), ApplyError> {
        match self.observer.get() {
            Some(observer) if !changed.is_empty() => observer.apply(self, changed),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values hold passwords.
        formatter
            .debug_struct("Config")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// [`OutputBufferLimit`] for readers without a lock. A reader may see half of a change, which is
/// harmless: the other half is seen at the next look.
#[derive(Default)]
pub(super) struct AtomicOutputBufferLimit {
    hard_bytes: AtomicU64,
    soft_bytes: AtomicU64,
    soft_seconds: AtomicU64,
}

impl AtomicOutputBufferLimit {
    pub fn load(&self) -> OutputBufferLimit {
        OutputBufferLimit {
            hard_bytes: self.hard_bytes.load(Ordering::Relaxed),
            soft_bytes: self.soft_bytes.load(Ordering::Relaxed),
            soft_seconds: self.soft_seconds.load(Ordering::Relaxed),
        }
    }

    fn store(&self, limit: OutputBufferLimit) {
        self.hard_bytes.store(limit.hard_bytes, Ordering::Relaxed);
        self.soft_bytes.store(limit.soft_bytes, Ordering::Relaxed);
        self.soft_seconds
            .store(limit.soft_seconds, Ordering::Relaxed);
    }
}

fn find(name: &[u8]) -> Result<(DirectiveId, &'static str), ConfigError> {
    DirectiveId::find(name).ok_or_else(|| ConfigError::Unknown(name.to_vec()))
}

/// The arguments in a value of CONFIG SET: it is split at every single space if the directive takes
/// several.
fn command_arguments(directive: &Directive, value: &[u8]) -> Vec<Vec<u8>> {
    if !directive.flags.contains(Flags::MULTI_ARGUMENT) {
        return vec![value.to_vec()];
    }
    if value.is_empty() {
        return Vec::new();
    }
    value
        .split(|&byte| byte == b' ')
        .map(<[u8]>::to_vec)
        .collect()
}

fn add_once(found: &mut Vec<(Vec<u8>, DirectiveId)>, name: &[u8], id: DirectiveId) {
    if !found
        .iter()
        .any(|(known, _)| known.eq_ignore_ascii_case(name))
    {
        found.push((name.to_vec(), id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(config: &Config, name: &str) -> String {
        let found = config.get(&[name.as_bytes()]);
        String::from_utf8(found.into_iter().next().unwrap().1).unwrap()
    }

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<(), String> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        config
            .set(&pairs, Setter::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn all_pairs_are_set_or_none_is() {
        let config = Config::new(0);
        set(&config, &[("maxmemory", "100mb"), ("hz", "20")]).unwrap();
        assert_eq!(config.maxmemory(), 100 << 20);
        let error = set(&config, &[("maxmemory", "200mb"), ("hz", "x")]).unwrap_err();
        assert_eq!(
            error,
            "CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be parsed into an integer"
        );
        assert_eq!(shown(&config, "maxmemory"), (100 << 20).to_string());
        assert_eq!(config.maxmemory(), 100 << 20);
    }

    struct Refusing;

    impl ConfigObserver for Refusing {
        fn apply(&self, config: &Config, changed: &[DirectiveId]) -> Result<(), ApplyError> {
            match changed.iter().find(|id| id.directive().name == "port") {
                Some(&directive) if config.port() == 1 => Err(ApplyError {
                    directive,
                    reason: "Unable to listen on this port. Check server logs.".into(),
                }),
                _ => Ok(()),
            }
        }

        fn resolve_directory(&self, _config: &Config, path: &[u8]) -> Result<Vec<u8>, String> {
            Ok([b"/base/", path].concat())
        }
    }

    #[test]
    fn what_cannot_be_applied_is_taken_back() {
        let config = Config::new(0);
        config
            .set_default("enable-protected-configs", b"yes")
            .unwrap();
        config.observe(Box::new(Refusing));
        set(&config, &[("port", "2"), ("dir", "data")]).unwrap();
        assert_eq!(shown(&config, "dir"), "/base/data");
        let error = set(&config, &[("hz", "30"), ("PORT", "1")]).unwrap_err();
        assert_eq!(
            error,
            "CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."
        );
        assert_eq!((config.port(), config.hz()), (2, 10));
    }

    #[test]
    fn snapshots_of_encoding_limits_follow_the_configuration() {
        let config = Config::new(7);
        let mut cached = typed::CachedLimits::new(&config);
        assert_eq!(
            **cached.get(&config),
            EncodingLimits {
                hash_seed: 7,
                ..EncodingLimits::default()
            }
        );
        set(
            &config,
            &[
                ("hash-max-ziplist-entries", "3"),
                ("list-max-listpack-size", "-5"),
            ],
        )
        .unwrap();
        let limits = cached.get(&config);
        assert_eq!(
            (
                limits.hash_max_listpack_entries,
                limits.list_max_listpack_size
            ),
            (3, -5)
        );
    }

    #[test]
    fn loading_local_and_hidden_directives() {
        let config = Config::new(0);
        let loading = Setter {
            is_loading: true,
            ..Setter::default()
        };
        assert_eq!(
            config.set(&[(b"appendonly", b"yes")], loading),
            Err(ConfigError::Loading)
        );
        config
            .set_default("enable-protected-configs", b"local")
            .unwrap();
        assert!(
            config
                .set(&[(b"dbfilename", b"a")], Setter::default())
                .is_err()
        );
        let local = Setter {
            is_local: true,
            ..Setter::default()
        };
        assert_eq!(config.set(&[(b"dbfilename", b"a")], local), Ok(()));
        assert!(config.get(&[b"watchdog*"]).is_empty());
        assert_eq!(
            config.get(&[b"Watchdog-Period"]),
            [(b"Watchdog-Period".to_vec(), b"0".to_vec())]
        );
    }
}
