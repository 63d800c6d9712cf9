//! LATENCY: the moments that took too long, and the histograms of commands. How both come about stands
//! in `latency`.

use crate::command::{
    Command, CommandError, CommandResult, Context, Flags, Group, Registered, Reply, table,
};
use crate::latency::{Circumstances, Durations, Event, advise, draw};

const HELP_FLAGS: Flags = Flags::LOADING.union(Flags::STALE);
const ADMIN: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(HELP_FLAGS);

const TIPS: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_nodes",
    "response_policy:special",
];

const ROW: Command = Command {
    group: Group::Server,
    since: "2.8.13",
    ..Command::DEFAULT
};

const SUBCOMMAND: Command = Command {
    flags: ADMIN,
    tips: TIPS,
    complexity: "O(1)",
    ..ROW
};

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "latency",
    arity: -2,
    complexity: "That of the subcommand",
    summary: "Looks at what took long, and at how long commands take.",
    subcommands: &[
        Command {
            name: "doctor",
            arity: 2,
            summary: "Answers a report on what took too long, with advice.",
            handler: latency_doctor,
            ..SUBCOMMAND
        },
        Command {
            name: "graph",
            arity: 3,
            summary: "Draws the moments of an event that took too long.",
            syntax: "event",
            handler: latency_graph,
            ..SUBCOMMAND
        },
        Command {
            name: "help",
            arity: 2,
            flags: HELP_FLAGS,
            complexity: "O(1)",
            summary: "Explains the subcommands.",
            handler: latency_help,
            ..ROW
        },
        Command {
            name: "histogram",
            arity: -2,
            since: "7.0.0",
            complexity: "O(N) in the number of commands with durations",
            summary: "Answers how many calls of commands took how long.",
            syntax: "[command:string ...]",
            handler: latency_histogram,
            ..SUBCOMMAND
        },
        Command {
            name: "history",
            arity: 3,
            summary: "Answers the moments of an event that took too long.",
            syntax: "event",
            handler: latency_history,
            ..SUBCOMMAND
        },
        Command {
            name: "latest",
            arity: 2,
            summary: "Answers the last moment of every event, and the worst.",
            handler: latency_latest,
            ..SUBCOMMAND
        },
        Command {
            name: "reset",
            arity: -2,
            summary: "Forgets the moments of events, of all if none is named.",
            syntax: "[event ...]",
            tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
            handler: latency_reset,
            ..SUBCOMMAND
        },
    ],
    ..ROW
}];

fn now_seconds(cx: &Context<'_>) -> i64 {
    cx.now_ms() / 1000
}

fn latency_history(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let event = Event::of_name(cx.arg(2));
    let series = event.and_then(|event| cx.engine().latency.series(event));
    let series = series.unwrap_or_default();
    out.array(series.samples.len());
    for sample in &series.samples {
        out.array(2);
        out.integer(sample.time_seconds);
        out.integer(sample.latency_ms as i64);
    }
    Ok(())
}

fn latency_latest(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let all = cx.engine().latency.all();
    out.array(all.len());
    for (event, series) in all {
        let last = series.samples.back();
        out.array(4);
        out.bulk(event.name().as_bytes());
        out.integer(last.map_or(0, |it| it.time_seconds));
        out.integer(last.map_or(0, |it| it.latency_ms as i64));
        out.integer(series.longest_ms as i64);
    }
    Ok(())
}

fn latency_reset(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let latency = &cx.engine().latency;
    let count = match cx.argc() {
        2 => latency.reset(None),
        _ => {
            let events = cx.args().iter_from(2).filter_map(Event::of_name);
            events.map(|event| latency.reset(Some(event))).sum()
        }
    };
    out.integer(count as i64);
    Ok(())
}

fn latency_graph(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let named = Event::of_name(cx.arg(2));
    let found = named.and_then(|event| Some((event, cx.engine().latency.series(event)?)));
    let Some((event, series)) = found else {
        return Err(CommandError::of_parts(&[
            b"ERR No samples available for event '",
            cx.arg(2),
            b"'",
        ]));
    };
    let graph = draw(event.name(), &series, now_seconds(cx));
    out.verbatim("txt", graph.as_bytes());
    Ok(())
}

fn latency_doctor(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let circumstances = Circumstances {
        threshold_ms: cx.engine().config.latency_monitor_threshold_ms(),
        slow_us: cx.engine().config.slowlog_log_slower_than_us(),
        slow_log_len: cx.engine().config.slowlog_max_len(),
        now_seconds: now_seconds(cx),
    };
    let report = advise(&cx.engine().latency.all(), &circumstances);
    out.verbatim("txt", report.as_bytes());
    Ok(())
}

fn latency_histogram(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let mut wanted: Vec<&Registered> = Vec::new();
    if cx.argc() == 2 {
        wanted.extend(table().all());
    }
    for name in cx.args().iter_from(2) {
        let is_named = |registered: &&Registered| {
            let full_name = registered.full_name.as_bytes();
            // A container stands for its subcommands, too.
            let starts = full_name.get(..name.len());
            let rest = &full_name[name.len().min(full_name.len())..];
            starts.is_some_and(|start| start.eq_ignore_ascii_case(name))
                && (rest.is_empty() || rest[0] == b'|' && !name.contains(&b'|'))
        };
        wanted.extend(table().all().iter().filter(is_named));
    }
    let all: Vec<(&str, Durations)> = wanted
        .into_iter()
        .map(|it| (&*it.full_name, cx.engine().stats.durations(it.id)))
        .filter(|(_, durations)| durations.count() > 0)
        .collect();
    out.map(all.len());
    for (name, durations) in all {
        out.bulk(name.as_bytes());
        out.map(2);
        out.bulk(b"calls");
        out.integer(durations.count() as i64);
        out.bulk(b"histogram_usec");
        let cumulated = durations.cumulated();
        out.map(cumulated.len());
        for (bound_us, count) in cumulated {
            out.integer(bound_us as i64);
            out.integer(count as i64);
        }
    }
    Ok(())
}

fn latency_help(_: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    super::reply_help(
        out,
        "LATENCY",
        &[
            (
                "DOCTOR",
                "Answers a report on what took too long, with advice.",
            ),
            ("GRAPH <event>", "Draws the moments of an event."),
            (
                "HISTOGRAM [<command> ...]",
                "Answers how many calls took at most so many microseconds, of all commands or of these.",
            ),
            (
                "HISTORY <event>",
                "Answers the moments of an event: time in seconds, milliseconds.",
            ),
            (
                "LATEST",
                "Answers of every event: name, time and milliseconds of the last moment, and of the worst.",
            ),
            (
                "RESET [<event> ...]",
                "Forgets all events, or these; answers how many there were.",
            ),
        ],
    )
}
