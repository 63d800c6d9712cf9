//! What of the work of groups is repeated elsewhere.
//!
//! A group's reads and claims are propagated by what they led to, so that repeating them does not
//! depend on time or on what else was read: each entry that became pending as an XCLAIM that sets
//! owner, delivery time and count, and a group's last ID as an XGROUP SETID. (As Redis does.)

use crate::command::Context;
use crate::value::StreamId;
use crate::value::stream::{Group, Pending};

/// The commands that repeat what was done to a group.
pub(super) struct GroupLog<'a> {
    key: &'a [u8],
    group: &'a [u8],
    commands: Vec<Vec<Vec<u8>>>,
    is_heard: bool,
}

impl<'a> GroupLog<'a> {
    pub(super) fn new(cx: &Context<'_>, key: &'a [u8], group: &'a [u8]) -> Self {
        GroupLog {
            key,
            group,
            commands: Vec::new(),
            is_heard: cx.is_propagated(),
        }
    }

    fn push(&mut self, command: &[&[u8]]) {
        let owned = command.iter().map(|argument| argument.to_vec());
        self.commands.push(owned.collect());
    }

    /// An entry became pending, or another's.
    pub(super) fn claimed(&mut self, group: &Group, id: StreamId, pending: Pending) {
        if !self.is_heard {
            return;
        }
        let (key, name) = (self.key, self.group);
        let consumer = group.consumer(pending.consumer).name();
        let delivery_ms = pending.delivery_ms.to_string();
        let delivery_count = pending.delivery_count.to_string();
        self.push(&[
            b"XCLAIM",
            key,
            name,
            consumer,
            b"0",
            &id.to_text(),
            b"TIME",
            delivery_ms.as_bytes(),
            b"RETRYCOUNT",
            delivery_count.as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            &group.last_id().to_text(),
        ]);
    }

    /// The group's last ID is another.
    pub(super) fn advanced(&mut self, group: &Group) {
        if !self.is_heard {
            return;
        }
        let (key, name) = (self.key, self.group);
        let entries_read = group.entries_read().unwrap_or(-1).to_string();
        self.push(&[
            b"XGROUP",
            b"SETID",
            key,
            name,
            &group.last_id().to_text(),
            b"ENTRIESREAD",
            entries_read.as_bytes(),
        ]);
    }

    /// A consumer was made.
    pub(super) fn created_consumer(&mut self, consumer: &[u8]) {
        if !self.is_heard {
            return;
        }
        let (key, name) = (self.key, self.group);
        self.push(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer]);
    }

    /// Whether there is nothing to repeat so far.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The commands.
    pub(super) fn into_commands(self) -> Vec<Vec<Vec<u8>>> {
        self.commands
    }
}
