//! COMMAND: what there is to be known of commands, all of it from the table.

use crate::command::{
    Args, Argument, BeginSearch, Categories, Command, CommandError, CommandResult, Context,
    FindKeys, Flags, Group, KeyFlags, KeySpec, Registered, Reply, parse_syntax, table,
};
use crate::text::{Case, glob_matches};

const ALWAYS: Flags = Flags::LOADING.union(Flags::STALE);

const ROW: Command = Command {
    categories: Categories::CONNECTION,
    group: Group::Server,
    ..Command::DEFAULT
};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "command",
    arity: -1,
    flags: ALWAYS,
    since: "2.8.13",
    complexity: "O(N) in the number of commands",
    summary: "Lists all commands.",
    tips: &["nondeterministic_output_order"],
    subcommands: &[
        Command {
            name: "count",
            arity: 2,
            flags: ALWAYS,
            since: "2.8.13",
            summary: "Counts the commands.",
            handler: command_count,
            ..ROW
        },
        Command {
            name: "docs",
            arity: -2,
            flags: ALWAYS,
            since: "7.0.0",
            complexity: "O(N) in the number of commands asked for",
            summary: "Explains commands.",
            syntax: "[command-name:string [command-name:string ...]]",
            tips: &["nondeterministic_output_order"],
            handler: command_docs,
            ..ROW
        },
        Command {
            name: "getkeys",
            arity: -3,
            flags: ALWAYS,
            since: "2.8.13",
            complexity: "O(N) in the number of arguments",
            summary: "Answers the keys in a whole command.",
            syntax: "command:string [arg:string ...]",
            handler: command_getkeys,
            ..ROW
        },
        Command {
            name: "getkeysandflags",
            arity: -3,
            flags: ALWAYS,
            since: "7.0.0",
            complexity: "O(N) in the number of arguments",
            summary: "Answers the keys in a whole command, and what is done with them.",
            syntax: "command:string [arg:string ...]",
            handler: command_getkeysandflags,
            ..ROW
        },
        ROW.help("5.0.0", command_help),
        Command {
            name: "info",
            history: &[("7.0.0", "Without names it answers all commands.")],
            arity: -2,
            flags: ALWAYS,
            since: "2.8.13",
            complexity: "O(N) in the number of commands asked for",
            summary: "Answers what is known of commands.",
            syntax: "[command-name:string [command-name:string ...]]",
            tips: &["nondeterministic_output_order"],
            handler: command_info,
            ..ROW
        },
        Command {
            name: "list",
            arity: -2,
            flags: ALWAYS,
            since: "7.0.0",
            complexity: "O(N) in the number of commands",
            summary: "Lists the names of commands.",
            syntax: "[FILTERBY filterby= (MODULE module-name:string|ACLCAT category:string|PATTERN pattern)]",
            tips: &["nondeterministic_output_order"],
            handler: command_list,
            ..ROW
        },
    ],
    handler: command,
    ..ROW
}];

fn command(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let commands: Vec<_> = cx.engine().names.commands().collect();
    out.array(commands.len());
    for registered in commands {
        write_info(registered, out);
    }
    Ok(())
}

fn command_count(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.integer(cx.engine().names.commands().count() as i64);
    Ok(())
}

fn command_info(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if cx.argc() == 2 {
        return command(cx, out);
    }
    out.array(cx.argc() - 2);
    for name in cx.args().iter().skip(2) {
        match cx.engine().names.find_full(name) {
            Some(registered) => write_info(registered, out),
            None => out.null(),
        }
    }
    Ok(())
}

/// Writes a set of words as simple strings.
fn write_words(words: impl Iterator<Item = &'static str>, out: &mut Reply<'_>) {
    let words: Vec<_> = words.collect();
    out.set(words.len());
    words.iter().for_each(|word| out.simple(word));
}

fn write_info(registered: &'static Registered, out: &mut Reply<'_>) {
    let command = registered.command;
    let (first, last, step) = command.key_range();
    out.array(10);
    out.bulk(registered.full_name.as_bytes());
    out.integer(i64::from(command.arity));
    write_words(command.all_flags().names(), out);
    out.integer(first);
    out.integer(last);
    out.integer(step);
    let categories: Vec<_> = command.all_categories().names().collect();
    out.set(categories.len());
    for category in categories {
        out.simple(&format!("@{category}"));
    }
    out.set(command.tips.len());
    command.tips.iter().for_each(|tip| out.bulk(tip.as_bytes()));
    out.set(command.keys.len());
    command
        .keys
        .iter()
        .for_each(|spec| write_key_spec(spec, out));
    let subcommands: Vec<_> = table().subcommands(registered).collect();
    if subcommands.is_empty() {
        out.set(0);
    } else {
        out.array(subcommands.len());
    }
    for subcommand in subcommands {
        write_info(subcommand, out);
    }
}

fn write_key_spec(spec: &KeySpec, out: &mut Reply<'_>) {
    out.map(3);
    out.bulk(b"flags");
    write_words(spec.flags.names(), out);
    out.bulk(b"begin_search");
    match spec.begin {
        BeginSearch::Index(index) => {
            write_search("index", &[("index", index as i64)], out);
        }
        BeginSearch::Keyword { word, from } => {
            out.map(2);
            out.bulk(b"type");
            out.bulk(b"keyword");
            out.bulk(b"spec");
            out.map(2);
            out.bulk(b"keyword");
            out.bulk(word.as_bytes());
            out.bulk(b"startfrom");
            out.integer(from as i64);
        }
        BeginSearch::Unknown => write_search("unknown", &[], out),
    }
    out.bulk(b"find_keys");
    match spec.find {
        FindKeys::Range { last, step, limit } => write_search(
            "range",
            &[
                ("lastkey", last as i64),
                ("keystep", step as i64),
                ("limit", limit as i64),
            ],
            out,
        ),
        FindKeys::Number {
            count_at,
            first,
            step,
        } => write_search(
            "keynum",
            &[
                ("keynumidx", count_at as i64),
                ("firstkey", first as i64),
                ("keystep", step as i64),
            ],
            out,
        ),
        FindKeys::Unknown => write_search("unknown", &[], out),
    }
}

fn write_search(kind: &str, fields: &[(&str, i64)], out: &mut Reply<'_>) {
    out.map(2);
    out.bulk(b"type");
    out.bulk(kind.as_bytes());
    out.bulk(b"spec");
    out.map(fields.len());
    for (name, value) in fields {
        out.bulk(name.as_bytes());
        out.integer(*value);
    }
}

// COMMAND DOCS.

fn command_docs(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let names = &cx.engine().names;
    let documented: Vec<_> = if cx.argc() == 2 {
        names.commands().collect()
    } else {
        let asked_for = cx.args().iter().skip(2);
        asked_for.filter_map(|name| names.find_full(name)).collect()
    };
    out.map(documented.len());
    for registered in documented {
        out.bulk(registered.full_name.as_bytes());
        write_docs(registered, out);
    }
    Ok(())
}

fn write_docs(registered: &'static Registered, out: &mut Reply<'_>) {
    let command = registered.command;
    // Every row can be read: a test reads them all.
    let arguments = parse_syntax(command.syntax, command.keys).unwrap_or_default();
    let subcommands: Vec<_> = table().subcommands(registered).collect();
    let mark = out.deferred_map();
    let mut texts = vec![
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group.name()),
        ("complexity", command.complexity),
    ];
    let mut pairs = texts.len();
    let write_text = |(name, text): &(&str, &str), out: &mut Reply<'_>| {
        out.bulk(name.as_bytes());
        out.bulk(text.as_bytes());
    };
    texts.iter().for_each(|pair| write_text(pair, out));
    let flags = [
        ("deprecated", command.deprecated_since.is_some()),
        ("syscmd", command.is_internal),
    ];
    if flags.iter().any(|(_, is_set)| *is_set) {
        out.bulk(b"doc_flags");
        let set = flags.into_iter().filter(|(_, is_set)| *is_set);
        write_words(set.map(|(name, _)| name), out);
        pairs += 1;
    }
    texts.clear();
    texts.extend(
        command
            .deprecated_since
            .map(|version| ("deprecated_since", version)),
    );
    texts.extend(command.replaced_by.map(|other| ("replaced_by", other)));
    texts.iter().for_each(|pair| write_text(pair, out));
    pairs += texts.len();
    if !command.history.is_empty() {
        out.bulk(b"history");
        out.set(command.history.len());
        for (version, change) in command.history {
            out.array(2);
            out.bulk(version.as_bytes());
            out.bulk(change.as_bytes());
        }
        pairs += 1;
    }
    if !arguments.is_empty() {
        out.bulk(b"arguments");
        write_arguments(&arguments, out);
        pairs += 1;
    }
    if !subcommands.is_empty() {
        out.bulk(b"subcommands");
        out.map(subcommands.len());
        for subcommand in subcommands {
            out.bulk(subcommand.full_name.as_bytes());
            write_docs(subcommand, out);
        }
        pairs += 1;
    }
    out.finish_map(mark, pairs);
}

fn write_arguments(arguments: &[Argument], out: &mut Reply<'_>) {
    out.array(arguments.len());
    for argument in arguments {
        let mark = out.deferred_map();
        let mut pairs = 2;
        out.bulk(b"name");
        out.bulk(argument.name.as_bytes());
        out.bulk(b"type");
        out.bulk(argument.kind.name().as_bytes());
        if !argument.kind.is_nested() {
            out.bulk(b"display_text");
            let shown = argument.display_text.as_ref().unwrap_or(&argument.name);
            out.bulk(shown.as_bytes());
            pairs += 1;
        }
        if let Some(index) = argument.key_spec_index {
            out.bulk(b"key_spec_index");
            out.integer(index as i64);
            pairs += 1;
        }
        if let Some(token) = &argument.token {
            out.bulk(b"token");
            out.bulk(token.as_bytes());
            pairs += 1;
        }
        let versions = [
            ("since", &argument.since),
            ("deprecated_since", &argument.deprecated_since),
        ];
        for (name, version) in versions {
            if let Some(version) = version {
                out.bulk(name.as_bytes());
                out.bulk(version.as_bytes());
                pairs += 1;
            }
        }
        let flags = [
            ("optional", argument.optional),
            ("multiple", argument.multiple),
            ("multiple_token", argument.multiple_token),
        ];
        if flags.iter().any(|(_, is_set)| *is_set) {
            out.bulk(b"flags");
            let set = flags.into_iter().filter(|(_, is_set)| *is_set);
            write_words(set.map(|(name, _)| name), out);
            pairs += 1;
        }
        if argument.kind.is_nested() {
            out.bulk(b"arguments");
            write_arguments(&argument.arguments, out);
            pairs += 1;
        }
        out.finish_map(mark, pairs);
    }
}

// COMMAND LIST.

/// Which names COMMAND LIST answers.
enum ListFilter<'a> {
    Everything,
    /// Of a module: there are none.
    Module,
    Category(&'a [u8]),
    Pattern(&'a [u8]),
}

impl ListFilter<'_> {
    fn matches(&self, registered: &Registered) -> bool {
        match self {
            ListFilter::Everything => true,
            ListFilter::Module => false,
            ListFilter::Category(wanted) => registered
                .command
                .all_categories()
                .names()
                .any(|name| wanted.eq_ignore_ascii_case(name.as_bytes())),
            ListFilter::Pattern(pattern) => {
                glob_matches(pattern, registered.full_name.as_bytes(), Case::Insensitive)
            }
        }
    }
}

fn command_list(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let filter = match cx.argc() {
        2 => ListFilter::Everything,
        5 if cx.arg_is(2, "FILTERBY") && cx.arg_is(3, "MODULE") => ListFilter::Module,
        5 if cx.arg_is(2, "FILTERBY") && cx.arg_is(3, "ACLCAT") => ListFilter::Category(cx.arg(4)),
        5 if cx.arg_is(2, "FILTERBY") && cx.arg_is(3, "PATTERN") => ListFilter::Pattern(cx.arg(4)),
        _ => return Err(CommandError::Syntax),
    };
    let mut listed = Vec::new();
    for registered in cx.engine().names.commands() {
        listed.push(registered);
        listed.extend(table().subcommands(registered));
    }
    listed.retain(|registered| filter.matches(registered));
    out.array(listed.len());
    for registered in listed {
        out.bulk(registered.full_name.as_bytes());
    }
    Ok(())
}

// The keys of a command.

fn command_getkeys(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let keys = keys_of_command(cx)?;
    out.array(keys.len());
    keys.iter().for_each(|(key, _)| out.bulk(key));
    Ok(())
}

fn command_getkeysandflags(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let keys = keys_of_command(cx)?;
    out.array(keys.len());
    for (key, flags) in keys {
        out.array(2);
        out.bulk(key);
        write_words(flags.names(), out);
    }
    Ok(())
}

/// The keys of the command that stands in the arguments from the third on, and what it does with
/// each.
fn keys_of_command<'a>(cx: &Context<'a>) -> Result<Vec<(&'a [u8], KeyFlags)>, CommandError> {
    let arguments: Vec<&[u8]> = cx.args().iter().skip(2).collect();
    let inner = Args::slices(&arguments);
    let registered = cx
        .engine()
        .names
        .resolve(inner)
        .map_err(|_| CommandError::text("ERR Invalid command specified"))?;
    let command = registered.command;
    if command.keys.iter().all(KeySpec::is_not_key) {
        return Err(CommandError::text("ERR The command has no key arguments"));
    }
    if !command.accepts(arguments.len()) {
        return Err(CommandError::text(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let mut found = Vec::new();
    let fits = command.find_used_keys(inner, &mut |index, flags| found.push((index, flags)));
    if (!fits || found.is_empty()) && !command.flags.contains(Flags::NO_MANDATORY_KEYS) {
        return Err(CommandError::text(
            "ERR Invalid arguments specified for command",
        ));
    }
    let keys = found.into_iter();
    Ok(keys
        .map(|(index, flags)| (cx.arg(index + 2), flags))
        .collect())
}

fn command_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    super::reply_help(
        out,
        "COMMAND",
        &[
            ("(no subcommand)", "Lists everything about all commands."),
            ("COUNT", "Counts the commands."),
            (
                "DOCS [<command-name> ...]",
                "Explains commands, all if none is named.",
            ),
            ("GETKEYS <full-command>", "Answers the keys in a command."),
            (
                "GETKEYSANDFLAGS <full-command>",
                "Answers the keys in a command, and what is done with them.",
            ),
            (
                "INFO [<command-name> ...]",
                "Answers what is known of commands, of all if none is named.",
            ),
            (
                "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
                "Lists the names of commands.",
            ),
        ],
    )
}
