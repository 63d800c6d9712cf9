//! The command table against the real server's: for every command and subcommand that both have,
//! arity, flags, key positions, key specifications and ACL categories are the same. Needs
//! redis-server, and says so when it is not installed.

use std::collections::{BTreeMap, BTreeSet};

use oxidis_testkit::server::redis_server;
use oxidis_testkit::{Client, Reply, ServerBuilder};

/// What is another than in redis-server 7.0.15, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("zrank", "arity", "since 7.2 there is WITHSCORE"),
    ("zrevrank", "arity", "since 7.2 there is WITHSCORE"),
    ("command|getkeys", "arity", SHORT),
    ("command|getkeysandflags", "arity", SHORT),
    ("blmove", "flags", IN_SCRIPTS),
    ("blpop", "flags", IN_SCRIPTS),
    ("brpop", "flags", IN_SCRIPTS),
    ("brpoplpush", "flags", IN_SCRIPTS),
    ("bzpopmax", "flags", IN_SCRIPTS),
    ("bzpopmin", "flags", IN_SCRIPTS),
    ("wait", "flags", IN_SCRIPTS),
    ("wait", "categories", "since 7.2 it is called blocking"),
    ("cluster|shards", "flags", WHILE_LOADING),
    ("cluster|slots", "flags", WHILE_LOADING),
    (
        "sinterstore",
        "key specifications",
        "since 7.2 it is said to overwrite what it stores to, as it always did",
    ),
];

const SHORT: &str = "since 7.2 commands without arguments may be asked about";
const IN_SCRIPTS: &str = "since 7.2 scripts may call what waits, and it does not wait";
const WHILE_LOADING: &str = "since 7.4 it is answered while the data is loaded";

/// Names of the fields of a command in COMMAND's reply, in its order.
const FIELDS: [&str; 9] = [
    "name",
    "arity",
    "flags",
    "first key",
    "last key",
    "step",
    "categories",
    "tips",
    "key specifications",
];

/// A reply with everything taken out of it whose order, or presence, means nothing: sets are
/// sorted, and the notes of key specifications, which are prose, are dropped.
fn canonical(reply: &Reply) -> String {
    match reply {
        Reply::Set(elements) => {
            let elements: BTreeSet<String> = elements.iter().map(canonical).collect();
            format!("{elements:?}")
        }
        Reply::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(canonical).collect();
            format!("{elements:?}")
        }
        Reply::Map(pairs) => {
            let pairs: BTreeMap<String, String> = pairs
                .iter()
                .map(|(key, value)| (key.text(), canonical(value)))
                .filter(|(key, _)| key != "notes")
                .collect();
            format!("{pairs:?}")
        }
        other => other.text(),
    }
}

type Table = BTreeMap<String, BTreeMap<&'static str, String>>;

fn add_to(table: &mut Table, command: &Reply) {
    let parts = command
        .elements()
        .expect("a command is described by an array");
    let facts = FIELDS
        .iter()
        .zip(parts)
        .map(|(field, part)| (*field, canonical(part)));
    table.insert(parts[0].text(), facts.collect());
    let subcommands = parts[FIELDS.len()]
        .elements()
        .expect("subcommands are an array");
    subcommands
        .iter()
        .for_each(|subcommand| add_to(table, subcommand));
}

fn table_of(mut client: Client) -> Table {
    client.run("HELLO 3");
    let reply = client.run("COMMAND");
    let mut table = Table::new();
    for command in reply.elements().expect("COMMAND answers an array") {
        add_to(&mut table, command);
    }
    table
}

#[test]
fn the_command_table_is_that_of_redis() {
    let Some(redis) = redis_server() else {
        eprintln!("redis-server is not installed: nothing was compared");
        return;
    };
    let reference = ServerBuilder::new(redis).start().unwrap();
    let subject = ServerBuilder::oxidis().start().unwrap();
    let (expected, found) = (table_of(reference.client()), table_of(subject.client()));
    let mut differences = Vec::new();
    let mut excused = BTreeSet::new();
    let mut compared = 0;
    for (name, facts) in &found {
        let Some(expected) = expected.get(name) else {
            continue;
        };
        compared += 1;
        for (field, fact) in facts {
            // Tips change from version to version, and nobody fails for them.
            if *field == "tips" || expected[field] == *fact {
                continue;
            }
            if EXCEPTIONS
                .iter()
                .any(|(command, what, _)| command == name && what == field)
            {
                excused.insert((name.as_str(), *field));
            } else {
                let expected = &expected[field];
                differences.push(format!("{name}: {field}: {fact}, but in Redis {expected}"));
            }
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert!(compared > 100, "only {compared} commands were compared");
    for (command, field, reason) in EXCEPTIONS {
        assert!(
            excused.contains(&(command, field)),
            "{command} needs no exception for its {field} ({reason}) any more"
        );
    }
}
