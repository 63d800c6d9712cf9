//! Libraries of functions: FUNCTION, and FCALL, which runs one as EVAL runs a script.

use std::sync::Arc;

use super::reply_help;
use super::scripting::{
    EVAL, READ_KEYS, READING, WRITING, WRITTEN_KEYS, checked_key_count, interpreter, kill, run,
    show_first,
};
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, Group, Locks, Reply,
};
use crate::functions::{Collision, LANGUAGE, Library, Loading, Restore};
use crate::scripting::{LoadedFunction, ScriptCode};
use crate::snapshot::SaveOptions;
use crate::text::{Case, glob_matches, parse_integer};

const ROW: Command = Command {
    categories: Categories::SCRIPTING,
    group: Group::Scripting,
    since: "7.0.0",
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "fcall",
        flags: WRITING,
        keys: WRITTEN_KEYS,
        since: "7.0.0",
        complexity: "That of the function",
        summary: "Calls a function of a library.",
        syntax: "function:string numkeys:integer [key ...] [arg ...]",
        handler: fcall,
        ..EVAL
    },
    Command {
        name: "fcall_ro",
        flags: READING,
        keys: READ_KEYS,
        since: "7.0.0",
        complexity: "That of the function",
        summary: "Calls a function of a library that may only read.",
        syntax: "function:string numkeys:integer [key ...] [arg ...]",
        handler: fcall,
        ..EVAL
    },
    Command {
        name: "function",
        arity: -2,
        complexity: "That of the subcommand",
        summary: "The libraries of functions that the server keeps.",
        subcommands: FUNCTION,
        categories: Categories::empty(),
        ..ROW
    },
];

const CHANGING: Flags = Flags::NOSCRIPT.union(Flags::WRITE);
const EVERYWHERE: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

const FUNCTION: &[Command] = &[
    Command {
        name: "delete",
        arity: 3,
        flags: CHANGING,
        locks: Locks::All,
        complexity: "O(1)",
        summary: "Forgets a library and its functions.",
        syntax: "library-name:string",
        tips: EVERYWHERE,
        handler: function_delete,
        ..ROW
    },
    Command {
        name: "dump",
        arity: 2,
        flags: Flags::NOSCRIPT,
        complexity: "O(N) in the length of all libraries",
        summary: "Answers all libraries as bytes, for FUNCTION RESTORE.",
        handler: function_dump,
        ..ROW
    },
    Command {
        name: "flush",
        arity: -2,
        flags: CHANGING,
        locks: Locks::All,
        complexity: "O(N) in the number of functions",
        summary: "Forgets every library.",
        syntax: "[flush-type= ASYNC|SYNC]",
        tips: EVERYWHERE,
        handler: function_flush,
        ..ROW
    },
    ROW.help(ROW.since, function_help),
    Command {
        name: "kill",
        arity: 2,
        flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
        complexity: "O(1)",
        summary: "Ends the function that runs, if it has not written yet.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        handler: function_kill,
        ..ROW
    },
    Command {
        name: "list",
        arity: -2,
        flags: Flags::NOSCRIPT,
        complexity: "O(N) in the number of functions",
        summary: "Tells of the libraries and their functions.",
        syntax: "[LIBRARYNAME library-name-pattern:string] [WITHCODE]",
        tips: &["nondeterministic_output_order"],
        handler: function_list,
        ..ROW
    },
    Command {
        name: "load",
        arity: -3,
        flags: CHANGING.union(Flags::DENYOOM),
        locks: Locks::All,
        complexity: "O(N) in the length of the code, and what the code does",
        summary: "Keeps a library.",
        syntax: "[REPLACE] function-code:string",
        tips: EVERYWHERE,
        handler: function_load,
        ..ROW
    },
    Command {
        name: "restore",
        arity: -3,
        flags: CHANGING.union(Flags::DENYOOM),
        locks: Locks::All,
        complexity: "O(N) in the length of the libraries",
        summary: "Keeps the libraries that FUNCTION DUMP has answered.",
        syntax: "serialized-value:string [policy= FLUSH|APPEND|REPLACE]",
        tips: EVERYWHERE,
        handler: function_restore,
        ..ROW
    },
    Command {
        name: "stats",
        arity: 2,
        flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
        complexity: "O(1)",
        summary: "Tells which function runs, and how many there are.",
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        handler: function_stats,
        ..ROW
    },
];

fn fcall(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    show_first(cx);
    let interpreter = interpreter(cx)?;
    let function = cx.worker.engine.scripting.functions.find(cx.arg(1));
    let function = function.ok_or(CommandError::text("ERR Function not found"))?;
    let keys = parse_integer(cx.arg(2));
    let keys = keys.ok_or(CommandError::text("ERR Bad number of keys provided"))?;
    let keys = checked_key_count(cx, keys)?;
    let code = ScriptCode::Function {
        name: function.name(),
        id: function.id(),
    };
    run(cx, &*interpreter, (code, function.flags()), keys, out)
}

fn function_load(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let interpreter = interpreter(cx)?;
    let code = cx.argc() - 1;
    let mut collision = Collision::Refuse;
    for index in 2..code {
        if !cx.arg_is(index, "replace") {
            let before = "ERR Unknown option given: ";
            return Err(CommandError::quoting(before, cx.arg(index), ""));
        }
        collision = Collision::Replace;
    }
    let engine = cx.worker.engine.clone();
    let mut host = Loading::limited(&engine);
    let functions = &engine.scripting.functions;
    let name = functions.load(&*interpreter, cx.arg(code), collision, &mut host)?;
    cx.count_changes(1);
    out.bulk(name.as_bytes());
    Ok(())
}

fn function_delete(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let interpreter = interpreter(cx)?;
    let functions = &cx.worker.engine.scripting.functions;
    if !functions.delete(&*interpreter, cx.arg(2)) {
        return Err(CommandError::text("ERR Library not found"));
    }
    cx.count_changes(1);
    out.ok();
    Ok(())
}

fn function_flush(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let interpreter = interpreter(cx)?;
    if cx.argc() > 3 {
        return Err(CommandError::unknown_subcommand(cx.arg(1), "FUNCTION"));
    }
    // Either way they are gone at once; there is too little to free for another thread.
    if cx.argc() == 3 && !cx.arg_is(2, "sync") && !cx.arg_is(2, "async") {
        return Err(CommandError::text(
            "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        ));
    }
    cx.worker.engine.scripting.functions.flush(&*interpreter);
    cx.count_changes(1);
    out.ok();
    Ok(())
}

fn function_list(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut with_code = false;
    let mut pattern = None;
    let mut index = 2;
    while index < cx.argc() {
        if !with_code && cx.arg_is(index, "withcode") {
            with_code = true;
        } else if pattern.is_none() && cx.arg_is(index, "libraryname") {
            index += 1;
            if index == cx.argc() {
                return Err(CommandError::text(
                    "ERR library name argument was not given",
                ));
            }
            pattern = Some(cx.arg(index));
        } else {
            let before = "ERR Unknown argument ";
            return Err(CommandError::quoting(before, cx.arg(index), ""));
        }
        index += 1;
    }
    let libraries = cx.worker.engine.scripting.functions.all();
    let is_asked = |library: &&Arc<Library>| {
        pattern
            .is_none_or(|pattern| glob_matches(pattern, library.name.as_bytes(), Case::Insensitive))
    };
    let libraries: Vec<_> = libraries.iter().filter(is_asked).collect();
    out.array(libraries.len());
    for library in libraries {
        out.map(if with_code { 4 } else { 3 });
        out.bulk(b"library_name");
        out.bulk(library.name.as_bytes());
        out.bulk(b"engine");
        out.bulk(LANGUAGE.as_bytes());
        out.bulk(b"functions");
        out.array(library.functions.len());
        for function in &library.functions {
            write_function(function, out);
        }
        if with_code {
            out.bulk(b"library_code");
            out.bulk(&library.code);
        }
    }
    Ok(())
}

fn write_function(function: &LoadedFunction, out: &mut Reply<'_>) {
    out.map(3);
    out.bulk(b"name");
    out.bulk(function.name.as_bytes());
    out.bulk(b"description");
    match &function.description {
        Some(description) => out.bulk(description),
        None => out.null(),
    }
    out.bulk(b"flags");
    out.set(function.flags.names().count());
    for name in function.flags.names() {
        out.simple(name);
    }
}

fn function_stats(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let engine = cx.engine();
    let running = &engine.scripting.running;
    // Others learn of what runs only once it takes too long.
    let is_busy = engine.is_script_busy();
    if is_busy && !running.is_function() {
        return Err(running.busy_error());
    }
    out.map(2);
    out.bulk(b"running_script");
    match running.slow_function().zip(running.since_ms()) {
        Some((function, since_ms)) => {
            out.map(3);
            out.bulk(b"name");
            out.bulk(function.name.as_bytes());
            out.bulk(b"command");
            out.array(function.command.len());
            for argument in &function.command {
                out.bulk(argument);
            }
            out.bulk(b"duration_ms");
            out.integer((engine.clock.stopwatch_us() / 1000 - since_ms).max(0));
        }
        None => out.null(),
    }
    let (libraries, functions, _) = engine.scripting.functions.counts();
    out.bulk(b"engines");
    out.map(1);
    out.bulk(LANGUAGE.as_bytes());
    out.map(2);
    out.bulk(b"libraries_count");
    out.integer(libraries as i64);
    out.bulk(b"functions_count");
    out.integer(functions as i64);
    Ok(())
}

fn function_kill(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    kill(cx, true)?;
    out.ok();
    Ok(())
}

fn function_dump(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let engine = cx.engine();
    let codec = super::dump::codec(cx)?;
    let options = SaveOptions {
        compresses: engine.config.rdbcompression(),
    };
    out.bulk(&codec.dump_functions(&engine.scripting.functions.codes(), options));
    Ok(())
}

fn function_restore(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let interpreter = interpreter(cx)?;
    if cx.argc() > 4 {
        return Err(CommandError::unknown_subcommand(cx.arg(1), "FUNCTION"));
    }
    let policy = match cx.arg(3).to_ascii_lowercase().as_slice() {
        b"append" => Restore::Beside(Collision::Refuse),
        b"replace" => Restore::Beside(Collision::Replace),
        b"flush" => Restore::Flush,
        _ if cx.argc() == 3 => Restore::Beside(Collision::Refuse),
        _ => {
            return Err(CommandError::text(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let engine = cx.worker.engine.clone();
    let verifies_checksum = !engine.persistence.skips_checksum();
    let codes = super::dump::codec(cx)?.restore_functions(cx.arg(2), verifies_checksum);
    let codes = codes
        .into_iter()
        .map(|code| code.map_err(|error| CommandError::from(format!("ERR {error}"))));
    let mut host = Loading::limited(&engine);
    let functions = &engine.scripting.functions;
    functions.restore(&*interpreter, codes, policy, &mut host)?;
    cx.count_changes(1);
    out.ok();
    Ok(())
}

fn function_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let lines = [
        ("DELETE <library-name>", "Forgets a library."),
        ("DUMP", "Answers all libraries as bytes, for RESTORE."),
        ("FLUSH [ASYNC|SYNC]", "Forgets every library."),
        (
            "KILL",
            "Ends the function that runs, if it has not written yet.",
        ),
        (
            "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
            "Tells of the libraries: name, language, functions, with WITHCODE the code.",
        ),
        (
            "LOAD [REPLACE] <code>",
            "Keeps a library, with REPLACE in the place of one of its name.",
        ),
        (
            "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
            "Keeps the libraries of a payload: in the place of all, beside those that are there \
             (if none is of the same name), or replacing those of the same name.",
        ),
        (
            "STATS",
            "Tells which function runs and for how long, and how many there are.",
        ),
    ];
    reply_help(out, "FUNCTION", &lines)
}
