//! The command table against the real server's: for every command and subcommand that both have,
//! arity, flags, key positions, key specifications, ACL categories and the form of the arguments are
//! the same. Needs redis-server, and says so when it is not installed.

use std::collections::{BTreeMap, BTreeSet};

use oxidis_testkit::server::redis_server;
use oxidis_testkit::{Reply, ServerBuilder};

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

fn table_of(reply: &Reply) -> Table {
    let mut table = Table::new();
    for command in reply.elements().expect("COMMAND answers an array") {
        add_to(&mut table, command);
    }
    table
}

/// What both servers answer to a command in RESP3, redis-server first; says so if that is not installed.
fn asked_of_both(command: &str) -> Option<[Reply; 2]> {
    let Some(redis) = redis_server() else {
        eprintln!("redis-server is not installed: nothing was compared");
        return None;
    };
    let builders = [ServerBuilder::new(redis), ServerBuilder::oxidis()];
    Some(builders.map(|builder| {
        let server = builder.start().unwrap();
        let mut client = server.client();
        client.run("HELLO 3");
        client.run(command)
    }))
}

#[test]
fn the_command_table_is_that_of_redis() {
    let Some(replies) = asked_of_both("COMMAND") else {
        return;
    };
    let [expected, found] = replies.map(|reply| table_of(&reply));
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

/// Commands whose arguments have another form than in redis-server 7.0.15, and why.
const OTHER_ARGUMENTS: &[(&str, &str)] = &[
    (
        "bitop",
        "since 8.0 the operations are tokens, and there are more",
    ),
    ("client|kill", MORE_FILTERS),
    ("client|list", MORE_FILTERS),
    ("command|getkeys", "since 7.2 its arguments are described"),
    (
        "command|getkeysandflags",
        "since 7.2 its arguments are described",
    ),
    ("config|get", REPEATED),
    (
        "geohash",
        "since 7.2 members may be left out, as they always might",
    ),
    (
        "geopos",
        "since 7.2 members may be left out, as they always might",
    ),
    ("georadius", "since 7.2 STORE and STOREDIST are a choice"),
    (
        "georadiusbymember",
        "since 7.2 STORE and STOREDIST are a choice",
    ),
    ("geosearch", "BYPOLYGON is Valkey's"),
    ("geosearchstore", "BYPOLYGON is Valkey's"),
    ("hscan", "since 7.4 there is NOVALUES"),
    (
        "migrate",
        "since 7.2 AUTH and AUTH2 are no longer said to be optional twice",
    ),
    ("module|loadex", REPEATED),
    (
        "pfmerge",
        "since 7.2 sources may be left out, as they always might",
    ),
    ("psubscribe", REPEATED),
    ("set", "IFEQ is Valkey's"),
    ("xinfo|stream", "since 7.2 FULL is a token of its own"),
    ("zrank", "since 7.2 there is WITHSCORE"),
    ("zrevrank", "since 7.2 there is WITHSCORE"),
    ("zscan", "NOSCORES is Valkey's"),
];

const MORE_FILTERS: &str = "there are more filters, of later versions and Valkey's";
const REPEATED: &str = "since 7.2 what is repeated is no block of one argument";

/// What COMMAND DOCS says of an argument apart from its form.
const NOT_OF_FORM: [&str; 5] = [
    "name",
    "display_text",
    "summary",
    "since",
    "deprecated_since",
];

/// What COMMAND DOCS says of arguments but for their names, which changed with the versions.
fn form(arguments: &Reply) -> String {
    let forms = arguments.elements().expect("arguments are an array").iter();
    let forms = forms.map(|argument| {
        let Reply::Map(pairs) = argument else {
            panic!("an argument is described by a map");
        };
        let facts: BTreeMap<String, String> = pairs
            .iter()
            .map(|(key, value)| (key.text(), value))
            .filter(|(key, _)| !NOT_OF_FORM.contains(&&**key))
            .map(|(key, value)| match &*key {
                "arguments" => (key, form(value)),
                _ => (key, canonical(value)),
            })
            .collect();
        format!("{facts:?}")
    });
    forms.collect::<Vec<_>>().join(", ")
}

fn add_forms(table: &mut BTreeMap<String, String>, docs: &Reply) {
    let Reply::Map(commands) = docs else {
        panic!("COMMAND DOCS answers a map");
    };
    for (name, facts) in commands {
        let Reply::Map(facts) = facts else {
            panic!("a command is described by a map");
        };
        let fact = |wanted: &str| {
            let mut found = facts.iter().filter(|(key, _)| key.text() == wanted);
            found.next().map(|(_, value)| value)
        };
        let arguments = fact("arguments").map(form).unwrap_or_default();
        table.insert(name.text(), arguments);
        if let Some(subcommands) = fact("subcommands") {
            add_forms(table, subcommands);
        }
    }
}

#[test]
fn the_arguments_of_commands_have_the_form_that_they_have_in_redis() {
    let Some(replies) = asked_of_both("COMMAND DOCS") else {
        return;
    };
    let [expected, found] = replies.map(|docs| {
        let mut table = BTreeMap::new();
        add_forms(&mut table, &docs);
        table
    });
    let different: BTreeMap<&str, String> = found
        .iter()
        .filter_map(|(name, form)| {
            let expected = expected.get(name).filter(|expected| *expected != form)?;
            Some((&**name, format!("{name}: {form}, but in Redis {expected}")))
        })
        .collect();
    let excused: BTreeSet<&str> = OTHER_ARGUMENTS.iter().map(|(name, _)| *name).collect();
    let strange: Vec<&str> = different
        .iter()
        .filter(|(name, _)| !excused.contains(*name))
        .map(|(_, difference)| &**difference)
        .collect();
    assert!(strange.is_empty(), "\n{}", strange.join("\n"));
    for name in excused {
        assert!(different.contains_key(name), "{name} is not different");
    }
}

/// By the names of an argument, and of those that it is in: which versions it came and went with.
fn add_versions(table: &mut BTreeMap<String, String>, path: &str, arguments: &Reply) {
    for argument in arguments.elements().expect("arguments are an array") {
        let Reply::Map(pairs) = argument else {
            panic!("an argument is described by a map");
        };
        let fact = |wanted: &str| {
            let found = pairs.iter().find(|(key, _)| key.text() == wanted);
            found.map(|(_, value)| value)
        };
        let text = |wanted| fact(wanted).map(Reply::text).unwrap_or_default();
        let path = format!("{path}/{}", text("name"));
        let versions = ["since", "deprecated_since"].map(text);
        if let Some(inner) = fact("arguments") {
            add_versions(table, &path, inner);
        }
        table.insert(path, versions.join(" "));
    }
}

fn versions_of(docs: &Reply, table: &mut BTreeMap<String, String>) {
    let Reply::Map(commands) = docs else {
        panic!("COMMAND DOCS answers a map");
    };
    for (name, facts) in commands {
        let Reply::Map(facts) = facts else {
            panic!("a command is described by a map");
        };
        for (key, value) in facts {
            match &*key.text() {
                "arguments" => add_versions(table, &name.text(), value),
                "subcommands" => versions_of(value, table),
                _ => {}
            }
        }
    }
}

#[test]
fn arguments_come_with_the_versions_that_redis_names() {
    let Some(replies) = asked_of_both("COMMAND DOCS") else {
        return;
    };
    let [expected, found] = replies.map(|docs| {
        let mut table = BTreeMap::new();
        versions_of(&docs, &mut table);
        table
    });
    let mut compared = 0;
    let mut differences = Vec::new();
    for (path, versions) in &found {
        let Some(expected) = expected.get(path) else {
            continue;
        };
        compared += 1;
        if versions != expected {
            differences.push(format!("{path}: {versions}, but in Redis {expected}"));
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert!(compared > 500, "only {compared} arguments were compared");
}

/// 7.0.15 does not tell yet; this is what redis-server 8.0.6 tells.
#[test]
fn arguments_are_shown_by_the_names_of_what_they_are() {
    fn find<'r>(facts: &'r Reply, wanted: &str) -> Option<&'r Reply> {
        let Reply::Map(pairs) = facts else {
            panic!("an argument is described by a map");
        };
        let found = pairs.iter().find(|(key, _)| key.text() == wanted);
        found.map(|(_, value)| value)
    }
    let server = ServerBuilder::oxidis().start().unwrap();
    let mut client = server.client();
    client.run("HELLO 3");
    for (command, path, shown) in [
        ("sort", "by-pattern", "pattern"),
        ("sort_ro", "get-pattern", "pattern"),
        ("georadius", "store/storekey", "key"),
        ("georadiusbymember", "store/storedistkey", "key"),
        ("migrate", "authentication/auth", "password"),
        ("migrate", "keys", "key"),
        ("migrate", "copy", "copy"),
        ("xgroup|create", "entriesread", "entries-read"),
        ("client|kill", "filter/old-format", "ip:port"),
        ("client|kill", "filter/new-format/laddr", "ip:port"),
        ("cluster|setslot", "subcommand/node", "node-id"),
        ("zadd", "change", "change"),
    ] {
        let docs = client.run(&format!("COMMAND DOCS {command}"));
        let mut facts = find(&docs, command).expect("the command is there");
        for name in path.split('/') {
            let arguments = find(facts, "arguments").and_then(Reply::elements);
            let mut arguments = arguments.expect("it has arguments").iter();
            let has_name = |it: &&Reply| find(it, "name").is_some_and(|it| it.text() == name);
            facts = arguments.find(has_name).expect("the argument is there");
        }
        let found = find(facts, "display_text").map(Reply::text);
        assert_eq!(found.as_deref(), Some(shown), "{command} {path}");
    }
}
