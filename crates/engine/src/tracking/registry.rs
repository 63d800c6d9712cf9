//! What tracking sessions share: how many there are, how much is remembered, who wants which
//! prefixes, and which changes are still to be broadcast.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::client::{Client, ClientShared};
use crate::client_memory::name_bytes;
use crate::command::CommandError;
use crate::engine::Engine;

bitflags::bitflags! {
    /// How a session tracks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub(crate) struct TrackingFlags: u8 {
        /// It does.
        const ON = 1;
        /// It is told of every key with one of its prefixes, read or not.
        const BCAST = 1 << 1;
        /// Only keys read right after CLIENT CACHING YES are remembered.
        const OPTIN = 1 << 2;
        /// Keys read right after CLIENT CACHING NO are not remembered.
        const OPTOUT = 1 << 3;
        /// It is not told of its own changes.
        const NOLOOP = 1 << 4;
        /// The session that was to get the messages has gone.
        const BROKEN_REDIRECT = 1 << 5;
    }
}

/// The keys with one prefix that have changed, and who wants to know.
#[derive(Default)]
pub(super) struct Broadcast {
    pub(super) clients: Vec<Arc<ClientShared>>,
    /// Each key with the session that changed it last; 0 is none.
    pub(super) keys: BTreeMap<Vec<u8>, u64>,
}

/// What an engine knows of tracking, beside the names in its stripes.
#[derive(Default)]
pub(crate) struct Tracking {
    /// Sessions that track and names that are remembered, together: one number for the question that
    /// every command asks.
    use_count: AtomicUsize,
    client_count: AtomicUsize,
    key_count: AtomicUsize,
    item_count: AtomicUsize,
    prefix_count: AtomicUsize,
    /// How often in a row the work of one call was not enough to get below
    /// `tracking-table-max-keys`.
    pub(super) rounds_over_limit: AtomicU32,
    broadcasts: Mutex<BTreeMap<Vec<u8>, Broadcast>>,
}

impl Tracking {
    /// Whether changes of keys concern us: any session tracks, or has tracked and names are still
    /// remembered: it hears of a change if it tracks again by then, and else the change forgets the name.
    /// Ask while holding the locks of the keys concerned: a session that has read one of them before
    /// is seen then.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.use_count.load(Ordering::Relaxed) > 0
    }

    /// Counts names, and sessions of theirs, that are remembered from now on.
    pub(super) fn count(&self, keys: usize, items: usize) {
        self.use_count.fetch_add(keys, Ordering::Relaxed);
        self.key_count.fetch_add(keys, Ordering::Relaxed);
        self.item_count.fetch_add(items, Ordering::Relaxed);
    }

    /// The same of names that are forgotten.
    pub(super) fn uncount(&self, keys: usize, items: usize) {
        self.use_count.fetch_sub(keys, Ordering::Relaxed);
        self.key_count.fetch_sub(keys, Ordering::Relaxed);
        self.item_count.fetch_sub(items, Ordering::Relaxed);
    }

    /// Sessions that track.
    pub(crate) fn client_count(&self) -> usize {
        self.client_count.load(Ordering::Relaxed)
    }

    /// Names that are remembered.
    pub(crate) fn key_count(&self) -> usize {
        self.key_count.load(Ordering::Relaxed)
    }

    /// Sessions that are remembered, of all names together.
    pub(crate) fn item_count(&self) -> usize {
        self.item_count.load(Ordering::Relaxed)
    }

    /// Prefixes that some session tracks.
    pub(crate) fn prefix_count(&self) -> usize {
        self.prefix_count.load(Ordering::Relaxed)
    }

    /// Notes a change that is to be broadcast, made by session `changer` (0 is none); answers whether
    /// anyone wants to know.
    pub(super) fn note_change(&self, key: &[u8], changer: u64) -> bool {
        if self.prefix_count() == 0 {
            return false;
        }
        let mut is_wanted = false;
        for (prefix, broadcast) in &mut *self.broadcasts.lock() {
            if key.starts_with(prefix) {
                broadcast.keys.insert(key.to_vec(), changer);
                is_wanted = true;
            }
        }
        is_wanted
    }

    /// Takes what is to be broadcast, prefix by prefix.
    pub(super) fn take_changes(&self) -> Vec<Broadcast> {
        let mut broadcasts = self.broadcasts.lock();
        let changed = broadcasts.values_mut().filter(|it| !it.keys.is_empty());
        changed
            .map(|broadcast| Broadcast {
                clients: broadcast.clients.clone(),
                keys: std::mem::take(&mut broadcast.keys),
            })
            .collect()
    }

    fn add_prefix(&self, prefix: &[u8], client: &Arc<ClientShared>) {
        let mut broadcasts = self.broadcasts.lock();
        let broadcast = broadcasts.entry(prefix.to_vec()).or_default();
        broadcast.clients.push(client.clone());
        self.prefix_count.store(broadcasts.len(), Ordering::Relaxed);
    }

    fn remove_prefix(&self, prefix: &[u8], client: &Arc<ClientShared>) {
        let mut broadcasts = self.broadcasts.lock();
        if let Some(broadcast) = broadcasts.get_mut(prefix) {
            broadcast
                .clients
                .retain(|other| !Arc::ptr_eq(other, client));
            if broadcast.clients.is_empty() {
                broadcasts.remove(prefix);
            }
        }
        self.prefix_count.store(broadcasts.len(), Ordering::Relaxed);
    }
}

/// What CLIENT TRACKING ON asks for.
#[derive(Default)]
pub(crate) struct TrackingRequest<'a> {
    pub(crate) flags: TrackingFlags,
    /// The session that is to get the messages; 0 is the one that tracks.
    pub(crate) redirect: u64,
    pub(crate) prefixes: Vec<&'a [u8]>,
}

/// Lets a session track, or changes how it does.
///
/// # Errors
/// The options contradict each other, or how the session tracks already.
pub(crate) fn enable(
    engine: &Engine,
    client: &mut Client,
    request: &TrackingRequest<'_>,
) -> Result<(), CommandError> {
    let old = client.shared.tracking.flags();
    check_options(old, request)?;
    if request.flags.contains(TrackingFlags::BCAST) {
        check_prefixes(client, &request.prefixes)?;
        let all: &[&[u8]] = &[b""];
        let prefixes = match &request.prefixes[..] {
            [] => all,
            prefixes => prefixes,
        };
        for &prefix in prefixes {
            if client.tracked_prefixes.insert(prefix.to_vec()) {
                engine.tracking.add_prefix(prefix, &client.shared);
            }
        }
    }
    let redirect = &client.shared.tracking.redirect;
    redirect.store(request.redirect, Ordering::Relaxed);
    client
        .shared
        .tracking
        .set_flags(request.flags | TrackingFlags::ON);
    if !old.contains(TrackingFlags::ON) {
        let tracking = &engine.tracking;
        tracking.use_count.fetch_add(1, Ordering::Relaxed);
        tracking.client_count.fetch_add(1, Ordering::Relaxed);
    }
    note_prefixes(client);
    client.refresh_tracks_reads();
    Ok(())
}

fn note_prefixes(client: &Client) {
    let prefixes = client.tracked_prefixes.iter();
    let bytes = prefixes.map(|prefix| name_bytes(prefix)).sum();
    let tracked_bytes = &client.shared.memory.tracked_bytes;
    tracked_bytes.store(bytes, Ordering::Relaxed);
}

fn check_options(old: TrackingFlags, request: &TrackingRequest<'_>) -> Result<(), CommandError> {
    let (bcast, optin, optout) = (
        TrackingFlags::BCAST,
        TrackingFlags::OPTIN,
        TrackingFlags::OPTOUT,
    );
    let new = request.flags;
    let error = if !new.contains(bcast) && !request.prefixes.is_empty() {
        "ERR PREFIX option requires BCAST mode to be enabled"
    } else if old.contains(TrackingFlags::ON) && old.contains(bcast) != new.contains(bcast) {
        "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and \
         then re-enabling it with a different mode."
    } else if new.contains(bcast) && new.intersects(optin | optout) {
        "ERR OPTIN and OPTOUT are not compatible with BCAST"
    } else if new.contains(optin | optout) {
        "ERR You can't specify both OPTIN mode and OPTOUT mode"
    } else if new.contains(optin) && old.contains(optout)
        || new.contains(optout) && old.contains(optin)
    {
        "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and \
         then re-enabling it with a different mode."
    } else {
        return Ok(());
    };
    Err(CommandError::text(error))
}

/// Of two prefixes of a session neither may begin with the other: it would be told twice.
fn check_prefixes(client: &Client, prefixes: &[&[u8]]) -> Result<(), CommandError> {
    let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
    let error = |one: &[u8], relation: &str, other: &[u8]| {
        CommandError::of_parts(&[
            b"ERR Prefix '",
            one,
            b"' overlaps with ",
            relation.as_bytes(),
            b" prefix '",
            other,
            b"'. Prefixes for a single client must not overlap.",
        ])
    };
    for (index, one) in prefixes.iter().enumerate() {
        let mut existing = client.tracked_prefixes.iter();
        if let Some(other) = existing.find(|other| overlap(one, other)) {
            return Err(error(one, "an existing", other));
        }
        let mut others = prefixes[index + 1..].iter();
        if let Some(other) = others.find(|other| overlap(one, other)) {
            return Err(error(one, "another provided", other));
        }
    }
    Ok(())
}

/// Lets a session track no more. What is remembered of it is forgotten as it is met.
pub(crate) fn disable(engine: &Engine, client: &mut Client) {
    if !client.shared.tracking.flags().contains(TrackingFlags::ON) {
        return;
    }
    for prefix in std::mem::take(&mut client.tracked_prefixes) {
        engine.tracking.remove_prefix(&prefix, &client.shared);
    }
    note_prefixes(client);
    client.shared.tracking.set_flags(TrackingFlags::empty());
    client.is_caching_said = false;
    client.refresh_tracks_reads();
    let tracking = &engine.tracking;
    tracking.client_count.fetch_sub(1, Ordering::Relaxed);
    tracking.use_count.fetch_sub(1, Ordering::Relaxed);
}
