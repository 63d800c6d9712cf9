//! Replication: what replicas ask of this server, and REPLICAOF, which makes it one. (`replication` has the rest.)

use std::sync::atomic::Ordering;

use oxidis_resp::inline;

use crate::command::{Command, CommandError, CommandResult, Context, Flags, Group, Locks, Reply};
use crate::config::LogLevel;
use crate::replication::{Continuation, follow, take_on};
use crate::snapshot::SnapshotContents;
use crate::text::parse_integer;

/// The longest name of a host that a follower may give, and one.
const HOST_BYTES_END: usize = 256;

const ADMIN: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::STALE);

const SYNC: Flags = Flags::ADMIN
    .union(Flags::NOSCRIPT)
    .union(Flags::NO_ASYNC_LOADING)
    .union(Flags::NO_MULTI);

const ROW: Command = Command {
    group: Group::Server,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "failover",
        arity: -1,
        flags: ADMIN,
        since: "6.2.0",
        summary: "Refuses to hand over to a replica.",
        syntax: "[target= TO (host port:integer [FORCE])] [ABORT] [TIMEOUT milliseconds:integer]",
        handler: failover,
        ..ROW
    },
    Command {
        name: "psync",
        arity: -3,
        flags: SYNC,
        locks: Locks::All,
        since: "2.8.0",
        complexity: "O(N) in what the replica lacks",
        summary: "Sends what a replica missed, or the whole data set, and then every change of it.",
        is_internal: true,
        syntax: "replicationid offset:integer",
        handler: psync,
        ..ROW
    },
    Command {
        name: "replconf",
        arity: -1,
        flags: ADMIN.union(Flags::LOADING).union(Flags::ALLOW_BUSY),
        since: "3.0.0",
        summary: "Takes what a follower says of itself.",
        is_internal: true,
        handler: replconf,
        ..ROW
    },
    Command {
        name: "replicaof",
        arity: 3,
        flags: ADMIN.union(Flags::NO_ASYNC_LOADING),
        locks: Locks::All,
        since: "5.0.0",
        summary: "Makes the server a replica of another, or a master again.",
        syntax: "args= (host port:integer)|(NO ONE)",
        handler: replicaof,
        ..ROW
    },
    Command {
        name: "slaveof",
        arity: 3,
        flags: ADMIN.union(Flags::NO_ASYNC_LOADING),
        locks: Locks::All,
        summary: "Makes the server a replica of another, or a master again.",
        syntax: "args= (host port:integer)|(NO ONE)",
        replaced_by: Some("`REPLICAOF`"),
        deprecated_since: Some("5.0.0"),
        handler: replicaof,
        ..ROW
    },
    Command {
        name: "sync",
        arity: 1,
        flags: SYNC,
        locks: Locks::All,
        complexity: "O(N) in the size of the data",
        summary: "Sends the whole data set, and then every change of it.",
        handler: sync,
        ..ROW
    },
];

fn failover(cx: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    let mut has_target = false;
    let mut aborts = false;
    let mut index = 1;
    while index < cx.argc() {
        let rest = cx.argc() - index - 1;
        if cx.arg_is(index, "TIMEOUT") && rest >= 1 {
            index += 1;
            if cx.integer(index)? <= 0 {
                return Err(CommandError::text(
                    "ERR FAILOVER timeout must be greater than 0",
                ));
            }
        } else if cx.arg_is(index, "ABORT") && cx.argc() == 2 {
            aborts = true;
        } else if cx.arg_is(index, "TO") && rest >= 2 && !has_target {
            has_target = true;
            index += 2;
            cx.integer(index)?;
        } else if !cx.arg_is(index, "FORCE") {
            return Err(CommandError::Syntax);
        }
        index += 1;
    }
    Err(CommandError::text(if aborts {
        "ERR No failover in progress."
    } else {
        "ERR FAILOVER requires connected replicas."
    }))
}

/// Takes what a replica says of itself, or of what it has.
fn replconf(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    /// What makes no difference, and is a word of its own.
    const IGNORED: [&str; 2] = ["version", "rdb-channel"];
    if cx.argc().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    for index in (1..cx.argc()).step_by(2) {
        if cx.arg_is(index, "ack") {
            acknowledge(cx, index + 1);
            return Ok(());
        }
        if cx.arg_is(index, "getack") {
            if let Some(following) = &mut cx.worker.following {
                following.is_asked = true;
            }
            return Ok(());
        }
        if cx.arg_is(index, "listening-port") {
            cx.client.replica.port = u16::try_from(cx.integer(index + 1)?).unwrap_or(0);
        } else if cx.arg_is(index, "ip-address") {
            let address = cx.arg(index + 1);
            let length = address.len();
            if length >= HOST_BYTES_END {
                let text = "ERR REPLCONF ip-address provided by replica instance is too long";
                return Err(format!("{text}: {length} bytes").into());
            }
            cx.client.replica.address = Some(address.to_vec());
        } else if cx.arg_is(index, "capa") {
            cx.client.replica.knows_marks |= cx.arg_is(index + 1, "eof");
            cx.client.replica.knows_ids |= cx.arg_is(index + 1, "psync2");
        } else if cx.arg_is(index, "rdb-only") {
            cx.client.replica.data_only = cx.integer_between(index + 1, 0..=1)? == 1;
        } else if cx.arg_is(index, "rdb-filter-only") {
            cx.client.replica.contents = parse_filter(cx.arg(index + 1))?;
        } else if !IGNORED.iter().any(|option| cx.arg_is(index, option)) {
            let before = "ERR Unrecognized REPLCONF option: ";
            return Err(CommandError::quoting(before, cx.arg(index), ""));
        }
    }
    out.ok();
    Ok(())
}

/// What a replica has of the stream, and behind FACK what of it is on its disk. There is no reply, whatever it says.
fn acknowledge(cx: &mut Context<'_>, index: usize) {
    let offset = |index| parse_integer(cx.arg(index)).and_then(|offset| u64::try_from(offset).ok());
    let on_disk = || match cx.argc() > index + 2 && cx.arg_is(index + 1, "fack") {
        true => offset(index + 2),
        false => None,
    };
    if let Some(acknowledged) = offset(index) {
        let engine = cx.engine();
        let id = cx.client.id();
        (engine.replication).acknowledge(id, acknowledged, on_disk(), engine);
    }
}

/// The words of `rdb-filter-only`: what is sent of a data set; nothing without a word.
fn parse_filter(text: &[u8]) -> Result<SnapshotContents, CommandError> {
    let words = inline::split(text)
        .map_err(|_| CommandError::text("ERR Missing rdb-filter-only values"))?;
    let mut contents = SnapshotContents {
        keys: false,
        functions: false,
    };
    for word in &words {
        if !word.eq_ignore_ascii_case(b"functions") {
            let before = "ERR Unsupported rdb-filter-only option: ";
            return Err(CommandError::quoting(before, word, ""));
        }
        contents.functions = true;
    }
    Ok(contents)
}

fn replicaof(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.engine().config.cluster_enabled() {
        return Err(CommandError::text(
            "ERR REPLICAOF not allowed in cluster mode.",
        ));
    }
    if cx.arg_is(1, "NO") && cx.arg_is(2, "ONE") {
        if cx.engine().replication.is_replica() {
            let line = "MASTER MODE enabled (user request)";
            cx.engine().host.log(LogLevel::Notice, line);
            follow(cx.worker, None);
        }
        out.ok();
        return Ok(());
    }
    if cx.client.shared.is_replica.load(Ordering::Relaxed) {
        return Err(CommandError::text(
            "ERR Command is not valid when client is a replica.",
        ));
    }
    let port = parse_integer(cx.arg(2)).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(CommandError::text("ERR Invalid master port"))?;
    let host = cx.arg(1).to_vec();
    let is_same = {
        let state = cx.engine().replication.lock();
        let upstream = state.upstream.as_ref();
        upstream.is_some_and(|it| it.host == host && it.port == port)
    };
    if is_same {
        out.simple("OK Already connected to specified master");
        return Ok(());
    }
    let line = format!(
        "REPLICAOF {}:{port} enabled (user request)",
        String::from_utf8_lossy(&host)
    );
    cx.engine().host.log(LogLevel::Notice, &line);
    follow(cx.worker, Some((host, port)));
    out.ok();
    Ok(())
}

fn sync(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    take_on(cx, None, out)
}

fn psync(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() > 3 && cx.arg_is(3, "failover") {
        return Err(CommandError::text(
            "ERR PSYNC FAILOVER can't be sent to a server that hands nothing over.",
        ));
    }
    let wanted = Continuation {
        id: cx.arg(1).to_vec(),
        next: cx.integer(2)?,
    };
    take_on(cx, Some(&wanted), out)
}
