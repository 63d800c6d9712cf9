//! Subcommands of DEBUG that tell how things lie in memory: strings, small collections, lists with nodes,
//! entries, clients.

use std::fmt::Write as _;

use crate::client::{Client, ClientShared};
use crate::command::{CommandError, CommandResult, Context, Reply};
use crate::config::LogLevel;
use crate::keyspace::{EntryRef, element_count, encoding, memory_usage};
use crate::text::parse_memory_size;
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
    out.simple("Listpack structure printed on stdout");
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
    out.simple("Quicklist structure printed on stdout");
    Ok(())
}

/// What DEBUG OBJECT adds about a list with nodes.
pub(super) fn node_summary(list: &Quicklist, limits: &EncodingLimits) -> String {
    let nodes = list.nodes().count();
    let bytes: usize = list.nodes().map(|node| node.listpack_bytes).sum();
    format!(
        " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} \
         ql_uncompressed_size:{bytes}",
        list.len() as f64 / nodes.max(1) as f64,
        limits.list_max_listpack_size,
        u8::from(limits.list_compress_depth != 0),
    )
}

/// From which size on an element of a list would stand alone.
pub(super) fn quicklist_packed_threshold(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
) -> CommandResult {
    /// A little below 4 GiB.
    const MOST_BYTES: u64 = (1 << 32) - (1 << 20);
    match parse_memory_size(cx.arg(2)) {
        Some(0..=MOST_BYTES) => out.ok(),
        _ => {
            return Err(CommandError::text(
                "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
            ));
        }
    }
    Ok(())
}

/// How the tables of a database are filled.
pub(super) fn table_statistics(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let index = usize::try_from(cx.integer(2)?).ok();
    let index = index
        .filter(|&index| index < cx.engine().databases)
        .ok_or(CommandError::text("ERR Out of range database"))?;
    let view = &cx.worker.view;
    let (mut buckets, mut elements, mut volatile) = (0, 0, 0);
    for stripe in 0..view.keyspace().stripe_count() {
        if let Some(database) = view.stripe_at(stripe).database(index) {
            buckets += database.bucket_count();
            elements += database.len();
            volatile += database.volatile_len();
        }
    }
    let mut text = "[Dictionary HT]\n".to_owned();
    if elements > 0 {
        text += &format!("{TABLE_HEAD} table size: {buckets}\n number of elements: {elements}\n");
    }
    text += "[Expires HT]\n";
    // Expiries have no table: they stand in the entries.
    if volatile > 0 {
        text += &format!("{TABLE_HEAD} number of elements: {volatile}\n");
    }
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

const TABLE_HEAD: &str = "Hash table 0 stats (main hash table):\n";

/// How many elements the table of a value has.
pub(super) fn table_statistics_of_key(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let entry = cx.look_quietly(cx.key(2)).ok_or(CommandError::NoSuchKey)?;
    if !matches!(encoding(entry), "hashtable" | "skiplist") {
        return Err(CommandError::text(
            "ERR The value stored at the specified key is not represented using an hash table",
        ));
    }
    let count = element_count(entry);
    let text = format!("{TABLE_HEAD} number of elements: {count}\n");
    out.verbatim("txt", text.as_bytes());
    Ok(())
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
