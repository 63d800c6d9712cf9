//! The connection family: PING, ECHO, SELECT, HELLO, AUTH, QUIT, RESET. CLIENT stands in `client`.

use oxidis_resp::Protocol;

use crate::acl::{self, DEFAULT_USER, Denial, DenialContext};
use crate::client::{Client, ReplyMode};
use crate::command::dispatch::discard_transaction;
use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, Group, Reply,
};
use crate::engine::Engine;
use crate::text::parse_integer;
use crate::version::REDIS_VERSION;

/// Those that a client may send before it has said who it is.
const GREETING: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::NO_AUTH)
    .union(Flags::ALLOW_BUSY);
const SMALL: Flags = Flags::LOADING.union(Flags::STALE).union(Flags::FAST);

const ROW: Command = Command {
    categories: Categories::CONNECTION,
    group: Group::Connection,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "auth",
        history: &[("6.0.0", "A name of a user may stand before the password.")],
        arity: -2,
        flags: GREETING,
        complexity: "O(N) in the number of passwords of the user",
        summary: "Proves who the client is, by the password of a user.",
        syntax: "[username^6.0.0] password",
        handler: auth,
        ..ROW
    },
    Command {
        name: "echo",
        arity: 2,
        flags: SMALL,
        summary: "Answers its argument.",
        syntax: "message",
        handler: echo,
        ..ROW
    },
    Command {
        name: "hello",
        history: &[(
            "6.2.0",
            "Without a version it answers what holds and changes nothing.",
        )],
        arity: -1,
        flags: GREETING,
        since: "6.0.0",
        summary: "Says who is talking to whom, and chooses the protocol.",
        syntax: "[arguments= protover:integer [auth= AUTH (username password)] [SETNAME clientname]]",
        handler: hello,
        ..ROW
    },
    Command {
        name: "ping",
        arity: -1,
        flags: Flags::FAST,
        summary: "Answers PONG, or its argument.",
        syntax: "[message]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        handler: ping,
        ..ROW
    },
    Command {
        name: "quit",
        arity: -1,
        flags: GREETING,
        summary: "Ends the connection.",
        handler: quit,
        replaced_by: Some("just closing the connection"),
        deprecated_since: Some("7.2.0"),
        ..ROW
    },
    Command {
        name: "reset",
        arity: 1,
        flags: GREETING,
        since: "6.2.0",
        summary: "Brings the connection back to the state of a new one.",
        handler: reset,
        ..ROW
    },
    Command {
        name: "select",
        arity: 2,
        flags: SMALL,
        summary: "Chooses the database that the connection works on.",
        syntax: "index:integer",
        handler: select,
        ..ROW
    },
];

const WRONG_PASSWORD: CommandError =
    CommandError::text("WRONGPASS invalid username-password pair or user is disabled.");

fn ping(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() > 2 {
        return Err(CommandError::WrongArity("ping".into()));
    }
    if cx.client.is_subscriber_only() {
        out.array(2);
        out.bulk(b"pong");
        out.bulk(cx.arg(1));
    } else if cx.argc() == 1 {
        out.simple("PONG");
    } else {
        out.bulk(cx.arg(1));
    }
    Ok(())
}

fn echo(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.bulk(cx.arg(1));
    Ok(())
}

fn select(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let index = cx.database_argument(1)?;
    cx.client.select(index);
    out.ok();
    Ok(())
}

fn quit(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    cx.client.close_after_reply = true;
    out.ok();
    Ok(())
}

fn auth(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let (user, password) = match cx.argc() {
        2 if cx.engine().is_open() => {
            return Err(CommandError::text(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => (DEFAULT_USER, cx.arg(1)),
        3 => (cx.arg(1), cx.arg(2)),
        _ => return Err(CommandError::Syntax),
    };
    authenticate(cx, user, password)?;
    out.ok();
    Ok(())
}

fn authenticate(cx: &mut Context<'_>, name: &[u8], password: &[u8]) -> CommandResult {
    let users = cx.engine().acl.users();
    let user = users.get(name).filter(|user| user.accepts(password));
    if user.is_none() {
        let context = match cx.client.transaction.is_open {
            true => DenialContext::Transaction,
            false => DenialContext::TopLevel,
        };
        let denial = Denial::Authentication;
        acl::log_denial(cx.engine(), cx.client, denial, context, cx.arg(0), name);
        return Err(WRONG_PASSWORD);
    }
    cx.client.is_authenticated = true;
    cx.client.set_user(name);
    Ok(())
}

fn hello(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut protocol = None;
    if cx.argc() > 1 {
        let version = parse_integer(cx.arg(1)).ok_or(CommandError::text(
            "ERR Protocol version is not an integer or out of range",
        ))?;
        protocol = Some(match version {
            2 => Protocol::Resp2,
            3 => Protocol::Resp3,
            _ => return Err(CommandError::text("NOPROTO unsupported protocol version")),
        });
    }
    // Nothing is done before all of it is known to be well formed.
    let mut credentials = None;
    let mut name = None;
    let mut index = 2;
    while index < cx.argc() {
        let rest = cx.argc() - 1 - index;
        if cx.arg_is(index, "AUTH") && rest >= 2 {
            credentials = Some((cx.arg(index + 1), cx.arg(index + 2)));
            index += 3;
        } else if cx.arg_is(index, "SETNAME") && rest >= 1 {
            super::client::check_name(cx.arg(index + 1))?;
            name = Some(cx.arg(index + 1));
            index += 2;
        } else {
            let before = "ERR Syntax error in HELLO option '";
            return Err(CommandError::quoting(before, cx.arg(index), "'"));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(cx, user, password)?;
    }
    if !cx.client.is_authenticated {
        return Err(CommandError::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        super::client::set_name(cx.client, name)?;
    }
    if let Some(protocol) = protocol {
        cx.client.set_protocol(protocol);
        out.set_protocol(protocol);
    }
    let zone = cx.engine().config().availability_zone();
    out.map(7 + usize::from(!zone.is_empty()));
    out.bulk(b"server");
    out.bulk(b"redis");
    out.bulk(b"version");
    out.bulk(REDIS_VERSION.as_bytes());
    out.bulk(b"proto");
    out.integer(cx.client.protocol.version());
    out.bulk(b"id");
    out.integer(cx.client.id() as i64);
    out.bulk(b"mode");
    out.bulk(b"standalone");
    out.bulk(b"role");
    out.bulk(match cx.engine().replication.is_replica() {
        true => b"replica",
        false => b"master",
    });
    out.bulk(b"modules");
    out.array(0);
    if !zone.is_empty() {
        out.bulk(b"availability_zone");
        out.bulk(&zone);
    }
    Ok(())
}

fn reset(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    discard_transaction(cx.worker, cx.client);
    super::pubsub::unsubscribe_all(&cx.worker.engine, cx.client);
    cx.worker.engine.monitors.remove(&cx.client.shared);
    crate::tracking::disable(&cx.worker.engine, cx.client);
    reset_client(&cx.worker.engine, cx.client);
    out.set_protocol(Protocol::Resp2);
    out.simple("RESET");
    Ok(())
}

/// Brings what a session remembers of itself back to how it began.
fn reset_client(engine: &Engine, client: &mut Client) {
    client.select(0);
    client.set_protocol(Protocol::Resp2);
    client.is_authenticated = !engine.acl.asks_password();
    client.set_user(DEFAULT_USER);
    client.reply_mode = ReplyMode::On;
    client.set_no_evict(false);
    client.set_no_touch(false);
    client.set_import_source(false);
    client.shared.names.lock().name.clear();
}
