//! The page `docs/differences.md`: the tables of `rules` and `versions` as users read them.
//! `cargo xtask fuzz-differential --list` prints it, and a test holds the page to it.

use std::fmt::Write as _;

use crate::rules::{COMPARISON_ARGUMENTS, COMPARISON_OPTIONS, DOUBLES, NOT_ASKED, RULES, Rule};
use crate::versions::CHANGES;

const HEAD: &str = "\
# Differences from redis-server 7.0.15

Oxidis answers as Redis 8.0 does. It is compared to redis-server 7.0.15: by recorded conversations, which
the tests replay, and by a fuzzer, which sends the same random commands to both and compares replies,
keyspace events and whole data sets. Everything that is answered must be the same to the byte, but for what
stands on this page. It is written by `cargo xtask fuzz-differential --list` from the tables by which the
tests judge.
";

/// What Valkey 9.1 answers otherwise than Redis 8.0: what, Valkey's answer, and Redis's.
const VALKEY: &[(&str, &str, &str)] = &[
    (
        "`BITCOUNT key start`",
        "counts from there to the end",
        "a syntax error",
    ),
    (
        "`BITOP` with `DIFF`, `DIFF1`, `ANDOR`, `ONE`",
        "a syntax error (so does Redis 8.0)",
        "Oxidis: has them, as Redis 8.2",
    ),
    (
        "coordinates in replies",
        "17 digits behind the point",
        "as all doubles",
    ),
    (
        "`GEOSEARCH` and its like from a member that is not there",
        "names the member in the error",
        "`ERR could not decode requested zset member`",
    ),
    (
        "`GETEX` with a time that cannot be, of a key that is missing or no string",
        "looks at the time first",
        "looks at the key first",
    ),
    (
        "`HEXPIRE`, `HTTL` and their like with a wrong number of fields",
        "one error for all",
        "says what is wrong with it",
    ),
    (
        "`CLIENT LIST ID` with words that are no numbers, or numbers below 1",
        "`ERR syntax error`, and an error",
        "`ERR Invalid client ID`, and nothing is listed",
    ),
    (
        "`EVALSHA` of an unknown script",
        "`NOSCRIPT No matching script.`",
        "`NOSCRIPT No matching script. Please use EVAL.`",
    ),
    (
        "OBJECT ENCODING of a small hash with fields that expire, and `HSETEX` as it is told of",
        "`hashtable`; `hset`, and `hexpire` whenever a time is given",
        "`listpackex`; `hset`, and `hexpire` if the time is still to come",
    ),
    (
        "`HEXPIRE` and its like, `HGETEX` and `HSETEX` with a time that is over",
        "the event `hexpired`",
        "the event `hdel`",
    ),
    (
        "errors of scripts that call a command wrongly",
        "without the word Redis, and with the name of an unknown subcommand",
        "`ERR Wrong number of args calling Redis command from script`, `ERR Unknown Redis command called from script`",
    ),
    (
        "errors that end a script",
        "without the script's digest",
        "`script: ` with the digest, and the place",
    ),
    (
        "errors of what scripts find in `redis`",
        "say `server.`",
        "say `redis.`",
    ),
    (
        "`SERVER_NAME`, `VALKEY_VERSION` and `VALKEY_VERSION_NUM` of `server` in scripts",
        "are there",
        "Oxidis: has `server`, which is `redis`, without them, as they say that a server is Valkey",
    ),
    (
        "`XREAD` with too few IDs",
        "names an ID or `$`",
        "names an ID, `+`, or `$`",
    ),
    (
        "`HSETEX` with `NX` or `XX`",
        "takes them",
        "an error; Oxidis: takes them, with Redis's errors for what else is wrong",
    ),
    ("scores and places in hexadecimal", "refused", "taken"),
    (
        "bounds of scores in hexadecimal, or behind a blank",
        "refused (so does Redis 8.2)",
        "Oxidis: taken, as by Redis 7.0",
    ),
    (
        "`LSET` with an index beyond 2^31",
        "takes its lower 32 bits (so does Redis)",
        "Oxidis: `ERR index out of range`",
    ),
];

/// What the programs of Redis do and ours do not: what, and why.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "`redis-cli --cluster`",
        "Oxidis is no cluster; `oxidis cli -c` follows the redirections of one",
    ),
    (
        "`redis-cli --ldb --csv`, SCRIPT DEBUG SYNC behind `--ldb`",
        "the debugger is shown in its own way, whatever follows `--ldb`, and what became of the data is told by how the \
         script was debugged; redis-cli loses sight of the end, and goes by its flag",
    ),
    (
        "`redis-cli --verbose`",
        "redis-cli says more with it about `--cluster` and about `--test_hint_file`, a test of its own, and nothing else; \
         Oxidis has neither, so it takes the word and says no more",
    ),
    (
        "`redis-server --sentinel`, a link called `redis-sentinel`",
        "there is no Sentinel; the program says so and ends",
    ),
    (
        "`loadmodule`, directives with a dot in their name",
        "there are no modules; the program says so and ends",
    ),
    (
        "`set-proc-title`, `proc-title-template` elsewhere than on Linux",
        "kept, and change nothing: the process list shows the command line",
    ),
];

/// What INFO of Redis 7.0.15, Redis 8.2 or Valkey 9.1 says and ours does not: fields, and why.
const INFORMATION: &[(&str, &str)] = &[
    (
        "`atomicvar_api`, `gcc_version`",
        "there is no C compiler to tell of",
    ),
    (
        "`server_name`, `server_mode`, `valkey_version`, `valkey_release_stage`",
        "they say that a server is Valkey",
    ),
    (
        "`clients_hz`",
        "clients are looked after when something happens to them",
    ),
    (
        "`reply_buffer_shrinks`, `reply_buffer_expands` other than 0",
        "a client that idles has no buffer for replies that could have another size",
    ),
    (
        "`dump_payload_sanitizations` of one payload other than 1",
        "whatever `sanitize-dump-payload` says, each payload that is no string is looked through, once",
    ),
    (
        "`aof_delayed_fsync`, `total_forks`, `latest_fork_usec` other than 0",
        "nothing waits for a sync that another thread does, and nothing is forked",
    ),
    (
        "section Keysizes, unless it is asked for by its name",
        "sizes are not counted as they change, and every key must be looked at for it",
    ),
    (
        "`io_threaded_total_prefetch_batches`, `io_threaded_total_prefetch_entries`",
        "requests are prefetched for in every batch, and not counted",
    ),
    (
        "`io_threaded_freed_objects`, `io_threaded_accept_processed`, `io_threaded_poll_processed`",
        "no work is handed from thread to thread: each serves its connections whole",
    ),
    (
        "`used_active_time_main_thread`",
        "no thread is the main one; `eventloop_duration_sum` is the time in which any was busy",
    ),
    (
        "`expired_keys_with_volatile_items_stale_perc`",
        "hashes whose fields expire are not sampled",
    ),
    (
        "section TLS, `acl_access_denied_tls_cert`, `acl_access_denied_db`",
        "certificates are not taken apart for INFO, and grant nothing; users are not bound to databases",
    ),
    (
        "section Scripting Engines, lines of the section Modules",
        "there are no modules, and one interpreter, of which the section Memory tells",
    ),
    (
        "`mem_replicas_repl_buffer`, `replicas_waiting_psync`, what counts slots that move",
        "what waits for replicas is told by `mem_total_replication_buffers`, and there is no cluster",
    ),
];

/// The page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut line = |text: &str| {
        page.push_str(text);
        page.push('\n');
    };
    line("\n## What Redis itself changed since 7.0.15\n");
    line("| commands | what changed |");
    line("|---|---|");
    line(&format!("| all that answer doubles | {DOUBLES} |"));
    for change in CHANGES {
        let names: Vec<String> = change
            .commands
            .iter()
            .map(|name| format!("`{}`", name.to_uppercase()))
            .collect();
        let names = match &names[..] {
            [] => "all".to_owned(),
            names => names.join(", "),
        };
        line(&format!("| {names} | {} |", change.reason));
    }
    line("\n## What is compared in another way than to the byte\n");
    line("| command | what is compared | why |");
    line("|---|---|---|");
    for row in RULES {
        let name = row.command.to_uppercase();
        let what = description(row.rule);
        line(&format!("| `{name}` | {what} | {} |", row.reason));
    }
    line("\n## What is not asked\n");
    line(
        "Two right servers may answer these differently; Oxidis does in the cases that it names.\n",
    );
    line("| what | why |");
    line("|---|---|");
    for (what, why) in NOT_ASKED {
        line(&format!("| {what} | {why} |"));
    }
    line("\n## Where Valkey 9.1 answers otherwise\n");
    line(
        "What Valkey has and Redis has not is answered as Valkey does. Where both have it and differ, Redis 8.0 is followed.\n",
    );
    line("| what | Valkey 9.1 | Redis 8.0 and Oxidis |");
    line("|---|---|---|");
    for (what, valkey, redis) in VALKEY {
        line(&format!("| {what} | {valkey} | {redis} |"));
    }
    line("\n## What the programs do not do\n");
    line("| what | why |");
    line("|---|---|");
    for (what, why) in PROGRAMS {
        line(&format!("| {what} | {why} |"));
    }
    line("\n## What INFO does not say\n");
    line(
        "Fields of Redis 7.0.15, Redis 8.2 and Valkey 9.1 that are not there, because they could not be true.\n",
    );
    line("| fields | why |");
    line("|---|---|");
    for (fields, why) in INFORMATION {
        line(&format!("| {fields} | {why} |"));
    }
    line("\n## How the servers are started\n");
    line("| which | option | why |");
    line("|---|---|---|");
    for (option, value, why) in COMPARISON_OPTIONS {
        line(&format!("| both | `{option} {value}` | {why} |"));
    }
    for (option, value, why) in COMPARISON_ARGUMENTS {
        let option = option.trim_start_matches('-');
        line(&format!("| Oxidis | `{option} {value}` | {why} |"));
    }
    page
}

fn description(rule: Rule) -> String {
    let text = match rule {
        Rule::Exact => "everything",
        Rule::Unordered => "the elements in any order",
        Rule::UnorderedPairs => "the pairs in any order",
        Rule::Scan => "whole iterations: the elements in any order",
        Rule::ScanPairs => "whole iterations: the pairs in any order",
        Rule::Drawn => "type and number of elements",
        Rule::Shape => "the type of the reply, and every error",
        Rule::Keys => "the keys of the map",
        Rule::Near(tolerance) => {
            let mut text = String::new();
            // Writing to a string cannot fail.
            let _ = write!(text, "the number, give or take {tolerance}");
            return text;
        }
        Rule::Refusals => "what was refused to whom, how often and in which context",
        Rule::StreamTimes => "everything but the times of consumers and deliveries",
        Rule::Encoding => "the name, where a small list counts as a quicklist",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_the_tables_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/differences.md");
        let written = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
        assert!(
            written == page(),
            "docs/differences.md is old: cargo xtask fuzz-differential --list > docs/differences.md"
        );
    }
}
