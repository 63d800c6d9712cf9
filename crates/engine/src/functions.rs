//! Libraries of functions: which there are, and how sets of them are put together.
//!
//! The interpreter runs a library's code and keeps the functions that it registers; here stands what is
//! known of them. Whoever changes the set has every stripe locked, so a change in several steps is one.
//! The commands stand in `cmd/functions.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::command::CommandError;
use crate::config::LogLevel;
use crate::engine::Engine;
use crate::scripting::{FunctionId, Interpreter, Interruption, LoadHost, is_function_name};
use crate::scripting::{LoadedFunction, ScriptFlags};

/// The code of a library has so long to register its functions; it is to do nothing else.
const LOAD_TIME_MAX_MS: i64 = 500;

/// The only language there is, as FUNCTION LIST names it.
pub(crate) const LANGUAGE: &str = "LUA";

/// A library.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) name: String,
    /// Its code, first line included.
    pub(crate) code: Vec<u8>,
    /// In the order of their names.
    pub(crate) functions: Vec<LoadedFunction>,
}

impl Library {
    fn ids(&self) -> Vec<FunctionId> {
        self.functions.iter().map(|function| function.id).collect()
    }
}

/// A function that can be called.
#[derive(Debug, Clone)]
pub(crate) struct Callable {
    library: Arc<Library>,
    index: usize,
}

impl Callable {
    fn function(&self) -> &LoadedFunction {
        let Self { library, index } = self;
        &library.functions[*index]
    }

    pub(crate) fn name(&self) -> &str {
        &self.function().name
    }

    pub(crate) fn id(&self) -> FunctionId {
        self.function().id
    }

    pub(crate) fn flags(&self) -> ScriptFlags {
        self.function().flags
    }
}

/// What happens to a library that is there when one of the same name comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collision {
    /// It stays, and the other is refused.
    Refuse,
    /// It goes.
    Replace,
}

/// A set of libraries no two of which have a function of the same name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Libraries {
    libraries: BTreeMap<String, Arc<Library>>,
    /// Under their names in lower case: FCALL does not tell cases apart.
    functions: HashMap<String, Callable>,
    code_bytes: usize,
}

impl Libraries {
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.libraries.values()
    }

    /// How many functions the libraries have together.
    pub(crate) fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// The function of a name, in any case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Callable> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        self.functions.get(&name).cloned()
    }

    fn unlink(&mut self, name: &str) -> Option<Arc<Library>> {
        let library = self.libraries.remove(name)?;
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        self.code_bytes -= library.code.len();
        Some(library)
    }

    /// Adds a library unless it has a function that is there, in which case nothing changes.
    fn link(&mut self, library: Arc<Library>) -> Result<(), CommandError> {
        let mut added = Vec::with_capacity(library.functions.len());
        for (index, function) in library.functions.iter().enumerate() {
            let name = function.name.to_ascii_lowercase();
            let callable = Callable {
                library: library.clone(),
                index,
            };
            if let Some(old) = self.functions.insert(name.clone(), callable) {
                self.functions.insert(name, old);
                for name in added {
                    self.functions.remove(&name);
                }
                return Err(format!("ERR Function {} already exists", function.name).into());
            }
            added.push(name);
        }
        self.code_bytes += library.code.len();
        self.libraries.insert(library.name.clone(), library);
        Ok(())
    }

    /// Makes a library of its code and adds it; answers its name, and the library that had to go.
    fn load(
        &mut self,
        interpreter: &dyn Interpreter,
        code: &[u8],
        collision: Collision,
        host: &mut dyn LoadHost,
    ) -> Result<(String, Option<Arc<Library>>), CommandError> {
        let name = library_name(code)?;
        if collision == Collision::Refuse && self.libraries.contains_key(&name) {
            return Err(format!("ERR Library '{name}' already exists").into());
        }
        let mut functions = interpreter
            .load_library(code, host)
            .map_err(CommandError::Quoting)?;
        functions.sort_by(|one, other| one.name.cmp(&other.name));
        let library = Library {
            name: name.clone(),
            code: code.to_vec(),
            functions,
        };
        let ids = library.ids();
        let old = self.unlink(&name);
        let linked = if ids.is_empty() {
            Err(CommandError::text("ERR No functions registered"))
        } else {
            self.link(Arc::new(library))
        };
        if let Err(error) = linked {
            if let Some(old) = old {
                self.link(old)?;
            }
            interpreter.forget_functions(&ids);
            return Err(error);
        }
        Ok((name, old))
    }

    /// Adds all of `other`; answers the libraries that had to go. On an error nothing has changed.
    fn join(
        &mut self,
        other: &Libraries,
        collision: Collision,
    ) -> Result<Vec<Arc<Library>>, CommandError> {
        let mut joined = self.clone();
        let mut replaced = Vec::new();
        for name in other.libraries.keys() {
            let old = joined.unlink(name);
            if old.is_some() && collision == Collision::Refuse {
                return Err(format!("ERR Library {name} already exists").into());
            }
            replaced.extend(old);
        }
        for library in other.iter() {
            joined.link(library.clone())?;
        }
        *self = joined;
        Ok(replaced)
    }

    fn ids(&self) -> Vec<FunctionId> {
        self.iter().flat_map(|library| library.ids()).collect()
    }
}

/// The name that a library's first line gives it: `#!lua name=...`.
fn library_name(code: &[u8]) -> Result<String, CommandError> {
    if !code.starts_with(b"#!") {
        return Err(CommandError::text("ERR Missing library metadata"));
    }
    const INVALID: CommandError = CommandError::text("ERR Invalid library metadata");
    let end = code.iter().position(|&byte| matches!(byte, b'\n' | 0));
    let line = match end {
        Some(end) if code[end] == b'\n' => &code[..end],
        _ => return Err(INVALID),
    };
    let words = oxidis_resp::inline::split(line).map_err(|_| INVALID)?;
    let (language, options) = words.split_first().ok_or(INVALID)?;
    let mut name = None;
    for option in options {
        match option.split_at_checked(5) {
            Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => {
                if name.replace(value).is_some() {
                    return Err(CommandError::text(
                        "ERR Invalid metadata value, name argument was given multiple times",
                    ));
                }
            }
            _ => {
                let before = "ERR Invalid metadata value given: ";
                return Err(CommandError::quoting(before, option, ""));
            }
        }
    }
    let name = name.ok_or(CommandError::text("ERR Library name was not given"))?;
    if !is_function_name(name) {
        return Err(CommandError::text(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at \
             least one character long",
        ));
    }
    let language = language.get(2..).unwrap_or_default();
    if !language.eq_ignore_ascii_case(LANGUAGE.as_bytes()) {
        return Err(CommandError::quoting(
            "ERR Engine '",
            language,
            "' not found",
        ));
    }
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// The libraries of an engine.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    current: Mutex<Libraries>,
}

impl Functions {
    /// The libraries as they are now.
    pub(crate) fn all(&self) -> Libraries {
        self.current.lock().clone()
    }

    /// The function of a name, in any case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Callable> {
        self.current.lock().find(name)
    }

    /// How many libraries there are, how many functions, and the bytes of their code.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let current = self.current.lock();
        let counts = (current.libraries.len(), current.function_count());
        (counts.0, counts.1, current.code_bytes)
    }

    /// The code of every library, for whoever writes the data set down.
    pub(crate) fn codes(&self) -> Vec<Vec<u8>> {
        let current = self.current.lock();
        current.iter().map(|library| library.code.clone()).collect()
    }

    /// Makes a library of its code; answers its name.
    pub(crate) fn load(
        &self,
        interpreter: &dyn Interpreter,
        code: &[u8],
        collision: Collision,
        host: &mut dyn LoadHost,
    ) -> Result<String, CommandError> {
        // The code runs for a while, and others may ask what there is.
        let mut libraries = self.all();
        let (name, old) = libraries.load(interpreter, code, collision, host)?;
        *self.current.lock() = libraries;
        if let Some(old) = old {
            interpreter.forget_functions(&old.ids());
        }
        Ok(name)
    }

    /// Makes libraries of their codes, beside what is there or in its place. On an error, of the codes' or of one that stands
    /// in their row, nothing has changed.
    pub(crate) fn restore(
        &self,
        interpreter: &dyn Interpreter,
        mut codes: impl Iterator<Item = Result<Vec<u8>, CommandError>>,
        policy: Restore,
        host: &mut dyn LoadHost,
    ) -> Result<(), CommandError> {
        let mut restored = Libraries::default();
        let made = codes.try_for_each(|code| {
            restored.load(interpreter, &code?, Collision::Refuse, host)?;
            Ok(())
        });
        let joined = made.and_then(|()| {
            let mut current = self.current.lock();
            match policy {
                Restore::Flush => Ok(std::mem::replace(&mut *current, restored.clone()).ids()),
                Restore::Beside(collision) => {
                    let replaced = current.join(&restored, collision)?;
                    Ok(replaced.iter().flat_map(|it| it.ids()).collect())
                }
            }
        });
        match joined {
            Ok(replaced) => {
                interpreter.forget_functions(&replaced);
                Ok(())
            }
            Err(error) => {
                interpreter.forget_functions(&restored.ids());
                Err(error)
            }
        }
    }

    /// Lets a library go; answers whether it was there.
    pub(crate) fn delete(&self, interpreter: &dyn Interpreter, name: &[u8]) -> bool {
        let Ok(name) = std::str::from_utf8(name) else {
            return false;
        };
        let deleted = self.current.lock().unlink(name);
        let is_deleted = deleted.is_some();
        if let Some(library) = deleted {
            interpreter.forget_functions(&library.ids());
        }
        is_deleted
    }

    /// Lets all libraries go.
    pub(crate) fn flush(&self, interpreter: &dyn Interpreter) {
        *self.current.lock() = Libraries::default();
        interpreter.reset_functions();
    }
}

/// What FUNCTION RESTORE does with what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restore {
    /// It goes.
    Flush,
    /// It stays, as far as nothing of the same name comes.
    Beside(Collision),
}

/// Runs the code of libraries for an engine.
pub(crate) struct Loading<'e> {
    engine: &'e Engine,
    /// When the code must have ended, in microseconds on the stopwatch.
    until_us: Option<i64>,
}

impl<'e> Loading<'e> {
    /// For a client, who may have sent anything.
    pub(crate) fn limited(engine: &'e Engine) -> Self {
        let until_us = engine.clock.stopwatch_us() + LOAD_TIME_MAX_MS * 1000;
        Loading {
            engine,
            until_us: Some(until_us),
        }
    }

    /// For code that has been loaded before, here or elsewhere.
    pub(crate) fn unlimited(engine: &'e Engine) -> Self {
        Loading {
            engine,
            until_us: None,
        }
    }
}

impl LoadHost for Loading<'_> {
    fn log(&mut self, level: LogLevel, line: &[u8]) {
        self.engine.host.log(level, &String::from_utf8_lossy(line));
    }

    fn interrupt(&mut self) -> Interruption {
        let now_us = self.engine.clock.stopwatch_us();
        match self.until_us {
            Some(until_us) if now_us > until_us => Interruption::Stop,
            _ => Interruption::Continue,
        }
    }
}
