//! LATENCY GRAPH: moments as columns of text, whose height is how long something took.

use super::monitor::{Sample, Series};

/// Columns of one graph; more moments go on below.
const COLUMNS: usize = 80;

/// Lines that a column is high at most, and the steps within a line.
const LINES: usize = 4;
const TOPS: [u8; 3] = *b"_o#";

/// Draws what is remembered of an event.
pub(crate) fn draw(event: &str, series: &Series, now_seconds: i64) -> String {
    let (low_ms, high_ms) = series.range_ms();
    let mut text = format!(
        "{event} - high {high_ms} ms, low {low_ms} ms (all time high {} ms)\n{}\n",
        series.longest_ms,
        "-".repeat(COLUMNS)
    );
    let samples: Vec<Sample> = series.samples.iter().copied().collect();
    for (index, samples) in samples.chunks(COLUMNS).enumerate() {
        if index > 0 {
            text.push('\n');
        }
        draw_columns(&mut text, samples, (low_ms, high_ms), now_seconds);
    }
    text
}

fn draw_columns(text: &mut String, samples: &[Sample], (low_ms, high_ms): (u64, u64), now: i64) {
    let steps = (LINES * TOPS.len()) as f64;
    let range_ms = (high_ms - low_ms).max(1) as f64;
    // 0 is the lowest top of the lowest line.
    let height = |sample: &Sample| {
        let height = ((sample.latency_ms - low_ms) as f64 * steps / range_ms) as usize;
        height.min(LINES * TOPS.len() - 1)
    };
    for line in (0..LINES).rev() {
        text.extend(samples.iter().map(|sample| {
            let (top_line, top) = (height(sample) / TOPS.len(), height(sample) % TOPS.len());
            match line.cmp(&top_line) {
                std::cmp::Ordering::Less => '|',
                std::cmp::Ordering::Equal => char::from(TOPS[top]),
                std::cmp::Ordering::Greater => ' ',
            }
        }));
        text.push('\n');
    }
    // Below, read downwards: how long ago.
    let ages: Vec<String> = samples
        .iter()
        .map(|sample| age(now - sample.time_seconds))
        .collect();
    for line in 0..ages.iter().map(String::len).max().unwrap_or_default() {
        text.push('\n');
        text.extend(ages.iter().map(|age| age.chars().nth(line).unwrap_or(' ')));
    }
    text.push('\n');
}

/// A time in the biggest unit of which it has one.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_that_of_redis() {
        // As redis-server 8.2.3 drew it.
        let moments = [
            (57, 10),
            (59, 1102),
            (60, 23),
            (61, 1101),
            (62, 402),
            (64, 700),
            (65, 1500),
        ];
        let samples = moments.map(|(time_seconds, latency_ms)| Sample {
            time_seconds,
            latency_ms,
        });
        let series = Series {
            samples: samples.into(),
            longest_ms: 1500,
        };
        let lines = [
            "command - high 1500 ms, low 10 ms (all time high 1500 ms)",
            &"-".repeat(80),
            "      #",
            " # #  |",
            " | |_#|",
            "_|_||||",
            "",
            "8654310",
            "sssssss",
            "",
        ];
        let drawn = draw("command", &series, 65);
        assert_eq!(
            drawn.lines().map(str::trim_end).collect::<Vec<_>>(),
            lines[..9]
        );
    }

    #[test]
    fn ages_have_one_unit() {
        let ages = [0, 59, 60, 3599, 3600, 86_399, 86_400, -5].map(age);
        assert_eq!(ages, ["0s", "59s", "1m", "59m", "1h", "23h", "1d", "0s"]);
    }
}
