//! The commands that read what is new, and may wait for it: XREAD and XREADGROUP.
//!
//! A command that waits leaves, for each stream, itself on that stream alone, with the ID that `$`
//! was when it came. XREADGROUP is also served when its stream or group is lost: it then fails as
//! it would if it came now.

use oxidis_resp::Protocol;

use super::arguments::{count, strict_id};
use super::propagate::GroupLog;
use super::reply::{reply_entries, reply_entry, reply_entry_of, reply_id};
use super::rows::{KEY_TO_READ, ROW, no_key_or_group};
use crate::blocking::{BlockedKey, Blocking, TimeoutReply};
use crate::command::{
    Args, BeginSearch, Command, CommandError, CommandResult, Context, EventClass, FindKeys, Flags,
    KeySpec, Reply,
};
use crate::keyspace::Key;
use crate::text::parse_integer;
use crate::value::stream::{ConsumerId, Pending};
use crate::value::{Stream, StreamId};

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "xread",
        arity: -4,
        flags: Flags::READONLY.union(Flags::BLOCKING),
        keys: &[keys_behind_streams(1)],
        key_finder: Some(find_keys),
        complexity: "O(log(M)+N) for each stream of M entries, N of which are answered.",
        summary: "Answers the entries of several streams behind an ID each, or waits for one.",
        syntax: "[COUNT count:integer] [BLOCK milliseconds:integer] streams= (STREAMS key [key ...] id [id ...])",
        handler: xread,
        ..ROW
    },
    Command {
        name: "xreadgroup",
        arity: -7,
        flags: Flags::WRITE.union(Flags::BLOCKING),
        keys: &[keys_behind_streams(4)],
        key_finder: Some(find_keys),
        complexity: "O(log(M)+N) for each stream of M entries, N of which are answered.",
        summary: "Gives a consumer entries of several streams that its group was not given yet, or waits for one.",
        syntax: "group-block= (GROUP group consumer) [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] \
                 streams= (STREAMS key [key ...] id [id ...])",
        handler: xreadgroup,
        ..ROW
    },
];

/// The first half of what follows the word STREAMS.
const fn keys_behind_streams(from: isize) -> KeySpec {
    KeySpec {
        flags: KEY_TO_READ,
        begin: BeginSearch::Keyword {
            word: "STREAMS",
            from,
        },
        find: FindKeys::Range {
            last: -1,
            step: 1,
            limit: 2,
        },
    }
}

/// Finds the keys by reading the options, since a group or a consumer may be called STREAMS too.
fn find_keys(args: Args<'_>, visit: &mut dyn FnMut(usize)) -> bool {
    let mut at = 1;
    while at < args.len() {
        let is = |word: &[u8]| args.get(at).eq_ignore_ascii_case(word);
        if is(b"block") || is(b"count") {
            at += 1;
        } else if is(b"group") {
            at += 2;
        } else if is(b"streams") {
            let first = at + 1;
            let following = args.len() - first;
            let fits = following > 0 && following.is_multiple_of(2);
            if fits {
                (first..first + following / 2).for_each(visit);
            }
            return fits;
        } else if !is(b"noack") {
            return false;
        }
        at += 1;
    }
    false
}

/// The arguments of XREAD and XREADGROUP.
struct Options<'a> {
    /// The most entries of each stream.
    limit: Option<usize>,
    /// Whether to wait, and until when.
    block: Option<Option<i64>>,
    /// The group and the consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    /// The argument that is the first key.
    first_key: usize,
    stream_count: usize,
}

impl<'a> Options<'a> {
    fn parse(cx: &Context<'a>, is_group: bool) -> Result<Self, CommandError> {
        let only_for_group = |option: &str| {
            CommandError::from(format!(
                "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
            ))
        };
        let mut options = Options {
            limit: None,
            block: None,
            group: None,
            no_ack: false,
            first_key: 0,
            stream_count: 0,
        };
        let mut at = 1;
        while at < cx.argc() {
            let following = cx.argc() - 1 - at;
            if cx.arg_is(at, "block") && following > 0 {
                at += 1;
                options.block = Some(deadline_ms(cx.arg(at), cx.now_ms())?);
            } else if cx.arg_is(at, "count") && following > 0 {
                at += 1;
                options.limit = Some(count(cx, at)?).filter(|&limit| limit > 0);
            } else if cx.arg_is(at, "streams") && following > 0 {
                if !following.is_multiple_of(2) {
                    let (name, id) = if is_group {
                        ("xreadgroup", "ID or '>'")
                    } else {
                        ("xread", "ID, '+', or '$'")
                    };
                    return Err(format!(
                        "ERR Unbalanced '{name}' list of streams: for each stream key an {id} \
                         must be specified."
                    )
                    .into());
                }
                options.first_key = at + 1;
                options.stream_count = following / 2;
                break;
            } else if cx.arg_is(at, "group") && following >= 2 {
                if !is_group {
                    return Err(only_for_group("GROUP"));
                }
                options.group = Some((cx.arg(at + 1), cx.arg(at + 2)));
                at += 2;
            } else if cx.arg_is(at, "noack") {
                if !is_group {
                    return Err(only_for_group("NOACK"));
                }
                options.no_ack = true;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        if options.stream_count == 0 {
            return Err(CommandError::Syntax);
        }
        if is_group && options.group.is_none() {
            return Err(CommandError::text(
                "ERR Missing GROUP option for XREADGROUP",
            ));
        }
        Ok(options)
    }

    /// The arguments that are keys.
    fn keys(&self) -> std::ops::Range<usize> {
        self.first_key..self.first_key + self.stream_count
    }

    /// The ID that goes with the key at an argument.
    fn id_of<'b>(&self, cx: &Context<'b>, key_at: usize) -> &'b [u8] {
        cx.arg(key_at + self.stream_count)
    }

    /// Waits for any of the streams, each of which is then asked for what is behind its ID.
    fn block(
        &self,
        cx: &mut Context<'_>,
        out: &mut Reply<'_>,
        ids: Vec<Vec<u8>>,
        deadline_ms: Option<i64>,
    ) -> CommandResult {
        let limit = self.limit.unwrap_or(0).to_string();
        let keys = self.keys().zip(ids).map(|(at, id)| {
            let key = cx.arg(at);
            let mut retry: Vec<&[u8]> = Vec::new();
            match self.group {
                Some((group, consumer)) => {
                    retry.extend([b"xreadgroup", &b"group"[..], group, consumer]);
                }
                None => retry.push(b"xread"),
            }
            if self.no_ack {
                retry.push(b"noack");
            }
            retry.extend([b"count", limit.as_bytes(), b"block", b"0"]);
            retry.extend([&b"streams"[..], key, &id]);
            BlockedKey {
                key: key.to_vec(),
                retry: retry.into_iter().map(<[u8]>::to_vec).collect(),
            }
        });
        let blocking = Blocking {
            keys: keys.collect(),
            deadline_ms,
            on_timeout: Some(TimeoutReply::NullArray),
            needs_other_keys: false,
            wants_loss: self.group.is_some(),
        };
        cx.block(blocking, out)
    }
}

/// When a command that waits gives up, in milliseconds since 1970, from its timeout in milliseconds;
/// `None` is never, which is what 0 means.
fn deadline_ms(timeout_ms: &[u8], now_ms: i64) -> Result<Option<i64>, CommandError> {
    let timeout_ms = parse_integer(timeout_ms).ok_or(CommandError::text(
        "ERR timeout is not an integer or out of range",
    ))?;
    match timeout_ms {
        0 => Ok(None),
        1.. => {
            let deadline_ms = now_ms.checked_add(timeout_ms);
            let out_of_range = CommandError::text("ERR timeout is out of range");
            deadline_ms.map(Some).ok_or(out_of_range)
        }
        _ => Err(CommandError::text("ERR timeout is negative")),
    }
}

/// The reply: a map of keys to entries, which RESP2 sees as an array of pairs. It begins with the first
/// stream that has something; before, there is none.
struct StreamsReply<'a, 'b> {
    out: &'a mut Reply<'b>,
    mark: Option<oxidis_resp::Mark>,
    count: usize,
}

impl<'a, 'b> StreamsReply<'a, 'b> {
    fn new(out: &'a mut Reply<'b>) -> Self {
        StreamsReply {
            out,
            mark: None,
            count: 0,
        }
    }

    /// Begins a stream, whose entries are to be written next.
    fn begin(&mut self, key: &[u8]) -> &mut Reply<'b> {
        let is_map = self.out.protocol() == Protocol::Resp3;
        if self.mark.is_none() {
            self.mark = Some(if is_map {
                self.out.deferred_map()
            } else {
                self.out.deferred_array()
            });
        }
        if !is_map {
            self.out.array(2);
        }
        self.out.bulk(key);
        self.count += 1;
        self.out
    }

    /// Ends the reply; answers whether there is one.
    fn finish(self) -> bool {
        match self.mark {
            Some(mark) if self.out.protocol() == Protocol::Resp3 => {
                self.out.finish_map(mark, self.count);
                true
            }
            Some(mark) => {
                self.out.finish_array(mark, self.count);
                true
            }
            None => false,
        }
    }
}

fn xread(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    const FOR_GROUPS: CommandError = CommandError::text(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
         <consumer> option.",
    );
    let options = Options::parse(cx, false)?;
    let mut behind = Vec::with_capacity(options.stream_count);
    for at in options.keys() {
        let stream = cx.stream(cx.key(at))?;
        behind.push(match options.id_of(cx, at) {
            b"$" => stream.map(Stream::last_id).unwrap_or_default(),
            b"+" => {
                let last = stream.and_then(Stream::last_entry_id);
                last.and_then(StreamId::previous).unwrap_or_default()
            }
            b">" => return Err(FOR_GROUPS),
            id => strict_id(id)?,
        });
    }
    let mut reply = StreamsReply::new(out);
    let limit = options.limit.unwrap_or(usize::MAX);
    for (at, &behind) in options.keys().zip(&behind) {
        let key = cx.key(at);
        let Some(stream) = cx.stream(key)? else {
            continue;
        };
        if stream.last_entry_id().is_some_and(|last| last > behind)
            && let Some(start) = behind.next()
        {
            let entries = stream.range(start, StreamId::MAX).take(limit);
            reply_entries(reply.begin(key.bytes), entries);
        }
    }
    if reply.finish() {
        return Ok(());
    }
    let Some(deadline_ms) = options.block else {
        out.null_array();
        return Ok(());
    };
    let ids = options.keys().zip(&behind);
    let ids = ids.map(|(at, behind)| match options.id_of(cx, at) {
        b"$" => behind.to_text().to_vec(),
        id => id.to_vec(),
    });
    let ids = ids.collect();
    options.block(cx, out, ids, deadline_ms)
}

fn xreadgroup(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    const MEANINGLESS: &str = "ID is meaningless in the context of XREADGROUP: you want to read the \
         history of this consumer by specifying a proper ID, or use the > ID to get new messages. The";
    let options = Options::parse(cx, true)?;
    let Some((name, consumer)) = options.group else {
        return Err(CommandError::Syntax);
    };
    // What each stream is asked for: what its group was not given yet, or what the consumer has
    // behind an ID.
    let mut behind = Vec::with_capacity(options.stream_count);
    for at in options.keys() {
        let key = cx.key(at);
        let stream = cx.stream(key)?;
        if stream.and_then(|stream| stream.group(name)).is_none() {
            let option = " in XREADGROUP with GROUP option";
            return Err(no_key_or_group(key.bytes, name, option));
        }
        behind.push(match options.id_of(cx, at) {
            sign @ (b"$" | b"+") => {
                let sign = char::from(sign[0]);
                return Err(format!(
                    "ERR The {sign} {MEANINGLESS} {sign} ID would just return an empty result set."
                )
                .into());
            }
            b">" => None,
            id => Some(strict_id(id)?).filter(|&id| id != StreamId::MAX),
        });
    }
    let now_ms = cx.now_ms();
    let mut reply = StreamsReply::new(out);
    let mut commands = Vec::new();
    for (at, &behind) in options.keys().zip(&behind) {
        let key = cx.key(at);
        let mut read = GroupRead {
            name,
            consumer,
            limit: options.limit.unwrap_or(usize::MAX),
            no_ack: options.no_ack,
            now_ms,
            log: GroupLog::new(cx, key.bytes, name),
            changes: 0,
        };
        let Some(mut stream) = cx.stream_mut(key)? else {
            continue;
        };
        let is_new = read.run(&mut stream, key, behind, &mut reply);
        drop(stream);
        if is_new {
            cx.notify(key.bytes, EventClass::STREAM, "xgroup-createconsumer");
        }
        cx.count_changes(read.changes);
        commands.extend(read.log.into_commands());
    }
    cx.rewrite_all(commands);
    if reply.finish() {
        return Ok(());
    }
    let Some(deadline_ms) = options.block else {
        out.null_array();
        return Ok(());
    };
    let ids = options.keys().map(|at| options.id_of(cx, at).to_vec());
    let ids = ids.collect();
    options.block(cx, out, ids, deadline_ms)
}

/// Reading one stream for a consumer.
struct GroupRead<'a> {
    name: &'a [u8],
    consumer: &'a [u8],
    limit: usize,
    no_ack: bool,
    now_ms: i64,
    log: GroupLog<'a>,
    changes: u64,
}

impl GroupRead<'_> {
    /// Reads what the consumer has behind an ID, or what its group was not given yet, if there is
    /// anything. Answers whether the consumer is new.
    fn run(
        &mut self,
        stream: &mut Stream,
        key: Key<'_>,
        behind: Option<StreamId>,
        reply: &mut StreamsReply<'_, '_>,
    ) -> bool {
        let Some(group) = stream.group_mut(self.name) else {
            return false;
        };
        let (consumer, is_new) = group.find_or_create_consumer(self.consumer, self.now_ms);
        group.consumer_mut(consumer).seen_ms = self.now_ms;
        if is_new {
            self.changes += 1;
            if self.no_ack {
                self.log.created_consumer(self.consumer);
            }
        }
        let last_read = group.last_id();
        match behind {
            Some(behind) => self.read_history(stream, consumer, behind, reply.begin(key.bytes)),
            None if stream.last_entry_id().is_some_and(|last| last > last_read) => {
                self.read_new(stream, consumer, last_read, reply.begin(key.bytes));
            }
            None => {}
        }
        if is_new && self.log.is_empty() {
            // Nothing that is claimed tells of it.
            self.log.created_consumer(self.consumer);
        }
        is_new
    }

    /// Answers again what the consumer was given; of entries that are gone, only the ID.
    fn read_history(
        &mut self,
        stream: &mut Stream,
        consumer: ConsumerId,
        behind: StreamId,
        out: &mut Reply<'_>,
    ) {
        let Some(group) = stream.group(self.name) else {
            return out.array(0);
        };
        let start = behind.next().unwrap_or(StreamId::MAX);
        let pending = group
            .pending_range_of(consumer, start..=StreamId::MAX)
            .take(self.limit)
            .map(|(id, &pending)| (id, pending));
        let pending: Vec<(StreamId, Pending)> = pending.collect();
        out.array(pending.len());
        for (id, pending) in pending {
            if !reply_entry_of(out, stream, id) {
                out.array(2);
                reply_id(out, id);
                out.null_array();
            } else if let Some(group) = stream.group_mut(self.name) {
                let redelivered = Pending {
                    delivery_ms: self.now_ms,
                    delivery_count: pending.delivery_count.wrapping_add(1),
                    ..pending
                };
                group.set_pending(id, redelivered);
            }
        }
    }

    /// Gives the consumer what its group was not given yet.
    fn read_new(
        &mut self,
        stream: &mut Stream,
        consumer: ConsumerId,
        last_read: StreamId,
        out: &mut Reply<'_>,
    ) {
        let start = last_read.next().unwrap_or(StreamId::MAX);
        let mut ids = Vec::new();
        let mark = out.deferred_array();
        for entry in stream.range(start, StreamId::MAX).take(self.limit) {
            ids.push(entry.id);
            reply_entry(out, entry);
        }
        out.finish_array(mark, ids.len());
        for &id in &ids {
            stream.note_read(self.name, id);
            if self.no_ack {
                continue;
            }
            let Some(group) = stream.group_mut(self.name) else {
                break;
            };
            let pending = Pending {
                consumer,
                delivery_ms: self.now_ms,
                delivery_count: 1,
            };
            group.set_pending(id, pending);
            group.consumer_mut(consumer).active_ms = Some(self.now_ms);
            self.log.claimed(group, id, pending);
        }
        if let Some(group) = stream.group(self.name) {
            self.log.advanced(group);
        }
        self.changes += 1;
    }
}
