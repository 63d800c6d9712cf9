//! When two replies count as the same. Equal bytes always do; every row of [`RULES`] is an exception
//! and says why. Both the differential fuzzer and the recorded transcripts judge by this table, so
//! a difference between Oxidis and the recorded Redis 7.0.15 that stands nowhere here is a failure.
//! What Redis itself changed after 7.0.15 stands in [`crate::versions`]; what the fuzzer does not ask,
//! because Redis promises no answer, in [`NOT_ASKED`]. `docs/differences.md` tells users the same.

use crate::Reply;
use crate::client::Words;
use crate::versions::differ_by_version;

/// How the replies to one command are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Byte for byte.
    Exact,
    /// As multisets of elements (or of a map's pairs).
    Unordered,
    /// A map, or the same flat in an array: multisets of pairs.
    UnorderedPairs,
    /// A cursor and elements: whole iterations are compared as multisets, parts of one by shape.
    Scan,
    /// As [`Rule::Scan`], but the elements come in pairs.
    ScanPairs,
    /// The same type of reply, and the same number of elements.
    Drawn,
    /// The same type of reply (the same error, where it is one).
    Shape,
    /// A map whose keys are the same.
    Keys,
    /// Numbers that differ by at most so much; negative ones have meanings and must be equal.
    Near(i64),
    /// Names of encodings, of which some count as one.
    Encoding,
    /// Consumer groups, whose times are compared roughly.
    StreamTimes,
    /// What ACL LOG tells of each refusal but for when it was, its number, and what else is known of the client.
    Refusals,
}

/// One exception: for which command, what holds instead of equality, and why.
#[derive(Debug)]
pub struct RuleRow {
    /// A command, or a command and its subcommand, in lower case.
    pub command: &'static str,
    /// What holds instead.
    pub rule: Rule,
    /// Why.
    pub reason: &'static str,
}

const fn row(command: &'static str, rule: Rule, reason: &'static str) -> RuleRow {
    RuleRow {
        command,
        rule,
        reason,
    }
}

const HASH_ORDER: &str = "the order of a hash table is nobody's promise";
const CHANCE: &str =
    "the elements are drawn by chance; the fuzzer checks apart that they are of the collection";
const CHANCE_TEXT: &str = "it is drawn by chance";
const WORDS_OF_ADVICE: &str = "the advice is in our own words";
const CLOCK: &str = "the two servers run the command at slightly different times";
const CURSOR: &str =
    "cursors and the portion that one call returns belong to the hash table behind them";
const MEMORY: &str = "memory is laid out differently";
const IDENTITY: &str = "names this very server or connection";
const TABLE: &str = "the versions have different commands; the command table has a test of its own";
const WORDS: &str = "the help is in our own words";

/// Every exception from byte equality.
pub const RULES: &[RuleRow] = &[
    row("smembers", Rule::Unordered, HASH_ORDER),
    row("sinter", Rule::Unordered, HASH_ORDER),
    row("sunion", Rule::Unordered, HASH_ORDER),
    row("sdiff", Rule::Unordered, HASH_ORDER),
    row("keys", Rule::Unordered, HASH_ORDER),
    row("hkeys", Rule::Unordered, HASH_ORDER),
    row("hvals", Rule::Unordered, HASH_ORDER),
    row("hgetall", Rule::UnorderedPairs, HASH_ORDER),
    row("config get", Rule::UnorderedPairs, HASH_ORDER),
    row("scan", Rule::Scan, CURSOR),
    row("sscan", Rule::Scan, CURSOR),
    row("hscan", Rule::ScanPairs, CURSOR),
    row("zscan", Rule::ScanPairs, CURSOR),
    row("spop", Rule::Drawn, CHANCE),
    row("srandmember", Rule::Drawn, CHANCE),
    row("hrandfield", Rule::Drawn, CHANCE),
    row("zrandmember", Rule::Drawn, CHANCE),
    row("randomkey", Rule::Drawn, CHANCE),
    row("ttl", Rule::Near(2), CLOCK),
    row("pttl", Rule::Near(2000), CLOCK),
    row("expiretime", Rule::Near(2), CLOCK),
    row("pexpiretime", Rule::Near(2000), CLOCK),
    row("xpending", Rule::StreamTimes, CLOCK),
    row("xinfo consumers", Rule::StreamTimes, CLOCK),
    row("xinfo stream", Rule::StreamTimes, CLOCK),
    row(
        "object idletime",
        Rule::Shape,
        "Redis shares small integers, whose idle time is that of all keys that hold them",
    ),
    row("time", Rule::Shape, CLOCK),
    row("lastsave", Rule::Shape, CLOCK),
    row(
        "object encoding",
        Rule::Encoding,
        "7.0.15 says quicklist for every list; since 7.2 a small list is a listpack",
    ),
    row(
        "object refcount",
        Rule::Shape,
        "Redis shares small integers, Oxidis shares nothing",
    ),
    row("memory usage", Rule::Shape, MEMORY),
    row("memory stats", Rule::Shape, MEMORY),
    row("memory doctor", Rule::Shape, MEMORY),
    row(
        "dump",
        Rule::Shape,
        "the serialized form carries the version of the format",
    ),
    row("hello", Rule::Keys, IDENTITY),
    row("info", Rule::Shape, IDENTITY),
    row("client id", Rule::Shape, IDENTITY),
    row("client list", Rule::Shape, IDENTITY),
    row("client info", Rule::Shape, IDENTITY),
    row("lolwut", Rule::Shape, IDENTITY),
    row("command", Rule::Shape, TABLE),
    row("command count", Rule::Shape, TABLE),
    row("command list", Rule::Shape, TABLE),
    row("command docs", Rule::Shape, TABLE),
    row("command info", Rule::Shape, TABLE),
    row("pubsub channels", Rule::Unordered, HASH_ORDER),
    row("pubsub shardchannels", Rule::Unordered, HASH_ORDER),
    row("command help", Rule::Shape, WORDS),
    row("object help", Rule::Shape, WORDS),
    row("client help", Rule::Shape, WORDS),
    row("config help", Rule::Shape, WORDS),
    row("memory help", Rule::Shape, WORDS),
    row("pubsub help", Rule::Shape, WORDS),
    row("debug help", Rule::Shape, WORDS),
    row("xinfo help", Rule::Shape, WORDS),
    row("xgroup help", Rule::Shape, WORDS),
    row("script help", Rule::Shape, WORDS),
    row("function help", Rule::Shape, WORDS),
    row("function list", Rule::Unordered, HASH_ORDER),
    row("function dump", Rule::Shape, HASH_ORDER),
    row("slowlog help", Rule::Shape, WORDS),
    row("latency help", Rule::Shape, WORDS),
    row("acl help", Rule::Shape, WORDS),
    row("module help", Rule::Shape, WORDS),
    row("cluster help", Rule::Shape, WORDS),
    row("acl genpass", Rule::Shape, CHANCE_TEXT),
    row("acl log", Rule::Refusals, CLOCK),
    row("memory malloc-stats", Rule::Shape, MEMORY),
    row("latency doctor", Rule::Shape, WORDS_OF_ADVICE),
];

/// Why a double may be printed in two ways; the rule holds for every command.
pub const DOUBLES: &str = "7.0.15 prints doubles with 17 digits, Redis since 7.2 in the shortest form that reads back \
                           as the same number";

/// What the fuzzer does not ask, and why two right servers may answer it differently.
pub const NOT_ASKED: &[(&str, &str)] = &[
    (
        "ACL SETUSER with a first argument in which there is a space",
        "Redis takes it (8.2.3 ends by an assertion when it then prints the rules); Oxidis refuses it",
    ),
    (
        "ACL SETUSER with a parenthesis inside of one that is open",
        "7.0.15 begins the selector anew with it and forgets what stands before, newer versions and Oxidis refuse the \
         whole",
    ),
    (
        "SORT ... ALPHA over strings that are equal up to a NUL byte",
        "Redis compares with strcoll, which ends at a NUL, and leaves what is equal to it in the order that its \
         unstable sort happens to give; Oxidis compares whole strings",
    ),
    (
        "SORT ... BY pattern ALPHA over elements of equal or absent weights",
        "Redis leaves them in the order that its unstable sort happens to give",
    ),
    (
        "SORT of a set BY a pattern without a star",
        "it is not sorted then, and the order of a hash table is nobody's promise",
    ),
    (
        "ranges BYLEX of a sorted set whose scores are not all the same",
        "Redis documents that the answer is unspecified; it depends on the random levels of its skiplist",
    ),
    (
        "clients that wait while *STORE overwrites a key of another type, or SWAPDB makes several keys ready",
        "Redis wakes nobody when a key is overwritten by such a result, although it is of the awaited type now; which \
         of several keys that become ready at once is taken has changed between the versions",
    ),
    (
        "hash-max-listpack-entries lowered below the size of a hash that is there",
        "Redis converts the hash when a field is overwritten, Oxidis when one is added",
    ),
    (
        "one call that names an element several times, or XX with new members, beyond the limit of small collections",
        "since 7.2 the limit is compared with what the call names, in 7.0.15 with what came of it",
    ),
    (
        "a score of -0 for a small sorted set",
        "a listpack keeps it as 0, and since 7.2 a ZADD of many members makes no listpack first",
    ),
    (
        "messages in RESP3 that a client's own command gives rise to",
        "7.0.15 puts them before the reply or in its middle, Redis since 7.2 and Oxidis behind it; Redis 8.0 still begins \
         with it where a FLUSHALL or FLUSHDB that is not ASYNC, outside of transactions and scripts, tells its own client",
    ),
    (
        "SCAN where keys are expired but still there",
        "it deletes those that it meets, and which those are belongs to the hash table, and with TYPE to the version",
    ),
    (
        "texts of numbers with exponents beyond those of a double",
        "they leave a trace in the errno of 7.0.15, and the next SORT refuses numbers because of it",
    ),
    (
        "scripts that call commands that wait",
        "7.0.15 refuses them, since 7.2 they do not wait then",
    ),
    (
        "expiries that are so and so long away (EXPIRE, PEXPIRE, SET with EX ...) in a transaction or a script that takes long",
        "7.0.15 counts from when it calls the command, Redis since 7.2 and Oxidis from when the transaction or the script began",
    ),
    (
        "XREADGROUP, XCLAIM and XAUTOCLAIM of a consumer that is not there",
        "since 7.2 they make it though it gets nothing",
    ),
    (
        "XGROUP with ENTRIESREAD, and XSETID below an ID that was deleted",
        "newer versions count what a group lags behind more exactly, and refuse such an ID",
    ),
    (
        "XREAD that waits for a stream, in whose place another comes that has nothing new but a greater last ID",
        "7.0.15 answers it with no entries, since 7.2 it waits on",
    ),
    (
        "XREAD with + as ID",
        "it is refused by 7.0.15; since 7.4 it stands for the last entry",
    ),
    (
        "searches for places in no order, or for several places equally far away",
        "which comes first is nobody's promise",
    ),
    (
        "inline requests of more than 65,536 bytes",
        "Redis refuses them unless the read that passes the limit holds the end of the line as well; Oxidis always does",
    ),
    (
        "the digits of doubles",
        "about one in 450 gets a digit more from Redis than it needs, or another last one, as Grisu2 does not find the \
         shortest form; both texts read back as the same number",
    ),
    (
        "numbers that a script gives to a command",
        "7.0.15 writes those that are not whole with 17 digits, Redis since 7.2 and Oxidis as all doubles",
    ),
    (
        "HyperLogLog strings that end in the middle of a run",
        "Redis takes the NUL behind the string for the other half; Oxidis refuses them as corrupt",
    ),
    (
        "commands of a transaction that need no memory, while memory is short",
        "7.0.15 refuses to queue them; Redis 8.0, Valkey and Oxidis queue them",
    ),
    (
        "PFDEBUG SIMD",
        "Oxidis merges registers in one way only, and always answers `disabled`",
    ),
    (
        "XAUTOCLAIM with a COUNT beyond what memory can hold",
        "since 7.2 Redis refuses it, as it makes room for so many IDs first; Oxidis does not",
    ),
    (
        "libraries given to cjson.encode, cmsgpack.pack, table.sort and table.remove, or raised as errors",
        "Redis's Lua has a flag on tables that cannot be changed; in Oxidis an empty table stands for such a one, and \
         reading it leads to the real one, but for functions that look into a table past its metatable",
    ),
    (
        "tables that a script returns and that are thousands deep",
        "both end with `ERR reached lua stack limit`, Oxidis four levels earlier",
    ),
    (
        "error({}) in a script",
        "7.0.15 ends when an error that a script raises is a table without a text",
    ),
    (
        "an eval of the debugger of scripts that fails with an error that is a table",
        "7.0.15 ends; Oxidis shows the error",
    ),
    (
        "breakpoints behind one that is removed",
        "7.0.15 forgets the last of them and has another one twice",
    ),
    (
        "what stands in a pipeline before, or in a transaction behind an EVAL that is debugged",
        "Redis sends replies to the former when the conversation is over, and none to the latter, which with SCRIPT DEBUG \
         YES it executes on the data; Oxidis replies to all, and has the whole transaction on the copy",
    ),
    (
        "SCRIPT DEBUG YES with much data",
        "Redis forks, and pages are copied as they change; Oxidis copies the data set when the conversation begins, and \
         CLIENT LIST goes on to show the client",
    ),
    (
        "FLUSHALL told to a client that speaks another protocol than the one that redirects its invalidations to it",
        "Redis writes the null in the protocol of the one that redirects, which the other may not understand; Oxidis in \
         the protocol of the one that gets it",
    ),
    (
        "the bytes of DUMP",
        "with `rdbcompression no` they are the same but for the order of hash tables, fractions among the scores of \
         small sorted sets, which since 7.2 are written in the shortest form, and where the nodes end of lists that have \
         not only grown at their end (since 7.2 the first node also takes a little more); \
         which repetitions are found otherwise is the compressor's own (Redis begins with a table that holds what \
         lay on its stack)",
    ),
    (
        "a target of MIGRATE that answers a line of more than 1,023 bytes",
        "Redis takes what is beyond for the next reply, and may delete a key that was refused; Oxidis reads the line",
    ),
    (
        "passwords of a MIGRATE that is refused because of a word before them",
        "Redis shows them in its logs; Oxidis never does",
    ),
    (
        "DEBUG DIGEST and DEBUG DIGEST-VALUE of sorted sets",
        "since 7.2 scores are digested in their shortest form; Oxidis digests them as 7.0.15 does",
    ),
    (
        "DEBUG STRUCTSIZE, the numbers of DEBUG HTSTATS, HTSTATS-KEY and SDSLEN",
        "memory is laid out differently: HTSTATS-KEY says how many elements there are, FULL says no more, and \
         expiries have no table",
    ),
    (
        "DEBUG LISTPACK and QUICKLIST",
        "what they say is printed on stdout goes to the log, which is stdout unless `logfile` names a file",
    ),
    (
        "DEBUG RESTART and CRASH-AND-RECOVER with a delay",
        "Redis ends connections before it; in Oxidis they end with it, and nobody can connect meanwhile",
    ),
    (
        "DEBUG MALLCTL with a value, DEBUG MALLCTL-STR but with VOID",
        "Redis gives the allocator whatever pointer comes of it, and ends where the control is of another type; Oxidis \
         refuses them",
    ),
    (
        "DEBUG RELOAD NOFLUSH of keys that are there, without MERGE; DEBUG CLUSTERLINK without more words",
        "Redis ends; Oxidis answers an error",
    ),
    (
        "`rbs`, `rbp`, `obl`, `qbuf-free` and `tot-mem` in CLIENT LIST",
        "Redis keeps a buffer of 1 to 16 KiB for the replies of each client, and a list behind it; in Oxidis a client that \
         idles has no buffers, and what the socket does not take lies in one: `rbs` is its size, `rbp` the most that ever \
         waited in it, and all of it counts as `omem`, none as `obl`",
    ),
    (
        "DEBUG REPL-PAUSE",
        "Redis stands still at a step of a replica's synchronization; Oxidis has no such steps, and accepts the words",
    ),
    (
        "what active defragmentation moves, and how long it takes",
        "Redis moves the nodes of its radix trees, too; in Oxidis entries that consumers of a stream have yet to acknowledge \
         stay where they are. A pass of Oxidis takes a second at least, however little there is to do, and one that gains \
         nearly nothing is followed by ten seconds of rest unless more holes come meanwhile. Without `activedefrag` there \
         are passes, too, while holes bring the process near `maxmemory`. `active-defrag-cycle-us` is Valkey's",
    ),
    (
        "MEMORY DOCTOR, and the advice of protected mode to who is refused",
        "the texts are our own; what is refused, and the first two sentences that say why, are as in Redis",
    ),
    (
        "what follows in a transaction an ACL DELUSER of its own user, or a CLIENT KILL of its own connection",
        "Redis ends the connection in the middle of the reply to EXEC; Oxidis behind it",
    ),
    (
        "CLIENT REPLY OFF or SKIP in a transaction",
        "Redis sends the beginning of the reply to EXEC and not all of its elements, which clients cannot read, and \
         Valkey 9.1 refuses the command; Oxidis leaves out the reply to EXEC",
    ),
    (
        "what is wrong with a `user` line of a configuration file",
        "Redis names the word two before the one that is wrong, and says of a parenthesis that is not closed whatever was \
         wrong last; Oxidis names the word, and calls the parenthesis a syntax error",
    ),
    (
        "MIGRATE to a database with a number below 0",
        "7.0.15 takes -1 for whichever database the connection is in; Oxidis asks the target, which refuses it",
    ),
    (
        "large requests of a transaction in COMMANDLOG",
        "Valkey 9.1 does not log them; Oxidis does",
    ),
    (
        "COMMAND INFO and DOCS",
        "notes of key specifications are not told; summaries, and what is said of changes, are in our own words; what Valkey or Redis 8.2 has beyond Redis 8.0 is described, too",
    ),
    (
        "SCRIPT DEBUG in a pipeline, behind a command that waited",
        "Redis refuses it if the reply to that command has not been sent yet, which Oxidis does before it goes on; the \
         debugger has recorded conversations",
    ),
];

/// What both servers are started with when the fuzzer compares them, and why.
pub const COMPARISON_OPTIONS: &[(&str, &str, &str)] = &[
    (
        "enable-debug-command",
        "local",
        "DEBUG DIGEST compares whole data sets, DEBUG SET-ACTIVE-EXPIRE leaves expired keys to those who look",
    ),
    (
        "notify-keyspace-events",
        "AKEmn",
        "every event of every key is compared",
    ),
    (
        "sanitize-dump-payload",
        "yes",
        "damaged payloads are refused before they are keys",
    ),
];

/// Scripts that answer what the command answers which they are given as their arguments.
pub const PASSING_SCRIPTS: &[&str] = &[
    "return redis.call(unpack(ARGV))",
    "return redis.pcall(unpack(ARGV))",
    "redis.setresp(3) return redis.call(unpack(ARGV))",
    "redis.setresp(3) return redis.pcall(unpack(ARGV))",
    "redis.call(unpack(ARGV)) return redis.call(unpack(ARGV))",
    "redis.call('select', '1') return redis.call(unpack(ARGV))",
];

/// The command that a script of [`PASSING_SCRIPTS`] is given.
pub fn inner_command(words: &[Vec<u8>]) -> Option<&[Vec<u8>]> {
    let [name, source, keys, ..] = words else {
        return None;
    };
    let is_eval = name.eq_ignore_ascii_case(b"eval") || name.eq_ignore_ascii_case(b"eval_ro");
    let is_passing = PASSING_SCRIPTS
        .iter()
        .any(|script| script.as_bytes() == source.as_slice());
    let keys: usize = std::str::from_utf8(keys).ok()?.parse().ok()?;
    words
        .get(3usize.checked_add(keys)?..)
        .filter(|inner| is_eval && is_passing && !inner.is_empty())
}

/// Says how the keyspace events (or other messages on a connection) of two servers differ. Not what
/// follows a hash table's order: which of several keys in a row expires or is missed first, and in
/// which order UNSUBSCRIBE without arguments ends subscriptions, and by which of several patterns a
/// message comes first. Nor what HELLO says of this very
/// server.
pub fn messages_difference(expected: &[Reply], actual: &[Reply]) -> Option<String> {
    let (expected, actual) = (in_one_order(expected), in_one_order(actual));
    let longest = expected.len().max(actual.len());
    let at = (0..longest).find(|&at| match (expected.get(at), actual.get(at)) {
        (Some(expected), Some(actual)) => !equal(expected, actual),
        _ => true,
    })?;
    let shown = |events: &[Reply]| {
        const CONTEXT: usize = 3;
        let from = at.saturating_sub(CONTEXT);
        let to = (at + CONTEXT).min(events.len());
        let lines = events.get(from..to).unwrap_or_default().iter();
        let texts: Vec<String> = lines
            .map(|event| format!("  {}", event.to_string().replace('\n', " ")))
            .collect();
        texts.join("\n")
    };
    Some(format!(
        "message {at}: expected\n{}\ngot\n{}",
        shown(&expected),
        shown(&actual)
    ))
}

/// Messages of a kind that stand in a row in the order of their text.
fn in_one_order(messages: &[Reply]) -> Vec<Reply> {
    let mut messages: Vec<Reply> = messages.iter().map(without_identity).collect();
    for run in messages.chunk_by_mut(|one, other| {
        let kind = kind_without_order(one);
        kind.is_some() && kind == kind_without_order(other)
    }) {
        match kind_without_order(&run[0]) {
            // The counts behind the names go down whatever the order.
            Some(kind) if kind.ends_with(b"unsubscribe") => sort_names(run),
            Some(_) => run.sort(),
            None => {}
        }
    }
    messages
}

/// The kind of a message whose place among others of its kind is nobody's promise.
fn kind_without_order(message: &Reply) -> Option<Vec<u8>> {
    const EVENTS: [&[u8]; 2] = [b":expired", b":keymiss"];
    let elements = message.elements()?;
    let kind = elements.first()?.bytes()?;
    if kind.ends_with(b"unsubscribe") {
        return Some(kind.to_vec());
    }
    let event = elements.get(elements.len().checked_sub(2)?)?.bytes()?;
    if let Some(name) = EVENTS.into_iter().find(|name| event.ends_with(name)) {
        return Some(name[1..].to_vec());
    }
    let payload = elements.last()?.bytes()?;
    let is_named = EVENTS.iter().any(|name| payload == &name[1..]);
    if event.starts_with(b"__keyspace@") && is_named {
        return Some(payload.to_vec());
    }
    // One message that came by several patterns.
    let is_by_pattern = kind == b"pmessage" && elements.len() == 4;
    is_by_pattern.then(|| [event, elements[3].bytes().unwrap_or_default()].join(&0))
}

/// Sorts the names (second elements) of messages and leaves everything else where it is.
fn sort_names(run: &mut [Reply]) {
    let mut names: Vec<Reply> = run
        .iter()
        .filter_map(|message| message.elements()?.get(1).cloned())
        .collect();
    names.sort();
    for (message, name) in run.iter_mut().zip(names) {
        if let Reply::Array(elements) | Reply::Push(elements) = message {
            elements[1] = name;
        }
    }
}

/// Of a reply to HELLO its keys only.
fn without_identity(message: &Reply) -> Reply {
    match message {
        Reply::Map(pairs)
            if pairs
                .first()
                .is_some_and(|(key, _)| *key == Reply::bulk("server")) =>
        {
            Reply::Array(pairs.iter().map(|(key, _)| key.clone()).collect())
        }
        other => other.clone(),
    }
}

/// What Oxidis is started with when it is compared to 7.0.15, and why.
pub const COMPARISON_ARGUMENTS: &[(&str, &str, &str)] = &[(
    "--set-max-listpack-entries",
    "0",
    "7.0.15 has no listpack sets: a set that is no intset is a hash table at once",
)];

/// The rule for a command as sent.
pub fn rule_for(words: &[Vec<u8>]) -> Rule {
    let lower = |index: usize| words.get(index).map(|word| word.to_ascii_lowercase());
    let (Some(name), second) = (lower(0), lower(1)) else {
        return Rule::Exact;
    };
    let matches = |row: &&RuleRow| match row.command.split_once(' ') {
        Some((command, subcommand)) => {
            name == command.as_bytes() && second.as_deref() == Some(subcommand.as_bytes())
        }
        // `command` alone is another command than `command docs`.
        None if row.command == "command" => name == b"command" && second.is_none(),
        None => name == row.command.as_bytes(),
    };
    RULES
        .iter()
        .find(matches)
        .map_or(Rule::Exact, |row| row.rule)
}

/// Compares the conversations of two servers on one connection each. It follows MULTI, so that the
/// elements of EXEC's reply are compared by the rules of the commands that were queued.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    queued: Vec<Words>,
    /// Whether a listpack counts as the hash table that 7.0.15 has in its place.
    takes_listpack_sets: bool,
    /// Whether replies differed as the versions do, since it was last asked.
    met_change: bool,
}

impl Comparison {
    /// One for a server with listpack sets, which 7.0.15 has not: each of them is a hash table there.
    pub fn with_listpack_sets() -> Self {
        Self {
            takes_listpack_sets: true,
            ..Self::default()
        }
    }

    /// Whether since the last call a reply differed as the versions do: a command that one of
    /// them refuses may have missed keys in the other.
    pub fn take_met_change(&mut self) -> bool {
        std::mem::take(&mut self.met_change)
    }

    /// Compares by the rule of the command.
    fn judged(&mut self, words: &[Vec<u8>], expected: &Reply, actual: &Reply) -> Option<String> {
        let inner = inner_command(words);
        let (expected, actual) = match inner {
            Some(_) => passed_on(expected, actual),
            None => (expected.clone(), actual.clone()),
        };
        let asks_for_maps = inner.is_some() && words[1].starts_with(b"redis.setresp(3)");
        let words = inner.unwrap_or(words);
        let rule = rule_for(words);
        let (expected, actual) = match rule {
            Rule::StreamTimes if asks_for_maps => (
                crate::streams::with_names_in_order(&expected),
                crate::streams::with_names_in_order(&actual),
            ),
            _ => (expected, actual),
        };
        self.met_change |= expected != actual && differ_by_version(words, &expected, &actual);
        let is_listpack_set = rule == Rule::Encoding
            && expected == Reply::bulk("hashtable")
            && actual == Reply::bulk("listpack");
        if is_listpack_set && self.takes_listpack_sets {
            return None;
        }
        difference(rule, words, &expected, &actual)
    }

    /// Says how the actual reply to a command differs from the expected one; `None` when the two
    /// count as the same.
    pub fn difference(
        &mut self,
        words: &Words,
        expected: &Reply,
        actual: &Reply,
    ) -> Option<String> {
        let name = words
            .first()
            .map(|word| word.to_ascii_lowercase())
            .unwrap_or_default();
        if inner_command(words).is_some() && *expected != Reply::Simple(b"QUEUED".to_vec()) {
            return self.judged(words, expected, actual);
        }
        if *expected == Reply::Simple(b"QUEUED".to_vec()) && name != b"exec" {
            self.queued.push(words.clone());
            return difference(Rule::Exact, words, expected, actual);
        }
        match name.as_slice() {
            b"exec" => {
                let queued = std::mem::take(&mut self.queued);
                match (expected, actual) {
                    (Reply::Array(expected), Reply::Array(actual))
                        if expected.len() == actual.len() && queued.len() == expected.len() =>
                    {
                        let mut elements = queued.iter().zip(expected.iter().zip(actual));
                        elements.find_map(|(words, (expected, actual))| {
                            self.judged(words, expected, actual)
                        })
                    }
                    _ => difference(Rule::Exact, words, expected, actual),
                }
            }
            // An error (MULTI inside MULTI) leaves the queue as it is.
            b"multi" | b"discard" | b"reset" => {
                if !expected.is_error() {
                    self.queued.clear();
                }
                difference(Rule::Exact, words, expected, actual)
            }
            _ => self.judged(words, expected, actual),
        }
    }
}

/// The replies of the command that a passing script was given: errors without the place in the
/// script where they were raised, if both servers name the same.
fn passed_on(expected: &Reply, actual: &Reply) -> (Reply, Reply) {
    let split = |reply: &Reply| match reply {
        Reply::Error(text) => text
            .windows(9)
            .position(|window| window == b" script: ")
            .map(|at| (Reply::Error(text[..at].to_vec()), text[at..].to_vec())),
        _ => None,
    };
    match (split(expected), split(actual)) {
        (Some((expected, place)), Some((actual, same))) if place == same => (expected, actual),
        (Some((expected, _)), None) if !actual.is_error() => (expected, actual.clone()),
        (None, Some((actual, _))) if !expected.is_error() => (expected.clone(), actual),
        _ => (expected.clone(), actual.clone()),
    }
}

/// Compares two replies to the same command by a rule.
pub fn difference(
    rule: Rule,
    words: &[Vec<u8>],
    expected: &Reply,
    actual: &Reply,
) -> Option<String> {
    if expected == actual || same(rule, words, expected, actual) {
        return None;
    }
    Some(format!(
        "expected\n{}\ngot\n{}",
        indent(expected),
        indent(actual)
    ))
}

fn indent(reply: &Reply) -> String {
    const LONGEST: usize = 60;
    let text = reply.to_string();
    let mut lines: Vec<String> = text
        .lines()
        .take(LONGEST)
        .map(|line| format!("  {line}"))
        .collect();
    if text.lines().count() > LONGEST {
        lines.push("  ...".to_owned());
    }
    lines.join("\n")
}

fn same(rule: Rule, words: &[Vec<u8>], expected: &Reply, actual: &Reply) -> bool {
    if expected.is_error() || actual.is_error() {
        return expected == actual || differ_by_version(words, expected, actual);
    }
    match rule {
        Rule::Exact => equal(expected, actual) || differ_by_version(words, expected, actual),
        Rule::Unordered => same_multiset(expected, actual, 1),
        Rule::UnorderedPairs => same_multiset(expected, actual, 2),
        Rule::Scan => same_scan(words, expected, actual, 1),
        Rule::ScanPairs => same_scan(words, expected, actual, 2),
        Rule::Drawn => same_shape(expected, actual) && length(expected) == length(actual),
        Rule::Shape => same_shape(expected, actual),
        Rule::Keys => match (flat_pairs(expected), flat_pairs(actual)) {
            (Some(expected), Some(actual)) => {
                let keys = |flat: Vec<Reply>| flat.into_iter().step_by(2).collect::<Vec<_>>();
                keys(expected) == keys(actual)
            }
            _ => false,
        },
        Rule::Near(tolerance) => match (expected, actual) {
            (Reply::Integer(expected), Reply::Integer(actual)) => {
                *expected >= 0
                    && *actual >= 0
                    && expected.abs_diff(*actual) <= tolerance.unsigned_abs()
            }
            _ => false,
        },
        Rule::StreamTimes => {
            crate::streams::comparable(expected) == crate::streams::comparable(actual)
                || differ_by_version(words, expected, actual)
        }
        Rule::Refusals => match (refusals(expected), refusals(actual)) {
            (Some(expected), Some(actual)) => expected == actual,
            _ => equal(expected, actual),
        },
        Rule::Encoding => {
            let name = |reply: &Reply| match reply.bytes() {
                Some(b"listpack") => Some(b"quicklist".to_vec()),
                other => other.map(<[u8]>::to_vec),
            };
            // Only lists of 7.0.15 answer quicklist, so this lets nothing else through.
            *expected == Reply::bulk("quicklist") && name(expected) == name(actual)
        }
    }
}

/// Of each entry of ACL LOG what was refused to whom, how often and where.
fn refusals(reply: &Reply) -> Option<Vec<Vec<Reply>>> {
    const FIELDS: [&str; 5] = ["count", "reason", "context", "object", "username"];
    let entries = reply.elements()?.iter();
    entries
        .map(|entry| {
            let flat = flat_pairs(entry)?;
            let value = |field: &str| {
                let at = flat.iter().position(|word| *word == Reply::bulk(field))?;
                flat.get(at + 1).cloned()
            };
            FIELDS.iter().map(|field| value(field)).collect()
        })
        .collect()
}

/// Equality but for the print of doubles ([`DOUBLES`]).
fn equal(expected: &Reply, actual: &Reply) -> bool {
    match (expected, actual) {
        (Reply::Bulk(expected), Reply::Bulk(actual))
        | (Reply::Double(expected), Reply::Double(actual)) => {
            expected == actual || same_double(expected, actual)
        }
        (Reply::Array(expected), Reply::Array(actual))
        | (Reply::Set(expected), Reply::Set(actual))
        | (Reply::Push(expected), Reply::Push(actual)) => {
            expected.len() == actual.len()
                && expected
                    .iter()
                    .zip(actual)
                    .all(|(one, other)| equal(one, other))
        }
        (Reply::Map(expected), Reply::Map(actual)) => {
            let mut pairs = expected.iter().zip(actual);
            expected.len() == actual.len()
                && pairs.all(|(one, other)| equal(&one.0, &other.0) && equal(&one.1, &other.1))
        }
        _ => expected == actual,
    }
}

/// Whether the first text is a double with 17 digits, of which the last may be zeros that are not printed, and the
/// second another print of the same.
fn same_double(expected: &[u8], actual: &[u8]) -> bool {
    let digits = expected.iter().filter(|byte| byte.is_ascii_digit()).count();
    let parse = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    digits >= 13 && parse(expected).is_some() && parse(expected) == parse(actual)
}

fn same_multiset(expected: &Reply, actual: &Reply, group: usize) -> bool {
    if !same_shape(expected, actual) {
        return false;
    }
    match (flat_pairs(expected), flat_pairs(actual)) {
        (Some(one), Some(other)) => {
            let group = if matches!(expected, Reply::Map(_)) {
                2
            } else {
                group
            };
            let (one, other) = (sorted_groups(&one, group), sorted_groups(&other, group));
            let mut pairs = one.iter().zip(&other);
            one.len() == other.len() && pairs.all(|(one, other)| same_group(one, other))
        }
        _ => false,
    }
}

/// In groups of two the first is a field or member, which no other group has: it decides the order.
fn sorted_groups(flat: &[Reply], group: usize) -> Vec<&[Reply]> {
    let mut groups: Vec<&[Reply]> = flat.chunks(group).collect();
    groups.sort();
    groups
}

/// Members are compared as they are, only what follows them may be a double.
fn same_group(one: &[Reply], other: &[Reply]) -> bool {
    one.len() == other.len()
        && one[0] == other[0]
        && one[1..]
            .iter()
            .zip(&other[1..])
            .all(|(one, other)| equal(one, other))
}

fn same_scan(words: &[Vec<u8>], expected: &Reply, actual: &Reply, group: usize) -> bool {
    let parts = |reply: &Reply| match reply {
        Reply::Array(parts) if parts.len() == 2 && matches!(parts[1], Reply::Array(_)) => {
            Some(parts.clone())
        }
        _ => None,
    };
    let (Some(expected), Some(actual)) = (parts(expected), parts(actual)) else {
        return false;
    };
    let from_start = cursor_of(words) == Some(b"0");
    let to_end = |parts: &[Reply]| parts[0] == Reply::bulk("0");
    if from_start && to_end(&expected) && to_end(&actual) {
        return same_multiset(&expected[1], &actual[1], group);
    }
    matches!((&expected[0], &actual[0]), (Reply::Bulk(_), Reply::Bulk(_)))
}

fn cursor_of(words: &[Vec<u8>]) -> Option<&[u8]> {
    let has_key = !words[0].eq_ignore_ascii_case(b"scan");
    words.get(1 + usize::from(has_key)).map(Vec::as_slice)
}

fn same_shape(expected: &Reply, actual: &Reply) -> bool {
    std::mem::discriminant(expected) == std::mem::discriminant(actual)
}

fn length(reply: &Reply) -> Option<usize> {
    flat_pairs(reply).map(|flat| flat.len())
}

/// The elements of an aggregate; a map's keys and values in turn.
fn flat_pairs(reply: &Reply) -> Option<Vec<Reply>> {
    match reply {
        Reply::Map(pairs) => Some(
            pairs
                .iter()
                .flat_map(|(key, value)| [key.clone(), value.clone()])
                .collect(),
        ),
        other => other.elements().map(<[Reply]>::to_vec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::split_words;

    fn compare(line: &str, expected: &Reply, actual: &Reply) -> bool {
        Comparison::default()
            .difference(&split_words(line).unwrap(), expected, actual)
            .is_none()
    }

    fn array(texts: &[&str]) -> Reply {
        Reply::Array(texts.iter().map(Reply::bulk).collect())
    }

    #[test]
    fn only_listed_commands_may_answer_in_any_order() {
        assert!(compare(
            "SMEMBERS s",
            &array(&["a", "b"]),
            &array(&["b", "a"])
        ));
        assert!(!compare(
            "SMEMBERS s",
            &array(&["a", "b"]),
            &array(&["b", "b"])
        ));
        assert!(!compare(
            "LRANGE l 0 -1",
            &array(&["a", "b"]),
            &array(&["b", "a"])
        ));
        assert!(compare(
            "HGETALL h",
            &array(&["a", "1", "b", "2"]),
            &array(&["b", "2", "a", "1"])
        ));
        assert!(!compare(
            "HGETALL h",
            &array(&["a", "1", "b", "2"]),
            &array(&["b", "1", "a", "2"])
        ));
    }

    #[test]
    fn doubles_may_be_shorter_but_not_other() {
        let long = Reply::bulk("3.1000000000000001");
        assert!(compare("ZSCORE z a", &long, &Reply::bulk("3.1")));
        assert!(!compare("ZSCORE z a", &long, &Reply::bulk("3.2")));
        assert!(!compare(
            "ZSCORE z a",
            &Reply::bulk("3"),
            &Reply::bulk("3.0")
        ));
    }

    #[test]
    fn scans_that_are_whole_must_be_the_same() {
        let scan = |cursor: &str, members: &[&str]| {
            Reply::Array(vec![Reply::bulk(cursor), array(members)])
        };
        assert!(compare(
            "SCAN 0",
            &scan("0", &["a", "b"]),
            &scan("0", &["b", "a"])
        ));
        assert!(!compare(
            "SCAN 0",
            &scan("0", &["a", "b"]),
            &scan("0", &["a"])
        ));
        assert!(compare(
            "SCAN 0",
            &scan("5", &["a"]),
            &scan("9", &["b", "c"])
        ));
        assert!(!compare(
            "SCAN 0",
            &scan("5", &["a"]),
            &Reply::Error(b"ERR x".to_vec())
        ));
    }

    #[test]
    fn exec_is_compared_by_the_rules_of_what_was_queued() {
        let mut comparison = Comparison::default();
        let queued = Reply::Simple(b"QUEUED".to_vec());
        let words = |line| split_words(line).unwrap();
        assert_eq!(
            comparison.difference(&words("SMEMBERS s"), &queued, &queued),
            None
        );
        assert_eq!(
            comparison.difference(&words("LRANGE l 0 1"), &queued, &queued),
            None
        );
        let one = Reply::Array(vec![array(&["a", "b"]), array(&["a", "b"])]);
        let other = Reply::Array(vec![array(&["b", "a"]), array(&["a", "b"])]);
        let third = Reply::Array(vec![array(&["b", "a"]), array(&["b", "a"])]);
        let mut again = Comparison {
            queued: comparison.queued.clone(),
            ..Comparison::default()
        };
        assert_eq!(comparison.difference(&words("EXEC"), &one, &other), None);
        assert!(again.difference(&words("EXEC"), &one, &third).is_some());
    }

    #[test]
    fn a_script_may_pass_on_what_is_said_of_a_consumer_in_any_order() {
        let inner: Words = split_words("XINFO STREAM s FULL").unwrap();
        let through = |script: &str| {
            let eval = ["EVAL", script, "0"].map(|word| word.as_bytes().to_vec());
            [eval.to_vec(), inner.clone()].concat()
        };
        let consumer = |pairs: &[(&str, i64)]| {
            let pairs = pairs.iter();
            let flat =
                pairs.flat_map(|&(name, number)| [Reply::bulk(name), Reply::Integer(number)]);
            Reply::Array(vec![
                Reply::bulk("consumers"),
                Reply::Array(vec![Reply::Array(flat.collect())]),
            ])
        };
        // The order of 7.0.15, and ours, with the name that only we have.
        let old = consumer(&[("seen-time", 7), ("name", 1), ("pel-count", 0)]);
        let new = consumer(&[
            ("name", 1),
            ("active-time", -1),
            ("pel-count", 0),
            ("seen-time", 7),
        ]);
        let other = consumer(&[("name", 1), ("pel-count", 2), ("seen-time", 7)]);
        let differ = |words: &Words, actual: &Reply| {
            let mut comparison = Comparison::default();
            comparison.difference(words, &old, actual).is_some()
        };
        let with_maps = through("redis.setresp(3) return redis.call(unpack(ARGV))");
        assert!(!differ(&with_maps, &new));
        assert!(differ(&with_maps, &other));
        assert!(differ(&through("return redis.call(unpack(ARGV))"), &new));
        assert!(differ(&inner, &new));
    }

    #[test]
    fn times_may_differ_a_little_but_their_meanings_not() {
        assert!(compare("TTL k", &Reply::Integer(100), &Reply::Integer(99)));
        assert!(!compare("TTL k", &Reply::Integer(100), &Reply::Integer(90)));
        assert!(!compare("TTL k", &Reply::Integer(0), &Reply::Integer(-1)));
    }
}
