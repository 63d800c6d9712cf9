//! HyperLogLogs: the commands. The sketches are in `value::hyperloglog`.

use std::borrow::Cow;

use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, EventClass, Flags, Group, KeyFlags,
    KeySpec, Reply,
};
use crate::keyspace::{Key, RawStringMut};
use crate::value::StringRef;
use crate::value::hyperloglog::{self, Invalid, MergedRegisters};

const ROW: Command = Command {
    categories: Categories::HYPERLOGLOG,
    group: Group::Hyperloglog,
    since: "2.8.9",
    ..Command::DEFAULT
};

const ADMIN: Flags = Flags::ADMIN;
const STORE: Flags = Flags::WRITE.union(Flags::DENYOOM);
const EXCHANGE: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS);

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "pfadd",
        arity: -2,
        flags: STORE.union(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.union(KeyFlags::INSERT))],
        complexity: "O(1) for each element",
        summary: "Adds elements to a HyperLogLog, which is made if it is not there.",
        syntax: "key [element ...]",
        handler: pfadd,
        ..ROW
    },
    Command {
        name: "pfcount",
        arity: -2,
        flags: Flags::READONLY.union(Flags::MAY_REPLICATE),
        // It writes the estimate down.
        keys: &[KeySpec::range(1, -1, 1, EXCHANGE)],
        complexity: "O(1) for one key whose estimate is known, else O(N) in the keys, each of them slow",
        summary: "Estimates how many different elements HyperLogLogs have seen together.",
        syntax: "key ...",
        handler: pfcount,
        ..ROW
    },
    Command {
        name: "pfmerge",
        arity: -2,
        flags: STORE,
        keys: &[
            KeySpec::first(EXCHANGE.union(KeyFlags::INSERT)),
            KeySpec::range(2, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        ],
        complexity: "O(N) in the keys, each of them slow",
        summary: "Merges HyperLogLogs into the first one.",
        syntax: "destkey:key [sourcekey:key ...]",
        handler: pfmerge,
        ..ROW
    },
    Command {
        name: "pfdebug",
        is_internal: true,
        arity: 3,
        flags: STORE.union(ADMIN),
        keys: &[KeySpec::range(2, 2, 1, EXCHANGE)],
        complexity: "O(1), the registers being so many as they are",
        summary: "Shows how a HyperLogLog is made, for those who test it.",
        syntax: "subcommand:string key",
        handler: pfdebug,
        ..ROW
    },
    Command {
        name: "pfselftest",
        is_internal: true,
        arity: 1,
        flags: ADMIN,
        complexity: "O(1), but long",
        summary: "Tests HyperLogLogs.",
        handler: pfselftest,
        ..ROW
    },
];

const BROKEN: CommandError = CommandError::text("INVALIDOBJ Corrupted HLL object detected");

const NO_SKETCH: CommandError =
    CommandError::text("WRONGTYPE Key is not a valid HyperLogLog string value.");

impl From<Invalid> for CommandError {
    fn from(_: Invalid) -> Self {
        BROKEN
    }
}

/// The sketch under a key; `None` if there is none.
fn sketch<'a>(cx: &'a Context<'_>, key: Key<'_>) -> Result<Option<Cow<'a, [u8]>>, CommandError> {
    checked(cx.string(key)?)
}

/// The bytes of a string, if there is one, unless they are no sketch.
fn checked(string: Option<StringRef<'_>>) -> Result<Option<Cow<'_, [u8]>>, CommandError> {
    let Some(string) = string else {
        return Ok(None);
    };
    let bytes = match string {
        StringRef::Bytes { bytes, .. } => Cow::Borrowed(bytes),
        StringRef::Integer(n) => Cow::Owned(n.to_string().into_bytes()),
    };
    if hyperloglog::representation(&bytes).is_none() {
        return Err(NO_SKETCH);
    }
    Ok(Some(bytes))
}

fn sparse_max_bytes(cx: &Context<'_>) -> usize {
    cx.engine().config().hll_sparse_max_bytes()
}

/// The sketch under a key for changing it; a new one if there is none, and whether that is so.
fn sketch_or_create<'a>(
    cx: &'a mut Context<'_>,
    key: Key<'_>,
) -> Result<(RawStringMut<'a>, bool), CommandError> {
    cx.expire_if_needed(key);
    let is_new = checked(cx.string_to_write(key)?)?.is_none();
    let mut string = cx.raw_string_or_create(key)?;
    if is_new {
        *string = hyperloglog::empty();
    }
    Ok((string, is_new))
}

fn pfadd(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let key = cx.key(1);
    let args = cx.args();
    let sparse_max_bytes = sparse_max_bytes(cx);
    let (mut string, is_new) = sketch_or_create(cx, key)?;
    let mut changes = u64::from(is_new);
    for element in args.iter().skip(2) {
        changes += u64::from(hyperloglog::add(&mut string, element, sparse_max_bytes)?);
    }
    if changes > 0 {
        hyperloglog::forget_count(&mut string);
    }
    drop(string);
    if changes > 0 {
        cx.changed(key, EventClass::STRING, "pfadd");
        cx.count_changes(changes - 1);
    }
    out.integer(i64::from(changes > 0));
    Ok(())
}

fn pfcount(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() > 2 {
        let mut merged = MergedRegisters::new();
        for index in 1..cx.argc() {
            if let Some(string) = sketch(cx, cx.key(index))? {
                merged.merge(&string)?;
            }
        }
        out.integer(merged.count() as i64);
        return Ok(());
    }
    let key = cx.key(1);
    if sketch(cx, key)?.is_none() {
        out.integer(0);
        return Ok(());
    }
    let mut string = cx.raw_string_or_create(key)?;
    if let Some(count) = hyperloglog::cached_count(&string) {
        out.integer(count as i64);
        return Ok(());
    }
    let count = hyperloglog::count(&string)?;
    hyperloglog::remember_count(&mut string, count);
    drop(string);
    // Who holds a copy of the data is to have the same bytes.
    cx.modified(key);
    cx.rewrite(&[b"PFCOUNT", key.bytes]);
    out.integer(count as i64);
    Ok(())
}

fn pfmerge(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut merged = MergedRegisters::new();
    let mut is_any_dense = false;
    for index in 1..cx.argc() {
        if let Some(string) = sketch(cx, cx.key(index))? {
            is_any_dense |= hyperloglog::is_dense(&string);
            merged.merge(&string)?;
        }
    }
    let key = cx.key(1);
    let sparse_max_bytes = sparse_max_bytes(cx);
    let (mut string, _) = sketch_or_create(cx, key)?;
    if is_any_dense {
        hyperloglog::make_dense(&mut string)?;
    }
    hyperloglog::raise(&mut string, &merged, sparse_max_bytes)?;
    hyperloglog::forget_count(&mut string);
    drop(string);
    cx.changed(key, EventClass::STRING, "pfadd");
    out.ok();
    Ok(())
}

fn pfdebug(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.arg_is(1, "simd") {
        if !cx.arg_is(2, "on") && !cx.arg_is(2, "off") {
            return Err(CommandError::text("ERR Argument must be ON or OFF"));
        }
        // There is one way of merging registers, which the compiler makes wide or does not.
        out.simple("disabled");
        return Ok(());
    }
    let key = cx.key(2);
    // As a command that writes, it tells nobody of a key that is not there.
    cx.expire_if_needed(key);
    let string = checked(cx.string_to_write(key)?)?;
    let Some(is_dense) = string.map(|string| hyperloglog::is_dense(&string)) else {
        return Err(CommandError::text("ERR The specified key does not exist"));
    };
    match cx.arg(1).to_ascii_lowercase().as_slice() {
        b"getreg" => {
            let mut string = cx.raw_string_or_create(key)?;
            let was_sparse = hyperloglog::make_dense(&mut string)?;
            let registers: Vec<u8> = hyperloglog::registers(&string).collect();
            drop(string);
            cx.count_changes(was_sparse.into());
            out.array(registers.len());
            for register in registers {
                out.integer(register.into());
            }
        }
        b"decode" if is_dense => {
            return Err(CommandError::text("ERR HLL encoding is not sparse"));
        }
        b"decode" => out.bulk(decode(&cx.raw_string_or_create(key)?)?.as_bytes()),
        b"encoding" => out.simple(if is_dense { "dense" } else { "sparse" }),
        b"todense" => {
            let mut string = cx.raw_string_or_create(key)?;
            let was_sparse = hyperloglog::make_dense(&mut string)?;
            drop(string);
            cx.count_changes(was_sparse.into());
            out.integer(was_sparse.into());
        }
        _ => {
            let before = "ERR Unknown PFDEBUG subcommand '";
            return Err(CommandError::quoting(before, cx.arg(1), "'"));
        }
    }
    Ok(())
}

/// The runs of a sparse sketch, for people.
fn decode(string: &[u8]) -> Result<String, Invalid> {
    let runs: Vec<String> = hyperloglog::runs(string)
        .map(|run| {
            run.map(|run| match (run.value, run.is_long) {
                (0, false) => format!("z:{}", run.len),
                (0, true) => format!("Z:{}", run.len),
                (value, _) => format!("v:{value},{}", run.len),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(runs.join(" "))
}

/// Estimates numbers that are known, in both representations.
fn pfselftest(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    const ELEMENTS: u64 = 100_000;
    let start = cx.random().next();
    let (mut sparse, mut dense) = (hyperloglog::empty(), hyperloglog::empty());
    hyperloglog::make_dense(&mut dense)?;
    for seen in 1..=ELEMENTS {
        let element = start.wrapping_add(seen).to_le_bytes();
        hyperloglog::add(&mut sparse, &element, 3000)?;
        hyperloglog::add(&mut dense, &element, 3000)?;
        if !seen.is_power_of_two() && seen != ELEMENTS {
            continue;
        }
        let counts = (hyperloglog::count(&sparse)?, hyperloglog::count(&dense)?);
        if counts.0 != counts.1 {
            return Err(CommandError::text("TESTFAILED dense/sparse disagree"));
        }
        // Seven times the standard error, and a collision or two among few elements.
        let error_max = seen as f64 * 0.0081 * 7.0 + 2.0;
        if counts.0.abs_diff(seen) as f64 > error_max {
            return Err(format!(
                "TESTFAILED Too big error. card:{seen} abserr:{}",
                counts.0.abs_diff(seen)
            )
            .into());
        }
    }
    out.ok();
    Ok(())
}
