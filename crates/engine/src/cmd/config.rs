//! CONFIG: reading and changing the configuration while the server runs. What a directive is and
//! accepts stands in `config`.

use super::reply_help;
use crate::command::{Command, CommandError, CommandResult, Context, Flags, Group, Reply};
use crate::config::{ConfigError, RewriteScope, Setter};

const ADMINISTRATION: Flags = Flags::ADMIN
    .union(Flags::NOSCRIPT)
    .union(Flags::LOADING)
    .union(Flags::STALE);

const ROW: Command = Command {
    group: Group::Server,
    since: "2.0.0",
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "config",
    arity: -2,
    complexity: "That of the subcommand",
    summary: "Reads and changes the configuration.",
    subcommands: &[
        Command {
            name: "get",
            history: &[("7.0.0", "More than one pattern may be given.")],
            arity: -3,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of directives and patterns",
            summary: "Answers the directives that match a pattern, with their values.",
            syntax: "parameter:string [parameter:string ...]",
            handler: config_get,
            ..ROW
        },
        ROW.help("5.0.0", config_help),
        Command {
            name: "resetstat",
            arity: 2,
            flags: ADMINISTRATION,
            summary: "Sets the counters of INFO back to zero.",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: config_resetstat,
            ..ROW
        },
        Command {
            name: "rewrite",
            arity: 2,
            flags: ADMINISTRATION,
            since: "2.8.0",
            summary: "Brings the configuration file up to date with the configuration.",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: config_rewrite,
            ..ROW
        },
        Command {
            name: "set",
            history: &[("7.0.0", "More than one directive may be set.")],
            arity: -4,
            flags: ADMINISTRATION,
            complexity: "O(N) in the number of directives",
            summary: "Changes directives, all of them or none.",
            syntax: "data= (parameter:string value:string) [(parameter:string value:string) ...]",
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            handler: config_set,
            ..ROW
        },
    ],
    ..ROW
}];

fn config_get(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let patterns: Vec<&[u8]> = cx.args().iter().skip(2).collect();
    let found = cx.engine().config.get(&patterns);
    out.map(found.len());
    for (name, value) in found {
        out.bulk(&name);
        out.bulk(&value);
    }
    Ok(())
}

fn config_set(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    if !cx.argc().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let pairs: Vec<(&[u8], &[u8])> = (2..cx.argc())
        .step_by(2)
        .map(|index| (cx.arg(index), cx.arg(index + 1)))
        .collect();
    let setter = Setter {
        is_local: cx.client().shared.is_local(),
        is_loading: cx.engine().persistence.is_loading(),
    };
    cx.engine()
        .set_config(&pairs, setter)
        .map_err(|error| match error {
            ConfigError::Loading => CommandError::from(format!("LOADING {error}")),
            ConfigError::Unknown(name) => CommandError::quoting(
                "ERR Unknown option or number of arguments for CONFIG SET - '",
                &name,
                "'",
            ),
            error => CommandError::from(format!("ERR {error}")),
        })?;
    // What follows in the same batch of requests sees the new values too.
    cx.worker.refresh_rules();
    crate::append_log::follow_config(cx.worker)?;
    out.ok();
    Ok(())
}

fn config_rewrite(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    rewrite(cx, out, RewriteScope::Changed)
}

/// CONFIG REWRITE, and DEBUG CONFIG-REWRITE-FORCE-ALL.
pub(super) fn rewrite(
    cx: &mut Context<'_>,
    out: &mut Reply<'_>,
    scope: RewriteScope,
) -> CommandResult {
    let engine = cx.engine();
    let Some(path) = engine.config.file() else {
        return Err(CommandError::text(
            "ERR The server is running without a config file",
        ));
    };
    engine
        .host
        .rewrite_config(&engine.config, &path, &engine.user_lines(), scope)
        .map_err(|reason| CommandError::from(format!("ERR Rewriting config file: {reason}")))?;
    out.ok();
    Ok(())
}

fn config_resetstat(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    cx.engine().reset_statistics();
    out.ok();
    Ok(())
}

fn config_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    reply_help(
        out,
        "CONFIG",
        &[
            (
                "GET <pattern> [<pattern> ...]",
                "Directives whose names match, with their values.",
            ),
            (
                "SET <directive> <value> [<directive> <value> ...]",
                "Change directives, all or none.",
            ),
            ("RESETSTAT", "Set the counters of INFO back to zero."),
            ("REWRITE", "Bring the configuration file up to date."),
        ],
    )
}
