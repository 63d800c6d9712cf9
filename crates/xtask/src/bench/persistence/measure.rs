//! The measurements, each of one server that holds the keys.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use oxidis_benchmark::load::{self, Endpoint, Numbers, Plan};
use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

use super::super::offered::{Latency, OfferedLoad};
use super::super::run::{self, CLIENTS};
use super::super::{cpu, workload};

/// How often is looked whether a save is over, and how much memory is used.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A save that takes longer is given up.
const SAVE_LIMIT: Duration = Duration::from_secs(300);

/// How long the server is left alone after the keys were loaded, and under load before memory is looked at.
const SETTLING: Duration = Duration::from_secs(2);

/// Latency from BGSAVE to its end, and how many seconds that took.
pub(super) fn latency_while_saving(
    load: OfferedLoad,
    server: &TestServer,
) -> Result<(Latency, f64)> {
    let mut client = server.client();
    let (latency, elapsed) = load.during(server, || save_in_background(&mut client, || {}))?;
    Ok((latency, elapsed.as_secs_f64()))
}

/// The memory before BGSAVE and the most while it goes on, in bytes.
pub(super) fn memory_while_saving(load: OfferedLoad, server: &TestServer) -> Result<(u64, u64)> {
    let mut client = server.client();
    let used = || cpu::memory_of_tree(server.pid()).context("the platform tells no memory");
    let (_, (before, peak)) = load.during(server, || {
        thread::sleep(SETTLING);
        let before = used()?;
        let mut peak = before;
        save_in_background(&mut client, || peak = peak.max(used().unwrap_or(0)))?;
        Ok((before, peak))
    })?;
    Ok((before, peak))
}

/// Saves in the background; answers how long it took. Calls `look` now and then.
pub(in super::super) fn save_in_background(
    client: &mut Client,
    mut look: impl FnMut(),
) -> Result<Duration> {
    let start = Instant::now();
    client.command(&["BGSAVE"])?;
    loop {
        thread::sleep(LOOK_INTERVAL);
        look();
        let report = info(client, "persistence")?;
        if report.contains("rdb_bgsave_in_progress:0") {
            if !report.contains("rdb_last_bgsave_status:ok") {
                bail!("BGSAVE failed");
            }
            return Ok(start.elapsed());
        }
        if start.elapsed() > SAVE_LIMIT {
            bail!("BGSAVE takes longer than {SAVE_LIMIT:?}");
        }
    }
}

/// A section of INFO.
pub(in super::super) fn info(client: &mut Client, section: &str) -> Result<String> {
    match client.command(&["INFO", section])? {
        Reply::Bulk(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        other => bail!("INFO answers {other:?}"),
    }
}

/// Starts a server with so many keys.
pub(in super::super) fn start_with_keys(builder: &ServerBuilder, keys: u64) -> Result<TestServer> {
    let server = builder.start()?;
    run::load(&server, &workload::set(keys), keys, Numbers::Counting)?;
    thread::sleep(SETTLING);
    Ok(server)
}

/// What loading took: seconds, and seconds of CPU time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loading {
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
}

/// How long a server takes to start with the data set in `folder`, from being executed to answering.
pub(super) fn loading(builder: &ServerBuilder, folder: &Path, keys: u64) -> Result<Loading> {
    let builder = builder.clone().argument("--dir").argument(folder);
    let start = Instant::now();
    let server = builder.start()?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = cpu::time_used(server.pid());
    let cpu_seconds = cpu
        .context("the platform tells no CPU times")?
        .as_secs_f64();
    let size = server.client().run("DBSIZE").to_string();
    if !size.contains(&keys.to_string()) {
        bail!("{size} keys were loaded, not {keys}");
    }
    Ok(Loading {
        seconds,
        cpu_seconds,
    })
}

/// CPU microseconds of the server for a SET, requests being sent as fast as they are answered.
pub(super) fn cpu_us_per_set(
    server: &TestServer,
    keys: u64,
    depth: usize,
    requests: u64,
    seed: u64,
) -> Result<f64> {
    let endpoint = Endpoint::Tcp(server.address());
    let template = workload::set(keys);
    let plan = |requests| Plan {
        numbers: Numbers::Random(seed),
        clients: CLIENTS,
        depth,
        ..Plan::new(&endpoint, &template, requests)
    };
    let used = || cpu::time_used(server.pid()).context("the platform tells no CPU times");
    load::run(&plan(requests / 10), |_| {})?;
    let before = used()?;
    let done = load::run(&plan(requests), |_| {})?;
    Ok((used()? - before).as_secs_f64() * 1e6 / done.requests as f64)
}
