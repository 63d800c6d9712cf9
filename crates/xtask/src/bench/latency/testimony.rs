//! What the server itself found slow: the longest command of its slow log and the worst of its latency events.

use anyhow::Result;
use oxidis_testkit::{Client, Reply};

/// Commands are logged from here on, in microseconds.
const SLOW_US: &str = "500";

/// Asks the server to write down what is slow, as far as it can.
///
/// # Errors
/// When the connection ends; not when the server refuses.
pub(super) fn begin(client: &mut Client) -> Result<()> {
    for words in [
        &["CONFIG", "SET", "slowlog-log-slower-than", SLOW_US][..],
        &["CONFIG", "SET", "slowlog-max-len", "10000"],
        &["CONFIG", "SET", "latency-monitor-threshold", "1"],
        &["SLOWLOG", "RESET"],
        &["LATENCY", "RESET"],
    ] {
        client.command(words)?;
    }
    Ok(())
}

/// The slowest command and the worst event, such as `DEL 812.4 ms, expire-cycle 25 ms`; empty where nothing was slow.
///
/// # Errors
/// When the connection ends; not when the server refuses.
pub(super) fn end(client: &mut Client) -> Result<String> {
    let slow_log = client.command(&["SLOWLOG", "GET", "10000"])?;
    let events = client.command(&["LATENCY", "LATEST"])?;
    let command = slowest_command(&slow_log).map(|(name, us)| {
        let ms = us as f64 / 1000.0;
        format!("{name} {ms:.1} ms")
    });
    let event = worst_event(&events).map(|(name, ms)| format!("{name} {ms} ms"));
    let said: Vec<String> = command.into_iter().chain(event).collect();
    Ok(said.join(", "))
}

/// Of entries of the number, the time, the microseconds, the arguments and more.
fn slowest_command(slow_log: &Reply) -> Option<(String, i64)> {
    let entries = items(slow_log)?.iter().filter_map(|entry| {
        let [_, _, Reply::Integer(us), arguments, ..] = items(entry)? else {
            return None;
        };
        Some((text(items(arguments)?.first()?)?, *us))
    });
    entries.max_by_key(|(_, us)| *us)
}

/// Of events with a name, a time, and the milliseconds of the latest and the worst one; `command` and its like are
/// in the slow log.
fn worst_event(events: &Reply) -> Option<(String, i64)> {
    let events = items(events)?.iter().filter_map(|event| {
        let [name, _, _, Reply::Integer(worst_ms), ..] = items(event)? else {
            return None;
        };
        let name = text(name)?;
        (!["command", "fast-command"].contains(&name.as_str())).then_some((name, *worst_ms))
    });
    events.max_by_key(|(_, ms)| *ms)
}

fn items(reply: &Reply) -> Option<&[Reply]> {
    match reply {
        Reply::Array(items) => Some(items),
        _ => None,
    }
}

fn text(reply: &Reply) -> Option<String> {
    let bytes = reply.bytes()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(items: impl IntoIterator<Item = Reply>) -> Reply {
        Reply::Array(items.into_iter().collect())
    }

    fn slow(us: i64, name: &str) -> Reply {
        let arguments = array([Reply::bulk(name), Reply::bulk("key")]);
        let client = [Reply::bulk("127.0.0.1:1"), Reply::bulk("")];
        let fields = [
            Reply::Integer(1),
            Reply::Integer(1_700_000_000),
            Reply::Integer(us),
        ];
        array(fields.into_iter().chain([arguments]).chain(client))
    }

    fn event(name: &str, worst_ms: i64) -> Reply {
        let numbers = [1_700_000_000, 1, worst_ms].map(Reply::Integer);
        array([Reply::bulk(name)].into_iter().chain(numbers))
    }

    #[test]
    fn the_slowest_command_is_found_whatever_the_order() {
        let log = array([slow(600, "SET"), slow(812_400, "DEL"), slow(700, "GET")]);
        assert_eq!(slowest_command(&log), Some(("DEL".to_owned(), 812_400)));
        assert_eq!(slowest_command(&array([])), None);
        assert_eq!(slowest_command(&Reply::Error(b"ERR".to_vec())), None);
    }

    #[test]
    fn events_that_the_slow_log_has_are_left_out() {
        let events = array([
            event("command", 900),
            event("expire-cycle", 25),
            event("fork", 3),
        ]);
        assert_eq!(worst_event(&events), Some(("expire-cycle".to_owned(), 25)));
        assert_eq!(worst_event(&array([event("fast-command", 2)])), None);
    }
}
