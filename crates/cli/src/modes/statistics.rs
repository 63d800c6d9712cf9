//! `--stat`: a line of figures from INFO, again and again.

use std::thread;
use std::time::Duration;

use oxidis_resp::Value;
use oxidis_resp::number::leading_integer;

use crate::client::{Client, Exit, print};

/// The pause between two lines, unless `-i` says.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// The heading is repeated after so many lines.
const LINES_PER_HEADING: usize = 20;

const HEADING: &str = "\
------- data ------ --------------------- load -------------------- - child -
keys       mem      clients blocked requests            connections          
";

/// Prints lines until somebody ends the program.
pub fn print_statistics(client: &mut Client) -> Result<(), Exit> {
    let interval = match client.options.interval {
        Duration::ZERO => DEFAULT_INTERVAL,
        interval => interval,
    };
    let mut requests_before = None;
    for number in 0usize.. {
        let info = match client.call_reconnecting(&[b"INFO"])? {
            Value::Error(text) => {
                eprintln!("ERROR: {}", String::from_utf8_lossy(&text));
                return Err(Exit(1));
            }
            reply => String::from_utf8_lossy(reply.as_bytes().unwrap_or_default()).into_owned(),
        };
        if number % LINES_PER_HEADING == 0 {
            print(HEADING.as_bytes())?;
        }
        print(line(&info, &mut requests_before).as_bytes())?;
        thread::sleep(interval);
    }
    Ok(())
}

/// One line, from what INFO says; `requests_before` is the count of requests in the line
/// before it.
fn line(info: &str, requests_before: &mut Option<i64>) -> String {
    let requests = field(info, "total_commands_processed");
    let more = requests - requests_before.replace(requests).unwrap_or(requests);
    format!(
        "{:<11}{:<8} {:<8}{:<8}{:<19} {:<12}{}\n",
        key_count(info),
        human_bytes(field(info, "used_memory")),
        field(info, "connected_clients"),
        field(info, "blocked_clients"),
        format!("{requests} (+{more})"),
        field(info, "total_connections_received"),
        background_work(info),
    )
}

fn field(info: &str, name: &str) -> i64 {
    fields(info)
        .find(|(other, _)| *other == name)
        .map_or(0, |(_, value)| leading_integer(value))
}

fn fields(info: &str) -> impl Iterator<Item = (&str, &str)> {
    info.lines().filter_map(|line| line.split_once(':'))
}

/// The keys of all databases: their lines read `db0:keys=1,expires=0,...`.
fn key_count(info: &str) -> i64 {
    fields(info)
        .filter(|(name, _)| {
            name.strip_prefix("db")
                .is_some_and(|number| number.parse::<u32>().is_ok())
        })
        .filter_map(|(_, value)| value.strip_prefix("keys="))
        .map(leading_integer)
        .sum()
}

fn background_work(info: &str) -> &'static str {
    let work = [
        "rdb_bgsave_in_progress",
        "aof_rewrite_in_progress",
        "loading",
    ];
    match work.map(|name| field(info, name) != 0) {
        [true, false, false] => "SAVE",
        [false, true, false] => "AOF",
        [true, true, false] => "SAVE+AOF",
        [false, false, true] => "LOAD",
        _ => "",
    }
}

/// A number of bytes in the unit that suits it.
fn human_bytes(bytes: i64) -> String {
    let (sign, bytes) = if bytes < 0 {
        ("-", bytes.unsigned_abs())
    } else {
        ("", bytes as u64)
    };
    if bytes < 1 << 10 {
        return format!("{sign}{bytes}B");
    }
    let power = (bytes.ilog2() / 10).min(4);
    let unit = ['B', 'K', 'M', 'G', 'T'][power as usize];
    format!(
        "{sign}{:.2}{unit}",
        bytes as f64 / (1u64 << (10 * power)) as f64
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_what_info_says() {
        let info = "# Memory\r\nused_memory:1048576\r\nconnected_clients:3\r\nblocked_clients:1\r\n\
            total_commands_processed:50\r\ntotal_connections_received:7\r\nloading:0\r\n\
            rdb_bgsave_in_progress:1\r\naof_rewrite_in_progress:1\r\n\
            db0:keys=10,expires=1,avg_ttl=0\r\ndb11:keys=5,expires=0\r\ndbx:keys=9\r\n";
        let mut before = None;
        let first =
            "15         1.00M    3       1       50 (+0)             7           SAVE+AOF\n";
        assert_eq!(line(info, &mut before), first);
        let later = info.replace(":50", ":60");
        assert!(line(&later, &mut before).contains("60 (+10)"));
    }

    #[test]
    fn bytes_are_shown_in_a_unit_that_suits() {
        let cases = [
            (1023, "1023B"),
            (1024, "1.00K"),
            (1 << 20, "1.00M"),
            (3 << 29, "1.50G"),
            (1 << 40, "1.00T"),
            (-5, "-5B"),
        ];
        for (bytes, text) in cases {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
