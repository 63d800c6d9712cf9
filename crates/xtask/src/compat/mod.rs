//! `cargo xtask compat`: Redis's own Tcl suite, run against the binary of Oxidis unit by unit.
//!
//! `source` brings the suite (Debian's source package of redis, never vendored), `suite` runs one
//! unit and parses what it prints, `skips` is the list of tests that do not pass yet, `run` joins
//! them and judges, `report` prints.

mod report;
mod run;
mod skips;
mod source;
mod suite;

pub use run::{Arguments, run};
