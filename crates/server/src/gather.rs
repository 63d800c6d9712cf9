//! Whether a worker's thread rests before it looks for requests again, so that more of them have come when it does: the
//! decision, free of threads and clocks. `turn.rs` counts, asks here, and rests.
//!
//! # Why rest when there is something to do
//!
//! Fifty clients that each wait for their reply before they ask again keep a worker busy nearly all the time, and still
//! it finds only two or three requests whenever it looks: it is faster than they are. So it falls asleep and is woken
//! up for every few requests, and so do the clients; each of that costs the system about as much as a request. Network
//! cards that interrupt their processor for each packet have the same trouble, and the same cure: a rest of some tens
//! of microseconds, after which there are more of them. They are executed together (their cache misses overlap), and
//! the clients get their replies in one row. It took an eighth of the processor time away, and the rate of requests
//! stayed or rose; a single reply waits longer.
//!
//! With few clients all of them would wait for the end of the rest, and with little to do there is nothing to save. So
//! it is tried only with many clients and many requests of which few are found at a time, and kept only if it pays:
//! windows of time with rests alternate with such without, and both are compared. That is repeated now and then.

use std::time::Duration;

/// How long a rest is. Systems add what they like (Linux 50 us); what comes of that is what is judged.
pub(crate) const REST: Duration = Duration::from_micros(20);

/// For how long requests are counted before it is considered what to do.
pub(crate) const WINDOW: Duration = Duration::from_millis(40);

/// Below so many reads a second the worker has time, and rests by itself.
const RATE_MIN: f64 = 40_000.0;

/// With fewer connections all of them might wait for the end of the rest.
const CONNECTIONS_MIN: u32 = 24;

/// From so many reads at a time on there is nothing to gather.
const READS_PER_TURN_MAX: f64 = 16.0;

/// For so many windows in a row there must be a reason for a trial.
const WINDOWS_BEFORE: u32 = 2;

/// The windows of a trial, one with rests after each one without.
const WINDOWS_OF_TRIAL: u32 = 6;

/// What a read may cost, of what it costs without rests, for them to be worth it.
const CHEAPER: f64 = 0.96;

/// What must be left of the rate.
const NO_LOSS: f64 = 0.97;

/// For so many windows what was found out holds; twice as many each time that the same comes out.
const WAIT_MIN: u32 = 32;
const WAIT_MAX: u32 = 1024;

/// After so many windows without a reason everything is forgotten.
const WINDOWS_TO_FORGET: u32 = 32;

/// What a worker did in a window of time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    /// How often something was read from a connection.
    pub(crate) reads: u64,
    /// How often it was looked what is to be read, and something was.
    pub(crate) turns: u64,
    /// Of how many connections.
    pub(crate) connections: u32,
    /// How long it was.
    pub(crate) seconds: f64,
    /// What it took of the processor's time.
    pub(crate) busy_seconds: f64,
}

impl Window {
    fn add(&mut self, other: Window) {
        self.reads += other.reads;
        self.seconds += other.seconds;
        self.busy_seconds += other.busy_seconds;
    }

    /// Reads a second.
    fn rate(&self) -> f64 {
        self.reads as f64 / self.seconds
    }

    /// Seconds of processor time for a read.
    fn cost(&self) -> f64 {
        self.busy_seconds / self.reads as f64
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Trial {
    windows: u32,
    with: Window,
    without: Window,
}

/// What a trial has shown.
#[derive(Debug, Clone, Copy)]
struct Finding {
    pays: bool,
    /// Windows until it is looked at again.
    wait: u32,
    /// What `wait` began with.
    waited: u32,
}

/// Whether to rest, and what is known about that.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    trial: Option<Trial>,
    finding: Option<Finding>,
    /// Windows in a row that were a reason to rest, or none.
    reasons: u32,
    no_reasons: u32,
}

impl Gathering {
    /// Considers what was done in a window, with rests or without; answers whether to rest in the next one.
    pub(crate) fn consider(&mut self, window: Window, has_rested: bool) -> bool {
        let is_busy = window.rate() >= RATE_MIN && window.connections >= CONNECTIONS_MIN;
        let finds_few = (window.reads as f64) < window.turns as f64 * READS_PER_TURN_MAX;
        if !is_busy || !finds_few && !has_rested {
            // A trial in which the load has ended says nothing.
            self.trial = None;
            self.reasons = 0;
            self.no_reasons += 1;
            if self.no_reasons >= WINDOWS_TO_FORGET {
                self.finding = None;
            }
            return false;
        }
        self.no_reasons = 0;
        self.reasons += 1;
        if let Some(trial) = self.trial.take() {
            return self.go_on(trial, window, has_rested);
        }
        if self.reasons < WINDOWS_BEFORE {
            return false;
        }
        match &mut self.finding {
            Some(finding) if finding.wait > 0 => {
                finding.wait -= 1;
                finding.pays
            }
            _ => {
                self.trial = Some(Trial::default());
                false
            }
        }
    }

    fn go_on(&mut self, mut trial: Trial, window: Window, has_rested: bool) -> bool {
        trial.windows += 1;
        if has_rested {
            trial.with.add(window);
        } else {
            trial.without.add(window);
        }
        if trial.windows < WINDOWS_OF_TRIAL {
            self.trial = Some(trial);
            return !has_rested;
        }
        let pays = trial.with.cost() <= trial.without.cost() * CHEAPER
            && trial.with.rate() >= trial.without.rate() * NO_LOSS;
        let wait = match self.finding {
            Some(finding) if finding.pays == pays => (finding.waited * 2).min(WAIT_MAX),
            _ => WAIT_MIN,
        };
        self.finding = Some(Finding {
            pays,
            wait,
            waited: wait,
        });
        pays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second of a load, in windows; answers in how many of them there were rests.
    fn run(gathering: &mut Gathering, windows: u32, load: impl Fn(bool) -> Window) -> u32 {
        let mut rests = false;
        let mut count = 0;
        for _ in 0..windows {
            count += u32::from(rests);
            rests = gathering.consider(load(rests), rests);
        }
        count
    }

    /// So many reads a second, found so many at a time, that take so many microseconds each.
    fn window(rate: f64, per_turn: f64, connections: u32, cost_us: f64) -> Window {
        let seconds = WINDOW.as_secs_f64();
        let reads = rate * seconds;
        Window {
            reads: reads as u64,
            turns: (reads / per_turn) as u64,
            connections,
            seconds,
            busy_seconds: reads * cost_us / 1e6,
        }
    }

    /// Fifty clients that wait for their replies.
    fn many_clients(rests: bool) -> Window {
        match rests {
            true => window(91_000.0, 7.0, 50, 7.0),
            false => window(90_000.0, 2.2, 50, 8.0),
        }
    }

    #[test]
    fn it_rests_where_that_is_cheaper() {
        let mut gathering = Gathering::default();
        let rested = run(&mut gathering, 1000, many_clients);
        assert!(rested > 950, "{rested} of 1000");
    }

    #[test]
    fn it_does_not_rest_where_that_costs_replies() {
        let mut gathering = Gathering::default();
        let rested = run(&mut gathering, 1000, |rests| match rests {
            true => window(70_000.0, 7.0, 25, 7.0),
            false => window(90_000.0, 2.2, 25, 8.0),
        });
        assert!(rested < 30, "{rested} of 1000");
    }

    #[test]
    fn it_does_not_rest_where_nothing_is_saved() {
        let mut gathering = Gathering::default();
        let rested = run(&mut gathering, 1000, |rests| match rests {
            true => window(90_000.0, 7.0, 50, 7.9),
            false => window(90_000.0, 2.2, 50, 8.0),
        });
        assert!(rested < 30, "{rested} of 1000");
    }

    #[test]
    fn few_clients_or_requests_or_many_at_a_time_are_no_reason_to_try() {
        for load in [
            window(90_000.0, 2.2, 8, 8.0),
            window(20_000.0, 1.1, 50, 9.0),
            window(90_000.0, 20.0, 50, 8.0),
        ] {
            let mut gathering = Gathering::default();
            assert_eq!(run(&mut gathering, 1000, |_| load), 0, "{load:?}");
        }
    }

    #[test]
    fn it_ends_with_the_load_and_begins_with_it_again() {
        let mut gathering = Gathering::default();
        run(&mut gathering, 20, many_clients);
        assert!(gathering.consider(many_clients(true), true));
        // What comes now and then does not wait.
        let quiet = window(1_000.0, 1.0, 3, 9.0);
        assert!(!gathering.consider(quiet, true));
        assert_eq!(run(&mut gathering, 10, |_| quiet), 0);
        // What was found out still holds.
        let rested = run(&mut gathering, 10, many_clients);
        assert_eq!(rested, 10 - WINDOWS_BEFORE);
        // After a while it does not.
        run(&mut gathering, WINDOWS_TO_FORGET, |_| quiet);
        assert!(gathering.finding.is_none());
    }

    #[test]
    fn what_pays_no_more_ends() {
        let mut gathering = Gathering::default();
        run(&mut gathering, 200, many_clients);
        let rested = run(&mut gathering, 2000, |rests| match rests {
            true => window(60_000.0, 7.0, 50, 8.0),
            false => window(90_000.0, 2.2, 50, 8.0),
        });
        // As long as the last finding held, and the trials since.
        assert!(rested < 400, "{rested} of 2000");
    }
}
