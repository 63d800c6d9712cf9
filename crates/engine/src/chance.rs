//! What the commands of a session draw from: numbers of its own, so that what follows from a seed does not depend on which
//! worker executes them, nor on how many there are. The generator itself is in `random.rs`.

use crate::random::Random;
use crate::session::Session;
use crate::worker::Worker;

/// The generator of a session. While its requests are executed its worker has it, and the worker's is here.
pub(crate) struct Chance {
    random: Random,
    /// How often the seed had been changed when it was made.
    reseeds: u64,
}

impl Chance {
    #[cold]
    fn new(worker: &Worker) -> Self {
        Chance {
            random: worker.engine.fork_session_random(),
            reseeds: worker.reseeds,
        }
    }

    #[inline]
    fn exchange(&mut self, worker: &mut Worker) {
        std::mem::swap(&mut self.random, &mut worker.random);
    }
}

impl Session {
    /// Has the worker draw from what belongs to the session.
    #[inline]
    pub(crate) fn lend_chance(&mut self, worker: &mut Worker) {
        match &mut self.chance {
            Some(chance) if chance.reseeds == worker.reseeds => chance.exchange(worker),
            chance => chance.insert(Chance::new(worker)).exchange(worker),
        }
    }

    /// Ends that.
    #[inline]
    pub(crate) fn take_chance_back(&mut self, worker: &mut Worker) {
        if let Some(chance) = &mut self.chance {
            chance.exchange(worker);
            if chance.reseeds != worker.reseeds {
                // The seed is another one since, for the worker as well.
                chance.reseeds = worker.reseeds;
                worker.random = worker.engine.random_of_worker(worker.number);
            }
        }
    }
}
