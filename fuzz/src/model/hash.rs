//! The commands of hashes.

use super::keyspace::Model;
use super::reply::{
    Expected, OVERFLOW, Outcome, array, bulk, bulk_or_null, exactly, integer, number, parse_integer,
};

impl Model {
    pub(super) fn hash_command(&mut self, name: &str, args: &[&[u8]]) -> Option<Outcome> {
        if !name.starts_with('H') {
            return None;
        }
        let (key, args) = (args[0], &args[1..]);
        let hash = match self.hash(key) {
            Ok(hash) => hash,
            Err(error) => return Some(Err(error)),
        };
        let outcome = match name {
            "HSET" => self
                .edit_hash(key, |hash| {
                    let pairs = args.chunks(2);
                    pairs
                        .filter(|pair| hash.insert(pair[0].into(), pair[1].into()).is_none())
                        .count()
                })
                .and_then(integer),
            "HSETNX" => {
                let is_new = !hash.contains_key(args[0]);
                if is_new {
                    let change =
                        self.edit_hash(key, |hash| hash.insert(args[0].into(), args[1].into()));
                    change.expect("the type was right");
                }
                integer(is_new)
            }
            "HGET" => exactly(bulk_or_null(hash.get(args[0]))),
            "HMGET" => array(args.iter().map(|field| bulk_or_null(hash.get(*field)))),
            "HDEL" => self
                .edit_hash(key, |hash| {
                    args.iter()
                        .filter(|field| hash.remove(**field).is_some())
                        .count()
                })
                .and_then(integer),
            "HLEN" => integer(hash.len()),
            "HEXISTS" => integer(hash.contains_key(args[0])),
            "HSTRLEN" => integer(hash.get(args[0]).map_or(0, Vec::len)),
            "HINCRBY" => {
                let old = match hash.get(args[0]) {
                    Some(text) => match parse_integer(text) {
                        Some(old) => old,
                        None => return Some(Err("ERR hash value is not an integer")),
                    },
                    None => 0,
                };
                match old.checked_add(number(args[1])) {
                    Some(value) => self
                        .edit_hash(key, |hash| {
                            hash.insert(args[0].into(), value.to_string().into());
                            value
                        })
                        .and_then(integer),
                    None => Err(OVERFLOW),
                }
            }
            "HGETALL" => Ok(Expected::PairsInAnyOrder(
                hash.iter()
                    .map(|(field, value)| (bulk(field), bulk(value)))
                    .collect(),
            )),
            "HKEYS" => Ok(Expected::InAnyOrder(
                hash.keys().map(|field| bulk(field)).collect(),
            )),
            "HVALS" => Ok(Expected::InAnyOrder(
                hash.values().map(|value| bulk(value)).collect(),
            )),
            _ => return None,
        };
        Some(outcome)
    }
}
