//! The keys of the model, and the commands of keys of all types.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use oxidis_resp::Value;

use super::reply::{Expected, NO_SUCH_KEY, Outcome, WRONG_TYPE, integer, number, simple};
use crate::commands::Command;

/// A value of any of the types.
#[derive(Clone, Debug)]
pub(super) enum Data {
    String(Vec<u8>),
    List(VecDeque<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    SortedSet(BTreeMap<Vec<u8>, f64>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) data: Data,
    pub(super) expires_ms: Option<i64>,
}

/// The model. Its clock stands still until it is told otherwise.
#[derive(Default)]
pub struct Model {
    pub(super) entries: BTreeMap<Vec<u8>, Entry>,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

/// Access to the data of one type: shared, or made if there is none.
macro_rules! access {
    ($get:ident, $edit:ident, $variant:ident, $type:ty) => {
        pub(super) fn $get(&self, key: &[u8]) -> Result<$type, &'static str> {
            match self.entries.get(key).map(|entry| &entry.data) {
                None => Ok(Default::default()),
                Some(Data::$variant(data)) => Ok(data.clone()),
                Some(_) => Err(WRONG_TYPE),
            }
        }

        /// Changes the data and forgets the key if nothing is left.
        pub(super) fn $edit<R>(
            &mut self,
            key: &[u8],
            change: impl FnOnce(&mut $type) -> R,
        ) -> Result<R, &'static str> {
            let mut data = self.$get(key)?;
            let result = change(&mut data);
            if data.is_empty() {
                self.entries.remove(key);
            } else {
                let expires_ms = self.entries.get(key).and_then(|entry| entry.expires_ms);
                let entry = Entry {
                    data: Data::$variant(data),
                    expires_ms,
                };
                self.entries.insert(key.to_vec(), entry);
            }
            Ok(result)
        }
    };
}

impl Model {
    access!(list, edit_list, List, VecDeque<Vec<u8>>);
    access!(hash, edit_hash, Hash, BTreeMap<Vec<u8>, Vec<u8>>);
    access!(set, edit_set, Set, BTreeSet<Vec<u8>>);
    access!(
        sorted_set,
        edit_sorted_set,
        SortedSet,
        BTreeMap<Vec<u8>, f64>
    );

    /// Executes a command.
    pub fn execute(&mut self, command: &Command) -> Expected {
        self.drop_expired();
        let name = String::from_utf8_lossy(&command[0]).into_owned();
        let args: Vec<&[u8]> = command[1..].iter().map(Vec::as_slice).collect();
        let outcome = self
            .generic(&name, &args)
            .or_else(|| self.string_command(&name, &args))
            .or_else(|| self.list_command(&name, &args))
            .or_else(|| self.hash_command(&name, &args))
            .or_else(|| self.set_command(&name, &args))
            .or_else(|| self.sorted_set_command(&name, &args))
            .unwrap_or_else(|| panic!("the model does not know {name}"));
        outcome.unwrap_or_else(|text| Expected::Exactly(Value::Error(text.into())))
    }

    /// Every key that there is.
    pub fn keys(&mut self) -> Vec<Vec<u8>> {
        self.drop_expired();
        self.entries.keys().cloned().collect()
    }

    fn drop_expired(&mut self) {
        let now_ms = self.now_ms;
        self.entries
            .retain(|_, entry| entry.expires_ms.is_none_or(|at_ms| at_ms > now_ms));
    }

    pub(super) fn exists(&self, key: &[u8]) -> bool {
        self.entries.contains_key(key)
    }

    /// Puts a new value under a key, whatever was there. An empty one is none.
    pub(super) fn store(&mut self, key: &[u8], data: Data) {
        let is_empty = match &data {
            Data::String(_) => false,
            Data::List(list) => list.is_empty(),
            Data::Hash(hash) => hash.is_empty(),
            Data::Set(set) => set.is_empty(),
            Data::SortedSet(members) => members.is_empty(),
        };
        if is_empty {
            self.entries.remove(key);
        } else {
            self.entries.insert(
                key.to_vec(),
                Entry {
                    data,
                    expires_ms: None,
                },
            );
        }
    }

    /// Sets a deadline. One in the past deletes the key.
    pub(super) fn expire(&mut self, key: &[u8], at_ms: i64) {
        if at_ms <= self.now_ms {
            self.entries.remove(key);
        } else if let Some(entry) = self.entries.get_mut(key) {
            entry.expires_ms = Some(at_ms);
        }
    }

    fn generic(&mut self, name: &str, args: &[&[u8]]) -> Option<Outcome> {
        let outcome = match name {
            "DEL" | "UNLINK" => integer(
                args.iter()
                    .filter(|key| self.entries.remove(**key).is_some())
                    .count(),
            ),
            "EXISTS" => integer(args.iter().filter(|key| self.exists(key)).count()),
            "DBSIZE" => integer(self.entries.len()),
            "TYPE" => simple(match self.entries.get(args[0]).map(|entry| &entry.data) {
                None => "none",
                Some(Data::String(_)) => "string",
                Some(Data::List(_)) => "list",
                Some(Data::Hash(_)) => "hash",
                Some(Data::Set(_)) => "set",
                Some(Data::SortedSet(_)) => "zset",
            }),
            "RENAME" | "RENAMENX" => self.rename(args[0], args[1], name == "RENAMENX"),
            "COPY" => self.copy(args[0], args[1], args.len() > 2),
            "PERSIST" => {
                let entry = self.entries.get_mut(args[0]);
                integer(entry.and_then(|entry| entry.expires_ms.take()).is_some())
            }
            "PEXPIRETIME" => integer(match self.entries.get(args[0]) {
                None => -2,
                Some(Entry { expires_ms, .. }) => expires_ms.unwrap_or(-1),
            }),
            "PEXPIREAT" => {
                let Some(entry) = self.entries.get(args[0]) else {
                    return Some(integer(0));
                };
                let at_ms = number(args[1]);
                // No deadline is later than every deadline.
                let allowed = match (args.get(2).copied(), entry.expires_ms) {
                    (Some(b"NX"), current) => current.is_none(),
                    (Some(b"XX"), current) => current.is_some(),
                    (Some(b"GT"), current) => current.is_some_and(|current| at_ms > current),
                    (Some(b"LT"), current) => current.is_none_or(|current| at_ms < current),
                    _ => true,
                };
                if allowed {
                    self.expire(args[0], at_ms);
                }
                integer(allowed)
            }
            _ => return None,
        };
        Some(outcome)
    }

    fn rename(&mut self, from: &[u8], to: &[u8], only_new: bool) -> Outcome {
        let Some(entry) = self.entries.get(from).cloned() else {
            return Err(NO_SUCH_KEY);
        };
        if only_new && self.exists(to) {
            return integer(0);
        }
        self.entries.remove(from);
        self.entries.insert(to.to_vec(), entry);
        if only_new { integer(1) } else { simple("OK") }
    }

    fn copy(&mut self, from: &[u8], to: &[u8], replace: bool) -> Outcome {
        if from == to {
            return Err("ERR source and destination objects are the same");
        }
        match self.entries.get(from).cloned() {
            Some(entry) if replace || !self.exists(to) => {
                self.entries.insert(to.to_vec(), entry);
                integer(1)
            }
            _ => integer(0),
        }
    }
}
