//! The workers as a team: who gets a new connection, how many of them have connections, and how
//! connections move when that changes. How many it should be is decided in `balance.rs`.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use oxidis_engine::Engine;
use tokio::runtime::RuntimeMetrics;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use crate::balance::{Balance, Look};
use crate::process::ThreadClock;
use crate::server::Accepted;
use crate::worker::{Arrival, Handover, Ticket};

/// How often it is looked how much the workers have to do, while they have little.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The same while they have much: what is tried costs until it is known not to pay.
const LOOK_INTERVAL_BUSY: Duration = Duration::from_millis(30);

/// A worker as the others see it.
struct Member {
    sender: UnboundedSender<Arrival>,
    activity: Activity,
}

/// What a worker's thread has done.
#[derive(Clone)]
pub(crate) struct Activity {
    /// Of a runtime that has this one thread.
    metrics: RuntimeMetrics,
    load: Arc<Load>,
}

impl Activity {
    /// How long it has been awake; the runtime takes its rests for work.
    pub(crate) fn awake(&self) -> Duration {
        let rested_ns = self.load.rested_ns.load(Ordering::Relaxed);
        let awake = self.metrics.worker_total_busy_duration(0);
        awake.saturating_sub(Duration::from_nanos(rested_ns))
    }

    /// How long it has been busy: what it took of the processor's time, or, where the system does not tell, how long it
    /// was awake.
    ///
    /// The difference is the time for which others had the processor. A worker that is kept from working by
    /// clients on the same cores is not to be helped by more workers.
    fn busy(&self) -> Duration {
        let clock = self.load.clock.get().copied().flatten();
        clock
            .and_then(ThreadClock::read)
            .unwrap_or_else(|| self.awake())
    }

    /// How often it has had nothing to do.
    pub(crate) fn waits(&self) -> u64 {
        self.metrics.worker_park_count(0)
    }

    /// Where the thread tells about itself.
    pub(crate) fn load(&self) -> &Arc<Load> {
        &self.load
    }
}

/// What a worker tells about itself.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Its thread's clock, once it runs.
    pub(crate) clock: OnceLock<Option<ThreadClock>>,
    /// How many connections it has.
    pub(crate) connections: AtomicUsize,
    /// How long it has [rested](crate::gather), in nanoseconds.
    pub(crate) rested_ns: AtomicU64,
}

/// All workers.
#[derive(Default)]
pub(crate) struct Workers {
    members: Vec<Member>,
    /// The first so many get new connections.
    active: AtomicUsize,
    /// Whose turn it is.
    turn: AtomicUsize,
    /// Connections that are accepted and no sessions yet.
    arriving: Arc<AtomicUsize>,
}

/// What the workers had done at some moment.
struct Done {
    at: Instant,
    commands: u64,
    busy: Vec<Duration>,
}

impl Workers {
    /// Adds a worker; answers where it tells about itself.
    pub(crate) fn add(
        &mut self,
        sender: UnboundedSender<Arrival>,
        metrics: RuntimeMetrics,
    ) -> Activity {
        let activity = Activity {
            metrics,
            load: Arc::default(),
        };
        self.members.push(Member {
            sender,
            activity: activity.clone(),
        });
        *self.active.get_mut() += 1;
        activity
    }

    /// How many connections are accepted and no sessions yet.
    pub(crate) fn arriving(&self) -> usize {
        self.arriving.load(Ordering::Acquire)
    }

    /// Sends a connection to the next worker in turn.
    pub(crate) fn send(&self, accepted: Accepted) {
        let ticket = Ticket::new(&self.arriving);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let member = &self.members[turn % self.active.load(Ordering::Relaxed)];
        // A worker that has ended means that the server is stopping.
        let _ = member.sender.send(Arrival::Accepted(accepted, ticket));
    }

    /// Has as many workers serve as pays, for as long as the server runs.
    pub(crate) async fn balance(self: Arc<Self>, engine: Arc<Engine>) {
        let mut balance = Balance::new(self.members.len());
        let mut before = self.done(&engine);
        loop {
            tokio::time::sleep(match balance.is_quiet() {
                true => LOOK_INTERVAL,
                false => LOOK_INTERVAL_BUSY,
            })
            .await;
            let done = self.done(&engine);
            let active = if engine.config().io_threads_always_active() {
                balance.reset();
                self.members.len()
            } else {
                balance.consider(self.look(&before, &done))
            };
            before = done;
            self.activate(active);
        }
    }

    fn done(&self, engine: &Engine) -> Done {
        let activities = || self.members.iter().map(|member| &member.activity);
        Done {
            at: Instant::now(),
            commands: engine.commands_processed(),
            busy: activities().map(Activity::busy).collect(),
        }
    }

    fn look(&self, before: &Done, now: &Done) -> Look {
        let seconds = (now.at - before.at).as_secs_f64().max(f64::EPSILON);
        // Counters may have been reset in between.
        let commands = now.commands.saturating_sub(before.commands) as f64;
        let active = self.active.load(Ordering::Relaxed);
        let busy = now.busy.iter().zip(&before.busy).take(active);
        let busy = busy.map(|(now, before)| now.saturating_sub(*before));
        let busiest = busy.clone().max().unwrap_or_default();
        Look {
            rate: commands / seconds,
            busiest: busiest.as_secs_f64() / seconds,
            busy: busy.sum::<Duration>().as_secs_f64() / seconds,
        }
    }

    /// Lets the first so many workers have the connections.
    fn activate(&self, active: usize) {
        let before = self.active.swap(active, Ordering::Relaxed);
        // Those who have just begun get their share; it is for the first ones to give.
        for giver in 0..before.min(active) {
            let takers = (before..active).skip(giver).step_by(before);
            self.hand_over(giver, takers, true);
        }
        // Some connections may have been on their way to those who no longer serve.
        for giver in active..self.members.len() {
            if self.members[giver]
                .activity
                .load
                .connections
                .load(Ordering::Relaxed)
                > 0
            {
                let first = giver % active;
                self.hand_over(giver, (0..active).cycle().skip(first).take(active), false);
            }
        }
    }

    fn hand_over(&self, giver: usize, takers: impl Iterator<Item = usize>, keeps_a_share: bool) {
        let to: Vec<_> = takers.map(|it| self.members[it].sender.clone()).collect();
        if to.is_empty() {
            return;
        }
        let handover = Handover { to, keeps_a_share };
        // A worker that has ended means that the server is stopping.
        let _ = self.members[giver].sender.send(Arrival::Handover(handover));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use oxidis_embedded::SystemClock;
    use oxidis_engine::config::Config;
    use oxidis_testkit::{Client, Reply};

    use super::*;
    use crate::Allocator;
    use crate::server::{RunningServer, ServerOptions, start};

    const WORKERS: usize = 4;

    fn server() -> RunningServer {
        let config = Config::new(1);
        let set = |name: &str, value: &str| {
            config
                .set_default(name, value.as_bytes())
                .expect("a directive and its value");
        };
        set("port", "0");
        set("bind", "127.0.0.1");
        set("io-threads", &WORKERS.to_string());
        set("save", "");
        start(ServerOptions {
            config: Arc::new(config),
            clock: Arc::new(SystemClock),
            seed: 1,
            is_seeded: false,
            any_port: true,
            allocator: Allocator::UNKNOWN,
            stops_by_itself: false,
        })
        .expect("the server starts")
    }

    fn client(server: &RunningServer) -> Client {
        Client::connect(server.addresses()[0]).expect("a connection")
    }

    /// Waits for what is bound to happen.
    ///
    /// # Panics
    /// If it takes so long that it will not happen any more.
    fn wait_until(what: &str, mut has_happened: impl FnMut() -> bool) {
        let limit = Instant::now() + Duration::from_secs(60);
        while !has_happened() {
            assert!(Instant::now() < limit, "it takes too long until {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Moves the connections about until told to stop.
    fn shuffle(workers: &Workers, is_over: &AtomicBool) {
        for active in [1, 3, 2, 4].into_iter().cycle() {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            workers.activate(active);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// A client that counts in pipelines, in transactions, with what it blocks on, and is spoken to,
    /// while its connection moves.
    fn use_server(mut client: Client, mut subscriber: Client, index: usize) {
        let [counter, list, channel] =
            ["counter", "list", "channel"].map(|it| format!("{it}:{index}"));
        subscriber.send(&["SUBSCRIBE", &channel]).expect("sent");
        subscriber.receive().expect("subscribed");
        for round in 1..=40 {
            let commands = vec![vec!["INCR", &counter]; 100];
            let replies = client.pipeline(&commands).expect("replies");
            let counted = (round - 1) * 101 + 100;
            assert_eq!(replies.last(), Some(&Reply::Integer(counted)));
            assert_eq!(client.run("MULTI"), Reply::Simple(b"OK".to_vec()));
            client.run(&format!("INCR {counter}"));
            client.run(&format!("PUBLISH {channel} {round}"));
            let Reply::Array(replies) = client.run("EXEC") else {
                panic!("EXEC answers what the commands answered");
            };
            assert_eq!(replies, [Reply::Integer(counted + 1), Reply::Integer(1)]);
            let Reply::Array(message) = subscriber.receive().expect("a message") else {
                panic!("a message is an array");
            };
            assert_eq!(message[2], Reply::Bulk(round.to_string().into_bytes()));
            // It waits, and its time is over, wherever its connection is then.
            let waited = client.run(&format!("BLPOP {list} 0.01"));
            assert_eq!(waited, Reply::NullArray);
        }
    }

    #[test]
    fn connections_move_and_nothing_is_lost() {
        let server = server();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let shuffler = scope.spawn(|| shuffle(server.workers(), &is_over));
            let users: Vec<_> = (0..6)
                .map(|index| {
                    let (one, other) = (client(&server), client(&server));
                    scope.spawn(move || use_server(one, other, index))
                })
                .collect();
            let ends: Vec<_> = users
                .into_iter()
                .map(thread::ScopedJoinHandle::join)
                .collect();
            is_over.store(true, Ordering::Relaxed);
            shuffler.join().expect("the shuffler ends");
            assert!(ends.into_iter().all(|end| end.is_ok()));
        });
    }

    #[test]
    fn a_waiting_client_is_served_after_its_connection_has_moved() {
        let server = server();
        let mut waiting: Vec<_> = (0..8).map(|_| client(&server)).collect();
        for (index, client) in waiting.iter_mut().enumerate() {
            client
                .send(&["BLPOP", &format!("queue:{index}"), "0"])
                .expect("sent");
        }
        let mut pusher = client(&server);
        let blocked = |pusher: &mut Client| {
            let Reply::Bulk(page) = pusher.run("INFO clients") else {
                panic!("INFO answers a text");
            };
            String::from_utf8_lossy(&page).contains("blocked_clients:8")
        };
        wait_until("eight clients block", || blocked(&mut pusher));
        let workers = server.workers();
        workers.activate(1);
        let is_there = || {
            let count = |it: &Member| it.activity.load.connections.load(Ordering::Relaxed);
            count(&workers.members[0]) == 9
        };
        wait_until("all connections are with the first worker", || {
            workers.activate(1);
            is_there()
        });
        for (index, client) in waiting.iter_mut().enumerate() {
            pusher.run(&format!("RPUSH queue:{index} value"));
            let expected = [format!("queue:{index}").into_bytes(), b"value".to_vec()];
            assert_eq!(
                client.receive().expect("what was pushed"),
                Reply::Array(expected.map(Reply::Bulk).to_vec())
            );
        }
    }
}
