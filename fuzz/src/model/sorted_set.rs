//! The commands of sorted sets.

use std::collections::BTreeMap;

use oxidis_resp::Value;

use super::keyspace::{Data, Model};
use super::reply::{Outcome, WRONG_TYPE, array, bulk, exactly, integer, number, slice};

type Members = BTreeMap<Vec<u8>, f64>;

const NOT_A_NUMBER: &str = "ERR resulting score is not a number (NaN)";

impl Model {
    pub(super) fn sorted_set_command(&mut self, name: &str, args: &[&[u8]]) -> Option<Outcome> {
        if !name.starts_with('Z') {
            return None;
        }
        match name {
            "ZADD" => return Some(self.add(args[0], &args[1..])),
            "ZUNIONSTORE" | "ZINTERSTORE" | "ZDIFFSTORE" => {
                return Some(self.aggregate(name, args));
            }
            "ZRANGESTORE" => {
                let ranged = self
                    .sorted_set(args[1])
                    .map(|members| range(&members, &args[2..]));
                return Some(ranged.and_then(|ranged| {
                    let length = ranged.len();
                    self.store(args[0], Data::SortedSet(ranged.into_iter().collect()));
                    integer(length)
                }));
            }
            _ => {}
        }
        let (key, args) = (args[0], &args[1..]);
        let members = match self.sorted_set(key) {
            Ok(members) => members,
            Err(error) => return Some(Err(error)),
        };
        let ordered = ordered(&members);
        let outcome = match name {
            "ZREM" => self.remove_members(key, args.iter().map(|member| member.to_vec())),
            "ZSCORE" => exactly(score_or_null(members.get(args[0]))),
            "ZMSCORE" => array(
                args.iter()
                    .map(|member| score_or_null(members.get(*member))),
            ),
            "ZCARD" => integer(members.len()),
            "ZRANK" | "ZREVRANK" => {
                let rank = ordered.iter().position(|(member, _)| member == args[0]);
                exactly(rank.map_or(Value::NullBulk, |rank| {
                    let from_end = ordered.len() - 1 - rank;
                    Value::Integer(if name == "ZRANK" { rank } else { from_end } as i64)
                }))
            }
            "ZCOUNT" => integer(between(&ordered, args[0], args[1]).len()),
            "ZINCRBY" => self.add(key, &[b"INCR", args[0], args[1]]),
            "ZRANGE" => {
                let with_scores = args.contains(&&b"WITHSCORES"[..]);
                array(replies(&range(&members, args), with_scores))
            }
            "ZPOPMIN" | "ZPOPMAX" => {
                let count = args.first().map_or(1, |count| number(count) as usize);
                let mut popped = ordered;
                if name == "ZPOPMAX" {
                    popped.reverse();
                }
                popped.truncate(count);
                let names = popped.iter().map(|(member, _)| member.clone());
                self.remove_members(key, names).expect("the type was right");
                array(replies(&popped, true))
            }
            "ZREMRANGEBYRANK" => {
                let removed = &ordered[slice(number(args[0]), number(args[1]), ordered.len())];
                self.remove_members(key, removed.iter().map(|(member, _)| member.clone()))
            }
            "ZREMRANGEBYSCORE" => {
                let removed = between(&ordered, args[0], args[1]);
                self.remove_members(key, removed.into_iter().map(|(member, _)| member))
            }
            _ => return None,
        };
        Some(outcome)
    }

    fn remove_members(&mut self, key: &[u8], members: impl Iterator<Item = Vec<u8>>) -> Outcome {
        self.edit_sorted_set(key, |set| {
            members
                .filter(|member| set.remove(member).is_some())
                .count()
        })
        .and_then(integer)
    }

    fn add(&mut self, key: &[u8], args: &[&[u8]]) -> Outcome {
        let options_end = args
            .iter()
            .position(|arg| !is_option(arg))
            .unwrap_or(args.len());
        let (options, pairs) = args.split_at(options_end);
        let has = |option: &[u8]| options.contains(&option);
        let increments = has(b"INCR");
        let (mut added, mut changed, mut result) = (0, 0, None);
        let outcome = self.edit_sorted_set(key, |members| {
            for pair in pairs.chunks(2) {
                let (given, member) = (parse_score(pair[0]), pair[1]);
                let old = members.get(member).copied();
                if (old.is_some() && has(b"NX")) || (old.is_none() && has(b"XX")) {
                    continue;
                }
                let score = if increments {
                    old.unwrap_or(0.0) + given
                } else {
                    given
                };
                if score.is_nan() {
                    return Err(NOT_A_NUMBER);
                }
                if old
                    .is_some_and(|old| (has(b"GT") && score <= old) || (has(b"LT") && score >= old))
                {
                    continue;
                }
                added += usize::from(old.is_none());
                changed += usize::from(old.is_some_and(|old| old != score));
                members.insert(member.to_vec(), score);
                result = Some(score);
            }
            Ok(())
        })?;
        outcome?;
        if increments {
            exactly(score_or_null(result.as_ref()))
        } else {
            integer(if has(b"CH") { added + changed } else { added })
        }
    }

    fn aggregate(&mut self, name: &str, args: &[&[u8]]) -> Outcome {
        let (keys, options) = args[2..].split_at(number(args[1]) as usize);
        let mut inputs = keys
            .iter()
            .map(|key| self.scored(key))
            .collect::<Result<Vec<Members>, _>>()?;
        if name != "ZDIFFSTORE" {
            // Small ones first, which shows when infinities cancel each other.
            inputs.sort_by_key(Members::len);
        }
        let combine = |one: f64, other: f64| match options {
            [_, b"MIN"] => one.min(other),
            [_, b"MAX"] => one.max(other),
            // Opposite infinities add up to nothing.
            _ if (one + other).is_nan() => 0.0,
            _ => one + other,
        };
        let combined = inputs.into_iter().reduce(|one, other| match name {
            "ZINTERSTORE" => one
                .into_iter()
                .filter_map(|(member, score)| {
                    other
                        .get(&member)
                        .map(|other| (member, combine(score, *other)))
                })
                .collect(),
            "ZDIFFSTORE" => one
                .into_iter()
                .filter(|(member, _)| !other.contains_key(member))
                .collect(),
            _ => {
                let mut union = one;
                for (member, score) in other {
                    union
                        .entry(member)
                        .and_modify(|sum| *sum = combine(*sum, score))
                        .or_insert(score);
                }
                union
            }
        });
        let combined = combined.unwrap_or_default();
        let length = combined.len();
        self.store(args[0], Data::SortedSet(combined));
        integer(length)
    }

    /// A sorted set, or a set whose members all have the score 1.
    fn scored(&self, key: &[u8]) -> Result<Members, &'static str> {
        match self.set(key) {
            Ok(set) => Ok(set.into_iter().map(|member| (member, 1.0)).collect()),
            Err(WRONG_TYPE) => self.sorted_set(key),
            Err(other) => Err(other),
        }
    }
}

fn is_option(arg: &[u8]) -> bool {
    matches!(arg, b"NX" | b"XX" | b"GT" | b"LT" | b"CH" | b"INCR")
}

/// By score, then by member.
fn ordered(members: &Members) -> Vec<(Vec<u8>, f64)> {
    let mut ordered: Vec<_> = members
        .iter()
        .map(|(member, score)| (member.clone(), *score))
        .collect();
    // Stable, and the members are in order already.
    ordered.sort_by(|one, other| one.1.partial_cmp(&other.1).expect("no score is NaN"));
    ordered
}

/// ZRANGE: by rank or by score, forward or back, with a limit.
fn range(members: &Members, args: &[&[u8]]) -> Vec<(Vec<u8>, f64)> {
    let has = |option: &[u8]| args[2..].contains(&option);
    let mut ordered = ordered(members);
    if !has(b"BYSCORE") {
        if has(b"REV") {
            ordered.reverse();
        }
        let range = slice(number(args[0]), number(args[1]), ordered.len());
        return ordered[range].to_vec();
    }
    let (min, max) = if has(b"REV") {
        (args[1], args[0])
    } else {
        (args[0], args[1])
    };
    let mut found = between(&ordered, min, max);
    if has(b"REV") {
        found.reverse();
    }
    if let Some(at) = args.iter().position(|arg| arg == b"LIMIT") {
        let (offset, count) = (number(args[at + 1]), number(args[at + 2]));
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        found = found.into_iter().skip(offset as usize).take(most).collect();
    }
    found
}

fn between(ordered: &[(Vec<u8>, f64)], min: &[u8], max: &[u8]) -> Vec<(Vec<u8>, f64)> {
    let above = |score: f64| match min {
        [b'(', min @ ..] => score > parse_score(min),
        min => score >= parse_score(min),
    };
    let below = |score: f64| match max {
        [b'(', max @ ..] => score < parse_score(max),
        max => score <= parse_score(max),
    };
    ordered
        .iter()
        .filter(|(_, score)| above(*score) && below(*score))
        .cloned()
        .collect()
}

fn replies(members: &[(Vec<u8>, f64)], with_scores: bool) -> Vec<Value> {
    let reply = |(member, score): &(Vec<u8>, f64)| {
        let score = with_scores.then(|| score_text(*score));
        [Some(bulk(member)), score].into_iter().flatten()
    };
    members.iter().flat_map(reply).collect()
}

fn parse_score(text: &[u8]) -> f64 {
    std::str::from_utf8(text)
        .expect("scores are ASCII")
        .parse()
        .expect("scores are numbers")
}

/// Rust writes the scores that are in use as Redis does.
fn score_text(score: f64) -> Value {
    bulk(score.to_string().as_bytes())
}

fn score_or_null(score: Option<&f64>) -> Value {
    score.map_or(Value::NullBulk, |score| score_text(*score))
}
