//! Scripts as the engine sees them: the interpreter that the embedder gives, the cache of scripts,
//! and which script runs now.
//!
//! The engine knows no language. It keeps the sources under their digests, hands them to an
//! [`Interpreter`], and executes commands for it through a [`ScriptHost`] (which stands in
//! `cmd/scripting.rs`).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use oxidis_resp::{Protocol, Writer};
use parking_lot::Mutex;

use crate::command::CommandError;
use crate::config::LogLevel;
use crate::debugging::Conversation;
use crate::functions::Functions;
use crate::relocation::Relocator;
use crate::transaction::Watched;

/// Runs scripts. An engine has at most one; scripts run with every stripe locked, so it is never
/// asked to run two at a time.
pub trait Interpreter: Send + Sync {
    /// The digest of a script: the SHA-1 of its source, in lower-case hexadecimal.
    fn digest(&self, source: &[u8]) -> String;

    /// Compiles a script and keeps it under its digest.
    ///
    /// # Errors
    /// The compiler's text.
    fn compile(&self, digest: &str, source: &[u8]) -> Result<(), Vec<u8>>;

    /// Lets go of a script.
    fn forget(&self, digest: &str);

    /// Lets go of all scripts and of everything that they left behind.
    fn reset(&self);

    /// Runs the code of a library and keeps the functions that it registers.
    ///
    /// # Errors
    /// Why there is no such library, with the code word.
    fn load_library(
        &self,
        code: &[u8],
        host: &mut dyn LoadHost,
    ) -> Result<Vec<LoadedFunction>, Vec<u8>>;

    /// Lets go of functions.
    fn forget_functions(&self, ids: &[FunctionId]);

    /// Lets go of all functions and of everything that they left behind.
    fn reset_functions(&self);

    /// Runs a compiled script, or a function, and writes what it returns.
    fn run(&self, call: &ScriptCall<'_>, host: &mut dyn ScriptHost, out: &mut Writer<'_>);

    /// Bytes that the interpreter has for scripts.
    fn memory_bytes(&self) -> usize;

    /// Bytes that the interpreter has for functions.
    fn functions_memory_bytes(&self) -> usize;
}

/// Under which an interpreter keeps a function of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionId(pub i32);

/// A function that a library has registered.
#[derive(Debug, Clone)]
pub struct LoadedFunction {
    /// Its name, for which [`is_function_name`] holds.
    pub name: String,
    /// What the library says that it does.
    pub description: Option<Vec<u8>>,
    /// What the library says of it otherwise.
    pub flags: ScriptFlags,
    /// Under which it is kept.
    pub id: FunctionId,
}

/// Whether a library or a function may have this name: letters, digits and underscores.
pub fn is_function_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct ScriptCall<'a> {
    /// What it is.
    pub code: ScriptCode<'a>,
    /// The names of the keys that the caller gave.
    pub keys: &'a [&'a [u8]],
    /// The other arguments.
    pub arguments: &'a [&'a [u8]],
    /// The source of a script that is debugged.
    pub debugged: Option<&'a [u8]>,
}

/// A script, or a function of a library.
#[derive(Debug, Clone, Copy)]
pub enum ScriptCode<'a> {
    /// A script, by the digest that it was compiled under.
    Script(&'a str),
    /// A function.
    Function {
        /// Its name.
        name: &'a str,
        /// Under which it is kept.
        id: FunctionId,
    },
}

impl<'a> ScriptCode<'a> {
    /// What it is called in error texts.
    pub fn name(self) -> &'a str {
        match self {
            ScriptCode::Script(digest) => digest,
            ScriptCode::Function { name, .. } => name,
        }
    }
}

/// Whether a running script goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// It goes on.
    Continue,
    /// It is to end with an error.
    Stop,
}

/// What the code of a library asks of the engine, while it is run to register functions.
pub trait LoadHost {
    /// Writes a line to the log, unless lines of its level are not kept.
    fn log(&mut self, level: LogLevel, line: &[u8]);

    /// Asked every now and then.
    fn interrupt(&mut self) -> Interruption;
}

/// What a running script asks of the engine.
pub trait ScriptHost {
    /// Executes a command on behalf of the script's session and answers its reply in `protocol`.
    ///
    /// # Errors
    /// Why the command may not run from the script; an error of the command itself is a reply. The
    /// text's code word is there only if it begins with `-`.
    fn call(&mut self, arguments: &[&[u8]], protocol: Protocol) -> Result<&[u8], String>;

    /// Whether the user may execute a command; `None` if there is no such command.
    fn may_call(&mut self, arguments: &[&[u8]]) -> Option<bool>;

    /// Counts an error that the script answers, and that no command has answered before. The text
    /// begins with the code word.
    fn count_error(&mut self, text: &[u8]);

    /// Notes that the script fails, whoever counted the error.
    fn fail(&mut self);

    /// Chooses where the following commands are propagated to: 1 is the append-only file, 2 the
    /// replicas.
    fn set_propagation(&mut self, targets: u32);

    /// Writes a line to the log, unless lines of its level are not kept.
    fn log(&mut self, level: LogLevel, line: &[u8]);

    /// Asked every now and then while a script runs.
    fn interrupt(&mut self) -> Interruption;

    /// Microseconds since the script started.
    fn elapsed_us(&mut self) -> i64;

    /// The conversation with the client of the debugger, if the script is debugged.
    fn conversation(&mut self) -> Option<&mut Conversation>;

    /// Notes that the script goes on after it was stopped: the time that its commands see has gone on, too.
    fn resume(&mut self);

    /// After how long a script that does not stop is stopped by its debugger, in milliseconds.
    fn patience_ms(&self) -> u64;
}

/// What a script declares in its first line, `#!lua flags=...`, and a library of each of its functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptFlags {
    /// There is no such line: what the script may do is found out while it runs.
    pub(crate) is_undeclared: bool,
    pub(crate) no_writes: bool,
    pub(crate) allow_oom: bool,
    pub(crate) allow_stale: bool,
    pub(crate) no_cluster: bool,
    pub(crate) allow_cross_slot_keys: bool,
}

impl ScriptFlags {
    /// Sets the flag of a name; answers whether there is one.
    pub fn set(&mut self, name: &[u8]) -> bool {
        let flag = match name {
            b"no-writes" => &mut self.no_writes,
            b"allow-oom" => &mut self.allow_oom,
            b"allow-stale" => &mut self.allow_stale,
            b"no-cluster" => &mut self.no_cluster,
            b"allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
            _ => return false,
        };
        *flag = true;
        true
    }

    /// The names of the flags that are set, in Redis's order.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.no_writes, "no-writes"),
            (self.allow_oom, "allow-oom"),
            (self.allow_stale, "allow-stale"),
            (self.no_cluster, "no-cluster"),
            (self.allow_cross_slot_keys, "allow-cross-slot-keys"),
        ]
        .into_iter()
        .filter_map(|(is_set, name)| is_set.then_some(name))
    }

    /// Whether writing commands are refused from the start.
    pub(crate) fn is_read_only(self) -> bool {
        !self.is_undeclared && self.no_writes
    }
}

/// A script that is kept.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) digest: String,
    pub(crate) source: Vec<u8>,
    pub(crate) flags: ScriptFlags,
}

/// How many scripts are kept that only EVAL brought; Redis keeps as many since 7.4.
const EVALUATED_MAX: usize = 500;

#[derive(Default)]
struct Cache {
    scripts: HashMap<String, Arc<Script>>,
    /// Digests of scripts that only EVAL brought, the least recently used first.
    evaluated: VecDeque<String>,
    source_bytes: usize,
}

impl Cache {
    fn remove(&mut self, digest: &str) {
        if let Some(script) = self.scripts.remove(digest) {
            self.source_bytes -= script.source.len();
        }
    }
}

/// Everything about scripts that an engine keeps.
pub(crate) struct Scripting {
    interpreter: Option<Arc<dyn Interpreter>>,
    cache: Mutex<Cache>,
    evicted: AtomicU64,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS.
    allows_everything: AtomicBool,
    /// The libraries.
    pub(crate) functions: Functions,
    /// What runs, as other sessions need to know it.
    pub(crate) running: RunningScript,
}

impl Scripting {
    pub(crate) fn new(interpreter: Option<Arc<dyn Interpreter>>) -> Self {
        Scripting {
            interpreter,
            cache: Mutex::default(),
            evicted: AtomicU64::new(0),
            allows_everything: AtomicBool::new(false),
            functions: Functions::default(),
            running: RunningScript::default(),
        }
    }

    pub(crate) fn interpreter(&self) -> Option<&Arc<dyn Interpreter>> {
        self.interpreter.as_ref()
    }

    /// Whether scripts may call what otherwise they may not.
    pub(crate) fn allows_everything(&self) -> bool {
        self.allows_everything.load(Ordering::Relaxed)
    }

    /// DEBUG SET-DISABLE-DENY-SCRIPTS.
    pub(crate) fn allow_everything(&self, allows: bool) {
        self.allows_everything.store(allows, Ordering::Relaxed);
    }

    /// The script with a digest, in lower case.
    pub(crate) fn find(&self, digest: &str) -> Option<Arc<Script>> {
        let mut cache = self.cache.lock();
        let script = cache.scripts.get(digest).cloned()?;
        // Scripts in use are near the end, so looking from there is short.
        if cache.evaluated.back().is_some_and(|last| last != digest)
            && let Some(place) = cache.evaluated.iter().rposition(|it| it == digest)
            && let Some(digest) = cache.evaluated.remove(place)
        {
            cache.evaluated.push_back(digest);
        }
        Some(script)
    }

    /// Whether there is a script with this digest, in lower case.
    pub(crate) fn contains(&self, digest: &str) -> bool {
        self.cache.lock().scripts.contains_key(digest)
    }

    /// Keeps a compiled script. One that came with EVAL may have to go again when many others come;
    /// the answer is one that had to go.
    pub(crate) fn keep(&self, script: Arc<Script>, is_evaluated: bool) -> Option<String> {
        let mut cache = self.cache.lock();
        let digest = script.digest.clone();
        cache.source_bytes += script.source.len();
        cache.scripts.insert(digest.clone(), script);
        if !is_evaluated {
            return None;
        }
        cache.evaluated.push_back(digest);
        if cache.evaluated.len() <= EVALUATED_MAX {
            return None;
        }
        let evicted = cache.evaluated.pop_front()?;
        cache.remove(&evicted);
        self.evicted.fetch_add(1, Ordering::Relaxed);
        Some(evicted)
    }

    /// Keeps a script that EVAL brought for good, since SCRIPT LOAD asked for it.
    pub(crate) fn pin(&self, digest: &str) {
        self.cache.lock().evaluated.retain(|it| it != digest);
    }

    /// Every script, and whether only EVAL brought it.
    pub(crate) fn all(&self) -> Vec<(Arc<Script>, bool)> {
        let cache = self.cache.lock();
        let evaluated = cache.evaluated.iter();
        // In the order in which they would have to go.
        let evaluated = evaluated.filter_map(|it| Some((cache.scripts.get(it)?.clone(), true)));
        let mut loaded: Vec<_> = cache
            .scripts
            .values()
            .filter(|it| !cache.evaluated.contains(&it.digest))
            .map(|it| (it.clone(), false))
            .collect();
        loaded.sort_by(|(one, _), (other, _)| one.digest.cmp(&other.digest));
        evaluated.chain(loaded).collect()
    }

    /// Forgets every script.
    pub(crate) fn flush(&self) {
        *self.cache.lock() = Cache::default();
        if let Some(interpreter) = &self.interpreter {
            interpreter.reset();
        }
    }

    /// Moves the sources of some scripts, the first of them number `start` in an order that holds while no script comes
    /// or goes; answers which is the next, 0 after the last.
    pub(crate) fn relocate(&self, start: usize, relocator: &mut Relocator<'_>) -> usize {
        const SCRIPTS_AT_ONCE: usize = 64;
        let mut cache = self.cache.lock();
        for script in cache.scripts.values_mut().skip(start).take(SCRIPTS_AT_ONCE) {
            // One that is in use stays where it is.
            if let Some(script) = Arc::get_mut(script) {
                relocator.vec(&mut script.source);
            }
        }
        let next = start + SCRIPTS_AT_ONCE;
        if next < cache.scripts.len() { next } else { 0 }
    }

    /// How many scripts are kept, and the bytes of their sources.
    pub(crate) fn kept(&self) -> (usize, usize) {
        let cache = self.cache.lock();
        (cache.scripts.len(), cache.source_bytes)
    }

    /// How many scripts had to go because of [`EVALUATED_MAX`].
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Bytes that the interpreter has for scripts.
    pub(crate) fn memory_bytes(&self) -> usize {
        let interpreter = self.interpreter.as_ref();
        interpreter.map_or(0, |interpreter| interpreter.memory_bytes())
    }

    /// Bytes that the interpreter has for functions.
    pub(crate) fn functions_memory_bytes(&self) -> usize {
        let interpreter = self.interpreter.as_ref();
        interpreter.map_or(0, |interpreter| interpreter.functions_memory_bytes())
    }
}

/// The script that runs, as sessions on other threads see it.
#[derive(Default)]
pub(crate) struct RunningScript {
    /// When it started, in milliseconds since 1970; 0 when none runs.
    since_ms: AtomicI64,
    /// Whether it has written, so that it can no longer be stopped.
    has_written: AtomicBool,
    /// Whether it is a function of a library, for FUNCTION KILL, and not a script, for SCRIPT KILL.
    is_function: AtomicBool,
    is_stopping: AtomicBool,
    /// Whether its client decides how long it takes, so that others wait without being told that it takes too long.
    is_debugged: AtomicBool,
    /// The function that takes too long, for FUNCTION STATS.
    slow_function: Mutex<Option<SlowFunction>>,
    /// What others have begun to watch while it has the locks, until it notes it with their keys. Who locks this
    /// knows whether the script is still there.
    watches: Mutex<Vec<LateWatch>>,
    has_watches: AtomicBool,
}

/// A key that a session watches from now on.
pub(crate) struct LateWatch {
    pub(crate) watched: Watched,
    /// The session's, set by whoever changes the key.
    pub(crate) is_dirty: Arc<AtomicBool>,
}

/// A function that takes too long.
#[derive(Debug, Clone)]
pub(crate) struct SlowFunction {
    pub(crate) name: String,
    /// The command that called it.
    pub(crate) command: Vec<Vec<u8>>,
}

impl RunningScript {
    /// Notes that a script starts.
    pub(crate) fn start(&self, now_ms: i64, is_function: bool, is_debugged: bool) {
        self.is_debugged.store(is_debugged, Ordering::Relaxed);
        self.has_written.store(false, Ordering::Relaxed);
        self.is_stopping.store(false, Ordering::Relaxed);
        self.is_function.store(is_function, Ordering::Relaxed);
        self.since_ms.store(now_ms.max(1), Ordering::Release);
    }

    /// Notes that it is over, and answers what nobody has noted yet. It still has its locks.
    pub(crate) fn end(&self) -> Vec<LateWatch> {
        if self.is_function() {
            *self.slow_function.lock() = None;
        }
        let mut watches = self.watches.lock();
        self.since_ms.store(0, Ordering::Release);
        self.has_watches.store(false, Ordering::Relaxed);
        std::mem::take(&mut watches)
    }

    /// Has the script note that a key is watched, before it executes another command; `None` if no script runs.
    pub(crate) fn watch(&self, watch: LateWatch) -> Option<()> {
        let mut watches = self.watches.lock();
        self.since_ms()?;
        watches.push(watch);
        self.has_watches.store(true, Ordering::Release);
        Some(())
    }

    /// What the script is to note.
    #[inline]
    pub(crate) fn take_watches(&self) -> Vec<LateWatch> {
        if !self.has_watches.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.has_watches.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.watches.lock())
    }

    /// When the script that runs started, in milliseconds on the stopwatch.
    #[inline]
    pub(crate) fn since_ms(&self) -> Option<i64> {
        match self.since_ms.load(Ordering::Relaxed) {
            0 => None,
            since_ms => Some(since_ms),
        }
    }

    /// What a command gets that may not run now.
    pub(crate) fn busy_error(&self) -> CommandError {
        CommandError::text(if self.is_function() {
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
        } else {
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
        })
    }

    pub(crate) fn is_function(&self) -> bool {
        self.is_function.load(Ordering::Relaxed)
    }

    pub(crate) fn is_debugged(&self) -> bool {
        self.is_debugged.load(Ordering::Relaxed)
    }

    /// Notes which function takes too long.
    pub(crate) fn note_slow_function(&self, function: SlowFunction) {
        *self.slow_function.lock() = Some(function);
    }

    /// The function that takes too long.
    pub(crate) fn slow_function(&self) -> Option<SlowFunction> {
        self.slow_function.lock().clone()
    }

    pub(crate) fn note_write(&self) {
        self.has_written.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_written(&self) -> bool {
        self.has_written.load(Ordering::Relaxed)
    }

    /// Asks the script to stop.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}
