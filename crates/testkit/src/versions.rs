//! Where Redis itself changed what it answers between 7.0.15, which the comparisons and recordings
//! ask, and 8.0, whose behaviour Oxidis has. Each row lets exactly the new answer stand for the old one.

use crate::Reply;
use crate::streams::{comparable, with_newer_lag};

/// One change between the versions.
#[derive(Debug)]
pub struct Change {
    /// Whose replies changed, in lower case; none are all.
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
        reason: "since 7.2 scripts may call it, and it does not wait there",
        is_it: |_, old, new| {
            starts(old, "ERR This Redis command is not allowed from script")
                && matches!(new, Reply::Integer(_))
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
    Change {
        commands: &[],
        reason: "since 7.2 the user is named to whom a command is refused, keys and channels are spoken of in other words, \
                 and scripts are told all of it",
        is_it: |_, old, new| match (old, new) {
            (Reply::Error(old), Reply::Error(new)) => is_same_refusal(old, new),
            _ => false,
        },
    },
    Change {
        commands: &["acl"],
        reason: "since 7.2 ACL DRYRUN names the user, and 7.0.15 what is before a NUL in the name of a key or channel",
        is_it: |words, old, new| match (old, new) {
            (Reply::Bulk(old), Reply::Bulk(new)) => {
                let user = words.get(2).map(Vec::as_slice).unwrap_or_default();
                let named = [b"User ", user].concat();
                let Some(new) = new.strip_prefix(&named[..]) else {
                    return false;
                };
                old.strip_prefix(b"This user") == Some(&without_rest_behind_nul(new))
            }
            _ => false,
        },
    },
    Change {
        commands: &["acl"],
        reason: "since 7.2 what a user may run is told by the rules that were given, of which the last one about a command or \
                 a category counts; 7.0.15 finds rules that come to the same. Since 8.0 it is said of all users that payloads are looked through",
        is_it: |words, old, new| {
            let is_asked = ["getuser", "list"].iter().any(|name| {
                let subcommand = words.get(1).map(Vec::as_slice).unwrap_or_default();
                subcommand.eq_ignore_ascii_case(name.as_bytes())
            });
            is_asked && without_commands(old) == without_commands(new)
        },
    },
    Change {
        commands: &["acl"],
        reason: "newer versions have more commands in the categories",
        is_it: |_, old, new| match (old, new) {
            (Reply::Array(old), Reply::Array(new)) => {
                !old.is_empty() && old.iter().all(|name| new.contains(name))
            }
            _ => false,
        },
    },
];

/// A text that quotes something at its end, of which only what is before a NUL is kept.
fn without_rest_behind_nul(text: &[u8]) -> Vec<u8> {
    let nul = text.iter().position(|&byte| byte == 0);
    let quote = text.iter().rposition(|&byte| byte == b'\'');
    match (nul, quote) {
        (Some(nul), Some(quote)) if nul < quote => [&text[..nul], &text[quote..]].concat(),
        _ => text.to_vec(),
    }
}

/// Whether both say that a user may not do something, the old one in the words of 7.0.15.
fn is_same_refusal(old: &[u8], new: &[u8]) -> bool {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let script_error = "ERR ACL failure in script: ";
    let pairs = [
        (
            "NOPERM this user has no permissions to access one of the keys used as arguments",
            "NOPERM No permissions to access a key",
        ),
        (
            "NOPERM this user has no permissions to access one of the channels used as arguments",
            "NOPERM No permissions to access a channel",
        ),
        (
            "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
            "ERR ACL failure in script: No permissions to access a key",
        ),
        (
            "ERR The user executing the script can't publish to the channel mentioned in the command",
            "ERR ACL failure in script: No permissions to access a channel",
        ),
    ];
    let is_pair = pairs
        .iter()
        .any(|(before, since)| old != new && old.replace(before, since) == new);
    let named = |text: &str| {
        let (start, rest) = text.split_once("User ")?;
        let (_, end) = rest.split_once(" has no permissions")?;
        Some((start.to_owned(), end.to_owned()))
    };
    is_pair
        || old
            .split_once("this user has no permissions")
            .is_some_and(|(start, end)| named(&new) == Some((start.to_owned(), end.to_owned())))
        || old.starts_with("ERR The user executing the script can't run this command or subcommand")
            && new.starts_with(script_error)
            && new.contains(" has no permissions to run the '")
}

/// What ACL GETUSER or LIST says, but for the commands that a user may run, and for what is said of
/// payloads if it is what holds unless said otherwise.
fn without_commands(reply: &Reply) -> Reply {
    const SANITIZED: &[u8] = b"sanitize-payload";
    match reply {
        Reply::Array(elements) | Reply::Set(elements) => {
            let mut kept: Vec<Reply> = Vec::new();
            for element in elements {
                let is_commands = kept.last() == Some(&Reply::bulk("commands"));
                match element {
                    Reply::Bulk(text) | Reply::Simple(text) if text == SANITIZED => {}
                    _ if is_commands => kept.push(Reply::Null),
                    _ => kept.push(without_commands(element)),
                }
            }
            Reply::Array(kept)
        }
        Reply::Map(pairs) => {
            let flat = pairs
                .iter()
                .flat_map(|(key, value)| [key.clone(), value.clone()]);
            without_commands(&Reply::Array(flat.collect()))
        }
        Reply::Bulk(line) if line.starts_with(b"user ") => {
            let is_kept = |word: &&[u8]| !matches!(word, [b'+' | b'-', ..]) && *word != SANITIZED;
            let words = line.split(|&byte| byte == b' ').filter(is_kept);
            Reply::Bulk(words.collect::<Vec<_>>().join(&b' '))
        }
        other => other.clone(),
    }
}

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
        let mut commands = change.commands.iter();
        change.commands.is_empty()
            || commands.any(|command| name.eq_ignore_ascii_case(command.as_bytes()))
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
    fn refusals_have_newer_words() {
        let old = error("NOPERM this user has no permissions to run the 'get' command");
        let new = error("NOPERM User bob has no permissions to run the 'get' command");
        assert!(differ("GET x", &old, &new));
        assert!(!differ("GET x", &new, &old));
        assert!(!differ(
            "GET x",
            &old,
            &error("NOPERM User bob has no permissions to run the 'set' command")
        ));
        let old = Reply::bulk("This user has no permissions to access the 'a' key");
        let new = |user: &str, key: &str| {
            Reply::bulk(format!(
                "User {user} has no permissions to access the '{key}' key"
            ))
        };
        let line = "ACL DRYRUN bob GET x";
        assert!(differ(line, &old, &new("bob", "a\0b")));
        assert!(!differ(line, &old, &new("alice", "a")));
        assert!(!differ(line, &old, &new("bob", "b")));
    }

    #[test]
    fn users_may_be_described_by_other_rules_for_commands_and_by_nothing_else() {
        let old = Reply::bulk("user bob on nopass ~* &* +@all");
        let new = |keys: &str| {
            let text = format!("user bob on nopass sanitize-payload {keys} &* +@all +get");
            Reply::Array(vec![Reply::bulk(text)])
        };
        let old = Reply::Array(vec![old]);
        assert!(differ("ACL LIST", &old, &new("~*")));
        assert!(!differ("ACL LIST", &old, &new("~a")));
        assert!(!differ("ACL USERS", &old, &new("~*")));
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
