//! Which commands no body runs: there must be none without a reason.

use std::collections::BTreeSet;

use oxidis_testkit::transcript::Protocol;
use oxidis_testkit::{Reply, ServerBuilder};

use super::case::run;
use super::{blocking, generic, hashes, lists, pubsub, sets, sorted_sets, strings, transactions};

/// The groups of COMMAND DOCS of which every command is to be run.
const GROUPS: &[&str] = &[
    "string",
    "list",
    "hash",
    "set",
    "sorted-set",
    "generic",
    "transactions",
    "pubsub",
];

/// Commands that need something else, and where that is.
const ELSEWHERE: &[(&str, &str)] = &[("migrate", "needs a second server: migrate.rs")];

/// The commands of the groups, by name.
fn commands_of_groups(docs: &Reply) -> BTreeSet<String> {
    let Reply::Map(commands) = docs else {
        panic!("not a map: {docs}");
    };
    let group = |documentation: &Reply| {
        let Reply::Map(fields) = documentation else {
            panic!("not a map: {documentation}");
        };
        let field = fields.iter().find(|(name, _)| name.text() == "group");
        field.expect("a group").1.text()
    };
    let wanted = commands
        .iter()
        .filter(|(_, documentation)| GROUPS.contains(&group(documentation).as_str()));
    wanted.map(|(name, _)| name.text()).collect()
}

#[test]
fn every_command_is_run_by_a_body() {
    let server = ServerBuilder::oxidis().start().expect("the server starts");
    let mut client = server.client();
    let bodies = [
        strings::BODIES,
        lists::BODIES,
        hashes::BODIES,
        sets::BODIES,
        sorted_sets::BODIES,
        generic::BODIES,
        blocking::BODIES,
        transactions::BODIES,
        pubsub::BODIES,
    ];
    for body in bodies.into_iter().flatten() {
        run(&server, body, &body.forms[0], Protocol::Resp2);
    }
    let info = client.run("INFO commandstats").text();
    let ran: BTreeSet<&str> = info
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split([':', '|']).next())
        .collect();
    client.run("HELLO 3");
    let missing: Vec<String> = commands_of_groups(&client.run("COMMAND DOCS"))
        .into_iter()
        .filter(|name| !ran.contains(name.as_str()))
        .filter(|name| ELSEWHERE.iter().all(|(command, _)| command != name))
        .collect();
    assert!(missing.is_empty(), "no body runs {missing:?}");
}
