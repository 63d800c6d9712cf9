//! `--latency` and `--latency-history`: how long a PING takes, in milliseconds.

use std::thread;
use std::time::{Duration, Instant};

use crate::arguments::Output;
use crate::client::{Client, Exit, print};

/// The pause between two samples.
const SAMPLE_PAUSE: Duration = Duration::from_millis(10);

/// How long a span of the history is, unless `-i` says.
const HISTORY_SPAN: Duration = Duration::from_secs(15);

/// How long to sample where the output is no terminal, unless `-i` says.
const ONE_SHOT_SPAN: Duration = Duration::from_secs(1);

/// What the samples of one span came to, in milliseconds.
#[derive(Default)]
struct Samples {
    minimum_ms: u128,
    maximum_ms: u128,
    total_ms: u128,
    count: u128,
}

impl Samples {
    fn add(&mut self, latency_ms: u128) {
        self.minimum_ms = if self.count == 0 {
            latency_ms
        } else {
            self.minimum_ms.min(latency_ms)
        };
        self.maximum_ms = self.maximum_ms.max(latency_ms);
        self.total_ms += latency_ms;
        self.count += 1;
    }

    fn text(&self, output: Output) -> String {
        let Samples {
            minimum_ms: min,
            maximum_ms: max,
            total_ms,
            count,
        } = self;
        let average = *total_ms as f64 / *count as f64;
        match output {
            Output::Standard => {
                format!("min: {min}, max: {max}, avg: {average:.2} ({count} samples)")
            }
            Output::Csv => format!("{min},{max},{average:.2},{count}\n"),
            Output::Raw => format!("{min} {max} {average:.2} {count}\n"),
            Output::Json | Output::QuotedJson => {
                format!(
                    "{{\"min\": {min}, \"max\": {max}, \"avg\": {average:.2}, \"count\": {count}}}\n"
                )
            }
        }
    }
}

/// Samples for ever at a terminal, where one line is kept up to date; otherwise for one
/// span, whose figures it prints. With `history` each span leaves a line.
pub fn sample_latency(client: &mut Client, history: bool) -> Result<(), Exit> {
    let output = client.options.output;
    let interval = client.options.interval;
    let span = |default| {
        if interval.is_zero() {
            default
        } else {
            interval
        }
    };
    let mut samples = Samples::default();
    let mut began = Instant::now();
    loop {
        let sent = Instant::now();
        client.call_reconnecting(&[b"PING"])?;
        samples.add(sent.elapsed().as_millis());
        if output == Output::Standard {
            let clear_line = "\x1b[0G\x1b[2K";
            print(format!("{clear_line}{}", samples.text(output)).as_bytes())?;
        } else if history {
            print(samples.text(output).as_bytes())?;
        } else if began.elapsed() > span(ONE_SHOT_SPAN) {
            return print(samples.text(output).as_bytes());
        }
        let elapsed = began.elapsed();
        if history && elapsed > span(HISTORY_SPAN) {
            print(format!(" -- {:.2} seconds range\n", elapsed.as_secs_f64()).as_bytes())?;
            samples = Samples::default();
            began = Instant::now();
        }
        thread::sleep(SAMPLE_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_up_in_every_output() {
        let mut samples = Samples::default();
        for latency_ms in [3, 1, 4] {
            samples.add(latency_ms);
        }
        let text = |output| samples.text(output);
        assert_eq!(
            text(Output::Standard),
            "min: 1, max: 4, avg: 2.67 (3 samples)"
        );
        assert_eq!(text(Output::Raw), "1 4 2.67 3\n");
        assert_eq!(text(Output::Csv), "1,4,2.67,3\n");
        assert!(serde_json::from_str::<serde_json::Value>(&text(Output::Json)).is_ok());
    }
}
