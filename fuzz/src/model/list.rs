//! The commands of lists.

use std::collections::VecDeque;

use oxidis_resp::Value;

use super::keyspace::Model;
use super::reply::{
    NO_SUCH_KEY, Outcome, array, bulk, bulk_or_null, exactly, integer, number, simple, slice,
};

impl Model {
    pub(super) fn list_command(&mut self, name: &str, args: &[&[u8]]) -> Option<Outcome> {
        let outcome = match name {
            "LPUSH" | "RPUSH" | "LPUSHX" | "RPUSHX" => self.push(name, args),
            "LPOP" | "RPOP" => self.pop(args[0], name == "LPOP", args.get(1).copied()),
            "LLEN" => self.list(args[0]).and_then(|list| integer(list.len())),
            "LRANGE" => self.list(args[0]).and_then(|list| {
                let range = slice(number(args[1]), number(args[2]), list.len());
                array(list.range(range).map(|element| bulk(element)))
            }),
            "LINDEX" => self.list(args[0]).and_then(|list| {
                let element = index(args[1], list.len()).map(|at| list[at].clone());
                exactly(bulk_or_null(element))
            }),
            "LSET" => self.list(args[0]).and_then(|list| {
                if list.is_empty() {
                    return Err(NO_SUCH_KEY);
                }
                let at = index(args[1], list.len()).ok_or("ERR index out of range")?;
                self.edit_list(args[0], |list| list[at] = args[2].to_vec())?;
                simple("OK")
            }),
            "LINSERT" => self.list(args[0]).and_then(|list| {
                if list.is_empty() {
                    return integer(0);
                }
                let Some(pivot) = list.iter().position(|element| element == args[2]) else {
                    return integer(-1);
                };
                let at = pivot + usize::from(args[1] == b"AFTER");
                self.edit_list(args[0], |list| list.insert(at, args[3].to_vec()))?;
                integer(list.len() + 1)
            }),
            "LREM" => self
                .edit_list(args[0], |list| remove(list, number(args[1]), args[2]))
                .and_then(integer),
            "LTRIM" => self
                .edit_list(args[0], |list| {
                    let range = slice(number(args[1]), number(args[2]), list.len());
                    *list = list.range(range).cloned().collect();
                })
                .and_then(|()| simple("OK")),
            "LMOVE" => self.list_move(args[0], args[1], args[2] == b"LEFT", args[3] == b"LEFT"),
            "LPOS" => self.list(args[0]).and_then(|list| {
                let elements: Vec<Vec<u8>> = list.into();
                positions(&elements, args[1], &args[2..])
            }),
            _ => return None,
        };
        Some(outcome)
    }

    fn push(&mut self, name: &str, args: &[&[u8]]) -> Outcome {
        let exists = !self.list(args[0])?.is_empty();
        if name.ends_with('X') && !exists {
            return integer(0);
        }
        self.edit_list(args[0], |list| {
            for element in &args[1..] {
                if name.starts_with('L') {
                    list.push_front(element.to_vec());
                } else {
                    list.push_back(element.to_vec());
                }
            }
            list.len()
        })
        .and_then(integer)
    }

    fn pop(&mut self, key: &[u8], from_left: bool, count: Option<&[u8]>) -> Outcome {
        if self.list(key)?.is_empty() {
            return exactly(if count.is_some() {
                Value::NullArray
            } else {
                Value::NullBulk
            });
        }
        let most = count.map_or(1, number) as usize;
        let popped = self.edit_list(key, |list| {
            let count = most.min(list.len());
            (0..count)
                .filter_map(|_| {
                    if from_left {
                        list.pop_front()
                    } else {
                        list.pop_back()
                    }
                })
                .collect::<Vec<_>>()
        })?;
        match count {
            Some(_) => array(popped.iter().map(|element| bulk(element))),
            None => exactly(bulk_or_null(popped.first())),
        }
    }

    fn list_move(&mut self, from: &[u8], to: &[u8], from_left: bool, to_left: bool) -> Outcome {
        if self.list(from)?.is_empty() {
            return exactly(Value::NullBulk);
        }
        self.list(to)?;
        let pop = |list: &mut VecDeque<Vec<u8>>| {
            let popped = if from_left {
                list.pop_front()
            } else {
                list.pop_back()
            };
            popped.expect("it is not empty")
        };
        let push = |list: &mut VecDeque<Vec<u8>>, element: &[u8]| {
            if to_left {
                list.push_front(element.to_vec());
            } else {
                list.push_back(element.to_vec());
            }
        };
        let element = if from == to {
            // At no time is the key without elements.
            self.edit_list(from, |list| {
                let element = pop(list);
                push(list, &element);
                element
            })?
        } else {
            let element = self.edit_list(from, pop)?;
            self.edit_list(to, |list| push(list, &element))?;
            element
        };
        exactly(bulk(&element))
    }
}

fn index(text: &[u8], length: usize) -> Option<usize> {
    let index = number(text);
    let index = if index < 0 {
        index + length as i64
    } else {
        index
    };
    usize::try_from(index).ok().filter(|&index| index < length)
}

/// Removes the first `count` equal elements, the last if it is negative, all if it is zero.
fn remove(list: &mut VecDeque<Vec<u8>>, count: i64, element: &[u8]) -> usize {
    let mut places: Vec<usize> = (0..list.len()).filter(|&at| list[at] == element).collect();
    if count < 0 {
        places.reverse();
    }
    if count != 0 {
        places.truncate(count.unsigned_abs() as usize);
    }
    places.sort_unstable_by(|one, other| other.cmp(one));
    for &at in &places {
        list.remove(at);
    }
    places.len()
}

fn positions(list: &[Vec<u8>], element: &[u8], options: &[&[u8]]) -> Outcome {
    let option = |name: &[u8]| {
        let at = options.iter().position(|option| *option == name)?;
        Some(number(options[at + 1]))
    };
    let rank = option(b"RANK").unwrap_or(1);
    let mut places: Vec<usize> = (0..list.len()).filter(|&at| list[at] == element).collect();
    if rank < 0 {
        places.reverse();
    }
    let places = places.split_off(places.len().min(rank.unsigned_abs() as usize - 1));
    match option(b"COUNT") {
        None => exactly(
            places
                .first()
                .map_or(Value::NullBulk, |&at| Value::Integer(at as i64)),
        ),
        Some(count) => {
            let most = if count == 0 {
                usize::MAX
            } else {
                count as usize
            };
            array(
                places
                    .into_iter()
                    .take(most)
                    .map(|at| Value::Integer(at as i64)),
            )
        }
    }
}
