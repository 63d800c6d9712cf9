//! The commands of strings.

use oxidis_resp::Value;

use super::keyspace::{Data, Model};
use super::reply::{
    NOT_AN_INTEGER, OVERFLOW, Outcome, SYNTAX, WRONG_TYPE, array, bulk, bulk_or_null, exactly,
    integer, number, parse_integer, simple, slice,
};

impl Model {
    fn string(&self, key: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        match self.entries.get(key).map(|entry| &entry.data) {
            None => Ok(None),
            Some(Data::String(bytes)) => Ok(Some(bytes.clone())),
            Some(_) => Err(WRONG_TYPE),
        }
    }

    /// Changes the string, and leaves the deadline as it is.
    fn update_string(&mut self, key: &[u8], bytes: Vec<u8>) {
        let expires_ms = self.entries.get(key).and_then(|entry| entry.expires_ms);
        self.store(key, Data::String(bytes));
        self.entries
            .get_mut(key)
            .expect("it was just stored")
            .expires_ms = expires_ms;
    }

    pub(super) fn string_command(&mut self, name: &str, args: &[&[u8]]) -> Option<Outcome> {
        let outcome = match name {
            "SET" => self.set_string(args),
            "GET" => self
                .string(args[0])
                .and_then(|bytes| exactly(bulk_or_null(bytes))),
            "GETSET" => self.string(args[0]).and_then(|old| {
                self.store(args[0], Data::String(args[1].to_vec()));
                exactly(bulk_or_null(old))
            }),
            "GETDEL" => self.string(args[0]).and_then(|old| {
                self.entries.remove(args[0]);
                exactly(bulk_or_null(old))
            }),
            "GETEX" => self.string(args[0]).and_then(|bytes| {
                match args {
                    [key, b"PXAT", at_ms] => self.expire(key, number(at_ms)),
                    [key, b"PERSIST"] => {
                        if let Some(entry) = self.entries.get_mut(*key) {
                            entry.expires_ms = None;
                        }
                    }
                    _ => {}
                }
                exactly(bulk_or_null(bytes))
            }),
            "SETNX" => {
                let is_new = !self.exists(args[0]);
                if is_new {
                    self.store(args[0], Data::String(args[1].to_vec()));
                }
                integer(is_new)
            }
            "MSET" | "MSETNX" => {
                let may = name == "MSET" || args.chunks(2).all(|pair| !self.exists(pair[0]));
                if may {
                    for pair in args.chunks(2) {
                        self.store(pair[0], Data::String(pair[1].to_vec()));
                    }
                }
                if name == "MSET" {
                    simple("OK")
                } else {
                    integer(may)
                }
            }
            "MGET" => array(
                args.iter()
                    .map(|key| bulk_or_null(self.string(key).unwrap_or_default())),
            ),
            "APPEND" => self.string(args[0]).and_then(|old| {
                let mut bytes = old.unwrap_or_default();
                bytes.extend_from_slice(args[1]);
                let length = bytes.len();
                self.update_string(args[0], bytes);
                integer(length)
            }),
            "STRLEN" => self
                .string(args[0])
                .and_then(|bytes| integer(bytes.unwrap_or_default().len())),
            "SETRANGE" => self.string(args[0]).and_then(|old| {
                let (offset, patch) = (number(args[1]) as usize, args[2]);
                let mut bytes = old.unwrap_or_default();
                if !patch.is_empty() {
                    bytes.resize(bytes.len().max(offset + patch.len()), 0);
                    bytes[offset..offset + patch.len()].copy_from_slice(patch);
                    self.update_string(args[0], bytes.clone());
                }
                integer(bytes.len())
            }),
            "GETRANGE" => self.string(args[0]).and_then(|bytes| {
                let bytes = bytes.unwrap_or_default();
                exactly(bulk(
                    &bytes[get_range(number(args[1]), number(args[2]), bytes.len())],
                ))
            }),
            "INCR" => self.increment(args[0], 1),
            "DECR" => self.increment(args[0], -1),
            "INCRBY" => self.increment(args[0], number(args[1])),
            "DECRBY" => self.increment(args[0], -number(args[1])),
            _ => return None,
        };
        Some(outcome)
    }

    fn set_string(&mut self, args: &[&[u8]]) -> Outcome {
        let (key, value, options) = (args[0], args[1], &args[2..]);
        let has = |option: &[u8]| options.contains(&option);
        let old = if has(b"GET") {
            Some(bulk_or_null(self.string(key)?))
        } else {
            None
        };
        let refused = (has(b"NX") && self.exists(key)) || (has(b"XX") && !self.exists(key));
        if refused {
            return exactly(old.unwrap_or(Value::NullBulk));
        }
        if has(b"KEEPTTL") {
            self.update_string(key, value.to_vec());
        } else {
            self.store(key, Data::String(value.to_vec()));
        }
        if let Some(at) = options.iter().position(|option| option == b"PXAT") {
            let Some(at_ms) = options.get(at + 1) else {
                return Err(SYNTAX);
            };
            self.expire(key, number(at_ms));
        }
        exactly(old.unwrap_or(Value::Simple(b"OK".to_vec())))
    }

    fn increment(&mut self, key: &[u8], by: i64) -> Outcome {
        let old = self.string(key)?.unwrap_or(b"0".to_vec());
        let value = parse_integer(&old).ok_or(NOT_AN_INTEGER)?;
        let value = value.checked_add(by).ok_or(OVERFLOW)?;
        self.update_string(key, value.to_string().into());
        integer(value)
    }
}

/// The range of GETRANGE, which is that of lists but for one thing: an end before the start of the
/// string is its first byte, unless the start is behind the end as they were given.
fn get_range(start: i64, end: i64, length: usize) -> std::ops::Range<usize> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let first = if end < 0 {
        (end + length as i64).max(0)
    } else {
        end
    };
    slice(start, first, length)
}
