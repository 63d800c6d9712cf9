//! CLUSTER and its kin, as a server that stands alone has them: the rows are there, so that COMMAND
//! shows what clients look for, and every one of them answers that this is no cluster.

use crate::command::{
    Categories, Command, CommandError, CommandResult, Context, Flags, Group, KeyFlags, KeySpec,
    Reply,
};

const STALE: Flags = Flags::STALE;
const ADMIN: Flags = Flags::ADMIN.union(STALE);
const CHANGING: Flags = Flags::NO_ASYNC_LOADING.union(ADMIN);
const CONNECTION: Flags = Flags::FAST.union(Flags::LOADING).union(STALE);
const VARYING: &[&str] = &["nondeterministic_output"];

const ROW: Command = Command {
    group: Group::Cluster,
    since: "3.0.0",
    handler: refuse,
    ..Command::DEFAULT
};

/// The family's rows.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        name: "asking",
        arity: 1,
        flags: Flags::FAST,
        categories: Categories::CONNECTION,
        summary: "Says that the next command follows an -ASK redirection.",
        ..ROW
    },
    Command {
        name: "cluster",
        arity: -2,
        complexity: "That of the subcommand",
        summary: "Looks at the cluster and manages it.",
        subcommands: SUBCOMMANDS,
        ..ROW
    },
    Command {
        name: "clusterscan",
        arity: -2,
        flags: Flags::READONLY,
        categories: Categories::KEYSPACE,
        keys: &[KeySpec::first(KeyFlags::NOT_KEY)],
        since: "9.1.0",
        complexity: "O(N) in the number of keys that are answered",
        summary: "Lists some of the keys of the cluster, and where to go on (from Valkey).",
        syntax: "cursor:string [MATCH match-pattern:pattern] [COUNT count:integer] [TYPE type:string] [SLOT slot:integer]",
        tips: &[
            "nondeterministic_output",
            "request_policy:special",
            "response_policy:special",
        ],
        ..ROW
    },
    Command {
        name: "readonly",
        arity: 1,
        flags: CONNECTION,
        categories: Categories::CONNECTION,
        summary: "Lets the connection read from a replica of the cluster.",
        ..ROW
    },
    Command {
        name: "readwrite",
        arity: 1,
        flags: CONNECTION,
        categories: Categories::CONNECTION,
        summary: "Sends the connection's reads to the masters of the cluster again.",
        ..ROW
    },
];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "addslots",
        arity: -3,
        flags: CHANGING,
        complexity: "O(N) in the number of slots",
        summary: "Gives slots to this node.",
        syntax: "slot:integer [slot:integer ...]",
        ..ROW
    },
    Command {
        name: "addslotsrange",
        arity: -4,
        flags: CHANGING,
        since: "7.0.0",
        complexity: "O(N) in the number of slots",
        summary: "Gives ranges of slots to this node.",
        syntax: "range= (start-slot:integer end-slot:integer) [(start-slot:integer end-slot:integer) ...]",
        ..ROW
    },
    Command {
        name: "bumpepoch",
        arity: 2,
        flags: CHANGING,
        summary: "Advances the configuration epoch of the cluster.",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "cancelslotmigrations",
        arity: 2,
        flags: CHANGING,
        since: "9.0.0",
        complexity: "O(N) in the number of migrations",
        summary: "Ends the migrations of slots (from Valkey).",
        ..ROW
    },
    Command {
        name: "count-failure-reports",
        arity: 3,
        flags: ADMIN,
        complexity: "O(N) in the number of reports",
        summary: "Counts the reports that a node has failed.",
        syntax: "node-id:string",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "countkeysinslot",
        arity: 3,
        flags: STALE,
        summary: "Counts the keys of a slot.",
        syntax: "slot:integer",
        ..ROW
    },
    Command {
        name: "delslots",
        arity: -3,
        flags: CHANGING,
        complexity: "O(N) in the number of slots",
        summary: "Takes slots from this node.",
        syntax: "slot:integer [slot:integer ...]",
        ..ROW
    },
    Command {
        name: "delslotsrange",
        arity: -4,
        flags: CHANGING,
        since: "7.0.0",
        complexity: "O(N) in the number of slots",
        summary: "Takes ranges of slots from this node.",
        syntax: "range= (start-slot:integer end-slot:integer) [(start-slot:integer end-slot:integer) ...]",
        ..ROW
    },
    Command {
        name: "failover",
        arity: -2,
        flags: CHANGING,
        summary: "Makes a replica take its master's place.",
        syntax: "[options= FORCE|TAKEOVER]",
        ..ROW
    },
    Command {
        name: "flushslot",
        arity: -3,
        flags: Flags::WRITE
            .union(Flags::ADMIN)
            .union(Flags::NO_ASYNC_LOADING),
        categories: Categories::KEYSPACE,
        since: "9.0.0",
        complexity: "O(N) in the number of keys of the slot",
        summary: "Deletes every key of a slot (from Valkey).",
        syntax: "slot:integer [flush-type= ASYNC|SYNC]",
        ..ROW
    },
    Command {
        name: "flushslots",
        arity: 2,
        flags: CHANGING,
        summary: "Takes all slots from this node.",
        ..ROW
    },
    Command {
        name: "forget",
        arity: 3,
        flags: CHANGING,
        summary: "Removes a node from the nodes that this one knows.",
        syntax: "node-id:string",
        ..ROW
    },
    Command {
        name: "getkeysinslot",
        arity: 4,
        flags: STALE,
        complexity: "O(N) in the number of keys asked for",
        summary: "Lists keys of a slot.",
        syntax: "slot:integer count:integer",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "getslotmigrations",
        arity: 2,
        flags: CHANGING,
        since: "9.0.0",
        complexity: "O(N) in the number of migrations",
        summary: "Lists the migrations of slots (from Valkey).",
        ..ROW
    },
    ROW.help("5.0.0", ROW.handler),
    Command {
        name: "info",
        arity: 2,
        flags: STALE,
        summary: "Answers the state of the cluster.",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "keyslot",
        arity: 3,
        flags: STALE,
        complexity: "O(N) in the length of the key",
        summary: "Answers the slot of a key.",
        syntax: "key:string",
        ..ROW
    },
    Command {
        name: "links",
        arity: 2,
        flags: STALE,
        since: "7.0.0",
        complexity: "O(N) in the number of nodes",
        summary: "Lists the connections between this node and others.",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "meet",
        history: &[("4.0.0", "The port of the bus may be given.")],
        arity: -4,
        flags: CHANGING,
        summary: "Makes this node join another one.",
        syntax: "ip:string port:integer [cluster-bus-port:integer^4.0.0]",
        ..ROW
    },
    Command {
        name: "migrateslots",
        arity: -4,
        flags: CHANGING,
        since: "9.0.0",
        complexity: "O(N) in the number of slots",
        summary: "Moves slots to other nodes (from Valkey).",
        syntax: "migration-group= (SLOTSRANGE range= (start-slot:integer end-slot:integer) \
                 [(start-slot:integer end-slot:integer) ...] NODE node-id:string) ...",
        ..ROW
    },
    Command {
        name: "myid",
        arity: 2,
        flags: STALE,
        summary: "Answers the identifier of this node.",
        ..ROW
    },
    Command {
        name: "myshardid",
        arity: 2,
        flags: STALE,
        since: "7.2.0",
        summary: "Answers the identifier of this node's shard.",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "nodes",
        arity: 2,
        flags: STALE,
        complexity: "O(N) in the number of nodes",
        summary: "Answers what this node knows of all nodes.",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "replicas",
        arity: 3,
        flags: ADMIN,
        since: "5.0.0",
        complexity: "O(N) in the number of replicas",
        summary: "Lists the replicas of a master.",
        syntax: "node-id:string",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "replicate",
        arity: 3,
        flags: CHANGING,
        summary: "Makes this node a replica of another one.",
        syntax: "node-id:string",
        ..ROW
    },
    Command {
        name: "reset",
        arity: -2,
        flags: Flags::NOSCRIPT.union(ADMIN),
        complexity: "O(N) in the number of nodes",
        summary: "Makes this node forget the cluster.",
        syntax: "[reset-type= HARD|SOFT]",
        ..ROW
    },
    Command {
        name: "saveconfig",
        arity: 2,
        flags: CHANGING,
        summary: "Writes what this node knows of the cluster to its file.",
        ..ROW
    },
    Command {
        name: "set-config-epoch",
        arity: 3,
        flags: CHANGING,
        summary: "Sets the configuration epoch of a new node.",
        syntax: "config-epoch:integer",
        ..ROW
    },
    Command {
        name: "setslot",
        arity: -4,
        flags: CHANGING,
        summary: "Says to which node a slot belongs, or moves.",
        syntax: "slot:integer subcommand= ((importing= IMPORTING node-id:string)|(migrating= MIGRATING \
                 node-id:string)|(node= NODE node-id:string)|STABLE)",
        ..ROW
    },
    Command {
        name: "shards",
        arity: 2,
        flags: STALE.union(Flags::LOADING),
        since: "7.0.0",
        complexity: "O(N) in the number of nodes",
        summary: "Answers which slots and nodes belong together.",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "slaves",
        arity: 3,
        flags: ADMIN,
        complexity: "O(N) in the number of replicas",
        summary: "Lists the replicas of a master.",
        replaced_by: Some("`CLUSTER REPLICAS`"),
        deprecated_since: Some("5.0.0"),
        syntax: "node-id:string",
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "slot-stats",
        arity: -4,
        flags: STALE.union(Flags::LOADING),
        since: "8.0.0",
        complexity: "O(N) in the number of slots; O(N*log(N)) with ORDERBY",
        summary: "Answers what slots hold and cost (from Valkey).",
        syntax: "filter= ((slotsrange= SLOTSRANGE start-slot:integer end-slot:integer)|\
                 (orderby= ORDERBY metric:string [LIMIT limit:integer] [order= ASC|DESC]))",
        tips: &["nondeterministic_output", "request_policy:all_shards"],
        ..ROW
    },
    Command {
        name: "slots",
        history: &[
            ("4.0.0", "The reply has the names of nodes."),
            ("7.0.0", "The reply has more about where nodes are reached."),
        ],
        arity: 2,
        flags: STALE.union(Flags::LOADING),
        complexity: "O(N) in the number of nodes",
        summary: "Answers which node has which slots.",
        replaced_by: Some("`CLUSTER SHARDS`"),
        deprecated_since: Some("7.0.0"),
        tips: VARYING,
        ..ROW
    },
    Command {
        name: "syncslots",
        arity: -3,
        flags: CHANGING,
        since: "9.0.0",
        complexity: "That of what the nodes ask of each other",
        summary: "What nodes send each other to move slots (from Valkey).",
        ..ROW
    },
];

fn refuse(_: &mut Context<'_>, _: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::text(
        "ERR This instance has cluster support disabled",
    ))
}
