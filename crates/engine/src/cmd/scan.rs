//! What SCAN, HSCAN, SSCAN and ZSCAN share: cursors, options, and how long one call goes on.

use crate::command::{Args, CommandError, Reply};
use crate::text::{Case, IntegerText, glob_matches, parse_unsigned};
use crate::value::packed::{self, PackedItem};

/// Elements that a call visits unless COUNT says another number.
const DEFAULT_COUNT: usize = 10;

/// Buckets that a call visits at most, for each element that it should visit.
const BUCKETS_AN_ELEMENT: usize = 10;

/// What is scanned: it decides which options there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// The key space, which has TYPE.
    Keys,
    /// A hash, which has NOVALUES.
    Hash,
    /// A set.
    Members,
    /// A sorted set, which has NOSCORES.
    SortedSet,
}

/// The options behind the cursor.
#[derive(Debug, Clone)]
pub(super) struct ScanOptions<'a> {
    /// TYPE: only keys whose type has this name.
    pub(super) type_name: Option<&'a [u8]>,
    /// NOVALUES: fields alone.
    pub(super) no_values: bool,
    /// NOSCORES (from Valkey): members alone.
    pub(super) no_scores: bool,
    count: usize,
    pattern: Option<&'a [u8]>,
}

/// Reads a cursor.
pub(super) fn parse_cursor(argument: &[u8]) -> Result<u64, CommandError> {
    parse_unsigned(argument).ok_or(CommandError::text("ERR invalid cursor"))
}

impl<'a> ScanOptions<'a> {
    /// Reads the options from argument `first` on.
    pub(super) fn parse(
        args: Args<'a>,
        first: usize,
        scanned: Scanned,
    ) -> Result<Self, CommandError> {
        let mut options = Self {
            type_name: None,
            no_values: false,
            no_scores: false,
            count: DEFAULT_COUNT,
            pattern: None,
        };
        let mut index = first;
        while index < args.len() {
            let option = args.get(index);
            let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
            let has_value = index + 1 < args.len();
            let value = args.get(index + 1);
            if is("count") && has_value {
                options.count = match crate::text::parse_integer(value) {
                    Some(count @ 1..) => usize::try_from(count).unwrap_or(usize::MAX),
                    Some(_) => return Err(CommandError::Syntax),
                    None => return Err(CommandError::NotInteger),
                };
            } else if is("match") && has_value {
                // Everything matches a star, and so nothing need be compared.
                options.pattern = Some(value).filter(|&pattern| pattern != b"*");
            } else if is("type") && has_value && scanned == Scanned::Keys {
                options.type_name = Some(value);
            } else if is("novalues") {
                if scanned != Scanned::Hash {
                    return Err(CommandError::text(
                        "ERR NOVALUES option can only be used in HSCAN",
                    ));
                }
                options.no_values = true;
                index += 1;
                continue;
            } else if is("noscores") && scanned == Scanned::SortedSet {
                options.no_scores = true;
                index += 1;
                continue;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 2;
        }
        Ok(options)
    }

    /// Whether MATCH lets this name through.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob_matches(pattern, name, Case::Sensitive))
    }

    /// [`ScanOptions::matches`] for an element of a collection.
    pub(super) fn matches_item(&self, name: PackedItem<'_>) -> bool {
        self.pattern.is_none() || self.matches(name.as_bytes(&mut packed::IntegerText::new()))
    }

    /// Goes on from `cursor` until enough elements were visited, and answers the next cursor. `step`
    /// visits a bucket and answers the next cursor and how many elements it visited, matching or
    /// not.
    pub(super) fn run(&self, cursor: u64, mut step: impl FnMut(u64) -> (u64, usize)) -> u64 {
        let mut cursor = cursor;
        let mut buckets = self.count.saturating_mul(BUCKETS_AN_ELEMENT);
        let mut visited = 0;
        loop {
            let (next, count) = step(cursor);
            cursor = next;
            visited += count;
            if cursor == 0 || buckets == 0 || visited >= self.count {
                return cursor;
            }
            buckets -= 1;
        }
    }
}

/// Writes the cursor to go on from; the array of what was found comes after it.
pub(super) fn reply_cursor(out: &mut Reply<'_>, cursor: u64) {
    out.array(2);
    out.bulk(&IntegerText::unsigned(cursor));
}

/// Writes what the scan of a collection answers.
pub(super) fn reply_items(out: &mut Reply<'_>, cursor: u64, found: &[PackedItem<'_>]) {
    reply_cursor(out, cursor);
    out.array(found.len());
    for &item in found {
        reply_item(out, item);
    }
}

/// Writes an element of a hash or set.
#[inline]
pub(super) fn reply_item(out: &mut Reply<'_>, item: PackedItem<'_>) {
    match item {
        PackedItem::Bytes(bytes) => out.bulk(bytes),
        PackedItem::Integer(integer) => out.bulk_integer(integer),
        PackedItem::Double(double) => out.double(double),
    }
}
