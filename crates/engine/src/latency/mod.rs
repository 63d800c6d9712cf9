//! How long things take: a histogram of each command's durations, and the moments at which something
//! took too long.
//!
//! Histograms are kept a worker apart, like all counters, and fed by the readings of the clock that the slow log
//! and commandstats need anyway (`Worker::measure`). The commands stand in `cmd::latency`.

mod advice;
mod graph;
mod histogram;
mod monitor;

pub(crate) use advice::{Circumstances, advise};
pub(crate) use graph::draw;
pub(crate) use histogram::{Durations, Histogram};
pub(crate) use monitor::{Event, LatencyMonitor};
