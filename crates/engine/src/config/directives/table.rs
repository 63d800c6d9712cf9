//! All rooms of rows joined into one table, in the order of the rooms.

use super::{
    cluster, encoding, memory, monitoring, network, persistence, process, replication, security,
    tls,
};
use crate::config::directive::Directive;

const ROOMS: &[&[Directive]] = &[
    network::ROWS,
    process::ROWS,
    security::ROWS,
    memory::ROWS,
    encoding::ROWS,
    monitoring::ROWS,
    persistence::ROWS,
    replication::ROWS,
    cluster::ROWS,
    tls::ROWS,
];

const COUNT: usize = {
    let mut count = 0;
    let mut room = 0;
    while room < ROOMS.len() {
        count += ROOMS[room].len();
        room += 1;
    }
    count
};

/// Every row.
pub(in crate::config) static DIRECTIVES: [Directive; COUNT] = {
    let mut rows = [Directive::DEFAULT; COUNT];
    let mut next = 0;
    let mut room = 0;
    while room < ROOMS.len() {
        let mut row = 0;
        while row < ROOMS[room].len() {
            rows[next] = ROOMS[room][row];
            next += 1;
            row += 1;
        }
        room += 1;
    }
    rows
};
