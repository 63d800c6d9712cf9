//! The commands that change a stream's entries: XADD, XTRIM, XDEL, XSETID.

use smallvec::SmallVec;

use super::arguments::{strict_id, strict_ids};
use super::reply::reply_id;
use super::rows::{FAST_GROWING_WRITE, FAST_WRITE, KEY_TO_CUT, KEY_TO_UPDATE, ROW, WRITE};
use crate::command::{
    Args, Command, CommandError, CommandResult, Context, EventClass, KeySpec, Reply,
};
use crate::value::stream::{AppendError, EntryId, Trim, TrimTarget};
use crate::value::{Stream, StreamId};

/// The rows.
pub(in crate::cmd) const COMMANDS: &[Command] = &[
    Command {
        name: "xadd",
        history: &[
            (
                "6.2.0",
                "NOMKSTREAM makes no stream; MINID trims by number, and LIMIT bounds the work of it.",
            ),
            (
                "7.0.0",
                "Only the first part of the number may be given, as in 1-*.",
            ),
        ],
        arity: -5,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_UPDATE)],
        complexity: "O(1), and O(N) for N entries that are trimmed away.",
        summary: "Adds an entry to a stream and answers its ID; a missing stream is made.",
        syntax: "key [NOMKSTREAM^6.2.0] [trim= (strategy= MAXLEN|MINID^6.2.0) [operator= (equal= =)|(approximately= ~)] threshold [LIMIT count:integer^6.2.0]] \
                 id-selector= (auto-id= *)|id data= (field value) [(field value) ...]",
        tips: &["nondeterministic_output"],
        handler: xadd,
        ..ROW
    },
    Command {
        name: "xdel",
        arity: -3,
        flags: FAST_WRITE,
        keys: &[KeySpec::first(KEY_TO_CUT)],
        complexity: "O(1) for each entry.",
        summary: "Deletes entries and answers how many were there.",
        syntax: "key id [id ...]",
        handler: xdel,
        ..ROW
    },
    Command {
        name: "xsetid",
        history: &[(
            "7.0.0",
            "ENTRIESADDED and MAXDELETEDID set what is counted.",
        )],
        arity: -3,
        flags: FAST_GROWING_WRITE,
        keys: &[KeySpec::first(KEY_TO_UPDATE)],
        summary: "Sets the last ID of a stream, and what else it remembers of entries that are gone.",
        syntax: "key last-id [ENTRIESADDED entries-added:integer^7.0.0] [MAXDELETEDID max-deleted-id^7.0.0]",
        handler: xsetid,
        ..ROW
    },
    Command {
        name: "xtrim",
        history: &[("6.2.0", "MINID trims by number, and LIMIT bounds the work.")],
        arity: -4,
        flags: WRITE,
        keys: &[KeySpec::first(KEY_TO_CUT)],
        complexity: "O(N) for N entries that are trimmed away; they go in blocks.",
        summary: "Drops the oldest entries of a stream and answers how many.",
        syntax: "key (trim= (strategy= MAXLEN|MINID^6.2.0) [operator= (equal= =)|(approximately= ~)] threshold [LIMIT count:integer^6.2.0])",
        tips: &["nondeterministic_output"],
        handler: xtrim,
        ..ROW
    },
];

/// The most entries that approximate trimming drops at once when nothing else is said: so many full blocks.
const TRIMMED_BLOCKS_MAX: u64 = 100;

/// The same where blocks have no limit.
const TRIMMED_ENTRIES_DEFAULT: u64 = 10_000;

/// The same where the limit of blocks is very high.
const TRIMMED_ENTRIES_MAX: u64 = 1_000_000;

/// Trimming as it was asked for.
struct TrimOption {
    trim: Trim,
    /// The argument that is the threshold.
    threshold_at: usize,
}

/// The options of XADD and XTRIM.
struct Options {
    trim: Option<TrimOption>,
    /// The argument that is LIMIT.
    limit_at: Option<usize>,
    may_create: bool,
    /// The ID of the new entry.
    id: EntryId,
    /// The argument behind the last option: the ID.
    end: usize,
}

impl Options {
    /// Reads the options of XADD, up to the ID, or of XTRIM, which are all that there is.
    fn parse(cx: &Context<'_>, is_add: bool) -> Result<Self, CommandError> {
        let mut target = None;
        let mut is_approximate = false;
        let mut threshold_at = 0;
        let mut limit = None;
        let mut limit_at = None;
        let mut may_create = true;
        let mut id = EntryId::Automatic(cx.now_ms() as u64);
        let mut at = 2;
        while at < cx.argc() {
            let following = cx.argc() - 1 - at;
            let is_length = cx.arg_is(at, "maxlen");
            if is_add && cx.arg(at) == b"*" {
                break;
            } else if (is_length || cx.arg_is(at, "minid")) && following > 0 {
                if target.is_some() {
                    return Err(CommandError::text(
                        "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                    ));
                }
                is_approximate = following >= 2 && cx.arg(at + 1) == b"~";
                let has_operator = is_approximate || following >= 2 && cx.arg(at + 1) == b"=";
                at += 1 + usize::from(has_operator);
                threshold_at = at;
                target = Some(if is_length {
                    TrimTarget::Length(not_negative(cx, at, "MAXLEN")?)
                } else {
                    TrimTarget::From(strict_id(cx.arg(at))?)
                });
            } else if cx.arg_is(at, "limit") && following > 0 {
                limit_at = Some(at);
                at += 1;
                limit = Some(not_negative(cx, at, "LIMIT")?);
            } else if is_add && cx.arg_is(at, "nomkstream") {
                may_create = false;
            } else if is_add {
                id = match StreamId::parse_ms_of_partial(cx.arg(at)) {
                    Some(ms) => EntryId::Milliseconds(ms),
                    None => EntryId::Exactly(strict_id(cx.arg(at))?),
                };
                break;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        if target.is_none() && limit.is_some_and(|limit| limit != 0) {
            return Err(CommandError::text(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if target.is_none() && !is_add {
            return Err(CommandError::text(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        if limit.is_some() && !is_approximate {
            return Err(CommandError::text(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        let default_limit = if is_approximate { default_limit(cx) } else { 0 };
        let trim = target.map(|target| TrimOption {
            trim: Trim {
                target,
                is_approximate,
                limit: limit.unwrap_or(default_limit),
            },
            threshold_at,
        });
        Ok(Options {
            trim,
            limit_at,
            may_create,
            id,
            end: at,
        })
    }
}

fn not_negative(cx: &Context<'_>, at: usize, option: &str) -> Result<u64, CommandError> {
    u64::try_from(cx.integer(at)?)
        .map_err(|_| format!("ERR The {option} argument must be >= 0.").into())
}

fn default_limit(cx: &Context<'_>) -> u64 {
    match cx.limits().stream_node_max_entries {
        0 => TRIMMED_ENTRIES_DEFAULT,
        entries => entries
            .saturating_mul(TRIMMED_BLOCKS_MAX)
            .min(TRIMMED_ENTRIES_MAX),
    }
}

fn xadd(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(cx, true)?;
    let id = options.id;
    let args = cx.args();
    let first_field = options.end + 1;
    if args.len() < first_field + 2 || !(args.len() - first_field).is_multiple_of(2) {
        return Err(CommandError::WrongArity("xadd".into()));
    }
    if id == EntryId::Exactly(StreamId::MIN) {
        return Err(CommandError::text(
            "ERR The ID specified in XADD must be greater than 0-0",
        ));
    }
    let pairs: SmallVec<[&[u8]; 16]> = (first_field..args.len()).map(|at| args.get(at)).collect();
    if Stream::is_too_large(&pairs) {
        return Err(append_error(AppendError::TooLarge));
    }
    let key = cx.key(1);
    let limits = cx.limits();
    let mut stream = if options.may_create {
        cx.stream_or_create(key)?
    } else {
        match cx.stream_mut(key)? {
            Some(stream) => stream,
            None => {
                out.null();
                return Ok(());
            }
        }
    };
    let added = stream.append(id, &pairs, &limits).map_err(append_error)?;
    let trim = options.trim.as_ref();
    let trimmed = trim.map_or(0, |option| stream.trim(&option.trim));
    let threshold = trim.and_then(|option| exact_threshold(&stream, &option.trim));
    drop(stream);
    reply_id(out, added);
    cx.changed(key, EventClass::STREAM, "xadd");
    if trimmed > 0 {
        cx.notify(key.bytes, EventClass::STREAM, "xtrim");
    }
    let is_id_exact = matches!(id, EntryId::Exactly(_));
    if cx.is_propagated() && (threshold.is_some() || !is_id_exact) {
        let id = added.to_text();
        let id = (!is_id_exact).then_some((options.end, &id[..]));
        rewrite_exactly(cx, args, &options, threshold.as_deref(), id);
    }
    Ok(())
}

fn append_error(error: AppendError) -> CommandError {
    CommandError::text(match error {
        AppendError::Exhausted => {
            "ERR The stream has exhausted the last possible ID, unable to add more items"
        }
        AppendError::NotGreater => {
            "ERR The ID specified in XADD is equal or smaller than the target stream top item"
        }
        AppendError::TooLarge => "ERR Elements are too large to be stored",
    })
}

fn xtrim(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(cx, false)?;
    let Some(TrimOption { trim, .. }) = &options.trim else {
        return Err(CommandError::Syntax);
    };
    let key = cx.key(1);
    let Some(mut stream) = cx.stream_mut(key)? else {
        out.integer(0);
        return Ok(());
    };
    let trimmed = stream.trim(trim);
    let threshold = exact_threshold(&stream, trim);
    drop(stream);
    out.integer(trimmed as i64);
    if trimmed > 0 {
        cx.changed(key, EventClass::STREAM, "xtrim");
        cx.count_changes(trimmed - 1);
        if cx.is_propagated() && threshold.is_some() {
            let args = cx.args();
            rewrite_exactly(cx, args, &options, threshold.as_deref(), None);
        }
    }
    Ok(())
}

/// The threshold that trims a stream exactly to where an approximate one has led.
fn exact_threshold(stream: &Stream, trim: &Trim) -> Option<Vec<u8>> {
    if !trim.is_approximate {
        return None;
    }
    Some(match trim.target {
        TrimTarget::Length(_) => stream.len().to_string().into_bytes(),
        TrimTarget::From(_) => {
            let first = stream.first_block_id().unwrap_or(StreamId::MAX);
            first.to_text().to_vec()
        }
    })
}

/// Propagates the command with an exact threshold in the place of an approximate one, and with the
/// ID that the stream chose.
fn rewrite_exactly(
    cx: &mut Context<'_>,
    args: Args<'_>,
    options: &Options,
    threshold: Option<&[u8]>,
    id: Option<(usize, &[u8])>,
) {
    let mut command: Vec<&[u8]> = args.iter().collect();
    if let Some((at, id)) = id {
        command[at] = id;
    }
    if let (Some(threshold), Some(trim)) = (threshold, &options.trim) {
        command[trim.threshold_at - 1] = b"=";
        command[trim.threshold_at] = threshold;
        // Only approximate trimming has a limit.
        if let Some(at) = options.limit_at {
            command.drain(at..at + 2);
        }
    }
    cx.rewrite(&command);
}

fn xdel(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    if cx.stream_mut(key)?.is_none() {
        out.integer(0);
        return Ok(());
    }
    let ids = strict_ids(cx, 2)?;
    let mut deleted = 0;
    if let Some(mut stream) = cx.stream_mut(key)? {
        for &id in &ids {
            deleted += u64::from(stream.delete(id));
        }
    }
    if deleted > 0 {
        cx.changed(key, EventClass::STREAM, "xdel");
        cx.count_changes(deleted - 1);
    }
    out.integer(deleted as i64);
    Ok(())
}

fn xsetid(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let last_id = strict_id(cx.arg(2))?;
    let mut entries_added = None;
    let mut max_deleted_id = StreamId::MIN;
    let mut at = 3;
    while at < cx.argc() {
        let has_value = at + 1 < cx.argc();
        if cx.arg_is(at, "entriesadded") && has_value {
            let added = u64::try_from(cx.integer(at + 1)?)
                .map_err(|_| CommandError::text("ERR entries_added must be positive"))?;
            entries_added = Some(added);
        } else if cx.arg_is(at, "maxdeletedid") && has_value {
            max_deleted_id = strict_id(cx.arg(at + 1))?;
            if last_id < max_deleted_id {
                return Err(CommandError::text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let key = cx.key(1);
    let mut stream = cx.stream_mut(key)?.ok_or(CommandError::NoSuchKey)?;
    if last_id < stream.max_deleted_id() {
        return Err(CommandError::text(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if stream.last_entry_id().is_some_and(|last| last_id < last) {
        return Err(CommandError::text(
            "ERR The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if !stream.is_empty() && entries_added.is_some_and(|added| added < stream.len()) {
        return Err(CommandError::text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    let max_deleted_id = (max_deleted_id != StreamId::MIN).then_some(max_deleted_id);
    stream.set_facts(last_id, entries_added, max_deleted_id);
    drop(stream);
    cx.count_changes(1);
    cx.notify(key.bytes, EventClass::STREAM, "xsetid");
    out.ok();
    Ok(())
}
