//! The big form of a hash some of whose fields expire: a table of fields, and beside it one of times.
//!
//! # Why two tables
//!
//! The times could stand beside the values, which would save the second copy of a field. But then a
//! hash of a million fields would have to be written anew when the first of them gets an expiry, and
//! while that goes on nobody else is served. So the table of fields stays as it is, and a second one
//! with the same fields as keys holds the times. Fields that do not expire cost nothing, and a hash
//! none of whose fields expires any more becomes a plain table again, at once.
//!
//! # How the first one to go is found
//!
//! There is no order among the times, as there is none among the expiries of keys (`crate::expire` says
//! why). There is a bound: nothing expires before `next_ms`. As long as that is not over, reading
//! asks the second table nothing. Once it is, a *pass* walks the times, a part at each call, removes
//! what is over, and leaves the earliest of the rest as the new bound. A time that is set meanwhile
//! lowers both the bound and what the pass will leave. A time that is removed lowers nothing, so
//! that the bound may be too early; then a pass finds nothing and sets it right.

use super::hash_table::{self, HashTable};
use super::packed::{self, PackedItem};
use crate::relocation::Relocator;

/// Nothing expires.
const NEVER_MS: i64 = i64::MAX;

/// A big hash some of whose fields expire.
#[derive(Debug, Clone)]
pub struct ExpiringTable {
    fields: HashTable,
    /// When those fields expire that do, in milliseconds since 1970.
    expiries: HashTable,
    /// No field expires before.
    next_ms: i64,
    pass: Pass,
}

/// A walk through all times, which goes on from call to call.
#[derive(Debug, Clone)]
struct Pass {
    /// Of [`HashTable::scan`]; 0 between two passes.
    cursor: u64,
    /// The earliest time that it has seen and left, or that was set since it began.
    next_ms: i64,
}

impl Pass {
    const START: Pass = Pass {
        cursor: 0,
        next_ms: NEVER_MS,
    };
}

impl ExpiringTable {
    /// The fields of a table, none of which expires so far.
    pub fn new(fields: HashTable) -> Self {
        let expiries = HashTable::new(fields.seed());
        Self {
            fields,
            expiries,
            next_ms: NEVER_MS,
            pass: Pass::START,
        }
    }

    /// The fields, whatever the time.
    pub fn fields(&self) -> &HashTable {
        &self.fields
    }

    /// Moves some of what it owns, and answers where to go on; 0 is both the start and the end.
    pub(crate) fn relocate(&mut self, cursor: u64, relocator: &mut Relocator<'_>) -> u64 {
        // The lowest bit tells which table, as it tells in each whether it has come to its blocks.
        if cursor & 1 == 0 {
            match self.fields.relocate(cursor >> 1, relocator) {
                0 if self.expiries.is_empty() => 0,
                0 => 1,
                next => next << 1,
            }
        } else {
            match self.expiries.relocate(cursor >> 1, relocator) {
                0 => 0,
                next => next << 1 | 1,
            }
        }
    }

    /// The fields alone.
    pub(super) fn into_fields(self) -> HashTable {
        self.fields
    }

    /// Whether any field expires.
    pub fn has_expiries(&self) -> bool {
        !self.expiries.is_empty()
    }

    /// A time before which no field expires, in milliseconds since 1970.
    pub fn next_expiry_ms(&self) -> i64 {
        self.next_ms
    }

    /// When `field` expires, in milliseconds since 1970.
    pub fn expiry(&self, field: &[u8]) -> Option<i64> {
        self.expiries.get(field).and_then(time)
    }

    /// Whether the time of `field` is over.
    pub fn is_over(&self, field: &[u8], now_ms: i64) -> bool {
        now_ms >= self.next_ms && self.expiry(field).is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// How many fields there are whose time is over.
    pub fn count_overdue(&self, now_ms: i64) -> usize {
        if now_ms < self.next_ms {
            return 0;
        }
        let is_over = |&(_, at): &(PackedItem<'_>, PackedItem<'_>)| is_over(at, now_ms);
        self.expiries.iter().filter(is_over).count()
    }

    /// Sets the value of `field`, which keeps its expiry; answers whether the field is new.
    pub fn set(&mut self, field: &[u8], value: PackedItem<'_>) -> bool {
        self.fields.set(field, value)
    }

    /// Sets or removes the expiry of `field`, which must be there.
    pub fn set_expiry(&mut self, field: &[u8], expires_at_ms: Option<i64>) {
        let Some(at_ms) = expires_at_ms else {
            self.remove_expiry(field);
            return;
        };
        self.expiries.set(field, PackedItem::Integer(at_ms));
        self.next_ms = self.next_ms.min(at_ms);
        self.pass.next_ms = self.pass.next_ms.min(at_ms);
    }

    fn remove_expiry(&mut self, field: &[u8]) {
        if self.expiries.remove(field) && self.expiries.is_empty() {
            self.next_ms = NEVER_MS;
            self.pass = Pass::START;
        }
    }

    /// Removes `field`, and answers whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        self.remove_expiry(field);
        self.fields.remove(field)
    }

    /// Removes fields whose time is over, giving each to `removed`, and stops when it has looked at
    /// `budget` fields or more. Answers at how many it looked, and whether there may be more.
    pub fn remove_overdue(
        &mut self,
        now_ms: i64,
        budget: usize,
        removed: &mut dyn FnMut(&[u8]),
    ) -> (usize, bool) {
        let mut looked_at = 0;
        let mut overdue: Vec<Vec<u8>> = Vec::new();
        while now_ms >= self.next_ms {
            if looked_at >= budget {
                return (looked_at, true);
            }
            let left_ms = &mut self.pass.next_ms;
            let cursor = self.expiries.scan(self.pass.cursor, &mut |field, at| {
                looked_at += 1;
                if is_over(at, now_ms) {
                    overdue.push(field.to_vec());
                } else if let Some(at_ms) = time(at) {
                    *left_ms = at_ms.min(*left_ms);
                }
            });
            self.pass.cursor = cursor;
            for field in overdue.drain(..) {
                self.fields.remove(&field);
                self.expiries.remove(&field);
                removed(&field);
            }
            if cursor == 0 {
                self.next_ms = self.pass.next_ms;
                self.pass = Pass::START;
            }
        }
        (looked_at, false)
    }

    /// Removes all fields whose time is over, giving each to `removed`.
    pub fn remove_all_overdue(&mut self, now_ms: i64, removed: &mut dyn FnMut(&[u8])) {
        // What the pass that is going on has left behind may be over by now.
        self.pass.cursor = 0;
        self.remove_overdue(now_ms, usize::MAX, removed);
    }

    /// What the table takes of the heap, in bytes.
    pub fn memory_usage(&self) -> usize {
        size_of::<Self>() + self.fields.memory_usage() + self.expiries.memory_usage()
    }
}

fn time(item: PackedItem<'_>) -> Option<i64> {
    match item {
        PackedItem::Integer(at_ms) => Some(at_ms),
        _ => None,
    }
}

fn is_over(at: PackedItem<'_>, now_ms: i64) -> bool {
    time(at).is_some_and(|at_ms| at_ms <= now_ms)
}

/// Every field whose time is not over, with its value and expiry.
pub(super) struct Iter<'a> {
    table: &'a ExpiringTable,
    fields: hash_table::Iter<'a>,
    now_ms: i64,
    text: packed::IntegerText,
}

impl<'a> Iter<'a> {
    pub(super) fn new(table: &'a ExpiringTable, now_ms: i64) -> Self {
        Self {
            table,
            fields: table.fields.iter(),
            now_ms,
            text: packed::IntegerText::new(),
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (PackedItem<'a>, PackedItem<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (field, value) = self.fields.next()?;
            let bytes = field.as_bytes(&mut self.text);
            if !self.table.is_over(bytes, self.now_ms) {
                return Some((field, value));
            }
        }
    }
}
