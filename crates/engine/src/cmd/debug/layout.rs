//! Subcommands of DEBUG that tell how things lie in memory: strings, small collections, lists with nodes,
//! entries, clients.

use std::fmt::Write as _;

use crate::client::{Client, ClientShared};
use crate::command::{CommandError, CommandResult, Context, Reply};
use crate::config::LogLevel;
use crate::keyspace::{EntryRef, element_count, encoding, memory_usage};
use crate::value::list::{ListRef, Quicklist};
use crate::value::{EncodingLimits, StringRef};

fn entry_of<'c>(cx: &'c Context<'_>) -> Result<EntryRef<'c>, CommandError> {
    let entry = cx.entry_even_if_expired(cx.key(2));
    entry.ok_or(CommandError::NoSuchKey)
}

/// Bytes of a key and its string, and of the memory that each has.
pub(super) fn string(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let entry = entry_of(cx)?;
    let Some(StringRef::Bytes { bytes, raw }) = entry.string() else {
        return Err(CommandError::text("ERR Not an sds encoded string."));
    };
    // A short string lies in its key's block: what is the string's is not the key's.
    let all = memory_usage(entry);
    let of_value = if raw {
        all - entry.block_size()
    } else {
        bytes.len()
    };
    out.simple(&format!(
        "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, \
         val_sds_len:{}, val_sds_avail:0, val_zmalloc: {of_value}",
        entry.key().len(),
        all - of_value,
        bytes.len(),
    ));
    Ok(())
}

/// What a small collection takes.
pub(super) fn listpack(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let entry = entry_of(cx)?;
    if encoding(entry) != "listpack" {
        return Err(CommandError::text("ERR Not a listpack encoded object."));
    }
    let line = format!(
        "DEBUG LISTPACK: {} elements, {} bytes with the key",
        element_count(entry),
        memory_usage(entry)
    );
    cx.engine().host.log(LogLevel::Warning, &line);
    out.simple("Listpack structure written to the log");
    Ok(())
}

/// The nodes of a big list, each if a number that is not 0 asks for them.
pub(super) fn quicklist(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if encoding(entry_of(cx)?) != "quicklist" {
        return Err(CommandError::text("ERR Not a quicklist encoded object."));
    }
    let Some(ListRef::Quicklist(list)) = cx.list(cx.key(2))? else {
        return Err(CommandError::NoSuchKey);
    };
    let mut text = format!("DEBUG QUICKLIST: {} elements\n", list.len());
    let is_full = cx.argc() == 4 && super::switch(cx.arg(3));
    let (mut nodes, mut element_bytes, mut allocated_bytes) = (0, 0, 0);
    for node in list.nodes() {
        nodes += 1;
        element_bytes += node.element_bytes;
        allocated_bytes += node.allocated_bytes;
        if is_full {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                " node: {} elements, {} bytes in {}{}",
                node.count,
                node.element_bytes,
                node.allocated_bytes,
                if node.is_compressed {
                    ", compressed"
                } else {
                    ""
                }
            );
        }
    }
    let _ = write!(
        text,
        " {nodes} nodes, {element_bytes} bytes in {allocated_bytes}"
    );
    cx.engine().host.log(LogLevel::Warning, &text);
    out.simple("Quicklist structure written to the log");
    Ok(())
}

/// What DEBUG OBJECT adds about a list with nodes.
pub(super) fn node_summary(list: &Quicklist, limits: &EncodingLimits) -> String {
    let nodes = list.nodes().count();
    let bytes: usize = list.nodes().map(|node| node.element_bytes).sum();
    format!(
        " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} \
         ql_uncompressed_size:{bytes}",
        list.len() as f64 / nodes.max(1) as f64,
        limits.list_max_listpack_size,
        u8::from(limits.list_compress_depth != 0),
    )
}

/// Sizes of what there are many of.
pub(super) fn structures(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let sizes = [
        ("bits", usize::BITS as usize),
        ("client", size_of::<Client>() + size_of::<ClientShared>()),
        ("hashbucket", crate::table::CACHE_LINE_BYTES),
        ("list", size_of::<crate::value::list::List>()),
        ("set", size_of::<crate::value::Set>()),
        ("hash", size_of::<crate::value::Hash>()),
        ("zset", size_of::<crate::value::SortedSet>()),
        ("stream", size_of::<crate::value::Stream>()),
    ];
    let text: String = sizes
        .iter()
        .map(|(name, bytes)| format!("{name}:{bytes} "))
        .collect();
    out.bulk(text.as_bytes());
    Ok(())
}

/// How many clients take how much, in steps of powers of two.
pub(super) fn client_eviction(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    /// The first step ends below this power of two, and the last one begins with the other.
    const POWERS: std::ops::RangeInclusive<u32> = 15..=32;
    if cx.engine().config.maxmemory_clients() == 0 {
        return Err(CommandError::text("ERR maxmemory-clients is disabled."));
    }
    let clients = cx.engine().clients.all();
    let sizes: Vec<usize> = clients.iter().map(|it| it.memory_bytes()).collect();
    let mut text = String::new();
    for power in *POWERS.start()..=*POWERS.end() + 1 {
        let low = if power == *POWERS.start() {
            0
        } else {
            1_u64 << (power - 1)
        };
        let end = 1_u64 << power;
        let is_last = power > *POWERS.end();
        let inside = |&&size: &&usize| size as u64 >= low && (is_last || (size as u64) < end);
        let (count, sum) = sizes
            .iter()
            .filter(inside)
            .fold((0, 0), |(count, sum), size| (count + 1, sum + size));
        let range = if is_last {
            format!("{low:>10}+            ")
        } else {
            format!("{low:>10} - {:>10}", end - 1)
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "bucket {range}: tot-mem: {sum:>10}, clients: {count}");
    }
    out.verbatim("txt", text.as_bytes());
    Ok(())
}
