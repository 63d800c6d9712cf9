//! SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF: the data set and its files.

use crate::command::context::Mode;
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, Group, Locks, Reply,
};
use crate::snapshot::{SaveRefused, save_now, start_background_save, start_log_rewrite};

const ROW: Command = Command {
    group: Group::Server,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "bgrewriteaof",
        arity: 1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::NO_ASYNC_LOADING),
        locks: Locks::All,
        complexity: "O(1)",
        summary: "Rewrites the append-only file to what the data need, while commands go on.",
        handler: bgrewriteaof,
        ..ROW
    },
    Command {
        name: "bgsave",
        history: &[(
            "3.2.2",
            "SCHEDULE waits for a rewrite of the log instead of failing.",
        )],
        arity: -1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::NO_ASYNC_LOADING),
        locks: Locks::All,
        complexity: "O(1)",
        summary: "Saves the data set to its file, while commands go on.",
        syntax: "[SCHEDULE^3.2.2]",
        handler: bgsave,
        ..ROW
    },
    Command {
        name: "lastsave",
        arity: 1,
        flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
        categories: Categories::ADMIN.union(Categories::DANGEROUS),
        summary: "Answers when the data were last saved, in seconds since 1970.",
        tips: &["nondeterministic_output"],
        handler: lastsave,
        ..ROW
    },
    Command {
        name: "save",
        arity: 1,
        flags: Flags::ADMIN
            .union(Flags::NOSCRIPT)
            .union(Flags::NO_ASYNC_LOADING)
            .union(Flags::NO_MULTI),
        locks: Locks::All,
        complexity: "O(N) in the number of keys",
        summary: "Saves the data set to its file, while everyone waits.",
        handler: save,
        ..ROW
    },
];

const IN_PROGRESS: CommandError = CommandError::text("ERR Background save already in progress");

fn save(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let persistence = &cx.engine().persistence;
    if persistence.is_saving() && !persistence.is_rewriting() {
        return Err(IN_PROGRESS);
    }
    // Why it failed is in the log.
    save_now(cx.worker).map_err(|_| CommandError::text("ERR"))?;
    out.ok();
    Ok(())
}

fn bgrewriteaof(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let engine = cx.worker.engine.clone();
    if engine.persistence.is_rewriting() {
        return Err(CommandError::text(
            "ERR Background append only file rewriting already in progress",
        ));
    }
    if engine.persistence.is_saving() || cx.mode == Mode::Nested {
        engine.append_log.schedule_rewrite();
        out.simple("Background append only file rewriting scheduled");
        return Ok(());
    }
    match start_log_rewrite(cx.worker) {
        Ok(()) => out.simple("Background append only file rewriting started"),
        Err(_) => {
            return Err(CommandError::text(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
            ));
        }
    }
    Ok(())
}

fn bgsave(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() > 2 || cx.argc() == 2 && !cx.arg_is(1, "SCHEDULE") {
        return Err(CommandError::Syntax);
    }
    if cx.engine().persistence.is_rewriting() {
        if cx.argc() == 1 {
            return Err(CommandError::text(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to \
                 schedule a BGSAVE whenever possible.",
            ));
        }
        cx.engine().persistence.schedule_save();
        out.simple("Background saving scheduled");
        return Ok(());
    }
    if cx.engine().persistence.is_saving() {
        return Err(IN_PROGRESS);
    }
    if cx.mode == Mode::Nested {
        // Between the commands of a transaction is no moment of the data set.
        cx.engine().persistence.schedule_save();
        out.simple("Background saving scheduled");
        return Ok(());
    }
    match start_background_save(cx.worker) {
        Ok(()) => out.simple("Background saving started"),
        Err(SaveRefused::InProgress) => return Err(IN_PROGRESS),
        Err(SaveRefused::Impossible) => return Err(CommandError::text("ERR")),
    }
    Ok(())
}

fn lastsave(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(cx.engine().persistence.last_save_ms() / 1000);
    Ok(())
}
