//! Where Redis itself changed what it answers between 7.0.15, which the comparisons and recordings
//! ask, and 8.0, whose behaviour Oxidis has. Each row lets exactly the new answer stand for the old one.

use crate::Reply;
use crate::streams::{comparable, with_newer_lag};

/// One change between the versions.
#[derive(Debug)]
pub struct Change {
    /// Whose replies changed, in lower case.
    pub commands: &'static [&'static str],
    /// What changed.
    pub reason: &'static str,
    /// Whether these two replies, to this command, are the old and the new one.
    is_it: fn(words: &[Vec<u8>], old: &Reply, new: &Reply) -> bool,
}

/// Every change that the comparisons have met.
pub const CHANGES: &[Change] = &[
    Change {
        commands: &["scan", "hscan", "sscan", "zscan"],
        reason: "7.0.15 takes an empty cursor for 0 and wraps a negative one round, Redis since 7.4 refuses both; it \
                 skips blanks before a cursor, and 7.0.15 does not",
        is_it: cursor,
    },
    Change {
        commands: &["zrank", "zrevrank"],
        reason: "since 7.2 there may be a fourth word, WITHSCORE",
        is_it: |words, old, new| {
            let with_score = words
                .get(3)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"withscore"));
            words.len() == 4
                && starts(old, "ERR wrong number of arguments")
                && (with_score || is(new, "ERR syntax error"))
        },
    },
    Change {
        commands: &["lrem"],
        reason: "since 8.0 the lowest count, whose opposite is no number, is refused",
        is_it: |words, _, new| {
            words
                .get(2)
                .is_some_and(|word| word == b"-9223372036854775808")
                && starts(new, "ERR value is out of range")
        },
    },
    Change {
        commands: &["lpos"],
        reason: "since 7.2 the lowest rank, whose opposite is no number, is refused",
        is_it: |words, _, new| {
            words.iter().any(|word| word == b"-9223372036854775808")
                && starts(new, "ERR value is out of range")
        },
    },
    Change {
        commands: &[
            "blpop",
            "brpop",
            "blmove",
            "brpoplpush",
            "blmpop",
            "bzpopmin",
            "bzpopmax",
            "bzmpop",
        ],
        reason: "7.0.15 lets timeouts overflow and calls the result negative",
        is_it: |_, old, new| {
            is(old, "ERR timeout is negative") && is(new, "ERR timeout is out of range")
        },
    },
    Change {
        commands: &["xread", "xreadgroup"],
        reason: "7.0.15 lets timeouts overflow",
        is_it: |_, _, new| is(new, "ERR timeout is out of range"),
    },
    Change {
        commands: &["xread", "xreadgroup"],
        reason: "since 7.4 the error names the command, and the signs that it takes",
        is_it: |words, old, new| {
            let text = |name, id| {
                format!(
                    "ERR Unbalanced {name} list of streams: for each stream key an {id} must be specified."
                )
            };
            let new_text = match words[0].to_ascii_lowercase().as_slice() {
                b"xread" => text("'xread'", "ID, '+', or '$'"),
                _ => text("'xreadgroup'", "ID or '>'"),
            };
            is(old, &text("XREAD", "ID or '$'")) && is(new, &new_text)
        },
    },
    Change {
        commands: &["xadd"],
        reason: "when no number is left in a millisecond, 7.0.15 answers one of two errors, by what went wrong last",
        is_it: |words, old, new| {
            words.iter().any(|word| word.ends_with(b"-*"))
                && is(old, "ERR Elements are too large to be stored")
                && starts(new, "ERR The ID specified in XADD is equal or smaller")
        },
    },
    Change {
        commands: &["xinfo"],
        reason: "since 7.2 no group lags behind an empty stream, and in Redis 8.2 none behind entries that were \
                 trimmed before it read them",
        is_it: |_, old, new| {
            let (old, new) = (comparable(old), comparable(new));
            old != new && with_newer_lag(&old, &new) == new
        },
    },
    Change {
        commands: &[
            "eval",
            "eval_ro",
            "evalsha",
            "evalsha_ro",
            "fcall",
            "fcall_ro",
            "function",
        ],
        reason: "since 7.2 redis.log calls a level that it does not know a log level, and redis.set_repl wants one \
                 argument instead of two",
        is_it: |_, old, new| {
            let (Reply::Error(old), Reply::Error(new)) = (old, new) else {
                return false;
            };
            let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
            let pairs = [
                ("Invalid debug level.", "Invalid log level."),
                (
                    "redis.set_repl() requires two arguments.",
                    "redis.set_repl() requires one argument.",
                ),
            ];
            old != new
                && pairs
                    .iter()
                    .any(|(before, since)| old.replace(before, since) == new)
        },
    },
    Change {
        commands: &["wait"],
        reason: "7.0.15 lets timeouts overflow",
        is_it: |_, old, new| {
            matches!(old, Reply::Integer(0)) && is(new, "ERR timeout is out of range")
        },
    },
    Change {
        commands: &["bitcount", "bitpos"],
        reason: "since 7.2 the arguments are looked at before the key, also when it is not there",
        is_it: |_, old, new| {
            let is_nothing = matches!(old, Reply::Integer(-1 | 0)) || starts(old, "WRONGTYPE ");
            is_nothing
                && (is(new, "ERR value is not an integer or out of range")
                    || is(new, "ERR syntax error"))
        },
    },
    Change {
        commands: &[
            "geopos",
            "georadius",
            "georadius_ro",
            "georadiusbymember",
            "georadiusbymember_ro",
            "geosearch",
        ],
        reason: "7.0.15 prints coordinates with 17 digits behind the point, Redis since 8.0 as all doubles",
        is_it: |_, old, new| are_same_coordinates(old, new),
    },
    Change {
        commands: &["command"],
        reason: "since 7.2 COMMAND GETKEYS and GETKEYSANDFLAGS may be asked about commands without arguments",
        is_it: |words, old, new| {
            words.len() == 3
                && (starts(old, "ERR wrong number of arguments for 'command|getkeys")
                    || starts(old, "ERR Wrong number of args calling"))
                && (is(new, "ERR The command has no key arguments")
                    || is(new, "ERR Invalid command specified")
                    || is(new, "ERR Invalid arguments specified for command")
                    || is(new, "ERR Invalid number of arguments specified for command"))
        },
    },
    Change {
        commands: &["hello"],
        reason: "since 7.2 nothing is done before all of it is known to be well formed",
        is_it: |_, old, new| {
            starts(old, "WRONGPASS ")
                && (starts(new, "ERR Syntax error in HELLO option")
                    || starts(new, "ERR Client names cannot"))
        },
    },
];

/// Whether the versions may answer the command differently.
pub fn has_changed(words: &[Vec<u8>]) -> bool {
    let is_named = |name: &&str| words[0].eq_ignore_ascii_case(name.as_bytes());
    CHANGES
        .iter()
        .any(|change| change.commands.iter().any(is_named))
}

/// Whether the two replies differ by one of the changes.
pub fn differ_by_version(words: &[Vec<u8>], old: &Reply, new: &Reply) -> bool {
    let Some(name) = words.first() else {
        return false;
    };
    let is_of = |change: &&Change| {
        change
            .commands
            .iter()
            .any(|command| name.eq_ignore_ascii_case(command.as_bytes()))
    };
    CHANGES
        .iter()
        .filter(is_of)
        .any(|change| (change.is_it)(words, old, new))
}

/// Whether the replies differ in digits of coordinates alone, and there beyond the 17th place.
fn are_same_coordinates(old: &Reply, new: &Reply) -> bool {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    match (old, new) {
        (Reply::Array(old), Reply::Array(new)) => {
            old.len() == new.len()
                && old
                    .iter()
                    .zip(new)
                    .all(|(old, new)| are_same_coordinates(old, new))
        }
        (Reply::Bulk(old), Reply::Bulk(new)) | (Reply::Double(old), Reply::Double(new))
            if old != new =>
        {
            match (number(old), number(new)) {
                (Some(old), Some(new)) => (old - new).abs() < 1e-17,
                _ => false,
            }
        }
        _ => old == new,
    }
}

fn cursor(words: &[Vec<u8>], old: &Reply, new: &Reply) -> bool {
    let has_key = !words[0].eq_ignore_ascii_case(b"scan");
    match words.get(1 + usize::from(has_key)).map(Vec::as_slice) {
        Some([] | [b'-', ..]) => is(new, "ERR invalid cursor"),
        Some([first, ..]) => first.is_ascii_whitespace() && is(old, "ERR invalid cursor"),
        None => false,
    }
}

fn is(reply: &Reply, error: &str) -> bool {
    *reply == Reply::Error(error.as_bytes().to_vec())
}

fn starts(reply: &Reply, error: &str) -> bool {
    matches!(reply, Reply::Error(text) if text.starts_with(error.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::split_words;

    fn error(text: &str) -> Reply {
        Reply::Error(text.as_bytes().to_vec())
    }

    fn differ(line: &str, old: &Reply, new: &Reply) -> bool {
        differ_by_version(&split_words(line).unwrap(), old, new)
    }

    #[test]
    fn odd_cursors_may_be_refused_by_one_server_alone() {
        let refusal = error("ERR invalid cursor");
        let page = Reply::Array(vec![Reply::bulk("0"), Reply::Array(Vec::new())]);
        for line in ["HSCAN h -1", "SSCAN s \"\"", "SCAN -2"] {
            assert!(differ(line, &page, &refusal), "{line}");
            assert!(!differ(line, &refusal, &page), "{line}");
        }
        assert!(differ("ZSCAN z \" 0\"", &refusal, &page));
        for line in ["HSCAN h 0", "SSCAN s x", "SCAN 0", "GET -1"] {
            assert!(!differ(line, &page, &refusal), "{line}");
            assert!(!differ(line, &refusal, &page), "{line}");
        }
    }

    #[test]
    fn errors_of_scripts_may_have_newer_words() {
        let old = error("ERR Invalid debug level. script: 1, on @user_script:1.");
        let new = error("ERR Invalid log level. script: 1, on @user_script:1.");
        assert!(differ("EVAL x 0", &old, &new));
        assert!(!differ("EVAL x 0", &new, &old));
        let elsewhere = error("ERR Invalid log level. script: 1, on @user_script:2.");
        assert!(!differ("EVAL x 0", &old, &elsewhere));
        assert!(!differ("GET x", &old, &new));
    }

    #[test]
    fn coordinates_may_lose_digits_that_say_nothing() {
        let position = |text| Reply::Array(vec![Reply::bulk("a"), Reply::bulk(text)]);
        let old = position("0.00000268220901489");
        assert!(differ(
            "GEOPOS g o",
            &old,
            &position("2.682209014892578e-6")
        ));
        assert!(!differ("GEOPOS g o", &old, &position("2.6822091e-6")));
        assert!(!differ(
            "GEODIST g o p",
            &old,
            &position("2.682209014892578e-6")
        ));
    }

    #[test]
    fn a_change_lets_only_the_new_answer_through() {
        let old = error("ERR timeout is negative");
        assert!(differ(
            "BLPOP l inf",
            &old,
            &error("ERR timeout is out of range")
        ));
        assert!(!differ("BLPOP l inf", &old, &Reply::NullArray));
        let old = error("ERR wrong number of arguments for 'zrank' command");
        assert!(differ("ZRANK z a b", &old, &error("ERR syntax error")));
        assert!(!differ("ZRANK z a b", &old, &Reply::Integer(1)));
    }
}
