//! The interpreter that the engine is given.
//!
//! There is one for an engine and not one for each of its workers: a script runs with every stripe
//! locked, so no two could run at once anyway, and one has every script compiled once. The lock
//! around it is never waited for: whoever finds it taken is called by the script that has it.

use std::collections::HashMap;

use oxidis_engine::config::Config;
use oxidis_engine::scripting::{
    FunctionId, Interpreter, LoadHost, LoadedFunction, ScriptCall, ScriptCode, ScriptHost,
};
use oxidis_resp::{Protocol, Writer};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::debugger::Debugger;
use crate::digest::sha1_hex;
use crate::limits::MEMORY_MAX_BYTES;
use crate::lua::{Code, Failure, Frame, Kind, Purpose, Running, State};
use crate::to_reply::{write_error, write_reply};

/// Lua 5.1 with Redis's libraries, in Redis's sandbox.
pub struct Lua {
    config: Arc<Config>,
    seed: i32,
    memory_max_bytes: usize,
    scripts: Exclusive<Scripts>,
    /// Functions of libraries have an interpreter of their own, as in Redis: so SCRIPT FLUSH leaves them
    /// alone.
    functions: Exclusive<State>,
}

/// What only one uses at a time, and how much memory it had when it was last used.
struct Exclusive<T> {
    inner: Mutex<T>,
    used_bytes: AtomicUsize,
}

impl<T: AsMut<State>> Exclusive<T> {
    fn new(inner: T) -> Self {
        let this = Exclusive {
            inner: Mutex::new(inner),
            used_bytes: AtomicUsize::new(0),
        };
        this.with(|_| ());
        this
    }

    /// Uses it, unless that is what whoever calls this is called by.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut inner = self.inner.try_lock()?;
        let answer = work(&mut inner);
        let used_bytes = inner.as_mut().memory_bytes();
        self.used_bytes.store(used_bytes, Ordering::Relaxed);
        Some(answer)
    }

    /// Bytes that it had when it was last used; for other threads, who would be in the way of scripts.
    fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }
}

struct Scripts {
    state: State,
    /// The compiled scripts under their digests.
    codes: HashMap<String, Code>,
}

impl Lua {
    /// An interpreter. `seed` is that of `math.random` until a script sets another.
    pub fn new(config: Arc<Config>, seed: u64) -> Self {
        Self::with_memory_max(config, seed, MEMORY_MAX_BYTES)
    }

    /// An interpreter whose scripts get Lua's error "not enough memory" beyond so many bytes.
    pub fn with_memory_max(config: Arc<Config>, seed: u64, memory_max_bytes: usize) -> Self {
        let seed = seed as i32;
        Lua {
            scripts: Exclusive::new(Scripts::new(&config, seed, memory_max_bytes)),
            functions: Exclusive::new(new_state(
                Purpose::Functions,
                &config,
                seed,
                memory_max_bytes,
            )),
            config,
            seed,
            memory_max_bytes,
        }
    }
}

fn new_state(purpose: Purpose, config: &Config, seed: i32, memory_max_bytes: usize) -> State {
    let allows_deprecated = config.lua_enable_deprecated_api();
    State::new(purpose, memory_max_bytes, allows_deprecated, seed)
}

impl Scripts {
    fn new(config: &Config, seed: i32, memory_max_bytes: usize) -> Self {
        Scripts {
            state: new_state(Purpose::Scripts, config, seed, memory_max_bytes),
            codes: HashMap::new(),
        }
    }
}

impl AsMut<State> for Scripts {
    fn as_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

/// The names of chunks in error texts.
const CHUNK_NAME: &str = "@user_script";
const LIBRARY_CHUNK_NAME: &str = "@user_function";

/// What a script gets that would run inside another of its kind; only DEBUG SET-DISABLE-DENY-SCRIPTS lets
/// it try.
const NESTED: &[u8] = b"ERR scripts cannot be nested";

impl Interpreter for Lua {
    fn digest(&self, source: &[u8]) -> String {
        sha1_hex(source)
    }

    fn compile(&self, digest: &str, source: &[u8]) -> Result<(), Vec<u8>> {
        let compiled = self.scripts.with(|scripts| {
            let code = scripts.state.compile(without_shebang(source), CHUNK_NAME)?;
            if let Some(old) = scripts.codes.insert(digest.to_owned(), code) {
                scripts.state.release(old);
            }
            Ok(())
        });
        compiled.unwrap_or_else(|| Err(NESTED.to_vec()))
    }

    fn forget(&self, digest: &str) {
        // What cannot be let go now is let go when its like comes again, or when all are.
        self.scripts.with(|scripts| {
            if let Some(code) = scripts.codes.remove(digest) {
                scripts.state.release(code);
            }
        });
    }

    fn reset(&self) {
        let (config, seed) = (&self.config, self.seed);
        self.scripts
            .with(|scripts| *scripts = Scripts::new(config, seed, self.memory_max_bytes));
    }

    fn load_library(
        &self,
        code: &[u8],
        host: &mut dyn LoadHost,
    ) -> Result<Vec<LoadedFunction>, Vec<u8>> {
        let loaded = self.functions.with(|state| load(state, code, host));
        loaded.unwrap_or_else(|| Err(NESTED.to_vec()))
    }

    fn forget_functions(&self, ids: &[FunctionId]) {
        self.functions.with(|state| {
            ids.iter()
                .for_each(|id| state.release(Code::of_number(id.0)));
        });
    }

    fn reset_functions(&self) {
        let (config, seed) = (&self.config, self.seed);
        self.functions.with(|state| {
            *state = new_state(Purpose::Functions, config, seed, self.memory_max_bytes);
        });
    }

    fn run(&self, call: &ScriptCall<'_>, host: &mut dyn ScriptHost, out: &mut Writer<'_>) {
        let mut running = Running {
            host,
            protocol: Protocol::Resp2,
        };
        let name = call.code.name();
        let read = |frame: &mut Frame<'_>, running: &mut Running<'_>, ended| match ended {
            Ok(()) => write_reply(frame, running, out),
            Err(Failure) => write_failure(frame, running, out, name),
        };
        let ran = match call.code {
            ScriptCode::Script(digest) => self.scripts.with(|scripts| {
                let Some(&code) = scripts.codes.get(digest) else {
                    return Err(&b"ERR the script was not compiled"[..]);
                };
                let state = &mut scripts.state;
                state.set_global("KEYS", |frame| push_array(frame, call.keys));
                state.set_global("ARGV", |frame| push_array(frame, call.arguments));
                if let Some(source) = call.debugged {
                    state.debug(Debugger::new(source));
                }
                state.run(code, &mut running, |_| 0, read);
                Ok(())
            }),
            ScriptCode::Function { id, .. } => self.functions.with(|state| {
                let push = |frame: &mut Frame<'_>| {
                    push_array(frame, call.keys);
                    push_array(frame, call.arguments);
                    2
                };
                state.run(Code::of_number(id.0), &mut running, push, read);
                Ok(())
            }),
        };
        if let Err(text) = ran.unwrap_or(Err(NESTED)) {
            write_error(&mut running, out, text, false);
        }
    }

    fn memory_bytes(&self) -> usize {
        self.scripts.used_bytes()
    }

    fn functions_memory_bytes(&self) -> usize {
        self.functions.used_bytes()
    }
}

/// Runs the code of a library and keeps the functions that it registers.
fn load(
    state: &mut State,
    code: &[u8],
    host: &mut dyn LoadHost,
) -> Result<Vec<LoadedFunction>, Vec<u8>> {
    let code = state
        .compile(without_shebang(code), LIBRARY_CHUNK_NAME)
        .map_err(|text| [b"ERR Error compiling function: ", &*text].concat())?;
    let registered = state.load(code, host);
    state.release(code);
    let functions = registered
        .map_err(|text| [b"ERR Error registering functions: ", &*text].concat())?
        .into_iter()
        .map(|function| LoadedFunction {
            name: function.name,
            description: function.description,
            flags: function.flags,
            id: FunctionId(function.code.number()),
        });
    Ok(functions.collect())
}

/// The script without its first line's `#!`, but with the line's end, so that lines keep their
/// numbers.
fn without_shebang(source: &[u8]) -> &[u8] {
    if !source.starts_with(b"#!") {
        return source;
    }
    let end = source.iter().position(|&byte| byte == b'\n');
    &source[end.unwrap_or(source.len())..]
}

fn push_array(frame: &mut Frame<'_>, strings: &[&[u8]]) {
    frame.push_table(strings.len(), 0);
    for (index, string) in strings.iter().enumerate() {
        frame.push_bytes(string);
        frame.set_at(-2, index + 1);
    }
}

/// Writes the error that ended a script, with the place where it happened.
fn write_failure(
    frame: &mut Frame<'_>,
    running: &mut Running<'_>,
    out: &mut Writer<'_>,
    name: &str,
) {
    if frame.kind(-1) != Kind::Table {
        // Not the error handler's: there was no memory or no stack to call it.
        let reason = frame.text(-1).unwrap_or(b"execution failure");
        let reason = String::from_utf8_lossy(&reason[..reason.len().min(100)]);
        let text = format!("ERR Error running script {name}, {reason}");
        return write_error(running, out, text.as_bytes(), false);
    }
    let table = frame.absolute(-1);
    let mut text = field(frame, table, "err").unwrap_or_else(|| b"ERR unknown error".to_vec());
    // Redis takes it for a string of C's, which ends at a NUL.
    text.truncate(memchr::memchr(0, &text).unwrap_or(text.len()));
    if let (Some(source), Some(line)) = (field(frame, table, "source"), field(frame, table, "line"))
    {
        text.extend_from_slice(b" script: ");
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b", on ");
        text.extend_from_slice(&source);
        text.push(b':');
        text.extend_from_slice(&line);
        text.push(b'.');
    }
    frame.get_field(table, "ignore_error_stats_update");
    let is_counted = frame.boolean(-1);
    write_error(running, out, &text, is_counted);
}

/// A field as text, if it is there.
fn field(frame: &mut Frame<'_>, table: i32, name: &str) -> Option<Vec<u8>> {
    frame.get_field(table, name);
    let text = frame.text(-1).map(<[u8]>::to_vec);
    frame.pop(1);
    text
}
