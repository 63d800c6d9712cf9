//! Servers in this process that were started as forks of another one. Each has a thread that started it, waits until
//! it is to end, and stops it.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use oxidis_embedded::VirtualClock;
use oxidis_engine::Fork;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::process::Allocator;
use crate::server::{RunningServer, ServerOptions, start};

/// So many forks a server has at the most.
const FORKS_MAX: usize = 64;

/// The forks of one server.
#[derive(Default)]
pub(crate) struct Forks(Mutex<Vec<Forked>>);

struct Forked {
    port: u16,
    end: Arc<Notify>,
    keeper: JoinHandle<()>,
}

impl Forks {
    /// Starts another; answers its port.
    pub(crate) fn start(&self, fork: Fork, allocator: Allocator) -> Result<u16, String> {
        let mut forks = self.0.lock();
        forks.retain(|it| !it.keeper.is_finished());
        if forks.len() >= FORKS_MAX {
            return Err("there are too many forks".to_owned());
        }
        let end = Arc::new(Notify::new());
        let told = end.clone();
        let (sender, started) = mpsc::sync_channel(1);
        // Who asks is a thread of a runtime, in which no other runtime may begin or end.
        let keeper = std::thread::Builder::new()
            .name("oxidis-fork".to_owned())
            .spawn(move || {
                let begun = begin(&fork, allocator);
                drop(fork);
                // Nobody waits for the answer only if the thread that asks is gone.
                match begun {
                    Ok((server, runtime)) => {
                        let _ = sender.send(Ok(server.port()));
                        keep(server, &runtime, &told);
                    }
                    Err(reason) => {
                        let _ = sender.send(Err(reason));
                    }
                }
            })
            .map_err(|error| error.to_string())?;
        let port = started
            .recv()
            .unwrap_or_else(|_| Err("it ended before it began".to_owned()))?;
        forks.push(Forked { port, end, keeper });
        Ok(port)
    }

    /// Ends the one on a port, and waits for it; answers whether there was one.
    pub(crate) fn end(&self, port: u16) -> bool {
        let found = {
            let mut forks = self.0.lock();
            forks.retain(|it| !it.keeper.is_finished());
            let place = forks.iter().position(|it| it.port == port);
            place.map(|place| forks.swap_remove(place))
        };
        let is_there = found.is_some();
        found.into_iter().for_each(Forked::end);
        is_there
    }

    /// Ends all of them, and waits for them.
    pub(crate) fn end_all(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        all.into_iter().for_each(Forked::end);
    }
}

impl Forked {
    fn end(self) {
        self.end.notify_one();
        // A thread that panicked has said so.
        let _ = self.keeper.join();
    }
}

fn begin(
    fork: &Fork,
    allocator: Allocator,
) -> Result<(RunningServer, tokio::runtime::Runtime), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let server = start(ServerOptions {
        config: fork.config().clone(),
        clock: Arc::new(VirtualClock::running()),
        seed: fork.seed(),
        is_seeded: fork.is_seeded(),
        any_port: true,
        allocator,
        stops_by_itself: false,
    });
    let server = server.map_err(|error| error.to_string())?;
    fork.settle(server.engine())
        .map_err(|error| error.to_string())?;
    Ok((server, runtime))
}

/// Keeps a server until a client shuts it down or it is told to end.
fn keep(mut server: RunningServer, runtime: &tokio::runtime::Runtime, told: &Notify) {
    runtime.block_on(async {
        tokio::select! {
            () = server.wait_for_shutdown() => {}
            () = told.notified() => {}
        }
    });
    server.stop();
}
