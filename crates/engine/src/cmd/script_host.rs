//! What a running script asks of the engine: commands above all, with the gates that stand before a
//! script's commands.

use std::borrow::Cow;
use std::sync::Arc;

use oxidis_resp::{Protocol, Writer};

use crate::acl::{self, DenialContext};
use crate::command::{Args, CommandError, Context, Flags};
use crate::config::LogLevel;
use crate::debugging::Conversation;
use crate::persistence::Unsafe;
use crate::propagation::Targets;
use crate::scripting::{
    Interruption, LateWatch, ScriptCode, ScriptFlags, ScriptHost, SlowFunction,
};

/// As Redis has it where `busy-reply-threshold` says nothing.
const PATIENCE_MS: u64 = 5000;

/// The session, its locks and its worker, lent to a script for the time that it runs.
pub(super) struct Host<'c, 'a> {
    cx: &'c mut Context<'a>,
    flags: ScriptFlags,
    /// What runs, if it is a function.
    function: Option<&'c str>,
    is_read_only: bool,
    /// Whether there was no memory left when the script started.
    is_out_of_memory: bool,
    has_written: bool,
    has_failed: bool,
    /// Whether others have been told that it takes too long.
    is_busy: bool,
    propagation_targets: Targets,
    started_us: i64,
    /// What the session goes back to.
    database: usize,
    protocol: Protocol,
    /// The reply of the last command.
    reply: Vec<u8>,
}

impl<'c, 'a> Host<'c, 'a> {
    /// Checks whether a script may run now, and notes that it does.
    pub(super) fn start(
        cx: &'c mut Context<'a>,
        flags: ScriptFlags,
        code: ScriptCode<'c>,
    ) -> Result<Self, CommandError> {
        if cx.engine().scripting.running.since_ms().is_some() {
            // It is the one that asks, since it has every stripe locked; only DEBUG lets it ask.
            return Err(CommandError::text("ERR scripts cannot be nested"));
        }
        let is_reading_command = cx.registered.command.flags.contains(Flags::READONLY);
        let is_out_of_memory = cx.worker.is_out_of_memory;
        if !flags.is_undeclared {
            // In a transaction the gates were passed when the script was queued.
            if cx.engine().is_stale() && !flags.allow_stale {
                return Err(CommandError::text(
                    "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and \
                     'allow-stale' flag is not set on the script.",
                ));
            }
            if !flags.no_writes && cx.engine().is_read_only() && !cx.worker.is_obeying {
                return Err(CommandError::text(
                    "READONLY Can not run script with write flag on readonly replica",
                ));
            }
            if !flags.no_writes
                && !cx.worker.is_obeying
                && let Some(reason) = Unsafe::of(cx.engine())
            {
                return Err(reason.error_of_script());
            }
            if !flags.no_writes && is_reading_command {
                return Err(CommandError::text(
                    "ERR Can not execute a script with write flag using *_ro command.",
                ));
            }
            if !flags.no_writes && cx.engine().lacks_replicas() {
                return Err(CommandError::NoReplicas);
            }
            if is_out_of_memory && !flags.allow_oom && !flags.no_writes {
                return Err(CommandError::text(
                    "OOM allow-oom flag is not set on the script, can not run it when used memory \
                     > 'maxmemory'",
                ));
            }
        }
        if flags.is_undeclared && cx.engine().is_stale() {
            return Err(CommandError::Stale);
        }
        let started_us = cx.worker.engine.clock.stopwatch_us();
        let running = &cx.worker.engine.scripting.running;
        let function = match code {
            ScriptCode::Script(_) => None,
            ScriptCode::Function { name, .. } => Some(name),
        };
        let is_debugged = cx.worker.conversation.is_some();
        running.start(started_us / 1000, function.is_some(), is_debugged);
        Ok(Host {
            function,
            is_read_only: is_reading_command || flags.is_read_only(),
            flags,
            is_out_of_memory,
            has_written: false,
            has_failed: false,
            is_busy: false,
            propagation_targets: Targets::ALL,
            started_us,
            database: cx.client.database,
            protocol: cx.client.protocol,
            reply: Vec::new(),
            cx,
        })
    }

    /// Notes that the script is over, and gives the session back what the script had changed.
    pub(super) fn end(self) {
        let cx = self.cx;
        let watches = cx.worker.engine.scripting.running.end();
        note_watches(cx, watches);
        cx.client.select(self.database);
        cx.client.protocol = self.protocol;
        if self.has_failed {
            let counters = &cx.worker.counters.commands[cx.registered.id];
            counters.failed_calls.add(1);
        }
    }

    /// Why a command may not run from the script, which may be its first or its last.
    fn refusal(&self, flags: Flags) -> Option<Cow<'static, str>> {
        let engine = &self.cx.worker.engine;
        if flags.contains(Flags::NOSCRIPT) && !engine.scripting.allows_everything() {
            return Some("This Redis command is not allowed from script".into());
        }
        if engine.is_stale() && !flags.contains(Flags::STALE) {
            return Some("Can not execute the command on a stale replica".into());
        }
        if self.is_read_only && flags.intersects(Flags::WRITE.union(Flags::MAY_REPLICATE)) {
            return Some("Write commands are not allowed from read-only scripts.".into());
        }
        // A script is not stopped half way: what it has begun to write it may finish.
        if flags.contains(Flags::WRITE) && engine.is_read_only() && !self.cx.worker.is_obeying {
            return Some("-READONLY You can't write against a read only replica.".into());
        }
        if flags.contains(Flags::WRITE) && !self.has_written {
            if let Some(reason) = Unsafe::of(engine).filter(|_| !self.cx.worker.is_obeying) {
                return Some(format!("-{}", reason.error()).into());
            }
            if engine.lacks_replicas() {
                return Some("-NOREPLICAS Not enough good replicas to write.".into());
            }
        }
        let needs_memory = flags.contains(Flags::DENYOOM) && !self.has_written;
        if needs_memory && self.is_out_of_memory && !self.flags.allow_oom {
            return Some("-OOM command not allowed when used memory > 'maxmemory'.".into());
        }
        None
    }

    /// Tells the log that the script takes too long, and FUNCTION STATS which function it is.
    fn note_busy(&self) {
        let engine = &self.cx.worker.engine;
        let command = match self.function {
            Some(_) => "FUNCTION KILL",
            None => "SCRIPT KILL",
        };
        if let Some(name) = self.function {
            engine.scripting.running.note_slow_function(SlowFunction {
                name: name.to_owned(),
                command: self.cx.args().to_owned(),
            });
        }
        let elapsed_ms = (engine.clock.stopwatch_us() - self.started_us) / 1000;
        let line = format!(
            "Slow script detected: still in execution after {elapsed_ms} milliseconds. {command} \
             ends it, if it has not written yet."
        );
        engine.host.log(LogLevel::Warning, &line);
    }

    /// Counts a command that was refused.
    fn refuse(&mut self, command: Option<usize>, text: &str) -> String {
        let worker = &mut self.cx.worker;
        if let Some(id) = command {
            worker.counters.commands[id].rejected_calls.add(1);
        }
        worker.counters.error_replies.add(1);
        let coded = text.strip_prefix('-').unwrap_or("ERR ");
        worker.engine.count_error(coded.as_bytes());
        text.to_owned()
    }
}

/// Notes which keys others have begun to watch while the script had the locks.
fn note_watches(cx: &mut Context<'_>, watches: Vec<LateWatch>) {
    for LateWatch { watched, is_dirty } in watches {
        // Some watch no more.
        if Arc::strong_count(&is_dirty) > 1 {
            cx.worker.add_watcher(&watched, is_dirty, cx.now_ms());
        }
    }
}

impl ScriptHost for Host<'_, '_> {
    fn call(&mut self, arguments: &[&[u8]], protocol: Protocol) -> Result<&[u8], String> {
        let args = Args::slices(arguments);
        let Ok(registered) = self.cx.worker.engine.names.resolve(args) else {
            return Err(self.refuse(None, "Unknown Redis command called from script"));
        };
        let id = Some(registered.id);
        if !registered.command.accepts(arguments.len()) || registered.is_container() {
            let text = "Wrong number of args calling Redis command from script";
            return Err(self.refuse(id, text));
        }
        let flags = registered.command.flags;
        if let Some(text) = self.refusal(flags) {
            return Err(self.refuse(id, &text));
        }
        let engine = self.cx.worker.engine.clone();
        let context = DenialContext::Script;
        if let Err(denied) = acl::authorize(&engine, self.cx.client, registered, args, context) {
            let user = acl::refresh(&engine, self.cx.client);
            let message = denied.message(user, registered);
            let message = String::from_utf8_lossy(&message);
            let text = format!("ACL failure in script: {message}");
            return Err(self.refuse(id, &text));
        }
        if flags.contains(Flags::WRITE) && !self.has_written {
            self.has_written = true;
            self.cx.worker.engine.scripting.running.note_write();
        }
        let watches = self.cx.worker.engine.scripting.running.take_watches();
        note_watches(self.cx, watches);
        self.reply.clear();
        self.cx.client.protocol = protocol;
        let propagated = self.cx.worker.propagated.len();
        let mut out = Writer::new(&mut self.reply, protocol);
        self.cx.nested(registered, args, &mut out);
        if self.propagation_targets != Targets::ALL {
            let unit = &mut self.cx.worker.propagated;
            unit.direct(propagated, self.propagation_targets);
        }
        Ok(&self.reply)
    }

    fn may_call(&mut self, arguments: &[&[u8]]) -> Option<bool> {
        let names = &self.cx.worker.engine.names;
        let args = Args::slices(arguments);
        let registered = names.resolve(args).ok()?;
        let engine = self.cx.worker.engine.clone();
        Some(acl::is_permitted(&engine, self.cx.client, registered, args))
    }

    fn count_error(&mut self, text: &[u8]) {
        let worker = &mut self.cx.worker;
        worker.counters.error_replies.add(1);
        worker.engine.count_error(text);
    }

    fn fail(&mut self) {
        self.has_failed = true;
    }

    fn set_propagation(&mut self, targets: u32) {
        self.propagation_targets = Targets::of_script(targets);
    }

    fn log(&mut self, level: LogLevel, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.cx.worker.engine.host.log(level, &line);
    }

    fn interrupt(&mut self) -> Interruption {
        let engine = self.cx.worker.engine.clone();
        if engine.is_script_busy() {
            if !self.is_busy {
                self.is_busy = true;
                self.note_busy();
            }
            engine.host.serve_while_busy(&engine);
        }
        if self.cx.worker.engine.scripting.running.is_stopping() {
            Interruption::Stop
        } else {
            Interruption::Continue
        }
    }

    fn elapsed_us(&mut self) -> i64 {
        self.cx.worker.engine.clock.stopwatch_us() - self.started_us
    }

    fn conversation(&mut self) -> Option<&mut Conversation> {
        self.cx.worker.conversation.as_deref_mut()
    }

    fn resume(&mut self) {
        let worker = &mut self.cx.worker;
        if !worker.is_obeying {
            worker.now_us = worker.engine.clock.now_us();
        }
    }

    fn patience_ms(&self) -> u64 {
        match self.cx.worker.engine.config.busy_reply_threshold_ms() {
            0 => PATIENCE_MS,
            threshold_ms => threshold_ms,
        }
    }
}
