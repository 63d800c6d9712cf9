//! A thread's connections, and the waiting for them.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::connection::{Connection, Step};
use super::supply::Supply;
use super::{LoadError, Numbers, Plan};
use crate::latency::Latencies;

/// How many bytes one read asks for.
const READ_BYTES: usize = 256 * 1024;

/// How many connections are opened at once: servers' queues for them are short.
const OPENED_AT_ONCE: usize = 64;

/// How often a thread that waits for its server looks whether it is to stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Waiting for events is no shorter than this.
const SHORTEST_POLL: Duration = Duration::from_millis(1);

/// What one thread does.
pub(super) struct Worker<'a> {
    plan: &'a Plan<'a>,
    poll: Poll,
    connections: Vec<Connection>,
    random: fastrand::Rng,
    latencies: Latencies,
    /// How many connections await replies to a batch.
    busy: usize,
    buffer: Vec<u8>,
    /// The connections that wait for a batch to be due.
    free: Vec<usize>,
    /// The next batch of this thread, and when it is due.
    next_due: Option<(u64, Instant)>,
    /// The longest that this thread woke up later than a batch was due that could have been sent.
    longest_own_delay: Duration,
}

impl<'a> Worker<'a> {
    /// Opens so many connections. The seed of random numbers is the plan's, and another one for
    /// each further thread.
    pub fn open(plan: &'a Plan<'a>, clients: usize, index: usize) -> Result<Self, LoadError> {
        let seed = match plan.numbers {
            Numbers::Random(seed) => seed.wrapping_add(index as u64),
            Numbers::Counting | Numbers::Scattered => 0,
        };
        let mut worker = Self {
            plan,
            poll: Poll::new()?,
            connections: Vec::with_capacity(clients),
            random: fastrand::Rng::with_seed(seed),
            latencies: Latencies::new(plan.latency_digits),
            busy: 0,
            buffer: vec![0; READ_BYTES],
            free: Vec::new(),
            next_due: None,
            longest_own_delay: Duration::ZERO,
        };
        while worker.connections.len() < clients {
            let more = (clients - worker.connections.len()).min(OPENED_AT_ONCE);
            worker.open_more(more)?;
        }
        Ok(worker)
    }

    fn open_more(&mut self, count: usize) -> Result<(), LoadError> {
        for _ in 0..count {
            let token = Token(self.connections.len());
            let connection = Connection::open(self.plan, self.poll.registry(), token)?;
            self.connections.push(connection);
        }
        let mut opened = 0;
        let mut events = Events::with_capacity(OPENED_AT_ONCE);
        while opened < count {
            self.wait(&mut events, self.plan.silence_limit)?;
            if events.is_empty() {
                return Err(LoadError::Silence(
                    self.plan.silence_limit.unwrap_or_default(),
                ));
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if connection.advance(self.plan, event, &mut self.buffer)? == Step::Opened {
                    opened += 1;
                }
            }
        }
        Ok(())
    }

    /// Sends requests until there are no more and all are answered.
    pub fn run(&mut self, supply: &Supply) -> Result<(), LoadError> {
        for index in 0..self.connections.len() {
            self.start_batch(index, supply)?;
        }
        let mut events = Events::with_capacity(self.connections.len());
        let mut last_news = Instant::now();
        while self.busy > 0
            || self.next_due.is_some()
            || (supply.has_more() && !self.connections.is_empty())
        {
            self.wait_for_work(&mut events)?;
            if supply.is_stopped() {
                break;
            }
            if self.is_told_to_end() {
                supply.end();
            }
            self.start_due(supply)?;
            if events.is_empty() {
                match self.plan.silence_limit {
                    Some(limit) if self.busy > 0 && last_news.elapsed() > limit => {
                        return Err(LoadError::Silence(limit));
                    }
                    _ => continue,
                }
            }
            if self.plan.silence_limit.is_some() {
                last_news = Instant::now();
            }
            for event in &events {
                let index = event.token().0;
                let connection = &mut self.connections[index];
                match connection.advance(self.plan, event, &mut self.buffer)? {
                    Step::Waiting => {}
                    Step::Opened => self.start_batch(index, supply)?,
                    Step::Answered(latency) => self.end_batch(index, latency, supply)?,
                }
            }
        }
        Ok(())
    }

    /// Lets a connection that is free send the next batch, at once or when it is due.
    fn start_batch(&mut self, index: usize, supply: &Supply) -> Result<(), LoadError> {
        if supply.pace().is_some() {
            self.free.push(index);
            return self.start_due(supply);
        }
        if let Some(request_index) = supply.take() {
            self.send_batch(index, request_index, Instant::now())?;
        }
        Ok(())
    }

    /// Sends the batches that are due, as far as connections are free.
    fn start_due(&mut self, supply: &Supply) -> Result<(), LoadError> {
        let Some(pace) = supply.pace() else {
            return Ok(());
        };
        while let Some(&index) = self.free.last() {
            if self.next_due.is_none() {
                self.next_due = supply.take().map(|index| (index, pace.due(index)));
            }
            let Some((request_index, due)) = self.next_due else {
                return Ok(());
            };
            if due > Instant::now() {
                if self.is_told_to_end() {
                    self.next_due = None;
                }
                return Ok(());
            }
            self.next_due = None;
            self.free.pop();
            self.send_batch(index, request_index, due)?;
        }
        Ok(())
    }

    fn send_batch(
        &mut self,
        index: usize,
        request_index: u64,
        start: Instant,
    ) -> Result<(), LoadError> {
        let connection = &mut self.connections[index];
        match self.plan.numbers {
            Numbers::Random(_) => connection.batch_mut().draw(&mut self.random),
            Numbers::Counting => connection.batch_mut().count_from(request_index),
            Numbers::Scattered => connection.batch_mut().scatter_from(request_index),
        }
        self.busy += 1;
        connection.start_batch(self.plan, start)
    }

    fn is_told_to_end(&self) -> bool {
        let stop = self.plan.stop;
        stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Waits for an event, or until the next batch is due. The system's waiting for events counts milliseconds:
    /// what is due earlier is slept for.
    fn wait_for_work(&mut self, events: &mut Events) -> io::Result<()> {
        let due = self.next_due.filter(|_| !self.free.is_empty());
        let Some((_, due)) = due else {
            return self.wait(events, Some(STOP_CHECK_INTERVAL));
        };
        let left = due.saturating_duration_since(Instant::now());
        let waited = if left < SHORTEST_POLL {
            thread::sleep(left);
            self.wait(events, Some(Duration::ZERO))
        } else {
            self.wait(events, Some(SHORTEST_POLL))
        };
        self.longest_own_delay = self.longest_own_delay.max(due.elapsed());
        waited
    }

    fn end_batch(
        &mut self,
        index: usize,
        latency: Duration,
        supply: &Supply,
    ) -> Result<(), LoadError> {
        self.busy -= 1;
        self.latencies
            .record(latency.as_micros() as u64, self.plan.depth() as u64);
        supply.count_answered(latency);
        if self.plan.keep_alive {
            self.start_batch(index, supply)
        } else if supply.has_more() {
            self.connections[index].reopen(self.plan, self.poll.registry(), Token(index))
        } else {
            Ok(())
        }
    }

    /// Waits for ever until a connection ends or is told an error.
    pub fn hold_idle(&mut self) -> Result<Infallible, LoadError> {
        let mut events = Events::with_capacity(self.connections.len().max(1));
        loop {
            self.wait(&mut events, None)?;
            for event in &events {
                self.connections[event.token().0].listen(&mut self.buffer)?;
            }
        }
    }

    /// How long the requests took.
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// The longest that this thread woke up later than a batch was due that could have been sent.
    pub fn longest_own_delay(&self) -> Duration {
        self.longest_own_delay
    }

    fn wait(&mut self, events: &mut Events, limit: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, limit) {
            // A signal that ends nothing, such as that the process was stopped and goes on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            other => other,
        }
    }
}
