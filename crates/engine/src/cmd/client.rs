//! CLIENT: looking at sessions and managing them. How a pause holds commands back stands in `pause`;
//! the subcommands for client side caching stand in `client_tracking`.

use std::sync::atomic::Ordering;

use super::client_filter::{ClientFilter, Purpose};
use super::client_tracking::{
    client_caching, client_getredir, client_tracking, client_trackinginfo,
};
use crate::client::{Client, ClientShared, ReplyMode};
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, Group, Reply, table,
};
use crate::text::parse_integer;
use crate::tracking::TrackingFlags;

const ANYONE: Flags = Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE);
const ADMIN: Flags = Flags::ADMIN.union(ANYONE);

const ROW: Command = Command {
    categories: Categories::CONNECTION,
    group: Group::Connection,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "client",
    categories: Categories::empty(),
    arity: -2,
    since: "2.4.0",
    complexity: "That of the subcommand",
    summary: "Looks at connections and manages them.",
    subcommands: &[
        Command {
            name: "caching",
            arity: 3,
            flags: ANYONE,
            since: "6.0.0",
            summary: "Says whether the keys of the next command are tracked.",
            syntax: "mode= YES|NO",
            handler: client_caching,
            ..ROW
        },
        Command {
            name: "capa",
            arity: -3,
            flags: ANYONE.union(Flags::ALLOW_BUSY),
            since: "8.0.0",
            summary: "Tells what the client can do (from Valkey).",
            syntax: "capability [capability ...]",
            handler: client_capa,
            ..ROW
        },
        Command {
            name: "getname",
            arity: 2,
            flags: ANYONE,
            since: "2.6.9",
            summary: "Answers the name of the connection.",
            handler: client_getname,
            ..ROW
        },
        Command {
            name: "getredir",
            arity: 2,
            flags: ANYONE,
            since: "6.0.0",
            summary: "Answers the connection that gets the invalidations of this one.",
            handler: client_getredir,
            ..ROW
        },
        ROW.help("5.0.0", client_help),
        Command {
            name: "id",
            arity: 2,
            flags: ANYONE,
            since: "5.0.0",
            summary: "Answers the number of the connection.",
            handler: client_id,
            ..ROW
        },
        Command {
            name: "import-source",
            arity: 3,
            flags: ANYONE,
            since: "8.1.0",
            summary: "Says whether the connection imports data (from Valkey).",
            syntax: "ON|OFF",
            handler: client_import_source,
            ..ROW
        },
        Command {
            name: "info",
            arity: 2,
            flags: ANYONE,
            since: "6.2.0",
            summary: "Answers what is known of the connection.",
            tips: &["nondeterministic_output"],
            handler: client_info,
            ..ROW
        },
        Command {
            name: "kill",
            history: &[
                ("2.8.12", "Clients are chosen by filters."),
                ("2.8.12", "ID is a filter."),
                ("3.2.0", "TYPE knows masters."),
                (
                    "5.0.0",
                    "TYPE takes replica for what was slave, which still goes.",
                ),
                ("6.2.0", "LADDR is a filter."),
                ("7.4.0", "MAXAGE is a filter."),
            ],
            arity: -3,
            flags: ADMIN,
            since: "2.4.0",
            complexity: "O(N) in the number of connections",
            summary: "Closes connections.",
            syntax: "filter= ((old-format^^2.8.12= ip:port:string)|(new-format= [ID^2.8.12 client-id:integer \
                     [client-id:integer ...]]|[TYPE^2.8.12 client-type= \
                     (NORMAL|MASTER^3.2.0|PRIMARY^8.0.0|SLAVE|REPLICA^5.0.0|PUBSUB)]|[USER username]|[addr= ADDR \
                     ip:port:string]|[laddr^6.2.0= LADDR ip:port:string]|[SKIPME skipme= (YES|NO)]| \
                     [MAXAGE^7.4.0 maxage:integer]|[NAME^9.0.0 name]|[IDLE^9.0.0 idle:integer]|[FLAGS^9.0.0 flags]| \
                     [LIB-NAME^9.0.0 lib-name]|[LIB-VER^9.0.0 lib-ver]|[DB^9.0.0 db:integer]|[CAPA^9.0.0 capa]| \
                     [IP^9.0.0 ip]|[NOT-TYPE^9.0.0 not-client-type= (NORMAL|MASTER|PRIMARY|SLAVE|REPLICA|PUBSUB)]| \
                     [NOT-ID^9.0.0 not-client-id:integer [not-client-id:integer ...]]|[NOT-USER^9.0.0 not-username]| \
                     [not-addr^9.0.0= NOT-ADDR ip:port:string]|[not-laddr^9.0.0= NOT-LADDR ip:port:string]| \
                     [NOT-NAME^9.0.0 not-name]|[NOT-FLAGS^9.0.0 not-flags]|[NOT-LIB-NAME^9.0.0 not-lib-name]| \
                     [NOT-LIB-VER^9.0.0 not-lib-ver]|[NOT-DB^9.0.0 not-db:integer]|[NOT-CAPA^9.0.0 not-capa]| \
                     [NOT-IP^9.0.0 not-ip]) ...)",
            handler: client_kill,
            ..ROW
        },
        Command {
            name: "list",
            history: &[
                ("2.8.12", "Each client has a number, in the field id."),
                ("5.0.0", "TYPE is a filter."),
                ("6.0.0", "The field user was added."),
                (
                    "6.2.0",
                    "The fields argv-mem, tot-mem, laddr and redir were added, and the filter ID.",
                ),
                (
                    "7.0.0",
                    "The fields resp, multi-mem, rbs and rbp were added.",
                ),
                ("7.0.3", "The field ssub was added."),
                ("7.2.0", "The fields lib-name and lib-ver were added."),
                ("7.4.0", "The field watch was added."),
                ("8.0.0", "The field io-thread was added."),
            ],
            arity: -2,
            flags: ADMIN,
            since: "2.4.0",
            complexity: "O(N) in the number of connections",
            summary: "Lists the connections.",
            syntax: "[TYPE^5.0.0 client-type= (NORMAL|MASTER|REPLICA|PUBSUB)] [ID^6.2.0 client-id:integer [client-id:integer ...]] \
                     [USER^8.1.0 username] [addr^8.1.0= ADDR ip:port:string] [laddr^8.1.0= LADDR ip:port:string] \
                     [SKIPME^8.1.0 skipme= (YES|NO)] [MAXAGE^8.1.0 maxage:integer] [NAME^9.0.0 name] \
                     [IDLE^9.0.0 idle:integer] [FLAGS^9.0.0 flags] [LIB-NAME^9.0.0 lib-name] [LIB-VER^9.0.0 lib-ver] \
                     [DB^9.0.0 db:integer] [CAPA^9.0.0 capa] [IP^9.0.0 ip] \
                     [NOT-TYPE^9.0.0 not-client-type= (NORMAL|MASTER|REPLICA|PUBSUB)] \
                     [NOT-ID^9.0.0 not-client-id:integer [not-client-id:integer ...]] [NOT-USER^9.0.0 not-username] \
                     [not-addr^9.0.0= NOT-ADDR ip:port:string] [not-laddr^9.0.0= NOT-LADDR ip:port:string] \
                     [NOT-NAME^9.0.0 not-name] [NOT-FLAGS^9.0.0 not-flags] [NOT-LIB-NAME^9.0.0 not-lib-name] \
                     [NOT-LIB-VER^9.0.0 not-lib-ver] [NOT-DB^9.0.0 not-db:integer] [NOT-CAPA^9.0.0 not-capa] \
                     [NOT-IP^9.0.0 not-ip]",
            tips: &["nondeterministic_output"],
            handler: client_list,
            ..ROW
        },
        Command {
            name: "no-evict",
            arity: 3,
            flags: ADMIN,
            since: "7.0.0",
            summary: "Protects the connection from being evicted when clients take too much memory.",
            syntax: "enabled= ON|OFF",
            handler: client_no_evict,
            ..ROW
        },
        Command {
            name: "no-touch",
            arity: 3,
            flags: ANYONE,
            since: "7.2.0",
            summary: "Lets the connection read keys without making them look used.",
            syntax: "enabled= ON|OFF",
            handler: client_no_touch,
            ..ROW
        },
        Command {
            name: "pause",
            history: &[("6.2.0", "WRITE holds back only what may write.")],
            arity: -3,
            flags: ADMIN,
            since: "3.0.0",
            summary: "Keeps commands of clients waiting for some time.",
            syntax: "timeout:integer [mode^6.2.0= WRITE|ALL]",
            handler: client_pause,
            ..ROW
        },
        Command {
            name: "reply",
            arity: 3,
            flags: ANYONE,
            since: "3.2.0",
            summary: "Says whether the connection wants replies.",
            syntax: "action= ON|OFF|SKIP",
            handler: client_reply,
            ..ROW
        },
        Command {
            name: "setinfo",
            arity: 4,
            flags: ANYONE,
            since: "7.2.0",
            summary: "Tells which client library the connection uses.",
            syntax: "(attr= LIB-NAME libname|LIB-VER libver)",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: client_setinfo,
            ..ROW
        },
        Command {
            name: "setname",
            arity: 3,
            flags: ANYONE,
            since: "2.6.9",
            summary: "Gives the connection a name.",
            syntax: "connection-name",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: client_setname,
            ..ROW
        },
        Command {
            name: "tracking",
            arity: -3,
            flags: ANYONE,
            since: "6.0.0",
            summary: "Tracks the keys that the connection reads, to tell it when they change.",
            syntax: "status= ON|OFF [REDIRECT client-id:integer] [PREFIX prefix] ... [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
            handler: client_tracking,
            ..ROW
        },
        Command {
            name: "trackinginfo",
            arity: 2,
            flags: ANYONE,
            since: "6.2.0",
            summary: "Answers how the keys of the connection are tracked.",
            handler: client_trackinginfo,
            ..ROW
        },
        Command {
            name: "unblock",
            arity: -3,
            flags: ADMIN,
            since: "5.0.0",
            complexity: "O(log N) in the number of connections",
            summary: "Ends the wait of a blocked connection.",
            syntax: "client-id:integer [unblock-type= TIMEOUT|ERROR]",
            handler: client_unblock,
            ..ROW
        },
        Command {
            name: "unpause",
            arity: 2,
            flags: ADMIN,
            since: "6.2.0",
            complexity: "O(N) in the number of clients kept waiting",
            summary: "Lets clients that are kept waiting go on.",
            handler: client_unpause,
            ..ROW
        },
    ],
    ..ROW
}];

// About the session itself.

fn client_id(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(cx.client.id() as i64);
    Ok(())
}

fn client_info(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut line = describe_for(cx, &cx.client.shared);
    line.push(b'\n');
    out.verbatim("txt", &line);
    Ok(())
}

fn client_getname(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let names = cx.client.shared.names.lock();
    if names.name.is_empty() {
        out.null();
    } else {
        out.bulk(&names.name);
    }
    Ok(())
}

fn client_setname(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    set_name(cx.client, cx.arg(2))?;
    out.ok();
    Ok(())
}

/// Names a session, or takes its name away if the new one is empty.
pub(super) fn set_name(client: &Client, name: &[u8]) -> CommandResult {
    check_name(name)?;
    client.shared.names.lock().name = name.to_vec();
    Ok(())
}

/// Names stand in the lines of CLIENT LIST, which are cut at spaces.
pub(super) fn check_name(name: &[u8]) -> CommandResult {
    if is_printable(name) {
        return Ok(());
    }
    Err(CommandError::text(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

fn is_printable(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

fn client_setinfo(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let value = cx.arg(3);
    let is_name = cx.arg_is(2, "LIB-NAME");
    if !is_name && !cx.arg_is(2, "LIB-VER") {
        let before = "ERR Unrecognized option '";
        return Err(CommandError::quoting(before, cx.arg(2), "'"));
    }
    if !is_printable(value) {
        return Err(CommandError::quoting(
            "ERR ",
            cx.arg(2),
            " cannot contain spaces, newlines or special characters.",
        ));
    }
    let mut names = cx.client.shared.names.lock();
    if is_name {
        names.lib_name = value.to_vec();
    } else {
        names.lib_ver = value.to_vec();
    }
    out.ok();
    Ok(())
}

fn client_reply(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.arg_is(2, "ON") {
        cx.client.reply_mode = ReplyMode::On;
        out.ok();
    } else if cx.arg_is(2, "OFF") {
        cx.client.reply_mode = ReplyMode::Off;
    } else if cx.arg_is(2, "SKIP") {
        if cx.client.reply_mode != ReplyMode::Off {
            cx.client.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(())
}

/// ON or OFF at argument 2.
fn switch(cx: &Context<'_>) -> Result<bool, CommandError> {
    if cx.arg_is(2, "ON") {
        Ok(true)
    } else if cx.arg_is(2, "OFF") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}

fn client_no_evict(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    cx.client.set_no_evict(switch(cx)?);
    out.ok();
    Ok(())
}

fn client_no_touch(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    cx.client.set_no_touch(switch(cx)?);
    out.ok();
    Ok(())
}

// Other sessions.

fn client_list(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() == 3 {
        return Err(CommandError::Syntax);
    }
    let filter = ClientFilter::parse(cx, Purpose::List)?;
    let clients = &cx.engine().clients;
    let considered = match filter.ids() {
        Some(ids) => ids.iter().filter_map(|&id| clients.get(id)).collect(),
        None => clients.all(),
    };
    let mut text = Vec::new();
    for shared in considered {
        if !shared.is_killed() && filter.matches(&shared, cx.client.id(), cx.now_ms()) {
            text.extend_from_slice(&describe_for(cx, &shared));
            text.push(b'\n');
        }
    }
    out.verbatim("txt", &text);
    Ok(())
}

/// A session's line, as the command that runs shows it, whose arguments count if it is the session's own.
fn describe_for(cx: &Context<'_>, shared: &ClientShared) -> Vec<u8> {
    let is_own = shared.id == cx.client.id();
    let running_bytes = match is_own {
        true => cx.args().iter().map(<[u8]>::len).sum(),
        false => 0,
    };
    describe_running(shared, running_bytes, cx.now_ms())
}

/// A session's line in CLIENT LIST, without the newline.
pub(crate) fn describe(shared: &ClientShared, now_ms: i64) -> Vec<u8> {
    describe_running(shared, 0, now_ms)
}

/// The line of a session whose command that runs has so many bytes of arguments.
///
/// The engine knows neither sockets nor the driver's buffers beyond what the driver tells: `rbs` is the memory for
/// replies that the socket did not take, 0 while there are none, `rbp` the most of them that ever waited at once. All
/// of them lie in one buffer, which counts as the list that Redis has behind its first buffer: `obl` is always 0.
fn describe_running(shared: &ClientShared, running_bytes: usize, now_ms: i64) -> Vec<u8> {
    let names = shared.names.lock().clone();
    let load = |count: &std::sync::atomic::AtomicUsize| count.load(Ordering::Relaxed);
    let age = (now_ms - shared.created_ms) / 1000;
    let idle = (now_ms - shared.last_interaction_ms.load(Ordering::Relaxed)) / 1000;
    let input = load(&shared.query_buffer_bytes);
    let output = load(&shared.output_buffer_bytes) + shared.mailbox.pushed_bytes();
    let memory = &shared.memory;
    let arguments = load(&memory.argument_bytes) + load(&memory.blocked_bytes) + running_bytes;
    let total = shared.memory_bytes() + running_bytes;
    let last_command = shared.last_command.load(Ordering::Relaxed) as usize;
    let command = match last_command.checked_sub(1) {
        Some(id) => table().all()[id].full_name.as_str(),
        None => "NULL",
    };
    let mut line = format!(
        "id={} addr={} laddr={} fd={} name=",
        shared.id,
        shared.address,
        shared.local_address,
        shared.descriptor.load(Ordering::Relaxed),
    )
    .into_bytes();
    line.extend_from_slice(&names.name);
    let middle = format!(
        " age={age} idle={idle} flags={} db={} sub={} psub={} ssub={} multi={} watch={} qbuf={input} \
         qbuf-free={} argv-mem={arguments} multi-mem={} rbs={} rbp={} obl=0 oll={} omem={output} tot-mem={total} \
         events={} cmd={command} user=",
        flags(shared),
        load(&shared.database),
        load(&shared.channel_count),
        load(&shared.pattern_count),
        load(&shared.shard_channel_count),
        shared.queued_count.load(Ordering::Relaxed),
        shared.watched_count(),
        load(&memory.query_buffer_free_bytes),
        load(&memory.queued_bytes),
        load(&memory.reply_buffer_bytes),
        load(&shared.output_buffer_peak_bytes),
        usize::from(output > 0),
        if output > 0 { "rw" } else { "r" },
    );
    line.extend_from_slice(middle.as_bytes());
    line.extend_from_slice(&names.user);
    let middle = format!(
        " redir={} resp={} lib-name=",
        shared.tracking.redirect_or_none(),
        shared.protocol.load(Ordering::Relaxed),
    );
    line.extend_from_slice(middle.as_bytes());
    line.extend_from_slice(&names.lib_name);
    line.extend_from_slice(b" lib-ver=");
    line.extend_from_slice(&names.lib_ver);
    let end = format!(
        " io-thread={} tot-net-in={} tot-net-out={} tot-cmds={} capa={}",
        load(&shared.thread),
        shared.input_bytes.load(Ordering::Relaxed),
        shared.output_bytes.load(Ordering::Relaxed),
        shared.command_count.load(Ordering::Relaxed),
        if shared.follows_redirects.load(Ordering::Relaxed) {
            "r"
        } else {
            ""
        },
    );
    line.extend_from_slice(end.as_bytes());
    line
}

/// The letters of a session's state, `N` if there is nothing to say.
pub(super) fn flags(shared: &ClientShared) -> String {
    let tracking = shared.tracking.flags();
    let letters = [
        ('O', shared.is_monitor.load(Ordering::Relaxed)),
        ('S', shared.is_replica.load(Ordering::Relaxed)),
        ('M', shared.is_primary.load(Ordering::Relaxed)),
        ('P', shared.is_subscribed()),
        ('x', shared.queued_count.load(Ordering::Relaxed) >= 0),
        ('b', shared.is_blocked()),
        ('t', tracking.contains(TrackingFlags::ON)),
        ('R', tracking.contains(TrackingFlags::BROKEN_REDIRECT)),
        ('B', tracking.contains(TrackingFlags::BCAST)),
        ('d', shared.is_dirty()),
        ('A', shared.is_killed()),
        ('U', shared.is_unix_socket),
        ('e', shared.no_evict.load(Ordering::Relaxed)),
        ('T', shared.no_touch.load(Ordering::Relaxed)),
        ('I', shared.is_import_source.load(Ordering::Relaxed)),
    ];
    let set: String = letters
        .into_iter()
        .filter_map(|(letter, is_set)| is_set.then_some(letter))
        .collect();
    if set.is_empty() { "N".to_owned() } else { set }
}

fn client_kill(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let is_old_form = cx.argc() == 3;
    let filter = if is_old_form {
        ClientFilter::at(cx.arg(2))
    } else {
        ClientFilter::parse(cx, Purpose::Kill)?
    };
    let me = cx.client.id();
    let mut killed = 0;
    for shared in cx.engine().clients.all() {
        if shared.is_killed() || !filter.matches(&shared, me, cx.now_ms()) {
            continue;
        }
        if shared.id == me {
            cx.client.close_after_reply = true;
        } else {
            shared.kill();
        }
        killed += 1;
    }
    if !is_old_form {
        out.integer(killed);
    } else if killed == 0 {
        return Err(CommandError::text("ERR No such client"));
    } else {
        out.ok();
    }
    Ok(())
}

/// What the client can do: only following a redirection is known, what else it says is ignored.
fn client_capa(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut said = cx.args().iter().skip(2);
    if said.any(|word| word.eq_ignore_ascii_case(b"redirect")) {
        let follows_redirects = &cx.client.shared.follows_redirects;
        follows_redirects.store(true, Ordering::Relaxed);
    }
    out.ok();
    Ok(())
}

fn client_import_source(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if !cx.arg_is(2, "OFF") && !cx.engine().config.import_mode() {
        return Err(CommandError::text("ERR Server is not in import mode"));
    }
    cx.client.set_import_source(switch(cx)?);
    out.ok();
    Ok(())
}

fn client_unblock(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let with_error = match cx.argc() {
        3 => false,
        4 if cx.arg_is(3, "TIMEOUT") => false,
        4 if cx.arg_is(3, "ERROR") => true,
        4 => {
            return Err(CommandError::text(
                "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
        _ => return Err(unknown_subcommand(cx)),
    };
    let id = cx.integer(2)?;
    let target = u64::try_from(id)
        .ok()
        .and_then(|id| cx.engine().clients.get(id));
    let blocked = target.and_then(|target| target.blocked.lock().clone());
    let is_unblocked = blocked.is_some_and(|blocked| {
        let Some(reply) = &blocked.blocking.on_timeout else {
            return false;
        };
        blocked.finish_with(|out| {
            if with_error {
                out.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
            } else {
                reply.write(out);
            }
        })
    });
    out.integer(is_unblocked.into());
    Ok(())
}

/// The error of a subcommand whose arity admits more arguments than any of its forms has.
fn unknown_subcommand(cx: &Context<'_>) -> CommandError {
    CommandError::unknown_subcommand(cx.arg(1), "CLIENT")
}

// Pausing.

fn client_pause(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let writes_only = match cx.argc() {
        3 => false,
        4 if cx.arg_is(3, "WRITE") => true,
        4 if cx.arg_is(3, "ALL") => false,
        4 => {
            return Err(CommandError::text(
                "ERR CLIENT PAUSE mode must be WRITE or ALL",
            ));
        }
        _ => return Err(unknown_subcommand(cx)),
    };
    let timeout_ms = parse_integer(cx.arg(2)).ok_or(CommandError::text(
        "ERR timeout is not an integer or out of range",
    ))?;
    if timeout_ms < 0 {
        return Err(CommandError::text("ERR timeout is negative"));
    }
    let until_ms = cx
        .now_ms()
        .checked_add(timeout_ms)
        .ok_or(CommandError::text("ERR timeout is out of range"))?;
    if timeout_ms > 0 {
        let engine = cx.engine();
        (engine.pause).start(&engine.gate, cx.now_ms(), until_ms, writes_only);
    }
    out.ok();
    Ok(())
}

fn client_unpause(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    cx.engine().pause.end(&cx.engine().gate);
    out.ok();
    Ok(())
}

fn client_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    super::reply_help(
        out,
        "CLIENT",
        &[
            (
                "CACHING (YES|NO)",
                "Says whether the keys of the next command are tracked.",
            ),
            (
                "CAPA <capability> [<capability> ...]",
                "Tells what this client can do: redirect.",
            ),
            ("GETNAME", "Answers the name of this connection."),
            (
                "GETREDIR",
                "Answers where the invalidations of this connection go.",
            ),
            ("ID", "Answers the number of this connection."),
            (
                "IMPORT-SOURCE (ON|OFF)",
                "Says whether this connection imports data.",
            ),
            ("INFO", "Answers what is known of this connection."),
            ("KILL <ip:port>", "Closes the connection from this address."),
            (
                "KILL <filter> <value> [<filter> <value> ...]",
                "Closes the connections that pass every filter: ID, TYPE, USER, ADDR, LADDR, IP, MAXAGE, IDLE, \
                 NAME, LIB-NAME, LIB-VER, DB, FLAGS, CAPA, and most of them behind NOT-; SKIPME no includes this one.",
            ),
            (
                "LIST [<filter> <value> ...]",
                "Lists connections, one a line; the filters are those of KILL.",
            ),
            (
                "NO-EVICT (ON|OFF)",
                "Protects this connection from being evicted.",
            ),
            (
                "NO-TOUCH (ON|OFF)",
                "Lets this connection read keys without making them look used.",
            ),
            (
                "PAUSE <timeout> [WRITE|ALL]",
                "Keeps commands waiting for some milliseconds.",
            ),
            (
                "REPLY (ON|OFF|SKIP)",
                "Says whether this connection wants replies.",
            ),
            (
                "SETINFO (LIB-NAME|LIB-VER) <value>",
                "Tells which client library this is.",
            ),
            ("SETNAME <name>", "Names this connection."),
            (
                "TRACKING (ON|OFF) [<option> ...]",
                "Tracks the keys that this connection reads.",
            ),
            (
                "TRACKINGINFO",
                "Answers how this connection's keys are tracked.",
            ),
            (
                "UNBLOCK <id> [TIMEOUT|ERROR]",
                "Ends the wait of a blocked connection.",
            ),
            ("UNPAUSE", "Ends a pause."),
        ],
    )
}
