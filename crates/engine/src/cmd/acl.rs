//! ACL: users and what they may do. What rules mean stands in `acl`.

use std::sync::atomic::Ordering;

use super::reply_help;
use crate::acl::{AccessLogEntry, DEFAULT_USER};
use crate::command::{
    Args, Categories, Command, CommandError, CommandResult, Context, Flags, Group, Reply, table,
};
use crate::config::LogLevel;
use crate::text::parse_integer;

const ALWAYS: Flags = Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE);
const ADMINISTRATION: Flags = Flags::ADMIN.union(ALWAYS);

const ROW: Command = Command {
    group: Group::Server,
    since: "6.0.0",
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "acl",
    arity: -2,
    complexity: "That of the subcommand",
    summary: "Users and what they may do.",
    subcommands: &[
        Command {
            name: "cat",
            arity: -2,
            flags: ALWAYS,
            complexity: "O(N) in the number of categories or commands",
            summary: "Lists the categories of commands, or the commands of one.",
            syntax: "[category:string]",
            handler: acl_cat,
            ..ROW
        },
        Command {
            name: "deluser",
            arity: -3,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of connections",
            summary: "Deletes users and ends their connections.",
            syntax: "username [username ...]",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: acl_deluser,
            ..ROW
        },
        Command {
            name: "dryrun",
            arity: -4,
            flags: ADMINISTRATION,
            since: "7.0.0",
            summary: "Says whether a user might execute a command.",
            syntax: "username command:string [arg:string [arg:string ...]]",
            handler: acl_dryrun,
            ..ROW
        },
        Command {
            name: "genpass",
            arity: -2,
            flags: ALWAYS,
            summary: "Makes up a password that nobody can guess.",
            syntax: "[bits:integer]",
            handler: acl_genpass,
            ..ROW
        },
        Command {
            name: "getuser",
            history: &[
                ("6.2.0", "The reply has the patterns of channels."),
                (
                    "7.0.0",
                    "The reply has selectors, and keys and channels in the form of rules.",
                ),
            ],
            arity: 3,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of rules",
            summary: "Answers what a user may do.",
            syntax: "username",
            handler: acl_getuser,
            ..ROW
        },
        ROW.help(ROW.since, acl_help),
        Command {
            name: "list",
            arity: 2,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of users",
            summary: "Lists the users with their rules, as a configuration file has them.",
            handler: acl_list,
            ..ROW
        },
        Command {
            name: "load",
            arity: 2,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of users",
            summary: "Takes the users from the ACL file.",
            handler: acl_load,
            ..ROW
        },
        Command {
            name: "log",
            history: &[(
                "7.2.0",
                "Entries have a number, and say when they were made and last changed.",
            )],
            arity: -2,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of entries",
            summary: "Answers what was refused lately, or forgets it.",
            syntax: "[operation= count:integer|RESET]",
            handler: acl_log,
            ..ROW
        },
        Command {
            name: "save",
            arity: 2,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of users",
            summary: "Writes the users to the ACL file.",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: acl_save,
            ..ROW
        },
        Command {
            name: "setuser",
            history: &[
                ("6.2.0", "Rules may be about channels."),
                (
                    "7.0.0",
                    "There are selectors, and rules for reading or writing keys.",
                ),
            ],
            arity: -3,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of rules",
            summary: "Makes a user, or changes what it may do.",
            syntax: "username [rule:string [rule:string ...]]",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: acl_setuser,
            ..ROW
        },
        Command {
            name: "users",
            arity: 2,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of users",
            summary: "Lists the names of the users.",
            handler: acl_users,
            ..ROW
        },
        Command {
            name: "whoami",
            arity: 2,
            flags: ALWAYS,
            summary: "Answers the name of the connection's user.",
            handler: acl_whoami,
            ..ROW
        },
    ],
    ..ROW
}];

fn acl_cat(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let category = match cx.argc() {
        2 => {
            out.array(Categories::NAMES.len());
            for (_, name) in Categories::NAMES {
                out.bulk(name.as_bytes());
            }
            return Ok(());
        }
        3 => cx.arg(2),
        _ => return Err(CommandError::unknown_subcommand(cx.arg(1), "ACL")),
    };
    let mut known = Categories::NAMES.iter();
    let Some((category, _)) =
        known.find(|(_, name)| name.as_bytes().eq_ignore_ascii_case(category))
    else {
        let shown = &category[..category.len().min(128)];
        return Err(CommandError::quoting("ERR Unknown category '", shown, "'"));
    };
    let mark = out.deferred_array();
    let mut count = 0;
    for registered in table().all() {
        if registered.command.all_categories().contains(*category) {
            out.bulk(registered.full_name.as_bytes());
            count += 1;
        }
    }
    out.finish_array(mark, count);
    Ok(())
}

fn acl_setuser(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let rules: Vec<Vec<u8>> = cx.args().iter().skip(3).map(<[u8]>::to_vec).collect();
    let engine = cx.worker.engine.clone();
    engine
        .set_user(cx.arg(2), &rules, cx.client)
        .map_err(|text| CommandError::of_parts(&[b"ERR ", &text]))?;
    out.ok();
    Ok(())
}

fn acl_deluser(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let names = cx.args().iter().skip(2);
    if names.clone().any(|name| name == DEFAULT_USER) {
        return Err(CommandError::text(
            "ERR The 'default' user cannot be removed",
        ));
    }
    let engine = cx.worker.engine.clone();
    out.integer(engine.delete_users(names, cx.client) as i64);
    Ok(())
}

fn acl_getuser(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let users = cx.engine().acl.users();
    let Some(user) = users.get(cx.arg(2)) else {
        out.null();
        return Ok(());
    };
    let describe = |[commands, keys, channels]: [Vec<u8>; 3], out: &mut Reply<'_>| {
        out.bulk(b"commands");
        out.bulk(&commands);
        out.bulk(b"keys");
        out.bulk(&keys);
        out.bulk(b"channels");
        out.bulk(&channels);
    };
    out.map(6);
    out.bulk(b"flags");
    out.set(user.flags().count());
    for flag in user.flags() {
        out.bulk(flag.as_bytes());
    }
    out.bulk(b"passwords");
    let hashes = user.password_hashes();
    out.array(hashes.len());
    for hash in hashes {
        out.bulk(hash.as_bytes());
    }
    let mut selectors = user.selectors();
    if let Some(root) = selectors.next() {
        describe(root, out);
    }
    let others: Vec<_> = selectors.collect();
    out.bulk(b"selectors");
    out.array(others.len());
    for selector in others {
        out.map(3);
        describe(selector, out);
    }
    Ok(())
}

fn acl_list(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let users = cx.engine().acl.users();
    out.array(users.len());
    for user in users.iter() {
        let line = [b"user ", user.name(), b" ", &user.describe()[..]].concat();
        out.bulk(&line);
    }
    Ok(())
}

fn acl_users(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let users = cx.engine().acl.users();
    out.array(users.len());
    users.iter().for_each(|user| out.bulk(user.name()));
    Ok(())
}

fn acl_whoami(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.bulk(&cx.client.shared.names.lock().user);
    Ok(())
}

const NO_FILE: CommandError = CommandError::text(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the \
     ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file \
     set) in order to store users in the Redis configuration.",
);

fn acl_load(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let engine = cx.worker.engine.clone();
    if engine.config.aclfile().is_empty() {
        return Err(NO_FILE);
    }
    engine
        .load_access_file(cx.client)
        .map_err(|text| CommandError::from(format!("ERR {text}")))?;
    out.ok();
    Ok(())
}

fn acl_save(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let engine = cx.engine();
    if engine.config.aclfile().is_empty() {
        return Err(NO_FILE);
    }
    if let Err(reason) = engine.save_access_file() {
        let line = format!("The ACL file cannot be written: {reason}");
        engine.host.log(LogLevel::Warning, &line);
        return Err(CommandError::text(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more \
             information",
        ));
    }
    out.ok();
    Ok(())
}

/// Bits that GENPASS gives, unless it is told otherwise, and at most.
const PASSWORD_BITS: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;

fn acl_genpass(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let bits = match cx.argc() {
        2 => PASSWORD_BITS,
        3 => cx.integer(2)?,
        _ => return Err(CommandError::unknown_subcommand(cx.arg(1), "ACL")),
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive \
             number up to {PASSWORD_BITS_MAX}"
        )
        .into());
    }
    let digits = (bits as usize).div_ceil(4);
    let mut secret = vec![0; digits.div_ceil(2)];
    let follows_seed = cx.engine().draws_secrets.load(Ordering::Relaxed);
    if follows_seed || !cx.engine().host.fill_with_secrets(&mut secret) {
        // An engine without a host that knows secrets is as deterministic here as everywhere.
        for byte in &mut secret {
            *byte = cx.random().next() as u8;
        }
    }
    let mut password: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    password.truncate(digits);
    out.bulk(password.as_bytes());
    Ok(())
}

fn acl_log(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    const USUAL_COUNT: usize = 10;
    let log = &cx.engine().acl.log;
    let count = match cx.argc() {
        2 => USUAL_COUNT,
        3 if cx.arg_is(2, "RESET") => {
            log.reset();
            out.ok();
            return Ok(());
        }
        3 => {
            let count = parse_integer(cx.arg(2)).ok_or(CommandError::NotInteger)?;
            usize::try_from(count.max(0)).unwrap_or(usize::MAX)
        }
        _ => return Err(CommandError::unknown_subcommand(cx.arg(1), "ACL")),
    };
    let now_ms = cx.engine().now_ms();
    let mark = out.deferred_array();
    let mut sent = 0;
    log.newest(count, |entry| {
        write_entry(entry, now_ms, out);
        sent += 1;
    });
    out.finish_array(mark, sent);
    Ok(())
}

fn write_entry(entry: &AccessLogEntry, now_ms: i64, out: &mut Reply<'_>) {
    out.map(10);
    out.bulk(b"count");
    out.integer(entry.count as i64);
    out.bulk(b"reason");
    out.bulk(entry.denial.word().as_bytes());
    out.bulk(b"context");
    out.bulk(entry.context.word().as_bytes());
    out.bulk(b"object");
    out.bulk(&entry.object);
    out.bulk(b"username");
    out.bulk(&entry.user);
    out.bulk(b"age-seconds");
    out.double((now_ms - entry.updated_ms) as f64 / 1000.0);
    out.bulk(b"client-info");
    out.bulk(&entry.client);
    out.bulk(b"entry-id");
    out.integer(entry.id as i64);
    out.bulk(b"timestamp-created");
    out.integer(entry.created_ms);
    out.bulk(b"timestamp-last-updated");
    out.integer(entry.updated_ms);
}

fn acl_dryrun(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let users = cx.engine().acl.users();
    let Some(user) = users.get(cx.arg(2)) else {
        return Err(CommandError::quoting(
            "ERR User '",
            cx.arg(2),
            "' not found",
        ));
    };
    let request: Vec<&[u8]> = cx.args().iter().skip(3).collect();
    let args = Args::slices(&request);
    let Ok(registered) = cx.worker.engine.names.resolve(args) else {
        let name = args.get(0);
        return Err(CommandError::quoting("ERR Command '", name, "' not found"));
    };
    if !registered.command.accepts(args.len()) {
        return Err(CommandError::WrongArity(
            registered.full_name.clone().into(),
        ));
    }
    match user.check(registered, args) {
        Ok(()) => out.ok(),
        Err((denied, index)) => {
            out.bulk(&denied.full_message(user, registered, args.get(index)));
        }
    }
    Ok(())
}

fn acl_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    reply_help(
        out,
        "ACL",
        &[
            (
                "CAT [<category>]",
                "Lists the categories of commands, or the commands of one.",
            ),
            (
                "DELUSER <username> [<username> ...]",
                "Deletes users and ends their connections.",
            ),
            (
                "DRYRUN <username> <command> [<arg> ...]",
                "Says whether the user might execute the command, without executing it.",
            ),
            (
                "GENPASS [<bits>]",
                "Makes up a password, of 256 bits unless told otherwise.",
            ),
            ("GETUSER <username>", "Answers what the user may do."),
            ("LIST", "Lists the users with their rules."),
            ("LOAD", "Takes the users from the ACL file."),
            (
                "LOG [<count>|RESET]",
                "Answers what was refused lately, the newest first, or forgets it.",
            ),
            ("SAVE", "Writes the users to the ACL file."),
            (
                "SETUSER <username> [<rule> ...]",
                "Makes the user, or changes what it may do.",
            ),
            ("USERS", "Lists the names of the users."),
            ("WHOAMI", "Answers the name of the connection's user."),
        ],
    )
}
