//! MODULE, as a server answers that has no modules and can load none: they are shared libraries against
//! Redis's own interface in C.

use crate::command::{Command, CommandError, CommandResult, Context, Flags, Group, Reply};

const LOOKING: Flags = Flags::ADMIN.union(Flags::NOSCRIPT);
const LOADING: Flags = LOOKING
    .union(Flags::NO_ASYNC_LOADING)
    .union(Flags::PROTECTED);

const ROW: Command = Command {
    group: Group::Server,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "module",
    arity: -2,
    since: "4.0.0",
    complexity: "That of the subcommand",
    summary: "Looks at modules, of which there are none.",
    subcommands: &[
        ROW.help("5.0.0", module_help),
        Command {
            name: "list",
            arity: 2,
            flags: LOOKING,
            since: "4.0.0",
            complexity: "O(N) in the number of modules",
            summary: "Lists the modules that are loaded: none.",
            tips: &["nondeterministic_output_order"],
            handler: module_list,
            ..ROW
        },
        Command {
            name: "load",
            arity: -3,
            flags: LOADING,
            since: "4.0.0",
            summary: "Refuses to load a module.",
            syntax: "path [arg [arg ...]]",
            handler: module_load,
            ..ROW
        },
        Command {
            name: "loadex",
            arity: -3,
            flags: LOADING,
            since: "7.0.0",
            summary: "Refuses to load a module.",
            syntax: "path [configs= CONFIG name value [CONFIG name value ...]] \
                     [ARGS args:string [args:string ...]]",
            handler: module_load,
            ..ROW
        },
        Command {
            name: "unload",
            arity: 3,
            flags: LOADING,
            since: "4.0.0",
            summary: "Refuses to unload a module, since none is loaded.",
            syntax: "name",
            handler: module_unload,
            ..ROW
        },
    ],
    ..ROW
}];

fn module_list(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    out.array(0);
    Ok(())
}

fn module_load(_: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::text(
        "ERR Error loading the extension. Please check the server logs.",
    ))
}

fn module_unload(_: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::text(
        "ERR Error unloading module: no such module with that name",
    ))
}

fn module_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    super::reply_help(
        out,
        "MODULE",
        &[
            ("LIST", "Lists the modules that are loaded: none."),
            ("LOAD <path> [<arg> ...]", "Loads a module: refused."),
            (
                "LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]",
                "Loads a module: refused.",
            ),
            ("UNLOAD <name>", "Unloads a module: there is none."),
        ],
    )
}
