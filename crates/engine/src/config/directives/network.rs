//! Rows of the configuration table: where the server listens, and what it does with connections.

use crate::config::directive::{
    Directive, Flags, Kind, NumberForm,
    bounds::{INT_MAX, LONG_MAX, PORT_MAX, UINT_MAX},
    integer, memory, number, optional_text, yes_no,
};

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "bind",
        kind: Kind::Bind,
        flags: Flags::MULTI_ARGUMENT,
        summary: "The addresses to listen on; a leading - lets an address be missing, * is every one.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "bind-source-addr",
        kind: optional_text(),
        summary: "The address from which outgoing connections are made.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "port",
        kind: integer(0, PORT_MAX, 6379),
        summary: "The TCP port to listen on; 0 is none.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "protected-mode",
        kind: yes_no(true),
        summary: "Refuses clients from other machines while there is no password and no bind address.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "unixsocket",
        kind: optional_text(),
        flags: Flags::IMMUTABLE,
        summary: "The path of the Unix socket to listen on.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "unixsocketperm",
        kind: number(NumberForm::Octal, 0, 0o777, 0),
        flags: Flags::IMMUTABLE,
        summary: "The permissions of the Unix socket, in octal.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "unixsocketgroup",
        kind: optional_text(),
        flags: Flags::IMMUTABLE.union(Flags::HIDDEN),
        summary: "The group that owns the Unix socket.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tcp-backlog",
        kind: integer(0, INT_MAX, 511),
        flags: Flags::IMMUTABLE,
        summary: "How many connections may wait to be accepted.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tcp-keepalive",
        kind: integer(0, INT_MAX, 300),
        summary: "Seconds of silence after which TCP asks whether the client is alive; 0 is never.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "timeout",
        kind: integer(0, INT_MAX, 0),
        summary: "Seconds of idleness after which a client is disconnected; 0 is never.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "maxclients",
        kind: integer(1, UINT_MAX, 10000),
        summary: "How many clients may be connected at once.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "max-new-connections-per-cycle",
        kind: integer(1, 1000, 10),
        summary: "How many connections are accepted in one turn of the event loop.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "max-new-tls-connections-per-cycle",
        kind: integer(1, 1000, 1),
        summary: "How many TLS connections are accepted in one turn of the event loop.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "socket-mark-id",
        kind: integer(0, UINT_MAX, 0),
        flags: Flags::IMMUTABLE,
        summary: "The mark set on listening sockets for the firewall; 0 is none.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "mptcp",
        kind: yes_no(false),
        flags: Flags::IMMUTABLE.union(Flags::HIDDEN),
        summary: "Listens with Multipath TCP.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "client-query-buffer-limit",
        kind: memory(1024 * 1024, LONG_MAX, 1024 * 1024 * 1024),
        summary: "Bytes of unexecuted input at which a client is disconnected.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "client-output-buffer-limit",
        kind: Kind::OutputBufferLimits,
        flags: Flags::MULTI_ARGUMENT,
        summary: "Per class of clients: bytes of unread replies at which one is disconnected at once, or after some seconds.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "proto-max-bulk-len",
        kind: memory(1024 * 1024, LONG_MAX, 512 * 1024 * 1024),
        summary: "Bytes of the longest argument that a request may hold.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "maxmemory-clients",
        kind: number(NumberForm::MemoryOrPercent, -100, LONG_MAX, 0),
        summary: "Bytes, or percent of maxmemory, that all clients together may use before the greediest are disconnected; 0 is no limit.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "tracking-table-max-keys",
        kind: integer(0, LONG_MAX, 1000000),
        summary: "How many keys client side caching remembers; 0 is no limit.",
        ..Directive::DEFAULT
    },
];
