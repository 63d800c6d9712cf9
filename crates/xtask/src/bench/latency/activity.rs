//! What goes on in the server while requests are measured: how it is prepared, begun, and seen to be over.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use oxidis_benchmark::load::{Endpoint, Numbers, Plan};
use oxidis_testkit::{Client, Reply, TestServer};

use super::super::{persistence, run, workload};

/// How often is looked whether it is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What takes longer is given up.
const LIMIT: Duration = Duration::from_secs(180);

/// Members that are added by one request.
const MEMBERS_PER_REQUEST: u64 = 10;

/// So many keys a second are added while the key space grows, in batches: what a server does beside the load.
const GROWTH_RATE: f64 = 200_000.0;
const GROWTH_DEPTH: usize = 16;

/// So long before keys expire the measurement begins.
const EXPIRY_LEAD: Duration = Duration::from_millis(100);

/// The least time in which the keys are loaded that expire together.
const EXPIRY_LOADING_MIN: Duration = Duration::from_secs(4);

/// What a big key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collection {
    Set,
    Hash,
    SortedSet,
    List,
    Stream,
}

impl Collection {
    fn name(self) -> &'static str {
        match self {
            Collection::Set => "set",
            Collection::Hash => "hash",
            Collection::SortedSet => "sorted set",
            Collection::List => "list",
            Collection::Stream => "stream",
        }
    }

    /// A request that adds so many members, with numbers below this.
    fn request(self, count: u64, below: u64) -> (String, u64) {
        let repeated = |member: &str| member.repeat(count as usize);
        match self {
            Collection::Set => (
                format!("SADD big{}", repeated(&format!(" mem:{{{below}}}"))),
                count,
            ),
            Collection::Hash => {
                let field = format!(" fld:{{{below}}} {}", workload::VALUE);
                (format!("HSET big{}", repeated(&field)), count)
            }
            Collection::SortedSet => {
                // Of the two numbers of a member one is its score.
                let member = format!(" {{{0}}} mem:{{{0}}}", below * 2);
                (format!("ZADD big{}", repeated(&member)), count)
            }
            Collection::List => (
                format!("RPUSH big{}", repeated(&format!(" val:{{{below}}}"))),
                count,
            ),
            Collection::Stream => (format!("XADD big * field {}", workload::VALUE), 1),
        }
    }
}

/// Work in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// The control.
    Nothing,
    /// BGSAVE of the keys that are written to.
    Snapshot { keys: u64 },
    /// So many keys expire at one moment, and are deleted though nobody asks for them.
    Expiry { keys: u64 },
    /// FLUSHALL ASYNC of the keys that are written to.
    Flush { keys: u64 },
    /// DEL of one big key.
    Deletion {
        collection: Collection,
        members: u64,
    },
    /// The number of keys grows to this, and tables with it.
    Growth { keys: u64 },
    /// `maxmemory` is lowered so that about so many keys have to go.
    Eviction { keys: u64 },
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activity::Nothing => write!(f, "nothing"),
            Activity::Snapshot { keys } => write!(f, "BGSAVE of {keys} keys"),
            Activity::Expiry { keys } => write!(f, "expiry of {keys} keys at once"),
            Activity::Flush { keys } => write!(f, "FLUSHALL ASYNC of {keys} keys"),
            Activity::Deletion {
                collection,
                members,
            } => write!(f, "DEL of a {} of {members}", collection.name()),
            Activity::Growth { keys } => write!(f, "growth to {keys} keys"),
            Activity::Eviction { keys } => write!(f, "eviction of {keys} keys, maxmemory lowered"),
        }
    }
}

/// All kinds, where there are so many keys: what is deleted, expires or is evicted at once is as much, and once ten
/// times as much; the key space grows to five times as many.
pub(super) fn activities(keys: u64) -> Vec<Activity> {
    let deletion = |collection, members| Activity::Deletion {
        collection,
        members,
    };
    vec![
        Activity::Nothing,
        Activity::Snapshot { keys },
        Activity::Expiry { keys },
        Activity::Flush { keys },
        deletion(Collection::Set, keys * 10),
        deletion(Collection::Set, keys),
        deletion(Collection::Hash, keys),
        deletion(Collection::SortedSet, keys),
        deletion(Collection::List, keys),
        deletion(Collection::Stream, keys),
        Activity::Growth { keys: keys * 5 },
        Activity::Eviction { keys },
    ]
}

/// What was prepared, and is to be let loose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prepared {
    activity: Activity,
    /// When keys expire, if they do.
    expires_at: Option<SystemTime>,
    /// How many keys there were before.
    keys_before: i64,
}

impl Activity {
    /// Whether the bound on stalls speaks of it: work on up to this many elements that can be sliced.
    pub(super) fn is_bounded(self, elements_max: u64) -> bool {
        match self {
            Activity::Nothing => false,
            Activity::Deletion { members, .. } => members <= elements_max,
            _ => true,
        }
    }

    /// Loads what it needs into a server that has `keys` keys.
    ///
    /// # Errors
    /// When the server answers errors, or is too slow for it.
    pub(super) fn prepare(self, server: &TestServer, keys: u64) -> Result<Prepared> {
        let mut prepared = Prepared {
            activity: self,
            expires_at: None,
            keys_before: size(&mut server.client())?,
        };
        match self {
            Activity::Nothing
            | Activity::Snapshot { .. }
            | Activity::Flush { .. }
            | Activity::Growth { .. } => {}
            Activity::Deletion {
                collection,
                members,
            } => {
                let (request, count) = collection.request(MEMBERS_PER_REQUEST, members);
                let template = workload::template(&request);
                run::load(server, &template, members / count, Numbers::Counting)?;
            }
            Activity::Expiry { keys: expiring } => {
                // As many keys as expire are loaded once more, to know how long that takes.
                let start = Instant::now();
                run::load(server, &workload::set(keys), expiring, Numbers::Counting)?;
                let time = EXPIRY_LOADING_MIN.max(start.elapsed() * 3);
                let expires_at = SystemTime::now() + time;
                let at_ms = expires_at.duration_since(UNIX_EPOCH)?.as_millis();
                let request = format!("SET exp:{{{expiring}}} {} PXAT {at_ms}", workload::VALUE);
                let template = workload::template(&request);
                run::load(server, &template, expiring, Numbers::Counting)?;
                let left = expires_at.duration_since(SystemTime::now()).ok();
                let left = left.and_then(|left| left.checked_sub(EXPIRY_LEAD));
                thread::sleep(left.context("loading the keys took longer than they live")?);
                prepared.expires_at = Some(expires_at);
            }
            Activity::Eviction { keys: evicted } => {
                let request = format!("SET evi:{{{evicted}}} {}", workload::VALUE);
                let template = workload::template(&request);
                run::load(server, &template, evicted, Numbers::Counting)?;
                let mut client = server.client();
                expect_ok(
                    &mut client,
                    &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
                )?;
            }
        }
        Ok(prepared)
    }
}

impl Prepared {
    /// Does it, and waits until the server is done with it.
    ///
    /// # Errors
    /// When the server answers errors, or takes too long.
    pub(super) fn act(self, server: &TestServer) -> Result<()> {
        let mut client = server.client();
        client.set_reply_limit(LIMIT)?;
        match self.activity {
            Activity::Nothing => Ok(()),
            Activity::Snapshot { .. } => {
                persistence::save_in_background(&mut client, || {}).map(drop)
            }
            Activity::Expiry { .. } => {
                let left = self
                    .expires_at
                    .and_then(|at| at.duration_since(SystemTime::now()).ok());
                thread::sleep(left.unwrap_or_default());
                wait_until(|| Ok(size(&mut client)? <= self.keys_before))
            }
            Activity::Flush { .. } => {
                expect_ok(&mut client, &["FLUSHALL", "ASYNC"])?;
                wait_until(|| has_freed(&mut client))
            }
            Activity::Deletion { .. } => {
                let reply = client.command(&["DEL", "big"])?;
                ensure!(reply == Reply::Integer(1), "DEL answers {reply}");
                wait_until(|| has_freed(&mut client))
            }
            Activity::Growth { keys } => {
                let more = keys.saturating_sub(self.keys_before.unsigned_abs());
                let request = format!("SET new:{{{more}}} {}", workload::VALUE);
                let template = workload::template(&request);
                let endpoint = Endpoint::Tcp(server.address());
                run::send(Plan {
                    numbers: Numbers::Counting,
                    clients: 4,
                    depth: GROWTH_DEPTH,
                    rate: Some(GROWTH_RATE),
                    ..Plan::new(&endpoint, &template, more)
                })?;
                Ok(())
            }
            Activity::Eviction { keys } => {
                let used =
                    figure(&mut client, "memory", "used_memory")?.context("no used_memory")?;
                let all = size(&mut client)?.unsigned_abs().max(1);
                let limit = used - used * keys.min(all) / all;
                let limit_text = limit.to_string();
                expect_ok(&mut client, &["CONFIG", "SET", "maxmemory", &limit_text])?;
                // The load goes on writing: the last bytes come and go.
                let enough = limit + limit / 50;
                wait_until(|| {
                    let used = figure(&mut client, "memory", "used_memory")?;
                    Ok(used.is_none_or(|used| used <= enough))
                })
            }
        }
    }
}

/// How many keys there are.
fn size(client: &mut Client) -> Result<i64> {
    match client.command(&["DBSIZE"])? {
        Reply::Integer(size) => Ok(size),
        other => bail!("DBSIZE answers {other}"),
    }
}

/// Whether everything that was deleted is freed, as far as the server says.
fn has_freed(client: &mut Client) -> Result<bool> {
    let pending = figure(client, "memory", "lazyfree_pending_objects")?;
    Ok(pending.is_none_or(|pending| pending == 0))
}

fn expect_ok(client: &mut Client, words: &[&str]) -> Result<()> {
    let reply = client.command(words)?;
    ensure!(reply == Reply::Simple(b"OK".to_vec()), "{words:?}: {reply}");
    Ok(())
}

/// A number in a section of INFO, if it is there.
fn figure(client: &mut Client, section: &str, name: &str) -> Result<Option<u64>> {
    let report = persistence::info(client, section)?;
    Ok(figure_in(&report, name))
}

fn figure_in(report: &str, name: &str) -> Option<u64> {
    let mut lines = report.lines().filter_map(|line| line.split_once(':'));
    let (_, figure) = lines.find(|(field, _)| *field == name)?;
    figure.trim().parse().ok()
}

fn wait_until(mut is_over: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_over()? {
        if start.elapsed() > LIMIT {
            bail!("it is not over after {LIMIT:?}");
        }
        thread::sleep(LOOK_INTERVAL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_whole_name() {
        let report = "# Memory\r\nused_memory_rss:7\r\nused_memory:12\r\nused_memory_human:1K\r\n";
        assert_eq!(figure_in(report, "used_memory"), Some(12));
        assert_eq!(figure_in(report, "used_memory_human"), None);
        assert_eq!(figure_in(report, "memory"), None);
    }

    #[test]
    fn each_kind_says_how_much_it_is_about() {
        let names: Vec<String> = activities(1_000_000)
            .iter()
            .map(Activity::to_string)
            .collect();
        assert!(names.contains(&"DEL of a set of 10000000".to_owned()));
        assert!(names.contains(&"DEL of a sorted set of 1000000".to_owned()));
        assert!(names.contains(&"growth to 5000000 keys".to_owned()));
    }

    #[test]
    fn stalls_are_bounded_up_to_a_number_of_elements() {
        let bounded: Vec<bool> = activities(10).iter().map(|it| it.is_bounded(10)).collect();
        assert_eq!(bounded.iter().filter(|it| !**it).count(), 2);
        assert!(!bounded[0] && !bounded[4]);
    }
}
