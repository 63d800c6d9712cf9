//! What was refused lately: ACL LOG.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::Denied;

/// Why something was refused. The numbers are places in the counters of INFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    Authentication,
    Command,
    Key,
    Channel,
}

impl Denial {
    /// How many kinds there are.
    pub(crate) const COUNT: usize = 4;

    pub(crate) fn of(denied: Denied) -> Self {
        match denied {
            Denied::Command => Denial::Command,
            Denied::Key => Denial::Key,
            Denied::Channel => Denial::Channel,
        }
    }

    /// The word of ACL LOG.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Denial::Authentication => "auth",
            Denial::Command => "command",
            Denial::Key => "key",
            Denial::Channel => "channel",
        }
    }
}

/// Where something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DenialContext {
    TopLevel,
    Transaction,
    Script,
}

impl DenialContext {
    /// The word of ACL LOG.
    pub(crate) fn word(self) -> &'static str {
        match self {
            DenialContext::TopLevel => "toplevel",
            DenialContext::Transaction => "multi",
            DenialContext::Script => "lua",
        }
    }
}

/// Something that was refused, once or several times.
pub(crate) struct AccessLogEntry {
    pub(crate) id: u64,
    pub(crate) count: u64,
    pub(crate) denial: Denial,
    pub(crate) context: DenialContext,
    /// The command, key or channel.
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
    /// When it happened first and last, in milliseconds since 1970.
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    /// The client's line in CLIENT LIST, as it was last.
    pub(crate) client: Vec<u8>,
}

#[derive(Default)]
struct State {
    /// The newest first.
    entries: VecDeque<AccessLogEntry>,
    next_id: u64,
}

/// The log of an engine.
#[derive(Default)]
pub(crate) struct AccessLog(Mutex<State>);

/// The same refusals within this time are one entry, in milliseconds.
const GROUPING_MS: i64 = 60_000;

/// So many entries are looked through for one that says the same.
const GROUPING_LEN: usize = 10;

impl AccessLog {
    /// Adds a refusal, and drops what is more than `len_max`.
    pub(super) fn add(
        &self,
        len_max: usize,
        now_ms: i64,
        (denial, context): (Denial, DenialContext),
        object: &[u8],
        user: &[u8],
        client: Vec<u8>,
    ) {
        let mut state = self.0.lock();
        if len_max == 0 {
            return state.entries.clear();
        }
        let is_same = |entry: &AccessLogEntry| {
            entry.denial == denial
                && entry.context == context
                && (now_ms - entry.updated_ms).abs() <= GROUPING_MS
                && entry.object == object
                && entry.user == user
        };
        let place = state.entries.iter().take(GROUPING_LEN).position(is_same);
        if let Some(mut entry) = place.and_then(|place| state.entries.remove(place)) {
            entry.count += 1;
            entry.updated_ms = now_ms;
            entry.client = client;
            state.entries.push_front(entry);
            return;
        }
        let id = state.next_id;
        state.next_id += 1;
        state.entries.push_front(AccessLogEntry {
            id,
            count: 1,
            denial,
            context,
            object: object.to_vec(),
            user: user.to_vec(),
            created_ms: now_ms,
            updated_ms: now_ms,
            client,
        });
        state.entries.truncate(len_max);
    }

    /// Empties it.
    pub(crate) fn reset(&self) {
        self.0.lock().entries.clear();
    }

    /// Visits the newest `count` entries.
    pub(crate) fn newest(&self, count: usize, visit: impl FnMut(&AccessLogEntry)) {
        self.0.lock().entries.iter().take(count).for_each(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_within_a_minute_is_one_entry() {
        let log = AccessLog::default();
        let add = |now_ms, object: &[u8]| {
            let what = (Denial::Key, DenialContext::TopLevel);
            log.add(2, now_ms, what, object, b"u", Vec::new());
        };
        let seen = || {
            let mut seen = Vec::new();
            log.newest(9, |entry| {
                seen.push((entry.id, entry.count, entry.object.clone()))
            });
            seen
        };
        add(0, b"a");
        add(10, b"b");
        add(60_000, b"a");
        assert_eq!(seen(), [(0, 2, b"a".to_vec()), (1, 1, b"b".to_vec())]);
        add(120_001, b"a");
        assert_eq!(seen(), [(2, 1, b"a".to_vec()), (0, 2, b"a".to_vec())]);
    }
}
