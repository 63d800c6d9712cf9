//! `cargo xtask bench`: what a request costs, in CPU time of the server, beside other servers on the
//! same machine in the same run.
//!
//! `workload` says which requests are sent (the load generator of `oxidis-benchmark` sends them), `cpu`
//! reads what the server spent (the one room that knows an operating system), `report` makes tables,
//! `run` joins them. `floor` is a server that does nothing, to measure what nobody can save. `persistence` measures
//! what saving, loading and logging cost, `instructions` counts what the server executes, `embedding` measures Oxidis
//! inside other programs.

mod cpu;
mod embedding;
mod floor;
mod instructions;
mod persistence;
mod report;
mod run;
mod workload;

pub use floor::{FloorArguments, serve as serve_floor};
pub use run::{Arguments, run};
