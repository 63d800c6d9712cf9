//! What the code of a library of functions finds while it is loaded: `redis.register_function`, and what
//! else can be of use then.

use oxidis_engine::scripting::{ScriptFlags, is_function_name};

use super::Library;
use super::redis::{log, log_levels, raise, versions};
use crate::lua::{Code, Frame, Kind, Registered, Results, function};

pub(super) const LIBRARY: Library = Library {
    name: "redis",
    functions: &[
        ("register_function", function!(register_function)),
        ("log", function!(log)),
    ],
    fill: constants,
};

fn constants(frame: &mut Frame<'_>) {
    log_levels(frame);
    versions(frame);
}

fn register_function(frame: &mut Frame<'_>) -> Results {
    if frame.with_loading(|_, _| ()).is_none() {
        let text = "redis.register_function can only be called on FUNCTION LOAD command";
        return raise(frame, text);
    }
    let arguments = match frame.top() {
        1 => named_arguments(frame),
        2 => positional_arguments(frame),
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    let registered = match arguments.and_then(|arguments| arguments.check(frame)) {
        Ok(registered) => registered,
        Err(text) => return raise(frame, text),
    };
    frame.with_loading(|_, loading| loading.functions.push(registered));
    Ok(0)
}

/// What a function is registered with.
#[derive(Default)]
struct Arguments {
    name: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    flags: ScriptFlags,
    /// Where on the stack the function is.
    callback: Option<i32>,
}

impl Arguments {
    /// Keeps the function if it may have its name.
    fn check(self, frame: &mut Frame<'_>) -> Result<Registered, &'static str> {
        let name = self
            .name
            .ok_or("redis.register_function must get a function name argument")?;
        let callback = self
            .callback
            .ok_or("redis.register_function must get a callback argument")?;
        let name = match String::from_utf8(name) {
            Ok(name) if is_function_name(name.as_bytes()) => name,
            _ => {
                return Err(
                    "Library names can only contain letters, numbers, or underscores(_) and must \
                     be at least one character long",
                );
            }
        };
        let is_there = frame.with_loading(|_, loading| {
            let mut names = loading.functions.iter().map(|function| &function.name);
            names.any(|other| *other == name)
        });
        if is_there == Some(true) {
            return Err("Function already exists in the library");
        }
        Ok(Registered {
            name,
            description: self.description,
            flags: self.flags,
            code: Code::keep(frame, callback),
        })
    }
}

fn positional_arguments(frame: &mut Frame<'_>) -> Result<Arguments, &'static str> {
    let name = frame.text(1).map(<[u8]>::to_vec);
    if name.is_none() {
        return Err("first argument to redis.register_function must be a string");
    }
    if frame.kind(2) != Kind::Function {
        return Err("second argument to redis.register_function must be a function");
    }
    Ok(Arguments {
        name,
        callback: Some(2),
        ..Arguments::default()
    })
}

/// Reads the table that is the only argument. A function found in it is left on the stack, at 2.
fn named_arguments(frame: &mut Frame<'_>) -> Result<Arguments, &'static str> {
    if frame.kind(1) != Kind::Table {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua \
             table (representing named arguments).",
        );
    }
    let mut arguments = Arguments::default();
    frame.push_nil();
    frame.push_nil();
    while frame.next(1) {
        // Looked at as it is: a number made a string would not be found in the table again.
        let key = match frame.kind(-2) {
            Kind::String => frame.bytes(-2).unwrap_or_default().to_ascii_lowercase(),
            Kind::Number => Vec::new(),
            _ => return Err("named argument key given to redis.register_function is not a string"),
        };
        match key.as_slice() {
            b"function_name" => {
                let name = frame.text(-1).map(<[u8]>::to_vec);
                arguments.name = Some(name.ok_or(
                    "function_name argument given to redis.register_function must be a string",
                )?);
            }
            b"description" => {
                let text = frame.text(-1).map(<[u8]>::to_vec);
                arguments.description = Some(text.ok_or(
                    "description argument given to redis.register_function must be a string",
                )?);
            }
            b"callback" => {
                if frame.kind(-1) != Kind::Function {
                    return Err(
                        "callback argument given to redis.register_function must be a function",
                    );
                }
                frame.push_value(-1);
                frame.replace(2);
                arguments.callback = Some(2);
            }
            b"flags" => {
                if frame.kind(-1) != Kind::Table {
                    return Err(
                        "flags argument to redis.register_function must be a table representing \
                         function flags",
                    );
                }
                arguments.flags = flags(frame)?;
            }
            _ => return Err("unknown argument given to redis.register_function"),
        }
        frame.pop(1);
    }
    Ok(arguments)
}

/// The flags that the table on top names.
fn flags(frame: &mut Frame<'_>) -> Result<ScriptFlags, &'static str> {
    let mut flags = ScriptFlags::default();
    for number in 1.. {
        if frame.get_at(-1, number) == Kind::Nil {
            frame.pop(1);
            break;
        }
        let name = frame.text(-1).unwrap_or_default().to_ascii_lowercase();
        frame.pop(1);
        if !flags.set(&name) {
            return Err("unknown flag given");
        }
    }
    Ok(flags)
}
