//! How much CPU time and memory another process has used. Linux tells it under `/proc`; elsewhere
//! `ps` does, to a hundredth of a second.

use std::time::Duration;

/// The CPU time (user and system, all threads) of a process so far.
pub fn time_used(pid: u32) -> Option<Duration> {
    platform::time_used(pid)
}

/// The same to a hundredth of a second, with threads that have ended.
pub fn time_used_with_ended_threads(pid: u32) -> Option<Duration> {
    platform::time_used_with_ended_threads(pid)
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

    /// The unit of `/proc/PID/stat`: USER_HZ, which is 100 on every Linux since 2.6.
    const TICK: Duration = Duration::from_millis(10);

    pub fn time_used(pid: u32) -> Option<Duration> {
        by_thread(pid).or_else(|| by_ticks(pid))
    }

    /// The scheduler counts nanoseconds for each thread, where the kernel was built to say so. A
    /// server whose threads end between two readings would be flattered; the servers measured
    /// here keep theirs.
    fn by_thread(pid: u32) -> Option<Duration> {
        let mut sum_ns = 0;
        for entry in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            let text = fs::read_to_string(entry.ok()?.path().join("schedstat")).ok()?;
            sum_ns += text.split_whitespace().next()?.parse::<u64>().ok()?;
        }
        (sum_ns > 0).then(|| Duration::from_nanos(sum_ns))
    }

    pub fn time_used_with_ended_threads(pid: u32) -> Option<Duration> {
        by_ticks(pid)
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

    fn by_ticks(pid: u32) -> Option<Duration> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold spaces: the fields are counted from behind it.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
        Some(TICK * ticks)
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

    pub fn time_used_with_ended_threads(pid: u32) -> Option<Duration> {
        time_used(pid)
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
