//! `cargo xtask bench --persistence`: what saving, loading and logging cost, beside redis-server on the same
//! machine in the same run.
//!
//! `run` says what is done in which order, `measure` does one measurement of one server, `report` makes the
//! table with the goals.

mod measure;
mod report;
mod run;

pub(super) use measure::{info, save_in_background, start_with_keys};
pub(super) use run::run;
