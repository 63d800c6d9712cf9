//! How the data is written down: pure encoders and decoders, free of I/O.
//!
//! * `rdb`: whole data sets in Redis's RDB format.

mod rdb;

pub use rdb::{Rdb, RdbError};
