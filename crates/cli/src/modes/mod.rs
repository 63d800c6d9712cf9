//! What the program does other than running commands: each mode talks to the server
//! in its own way and prints what `redis-cli` would.

mod big_keys;
mod cache_workload;
mod debug;
mod eval;
mod hot_keys;
mod intrinsic_latency;
mod latency;
mod latency_spectrum;
mod pipe;
mod replication;
mod scan;
mod statistics;

pub use big_keys::{Measure, find_big_keys};
pub use cache_workload::imitate_cache;
pub use debug::debug;
pub use eval::eval;
pub use hot_keys::find_hot_keys;
pub use intrinsic_latency::measure_intrinsic_latency;
pub use latency::sample_latency;
pub use latency_spectrum::show_latency_spectrum;
pub use pipe::pipe;
pub use replication::{fetch_rdb, follow};
pub use scan::list_keys;
pub use statistics::print_statistics;
