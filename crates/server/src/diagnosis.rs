//! `--test-memory` and `--check-system`: looking at the machine before trusting it with data.

use std::fmt::Write as _;

const BYTES_PER_MEGABYTE: usize = 1 << 20;
const WORDS_PER_MEGABYTE: usize = BYTES_PER_MEGABYTE / size_of::<u64>();

/// Writes and reads back patterns in so much memory; the places where something else was read.
///
/// Two kinds of faults show themselves: bits that do not hold a value, by patterns of both values,
/// and addresses that are not what they seem, by giving each word a value of its own.
pub fn test_memory(megabytes: usize) -> Vec<usize> {
    let mut words = vec![0_u64; megabytes * WORDS_PER_MEGABYTE];
    let mut faults = Vec::new();
    for round in 0..3_u64 {
        let address = |index: usize| (index as u64 ^ round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        check_pattern(&mut words, address, &mut faults);
        check_pattern(&mut words, |index| !address(index), &mut faults);
        check_pattern(&mut words, |_| 0xaaaa_aaaa_aaaa_aaaa, &mut faults);
        check_pattern(&mut words, |_| 0x5555_5555_5555_5555, &mut faults);
    }
    faults
}

fn check_pattern(words: &mut [u64], pattern: impl Fn(usize) -> u64, faults: &mut Vec<usize>) {
    for (index, word) in words.iter_mut().enumerate() {
        *word = pattern(index);
    }
    // What was just written must come from the memory and not from what the compiler knows of it.
    let words = std::hint::black_box(words);
    faults.extend(
        words
            .iter()
            .enumerate()
            .filter(|(index, word)| **word != pattern(*index))
            .map(|(index, _)| index),
    );
}

/// What a look at the system found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// What is wrong with it and how to mend it, if it is.
    pub advice: Option<String>,
}

/// Looks at the settings of the system that are known to harm a server. Where a setting does not
/// exist there is no finding.
pub fn check_system() -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut look = |name, path: &str, judge: &dyn Fn(&str) -> Option<String>| {
        if let Ok(text) = std::fs::read_to_string(path) {
            findings.push(Finding {
                name,
                advice: judge(text.trim()),
            });
        }
    };
    look(
        "transparent huge pages",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        &|text| {
            text.contains("[always]").then(|| {
                "they are always used, which costs latency and memory: \
             echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
                    .to_owned()
            })
        },
    );
    look(
        "backlog of connections",
        "/proc/sys/net/core/somaxconn",
        &|text| {
            let limit: u32 = text.parse().unwrap_or(u32::MAX);
            (limit < 511).then(|| {
                format!("{limit} is less than tcp-backlog: sysctl -w net.core.somaxconn=511")
            })
        },
    );
    look(
        "clock source",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        &|text| {
            matches!(text, "xen" | "hpet" | "acpi_pm").then(|| {
                format!(
                    "reading the time from {text} is slow: use tsc or kvm-clock if it is stable"
                )
            })
        },
    );
    findings
}

/// The most connections that the system lets wait to be accepted, if it tells.
pub fn backlog_limit() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    text.trim().parse().ok()
}

/// The findings as lines of text.
pub fn report(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |mut text, finding| {
        // Writing to a string cannot fail.
        let _ = match &finding.advice {
            None => writeln!(text, "[ok]      {}", finding.name),
            Some(advice) => writeln!(text, "[warning] {}: {advice}", finding.name),
        };
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_memory_has_no_faults_and_a_fault_is_found() {
        assert_eq!(test_memory(1), Vec::<usize>::new());
        let mut faults = Vec::new();
        let mut calls = std::cell::Cell::new(0);
        // A pattern that changes its mind at its fifth word stands for memory that forgets.
        let pattern = |index: usize| {
            calls.set(calls.get() + 1);
            u64::from(index == 4 && calls.get() > 8)
        };
        check_pattern(&mut [0; 8], pattern, &mut faults);
        assert_eq!(faults, [4]);
        assert_eq!(*calls.get_mut(), 16);
    }

    #[test]
    fn a_report_has_a_line_a_finding() {
        let findings = [
            Finding {
                name: "a",
                advice: None,
            },
            Finding {
                name: "b",
                advice: Some("mend it".to_owned()),
            },
        ];
        assert_eq!(report(&findings), "[ok]      a\n[warning] b: mend it\n");
    }
}
