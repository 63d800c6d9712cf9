//! How much CPU time and memory another process has used. Linux tells it by clocks and under `/proc`; elsewhere
//! `ps` does, to a hundredth of a second.

use std::time::Duration;

/// The CPU time (user and system, all threads, those that have ended too) of a process so far.
pub fn time_used(pid: u32) -> Option<Duration> {
    platform::time_used(pid)
}

/// For how long this thread has had to wait for a core so far, if that is told.
pub fn own_time_in_queue() -> Option<Duration> {
    platform::own_time_in_queue()
}

/// The memory that a process and its children take together, in bytes: what they share counts once.
pub fn memory_of_tree(pid: u32) -> Option<u64> {
    platform::memory_of_tree(pid)
}

/// The resident memory of a process, in bytes.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    platform::resident_bytes(pid)
}

#[cfg(target_os = "linux")]
mod platform {
    use std::fs;
    use std::time::Duration;

    use nix::time::ClockId;
    use nix::unistd::Pid;

    /// To the nanosecond, with what a thread that runs now has used of its time slice.
    pub fn time_used(pid: u32) -> Option<Duration> {
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid.try_into().ok()?)).ok()?;
        clock.now().ok().map(Duration::from)
    }

    /// The second number is the time on a queue for a core, in nanoseconds.
    pub fn own_time_in_queue() -> Option<Duration> {
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let waited_ns = text.split_whitespace().nth(1)?.parse().ok()?;
        Some(Duration::from_nanos(waited_ns))
    }

    /// The kernel divides a page's size by how many processes have it.
    pub fn memory_of_tree(pid: u32) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let own = bytes_of(&text, "Pss:")?;
        let children =
            fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        // A child that has just ended has nothing.
        let of_children = children
            .split_whitespace()
            .filter_map(|child| memory_of_tree(child.parse().ok()?));
        Some(own + of_children.sum::<u64>())
    }

    /// Counted page by page where the kernel does that; what it says at once may be half a megabyte beside it.
    pub fn resident_bytes(pid: u32) -> Option<u64> {
        let of = |file: &str, field: &str| {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
            bytes_of(&text, field)
        };
        of("smaps_rollup", "Rss:").or_else(|| of("status", "VmRSS:"))
    }

    /// A field of one of the kernel's tables, which count in kilobytes.
    pub(super) fn bytes_of(table: &str, field: &str) -> Option<u64> {
        let line = table.lines().find_map(|line| line.strip_prefix(field))?;
        let (number, unit) = line.trim().split_once(' ')?;
        (unit == "kB").then_some(number.parse::<u64>().ok()? * 1024)
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::process::Command;
    use std::time::Duration;

    pub fn time_used(pid: u32) -> Option<Duration> {
        let text = ps(pid, "time=")?;
        // [[hours:]minutes:]seconds[.hundredths]
        let seconds = text.trim().split(':').try_fold(0.0, |sum, part| {
            Some(sum * 60.0 + part.parse::<f64>().ok()?)
        })?;
        Some(Duration::from_secs_f64(seconds))
    }

    pub fn own_time_in_queue() -> Option<Duration> {
        None
    }

    /// Without children: what they share with their parent cannot be told.
    pub fn memory_of_tree(pid: u32) -> Option<u64> {
        resident_bytes(pid)
    }

    pub fn resident_bytes(pid: u32) -> Option<u64> {
        Some(ps(pid, "rss=")?.trim().parse::<u64>().ok()? * 1024)
    }

    fn ps(pid: u32, field: &str) -> Option<String> {
        let output = Command::new("ps")
            .args(["-o", field, "-p", &pid.to_string()])
            .output()
            .ok()?;
        String::from_utf8(output.stdout).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn fields_are_found_by_their_whole_name() {
        let table = "55d-7ffc ---p 00000000 00:00 0    [rollup]\nRss:                1884 kB\n\
                     Pss:                 340 kB\nPss_Anon:            188 kB\nTHPeligible:    0\n";
        assert_eq!(platform::bytes_of(table, "Rss:"), Some(1884 * 1024));
        assert_eq!(platform::bytes_of(table, "Pss:"), Some(340 * 1024));
        assert_eq!(platform::bytes_of(table, "Swap:"), None);
        assert_eq!(platform::bytes_of(table, "THPeligible:"), None);
    }

    #[test]
    fn this_process_has_used_some() {
        let before = time_used(std::process::id()).expect("the platform tells");
        let mut sum = 0u64;
        while time_used(std::process::id()).expect("the platform tells")
            < before + Duration::from_millis(20)
        {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        assert!(sum > 0);
        assert!(resident_bytes(std::process::id()).expect("the platform tells") > 100_000);
    }
}
