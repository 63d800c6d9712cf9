//! What the next request of a session will most likely need, guessed before the request is parsed.
//!
//! A thread that serves many clients, of which each waits for a reply before it asks again, finds one request at a time;
//! alone none of them has anything that it could fetch from memory while it waits for something else. Together they have:
//! the thread has all of them look ahead, brings near what all will need, and only then executes the first. How a batch of
//! requests of one session does the same is in `session.rs`, and what is brought near in which order in
//! `keyspace/prefetch.rs`.

use oxidis_resp::GuessedArguments;
use smallvec::SmallVec;

use crate::command::Registered;
use crate::session::Session;
use crate::worker::Worker;

/// Longer names of commands are not remembered, nor are longer elements foreseen.
const REMEMBERED_MAX_BYTES: usize = 23;

/// A few bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Remembered {
    bytes: [u8; REMEMBERED_MAX_BYTES],
    len: u8,
}

impl Remembered {
    #[inline]
    fn new(bytes: &[u8]) -> Option<Self> {
        let mut remembered = Remembered::default();
        (remembered.bytes.get_mut(..bytes.len())?).copy_from_slice(bytes);
        remembered.len = bytes.len() as u8;
        Some(remembered)
    }

    #[inline]
    fn get(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The command that a session has sent last, by the name that it used. Sessions tend to repeat themselves.
#[derive(Default)]
pub(crate) struct RecentCommand {
    name: Remembered,
    registered: Option<&'static Registered>,
}

impl RecentCommand {
    /// The name, and what it means.
    #[inline]
    pub(crate) fn get(&self) -> Option<(&[u8], &'static Registered)> {
        Some((self.name.get(), self.registered?))
    }

    /// Remembers a command whose name means it whatever follows.
    #[inline]
    pub(crate) fn remember(&mut self, name: &[u8], registered: &'static Registered) {
        let is_known = (self.registered).is_some_and(|known| std::ptr::eq(known, registered));
        if is_known && self.name.get() == name {
            return;
        }
        if let Some(name) = Remembered::new(name) {
            *self = RecentCommand {
                name,
                registered: Some(registered),
            };
        }
    }
}

/// What a request will need, most likely: a key, and an element of the collection under it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Foreseen {
    /// The database, and the key's hash.
    place: Option<(usize, u64)>,
    element: Option<Remembered>,
}

impl Foreseen {
    /// What a command needs that is at hand.
    pub(crate) fn new(database: usize, hash: u64, element: Option<&[u8]>) -> Self {
        Foreseen {
            place: Some((database, hash)),
            element: element.and_then(Remembered::new),
        }
    }
}

impl Session {
    /// Guesses what the first request in `input` needs, for [`Worker::bring_near`].
    #[inline]
    pub fn foresee(&self, worker: &Worker, input: &[u8]) -> Foreseen {
        let mut arguments = GuessedArguments::new(input);
        let (Some(name), Some(key)) = (arguments.next(), arguments.next()) else {
            return Foreseen::default();
        };
        let element = match self.recent_command.get() {
            Some((recent, registered)) if recent == name => {
                // Behind the name and the key.
                (registered.command.element.checked_sub(2)).and_then(|index| arguments.nth(index))
            }
            _ => None,
        };
        Foreseen {
            place: Some((self.database(), worker.engine.keyspace.key(key).hash)),
            element: element.and_then(Remembered::new),
        }
    }
}

impl Worker {
    /// Brings near what sessions [have foreseen](Session::foresee), for all of them at once.
    pub fn bring_near<'f>(&mut self, foreseen: impl Iterator<Item = &'f Foreseen> + Clone) {
        let mut prefetcher = self.view.keyspace().prefetcher();
        let places = || foreseen.clone().filter_map(|it| it.place);
        places().for_each(|place| prefetcher.bucket(place));
        prefetcher.entries(places());
        let elements: SmallVec<[&[u8]; 64]> = (foreseen.clone())
            .map(|it| it.element.as_ref().map_or(&[][..], Remembered::get))
            .collect();
        let lookups = foreseen.zip(&elements).filter_map(|(it, element)| {
            let element = it.element.map(|_| element);
            Some((it.place?, element.map_or(&[][..], std::slice::from_ref)))
        });
        prefetcher.elements(lookups);
    }
}
