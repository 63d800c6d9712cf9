//! Publishing and subscribing.

use std::sync::atomic::Ordering;

use oxidis_resp::Writer;

use crate::client::{Client, ReplyMode};
use crate::client_memory::name_bytes;
use crate::command::{
    Command, CommandError, CommandResult, Context, Flags, Group, KeyFlags, KeySpec, Locks, Reply,
};
use crate::engine::Engine;
use crate::mailbox::Message;
use crate::pubsub::Kind;

const SUBSCRIBING: Flags = Flags::PUBSUB
    .union(Flags::NOSCRIPT)
    .union(Flags::LOADING)
    .union(Flags::STALE);
const PUBLISHING: Flags = Flags::PUBSUB
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::MAY_REPLICATE);
const LOOKING: Flags = Flags::PUBSUB.union(Flags::LOADING).union(Flags::STALE);
const SHARD: &[KeySpec] = &[KeySpec::range(1, -1, 1, KeyFlags::NOT_KEY)];

const ROW: Command = Command {
    group: Group::Pubsub,
    since: "2.0.0",
    locks: Locks::Stepwise,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "psubscribe",
        arity: -2,
        flags: SUBSCRIBING,
        complexity: "O(N) in the number of patterns",
        summary: "Subscribes to the channels that match one of the patterns.",
        syntax: "pattern [pattern ...]",
        handler: psubscribe,
        ..ROW
    },
    Command {
        name: "publish",
        arity: 3,
        flags: PUBLISHING,
        complexity: "O(N+M): subscribers of the channel and patterns of everybody",
        summary: "Sends a message to the subscribers of a channel.",
        syntax: "channel:string message:string",
        handler: publish,
        ..ROW
    },
    Command {
        name: "pubsub",
        arity: -2,
        since: "2.8.0",
        complexity: "That of the subcommand",
        summary: "Looks at who is subscribed to what.",
        subcommands: &[
            Command {
                name: "channels",
                arity: -2,
                flags: LOOKING,
                since: "2.8.0",
                complexity: "O(N) in the number of channels",
                summary: "Lists the channels that somebody is subscribed to.",
                syntax: "[pattern]",
                handler: pubsub_channels,
                ..ROW
            },
            ROW.help("6.2.0", pubsub_help),
            Command {
                name: "numpat",
                arity: 2,
                flags: LOOKING,
                since: "2.8.0",
                summary: "Counts the different patterns that are subscribed to.",
                handler: pubsub_numpat,
                ..ROW
            },
            Command {
                name: "numsub",
                arity: -2,
                flags: LOOKING,
                since: "2.8.0",
                complexity: "O(N) in the number of channels asked for",
                summary: "Counts the subscribers of channels.",
                syntax: "[channel [channel ...]]",
                handler: pubsub_numsub,
                ..ROW
            },
            Command {
                name: "shardchannels",
                arity: -2,
                flags: LOOKING,
                since: "7.0.0",
                complexity: "O(N) in the number of shard channels",
                summary: "Lists the shard channels that somebody is subscribed to.",
                syntax: "[pattern]",
                handler: pubsub_shardchannels,
                ..ROW
            },
            Command {
                name: "shardnumsub",
                arity: -2,
                flags: LOOKING,
                since: "7.0.0",
                complexity: "O(N) in the number of shard channels asked for",
                summary: "Counts the subscribers of shard channels.",
                syntax: "[shardchannel [shardchannel ...]]",
                handler: pubsub_shardnumsub,
                ..ROW
            },
        ],
        ..ROW
    },
    Command {
        name: "punsubscribe",
        arity: -1,
        flags: SUBSCRIBING,
        complexity: "O(N) in the number of patterns",
        summary: "Ends subscriptions to patterns, to all if none is named.",
        syntax: "[pattern [pattern ...]]",
        handler: punsubscribe,
        ..ROW
    },
    Command {
        name: "spublish",
        arity: 3,
        flags: PUBLISHING,
        keys: &[KeySpec::first(KeyFlags::NOT_KEY)],
        since: "7.0.0",
        complexity: "O(N) in the number of subscribers",
        summary: "Sends a message to the subscribers of a shard channel.",
        syntax: "shardchannel:string message:string",
        handler: spublish,
        ..ROW
    },
    Command {
        name: "ssubscribe",
        arity: -2,
        flags: SUBSCRIBING,
        keys: SHARD,
        since: "7.0.0",
        complexity: "O(N) in the number of shard channels",
        summary: "Subscribes to shard channels.",
        syntax: "shardchannel [shardchannel ...]",
        handler: ssubscribe,
        ..ROW
    },
    Command {
        name: "subscribe",
        arity: -2,
        flags: SUBSCRIBING,
        complexity: "O(N) in the number of channels",
        summary: "Subscribes to channels.",
        syntax: "channel [channel ...]",
        handler: subscribe,
        ..ROW
    },
    Command {
        name: "sunsubscribe",
        arity: -1,
        flags: SUBSCRIBING,
        keys: SHARD,
        since: "7.0.0",
        complexity: "O(N) in the number of shard channels",
        summary: "Ends subscriptions to shard channels, to all if none is named.",
        syntax: "[shardchannel [shardchannel ...]]",
        handler: sunsubscribe,
        ..ROW
    },
    Command {
        name: "unsubscribe",
        arity: -1,
        flags: SUBSCRIBING,
        complexity: "O(N) in the number of channels",
        summary: "Ends subscriptions to channels, to all if none is named.",
        syntax: "[channel [channel ...]]",
        handler: unsubscribe,
        ..ROW
    },
];

/// The words of the confirmations of subscribing and unsubscribing.
fn words(kind: Kind) -> (&'static [u8], &'static [u8]) {
    match kind {
        Kind::Channel => (b"subscribe", b"unsubscribe"),
        Kind::Pattern => (b"psubscribe", b"punsubscribe"),
        Kind::Shard => (b"ssubscribe", b"sunsubscribe"),
    }
}

fn subscribe(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    subscribe_to(cx, Kind::Channel, out)
}

fn psubscribe(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    subscribe_to(cx, Kind::Pattern, out)
}

/// Not in a transaction, where the other subscriptions are taken as they always were.
fn ssubscribe(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if !cx.may_block() {
        return Err(CommandError::text(
            "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client",
        ));
    }
    subscribe_to(cx, Kind::Shard, out)
}

fn unsubscribe(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    unsubscribe_from(cx, Kind::Channel, out)
}

fn punsubscribe(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    unsubscribe_from(cx, Kind::Pattern, out)
}

fn sunsubscribe(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    unsubscribe_from(cx, Kind::Shard, out)
}

fn subscribe_to(cx: &mut Context<'_>, kind: Kind, out: &mut Reply<'_>) -> CommandResult {
    for index in 1..cx.argc() {
        let name = cx.arg(index);
        if cx.client.subscriptions.of(kind).insert(name.to_vec()) {
            let subscribed_bytes = &cx.client.shared.memory.subscribed_bytes;
            subscribed_bytes.fetch_add(name_bytes(name), Ordering::Relaxed);
            cx.engine().pubsub.subscribe(kind, name, &cx.client.shared);
        }
        confirm(cx.client, words(kind).0, Some(name), kind, out);
    }
    note_counts(cx.client);
    Ok(())
}

fn unsubscribe_from(cx: &mut Context<'_>, kind: Kind, out: &mut Reply<'_>) -> CommandResult {
    let names: Vec<Vec<u8>> = if cx.argc() > 1 {
        cx.args().iter().skip(1).map(<[u8]>::to_vec).collect()
    } else {
        cx.client.subscriptions.of(kind).iter().cloned().collect()
    };
    if names.is_empty() {
        confirm(cx.client, words(kind).1, None, kind, out);
    }
    for name in names {
        if cx.client.subscriptions.of(kind).remove(&name) {
            let subscribed_bytes = &cx.client.shared.memory.subscribed_bytes;
            subscribed_bytes.fetch_sub(name_bytes(&name), Ordering::Relaxed);
            cx.engine()
                .pubsub
                .unsubscribe(kind, &name, &cx.client.shared);
        }
        confirm(cx.client, words(kind).1, Some(&name), kind, out);
    }
    note_counts(cx.client);
    Ok(())
}

/// Confirms a subscription or its end. That is a push and no reply: CLIENT REPLY does not silence
/// it, so it goes another way than the reply that will be dropped.
fn confirm(client: &Client, word: &[u8], name: Option<&[u8]>, kind: Kind, out: &mut Reply<'_>) {
    let count = client.subscriptions.count_for(kind);
    if client.reply_mode == ReplyMode::On {
        return write_confirmation(word, name, count, out);
    }
    let mut pushed = Vec::new();
    let mut out = Writer::new(&mut pushed, client.protocol);
    write_confirmation(word, name, count, &mut out);
    client.shared.post(Message::Push(pushed.into()));
}

fn write_confirmation(word: &[u8], name: Option<&[u8]>, count: usize, out: &mut Reply<'_>) {
    out.push(3);
    out.bulk(word);
    match name {
        Some(name) => out.bulk(name),
        None => out.null(),
    }
    out.integer(count as i64);
}

fn note_counts(client: &Client) {
    let subscriptions = &client.subscriptions;
    client
        .shared
        .channel_count
        .store(subscriptions.channels.len(), Ordering::Relaxed);
    client
        .shared
        .pattern_count
        .store(subscriptions.patterns.len(), Ordering::Relaxed);
    client
        .shared
        .shard_channel_count
        .store(subscriptions.shard_channels.len(), Ordering::Relaxed);
}

/// Ends every subscription of a session, without confirmations.
pub(crate) fn unsubscribe_all(engine: &Engine, client: &mut Client) {
    for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
        for name in std::mem::take(client.subscriptions.of(kind)) {
            engine.pubsub.unsubscribe(kind, &name, &client.shared);
        }
    }
    let subscribed_bytes = &client.shared.memory.subscribed_bytes;
    subscribed_bytes.store(0, Ordering::Relaxed);
    note_counts(client);
}

fn publish(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(cx.engine().pubsub.publish(cx.arg(1), cx.arg(2)) as i64);
    Ok(())
}

fn spublish(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(cx.engine().pubsub.publish_shard(cx.arg(1), cx.arg(2)) as i64);
    Ok(())
}

fn pubsub_channels(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    active(cx, Kind::Channel, out)
}

fn pubsub_shardchannels(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    active(cx, Kind::Shard, out)
}

fn active(cx: &mut Context<'_>, kind: Kind, out: &mut Reply<'_>) -> CommandResult {
    let pattern = match cx.argc() {
        2 => None,
        3 => Some(cx.arg(2)),
        _ => return Err(CommandError::unknown_subcommand(cx.arg(1), "PUBSUB")),
    };
    let names = cx.engine().pubsub.active(kind, pattern);
    out.array(names.len());
    names.iter().for_each(|name| out.bulk(name));
    Ok(())
}

fn pubsub_numpat(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(cx.engine().pubsub.pattern_count() as i64);
    Ok(())
}

fn pubsub_numsub(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    subscriber_counts(cx, Kind::Channel, out)
}

fn pubsub_shardnumsub(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    subscriber_counts(cx, Kind::Shard, out)
}

fn subscriber_counts(cx: &mut Context<'_>, kind: Kind, out: &mut Reply<'_>) -> CommandResult {
    out.array((cx.argc() - 2) * 2);
    for name in cx.args().iter().skip(2) {
        out.bulk(name);
        out.integer(cx.engine().pubsub.subscriber_count(kind, name) as i64);
    }
    Ok(())
}

fn pubsub_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    super::reply_help(
        out,
        "PUBSUB",
        &[
            (
                "CHANNELS [<pattern>]",
                "Lists the channels with subscribers.",
            ),
            ("NUMPAT", "Counts the patterns that are subscribed to."),
            (
                "NUMSUB [<channel> ...]",
                "Counts the subscribers of channels.",
            ),
            (
                "SHARDCHANNELS [<pattern>]",
                "Lists the shard channels with subscribers.",
            ),
            (
                "SHARDNUMSUB [<shardchannel> ...]",
                "Counts the subscribers of shard channels.",
            ),
        ],
    )
}
