//! `cargo xtask generate`: pages that are written from tables. `docs/commands.md` has every command of the
//! command table, and what of Redis 8.0 and Valkey 9.1 is missing; `docs/commands.tsv` says which of the
//! two has what, as their COMMAND DOCS do.
//!
//! `--check` writes nothing and fails if a page is not what would be written; `cargo xtask style` does the
//! same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail};
use oxidis_engine::command::{Group, Registered, table};

use crate::workspace;

const PAGE: &str = "docs/commands.md";
const FACTS: &str = "docs/commands.tsv";

const HEAD: &str = "\
# Commands

Every command that Oxidis has: since which version there is it (of Redis, or of Valkey where only Valkey has
it), how its time grows, and which of Redis 8.0 and Valkey 9.1 have it. Written by `cargo xtask generate` from the
command table; `COMMAND DOCS` answers the same, with the arguments.
";

/// The groups in the order of the page, with their headings.
const GROUPS: &[(Group, &str)] = &[
    (Group::String, "Strings"),
    (Group::List, "Lists"),
    (Group::Hash, "Hashes"),
    (Group::Set, "Sets"),
    (Group::SortedSet, "Sorted sets"),
    (Group::Stream, "Streams"),
    (Group::Bitmap, "Bitmaps"),
    (Group::Hyperloglog, "HyperLogLog"),
    (Group::Geo, "Geo"),
    (Group::Generic, "Keys of any type"),
    (Group::Transactions, "Transactions"),
    (Group::Pubsub, "Publishing and subscribing"),
    (Group::Scripting, "Scripts"),
    (Group::Connection, "Connections"),
    (Group::Server, "The server"),
    (Group::Cluster, "Cluster"),
    (Group::Sentinel, "Sentinel"),
    (Group::Module, "Modules"),
];

#[derive(clap::Args)]
pub struct Arguments {
    /// Write nothing; fail if a page is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Runs the tool.
///
/// # Errors
/// When a page cannot be written, or with `--check` when it is another.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.check {
        return check();
    }
    fs::write(workspace::root().join(PAGE), page()?).context(PAGE)?;
    println!("generate: {PAGE} is written");
    Ok(())
}

/// Compares the pages that are there with those that would be written.
///
/// # Errors
/// When they differ.
pub fn check() -> Result<()> {
    let found = fs::read_to_string(workspace::root().join(PAGE)).context(PAGE)?;
    if found != page()? {
        bail!("{PAGE} is not what the command table says: run `cargo xtask generate`");
    }
    println!("generate: {PAGE} is what the command table says");
    Ok(())
}

/// Since when the two have a command, if they have it.
struct Facts {
    redis: Option<String>,
    valkey: Option<String>,
}

/// What `docs/commands.tsv` says, by the commands' names in lower case.
fn facts() -> Result<BTreeMap<String, Facts>> {
    let text = fs::read_to_string(workspace::root().join(FACTS)).context(FACTS)?;
    let mut facts = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, redis, valkey] = fields[..] else {
            bail!("{FACTS}: not a name and two versions: {line}");
        };
        let version = |text: &str| (text != "-").then(|| text.to_owned());
        let row = Facts {
            redis: version(redis),
            valkey: version(valkey),
        };
        facts.insert(name.to_owned(), row);
    }
    Ok(facts)
}

fn page() -> Result<String> {
    let mut facts = facts()?;
    let mut page = HEAD.to_owned();
    for (group, heading) in GROUPS {
        let mut rows: Vec<&Registered> = table()
            .all()
            .iter()
            .filter(|registered| registered.command.group == *group)
            .collect();
        if rows.is_empty() {
            continue;
        }
        rows.sort_by_key(|registered| &registered.full_name);
        write!(
            page,
            "\n## {heading}\n\n| command | since | time | Redis 8.0 | Valkey 9.1 | what it does |\n|---|---|---|---|---|---|\n"
        )?;
        for registered in rows {
            let name = registered.full_name.replace('|', " ");
            let known = facts.remove(&name);
            let has = |version: Option<&String>| if version.is_some() { "yes" } else { "no" };
            let command = registered.command;
            let deprecated = match command.replaced_by {
                Some(other) => format!(" Deprecated: {other}."),
                None => String::new(),
            };
            let known = known.as_ref();
            writeln!(
                page,
                "| `{}` | {} | {} | {} | {} | {}{deprecated} |",
                name.to_uppercase(),
                command.since,
                cell(command.complexity),
                has(known.and_then(|facts| facts.redis.as_ref())),
                has(known.and_then(|facts| facts.valkey.as_ref())),
                cell(command.summary),
            )?;
        }
    }
    page.push_str(
        "\n## What is missing\n\n| command | in Redis since | in Valkey since |\n|---|---|---|\n",
    );
    for (name, facts) in facts {
        let since = |version: Option<String>| version.unwrap_or_else(|| "never".to_owned());
        writeln!(
            page,
            "| `{}` | {} | {} |",
            name.to_uppercase(),
            since(facts.redis),
            since(facts.valkey)
        )?;
    }
    Ok(page)
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
