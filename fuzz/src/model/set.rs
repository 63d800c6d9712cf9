//! The commands of sets.

use std::collections::BTreeSet;

use oxidis_resp::Value;

use super::keyspace::{Data, Model};
use super::reply::{Expected, Outcome, array, bulk, integer, number};

type Set = BTreeSet<Vec<u8>>;

impl Model {
    pub(super) fn set_command(&mut self, name: &str, args: &[&[u8]]) -> Option<Outcome> {
        let outcome = match name {
            "SADD" => self
                .edit_set(args[0], |set| {
                    args[1..]
                        .iter()
                        .filter(|member| set.insert(member.to_vec()))
                        .count()
                })
                .and_then(integer),
            "SREM" => self
                .edit_set(args[0], |set| {
                    args[1..]
                        .iter()
                        .filter(|member| set.remove(**member))
                        .count()
                })
                .and_then(integer),
            "SISMEMBER" => self
                .set(args[0])
                .and_then(|set| integer(set.contains(args[1]))),
            "SMISMEMBER" => self.set(args[0]).and_then(|set| {
                array(
                    args[1..]
                        .iter()
                        .map(|member| Value::Integer(set.contains(*member).into())),
                )
            }),
            "SCARD" => self.set(args[0]).and_then(|set| integer(set.len())),
            "SMEMBERS" => self.set(args[0]).and_then(members),
            "SMOVE" => self.set_move(args[0], args[1], args[2]),
            "SINTER" | "SUNION" | "SDIFF" => self.combine(name, args).and_then(members),
            "SINTERSTORE" | "SUNIONSTORE" | "SDIFFSTORE" => {
                self.combine(name, &args[1..]).and_then(|set| {
                    let length = set.len();
                    self.store(args[0], Data::Set(set));
                    integer(length)
                })
            }
            "SINTERCARD" => {
                let (keys, options) = args[1..].split_at(number(args[0]) as usize);
                self.combine("SINTER", keys).and_then(|set| {
                    let limit = match options {
                        [_, limit] if *limit != b"0" => number(limit) as usize,
                        _ => usize::MAX,
                    };
                    integer(set.len().min(limit))
                })
            }
            _ => return None,
        };
        Some(outcome)
    }

    fn set_move(&mut self, from: &[u8], to: &[u8], member: &[u8]) -> Outcome {
        if !self.exists(from) {
            return integer(0);
        }
        let is_there = self.set(from)?.contains(member);
        self.set(to)?;
        if is_there && from != to {
            self.edit_set(from, |set| set.remove(member))?;
            self.edit_set(to, |set| set.insert(member.to_vec()))?;
        }
        integer(is_there)
    }

    fn combine(&self, name: &str, keys: &[&[u8]]) -> Result<Set, &'static str> {
        let sets = keys
            .iter()
            .map(|key| self.set(key))
            .collect::<Result<Vec<Set>, _>>()?;
        let combined = sets.into_iter().reduce(|one, other| match &name[..3] {
            "SIN" => &one & &other,
            "SUN" => &one | &other,
            _ => &one - &other,
        });
        Ok(combined.unwrap_or_default())
    }
}

fn members(set: Set) -> Outcome {
    Ok(Expected::InAnyOrder(
        set.iter().map(|member| bulk(member)).collect(),
    ))
}
