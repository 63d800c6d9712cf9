//! Facts about the process and its machine, for INFO. Where a platform does not tell, a fact is
//! left out.

use std::alloc::Layout;
use std::fmt::Display;
use std::ptr::NonNull;
use std::time::Duration;

use oxidis_engine::Fragmentation;

/// Section, field, value: as [`Host::information`](oxidis_engine::Host::information) has them.
pub type Fact = (&'static str, &'static str, String);

/// How an allocator has blocks moved together, if it says where they lie.
#[derive(Debug, Clone, Copy)]
pub struct BlockMover {
    /// As [`Host::fragmentation`](oxidis_engine::Host::fragmentation).
    pub fragmentation: fn() -> Option<Fragmentation>,
    /// As [`Host::copy_block`](oxidis_engine::Host::copy_block), whose promises the caller makes.
    pub copy: unsafe fn(NonNull<u8>, Layout) -> Option<NonNull<u8>>,
    /// As [`Host::free_copied_block`](oxidis_engine::Host::free_copied_block), whose promises the caller makes.
    pub free: unsafe fn(NonNull<u8>, Layout),
}

/// The memory allocator of the process, which the binary chooses.
#[derive(Debug, Clone, Copy)]
pub struct Allocator {
    /// Its name and version.
    pub name: &'static str,
    /// Bytes that the program has allocated.
    pub allocated_bytes: fn() -> u64,
    /// Bytes of pages with something allocated in them, if it tells.
    pub active_bytes: fn() -> Option<u64>,
    /// Bytes of memory that it has from the system, if it tells.
    pub resident_bytes: fn() -> Option<u64>,
    /// What the calling thread has ever allocated less what it has ever freed, in bytes, if the
    /// allocator counts it.
    pub thread_balance: Option<fn() -> i64>,
    /// Gives memory that holds nothing back to the system.
    pub purge: fn(),
    /// Gives back what the calling thread has freed and would use again first.
    pub flush_thread_cache: fn(),
    /// Whether memory that holds nothing goes back to the system by itself, in a thread of the allocator's, even while
    /// nobody allocates or frees.
    pub purge_in_background: fn(bool),
    /// Reads a control that is a number, by its name.
    pub control: fn(&[u8]) -> Result<u64, String>,
    /// Does what a control without a value stands for, by its name.
    pub command: fn(&[u8]) -> Result<(), String>,
    /// How it has blocks moved together; `None` where it cannot.
    pub mover: Option<BlockMover>,
    /// Its own report, if it has one.
    pub statistics: fn() -> Option<String>,
}

impl Allocator {
    /// One of which nothing is known, like the system's: `maxmemory` has no effect with it.
    pub const UNKNOWN: Allocator = Allocator {
        name: "system",
        allocated_bytes: || 0,
        active_bytes: || None,
        resident_bytes: || None,
        thread_balance: None,
        purge: || {},
        flush_thread_cache: || {},
        purge_in_background: |_| {},
        control: |_| Err("the allocator has no controls".to_owned()),
        command: |_| Err("the allocator has no controls".to_owned()),
        mover: None,
        statistics: || None,
    };
}

/// All that this platform tells.
pub fn facts(allocator: &Allocator) -> Vec<Fact> {
    let mut facts = vec![
        fact("server", "process_id", std::process::id()),
        fact("server", "multiplexing_api", multiplexing_api()),
        fact("server", "monotonic_clock", monotonic_clock()),
        fact("memory", "mem_allocator", allocator.name),
    ];
    if let Ok(path) = std::env::current_exe() {
        facts.push(fact("server", "executable", path.display()));
    }
    platform::add(&mut facts);
    let resident = facts
        .iter()
        .find(|(_, field, _)| *field == "used_memory_rss");
    let resident = resident.and_then(|(_, _, bytes)| bytes.parse().ok());
    add_allocator(allocator, resident, &mut facts);
    facts
}

/// The chain from what the program asked for to what the system gave, link by link.
fn add_allocator(allocator: &Allocator, process_bytes: Option<u64>, facts: &mut Vec<Fact>) {
    let allocated = (allocator.allocated_bytes)();
    facts.push(fact("memory", "allocator_allocated", allocated));
    let (Some(active), Some(resident)) = ((allocator.active_bytes)(), (allocator.resident_bytes)())
    else {
        return;
    };
    facts.push(fact("memory", "allocator_active", active));
    facts.push(fact("memory", "allocator_resident", resident));
    // Pages given up that the system may still take away. 4096 stands for all arenas.
    let muzzy_pages = (allocator.control)(b"stats.arenas.4096.pmuzzy");
    if let (Ok(pages), Ok(page_bytes)) = (muzzy_pages, (allocator.control)(b"arenas.page")) {
        facts.push(fact("memory", "allocator_muzzy", pages * page_bytes));
    }
    let mut link = |ratio, bytes, more: u64, less: u64| {
        facts.push(fact(
            "memory",
            ratio,
            format_args!("{:.2}", more as f64 / less.max(1) as f64),
        ));
        facts.push(fact("memory", bytes, more as i64 - less as i64));
    };
    link(
        "allocator_frag_ratio",
        "allocator_frag_bytes",
        active,
        allocated,
    );
    link(
        "allocator_rss_ratio",
        "allocator_rss_bytes",
        resident,
        active,
    );
    if let Some(process) = process_bytes {
        link(
            "rss_overhead_ratio",
            "rss_overhead_bytes",
            process,
            resident,
        );
    }
}

fn fact(section: &'static str, field: &'static str, value: impl Display) -> Fact {
    (section, field, value.to_string())
}

/// What the standard library measures time with.
fn monotonic_clock() -> &'static str {
    if cfg!(windows) {
        "QueryPerformanceCounter"
    } else {
        "POSIX clock_gettime"
    }
}

fn multiplexing_api() -> &'static str {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        "epoll"
    } else if cfg!(windows) {
        "iocp"
    } else {
        "kqueue"
    }
}

/// What the calling thread has taken of the processor's time, if the system tells.
pub(crate) fn thread_processor_time() -> Option<Duration> {
    #[cfg(unix)]
    {
        let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
        nix::time::clock_gettime(clock).ok().map(Duration::from)
    }
    #[cfg(not(unix))]
    None
}

/// What a thread takes of the processor's time, for other threads to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ThreadClock {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    clock: nix::time::ClockId,
}

impl ThreadClock {
    /// The clock of the calling thread, where the system has such.
    pub(crate) fn of_this_thread() -> Option<Self> {
        // The number of a thread's clock is made from that of the thread: the low bits say whose time of which kind
        // (CPUCLOCK_PERTHREAD and CPUCLOCK_SCHED in Linux's include/linux/posix-timers.h).
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return Some(Self {
            clock: nix::time::ClockId::from_raw(!nix::unistd::gettid().as_raw() << 3 | 6),
        });
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        None
    }

    /// What the thread has taken since it began; nothing if it has ended.
    pub(crate) fn read(self) -> Option<Duration> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return nix::time::clock_gettime(self.clock)
            .ok()
            .map(Duration::from);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        None
    }
}

#[cfg(unix)]
mod platform {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeVal;

    use super::{Fact, fact};

    pub(super) fn add(facts: &mut Vec<Fact>) {
        if let Ok(system) = nix::sys::utsname::uname() {
            let parts = [system.sysname(), system.release(), system.machine()];
            facts.push(fact(
                "server",
                "os",
                parts.map(|part| part.to_string_lossy()).join(" "),
            ));
        }
        let processor_times = [
            (UsageWho::RUSAGE_SELF, "used_cpu_sys", "used_cpu_user"),
            (
                UsageWho::RUSAGE_CHILDREN,
                "used_cpu_sys_children",
                "used_cpu_user_children",
            ),
        ];
        // Of the thread that is asked, which is all that serve if `io-threads` is 1.
        #[cfg(target_os = "linux")]
        let processor_times = processor_times.into_iter().chain([(
            UsageWho::RUSAGE_THREAD,
            "used_cpu_sys_main_thread",
            "used_cpu_user_main_thread",
        )]);
        for (who, system, user) in processor_times {
            if let Ok(usage) = getrusage(who) {
                facts.push(fact("cpu", system, seconds(usage.system_time())));
                facts.push(fact("cpu", user, seconds(usage.user_time())));
            }
        }
        if let Some(bytes) = resident_bytes() {
            facts.push(fact("memory", "used_memory_rss", bytes));
        }
        if let Some(bytes) = total_memory_bytes() {
            facts.push(fact("memory", "total_system_memory", bytes));
        }
    }

    fn seconds(time: TimeVal) -> String {
        format!("{}.{:06}", time.tv_sec(), time.tv_usec())
    }

    /// Linux tells it in pages, after the pages of the whole address space.
    fn resident_bytes() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages * page_bytes()?)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn total_memory_bytes() -> Option<u64> {
        use nix::unistd::{SysconfVar, sysconf};
        let pages = sysconf(SysconfVar::_PHYS_PAGES).ok()??;
        Some(u64::try_from(pages).ok()? * page_bytes()?)
    }

    /// `nix` does not ask any other system.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn total_memory_bytes() -> Option<u64> {
        None
    }

    fn page_bytes() -> Option<u64> {
        use nix::unistd::{SysconfVar, sysconf};
        u64::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()
    }
}

#[cfg(not(unix))]
mod platform {
    use super::{Fact, fact};

    pub(super) fn add(facts: &mut Vec<Fact>) {
        facts.push(fact(
            "server",
            "os",
            format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_unique_and_the_links_of_memory_add_up() {
        let allocator = Allocator {
            name: "test",
            allocated_bytes: || 100,
            active_bytes: || Some(150),
            resident_bytes: || Some(300),
            ..Allocator::UNKNOWN
        };
        let facts = facts(&allocator);
        let value = |field: &str| {
            let mut found = facts.iter().filter(|(_, name, _)| *name == field);
            let value = found.next().map(|(_, _, value)| value.clone());
            assert!(found.next().is_none(), "{field} is there twice");
            value
        };
        assert_eq!(value("process_id"), Some(std::process::id().to_string()));
        assert_eq!(value("allocator_frag_ratio").as_deref(), Some("1.50"));
        assert_eq!(value("allocator_frag_bytes").as_deref(), Some("50"));
        assert_eq!(value("allocator_rss_ratio").as_deref(), Some("2.00"));
        assert!(value("os").is_some());
        if cfg!(target_os = "linux") {
            let number = |field: &str| value(field).unwrap().parse::<f64>().unwrap();
            assert!(number("used_memory_rss") > 4096.0);
            assert!(number("total_system_memory") > number("used_memory_rss"));
            assert!(number("used_cpu_user") >= 0.0);
        }
    }
}
