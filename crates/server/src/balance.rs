//! How many of the workers have connections: the decision, free of threads and clocks. `workers.rs`
//! looks regularly, asks here, and moves the connections.
//!
//! # Why not always all of them
//!
//! A worker that finds one short request each time it wakes up spends more on waking up than on the
//! request. With fifty clients that each wait for their reply before they ask again, on two cores
//! that the clients share, two workers cost 1.4 times the processor time that one costs for the same
//! request, and answer a third fewer requests a second: one worker finds a whole row of requests
//! whenever it looks. With requests in pipelines, or clients elsewhere, two are what one would hope; but where both
//! write to the same few lists, each finds what it needs in the other's cache.
//!
//! Nothing that can be read off before says which it is going to be; so it is tried. While there is
//! little to do, all workers have connections, so that a client's slow command is in few clients'
//! way. When there is much to do, twice as many are tried if the workers are busy all the time and there are more, and
//! else half of them. What was tried is
//! kept if it pays, and else taken back; what did not pay is tried again later and later, or when the
//! load has changed. What is known outlives a pause: a load that comes back is served by as many as served it
//! best before, unless its rate says that it is another one.
//!
//! Workers pay if requests become dearer by at most a third of the share that there are more of them. Where clients take the
//! same cores, a second worker may answer a sixth more requests and make each dearer by as much: those of the sixth cost
//! twice as much as others, and that is not worth it.
//!
//! What is compared are the best looks at either number. Whatever disturbs a look (a load that began or ended within it,
//! another program, another machine on the same processor) makes it worse, never better. A trial ends as soon as it is clear:
//! what does not pay is not to cost much by being tried.

/// Below so many commands a second there is little to do.
const QUIET_RATE: f64 = 20_000.0;

/// For so many looks in a row there must be little to do before all workers have connections again.
const QUIET_LOOKS: u32 = 5;

/// The share of its time from which on a worker is busy all the time.
const SATURATED: f64 = 0.9;

/// The share of its time up to which a worker has time left.
const AT_EASE: f64 = 0.75;

/// For so many looks in a row there must be a reason for a trial.
const LOOKS_BEFORE: u32 = 2;

/// The most looks of a trial, one at what is tried after each one at what was before: the machine's mood changes within
/// tenths of a second, by more than what is to be seen.
const LOOKS_OF_TRIAL: u32 = 8;

/// A trial is over after so many looks if commands cost by so much more or less than they may.
const CLEAR: [(u32, f64); 3] = [(2, 1.4), (4, 1.2), (6, 1.1)];

/// What more workers must bring to be kept.
const GAIN: f64 = 1.1;

/// What must be left of the rate where something else was gained.
const NO_LOSS: f64 = 0.97;

/// By what share of the share that there are more of them commands may become dearer.
const PRICE: f64 = 1.0 / 3.0;

/// By how much commands must be dearer with more workers than they may be for these to be taken back, so that chance
/// does not decide.
const CLEARLY: f64 = 1.04;

/// What a command may cost with more workers, of what it costs with fewer, for time left to be worth that.
const HARDLY_DEARER: f64 = 1.08;

/// For so many looks what did not pay is not tried again; twice as many each time.
const WAIT_MIN: u32 = 16;
const WAIT_MAX: u32 = 2048;

/// After a pause it is tried again no later than this: it may be another load at the same rate.
const WAIT_AFTER_PAUSE: u32 = 64;

/// A change of the rate by this share is a change of the load.
const OTHER_LOAD: f64 = 0.25;

/// What was seen since the last look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Commands a second.
    pub(crate) rate: f64,
    /// The share of the time in which the busiest of the workers with connections was busy. Where the system tells, it
    /// is the share of a processor's time that it got.
    pub(crate) busiest: f64,
    /// The same of all workers with connections, added up.
    pub(crate) busy: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    More,
    Fewer,
}

/// What did not pay.
#[derive(Debug, Clone, Copy)]
struct Failure {
    /// The rate before the trial.
    rate: f64,
    /// Looks until it may be tried again.
    wait: u32,
    /// What `wait` began with.
    waited: u32,
}

#[derive(Debug, Clone, Copy)]
struct Trial {
    direction: Direction,
    /// How many had connections before, and how many are tried.
    from: usize,
    to: usize,
    looks: u32,
    before: Best,
    during: Best,
}

/// The best of several looks.
#[derive(Debug, Clone, Copy)]
struct Best {
    /// The most commands a second.
    rate: f64,
    /// The fewest seconds that workers were busy for a command.
    cost: f64,
    /// The largest share of the time in which the busiest worker was busy.
    busiest: f64,
}

impl Trial {
    /// Whether what is tried pays; nothing while that cannot be told.
    fn verdict(&self) -> Option<bool> {
        let (more, fewer) = match self.direction {
            Direction::More => (self.during, self.before),
            Direction::Fewer => (self.before, self.during),
        };
        let gain = more.rate / fewer.rate;
        let dearer = more.cost / fewer.cost;
        let too_dear = dearer / worth(gain);
        let is_over = self.looks >= LOOKS_OF_TRIAL;
        let is_clear = CLEAR.iter().any(|&(looks, share)| {
            self.looks == looks && (too_dear > share || gain >= GAIN && too_dear < 1.0 / share)
        });
        if !is_over && !is_clear {
            return None;
        }
        Some(match self.direction {
            Direction::More => {
                let is_worth_it = gain >= GAIN && too_dear <= 1.0;
                // As many requests with time left, if they do not cost much more.
                let is_at_ease = more.busiest < AT_EASE && dearer < HARDLY_DEARER;
                is_worth_it || gain >= NO_LOSS && is_at_ease
            }
            Direction::Fewer => {
                let was_not_worth_it = too_dear >= CLEARLY;
                // As many requests, and that leaves the workers a pause.
                let has_pauses = gain <= 1.0 / NO_LOSS && fewer.busiest < SATURATED;
                gain <= 1.0 / GAIN || was_not_worth_it || has_pauses
            }
        })
    }
}

impl Best {
    const NONE: Best = Best {
        rate: 0.0,
        cost: f64::INFINITY,
        busiest: 0.0,
    };

    fn add(&mut self, look: Look) {
        self.rate = self.rate.max(look.rate);
        self.cost = self.cost.min(look.busy / look.rate);
        self.busiest = self.busiest.max(look.busiest);
    }
}

/// What a command may cost with workers that answer so many times as many, of what it costs without them.
fn worth(gain: f64) -> f64 {
    1.0 + (gain - 1.0) * PRICE
}

/// How many workers have connections, and what is known about other numbers of them.
#[derive(Debug)]
pub(crate) struct Balance {
    all: usize,
    active: usize,
    /// How many served the last load, while there is little to do and all have connections.
    served: Option<usize>,
    trial: Option<Trial>,
    /// What speaks for a trial, and the looks in a row that say so.
    reason: Option<(Direction, u32)>,
    quiet_looks: u32,
    is_quiet: bool,
    more_failed: Option<Failure>,
    fewer_failed: Option<Failure>,
}

impl Balance {
    /// All of so many workers have connections.
    pub(crate) fn new(all: usize) -> Self {
        Balance {
            all,
            active: all,
            served: None,
            trial: None,
            reason: None,
            quiet_looks: 0,
            is_quiet: true,
            more_failed: None,
            fewer_failed: None,
        }
    }

    /// Considers what was seen; answers how many workers are to have connections.
    pub(crate) fn consider(&mut self, look: Look) -> usize {
        let is_quiet = look.rate < QUIET_RATE;
        if is_quiet {
            self.consider_quiet();
        } else {
            self.consider_busy(look);
        }
        self.is_quiet = is_quiet;
        self.active
    }

    /// Whether there is little to do.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// All have connections again, and nothing is known.
    pub(crate) fn reset(&mut self) {
        *self = Balance::new(self.all);
    }

    fn failures(&mut self) -> impl Iterator<Item = &mut Failure> {
        [&mut self.more_failed, &mut self.fewer_failed]
            .into_iter()
            .flatten()
    }

    fn consider_busy(&mut self, look: Look) {
        self.quiet_looks = 0;
        if let Some(served) = self.served.take() {
            // This look was at all of them, and in part at none to serve.
            self.active = served;
            for failure in self.failures() {
                failure.wait = failure.wait.min(WAIT_AFTER_PAUSE);
            }
            return;
        }
        for failure in self.failures() {
            failure.wait = failure.wait.saturating_sub(1);
        }
        match self.trial.take() {
            Some(trial) => self.consider_trial(trial, look),
            None => self.consider_reasons(look),
        }
    }

    fn consider_quiet(&mut self) {
        // A trial in which the load ended says nothing.
        if let Some(trial) = self.trial.take() {
            self.active = trial.from;
        }
        self.reason = None;
        self.quiet_looks += 1;
        if self.quiet_looks >= QUIET_LOOKS && self.served.is_none() {
            self.served = Some(self.active);
            self.active = self.all;
        }
    }

    fn consider_reasons(&mut self, look: Look) {
        let direction = if look.busiest >= SATURATED && self.active < self.all {
            Direction::More
        } else if self.active > 1 {
            Direction::Fewer
        } else {
            self.reason = None;
            return;
        };
        let looks = match self.reason {
            Some((same, looks)) if same == direction => looks + 1,
            _ => 1,
        };
        self.reason = Some((direction, looks));
        if looks < LOOKS_BEFORE || self.is_known_to_fail(direction, look.rate) {
            return;
        }
        self.reason = None;
        let to = match direction {
            Direction::More => (self.active * 2).min(self.all),
            Direction::Fewer => self.active.div_ceil(2),
        };
        self.trial = Some(Trial {
            direction,
            from: self.active,
            to,
            looks: 0,
            before: Best::NONE,
            during: Best::NONE,
        });
        self.active = to;
    }

    fn is_known_to_fail(&self, direction: Direction, rate: f64) -> bool {
        let failure = match direction {
            Direction::More => self.more_failed,
            Direction::Fewer => self.fewer_failed,
        };
        failure.is_some_and(|it| it.wait > 0 && (rate / it.rate - 1.0).abs() < OTHER_LOAD)
    }

    fn consider_trial(&mut self, mut trial: Trial, look: Look) {
        trial.looks += 1;
        let is_trying = self.active == trial.to;
        match is_trying {
            true => trial.during.add(look),
            false => trial.before.add(look),
        }
        let Some(pays) = trial.verdict() else {
            self.active = if is_trying { trial.from } else { trial.to };
            self.trial = Some(trial);
            return;
        };
        self.active = if pays { trial.to } else { trial.from };
        let (rate, rate_before) = (trial.during.rate, trial.before.rate);
        let (tried, other) = match trial.direction {
            Direction::More => (&mut self.more_failed, &mut self.fewer_failed),
            Direction::Fewer => (&mut self.fewer_failed, &mut self.more_failed),
        };
        if pays {
            *tried = None;
            // The way back is known to be worse.
            *other = Some(Failure {
                rate,
                wait: WAIT_MIN,
                waited: WAIT_MIN,
            });
        } else {
            let same_load = tried.filter(|it| (rate_before / it.rate - 1.0).abs() < OTHER_LOAD);
            let wait = same_load.map_or(WAIT_MIN, |it| (it.waited * 2).min(WAIT_MAX));
            *tried = Some(Failure {
                rate: rate_before,
                wait,
                waited: wait,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From when the load is there until it is known how many serve it best.
    const LOOKS_TO_DECIDE: u32 = LOOKS_BEFORE + LOOKS_OF_TRIAL;

    /// A load, as a function of how many workers serve it.
    fn run(balance: &mut Balance, looks: u32, load: impl Fn(usize) -> Look) -> Vec<usize> {
        (0..looks)
            .map(|_| {
                let look = load(balance.active);
                balance.consider(look)
            })
            .collect()
    }

    /// What so many workers do that are equally busy.
    fn look(active: usize, rate: f64, busiest: f64) -> Look {
        Look {
            rate,
            busiest,
            busy: busiest * active as f64,
        }
    }

    /// Fifty clients without pipelines, on two cores.
    fn one_request_at_a_time(active: usize) -> Look {
        match active {
            1 => look(1, 154_000.0, 0.99),
            _ => look(active, 104_000.0, 0.7),
        }
    }

    /// As the above with 64 requests at a time, from elsewhere.
    fn pipelines(active: usize) -> Look {
        match active {
            1 => look(1, 2_500_000.0, 0.99),
            _ => look(active, 4_400_000.0, 0.95),
        }
    }

    #[test]
    fn all_serve_when_there_is_little_to_do() {
        let mut balance = Balance::new(8);
        let seen = run(&mut balance, 50, |active| look(active, 5_000.0, 0.1));
        assert!(seen.iter().all(|&active| active == 8));
    }

    #[test]
    fn one_serves_where_two_find_too_little() {
        let mut balance = Balance::new(2);
        let seen = run(&mut balance, 1000, one_request_at_a_time);
        assert_eq!(seen[LOOKS_TO_DECIDE as usize], 1);
        let looks_with_two = seen.iter().filter(|&&active| active == 2).count();
        assert!(looks_with_two < 30, "{looks_with_two} of 1000");
    }

    #[test]
    fn one_serves_where_two_answer_as_many_for_more() {
        // Sixteen requests at a time, on two cores that the clients share.
        let mut balance = Balance::new(2);
        let seen = run(&mut balance, 1000, |active| match active {
            1 => look(1, 1_500_000.0, 0.95),
            _ => look(active, 1_450_000.0, 0.7),
        });
        let looks_with_two = seen.iter().filter(|&&active| active == 2).count();
        assert!(looks_with_two < 30, "{looks_with_two} of 1000");
    }

    #[test]
    fn one_serves_where_two_answer_few_more_for_much_more() {
        let mut balance = Balance::new(2);
        let seen = run(&mut balance, 1000, |active| match active {
            1 => look(1, 2_200_000.0, 0.99),
            _ => look(active, 2_600_000.0, 0.8),
        });
        let looks_with_two = seen.iter().filter(|&&active| active == 2).count();
        assert!(looks_with_two < 40, "{looks_with_two} of 1000");
    }

    #[test]
    fn a_machine_that_becomes_slower_meanwhile_does_not_decide() {
        // One worker answers a tenth more for less, but everything takes longer from look to look.
        let looks = std::cell::Cell::new(0);
        let load = |active: usize| {
            looks.set(looks.get() + 1);
            let speed = 0.93_f64.powi(looks.get());
            match active {
                1 => look(1, 3_700_000.0 * speed, 0.99),
                _ => look(active, 3_300_000.0 * speed, 0.6),
            }
        };
        let mut balance = Balance::new(2);
        let seen = run(&mut balance, LOOKS_TO_DECIDE, load);
        assert_eq!(seen.last(), Some(&1));
    }

    #[test]
    fn looks_in_which_the_load_pauses_do_not_decide() {
        // Both write to the same lists, and every third look sees half of what it could.
        let looks = std::cell::Cell::new(0);
        let load = |active: usize| {
            looks.set(looks.get() + 1);
            let share = if looks.get() % 3 == 0 { 0.5 } else { 1.0 };
            match active {
                1 => look(1, 2_000_000.0 * share, 0.99 * share),
                _ => look(active, 2_150_000.0 * share, 0.7 * share),
            }
        };
        let mut balance = Balance::new(2);
        let seen = run(&mut balance, 1000, load);
        let looks_with_two = seen.iter().filter(|&&active| active == 2).count();
        assert!(looks_with_two < 50, "{looks_with_two} of 1000");
    }

    #[test]
    fn two_stay_where_two_answer_more_for_little() {
        let mut balance = Balance::new(2);
        let seen = run(&mut balance, 1000, |active| match active {
            1 => look(1, 1_550_000.0, 0.99),
            _ => look(active, 1_920_000.0, 0.64),
        });
        let looks_with_one = seen.iter().filter(|&&active| active == 1).count();
        assert!(looks_with_one < 30, "{looks_with_one} of 1000");
    }

    #[test]
    fn two_serve_where_two_pay() {
        let mut balance = Balance::new(2);
        balance.active = 1;
        let seen = run(&mut balance, 1000, pipelines);
        assert_eq!(seen[LOOKS_TO_DECIDE as usize - 1], 2);
        let looks_with_one = seen.iter().filter(|&&active| active == 1).count();
        assert!(looks_with_one < 40, "{looks_with_one} of 1000");
    }

    #[test]
    fn another_load_is_another_question() {
        let mut balance = Balance::new(2);
        // What is being tried when the load changes must be tried again.
        run(&mut balance, 500, one_request_at_a_time);
        let seen = run(&mut balance, 2 * LOOKS_TO_DECIDE, pipelines);
        assert_eq!(seen.last(), Some(&2));
        let seen = run(&mut balance, 2 * LOOKS_TO_DECIDE, one_request_at_a_time);
        assert_eq!(seen.last(), Some(&1));
    }

    #[test]
    fn a_load_that_comes_at_its_own_pace_gets_as_few_as_have_time_left() {
        // 200,000 requests a second of 10 us each: the time of two workers.
        let load = |active: usize| {
            let busiest = (2.0 / active as f64).min(1.0);
            let served = 200_000.0 * (active as f64 / 2.0).min(1.0);
            look(active, served, busiest)
        };
        let mut balance = Balance::new(16);
        let seen = run(&mut balance, 1000, load);
        assert_eq!(seen.last(), Some(&4));
    }

    #[test]
    fn when_the_load_ends_all_serve_again() {
        let mut balance = Balance::new(4);
        run(&mut balance, 100, |active| match active {
            1 => look(1, 154_000.0, 0.99),
            _ => look(active, 104_000.0, 0.7),
        });
        assert!(balance.active < 4);
        let seen = run(&mut balance, QUIET_LOOKS, |active| look(active, 0.0, 0.0));
        assert_eq!(seen.last(), Some(&4));
    }

    /// Has a load settle, end, and another one begin.
    fn after_a_pause(
        mut balance: Balance,
        load: impl Fn(usize) -> Look,
        next: impl Fn(usize) -> Look,
    ) -> Vec<usize> {
        run(&mut balance, 20, load);
        let seen = run(&mut balance, 100, |active| look(active, 10.0, 0.0));
        assert_eq!(seen.last(), Some(&balance.all));
        run(&mut balance, 2 * LOOKS_TO_DECIDE, next)
    }

    #[test]
    fn a_load_that_comes_back_is_served_as_before() {
        let load = one_request_at_a_time;
        let seen = after_a_pause(Balance::new(2), load, load);
        // The first look is at all of them.
        let looks_with_two = seen[1..].iter().filter(|&&active| active == 2).count();
        assert!(
            seen[0] == 1 && looks_with_two <= LOOKS_OF_TRIAL as usize / 2,
            "{seen:?}"
        );
    }

    #[test]
    fn another_load_at_the_same_rate_is_noticed_in_the_end() {
        // Two serve for long, and then one would answer as many.
        let mut balance = Balance::new(2);
        run(&mut balance, 3000, pipelines);
        run(&mut balance, 100, |active| look(active, 10.0, 0.0));
        let looks = 1 + WAIT_AFTER_PAUSE + 2 * LOOKS_TO_DECIDE;
        let seen = run(&mut balance, looks, |active| match active {
            1 => look(1, 3_400_000.0, 0.99),
            _ => look(active, 3_600_000.0, 0.8),
        });
        assert_eq!(seen.last(), Some(&1));
    }

    #[test]
    fn another_load_after_a_pause_is_another_question() {
        let seen = after_a_pause(Balance::new(2), one_request_at_a_time, pipelines);
        assert_eq!(seen.last(), Some(&2));
        let seen = after_a_pause(Balance::new(2), pipelines, one_request_at_a_time);
        assert_eq!(seen.last(), Some(&1));
    }
}
