//! `--latency-dist`: how long PINGs take, as a line of colours each second: a column for each
//! span of time, the brighter the more of the PINGs took so long. For terminals of 256 colours.

use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, Exit, print};

/// The pause between two samples.
const SAMPLE_PAUSE: Duration = Duration::from_millis(10);

/// How much time a line sums up, unless `-i` says.
const LINE_SPAN: Duration = Duration::from_secs(1);

/// The legend is repeated after so many lines.
const LINES_PER_LEGEND: usize = 20;

/// Colours of xterm from none of the samples to all of them: from black through grey, green and yellow
/// to red.
const COLOURS: &[u8] = &[
    0, 234, 236, 238, 240, 242, 244, 246, 64, 70, 76, 118, 154, 190, 226, 220, 214, 208, 202, 196,
];

/// The same from black to white (`--mono`).
const GREYS: &[u8] = &[
    0, 233, 235, 237, 239, 241, 243, 245, 247, 249, 251, 253, 255,
];

/// The columns: the longest time that counts there, in microseconds, and the sign that stands for it.
/// What took longer than all counts in the last column.
const COLUMNS: [(u64, char); 31] = [
    (10, '.'),
    (125, '-'),
    (250, '*'),
    (500, '#'),
    (1_000, '1'),
    (2_000, '2'),
    (3_000, '3'),
    (4_000, '4'),
    (5_000, '5'),
    (6_000, '6'),
    (7_000, '7'),
    (8_000, '8'),
    (9_000, '9'),
    (10_000, 'A'),
    (20_000, 'B'),
    (30_000, 'C'),
    (40_000, 'D'),
    (50_000, 'E'),
    (100_000, 'F'),
    (200_000, 'G'),
    (300_000, 'H'),
    (400_000, 'I'),
    (500_000, 'J'),
    (1_000_000, 'K'),
    (2_000_000, 'L'),
    (4_000_000, 'M'),
    (8_000_000, 'N'),
    (16_000_000, 'O'),
    (30_000_000, 'P'),
    (60_000_000, 'Q'),
    (u64::MAX, '?'),
];

/// How many columns the legend explains in a line.
const COLUMNS_PER_LEGEND_LINE: usize = 8;

/// Samples until somebody ends the program; `grey` does without colours.
pub fn show_latency_spectrum(client: &mut Client, grey: bool) -> Result<(), Exit> {
    let colours = if grey { GREYS } else { COLOURS };
    let span = match client.options.interval {
        Duration::ZERO => LINE_SPAN,
        interval => interval,
    };
    for number in 0usize.. {
        let mut counts = [0; COLUMNS.len()];
        let began = Instant::now();
        while began.elapsed() <= span {
            let sent = Instant::now();
            client.call_reconnecting(&[b"PING"])?;
            counts[column(sent.elapsed())] += 1;
            thread::sleep(SAMPLE_PAUSE);
        }
        if number.is_multiple_of(LINES_PER_LEGEND) {
            print(legend(colours).as_bytes())?;
        }
        print(line(&counts, colours).as_bytes())?;
    }
    Ok(())
}

/// Which column a time counts in.
fn column(latency: Duration) -> usize {
    let latency_us = latency.as_micros() as u64;
    COLUMNS.partition_point(|&(most_us, _)| most_us < latency_us)
}

fn line(counts: &[u64; COLUMNS.len()], colours: &[u8]) -> String {
    let all: u64 = counts.iter().sum();
    // The signs are black.
    let mut line = "\x1b[38;5;0m".to_owned();
    for (count, (_, sign)) in counts.iter().zip(COLUMNS) {
        let shade = (count * (colours.len() as u64 - 1)).div_ceil(all.max(1)) as usize;
        let _ = write!(line, "\x1b[48;5;{}m{sign}", colours[shade]);
    }
    line + "\x1b[0m\n"
}

/// What the signs and the colours mean.
fn legend(colours: &[u8]) -> String {
    let mut legend = String::new();
    for columns in COLUMNS.chunks(COLUMNS_PER_LEGEND_LINE) {
        for (most_us, sign) in columns {
            let time = match most_us {
                0..1_000 => format!("{} us", most_us),
                1_000..1_000_000 => format!("{} ms", most_us / 1_000),
                1_000_000..u64::MAX => format!("{} s", most_us / 1_000_000),
                &u64::MAX => "longer".to_owned(),
            };
            let _ = write!(legend, "{sign} {time:<8}");
        }
        legend.push('\n');
    }
    legend.push_str("0 to 100%: ");
    for colour in colours {
        let _ = write!(legend, "\x1b[48;5;{colour}m ");
    }
    legend + "\x1b[0m\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_in_the_column_that_they_do_not_exceed() {
        let sign = |latency_us| COLUMNS[column(Duration::from_micros(latency_us))].1;
        let cases = [(0, '.'), (10, '.'), (11, '-'), (1_000, '1'), (1_001, '2')];
        for (latency_us, expected) in cases {
            assert_eq!(sign(latency_us), expected);
        }
        assert_eq!(sign(60_000_000), 'Q');
        assert_eq!(sign(60_000_001), '?');
    }

    #[test]
    fn the_more_samples_the_brighter() {
        let mut counts = [0; COLUMNS.len()];
        (counts[1], counts[2]) = (99, 1);
        let line = line(&counts, COLOURS);
        let start = "\x1b[38;5;0m\x1b[48;5;0m.\x1b[48;5;196m-\x1b[48;5;234m*\x1b[48;5;0m#";
        assert!(line.starts_with(start), "{line:?}");
        assert!(line.ends_with("?\x1b[0m\n"));
    }
}
