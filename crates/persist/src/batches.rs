//! Decoding with several threads: one finds where things end and puts them into batches, the others make values of them.
//! Which error is told does not depend on who is faster: it is that of the earliest batch in which something is wrong.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Has `decode` take, in as many threads, the batches that `produce` sends.
///
/// # Errors
/// What is wrong with the earliest batch that is wrong, or with what comes behind all of them.
pub(crate) fn decode_in_threads<B: Send, E: Send>(
    threads: usize,
    decode: impl Fn(B) -> Result<(), E> + Sync,
    produce: impl FnOnce(&mut Sender<'_, B, E>) -> Result<(), E>,
) -> Result<(), E> {
    let failure = Mutex::new(None);
    let (sender, receiver) = sync_channel(2 * threads);
    let receiver = Mutex::new(receiver);
    let mut sender = Sender {
        sender,
        sent: 0,
        taken: usize::MAX,
        failure: &failure,
    };
    let (produced, produced_at) = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| decode_all(&receiver, &decode, &failure));
        }
        let produced = produce(&mut sender);
        // With the sender end the threads, once they have decoded what they were sent.
        (produced, sender.into_taken())
    });
    match (produced, failure.into_inner()) {
        (Err(error), Ok(Some((number, _)))) if number > produced_at => Err(error),
        (_, Ok(Some((_, error)))) | (Err(error), _) => Err(error),
        (Ok(()), _) => Ok(()),
    }
}

/// The number of a batch, and what is wrong with it.
type Failure<E> = Mutex<Option<(usize, E)>>;

/// Sends batches to the threads that decode them.
pub(crate) struct Sender<'a, B, E> {
    sender: SyncSender<(usize, B)>,
    sent: usize,
    /// The number of the batch whose error was taken.
    taken: usize,
    failure: &'a Failure<E>,
}

impl<B, E> Sender<'_, B, E> {
    /// Sends a batch.
    ///
    /// # Errors
    /// What was wrong with an earlier one: then it is of no use to go on.
    pub(crate) fn send(&mut self, batch: B) -> Result<(), E> {
        // Nobody receives when the threads are gone, which they are not before this is.
        let _ = self.sender.send((self.sent, batch));
        self.sent += 1;
        match self.failure.lock().ok().and_then(|mut it| it.take()) {
            Some((number, error)) => {
                self.taken = number;
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn into_taken(self) -> usize {
        self.taken
    }
}

/// Decodes the batches that come, until there are no more. What was sent is decoded also when something is wrong: it
/// may come before that.
fn decode_all<B, E>(
    batches: &Mutex<Receiver<(usize, B)>>,
    decode: &impl Fn(B) -> Result<(), E>,
    failure: &Failure<E>,
) {
    loop {
        // A thread that panicked while it held a lock has ended the loading anyway.
        let Ok(received) = batches.lock().map(|batches| batches.recv()) else {
            return;
        };
        let Ok((number, batch)) = received else {
            return;
        };
        if let Err(error) = decode(batch)
            && let Ok(mut failure) = failure.lock()
            && failure.as_ref().is_none_or(|(first, _)| number < *first)
        {
            *failure = Some((number, error));
        }
    }
}
