//! Which sessions CLIENT LIST and CLIENT KILL mean: filters by name, kind, address, age and more.
//!
//! The first forms are Redis's; `NAME`, `IDLE`, `FLAGS`, `LIB-NAME`, `LIB-VER`, `DB`, `CAPA`, `IP` and all
//! that begin with `NOT-` are Valkey's.

use std::mem::discriminant;
use std::sync::atomic::Ordering;

use super::client::flags;
use crate::client::ClientShared;
use crate::command::{CommandError, Context};
use crate::text::parse_integer;

/// The kinds of clients that can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientType {
    Normal,
    PubSub,
    Replica,
    Master,
}

impl ClientType {
    fn parse(word: &[u8]) -> Result<Self, CommandError> {
        match &word.to_ascii_lowercase()[..] {
            b"normal" => Ok(ClientType::Normal),
            b"pubsub" => Ok(ClientType::PubSub),
            b"slave" | b"replica" => Ok(ClientType::Replica),
            b"master" | b"primary" => Ok(ClientType::Master),
            _ => Err(CommandError::quoting(
                "ERR Unknown client type '",
                word,
                "'",
            )),
        }
    }

    fn of(shared: &ClientShared) -> Self {
        if shared.is_replica.load(Ordering::Relaxed) {
            ClientType::Replica
        } else if shared.is_primary.load(Ordering::Relaxed) {
            ClientType::Master
        } else if shared.is_subscribed() {
            ClientType::PubSub
        } else {
            ClientType::Normal
        }
    }
}

/// What a session is asked for.
enum Property<'a> {
    Ids(Vec<u64>),
    Type(ClientType),
    Address(&'a [u8]),
    LocalAddress(&'a [u8]),
    Ip(&'a [u8]),
    User(&'a [u8]),
    Name(&'a [u8]),
    LibraryName(&'a [u8]),
    LibraryVersion(&'a [u8]),
    Database(usize),
    /// Letters that must all be among those of the session.
    Flags(&'a [u8]),
    Capabilities(&'a [u8]),
    AgeMinSeconds(i64),
    IdleMinSeconds(i64),
}

impl Property<'_> {
    fn is_of(&self, shared: &ClientShared, now_ms: i64) -> bool {
        let seconds_since = |start_ms: i64| (now_ms - start_ms) / 1000;
        // Who has no such name has not the empty one either.
        let is_named = |wanted: &[u8], found: &[u8]| !found.is_empty() && found == wanted;
        match self {
            Property::Ids(ids) => ids.contains(&shared.id),
            Property::Type(wanted) => *wanted == ClientType::of(shared),
            Property::Address(wanted) => *wanted == shared.address.as_bytes(),
            Property::LocalAddress(wanted) => *wanted == shared.local_address.as_bytes(),
            Property::Ip(wanted) => *wanted == ip(&shared.address).as_bytes(),
            Property::User(wanted) => **wanted == shared.names.lock().user[..],
            Property::Name(wanted) => is_named(wanted, &shared.names.lock().name),
            Property::LibraryName(wanted) => is_named(wanted, &shared.names.lock().lib_name),
            Property::LibraryVersion(wanted) => is_named(wanted, &shared.names.lock().lib_ver),
            Property::Database(wanted) => *wanted == shared.database.load(Ordering::Relaxed),
            Property::Flags(wanted) => {
                let found = flags(shared);
                wanted
                    .iter()
                    .all(|letter| found.as_bytes().contains(letter))
            }
            Property::Capabilities(wanted) => {
                wanted.is_empty() || shared.follows_redirects.load(Ordering::Relaxed)
            }
            Property::AgeMinSeconds(age) => seconds_since(shared.created_ms) >= *age,
            Property::IdleMinSeconds(idle) => {
                seconds_since(shared.last_interaction_ms.load(Ordering::Relaxed)) >= *idle
            }
        }
    }
}

/// The address without its port; empty for a Unix socket, whose port is 0.
fn ip(address: &str) -> &str {
    match address.rsplit_once(':') {
        None | Some((_, "0")) => "",
        Some((ip, _)) => ip
            .strip_prefix('[')
            .and_then(|ip| ip.strip_suffix(']'))
            .unwrap_or(ip),
    }
}

struct Condition<'a> {
    is_negated: bool,
    property: Property<'a>,
}

/// Whose command a filter belongs to: they refuse wrong numbers differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// CLIENT LIST.
    List,
    /// CLIENT KILL.
    Kill,
}

/// Which sessions are meant: those of which every condition holds.
pub(super) struct ClientFilter<'a> {
    conditions: Vec<Condition<'a>>,
    includes_me: bool,
}

impl<'a> ClientFilter<'a> {
    /// The session at an address, be it the own one.
    pub(super) fn at(address: &'a [u8]) -> Self {
        ClientFilter {
            conditions: vec![Condition {
                is_negated: false,
                property: Property::Address(address),
            }],
            includes_me: true,
        }
    }

    /// Reads the filters from the third argument on.
    pub(super) fn parse(cx: &Context<'a>, purpose: Purpose) -> Result<Self, CommandError> {
        let mut filter = ClientFilter {
            conditions: Vec::new(),
            includes_me: purpose == Purpose::List,
        };
        let mut index = 2;
        while index < cx.argc() {
            if index + 1 >= cx.argc() {
                return Err(CommandError::Syntax);
            }
            let word = cx.arg(index).to_ascii_uppercase();
            let value = cx.arg(index + 1);
            if word == b"SKIPME" {
                filter.includes_me = match &value.to_ascii_lowercase()[..] {
                    b"yes" => false,
                    b"no" => true,
                    _ => return Err(CommandError::Syntax),
                };
                index += 2;
                continue;
            }
            let positive = word.strip_prefix(b"NOT-");
            let is_negated = positive.is_some();
            let word = positive.unwrap_or(&word);
            if word == b"ID" {
                let ids = parse_ids(cx, index + 1, purpose)?;
                index += 1 + ids.len();
                filter.add(is_negated, Property::Ids(ids));
                continue;
            }
            let property = parse_property(cx, word, value, is_negated)?;
            filter.add(is_negated, property);
            index += 2;
        }
        Ok(filter)
    }

    /// Adds a condition. Of two of a kind the later counts, but for numbers, which are joined.
    fn add(&mut self, is_negated: bool, mut property: Property<'a>) {
        let earlier = self.conditions.iter_mut().find(|condition| {
            condition.is_negated == is_negated
                && discriminant(&condition.property) == discriminant(&property)
        });
        match earlier {
            Some(condition) => {
                if let (Property::Ids(ids), Property::Ids(more)) =
                    (&mut condition.property, &mut property)
                {
                    ids.append(more);
                    return;
                }
                condition.property = property;
            }
            None => self.conditions.push(Condition {
                is_negated,
                property,
            }),
        }
    }

    /// The numbers that are asked for, in their order, if there are any.
    pub(super) fn ids(&self) -> Option<&[u64]> {
        self.conditions
            .iter()
            .find_map(|condition| match &condition.property {
                Property::Ids(ids) if !condition.is_negated => Some(&ids[..]),
                _ => None,
            })
    }

    /// Whether a session is meant; `me` is the number of the one that asks.
    pub(super) fn matches(&self, shared: &ClientShared, me: u64, now_ms: i64) -> bool {
        (self.includes_me || shared.id != me)
            && self
                .conditions
                .iter()
                .all(|condition| condition.property.is_of(shared, now_ms) != condition.is_negated)
    }
}

/// The numbers from the argument at `start` on, up to the first word that is none.
fn parse_ids(cx: &Context<'_>, start: usize, purpose: Purpose) -> Result<Vec<u64>, CommandError> {
    let mut ids = Vec::new();
    for argument in cx.args().iter().skip(start) {
        match (parse_integer(argument), purpose) {
            (Some(id), Purpose::Kill) if id < 1 => {
                return Err(CommandError::text("ERR client-id should be greater than 0"));
            }
            // Nobody has a number below 1.
            (Some(id), _) => ids.push(u64::try_from(id).unwrap_or(0)),
            (None, _) if is_filter(argument) && !ids.is_empty() => break,
            (None, Purpose::List) => return Err(CommandError::text("ERR Invalid client ID")),
            (None, Purpose::Kill) if ids.is_empty() => {
                return Err(CommandError::text("ERR client-id should be greater than 0"));
            }
            (None, Purpose::Kill) => break,
        }
    }
    Ok(ids)
}

/// The words before which the numbers of `ID` end.
fn is_filter(word: &[u8]) -> bool {
    const WORDS: [&str; 16] = [
        "ID", "TYPE", "ADDR", "LADDR", "IP", "USER", "NAME", "LIB-NAME", "LIB-VER", "DB", "FLAGS",
        "CAPA", "MAXAGE", "IDLE", "SKIPME", "NOT-ID",
    ];
    let word = word.to_ascii_uppercase();
    let positive = word.strip_prefix(b"NOT-").unwrap_or(&word);
    WORDS.iter().any(|known| known.as_bytes() == positive)
}

/// Reads what a filter asks for. `word` is in capitals and without its `NOT-`.
fn parse_property<'a>(
    cx: &Context<'_>,
    word: &[u8],
    value: &'a [u8],
    is_negated: bool,
) -> Result<Property<'a>, CommandError> {
    Ok(match word {
        b"TYPE" => Property::Type(ClientType::parse(value)?),
        b"ADDR" => Property::Address(value),
        b"LADDR" => Property::LocalAddress(value),
        b"IP" => Property::Ip(value),
        b"USER" if cx.engine().acl.users().get(value).is_none() => {
            return Err(CommandError::quoting("ERR No such user '", value, "'"));
        }
        b"USER" => Property::User(value),
        b"NAME" => Property::Name(value),
        b"LIB-NAME" => Property::LibraryName(value),
        b"LIB-VER" => Property::LibraryVersion(value),
        b"DB" => Property::Database(parse_database(cx, value, is_negated)?),
        b"FLAGS" => Property::Flags(parse_letters(
            value,
            b"OSMPxbtRBdcuAUreTIiEN",
            "flags",
            is_negated,
        )?),
        b"CAPA" => Property::Capabilities(parse_letters(value, b"r", "capa", is_negated)?),
        b"MAXAGE" if !is_negated => Property::AgeMinSeconds(parse_seconds(value, "maxage")?),
        b"IDLE" if !is_negated => Property::IdleMinSeconds(parse_seconds(value, "idle")?),
        _ => return Err(CommandError::Syntax),
    })
}

fn parse_database(cx: &Context<'_>, value: &[u8], is_negated: bool) -> Result<usize, CommandError> {
    let word = if is_negated { "NOT-DB" } else { "DB" };
    let number = parse_integer(value)
        .and_then(|number| i32::try_from(number).ok())
        .ok_or_else(|| format!("ERR {word} is not an integer or out of range"))?;
    let count = cx.engine().config().databases();
    usize::try_from(number)
        .ok()
        .filter(|number| *number < count)
        .ok_or_else(|| format!("ERR {word} number should be between 0 and {}", count - 1).into())
}

/// Letters that must all be among the `known` ones.
fn parse_letters<'a>(
    value: &'a [u8],
    known: &[u8],
    what: &str,
    is_negated: bool,
) -> Result<&'a [u8], CommandError> {
    if value.iter().all(|letter| known.contains(letter)) {
        return Ok(value);
    }
    let of_filter = match is_negated {
        true => format!("NOT-{}", what.to_ascii_uppercase()),
        false => "provided".to_owned(),
    };
    let before = format!("ERR Unknown {what} found in the {of_filter} filter: ");
    Err(CommandError::quoting(&before, value, ""))
}

fn parse_seconds(value: &[u8], what: &str) -> Result<i64, CommandError> {
    let seconds = parse_integer(value)
        .ok_or_else(|| format!("ERR {what} is not an integer or out of range"))?;
    match seconds {
        1.. => Ok(seconds),
        _ => Err(format!("ERR {what} should be greater than 0").into()),
    }
}
