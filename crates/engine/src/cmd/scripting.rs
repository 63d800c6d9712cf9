//! Scripts: EVAL and its kin, SCRIPT. What a running script may ask for stands in `script_host`.

use std::sync::Arc;

use super::reply_help;
use super::script_host::Host;
use crate::command::{
    Args, Categories, Command, CommandError, CommandResult, Context, Flags, Group, KeyFlags,
    KeySpec, Locks, Registered, Reply,
};
use crate::debugging::DebugMode;
use crate::engine::Engine;
use crate::scripting::{Interpreter, Script, ScriptCall, ScriptCode, ScriptFlags};

const EVALUATING: Flags = Flags::NOSCRIPT
    .union(Flags::STALE)
    .union(Flags::SKIP_MONITOR)
    .union(Flags::NO_MANDATORY_KEYS)
    .union(Flags::MOVABLEKEYS);
/// A script may write, unless it says otherwise.
pub(super) const WRITING: Flags = EVALUATING.union(Flags::MAY_REPLICATE);
pub(super) const READING: Flags = EVALUATING.union(Flags::READONLY);

/// Nobody knows what a script does with its keys.
pub(super) const WRITTEN_KEYS: &[KeySpec] = &[KeySpec::counted(
    2,
    KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
)];
pub(super) const READ_KEYS: &[KeySpec] =
    &[KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS))];

const ROW: Command = Command {
    categories: Categories::SCRIPTING,
    group: Group::Scripting,
    ..Command::DEFAULT
};

/// What runs a script or a function. It may use keys that it does not name, so it locks everything.
pub(super) const EVAL: Command = Command {
    arity: -3,
    locks: Locks::All,
    complexity: "That of the script",
    ..ROW
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "eval",
        flags: WRITING,
        keys: WRITTEN_KEYS,
        since: "2.6.0",
        summary: "Runs a script.",
        syntax: "script numkeys:integer [key ...] [arg ...]",
        handler: eval,
        ..EVAL
    },
    Command {
        name: "eval_ro",
        flags: READING,
        keys: READ_KEYS,
        since: "7.0.0",
        summary: "Runs a script that may only read.",
        syntax: "script numkeys:integer [key ...] [arg ...]",
        handler: eval,
        ..EVAL
    },
    Command {
        name: "evalsha",
        flags: WRITING,
        keys: WRITTEN_KEYS,
        since: "2.6.0",
        summary: "Runs a script that the server keeps.",
        syntax: "sha1 numkeys:integer [key ...] [arg ...]",
        handler: evalsha,
        ..EVAL
    },
    Command {
        name: "evalsha_ro",
        flags: READING,
        keys: READ_KEYS,
        since: "7.0.0",
        summary: "Runs a script that the server keeps and that may only read.",
        syntax: "sha1 numkeys:integer [key ...] [arg ...]",
        handler: evalsha,
        ..EVAL
    },
    Command {
        name: "script",
        arity: -2,
        since: "2.6.0",
        complexity: "That of the subcommand",
        summary: "The scripts that the server keeps.",
        subcommands: SCRIPT,
        categories: Categories::empty(),
        ..ROW
    },
];

const SCRIPT: &[Command] = &[
    Command {
        name: "debug",
        arity: 3,
        flags: Flags::NOSCRIPT,
        since: "3.2.0",
        summary: "Says whether the session's scripts are debugged.",
        syntax: "(mode= YES|SYNC|NO)",
        handler: script_debug,
        ..ROW
    },
    Command {
        name: "exists",
        arity: -3,
        flags: Flags::NOSCRIPT,
        since: "2.6.0",
        complexity: "O(N) in the number of digests",
        summary: "Says of each digest whether the server keeps a script that has it.",
        syntax: "sha1 [sha1 ...]",
        tips: &[
            "request_policy:all_shards",
            "response_policy:agg_logical_and",
        ],
        handler: script_exists,
        ..ROW
    },
    Command {
        name: "flush",
        history: &[(
            "6.2.0",
            "ASYNC and SYNC say whether the scripts are freed before the reply.",
        )],
        arity: -2,
        flags: Flags::NOSCRIPT,
        locks: Locks::All,
        since: "2.6.0",
        complexity: "O(N) in the number of scripts",
        summary: "Forgets every script.",
        syntax: "[flush-type^6.2.0= ASYNC|SYNC]",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        handler: script_flush,
        ..ROW
    },
    Command {
        name: "help",
        arity: 2,
        flags: Flags::LOADING.union(Flags::STALE),
        since: "5.0.0",
        summary: "Tells of the subcommands.",
        handler: script_help,
        ..ROW
    },
    Command {
        name: "kill",
        arity: 2,
        flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
        since: "2.6.0",
        summary: "Ends the script that runs, if it has not written yet.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        handler: script_kill,
        ..ROW
    },
    Command {
        name: "load",
        arity: 3,
        flags: Flags::NOSCRIPT.union(Flags::STALE),
        locks: Locks::All,
        since: "2.6.0",
        complexity: "O(N) in the length of the script",
        summary: "Keeps a script without running it.",
        syntax: "script",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        handler: script_load,
        ..ROW
    },
    Command {
        name: "show",
        arity: 3,
        flags: Flags::NOSCRIPT.union(Flags::STALE),
        since: "8.0.0",
        summary: "Answers the source of a kept script (from Valkey).",
        syntax: "sha1",
        handler: script_show,
        ..ROW
    },
];

/// The digest is of no script.
pub(super) const NO_SCRIPT: CommandError =
    CommandError::text("NOSCRIPT No matching script. Please use EVAL.");

/// The length of a digest.
const DIGEST_LEN: usize = 40;

/// The engine's interpreter.
pub(super) fn interpreter(cx: &Context<'_>) -> Result<Arc<dyn Interpreter>, CommandError> {
    let interpreter = cx.worker.engine.scripting.interpreter().cloned();
    interpreter.ok_or(CommandError::text("ERR this engine has no interpreter"))
}

/// Shows a command to those who watch all commands before the script's own commands are shown.
pub(super) fn show_first(cx: &Context<'_>) {
    if cx.engine().monitors.is_on() {
        cx.feed_monitors(cx.now_us());
    }
}

fn eval(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    show_first(cx);
    let is_debugged =
        cx.worker.conversation.is_some() && cx.engine().scripting.running.since_ms().is_none();
    let result = eval_plainly(cx, out);
    if is_debugged {
        cx.client.close_after_reply = true;
        if let Some(conversation) = &mut cx.worker.conversation {
            conversation.note(b"<endsession>".to_vec());
            conversation.send();
        }
    }
    result
}

fn eval_plainly(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let interpreter = interpreter(cx)?;
    let keys = key_count(cx)?;
    let source = cx.arg(1);
    let digest = interpreter.digest(source);
    let script = match cx.worker.engine.scripting.find(&digest) {
        Some(script) => script,
        None => load(cx, &*interpreter, digest, source, true)?,
    };
    let code = ScriptCode::Script(&script.digest);
    run(cx, &*interpreter, (code, script.flags), keys, out)
}

fn evalsha(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    show_first(cx);
    let interpreter = interpreter(cx)?;
    if cx.arg(1).len() != DIGEST_LEN {
        return Err(NO_SCRIPT);
    }
    if cx.client.debugging.mode.is_some() {
        return Err(CommandError::text(
            "ERR Please use EVAL instead of EVALSHA for debugging",
        ));
    }
    let keys = key_count(cx)?;
    let digest = lower_case(cx.arg(1));
    let script = cx.worker.engine.scripting.find(&digest).ok_or(NO_SCRIPT)?;
    let code = ScriptCode::Script(&script.digest);
    run(cx, &*interpreter, (code, script.flags), keys, out)
}

fn lower_case(digest: &[u8]) -> String {
    String::from_utf8_lossy(digest).to_ascii_lowercase()
}

/// How many of the arguments behind the second are keys.
fn key_count(cx: &Context<'_>) -> Result<usize, CommandError> {
    checked_key_count(cx, cx.integer(2)?)
}

/// A number of keys, if the arguments behind the second can be so many.
pub(super) fn checked_key_count(cx: &Context<'_>, count: i64) -> Result<usize, CommandError> {
    match usize::try_from(count) {
        Ok(count) if count <= cx.argc() - 3 => Ok(count),
        Ok(_) => Err(CommandError::text(
            "ERR Number of keys can't be greater than number of args",
        )),
        Err(_) => Err(CommandError::text("ERR Number of keys can't be negative")),
    }
}

/// The flags of a call: those of its command, unless it runs a script or a function that declares
/// what it does.
pub(crate) fn flags_of_call(engine: &Engine, registered: &Registered, args: Args<'_>) -> Flags {
    let flags = registered.command.flags;
    let declared = match registered.command.name {
        "eval" | "eval_ro" => declared_flags(args.get(1)).ok(),
        "evalsha" | "evalsha_ro" => {
            let script = engine.scripting.find(&lower_case(args.get(1)));
            script.map(|script| script.flags)
        }
        "fcall" | "fcall_ro" => {
            let function = engine.scripting.functions.find(args.get(1));
            function.map(|function| function.flags())
        }
        _ => None,
    };
    let Some(declared) = declared.filter(|declared| !declared.is_undeclared) else {
        return flags;
    };
    let said = [
        (Flags::WRITE, !declared.no_writes),
        (Flags::DENYOOM, !declared.no_writes && !declared.allow_oom),
        (Flags::STALE, declared.allow_stale),
        (Flags::MAY_REPLICATE, false),
    ];
    said.into_iter().fold(flags, |flags, (flag, is_set)| {
        if is_set {
            flags.union(flag)
        } else {
            flags.difference(flag)
        }
    })
}

/// Compiles a script and keeps it.
fn load(
    cx: &mut Context<'_>,
    interpreter: &dyn Interpreter,
    digest: String,
    source: &[u8],
    is_evaluated: bool,
) -> Result<Arc<Script>, CommandError> {
    let flags = declared_flags(source)?;
    interpreter.compile(&digest, source).map_err(|text| {
        CommandError::quoting("ERR Error compiling script (new function): ", &text, "")
    })?;
    let script = Arc::new(Script {
        digest,
        source: source.to_vec(),
        flags,
    });
    let scripting = &cx.worker.engine.scripting;
    if let Some(evicted) = scripting.keep(script.clone(), is_evaluated) {
        interpreter.forget(&evicted);
    }
    Ok(script)
}

/// What a script says of itself in its first line.
fn declared_flags(source: &[u8]) -> Result<ScriptFlags, CommandError> {
    let mut flags = ScriptFlags::default();
    if !source.starts_with(b"#!") {
        flags.is_undeclared = true;
        return Ok(flags);
    }
    let line = source.split(|&byte| byte == b'\n').next();
    let line = line.filter(|line| line.len() < source.len());
    let line = line.ok_or(CommandError::text("ERR Invalid script shebang"))?;
    let words = oxidis_resp::inline::split(line)
        .ok()
        .filter(|words| !words.is_empty())
        .ok_or(CommandError::text("ERR Invalid engine in script shebang"))?;
    if words[0] != b"#!lua" {
        let before = "ERR Unexpected engine in script shebang: ";
        return Err(CommandError::quoting(before, &words[0], ""));
    }
    for word in &words[1..] {
        let Some(names) = word.strip_prefix(b"flags=") else {
            let before = "ERR Unknown lua shebang option: ";
            return Err(CommandError::quoting(before, word, ""));
        };
        if names.is_empty() {
            continue;
        }
        for name in names.split(|&byte| byte == b',') {
            if !flags.set(name) {
                let before = "ERR Unexpected flag in script shebang: ";
                return Err(CommandError::quoting(before, name, ""));
            }
        }
    }
    Ok(flags)
}

/// Runs a script or a function, of which these are the flags.
pub(super) fn run(
    cx: &mut Context<'_>,
    interpreter: &dyn Interpreter,
    (code, flags): (ScriptCode<'_>, ScriptFlags),
    keys: usize,
    out: &mut Reply<'_>,
) -> CommandResult {
    let arguments: smallvec::SmallVec<[&[u8]; 16]> = cx.args().iter().skip(3).collect();
    let (keys, arguments) = arguments.split_at(keys);
    let call = ScriptCall {
        code,
        keys,
        arguments,
        debugged: cx.worker.conversation.as_ref().map(|_| cx.arg(1)),
    };
    let mut host = Host::start(cx, flags, code)?;
    interpreter.run(&call, &mut host, out);
    host.end();
    Ok(())
}

fn script_load(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let interpreter = interpreter(cx)?;
    let source = cx.arg(2);
    let digest = interpreter.digest(source);
    let scripting = &cx.worker.engine.scripting;
    if scripting.contains(&digest) {
        scripting.pin(&digest);
    } else {
        load(cx, &*interpreter, digest.clone(), source, false)?;
    }
    out.bulk(digest.as_bytes());
    Ok(())
}

fn script_exists(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.array(cx.argc() - 2);
    for digest in cx.args().iter().skip(2) {
        let exists = cx.worker.engine.scripting.contains(&lower_case(digest));
        out.integer(i64::from(exists));
    }
    Ok(())
}

fn script_flush(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    // Either way the scripts are gone at once; there is too little to free for another thread.
    let is_known = cx.arg_is(2, "sync") || cx.arg_is(2, "async");
    if cx.argc() > 3 || cx.argc() == 3 && !is_known {
        return Err(CommandError::text(
            "ERR SCRIPT FLUSH only support SYNC|ASYNC option",
        ));
    }
    cx.worker.engine.scripting.flush();
    out.ok();
    Ok(())
}

fn script_show(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let digest = lower_case(cx.arg(2));
    let script = cx.worker.engine.scripting.find(&digest);
    let script = script.ok_or(CommandError::text("NOSCRIPT No matching script."))?;
    out.bulk(&script.source);
    Ok(())
}

fn script_kill(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    kill(cx, false)?;
    out.ok();
    Ok(())
}

/// Stops what runs, if it is of this kind.
pub(super) fn kill(cx: &mut Context<'_>, function: bool) -> CommandResult {
    let running = &cx.worker.engine.scripting.running;
    if running.since_ms().is_none() {
        return Err(CommandError::text(
            "NOTBUSY No scripts in execution right now.",
        ));
    }
    if running.has_written() {
        return Err(CommandError::text(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You \
             can either wait the script termination or kill the server in a hard way using the \
             SHUTDOWN NOSAVE command.",
        ));
    }
    if running.is_function() != function {
        return Err(running.busy_error());
    }
    running.stop();
    Ok(())
}

fn script_debug(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if out.position() > 0 {
        return Err(CommandError::text(
            "ERR SCRIPT DEBUG must be called outside a pipeline",
        ));
    }
    let mode = if cx.arg_is(2, "no") {
        None
    } else if cx.arg_is(2, "yes") {
        Some(DebugMode::Copy)
    } else if cx.arg_is(2, "sync") {
        Some(DebugMode::Synchronous)
    } else {
        return Err(CommandError::text("ERR Use SCRIPT DEBUG YES/SYNC/NO"));
    };
    if mode.is_some() && !cx.engine().host.serves_debuggers() {
        return Err(CommandError::text(
            "ERR there is no server around this engine to debug scripts",
        ));
    }
    cx.client.debugging.mode = mode;
    out.ok();
    Ok(())
}

fn script_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let lines = [
        (
            "DEBUG (YES|SYNC|NO)",
            "Says whether the next EVAL is debugged: on a copy of the data, on the data, or not.",
        ),
        (
            "EXISTS <sha1> [<sha1> ...]",
            "Says of each digest whether a script with it is kept.",
        ),
        ("FLUSH [ASYNC|SYNC]", "Forgets every script."),
        (
            "KILL",
            "Ends the script that runs, if it has not written yet.",
        ),
        ("LOAD <script>", "Keeps a script without running it."),
        ("SHOW <sha1>", "Answers the source of a kept script."),
    ];
    reply_help(out, "SCRIPT", &lines)
}
