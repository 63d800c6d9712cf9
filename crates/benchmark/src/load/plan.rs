//! What is to be sent, where to and how.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use oxidis_resp::write_request;

use super::Endpoint;
use crate::request::Template;

/// How the requests of a run are numbered.
#[derive(Debug, Clone, Copy)]
pub enum Numbers {
    /// At random, from this seed.
    Random(u64),
    /// One after the other.
    Counting,
    /// In no order, but each only once while there are more below the bound than are taken.
    Scattered,
}

/// Requests that each connection sends before all others. Their replies are awaited, and must be no
/// errors, but neither counted nor timed.
#[derive(Debug, Clone, Default)]
pub struct Greeting {
    bytes: Vec<u8>,
    requests: u64,
}

impl Greeting {
    /// Adds a request.
    pub fn push(&mut self, arguments: &[&[u8]]) {
        write_request(arguments, &mut self.bytes);
        self.requests += 1;
    }

    /// What is sent.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many replies follow.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }
}

/// A run.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The server.
    pub endpoint: &'a Endpoint,
    /// What each connection says first.
    pub greeting: Greeting,
    /// The requests.
    pub template: &'a Template,
    /// The numbers in them.
    pub numbers: Numbers,
    /// How many connections there are, at least one.
    pub clients: usize,
    /// How many threads serve them, at least one.
    pub threads: usize,
    /// How many requests each connection sends at once, at least one.
    pub depth: usize,
    /// How many requests are sent in all; rounded up to whole batches.
    pub requests: u64,
    /// Whether a connection sends one batch after the other; else each batch has a connection of
    /// its own.
    pub keep_alive: bool,
    /// To how many decimal digits latencies are told apart.
    pub latency_digits: u8,
    /// How long a server may keep all connections of a thread waiting; without end where absent.
    pub silence_limit: Option<Duration>,
    /// How many requests are offered a second, whether the server keeps up or not. The latency of a request counts
    /// from when it was due, not from when a connection was free to send it: so a pause of the server is
    /// in the latencies of all requests that fell into it. Connections are kept alive then. Where absent,
    /// each connection sends its next batch as soon as the last is answered.
    pub rate: Option<f64>,
    /// Ends the run when it becomes true: what was due by then is still sent and answered.
    pub stop: Option<&'a AtomicBool>,
}

impl<'a> Plan<'a> {
    /// A run of so many requests, one at a time over one connection, with random numbers.
    pub fn new(endpoint: &'a Endpoint, template: &'a Template, requests: u64) -> Self {
        Self {
            endpoint,
            greeting: Greeting::default(),
            template,
            numbers: Numbers::Random(0),
            clients: 1,
            threads: 1,
            depth: 1,
            requests,
            keep_alive: true,
            latency_digits: 3,
            silence_limit: None,
            rate: None,
            stop: None,
        }
    }

    /// How many requests are in a batch.
    pub(super) fn depth(&self) -> usize {
        self.depth.max(1)
    }
}
