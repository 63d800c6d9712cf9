//! What is printed: the lines of redis-benchmark, in its three formats, for tools read them.

use std::io::{self, Write};

use crate::latency::{Latencies, Share};
use crate::load::{Outcome, Progress};
use crate::server_configuration::ServerConfiguration;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Everything there is to know of a test, with the distribution of its latencies.
    Full,
    /// A line a test.
    Quiet,
    /// A line a test, of comma separated values, under a line of their names.
    Csv,
}

/// What is printed beside the figures of each test.
#[derive(Debug, Clone)]
pub struct Setting {
    /// How many connections there are.
    pub clients: usize,
    /// How many bytes the value has, or a command that was given.
    pub payload_bytes: usize,
    /// Whether connections are kept.
    pub keep_alive: bool,
    /// How many threads were asked for, 0 where none were.
    pub threads: usize,
    /// What the server said of itself.
    pub configuration: Option<ServerConfiguration>,
}

/// Prints results as they come.
pub struct Report<W> {
    out: W,
    format: Format,
    setting: Setting,
    /// How much of the line is covered by what was last printed of the progress.
    progress_width: usize,
    previous: Progress,
}

impl<W: Write> Report<W> {
    /// Nothing printed yet.
    pub fn new(out: W, format: Format, setting: Setting) -> Self {
        Self {
            out,
            format,
            setting,
            progress_width: 0,
            previous: Progress::default(),
        }
    }

    /// Sets what is said of the length of requests.
    pub fn set_payload_bytes(&mut self, bytes: usize) {
        self.setting.payload_bytes = bytes;
    }

    /// Prints what stands above all results.
    ///
    /// # Errors
    /// When the output takes no more; so for all that print.
    pub fn begin(&mut self) -> io::Result<()> {
        if self.format == Format::Csv {
            self.out.write_all(
                b"\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                  \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n",
            )?;
        }
        self.out.flush()
    }

    /// Makes ready for the next test.
    pub fn begin_test(&mut self) {
        self.progress_width = 0;
        self.previous = Progress::default();
    }

    /// Prints how far a test is, over what was printed of it before.
    pub fn progress(&mut self, title: &str, progress: Progress) -> io::Result<()> {
        if self.format == Format::Csv {
            return Ok(());
        }
        let previous = std::mem::replace(&mut self.previous, progress);
        let recent = Progress {
            elapsed: progress.elapsed.saturating_sub(previous.elapsed),
            answered: progress.answered.saturating_sub(previous.answered),
            latency_sum_us: progress
                .latency_sum_us
                .saturating_sub(previous.latency_sum_us),
        };
        let line = format!(
            "{title}: rps={:.1} (overall: {:.1}) avg_msec={:.3} (overall: {:.3})",
            ratio(recent.answered as f64, recent.elapsed.as_secs_f64()),
            ratio(progress.answered as f64, progress.elapsed.as_secs_f64()),
            ratio(
                recent.latency_sum_us as f64 / 1000.0,
                recent.answered as f64
            ),
            ratio(
                progress.latency_sum_us as f64 / 1000.0,
                progress.answered as f64
            ),
        );
        self.clean_line()?;
        self.progress_width = line.chars().count() + 1;
        write!(self.out, "{line}\r")?;
        self.out.flush()
    }

    /// Prints what came of a test.
    pub fn end_test(&mut self, title: &str, outcome: &Outcome) -> io::Result<()> {
        match self.format {
            Format::Full => {
                self.clean_line()?;
                self.print_everything(title, outcome)?;
            }
            Format::Quiet => {
                self.clean_line()?;
                writeln!(
                    self.out,
                    "{title}: {:.2} requests per second, p50={:.3} msec",
                    outcome.requests_per_second(),
                    outcome.latencies.percentile_ms(50.0)
                )?;
            }
            Format::Csv => {
                let title = title.replace('"', "\"\"");
                write!(
                    self.out,
                    "\"{title}\",\"{:.2}\"",
                    outcome.requests_per_second()
                )?;
                for latency_ms in summary(&outcome.latencies) {
                    write!(self.out, ",\"{latency_ms:.3}\"")?;
                }
                writeln!(self.out)?;
            }
        }
        self.out.flush()
    }

    /// Prints what stands under the results of all tests.
    pub fn end(&mut self) -> io::Result<()> {
        if self.format != Format::Csv {
            writeln!(self.out)?;
        }
        self.out.flush()
    }

    /// Covers the progress that stands on the line, so that nothing of it is left.
    fn clean_line(&mut self) -> io::Result<()> {
        let width = self.progress_width;
        write!(self.out, "{:width$}\r", " ")
    }

    fn print_everything(&mut self, title: &str, outcome: &Outcome) -> io::Result<()> {
        let out = &mut self.out;
        let setting = &self.setting;
        writeln!(out, "====== {title} ======")?;
        writeln!(
            out,
            "  {} requests completed in {:.2} seconds",
            outcome.requests,
            outcome.elapsed.as_secs_f64()
        )?;
        writeln!(out, "  {} parallel clients", setting.clients)?;
        writeln!(out, "  {} bytes payload", setting.payload_bytes)?;
        writeln!(out, "  keep alive: {}", u8::from(setting.keep_alive))?;
        if let Some(configuration) = &setting.configuration {
            let ServerConfiguration { save, appendonly } = configuration;
            writeln!(out, "  host configuration \"save\": {save}")?;
            writeln!(out, "  host configuration \"appendonly\": {appendonly}")?;
        }
        match setting.threads {
            0 => writeln!(out, "  multi-thread: no")?,
            threads => writeln!(out, "  multi-thread: yes\n  threads: {threads}")?,
        }
        writeln!(out, "\nLatency by percentile distribution:")?;
        print_shares(out, &outcome.latencies.percentiles())?;
        writeln!(out, "\nCumulative distribution of latencies:")?;
        print_shares(out, &outcome.latencies.distribution())?;
        writeln!(out, "\nSummary:")?;
        writeln!(
            out,
            "  throughput summary: {:.2} requests per second",
            outcome.requests_per_second()
        )?;
        writeln!(out, "  latency summary (msec):")?;
        write!(out, "   ")?;
        for name in ["avg", "min", "p50", "p95", "p99", "max"] {
            write!(out, " {name:>9}")?;
        }
        write!(out, "\n   ")?;
        for latency_ms in summary(&outcome.latencies) {
            write!(out, " {latency_ms:>9.3}")?;
        }
        writeln!(out)
    }
}

/// The six figures that stand for all latencies: mean, shortest, p50, p95, p99, longest.
fn summary(latencies: &Latencies) -> [f64; 6] {
    [
        latencies.mean_ms(),
        latencies.shortest_ms(),
        latencies.percentile_ms(50.0),
        latencies.percentile_ms(95.0),
        latencies.percentile_ms(99.0),
        latencies.longest_ms(),
    ]
}

fn print_shares(out: &mut impl Write, shares: &[Share]) -> io::Result<()> {
    for share in shares {
        writeln!(
            out,
            "{:.3}% <= {:.3} milliseconds (cumulative count {})",
            share.percent, share.latency_ms, share.requests
        )?;
    }
    Ok(())
}

/// 0 where there is nothing to divide by yet.
fn ratio(dividend: f64, divisor: f64) -> f64 {
    if divisor > 0.0 {
        dividend / divisor
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn setting() -> Setting {
        Setting {
            clients: 50,
            payload_bytes: 3,
            keep_alive: true,
            threads: 0,
            configuration: Some(ServerConfiguration {
                save: "3600 1".to_owned(),
                appendonly: "no".to_owned(),
            }),
        }
    }

    fn outcome() -> Outcome {
        let mut latencies = Latencies::new(3);
        latencies.record(100, 1500);
        latencies.record(300, 500);
        Outcome {
            longest_own_delay: Duration::ZERO,
            requests: 2000,
            elapsed: Duration::from_millis(2500),
            latencies,
        }
    }

    fn printed(
        format: Format,
        setting: Setting,
        print: impl Fn(&mut Report<&mut Vec<u8>>),
    ) -> String {
        let mut out = Vec::new();
        print(&mut Report::new(&mut out, format, setting));
        String::from_utf8(out).unwrap()
    }

    fn one_test(report: &mut Report<&mut Vec<u8>>) {
        report.begin().unwrap();
        report.begin_test();
        report.end_test("SET", &outcome()).unwrap();
        report.end().unwrap();
    }

    #[test]
    fn the_full_format() {
        let expected = [
            " \r====== SET ======",
            "  2000 requests completed in 2.50 seconds",
            "  50 parallel clients",
            "  3 bytes payload",
            "  keep alive: 1",
            "  host configuration \"save\": 3600 1",
            "  host configuration \"appendonly\": no",
            "  multi-thread: no",
            "",
            "Latency by percentile distribution:",
            "0.000% <= 0.103 milliseconds (cumulative count 1500)",
            "87.500% <= 0.303 milliseconds (cumulative count 2000)",
            "100.000% <= 0.303 milliseconds (cumulative count 2000)",
            "",
            "Cumulative distribution of latencies:",
            "75.000% <= 0.103 milliseconds (cumulative count 1500)",
            "100.000% <= 0.303 milliseconds (cumulative count 2000)",
            "",
            "Summary:",
            "  throughput summary: 800.00 requests per second",
            "  latency summary (msec):",
            "          avg       min       p50       p95       p99       max",
            "        0.150     0.096     0.103     0.303     0.303     0.303",
            "",
            "",
        ];
        assert_eq!(
            printed(Format::Full, setting(), one_test),
            expected.join("\n")
        );
    }

    #[test]
    fn threads_are_told_and_what_the_server_keeps_to_itself_is_not() {
        let setting = Setting {
            threads: 4,
            keep_alive: false,
            configuration: None,
            ..setting()
        };
        let text = printed(Format::Full, setting, one_test);
        let expected = "  keep alive: 0\n  multi-thread: yes\n  threads: 4\n\n";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn the_quiet_format() {
        assert_eq!(
            printed(Format::Quiet, setting(), one_test),
            " \rSET: 800.00 requests per second, p50=0.103 msec\n\n"
        );
    }

    #[test]
    fn comma_separated_values() {
        assert_eq!(
            printed(Format::Csv, setting(), one_test),
            "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
             \"SET\",\"800.00\",\"0.150\",\"0.096\",\"0.103\",\"0.303\",\"0.303\",\"0.303\"\n"
        );
        let quoted = printed(Format::Csv, setting(), |report| {
            report.end_test("ECHO \"a\"", &outcome()).unwrap();
        });
        assert!(
            quoted.starts_with("\"ECHO \"\"a\"\"\",\"800.00\","),
            "{quoted}"
        );
    }

    #[test]
    fn progress_is_told_of_the_last_moment_and_of_all_and_then_covered() {
        let at = |milliseconds, answered, latency_sum_us| Progress {
            elapsed: Duration::from_millis(milliseconds),
            answered,
            latency_sum_us,
        };
        let print = |report: &mut Report<&mut Vec<u8>>| {
            report.begin_test();
            report.progress("GET", at(0, 0, 0)).unwrap();
            report.progress("GET", at(500, 1000, 100_000)).unwrap();
            report.progress("GET", at(1000, 4000, 1_000_000)).unwrap();
            report.end_test("GET", &outcome()).unwrap();
        };
        let text = printed(Format::Quiet, setting(), print);
        let lines: Vec<&str> = text.split('\r').collect();
        assert_eq!(
            lines[1],
            "GET: rps=0.0 (overall: 0.0) avg_msec=0.000 (overall: 0.000)"
        );
        assert_eq!(
            lines[3],
            "GET: rps=2000.0 (overall: 2000.0) avg_msec=0.100 (overall: 0.100)"
        );
        assert_eq!(
            lines[5],
            "GET: rps=6000.0 (overall: 4000.0) avg_msec=0.300 (overall: 0.250)"
        );
        assert!(lines[6].len() > lines[5].len() && lines[6].trim().is_empty());
        assert_eq!(
            lines[7],
            "GET: 800.00 requests per second, p50=0.103 msec\n"
        );
        assert_eq!(
            printed(Format::Csv, setting(), |report| {
                report.progress("GET", at(500, 1000, 100_000)).unwrap();
            }),
            ""
        );
    }
}
