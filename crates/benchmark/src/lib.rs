//! The benchmark: `oxidis benchmark`, what a link whose name ends in `-benchmark` runs, and the load
//! generator beneath it for other tools.
//!
//! It takes the flags of `redis-benchmark` and prints its lines, so that what reads them need not
//! change. Read [`load`] for how requests are sent, [`run`](run()) for what is made of it.

mod arguments;
pub mod latency;
pub mod load;
mod replies;
mod report;
pub mod request;
mod run;
mod server_configuration;
mod suite;

pub use run::run;
