//! `cargo xtask compat`: Redis's own Tcl suite, run against the binary of Oxidis unit by unit.
//!
//! `source` brings the suite (Debian's source package of redis, never vendored), `suite` runs one
//! unit and parses what it prints, `expected` is the list of tests that redis-server passes, `skips`
//! that of those which Oxidis does not pass yet, `wordings` what newer servers answer in other words,
//! `run` joins them and judges, `report` prints.

mod expected;
mod report;
mod run;
mod skips;
mod source;
mod suite;
mod wordings;

pub use run::{Arguments, run};
