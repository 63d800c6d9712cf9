//! `cargo xtask bench`: what a request costs, in CPU time of the server, beside other servers on the
//! same machine in the same run.
//!
//! `contenders` says who is measured, `workload` which requests are sent (the load generator of
//! `oxidis-benchmark` sends them), `offered` sends them at a fixed rate, `cpu` reads what the server spent (the one room
//! that knows an operating system), `report` makes tables, `run` joins them, `keep` puts results under `bench/`.
//! `floor` is a server that does nothing, to measure what nobody can save. `memory` measures what keys and elements take,
//! `maxmemory` whether a limit is kept, `latency` how long requests take while other things go on, `persistence` what
//! saving, loading and logging cost; `instructions` counts what the server executes, `embedding` measures Oxidis inside other
//! programs.

mod contenders;
mod cpu;
mod embedding;
mod floor;
mod instructions;
mod keep;
mod latency;
mod maxmemory;
mod memory;
mod offered;
mod persistence;
mod report;
mod run;
mod workload;

pub use floor::{FloorArguments, serve as serve_floor};
pub use run::{Arguments, run};
