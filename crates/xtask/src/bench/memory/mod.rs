//! `cargo xtask bench --memory`: how many resident bytes a key or an element takes, by shape of data set, beside other
//! servers on the same machine in the same run.
//!
//! `shapes` says what is loaded and what the goals are, `run` loads and measures, each cell in a process of its own,
//! `report` makes the table.

mod report;
mod run;
mod shapes;

pub(super) use run::run;
