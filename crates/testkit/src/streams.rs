//! Replies about consumer groups, made comparable: they hold times, and since 7.2 more of them.

use crate::Reply;

/// Times from here on are moments, shorter ones durations: 2020, in milliseconds since 1970.
const MOMENTS_FROM_MS: i64 = 1_577_836_800_000;

/// Durations are compared in steps of so many milliseconds; scripts choose them from the middle.
const DURATION_STEP_MS: i64 = 10_000;

/// Names before a time.
const TIMES: &[&[u8]] = &[b"idle", b"seen-time"];

/// Names of what consumers have since 7.2 only.
const SINCE_7_2: &[&[u8]] = &[b"inactive", b"active-time"];

/// The reply with every moment the same and every duration cut to its step, and without what
/// only one of the versions has.
pub(crate) fn comparable(reply: &Reply) -> Reply {
    match reply {
        Reply::Map(pairs) => {
            let pairs = pairs.iter().filter(|(name, _)| !is_any(name, SINCE_7_2));
            Reply::Map(
                pairs
                    .map(|(name, value)| {
                        let value = if is_any(name, TIMES) {
                            time(value)
                        } else {
                            comparable(value)
                        };
                        (name.clone(), value)
                    })
                    .collect(),
            )
        }
        Reply::Array(elements) => Reply::Array(comparable_elements(elements)),
        other => other.clone(),
    }
}

/// The reply with the lag of every group as it is in `newer` where that is nothing or less: since 7.2 no group lags
/// behind an empty stream, and in Redis 8.2 none behind entries that were trimmed before it read them.
pub(crate) fn with_newer_lag(older: &Reply, newer: &Reply) -> Reply {
    match (older, newer) {
        (Reply::Array(elements), Reply::Array(others)) if elements.len() == others.len() => {
            let mut is_lag = false;
            let pairs = elements.iter().zip(others);
            Reply::Array(
                pairs
                    .map(|(older, newer)| {
                        let takes_newer = is_lag && is_less_or_nothing(older, newer);
                        is_lag = is_any(older, &[b"lag"]);
                        if takes_newer {
                            newer.clone()
                        } else {
                            with_newer_lag(older, newer)
                        }
                    })
                    .collect(),
            )
        }
        (Reply::Map(pairs), Reply::Map(others)) if pairs.len() == others.len() => {
            let both = pairs.iter().zip(others);
            Reply::Map(
                both.map(|((name, older), (_, newer))| {
                    let takes_newer = is_any(name, &[b"lag"]) && is_less_or_nothing(older, newer);
                    let value = if takes_newer {
                        newer.clone()
                    } else {
                        with_newer_lag(older, newer)
                    };
                    (name.clone(), value)
                })
                .collect(),
            )
        }
        _ => older.clone(),
    }
}

/// The reply with what is said of each consumer in the order of its names, as a script passes it on that asks for
/// maps: of those Lua makes tables, whose order follows from how many names there are, and since 7.2 there are more.
pub(crate) fn with_names_in_order(reply: &Reply) -> Reply {
    let name_of = |reply: &Reply| reply.bytes().map(<[u8]>::to_vec);
    match reply {
        Reply::Map(pairs) => {
            let pairs = pairs.iter();
            let mut pairs: Vec<(Reply, Reply)> = pairs
                .map(|(name, value)| (name.clone(), with_names_in_order(value)))
                .collect();
            if pairs.iter().any(|(name, _)| is_any(name, TIMES)) {
                pairs.sort_by_key(|(name, _)| name_of(name));
            }
            Reply::Map(pairs)
        }
        Reply::Array(elements) => {
            let mut elements: Vec<Reply> = elements.iter().map(with_names_in_order).collect();
            let mut names = elements.iter().step_by(2);
            if elements.len().is_multiple_of(2) && names.any(|name| is_any(name, TIMES)) {
                let mut pairs: Vec<Vec<Reply>> =
                    elements.chunks_exact(2).map(<[Reply]>::to_vec).collect();
                pairs.sort_by_key(|pair| name_of(&pair[0]));
                elements = pairs.concat();
            }
            Reply::Array(elements)
        }
        other => other.clone(),
    }
}

fn is_less_or_nothing(older: &Reply, newer: &Reply) -> bool {
    match (older, newer) {
        (_, Reply::Integer(0)) => true,
        (Reply::Integer(older), Reply::Integer(newer)) => (1..*older).contains(newer),
        _ => false,
    }
}

fn comparable_elements(elements: &[Reply]) -> Vec<Reply> {
    // A pending entry: ID, perhaps its consumer, a time, how often it was delivered.
    if let [
        Reply::Bulk(_),
        before @ ..,
        delivered,
        Reply::Integer(count),
    ] = elements
        && matches!(delivered, Reply::Integer(_))
        && matches!(before, [] | [Reply::Bulk(_)])
    {
        let id = std::iter::once(&elements[0]).chain(before).cloned();
        let rest = [time(delivered), Reply::Integer(*count)];
        return id.chain(rest).collect();
    }
    let mut comparables = Vec::new();
    let mut elements = elements.iter();
    while let Some(element) = elements.next() {
        if is_any(element, SINCE_7_2) {
            elements.next();
        } else if is_any(element, TIMES) {
            comparables.push(element.clone());
            comparables.extend(elements.next().map(time));
        } else {
            comparables.push(comparable(element));
        }
    }
    comparables
}

fn is_any(name: &Reply, names: &[&[u8]]) -> bool {
    name.bytes().is_some_and(|name| names.contains(&name))
}

fn time(reply: &Reply) -> Reply {
    match reply {
        Reply::Integer(MOMENTS_FROM_MS..) => Reply::Bulk(b"a moment".to_vec()),
        Reply::Integer(duration_ms) => Reply::Integer(duration_ms / DURATION_STEP_MS),
        other => comparable(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(elements: &[Reply]) -> Reply {
        Reply::Array(elements.to_vec())
    }

    #[test]
    fn a_lag_may_be_less_but_not_more() {
        let lag = |lag| array(&[Reply::Bulk(b"lag".to_vec()), Reply::Integer(lag)]);
        assert_eq!(with_newer_lag(&lag(2), &lag(1)), lag(1));
        assert_eq!(with_newer_lag(&lag(2), &lag(0)), lag(0));
        assert_eq!(with_newer_lag(&lag(2), &lag(3)), lag(2));
        assert_eq!(with_newer_lag(&lag(2), &lag(-1)), lag(2));
        let other = |value| array(&[Reply::Bulk(b"pending".to_vec()), Reply::Integer(value)]);
        assert_eq!(with_newer_lag(&other(2), &other(1)), other(2));
    }

    #[test]
    fn times_and_news_are_no_differences() {
        let bulk = |text: &str| Reply::Bulk(text.into());
        let old = array(&[
            bulk("idle"),
            Reply::Integer(3),
            bulk("pending"),
            Reply::Integer(3),
        ]);
        let new = array(&[
            bulk("idle"),
            Reply::Integer(20),
            bulk("inactive"),
            Reply::Integer(-1),
            bulk("pending"),
            Reply::Integer(3),
        ]);
        assert_eq!(comparable(&old), comparable(&new));
        let pending = |time, count| {
            array(&[array(&[
                bulk("1-1"),
                bulk("name"),
                Reply::Integer(time),
                Reply::Integer(count),
            ])])
        };
        let (early, late) = (pending(1_700_000_000_000, 1), pending(1_800_000_000_000, 1));
        assert_eq!(comparable(&early), comparable(&late));
        assert_ne!(comparable(&pending(5, 1)), comparable(&pending(5, 2)));
        assert_ne!(comparable(&pending(5, 1)), comparable(&pending(25_000, 1)));
    }
}
